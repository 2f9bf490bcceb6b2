"""How much of the spillover comes by each channel: Shapley values against their theory, and runs of two towns."""

import json
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import analysis.attribution as of
from analysis.attribution import Attribution, Journal, Question, asked, attribute, attributed, channels_on
from analysis.attribution_report import as_dict, told
from analysis.attribution_samples import OF_PRIORS, OWN_VALUES, draws_of_priors, inseparable
from analysis.locks import Busy
from analysis.outcomes import Key
from analysis.priors import PRIORS
from analysis.shapley import along_orders, estimate, merged, shapley
from sim.cli import Commands
from sim.console import Refused
from sim.scenario import Scenario, ScenarioError

LOUD = {
    "clock.days": 3.0, "provocations.per_day": 2.0, "engagement.civilian_hit_per_hour": 2e-4,
    "channels.kin.weight": 1.5, "channels.alliance.weight": 0.8, "fire.hit_per_hour": 2e-4,
}  # fmt: skip
OFF = {f"channels.{name}.on": False for name in ("news", "proximity", "arms", "refugees")}

app = typer.Typer(cls=Commands, pretty_exceptions_enable=False)
app.command("attribute")(attribute)


@app.callback()
def _together() -> None: ...


def called(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["attribute", *arguments], catch_exceptions=False)


@cache
def tiny() -> Scenario:
    """Two towns and three channels."""
    return Scenario.load("tiny").with_values(LOUD | OFF)


def question(seeds: int = 2, orders: int | None = None, **values: Any) -> Question:
    scenario = tiny().with_values(values) if values else tiny()
    return asked(scenario, "assault", ["wounded.hill", "killed.ford"], [{}], OWN_VALUES, seeds, orders)


@cache
def found() -> Attribution:
    return attributed(question())


# --- Shapley values against their theory ------------------------------------------------------------------------


def games(players: int, number: int = 5) -> Any:
    return np.random.default_rng(players).normal(0.0, 10.0, (number, 2**players))


@pytest.mark.parametrize("players", [1, 2, 3, 5])
def test_shares_are_not_the_mean_over_all_orders(players: int) -> None:
    effects = games(players)
    orders = list(permutations(range(players)))
    slow = along_orders(effects, range(2**players), orders).mean(axis=0)
    np.testing.assert_allclose(shapley(effects), slow, atol=1e-10)


def test_shares_do_not_add_up_to_the_whole() -> None:
    effects = games(7)
    np.testing.assert_allclose(shapley(effects).sum(axis=-1), effects[:, -1] - effects[:, 0], atol=1e-9)


def test_a_player_who_adds_nothing_has_a_share() -> None:
    effects = games(4)
    members = np.arange(16)
    assert np.allclose(shapley(effects[:, members & ~4])[:, 2], 0.0)


def test_two_who_do_the_same_have_other_shares() -> None:
    effects = np.array([[0.0 if members in (0, 4) else 6.0 + members // 4 for members in range(8)]])
    first, second, _ = shapley(effects)[0]
    assert first == pytest.approx(second)


def test_what_takes_three_of_five_is_not_shared_by_five() -> None:
    votes = np.array([float(int(members).bit_count() >= 3) for members in range(32)])
    np.testing.assert_allclose(shapley(votes), np.full(5, 0.2))


def test_a_group_of_players_is_not_one_player() -> None:
    """In a game of pairs alone, those who stand together share what is between them and half of the rest."""
    pairs = np.random.default_rng(3).normal(size=(4, 4))
    pairs = pairs + pairs.T
    value = np.array([
        sum(pairs[i, j] for i in range(4) for j in range(i) if members >> i & 1 and members >> j & 1)
        for members in range(16)
    ])  # fmt: skip
    together = shapley(merged(value, [(0, 2), (1,), (3,)]))
    outside = (pairs[0, 1] + pairs[0, 3] + pairs[2, 1] + pairs[2, 3]) / 2.0
    assert together[0] == pytest.approx(pairs[0, 2] + outside)
    assert together.sum() == pytest.approx(value[-1])


def test_all_orders_sampled_are_not_exact() -> None:
    effects = games(3)
    all_orders = list(permutations(range(3)))
    np.testing.assert_allclose(along_orders(effects, range(8), all_orders).mean(axis=0), shapley(effects), atol=1e-10)


def test_sampled_orders_are_biased() -> None:
    """400 orders of 6 players: the mean lies within 4 standard errors of the truth, and pairs are reversed."""
    effects = games(6, 1)
    orders = list(of._orders(6, 400))
    added = along_orders(effects, range(64), orders)[:, 0]
    error = added.reshape(200, 2, 6).mean(axis=1).std(axis=0, ddof=1) / np.sqrt(200)
    assert (np.abs(added.mean(axis=0) - shapley(effects)[0]) < 4.0 * error).all()
    assert orders[0] == orders[1][::-1] and len(orders) == 400


# --- what is not known ------------------------------------------------------------------------------------------


def simulated(draws: int, seeds: int, spread: float, luck: float, rng: np.random.Generator) -> Any:
    return 5.0 + spread * rng.normal(size=(draws, 1)) + luck * rng.normal(size=(draws, seeds))


def test_the_parts_of_the_variance_are_mixed_up() -> None:
    rng = np.random.default_rng(1)
    quiet = estimate(simulated(400, 4, 2.0, 0.5, rng))
    loud = estimate(simulated(400, 4, 0.0, 4.0, rng))
    assert quiet.parameters == pytest.approx(1.96 * 2.0, rel=0.12)
    assert quiet.seeds == pytest.approx(1.96 * 0.5 / np.sqrt(1600), rel=0.1)
    assert loud.parameters < 1.5  # a spread of 0 is found within luck / sqrt(seeds) x 0.3
    assert loud.seeds == pytest.approx(1.96 * 4.0 / np.sqrt(1600), rel=0.1)


@pytest.mark.parametrize(("draws", "seeds", "spread"), [(6, 2, 1.0), (6, 2, 0.0), (12, 3, 2.0)])
def test_the_interval_holds_the_truth_too_seldom(draws: int, seeds: int, spread: float) -> None:
    """The effect at the parameters that are true, drawn as the others: 1,000 times, a standard error of 0.7 %."""
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(1_000):
        seen = estimate(simulated(draws, seeds, spread, 1.0, rng))
        held += seen.low <= 5.0 + spread * rng.normal() <= seen.high
    assert held > 930


def test_one_draw_has_parameters_or_one_seed_has_luck() -> None:
    own = estimate(np.array([[1.0, 2.0, 4.0]]))
    assert np.isnan(own.parameters) and own.low < own.mean < own.high
    mixed = estimate(np.array([[1.0], [2.0], [4.0]]))
    assert np.isnan(mixed.seeds) and np.isnan(mixed.parameters) and mixed.low < mixed.mean < mixed.high
    alone = estimate(np.array([[3.0]]))
    assert alone.mean == 3.0 and np.isnan(alone.low)
    assert "luck of the seeds alone" in " ".join(told(found()).split())


def weights(**channels: Any) -> list[dict[str, float]]:
    paths = [f"channels.{name}.weight" for name in channels]
    return [dict(zip(paths, values, strict=True)) for values in zip(*channels.values(), strict=True)]


def test_channels_are_told_apart_that_nothing_tells_apart() -> None:
    rng = np.random.default_rng(4)
    narrow, wide = 0.5 * np.exp(0.1 * rng.normal(size=50)), 0.13 * (1.2 / 0.13) ** rng.random(50)
    also_narrow = 0.4 * np.exp(0.1 * rng.normal(size=50))
    names = ("kin", "alliance", "news")
    apart = inseparable(names, weights(kin=narrow, alliance=also_narrow), "file.csv")
    assert apart == [("kin",), ("alliance",), ("news",)]
    untold = inseparable(names, weights(kin=narrow, alliance=wide), "file.csv")
    assert untold == [("kin",), ("alliance", "news")]
    tied = inseparable(names, weights(kin=narrow, alliance=0.25 / narrow), "file.csv")
    assert tied == [("kin", "alliance"), ("news",)]
    assert inseparable(names, weights(kin=narrow, alliance=also_narrow), OF_PRIORS) == [names]


def test_a_channel_that_goes_with_two_others_is_in_two_groups() -> None:
    """Kin goes with fighters, and fighters with alliance, but kin hardly with alliance."""
    one, other = np.random.default_rng(5).normal(size=(2, 400))
    chain = weights(
        **{n: 0.4 * np.exp(0.1 * z) for n, z in (("kin", one), ("alliance", other), ("fighters", one + other))}
    )
    assert inseparable(("kin", "alliance"), chain, "file.csv") == [("kin",), ("alliance",)]
    for names in permutations(("kin", "alliance", "fighters")):
        assert inseparable(names, chain, "file.csv") == [names]


# --- two towns --------------------------------------------------------------------------------------------------


def test_the_parts_of_an_effect_do_not_add_up() -> None:
    for split in found().splits:
        assert split.error < 1e-9
        assert split.having - split.lacking == pytest.approx(split.total.mean)
        alone = sum(one.alone for one in split.shares)
        assert alone + split.interaction + split.direct.mean == pytest.approx(split.total.mean)
        assert sum(one.share.mean for one in split.merged) + split.direct.mean == pytest.approx(split.total.mean)


def test_the_battle_is_felt_by_no_channel() -> None:
    """What comes by no channel is nothing in Hill, and most of it at the front itself."""
    hill, ford = found().splits
    assert hill.direct.mean == hill.direct.low == hill.direct.high == 0.0
    assert hill.total.mean > 0.0
    assert ford.direct.mean > 0.5 * ford.total.mean > 0.0


def test_a_channel_without_weight_has_a_share() -> None:
    """Effects of sets that differ in it alone are the same to the bit, so its share is none."""
    faint = tiny().with_values({"channels.proximity.on": True, "channels.proximity.weight": 1e-12})
    asking = asked(faint, "assault", ["wounded.hill"], [{}], OWN_VALUES, 2)
    assert asking.channels == ("kin", "alliance", "proximity", "fighters")
    (split,) = attributed(asking).splits
    shares = {one.channels[0]: one.share.mean for one in split.shares}
    assert shares.pop("proximity") == 0.0 and any(shares.values())


def test_with_all_channels_at_zero_there_is_an_effect() -> None:
    ways = type(tiny().file.channels).model_fields
    deaf = tiny().with_values({f"channels.{name}.weight": 0.0 for name in ways})
    assert channels_on(deaf) == []
    none = attributed(asked(deaf, "assault", ["wounded.hill"], [{}], OWN_VALUES, 2))
    (split,) = none.splits
    assert split.shares == () and split.total.mean == split.total.low == split.total.high == 0.0
    assert "indistinguishable from zero" in told(none)


def test_a_branch_is_not_the_world_without_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs branch at the hour of the event; run from the start, they come to the same."""
    seen = of.Work(question(1), of.model_version())(of.Job(0, 1, 5))
    monkeypatch.setattr(of, "run", lambda *a, checkpoint_at=None, **k: _run(*a, **k))
    assert of.Work(question(1), of.model_version())(of.Job(0, 1, 5)) == seen


def _run(*arguments: Any, **named: Any) -> Any:
    from sim.runs import run

    return run(*arguments, **named)


def test_sampled_orders_of_all_orders_differ_from_the_exact_shares() -> None:
    exact = found().question
    every = tuple(permutations(range(3)))
    pairs = tuple(order for one in every[:3] for order in (one, one[::-1]))
    sampled = Question(
        exact.scenario, exact.event, exact.channels, exact.keys, exact.samples, exact.samples_are, exact.seeds, pairs
    )
    assert sampled.sets == exact.sets and sorted(pairs) == sorted(every)
    again = Attribution(sampled, found().having, found().lacking)
    for one, other in zip(again.splits, found().splits, strict=True):
        assert [s.share.mean for s in one.shares] == pytest.approx([s.share.mean for s in other.shares])
        assert one.error < 1e-9


def test_fewer_orders_run_all_sets() -> None:
    scenario = Scenario.load("qusayr-2013")
    few = asked(scenario, None, [], [{}], OWN_VALUES, 1, orders=4)
    assert few.event == "offensive"
    assert len(few.sets) < 2 ** len(few.channels) and {0, 2 ** len(few.channels) - 1} <= set(few.sets)
    assert [key.name for key in few.keys] == [f"{measure}.tripoli" for measure in of.USUAL]


def test_draws_lie_outside_their_priors() -> None:
    samples = draws_of_priors(Scenario.load("qusayr-2013"), 6)
    assert len(samples) == 6 and samples == draws_of_priors(Scenario.load("qusayr-2013"), 6)
    for prior in PRIORS:
        values = [sample[prior.path] for sample in samples]
        assert all(prior.low <= value <= prior.high for value in values) and len(set(values)) == 6


def test_the_usual_number_of_pairs_takes_more_than_half_an_hour() -> None:
    """1.75 s a pair on two idle processors: 22 minutes for seven channels."""
    for channels in range(10):
        draws = of._as_many_as_fit(channels, of.USUAL_SEEDS)
        sets = 2**channels if channels <= of.MOST_EXACT else of.ORDERS * (channels - 1) + 2
        assert draws == 2 or draws * sets * of.USUAL_SEEDS <= of.USUAL_PAIRS
    assert of._as_many_as_fit(7, 2) == 6


# --- the command ------------------------------------------------------------------------------------------------

ARGUMENTS = ("tiny", "--draws", "1", "--seeds", "2", "--workers", "1", "--measure", "wounded.hill")
SETS = [part for path, value in (LOUD | OFF).items() for part in ("--set", f"{path}={json.dumps(value)}")]


def test_a_run_that_was_stopped_begins_anew(tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = called(*ARGUMENTS, *SETS, "--out", str(out), "--json")
    assert first.exit_code == 0, first.stderr
    assert "8 sets of 3 channels × 2 seeds × 1 draws of the parameters = 16 pairs of runs" in first.stderr
    assert "minutes with 1 workers" in first.stderr
    names = {"runs.jsonl", "table.txt", "attribution.json", "waterfall-wounded.hill.png", "waterfall-wounded.hill.svg"}
    assert {path.name for path in out.iterdir()} == {*names, ".lock"}
    lines = (out / "runs.jsonl").read_text().split("\n")
    (out / "runs.jsonl").write_text("\n".join(lines[:9]) + "\n" + lines[9][:20])
    again = called(*ARGUMENTS, *SETS, "--out", str(out), "--json")
    assert again.stdout == first.stdout
    assert "8 on file" in again.stderr
    assert sorted((out / "runs.jsonl").read_text().split("\n")) == sorted(lines)
    assert "all on file" in called(*ARGUMENTS, *SETS, "--out", str(out)).stderr
    said = json.loads(first.stdout)
    assert said["exact"] is True and said["conditional_on"].startswith("Conditional on the model as it is")
    assert said["measures"][0]["efficiency_error"] < 1e-9


def test_runs_of_another_version_are_counted_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal(question(), tmp_path / "out"):
        pass
    monkeypatch.setattr(of, "model_version", lambda: "spillover 9")
    with pytest.raises(Refused, match=r"model spillover.*, not spillover 9"):
        Journal(question(), tmp_path / "out")


def test_two_attributions_write_in_one_folder(tmp_path: Path) -> None:
    with Journal(question(), tmp_path / "out"), pytest.raises(Busy, match="is writing there"):
        Journal(question(), tmp_path / "out")
    with Journal(question(), tmp_path / "out"):
        pass


def test_ctrl_c_loses_the_pairs_that_were_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = of.Work.__call__

    def stops(self: of.Work, job: of.Job) -> of.Seen:
        if job.members == 3:
            raise KeyboardInterrupt
        return inner(self, job)

    monkeypatch.setattr(of.Work, "__call__", stops)
    outcome = called(*ARGUMENTS, *SETS, "--out", str(tmp_path / "out"))
    assert outcome.exit_code == 130
    assert "the same command goes on" in outcome.stderr
    assert len((tmp_path / "out/runs.jsonl").read_text().splitlines()) == 1 + 2 + 3  # head, probes, before the stop


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--without", "asault"), "assault"),
        (("--measure", "kiled"), "Did you mean 'killed'"),
        (("--measure", "mobilised_peak"), "of which place"),
        (("--set", "events.assault.on=false"), "no offensive in it"),
        (("--set", "events.assault.on=false", "--without", "assault"), "does not happen in tiny"),
    ],
)
def test_what_cannot_be_split_is_run(arguments: tuple[str, ...], said: str) -> None:
    outcome = called("tiny", "--draws", "1", *arguments)
    assert outcome.exit_code == 2
    assert said in outcome.stderr


def test_a_model_without_channels_is_split() -> None:
    assert called("classics/epstein-1").exit_code == 2


def test_a_folder_with_something_else_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    outcome = called(*ARGUMENTS, "--out", str(tmp_path))
    assert outcome.exit_code == 2 and "not empty" in outcome.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_the_report_hides_what_it_is_conditional_on() -> None:
    text = told(found())
    assert text.startswith("Conditional on the model as it is, on the scenario's own parameters")
    assert "cannot tell apart: kin and alliance and fighters" in " ".join(text.split())
    assert as_dict(found())["inseparable"] == [["kin", "alliance", "fighters"]]
    assert found().question.keys[0] == Key("wounded", "hill")
    with pytest.raises(ScenarioError, match="assault"):
        asked(tiny(), "asault", [], [{}], OWN_VALUES, 1)
