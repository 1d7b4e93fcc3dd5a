"""The report on a network's robustness as one page of HTML that needs no other file."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterator
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from kuramoto._outputs import cannot_write, give_name, require_free, temporary_name
from kuramoto.nn.attacks import Result, Threat
from kuramoto.nn.audit import Audit
from kuramoto.nn.audit.findings import VERDICTS, percent
from kuramoto.nn.pictures import robustness_words
from kuramoto.nn.pictures.robustness import figure_corruptions, figure_noise, figure_reliability
from kuramoto.nn.pictures.robustness_attacks import (
    KINDS,
    enlargement,
    figure_attacks,
    figure_examples,
    kind_of,
    order_of,
)
from kuramoto.nn.robustness import Report, Score

__all__ = ["FILES", "html", "write"]

FILES = ("report.html", "table.txt", "report.json")
"""What `write` writes; the last when the others are whole."""

_TEMPLATE = "robustness.html.jinja"
_DPI = 120
_SIGNS = {"fine": "✓", "caution": "?", "alarm": "✗"}
_MARKS = {"sound": "✓", "doubtful": "?", "none": "✗", "masked": "⚠"}
_COLUMNS = {
    "accuracy": "accuracy / %",
    "confidence": "confidence / %",
    "ece": "ECE / %",
    "adaptive": "adaptive / %",
    "class_wise": "class-wise / %",
    "nll": "NLL / nats",
    "brier": "Brier",
}


def write(report: Report, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write a report as a page, as a table, and as JSON, and return the page's path.

    ``report.html``, ``table.txt`` and, last, ``report.json``: where this is, all are whole.

    Parameters
    ----------
    report : Report
    folder : path
        Made where it is not there, in a folder that is.
    overwrite : bool, default False
        Replace files of these names.

    Raises
    ------
    FileExistsError
        If there is one of them already, before anything is written.
    ImportError
        If jinja2 is not installed.
    """
    place = Path(folder)
    paths = [place / name for name in FILES]
    if place.is_dir():
        for path in paths:
            require_free(path, overwrite)
    else:
        require_free(place, overwrite=False)
    texts = (html(report), str(report) + "\n", report.to_json())
    temporary = [temporary_name(path) for path in paths]
    try:
        place.mkdir(exist_ok=True)
        for path, text in zip(temporary, texts, strict=True):
            path.write_text(text, encoding="utf-8", newline="\n")
        if overwrite:
            paths[-1].unlink(missing_ok=True)  # or it would vouch for files that are not its own
        for path, final in zip(temporary, paths, strict=True):
            give_name(path, final, overwrite)
    except OSError as error:
        raise cannot_write(place, error) from None
    finally:
        for path in temporary:
            path.unlink(missing_ok=True)
    return paths[0]


def html(report: Report) -> str:
    """Return a report as a page of HTML: pictures in it, no scripts, nothing from elsewhere.

    Parameters
    ----------
    report : Report

    Raises
    ------
    ImportError
        If jinja2 is not installed.
    """
    page = _template()
    audit = report.audit
    pictures = _pictures(report)
    asked = robustness_words.asked(report.settings)
    return str(
        page.render(
            name=report.name,
            images=report.images,
            time=robustness_words.duration(report.seconds),
            verdict=_verdict(audit),
            threat="" if audit is None else robustness_words.threat(_threat(audit)),
            findings=[] if audit is None else list(_findings(audit)),
            attacks=[] if audit is None else list(_attacks(audit)),
            own_counts=audit is not None
            and any(result.own_accuracy is not None for result in audit.results.values()),
            heads=list(_COLUMNS.values()),
            scores=list(_scores(report)),
            pictures=pictures,
            captions=_captions(report),
            notes=report.notes,
            settings=asked,
            references=robustness_words.REFERENCES,
        )
    )


def _template() -> Any:
    try:
        import jinja2
    except ImportError as error:
        must = "A page on robustness needs the package jinja2"
        raise ImportError(f'{must}; pip install "kuramoto-spheres[nn]".') from error
    text = resources.files(__package__).joinpath(_TEMPLATE).read_text(encoding="utf-8")
    how: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True}
    settings = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, **how)
    return settings.from_string(text)


def _threat(audit: Audit) -> Threat:
    return Threat(**audit.settings["threat"])


def _verdict(audit: Audit | None) -> dict[str, Any]:
    """Return the box at the top: what is said, and what that means."""
    if audit is None:
        said = "No attack was run"
        return {"kind": "unknown", "sign": "–", "said": said, "words": [robustness_words.NO_AUDIT]}
    kind = audit.verdict
    strongest = audit.results[audit.strongest]
    error = f" ± {percent(strongest.error)}" if strongest.error == strongest.error else ""
    count = f"{len(strongest.right)} images"
    most = f"The strongest attack leaves {percent(audit.accuracy)}{error} of {count} right."
    worst = f"Image by image the worst of all attacks leaves {percent(audit.together)}."
    bound = f"{most} {worst} {robustness_words.BOUND}"
    words = [audit.words, robustness_words.MEANINGS[kind], bound]
    said = f"Verdict: {kind} – {VERDICTS[kind]}"
    return {"kind": kind, "sign": _MARKS[kind], "said": said, "words": map(_joined, words)}


def _joined(sentence: str) -> str:
    """Return a sentence that is never broken before its % signs."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%")


def _findings(audit: Audit) -> Iterator[dict[str, str]]:
    for finding in audit.findings:
        yield {
            "level": finding.level,
            "sign": _SIGNS[finding.level],
            "name": finding.name.replace("_", " "),
            "question": robustness_words.QUESTIONS.get(finding.name, ""),
            "sentence": _joined(finding.sentence),
        }


def _attacks(audit: Audit) -> Iterator[dict[str, Any]]:
    """Yield a row for each attack, in the order of the picture."""
    for name in order_of(audit):
        result = audit.results[name]
        own, kind = result.own_accuracy, kind_of(audit, name)
        threat = "" if result.threat is None else str(result.threat)
        yield {
            "name": name,
            "threat": "any change" if kind == "unbounded" else threat.replace("Linf", "L∞"),
            "accuracy": _accuracy(result),
            "images": len(result.right),
            "own": "" if own is None else f"{100 * own:.2f}",
            "sort": KINDS[kind][0].capitalize(),
            "settings": robustness_words.settings(result.settings),
            "notes": result.notes,
        }


def _accuracy(result: Result) -> str:
    error = f" ± {100 * result.error:.2f}" if result.error == result.error else ""
    return f"{100 * result.accuracy:.2f}{error}"


def _scores(report: Report) -> Iterator[dict[str, Any]]:
    """Yield a row for each sort of images, then the means over corruptions."""
    for score in report.scores:
        values = _numbers(partial(getattr, score.calibration))
        yield {"name": _shown(score), "numbers": values, "mean": False}
    for severity in report.severities:
        count = len(report.corrupted(severity))
        values = _numbers(partial(report.mean, severity))
        name = f"mean of {count}, severity {severity}"
        yield {"name": name, "numbers": values, "mean": True}


def _shown(score: Score) -> str:
    images = f"{score.calibration.images} images"
    if score.name == "clean":
        return f"clean, {images}"
    if score.name == "noise":
        return f"uniform noise, ±{255 * score.level:.4g}/255"
    return f"{score.name.replace('_', ' ')} {score.level:.0f}"


def _numbers(value: Callable[[str], float]) -> list[str]:
    return [
        f"{value(what):.3f}" if what in ("nll", "brier") else f"{100 * value(what):.2f}"
        for what in _COLUMNS
    ]


def _captions(report: Report) -> dict[str, str]:
    """Return what stands below the pictures."""
    said = dict(robustness_words.CAPTIONS)
    if report.examples:
        factor = f"{enlargement(report.examples):.3g}"
        said["examples"] = said["examples"].format(factor=factor)
    return said


def _pictures(report: Report) -> dict[str, list[dict[str, str]]]:
    """Return what is to be seen of each sort, with words for those who do not see it."""
    name, levels = report.name, report.severities
    seen: dict[str, list[dict[str, str]]] = {
        "reliability": [
            _png(figure_reliability(report, level), f"Reliability diagrams of {name}")
            for level in levels or [None]
        ],
        "corruptions": [
            _png(figure_corruptions(report, level), f"{name} and each corruption, severity {level}")
            for level in levels
        ],
    }
    others = {
        "attacks": (report.audit, figure_attacks, f"Accuracy of {name} under each attack"),
        "examples": (report.examples, figure_examples, f"Images and attacked images, {name}"),
        "noise": (report.noise, figure_noise, f"Accuracy and ECE of {name} under noise"),
    }
    for what, (there, figure, words) in others.items():
        seen[what] = [_png(figure(report), words)] if there else []
    return seen


def _png(figure: Figure, words: str) -> dict[str, str]:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI)
    packed = base64.b64encode(file.getvalue()).decode()
    return {"source": f"data:image/png;base64,{packed}", "words": words}
