"""A session of the dashboard: told by stories of somebody who plays, scrubs, compares and forks."""

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner
from watcher import FLAT_OUT, Watcher, opened

from sim import cli
from sim.dashboard import tracks
from sim.dashboard.cells import Cells
from sim.dashboard.session import Moment, Session
from sim.dashboard.tape import Tape
from sim.model import SpilloverModel
from sim.runs import CELLS, Result, resume, run
from sim.scenario import Scenario

SEED = 3
LIVELY = {
    "clock.days": 4.0, "provocations.per_day": 2.0, "fire.hit_per_hour": 4e-4, "displacement.flee_per_hour": 0.3,
}  # fmt: skip
ASSAULT = 30
"""The step before which the assault of `tiny` begins."""


@cache
def tiny() -> Scenario:
    return Scenario.load("tiny").with_values(LIVELY)


@cache
def once(seed: int = SEED) -> Result:
    return run(tiny(), seed=seed)


def assert_is(tape: Tape, result: Result, until: int | None = None) -> None:
    """Compare all that a tape says with what a run left, up to a step."""
    record, steps = result.record, result.record.steps_done if until is None else until
    assert tape.done >= steps
    assert tape.series == record.series
    assert tape.values[:steps].tobytes() == record.values[:steps].tobytes()
    assert tape.fire(0, steps) == [row for row in record.fire if row[0] < steps]
    assert tape.happened(steps) == [row for row in record.happened if row[0] < steps]
    assert tape.claims(steps) == [claim for claim in record.claims if claim["claimed_at"] < steps]
    file = result.scenario.file
    for step in range(0, steps, 7):
        flow, share = np.zeros((2, len(file.corridors), len(file.factions)))
        for day, corridor, faction, carried, free in record.flows:
            if day == step - step % 24:
                flow[corridor, faction], share[corridor, faction] = carried, free
        assert all(np.array_equal(*pair) for pair in zip(tape.flows(step), (flow, share), strict=True)), step


def played_to_the_end(session: Session, watcher: Watcher) -> Moment:
    return watcher.after(session.play, lambda m: not m.playing and m.at == m.steps - 1)


def pictures(tape: Tape, step: int) -> dict[str, bytes]:
    """Return what there is to see of a step."""
    assert tape.cells is not None
    layers = {name: tape.cells.layer(name, step).tobytes() for name in Cells.LAYERS}
    return layers | {"values": tape.values[step].tobytes()}


# --- play, pause, scrub ----------------------------------------------------------------------------------------------


def test_a_run_that_is_watched_is_another_run() -> None:
    with opened(tiny(), SEED) as (session, watcher):
        end = played_to_the_end(session, watcher)
        assert (end.done, end.steps, end.error, end.second) == (96, 96, "", None)
        assert_is(end.first, once())
    assert once().record.values.any(axis=0).sum() > 40, "too little happens in it for a comparison to mean anything"


def test_the_first_hour_is_not_there_to_see_when_a_scenario_is_opened() -> None:
    with opened(tiny(), SEED) as (_, watcher):
        shown = watcher.moments[-1]
        assert (shown.at, shown.done, shown.playing, shown.running_to) == (0, 1, False, None)
        assert (shown.first.label, shown.first.seed, shown.first.begins) == ("A", SEED, 0)
        assert shown.first.time(5) == tiny().time_of(5)


def test_scrubbing_back_shows_something_else_or_runs_again() -> None:
    class Album(Watcher):
        """Keeps the pictures as they were when they were shown."""

        def show(self, moment: Moment) -> None:
            if moment.done:
                self.kept.setdefault(moment.at, pictures(moment.first, moment.at))
            super().show(moment)

    album = Album()
    album.kept = {}
    session = Session(album.show, frames_per_second=1000.0)
    session.open(tiny(), SEED)
    session.set_speed(600.0)
    tape = played_to_the_end(session, album).first
    kept = dict(album.kept)
    assert len(kept) > 5 and len({p["mobilised"] for p in kept.values()}) > 3, "nothing to tell pictures apart by"
    for step in sorted(kept, reverse=True):
        shown = album.after(lambda step=step: session.seek(step), lambda m, step=step: m.at == step)  # type: ignore[misc]
        assert (shown.done, shown.running_to, shown.first) == (96, None, tape)
        assert pictures(shown.first, step) == kept[step]
    session.close()


def test_within_what_is_done_a_seek_makes_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tiny(), SEED) as (session, watcher):
        watcher.after(lambda: session.seek(40), lambda m: m.at == 40)
        monkeypatch.setattr(SpilloverModel, "run_for", lambda model, steps: pytest.fail("a step was made"))
        for step in (0, 17, 40, 3):
            assert watcher.after(lambda step=step: session.seek(step)).at == step  # type: ignore[misc]
        assert watcher.moments[-1].error == ""


def test_running_to_a_step_does_not_say_so_or_stops_elsewhere() -> None:
    with opened(tiny(), SEED) as (session, watcher):
        moments = len(watcher.moments)
        assert watcher.after(lambda: session.seek(70), lambda m: m.at == 70).running_to is None
        on_the_way = [m.running_to for m in watcher.moments[moments:] if m.at < 70]
        assert set(on_the_way) <= {70}
        shown = watcher.after(lambda: session.seek(10_000), lambda m: m.running_to is None and m.at > 70)
        assert shown.at == shown.steps - 1 == 95
        watcher.after(lambda: session.seek(-5), lambda m: m.at == 0)


def test_a_step_is_more_or_less_than_a_step() -> None:
    with opened(tiny(), SEED) as (session, watcher):
        session.play()
        shown = watcher.after(session.step, lambda m: not m.playing and m.running_to is None)
        at = shown.at
        for n, there in ((1, at + 1), (24, at + 25), (-1, at + 24), (-500, 0)):
            assert watcher.after(lambda n=n: session.step(n), lambda m: m.running_to is None).at == min(there, 95)  # type: ignore[misc]


def test_a_run_that_is_paused_goes_on() -> None:
    scenario = tiny().with_values({"clock.days": 3600.0})  # longer than anyone waits
    with opened(scenario, SEED) as (session, watcher):
        answered = []
        for start in (session.play, lambda: session.seek(80_000), session.play):
            watcher.after(start, lambda m: m.at > 0)
            before = time.monotonic()
            shown = watcher.after(session.pause, lambda m: not m.playing and m.running_to is None)
            answered.append(time.monotonic() - before)
            time.sleep(0.1)
            assert watcher.moments[-1].done == shown.first.done == shown.done, "it runs behind one's back"
        assert min(answered) < 0.3
        assert shown.at < 80_000


def test_the_clock_goes_faster_than_it_was_told() -> None:
    with opened(tiny(), SEED) as (session, watcher):
        session.set_speed(40.0)
        began = time.monotonic()
        shown = watcher.after(session.play, lambda m: m.at >= 12)
        assert time.monotonic() - began >= 11 / 40
        assert shown.playing
        later = watcher.after(session.pause)
        assert 12 <= later.at <= 40 * (time.monotonic() - began)


def test_somebody_who_comes_back_is_shown_a_leap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time in which nothing played does not count."""
    with opened(tiny(), SEED) as (session, watcher):
        watcher.after(lambda: session.seek(90), lambda m: m.at == 90)
        session.seek(0)
        session.set_speed(20.0)
        time.sleep(2.0)
        assert watcher.after(session.play, lambda m: m.playing).at < 40


def test_at_the_end_a_toggle_runs_it_all_again() -> None:
    with opened(tiny(), SEED) as (session, watcher):
        end = played_to_the_end(session, watcher)
        session.set_speed(10.0)
        again = watcher.after(session.toggle, lambda m: m.playing)
        assert again.at < 90 and again.done == 96 and again.first is end.first
        assert watcher.after(session.toggle, lambda m: not m.playing).at < 90


def test_more_frames_come_than_were_asked_for() -> None:
    with opened(tiny(), SEED) as (session, watcher):
        watcher.after(lambda: session.seek(90), lambda m: m.at == 90)
        session.seek(0)
        session.set_speed(120.0)
        before = len(watcher.moments)
        watcher.after(session.play, lambda m: m.at >= 60)
        session.pause()
        frames = len(watcher.moments) - before
        assert 3 <= frames <= 15 * (watcher.times[-1] - watcher.times[before]) + 4


def test_a_slow_page_gets_a_backlog() -> None:
    with opened(tiny(), SEED, takes_s=0.2) as (session, watcher):
        session.set_speed(50.0)
        session.play()
        time.sleep(0.7)
        before = len(watcher.moments)
        shown = watcher.after(session.pause, lambda m: not m.playing)
        assert watcher.moments.index(shown) - before <= 1, "more than the frame under way, and the one that says so"
        assert shown.at >= 0.5 * 50.0 * 0.7, "the clock waits for the page"


def test_two_sessions_disturb_each_other() -> None:
    with opened(tiny(), SEED) as (one, watcher), opened(tiny(), SEED + 1) as (other, beside):
        one.play()
        other.play()
        ends = [w.wait(lambda m: m.at == m.steps - 1) for w in (watcher, beside)]
        assert_is(ends[0].first, once())
        assert_is(ends[1].first, once(SEED + 1))


# --- a second run ----------------------------------------------------------------------------------------------------


def test_without_the_offensive_the_past_differs_or_the_future_does_not() -> None:
    without = tiny().without("assault")
    with opened(tiny(), SEED) as (session, watcher):
        watcher.after(lambda: session.seek(60), lambda m: m.at == 60)
        both = watcher.after(lambda: session.compare(without), lambda m: m.second is not None and m.at == 60)
        assert both.second is not None and both.second.label == "B"
        end = played_to_the_end(session, watcher)
        assert end.second is both.second and end.first is both.first
        assert_is(end.second, run(without, seed=SEED))
        same = (end.first.values == end.second.values).all(axis=1)
        assert same[:ASSAULT].all() and not same[ASSAULT:].any()
        alone = watcher.after(session.part)
        assert alone.second is None and alone.at == 95


def test_the_clock_goes_on_where_the_second_run_is_not_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tiny(), SEED) as (session, watcher):
        watcher.after(lambda: session.seek(80), lambda m: m.at == 80)
        before = len(watcher.moments)
        watcher.after(lambda: session.compare(tiny()), lambda m: m.second is not None and m.at == 80)
        for moment in watcher.moments[before:]:
            assert moment.at < moment.done and (moment.second is None or moment.done <= moment.second.done)


def test_runs_of_other_times_are_set_side_by_side() -> None:
    with opened(tiny(), SEED) as (session, watcher):
        for other in ({"clock.start": datetime(2001, 6, 1)}, {"clock.step_hours": 0.5}):
            refused = watcher.after(lambda other=other: session.compare(tiny().with_values(other)))  # type: ignore[misc]
            assert "one clock" in refused.error and refused.second is None
        assert watcher.after(lambda: session.compare(tiny().without("assault"))).error == ""


FORKED_AT = (5, 24, 47, 70)
"""Before the first state that is kept; after one; just before one; later."""


@pytest.mark.parametrize("at", FORKED_AT)
def test_a_fork_without_a_change_is_another_run(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "MOST_MARKS", 2)
    with opened(tiny(), SEED) as (session, watcher):
        played_to_the_end(session, watcher)
        watcher.after(lambda: session.seek(at), lambda m: m.at == at)
        shown = watcher.after(lambda: session.fork(tiny()), lambda m: m.second is not None)
        assert shown.second is not None
        assert (shown.at, shown.second.begins, shown.second.label) == (at, at + 1, "B")
        fork = played_to_the_end(session, watcher).second
        assert fork is shown.second
        assert_is(fork, once())
        for step in (0, at, at + 1, 95):
            assert pictures(fork, step) == pictures(shown.first, step)


def test_a_fork_is_another_future_than_that_of_a_checkpoint() -> None:
    changed = tiny().with_values({"fire.hit_per_hour": 1e-3, "fire.reach_m": 250.0, "mobilisation.threat_fire": 0.9})
    kept = run(tiny(), seed=SEED, checkpoint_at=tiny().time_of(51).replace(tzinfo=None)).checkpoint
    assert kept is not None
    with opened(tiny(), SEED) as (session, watcher):
        watcher.after(lambda: session.seek(50), lambda m: m.at == 50)
        session.fork(changed)
        end = played_to_the_end(session, watcher)
        assert end.second is not None
        assert_is(end.second, resume(kept, changed))
        for step in (20, 50):
            assert pictures(end.second, step) == pictures(end.first, step), "the past is seen with the eyes of the fork"
        here, there = pictures(end.second, 80), pictures(end.first, 80)
        assert here["threat"] != there["threat"] and here["exposure"] != there["exposure"]


def test_a_fork_rewrites_the_past() -> None:
    with opened(tiny(), SEED) as (session, watcher):
        watcher.after(lambda: session.seek(60), lambda m: m.at == 60)
        refused = watcher.after(lambda: session.fork(tiny().without("assault")), lambda m: bool(m.error))
        assert "events.assault: began before 03 May 2001 13:00" in refused.error
        assert refused.second is None and refused.first.error == ""
        refused = watcher.after(lambda: session.fork(tiny().with_values({"neighbourhoods.lower.able": 0.5})))
        assert "neighbourhoods.lower.able: says what was at the start" in refused.error
        watcher.after(lambda: session.seek(20))
        taken = watcher.after(lambda: session.fork(tiny().without("assault")))
        assert taken.error == "" and taken.second is not None
        watcher.after(lambda: session.seek(95), lambda m: m.at == 95)
        refused = watcher.after(lambda: session.fork(tiny()), lambda m: bool(m.error))
        assert "last step" in refused.error


# --- folders and lattices --------------------------------------------------------------------------------------------


def test_a_replay_is_another_run_or_runs(tmp_path: Path) -> None:
    folder = once().save(tmp_path / "run")
    watcher = Watcher()
    session = Session(watcher.show)
    session.replay(folder)
    shown = watcher.wait(lambda m: m.done > 0)
    assert (shown.at, shown.done, shown.first.replayed, shown.first.cells) == (0, 96, True, None)
    assert_is(shown.first, once())
    session.set_speed(FLAT_OUT)
    assert played_to_the_end(session, watcher).first is shown.first
    watcher.after(lambda: session.seek(40))
    session.fork(tiny().with_values({"engagement.readiness_loss_per_hour": 0.3}))
    end = played_to_the_end(session, watcher)
    assert end.error == "" and end.second is not None
    same = (end.second.values == once().record.values).all(axis=1)
    assert same[:41].all() and not same[41:].all()
    session.close()


def test_the_streets_are_not_kept_in_a_folder_that_was_asked_to(tmp_path: Path) -> None:
    scenario, folder = tmp_path / "lively.toml", tmp_path / "run"
    scenario.write_text(tiny().to_toml(), encoding="utf-8")
    words = ["run", str(scenario), "--seed", str(SEED), "--days", "2", "--out", str(folder), "--no-figures", "-q"]
    assert CliRunner().invoke(cli.app, [*words, "--cells"]).exit_code == 0
    watcher = Watcher()
    session = Session(watcher.show)
    session.replay(folder)
    kept = watcher.wait(lambda m: m.done > 0).first
    with opened(tiny().with_values({"clock.days": 2.0}), SEED) as (beside, other):
        lived = played_to_the_end(beside, other).first
        assert all(pictures(kept, step) == pictures(lived, step) for step in (47, 0, 30, 24))
        assert pictures(lived, 47) != pictures(lived, 0)
    (folder / CELLS).write_bytes((folder / CELLS).read_bytes()[:-1] + b"?")
    refused = watcher.after(lambda: session.replay(folder), lambda m: bool(m.error))
    assert f"{CELLS}: not as it was written" in refused.error and refused.first is kept
    assert CliRunner().invoke(cli.app, [*words, "--force"]).exit_code == 0
    assert not (folder / CELLS).exists(), "streets of another run"
    assert watcher.after(lambda: session.replay(folder), lambda m: not m.error).first.cells is None
    session.close()


@pytest.mark.parametrize(
    ("words", "why"),
    [(["tiny"], "--out DIR"), (["classics/epstein-1", "--out", "kept"], "has no streets")],
)
def test_streets_that_cannot_be_kept_are_forgotten(
    words: list[str], why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(cli.app, ["run", *words, "--cells"])
    assert refused.exit_code == 2 and why in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none_ends_the_session(tmp_path: Path) -> None:
    watcher = Watcher()
    session = Session(watcher.show)
    session.replay(tmp_path / "nowhere")
    shown = watcher.wait(lambda m: bool(m.error))
    assert "no such folder" in shown.error and shown.done == 0
    opened = watcher.after(lambda: session.open(tiny(), SEED), lambda m: m.done > 0)
    assert opened.error == ""
    refused = watcher.after(lambda: session.replay(tmp_path / "nowhere"), lambda m: bool(m.error))
    assert refused.first is opened.first, "what was open is lost"
    session.close()


@pytest.mark.parametrize("name", ["classics/epstein-1", "classics/epstein-2", "classics/attrition"])
def test_a_known_model_cannot_be_watched(name: str) -> None:
    scenario = Scenario.load(name).with_values({"clock.days": 2.0})
    with opened(scenario, SEED) as (session, watcher):
        end = played_to_the_end(session, watcher)
        assert_is_values(end.first, run(scenario, seed=SEED))
        if scenario.model == "theatre":
            return
        assert end.first.cells is None and end.first.flows(0)[0].size == 0
        watcher.after(lambda: session.seek(0))
        refused = watcher.after(lambda: session.fork(scenario), lambda m: bool(m.error))
        assert "has no checkpoints" in refused.error and refused.second is None
        assert watcher.after(lambda: session.compare(scenario), lambda m: m.second is not None).error == ""


def assert_is_values(tape: Tape, result: Result) -> None:
    assert tape.series == result.record.series
    assert tape.values.tobytes() == result.record.values.tobytes()


# --- what goes wrong, and what is left behind ------------------------------------------------------------------------


@pytest.fixture
def breaking(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A model that breaks at step 30, and what mends it."""
    whole = SpilloverModel.step

    def step(model: SpilloverModel) -> None:
        if model.now == 30:
            raise KeyError("ford")
        whole(model)

    monkeypatch.setattr(SpilloverModel, "step", step)
    return lambda: monkeypatch.setattr(SpilloverModel, "step", whole)


def test_an_error_in_the_model_ends_the_session(breaking: Callable[[], None]) -> None:
    with opened(tiny(), SEED) as (session, watcher):
        broken = watcher.after(session.play, lambda m: bool(m.error))
        assert broken.error == broken.first.error == "KeyError: 'ford'"
        shown = watcher.after(lambda: session.seek(90), lambda m: m.running_to is None)
        assert (shown.at, shown.done, shown.playing) == (29, 30, False)
        assert watcher.after(lambda: session.seek(10)).at == 10
        breaking()
        again = watcher.after(lambda: session.open(tiny(), SEED), lambda m: m.done > 0 and not m.error)
        assert again.first is not broken.first
        assert_is(played_to_the_end(session, watcher).first, once())


def test_a_model_that_cannot_be_made_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    watcher = Watcher()
    session = Session(watcher.show)
    with monkeypatch.context() as patched:
        patched.setattr(SpilloverModel, "_muster", lambda model: 1 / 0)
        session.open(tiny(), SEED)
        shown = watcher.wait(lambda m: bool(m.error))
        assert "ZeroDivisionError" in shown.error and shown.done == 0 and shown.first.find("killed").size == 0
        for command in (session.play, session.step, lambda: session.fork(tiny()), session.part, session.toggle):
            watcher.after(command)
    assert watcher.after(lambda: session.open(tiny(), SEED), lambda m: m.done > 0).error == ""
    session.close()


def test_a_page_that_fails_ends_the_session(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Watcher):
        def show(self, moment: Moment) -> None:
            super().show(moment)
            if moment.at == 20:
                raise RuntimeError("the page is gone")

    watcher = Broken()
    session = Session(watcher.show)
    session.open(tiny(), SEED)
    watcher.after(lambda: session.seek(20), lambda m: m.at == 20)
    shown = watcher.after(lambda: session.seek(3), lambda m: m.at == 3)
    assert "the page is gone" in shown.error and "the page is gone" in caplog.text
    session.close()


def test_commands_before_anything_is_open_fail() -> None:
    watcher = Watcher()
    session = Session(watcher.show)
    for command in (session.play, session.pause, session.toggle, session.step, session.part):
        command()
    session.seek(4)
    session.compare(tiny())
    session.fork(tiny())
    assert session.moment is None
    shown = watcher.after(lambda: session.open(tiny(), SEED), lambda m: m.done > 0)
    assert (shown.at, shown.playing, shown.error) == (0, False, "") and session.moment == shown
    for speed in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="hours a second"):
            session.set_speed(speed)
    session.close()


def ours() -> list[Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "spillover session"]


def gone(threads: list[Thread]) -> bool:
    for thread in threads:
        thread.join(5.0)
    return not any(thread.is_alive() for thread in threads)


@pytest.fixture
def before() -> Iterator[list[Thread]]:
    yield (there := ours())
    assert set(ours()) <= set(there)


def test_a_closed_session_leaves_a_thread(before: list[Thread]) -> None:
    for busy in (False, True):
        with opened(tiny().with_values({"clock.days": 3600.0}), SEED) as (session, watcher):
            (thread,) = set(ours()) - set(before)
            if busy:
                watcher.after(session.play, lambda m: m.at > 0)
            session.close()
            assert not thread.is_alive()
            session.close()
            for command in (session.play, session.step, session.part):
                command()


def test_a_forgotten_session_leaves_a_thread(before: list[Thread]) -> None:
    watcher = Watcher()
    session = Session(watcher.show)
    session.open(tiny(), SEED)
    watcher.after(session.play, lambda m: m.at > 0)
    threads = [thread for thread in ours() if thread not in before]
    assert len(threads) == 1
    del session
    assert gone(threads)


def test_a_page_may_close_its_session_while_it_is_shown_something(before: list[Thread]) -> None:
    class Leaving(Watcher):
        def show(self, moment: Moment) -> None:
            super().show(moment)
            if moment.at > 3:
                sessions.pop().close()

    watcher = Leaving()
    sessions = [Session(watcher.show)]
    sessions[0].open(tiny(), SEED)
    sessions[0].seek(50)
    watcher.wait(lambda m: m.at > 3)
    assert gone([thread for thread in ours() if thread not in before])


def test_what_was_opened_before_is_kept_in_memory() -> None:
    """Not only until the collector comes round: Mesa's models are rings of references."""
    watcher = Watcher()
    session = Session(watcher.show)
    kept: list[weakref.ref[Any]] = []
    gc.collect()
    gc.disable()
    try:
        for seed in range(6):
            session.open(tiny(), seed)
            shown = watcher.wait(lambda m, seed=seed: m.first.seed == seed and m.done > 0)  # type: ignore[misc]
            session.seek(40)
            session.fork(tiny())
            shown = watcher.wait(lambda m, seed=seed: m.first.seed == seed and m.second is not None)  # type: ignore[misc]
            for track in (session._player.first, session._player.second):
                assert track is not None
                kept += [weakref.ref(track.model.residents), weakref.ref(track.tape), weakref.ref(track.tape.values)]
            del shown, track
            watcher.moments.clear()
        session.close()
        assert len(kept) == 36
        assert not any(ref() is not None for ref in kept[:-6]), "all but the last, which the session's moment may show"
    finally:
        gc.enable()
