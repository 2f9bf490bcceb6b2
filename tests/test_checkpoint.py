"""A run that is stopped and goes on: unchanged it is the run that never stopped, changed it is another future."""

import json
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import mesa
import numpy as np
import pytest
from typer.testing import CliRunner

import sim.checkpoint as of
from sim import cli, runs
from sim.checkpoint import DERIVED, KEPT_APART, STATE, CheckpointError, capture, owners
from sim.model import SpilloverModel
from sim.runs import Result, load_checkpoint, resume, run, save_checkpoint
from sim.scenario import Scenario

SEED = 5
TALKS = {
    "kind": "conference", "at": datetime(2001, 5, 1, 9), "until": datetime(2001, 5, 3, 20), "text": "Talks.",
    "opens": datetime(2001, 5, 2, 18), "parties": ["league", "crown"],
}  # fmt: skip
BUSY = {
    "clock.days": 3.5, "engagement.civilian_hit_per_hour": 2e-4, "provocations.per_day": 1.0,
    "channels.kin.weight": 1.5, "diplomacy.lull": 0.3, "diplomacy.agreement_chance": 0.5, "events.talks": TALKS,
    "events.assault.until": datetime(2001, 5, 3, 12), "places.hill.stray_fire": True,
    "strikes": {"stray_per_day": 20.0, "stray_harm": 0.5, "stray_reach_km": 100.0, "escalation": True},
    "consignments.rockets": {
        "name": "Rockets", "faction": "guests", "units": 8, "arrives": datetime(2001, 5, 1, 12),
        "route": ["hill", "ford"], "stay_h": 20.0,
    },
    "air_forces.raiders": {
        "name": "Raiders", "reaches": ["hill", "ford"], "against": ["guests"],
        "detection_per_day": 2.0, "resolve": 1.0, "on": True,
    },
}  # fmt: skip


@cache
def tiny() -> Scenario:
    """Two towns where everything that has state is at work: talks, stray fire, consignments, strikes."""
    return Scenario.load("tiny").with_values(BUSY)


@cache
def once() -> Result:
    return run(tiny(), seed=SEED, threads=1)


@cache
def stopped(at: datetime) -> Result:
    return run(tiny(), seed=SEED, threads=1, checkpoint_at=at)


def untimed(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if key not in ("wall_seconds", "resident_hours_per_second")}


def assert_same(one: Result, other: Result) -> None:
    assert one.record.series == other.record.series
    assert one.record.values.tobytes() == other.record.values.tobytes()
    for what in ("steps_done", "fire", "flows", "worth", "claims", "happened", "sides"):
        assert getattr(one.record, what) == getattr(other.record, what), what
    assert all((one.harm[quarter] == other.harm[quarter]).all() for quarter in one.harm)
    assert untimed(one.summary) == untimed(other.summary)


# --- nothing is left out ----------------------------------------------------------------------------------------


def test_an_attribute_of_the_model_is_neither_state_nor_derived() -> None:
    """Whoever adds one says in `sim.checkpoint` whether an hour changes it."""
    model = SpilloverModel(tiny(), SEED, threads=1)
    model.run_for(40)
    mesas = set(vars(mesa.Model(rng=1)))
    kinds = set()
    for kind, name, owner in owners(model):
        known = {*STATE.get(kind, ()), *KEPT_APART.get(kind, ()), *DERIVED.get(kind, ())}
        there = set(vars(owner)) - (mesas if kind == "model" else set())
        assert there <= known, f"{name}: {sorted(there - known)}"
        assert {*STATE.get(kind, ()), *KEPT_APART.get(kind, ())} <= there, f"{name} has no such state"
        kinds.add(kind)
    assert kinds == {*STATE, *KEPT_APART, *DERIVED}, "tiny has none of a kind: this test has no power"


def test_an_attribute_counts_twice() -> None:
    for kind in {*STATE, *KEPT_APART, *DERIVED}:
        names = [*STATE.get(kind, ()), *KEPT_APART.get(kind, ()), *DERIVED.get(kind, ())]
        assert len(names) == len(set(names)), kind


def test_what_is_called_derived_is_changed_by_an_hour() -> None:
    """Arrays that follow from the scenario are as in a model that never ran, but for what each hour writes anew."""
    anew = {("model", "provoked"), ("books", "alarms"), ("residents", "changing"), ("residents", "then")}
    ran, fresh = SpilloverModel(tiny(), SEED, threads=1), SpilloverModel(tiny(), SEED, threads=1)
    ran.run_for(60)
    for (kind, name, one), (_, _, other) in zip(owners(ran), owners(fresh), strict=True):
        for attribute in DERIVED.get(kind, ()):
            value = getattr(other, attribute, None)
            if isinstance(value, np.ndarray) and kind != "tally" and (kind, attribute) not in anew:
                assert np.array_equal(getattr(one, attribute), value), f"{name}.{attribute}"


# --- forked without change = uninterrupted ----------------------------------------------------------------------

STOPS = (datetime(2001, 5, 1, 1), datetime(2001, 5, 2), datetime(2001, 5, 2, 6), datetime(2001, 5, 3, 13),
         datetime(2001, 5, 3, 1))  # fmt: skip
"""After the first hour; at midnight, before the day's work; as the assault begins; with stray fire; with deliveries."""


@pytest.mark.parametrize("at", STOPS, ids=str)
def test_a_run_that_goes_on_is_not_the_run_that_never_stopped(at: datetime, tmp_path: Path) -> None:
    first = stopped(at)
    assert_same(first, once())
    assert first.checkpoint is not None
    assert_same(resume(first.checkpoint, threads=1), once())
    kept = save_checkpoint(first.checkpoint, tmp_path / "checkpoint.npz")
    assert_same(resume(load_checkpoint(kept), threads=1), once())


def test_the_runs_compared_leave_a_kind_of_state_at_rest() -> None:
    """The other way round: what the comparison above has to have power over."""
    result, checkpoint = once(), stopped(STOPS[3]).checkpoint
    assert checkpoint is not None
    texts = {event for _, event, _ in result.record.happened}
    assert {"assault", "talks", "strike"} <= texts
    assert checkpoint.arrays["skies.stray"].size
    assert stopped(STOPS[4]).checkpoint.arrays["theatre.deliveries"].size  # type: ignore[union-attr]
    assert checkpoint.said["talks"] and not checkpoint.said["offensives"]
    assert stopped(STOPS[2]).checkpoint.said["talks"]  # type: ignore[union-attr]
    assert (checkpoint.arrays["residents.state"] != 0).any()


@pytest.mark.parametrize(
    "drop", ["residents.lived", "theatre.readiness", "city.toll", "model.destinations", "tally day.all"]
)
def test_state_that_is_lost_is_not_noticed(drop: str) -> None:
    """Going on with another value is another run; going on without one is refused."""
    checkpoint = stopped(STOPS[-1]).checkpoint
    assert checkpoint is not None
    without = {name: array for name, array in checkpoint.arrays.items() if name != drop}
    with pytest.raises(CheckpointError, match="missing"):
        resume(
            of.Checkpoint(checkpoint.scenario, checkpoint.seed, checkpoint.step, without, checkpoint.said), threads=1
        )


def test_a_checkpoint_is_spent_by_the_run_that_goes_on_from_it() -> None:
    checkpoint = stopped(STOPS[1]).checkpoint
    assert checkpoint is not None
    resume(checkpoint, threads=1)
    assert_same(resume(checkpoint, threads=1), once())


def test_a_second_checkpoint_forgets_the_first() -> None:
    checkpoint = stopped(STOPS[1]).checkpoint
    assert checkpoint is not None
    second = resume(checkpoint, threads=1, checkpoint_at=STOPS[3]).checkpoint
    assert second is not None and second.step > checkpoint.step
    assert_same(resume(second, threads=1), once())


def test_the_battle_for_qusayr_cannot_be_gone_on_with() -> None:
    scenario = Scenario.load("qusayr-2013").with_values({"clock.start": datetime(2013, 5, 17), "clock.days": 4.0})
    whole = run(scenario, seed=SEED, threads=1, checkpoint_at=datetime(2013, 5, 19, 5))
    assert whole.checkpoint is not None
    assert_same(resume(whole.checkpoint, threads=1), whole)
    peace = scenario.without("offensive")
    assert_same(resume(whole.checkpoint, peace, threads=1), run(peace, seed=SEED, threads=1))


# --- another future ---------------------------------------------------------------------------------------------


def test_a_branch_differs_before_it_branches_or_not_after() -> None:
    checkpoint = stopped(STOPS[1]).checkpoint
    assert checkpoint is not None
    branch = resume(checkpoint, tiny().without("assault"), threads=1)
    assert_same(branch, run(tiny().without("assault"), seed=SEED, threads=1))
    step = checkpoint.step
    assert branch.record.values[:step].tobytes() == once().record.values[:step].tobytes()
    assert branch.record.values.tobytes() != once().record.values.tobytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"factions.crown.fighters": 900}, "factions.crown.fighters: says what was at the start"),
        ({"mobilisation.hardship_high": 0.5}, "mobilisation.hardship_high: says what was"),
        ({"corridors.valley_road.sealed": True}, "corridors.valley_road.sealed: says"),
        ({"events.assault.on": False}, "events.assault: began before 03 May 2001 13:00"),
        ({"events.assault.until": datetime(2001, 5, 2, 18)}, "events.assault: began before"),
        ({"clock.days": 2.0}, "clock.days: the scenario ends before"),
        ({"clock.start": datetime(2001, 4, 30)}, "clock.start: says what was at the start"),
        ({"communities.grey": {"name": "Grey"}}, "communities: a fork of"),
    ],
)
def test_the_past_can_be_changed(change: dict[str, Any], said: str) -> None:
    checkpoint = stopped(STOPS[3]).checkpoint
    assert checkpoint is not None
    with pytest.raises(CheckpointError, match=said):
        resume(checkpoint, tiny().with_values(change), threads=1)


def test_an_assault_cannot_be_called_off_at_another_hour() -> None:
    checkpoint = stopped(STOPS[2]).checkpoint
    assert checkpoint is not None
    later = tiny().with_values({"events.assault.until": datetime(2001, 5, 3, 20)})
    at = run(tiny(), seed=SEED, threads=1, checkpoint_at=datetime(2001, 5, 2, 12)).checkpoint
    assert at is not None
    assert_same(resume(at, later, threads=1), run(later, seed=SEED, threads=1))
    assert_same(resume(checkpoint, later, threads=1), run(later, seed=SEED, threads=1))


# --- files ------------------------------------------------------------------------------------------------------


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    checkpoint = stopped(STOPS[1]).checkpoint
    assert checkpoint is not None
    return save_checkpoint(checkpoint, tmp_path / "checkpoint.npz")


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    about = json.loads(members["about.json"])
    change(about)
    members["about.json"] = json.dumps(about).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_a_file_holds_something_that_could_run(kept: Path) -> None:
    with np.load(kept, allow_pickle=False) as file:
        names = [name for name in file.files if name != "about.json"]
        assert len(names) > 60
        assert all(file[name].dtype != np.dtype(object) for name in names)


def test_another_version_goes_on_with_a_run(kept: Path) -> None:
    rewritten(kept, lambda about: about["versions"].update(spillover="0.0.7"))
    with pytest.raises(
        CheckpointError, match=rf"spillover 0\.0\.7, where this is spillover {runs.versions()['spillover']}"
    ):
        load_checkpoint(kept)


def test_an_object_in_a_checkpoint_is_unpickled(kept: Path) -> None:
    with zipfile.ZipFile(kept, "a") as archive, archive.open("theatre.evil.npy", "w") as member:
        np.lib.format.write_array(member, np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(CheckpointError, match="allow_pickle"):
        load_checkpoint(kept)


@pytest.mark.parametrize("content", [b"", b"diary", None])
def test_any_file_is_a_checkpoint(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "file.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"file\.npz: (not a checkpoint|no such file)"):
        load_checkpoint(path)


def test_half_a_file_is_taken_for_a_checkpoint(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[: kept.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="not a checkpoint"):
        load_checkpoint(kept)


# --- the command ------------------------------------------------------------------------------------------------


def asked(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, ["run", *arguments, "--quiet", "--no-figures"])


def test_the_command_goes_on_to_something_else(tmp_path: Path) -> None:
    days = ("--days", "2.5")
    first = asked("tiny", "--seed", "3", *days, "--checkpoint-at", "2001-05-02T06:00", "--out", str(tmp_path / "a"))
    assert first.exit_code == 0, first.stderr
    again = asked("--from", str(tmp_path / "a/checkpoint.npz"), "--out", str(tmp_path / "b"))
    assert again.stdout == first.stdout
    assert_same(runs.load(tmp_path / "a"), runs.load(tmp_path / "b"))
    branch = asked(
        "--from", str(tmp_path / "a/checkpoint.npz"), "--set", "events.assault.on=false", "--out", str(tmp_path / "c")
    )
    straight = asked("tiny", "--seed", "3", *days, "--set", "events.assault.on=false")
    assert branch.stdout == straight.stdout != first.stdout
    seal = json.loads((tmp_path / "c/provenance.json").read_text(encoding="utf-8"))
    assert seal["command"] is None and seal["forked"]["step"] == 30
    assert json.loads((tmp_path / "b/provenance.json").read_text(encoding="utf-8"))["forked"] is None


def test_an_earlier_runs_checkpoint_stays_with_a_later_run(tmp_path: Path) -> None:
    out = str(tmp_path / "a")
    asked("tiny", "--days", "1.5", "--checkpoint-at", "2001-05-02", "--out", out)
    assert (tmp_path / "a/checkpoint.npz").is_file()
    assert asked("tiny", "--days", "1.5", "--out", out, "--force").exit_code == 0
    assert not (tmp_path / "a/checkpoint.npz").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("tiny", "--checkpoint-at", "2001-05-02"), "--out DIR"),
        (("tiny", "--checkpoint-at", "yesterday", "--out", "{}"), "allowed a date or time"),
        (("tiny", "--checkpoint-at", "2001-06-01", "--out", "{}"), "allowed from 2001-05-01T01:00"),
        (("classics/epstein-1", "--checkpoint-at", "2001-06-01", "--out", "{}"), "has no checkpoints"),
        (("tiny", "--from", "checkpoint.npz"), "give a scenario, or a checkpoint"),
        ((), "give a scenario, or a checkpoint"),
        (("--from", "none.npz"), "no such file"),
        (("--from", "none.npz", "--seed", "1"), "the luck that it began with"),
    ],
)
def test_what_cannot_be_done_is_begun(arguments: tuple[str, ...], said: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = asked(*(argument.format(out) for argument in arguments))
    assert outcome.exit_code == 2, outcome.stderr
    assert said in " ".join(outcome.stderr.replace("│", " ").split())
    assert not out.exists()


def test_the_hours_of_a_checkpoint_are_the_scenarios() -> None:
    checkpoint = stopped(STOPS[1]).checkpoint
    assert checkpoint is not None
    assert tiny().time_of(checkpoint.step).replace(tzinfo=None) == STOPS[1]
    model = of.restored(checkpoint, threads=1)
    assert model.date.replace(tzinfo=None) == STOPS[1]
    model.run_for(3)
    assert model.date.replace(tzinfo=None) == STOPS[1] + timedelta(hours=3)
    assert capture(model).step == checkpoint.step + 3
