"""Two worlds with the same luck: what differs, how surely, who, and what pairing buys."""

import csv
import json
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from small import written
from typer.testing import CliRunner

from analysis.counterfactual import USUAL, Comparison, Work, compare, compared, same
from analysis.counterfactual_report import as_dict, told
from analysis.outcomes import MEASURES, Key, Measure, asked_for, observed
from analysis.paired import factor_of, interval, ratios
from sim.cli import Commands
from sim.console import Refused
from sim.runs import Result, run
from sim.scenario import Scenario, shipped

SEEDS = 12
LOUD = {
    "provocations.per_day": 2.0, "engagement.civilian_hit_per_hour": 2e-4, "channels.kin.weight": 1.5,
    "fire.hit_per_hour": 2e-4,
}  # fmt: skip
"""So that people are hurt in Hill, too, within five days."""

app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
app.command("compare")(compare)


@app.callback()
def _together() -> None: ...


def asked(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["compare", *arguments], catch_exceptions=False)


@cache
def battle() -> Scenario:
    return Scenario.load("tiny").with_values(LOUD)


@cache
def found() -> Comparison:
    """The assault on Ford beside the same days without it."""
    return compared(battle(), battle().without("assault"), SEEDS, shared=SEEDS)


# --- A/A: a world beside itself ---------------------------------------------------------------------------------


def shortened(name: str) -> Scenario:
    """Return a shipped scenario as far as its first events, and no further than two days."""
    scenario = Scenario.load(name)
    if scenario.model != "theatre":
        return scenario.with_values({"clock.days": min(scenario.file.clock.days, 10 / scenario.steps_a_day)})
    return scenario.with_values({"clock.days": min(scenario.file.clock.days, 2.0)})


@pytest.mark.parametrize("name", shipped())
def test_a_scenario_differs_from_itself(name: str) -> None:
    one, other = (run(shortened(name), seed=11, threads=1) for _ in range(2))
    assert same(one, other)
    assert one.record.happened == other.record.happened
    assert one.harm.keys() == other.harm.keys()
    assert all((one.harm[quarter] == other.harm[quarter]).all() for quarter in one.harm)
    assert one.record.values.size and one.record.values.any(), "nothing happens: this test has no power"


@pytest.mark.parametrize("name", [name for name in shipped() if Scenario.load(name).model == "theatre"])
def test_an_event_that_does_nothing_makes_a_difference(name: str) -> None:
    scenario = shortened(name)
    at = scenario.file.clock.start + timedelta(hours=7)
    null = scenario.with_values({"events.null_event": {"kind": "nothing", "at": at, "text": "Nothing happens."}})
    one, other = run(scenario, seed=11, threads=1), run(null, seed=11, threads=1)
    assert "null_event" in {event for _, event, _ in other.record.happened}
    assert same(one, other)
    assert all((one.harm[quarter] == other.harm[quarter]).all() for quarter in one.harm)


def test_a_comparison_with_itself_finds_a_difference() -> None:
    beside = compared(battle(), battle(), 3, shared=3)
    assert beside.identical
    assert all(row.difference == row.low == row.high == 0.0 and row.indistinguishable for row in beside.rows)
    assert all(one["only_a"] == one["only_b"] == 0 for one in beside.who())
    assert sum(one["both"] for one in beside.who()) > 0, "nobody is hurt: this test has no power"
    assert "the same to the bit in every pair" in told(beside)


def test_a_shared_stream_parts_from_itself() -> None:
    one = run(battle(), seed=3, threads=1)
    assert same(one, run(battle(), seed=3, threads=1, beside=one))


# --- what is compared -------------------------------------------------------------------------------------------


def test_a_measure_disagrees_with_the_summary_of_its_run() -> None:
    result = run(battle(), seed=1, threads=1)
    seen = observed(result, MEASURES)
    columns = result.columns
    assert seen[Key("killed")] == sum(columns.counts("killed", "place").values())
    for place in result.scenario.file.places:
        assert seen[Key("killed", place)] == columns.counts("killed", "place").get((place,), 0)
        by_community = [seen[Key("wounded", place, community)] for community in ("amber", "blue")]
        assert seen[Key("wounded", place)] == sum(by_community)
    levels = np.array([
        columns.values[:, i] for i, s in enumerate(columns.series) if s.measure == "mobilised" and s.place == "hill"
    ])  # fmt: skip
    assert seen[Key("mobilised_peak", "hill")] == levels.sum(axis=0).max() > 0
    from sim.measures import days_with_fighting

    assert seen[Key("days_with_fighting", "hill")] == days_with_fighting(result)["hill"] > 0


def test_the_last_day_of_a_difference_is_not_the_difference() -> None:
    for pair in found().pairs:
        for measure in ("killed", "wounded", "displaced", "days_with_fighting"):
            for place in ("hill", "ford"):
                key = Key(measure, place)
                assert pair.difference[measure, place][-1] == pair.a.get(key, 0.0) - pair.b.get(key, 0.0)


def test_the_offensive_is_not_felt_at_the_front() -> None:
    rows = {row.key: row for row in found().rows}
    front = rows[Key("killed", "ford")]
    assert front.low > 0.0 and not front.indistinguishable
    assert front.share_a_greater == 1.0
    assert front.difference == pytest.approx(front.mean_a - front.mean_b)


def test_with_all_channels_off_the_offensive_is_felt_elsewhere() -> None:
    channels = type(battle().file.channels).model_fields
    deaf = battle().with_values({f"channels.{channel}.weight": 0.0 for channel in channels})
    silent = compared(deaf, deaf.without("assault"), 4)
    elsewhere = [row for row in silent.rows if row.key.place == "hill"]
    assert all(row.difference == 0.0 and row.indistinguishable for row in elsewhere)
    assert not silent.identical, "nothing happened at the front either: this test has no power"


def test_a_resident_is_lost_between_two_worlds() -> None:
    """Whoever was hurt in a world was hurt in it alone or in both, and no more people are hurt than it recorded."""
    a, b = (run(scenario, seed=2, threads=1) for scenario in (battle(), battle().without("assault")))
    pair = Work(battle(), battle().without("assault"), ("killed",))(2)
    weight = battle().file.neighbourhoods["lower"].people_per_agent
    for world, result in (("only_a", a), ("only_b", b)):
        harmed = sum(int((harm > 0).sum()) * weight for harm in result.harm.values())
        assert getattr(pair.hurt["hill"], world) + pair.hurt["hill"].both == harmed > 0
        dead = sum(result.columns.last("dead", "place").values())
        assert getattr(pair.killed["hill"], world) + pair.killed["hill"].both == dead


def test_people_are_followed_into_another_quarter_of_the_same_name() -> None:
    larger = battle().with_values({"neighbourhoods.lower.residents": 500})
    pair = Work(battle(), larger, ("killed",))(1)
    alone = run(battle(), seed=1, threads=1).harm
    assert sum(pair.hurt["hill"][::2]) == (alone["upper"] > 0).sum() * 1


# --- how surely -------------------------------------------------------------------------------------------------


def test_the_interval_of_few_pairs_is_not_students() -> None:
    from scipy.stats import ttest_1samp

    differences = np.random.default_rng(1).normal(1.0, 3.0, (9, 2))
    seen = interval(differences)
    expected = ttest_1samp(differences, 0.0).confidence_interval(0.95)
    assert seen.kind == "t"
    np.testing.assert_allclose([seen.low, seen.high], [expected.low, expected.high])


def test_the_bootstrap_disagrees_with_scipys() -> None:
    from scipy.stats import bootstrap

    differences = np.random.default_rng(2).negative_binomial(0.4, 0.05, (60, 1)).astype(float)
    seen = interval(differences)
    reference = bootstrap(
        (differences[:, 0],), np.mean, n_resamples=20_000, method="BCa", rng=np.random.default_rng(3)
    ).confidence_interval
    assert seen.kind == "bootstrap"
    width = reference.high - reference.low
    assert abs(seen.low[0] - reference.low) < 0.05 * width
    assert abs(seen.high[0] - reference.high) < 0.05 * width


def test_a_constant_difference_has_an_interval() -> None:
    seen = interval(np.full((30, 1), 2.0))
    assert seen.low == seen.high == seen.mean == 2.0


def test_one_pair_of_many_that_differs_is_told_from_zero() -> None:
    differences = np.zeros((50, 1))
    differences[7] = 40.0
    assert interval(differences).low[0] <= 0.0


@pytest.mark.verify
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.negative_binomial(0.5, 0.1, n) - rng.negative_binomial(0.5, 0.12, n),
        lambda rng, n: rng.poisson(3.0, n) * (rng.random(n) < 0.3),
        lambda rng, n: rng.normal(0.0, 1.0, n),
    ],
    ids=["heavy", "mostly none", "normal"],
)
@pytest.mark.parametrize("pairs", [10, 40, 200])
def test_intervals_of_counts_cover_too_seldom(draw: Callable[..., Any], pairs: int) -> None:
    """2,000 experiments each: a coverage of 0.95 is told from 0.93 (error 0.005). Few heavy tails cover less."""
    rng = np.random.default_rng(4)
    table = np.array([draw(rng, pairs) for _ in range(2_000)], np.float64).T
    truth = np.mean(draw(rng, 4_000_000))
    seen = interval(table)
    covered = np.mean((seen.low <= truth) & (truth <= seen.high))
    assert covered > (0.93 if pairs >= 200 else 0.88)


# --- what pairing buys ------------------------------------------------------------------------------------------


def test_a_ratio_of_variances_misses_the_truth() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(0.0, [3.0, 1.0], (1_000, 2))

    def variances(of_values: Any) -> Any:
        return lambda weights: weights @ of_values**2 - (weights @ of_values) ** 2

    factor = factor_of(ratios(variances(values[:, :1]), variances(values[:, 1:]), len(values))[:, 0])
    assert factor.low is not None and factor.high is not None and factor.factor is not None
    assert factor.low < 9.0 < factor.high
    assert abs(factor.factor - 9.0) < 2.0 and factor.helps


def test_keyed_draws_buy_nothing_on_a_small_change() -> None:
    """Of one channel weighing a tenth less: two worlds that stay close, unless one stream drives them apart."""
    less = battle().with_values({"channels.kin.weight": 1.35})
    seen = compared(battle(), less, 24, asked=asked_for(["wounded.hill"], battle()), shared=24)
    (row,) = [row for row in seen.rows if row.key == Key("wounded", "hill")]
    assert row.against_shared.helps
    assert row.against_independent.helps


def test_a_shared_stream_is_the_same_luck_after_the_worlds_part() -> None:
    a = run(battle(), seed=4, threads=1)
    peace = battle().without("assault")
    keyed, shared = run(peace, seed=4, threads=1), run(peace, seed=4, threads=1, beside=a)
    parts = int((a.record.values != keyed.record.values).any(axis=1).argmax())
    first = int((keyed.record.values != shared.record.values).any(axis=1).argmax())
    assert parts <= first <= parts + 24


def test_pairing_is_measured_on_too_few_pairs() -> None:
    few = compared(battle(), battle().without("assault"), 3, shared=3)
    assert as_dict(few)["variance_factor"]["independent_seeds"]["factor"] is None
    assert "not measured (fewer than 8 pairs)" in told(few)


# --- the command ------------------------------------------------------------------------------------------------


def test_the_json_is_not_what_was_agreed() -> None:
    outcome = asked("tiny", "tiny", "--seeds", "3", "--days", "2.5", "--set-b", "events.assault.on=false", "--workers",
                    "1", "--json", "--quiet")  # fmt: skip
    assert outcome.exit_code == 0, outcome.stderr
    said = json.loads(outcome.stdout)
    assert said["seeds"] == 3
    assert set(said["measures"][0]) == {
        "measure", "place", "community", "mean_a", "mean_b", "difference", "ci_low", "ci_high", "share_a_greater",
        "indistinguishable",
    }  # fmt: skip
    assert {row["measure"] for row in said["measures"]} <= set(USUAL)
    assert "variance_factor" in said


def test_a_folder_lacks_a_pair_or_a_figure(tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("tiny", "tiny", "--seeds", "3", "--days", "2.5", "--set-b", "events.assault.on=false",
                 "--workers", "1", "--measure", "killed.ford", "--measure", "mobilised_peak.hill.amber",
                 "--out", str(out))  # fmt: skip
    first = asked(*arguments)
    assert first.exit_code == 0, first.stderr
    names = {"comparison.json", "table.txt", "pairs.csv"}
    names |= {f"difference-{m}.{kind}" for m in ("killed", "mobilised_peak") for kind in ("png", "svg")}
    assert {path.name for path in out.iterdir()} == names
    with (out / "pairs.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9  # three pairs, and each on a shared stream
    assert {"killed.ford", "killed.ford.amber", "mobilised_peak.hill.amber"} <= set(rows[0])
    assert asked(*arguments).stdout == first.stdout, "the same runs say something else"


def test_workers_change_a_number() -> None:
    one = compared(battle(), battle().without("assault"), 2)
    two = compared(battle(), battle().without("assault"), 2, workers=2)
    assert [row.as_dict() for row in one.rows] == [row.as_dict() for row in two.rows]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("kiled", "Did you mean 'killed'"),
        ("killed.hil", "Did you mean 'hill'"),
        ("killed.hill.ambre", "Did you mean 'amber'"),
        ("killed.hill.amber.more", "allowed are MEASURE"),
    ],
)
def test_a_misspelt_measure_is_taken(name: str, meant: str) -> None:
    with pytest.raises(Refused, match=meant):
        asked_for([name], battle())


def test_worlds_of_other_hours_are_paired() -> None:
    outcome = asked("tiny", "qusayr-2013")
    assert outcome.exit_code == 2
    assert "clock.start differs" in outcome.stderr and "clock.days differs" in outcome.stderr


def test_a_model_without_places_is_compared() -> None:
    outcome = asked("classics/epstein-1", "classics/epstein-1")
    assert outcome.exit_code == 2
    assert "no places and communities" in outcome.stderr


def test_a_folder_with_something_else_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    outcome = asked("tiny", "tiny", "--seeds", "2", "--out", str(tmp_path))
    assert outcome.exit_code == 2
    assert "not empty" in outcome.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_a_missing_scenario_is_a_failure_and_no_refusal(tmp_path: Path) -> None:
    assert asked("tinny", "tiny").exit_code == 2
    assert asked(str(written(tmp_path)), str(tmp_path / "none.toml")).exit_code == 2


def test_ctrl_c_loses_the_pairs_that_were_done(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = Measure("1", "seed", lambda result: {("hill", ""): float(_or_stop(result))})
    monkeypatch.setitem(MEASURES, "seed", inner)
    cut: list[bool] = []
    short = battle().with_values({"clock.days": 0.5})
    seen = compared(short, short, 9, asked=[Key("seed")], stopped=cut)
    assert cut == [True]
    assert [pair.seed for pair in seen.pairs] == [0, 1, 2]
    with pytest.raises(KeyboardInterrupt):
        compared(short, short, 9, asked=[Key("seed")])


def _or_stop(result: Result) -> int:
    if result.seed == 3:
        raise KeyboardInterrupt
    return result.seed


def test_a_pair_that_fails_is_passed_over_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(result: Result) -> dict[tuple[str, str], float]:
        if result.seed == 1:
            raise ArithmeticError("it does not add up")
        return {("hill", ""): 0.0}

    monkeypatch.setitem(MEASURES, "broken", Measure("1", "breaks", fails))
    short = battle().with_values({"clock.days": 0.5})
    seen = compared(short, short, 3, asked=[Key("broken")])
    assert [pair.seed for pair in seen.pairs] == [0, 2]
    assert seen.failed == ["seed 1: ArithmeticError: it does not add up"]
