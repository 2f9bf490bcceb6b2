"""Sensitivity: indices against functions whose indices are known, luck against luck that was put in."""

import json
import math
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tomli_w
import typer
from stub_runs import A, B, C
from typer.testing import CliRunner

from analysis.design import Plan, Point, read_plan
from analysis.sensitivity import (
    Sensitivity,
    analyse,
    command,
    luck_share,
    omega_squared,
    replicates_for,
    sobol_indices,
    told,
)
from analysis.store import Done, open_store, writing
from analysis.sweep import Planned
from sim.cli import Commands

RULE = "mobilisation.ratio_rule"
RULES = ["raw", "floor", "round"]
NO_SALIB = "needs the extra `sensitivity`"

# Ishigami's function with a = 7, b = 0.1 on (-π, π): its indices are known in closed form.
ISHIGAMI = {
    "first": {A: 0.3139, B: 0.4424, C: 0.0},
    "total": {A: 0.5576, B: 0.4424, C: 0.2437},
}


def ishigami(values: list[float]) -> float:
    a, b, c = ((2.0 * value - 1.0) * math.pi for value in values)
    return math.sin(a) + 7.0 * math.sin(b) ** 2 + 0.1 * c**4 * math.sin(a)


def smooth(point: Point, seed: int) -> dict[str, float]:
    """Return Ishigami's function far from 0, a line, and luck alone."""
    luck = np.random.default_rng(seed).normal()
    a, b, c = (point.get(path, 0.5) for path in (A, B, C))
    return {
        "killed_total": 1000.0 + ishigami([a, b, c]),
        "wounded_total": 3.0 * a - b + 0.5 * luck,
        "displaced": 100.0 + luck,
    }


def structural(point: Point, seed: int) -> dict[str, float]:
    """Return a number that depends on the rule, and a little on a weight."""
    return {"killed_total": 10.0 * (point[RULE] == "round") + point[A]}


UNIT = {A: {"low": 0.0, "high": 1.0}, B: {"low": 0.0, "high": 1.0}, C: {"low": 0.0, "high": 1.0}}
KEEP = {"measures": ["killed_total", "wounded_total", "displaced"]}


def planned(folder: Path, **keys: Any) -> Plan:
    path = folder / "plan.toml"
    path.write_text(tomli_w.dumps({"scenario": "tiny", "parameters": UNIT, "keep": KEEP} | keys), encoding="utf-8")
    return read_plan(path)


def filled(plan: Plan, folder: Path, model: Callable[[Point, int], dict[str, float]], limit: int | None = None) -> Path:
    """Put the outcomes of a function of the point and the seed into a store, without running anything."""
    planned = Planned(plan, "stub")
    with writing(folder) as writer:
        writer.keep_plan(plan.as_dict("stub"), plan.base.to_toml(), planned.design())
        for job in islice(planned.missing(writer), limit):
            values = model(job.point, job.identity.seed)
            writer.add(Done(job.identity, job.measures, {n: v for n, v in values.items() if n in job.measures}))
    return folder


def found(folder: Path, model: Any = smooth, measures: tuple[str, ...] = (), **keys: Any) -> Sensitivity:
    with open_store(filled(planned(folder, **keys), folder / "s", model)) as store:
        return analyse(store, measures)


def estimates(one: Sensitivity, measure: str, index: str) -> dict[str, float]:
    rows = one.indices[(one.indices["measure"] == measure) & (one.indices["index"] == index)]
    return dict(zip(rows["parameter"], rows["estimate"], strict=True))


# --- Sobol' ----------------------------------------------------------------------------------------------


def test_sobol_indices_are_not_those_of_the_function() -> None:
    """With 8,192 blocks the estimates lie within 0.02; an index of another parameter is 0.06 away or more."""
    from scipy.stats import qmc

    both = qmc.Sobol(6, rng=np.random.default_rng(1)).random(8192)
    a, b = both[:, :3], both[:, 3:]
    mixed = [np.where(np.arange(3) == n, b, a) for n in range(3)]
    at_a, at_b, *at_mixed = (np.array([ishigami(list(row)) for row in rows]) for rows in (a, b, *mixed))
    found = sobol_indices(at_a, np.array(at_mixed).T, at_b)
    assert found[0] == pytest.approx(list(ISHIGAMI["first"].values()), abs=0.02)
    assert found[1] == pytest.approx(list(ISHIGAMI["total"].values()), abs=0.02)


def test_a_sweep_loses_the_order_of_a_saltelli_design(tmp_path: Path) -> None:
    pytest.importorskip("SALib", reason=NO_SALIB)
    one = found(tmp_path, design={"kind": "saltelli", "points": 256}, measures=("killed_total",))
    for index, expected in ISHIGAMI.items():
        assert estimates(one, "killed_total", index) == pytest.approx(expected, abs=0.12)
    rows = one.indices
    assert (rows["low"] <= rows["estimate"]).all() and (rows["estimate"] <= rows["high"]).all()
    assert one.convergence["n"].unique().tolist() == [8, 16, 32, 64, 128, 256]
    widths = (one.convergence["high"] - one.convergence["low"]).groupby(one.convergence["n"]).mean()
    assert widths[256] < widths[8] / 2


@pytest.mark.parametrize("second_order", [False, True])
def test_sobol_indices_are_others_than_those_of_salib(second_order: bool) -> None:
    pytest.importorskip("SALib", reason=NO_SALIB)
    from SALib.analyze import sobol as analyse_sobol
    from SALib.sample import sobol as sample_sobol

    problem = {"num_vars": 3, "names": [A, B, C], "bounds": [[0.0, 1.0]] * 3}
    points = sample_sobol.sample(problem, 64, calc_second_order=second_order, seed=np.random.default_rng(1))
    outcome = np.array([ishigami(list(point)) for point in points])
    theirs = analyse_sobol.analyze(problem, outcome, calc_second_order=second_order, seed=1)
    blocks = outcome.reshape(64, -1)
    first, total = sobol_indices(blocks[:, 0], blocks[:, 1:4], blocks[:, -1])
    assert first == pytest.approx(theirs["S1"], abs=0.02)  # they centre on the mean of every point
    assert total == pytest.approx(theirs["ST"], abs=0.02)


def test_an_outcome_that_never_changes_has_indices() -> None:
    assert np.isnan(sobol_indices(np.ones(8), np.ones((8, 2)), np.ones(8))).all()


def test_a_run_that_is_missing_shifts_the_blocks(tmp_path: Path) -> None:
    pytest.importorskip("SALib", reason=NO_SALIB)
    plan = planned(tmp_path, design={"kind": "saltelli", "points": 16})
    with open_store(filled(plan, tmp_path / "s", smooth, limit=5 * 15 - 2)) as store:
        one = analyse(store, ("wounded_total",))
    assert one.left_out == 7
    assert set(one.indices["n"]) == {14}
    assert estimates(one, "wounded_total", "total")[A] > 0.7
    assert estimates(one, "wounded_total", "total")[C] == pytest.approx(0.0, abs=1e-12)


# --- Morris, one at a time, the others -------------------------------------------------------------------


def test_morris_gives_other_effects_than_the_function_has(tmp_path: Path) -> None:
    pytest.importorskip("SALib", reason=NO_SALIB)
    one = found(tmp_path, design={"kind": "morris", "trajectories": 10}, measures=("killed_total", "wounded_total"))
    assert estimates(one, "wounded_total", "mean") == pytest.approx({A: 3.0, B: -1.0, C: 0.0}, abs=1e-9)
    assert estimates(one, "wounded_total", "mean size") == pytest.approx({A: 3.0, B: 1.0, C: 0.0}, abs=1e-9)
    assert estimates(one, "wounded_total", "spread") == pytest.approx({A: 0.0, B: 0.0, C: 0.0}, abs=1e-9)
    assert min(estimates(one, "killed_total", "spread").values()) > 1.0
    assert sorted(one.convergence["n"].unique()) == [8, 10]


def test_a_tornado_shows_another_difference(tmp_path: Path) -> None:
    keys = {"design": "one-at-a-time", "replicates": 4, "set": {A: 0.5, B: 0.5, C: 0.5}}
    one = found(tmp_path, measures=("wounded_total",), **keys)
    rows = one.indices.set_index(["parameter", "value"])
    assert rows.loc[(A, "1.0"), "estimate"] == pytest.approx(1.5)
    assert rows.loc[(B, "0.0"), "estimate"] == pytest.approx(0.5)
    # the luck is shared, so that it does not blur the difference
    assert (rows["high"] - rows["low"]).max() < 1e-9
    own = found(tmp_path, measures=("wounded_total",), **keys, seeds={"policy": "independent"})
    assert (own.indices["high"] - own.indices["low"]).min() > 0.5


def test_the_variance_between_strata_is_another(tmp_path: Path) -> None:
    one = found(tmp_path, measures=("wounded_total",), design={"kind": "latin-hypercube", "points": 200})
    assert estimates(one, "wounded_total", "between strata") == pytest.approx({A: 0.9, B: 0.1, C: 0.0}, abs=0.08)
    ranks = estimates(one, "wounded_total", "rank correlation")
    assert ranks[A] > 0.9 and -0.5 < ranks[B] < -0.1 and abs(ranks[C]) < 0.2


def test_a_structural_alternative_is_no_parameter(tmp_path: Path) -> None:
    keys = {"design": {"kind": "latin-hypercube", "points": 90}, "parameters": {RULE: RULES, A: UNIT[A]}}
    one = found(tmp_path, structural, ("killed_total",), **keys)
    shares = estimates(one, "killed_total", "between strata")
    assert shares[RULE] > 0.98 > 0.1 > shares[A]
    assert RULE not in estimates(one, "killed_total", "rank correlation")


@pytest.mark.parametrize("paired", [True, False])
def test_omega_squared_is_above_0_where_nothing_depends(paired: bool) -> None:
    luck = np.random.default_rng(3)
    strata = np.repeat(np.arange(5), 20)
    drawn = [omega_squared(luck.normal(size=100), strata) for _ in range(300)]
    assert np.mean(drawn) == pytest.approx(0.0, abs=0.01)  # an uncorrected share would be 0.04


# --- luck ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("share", [0.2, 0.8])
def test_the_share_of_luck_is_another_than_was_put_in(paired: bool, share: float) -> None:
    """Over 200 tables of 40 points and 5 replicates the mean error is seen to 0.02."""
    luck = np.random.default_rng(5)

    def table() -> Any:
        points = luck.normal(size=(40, 1)) * math.sqrt(1 - share)
        if not paired:
            return points + luck.normal(size=(40, 5)) * math.sqrt(share)
        half = math.sqrt(share / 2)
        return points + luck.normal(size=(1, 5)) * half + luck.normal(size=(40, 5)) * half

    assert np.mean([luck_share(table(), paired) for _ in range(200)]) == pytest.approx(share, abs=0.05)


def test_luck_is_all_or_nothing(tmp_path: Path) -> None:
    one = found(tmp_path, design={"kind": "latin-hypercube", "points": 10}, replicates=5)
    shares = {luck.measure: luck.share for luck in one.luck}
    assert shares["displaced"] == pytest.approx(1.0)
    assert shares["killed_total"] == pytest.approx(0.0)
    assert 0.05 < shares["wounded_total"] < 0.9
    enough = {luck.measure: luck.enough for luck in one.luck}
    assert enough["killed_total"] == 2
    assert found(tmp_path, design={"kind": "sobol", "points": 8}).luck == ()


def test_too_few_replicates_are_enough() -> None:
    n = replicates_for(spread=2.0, half_width=0.5)
    assert n == 64  # 1.998 · 2 / √64 = 0.4995; the normal distribution would have said 62
    assert replicates_for(1.0, 0.0) is None
    assert replicates_for(0.0, 0.0) == 2


# --- the command -----------------------------------------------------------------------------------------

app = typer.Typer(cls=Commands)
app.command("sensitivity")(command)
app.command("other")(lambda: None)


def spillover(*arguments: str | Path) -> Any:
    return CliRunner().invoke(app, ["sensitivity", *(str(argument) for argument in arguments)])


@pytest.mark.parametrize(
    ("design", "figures"),
    [
        ({"kind": "saltelli", "points": 16}, {"sobol", "convergence", "scatter", "replicates"}),
        ({"kind": "morris", "trajectories": 9}, {"morris", "convergence", "scatter", "replicates"}),
        ({"kind": "one-at-a-time"}, {"tornado", "replicates"}),
        ({"kind": "latin-hypercube", "points": 20}, {"strata", "scatter", "replicates"}),
    ],
)
def test_a_figure_is_missing(tmp_path: Path, design: dict[str, Any], figures: set[str]) -> None:
    if design["kind"] in ("saltelli", "morris"):
        pytest.importorskip("SALib", reason=NO_SALIB)
    parameters = {A: UNIT[A], RULE: RULES}
    filled(planned(tmp_path, design=design, parameters=parameters, replicates=2), tmp_path / "s", smooth)
    said = spillover(tmp_path / "s", "--measure", "wounded_total", "--out", tmp_path / "f")
    assert said.exit_code == 0, said.output
    names = {path.name for path in (tmp_path / "f").iterdir()}
    assert names == {f"{name}-wounded_total.{kind}" for name in figures for kind in ("pdf", "png")} | {
        "indices.csv",
        "convergence.csv",
    }
    assert all(path.stat().st_size > 3_000 for path in (tmp_path / "f").glob("*.p*"))
    assert A in said.output and "of the variance is luck" in said.output
    assert len(pd.read_csv(tmp_path / "f" / "indices.csv")) > 0


def test_a_measure_is_looked_at_that_there_is_not(tmp_path: Path) -> None:
    one = found(tmp_path, design={"kind": "sobol", "points": 8}, replicates=2)
    said = spillover(tmp_path / "s", "--measure", "kiled_total")
    assert said.exit_code == 2
    assert "Did you mean 'killed_total'?" in said.output
    plain = json.loads(spillover(tmp_path / "s", "--json").stdout)
    assert plain["design"] == "sobol"
    assert {row["measure"] for row in plain["luck"]} == {"killed_total", "wounded_total", "displaced"}
    assert "(people)" in told(one, dict.fromkeys(KEEP["measures"], "people"))


def test_nothing_is_looked_at_as_if_it_were_something(tmp_path: Path) -> None:
    filled(planned(tmp_path, design={"kind": "sobol", "points": 8}), tmp_path / "s", smooth, limit=0)
    assert spillover(tmp_path / "s").exit_code == 2
