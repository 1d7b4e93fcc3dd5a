"""The checks of an audit: results in, one finding out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from kuramoto.nn.attacks import Result
from kuramoto.nn.audit.findings import Finding, beyond_chance, difference, percent
from kuramoto.nn.audit.gradients import GradientStatistics

__all__ = [
    "black_box_is_weaker",
    "clean_accuracy",
    "draws_level_off",
    "fixed_against_random",
    "gradients_exist",
    "gradients_stand_out",
    "naive_is_enough",
    "steps_level_off",
    "unbounded_breaks_all",
]

# Differences count beyond these, and beyond two standard errors. AutoAttack takes a few points from
# plain PGD on networks whose robustness is real, and its own flag for Square is at 0.2 points.
_ZERO = 0.1
_BLACK_BOX = 0.01
_FALLING = 0.02
_FIXED = 0.05
_NAIVE = 0.1
_UNBOUNDED = 0.01


def clean_accuracy(clean: Result, random: bool) -> Finding:
    """Say how accurate the model is without an attack, and whether it is stochastic."""
    sort = "stochastic" if random else "deterministic"
    n = len(clean.right)
    said = f"The model is {sort} and right on {percent(clean.accuracy)} of {n} clean images."
    data = {"accuracy": clean.accuracy, "error": clean.error, "images": n, "stochastic": random}
    return Finding("clean", "fine", said, data)


def gradients_exist(entropy: GradientStatistics, margin: GradientStatistics) -> Finding:
    """Say how often gradients vanish: where they do, no step is better than another."""
    data = {"cross_entropy": entropy.as_dict(), "margin": margin.as_dict()}
    middle = float(np.median(margin.norm))
    if margin.zero > _ZERO:
        said = f"{percent(margin.zero)} of gradients are zero: attacks by gradients are blind."
        return Finding("gradients", "alarm", said, data)
    if entropy.zero > _ZERO:
        said = (
            f"{percent(entropy.zero)} of cross-entropy's gradients are zero, those of the margin "
            "are not: the network is so sure of itself that attacks have to use the margin."
        )
        return Finding("gradients", "caution", said, data)
    said = f"Gradients are there: {percent(margin.zero)} are zero, the median norm is {middle:.3g}."
    return Finding("gradients", "fine", said, data)


def gradients_stand_out(margin: GradientStatistics, samples: int) -> Finding:
    """Say whether the mean over an attack's draws is more signal than noise."""
    needed = margin.draws_needed
    short = "no number of draws shows" if needed == np.inf else f"{needed:.1f} draws show"
    said = (
        f"Gradients of two draws have cosine {margin.cosine:.2f}; {short} as much signal as noise, "
        f"and attacks average {samples}."
    )
    level = "caution" if needed > samples else "fine"
    return Finding("noise", level, said, {**margin.as_dict(), "attack_samples": samples})


def draws_level_off(sweep: Mapping[int, Result]) -> Finding:
    """Say how accuracy falls with the draws that each gradient is a mean over."""
    numbers = sorted(sweep)
    first, before, last = (sweep[numbers[index]] for index in (0, max(len(numbers) - 2, 0), -1))
    figures = ", ".join(f"{number}: {percent(sweep[number].accuracy)}" for number in numbers)
    falling = beyond_chance(before, last, _FALLING)
    still = "more draws would find less"
    end = f"and still falls: {still}" if falling else "no further fall beyond chance"
    said = f"Accuracy by draws per gradient is {figures}; {end}."
    apart, error = difference(first, last)
    data = {
        "samples": numbers,
        "accuracy": [sweep[number].accuracy for number in numbers],
        "fall": apart,
        "error": error,
    }
    return Finding("draws", "caution" if falling else "fine", said, data)


def fixed_against_random(
    clean_fixed: Result, fixed: Result, transferred: Result, attacked: Result
) -> Finding:
    """Say how much of the accuracy under attack rests on randomness alone."""
    rests = beyond_chance(attacked, fixed, _FIXED)
    apart, error = difference(attacked, fixed)
    end = f"{percent(apart)} rest on chance alone" if rests else "chance adds little"
    said = (
        f"With its random numbers fixed the network keeps {percent(fixed.accuracy)} of "
        f"{percent(clean_fixed.accuracy)}; with fresh ones {percent(attacked.accuracy)}, and "
        f"{percent(transferred.accuracy)} on images made against the fixed network: {end}."
    )
    data = {
        "clean_fixed": clean_fixed.accuracy,
        "fixed": fixed.accuracy,
        "fixed_to_random": transferred.accuracy,
        "random": attacked.accuracy,
        "gap": apart,
        "error": error,
    }
    return Finding("fixed", "caution" if rests else "fine", said, data)


def unbounded_breaks_all(unbounded: Result) -> Finding:
    """Say whether an attack that may do anything fools the network every time, as it must."""
    left = unbounded.accuracy
    data = {"accuracy": left, "error": unbounded.error}
    if left > _UNBOUNDED:
        said = (
            f"Allowed any image at all, PGD leaves {percent(left)}: it must reach 0, and is lost."
        )
        return Finding("unbounded", "alarm", said, data)
    return Finding("unbounded", "fine", f"Allowed any image, PGD leaves {percent(left)}.", data)


def black_box_is_weaker(white: Mapping[str, Result], black: Mapping[str, Result]) -> Finding:
    """Say whether an attack without gradients finds what the ones with gradients miss."""
    name, least = min(white.items(), key=lambda item: item[1].accuracy)
    other, found = min(black.items(), key=lambda item: item[1].accuracy)
    missed = beyond_chance(least, found, _BLACK_BOX)
    apart, error = difference(least, found)
    only = np.mean((_best(white) > 0.5) & (_best(black) <= 0.5))
    told = f"{other} leaves {percent(found.accuracy)}, {name} {percent(least.accuracy)}"
    end = "gradients lead attacks astray" if missed else "as it should be, no less"
    data = {
        "white": {key: result.accuracy for key, result in white.items()},
        "black": {key: result.accuracy for key, result in black.items()},
        "gap": apart,
        "error": error,
        "broken_by_black_box_only": float(only),
    }
    said = f"Without gradients, {told}: {end} ({percent(float(only))} fall to the former alone)."
    return Finding("black_box", "alarm" if missed else "fine", said, data)


def steps_level_off(attacked: Result) -> Finding:
    """Say whether more steps, or more restarts, would find less."""
    curve = np.asarray(attacked.curve)
    quarter = max(curve.shape[1] // 4, 1)
    in_steps = max(float(curve[0, -1 - quarter] - curve[0, -1]), 0.0)
    ends = curve[:, -1]
    in_restarts = max(float(ends[-2] - ends[-1]), 0.0) if len(ends) > 1 else 0.0
    falling = max(in_steps, in_restarts) > _FALLING
    end = "more would find less" if falling else "more would find little"
    said = (
        f"The last {quarter} of {curve.shape[1] - 1} steps take {percent(in_steps)}, the last of "
        f"{len(curve)} restarts {percent(in_restarts)}: {end}."
    )
    data: dict[str, Any] = {"curve": curve.tolist(), "steps": in_steps, "restarts": in_restarts}
    return Finding("steps", "caution" if falling else "fine", said, data)


def naive_is_enough(naive: Result, strongest: Result, name: str) -> Finding:
    """Say how much of the figure of plain PGD the strongest attack takes back."""
    apart, error = difference(naive, strongest)
    misled = beyond_chance(naive, strongest, _NAIVE)
    end = f"it is wrong by {percent(apart)}" if misled else "it is about right"
    told = f"Plain PGD leaves {percent(naive.accuracy)}, {name} {percent(strongest.accuracy)}"
    data = {"naive": naive.accuracy, "strongest": strongest.accuracy, "attack": name}
    level = "alarm" if misled else "fine"
    return Finding("naive", level, f"{told}: {end}.", {**data, "gap": apart, "error": error})


def _best(results: Mapping[str, Result]) -> np.ndarray:
    """Return what is left of each image under the worst of some attacks, (n,)."""
    return np.asarray(np.min([result.right for result in results.values()], axis=0))
