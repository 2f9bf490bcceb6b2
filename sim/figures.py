"""Two pictures of a run: how it went in time, and where.

They draw what any scenario has: its places, factions and channels, not those of one battle. Colours
are Okabe and Ito's, which people with any colour vision can tell apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import cycle
from math import cos, hypot, radians, sqrt
from pathlib import Path
from textwrap import shorten
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from sim import geography, measures
from sim.runs import Result
from sim.schema import Place

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#332288", "#666666")
KILLED, WOUNDED, NOBODY, LAND, SEA, BORDER = "#222222", "#BBBBBB", "#999999", "#F7F5F0", "#E8EEF2", "#B9B4A8"
STYLE: Any = {
    "font.size": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "savefig.dpi": 160,
}
PAPER: Any = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2.0}
MOST_PLACES = 3  # panels of killed and wounded
MOST_QUARTERS = 4  # panels of alarm
MOST_EVENTS = 12
LONGEST_TEXT = 115
OUTLINES = " Outlines: Natural Earth, de facto, taking no side."
MOVED = 0.02  # a change of control that can be seen


def timeline(result: Result, path: str | Path) -> Path:
    """Draw killed and wounded by day and place, control where it moved, and alarm by channel."""
    with mpl.rc_context(STYLE):
        panels = list(_panels(result))
        events = _shown_events(result)
        notes = 0.112 * (len(events) + 1) + 0.1  # inches
        heights = [1.0 if kind == "people" else 0.8 for kind, *_ in panels]
        tall = 1.55 * sum(heights) + notes + 0.6
        layout = ConstrainedLayoutEngine(rect=(0, notes / tall, 1, 1 - notes / tall))
        figure = Figure(figsize=(7.2, tall), layout=layout)
        grid = figure.subplots(len(panels), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
        for axes, (_, draw, key) in zip(grid, panels, strict=True):
            draw(axes, result, key)
            _mark_events(axes, events)
        _number_events(grid[0], events)
        _date_axis(grid[-1], result)
        figure.suptitle(result.scenario.title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        lines = [
            f"{number}  {day}: {shorten(text, LONGEST_TEXT, placeholder=' …')}"
            for number, (_, day, text) in enumerate(events, 1)
        ]
        note = "\n".join([*lines, _caption(result)])
        figure.text(0.01, 0.006, note, fontsize=6.5, va="bottom", color="#444444")
        figure.savefig(path)
    return Path(path)


def _panels(result: Result) -> Iterator[tuple[str, Any, str]]:
    """Yield what is drawn, from top to bottom: places, the most hurt first, then neighbourhoods' alarm.

    Of a known model on a lattice: its people by state.
    """
    if result.scenario.model != "theatre":
        yield from (("people", _draw_state, state) for state in ("active", "jailed", "quiet"))
        if not measures.killed_total(result):
            return
    moved = _moved(result)
    for place in _shown_places(result):
        yield "people", _draw_casualties, place
        if place in moved:
            yield "share", _draw_control, place
    if measures.channels(result.columns):
        for quarter in _shown_quarters(result)[:MOST_QUARTERS]:
            yield "share", _draw_alarm, quarter


def _shown_places(result: Result) -> list[str]:
    """Return the places that have neighbourhoods, then the most hurt, in the order of the hurt."""
    quarters = {quarter.place for quarter in result.scenario.file.neighbourhoods.values()}
    killed, wounded = measures.killed_by_place(result), measures.wounded_by_place(result)
    places = sorted(killed, key=lambda place: (-killed[place], -wounded[place]))
    hurt = [place for place in places if killed[place] + wounded[place] or place in quarters] or places[:1]
    chosen = sorted(hurt, key=lambda place: place not in quarters)[:MOST_PLACES]
    return [place for place in hurt if place in chosen]


def _shown_quarters(result: Result) -> list[str]:
    """Return the neighbourhoods that face another, or all where none does."""
    file = result.scenario.file
    facing = {quarter for line in file.lines_of_contact.values() for quarter in line.between}
    return [quarter for quarter in file.neighbourhoods if quarter in facing or not facing]


def _moved(result: Result) -> set[str]:
    levels, keys = result.columns.levels("control"), result.columns.keys("control", "place")
    moved = (level.size > 0 and np.ptp(level) > MOVED for level in levels.T)
    return {place for (place,), changed in zip(keys, moved, strict=True) if changed}


def _draw_state(axes: Axes, result: Result, state: str) -> None:
    """Draw how many people are in a state when each step ends, by group where there are two."""
    communities = result.scenario.file.communities
    times, levels = result.columns.times.tz_localize(None), result.columns.levels(state)
    for (group,), colour, level in zip(result.columns.keys(state, "community"), PALETTE, levels.T, strict=False):
        axes.plot(times, level, color=colour, lw=0.9, label=communities[group].name if group else None)
    axes.set_title(state.capitalize())
    axes.set_ylabel("people")
    axes.set_ylim(bottom=0)
    if communities:
        axes.legend(loc="upper right")


def _draw_casualties(axes: Axes, result: Result, place: str) -> None:
    days = measures.casualties_by_day(result)[place]
    noon = days.index + np.timedelta64(12, "h")
    killed, wounded = days["killed"].to_numpy(), days["wounded"].to_numpy()
    axes.bar(noon, killed, width=0.8, color=KILLED, label=f"killed ({killed.sum():,})")
    axes.bar(noon, wounded, width=0.8, bottom=killed, color=WOUNDED, label=f"wounded ({wounded.sum():,})")
    axes.set_ylabel("people a day")
    axes.set_ylim(0, max(1.0, 1.08 * float((killed + wounded).max(initial=0))))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    _titled(axes, result.scenario.file.places[place].name)


def _draw_control(axes: Axes, result: Result, place: str) -> None:
    colours = _colours(result.scenario.file.factions)
    columns, when = result.columns, _local(result)
    for (town, faction), level in zip(
        columns.keys("control", "place", "faction"), columns.levels("control").T, strict=True
    ):
        if town == place and level.max() > MOVED:
            name = result.scenario.file.factions[faction].name
            axes.plot(when, level, color=colours[faction], linewidth=1.3, label=name)
    _share_axis(axes, "share held", f"{result.scenario.file.places[place].name}: control")


def _draw_alarm(axes: Axes, result: Result, quarter: str) -> None:
    """Draw for each channel the alarm in the community of a neighbourhood that is most alarmed."""
    columns, when = result.columns, _local(result)
    for channel, colour in zip(measures.channels(columns), cycle(PALETTE), strict=False):
        measure = f"alarm_{channel}"
        mine = [key == (quarter,) for key in columns.keys(measure, "neighbourhood")]
        if any(mine) and (level := columns.levels(measure)[:, mine].max(axis=1, initial=0.0)).any():
            axes.plot(when, level, color=colour, linewidth=1.1, label=channel)
    name = result.scenario.file.neighbourhoods[quarter].name
    _share_axis(axes, "alarm (0 to 1)", f"{name}: alarm by channel")


def _share_axis(axes: Axes, label: str, title: str) -> None:
    axes.set_ylim(-0.02, 1.02)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel(label)
    _titled(axes, title)


def _titled(axes: Axes, title: str) -> None:
    """Write the title above a panel, and beside it what the colours mean."""
    axes.set_title(title)
    if axes.get_legend_handles_labels()[0]:
        where: Any = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.98), "ncols": 8}
        axes.legend(**where, columnspacing=1.2, handlelength=1.2, borderpad=0.2)


def _local(result: Result) -> Any:
    """Return when each step ends, in local time, for levels are read then."""
    span = np.timedelta64(round(result.scenario.step_hours * 3600), "s")
    return result.columns.times.tz_localize(None).to_numpy() + span


def _shown_events(result: Result) -> list[tuple[Any, str, str]]:
    """Return when, the day in words, and what: the events that took effect, the first of them.

    Pauses of an assault come again and again, and show in the bars.
    """
    table = result.events[~result.events["event"].isin(("pause", "push"))].drop_duplicates("event").head(MOST_EVENTS)
    when = table["time"].dt.tz_localize(None)
    return [(at, f"{at.day} {at:%b}", text) for at, text in zip(when, table["text"], strict=True)]


def _mark_events(axes: Axes, events: Iterable[tuple[Any, str, str]]) -> None:
    for at, _, _ in events:
        axes.axvline(at, color="#777777", linewidth=0.6, linestyle=(0, (2, 2)), zorder=0)


def _number_events(axes: Axes, events: Sequence[tuple[Any, str, str]]) -> None:
    for number, (at, _, _) in enumerate(events, 1):
        axes.annotate(
            str(number), (at, 1.0), xycoords=("data", "axes fraction"), xytext=(1.5, -7 * ((number - 1) % 3)),
            textcoords="offset points", ha="left", va="top", fontsize=6, color="#555555",
        )  # fmt: skip


def _date_axis(axes: Axes, result: Result) -> None:
    times = result.columns.times.tz_localize(None)
    if len(times):
        axes.set_xlim(times[0].floor("D").to_pydatetime(), times[-1].ceil("D").to_pydatetime())
    locator = AutoDateLocator(minticks=4, maxticks=10)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    day = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%S"]
    year = ["", "%Y", "%Y", "%d %b %Y", "%d %b %Y", "%d %b %Y"]
    words = ConciseDateFormatter(locator, formats=day, zero_formats=day, offset_formats=year)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(words)
    axes.set_xlabel(f"local date ({result.scenario.file.clock.zone})")


def _caption(result: Result) -> str:
    stopped = "" if result.complete else ", stopped early"
    return f"Simulated; one run of many (seed {result.seed}{stopped}); not a forecast."


def _colours(ids: Iterable[str]) -> dict[str, str]:
    return dict(zip(ids, cycle(PALETTE), strict=False))


# --- the map ---------------------------------------------------------------------------------------


def theatre_map(result: Result, path: str | Path) -> Path:
    """Draw the places, who holds them, the roads with what moved on them, and where people were killed.

    A lattice is nowhere: nothing is drawn of a known model.
    """
    if result.scenario.model != "theatre":
        return Path(path)
    with mpl.rc_context(STYLE):
        west, south, east, north = _extent(result)
        tall = (north - south) / ((east - west) * cos(radians((south + north) / 2)))
        figure = Figure(figsize=(6.4, min(max(6.4 * tall * 0.86, 3.2), 9.5) + 1.1), layout="constrained")
        axes = figure.subplots()
        outlined = _overlaps((west, south, east, north), geography.BOX)
        if outlined:
            axes.set_facecolor(SEA)
            _draw_outlines(axes)
        _draw_roads(axes, result)
        _draw_places(axes, result)
        axes.set(xlim=(west, east), ylim=(south, north), xlabel="longitude (°E)", ylabel="latitude (°N)")
        axes.set_aspect(1 / cos(radians((south + north) / 2)))
        axes.set_title(f"{result.scenario.title}\n{_span(result)}", loc="left", fontsize=10)
        handles = list(_legend(result))
        figure.legend(handles=handles, loc="outside lower left", ncols=2)
        notes = "Roads are schematic: straight lines between towns." + (OUTLINES if outlined else "")
        notes = f"{notes}\n{_caption(result)}"
        axes.text(0.01, 0.01, notes, transform=axes.transAxes, fontsize=6, va="bottom", bbox=PAPER)
        figure.draw_without_rendering()
        _label_places(axes, result)
        figure.savefig(path)
    return Path(path)


def _extent(result: Result) -> tuple[float, float, float, float]:
    """Return west, south, east, north around the places, with room for their names."""
    places = result.scenario.file.places.values()
    west, east = min(p.longitude for p in places), max(p.longitude for p in places)
    south, north = min(p.latitude for p in places), max(p.latitude for p in places)
    across, up = max(0.12 * (east - west), 0.25), max(0.10 * (north - south), 0.2)
    around = (west - across, max(south - up, -85.0), east + across, min(north + up, 85.0))
    box = geography.BOX  # its edges would look like borders
    if box[0] < west and box[1] < south and east < box[2] and north < box[3]:
        inside = 0.01
        low = max(around[0], box[0] + inside), max(around[1], box[1] + inside)
        return *low, min(around[2], box[2] - inside), min(around[3], box[3] - inside)
    return around


def _overlaps(view: tuple[float, ...], box: tuple[float, ...]) -> bool:
    return view[0] < box[2] and box[0] < view[2] and view[1] < box[3] and box[1] < view[3]


def _span(result: Result) -> str:
    start, end = result.scenario.time_of(0), result.scenario.time_of(result.record.steps_done)
    return f"{start.day} {start:%B %Y} to {end.day} {end:%B %Y}"


def _draw_outlines(axes: Axes) -> None:
    """Draw the countries that we have outlines of; the parts outside the view are cut off."""
    for country in geography.countries():
        axes.add_patch(PathPatch(_path(country.rings), facecolor=LAND, edgecolor="none", zorder=0.1))
    for province in geography.provinces():
        axes.add_patch(PathPatch(_path(province.rings), facecolor="none", edgecolor=BORDER, linewidth=0.3, zorder=0.2))
    for country in geography.countries():
        axes.add_patch(
            PathPatch(_path(country.rings), facecolor="none", edgecolor="#8A8578", linewidth=0.9, zorder=0.3)
        )


def _path(rings: Iterable[Any]) -> Outline:
    return Outline.make_compound_path(*(Outline(ring, closed=True) for ring in rings))


def _draw_roads(axes: Axes, result: Result) -> None:
    file, flows = result.scenario.file, _flow_by_corridor(result)
    most = max(flows.values(), default=0.0)
    west, _, east, _ = _extent(result)
    between = Counter(frozenset(corridor.between) for corridor in file.corridors.values())
    drawn: Counter[frozenset[str]] = Counter()
    for name, corridor in file.corridors.items():
        ends = frozenset(corridor.between)
        aside = (drawn[ends] - (between[ends] - 1) / 2) * 0.012 * (east - west)
        drawn[ends] += 1
        longitudes, latitudes = _line(*(file.places[place] for place in sorted(ends)), aside=aside)
        colour, dashed = _road_colour(result, _passable(result).get(name, frozenset()))
        width = 0.8 + 4.0 * flows.get(name, 0.0) / most if most else 0.8
        style: Any = (0, (2.5, 2)) if dashed else "solid"
        line = Line2D(longitudes, latitudes, color=colour, linewidth=width)
        line.set(linestyle=style, solid_capstyle="round", zorder=2, alpha=0.85)
        axes.add_line(line)


def _line(a: Place, b: Place, *, aside: float) -> tuple[list[float], list[float]]:
    """Return longitudes and latitudes of a line between two places, moved aside by some degrees."""
    narrow = cos(radians((a.latitude + b.latitude) / 2))
    east, north = (b.longitude - a.longitude) * narrow, b.latitude - a.latitude
    length = hypot(east, north) or 1.0
    x, y = -north / length * aside / narrow, east / length * aside
    return [a.longitude + x, b.longitude + x], [a.latitude + y, b.latitude + y]


def _flow_by_corridor(result: Result) -> dict[str, float]:
    """Return the mean flow on each corridor in t/day, of all factions."""
    sums: dict[str, float] = {}
    for key, mean in measures.flow_mean(result).items():
        corridor = key.split(".")[0]
        sums[corridor] = sums.get(corridor, 0.0) + mean
    return sums


def _passable(result: Result) -> dict[str, frozenset[str]]:
    """Return who could pass each corridor when it was last looked at."""
    file, flows = result.scenario.file, result.record.flows
    last = max((row[0] for row in flows), default=0)
    corridors, factions = list(file.corridors), list(file.factions)
    who: dict[str, set[str]] = {}
    for step, corridor, faction, _, share in flows:
        if step == last and share > 0:
            who.setdefault(corridors[corridor], set()).add(factions[faction])
    return {corridor: frozenset(names) for corridor, names in who.items()}


def _road_colour(result: Result, who: frozenset[str]) -> tuple[str, bool]:
    """Return a road's colour, and whether it is dashed: closed to all."""
    factions = result.scenario.file.factions
    first = next((name for name in factions if name in who), None)
    if first is None:
        return NOBODY, True
    return (_colours(factions)[first] if not _enemies(result, who) else NOBODY), False


def _enemies(result: Result, who: Iterable[str]) -> bool:
    factions, names = result.scenario.file.factions, list(who)
    return any(factions[f].stance.get(g, 0.0) < 0 for f in names for g in names)


def _draw_places(axes: Axes, result: Result) -> None:
    file = result.scenario.file
    killed, colours = measures.killed_by_place(result), _colours(file.factions)
    for name, place in file.places.items():
        at = ([place.longitude], [place.latitude])
        holder = _holder(result, name)
        face = colours[holder] if holder else "white"
        area = _size(result, name) ** 2
        axes.scatter(*at, s=area, color=face, edgecolor="#333333", linewidth=0.7, zorder=4)
        if killed[name]:
            across = _killed_size(result, killed[name])
            axes.scatter(*at, s=across**2, facecolor="none", edgecolor=KILLED, linewidth=1.4, zorder=5)


def _size(result: Result, place: str) -> float:
    """Return the diameter of a place in points: its area goes with its population."""
    towns = result.scenario.file.places
    most = max(town.population for town in towns.values())
    return 4.0 + 9.0 * sqrt(towns[place].population / most) if most else 5.0


def _killed_size(result: Result, killed: int) -> float:
    """Return the diameter of a circle in points: its area goes with the number of killed."""
    return 7.0 + 31.0 * sqrt(killed / max(measures.killed_by_place(result).values()))


def _holder(result: Result, place: str) -> str | None:
    """Return who holds most of a place when the run ends, if anyone does."""
    held = result.columns.last("control", "place", "faction")
    shares = {faction: share for (town, faction), share in held.items() if town == place}
    if not shares:
        shares = dict(result.scenario.file.places[place].control)
    most = max(shares, key=lambda faction: shares[faction], default=None)
    return most if most is not None and shares[most] > 0 else None


def _legend(result: Result) -> Iterator[Line2D]:
    file, killed = result.scenario.file, measures.killed_by_place(result)
    colours, passable = _colours(file.factions), _passable(result)
    dot: Any = {"linestyle": "none", "marker": "o", "markersize": 6}
    holders = {_holder(result, place) for place in file.places}
    for faction in (name for name in file.factions if name in holders):
        yield Line2D([], [], **dot, color=colours[faction], label=f"held by {file.factions[faction].name}")
    if None in holders:
        yield Line2D([], [], **dot, markerfacecolor="white", color="#333333", label="held by no faction")
    ways = {_road_colour(result, passable.get(name, frozenset())): name for name in file.corridors}
    for (colour, dashed), name in sorted(ways.items()):
        label = _road_label(result, passable.get(name, frozenset()))
        yield Line2D([], [], color=colour, linewidth=2, linestyle=":" if dashed else "-", label=label)
    if (widest := max(_flow_by_corridor(result).values(), default=0.0)) > 0:
        yield Line2D([], [], color="none", label=f"widest road: {widest:.2g} t/day")
    if most := max(killed.values(), default=0):
        ring = {**dot, "markersize": 9, "markerfacecolor": "none", "color": KILLED}
        yield Line2D([], [], **ring, label=f"killed: area, largest {most:,}")


def _road_label(result: Result, who: frozenset[str]) -> str:
    if not who:
        return "road closed to all"
    if _enemies(result, who):
        return "road open to enemies alike"
    first = next(name for name in result.scenario.file.factions if name in who)
    allies = " and allies" if len(who) > 1 else ""
    return f"road open to {result.scenario.file.factions[first].name}{allies}"


def _label_places(axes: Axes, result: Result) -> None:
    """Write names, and the killed, where they cover as little as possible."""
    killed, figure = measures.killed_by_place(result), axes.get_figure(root=True)
    assert figure is not None
    places = sorted(result.scenario.file.places.items(), key=lambda p: (-killed[p[0]], -p[1].population))
    points = figure.dpi / 72
    taken = [_box(axes, place, _size(result, name) * points) for name, place in places]
    for name, place in places:
        text = f"{place.name}\n{killed[name]:,} killed" if killed[name] else place.name
        away = (_killed_size(result, killed[name]) if killed[name] else _size(result, name)) / 2 + 2
        label = axes.annotate(
            text, (place.longitude, place.latitude), (0, 0), textcoords="offset points",
            fontsize=6.5, zorder=6, fontweight="bold" if killed[name] else "normal", linespacing=0.95,
        )  # fmt: skip
        best = min(SPOTS, key=lambda spot: _covered(label, spot, away, taken, axes))
        taken.append(_put(label, best, away))


SPOTS = (("left", "center"), ("right", "center"), ("center", "bottom"), ("center", "top"),
         ("left", "bottom"), ("left", "top"), ("right", "bottom"), ("right", "top"))  # fmt: skip
"""Where a name may stand, as its own alignment, best first."""


def _put(label: Any, spot: tuple[str, str], away: float) -> Bbox:
    signs = {"left": 1, "right": -1, "bottom": 1, "top": -1, "center": 0}
    across, up = (signs[side] for side in spot)
    reach = away * (0.75 if across and up else 1.0)
    label.set(ha=spot[0], va=spot[1], position=(across * reach, up * reach))
    box: Bbox = label.get_window_extent()
    return box


def _covered(label: Any, spot: tuple[str, str], away: float, taken: list[Bbox], axes: Axes) -> float:
    """Return how much a name would cover of what is there, or stick out of the map."""
    box = _put(label, spot, away)
    inside = Bbox.intersection(box, axes.bbox)
    outside = box.width * box.height - (inside.width * inside.height if inside else 0.0)
    overlaps = (Bbox.intersection(box, other) for other in taken)
    return 3 * outside + sum(over.width * over.height for over in overlaps if over)


def _box(axes: Axes, place: Any, across: float) -> Bbox:
    x, y = axes.transData.transform((place.longitude, place.latitude))
    return Bbox.from_bounds(x - across / 2, y - across / 2, across, across)
