"""The page: what stands where, and which of it is there at the moment.

It is put together anew only when something is chosen, opened or refused. What moves is the widgets' (`screen`). An
element keeps its tag for as long as its place on the page is taken: the browser does not take another one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import solara
import solara.lab

from sim.console import LARGEST_SEED
from sim.dashboard import city_view
from sim.dashboard.controls import Change, Compare, TakeAndBring
from sim.dashboard.elements import Button, choose, number, pressed, tag
from sim.dashboard.screen import Screen, Side
from sim.dashboard.setup import Opening, Setup, name_of, titles
from sim.scenario import Scenario

WHAT_IT_IS = "One run of a simulation of few and contested facts; not a forecast."
SPEEDS = {6.0: "6 h/s", 24.0: "1 d/s", 72.0: "3 d/s", 240.0: "10 d/s", 1e6: "fastest"}
"""Hours of the scenario in a second, and how that is told; nothing runs a million."""
MOST_TOLD = 3
"""Differences named above the second run; the panel Compare has all."""
TABS = ("Feed", "Change", "Compare", "Files")
OF_THE_FOLDER, BROUGHT = "the run folder", "the uploaded file"

_opening: list[Opening] = []


def opens(opening: Opening) -> None:
    """Say what a page shows when it opens."""
    _opening[:] = [opening]


@solara.component
def Layout(children: list[Any]) -> Any:
    """Put nothing around the page: no bar and no margins but its own."""
    return tag("div", "sp-root", children)


@solara.component
def Page() -> Any:
    """One reader's page, with runs of its own."""
    screen = _use_screen()
    opening, set_opening = solara.use_state(_opening[0])
    setup, set_setup = solara.use_state(Setup(_opening[0].scenario))
    trouble, attempt = _use_trouble()
    dark, turn = _use_dark()
    tab, set_tab = solara.use_state(TABS[0])

    def start(begun: Opening) -> None:
        set_opening(begun)
        screen.begin(begun)

    def begin(begun: Opening) -> None:
        set_setup(Setup(begun.scenario))
        start(begun)

    panels: dict[str, Callable[[], Any]] = {
        "Feed": lambda: _feed(screen),
        "Change": lambda: Change(screen, screen.facts, setup, set_setup, start, attempt),
        "Compare": lambda: Compare(screen, screen.facts, attempt),
        "Files": lambda: TakeAndBring(screen, screen.facts, setup, begin, attempt),
    }
    changed = opening.scenario != setup.base
    stage = tag("div", "sp-stage", [_sides(screen), _charts(screen)])
    panel = tag("div", "sp-panel", [panels[tab]().key(tab)], role="tabpanel")
    return tag("div", f"sp-page {'sp-dark' if dark else 'sp-light'}", [
        Bar(opening, changed, lambda begun: attempt(lambda: begin(begun)), start, dark, turn),
        Trouble("\n".join(filter(None, (trouble, screen.facts.error)))),
        _clock(screen),
        tag("div", "sp-main", [stage, tag("div", "sp-side", [_tabs(tab, set_tab), panel])], role="main"),
    ])  # fmt: skip


def _use_screen() -> Screen:
    """Return the page's screen, whose runs begin when the page is there and end when it is gone."""
    _, set_version = solara.use_state(0)
    screen: Screen = solara.use_memo(lambda: Screen(_opening[0], lambda: set_version(lambda before: before + 1)), [])

    def live() -> Callable[[], None]:
        screen.begin(_opening[0])
        return screen.close

    solara.use_effect(live, [])
    return screen


def _use_trouble() -> tuple[str, Callable[[Callable[[], None]], None]]:
    """Return what the last attempt ran into, and what attempts something."""
    trouble, set_trouble = solara.use_state("")

    def attempt(act: Callable[[], None]) -> None:
        try:
            act()
            set_trouble("")
        except Exception as error:
            set_trouble(str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}")

    return trouble, attempt


def _use_dark() -> tuple[bool, Callable[[], None]]:
    """Return whether the page is dark, and what turns it."""
    dark, set_dark = solara.use_state(False)

    def turn() -> None:
        solara.lab.theme.dark = not dark
        set_dark(not dark)

    return dark, turn


# --- the bar -------------------------------------------------------------------------------------------------


@solara.component
def Bar(
    opening: Opening, changed: bool, begin: Callable[[Opening], None], start: Callable[[Opening], None], dark: bool,
    turn: Callable[[], None],
) -> Any:  # fmt: skip
    """Show the name, what this is, and what is run."""
    seed, set_seed = solara.use_state(opening.seed)
    named, names = _names(opening)

    def take(name: str) -> None:
        if name in titles():
            begin(Opening(Scenario.load(name), seed))

    again = Button("Start over", lambda: start(replace(opening, seed=seed)), title="From its start, on this seed")
    return tag("div", "sp-bar", [
        tag("h1", "sp-name", ["Spillover"]),
        tag("p", "sp-what", [WHAT_IT_IS]),
        choose("Scenario, changed" if changed else "Scenario", named, names, take, "sp-scenario"),
        number("Seed", seed, set_seed, LARGEST_SEED),
        again,
        Button("Light" if dark else "Dark", turn, "sp-button sp-quiet", aria_pressed=pressed(dark)),
    ], role="banner")  # fmt: skip


def _names(opening: Opening) -> tuple[str, dict[str, str]]:
    """Return what is open, and all that can be chosen, each with what it is called."""
    names = {name: f"{title} ({name})" for name, title in titles().items()}
    if opening.folder is None and (shipped := name_of(opening.scenario)) is not None:
        return shipped, names
    named = BROUGHT if opening.folder is None else OF_THE_FOLDER
    return named, {named: f"{opening.scenario.title} ({named})"} | names


@solara.component
def Trouble(told: str) -> Any:
    """Show what was refused or went wrong, until the reader has seen it."""
    seen, set_seen = solara.use_state("")
    shown = told if told != seen else ""
    return tag("div", "sp-alert" if shown else "sp-no-alert", [
        tag("p", "", [shown], role="alert"),
        Button("Close", lambda: set_seen(told), "sp-button sp-quiet"),
    ])  # fmt: skip


def _clock(screen: Screen) -> Any:
    """Return the hours of the run, and how fast they go."""
    speeds = [
        Button(
            text, lambda speed=speed: screen.session.set_speed(speed), "sp-speed",
            aria_pressed=pressed(screen.facts.speed == speed),
        )
        for speed, text in SPEEDS.items()
    ]  # fmt: skip
    return tag("div", "sp-clock", [
        tag("div", "sp-timeline", [screen.timeline]),
        tag("div", "sp-speeds", speeds, role="group", aria_label="Speed"),
    ])  # fmt: skip


# --- maps and streets ----------------------------------------------------------------------------------------


def _sides(screen: Screen) -> Any:
    """Return each run's map and streets: side by side, or one run a column where there are two."""
    several = len(screen.sides) > 1
    sides = [_side(screen, side, number if several else None) for number, side in enumerate(screen.sides)]
    return tag("div", f"sp-sides {'sp-two' if several else 'sp-one'}", sides)


def _side(screen: Screen, side: Side, number: int | None) -> Any:
    label = "AB"[number or 0]
    about = [] if number is None else [tag("b", "", [label]), _which(screen, number)]
    panes = [tag("div", "sp-pane sp-map", [side.map], data_name=f"map-{label}")]
    if side.place:
        panes.append(tag("div", "sp-pane sp-city", [_streets(screen), side.city], data_name=f"streets-{label}"))
    return tag("div", "sp-one-side", [tag("p", "sp-which", about), tag("div", "sp-panes", panes)])


def _which(screen: Screen, number: int) -> str:
    """Say which of two runs this is: as it is called, or where both are called the same, by what differs."""
    second = screen.facts.second
    if second is None or number == 0:
        return screen.scenario.title
    if second.scenario.title != screen.scenario.title:
        return second.scenario.title
    since = second.time(second.begins)
    begins = f"from {since:%a} {since.day} {since:%b %H:%M}: " if second.begins else ""
    more = len(screen.differences) - MOST_TOLD
    told = "; ".join(screen.differences[:MOST_TOLD]) or "the same set-up"
    return f"{begins}{told}{f'; and {more} more' if more > 0 else ''}"


def _streets(screen: Screen) -> Any:
    """Return the choice of the place and of the layer."""
    layers = {layer.id: layer.name for layer in city_view.LAYERS}
    return tag("div", "sp-choices", [
        choose("Streets of", screen.city_place, screen.city_places(), lambda place: screen.choose(city_place=place)),
        choose("Shaded by", screen.layer, layers, lambda layer: screen.choose(layer=layer)),
    ])  # fmt: skip


# --- charts and the feed -------------------------------------------------------------------------------------


def _charts(screen: Screen) -> Any:
    """Return the charts of a section, and the choice of it."""
    sections = [
        Button(
            section, lambda section=section: screen.choose(section=section), "sp-section",
            aria_pressed=pressed(section == screen.section),
        )
        for section in screen.sections()
    ]  # fmt: skip
    if screen.facts.second is not None:
        difference = Button(
            "Difference", lambda: screen.choose(differs=not screen.differs), "sp-section sp-differs",
            aria_pressed=pressed(screen.differs), title="A less B, in place of both",
        )  # fmt: skip
        sections.append(difference)
    return tag("div", "sp-charts", [
        tag("div", "sp-sections", [
            tag("div", "sp-section-names", sections, role="group", aria_label="Charts"), _about(screen),
        ]),
        tag("div", "sp-grid", [tag("div", "sp-chart", [chart]) for _, chart in screen.charts]),
        tag("p", "sp-about", [_left_out(screen)]),
    ])  # fmt: skip


def _left_out(screen: Screen) -> str:
    """Say where the charts are for which there is no room."""
    shown, there = len(screen.charts), screen.charts_there
    return f"{shown} of {there} charts. A place chosen under “About” shows its own." if shown < there else ""


def _about(screen: Screen) -> Any:
    """Return the choice of the place that charts and feed are about."""
    places = {"": "Everywhere"} | {key: place.name for key, place in screen.scenario.file.places.items()}
    return choose("About", screen.place, places, screen.pick, "sp-place")


def _feed(screen: Screen) -> Any:
    """Return what happened, in words."""
    place = screen.scenario.file.places.get(screen.place)
    about = ["Everywhere. A place picked on the map narrows it."]
    if place is not None:
        about = [f"Only {place.name}. ", Button("Show everywhere", lambda: screen.pick(""), "sp-link")]
    return tag("div", "sp-fill", [tag("p", "sp-about", about), screen.feed])


def _tabs(chosen: str, set_tab: Callable[[str], None]) -> Any:
    """Return the choice of what the side panel shows."""
    tabs = [
        Button(name, lambda name=name: set_tab(name), "sp-tab", role="tab", aria_selected=pressed(name == chosen))
        for name in TABS
    ]
    return tag("div", "sp-tabs", tabs, role="tablist")
