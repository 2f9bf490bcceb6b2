"""What a run comes to: a dictionary for programs (`summary.schema.json`) and a page for people.

Everything is keyed by ids. Counts are people, combatants included. `displaced` is read when the run
ends: `total` and `by_place` are residents away from their home in that place, `by_host` are the
displaced who are now in a place. `strategic_value` is in t/day as the run began. `control`
and each day's are shares when the run, or the day, ends. `alarm` is from 0 to 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from sim import measures
from sim.classics.epstein import STATES, Outbursts
from sim.measures import EVERY_DAY, Days, Float

if TYPE_CHECKING:
    from sim.runs import Result
    from sim.schema import Benchmark, Window

SCHEMA = 1
WIDTH = 100
MOST_VALUES = 5  # places shown for each faction
MOST_ROADS = 12
MOST_DATES = 6
MOST_CHANNELS = 7
SHOWN = 0.005  # share of a place that shows as one per cent


def summarise(result: Result) -> dict[str, Any]:
    """Return the summary of a run, ready for JSON."""
    scenario, columns = result.scenario, result.columns
    agents = sum(n.residents // n.people_per_agent for n in scenario.file.neighbourhoods.values())
    speed = agents * result.hours / result.wall_seconds if result.wall_seconds > 0 else 0.0
    return {
        "schema": SCHEMA,
        "scenario": scenario.id,
        "seed": result.seed,
        "complete": result.complete,
        "hours": result.hours,
        "start": scenario.time_of(0).isoformat(),
        "windows": {name: _interval(window) for name, window in scenario.file.windows.items()},
        **_casualties(result),
        "by_window": {name: _in_window(result, window) for name, window in scenario.file.windows.items()},
        "benchmarks": {name: _beside(result, given) for name, given in scenario.file.benchmarks.items()},
        "control": _control(result),
        "daily": list(_daily(result)),
        "strategic_value": _strategic_value(result),
        "contested": _contested(result),
        "displaced": _displaced(result),
        "alarm": {channel: _alarm(result, channel) for channel in measures.channels(columns)},
        **({"lattice": _lattice(result)} if result.scenario.model == "epstein" else {}),
        "wall_seconds": result.wall_seconds,
        "resident_hours_per_second": speed,
        "versions": result.versions,
    }


def _interval(window: Window) -> dict[str, str]:
    return {"first": window.first.isoformat(), "last": window.last.isoformat()}


def _casualties(result: Result, days: Days = EVERY_DAY) -> dict[str, Any]:
    own = result.columns.counts("faction_killed", "faction", days=days)
    return {
        "killed": _counted(result, "killed", days),
        "wounded": _counted(result, "wounded", days),
        "faction_killed": {force: own.get((force,), 0) for force in measures.forces(result)},
    }


def _counted(result: Result, measure: str, days: Days) -> dict[str, Any]:
    file, columns = result.scenario.file, result.columns
    places = columns.counts(measure, "place", days=days)
    quarters = columns.counts(measure, "neighbourhood", days=days)
    communities: dict[str, dict[str, int]] = {place: {} for place in file.places}
    for (place, community), count in columns.counts(measure, "place", "community", days=days).items():
        communities[place][community] = count
    return {
        "total": sum(places.values()),
        "by_place": {place: places.get((place,), 0) for place in file.places},
        "by_place_community": communities,
        "by_neighbourhood": {quarter: quarters.get((quarter,), 0) for quarter in file.neighbourhoods},
    }


def _in_window(result: Result, window: Window) -> dict[str, Any]:
    days = result.columns.between(window.first, window.last)
    return {**_casualties(result, days), "covered_days": float(result.columns.hours_by_day[days].sum()) / 24}


def _beside(result: Result, given: Benchmark) -> dict[str, Any]:
    """Return what was reported and what this run has; `agrees` is null where the window was not all run."""
    columns, days, whole = result.columns, EVERY_DAY, result.complete
    if given.window is not None:
        window = result.scenario.file.windows[given.window]
        days = columns.between(window.first, window.last)
        whole = _was_all_run(result, window)
    value = _observed(result, given, days)
    agrees = None
    if whole and value is not None:
        agrees = given.low <= value and (given.high is None or value <= given.high)
    said = {"claim": given.claim, "measure": given.measure, "low": given.low, "high": given.high}
    return {**said, "value": value, "agrees": agrees}


def _was_all_run(result: Result, window: Window) -> bool:
    start, end = (result.scenario.time_of(step).replace(tzinfo=None) for step in (0, result.record.steps_done))
    after = window.last + timedelta(days=1)
    return start <= datetime.combine(window.first, time()) and end >= datetime.combine(after, time())


def _observed(result: Result, given: Benchmark, days: Days) -> float | None:
    columns = result.columns
    ends = columns.day_ends[days]
    if len(ends) == 0:
        return None
    if given.measure == "control":
        held = columns.last("control", "place", "faction", step=int(ends[-1]))
        return held.get((str(given.place), str(given.faction)), 0.0)
    counts = columns.counts(given.measure, "place", "faction", days=days)
    return sum(
        count
        for (place, faction), count in counts.items()
        if given.place in (None, place) and given.faction in (None, faction)
    )


def _control(result: Result, step: int = -1) -> dict[str, dict[str, float]]:
    shares: dict[str, dict[str, float]] = {place: {} for place in result.scenario.file.places}
    for (place, faction), share in result.columns.last("control", "place", "faction", step=step).items():
        shares[place][faction] = share
    return shares


def _daily(result: Result) -> Iterator[dict[str, Any]]:
    columns, places = result.columns, result.scenario.file.places
    killed, wounded = columns.daily_by("killed", "place"), columns.daily_by("wounded", "place")
    for day, end in enumerate(columns.day_ends.tolist()):
        yield {
            "date": str(columns.dates[day]),
            "killed": {place: int(killed[place][day]) if place in killed else 0 for place in places},
            "wounded": {place: int(wounded[place][day]) if place in wounded else 0 for place in places},
            "control": {place: held for place, held in _control(result, end).items() if held},
        }


def _strategic_value(result: Result) -> dict[str, list[list[Any]]]:
    """Return the places in order of what they are worth to each faction as the run begins."""
    file, worth = result.scenario.file, result.record.worth
    first = min((row[0] for row in worth), default=0)
    places, factions = list(file.places), list(file.factions)
    ranked: dict[str, list[list[Any]]] = {faction: [] for faction in factions}
    for step, place, faction, value in worth:
        if step == first:
            ranked[factions[faction]].append([places[place], value])
    return {faction: sorted(values, key=lambda v: (-v[1], v[0])) for faction, values in ranked.items()}


def _contested(result: Result) -> list[str]:
    """Return the places where factions hostile to each other are present as the run begins."""
    file = result.scenario.file
    present = {name: {f for f, s in place.control.items() if s} for name, place in file.places.items()}
    for name, faction in file.factions.items():
        for place in (p for p, weight in faction.deployed.items() if weight and faction.fighters):
            present[place].add(name)
    stances = ((f, g, stance) for f, faction in file.factions.items() for g, stance in faction.stance.items())
    hostile = {(f, g) for f, g, stance in stances if stance < 0}
    return [place for place, who in present.items() if any((f, g) in hostile for f in who for g in who)]


def _displaced(result: Result) -> dict[str, Any]:
    here = result.columns.last("displaced_here", "place")
    origin = measures.displaced_by_place(result)
    hosts = {place: round(here.get((place,), 0.0)) for place in result.scenario.file.places}
    return {"total": sum(origin.values()), "by_place": origin, "by_host": hosts}


def _alarm(result: Result, channel: str) -> dict[str, dict[str, dict[str, float]]]:
    columns, measure = result.columns, f"alarm_{channel}"
    levels = columns.levels(measure)
    peaks = levels.max(axis=0, initial=0.0).tolist()
    means = (levels.sum(axis=0) / max(columns.steps, 1)).tolist()
    alarm: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for (quarter, community), peak, mean in zip(
        columns.keys(measure, "neighbourhood", "community"), peaks, means, strict=True
    ):
        alarm[quarter][community] = {"peak": peak, "mean": mean}
    return dict(alarm)


def _lattice(result: Result) -> dict[str, Any]:
    """Return what a known model on a lattice came to: people by state, outbursts, groups that died out."""
    columns, file = result.columns, result.scenario.file
    levels = {state: columns.levels(state).sum(axis=1) for state in STATES}
    everyone = np.add.reduce([columns.levels(state) for state in STATES])
    of_groups = {group: everyone[:, g] for g, group in enumerate(file.communities)}
    known: Any = file
    found = Outbursts.of(levels["active"], known.epstein.outburst)
    return {
        "states": {
            state: {"mean": float(n.mean()), "peak": int(n.max()), "last": int(n[-1])} for state, n in levels.items()
        },
        "outbursts": {
            "number": len(found.sizes),
            "mean_size": float(found.sizes.mean()) if found.sizes.size else None,
            "mean_wait": float(found.waits.mean()) if found.waits.size else None,
        },
        "extinct_at": {
            group: int(np.argmax(people == 0)) if (people == 0).any() else None for group, people in of_groups.items()
        },
    }


# --- for people ------------------------------------------------------------------------------------


def told(result: Result) -> str:
    """Return the summary of a run as plain text, at most `WIDTH` columns wide."""
    sections = (
        _heading, _lattice_lines, _benchmark_lines, _casualty_lines, _fight_lines, _round_lines, _control_lines,
        _corridor_lines, _value_lines, _alarm_lines, _displaced_lines, _closing,
    )  # fmt: skip
    blocks = (list(section(result)) for section in sections)
    return "\n\n".join("\n".join(line[:WIDTH].rstrip() for line in block) for block in blocks if block) + "\n"


def _heading(result: Result) -> Iterator[str]:
    scenario, columns = result.scenario, result.columns
    yield f"{scenario.title} ({scenario.id}), seed {result.seed}"
    start, end = scenario.time_of(0), scenario.time_of(columns.steps)
    state = "complete" if result.complete else f"STOPPED after {columns.steps} of {scenario.steps} steps"
    zone = scenario.file.clock.zone
    span = f"{_day(start)} {start:%Y %H:%M} to {_day(end)} {end:%Y %H:%M} ({zone})"
    yield f"{span}, {result.hours:g} hours, {state}"


def _lattice_lines(result: Result) -> Iterator[str]:
    found = result.summary.get("lattice")
    if found is None:
        return
    yield f"{'On the lattice':62}{'mean':>12}{'peak':>9}{'last':>9}"
    for state, n in found["states"].items():
        yield f"  {state:60}{n['mean']:>12,.1f}{n['peak']:>9,}{n['last']:>9,}"
    known: Any = result.scenario.file
    bursts, text = found["outbursts"], f"outbursts ({known.epstein.outburst} active or more)"
    yield f"  {text:60}{bursts['number']:>12,}"
    for key, text in (("mean_size", "actives in one, its steps added up"), ("mean_wait", "steps between them")):
        if bursts[key] is not None:
            yield f"    {text:58}{bursts[key]:>12,.1f}"
    for group, step in found["extinct_at"].items():
        if step is not None:
            yield f"  {_name(known.communities, group)} died out in step {step:,}"


def _benchmark_lines(result: Result) -> Iterator[str]:
    file, values = result.scenario.file, result.summary["benchmarks"]
    if not values:
        return
    yield f"{'Reported, and in this run':62}{'reported':>12}{'run':>9}"
    for name, given in file.benchmarks.items():
        found = values[name]
        share = given.measure == "control"
        verdict = {True: "agrees", False: "differs", None: "not all run"}[found["agrees"]]
        text = _cut(f"{given.claim}  {given.text} ({given.by})", 60)
        yield f"  {text:60}{_range(given, share):>12}{_number(found['value'], share):>9}  {verdict}"


def _range(given: Benchmark, share: bool) -> str:
    if given.high is None:
        return f"≥ {_number(given.low, share)}"
    if given.low == given.high:
        return _number(given.low, share)
    return f"{_number(given.low, share)}–{_number(given.high, share)}"


def _number(value: float | None, share: bool) -> str:
    if value is None:
        return "–"
    return f"{value:.0%}" if share else f"{value:,.0f}"


def _casualty_lines(result: Result) -> Iterator[str]:
    file, summary = result.scenario.file, result.summary
    killed, wounded = summary["killed"], summary["wounded"]
    yield f"{'Killed and wounded (combatants included)':62}{'killed':>12}{'wounded':>9}"
    for place, town in file.places.items():
        if killed["by_place"][place] + wounded["by_place"][place] == 0:
            continue
        yield _pair_line(2, town.name, killed["by_place"][place], wounded["by_place"][place])
        communities = killed["by_place_community"][place]
        for community, count in sorted(communities.items(), key=lambda c: (-c[1], c[0])):
            hurt = wounded["by_place_community"][place].get(community, 0)
            if count + hurt:
                yield _pair_line(4, _name(file.communities, community), count, hurt)
    yield _pair_line(2, "everywhere", killed["total"], wounded["total"])
    for force, count in summary["faction_killed"].items():
        if count:
            yield _pair_line(2, f"of these {_name(file.factions | file.security_forces, force)}", count, None)


def _pair_line(indent: int, name: str, killed: int, wounded: int | None) -> str:
    text = " " * indent + _cut(name, 60 - indent)
    return f"{text:62}{killed:>12,}" + (f"{wounded:>9,}" if wounded is not None else "")


def _fight_lines(result: Result) -> Iterator[str]:
    incidents = result.incidents
    if incidents.empty:
        return
    yield f"{'Who fought where':62}{'incidents':>12}{'killed':>9}{'wounded':>9}"
    table = incidents.assign(wounded=incidents[["wounded_a", "wounded_b", "wounded_civilians"]].sum(axis=1))
    sums = table.groupby(["where_coordinates", "dyad_name"], as_index=False).agg(
        incidents=("id", "size"), killed=("best", "sum"), wounded=("wounded", "sum")
    )
    order = sums.sort_values(["killed", "wounded", "where_coordinates"], ascending=[False, False, True])
    for row in order.itertuples():
        text = _cut(f"{row.where_coordinates}: {row.dyad_name}", 60)
        yield f"  {text:60}{row.incidents:>12,}{row.killed:>9,}{row.wounded:>9,}"


def _round_lines(result: Result) -> Iterator[str]:
    quarters = {quarter.place for quarter in result.scenario.file.neighbourhoods.values()}
    lines = [
        f"  {result.scenario.file.places[place].name}: {_day(row.start)} to {_day(row.end)} "
        f"({row.days} d), {row.killed} killed, {row.wounded} wounded"
        for place in sorted(quarters)
        for row in result.rounds(place).itertuples()
    ]
    if lines:
        quiet = result.scenario.file.reports.round_quiet_days
        yield f"Rounds of fighting (at most {quiet} quiet days within one)"
        yield from lines


def _control_lines(result: Result) -> Iterator[str]:
    """Tell how control moved where it moved, on a few days of the run."""
    file, columns = result.scenario.file, result.columns
    levels, keys = columns.levels("control"), columns.keys("control", "place", "faction")
    moved = {place for (place, _), level in zip(keys, levels.T, strict=True) if _range_of(level) >= SHOWN}
    if not moved:
        return
    days = np.unique(np.linspace(0, len(columns.dates) - 1, MOST_DATES).round().astype(int))
    header = "".join(_day(columns.dates[d].item()).rjust(9) for d in days)
    yield f"{'Control where it moved, when the day ends':46}{header}"
    for (place, faction), level in zip(keys, levels.T, strict=True):
        if place in moved and level.max() >= SHOWN:
            text = _cut(f"{file.places[place].name}: {_name(file.factions, faction)}", 44)
            yield f"  {text:44}" + "".join(f"{level[columns.day_ends[d]]:>9.0%}" for d in days)


def _range_of(level: Float) -> float:
    return float(level.max(initial=0.0) - level.min(initial=1.0))


def _corridor_lines(result: Result) -> Iterator[str]:
    file = result.scenario.file
    flows = {key: mean for key, mean in measures.flow_mean(result).items() if mean >= 0.05}
    if not flows:
        return
    yield f"{'Supplies on the roads (mean over the run)':62}{'t/day':>12}"
    largest = sorted(flows.items(), key=lambda flow: (-flow[1], flow[0]))
    for key, mean in largest[:MOST_ROADS]:
        corridor, faction = key.split(".")
        text = _cut(f"{_name(file.corridors, corridor)}: {_name(file.factions, faction)}", 60)
        yield f"  {text:60}{mean:>12.1f}"
    if len(largest) > MOST_ROADS:
        yield f"  and {len(largest) - MOST_ROADS} smaller ones"


def _value_lines(result: Result) -> Iterator[str]:
    file, summary = result.scenario.file, result.summary
    ranked = {f: [v for v in values if v[1] > 0] for f, values in summary["strategic_value"].items()}
    if not any(ranked.values()):
        return
    yield "What places are worth as the run begins (t/day; * contested)"
    for faction, values in ranked.items():
        if values:
            worth = [
                f"{file.places[place].name}{'*' if place in summary['contested'] else ''} {value:.1f}"
                for place, value in values[:MOST_VALUES]
            ]
            yield f"  {_cut(_name(file.factions, faction), 28):28}  {_cut(', '.join(worth), WIDTH - 32)}"


def _alarm_lines(result: Result) -> Iterator[str]:
    file, alarm = result.scenario.file, result.summary["alarm"]
    raised = [channel for channel, at in alarm.items() if any(_peaks(at.values()))]
    if not raised:
        return
    shown = raised[:MOST_CHANNELS]
    yield f"{'Alarm (highest, 0 to 1)':30}" + "".join(f"{_cut(channel, 9):>10}" for channel in shown)
    for quarter in file.neighbourhoods:
        communities = {c: None for channel in shown for c in alarm[channel].get(quarter, {})}
        for community in communities:
            peaks = [alarm[channel].get(quarter, {}).get(community, {}).get("peak", 0.0) for channel in shown]
            if any(peaks):
                text = _cut(f"{file.neighbourhoods[quarter].name}, {_name(file.communities, community)}", 28)
                yield f"  {text:28}" + "".join(f"{peak:>10.2f}" for peak in peaks)


def _peaks(quarters: Iterable[dict[str, dict[str, float]]]) -> Iterator[float]:
    return (levels["peak"] for communities in quarters for levels in communities.values())


def _displaced_lines(result: Result) -> Iterator[str]:
    places, displaced = result.scenario.file.places, result.summary["displaced"]
    yield f"Displaced when the run ends: {displaced['total']:,}"
    for key, word in (("by_place", "from"), ("by_host", "now in")):
        most = sorted(displaced[key].items(), key=lambda place: (-place[1], place[0]))
        told = ", ".join(f"{places[place].name} {count:,}" for place, count in most if count)
        if told:
            yield from wrap(f"{word} {told}", WIDTH, initial_indent="  ", subsequent_indent="    ")


def _closing(result: Result) -> Iterator[str]:
    yield f"This is one run of many (seed {result.seed}) of a simulation. It is not a forecast."


def _day(when: date) -> str:
    return f"{when.day} {when:%b}"


def _name(elements: dict[str, Any], key: str) -> str:
    return str(elements[key].name) if key in elements else key


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
