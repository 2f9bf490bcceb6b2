"""Epstein's models: in exact agreement with a plain version, and docked against Mesa's own example."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from itertools import count
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from scipy.stats import ks_2samp
from typer.testing import CliRunner

import sim
import sim.cli
from sim import kernels, measures
from sim.classics.epstein import (
    GROUPS,
    Communal,
    Epstein,
    EpsteinParameters,
    Outbursts,
    cells_in_sight,
    model,
)
from sim.parameters import bounds, declaration
from sim.scenario import Scenario, ScenarioError
from sim.schema import EpsteinFile, ScenarioFile

SEED = 20020514
TINY = {"width": 12, "height": 10, "vision": 2.0, "officer_vision": 2.0, "longest_sentence": 4}
TWO_GROUPS = {
    **TINY,
    "variant": "II",
    "citizen_density": 0.6,
    "officer_density": 0.05,
    "cloning": 0.1,
    "longest_life": 30.0,
}


# --- the plain version -----------------------------------------------------------------------------------


def philox(counter: tuple[int, int, int, int], seed: int) -> list[int]:
    """Return the four words of Philox4x32-10 (Salmon et al. 2011), as the paper writes it."""
    x, key = list(counter), [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a, b = 0xD2511F53 * x[0], 0xCD9E8D57 * x[2]
        x = [(b >> 32) ^ x[1] ^ key[0], b & 0xFFFFFFFF, (a >> 32) ^ x[3] ^ key[1], a & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return x


class Plain:
    """Epstein's rules person by person, looking round afresh each time; it takes over the start of a run."""

    def __init__(self, run: Epstein) -> None:
        self.p = run.parameters
        self.draws, self.seed, self.step = run.draws, run.chance.seed, 0
        self.people: dict[int, dict[str, Any]] = {}
        for uid in range(run.rows):
            x, y = int(run.where[uid]) & 0xFFFF, int(run.where[uid]) >> 16
            person = {"x": x, "y": y, "kind": "officer" if run.officer[uid] else "quiet", "left": 0}
            person |= {"G": float(run.temper[uid, 0]), "R": float(run.temper[uid, 1])}
            if isinstance(run, Communal):
                person |= {"group": int(run.group[uid]), "age": 0, "lifespan": float(run.lifespan[uid])}
            self.people[uid] = person
        self.at = {(q["x"], q["y"]): uid for uid, q in self.people.items()}
        self.next_uid = run.rows

    def words(self, uid: int, attempt: int, decision: int, step: int | None = None) -> list[int]:
        return philox((uid, attempt, self.step if step is None else step, decision), self.seed)

    def uniform(self, uid: int, decision: int, step: int) -> float:
        a, b, _, _ = self.words(uid, 0, decision, step)
        return (((a << 21) ^ (b >> 11)) + 0.5) / 2**53

    def order(self) -> list[int]:
        return sorted(self.people, key=lambda uid: (self.words(uid, 0, self.draws.order)[0], uid))

    def around(self, q: dict[str, Any]) -> list[tuple[int, int]]:
        vision = self.p.officer_vision if q["kind"] == "officer" else self.p.vision
        offsets = cells_in_sight(vision, self.p.sight)
        return [((q["x"] + dx) % self.p.width, (q["y"] + dy) % self.p.height) for dx, dy in offsets]

    def seen(self, q: dict[str, Any], kind: str, at: dict[tuple[int, int], int] | None = None) -> list[int]:
        at = self.at if at is None else at
        return [at[c] for c in self.around(q) if c in at and self.people[at[c]]["kind"] == kind]

    def active(self, q: dict[str, Any]) -> bool:
        ratio = len(self.seen(q, "officer")) / (len(self.seen(q, "active")) + 1)
        ratio = {"raw": ratio, "floor": math.floor(ratio), "round": round(ratio)}[self.p.ratio_rule]
        return bool(q["G"] - q["R"] * (1.0 - math.exp(-self.p.state_deterrence * ratio)) > self.p.threshold)

    def empty_cell(self, uid: int, decision: int, attempt: int = 0) -> tuple[int, int] | None:
        cells = self.around(self.people[uid])
        for later in range(attempt, kernels.epstein.ATTEMPTS):
            for word in self.words(uid, later, decision):
                if cells[word * len(cells) >> 32] not in self.at:
                    return cells[word * len(cells) >> 32]
        empty = [c for c in cells if c not in self.at]
        word = self.words(uid, kernels.epstein.ATTEMPTS, decision)[0]
        return empty[word * len(empty) >> 32] if empty else None

    def whom(self, uid: int, found: list[int], decision: int) -> int | None:
        return found[self.words(uid, 0, decision)[0] * len(found) >> 32] if found else None

    def sentence(self, officer: int) -> int:
        return self.words(officer, 0, self.draws.arrest)[1] * (self.p.longest_sentence + 1) >> 32

    def go(self, uid: int, to: tuple[int, int] | None) -> None:
        if to is not None:
            q = self.people[uid]
            del self.at[q["x"], q["y"]]
            q["x"], q["y"] = to
            self.at[to] = uid

    def one_after_another(self) -> dict[str, int]:
        """Take everyone one step on; return what happened in model II."""
        happened = {f"{what}_{g}": 0 for what in ("killed", "born", "aged_out") for g in GROUPS}
        two = self.p.variant == "II"
        for uid in self.order():
            if uid not in self.people:
                continue
            q = self.people[uid]
            if two and q["kind"] != "officer":
                q["age"] += 1
                if q["age"] > q["lifespan"]:
                    self.remove(uid, "aged_out", happened)
                    continue
            if q["kind"] == "jailed" and q["left"] > 0:
                q["left"] -= 1
                continue
            if self.p.acts == "after_moving" and self.p.movement:
                self.go(uid, self.empty_cell(uid, self.draws.move))
            if q["kind"] == "officer":
                taken = self.whom(uid, self.seen(q, "active"), self.draws.arrest)
                if taken is not None:
                    self.people[taken] |= {"kind": "jailed", "left": self.sentence(uid)}
            else:
                q["kind"] = "active" if self.active(q) else "quiet"
                if two and q["kind"] == "active":
                    others = [v for c in self.around(q) if (v := self.at.get(c)) is not None and self.is_target(v, q)]
                    victim = self.whom(uid, others, self.draws.kill)
                    if victim is not None:
                        self.remove(victim, "killed", happened)
            if self.p.acts == "before_moving" and self.p.movement:
                self.go(uid, self.empty_cell(uid, self.draws.move))
            if two and q["kind"] != "officer" and self.uniform(uid, self.draws.clone, self.step) < self.p.cloning:
                self.clone(uid, happened)
        self.step += 1
        return happened if two else {}

    def is_target(self, uid: int, q: dict[str, Any]) -> bool:
        other = self.people[uid]
        return other["kind"] in ("quiet", "active") and other["group"] != q["group"]

    def remove(self, uid: int, why: str, happened: dict[str, int]) -> None:
        q = self.people.pop(uid)
        del self.at[q["x"], q["y"]]
        happened[f"{why}_{GROUPS[q['group']]}"] += 1

    def clone(self, uid: int, happened: dict[str, int]) -> None:
        q, spot = self.people[uid], self.empty_cell(uid, self.draws.clone, attempt=1)
        if spot is None:
            return
        child = self.next_uid
        self.next_uid += 1
        self.people[child] = {**q, "x": spot[0], "y": spot[1], "kind": "quiet", "left": 0, "age": 0} | {
            "R": self.uniform(child, self.draws.aversion, 0),
            "lifespan": self.p.longest_life * self.uniform(child, self.draws.lifespan, 0),
        }
        self.at[spot] = child
        happened[f"born_{GROUPS[q['group']]}"] += 1

    def all_at_once(self) -> dict[str, int]:
        """Let everyone decide by the lattice as it is, then let all of it happen."""
        after, wanted, chosen = {}, {}, {}
        for uid, q in self.people.items():
            if q["kind"] == "jailed" and q["left"] > 0:
                q["left"] -= 1
                continue
            if q["kind"] == "officer":
                chosen[uid] = self.whom(uid, self.seen(q, "active"), self.draws.arrest)
            else:
                after[uid] = "active" if self.active(q) else "quiet"
            if self.p.movement:
                wanted[uid] = self.empty_cell(uid, self.draws.move)
        order, full = self.order(), set(self.at)
        for uid, kind in after.items():
            self.people[uid]["kind"] = kind
        taken = set()
        for uid in order:
            if (found := chosen.get(uid)) is not None and found not in taken:
                taken.add(found)
                self.people[found] |= {"kind": "jailed", "left": self.sentence(uid)}
        for uid in order:
            to = wanted.get(uid)
            if uid not in taken and to is not None and to not in full:
                full.add(to)
                self.go(uid, to)
        self.step += 1
        return {}

    def state(self) -> dict[int, tuple[Any, ...]]:
        return {uid: (q["x"], q["y"], q["kind"]) for uid, q in self.people.items()}


def state(run: Epstein) -> dict[int, tuple[Any, ...]]:
    kernel, p = kernels.epstein, run.parameters
    kinds = {kernel.QUIET: "quiet", kernel.ACTIVE: "active", kernel.JAILED: "jailed", kernel.OFFICER: "officer"}
    where = {uid: int(at) for uid, at in enumerate(run.where[: run.rows].tolist()) if at != kernel.NOWHERE}
    cells = {uid: (at & 0xFFFF, at >> 16) for uid, at in where.items()}
    return {uid: (x, y, kinds[int(run.what[y * p.width + x])]) for uid, (x, y) in cells.items()}


FORMS: dict[str, dict[str, Any]] = {
    "Mesa's": {},
    "square": {"sight": "moore", "ratio_rule": "raw"},
    "disc": {"sight": "disc", "ratio_rule": "floor", "legitimacy": 0.6},
    "the paper's": {"acts": "after_moving", "ratio_rule": "raw"},
    "nobody moves": {"movement": False},
    "crowded": {"citizen_density": 0.9, "officer_density": 0.09},
    "full": {"citizen_density": 0.9, "officer_density": 0.1},
    "officers see less": {"vision": 3.0, "officer_vision": 1.0},
    "officers see more": {"vision": 1.0, "officer_vision": 3.0},
    "all at once": {"updating": "synchronous"},
    "all at once, crowded": {"updating": "synchronous", "citizen_density": 0.9, "officer_density": 0.09},
    "two groups": TWO_GROUPS,
    "two groups, acting first": {**TWO_GROUPS, "acts": "after_moving", "sight": "disc", "vision": 1.7},
    "two groups, a full lattice": {**TWO_GROUPS, "citizen_density": 0.95, "threshold": 0.9},
}


@pytest.mark.parametrize("form", FORMS)
def test_kernel_and_plain_version_differ(form: str) -> None:
    changes = {"legitimacy": 0.5, **TINY, **FORMS[form]}
    run = model(EpsteinParameters(**changes), SEED)
    plain = Plain(run)
    active = 0
    for _ in range(40):
        counted = {name: int(column[0]) for name, column in run.run(1).items()}
        happened = plain.all_at_once() if run.parameters.updating == "synchronous" else plain.one_after_another()
        assert plain.state() == state(run)
        assert happened == {name: counted[name] for name in happened}
        kinds = [kind for *_, kind in plain.state().values()]
        for kind in ("quiet", "active", "jailed"):
            assert sum(n for name, n in counted.items() if name.startswith(kind)) == kinds.count(kind)
        active += kinds.count("active")
    assert active > 0 or form == "two groups, a full lattice", "nothing was compared"


@pytest.mark.parametrize("form", FORMS)
def test_table_of_who_is_in_sight_is_not_what_a_recount_gives(form: str) -> None:
    run = model(EpsteinParameters(**{"legitimacy": 0.5, **TINY, **FORMS[form]}), SEED)
    kernel, plain = kernels.epstein, Plain(run)
    run.run(25)
    plain.people = {uid: {"x": x, "y": y, "kind": kind, "left": 0} for uid, (x, y, kind) in state(run).items()}
    plain.at = {(q["x"], q["y"]): uid for uid, q in plain.people.items()}
    for x, y in np.ndindex(run.parameters.width, run.parameters.height):
        found = kernel.in_sight(run.ground, run.table, x, y)
        watcher = {"x": x, "y": y, "kind": "quiet"}
        own = [plain.people[uid]["kind"]] if (uid := plain.at.get((x, y))) is not None else []
        assert found & 0xFFFF == len(plain.seen(watcher, "active")) + own.count("active")
        assert found >> 16 == len(plain.seen(watcher, "officer")) + own.count("officer")


def test_order_of_a_step_is_not_a_sort_by_the_draws() -> None:
    kernel, run = kernels.epstein, Epstein(EpsteinParameters(), SEED)
    n = run.rows
    order, other, room = np.empty(n, np.int32), np.empty(n, np.int32), np.empty((5, n), np.uint32)
    kernel.shuffle(run.uids, order, room, other, 7, run.draws)
    keys = {uid: philox((uid, 0, 7, run.draws.order), SEED)[0] for uid in range(n)}
    assert order.tolist() == sorted(keys, key=lambda uid: (keys[uid], uid))


def test_order_of_two_depends_on_a_third() -> None:
    """Whoever is not there changes nothing in the order of the others: draws belong to people."""
    kernel, run = kernels.epstein, Epstein(EpsteinParameters(), SEED)

    def order_of(uids: np.ndarray[Any, Any]) -> list[int]:
        n = uids.size
        order, room = np.empty(n, np.int32), np.empty((5, n), np.uint32)
        kernel.shuffle(uids, order, room, np.empty(n, np.int32), 3, run.draws)
        return [int(uid) for uid in order]

    everyone = order_of(run.uids)
    assert [uid for uid in everyone if uid % 3] == order_of(run.uids[run.uids % 3 > 0])


def test_a_run_in_parts_is_another_run() -> None:
    for changes in ({}, {"updating": "synchronous"}, TWO_GROUPS):
        whole, parts = (model(EpsteinParameters(**{**TINY, **changes}), SEED) for _ in range(2))
        counts, halves = whole.run(30), [parts.run(13), parts.run(17)]
        for name, column in counts.items():
            assert column.tolist() == [n for half in halves for n in half[name].tolist()]


COMPARED = [{**TINY, "legitimacy": 0.5}, {**TINY, "legitimacy": 0.5, "updating": "synchronous"}, TWO_GROUPS]
WITHOUT_COMPILER = f"""
import json
from sim.classics.epstein import EpsteinParameters, model
for changes in {COMPARED!r}:
    run = model(EpsteinParameters(**changes), {SEED})
    print(json.dumps({{name: column.tolist() for name, column in run.run(6).items()}}))
"""


def test_results_depend_on_the_compiler() -> None:
    plain = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_COMPILER], env=plain, capture_output=True, text=True, check=True
    )
    for line, changes in zip(run.stdout.splitlines(), COMPARED, strict=True):
        compiled = model(EpsteinParameters(**changes), SEED).run(6)
        assert json.loads(line) == {name: column.tolist() for name, column in compiled.items()}


# --- docking ---------------------------------------------------------------------------------------------
#
# Statistics of a run, one number each, compared between the two programs by Kolmogorov and Smirnov's two-sample test.

APP = {"citizen_density": 0.7, "officer_density": 0.04, "legitimacy": 0.82, "longest_sentence": 30}
"""What the page of Mesa's example sets; the rest are the defaults of both."""
NAMES = {"officer_density": "cop_density", "longest_sentence": "max_jail_term"}


def of_mesa(side: int, steps: int, seed: int, sight: str, p: dict[str, Any]) -> dict[str, list[int]]:
    from mesa.examples.advanced.epstein_civil_violence.model import EpsteinCivilViolence, EpsteinScenario

    kind = {"moore": "Moore", "von_neumann": "Von Neumann"}[sight]
    both = {"citizen_vision": int(p["vision"]), "cop_vision": int(p["vision"])}
    named = {NAMES.get(name, name): value for name, value in p.items() if name != "vision"}
    mesa = EpsteinCivilViolence(side, side, EpsteinScenario(grid_type=kind, rng=seed, **both, **named))
    found: dict[str, list[int]] = {"quiet": [], "active": [], "jailed": []}
    for _ in range(steps):
        mesa.step()
        for name, there in (("quiet", mesa.QUIET), ("active", mesa.ACTIVE), ("jailed", mesa.ARRESTED)):
            found[name].append(int(there))
    return found


def of_ours(side: int, steps: int, seed: int, sight: Any, p: dict[str, Any], **form: Any) -> dict[str, list[int]]:
    vision = {"vision": p["vision"], "officer_vision": p["vision"]}
    parameters = EpsteinParameters(width=side, height=side, sight=sight, **{**p, **vision, **form})
    return {name: column.tolist() for name, column in model(parameters, seed).run(steps).items()}


def statistics(counts: dict[str, list[int]], burst: int) -> dict[str, float]:
    """Reduce a run to numbers: runs are independent of each other, steps within one are not."""
    active = np.array(counts["active"])
    bursts = Outbursts.of(active, burst)
    return {
        "mean active": float(active.mean()),
        "spread of active": float(active.std()),
        "most active": float(active.max()),
        "mean jailed": float(np.mean(counts["jailed"])),
        "number of outbursts": float(len(bursts.sizes)),
        "mean size of outbursts": float(bursts.sizes.mean()) if bursts.sizes.size else 0.0,
        "mean wait": float(bursts.waits.mean()) if bursts.waits.size else float(active.size),
    }


def compared(ours: list[dict[str, float]], theirs: list[dict[str, float]]) -> dict[str, float]:
    """Return the p value for each statistic that two programs have the same distribution of it."""
    return {name: float(ks_2samp([o[name] for o in ours], [t[name] for t in theirs]).pvalue) for name in ours[0]}


def test_distributions_of_model_one_are_not_those_of_mesas_example() -> None:
    """16 x 16 cells, vision 3, 50 steps, 30 runs each; alarm at p < 0.001 for each of 7 statistics.

    With 30 runs each this sees a shift of a mean by 1.5 standard deviations of single runs 9 times in
    10 (normal distributions, simulated); the full test below sees 0.8.
    """
    p = {**APP, "vision": 3.0, "legitimacy": 0.75, "longest_sentence": 15}
    theirs = [statistics(of_mesa(16, 50, s, "moore", p), 12) for s in range(30)]
    ours = [statistics(of_ours(16, 50, s, "moore", p), 12) for s in range(30)]
    found = compared(ours, theirs)
    assert min(found.values()) > 0.001, found


def test_the_quick_docking_cannot_fail() -> None:
    """The same comparison tells another ratio rule and shorter sentences apart."""
    p = {**APP, "vision": 3.0, "legitimacy": 0.75, "longest_sentence": 15}
    docked = [statistics(of_ours(16, 50, s, "moore", p), 12) for s in range(30)]
    for form in ({"ratio_rule": "raw"}, {"longest_sentence": 5}):
        other = [statistics(of_ours(16, 50, 100 + s, "moore", p, **form), 12) for s in range(30)]
        assert min(compared(docked, other).values()) < 0.001, form


@pytest.mark.verify
@pytest.mark.parametrize("sight", ["von_neumann", "moore"])
def test_model_one_docks_with_mesas_example_in_full(sight: str) -> None:
    """40 x 40 cells, 200 steps, 100 runs each; alarm at p < 0.001 for each of 7 statistics.

    A shift of a mean by 0.8 standard deviations of single runs would be seen 9 times in 10 (normal
    distributions, simulated). The square sees further than the diamond, so its vision is 5, where it
    has outbursts too.
    """
    p = {**APP, "vision": 7.0 if sight == "von_neumann" else 5.0}
    if sight == "moore":
        p["legitimacy"] = 0.8
    theirs = [statistics(of_mesa(40, 200, s, sight, p), 50) for s in range(100)]
    ours = [statistics(of_ours(40, 200, s, sight, p), 50) for s in range(100)]
    found = compared(ours, theirs)
    assert sum(o["number of outbursts"] for o in ours) > 100, "too few outbursts to compare"
    assert min(found.values()) > 0.001, found


def test_synchronous_updating_gives_the_same_outbursts() -> None:
    """It is another model: all who are eager look at once, see no active, and none or all of them go.

    On Epstein's lattice more are active on average, and outbursts are larger.
    """
    p = {**APP, "vision": 7.0}
    forms = {}
    for form in ("sequential", "synchronous"):
        found = [statistics(of_ours(40, 200, s, "von_neumann", p, updating=form), 50) for s in range(20)]
        forms[form] = {name: float(np.mean([f[name] for f in found])) for name in found[0]}
    assert forms["synchronous"]["mean active"] > 1.3 * forms["sequential"]["mean active"]
    assert forms["synchronous"]["mean size of outbursts"] > 1.3 * forms["sequential"]["mean size of outbursts"]


# --- the rules -------------------------------------------------------------------------------------------


def test_sight_has_another_number_of_cells() -> None:
    assert len(cells_in_sight(7, "moore")) == 15**2 - 1
    assert len(cells_in_sight(7, "von_neumann")) == 2 * 7 * 8
    assert len(cells_in_sight(1.7, "disc")) == 8
    assert len(cells_in_sight(1.0, "disc")) == 4
    for sight in ("moore", "von_neumann", "disc"):
        cells = cells_in_sight(3, sight)
        assert (0, 0) not in cells and len(set(cells)) == len(cells)
        assert {(-dx, -dy) for dx, dy in cells} == set(cells)


def test_a_crowd_moves_to_some_empty_cells_more_than_to_others() -> None:
    """24 cells in sight, 300 seeds: chi-square with 23 degrees of freedom below its 0.9999 quantile, 58.6."""
    offsets, tried = cells_in_sight(2, "moore"), np.zeros(24)
    calm = EpsteinParameters(**{**TINY, "sight": "moore"}, threshold=1.0, citizen_density=0.05, officer_density=0.0)
    for seed in range(300):
        run = Epstein(calm, seed)
        before = run.where.copy()
        run.run(1)
        for was, is_ in zip(before.tolist(), run.where.tolist(), strict=True):
            dx, dy = ((is_ & 0xFFFF) - (was & 0xFFFF) + 6) % 12 - 6, ((is_ >> 16) - (was >> 16) + 5) % 10 - 5
            tried[offsets.index((dx, dy))] += 1
    mean = tried.sum() / 24
    assert tried.sum() > 1_000
    assert ((tried - mean) ** 2 / mean).sum() < 58.6


def test_people_are_lost_or_made_in_model_one() -> None:
    for form in ("sequential", "synchronous"):
        run = Epstein(EpsteinParameters(legitimacy=0.6, updating=form), SEED)
        counts = run.run(100)
        people = counts["quiet"] + counts["active"] + counts["jailed"]
        assert set(people.tolist()) == {int((~run.officer).sum())}
        assert len(set(run.where.tolist())) == run.rows


def test_people_of_model_two_do_not_add_up() -> None:
    run = Communal(EpsteinParameters(**{**TWO_GROUPS, "width": 30, "height": 30}), SEED)
    before = np.bincount(run.group[~run.officer], minlength=2)
    counts = run.run(150)
    for g, group in enumerate(GROUPS):
        there = sum(counts[f"{state}_{group}"] for state in ("quiet", "active", "jailed"))
        flows = counts[f"born_{group}"] - counts[f"killed_{group}"] - counts[f"aged_out_{group}"]
        assert (there == before[g] + np.cumsum(flows)).all()
        assert counts[f"born_{group}"].sum() > 0 and counts[f"aged_out_{group}"].sum() > 0
    assert sum(counts[f"killed_{group}"].sum() for group in GROUPS) > 0


def test_nobody_kills_without_officers_or_reasons() -> None:
    calm = Communal(EpsteinParameters(**{**TWO_GROUPS, "threshold": 1.0}), SEED).run(50)
    assert sum(calm[f"killed_{group}"].sum() + calm[f"active_{group}"].sum() for group in GROUPS) == 0


def test_one_group_alone_kills() -> None:
    alone = Communal(EpsteinParameters(**{**TWO_GROUPS, "blue_share": 1.0, "legitimacy": 0.0}), SEED).run(50)
    assert alone["active_blue"].sum() > 0
    assert alone["killed_blue"].sum() == 0


def test_keeping_the_peace_changes_nothing() -> None:
    """Without officers one group soon dies out, with many seldom (Epstein 2002: the waiting time grows)."""
    base = {"variant": "II", "vision": 1.7, "officer_vision": 1.7, "sight": "disc", "ratio_rule": "raw"}
    base |= {"acts": "after_moving", "longest_sentence": 15, "width": 24, "height": 24, "citizen_density": 0.7}

    def dies_out(officers: float, seed: int) -> bool:
        counts = Communal(EpsteinParameters(**base, officer_density=officers), seed).run(150)
        left = [sum(counts[f"{s}_{group}"][-1] for s in ("quiet", "active", "jailed")) for group in GROUPS]
        return min(left) == 0

    assert sum(dies_out(0.0, seed) for seed in range(10)) >= 9
    assert sum(dies_out(0.2, seed) for seed in range(10)) <= 3


PARAMETERS = EpsteinParameters.model_fields
OTHERS: dict[str, Any] = {
    "variant": "II", "updating": "synchronous", "acts": "after_moving", "sight": "moore", "ratio_rule": "raw",
    "movement": False, "longest_sentence": 2, "vision": 3.0, "officer_vision": 1.0, "width": 13, "height": 11,
    "threshold": 0.2, "state_deterrence": 0.5, "legitimacy": 0.1, "citizen_density": 0.5, "officer_density": 0.02,
    "blue_share": 0.2, "cloning": 0.01, "longest_life": 5.0,
}  # fmt: skip
OF_MODEL_TWO = ("blue_share", "cloning", "longest_life")


@pytest.mark.parametrize("name", [name for name in PARAMETERS if name != "outburst"])
def test_a_parameter_of_epsteins_changes_nothing(name: str) -> None:
    base = {"legitimacy": 0.5, **(TWO_GROUPS if name in OF_MODEL_TWO else TINY)}
    one, other = (model(EpsteinParameters(**changes), SEED).run(30) for changes in (base, {**base, name: OTHERS[name]}))
    assert one.keys() != other.keys() or any((one[key] != other[key]).any() for key in one)


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_of_epsteins_says_nothing_of_itself(name: str) -> None:
    field = PARAMETERS[name]
    said = declaration(field)
    assert said is not None and said["unit"] and said["source"] and field.description
    low, high = bounds(field)
    if field.annotation in (int, float):
        assert low is not None and high is not None and low <= field.default <= high
    else:
        assert field.annotation is bool or field.default in get_args(field.annotation)


@pytest.mark.parametrize(
    "impossible",
    [
        {"citizen_density": 0.8, "officer_density": 0.3},
        {"vision": 7.0, "width": 14},
        {"officer_vision": 7.0, "height": 14},
        {"variant": "II", "updating": "synchronous"},
        {"updating": "synchronous", "acts": "after_moving"},
    ],
)
def test_what_cannot_be_is_taken(impossible: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(impossible))):
        EpsteinParameters(**impossible)


def test_outbursts_are_counted_otherwise() -> None:
    found = Outbursts.of([60, 0, 0, 50, 70, 49, 0, 51], 50)
    assert found.sizes.tolist() == [60, 120, 51]
    assert found.waits.tolist() == [2, 2]
    assert found.began.tolist() == [0, 3, 7]
    assert Outbursts.of([], 50).sizes.size == Outbursts.of([1, 2], 50).sizes.size == 0


# --- by the user's door ----------------------------------------------------------------------------------

SHIPPED = ("classics/epstein-1", "classics/epstein-1-synchronous", "classics/epstein-2")
SCHEMA = json.loads((Path(sim.__file__).parent / "summary.schema.json").read_text(encoding="utf-8"))


def spillover(*arguments: str | Path) -> Any:
    return CliRunner().invoke(sim.cli.app, [str(a) for a in arguments], prog_name="spillover")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_run_is_not_kept_whole(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = spillover("run", name, "--seed", "3", "--days", "60", "--out", folder)
    assert done.exit_code == 0, done.stderr
    assert (folder / "timeline.png").stat().st_size > 5_000
    assert not (folder / "map.png").exists()
    loaded = sim.load(folder)
    again = sim.run(loaded.scenario, seed=3)
    assert loaded.complete and (loaded.record.values == again.record.values).all()
    assert loaded.record.series == again.record.series
    Draft202012Validator(SCHEMA).validate(loaded.summary)
    assert loaded.summary["lattice"]["states"]["active"]["peak"] == again.columns.levels("active").sum(axis=1).max()
    assert "On the lattice" in loaded.summary_text()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_scenario_of_epsteins_is_not_a_scenario(name: str) -> None:
    scenario = Scenario.load(name)
    assert Scenario.from_toml(scenario.to_toml()) == scenario
    varied = scenario.with_values({"epstein.vision": 1.5})
    assert varied != scenario and varied.content_hash() != scenario.content_hash()
    assert (
        varied.with_values({"epstein.vision": scenario.file.epstein.vision}).content_hash() == scenario.content_hash()
    )  # type: ignore[attr-defined]
    short = sim.run(scenario.with_values({"clock.days": 3}), seed=1)
    assert all(measure.of(short) is not None for measure in measures.MEASURES.values())


def test_counts_of_a_run_are_not_those_of_the_kernel() -> None:
    scenario = Scenario.load("classics/epstein-2").with_values({"clock.days": 40})
    result, counts = sim.run(scenario, seed=5), model(scenario.file.epstein, 5).run(40)  # type: ignore[attr-defined]
    assert result.summary["killed"]["total"] == sum(counts[f"killed_{group}"].sum() for group in GROUPS) > 0
    assert result.columns.levels("active").T.tolist() == [counts[f"active_{group}"].tolist() for group in GROUPS]


def test_a_misspelt_key_of_epsteins_is_taken(tmp_path: Path) -> None:
    refused = spillover("run", "classics/epstein-1", "--set", "epstein.visoin=5")
    assert refused.exit_code == 2 and "did you mean epstein.vision?" in refused.stderr
    text = Scenario.load("classics/epstein-1").to_toml()
    for changed, said in (
        (text.replace('model = "epstein"', 'model = "epstien"'), "did you mean epstein?"),
        (text.replace("value = 0.82", "value = 1.82"), "0 to 1"),
        (text + '\n[factions.x]\nname = "x"\n', "factions: unknown key"),
        (text.replace("width = 40", "width = 10"), "reach round the torus"),
    ):
        file = tmp_path / "changed.toml"
        file.write_text(changed, encoding="utf-8")
        checked = spillover("check", file)
        assert checked.exit_code == 2 and said in checked.stdout, said


def test_a_theatre_takes_the_table_of_a_known_model() -> None:
    with pytest.raises(ScenarioError, match="epstein"):
        Scenario.load("tiny").with_values({"epstein.vision": 5})


def test_a_known_model_lacks_a_table_that_is_read_of_a_theatre() -> None:
    """What reads a run finds every table, none of them filled but for the lattice."""
    file: Any = Scenario.load("classics/epstein-1").file
    tables = [name for name, field in ScenarioFile.model_fields.items() if "dict" in str(field.annotation)]
    assert len(tables) >= 15
    assert [name for name in tables if name != "places" and getattr(file, name)] == []
    assert set(EpsteinFile.model_fields) == {"format", "model", "scenario", "clock", "epstein"}


def test_progress_is_not_told() -> None:
    seen = [*zip(count(1), told := [], strict=False)]
    sim.run(
        Scenario.load("classics/epstein-2").with_values({"clock.days": 5}), seed=1, progress=lambda p: told.append(p)
    )
    assert seen == [] and [p.step for p in told] == [1, 2, 3, 4, 5]
    assert told[-1].killed_by_place["lattice"] > 0
