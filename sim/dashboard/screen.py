"""What one page shows: a session, the widgets that show it, and what each is sent of an hour.

Maps and streets get a frame as soon as the browser has drawn the last one, charts and the feed a few times a second.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from threading import RLock
from time import monotonic
from typing import Any

from sim.dashboard import chart_view, city_view, feed, theatre_view, timeline_view
from sim.dashboard.chart_spec import ChartSpec
from sim.dashboard.post import Post, Traits
from sim.dashboard.session import USUAL_SPEED, Moment, Session
from sim.dashboard.setup import Opening, differences
from sim.dashboard.tape import Tape
from sim.dashboard.widgets import Chart, CityView, Feed, TheatreMap, Timeline
from sim.scenario import Scenario

FRAMES_A_SECOND = 20.0
READ_EVERY_S = 0.45
"""Charts and the feed are sent this often: one reads them, one does not watch them."""
MOST_LINES, MOST_CHARTS = 120, 8
FIRST_LAYER = city_view.LAYERS[0].id


@dataclass(frozen=True)
class Facts:
    """What the page is put together by: it is made anew when one of these changes, never for a frame."""

    first: Tape | None = None
    second: Tape | None = None
    speed: float = USUAL_SPEED
    error: str = ""


class Side:
    """One run's half of the page: its map, and the streets of one of its places."""

    def __init__(self, scenario: Scenario) -> None:
        self.map, self.city = TheatreMap(ground=theatre_view.ground(scenario)), CityView()
        self.tape: Tape | None = None
        self.place = ""

    def take(self, tape: Tape) -> None:
        """Show another run."""
        if tape is not self.tape:
            self.tape, self.map.ground = tape, theatre_view.ground(tape.scenario)

    def go_to(self, place: str, layer: str) -> None:
        """Show the streets of a place, where there are any in this run's scenario."""
        tape = self.tape
        self.place = place if tape is not None and place in dict(city_view.places(tape.scenario)) else ""
        self.city.layer = layer
        if tape is not None and self.place:
            self.city.ground = city_view.ground(tape, place)

    def frames(self, layer: str, step: int) -> Iterator[tuple[Any, Traits]]:
        """Yield its widgets, with what shows a step."""
        if self.tape is not None:
            yield self.map, partial(_framed, theatre_view.frame, self.tape, step)
            if self.place:
                yield self.city, partial(_framed, city_view.frame, self.tape, self.place, layer, step)


class Screen:
    """A page's runs and what shows them; `changed` is called when the page is to be put together anew."""

    def __init__(self, opening: Opening, changed: Callable[[], None]) -> None:
        self.changed, self.lock, self.post = changed, RLock(), Post()
        self.facts = Facts()
        self.moment: Moment | None = None
        self.scenario, self.specs = opening.scenario, chart_view.charts(opening.scenario)
        self.place, self.city_place, self.layer = "", "", FIRST_LAYER
        self.section, self.differs = "", False
        self.differences: list[str] = []  # of the second run from the first
        self.timeline, self.feed = Timeline(), Feed()
        self.sides: list[Side] = []
        self.charts: list[tuple[ChartSpec, Chart]] = []
        self.charts_there = 0  # of the section, with those for which there is no room
        self._made: list[Side] = []  # sides and charts that were shown once are used again
        self._spare: list[Chart] = []
        self._read_next = 0.0
        self._listen()
        self._take_sides(1)
        me = weakref.ref(self)  # a session ends when nobody holds it, so what it calls must not hold it
        self.session = Session(lambda moment: _show_on(me, moment), FRAMES_A_SECOND)

    def begin(self, opening: Opening) -> None:
        """Open a scenario or a run folder, and play."""
        if opening.folder is None:
            self.session.open(opening.scenario, opening.seed)
        else:
            self.session.replay(opening.folder)
        self.session.play()

    def close(self) -> None:
        """End the runs."""
        self.session.close()

    # --- from the session's thread -----------------------------------------------------------------------

    def show(self, moment: Moment) -> None:
        """Send the widgets what they show of a moment."""
        with self.lock:
            self.moment = moment
            facts = Facts(moment.first, moment.second, moment.speed, moment.error)
            anew, before, self.facts = facts != self.facts, self.facts, facts
            if (facts.first, facts.second) != (before.first, before.second):
                self._take(moment)
            self._send(moment)
        if anew:  # not with the lock held: the page may be waiting for it
            self.changed()

    def _take(self, moment: Moment) -> None:
        """Let the sides show the runs of a moment."""
        runs = [run for run in (moment.first, moment.second) if run is not None]
        if self.scenario is not moment.first.scenario:
            self.scenario, self.specs = moment.first.scenario, chart_view.charts(moment.first.scenario)
        self._take_sides(len(runs))
        for side, run in zip(self.sides, runs, strict=True):
            side.take(run)
        self.timeline.ground = timeline_view.ground(moment.first, moment.second)
        self.differences = differences(*(run.scenario for run in runs)) if len(runs) > 1 else []
        self._arrange()

    def _take_sides(self, many: int) -> None:
        while len(self._made) < many:
            self._made.append(Side(self.scenario))
            self._listen_to(self._made[-1])
        self.sides = self._made[:many]

    def _send(self, moment: Moment) -> None:
        """Send a frame to what moves, and to what is read when it is time for it or the clock stands."""
        self.post.together(dict(self._moving(moment)))
        now = monotonic()
        if _stands(moment) or now >= self._read_next:
            self._read_next = now + READ_EVERY_S
            self.post.each(dict(self._read(moment)))

    def _moving(self, moment: Moment) -> Iterator[tuple[Any, Traits]]:
        yield self.timeline, lambda: {"state": timeline_view.state(moment)}
        for side in self.sides:
            yield from side.frames(self.layer, moment.at)

    def _read(self, moment: Moment) -> Iterator[tuple[Any, Traits]]:
        for spec, chart in self.charts:
            yield chart, partial(_charted, spec, moment)
        yield self.feed, lambda: {"lines": self._lines(moment)}

    def _lines(self, moment: Moment) -> list[dict[str, Any]]:
        found = feed.lines(moment.first, moment.at + 1, self.place or None, MOST_LINES)
        return [{**asdict(line), "time": f"{line.time:%a} {line.time.day} {line.time:%b %H:%M}"} for line in found]

    # --- what the reader asks for --------------------------------------------------------------------------

    def pick(self, place: str) -> None:
        """Open a place: its streets, its charts, its part of the feed; "" is everywhere."""
        with self.lock:
            self.place = place if place in self.scenario.file.places else ""
            if self.place in self.city_places():
                self.city_place = self.place
            for side in self.sides:
                side.map.picked = self.place
        self._show_again()

    def choose(self, **what: Any) -> None:
        """Choose what is shown: `city_place`, `layer`, `section` of the charts, or `differs`."""
        with self.lock:
            vars(self).update(what)
        self._show_again()

    def _show_again(self) -> None:
        with self.lock:
            self._arrange()
            if self.moment is not None:
                self._read_next = 0.0
                self._send(self.moment)
        self.changed()

    def city_places(self) -> dict[str, str]:
        """Return the places whose streets can be shown, by id."""
        return dict(city_view.places(self.scenario))

    def sections(self) -> list[str]:
        """Return the sections of the charts."""
        return list(dict.fromkeys(spec.section for spec in self.specs))

    def _arrange(self) -> None:
        """Find the place and the charts to show: those chosen, or else the first that there are."""
        places, sections = self.city_places(), self.sections()
        self.city_place = self.city_place if self.city_place in places else next(iter(places), "")
        self.section = self.section if self.section in sections else next(iter(sections), "")
        for side in self.sides:
            side.go_to(self.city_place, self.layer)
        self._arrange_charts()

    def _arrange_charts(self) -> None:
        specs, first, second = chosen(self.specs, self.section, self.place), self.facts.first, self.facts.second
        if self.differs and second is not None:
            specs = [chart_view.difference(spec) for spec in specs if spec.kind != "stacked"]
        self.charts_there = len(specs)
        pool = [chart for _, chart in self.charts] + self._spare
        pool += [self._new_chart() for _ in range(min(len(specs), MOST_CHARTS) - len(pool))]
        self.charts = list(zip(specs[:MOST_CHARTS], pool, strict=False))
        self._spare = pool[len(self.charts) :]
        for spec, chart in self.charts:
            if first is not None:
                chart.spec = chart_view.ground(spec, first, second)

    def _new_chart(self) -> Chart:
        chart = Chart()
        chart.observe(self._sought, "sought")
        chart.observe(self._caught_up, "shown")
        return chart

    # --- what the browser says -----------------------------------------------------------------------------

    def _listen(self) -> None:
        self.timeline.observe(self._asked, "asked")
        self.feed.observe(self._sought, "sought")
        for widget in (self.timeline, self.feed):
            widget.observe(self._caught_up, "shown")

    def _listen_to(self, side: Side) -> None:
        side.map.observe(self._picked, "picked")
        for widget in (side.map, side.city):
            widget.observe(self._caught_up, "shown")

    def _caught_up(self, change: dict[str, Any]) -> None:
        """Make good what a widget has missed; while the clock goes, its next frame does."""
        with self.lock:
            if self.moment is not None and change["owner"] in self.post.owed and _stands(self.moment):
                self.post.make_good({**dict(self._moving(self.moment)), **dict(self._read(self.moment))})

    def _picked(self, change: dict[str, Any]) -> None:
        if change["new"] != self.place:
            self.pick(change["new"])

    def _sought(self, change: dict[str, Any]) -> None:
        if change["new"] >= 0:
            self.session.seek(change["new"])
            change["owner"].sought = -1  # so that the same hour can be asked for again

    def _asked(self, change: dict[str, Any]) -> None:
        asked = change["new"]
        if "seek" in asked:
            self.session.seek(int(asked["seek"]))
        elif "stop" in asked:
            self.session.pause()
            self.session.seek(int(asked["stop"]))
        elif "toggle" in asked:
            self.session.toggle()


def chosen(specs: list[ChartSpec], section: str, place: str) -> list[ChartSpec]:
    """Return the charts of a section: those of the place, else those of none, else all."""
    of_section = [spec for spec in specs if spec.section == section]
    narrowed = ([spec for spec in of_section if spec.about == about] for about in dict.fromkeys((place, "")))
    return next(filter(None, narrowed), of_section)


def _framed(frame: Callable[..., dict[str, Any]], *of_what: Any) -> dict[str, Any]:
    return {"frame": frame(*of_what)}


def _charted(spec: ChartSpec, moment: Moment) -> dict[str, Any]:
    return {"data": chart_view.data(spec, moment.first, moment.second, moment.done), "at": moment.at}


def _stands(moment: Moment) -> bool:
    """Say whether a moment stays until somebody asks for another."""
    return not moment.playing and moment.running_to is None


def _show_on(screen: weakref.ref[Screen], moment: Moment) -> None:
    there = screen()
    if there is not None:
        there.show(moment)
