"""What was reported, claim by claim: where a scenario encodes it, and what runs say to it.

The register is data (`scenarios/data/claims.toml`): each claim in our own words, and the figures of a run
that stand beside it. A scenario encodes a claim where one of its sources names the claim's id.

A figure is compared with what the claim would have it be, over the seeds:

    at least `low`   agrees when half of the runs or more reach it
    at most `high`   agrees unless more than nine tenths of the runs pass it (an upper claim)
    `point`          agrees when the interval that holds the middle 80 % of the runs holds it

A claim agrees when all of its figures do. One without anything to compare is present; one on which
observers contradict each other is contested, and nobody is found right.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
import threading
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Discriminator, Field, Tag, TypeAdapter, model_validator

from sim.parameters import Strict
from sim.record import EVENT_TYPES
from sim.schema import Identifier, Window
from sim.sources import CLAIM

if TYPE_CHECKING:
    from sim.runs import Result
    from sim.scenario import Scenario

HALF, NEARLY_ALL = 0.5, 0.9
MIDDLE = (0.1, 0.9)
SHOWN_KEYS = 3

Steps = slice
Values = list[float | None]
Figures = dict[str, Values]
"""The figures of one run, by claim, in the order of the register; None where the run has none."""


# --- the register ----------------------------------------------------------------------------------------


class Compared(Strict):
    """Something to compare: at least `low`, at most `high`, or the number itself."""

    low: float | None = None
    high: float | None = None
    point: float | None = None


class Asked(Compared):
    """A figure of a run, of some of its days."""

    label: str = Field(min_length=1, max_length=80)
    unit: str = Field(min_length=1, max_length=40)
    window: Identifier | None = None
    days: tuple[date, date] | None = None

    @model_validator(mode="after")
    def _one_interval(self) -> Self:
        if self.window is not None and self.days is not None:
            raise ValueError("either window or days")
        return self

    def of(self, result: Result) -> float | None:
        """Return the figure, or None where the scenario or the run has nothing of the kind."""
        steps = steps_of(result, self.window, self.days)
        return None if steps is None else self.over(result, steps)

    def over(self, result: Result, steps: Steps) -> float | None:
        """Return the figure over some steps."""
        raise NotImplementedError


class Recorded(Asked):
    """Columns that the run recorded, added up over whoever is not named."""

    series: str | tuple[str, ...]
    place: Identifier | None = None
    neighbourhood: Identifier | None = None
    community: Identifier | None = None
    faction: Identifier | None = None
    how: Literal["sum", "per_day", "max", "min", "mean", "first", "last", "change"]
    minus: Identifier | None = Field(None, description="a window whose figure is taken away")

    def of(self, result: Result) -> float | None:
        """Return the figure, less that of the window `minus`."""
        found = super().of(result)
        if found is None or self.minus is None:
            return found
        taken = self.model_copy(update={"window": self.minus, "days": None, "minus": None}).of(result)
        return None if taken is None else found - taken

    def over(self, result: Result, steps: Steps) -> float | None:
        """Return the figure over some steps; a change counts from the end of the step before them."""
        columns = [number for number, series in enumerate(result.record.series) if self._is_meant(series)]
        if not columns:
            return None
        levels = result.columns.values[:, columns].sum(axis=1)
        here = levels[steps]
        days = len(here) * result.scenario.step_hours / 24
        read: dict[str, Callable[[], Any]] = {
            "sum": here.sum, "per_day": lambda: here.sum() / days, "max": here.max, "min": here.min,
            "mean": here.mean, "first": lambda: here[0], "last": lambda: here[-1],
            "change": lambda: here[-1] - levels[max(steps.start - 1, 0)],
        }  # fmt: skip
        return float(read[self.how]())

    def _is_meant(self, series: Any) -> bool:
        measures = (self.series,) if isinstance(self.series, str) else self.series
        named = ("place", "neighbourhood", "community", "faction")
        return series.measure in measures and all(getattr(self, k) in (None, getattr(series, k)) for k in named)


class Flow(Asked):
    """Supplies of a faction over corridors, either way, mean over the days."""

    flow: tuple[Identifier, ...] = Field(min_length=1)
    faction: Identifier

    def over(self, result: Result, steps: Steps) -> float | None:
        """Return the tonnes a day."""
        file = result.scenario.file
        roads = [number for number, corridor in enumerate(file.corridors) if corridor in self.flow]
        if len(roads) < len(self.flow) or self.faction not in file.factions:
            return None
        faction, days = list(file.factions).index(self.faction), _days(result, steps)
        tonnes = (
            abs(moved)
            for step, corridor, whose, moved, _ in result.record.flows
            if corridor in roads and whose == faction and steps.start <= step < steps.stop
        )
        return sum(tonnes) / days


class Incidents(Asked):
    """Hours with fire of one kind in a place."""

    incidents: Literal["armed_clash", "shelling", "air_strike", "attack", "border_fire", "explosion"]
    place: Identifier

    def over(self, result: Result, steps: Steps) -> float | None:
        """Return how many hours."""
        if self.place not in result.scenario.file.places:
            return None
        place, kind = list(result.scenario.file.places).index(self.place), EVENT_TYPES.index(self.incidents)
        fire = result.record.fire
        hours = {row[0] for row in fire if row[1] == place and row[5] == kind and steps.start <= row[0] < steps.stop}
        return len(hours) * result.scenario.step_hours


class Claimed(Asked):
    """What an observer says, or what was so of that which it speaks of."""

    claimed: Literal["killed", "wounded", "control", "outside_fighters"]
    observer: Identifier
    place: Identifier | None = None
    party: str | None = None
    truth: bool = Field(False, description="what was so, instead of what is said")
    how: Literal["sum", "max", "min", "mean", "last"]

    def over(self, result: Result, steps: Steps) -> float | None:
        """Return what is said of the days in these steps; an observer that is silent says nothing of 0."""
        if self.observer not in result.scenario.file.observers:
            return None
        key = "truth" if self.truth else "value"
        said = [float(claim[key]) for claim in result.record.claims if self._is_meant(claim, steps)]
        if self.how == "sum":
            return sum(said)
        read: dict[str, Callable[[list[float]], float]] = {
            "max": max, "min": min, "last": lambda of: of[-1], "mean": lambda of: sum(of) / len(of),
        }  # fmt: skip
        return read[self.how](said) if said else None

    def _is_meant(self, claim: dict[str, Any], steps: Steps) -> bool:
        whose = claim["observer"] == self.observer and claim["topic"] == self.claimed
        when = steps.start <= claim["first_step"] and claim["last_step"] < steps.stop
        return whose and when and self.place in (None, claim["place"]) and self.party in (None, claim["party"])


class Worth(Asked):
    """What a contested place is worth to a faction, mean over the days."""

    worth: Identifier
    faction: Identifier

    def over(self, result: Result, steps: Steps) -> float | None:
        """Return the tonnes a day."""
        return _worth(result, self.faction, steps).get(self.worth)


class ValueRank(Asked):
    """Which rank a place has among those that are contested, by its worth to a faction; 1 is first."""

    value_rank: Identifier
    faction: Identifier

    def over(self, result: Result, steps: Steps) -> float | None:
        """Return the rank among the contested places."""
        worth = _worth(result, self.faction, steps)
        own, contested = worth.get(self.value_rank), result.summary["contested"]
        return None if own is None else 1 + sum(worth[place] > own for place in contested if place in worth)


class Happened(Asked):
    """How often a scheduled event took effect."""

    happened: Identifier
    says: str | None = Field(None, description="words that its text has")

    def over(self, result: Result, steps: Steps) -> float | None:
        """Return how often."""
        if self.happened not in result.scenario.file.events:
            return None
        happened = (row for row in result.record.happened if steps.start <= row[0] < steps.stop)
        return sum(event == self.happened and (self.says or "") in text for _, event, text in happened)


class Setting(Asked):
    """A value that the scenario sets."""

    setting: str

    def of(self, result: Result) -> float | None:
        """Return the value."""
        here: Any = result.scenario.file
        for key in self.setting.split("."):
            here = here.get(key) if isinstance(here, dict) else getattr(here, key, None)
        return float(here) if isinstance(here, int | float) else None


class Reported(Strict):
    """A benchmark of the scenario."""

    benchmark: Identifier

    def of(self, result: Result) -> float | None:
        """Return what the run has; None where it did not run all of the days."""
        beside = result.summary["benchmarks"].get(self.benchmark)
        return None if beside is None or beside["agrees"] is None else float(beside["value"])


KINDS: dict[str, type[Asked | Reported]] = {
    "benchmark": Reported, "series": Recorded, "flow": Flow, "incidents": Incidents, "claimed": Claimed,
    "worth": Worth, "value_rank": ValueRank, "happened": Happened, "setting": Setting,
}  # fmt: skip


def _kind_of(figure: Any) -> str | None:
    """Return the key that tells what sort of figure a table asks for."""
    return next((kind for kind in KINDS if isinstance(figure, dict) and kind in figure), None)


Figure = Annotated[
    Annotated[Reported, Tag("benchmark")]
    | Annotated[Recorded, Tag("series")]
    | Annotated[Flow, Tag("flow")]
    | Annotated[Incidents, Tag("incidents")]
    | Annotated[Claimed, Tag("claimed")]
    | Annotated[Worth, Tag("worth")]
    | Annotated[ValueRank, Tag("value_rank")]
    | Annotated[Happened, Tag("happened")]
    | Annotated[Setting, Tag("setting")],
    Discriminator(_kind_of),
]


class Claim(Strict):
    """Something that was reported, and the figures of a run that stand beside it."""

    text: str = Field(min_length=1, max_length=200, description="in our own words")
    by: str = Field(min_length=1, max_length=80, description="who says so: offices, never a person")
    kind: Literal[
        "actor", "event", "number", "state", "structure", "geography", "mechanism", "reporting", "diplomacy"
    ]  # fmt: skip
    contested: bool = Field(False, description="observers contradict each other")
    figures: tuple[Figure, ...] = Field(min_length=1)


REGISTER = TypeAdapter(dict[Annotated[str, Field(pattern=r"^A\d\d$")], Claim])


@cache
def register() -> dict[str, Claim]:
    """Return the claims by id."""
    text = (files("scenarios") / "data" / "claims.toml").read_text(encoding="utf-8")
    return REGISTER.validate_python(tomllib.loads(text))


# --- where a scenario encodes them -------------------------------------------------------------------------


def encoded(scenario: Scenario) -> dict[str, list[tuple[str, str]]]:
    """Return for each claim id that a scenario's sources name the files and dotted keys that do."""
    found: dict[str, list[tuple[str, str]]] = {}
    for key, source in (*_element_sources(scenario.file, ""), *scenario.sources.items()):
        for claim in dict.fromkeys(CLAIM.findall(source)):
            found.setdefault(claim, []).append((_file_of(scenario, key), key))
    return dict(sorted(found.items()))


def _element_sources(here: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield every source that an element names for itself."""
    if isinstance(here, BaseModel):
        if path and isinstance(source := getattr(here, "source", None), str):
            yield path, source
        inner: Iterable[tuple[str, Any]] = here
    else:
        inner = here.items() if isinstance(here, dict) else ()
    for key, value in inner:
        yield from _element_sources(value, f"{path}.{key}" if path else str(key))


def _file_of(scenario: Scenario, key: str) -> str:
    """Return the file whose word a source is, else that of the nearest table above it."""
    where, keys = scenario.where, key.split(".")
    above = (".".join(keys[:length]) for length in range(len(keys), 0, -1))
    return next((where[path] for path in (f"{key}.source", *above) if path in where), scenario.id)


# --- the figures of a run ----------------------------------------------------------------------------------


def figures(result: Result) -> Figures:
    """Return the figures of a run that stand beside each claim."""
    return {name: [figure.of(result) for figure in claim.figures] for name, claim in register().items()}


def steps_of(result: Result, window: str | None, days: tuple[date, date] | None) -> Steps | None:
    """Return the steps of some days or of the whole run; None where not all of the days were run."""
    if window is not None:
        if window not in result.scenario.file.windows:
            return None
        days = _ends(result.scenario.file.windows[window])
    columns = result.columns
    if days is None:
        return slice(0, columns.steps) if columns.steps else None
    meant = columns.between(*days)
    whole = result.scenario.steps_a_day * ((days[1] - days[0]).days + 1)
    if meant.stop <= meant.start:
        return None
    first = int(columns.day_ends[meant.start - 1]) + 1 if meant.start else 0
    last = int(columns.day_ends[meant.stop - 1]) + 1
    an_hour = math.ceil(1 / result.scenario.step_hours)  # the clocks may change in between
    return slice(first, last) if last - first >= whole - an_hour else None


def _ends(window: Window) -> tuple[date, date]:
    return window.first, window.last


def _days(result: Result, steps: Steps) -> int:
    hours: float = (steps.stop - steps.start) * result.scenario.step_hours
    return max(math.ceil(hours / 24), 1)  # supplies are routed once a day


def _worth(result: Result, faction: str, steps: Steps) -> dict[str, float]:
    """Return what each contested place is worth to a faction, mean over the days."""
    places, factions = list(result.scenario.file.places), list(result.scenario.file.factions)
    found: dict[str, list[float]] = {}
    for step, place, whose, value in result.record.worth:
        if factions[whose] == faction and steps.start <= step < steps.stop:
            found.setdefault(places[place], []).append(value)
    return {place: sum(values) / len(values) for place, values in found.items()}


# --- over seeds --------------------------------------------------------------------------------------------

_scenario: Scenario | None = None  # of a worker process


def over_seeds(
    scenario: Scenario, seeds: Sequence[int], workers: int = 2, progress: Callable[[int], None] | None = None
) -> list[Figures]:
    """Run a scenario with each seed, in processes of their own if `workers` is above 1; keep the figures alone."""
    tell = progress or (lambda done: None)
    if workers <= 1 or len(seeds) <= 1:
        return [_told(_figures_of(scenario, seed), tell, done) for done, seed in enumerate(seeds, 1)]
    before = set(multiprocessing.active_children())
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(seeds)), spawn, _begin_work, (scenario,))
    try:
        with _deaf():
            runs = [pool.submit(_work, seed) for seed in seeds]
        for done, run in enumerate(as_completed(runs), 1):
            run.result()
            tell(done)
        return [run.result() for run in runs]
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - before:
            child.terminate()
        raise
    finally:
        pool.shutdown()


def _told(found: Figures, tell: Callable[[int], None], done: int) -> Figures:
    tell(done)
    return found


def _figures_of(scenario: Scenario, seed: int, threads: int | None = None) -> Figures:
    from sim.runs import run  # Mesa takes seconds to import

    result = run(scenario, seed=seed, threads=threads)
    if result.interrupted:
        raise KeyboardInterrupt
    return figures(result)


@contextmanager
def _deaf() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: it is for the one that started them to end them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin_work(scenario: Scenario) -> None:
    """Take the scenario of all the runs to come."""
    global _scenario
    _scenario = scenario


def _work(seed: int) -> Figures:
    assert _scenario is not None
    return _figures_of(_scenario, seed, threads=1)


# --- what they say to the claims ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Found:
    """A figure over the seeds: its middle, the interval of the middle 80 %, and what it is compared with."""

    label: str
    unit: str
    runs: int
    median: float | None = None
    from_: float | None = None
    to: float | None = None
    low: float | None = None
    high: float | None = None
    point: float | None = None
    agrees: bool | None = None

    @property
    def width(self) -> float | None:
        """How wide the interval is."""
        return None if self.from_ is None or self.to is None else self.to - self.from_

    def as_dict(self) -> dict[str, Any]:
        """Return the figure as plain values, for JSON."""
        plain = asdict(self)
        plain["from"] = plain.pop("from_")
        return {**plain, "width": self.width}


@dataclass(frozen=True)
class Verdict:
    """A claim, where the scenario encodes it, its figures, and what they say to it."""

    id: str
    claim: Claim
    encoded: tuple[tuple[str, str], ...]
    figures: tuple[Found, ...]
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as plain values, for JSON."""
        said = {"id": self.id, "text": self.claim.text, "by": self.claim.by, "kind": self.claim.kind}
        where = [{"file": file, "key": key} for file, key in self.encoded]
        found = [figure.as_dict() for figure in self.figures]
        return {**said, "encoded": where, "figures": found, "verdict": self.verdict}


def assess(scenario: Scenario, runs: Sequence[Figures]) -> list[Verdict]:
    """Return what the figures of some runs say to each claim of the register."""
    where = encoded(scenario)
    return [_verdict(scenario, name, claim, where.get(name, []), runs) for name, claim in register().items()]


def _verdict(
    scenario: Scenario, name: str, claim: Claim, where: list[tuple[str, str]], runs: Sequence[Figures]
) -> Verdict:
    found = [
        _found(scenario, figure, [run[name][number] for run in runs]) for number, figure in enumerate(claim.figures)
    ]
    return Verdict(name, claim, tuple(where), tuple(found), verdict_of(bool(where), claim.contested, found))


def verdict_of(is_encoded: bool, contested: bool, found: Sequence[Found]) -> str:
    """Return what figures say to a claim."""
    compared = [figure.agrees for figure in found if figure.agrees is not None]
    if not is_encoded:
        return "absent"
    if all(figure.median is None for figure in found):
        return "untested"  # not all of the days were run, or another scenario's claim
    if contested:
        return "contested"
    if any(figure.agrees is None and _is_compared(figure) for figure in found):
        return "untested" if all(compared) else "disagrees"
    return ("agrees" if all(compared) else "disagrees") if compared else "present"


def _is_compared(figure: Compared | Found) -> bool:
    return (figure.low, figure.high, figure.point) != (None, None, None)


def _found(scenario: Scenario, figure: Asked | Reported, values: Values) -> Found:
    """Return a figure over the seeds; without a middle where some run has none of it."""
    label, unit, with_ = _asked(scenario, figure)
    known = np.array([value for value in values if value is not None])
    limits = with_.model_dump(include={"low", "high", "point"})
    if len(known) < len(values) or not len(known):
        return Found(label, unit, len(known), **limits)
    low, high = np.quantile(known, MIDDLE).tolist()
    return Found(
        label, unit, len(known), median=float(np.median(known)), from_=low, to=high,
        **limits, agrees=agreement(known, with_) if _is_compared(with_) else None,
    )  # fmt: skip


def _asked(scenario: Scenario, figure: Asked | Reported) -> tuple[str, str, Compared]:
    """Return what a figure is called, its unit, and what it is compared with."""
    if isinstance(figure, Asked):
        return figure.label, figure.unit, figure
    given = scenario.file.benchmarks.get(figure.benchmark)
    if given is None:
        return figure.benchmark, "", Compared()
    unit = "1" if given.measure == "control" else "people"
    return given.text, unit, Compared(low=given.low, high=given.high, point=given.point)


def agreement(values: NDArray[np.float64], with_: Compared) -> bool:
    """Tell whether figures over seeds agree with a number, or with one that bounds them."""
    if with_.point is not None:
        low, high = np.quantile(values, MIDDLE)
        return bool(low <= with_.point <= high)
    enough = with_.low is None or np.mean(values >= with_.low) >= HALF
    few = with_.high is None or np.mean(values > with_.high) <= NEARLY_ALL
    return bool(enough and few)


# --- telling -----------------------------------------------------------------------------------------------


def as_dict(scenario: Scenario, seeds: Sequence[int], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return the verdicts ready for JSON."""
    return {"scenario": scenario.id, "seeds": list(seeds), "claims": [verdict.as_dict() for verdict in verdicts]}


def told(scenario: Scenario, seeds: Sequence[int], verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as a table for a person."""
    many = f"{len(seeds)} run{'' if len(seeds) == 1 else 's'}"
    heading = f"{scenario.title} ({scenario.id}): the claims beside {many}; median, and the middle 80 % of the runs"
    columns = f"{'':6}{'figure':58}{'median':>9}  {'80 %':>19}{'width':>9}  {'unit':12} claimed"
    lines = [heading, "", columns]
    for verdict in verdicts:
        lines += ["", *_lines(verdict)]
    counts = [v.verdict for v in verdicts]
    told_counts = ", ".join(f"{counts.count(said)} {said}" for said in dict.fromkeys(counts))
    return "\n".join(line.rstrip() for line in [*lines, "", f"{told_counts}. Runs of a simulation, not a forecast."])


def _lines(verdict: Verdict) -> Iterator[str]:
    yield f"{verdict.id}  {verdict.verdict.upper()}  {verdict.claim.text} ({verdict.claim.by})"
    if verdict.encoded:
        files_ = dict.fromkeys(file for file, _ in verdict.encoded)
        shown = [
            f"{file}: " + ", ".join([key for at, key in verdict.encoded if at == file][:SHOWN_KEYS]) for file in files_
        ]
        yield f"      in {'; '.join(shown)} ({len(verdict.encoded)} in all)"
    yield from (f"      {_line(figure)}" for figure in verdict.figures)


def _line(figure: Found) -> str:
    if figure.median is None or figure.from_ is None or figure.to is None or figure.width is None:
        return f"{figure.label:58}{'–':>9}  {'not in these runs':>19}"
    interval = f"{_short(figure.from_)} to {_short(figure.to)}"
    numbers = f"{_short(figure.median):>9}  {interval:>19}{_short(figure.width):>9}"
    agrees = {True: "  agrees", False: "  disagrees", None: ""}[figure.agrees]
    return f"{figure.label:58}{numbers}  {figure.unit:12} {_limits(figure)}{agrees}"


def _limits(figure: Found) -> str:
    if figure.point is not None:
        return f"{_short(figure.point)}"
    bounds = (("≥", figure.low), ("≤", figure.high))
    return ", ".join(f"{sign} {_short(bound)}" for sign, bound in bounds if bound is not None)


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
