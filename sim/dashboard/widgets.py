"""The widgets of the page: what is sent to the browser, and what comes back.

Each draws on a canvas of its own, from the files in `static`. `number` counts the frames sent and
`shown` is the last that the browser has drawn: a sender who sees two outstanding skips his frame,
so that a slow browser gets fewer frames and never a backlog.
"""

from __future__ import annotations

from importlib.resources import files

import anywidget
import traitlets


def text_of(name: str) -> str:
    """Return the text of a file of `static`."""
    return files("sim.dashboard").joinpath("static", name).read_text(encoding="utf-8")


def module(*names: str) -> str:
    """Return the text of one ES module: files of `static`, by name without ending, one after another."""
    return "\n".join(text_of(f"{name}.js") for name in names)


class TheatreMap(anywidget.AnyWidget):
    """The map of the theatre, from `theatre_view`; `picked` is the id of the place clicked last."""

    _esm = module("common", "map_shapes", "map_countries", "map_words", "map")
    ground = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    picked = traitlets.Unicode("").tag(sync=True)
    number = traitlets.Int(0).tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)


class CityView(anywidget.AnyWidget):
    """The neighbourhoods of a place, from `city_view`, shaded by `layer`."""

    _esm = module("common", "city_shapes", "city_words", "city")
    ground = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    layer = traitlets.Unicode("").tag(sync=True)
    number = traitlets.Int(0).tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)


class Chart(anywidget.AnyWidget):
    """A chart over the hours of a run, from `chart_view`; `sought` is the step clicked last, -1 before."""

    _esm = module("common", "clock", "uPlot.iife.min", "chart")
    _css = text_of("uPlot.min.css")
    spec = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes(b"").tag(sync=True)
    at = traitlets.Int(0).tag(sync=True)
    sought = traitlets.Int(-1).tag(sync=True)
    number = traitlets.Int(0).tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)


class Timeline(anywidget.AnyWidget):
    """The hours of a run as a line to go back and forth on, from `timeline_view`.

    `asked` is what the reader asked of it last: {"seek": step}, {"stop": step} or {"toggle": true}, with a
    number `n` that tells equal ones apart.
    """

    _esm = module("common", "clock", "timeline")
    ground = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    number = traitlets.Int(0).tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)


class Feed(anywidget.AnyWidget):
    """What happened in words, from `feed`; `sought` is the step of the line clicked last, -1 before."""

    _esm = module("feed")
    lines = traitlets.List().tag(sync=True)
    sought = traitlets.Int(-1).tag(sync=True)
    number = traitlets.Int(0).tag(sync=True)
    shown = traitlets.Int(0).tag(sync=True)


class Knobs(anywidget.AnyWidget):
    """The sliders, from `setup`; `values` are those changed, by path, and `moved` those moved since that was said."""

    _esm = module("knobs")
    knobs = traitlets.List().tag(sync=True)
    switches = traitlets.List().tag(sync=True)
    values = traitlets.Dict().tag(sync=True)
    moved = traitlets.Dict().tag(sync=True)


class Files(anywidget.AnyWidget):
    """What is taken away and brought: `parcel` is for the reader, `brought` from the reader, `largest` in bytes."""

    _esm = module("files")
    largest = traitlets.Int(0).tag(sync=True)
    asked = traitlets.Dict().tag(sync=True)
    parcel = traitlets.Dict().tag(sync=True)
    brought = traitlets.Dict().tag(sync=True)
