"""Lay simulated events beside those that were recorded, UCDP GED's in particular."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from analysis.options import AsJson, Workers
from sim.console import INTERRUPTED, TERMINATED, Refused, complain, counting, nearest, stoppable
from sim.keeping import together, write

if TYPE_CHECKING:
    from analysis.ged_files import Area
    from analysis.side_by_side import Seen
    from sim.scenario import Scenario

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=__doc__,
)

Force = Annotated[bool, typer.Option("--force", help="Overwrite files of the same names.")]
Days = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DATE")]
DAILY_FILE = "observed.csv"
SEEDS = 20


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV of UCDP GED; .gz and .zip too.")],
    out: Annotated[Path, typer.Option(metavar="DIR|FILE", help=f"Where to write; in a folder, {DAILY_FILE}.")],
    place: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[ID=]NAME", help="Events at a place that GED calls so (where_coordinates); may be repeated."
        ),
    ] = None,
    within: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE:KM", help="Events around a place of --scenario, or ID=LAT,LON:KM; may be repeated."
        ),
    ] = None,
    bbox: Annotated[
        list[str] | None, typer.Option(metavar="[ID=]WEST,SOUTH,EAST,NORTH", help="Events in a box of degrees.")
    ] = None,
    scenario: Annotated[str, typer.Option(metavar="SCENARIO", help="Whose places --within knows.")] = "qusayr-2013",
    dyad: Annotated[list[str] | None, typer.Option(help="Only this dyad_name; may be repeated.")] = None,
    side: Annotated[list[str] | None, typer.Option(help="Only events with this side; may be repeated.")] = None,
    since: Days = None,
    until: Days = None,
    imprecise: Annotated[
        Literal["spread", "drop"],
        typer.Option(help="Events known only to a week or longer: over the days of their window, or left out."),
    ] = "spread",
    where_prec: Annotated[
        int, typer.Option(min=1, max=7, help="Vaguest place that counts: 3 a district, 4 a province.")
    ] = 3,
    quiet: Annotated[
        Literal["zero", "unknown"],
        typer.Option(help="Days without an event, at a place that has some: nobody killed, or no data."),
    ] = "zero",
    source: Annotated[str, typer.Option(help="What to write as the source of each row.")] = "",
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave faulty rows out instead of refusing.")] = False,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Make a daily file of observed data of GED's events: what --observed takes."""
    from analysis import ged_files, observed

    areas = _areas(place or [], within or [], bbox or [], scenario)
    if since and until and until < since:
        raise Refused(f"--until {until:%Y-%m-%d} is before --since {since:%Y-%m-%d}")
    target = _free(out if out.suffix.lower() == ".csv" else out / DAILY_FILE, force)
    events = ged_files.read(file, skip_bad)
    days = ged_files.days_of(
        events,
        ged_files.Wanted(
            areas=areas,
            dyads=tuple(dyad or ()),
            sides=tuple(side or ()),
            since=since.date() if since else None,
            until=until.date() if until else None,
            imprecise=imprecise,
            where_prec=where_prec,
            quiet_is_zero=quiet == "zero",
            source=source,
        ),
    )
    silent = [area.place for area in areas if area.place not in days.account["places"]]
    days.notes += [f"{place}: no event there, which is not zero: not in the file" for place in silent]
    target.parent.mkdir(parents=True, exist_ok=True)
    observed.write_daily(days.rows, target)
    told = {"file": str(file), "out": str(target), **days.account, "notes": days.notes}
    typer.echo(json.dumps(told, ensure_ascii=False) if as_json else _import_told(told))


@app.command()
def compare(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Run folders, or one scenario to run.")],
    record: Annotated[Path, typer.Option("--observed", metavar="FILE", help="Observed data (docs/observed-data.md).")],
    place: Annotated[list[str] | None, typer.Option(metavar="PLACE", help="Only this place; may be repeated.")] = None,
    same: Annotated[
        list[str] | None,
        typer.Option(
            "--same-dyad",
            metavar="SIMULATED=OBSERVED",
            help="Count a simulated dyad as one of the record's; may be repeated.",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=100_000, help=f"Runs of a scenario, with seeds 0, 1, 2, …  [default: {SEEDS}]"),
    ] = None,
    workers: Workers = 2,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write compare.json, .csv, .png and .svg there.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Lay runs beside observed data: days, sizes of events, waits and dyads."""
    from analysis import observed, side_by_side

    known = observed.read(record, place[0] if place and len(place) == 1 else None)
    renamed = _renamed(same or [], known)
    if out is not None:
        for kind in ("json", "csv", "png", "svg"):
            _free(out / f"compare.{kind}", force)
    scenario, drawn = _drawn(runs, seeds, workers)
    pairs = side_by_side.compared(drawn, scenario, known, place or (), renamed)
    about = {"scenario": scenario.id, "observed": str(record), "seeds": [one.seed for one in drawn]}
    told = json.dumps(side_by_side.as_dict(pairs, about), ensure_ascii=False, allow_nan=False)
    if out is not None:
        from analysis.side_by_side_figures import draw

        title = f"{scenario.title}: {len(drawn)} run{'s' if len(drawn) > 1 else ''} beside {record.name}"
        out.mkdir(parents=True, exist_ok=True)
        with together(out) as beside:
            write(beside / "compare.json", told + "\n")
            _table(pairs).to_csv(beside / "compare.csv", index=False, lineterminator="\n")
            draw(pairs, beside, title)
    typer.echo(told if as_json else side_by_side.told(pairs))


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="Where to write.")],
    force: Force = False,
) -> None:
    """Write a run's events as a CSV with the columns of UCDP GED."""
    from analysis import ged_files

    target = _free(out, force)
    result = _loaded(run)
    target.parent.mkdir(parents=True, exist_ok=True)
    ged_files.write(result, target)
    complain(f"{len(result.ged_events):,} events in {target}")


# --- what was asked ------------------------------------------------------------------------------------


def _free(path: Path, force: bool) -> Path:
    """Return a path that may be written, or refuse."""
    if path.is_dir():
        raise Refused(f"{path}: there is a folder of that name")
    if path.exists() and not force:
        raise Refused(f"{path}: there already; choose another name, or overwrite it with --force")
    above = next(parent for parent in path.parents if parent.exists())
    if not above.is_dir():
        raise Refused(f"{above}: not a folder")
    return path


def _areas(places: list[str], within: list[str], boxes: list[str], scenario: str) -> tuple[Area, ...]:
    """Return the areas that the options name; refuse every one that makes no sense."""
    areas, faults = list[Any](), list[str]()
    towns = _towns(scenario) if within else {}
    for texts, read in ((places, _named), (within, partial(_circle, towns)), (boxes, _box)):
        for text in texts:
            try:
                areas.append(read(text))
            except ValueError as error:
                faults.append(str(error))
    names = [area.place for area in areas]
    faults += [f"place '{name}' is asked for twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if faults:
        raise Refused(*faults)
    return tuple(areas)


def _named(text: str) -> Area:
    from analysis.ged_files import Named

    place, _, name = text.rpartition("=")
    if not name.strip():
        raise ValueError(f"--place '{text}': no name")
    return Named(place or name, name)


def _towns(scenario: str) -> dict[str, tuple[str, float, float]]:
    """Return the places of a scenario by id and by name."""
    from sim.scenario import Scenario

    places = Scenario.load(scenario).file.places
    spots = {key: (key, place.latitude, place.longitude) for key, place in places.items()}
    return {places[key].name.casefold(): spot for key, spot in spots.items()} | spots


def _circle(towns: dict[str, tuple[str, float, float]], text: str) -> Area:
    from analysis.ged_files import Circle

    where, _, km = text.rpartition(":")
    reach = _numbers(km, 1)
    if not where or reach is None or reach[0] <= 0:
        raise ValueError(f"--within '{text}': write it as qusayr:15 or as town=34.51,36.58:15, in kilometres above 0")
    place, given, spot = where.partition("=")
    if given:
        point = _numbers(spot, 2)
        if point is None or abs(point[0]) > 90 or abs(point[1]) > 180:
            raise ValueError(f"--within '{text}': '{spot}' is not a latitude and a longitude")
        return Circle(place, point[0], point[1], reach[0])
    found = towns.get(place) or towns.get(place.casefold())
    if found is None:
        raise ValueError(f"--within '{text}': the scenario has no place '{place}'.{nearest(place, towns)}")
    return Circle(*found, reach[0])


def _box(text: str) -> Area:
    from analysis.ged_files import Box

    place, _, edges = text.rpartition("=")
    found = _numbers(edges, 4)
    if found is None or not -90 <= found[1] < found[3] <= 90 or max(abs(found[0]), abs(found[2])) > 180:
        raise ValueError(f"--bbox '{text}': write it as area=36.4,34.4,36.7,34.6: west, south, east, north in degrees")
    return Box(place or "box", *found)


def _numbers(text: str, how_many: int) -> list[float] | None:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        return None
    return found if len(found) == how_many and all(abs(value) < float("inf") for value in found) else None


def _renamed(same: list[str], known: Any) -> dict[str, str]:
    """Return what simulated dyads are called in the record."""
    dyads, faults, renamed = list(known.dyads().index), list[str](), {}
    for text in same:
        simulated, given, observed = text.partition("=")
        if not given or not simulated:
            faults.append(f"--same-dyad '{text}': write it as SIMULATED=OBSERVED")
        elif observed not in dyads:
            faults.append(f"--same-dyad '{text}': {known.source} has no dyad '{observed}'.{nearest(observed, dyads)}")
        renamed[simulated] = observed
    if faults:
        raise Refused(*faults)
    return renamed


# --- runs ----------------------------------------------------------------------------------------------


def _loaded(folder: Path) -> Any:
    from sim.runs import RunFolderError, load

    try:
        return load(folder)
    except RunFolderError as error:
        raise Refused(str(error)) from None


def _drawn(names: list[str], seeds: int | None, workers: int) -> tuple[Scenario, list[Seen]]:
    """Return the runs in the folders, or those of a scenario."""
    from analysis.side_by_side import seen
    from sim.scenario import Scenario

    folders = [name for name in names if Path(name).is_dir()]
    if not folders and len(names) == 1:
        scenario = Scenario.load(names[0])
        return scenario, _ensemble(scenario, SEEDS if seeds is None else seeds, workers)
    faults = [f"{name}: not a run folder; a scenario stands alone" for name in names if name not in folders]
    faults += ["--seeds: of a scenario; the runs in folders have theirs"] if seeds is not None else []
    if faults:
        raise Refused(*faults)
    results = [_loaded(Path(folder)) for folder in folders]
    return results[0].scenario, [seen(result) for result in results]


def _ensemble(scenario: Scenario, seeds: int, workers: int) -> list[Seen]:
    from analysis.side_by_side import of_seed
    from analysis.workers import gathered

    with stoppable() as stopped, counting(seeds) as progress:
        try:
            return gathered(partial(of_seed, scenario), range(seeds), workers=workers, progress=progress)
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(TERMINATED if stopped else INTERRUPTED) from None


# --- told ----------------------------------------------------------------------------------------------


def _table(pairs: list[Any]) -> Any:
    import pandas as pd

    return pd.concat([pair.statistics.assign(place=pair.place) for pair in pairs], ignore_index=True)


def _import_told(told: dict[str, Any]) -> str:
    count: Callable[[Any], str] = "{:,}".format
    events = f"{count(told['events_used'])} of {count(told['events_read'])} events"
    lines = [f"{told['out']}: {count(told['deaths'])} deaths in {events}"]
    lines += [f"  left out: {count(number)} {why}" for why, number in told["left_out"].items()]
    if vague := told["deaths_not_known_to_the_day"]:
        lines.append(f"  {count(vague)} deaths are known only to a week or longer (column imprecise)")
    for place, of in told["places"].items():
        killed = f"{count(of['killed'])} killed ({count(of['killed_low'])}–{count(of['killed_high'])})"
        blank = f", {count(of['days_without_data'])} days without data" if of["days_without_data"] else ""
        lines.append(f"  {place}: {killed} on {count(of['days_with_deaths'])} of {count(of['days'])} days{blank}")
    return "\n".join([*lines, *(f"  note: {note}" for note in told["notes"])])
