"""The search for solutions, compiled with numba; imported on first use.

A board is one bit mask of candidates per cell. What follows is drawn until nothing follows: a cell
with one candidate takes it from its peers, and a digit with one place in a unit goes there. Then
the most constrained cell is split in two: one of its candidates, or any of the others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from kuramoto._kernels.jit import driver, piece


class Rules(NamedTuple):
    """What a grid is: `units` (3 side, side) and `peers` (cells, P) of cells, `full` = all digits.

    Cells are uint8: with unsigned indices numba needs no check for negative ones.
    """

    units: Any
    peers: Any
    full: int


class Work(NamedTuple):
    """Room for a search: candidates of each level, the cell split there, cells to work off."""

    levels: Any
    split: Any
    queue: Any


@piece
def copy(source: Any, target: Any) -> None:
    """Copy one row to another."""
    for k in range(len(source)):
        target[k] = source[k]


@piece
def size(mask: int) -> int:
    """Return how many digits are in a mask."""
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count


@piece
def below(noise: Any, bound: int) -> int:
    """Return a random number from 0 to bound - 1 (splitmix64; Steele, Lea & Flood 2014)."""
    noise[0] += 0x9E3779B97F4A7C15
    z = noise[0]
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB
    # Signed from here on: mixed with int64, numba would go over to floating point.
    return int((z ^ (z >> 31)) >> 33) % bound


@piece
def take_from_peers(masks: Any, queue: Any, tail: int, rules: Rules) -> bool:
    """Work off cells with one candidate; False if a cell is left with none."""
    head = 0
    while head < tail:
        cell = queue[head]
        head += 1
        bit = masks[cell]
        for k in range(rules.peers.shape[1]):
            peer = rules.peers[cell, k]
            mask = masks[peer]
            if mask & bit:
                mask ^= bit
                if mask == 0:
                    return False
                masks[peer] = mask
                if mask & (mask - 1) == 0:
                    queue[tail] = peer
                    tail += 1
    return True


@piece
def only_places(masks: Any, queue: Any, rules: Rules) -> int:
    """Queue the cells that are a digit's only place in a unit; -1 if a digit has no place."""
    tail = 0
    for u in range(rules.units.shape[0]):
        once, twice = 0, 0
        for k in range(rules.units.shape[1]):
            mask = masks[rules.units[u, k]]
            twice |= once & mask
            once |= mask
        if once != rules.full:
            return -1
        single = once & ~twice
        k = 0
        while single and k < rules.units.shape[1]:
            cell = rules.units[u, k]
            bits = masks[cell] & single
            single ^= bits
            if bits & (bits - 1):
                return -1
            if bits and bits != masks[cell]:
                masks[cell] = bits
                queue[tail] = cell
                tail += 1
            k += 1
    return tail


@piece
def settle(masks: Any, queue: Any, tail: int, rules: Rules) -> bool:
    """Draw all conclusions, starting from `tail` queued cells; False for a contradiction."""
    while True:
        if not take_from_peers(masks, queue, tail, rules):
            return False
        tail = only_places(masks, queue, rules)
        if tail <= 0:
            return tail == 0


@piece
def most_constrained(masks: Any, start: int) -> int:
    """Return the cell with fewest candidates of those with several, from `start` on; -1: none."""
    best, fewest = -1, 99
    for k in range(len(masks)):
        cell = k + start if k + start < len(masks) else k + start - len(masks)
        mask = masks[cell]
        if mask & (mask - 1):
            count = size(mask)
            if count == 2:
                return cell
            if count < fewest:
                best, fewest = cell, count
    return best


@piece
def record(masks: Any, solution: Any) -> None:
    """Write the digits of a solved board."""
    for cell in range(len(masks)):
        solution[cell] = size(masks[cell] - 1) + 1


@piece
def search(tail: int, limit: int, found: Any, noise: Any, work: Work, rules: Rules) -> int:
    """Count the solutions of level 0 up to `limit`, and write them to `found` while there is room.

    The last one is always written, over the one before. Without noise the order is fixed; with it,
    cells and digits are tried at random.
    """
    count, level, random = 0, 0, len(noise) > 0
    while level >= 0:
        masks = work.levels[level]
        cell = -2
        if settle(masks, work.queue, tail, rules):
            cell = most_constrained(masks, below(noise, len(masks)) if random else 0)
        if cell >= 0:
            bit = masks[cell]
            for _ in range(below(noise, size(bit)) if random else 0):
                bit &= bit - 1
            bit &= -bit
            copy(masks, work.levels[level + 1])
            work.levels[level + 1, cell] = bit
            masks[cell] ^= bit
            work.split[level] = cell
            work.queue[0] = cell
            level, tail = level + 1, 1
            continue
        if cell == -1:
            record(masks, found[min(count, len(found) - 1)])
            count += 1
            if count == limit:
                return count
        level -= 1
        # The other branch: the split cell without the digit that was tried.
        if level >= 0:
            cell = work.split[level]
            work.queue[0] = cell
            tail = size(work.levels[level, cell]) == 1
    return count


@piece
def load(puzzle: Any, work: Work, rules: Rules) -> int:
    """Set level 0 to the givens and queue them; return how many."""
    tail = 0
    for cell in range(len(puzzle)):
        work.levels[0, cell] = rules.full
        if puzzle[cell]:
            work.levels[0, cell] = 1 << (puzzle[cell] - 1)
            work.queue[tail] = cell
            tail += 1
    return tail


@piece
def solutions_of(puzzle: Any, limit: int, found: Any, noise: Any, work: Work, rules: Rules) -> int:
    """Count and write the solutions of a puzzle as `search` does."""
    count: int = search(load(puzzle, work, rules), limit, found, noise, work, rules)
    return count


@driver
def solve_each(
    puzzles: Any,
    solutions: Any,
    counts: Any,
    limit: int,
    found: Any,
    noise: Any,
    work: Work,
    rules: Rules,
) -> None:
    """Count the solutions of every puzzle up to `limit`, and write the first and the last."""
    for k in range(len(puzzles)):
        counts[k] = solutions_of(puzzles[k], limit, found, noise, work, rules)
        if counts[k]:
            copy(found[0], solutions[0, k])
            copy(found[min(counts[k], len(found)) - 1], solutions[1, k])


@piece
def redundant(puzzle: Any, cell: int, found: Any, quiet: Any, work: Work, rules: Rules) -> bool:
    """Say whether a given follows from the others: the board without it allows no other digit."""
    digit = puzzle[cell]
    puzzle[cell] = 0
    tail = load(puzzle, work, rules)
    puzzle[cell] = digit
    work.levels[0, cell] ^= 1 << (digit - 1)
    needed: bool = search(tail, 1, found, quiet, work, rules) > 0
    return not needed


@piece
def dig(
    puzzle: Any, target: int, order: Any, found: Any, noise: Any, work: Work, rules: Rules
) -> int:
    """Remove redundant givens in random order, down to `target`; return how many are left."""
    givens = 0
    for k in range(len(order)):
        j = below(noise, k + 1)
        order[k], order[j] = order[j], k
        givens += puzzle[k] != 0
    for k in range(len(order)):
        cell = order[k]
        if (
            givens > target
            and puzzle[cell]
            and redundant(puzzle, cell, found, noise[:0], work, rules)
        ):
            puzzle[cell] = 0
            givens -= 1
    return givens


@piece
def take_back(puzzle: Any, noise: Any) -> int:
    """Remove a random given; return its cell."""
    cell: int = below(noise, len(puzzle))
    while not puzzle[cell]:
        cell = below(noise, len(puzzle))
    puzzle[cell] = 0
    return cell


@piece
def pin_down(puzzle: Any, found: Any, count: int, tally: Any, noise: Any) -> bool:
    """Add a random given that one solution of many has alone; False if there is none."""
    tally[:] = 0
    for k in range(count):
        for cell in range(len(puzzle)):
            tally[cell, found[k, cell]] += 1
    seen = 0
    chosen, digit = 0, 0
    for cell in range(tally.shape[0]):
        for d in range(1, tally.shape[1]):
            if tally[cell, d] == 1:
                seen += 1
                if below(noise, seen) == 0:
                    chosen, digit = cell, d
    if seen:
        puzzle[chosen] = digit
    return seen > 0


@piece
def exchange(
    puzzle: Any, trial: Any, out: int, found: Any, tally: Any, noise: Any, work: Work, rules: Rules
) -> bool:
    """Replace `out` random givens by one so that the solution is unique; False: puzzle kept.

    Those that leave more solutions than `found` has room for are passed over.
    """
    copy(puzzle, trial)
    for _ in range(out):
        take_back(trial, noise)
    count = solutions_of(trial, len(found), found, noise[:0], work, rules)
    if count == len(found) or not pin_down(trial, found, count, tally, noise):
        return False
    copy(trial, puzzle)
    return True


@driver
def fill(board: Any, found: Any, noise: Any, work: Work, rules: Rules) -> None:
    """Complete a board at random."""
    solutions_of(board, 1, found, noise, work, rules)
    copy(found[0], board)


@driver
def thin_out(
    puzzle: Any,
    target: int,
    rounds: int,
    trial: Any,
    order: Any,
    tally: Any,
    found: Any,
    noise: Any,
    work: Work,
    rules: Rules,
) -> int:
    """Remove givens down to `target`, or as far as `rounds` exchanges lead; return how many stay.

    A minimal puzzle is left by exchanging two givens for one, or wandered along one for one.
    """
    givens: int = dig(puzzle, target, order, found, noise, work, rules)
    for _ in range(rounds):
        if givens <= target:
            break
        out = 1 + (below(noise, 3) > 0)
        if exchange(puzzle, trial, out, found, tally, noise, work, rules):
            givens = dig(puzzle, target, order, found, noise, work, rules)
    return givens
