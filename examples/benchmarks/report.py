"""The tables: what was measured, beside what the machine allows and what is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from floors import Work
from race import FLOOR, OURS
from workloads import RECORDED

Results = dict[str, Any]
Cell = dict[str, Any]

_HEADINGS = f"  {'':<34}{'median':>12}{'min':>12}{'/ floor':>10}{'/ ours':>10}"


def render(results: Results) -> str:
    """Return all tables as text."""
    parts = [heading(results), agreement(results)]
    parts += [table(results, key) for key in results["workloads"] if not key.startswith("weak")]
    parts += [strong_scaling(results), weak_scaling(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def heading(results: Results) -> str:
    """Say what was measured, on what."""
    machine, rates = results["machine"], results["rates"]
    caches = ", ".join(f"{name} {size}" for name, size in machine["caches"].items())
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}; {caches}",
        f"{machine['date']}, commit {machine['commit']}",
        f"others kept {machine['others']} cores busy meanwhile",
        ", ".join(f"{name} {version}" for name, version in results["versions"].items()),
    ]
    for threads, measured in rates.items():
        shown = ", ".join(f"{name} {value / 1e9:.1f} G/s" for name, value in measured.items())
        lines.append(f"{threads} thread(s), bytes or flops: {shown}")
    return "\n".join(lines)


def agreement(results: Results) -> str:
    """Say whose numbers differ from ours: nobody's, if all is well."""
    wrong = [record for record in results["agreement"] if record.get("problem") == "WRONG"]
    checked = [record for record in results["agreement"] if "deviation" in record]
    lines = [
        f"ERROR: {name_of(r)} on {r['on'][0]}, N = {r['on'][1]}: {r['why']}; it is not timed"
        for r in wrong
    ]
    if checked and not wrong:
        worst = max(checked, key=lambda record: record["deviation"])
        most = f"{worst['contestant']} deviates most, by {worst['deviation']:.0e}"
        lines = [f"{len(checked)} small runs agree with the NumPy path; {most}."]
    return "\n".join(lines)


def find(results: Results, key: str, name: str, threads: int = 1) -> Cell | None:
    """Return a cell that holds a time, or None."""
    wanted = (key, name, threads)
    for cell in results["cells"]:
        here = (cell["workload"], cell["contestant"], cell["threads"])
        if here == wanted and "problem" not in cell:
            return cell
    return None


def ratio(results: Results, key: str, over: Any, under: Any) -> float | None:
    """Return the quotient of two medians, each given as (name, threads) or a name."""
    pair = [(end, 1) if isinstance(end, str) else end for end in (over, under)]
    cells = [find(results, key, *end) for end in pair]
    return None if None in cells else cells[0]["median"] / cells[1]["median"]


def table(results: Results, key: str) -> str:
    """Return the table of one workload."""
    workload = results["workloads"][key]
    lines = [f"{workload['title']}: ms per right-hand side", _HEADINGS]
    cells = [cell for cell in results["cells"] if cell["workload"] == key]
    lines += [_row(results, cell, key) for cell in cells]
    return "\n".join([*lines, *_remarks(results, key)])


def _row(results: Results, cell: Cell, key: str) -> str:
    label = name_of(cell)
    if "problem" in cell:
        return f"  {label:<34}{cell['problem']:>12}  {cell['why']}".rstrip()
    who = cell["contestant"], cell["threads"]
    bounds = [ratio(results, key, who, FLOOR), ratio(results, key, who, OURS)]
    shown = "".join(f"{value:>10.2f}" if value is not None else f"{'':>10}" for value in bounds)
    line = f"  {label:<34}{1e3 * cell['median']:>12.4f}{1e3 * cell['min']:>12.4f}{shown}"
    if results["workloads"][key]["steps"]:
        line += f"  {0.25 / cell['median']:>10,.0f} steps/s"
    return line


def name_of(cell: Cell) -> str:
    """Return what a row is called."""
    count = cell["threads"]
    return cell["contestant"] if count == 1 else f"{cell['contestant']}, {count} threads"


def _remarks(results: Results, key: str) -> Iterator[str]:
    """Say what the floor is made of, what whole solves take, and what was recorded earlier."""
    work, cell = results["workloads"][key]["work"], find(results, key, FLOOR)
    if work and cell:
        yield "  floor: " + _floor(Work(*work), cell["median"], results["rates"].get("1", {}))
    for whole in results["whole"]:
        if whole["workload"] == key and "seconds" in whole:
            what = f"{whole['steps']} steps, model built anew, {name_of(whole)}"
            yield f"  a whole solve of {what}: {1e3 * whole['seconds']:.1f} ms"
    if key in RECORDED:
        best, floor = RECORDED[key]
        yield f"  recorded earlier (other machine state): F {best:g} ms, floor {floor:g} ms"


def _floor(work: Work, seconds: float, rates: dict[str, float]) -> str:
    """Say how the floor came about, and what it would be if nothing fitted a cache."""
    rate = work.amount / seconds / 1e9
    text = f"{work.amount:.3g} {work.unit} at {rate:.1f} G/s ({work.probe}, this size)"
    memory = rates.get(f"{work.probe}, memory")
    if memory:
        text += f"; from memory at {memory / 1e9:.1f} G/s: {1e3 * work.amount / memory:.4f} ms"
    return text


def strong_scaling(results: Results) -> str:
    """Return how much faster several threads are than one."""
    counts = sorted({cell["threads"] for cell in results["cells"]} - {1})
    keys = [key for key in results["workloads"] if not key.startswith("weak")]
    lines = []
    for key in keys:
        gains = [ratio(results, key, OURS, (OURS, count)) for count in counts]
        floors = [ratio(results, key, FLOOR, (FLOOR, count)) for count in counts]
        if any(gains):
            lines.append(f"  {key:<34}" + _gains(gains) + "  floor:" + _gains(floors))
    heads = "".join(f"{f'{count} threads':>12}" for count in counts)
    return "\n".join(
        [f"Strong scaling: times faster than 1 thread\n  {'':<34}{heads}", *lines] * bool(lines)
    )


def _gains(gains: list[float | None]) -> str:
    return "".join(f"{gain:>12.2f}" if gain else f"{'':>12}" for gain in gains)


def weak_scaling(results: Results) -> str:
    """Return the time per oscillator and step, from small systems to large ones."""
    keys = [key for key in results["workloads"] if key.startswith("weak")]
    counts = sorted({cell["threads"] for cell in results["cells"] if cell["workload"] in keys})
    lines = []
    for key in keys:
        workload = results["workloads"][key]
        cells = [find(results, key, OURS, count) for count in counts]
        times = [4e9 * cell["median"] / workload["oscillators"] if cell else None for cell in cells]
        title = f"{workload['kind']}, {workload['title']}"
        lines.append(f"  {title:<34}" + "".join(f"{t:>12.3f}" if t else f"{'':>12}" for t in times))
    heads = "".join(f"{f'{count} thread(s)':>12}" for count in counts)
    first = f"Weak scaling: ns per oscillator and step\n  {'':<34}{heads}"
    return "\n".join([first, *lines]) if lines else ""
