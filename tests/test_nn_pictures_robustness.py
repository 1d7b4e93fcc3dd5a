"""Pictures and the page of a report on robustness: they show its numbers, and stand alone."""

from __future__ import annotations

import builtins
import html.parser
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.colors import to_hex  # noqa: E402
from matplotlib.container import BarContainer  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

from kuramoto.nn.attacks import PGD, AutoAttack, Noise, Result, Square, Transfer  # noqa: E402
from kuramoto.nn.audit import Audit, Plan  # noqa: E402
from kuramoto.nn.audit.findings import Finding  # noqa: E402
from kuramoto.nn.calibration import calibration  # noqa: E402
from kuramoto.nn.pictures import robustness_page, robustness_words  # noqa: E402
from kuramoto.nn.pictures.board import RIGHT, WRONG  # noqa: E402
from kuramoto.nn.pictures.robustness import (  # noqa: E402
    figure_attacks,
    figure_corruptions,
    figure_examples,
    figure_noise,
    figure_reliability,
)
from kuramoto.nn.pictures.robustness_attacks import (  # noqa: E402
    KINDS,
    enlargement,
    kind_of,
    order_of,
)
from kuramoto.nn.robustness import Example, Report, Score  # noqa: E402

THREAT = {"norm": "Linf", "eps": 8 / 255}
NASTY = """a<b> & "c" 'd' $x$ {{ 7*6 }} </details>"""
CORRUPTIONS = ("gaussian_noise", "fog", "pixelate")


def score(name: str, level: float, seed: int) -> Score:
    generator = np.random.default_rng(seed)
    logits = 3 * generator.normal(size=(60, 4))
    labels = np.where(generator.random(60) < 0.7, logits.argmax(1), generator.integers(0, 4, 60))
    return Score(name, level, calibration(logits, labels, logits=True))


def scores(seed: int = 0) -> tuple[Score, ...]:
    kinds = [("clean", 0), ("noise", 64 / 255), ("noise", 16 / 255)]
    kinds += [(name, level) for level in (3, 5) for name in CORRUPTIONS]
    return tuple(score(*kind, seed=100 * seed + row) for row, kind in enumerate(kinds))


def result(attack: Any, right: list[float], **more: Any) -> Result:
    settings = (attack if isinstance(attack, dict) else attack.settings()) | {"threat": THREAT}
    fields: dict[str, Any] = {"curve": None, "held": None, "notes": ()}
    fields |= {key: more.pop(key) for key in list(more) if key in fields}
    return Result(settings | more, tuple(right), (0.03,) * len(right), seconds=1.0, **fields)


def audit(verdict: str = "doubtful") -> Audit:
    pgd, curve = Plan(steps=3).adaptive(4), ((0.9, 0.5, 0.4, 0.3), (0.3, 0.3, 0.25, 0.2))
    results = {
        "clean": result({"attack": "clean"}, [1, 1, 1, 0]),
        "plain PGD": result(PGD(steps=3), [1, 1, 0, 0], curve=((0.8, 0.7, 0.6, 0.5),)),
        "adaptive PGD": result(pgd, [1, 0.5, 0, 0], curve=curve),
        "Square": result(Square(queries=9), [1, 1, 0.5, 0]),
        "noise": result(Noise(tries=9), [1, 1, 1, 0]),
        "AutoAttack rand": result(
            AutoAttack(version="rand"),
            [1, 0, 0, 0],
            held=(True, False, False, False),
            notes=("it <said> so",),
        ),
        "PGD, 1 draws": result(pgd, [1, 1, 0, 0]),
        "PGD, 4 draws": result(pgd, [1, 0.5, 0, 0]),
        "PGD, fixed": result(pgd, [0, 0, 0, 0], fixed=True, fixed_seed=3),
        "PGD, unbounded": result(pgd, [0, 0, 0, 0], threat={"norm": "Linf", "eps": 1.0}),
        NASTY: result({"attack": "mine", "size": 2}, [1, 1, 1, 1]),
    }
    white = dict.fromkeys(("plain PGD", "adaptive PGD", "AutoAttack rand", NASTY), 0.5)
    white |= {"PGD, 1 draws": 0.5, "PGD, 4 draws": 0.375}
    findings = (
        Finding("clean", "fine", "Right on 75.0 %.", {}),
        Finding("draws", "caution", NASTY, {"samples": [1, 4], "accuracy": [0.5, 0.375]}),
        Finding("black_box", "fine", "No.", {"white": white, "black": {"Square": 0, "noise": 0}}),
        Finding("naive", "alarm", "Wrong.", {}),
    )
    words = f"Said of {NASTY}."
    name = "AutoAttack rand"
    return Audit(verdict, words, 0.25, name, 0.125, findings, results, {"threat": THREAT})


def example(row: int, before: str, after: str, change: int, label: str = "cat") -> Example:
    image = np.full((6, 6, 3), 100, np.uint8)
    attacked = image.copy()
    attacked[0, 0], attacked[1, 1] = 100 + change, 100 - change
    return Example(row, label, before, after, 0.91, 0.62, image, attacked)


def report(name: str = "net", seed: int = 0, **changes: Any) -> Report:
    examples = (example(3, "cat", "dog", 8), example(7, "dog", "cat", 5))
    settings = {"model": {"model": NASTY}, "budget": {"eps": 8 / 255, "plan": None}}
    whole = Report(name, "drawn, 60", scores(seed), audit(), examples, ("Frost.",), settings, 75.0)
    return replace(whole, **changes)


def bare(**changes: Any) -> Report:
    """Return the least that an examination may find."""
    return report(**{"scores": scores()[:1], "audit": None, "examples": (), "notes": ()} | changes)


def drawn(figure: Figure) -> Figure:
    FigureCanvasAgg(figure).draw()  # where layout, glyphs and labels fail, if they do
    return figure


def heights(container: BarContainer) -> list[float]:
    return [bar.get_height() for bar in container]


def texts(figure: Figure) -> str:
    found = [text.get_text() for ax in figure.axes for text in (*ax.texts, ax.title)]
    return "\n".join(found + [text.get_text() for text in figure.texts])


# Reliability


def test_bars_of_reliability_are_the_bins_of_the_report() -> None:
    shown = report()
    figure = drawn(figure_reliability(shown, 5))
    for column, diagram in enumerate((shown.clean.reliability, shown.reliability(5))):
        ax, low = figure.axes[column], figure.axes[2 + column]
        full = diagram.counts > 0
        bars, gaps = ax.containers
        np.testing.assert_allclose(heights(bars), 100 * diagram.accuracy[full])
        lefts = [bar.get_x() for bar in bars]
        np.testing.assert_allclose(lefts, 100 * diagram.edges[:-1][full])
        ends = np.array([[bar.get_y(), bar.get_y() + bar.get_height()] for bar in gaps])
        both = 100 * np.stack([diagram.accuracy[full], diagram.confidence[full]], 1)
        np.testing.assert_allclose(np.sort(ends, 1), np.sort(both, 1))
        shares = np.array(heights(low.containers[0]))
        np.testing.assert_allclose(shares, 100 * diagram.counts[full] / diagram.counts.sum())
        # The hatched heights, weighted by the grey ones, are the ECE: the picture's own law.
        hatched = np.array(heights(gaps)) @ shares / 100
        assert hatched == pytest.approx(100 * diagram.error)
        assert f"ECE {100 * diagram.error:.1f} %" in ax.texts[0].get_text()
        over = diagram.confidence[full] >= diagram.accuracy[full]
        assert [bar.get_hatch() for bar in gaps] == ["////" if o else "...." for o in over]


def test_means_written_in_a_diagram_are_those_of_all_images() -> None:
    shown = report()
    clean, corrupt = (figure_reliability(shown).axes[n].texts[0].get_text() for n in (0, 1))
    assert f"accuracy {100 * shown.clean.accuracy:.1f} %" in clean
    assert f"confidence {100 * shown.clean.confidence:.1f} %" in clean
    assert f"accuracy {100 * shown.mean(5):.1f} %" in corrupt  # as many images of each


def test_ece_of_pooled_corruptions_is_at_most_the_mean_as_the_caption_says() -> None:
    assert "at most the mean" in robustness_words.CAPTIONS["reliability"]
    for seed in range(8):
        shown = report(seed=seed)
        assert shown.reliability(5).error <= shown.mean(5, "ece") + 1e-12
    assert report().reliability(5).error < report().mean(5, "ece") - 1e-3  # they differ


def test_networks_stand_below_each_other_and_one_may_lack_corruptions() -> None:
    figure = drawn(figure_reliability({"one": report(), "two": bare()}))
    said = texts(figure)
    assert len(figure.axes) == 8
    assert "one\nclean images" in said
    assert "two\nclean images" in said
    assert said.count("3 corruptions, severity 5") == 1
    assert said.count("not examined") == 1


def test_without_corruptions_there_is_one_column() -> None:
    assert len(drawn(figure_reliability(bare())).axes) == 2


# Noise and corruptions


def test_lines_of_noise_are_those_of_the_reports() -> None:
    reports = [report("one"), report("two", seed=1), bare()]
    figure = drawn(figure_noise(reports))
    right, apart = figure.axes
    assert len(right.containers) == len(apart.lines) == 2  # one has no noise
    for shown, bars, line in zip(reports, right.containers, apart.lines, strict=False):
        eps, accuracy = bars[0].get_data(orig=False)
        np.testing.assert_allclose(eps, [0, 16, 64])  # sorted, though the report is not
        all_scores = [shown.clean, shown.noise[16 / 255], shown.noise[64 / 255]]
        np.testing.assert_allclose(accuracy, [100 * found.accuracy for found in all_scores])
        np.testing.assert_allclose(line.get_ydata(), [100 * found.ece for found in all_scores])
        p = np.array([found.accuracy for found in all_scores])
        spans = [span[1, 1] - span[0, 1] for span in bars[2][0].get_segments()]
        np.testing.assert_allclose(spans, 200 * (p * (1 - p) / 60) ** 0.5)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "two"]


def test_bars_of_corruptions_are_those_of_the_reports() -> None:
    reports = {"one": report(), "two": report(seed=1)}
    figure = drawn(figure_corruptions(reports, 3))
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == ["clean", "gaussian noise", "fog", "pixelate", "mean of 3"]
    for ax, what in zip(figure.axes, ("accuracy", "ece"), strict=True):
        for bars, shown in zip(ax.containers, reports.values(), strict=True):
            found = [shown.corrupted(3)[name] for name in CORRUPTIONS]
            means = [getattr(one, what) for one in (shown.clean, *found)] + [shown.mean(3, what)]
            widths = [bar.get_width() for bar in bars]
            np.testing.assert_allclose(widths, 100 * np.array(means))


def test_a_mean_of_corruptions_is_over_those_that_all_networks_were_shown() -> None:
    whole = report()
    some = replace(whole, scores=tuple(s for s in whole.scores if s.name != "fog"))
    ax = drawn(figure_corruptions([whole, some])).axes[0]
    assert ax.get_yticklabels()[-1].get_text() == "mean of 2"
    ends = [bars[-1].get_width() for bars in ax.containers]
    assert ends == pytest.approx([100 * some.mean(5)] * 2)
    assert ends[0] != pytest.approx(100 * whole.mean(5))  # beside it they are not the same


def test_a_network_keeps_its_color_where_another_is_left_out() -> None:
    figure = figure_corruptions({"bare": bare(), "whole": report()})
    other = figure_noise({"bare": bare(), "whole": report()})
    bar = to_hex(figure.axes[0].containers[0][0].get_facecolor())
    assert bar == to_hex(other.axes[0].containers[0][0].get_color()) != "#0072b2"


def test_names_are_shown_as_they_are() -> None:
    figure = drawn(figure_noise([report(NASTY), report("_hidden"), report("$\\broken")]))
    said = [text.get_text().strip() for text in figure.legends[0].get_texts()]
    assert said == [NASTY, "_hidden", "$\\broken"]
    drawn(figure_reliability([report("$\\broken")]))
    drawn(figure_corruptions([report("$\\broken")]))


def test_the_same_name_twice_is_told_apart() -> None:
    figure = figure_noise([report("net"), report("net", seed=1)])
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["net", "net (2)"]


def test_many_networks_differ_by_more_than_color() -> None:
    reports = [report(str(n)) for n in range(8)]
    bars = [c[0] for c in drawn(figure_corruptions(reports)).axes[0].containers]
    lines = drawn(figure_noise(reports)).axes[1].lines
    assert len({(bar.get_facecolor(), bar.get_hatch()) for bar in bars}) == 8
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 8


# Attacks


def bars_of(ax: Any) -> dict[str, Any]:
    return {bar.get_gid(): bar for bar in ax.patches if bar.get_gid()}


def test_bars_of_attacks_are_accuracies_with_errors_sorted() -> None:
    shown = report()
    assert shown.audit is not None
    ax = drawn(figure_attacks(shown)).axes[0]
    bars, results = bars_of(ax), shown.audit.results
    legend = [text.get_text() for text in ax.figure.legends[0].get_texts()]
    assert set(bars) == set(results)
    for name, bar in bars.items():
        assert bar.get_width() == pytest.approx(100 * results[name].accuracy)
        words, color, hatch = KINDS[kind_of(shown.audit, name)]
        assert to_hex(bar.get_facecolor()) == to_hex(color)
        assert (bar.get_hatch() or "") == hatch
        assert words in legend
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == order_of(shown.audit)
    accuracies = [results[name].accuracy for name in names]
    assert accuracies[:7] == sorted(accuracies[:7])
    assert names[0] == shown.audit.strongest
    assert set(names[8:]) == {"PGD, fixed", "PGD, unbounded", "clean"}
    said = [text.get_text() for text in ax.texts]
    first = results[names[0]]
    assert said[0] == f"{100 * first.accuracy:.1f} ± {100 * first.error:.1f}"


def test_sorts_of_attacks_are_told_by_the_audit_or_by_what_they_do() -> None:
    found = audit()
    expected = {
        "clean": "none",
        "plain PGD": "white",
        "Square": "black",
        "noise": "black",
        "PGD, fixed": "fixed",
        "PGD, unbounded": "unbounded",
        NASTY: "white",
    }
    assert {name: kind_of(found, name) for name in expected} == expected
    silent = replace(found, findings=())  # nobody says which are black boxes
    assert {name: kind_of(silent, name) for name in expected} == expected
    pinned = {**Transfer(lambda x: x, PGD()).settings(), "surrogate": {"fixed": True}}
    other = replace(found, results={"to random": result(pinned, [1, 0])})
    assert kind_of(other, "to random") == "fixed"
    lied = replace(found.findings[2], data={"white": {}, "black": {NASTY: 1.0}})
    assert kind_of(replace(found, findings=(lied,)), NASTY) == "black"


def test_the_sweep_over_draws_and_the_curves_are_the_audits() -> None:
    shown = report()
    assert shown.audit is not None
    figure = drawn(figure_attacks(shown))
    attacks, draws, steps = figure.axes
    numbers, accuracy = draws.containers[0][0].get_data()
    assert list(numbers) == [1, 4]
    assert list(accuracy) == pytest.approx([50, 37.5])
    spans = [span[1, 1] - span[0, 1] for span in draws.containers[0][2][0].get_segments()]
    errors = [shown.audit.results[f"PGD, {n} draws"].error for n in (1, 4)]
    np.testing.assert_allclose(spans, 200 * np.array(errors))
    lines = {line.get_label(): np.array(line.get_ydata()) for line in steps.lines}
    adaptive = shown.audit.results["adaptive PGD"].curve
    assert adaptive is not None
    np.testing.assert_allclose(lines["adaptive PGD, start 1"], 100 * np.array(adaptive[0]))
    np.testing.assert_allclose(lines["adaptive PGD, start 2"], 100 * np.array(adaptive[1]))
    np.testing.assert_allclose(lines["plain PGD"], [80, 70, 60, 50])
    (bound,) = [line for line in attacks.lines if "at most" in str(line.get_label())]
    assert bound.get_xdata()[0] == 25
    assert "25.0 %" in bound.get_label()
    (own,) = [line for line in attacks.lines if "own count" in str(line.get_label())]
    assert own.get_xdata()[0] == 25


def test_panels_without_data_are_left_out() -> None:
    found = audit()
    flat = {name: replace(result, curve=None) for name, result in found.results.items()}
    no_curves = replace(found, results=flat)
    assert len(drawn(figure_attacks(report(audit=no_curves))).axes) == 2
    nothing = replace(no_curves, findings=())
    assert len(drawn(figure_attacks(report(audit=nothing))).axes) == 1


def test_an_attack_of_one_image_has_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    found = audit()
    one = {"clean": found.results["clean"], "PGD": result(PGD(), [1.0])}
    single = replace(found, strongest="PGD", accuracy=1.0, results=one)
    ax = drawn(figure_attacks(report(audit=single))).axes[0]
    assert ax.texts[0].get_text() == "100.0"
    without_pictures(monkeypatch)
    page = robustness_page.html(report(audit=single))
    assert "nan" not in page.split("<h2>Attacked images")[0].replace("nano", "")


# Examples


def test_examples_show_images_and_an_enlarged_difference() -> None:
    shown = report()
    figure = drawn(figure_examples(shown))
    factor = enlargement(shown.examples)
    assert factor == 127 // 8
    for number, one in enumerate(shown.examples):
        panels = [ax.images[0].get_array() for ax in figure.axes[3 * number : 3 * number + 3]]
        np.testing.assert_array_equal(panels[0], one.image)
        np.testing.assert_array_equal(panels[1], one.attacked)
        moved = one.attacked.astype(int) - one.image
        np.testing.assert_array_equal(np.asarray(panels[2]).astype(int), 128 + factor * moved)
    assert f"× {factor:.0f}" in figure.axes[2].get_title()


def test_wrong_answers_are_told_by_words_color_and_frame() -> None:
    figure = drawn(figure_examples(report()))
    looks = [
        (ax.get_title(), ax.title.get_color(), ax.spines["top"].get_linestyle())
        for ax in (figure.axes[n] for n in (0, 1, 3, 4))
    ]
    right, wrong, before, after = looks
    assert right[0] == "before: right\nsays cat, 91 %"
    assert right[1:] == (RIGHT, "-")
    assert wrong[0] == "attacked: WRONG\nsays dog, 62 %"
    assert wrong[1] == WRONG
    assert wrong[2] != "-"
    assert "WRONG" in before[0]
    assert "right" in after[0]


@pytest.mark.parametrize(("change", "factor"), [(0, 1.0), (1, 127.0), (127, 1.0), (155, 127 / 155)])
def test_the_largest_difference_just_fits(change: int, factor: float) -> None:
    one = example(0, "cat", "dog", 0)
    attacked = one.attacked.astype(int)
    attacked[0, 0, 0] += change
    one = replace(one, attacked=attacked.astype(np.uint8))
    assert enlargement([one]) == pytest.approx(factor)
    panel = drawn(figure_examples(report(examples=(one,)))).axes[2].images[0].get_array()
    assert np.asarray(panel)[0, 0, 0] == 128 + round(factor * change)
    assert np.asarray(panel)[1, 1, 1] == 128


def test_long_names_of_classes_are_cut_and_dollars_are_dollars() -> None:
    name = "$\\frac a very long name of a class"
    figure = drawn(figure_examples(report(examples=(example(0, name, name, 3, label=name),))))
    assert "…" in figure.axes[0].get_title()
    assert "right" in figure.axes[0].get_title()


# The page

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Tags that are open, words, attributes; complains where tags do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.seen if name == tag]


@pytest.fixture(scope="module")
def page() -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(robustness_page, "_DPI", 20)
        return robustness_page.html(report(NASTY))


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    parsed = Page(page)
    tags = {tag for tag, _ in parsed.seen}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form", "a"}
    for _, attributes in parsed.seen:
        assert not {"href", "srcset", "action", "data"} & set(attributes)
        assert not any(name.startswith("on") for name in attributes)
        assert str(attributes.get("src", "data:image/png;base64,")).startswith("data:image/png;")
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert page.startswith("<!DOCTYPE html>")


def test_pictures_and_tables_have_words(page: str) -> None:
    parsed = Page(page)
    pictures = parsed.of("img")
    assert len(pictures) == 7  # attacks, examples, noise; reliability and corruptions twice
    assert all(picture["alt"] and NASTY in str(picture["alt"]) for picture in pictures)
    assert len(parsed.of("figcaption")) == len(parsed.of("figure")) == 7
    told = {str(attributes["id"]) for attributes in parsed.of("p") if "id" in attributes}
    tables = [attributes["aria-describedby"] for attributes in parsed.of("table")]
    assert len(tables) == 4
    assert set(tables) == told


def test_names_cannot_break_the_page(page: str) -> None:
    parsed = Page(page)  # raises where "</details>" closed something
    assert "<b>" not in re.sub(r"<td><b>[a-z ]+</b>", "", page)
    assert parsed.words.count(NASTY) >= 6  # title, heading, verdict, finding, attack, settings
    assert "it <said> so" in parsed.words
    assert "<said>" not in page


@pytest.mark.parametrize("verdict", ["sound", "doubtful", "none", "masked"])
def test_the_verdict_is_said_in_words_and_is_a_bound(
    verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    parsed = Page(robustness_page.html(report(audit=audit(verdict))))
    assert {"class": f"verdict {verdict}"} in parsed.of("div")
    assert f"Verdict: {verdict}" in parsed.words
    assert "the figure is an upper bound" in parsed.words
    assert "leaves 25.0\N{NO-BREAK SPACE}% ± 25.0\N{NO-BREAK SPACE}% of 4 images" in parsed.words
    assert "worst of all attacks leaves 12.5\N{NO-BREAK SPACE}%" in parsed.words


def test_tables_hold_the_numbers_of_the_report(page: str) -> None:
    shown = report()
    for found in shown.scores:
        values = (found.calibration.accuracy, found.calibration.ece, found.calibration.adaptive)
        assert all(f'<td class="number">{100 * value:.2f}</td>' in page for value in values)
        assert f'<td class="number">{found.calibration.nll:.3f}</td>' in page
    for severity in (3, 5):
        row = page.split(f"mean of 3, severity {severity}")[1].split("</tr>")[0]
        assert f"{100 * shown.mean(severity):.2f}" in row
        assert f"{shown.mean(severity, 'brier'):.3f}" in row
    assert shown.audit is not None
    for attack in shown.audit.results.values():
        assert f"{100 * attack.accuracy:.2f} ± {100 * attack.error:.2f}" in page
    assert "<details>" in page
    assert "1 starts" not in page
    assert "75 s" in page


def test_a_report_of_almost_nothing_has_a_page() -> None:
    parsed = Page(robustness_page.html(bare()))
    assert "No attack was run" in parsed.words
    assert len(parsed.of("img")) == 1
    for missing in ("Attacks", "Attacked images", "What was left out", "What the audit"):
        assert missing not in parsed.words
    assert "adversary" in parsed.words
    assert {"class": "verdict unknown"} in parsed.of("div")


def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare a test what it is not about."""
    sorts = ("attacks", "examples", "noise", "reliability", "corruptions")
    monkeypatch.setattr(robustness_page, "_pictures", lambda report: dict.fromkeys(sorts, ()))


# Words


def test_settings_of_every_attack_are_said_in_words() -> None:
    plan = Plan(steps=7, restarts=3).adaptive(20)
    said = robustness_words.settings(result(plan, [1.0]).settings)
    assert said.startswith("7 steps along the gradient of the margin; each of 0.5 ε, falling to 0")
    assert "3 starts at random" in said
    assert "means over 20 draws" in said
    once = robustness_words.settings(result(PGD(steps=1, random_start=False), [1.0]).settings)
    assert "1 step along" in once
    assert "1 start from the image" in once
    assert "draws" not in once
    assert "each of 2.5/1 ε;" in once
    standard = robustness_words.settings(result(AutoAttack(), [1.0]).settings)
    assert standard == "Version standard, 100 steps, 5000 queries of Square."
    rand = robustness_words.settings(result(AutoAttack(version="rand"), [1.0]).settings)
    assert rand == "Version rand, 100 steps; gradients are means over 20 draws."
    square = robustness_words.settings(result(Square(queries=1, samples=5), [1.0]).settings)
    assert square.startswith("1 query with")
    assert square.endswith("answers are means over 5 draws.")
    transfer = result(Transfer(torch.nn.Flatten(), Noise(tries=2)), [1.0]).settings
    assert "another network: the worst of 2 random" in robustness_words.settings(transfer)
    fixed = robustness_words.settings(result(Noise(), [1.0], fixed=True, fixed_seed=5).settings)
    assert fixed == "A random change; the network's random numbers fixed (seed 5)."
    own = robustness_words.settings({"attack": "mine", "big_size": 0.25, "threat": THREAT})
    assert own == "Attack: mine, big size: 0.25."


def test_threats_are_said_in_words() -> None:
    from kuramoto.nn.attacks import Threat

    assert "at most 8/255" in robustness_words.threat(Threat())
    assert "anything" in robustness_words.threat(Threat("Linf", 1.0))
    squares = robustness_words.threat(Threat("L2", 0.5))
    assert "at most 0.5" in squares
    assert "L2" in squares
    whole = robustness_words.threat(Threat("L2", 1.0))
    assert "anything" not in whole  # a ball of length 1 is not everything


# Files


def test_three_files_are_written_and_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    shown = report()
    path = robustness_page.write(shown, tmp_path / "new")
    assert path == tmp_path / "new" / "report.html"
    assert {file.name for file in path.parent.iterdir()} == set(robustness_page.FILES)
    assert Report.from_json((path.parent / "report.json").read_text("utf-8")).to_json() == (
        shown.to_json()
    )
    assert (path.parent / "table.txt").read_text("utf-8") == f"{shown}\n"
    Page(path.read_text("utf-8"))


@pytest.mark.parametrize("there", robustness_page.FILES)
def test_nothing_is_written_where_something_is(
    there: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    (tmp_path / there).write_text("mine")
    with pytest.raises(FileExistsError, match=rf"{there} exists already; .*overwrite=True"):
        robustness_page.write(report(), tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"
    robustness_page.write(report(), tmp_path, overwrite=True)
    assert {file.name for file in tmp_path.iterdir()} == set(robustness_page.FILES)
    assert (tmp_path / there).read_text("utf-8") != "mine"


@pytest.mark.parametrize("folder", [".", "new"])
def test_a_picture_that_fails_leaves_nothing(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("no picture")

    monkeypatch.setattr(robustness_page, "figure_noise", fail)
    with pytest.raises(RuntimeError, match="no picture"):
        robustness_page.write(bare(scores=scores()[:3]), tmp_path / folder)
    assert not list(tmp_path.iterdir())


def test_json_comes_last_and_no_old_one_vouches_for_a_new_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    robustness_page.write(report(), tmp_path)
    give, given = robustness_page.give_name, []

    def fail_at_the_table(temporary: Path, path: Path, overwrite: bool) -> None:
        given.append(path.name)
        if path.name == "table.txt":
            raise OSError(28, "No space left on device")
        give(temporary, path, overwrite)

    monkeypatch.setattr(robustness_page, "give_name", fail_at_the_table)
    with pytest.raises(OSError, match=r"Output .* cannot be written: No space left on device\."):
        robustness_page.write(report(), tmp_path, overwrite=True)
    assert given == ["report.html", "table.txt"]
    assert {file.name for file in tmp_path.iterdir()} == {"report.html", "table.txt"}
    monkeypatch.setattr(robustness_page, "give_name", give)
    robustness_page.write(report(), tmp_path, overwrite=True)
    assert (tmp_path / "report.json").is_file()


def test_a_file_in_place_of_the_folder_and_a_missing_parent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(FileExistsError, match="file exists already"):
        robustness_page.write(report(), tmp_path / "file")
    with pytest.raises(FileNotFoundError, match="does not exist; create it first"):
        robustness_page.write(report(), tmp_path / "no" / "folder")


def test_without_jinja2_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "jinja2":
            raise ImportError("No module named 'jinja2'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"needs the package jinja2; pip install") as caught:
        robustness_page.html(bare())
    assert "\n" not in str(caught.value)


# Bad input


def test_errors_say_what_is_missing() -> None:
    with pytest.raises(ValueError, match="`reports` must hold a report at least, but is empty"):
        figure_reliability([])
    with pytest.raises(ValueError, match="`severity` must be one of 3, 5, but is 4"):
        figure_reliability([report()], severity=4)
    with pytest.raises(ValueError, match="`severity` must be None"):
        figure_reliability([bare()], severity=5)
    with pytest.raises(ValueError, match="`reports` must hold scores under noise"):
        figure_noise([bare()])
    with pytest.raises(ValueError, match="`reports` must hold scores of corruptions"):
        figure_corruptions(bare())
    with pytest.raises(ValueError, match="`report` must hold attacks, but holds none"):
        figure_attacks(bare())
    with pytest.raises(ValueError, match="`report` must hold examples, but holds none"):
        figure_examples(bare())
    with pytest.raises(TypeError, match="`reports` must hold Reports"):
        figure_noise(["report.json"])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="`reports` must hold Reports"):
        figure_noise({"one": "report.json"})  # type: ignore[dict-item]
