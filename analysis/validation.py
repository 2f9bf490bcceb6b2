"""Hold runs against the record, pattern by pattern.

    spillover validate qusayr-2013 --seeds 200 --workers 2 --out runs/validation
    spillover validate --seeds 50 --posterior posterior.csv

prints for each figure of each pattern (`analysis.patterns`) its label, target, what the runs have (median and the
middle 80 %), how wide that may be, and the verdict. The exit code is 0 whatever the verdicts: this is a table, not a
test. `--out` keeps it as `validation.json` and `table.txt`, with figures.

The battle is run until 30 June 2013 whatever the scenario's own length, so that deaths after it can be told. What the
town is worth is asked of draws of the roads (P12), and Tripoli's deafness without channels of pairs of runs (P14).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any

import numpy as np
import typer

from analysis import keeping, observations
from analysis.observations import Seen
from analysis.patterns import (
    AFTER,
    COUNTING,
    FAILS,
    HOLDS,
    UNTOLD,
    WIDE,
    Family,
    Found,
    Judged,
    Reported,
    Runs,
    judged,
    together,
)  # fmt: skip
from analysis.workers import Collected, each, whole
from sim import posterior
from sim.console import DONE, FAILED, INTERRUPTED, TERMINATED, Refused, Show, complain, counting, stoppable
from sim.posterior import Sample
from sim.runs import Result, run
from sim.scenario import Scenario

SHIPPED = ("qusayr-2013", "tripoli-2012")
ALL = "all"
FORMAT = "spillover-validation-1"
JSON_FILE, TABLE_FILE = "validation.json", "table.txt"

DRAWS = 200
"""Draws of roads, loads and weights for P12; each is a run of one day."""
PAIRS = 2
"""Seeds for P14: what must be the same to the bit is no matter of luck."""
PAIR_DAYS = 22.0
"""From two weeks before the assault to a week after it."""
FACTOR, WEIGHT_FACTOR = 2.0, 10.0
"""Draws multiply or divide capacities and loads by up to the first, the weight of heads by up to the second."""
SIDE_ROAD_T_DAY, LEFT_OUT = 25.0, 0.25
"""Roads of at most this capacity are optional: each is left out of a draw with this probability."""

NEEDS: dict[Family, tuple[str, ...]] = {
    "battle": (
        "places.qusayr", "places.tripoli", "places.golan", "factions.government", "factions.rebels",
        "factions.hezbollah", "events.offensive",
    ),
    "rounds": ("places.tripoli", "neighbourhoods.bab_al_tabbaneh", "neighbourhoods.jabal_mohsen"),
}  # fmt: skip

STATEMENT = (
    "This is not a forecast. It sets what runs of a simulation have beside what was recorded of May and June 2013 and "
    "of Tripoli from 2011 to 2013. The record is thin: one battle and ten rounds of fighting, press counts and claims "
    "that contradict each other, and event data that hold about half of what happened. Its numbers are bounds rather "
    "than measurements. Inputs and structural patterns say nothing about the model, fitted ones that it can be made to "
    "agree; only those held out say that it may be right, and for this one battle."
)


@dataclass(frozen=True)
class Job:
    """A run to make, or a pair of runs."""

    family: Family
    number: int


@dataclass(frozen=True)
class Work:
    """Whatever a worker needs to know besides the number of the run."""

    scenarios: Mapping[Family, Scenario]
    samples: Sequence[Sample] = ()
    days: float | None = None

    def scenario(self, job: Job) -> Scenario:
        """Return the scenario of a run: with its sample of the parameters, and as long as its patterns need."""
        base = self.scenarios["rounds" if job.family == "rounds" else "battle"]
        sample = posterior.fitting(self.samples[job.number % len(self.samples)], base) if self.samples else {}
        return base.with_values({**sample, "clock.days": self._length(job.family, base)})

    def _length(self, family: Family, base: Scenario) -> float:
        if family == "worth":
            return 1.0
        needed = (AFTER[1] - base.start.date()).days + 1.0 if family in ("battle", "pairs") else 0.0
        days = max(base.file.clock.days, needed) if self.days is None else self.days
        return min(days, PAIR_DAYS) if family == "pairs" else days

    def __call__(self, job: Job) -> Seen:
        """Make a run and return what is kept of it."""
        return OBSERVED[job.family](self.scenario(job), job.number)


def _battle(scenario: Scenario, seed: int) -> Seen:
    return observations.of_the_battle(_run(scenario, seed))


def _rounds(scenario: Scenario, seed: int) -> Seen:
    return observations.of_the_rounds(_run(scenario, seed))


def _worth(scenario: Scenario, number: int) -> Seen:
    """Return what places are worth with the roads as they are given and as they are drawn."""
    drawn = scenario.with_values(drawn_values(scenario, np.random.default_rng(number)))
    said = {"given": scenario, "drawn": drawn}
    return {name: observations.of_what_places_are_worth(_run(of, number)) for name, of in said.items()}


def _pair(scenario: Scenario, seed: int) -> Seen:
    channels = type(scenario.file.channels).model_fields
    deaf = scenario.with_values({f"channels.{channel}.on": False for channel in channels})
    return observations.of_a_pair(_run(deaf, seed), _run(deaf.without("offensive"), seed))


OBSERVED = {"battle": _battle, "rounds": _rounds, "worth": _worth, "pairs": _pair}


def _run(scenario: Scenario, seed: int) -> Result:
    return whole(run(scenario, seed=seed, threads=1))


def drawn_values(scenario: Scenario, rng: np.random.Generator) -> dict[str, Any]:
    """Draw capacities, loads and weights, and which of the side roads there are."""
    file = scenario.file
    values: dict[str, Any] = {}
    for key, road in file.corridors.items():
        values[f"corridors.{key}.capacity_t_day"] = road.capacity_t_day * _times(rng, FACTOR)
        left_out = rng.random() < LEFT_OUT and road.capacity_t_day <= SIDE_ROAD_T_DAY
        values[f"corridors.{key}.sealed"] = road.sealed or bool(left_out)
    for key, patron in file.patrons.items():
        for place, load in patron.delivers_t_day.items():
            values[f"patrons.{key}.delivers_t_day.{place}"] = load * _times(rng, FACTOR)
    values["supply.interdiction_weight_h"] = min(file.supply.interdiction_weight_h * _times(rng, FACTOR), 240.0)
    values["supply.value_population_weight"] = file.supply.value_population_weight * _times(rng, WEIGHT_FACTOR)
    return values


def _times(rng: np.random.Generator, most: float) -> float:
    """Draw a factor from 1/most to most, as likely below 1 as above."""
    return float(most ** rng.uniform(-1.0, 1.0))


# --- what is asked for ---------------------------------------------------------------------------------


def scenarios_of(name: str | None) -> dict[Family, Scenario]:
    """Return the scenario of each family of runs that a name stands for."""
    names = SHIPPED if name in (None, ALL) else (str(name),)
    return {family_of(found): found for found in map(Scenario.load, names)}


def family_of(scenario: Scenario) -> Family:
    """Return which of the two records a scenario is about; refuse one that is about neither."""
    file = scenario.file
    family: Family = "battle" if "qusayr" in file.places else "rounds"
    missing = [path for path in NEEDS[family] if not _has(file, path)]
    if missing:
        about = " or ".join(SHIPPED)
        raise Refused(
            f"{scenario.id}: has no {', '.join(missing)}; the record is that of {about} and what extends them"
        )
    return family


def _has(file: Any, path: str) -> bool:
    kind, key = path.split(".")
    return key in getattr(file, kind)


def jobs_of(scenarios: Mapping[Family, Scenario], seeds: int) -> list[Job]:
    """Return the runs to make, the longest first, so that none is left over at the end."""
    many: dict[Family, int] = {"rounds": seeds if "rounds" in scenarios else 0}
    if "battle" in scenarios:
        many |= {"pairs": min(PAIRS, seeds), "battle": seeds, "worth": min(DRAWS, 10 * seeds)}
    return [Job(family, number) for family, count in many.items() for number in range(count)]


@dataclass(frozen=True)
class Validation:
    """What was run, what was kept of it, and what it says."""

    scenarios: Mapping[Family, Scenario]
    seeds: int
    runs: Runs
    patterns: list[Judged]
    failed: list[str] = field(default_factory=list)
    posterior: str = ""
    samples: int = 0

    def counted(self, verdict: str) -> list[str]:
        """Return the ids of fitted and held-out patterns with a verdict."""
        return [of.pattern.id for of in self.patterns if of.is_counted and of.verdict == verdict]

    @property
    def together(self) -> float:
        """The share of runs of the battle that have what the record has in P1 to P4 at once."""
        return together(self.runs, ("P1", "P2", "P3", "P4"))


def validated(
    scenarios: Mapping[Family, Scenario],
    seeds: int,
    *,
    workers: int = 1,
    samples: Sequence[Sample] = (),
    samples_from: str = "",
    days: float | None = None,
    progress: Show | None = None,
) -> Validation:
    """Make the runs and hold them against the record; runs that fail are named and left out."""
    work, jobs = Work(dict(scenarios), tuple(samples), days), jobs_of(scenarios, seeds)
    found = Collected[Seen]()
    found.take(each(work, jobs, workers=workers), progress)
    runs: dict[Family, list[Seen]] = {job.family: [] for job in jobs}
    for number, seen in sorted(found.values.items()):
        runs[jobs[number].family].append(seen)
    failed = found.failed(lambda number: f"{jobs[number].family}, seed {jobs[number].number}")
    return Validation(scenarios, seeds, runs, judged(runs), failed, samples_from, len(samples))


# --- the command ---------------------------------------------------------------------------------------


def validate(
    scenario: Annotated[
        str | None,
        typer.Argument(metavar="[SCENARIO]", help="qusayr-2013, tripoli-2012, one that extends them, or all."),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100_000, help="How many runs, with seeds 0, 1, 2, …")] = 20,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes that run at the same time.")] = 2,
    samples: Annotated[
        Path | None,
        typer.Option(
            "--posterior", metavar="FILE", help="Samples of parameters, in CSV or JSON Lines; run i takes the i-th."
        ),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(
            min=1.0, help="Days to run, instead of as many as the patterns need; what is not covered stays untold."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the table and figures; a validation in it is replaced."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")] = False,
) -> None:
    """Hold runs against the record, pattern by pattern: fitted, held out, and how wide they may be."""
    chosen = scenarios_of(scenario)
    drawn = posterior.load(samples, tuple(chosen.values())) if samples is not None else []
    if out is not None:
        claim(out)
    with stoppable() as stopped, counting(len(jobs_of(chosen, seeds)), quiet=quiet) as progress:
        try:
            found = validated(
                chosen, seeds, workers=workers, samples=drawn, samples_from=samples.name if samples else "",
                days=days, progress=progress,
            )  # fmt: skip
        except KeyboardInterrupt:
            complain("interrupted")
            with suppress(OSError):
                if out is not None:
                    out.rmdir()  # made for this, and empty unless it held a validation before
            raise typer.Exit(TERMINATED if stopped else INTERRUPTED) from None
    typer.echo(json.dumps(as_dict(found), ensure_ascii=False) if as_json else told(found))
    for failure in found.failed:
        complain(f"failed: {failure}")
    if out is not None:
        keep(found, out)
        if not quiet:
            complain(f"kept in {out}")
    raise typer.Exit(FAILED if found.failed else DONE)


# --- telling -------------------------------------------------------------------------------------------

ROW = "{:6}{:58}{:11}{:14}{:>8}  {:>15}{:>8}{:>9}{:>7}  {}"
WIDEST = 140


def told(found: Validation) -> str:
    """Return the table for a person."""
    lines = [fill(STATEMENT, 118), "", _ran(found), ""]
    lines.append(
        ROW.format("", "figure", "label", "target", "median", "80 % of runs", "width", "at most", "score", "verdict")
    )
    for of in found.patterns:
        lines += ["", f"{of.pattern.id:6}{of.pattern.words}"]
        lines += [_row(one) for one in of.found]
        lines += [fill(of.note, WIDEST, initial_indent=" " * 8, subsequent_indent=" " * 8)] if of.note else []
    return "\n".join(line.rstrip() for line in [*lines, "", *_summary(found)])


def _ran(found: Validation) -> str:
    """Say what was run."""
    runs = ", ".join(f"{len(seen):,} {RUNS_CALLED[family]}" for family, seen in found.runs.items())
    names = ", ".join(scenario.id for scenario in found.scenarios.values())
    samples = (
        f", with {found.samples:,} samples of {found.posterior}" if found.samples else ", at the scenario's values"
    )
    return f"{names}{samples}: {runs}" + (f"; {len(found.failed)} failed" if found.failed else "")


RUNS_CALLED: dict[Family, str] = {
    "battle": "runs of the battle",
    "rounds": "runs of the rounds before",
    "worth": "draws of the roads",
    "pairs": "pairs without channels",
}


def _row(found: Found) -> str:
    figure = found.figure
    label = figure.label if figure.is_counted or figure.label not in COUNTING else f"({figure.label})"
    known = found.verdict != UNTOLD
    interval = f"{_short(found.low)} to {_short(found.high)}" if known else "–"
    numbers = (_short(found.median), interval, _short(found.width)) if known else ("–", "–", "–")
    score = f"{found.score:.2f}" if isfinite(found.score) else "–"
    return ROW.format(
        "", f"{figure.text} [{figure.unit}]"[:57], label, figure.target.told, *numbers,
        _short(figure.greatest_width), score, found.verdict,
    )  # fmt: skip


def _summary(found: Validation) -> list[str]:
    """Say how many of the patterns that count hold, and which do not."""
    counted = [of for of in found.patterns if of.is_counted]
    lines = [
        f"Of {len(counted)} patterns that count (fitted or held out), {len(found.counted(HOLDS))} hold.",
        *(f"  {verdict}: {', '.join(ids)}" for verdict in (FAILS, WIDE, UNTOLD) if (ids := found.counted(verdict))),
    ]
    if isfinite(found.together):
        lines.append(f"P1 to P4 at once, in one and the same run: {found.together:.0%} of the runs of the battle.")
    lines.append(
        "A label in brackets: put beside the record, not counted. Score: CRPS to the nearest of the target, in "
        "greatest widths; 0 is perfect."
    )
    return lines


def _short(number: float) -> str:
    if not isfinite(number):
        return "never" if number > 0 else "–"
    return f"{number:,.0f}" if abs(number) >= 100 or number == round(number) else f"{number:.2g}"


def as_dict(found: Validation) -> dict[str, Any]:
    """Return everything ready for JSON; what is not a number (never, not told) is null."""
    return {
        "format": FORMAT,
        "statement": STATEMENT,
        "scenarios": [{"id": of.id, "sha256": of.content_hash()} for of in found.scenarios.values()],
        "seeds": found.seeds,
        "posterior": found.posterior or None,
        "samples": found.samples,
        "runs": {family: len(seen) for family, seen in found.runs.items()},
        "failed": found.failed,
        "patterns": [_pattern(of) for of in found.patterns],
        "counted": {verdict: found.counted(verdict) for verdict in (HOLDS, FAILS, WIDE, UNTOLD)},
        "p1_to_p4_in_one_run": _finite(found.together),
    }


def _pattern(of: Judged) -> dict[str, Any]:
    pattern = of.pattern
    about = {"id": pattern.id, "words": pattern.words, "source": pattern.source, "counts": of.is_counted}
    return {**about, "verdict": of.verdict, "note": of.note, "figures": [_figure(one) for one in of.found]}


def _figure(found: Found) -> dict[str, Any]:
    figure = found.figure
    return {
        "name": figure.name,
        "text": figure.text,
        "unit": figure.unit,
        "label": figure.label,
        "counts": figure.is_counted,
        "target": _target(figure.target),
        "greatest_width": figure.greatest_width,
        "why": figure.why,
        "runs": found.runs,
        **{key: _finite(getattr(found, key)) for key in ("median", "low", "high", "width", "inside", "score")},
        "verdict": found.verdict,
        "values": [_finite(one) for one in found.values.tolist()],
    }


def _target(target: Any) -> dict[str, Any]:
    ends = {} if isinstance(target, Reported) else {key: _finite(end) for key, end in vars(target).items()}
    return {"told": target.told, "kind": type(target).__name__.lower(), **ends}


def _finite(number: float) -> float | None:
    return float(number) if isfinite(number) else None


# --- keeping -------------------------------------------------------------------------------------------


def claim(folder: Path) -> None:
    """Make sure that a validation can be kept in a folder; refuse one with anything else in it."""
    from analysis.validation_figures import FILES

    keeping.claim(folder, "a validation", keeping.says(folder / JSON_FILE, FORMAT), {JSON_FILE, TABLE_FILE, *FILES})


def keep(found: Validation, folder: Path) -> None:
    """Write the table and the figures into a folder, in place of an earlier validation's."""
    from analysis.validation_figures import FILES, draw

    texts = {JSON_FILE: json.dumps(as_dict(found), ensure_ascii=False, indent=1), TABLE_FILE: told(found)}
    keeping.keep(folder, texts, partial(draw, found), without=FILES)
