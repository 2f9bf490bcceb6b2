"""Epstein's two models of civil violence on a torus (Epstein 2002), one step of every agent after another.

What makes the loops fast: an agent looks up how many officers and actives it sees in a table that is
changed only where somebody changes or moves, instead of looking round; an empty cell is found by trying
cells at random, which is as uniform as choosing among the empty ones, on a lattice with a margin that
shows what is across the edge; columns and draws of a block of agents are gathered before the block acts,
so that nobody waits for memory alone; positions are unsigned where they are counted out, since a signed
one might count from the end of an array, and is first looked at for that. Draws are keyed by
(agent, attempt, step, decision): no generator is advanced, and which of two agents comes first in a step
depends on the draws of these two alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.kernels.chance import philox, uniform
from sim.kernels.sites import state_deterrence

U32 = np.uint32
U64 = np.uint64
I32 = np.int32

EMPTY, QUIET, ACTIVE, JAILED, OFFICER, LEFT = range(6)
"""What may be in a cell; LEFT is one that was left within this step of all at once, and not yet to be taken."""

ONE_ACTIVE, ONE_OFFICER = 1, 1 << 16
"""What one of each adds to the table of who is in sight: two counts in one number, so that one look finds both."""

LANES = 16
"""The columns of the table that are changed are a multiple of this, so that the compiler's vectors come out even."""

BLOCK = 64
"""Agents whose columns and first draws are gathered together."""

CANDIDATES = 12
"""Cells that an agent tries at once, a multiple of four: the first empty one of them is taken."""

ATTEMPTS = 8
"""Draws of four cells each, the candidates among them, before the empty cells in sight are counted and one picked."""

QUIET_NOW, ACTIVE_NOW, JAILED_NOW, ARRESTED = range(4)
REBELLION_COLUMNS = 4
"""Counts of a step of model I."""

OF_GROUP_QUIET, OF_GROUP_ACTIVE, OF_GROUP_JAILED, OF_GROUP_KILLED, OF_GROUP_BORN, OF_GROUP_AGED_OUT = range(6)
GROUP_COLUMNS = 6
"""Counts of a step of model II, for each group."""

NOWHERE = -1

Cells = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint32]
Numbers = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Ground(NamedTuple):
    """The torus, what is seen on it, and the rule of activation: numbers only.

    Tuples of arrays would be counted in and out at every call, which costs more than the calls.
    """

    width: int
    height: int
    vision: int  # of citizens
    stride: int  # of a row of the table
    citizen_cells: int  # in sight of a citizen
    officer_cells: int
    same_sight: bool  # officers see what citizens see
    threshold: float
    k: float
    ratio: int  # RAW, FLOOR or ROUND of `sim.kernels.sites`
    longest_sentence: int
    moving: bool
    move_first: bool


class Draws(NamedTuple):
    """The decisions that draws belong to, and the key of the run."""

    order: int
    move: int
    arrest: int
    kill: int
    clone: int
    aversion: int
    lifespan: int
    k0: np.uint64
    k1: np.uint64


@njit(cache=True, nogil=True, error_model="numpy")
def signed(x: Any) -> int:
    """Return a whole number as a signed one of 64 bits: the compiler makes floats of signed and unsigned together."""
    return np.int64(x)  # type: ignore[return-value]


@njit(cache=True, nogil=True, error_model="numpy")
def below(word: np.uint64, n: int) -> int:
    """Return a number from 0 to n - 1 by a word of 32 bits (uneven by less than n / 2^32)."""
    return signed((U64(word) * U64(n)) >> U64(32))


@njit(cache=True, nogil=True, error_model="numpy")
def word_of(index: int, uid: int, attempt: int, step: int, decision: int, draws: Draws) -> np.uint64:
    """Return one of the four words of a draw."""
    a, b, c, d = philox(U64(uid), U64(attempt), U64(step), U64(decision), draws.k0, draws.k1)
    return a if index == 0 else b if index == 1 else c if index == 2 else d


@njit(cache=True, nogil=True, error_model="numpy")
def wrapped(x: int, width: int) -> int:
    """Return a coordinate on the torus, given one at most one width off."""
    if x < 0:
        return x + width
    return x - width if x >= width else x


# --- draws and the order of a step -----------------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def fill_words(
    a_out: Words, b_out: Words, c_out: Words, d_out: Words, uids: Numbers,
    attempt: np.uint64, step: np.uint64, decision: np.uint64, k0: np.uint64, k1: np.uint64,
) -> None:  # fmt: skip
    """Fill four columns (m,) with the Philox words of some agents."""
    for i in range(uids.size):
        a, b, c, d = philox(U64(uids[i]), attempt, step, decision, k0, k1)
        a_out[i], b_out[i], c_out[i], d_out[i] = U32(a), U32(b), U32(c), U32(d)


@njit(cache=True, nogil=True, error_model="numpy")
def shuffle(uids: Numbers, order: Numbers, room: Words, other: Numbers, step: int, draws: Draws) -> None:
    """Fill `order` (n,) with the uids (n,), ascending before, by their draws of this step.

    room (5, n), other (n,): to work in. A radix sort by bytes; equal draws keep the order of the uids.
    """
    keys, spare = room[0], room[1]
    fill_words(keys, room[2], room[3], room[4], uids, U64(0), U64(step), U64(draws.order), draws.k0, draws.k1)
    first = np.zeros((4, 256), np.int64)
    for i in range(uids.size):
        key = keys[i]
        order[i] = uids[i]
        for byte in range(4):
            first[byte, (key >> U32(8 * byte)) & U32(255)] += 1
    for byte in range(4):
        before = 0
        for digit in range(256):
            here = first[byte, digit]
            first[byte, digit] = before
            before += here
    for byte in range(0, 4, 2):
        _sort_by_byte(keys, order, spare, other, first[byte], 8 * byte)
        _sort_by_byte(spare, other, keys, order, first[byte + 1], 8 * byte + 8)


@njit(cache=True, nogil=True, error_model="numpy")
def _sort_by_byte(keys: Words, order: Numbers, to_keys: Words, to_order: Numbers, first: Ints, shift: int) -> None:
    for i in range(keys.size):
        key = keys[i]
        digit = (key >> U32(shift)) & U32(255)
        at = first[digit]
        first[digit] = at + 1
        to_keys[at] = key
        to_order[at] = order[i]


# --- who is in sight -------------------------------------------------------------------------------------
#
# what: (cells,) what is in cell y * width + x. table: who is in sight, in rows of `stride` with a margin as wide as
# the citizens' vision all round. mask: (2 vision + 1, a multiple of LANES), 1 where a citizen sees. dx, dy: offsets
# of the cells in sight, one's own left out: those of a citizen, then those of an officer; `first`, `cells` say which.


@njit(cache=True, nogil=True, error_model="numpy")
def note(ground: Ground, table: Numbers, mask: Numbers, x: int, y: int, amount: int) -> None:
    """Add `amount` in the table to every cell from which (x, y) is in sight."""
    change, start = I32(amount), U64(y * ground.stride + x)
    for dy in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            table[start + U64(column)] += change * mask[dy, column]
        start += U64(ground.stride)


@njit(cache=True, nogil=True, error_model="numpy")
def images(ground: Ground, x: int, y: int) -> tuple[int, int, int]:
    """Return where (x, y) stands in the table, and how far off its images are: what lies in a margin is across."""
    width, height, stride, vision = ground.width, ground.height, ground.stride, ground.vision
    across = width * (signed(x < vision) - signed(x >= width - vision))
    along = height * stride * (signed(y < vision) - signed(y >= height - vision))
    return (y + vision) * stride + x + vision, across, along


@njit(cache=True, nogil=True, error_model="numpy")
def in_sight(ground: Ground, table: Numbers, x: int, y: int) -> int:
    """Return what was noted around (x, y), oneself included."""
    at, across, along = images(ground, x, y)
    corner = signed(table[at + along + across])
    across_too = signed(table[at]) + (across != 0) * signed(table[at + across])
    return across_too + (along != 0) * (signed(table[at + along]) + (across != 0) * corner)


@njit(cache=True, nogil=True, error_model="numpy")
def cell_at(ground: Ground, dx: int, dy: int, x: int, y: int) -> int:
    """Return the cell that far off on the torus."""
    return wrapped(y + dy, ground.height) * ground.width + wrapped(x + dx, ground.width)


@njit(cache=True, nogil=True, error_model="numpy")
def count_in_sight(
    ground: Ground, what: Cells, dx: Numbers, dy: Numbers, first: int, cells: int, kind: int, x: int, y: int
) -> int:
    """Count the cells of one kind in sight."""
    found = 0
    for i in range(first, first + cells):
        found += what[cell_at(ground, dx[i], dy[i], x, y)] == kind
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def which_in_sight(
    ground: Ground,
    what: Cells,
    dx: Numbers,
    dy: Numbers,
    first: int,
    cells: int,
    kind: int,
    number: int,
    x: int,
    y: int,
) -> int:
    """Return the cell of one kind in sight that is number `number` in the order of the offsets, or NOWHERE."""
    for i in range(first, first + cells):
        cell = cell_at(ground, dx[i], dy[i], x, y)
        if what[cell] == kind:
            if number == 0:
                return cell
            number -= 1
    return NOWHERE


@njit(cache=True, nogil=True, error_model="numpy")
def empty_in_sight(
    ground: Ground, what: Cells, dx: Numbers, dy: Numbers, kind: int, x: int, y: int,
    uid: int, attempt: int, step: int, decision: int, draws: Draws,
) -> int:  # fmt: skip
    """Return a uniformly drawn empty cell in sight as x + y * 2^16, or NOWHERE; begin with this attempt."""
    first = ground.citizen_cells if kind == OFFICER else 0
    cells = ground.officer_cells if kind == OFFICER else ground.citizen_cells
    for later in range(attempt, ATTEMPTS):
        a, b, c, d = philox(U64(uid), U64(later), U64(step), U64(decision), draws.k0, draws.k1)
        for _ in range(4):
            i = first + below(a, cells)
            to_x, to_y = wrapped(x + dx[i], ground.width), wrapped(y + dy[i], ground.height)
            if what[to_y * ground.width + to_x] == EMPTY:
                return to_x + (to_y << 16)
            a, b, c = b, c, d
    empty = count_in_sight(ground, what, dx, dy, first, cells, EMPTY, x, y)
    if empty == 0:
        return NOWHERE
    number = below(word_of(0, uid, ATTEMPTS, step, decision, draws), empty)
    cell = which_in_sight(ground, what, dx, dy, first, cells, EMPTY, number, x, y)
    return cell % ground.width + ((cell // ground.width) << 16)


@njit(cache=True, nogil=True, error_model="numpy")
def is_seen(ground: Ground, mask: Numbers, dx: int, dy: int) -> bool:
    """Tell whether a citizen sees a cell that far off on the torus."""
    v, width, height = ground.vision, ground.width, ground.height
    dx = dx - width if dx > v else dx + width if dx < -v else dx
    dy = dy - height if dy > v else dy + height if dy < -v else dy
    return abs(dx) <= v and abs(dy) <= v and mask[dy + v, dx + v] == 1


# --- what both models and both forms share ---------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def rebels(ground: Ground, grievance: float, aversion: float, officers: int, others_active: int) -> bool:
    """Tell whether an agent goes active: G - R P > T, P by `state_deterrence`, oneself among the active."""
    risk = aversion * state_deterrence(officers, others_active + 1.0, ground.k, ground.ratio)
    return grievance - risk > ground.threshold


@njit(cache=True, nogil=True, error_model="numpy")
def whom_to_arrest(
    ground: Ground, what: Cells, table: Numbers, dx: Numbers, dy: Numbers,
    x: int, y: int, uid: int, step: int, draws: Draws,
) -> int:  # fmt: skip
    """Return the cell of a uniformly drawn active in sight of an officer, or NOWHERE."""
    first, cells = ground.citizen_cells, ground.officer_cells
    if ground.same_sight:
        seen = in_sight(ground, table, x, y) & (ONE_OFFICER - 1)
    else:
        seen = count_in_sight(ground, what, dx, dy, first, cells, ACTIVE, x, y)
    if seen == 0:
        return NOWHERE
    number = below(word_of(0, uid, 0, step, draws.arrest, draws), seen)
    return which_in_sight(ground, what, dx, dy, first, cells, ACTIVE, number, x, y)


@njit(cache=True, nogil=True, error_model="numpy")
def term(ground: Ground, officer: int, step: int, draws: Draws) -> int:
    """Return the sentence that an officer gives: 0 to the longest, both included."""
    return below(word_of(1, officer, 0, step, draws.arrest, draws), ground.longest_sentence + 1)


@njit(cache=True, nogil=True, error_model="numpy")
def weight(kind: int) -> int:
    """Return what one of a kind adds to the table."""
    return ONE_OFFICER if kind == OFFICER else ONE_ACTIVE if kind == ACTIVE else 0


@njit(cache=True, nogil=True, error_model="numpy")
def note_move(
    ground: Ground, table: Numbers, mask: Numbers, now: int, then: int, x: int, y: int, to_x: int, to_y: int
) -> None:
    """Note that somebody went from one cell to another, or the same, and from one kind to another, or the same."""
    was, is_ = weight(now), weight(then)
    if was != is_ or x != to_x or y != to_y:
        if was != 0:
            note(ground, table, mask, x, y, -was)
        if is_ != 0:
            note(ground, table, mask, to_x, to_y, is_)


# --- model I, one after another --------------------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def look_ahead(
    ground: Ground, block: Numbers, officer: Cells, step: int, draws: Draws, words: Words, picks: Words
) -> None:
    """Fill the numbers (CANDIDATES, m) of the offsets that a block of agents will try; words: (4, m) to work in.

    officer: (m,) 1 for an officer, else 0. No offset is looked up here: that loop would not be vectorised.
    """
    ours, theirs = U64(ground.citizen_cells), U64(ground.officer_cells)
    for attempt in range(CANDIDATES // 4):
        fill_words(
            words[0], words[1], words[2], words[3], block,
            U64(attempt), U64(step), U64(draws.move), draws.k0, draws.k1,
        )  # fmt: skip
        for lane in range(4):
            word, pick = words[lane], picks[4 * attempt + lane]
            for i in range(block.size):
                first, cells = U64(officer[i]) * ours, theirs if officer[i] else ours
                pick[i] = U32(first + ((U64(word[i]) * cells) >> U64(32)))


@njit(cache=True, nogil=True, error_model="numpy")
def mark(ground: Ground, taken: Cells, margin: int, x: int, y: int, whether: int) -> None:
    """Say whether a cell is taken, and say it of its images in the margin: without one, again of the cell itself."""
    width, height, span = ground.width, ground.height, ground.width + 2 * margin
    across = width * (signed(x < margin) - signed(x >= width - margin))
    along = height * span * (signed(y < margin) - signed(y >= height - margin))
    at = (y + margin) * span + x + margin
    for image in (at, at + across, at + along, at + across + along):
        taken[U64(image)] = whether


@njit(cache=True, nogil=True, error_model="numpy")
def rebellion(
    steps: int, first_step: int, ground: Ground, draws: Draws, what: Cells, sentence: Numbers, table: Numbers,
    mask: Numbers, dx: Numbers, dy: Numbers, uids: Numbers, where: Numbers, temper: Floats, counts: Ints,
) -> None:  # fmt: skip
    """Run model I for some steps: everyone once a step in random order, each seeing what those before did.

    uids: (n,) 0 to n - 1; where: (n,) x + y * 2^16; temper: (n, 2) grievance and risk aversion;
    sentence: (cells,) steps that whoever is jailed there has still to stay; counts: (steps,
    REBELLION_COLUMNS) filled. `taken` tells where somebody stands, with a margin as wide as anybody sees;
    `hop` is how far off in it each offset leads, so that no edge is asked for. What everybody does in
    every step stands here and not in functions: handing an array on counts its references, which takes
    longer than what is done with it.
    """
    n, width = uids.size, ground.width
    room, other, order = np.empty((5, n), np.uint32), np.empty(n, np.int32), np.empty(n, np.int32)
    words, picks = np.empty((4, BLOCK), np.uint32), np.empty((CANDIDATES, BLOCK), np.uint32)
    officer = np.empty(BLOCK, np.uint8)
    margin = max(signed(dx.max()), signed(dy.max()))
    span = width + 2 * margin
    taken, hop = np.zeros((ground.height + 2 * margin) * span, np.uint8), np.empty(dx.size, np.int64)
    for u in range(n):
        mark(ground, taken, margin, signed(where[u] & 0xFFFF), signed(where[u] >> 16), 1)
    for i in range(dx.size):
        hop[i] = dy[i] * span + dx[i]
    begins, grievance, aversion = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.float64), np.empty(BLOCK, np.float64)
    quiet, active, jailed = np.sum(what == QUIET), np.sum(what == ACTIVE), np.sum(what == JAILED)
    for step in range(first_step, first_step + steps):
        arrested = 0
        shuffle(uids, order, room, other, step, draws)
        for start in range(0, n, BLOCK):
            size = min(BLOCK, n - start)
            block = order[start : start + size]
            for i in range(size):
                begins[i] = where[block[i]]
                officer[i] = what[(begins[i] >> 16) * width + (begins[i] & 0xFFFF)] == OFFICER
                grievance[i], aversion[i] = temper[block[i], 0], temper[block[i], 1]
            if ground.moving:
                look_ahead(ground, block, officer, step, draws, words, picks)
            for i in range(size):
                uid = signed(order[start + i])
                x, y = signed(begins[i] & 0xFFFF), signed(begins[i] >> 16)
                cell = y * width + x
                now = signed(what[cell])
                if now == JAILED and sentence[cell] > 0:
                    sentence[cell] -= 1
                    continue
                to_x, to_y, then = x, y, now
                for turn in range(2):
                    if ground.moving and (turn == 0) == ground.move_first:
                        pick, at = NOWHERE, (y + margin) * span + x + margin
                        for lane in range(CANDIDATES - 1, -1, -1):
                            tried = picks[lane, i]
                            pick = pick if taken[U64(at + hop[tried])] else signed(tried)
                        if pick != NOWHERE:
                            to_x, to_y = wrapped(x + dx[pick], width), wrapped(y + dy[pick], ground.height)
                        else:
                            to = empty_in_sight(
                                ground, what, dx, dy, now, x, y, uid, CANDIDATES // 4, step, draws.move, draws
                            )
                            if to != NOWHERE:
                                to_x, to_y = to & 0xFFFF, to >> 16
                    if (turn == 0) == ground.move_first:
                        continue
                    if now == OFFICER:
                        if active > 0:
                            found = whom_to_arrest(ground, what, table, dx, dy, to_x, to_y, uid, step, draws)
                            if found != NOWHERE:
                                sentence[found] = term(ground, uid, step, draws)
                                what[found] = JAILED
                                note(ground, table, mask, found % width, found // width, -ONE_ACTIVE)
                                active, jailed, arrested = active - 1, jailed + 1, arrested + 1
                    else:
                        then = QUIET
                        if grievance[i] > ground.threshold:  # else it is too small, and risk only lowers it
                            at, across, along = images(ground, to_x, to_y)
                            seen = signed(table[at]) + (across != 0) * signed(table[at + across])
                            seen += (along != 0) * signed(table[at + along])
                            seen += (along != 0) * (across != 0) * signed(table[at + along + across])
                            own = now == ACTIVE and is_seen(ground, mask, to_x - x, to_y - y)
                            others = (seen & (ONE_OFFICER - 1)) - own
                            if rebels(ground, grievance[i], aversion[i], seen >> 16, others):
                                then = ACTIVE
                        quiet += signed(then == QUIET) - signed(now == QUIET)
                        active += signed(then == ACTIVE) - signed(now == ACTIVE)
                        jailed -= now == JAILED
                if now in (OFFICER, ACTIVE) or then == ACTIVE:
                    note_move(ground, table, mask, now, then, x, y, to_x, to_y)
                what[cell] = EMPTY
                what[to_y * width + to_x] = then
                mark(ground, taken, margin, x, y, 0)
                mark(ground, taken, margin, to_x, to_y, 1)
                where[uid] = to_x + (to_y << 16)
        row = step - first_step
        counts[row, QUIET_NOW], counts[row, ACTIVE_NOW], counts[row, JAILED_NOW] = quiet, active, jailed
        counts[row, ARRESTED] = arrested


# --- model I, all at once: other semantics ---------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def rebellion_at_once(
    steps: int, first_step: int, ground: Ground, draws: Draws, what: Cells, sentence: Numbers, table: Numbers,
    mask: Numbers, dx: Numbers, dy: Numbers, uids: Numbers, where: Numbers, temper: Floats, counts: Ints,
) -> None:  # fmt: skip
    """Run model I for some steps with everyone deciding by the lattice as the step began; then all of it happens.

    An active whom several officers choose is jailed by the one whose turn is first, and so is an empty cell
    given to the first of those who want it; the others stay. Turns are those of `shuffle`. Arguments as in
    `rebellion`.
    """
    n, width = uids.size, ground.width
    room, other, order = np.empty((5, n), np.uint32), np.empty(n, np.int32), np.empty(n, np.int32)
    kind, after = np.empty(n, np.uint8), np.empty(n, np.uint8)
    wanted, found, free = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n, np.bool_)
    jailed_in = np.empty(what.size, np.bool_)
    for step in range(first_step, first_step + steps):
        shuffle(uids, order, room, other, step, draws)
        jailed_in[:] = False
        for u in range(n):
            x, y = signed(where[u] & 0xFFFF), signed(where[u] >> 16)
            cell = y * width + x
            kind[u], after[u] = what[cell], what[cell]
            wanted[u], found[u] = NOWHERE, NOWHERE
            free[u] = kind[u] != JAILED or sentence[cell] == 0
            if not free[u]:
                sentence[cell] -= 1
                continue
            if kind[u] == OFFICER:
                found[u] = whom_to_arrest(ground, what, table, dx, dy, x, y, u, step, draws)
            else:
                seen = in_sight(ground, table, x, y)
                others = (seen & (ONE_OFFICER - 1)) - (kind[u] == ACTIVE)
                active = rebels(ground, temper[u, 0], temper[u, 1], seen >> 16, others)
                after[u] = ACTIVE if active else QUIET
            if ground.moving:
                wanted[u] = empty_in_sight(ground, what, dx, dy, kind[u], x, y, u, 0, step, draws.move, draws)
        arrested = 0
        for i in range(n):
            u = order[i]
            if found[u] != NOWHERE and not jailed_in[found[u]]:
                jailed_in[found[u]] = True
                sentence[found[u]] = term(ground, u, step, draws)
                arrested += 1
        for i in range(n):
            u = order[i]
            x, y = signed(where[u] & 0xFFFF), signed(where[u] >> 16)
            cell, to_x, to_y = y * width + x, x, y
            if jailed_in[cell] and kind[u] == ACTIVE:
                after[u] = JAILED
            elif free[u] and wanted[u] != NOWHERE:
                at_x, at_y = wanted[u] & 0xFFFF, wanted[u] >> 16
                if what[at_y * width + at_x] == EMPTY:
                    to_x, to_y = at_x, at_y
            note_move(ground, table, mask, kind[u], after[u], x, y, to_x, to_y)
            if to_x != x or to_y != y:
                what[cell] = LEFT
            what[to_y * width + to_x] = after[u]
            where[u] = to_x + (to_y << 16)
        row = step - first_step
        counts[row, :] = 0
        for cell in range(what.size):
            if what[cell] == LEFT:
                what[cell] = EMPTY
            counts[row, QUIET_NOW] += what[cell] == QUIET
            counts[row, ACTIVE_NOW] += what[cell] == ACTIVE
            counts[row, JAILED_NOW] += what[cell] == JAILED
        counts[row, ARRESTED] = arrested


# --- model II --------------------------------------------------------------------------------------------


@njit(cache=True, nogil=True, error_model="numpy")
def clash(
    step: int, rows: int, ground: Ground, draws: Draws, cloning: float, longest_life: float, what: Cells,
    sentence: Numbers, table: Numbers, mask: Numbers, dx: Numbers, dy: Numbers, occupant: Numbers, living: Numbers,
    where: Numbers, group: Cells, temper: Floats, age: Numbers, lifespan: Floats, counts: Ints,
) -> int:  # fmt: skip
    """Run one step of model II: everyone once in random order; return how many rows there are now.

    living: (n,) uids ascending, officers among them; occupant: (cells,) uid or NOWHERE; where, group, temper,
    age, lifespan: columns with room for as many births as there are cells beyond the `rows` in use; where is
    NOWHERE for the dead. counts: (groups, GROUP_COLUMNS), the first three columns as the step ends.
    """
    n, width = living.size, ground.width
    room, other, order = np.empty((5, n), np.uint32), np.empty(n, np.int32), np.empty(n, np.int32)
    shuffle(living, order, room, other, step, draws)
    counts[:] = 0
    for i in range(n):
        uid = signed(order[i])
        if where[uid] == NOWHERE:
            continue  # killed before their turn
        x, y = signed(where[uid] & 0xFFFF), signed(where[uid] >> 16)
        cell = y * width + x
        now = signed(what[cell])
        if now != OFFICER:
            age[uid] += 1
            if age[uid] > lifespan[uid]:
                _remove(ground, what, table, mask, occupant, where, cell)
                counts[group[uid], OF_GROUP_AGED_OUT] += 1
                continue
        if now == JAILED and sentence[cell] > 0:
            sentence[cell] -= 1
            continue
        then = now
        for turn in range(2):
            if (turn == 0) == ground.move_first:
                to = NOWHERE
                if ground.moving:
                    to = empty_in_sight(ground, what, dx, dy, now, x, y, uid, 0, step, draws.move, draws)
                if to != NOWHERE:
                    to_x, to_y = to & 0xFFFF, to >> 16
                    note_move(ground, table, mask, then, then, x, y, to_x, to_y)
                    what[cell], occupant[cell] = EMPTY, NOWHERE
                    x, y, cell = to_x, to_y, to_y * width + to_x
                    what[cell], occupant[cell], where[uid] = then, uid, to
            elif now == OFFICER:
                found = whom_to_arrest(ground, what, table, dx, dy, x, y, uid, step, draws)
                if found != NOWHERE:
                    sentence[found] = term(ground, uid, step, draws)
                    what[found] = JAILED
                    note(ground, table, mask, found % width, found // width, -ONE_ACTIVE)
            else:
                seen = in_sight(ground, table, x, y)
                others = (seen & (ONE_OFFICER - 1)) - (now == ACTIVE)
                then = ACTIVE if rebels(ground, temper[uid, 0], temper[uid, 1], seen >> 16, others) else QUIET
                note_move(ground, table, mask, now, then, x, y, x, y)
                what[cell] = then
                if then == ACTIVE:
                    victim = _whom_to_kill(ground, what, dx, dy, occupant, group, x, y, uid, step, draws)
                    if victim != NOWHERE:
                        counts[group[occupant[victim]], OF_GROUP_KILLED] += 1
                        _remove(ground, what, table, mask, occupant, where, victim)
        if now != OFFICER and uniform(uid, 0, step, draws.clone, draws.k0, draws.k1) < cloning:
            to = empty_in_sight(ground, what, dx, dy, QUIET, x, y, uid, 1, step, draws.clone, draws)
            if to != NOWHERE:
                spot = (to >> 16) * width + (to & 0xFFFF)
                what[spot], occupant[spot], where[rows], group[rows], age[rows] = QUIET, rows, to, group[uid], 0
                temper[rows, 0] = temper[uid, 0]
                temper[rows, 1] = uniform(rows, 0, 0, draws.aversion, draws.k0, draws.k1)
                lifespan[rows] = longest_life * uniform(rows, 0, 0, draws.lifespan, draws.k0, draws.k1)
                counts[group[uid], OF_GROUP_BORN] += 1
                rows += 1
    for cell in range(what.size):
        if what[cell] != EMPTY and what[cell] != OFFICER:
            of = group[occupant[cell]]
            counts[of, OF_GROUP_QUIET] += what[cell] == QUIET
            counts[of, OF_GROUP_ACTIVE] += what[cell] == ACTIVE
            counts[of, OF_GROUP_JAILED] += what[cell] == JAILED
    return rows


@njit(cache=True, nogil=True, error_model="numpy")
def _remove(
    ground: Ground, what: Cells, table: Numbers, mask: Numbers, occupant: Numbers, where: Numbers, cell: int
) -> None:
    """Take whoever is in a cell off the lattice for good."""
    if what[cell] == ACTIVE:
        note(ground, table, mask, cell % ground.width, cell // ground.width, -ONE_ACTIVE)
    where[occupant[cell]] = NOWHERE
    what[cell], occupant[cell] = EMPTY, NOWHERE


@njit(cache=True, nogil=True, error_model="numpy")
def _whom_to_kill(
    ground: Ground, what: Cells, dx: Numbers, dy: Numbers, occupant: Numbers, group: Cells,
    x: int, y: int, uid: int, step: int, draws: Draws,
) -> int:  # fmt: skip
    """Return the cell of a uniformly drawn agent of the other group in sight and at liberty, or NOWHERE."""
    targets = 0
    for i in range(ground.citizen_cells):
        cell = cell_at(ground, dx[i], dy[i], x, y)
        if (what[cell] == QUIET or what[cell] == ACTIVE) and group[occupant[cell]] != group[uid]:
            targets += 1
    if targets == 0:
        return NOWHERE
    number = below(word_of(0, uid, 0, step, draws.kill, draws), targets)
    for i in range(ground.citizen_cells):
        cell = cell_at(ground, dx[i], dy[i], x, y)
        if (what[cell] == QUIET or what[cell] == ACTIVE) and group[occupant[cell]] != group[uid]:
            if number == 0:
                return cell
            number -= 1
    return NOWHERE
