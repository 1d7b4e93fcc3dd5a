"""The whole suite: check everybody, race everybody, and hand back one dictionary of results."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from floors import least_work
from machine import describe
from race import FLOOR, FULL, OURS, QUICK, Crew, Entrant, agreement, entrants, race
from tqdm import tqdm
from workloads import DT, TABLE, Workload, beside, in_small, weak_scaling

_WHOLE_STEPS = {False: 100, True: 4}  # keyed by: is it a quick run?

Results = dict[str, Any]
Tell = Callable[[str], None]


def chosen(only: Iterable[str], quick: bool) -> list[Workload]:
    """Return what is to be timed."""
    every = (*TABLE, *beside(quick), *weak_scaling(quick))
    return [workload for workload in every if workload.group in only]


def measure(options: Namespace, crew: Crew) -> Results:
    """Run the suite, a line of progress on the terminal."""
    workloads, pace = chosen(options.only, options.quick), QUICK if options.quick else FULL
    results = _blank(options, workloads, pace._asdict())
    owners = [Entrant(OURS, "ours", count) for count in options.threads]
    layout = "{percentage:3.0f}% [{elapsed}] {desc}"
    with tqdm(total=len(workloads) + 1, bar_format=layout, leave=False) as bar:
        tell = bar.set_description_str
        _rates(crew, owners, results, tell)
        for workload in workloads:
            bar.update()
            field = entrants(workload, options.threads, options.quick)
            field = _agreeing(crew, workload, field, results, tell)
            results["cells"] += race(crew, workload, field, pace, tell)
            results["whole"] += _wholes(crew, workload, owners, options.quick, tell)
    return results


def _blank(options: Namespace, workloads: Iterable[Workload], pace: dict[str, Any]) -> Results:
    """Return results that say how they are measured, and hold none yet."""
    settings = {"command": sys.argv, "quick": options.quick, "pace": pace, "dt": DT}
    about = {
        w.key: {**asdict(w), "oscillators": w.oscillators, "work": _work(w)} for w in workloads
    }
    lists: Results = {"agreement": [], "cells": [], "whole": []}
    return {
        "machine": describe(),
        "settings": settings,
        "versions": {},
        "rates": {},
        "workloads": about,
        **lists,
    }


def _work(workload: Workload) -> list[Any] | None:
    work = least_work(workload)
    return None if work is None else list(work)


def _rates(crew: Crew, owners: Iterable[Entrant], results: Results, tell: Tell) -> None:
    for owner in owners:
        tell(f"the machine itself, {owner.threads} thread(s)")
        results["rates"][str(owner.threads)] = crew.ask(owner, "rates").get("rates", {})


def _agreeing(
    crew: Crew, workload: Workload, field: list[Entrant], results: Results, tell: Tell
) -> list[Entrant]:
    """Check who was not checked yet on this physics; return those that are not wrong."""
    physics = in_small(workload)
    key = [physics.kind, physics.N, physics.batch]
    known = {(r["contestant"], r["threads"]): r for r in results["agreement"] if r["on"] == key}
    for entrant in field:
        who = entrant.name, entrant.threads
        if entrant.name == FLOOR or who in known:
            continue
        tell(f"{workload.key}: {entrant.label}, agreement")
        known[who] = {**agreement(crew, workload, entrant), "on": key}
        results["versions"] |= known[who].get("versions", {})
        results["agreement"].append(known[who])
    wrong = {who for who, record in known.items() if record.get("problem") == "WRONG"}
    return [entrant for entrant in field if (entrant.name, entrant.threads) not in wrong]


def _wholes(
    crew: Crew, workload: Workload, owners: Iterable[Entrant], quick: bool, tell: Tell
) -> list[dict[str, Any]]:
    """Time a user's whole run once, model and set-up included."""
    if workload.group == "weak" or workload.steps:
        return []
    tell(f"{workload.key}: whole solves")
    steps, records = _WHOLE_STEPS[quick], []
    for owner in owners:
        answer = crew.ask(owner, "whole", name=owner.name, workload=workload, steps=steps)
        record = {"workload": workload.key, "contestant": owner.name, "threads": owner.threads}
        records.append({**record, "steps": steps, **answer})
    crew.unload()
    return records
