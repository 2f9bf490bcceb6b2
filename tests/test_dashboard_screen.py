"""What a page shows of its runs: the same hour everywhere, no more than a browser draws, and nothing stale at rest."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from sim.dashboard.post import OUTSTANDING, Post
from sim.dashboard.screen import Screen
from sim.dashboard.session import Moment
from sim.dashboard.setup import Opening, Setup
from sim.runs import run
from sim.scenario import Scenario, shipped

pytest.importorskip("anywidget", reason="the dashboard's packages are not installed")

PATIENCE_S = 20.0
TINY = Scenario.load("tiny")


class Widget:
    """Stands in for one in a browser: it is sent frames, and draws when it is told to."""

    def __init__(self) -> None:
        self.number = self.shown = 0
        self.frame: Any = None

    @contextmanager
    def hold_sync(self) -> Iterator[None]:
        yield


def frame(of: int) -> Callable[[], dict[str, Any]]:
    return lambda: {"frame": of}


# --- the post --------------------------------------------------------------------------------------------


def test_a_slow_browser_gets_a_backlog() -> None:
    post, widget = Post(), Widget()
    for hour in range(10):
        post.each({widget: frame(hour)})
    assert widget.number == OUTSTANDING and widget.frame == OUTSTANDING - 1
    assert widget in post.owed


def test_what_a_slow_browser_missed_is_lost() -> None:
    post, widget, quick = Post(), Widget(), Widget()
    for hour in range(10):
        post.each({widget: frame(hour), quick: frame(hour)})
        quick.shown = quick.number
    widget.shown = widget.number
    post.make_good({widget: frame(9), quick: frame(10)})
    assert widget.frame == 9 and not post.owed
    assert quick.frame == 9, "it had missed nothing"


def test_a_frame_is_made_that_nobody_is_sent() -> None:
    post, widget = Post(), Widget()
    made: list[int] = []
    for hour in range(10):
        post.each({widget: lambda hour=hour: {"frame": made.append(hour)}})
    assert made == list(range(OUTSTANDING))


def test_two_maps_show_different_hours() -> None:
    post, slow, quick = Post(), Widget(), Widget()
    for hour in range(10):
        post.together({slow: frame(hour), quick: frame(hour)})
        quick.shown = quick.number
        slow.shown += hour % 2
        assert slow.frame == quick.frame


def test_one_that_is_stuck_stops_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("sim.dashboard.post.monotonic", lambda: now[0])
    post, stuck, quick = Post(), Widget(), Widget()
    for hour in range(100):
        now[0] += 0.1
        post.together({stuck: frame(hour), quick: frame(hour)})
        quick.shown = quick.number
    assert stuck.number == OUTSTANDING
    assert quick.number > 5


# --- a screen --------------------------------------------------------------------------------------------


class Page:
    """A screen whose browser draws at once, and how often it was put together anew."""

    def __init__(self, opening: Opening) -> None:
        self.changes = 0
        self.screen = Screen(opening, self.change)
        for widget in self.widgets():
            widget.observe(self.draw, "number")
        self.screen.begin(opening)

    def change(self) -> None:
        self.changes += 1

    def draw(self, change: dict[str, Any]) -> None:
        change["owner"].shown = change["new"]

    def widgets(self) -> list[Any]:
        sides = [widget for side in self.screen.sides for widget in (side.map, side.city)]
        return [self.screen.timeline, self.screen.feed, *sides]

    def wait(self, until: Callable[[Moment], Any]) -> Moment:
        """Wait until a moment that is shown is as wanted."""
        end = monotonic() + PATIENCE_S
        while monotonic() < end:
            with self.screen.lock:  # it is not looked at while it takes a moment up
                moment = self.screen.moment
                if moment is not None and until(moment):
                    return moment
            sleep(0.01)
        raise AssertionError(f"not within {PATIENCE_S:g} s; last seen: {self.screen.moment}")

    def at_rest(self, step: int) -> Moment:
        """Stop at a step."""
        self.screen.session.pause()
        self.screen.session.seek(step)
        return self.wait(lambda moment: moment.at == step and not moment.playing and moment.running_to is None)


@contextmanager
def paged(scenario: Scenario = TINY, **more: Any) -> Iterator[Page]:
    page = Page(Opening(scenario, seed=1, **more))
    try:
        yield page
    finally:
        page.screen.close()


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_scenario_cannot_be_shown(name: str) -> None:
    with paged(Scenario.load(name)) as page:
        page.screen.session.set_speed(1000.0)
        moment = page.wait(lambda moment: moment.at > 40 or moment.error)
        assert moment.error == ""
        assert page.screen.charts and page.screen.timeline.ground["days"]
        for section in page.screen.sections():
            page.screen.choose(section=section)
            assert all(chart.spec["title"] for _, chart in page.screen.charts)


def test_a_page_opens_and_nothing_goes_on() -> None:
    with paged() as page:
        first = page.wait(lambda moment: moment.done > 0 and moment.playing)
        assert page.wait(lambda moment: moment.at > first.at + 5).playing


def test_what_stands_still_is_of_another_hour() -> None:
    with paged() as page:
        moment = page.at_rest(60)
        screen = page.screen
        assert screen.timeline.state["at"] == screen.sides[0].map.frame["at"] == 60
        assert max(line["step"] for line in screen.feed.lines) <= 60
        for spec, chart in screen.charts:
            steps = struct.unpack(f"{len(chart.data) // 8}d", chart.data)[: moment.done]
            assert chart.at == 60 and (spec.reading == "daily" or steps[60] == 60.0)


def test_the_page_is_put_together_anew_for_every_hour() -> None:
    with paged() as page:
        page.screen.session.set_speed(200.0)
        page.wait(lambda moment: moment.at == moment.steps - 1)
        assert page.changes <= 3, "for the run that was opened, and the speed"


def test_a_picked_place_is_not_opened() -> None:
    with paged(Scenario.load("three-rivers")) as page:
        page.at_rest(100)
        page.screen.choose(section="Killed and wounded")
        everywhere = len(page.screen.feed.lines)
        page.screen.sides[0].map.picked = "weir"  # as the browser says it
        assert (page.screen.place, page.screen.city_place) == ("weir", "weir")
        assert {line["place"] for line in page.screen.feed.lines} <= {"weir"}
        assert {spec.about for spec, _ in page.screen.charts} == {"weir"}
        page.screen.pick("")
        assert len(page.screen.feed.lines) == everywhere
        assert page.screen.sides[0].map.picked == ""


def test_a_second_run_has_no_side() -> None:
    off = Setup(TINY).moved("channels.kin.on", False).scenario
    with paged() as page:
        page.at_rest(30)
        page.screen.session.fork(off)
        page.wait(lambda moment: len(page.screen.sides) == 2)
        first, second = page.screen.sides
        assert first.tape is not second.tape and second.city.ground
        page.screen.choose(section="Killed and wounded", differs=True)
        assert all(spec.differs for spec, _ in page.screen.charts)
        page.screen.session.part()
        page.wait(lambda moment: page.screen.sides == [first])
        page.screen.session.compare(off)
        page.wait(lambda moment: len(page.screen.sides) == 2)
        assert page.screen.sides == [first, second], "its widgets are used again"
        assert page.screen.differences == ["channel kin off"]


def test_what_the_browser_asks_for_is_not_done() -> None:
    with paged() as page:
        page.at_rest(20)
        timeline, feed = page.screen.timeline, page.screen.feed
        timeline.asked = {"seek": 50, "n": 1}
        page.wait(lambda moment: moment.at == 50)
        timeline.asked = {"stop": 48, "n": 2}
        page.wait(lambda moment: moment.at == 48)
        feed.sought = 10
        page.wait(lambda moment: moment.at == 10)
        assert feed.sought == -1, "so that the same line can be clicked again"
        timeline.asked = {"toggle": True, "n": 3}
        page.wait(lambda moment: moment.playing)


def test_a_kept_run_is_run_again(tmp_path: Path) -> None:
    run(TINY, seed=5, days=2.0).save(tmp_path / "kept")
    result = Opening(TINY, 5, tmp_path / "kept")
    with paged(TINY, folder=result.folder) as page:
        moment = page.wait(lambda moment: moment.done == 48)
        assert moment.first.replayed and moment.first.seed == 5


def test_a_screen_that_is_gone_goes_on_running() -> None:
    with paged() as page:
        session = page.screen.session
        page.wait(lambda moment: moment.at > 0)
    assert not session._thread.is_alive()
