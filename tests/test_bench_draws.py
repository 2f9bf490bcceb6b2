"""What keyed draws buy is measured on the right runs, told with its interval, and denied where it is nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog
from test_bench import TINY, called, fake, this

from analysis.bench import draws, modes, report
from analysis.bench.draws import Intervention, measured
from analysis.bench.measuring import FULL, QUICK, Figure, Found, Sample, Skipped
from analysis.bench.modes import chance_of_dip, dip
from analysis.counterfactual import Comparison, Pair, compared
from analysis.outcomes import Key
from sim.runs import Result, run
from sim.scenario import Scenario

Float = NDArray[np.float64]
PAIRS = 8
HILL = Key("killed", "hill")
ASKED = (HILL, Key("wounded", "hill"), Key("mobilised_peak"))
LOUD = {
    "provocations.per_day": 2.0, "engagement.civilian_hit_per_hour": 2e-4, "channels.kin.weight": 1.5,
    "fire.hit_per_hour": 2e-4, "clock.days": 3.0,
}  # fmt: skip
"""So that people are hurt in Hill, too."""
NOTHING = Intervention("nothing", "nothing", True, lambda base: base)
QUIET = Intervention("quiet", "no assault", False, lambda base: base.without("assault"))


# --- the runs ----------------------------------------------------------------------------------------------------


@cache
def battle() -> Scenario:
    return Scenario.load("tiny").with_values(LOUD)


def of(found: Iterator[Found]) -> dict[str, Figure]:
    return {one.key: one for one in found if isinstance(one, Figure)}


def test_a_factor_is_not_that_of_compare() -> None:
    figures = of(measured(battle(), [QUIET], ASKED, HILL, PAIRS, 1))
    beside = compared(battle(), battle().without("assault"), PAIRS, asked=ASKED, shared=PAIRS)
    (row,) = (row for row in beside.rows if row.key == HILL)
    for name, factor in (
        ("shared", beside.pooled(beside.against_shared)), ("shared_alone", row.against_shared),
        ("independent", beside.pooled(beside.against_independent)), ("independent_alone", row.against_independent),
    ):  # fmt: skip
        figure = figures[f"draws_quiet_{name}"]
        assert figure.sample.median == factor.factor and figure.interval is not None
        assert [end if np.isfinite(end) else None for end in figure.interval] == [factor.low, factor.high]
    difference = figures["draws_quiet"]
    assert (difference.sample.median, difference.interval) == (row.difference, (row.low, row.high))
    assert row.mean_a > 0, "nobody is killed: this test has no power"


def test_the_base_is_run_again_for_each_intervention(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[str, bool]] = []

    def counted(scenario: Scenario, beside: Result | None, **asked: Any) -> Result:
        ran.append((scenario.content_hash(), beside is not None))
        return run(scenario, beside=beside, **asked)

    monkeypatch.setattr(draws, "run", counted)
    short = battle().with_values({"clock.days": 0.5})
    quiet = short.without("assault")
    draws.Work(short, (quiet, quiet, quiet), ASKED)(3)
    assert ran.count((short.content_hash(), False)) == 1
    assert ran.count((quiet.content_hash(), True)) == ran.count((quiet.content_hash(), False)) == 3


def test_an_intervention_that_does_nothing_has_a_factor_or_the_cost_is_not_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = list(measured(battle().with_values({"clock.days": 0.5}), [NOTHING], ASKED, HILL, PAIRS, 1))
    skipped = [one for one in found if isinstance(one, Skipped)]
    assert len(skipped) == 4 and all(f"identical in {PAIRS} of {PAIRS} pairs" in one.why for one in skipped)
    assert f"{3 * PAIRS} runs of " in capsys.readouterr().err.splitlines()[0]


def test_an_intervention_of_the_benchmark_is_none() -> None:
    base = Scenario.load(draws.SCENARIO)
    changed = {one.key: one.on(base) for one in draws.INTERVENTIONS}
    assert len({scenario.content_hash() for scenario in (base, *changed.values())}) == 6
    assert [one.small for one in draws.INTERVENTIONS] == [True, True, False, False, False]
    assert changed["kin"].file.channels.kin.weight == pytest.approx(0.9 * base.file.channels.kin.weight)
    assert changed["army"].file.security_forces["lebanese_army"].lag_h == 54.0
    assert changed["hezbollah"].file.factions["hezbollah"].fighters == 0
    assert changed["offensive"].file.events["offensive"].on is False
    assert QUICK.pairs < FULL.pairs == 100


# --- what is said --------------------------------------------------------------------------------------------------


def told(keyed: float, shared: float = 6.0, small: bool = True, a: Float | None = None) -> dict[str, Figure]:
    """Tell of worlds that differ by so much luck with keyed draws, and by so much on one shared stream."""
    rng = np.random.default_rng(1)
    outcomes = rng.normal(60.0, 15.0, 60).round() if a is None else a
    luck = rng.normal(size=(2, outcomes.size)) * [[keyed], [shared]]
    pairs = [
        Pair(seed, {HILL: x}, {HILL: x - 2.0 + d}, {HILL: x - 2.0 + e}, {}, {}, {}, False)
        for seed, (x, d, e) in enumerate(zip(outcomes, *luck, strict=True))
    ]
    small_or_large = Intervention("it", "it", small, lambda base: base)
    return of(draws._figures(small_or_large, Comparison(battle(), battle(), [HILL], pairs), HILL))


def test_the_factor_is_not_what_the_variances_say() -> None:
    figure = told(keyed=2.0)["draws_it_shared"]
    assert figure.interval is not None
    assert figure.interval[0] < 9.0 < figure.interval[1], "the true ratio, (6/2) squared"
    assert figure.interval[0] < figure.sample.median < figure.interval[1]
    assert figure.goal is not None and figure.goal.met(figure.sample.median) and "HELP" not in figure.note


@pytest.mark.parametrize("keyed", [6.0, 20.0])
def test_it_is_hidden_that_keyed_draws_do_not_help(keyed: float) -> None:
    figure = told(keyed)["draws_it_shared"]
    assert figure.interval is not None and figure.interval[0] <= 1.0
    assert figure.note.endswith("DOES NOT HELP")
    assert figure.goal is not None and not figure.goal.met(figure.sample.median)


def test_more_is_asked_of_a_large_intervention_or_of_two_modes() -> None:
    apart = np.repeat([0.0, 90.0], 30) + np.arange(60.0) % 7.0
    for figures, one_mode in ((told(2.0, small=False), True), (told(2.0, a=apart), False)):
        assert figures["draws_it_shared"].goal is None
        assert ("NOT ONE MODE" not in figures["draws_it"].note) is one_mode


def test_the_interval_is_lost_on_the_page_or_for_programs() -> None:
    figures = [
        Figure("a", "a factor", Sample.of(5.0), "×", interval=(2.5, float("inf"))),
        Figure("b", "a difference", Sample.of(2.0), "people", interval=(-1.0, 3.25)),
        Figure("c", "a time", Sample.of(1.0, 2.0, 3.0), "s"),
    ]
    page = report.told(this(), "full", figures, 1.0)
    assert "5.00 ×  [2.50 to inf]" in page and "[-1.00 to 3.25]" in page and "[1.50–2.50]" in page
    said = json.loads(json.dumps(report.as_dict(this(), "full", figures, 1.0), allow_nan=False))
    assert [one["interval"] for one in said["figures"]] == [[2.5, None], [-1.0, 3.25], None]


def test_draws_are_no_subject(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "draws", Figure("draws_kin_shared", "kin", Sample.of(5.0), "×", interval=(3.0, 8.0)))
    done = called(TINY, ["draws"])
    assert done.exit_code == 0 and "kin  5.00 ×  [3.00 to 8.00]" in done.stdout


# --- one mode or more ----------------------------------------------------------------------------------------------


def plain_dip(values: Float) -> float:
    """Return the dip by its definition: the best of all distributions convex before a mode and concave after."""
    return min(_distance(np.sort(values), mode) for mode in range(values.size))


def _distance(x: Float, mode: int) -> float:
    """Return how far the sample is from the nearest distribution with its mode at x[mode], by a linear programme.

    Unknown are the distribution's values just before each point and at it (equal but at the mode), and the distance.
    """
    n = x.size
    before, at = np.eye(2 * n + 1)[:n], np.eye(2 * n + 1)[n : 2 * n]
    distance = np.eye(2 * n + 1)[-1]
    steps = np.arange(n + 1) / n
    rows = [before - distance, -before - distance, at - distance, -at - distance]
    ends = [steps[:-1], -steps[:-1], steps[1:], -steps[1:]]
    slope = (before[1:] - at[:-1]) / np.diff(x)[:, None]
    rows += [slope[i : i + 1] - slope[i + 1 : i + 2] for i in range(mode - 1)]
    rows += [slope[i + 1 : i + 2] - slope[i : i + 1] for i in range(mode, n - 2)]
    rows += [-slope, before[mode : mode + 1] - at[mode : mode + 1]]
    ends += [np.zeros(len(row)) for row in rows[4:]]
    smooth = [before[i] - at[i] for i in range(n) if i != mode]
    best = linprog(
        distance, np.vstack(rows), np.concatenate(ends), np.array(smooth).reshape(-1, 2 * n + 1), np.zeros(n - 1)
    )
    return float(best.fun) if best.status == 0 else 1.0


def test_the_dip_is_not_the_distance_from_one_mode() -> None:
    rng = np.random.default_rng(5)
    samples = [rng.random(n) for n in range(2, 12)] + [rng.exponential(size=n) for n in range(2, 12)]
    samples += [np.concatenate([rng.normal(0, 1, n), rng.normal(6, 1, n)]) for n in (2, 3, 4, 5, 6)]
    for values in samples:
        assert dip(values) == pytest.approx(plain_dip(values), abs=1e-9)


def test_even_steps_dip_more_than_they_must() -> None:
    assert dip(np.arange(50.0)) == pytest.approx(1 / 100)
    assert dip(np.array([3.0])) == pytest.approx(1 / 2)


def test_counts_with_one_mode_seem_to_have_more() -> None:
    rng = np.random.default_rng(2)
    chances = [chance_of_dip(rng.geometric(0.2, 40).astype(float)) for _ in range(20)]
    assert np.mean(np.array(chances) < modes.DOUBTED_BELOW) <= 0.1, "ties and skew are no modes"


def test_two_modes_far_apart_are_one() -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        apart = np.concatenate([rng.poisson(5, 20), rng.poisson(60, 20)]).astype(float)
        assert chance_of_dip(apart) < modes.DOUBTED_BELOW


@pytest.mark.verify
def test_the_dip_test_doubts_one_mode_too_often_or_sees_less_than_is_said() -> None:
    """Of a hundred outcomes the uniform is doubted in 5 %, two modes 4 standard deviations apart in five of six."""
    rng = np.random.default_rng(4)
    uniform = [chance_of_dip(rng.random(100) * 1e6) < modes.DOUBTED_BELOW for _ in range(400)]
    assert 0.02 <= np.mean(uniform) <= 0.09
    two = [rng.permutation(np.repeat([0.0, 4.0], 50)) + rng.normal(size=100) for _ in range(400)]
    assert 0.75 <= np.mean([chance_of_dip(1e6 * values) < modes.DOUBTED_BELOW for values in two]) <= 0.92
