"""The side panel: change something, run it beside the first run, take it away, bring another."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import solara

from sim.dashboard import chart_view
from sim.dashboard.elements import Button, choose, tag, use_heard
from sim.dashboard.screen import Facts, Screen
from sim.dashboard.setup import GROUPS, LARGEST_UPLOAD, Opening, Setup, knobs, received, switches, titles
from sim.dashboard.widgets import Files, Knobs
from sim.scenario import Scenario, ScenarioError

FORK = "Go on from this hour with these, beside the first run"
ADVICE = "Nothing changed yet. Switch a channel off, and go on from this hour beside the first run."
ADVICE_ON_KEPT = "Nothing changed yet. Switch a channel off, and run that beside the first from the start."
NO_FORK = "A kept run has no states to go on from."

Attempt = Callable[[Callable[[], None]], None]


@solara.component
def Change(
    screen: Screen, facts: Facts, setup: Setup, set_setup: Callable[[Any], None], start: Callable[[Opening], None],
    attempt: Attempt,
) -> Any:  # fmt: skip
    """Show every switch and slider, and what can be done with those changed."""
    widget = solara.use_memo(lambda: _knobs_of(setup.base), [setup.base])
    use_heard(widget, "moved", lambda moved: set_setup(lambda before: before.with_moves(moved["values"])))
    solara.use_effect(lambda: setattr(widget, "values", dict(setup.values)), [widget, setup])
    first, many = facts.first, len(setup.values)
    replayed, seed = first is not None and first.replayed, 0 if first is None else first.seed
    advice = (ADVICE_ON_KEPT if replayed else ADVICE) if not many else f"{many} changed. {NO_FORK if replayed else ''}"
    as_it_runs = not many and first is not None and first.scenario is setup.base
    acts: tuple[tuple[str, str, bool, Callable[[], None]], ...] = (
        (FORK, "sp-strong", not many or replayed, lambda: screen.session.fork(setup.scenario)),
        ("Run beside the first from the start", "", not many, lambda: screen.session.compare(setup.scenario)),
        ("Start over with these", "", as_it_runs, lambda: start(Opening(setup.scenario, seed))),
        ("Reset all", "sp-quiet", not many, lambda: set_setup(Setup(setup.base))),
    )
    return tag("div", "sp-fill", [
        tag("p", "sp-about", [advice], role="status"),
        tag("div", "sp-acts", [
            Button(text, lambda act=act: attempt(act), f"sp-button {class_}", off) for text, class_, off, act in acts
        ]),
        widget,
    ])  # fmt: skip


def _knobs_of(scenario: Scenario) -> Knobs:
    order = {group: number for number, group in enumerate(GROUPS)}
    found = sorted(knobs(scenario), key=lambda knob: order.get(knob.group, len(order)))
    rows = [{**asdict(knob), "title": knob.title, "heading": GROUPS.get(knob.group, knob.group)} for knob in found]
    headings = {"channel": "Channels", "event": "Events on or off", "air force": "Air forces on or off"}
    left_out = [{**asdict(switch), "heading": headings[switch.kind]} for switch in switches(scenario)]
    return Knobs(knobs=rows, switches=left_out)


@solara.component
def Compare(screen: Screen, facts: Facts, attempt: Attempt) -> Any:
    """Show how the runs differ, and offer another scenario to run beside the first."""
    other, set_other = solara.use_state("")

    def run() -> None:
        attempt(lambda: screen.session.compare(Scenario.load(other)))

    beside = Button("Run it beside the first, from the start", run, "sp-button sp-strong", not other)
    return tag("div", "sp-fill", [
        tag("p", "sp-about", ["Both runs draw the same luck, hour by hour: what differs comes from what was changed."]),
        choose("Another scenario", other, {"": "Choose one"} | titles(), set_other),
        tag("div", "sp-acts", [beside]),
        *(_told(screen, attempt) if facts.second is not None else []),
    ])  # fmt: skip


def _told(screen: Screen, attempt: Attempt) -> list[Any]:
    """Return what differs between the runs, and a way to drop the second."""
    said = screen.differences or ["nothing: the same set-up on the same seed"]
    return [
        tag("h3", "sp-head", ["B differs from A in"]),
        tag("ul", "sp-list", [tag("li", "", [line]) for line in said]),
        Button("Drop the second run", lambda: attempt(screen.session.part)),
    ]


@solara.component
def TakeAndBring(
    screen: Screen, facts: Facts, setup: Setup, begin: Callable[[Opening], None], attempt: Attempt
) -> Any:  # fmt: skip
    """Offer what can be saved, and take a scenario file, which is run on the seed of the run shown."""
    widget = solara.use_memo(lambda: Files(largest=LARGEST_UPLOAD), [])
    faults, set_faults = solara.use_state(())
    parcels = {"setup": lambda: _file_of(setup), "charts": lambda: _charts_of(screen)}

    def send(asked: dict[str, Any]) -> None:
        attempt(lambda: setattr(widget, "parcel", parcels[asked["what"]]() | {"n": asked["n"]}))

    def take(brought: dict[str, Any]) -> None:
        content = bytes(brought["content"]) if brought["size"] <= LARGEST_UPLOAD else bytes(LARGEST_UPLOAD + 1)
        try:
            begin(Opening(received(brought["name"], content), 0 if facts.first is None else facts.first.seed))
            set_faults(())
        except ScenarioError as error:
            set_faults(error.faults)

    use_heard(widget, "asked", send)
    use_heard(widget, "brought", take)
    told = [tag("li", "", [str(fault)]) for fault in faults]
    return tag("div", "sp-fill", [widget, tag("ul", "sp-faults", told, role="alert")])


def _file_of(setup: Setup) -> dict[str, Any]:
    return {"name": setup.file_name, "kind": "application/toml", "content": setup.scenario.to_toml().encode()}


def _charts_of(screen: Screen) -> dict[str, Any]:
    """Return the charts shown as a table, or as an archive of several."""
    first, second = screen.facts.first, screen.facts.second
    if first is None:
        raise ValueError("there is no run yet")
    tables = {f"{spec.id}.csv": chart_view.csv(spec, first, second).encode() for spec, _ in screen.charts}
    if len(tables) == 1:
        return {"name": next(iter(tables)), "kind": "text/csv", "content": next(iter(tables.values()))}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in tables.items():
            archive.writestr(name, table)
    return {"name": f"{first.scenario.id}-charts.zip", "kind": "application/zip", "content": packed.getvalue()}
