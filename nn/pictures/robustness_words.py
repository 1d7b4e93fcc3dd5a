"""The words of the page on robustness: what verdicts, attacks and pictures mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from kuramoto.nn.attacks import Threat

__all__ = [
    "BOUND",
    "CAPTIONS",
    "MEANINGS",
    "NO_AUDIT",
    "QUESTIONS",
    "REFERENCES",
    "asked",
    "duration",
    "settings",
    "threat",
]

BOUND = (
    "The network's robustness is at most this: the figure is an upper bound. An attack can show "
    "that an image can be broken, never that it cannot: a better attack may leave less."
)

MEANINGS = {
    "sound": "All checks came out as they do for networks whose robustness is real. That is no "
    "proof.",
    "doubtful": "The attacks may have been too weak: see the cautions below. More draws, steps or "
    "restarts may leave less.",
    "none": "The attacks do what they should, and the network does not withstand them.",
    "masked": "This network misleads attacks, so that a high accuracy under them is no sign of "
    "robustness: see the alarms below. Do not quote the figure of plain PGD; even the strongest "
    "attack's may be far too high.",
}
"""Of the verdicts of an audit."""

NO_AUDIT = (
    "Nothing on this page says how the network fares against an adversary. Noise and corruptions "
    "are not aimed at it: to withstand them says little about attacks."
)

QUESTIONS = {
    "clean": "How often is the network right when nobody attacks it?",
    "gradients": "Are there gradients that attacks can follow?",
    "noise": "Do gradients stand out of the network's own randomness?",
    "draws": "Does the mean over more random draws make attacks stronger?",
    "fixed": "How much accuracy is left when the network's random numbers are fixed?",
    "unbounded": "Does an attack that may change anything always win, as it must?",
    "black_box": "Do attacks without gradients find more than those with them?",
    "steps": "Would more steps or more starts find more?",
    "naive": "Is the figure of plain PGD, as it is often run, about right?",
}
"""What findings answer."""

CAPTIONS = {
    "attacks": "Left: the share of attacked images that the network still gets right, in %; the "
    "lower, the stronger the attack. The upper bars bound robustness (dashed line: the strongest). "
    "Those below do not: there, random numbers were fixed for the attack, any change was allowed, "
    "or nothing was attacked. Bars with caps are ± one standard error. Right, where they were "
    "measured: the same accuracy, by the number of random draws that each gradient is a mean over; "
    "and PGD step by step on the draws that it used itself, which flatters PGD. A later start goes "
    "on with what earlier ones found.",
    "examples": "Images, what PGD makes of them, and the difference × {factor}, where mid-grey is "
    "no change. Above them the right class, the network's answer and how sure it is, in %. Blue "
    "and a solid frame: right; orange and a dashed frame: wrong.",
    "reliability": "How often the network is right (blue, in %), for images that it is about "
    "equally sure of. A calibrated network's bars reach the diagonal. Hatched: how far each bar is "
    "from that; the mean over images is the calibration error ECE. Grey: the share of images in "
    "each bin, in %. Corruptions are taken together; as gaps of opposite sign cancel, their ECE is "
    "at most the mean of their ECEs in the table.",
    "noise": "Accuracy (± one standard error) and calibration error ECE, in %, when each value of "
    "a pixel is changed by a random number between −ε and +ε; ε in units of 1/255 of the range, 0: "
    "the images as they are.",
    "corruptions": "Accuracy (the more the better) and calibration error ECE (the less the better) "
    "for each common corruption, in %, beside clean images and the mean over corruptions.",
}
"""Below pictures."""

REFERENCES = (
    "Croce & Hein (2020), Reliable evaluation of adversarial robustness with an ensemble of "
    "diverse parameter-free attacks, ICML. arXiv:2003.01690",
    "Athalye, Carlini & Wagner (2018), Obfuscated gradients give a false sense of security: "
    "circumventing defenses to adversarial examples, ICML. arXiv:1802.00420",
    "Carlini et al. (2019), On evaluating adversarial robustness. arXiv:1902.06705",
    "Hendrycks & Dietterich (2019), Benchmarking neural network robustness to common corruptions "
    "and perturbations, ICLR. arXiv:1903.12261",
    "Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, ICML. "
    "arXiv:1706.04599",
)


def threat(allowed: Threat) -> str:
    """Return in words what an attacker may do.

    Examples
    --------
    >>> threat(Threat("Linf", 8 / 255))
    'each value of a pixel may change by at most 8/255 of its range (L∞)'
    """
    if allowed.norm == "Linf":
        if allowed.eps >= 1:
            return "anything may change (L∞, ε = 1)"
        most = f"{255 * allowed.eps:.4g}/255 of its range"
        return f"each value of a pixel may change by at most {most} (L∞)"
    squares = "the root of the sum of all squared changes may be at most"
    return f"{squares} {allowed.eps:.4g}, where values are 0 … 1 (L2)"


def settings(plain: Mapping[str, Any]) -> str:
    """Return in words what an attack did.

    Parameters
    ----------
    plain : mapping
        Of `kuramoto.nn.attacks.Result`.

    Examples
    --------
    >>> settings({"attack": "noise", "tries": 50, "samples": 1, "threat": {}})
    'The worst of 50 random changes.'
    """
    own = {k: v for k, v in plain.items() if k not in ("threat", "fixed", "fixed_seed")}
    said = _WORDS.get(plain["attack"], _other)(own)
    if plain.get("fixed"):
        said += f"; the network's random numbers fixed (seed {plain.get('fixed_seed', 0)})"
    return f"{said[0].upper()}{said[1:]}."


def _pgd(own: Mapping[str, Any]) -> str:
    size = own["step_size"]
    first = f"2.5/{own['steps']}" if size is None else f"{size:g}"
    parts = [
        f"{_count(own['steps'], 'step')} along the gradient of the {_words(own['loss'])}",
        f"each of {first} ε" + (", falling to 0" if own["decay"] else ""),
        _count(own["restarts"], "start")
        + (" at random" if own["random_start"] else " from the image"),
        f"takes the {'worst' if own['keep'] == 'best' else 'last'} image",
    ]
    return "; ".join(parts) + _draws(own["samples"], "gradients are means")


def _autoattack(own: Mapping[str, Any]) -> str:
    said = f"version {own['version']}, {_count(own['steps'], 'step')}"
    if "queries" in own:
        said += f", {_count(own['queries'], 'query')} of Square"
    return said + _draws(own.get("samples", 1), "gradients are means")


def _square(own: Mapping[str, Any]) -> str:
    said = f"{_count(own['queries'], 'query')} with random squares, the first of {own['area']:.0%} "
    said += f"of the image; {_count(own['restarts'], 'start')}"
    return said + _draws(own["samples"], "answers are means")


def _noise(own: Mapping[str, Any]) -> str:
    tries = own["tries"]
    said = "a random change" if tries == 1 else f"the worst of {tries} random changes"
    return said + _draws(own["samples"], "answers are means")


def _transfer(own: Mapping[str, Any]) -> str:
    by = own["by"]
    how = _WORDS.get(by["attack"], _other)(by)
    whose = "another network"
    if own["surrogate"].get("fixed"):
        whose = "a network whose random numbers are fixed"
    return f"images that {by['attack']} made to fool {whose}: {how}"


def _other(own: Mapping[str, Any]) -> str:
    """Return the settings of an attack that is not ours as they are."""
    return ", ".join(f"{_words(key)}: {_plain(value)}" for key, value in own.items())


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "clean": lambda own: "images as they are",
    "PGD": _pgd,
    "AutoAttack": _autoattack,
    "Square": _square,
    "noise": _noise,
    "transfer": _transfer,
}


def _draws(samples: int, what: str) -> str:
    return "" if samples == 1 else f"; {what} over {samples} draws"


def _count(number: int, what: str) -> str:
    many = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{number} {what if number == 1 else many}"


def _words(name: str) -> str:
    return {"dlr": "DLR loss", "cross_entropy": "cross-entropy"}.get(name, name.replace("_", " "))


def asked(plain: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return nested settings as rows.

    Examples
    --------
    >>> asked({"budget": {"eps": 0.5, "noise": [0.25, 1]}})
    [('budget, eps', '0.5'), ('budget, noise', '0.25, 1')]
    """
    return list(_rows(plain, ()))


def _rows(plain: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key, value in plain.items():
        names = (*above, str(key).replace("_", " "))
        if isinstance(value, Mapping) and value:
            yield from _rows(value, names)
        else:
            yield ", ".join(names), _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value)) or "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)


def duration(seconds: float) -> str:
    """Return a time in words.

    Examples
    --------
    >>> duration(75), duration(7200)
    ('75 s', '2.0 hours')
    """
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
