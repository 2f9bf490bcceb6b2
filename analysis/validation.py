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
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from analysis import keeping, observations
from analysis.observations import Seen
from analysis.options import AsJson, Quiet, Samples, Workers, conclude
from analysis.patterns import AFTER, Family, Judged, Runs, judged, together
from analysis.validation_report import FORMAT, as_dict, told
from analysis.workers import Collected, each, whole
from sim import posterior
from sim.console import INTERRUPTED, TERMINATED, Refused, Show, complain, counting, stoppable
from sim.posterior import Sample
from sim.runs import Result, run
from sim.scenario import Scenario

SHIPPED = ("qusayr-2013", "tripoli-2012")
ALL = "all"
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
    workers: Workers = 2,
    samples: Samples = None,
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
    as_json: AsJson = False,
    quiet: Quiet = False,
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
    text = json.dumps(as_dict(found), ensure_ascii=False) if as_json else told(found)
    raise typer.Exit(conclude(text, found.failed, out, partial(keep, found), quiet))


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
