"""Predict a town out of sample, and hold the prediction against what happened and against plain forecasters.

    spillover predict --seeds 200 --observed rounds.csv --covariate syria.csv --out runs/prediction
    spillover predict tripoli-2013 --posterior posterior.csv

The scenario says what is given; from one origin, `--since`, whole paths are run to `--until`. Beside them stand the
forecasters of `analysis.baselines`, fitted on the rounds before (`--fitted-on`) and drawn from the same origin; the
one that is driven by deaths in Syria needs `--covariate`. Observed data come from the file that is named and from
nowhere else: no observed days after the origin come with the project. `docs/prediction.md` says how things are scored.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from analysis import baselines, keeping, observed
from analysis.baselines import BASELINES, Record
from analysis.observations import WHOLE_DAY_H
from analysis.observed import Observed
from analysis.options import AsJson, Quiet, Samples, Workers, conclude
from analysis.prediction_report import FORMAT, as_dict, daily, told
from analysis.prediction_scores import (
    Dates,
    Float,
    Forecast,
    Known,
    Marked,
    known,
    marked,
    shared_with,
)  # fmt: skip
from analysis.workers import Collected, each, whole
from sim import posterior
from sim.console import INTERRUPTED, TERMINATED, Refused, Show, complain, counting, nearest, stoppable
from sim.measures import casualties_by_day
from sim.posterior import Sample
from sim.runs import Result, run
from sim.scenario import Scenario

SHIPPED = "tripoli-2013"
ROUNDS_BEFORE = "tripoli_rounds_2011_2013.csv"
MODEL = "the model"
COVARIATE = "covariate"
PATHS = 2000
"""Paths of each baseline: enough that their luck does not show beside that of the record."""
JSON_FILE, TABLE_FILE, DAYS_FILE = "prediction.json", "table.txt", "days.csv"
DAY = np.timedelta64(1, "D")
A16 = ("2013-05-19..2013-05-20",)
"""The two days whose toll the model was fitted on: never scored."""

Day = np.datetime64
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Seen = dict[str, Any]


# --- the runs ------------------------------------------------------------------------------------------


def observe(result: Result, place: str) -> Seen:
    """Return what is kept of a run: killed a day at a place, and whether anybody was hurt; whole days only."""
    days = int(np.argmin(np.append(result.columns.hours_by_day >= WHOLE_DAY_H, False)))
    table = casualties_by_day(result)[place].iloc[:days]
    first = str(result.columns.dates[0]) if days else ""
    hurt = (table["killed"] + table["wounded"] > 0).tolist()
    return {"first": first, "killed": table["killed"].tolist(), "fighting": hurt}


def of_seed(scenario: Scenario, place: str, samples: Sequence[Sample], seed: int) -> Seen:
    """Make a run, with its sample of the parameters, and return what is kept of it."""
    sample = posterior.fitting(samples[seed % len(samples)], scenario) if samples else {}
    return observe(whole(run(scenario.with_values(sample), seed=seed, threads=1)), place)


def forecast_of(seen: Sequence[Seen], dates: Dates) -> Forecast:
    """Return the days asked for of every run."""
    start = int((dates[0] - np.datetime64(seen[0]["first"], "D")).astype(np.int64))
    days = slice(start, start + len(dates))
    killed, fighting = (np.array([one[key][days] for one in seen]) for key in ("killed", "fighting"))
    return Forecast(MODEL, killed.astype(np.int64), fighting.astype(np.bool_))


# --- what is asked for ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """Which days of which place are predicted, and which of them are left out of every score."""

    scenario: Scenario
    place: str
    dates: Dates
    excluded: tuple[tuple[Day, Day], ...] = ()

    @property
    def since(self) -> Day:
        first: Day = self.dates[0]
        return first

    @property
    def until(self) -> Day:
        last: Day = self.dates[-1]
        return last

    def counts(self, days: Dates) -> Bool:
        """Return which days are predicted and not left out."""
        left_out = [(first <= days) & (days <= last) for first, last in self.excluded]
        inside: Bool = (self.since <= days) & (days <= self.until)
        return inside & ~np.any([np.zeros(len(days), bool), *left_out], axis=0)


def asked(name: str, place: str, since: str, until: str, excluded: Sequence[str] = ()) -> Asked:
    """Check what is asked for; the scenario is run to the last day of it."""
    scenario = Scenario.load(name)
    faults: list[str] = []
    here = _place(scenario, place, faults)
    first, last = (_day(option, text, faults) for option, text in (("--since", since), ("--until", until)))
    left_out = tuple(_span(text, faults) for text in excluded)
    begins = np.datetime64(scenario.start.date(), "D")
    days = int((last - begins).astype(np.int64)) + 1
    if not faults and not begins <= first <= last:
        faults.append(f"--since {since} --until {until}: must follow each other, and not before {begins}")
    if not faults and days > scenario.file.clock.days:
        end = begins + (int(scenario.file.clock.days) - 1) * DAY
        faults.append(f"--until {until}: {scenario.id} ends on {end}")
    if faults:
        raise Refused(*faults)
    return Asked(scenario.with_values({"clock.days": float(days)}), here, np.arange(first, last + DAY), left_out)


def _place(scenario: Scenario, place: str, faults: list[str]) -> str:
    found = [key for key in (place, place.casefold()) if key in scenario.file.places]
    if not found:
        faults.append(f"--place {place}: not in scenario {scenario.id}.{nearest(place, scenario.file.places)}")
    return found[0] if found else place


def _day(option: str, text: str, faults: list[str]) -> Day:
    try:
        return np.datetime64(date.fromisoformat(text), "D")
    except ValueError:
        faults.append(f"{option} '{text}' is not a date such as 2013-05-21")
        return np.datetime64("1970-01-01", "D")


def _span(text: str, faults: list[str]) -> tuple[Day, Day]:
    first, dots, last = text.partition("..")
    before = len(faults)
    span = _day("--exclude", first, faults), _day("--exclude", last if dots else first, faults)
    if len(faults) == before and span[1] < span[0]:
        faults.append(f"--exclude {text}: ends before it starts")
    return span


# --- what was known before -----------------------------------------------------------------------------


@dataclass
class Before:
    """The record that baselines are fitted on: every day up to the origin."""

    record: Record
    notes: list[str] = field(default_factory=list)


def rounds_before() -> Path:
    """Return the shipped rounds up to March 2013."""
    return Path(str(files("scenarios"))) / "data" / ROUNDS_BEFORE


def before(file: Path | None, asked: Asked) -> Before:
    """Read the days before the origin; those after the record's end are quiet but for what the scenario tells."""
    path = file or rounds_before()
    told = known(*_at(observed.read(path, asked.place), asked))
    if told.dates[-1] >= asked.since:
        raise Refused(f"--fitted-on {path}: has days from {asked.since} on, which are to be predicted")
    holes = told.dates[~told.there]
    if len(holes):
        raise Refused(
            f"--fitted-on {path}: {len(holes):,} days without data, the first {holes[0]}; none may be missing"
        )
    dates = np.arange(told.dates[0], asked.since)
    killed, fighting = np.zeros(len(dates), np.int64), np.zeros(len(dates), np.bool_)
    killed[: len(told.dates)], fighting[: len(told.dates)] = told.killed.astype(np.int64), told.fighting > 0
    notes = [f"baselines fitted on {path.name}, {told.dates[0]} to {told.dates[-1]}"]
    if len(dates) > len(told.dates):
        notes.append(_after_its_end(asked, told.dates[-1], dates, killed, fighting))
    return Before(Record(dates, killed, fighting | (killed > 0)), notes)


def _at(record: Observed, asked: Asked) -> tuple[Observed, str]:
    """Return a record and what it calls the place; refuse one that has no data of it."""
    names = {asked.place.casefold(), asked.scenario.file.places[asked.place].name.casefold()}
    here = [place for place in record.places if place.casefold() in names]
    if not here:
        raise Refused(f"{record.source}: no data of '{asked.place}'; has {', '.join(record.places)}")
    return record, here[0]


def _after_its_end(asked: Asked, end: Day, dates: Dates, killed: Int, fighting: Bool) -> str:
    """Put what the scenario's benchmarks tell of the days after the record's end into it, and say so."""
    file, told = asked.scenario.file, []
    for one in file.benchmarks.values():
        if one.measure != "killed" or one.place != asked.place or one.window is None:
            continue
        window = file.windows[one.window]
        first, last = np.datetime64(window.first, "D"), np.datetime64(window.last, "D")
        if end < first and last < asked.since:
            start, total = [first], [round(one.low if one.point is None else one.point)]
            days = baselines.days_of_rounds(start, [last], total, str(dates[0]), str(dates[-1]))
            killed += days[0]
            fighting |= days[2]
            told.append(f"{total[0]} killed from {first} to {last} ({one.claim})")
    rest = "the days after that up to the origin are taken as quiet"
    return rest + (f", but for {'; '.join(told)}" if told else "")


def covariate_of(path: Path, dates: Dates) -> Float:
    """Return the killed on each day in all places of a file together; refuse one with a day missing."""
    record = observed.read(path)
    if record.by_rounds:
        raise Refused(f"--covariate {path}: tells rounds; a file of days is needed")
    table = record.table("killed")
    killed = table.sum(axis=1, skipna=False).reindex(dates.astype("M8[us]"))
    missing = killed.index[killed.isna()]
    if len(missing):
        raise Refused(
            f"--covariate {path}: {len(missing):,} of the days from {dates[0]} to {dates[-1]} have no data, the first "
            f"{missing[0]:%Y-%m-%d}; a day without deaths needs a row with 0, for each of its places"
        )
    return np.asarray(killed, dtype=np.float64)


def baseline_forecasts(past: Before, asked: Asked, covariate: Path | None) -> list[Forecast]:
    """Fit every baseline on the days before the origin, and draw its paths from there."""
    record, found = past.record, []
    driver = None if covariate is None else covariate_of(covariate, np.arange(record.dates[0], asked.until + DAY))
    for number, (name, fit) in enumerate(BASELINES.items()):
        if name == COVARIATE and driver is None:
            past.notes.append("driven by covariate: left out; it needs the deaths a day in Syria (--covariate FILE)")
            continue
        parts = (None, None) if driver is None else (driver[: len(record.dates)], driver[len(record.dates) :])
        try:
            forecaster = fit(record.killed, record.dates, parts[0], record.fighting)
        except ValueError as error:
            past.notes.append(f"{name}: left out; {error}")
            continue
        rng = np.random.default_rng([number])
        found.append(Forecast(forecaster.name, *forecaster.sample(len(asked.dates), PATHS, rng, covariate=parts[1])))
    return found


# --- the prediction ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Prediction:
    """What was run and drawn, and how good it was where that is known."""

    asked: Asked
    forecasts: list[Forecast]  # the model's first
    notes: list[str]
    record: Known | None = None
    marks: Marked | None = None
    failed: list[str] = field(default_factory=list)
    source: str = ""
    posterior: str = ""
    samples: int = 0

    @property
    def model(self) -> Forecast:
        return self.forecasts[0]


def observed_days(path: Path, asked: Asked, notes: list[str]) -> Known:
    """Read what happened on the days that are predicted; those left out are not known any more."""
    record, here = _at(observed.read(path, asked.place), asked)
    told = known(record, here).between(asked.since, asked.until)
    told = told.without(~asked.counts(asked.dates))
    if not told.there.any():
        raise Refused(f"--observed {path}: no data of '{here}' on the days from {asked.since} to {asked.until}")
    if shared := shared_with(record, here, asked.counts):
        notes.append(f"dead shared out evenly over the days of rounds that count in part: {'; '.join(shared)}")
    if not told.with_wounded:
        notes.append("no wounded are told: fighting is a day with a death, in forecasts too")
    return told


def predicted(
    asked: Asked,
    seeds: int,
    *,
    past: Before,
    covariate: Path | None = None,
    observations: Path | None = None,
    workers: int = 1,
    samples: Sequence[Sample] = (),
    posterior: str = "",
    progress: Show | None = None,
) -> Prediction:
    """Run the ensemble, draw the baselines, and score both where there is a record; failed runs are left out."""
    others = baseline_forecasts(past, asked, covariate)
    notes = list(past.notes)
    record = observed_days(observations, asked, notes) if observations is not None else None
    kept, failed = _runs(asked, seeds, workers, samples, progress)
    if len(kept) < 2:
        raise Refused(*failed, f"{len(kept)} runs got to their end; two at least are needed")
    forecasts = [forecast_of(kept, asked.dates), *others]
    quiet = asked.scenario.file.reports.round_quiet_days
    marks = marked(record, forecasts, quiet) if record is not None else None
    source = observations.name if observations is not None else ""
    return Prediction(asked, forecasts, notes, record, marks, failed, source, posterior, len(samples))


def _runs(
    asked: Asked, seeds: int, workers: int, samples: Sequence[Sample], progress: Show | None
) -> tuple[list[Seen], list[str]]:
    found, work = Collected[Seen](), partial(of_seed, asked.scenario, asked.place, tuple(samples))
    found.take(each(work, range(seeds), workers=workers), progress)
    return found.in_order, found.failed("seed {}".format)


# --- the command ---------------------------------------------------------------------------------------


def predict(
    scenario: Annotated[str, typer.Argument(help="A scenario that gives what is to be known.")] = SHIPPED,
    observations: Annotated[
        Path | None,
        typer.Option("--observed", metavar="FILE", help="What happened, by days or rounds (docs/observed-data.md)."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=2, max=100_000, help="How many runs, with seeds 0, 1, 2, …")] = 40,
    workers: Workers = 2,
    samples: Samples = None,
    since: Annotated[str, typer.Option(metavar="DAY", help="First day that is predicted.")] = "2013-05-21",
    until: Annotated[str, typer.Option(metavar="DAY", help="Last day that is predicted.")] = "2013-12-31",
    fitted_on: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What baselines are fitted on, instead of the rounds up to March 2013."),
    ] = None,
    covariate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Deaths a day in Syria, for the baseline that is driven by them."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DAY..DAY",
            help="More days left out of every score, besides 2013-05-19..2013-05-20; may be repeated.",
        ),
    ] = None,
    place: Annotated[str, typer.Option(metavar="PLACE", help="Where.")] = "tripoli",
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for tables and figures; a prediction in it is replaced."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Predict a town out of sample, and hold it against what happened and against plain forecasters."""
    what = asked(scenario, place, since, until, [*A16, *(exclude or ())])
    drawn = posterior.load(samples, (what.scenario,)) if samples is not None else []
    past = before(fitted_on, what)
    if out is not None:
        claim(out)
    with stoppable() as stopped, counting(seeds, quiet=quiet) as progress:
        try:
            found = predicted(
                what, seeds, past=past, covariate=covariate, observations=observations, workers=workers,
                samples=drawn, posterior=samples.name if samples else "", progress=progress,
            )  # fmt: skip
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(TERMINATED if stopped else INTERRUPTED) from None
    text = json.dumps(as_dict(found), ensure_ascii=False) if as_json else told(found)
    raise typer.Exit(conclude(text, found.failed, out, partial(keep, found), quiet))


# --- keeping -------------------------------------------------------------------------------------------


def claim(folder: Path) -> None:
    """Make sure that a prediction can be kept in a folder; refuse one with anything else in it."""
    from analysis.prediction_figures import FILES

    ours = {JSON_FILE, TABLE_FILE, DAYS_FILE, *FILES}
    keeping.claim(folder, "a prediction", keeping.says(folder / JSON_FILE, FORMAT), ours)


def keep(found: Prediction, folder: Path) -> None:
    """Write tables and figures into a folder."""
    import pandas as pd

    from analysis.prediction_figures import draw

    texts = {
        JSON_FILE: json.dumps(as_dict(found), ensure_ascii=False, indent=1),
        TABLE_FILE: told(found),
        DAYS_FILE: pd.DataFrame(daily(found)).to_csv(index=False, lineterminator="\n"),
    }
    keeping.keep(folder, texts, partial(draw, found))
