"""What must come out: each pattern of the record, the figures of a run that stand for it, and what an ensemble says.

A pattern is made of figures. Each has a target, a source, a label and a **greatest width**: an interval of runs that
covers a target because it is enormous has failed. Labels: *input* (set, only checked), *fitted* (used in choosing
parameter values), *held out* (not used), *structural* (follows from how the model is built). Only fitted and held-out
figures count, and of these only those that are not merely put beside the record.

The verdict on a figure, from the central 80 % interval of the runs (both ends are values that runs have):

    cannot be told   fewer than 5 runs, or fewer than half of them, have the figure (too short, or nothing to count)
    does not hold    a value or a range: the interval has no value in common with it
                     at least: fewer than half of the runs reach it, or more than 90 % pass the upper claim
                     at most: more than half of the runs pass it
    too wide         it would hold, but the interval is wider than the figure's greatest width
    holds            otherwise; `reported` where there is nothing to compare with

A pattern holds when all its counting figures do. The score is the fair CRPS of the runs against the value of the
target nearest to their median, in greatest widths: 0 is perfect, and 1 a miss as large as all that is allowed.

Numbers of killed are press counts and claims: bounds, not measurements. UCDP's are good for shape, not for level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from math import inf, isfinite, log, nan
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from analysis import scores, tails
from analysis.observations import Seen

Float = NDArray[np.float64]
Label = Literal["input", "fitted", "held out", "structural"]
Family = Literal["battle", "rounds", "worth", "pairs"]
Runs = Mapping[Family, Sequence[Seen]]

COUNTING: tuple[Label, ...] = ("fitted", "held out")
HALF, NEARLY_ALL = 0.5, 0.9
MIDDLE = 0.8
FEWEST_RUNS: Mapping[Family, int] = {"battle": 5, "rounds": 5, "worth": 5, "pairs": 1}
"""With fewer than 5, the middle 80 % of the runs is all of them; to be the same to the bit is no matter of luck."""
RESAMPLES = 200
"""Ensembles drawn anew for a figure that is one number for all runs together."""
SLACK = 1e-9  # of rounding, in shares

HOLDS, FAILS, WIDE, UNTOLD, REPORTED = "holds", "does not hold", "too wide", "cannot be told", "reported"
WORST_FIRST = (FAILS, WIDE, UNTOLD, HOLDS, REPORTED)

# --- targets -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """A value (both ends the same) or a range that the record gives."""

    low: float
    high: float

    @property
    def told(self) -> str:
        return f"{self.low:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"

    def met(self, values: Float, low: float, high: float) -> bool:
        return low <= self.high + SLACK and high >= self.low - SLACK

    def inside(self, values: Float) -> NDArray[np.bool_]:
        return np.asarray((values >= self.low - SLACK) & (values <= self.high + SLACK))

    def nearest(self, value: float) -> float:
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class AtLeast:
    """A bound from below, with the highest claim where there is one."""

    low: float
    upper_claim: float = inf

    @property
    def told(self) -> str:
        return f"≥ {self.low:g}" + (f" (to {self.upper_claim:g})" if isfinite(self.upper_claim) else "")

    def met(self, values: Float, low: float, high: float) -> bool:
        return bool(np.mean(values >= self.low) >= HALF and np.mean(values > self.upper_claim) <= NEARLY_ALL)

    def inside(self, values: Float) -> NDArray[np.bool_]:
        return np.asarray(values >= self.low)

    def nearest(self, value: float) -> float:
        return min(max(value, self.low), self.upper_claim)


@dataclass(frozen=True)
class AtMost:
    """A bound from above."""

    high: float

    @property
    def told(self) -> str:
        return f"≤ {self.high:,.0f}"

    def met(self, values: Float, low: float, high: float) -> bool:
        return bool(np.mean(values <= self.high) >= HALF)

    def inside(self, values: Float) -> NDArray[np.bool_]:
        return np.asarray(values <= self.high)

    def nearest(self, value: float) -> float:
        return min(value, self.high)


@dataclass(frozen=True)
class Reported:
    """Nothing to compare with: the figure is told, and any value is an answer."""

    told: ClassVar[str] = "reported"

    def met(self, values: Float, low: float, high: float) -> bool:
        return True

    def inside(self, values: Float) -> NDArray[np.bool_]:
        return np.ones(len(values), dtype=bool)

    def nearest(self, value: float) -> float:
        return value


Target = Range | AtLeast | AtMost | Reported


def value(number: float) -> Range:
    """Return a target that is one number."""
    return Range(number, number)


# --- figures and patterns ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Figure:
    """A number of each run, and what the record has in its place."""

    name: str
    text: str
    unit: str
    target: Target
    label: Label
    greatest_width: float
    why: str
    """Where the greatest width comes from."""
    of: Callable[[Seen], Any]
    family: Family = "battle"
    counts: bool = True
    pooled: Callable[[Sequence[Any]], Float] | None = None
    """Makes one number of all runs together, told for ensembles drawn anew."""

    @property
    def is_counted(self) -> bool:
        """Whether it says anything about the model."""
        return self.counts and self.label in COUNTING

    def values(self, runs: Runs) -> Float:
        """Return the figure of each run, or of each ensemble drawn anew where all runs make one number."""
        found = [self.of(seen) for seen in runs.get(self.family, ())]
        return self.pooled(found) if self.pooled else np.array(found, dtype=np.float64)

    def judged(self, runs: Runs) -> Found:
        """Hold the figure of some runs against the record."""
        values = self.values(runs)
        many = len(runs.get(self.family, ()))
        known = values[~np.isnan(values)]
        if many < FEWEST_RUNS[self.family] or not len(known) or len(known) < HALF * len(values):
            return Found(self, many, values)
        low, high = (float(end[0]) for end in scores.central_interval(known[:, None], MIDDLE))
        found = Found(self, many, values, float(np.median(known)), low, high)
        return replace(found, verdict=self._verdict(found, known), score=_score(self, known))

    def _verdict(self, found: Found, known: Float) -> str:
        if not self.target.met(known, found.low, found.high):
            return FAILS
        if found.width > self.greatest_width + SLACK:
            return WIDE
        return REPORTED if isinstance(self.target, Reported) else HOLDS


@dataclass(frozen=True, eq=False)
class Found:
    """A figure over an ensemble: its middle, the interval of the middle 80 %, and what that says."""

    figure: Figure
    runs: int
    values: Float
    median: float = nan
    low: float = nan
    high: float = nan
    verdict: str = UNTOLD
    score: float = nan

    @property
    def width(self) -> float:
        """How wide the interval is; infinite where a run never gets there."""
        return 0.0 if self.low == self.high else self.high - self.low

    @property
    def inside(self) -> float:
        """The share of the runs that have what the record has."""
        known = self.values[~np.isnan(self.values)]
        return float(self.figure.target.inside(known).mean()) if len(known) else nan


def _score(figure: Figure, known: Float) -> float:
    """Return the CRPS against the nearest value of the target, in greatest widths (in units where that is 0)."""
    if len(known) < 2 or not np.isfinite(known).all() or isinstance(figure.target, Reported):
        return nan
    nearest = figure.target.nearest(float(np.median(known)))
    return float(scores.crps(known[:, None], [nearest])[0]) / (figure.greatest_width or 1.0)


@dataclass(frozen=True)
class Pattern:
    """Something that the record shows and a run should."""

    id: str
    words: str
    source: str
    figures: tuple[Figure, ...]
    note: Callable[[Runs], str] | None = None

    def judged(self, runs: Runs) -> Judged:
        """Hold a pattern against some runs."""
        return Judged(self, tuple(figure.judged(runs) for figure in self.figures), self.note(runs) if self.note else "")


@dataclass(frozen=True)
class Judged:
    """A pattern over an ensemble."""

    pattern: Pattern
    found: tuple[Found, ...]
    note: str = ""

    @property
    def is_counted(self) -> bool:
        """Whether any of its figures counts."""
        return any(found.figure.is_counted for found in self.found)

    @property
    def verdict(self) -> str:
        """The worst of its figures that count, or of all where none does."""
        told = {found.verdict for found in self.found if found.figure.is_counted or not self.is_counted}
        return next(verdict for verdict in WORST_FIRST if verdict in told)


def judged(runs: Runs) -> list[Judged]:
    """Hold the patterns that some runs have anything to say to against them."""
    asked = (only(pattern, runs) for pattern in PATTERNS)
    return [pattern.judged(runs) for pattern in asked if pattern.figures]


def only(pattern: Pattern, families: Mapping[Family, Any]) -> Pattern:
    """Return a pattern with those of its figures that some families of runs tell."""
    return replace(pattern, figures=tuple(figure for figure in pattern.figures if figure.family in families))


def together(runs: Runs, ids: Sequence[str], family: Family = "battle") -> float:
    """Return the share of runs that have what the record has in all figures of some patterns at once."""
    figures = [f for p in PATTERNS if p.id in ids for f in p.figures if f.family == family and not f.pooled]
    if not runs.get(family) or not figures:
        return nan
    met = np.array([figure.target.inside(figure.values(runs)) for figure in figures])
    return float(met.all(axis=0).mean())


# --- reading an observation ----------------------------------------------------------------------------

ASSAULT, SECOND_DAY, WEEK, FALL = date(2013, 5, 19), date(2013, 5, 20), date(2013, 5, 25), date(2013, 6, 5)
BEFORE, AFTER = (date(2013, 5, 5), date(2013, 5, 18)), (date(2013, 6, 6), date(2013, 6, 30))
BATTLE = (ASSAULT, FALL)
RECORD_OF_ROUNDS = (date(2011, 6, 17), date(2013, 3, 24))
SINCE_2012 = date(2012, 1, 1)
EVENTS_ON_RECORD = 34
"""Of UCDP within 12 km of Qusayr from 5 May to 30 June 2013, as runs are, added up by place, pair of sides and day."""
FALLEN = 0.95
"""Share of the town held by the government from which it has fallen."""


def _number(seen: Seen, day: date) -> int:
    """Return the number of a day in an observation's arrays; -1 where it was not run."""
    if not seen["days"]:
        return -1
    number = (day - date.fromisoformat(seen["first"])).days
    return number if 0 <= number < seen["days"] else -1


def _days(seen: Seen, key: str, first: date, last: date) -> Float:
    """Return an array's days from first to last; NaN where some were not run."""
    start, end = _number(seen, first), _number(seen, last)
    return np.array(seen[key][start : end + 1], dtype=np.float64) if 0 <= start <= end else np.array([nan])


def _sum(key: str, first: date, last: date) -> Callable[[Seen], float]:
    return lambda seen: float(_days(seen, key, first, last).sum())


def _on(key: str, day: date) -> Callable[[Seen], float]:
    return lambda seen: float(_days(seen, key, day, day)[0])


def _a_day(seen: Seen, days: tuple[date, date]) -> float:
    return float(_days(seen, "killed", *days).mean())


def _over_before(days: tuple[date, date]) -> Callable[[Seen], float]:
    """Return how many times as many were killed a day in some days as before the assault."""

    def ratio(seen: Seen) -> float:
        before = _a_day(seen, BEFORE)
        return _a_day(seen, days) / before if before > 0 else nan

    return ratio


def _first_week(seen: Seen) -> float:
    """Return the share of rebels killed in the battle who were killed in its first week."""
    whole = _sum("rebels", *BATTLE)(seen)
    return _sum("rebels", ASSAULT, WEEK)(seen) / whole if whole > 0 else nan


def _days_to_fall(seen: Seen) -> float:
    """Return on which day of the battle, from 1, the town has fallen; infinite where it never does."""
    first = _number(seen, ASSAULT)
    if first < 0 or _number(seen, AFTER[1]) < 0:
        return nan
    fallen = np.flatnonzero(np.array(seen["control"][first:]) >= FALLEN)
    return float(fallen[0] + 1) if len(fallen) else inf


def _refugees(seen: Seen) -> float:
    """Return the most people of Qusayr that can have been in Lebanon on one day of the battle."""
    away, here = _days(seen, "away", *BATTLE), _days(seen, "in_lebanon", *BATTLE)
    return float(np.minimum(away, here).max())


def _median_size(seen: Seen) -> float:
    return float(np.median(seen["sizes"])) if seen["sizes"] else nan


def tail_exponents(sizes: Sequence[Sequence[int]], most: int | None = None) -> Float:
    """Return the tail exponent of all runs' events together, for ensembles of whole runs drawn anew.

    Events of one run depend on each other, so runs are drawn and not events. `most` cuts each ensemble off after so
    many events: the start of the tail is found from the events, and further out the more of them there are. NaN where
    there is no tail.
    """
    rng = np.random.default_rng(0)
    runs = [np.asarray(of, dtype=np.int64) for of in sizes]
    found = np.full(RESAMPLES, nan)
    for number in range(RESAMPLES if runs else 0):
        drawn = np.concatenate([runs[run] for run in rng.integers(0, len(runs), len(runs))])
        with suppress(tails.NoTail):
            found[number] = tails.fit(drawn[:most]).alpha
    return found


def _like_the_record(sizes: Sequence[Sequence[int]]) -> Float:
    """Return the tail exponents of records of runs that are as long as UCDP's of Qusayr."""
    return tail_exponents(sizes, EVENTS_ON_RECORD)


def _rounds(of: Callable[[list[dict[str, float]]], float]) -> Callable[[Seen], float]:
    """Return a figure of a run's rounds; NaN where not all of the years were run."""

    def figure(seen: Seen) -> float:
        covered = all(_number(seen, day) >= 0 for day in RECORD_OF_ROUNDS)
        return of(seen["rounds"]) if covered else nan

    return figure


def _gaps(rounds: list[dict[str, float]]) -> Float:
    gaps = np.array([of["gap"] for of in rounds], dtype=np.float64)
    return gaps[~np.isnan(gaps)]


def _mean_gap(rounds: list[dict[str, float]]) -> float:
    gaps = _gaps(rounds)
    return float(gaps.mean()) if len(gaps) else nan


def _mean_gap_since_2012(seen: Seen) -> float:
    """Return the mean gap between rounds that both begin in 2012 or later."""
    since = _number(seen, SINCE_2012)
    late = [of for of in seen["rounds"] if of["start"] >= since >= 0]
    return _rounds(lambda rounds: _mean_gap(late[1:]))(seen)


def _variation(rounds: list[dict[str, float]]) -> float:
    gaps = _gaps(rounds)
    return float(gaps.std(ddof=1) / gaps.mean()) if len(gaps) > 1 else nan


def _wounded_to_killed(seen: Seen) -> Float:
    """Return the ratio of each round in which anybody was killed."""
    ratios = np.array([of["wounded"] / of["killed"] for of in seen["rounds"] if of["killed"] > 0])
    return np.asarray(ratios[~np.isnan(ratios)])


def _median_ratio(seen: Seen) -> float:
    ratios = _wounded_to_killed(seen)
    return float(np.median(ratios)) if len(ratios) else nan


def _spread_of_ratios(seen: Seen) -> float:
    """Return the standard deviation of log(wounded/killed) over rounds with both."""
    ratios = _wounded_to_killed(seen)
    ratios = ratios[ratios > 0]
    return float(np.log(ratios).std(ddof=1)) if len(ratios) > 2 else nan


def _rank(side: str) -> Callable[[Seen], float]:
    """Return Qusayr's rank among contested places for a side; 1 is first."""

    def rank(seen: Seen) -> float:
        worth = seen["drawn"][side]
        return float(1 + sum(other > worth["qusayr"] for other in worth.values()))

    return rank


def _moved(seen: Seen) -> float:
    """Return by how much Qusayr's worth to the government moved with the draw, as |log ratio|."""
    drawn, given = (seen[of]["government"]["qusayr"] for of in ("drawn", "given"))
    if drawn > 0 and given > 0:
        return abs(log(drawn / given))
    return 0.0 if drawn == given else inf


def _rivals(runs: Runs) -> str:
    """Tell how often each contested place is worth most, and how often Qusayr is among the first three."""
    draws = runs.get("worth", ())
    if not draws:
        return ""
    told = []
    for side in ("government", "rebels"):
        first = [max(seen["drawn"][side], key=seen["drawn"][side].__getitem__) for seen in draws]
        shares = sorted(((first.count(place) / len(first), place) for place in set(first)), reverse=True)
        top = np.mean([_rank(side)(seen) <= 3 for seen in draws])
        rivals = ", ".join(f"{place} {share:.0%}" for share, place in shares)
        own = first.count("qusayr") / len(first)
        told.append(
            f"for the {side} Qusayr is first in {own:.0%} and among three in {top:.0%} of draws (first: {rivals})"
        )
    return "; ".join(told)


# --- the patterns --------------------------------------------------------------------------------------

PRESS_TALLY = "tally of press and monitoring groups on 25 May 2013"
UCDP = "UCDP GED (about v20.1), Qusayr area, 1 April to 30 June 2013"
ROUNDS = (
    "rounds of fighting in Tripoli, June 2011 to March 2013, from press timelines (as in tripoli_rounds_2011_2013.csv)"
)
RESAMPLED = "the middle 80 % of the record resampled"

PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        "P1",
        "The first day of the assault is the bloodiest that the town has seen.",
        "opposition activists (A05); UCDP GED has 77 in one event of the first day or two, and 96 over both days",
        (
            Figure(
                "first_day", "killed in Qusayr on 19 May", "people", AtLeast(52, 77), "fitted", 44,
                "from the lowest claim to UCDP's count of both days", _sum("killed", ASSAULT, ASSAULT),
            ),
        ),
    ),
    Pattern(
        "P2",
        "Hezbollah pays for the assault on foot from the start.",
        "activists (A02); upper claims of 23 to 30 from monitoring groups and press",
        (
            Figure(
                "hezbollah_two_days", "Hezbollah killed by the end of 20 May", "people", AtLeast(13, 30), "fitted", 17,
                "as far as the claims are apart", _sum("hezbollah", ASSAULT, SECOND_DAY),
            ),
        ),
    ),
    Pattern(
        "P3",
        "By the second day the government holds most of the town.",
        "state news agency and correspondent (A04)",
        (
            Figure(
                "control_second_day", "government share at the end of 20 May", "1", AtLeast(0.5), "fitted", 0.25,
                "a quarter of the town, half of what 'most' leaves open", _on("control", SECOND_DAY),
            ),
        ),
    ),
    Pattern(
        "P4",
        "Tripoli takes fire in the same two days.",
        "security sources (A16)",
        (
            Figure(
                "tripoli_killed", "killed in Tripoli, 19 and 20 May", "people", AtLeast(3), "fitted", 10,
                "rounds of the record took 1 to 15 lives in their first two days; two thirds of that",
                _sum("tripoli_killed", ASSAULT, SECOND_DAY),
            ),
            Figure(
                "tripoli_wounded", "wounded in Tripoli, 19 and 20 May", "people", Range(35, 45), "fitted", 40,
                "as wide as the figure itself; rounds of the record left 2 to 60 wounded in their first two days",
                _sum("tripoli_wounded", ASSAULT, SECOND_DAY),
            ),
        ),
    ),
    Pattern(
        "P5",
        "Fighting in Tripoli comes in rounds of a few days with quiet weeks or months between them.",
        ROUNDS,
        (
            Figure(
                "rounds", "rounds", "rounds", value(10), "fitted", 8,
                "the middle 80 % of a Poisson count of 10 (6 to 14)", _rounds(len), "rounds",
            ),
            Figure(
                "gap", "mean gap between rounds", "d", value(69), "fitted", 57, f"{RESAMPLED} (41 to 98)",
                _rounds(_mean_gap), "rounds",
            ),
            Figure(
                "gap_since_2012", "mean gap from 2012 on", "d", value(47), "fitted", 30, f"{RESAMPLED} (33 to 62)",
                _mean_gap_since_2012, "rounds",
            ),
            Figure(
                "gap_variation", "coefficient of variation of gaps", "1", value(1.0), "fitted", 0.6,
                f"{RESAMPLED} (0.57 to 1.15)", _rounds(_variation), "rounds",
            ),
            Figure(
                "length", "median length of a round", "d", value(4.5), "fitted", 4, f"{RESAMPLED} (1.5 to 5.5)",
                _rounds(lambda rounds: float(np.median([of["days"] for of in rounds])) if rounds else nan), "rounds",
            ),
            Figure(
                "killed_in_rounds", "killed in all rounds", "people", Range(87, 96), "fitted", 88,
                f"{RESAMPLED} with a Poisson number of rounds (49 to 137)",
                _rounds(lambda rounds: sum(of["killed"] for of in rounds)), "rounds",
            ),
            Figure(
                "deadly_rounds", "rounds in which anybody was killed", "rounds", value(10), "fitted", 8,
                "as for all rounds; press misses fighting that kills nobody",
                _rounds(lambda rounds: float(sum(of["killed"] > 0 for of in rounds))), "rounds", counts=False,
            ),
        ),
    ),
    Pattern(
        "P6",
        "Several are wounded in Tripoli for each one killed, and how many varies from round to round.",
        f"{ROUNDS}: 2 to 8.4 by round over eight rounds; the article's first two days give 13 (A16)",
        (
            Figure(
                "wounded_to_killed", "wounded ÷ killed, median over rounds", "1", value(6), "input", 3.4,
                f"{RESAMPLED} (4.1 to 7.5)", _median_ratio, "rounds",
            ),
            Figure(
                "spread_of_ratios", "spread by round, sd of log(wounded ÷ killed)", "1", value(0.52), "fitted", 0.27,
                f"{RESAMPLED} (0.33 to 0.60)", _spread_of_ratios, "rounds",
            ),
        ),
    ),
    Pattern(
        "P7",
        "Most events kill a few people, and a few kill very many.",
        "own fits to UCDP GED within 12 km of Qusayr, events added up by place, pair of sides and day as those of runs "
        "are (one pair at Qusayr: Hezbollah's dead are coded among the government's): of 5 May to 30 June 2013, the "
        "days of runs, 34 of which half kill at most 5, exponent 1.66 (95 % 1.4 to 7.4); of the whole year 111, "
        "exponent 1.85 (95 % 1.60 to 3.69); as coded, with several a day in one place, 186 in the wider area: 2.89 "
        "(2.39 to 3.79), median 2. For Tripoli's two quarters Spagat, Johnson & van Weezel 2018, over 2012 to 2014",
        (
            Figure(
                "tail", "tail exponent of event sizes, Qusayr", "1", Range(1.6, 3.69), "held out", 2.1,
                "the year's own 95 % interval; as many events as in the days of runs", lambda seen: seen["sizes"],
                pooled=_like_the_record,
            ),
            Figure(
                "median_event", "deaths in the median event at Qusayr", "people", value(5.5), "held out", 6,
                f"{RESAMPLED} (3.5 to 9.5)", _median_size,
            ),
            Figure(
                "tail_as_coded", "tail exponent of all runs' events, beside the record as coded", "1",
                Range(2.4, 3.8), "held out", 1.4, "the record's own 95 % interval", lambda seen: seen["sizes"],
                counts=False, pooled=tail_exponents,
            ),
            Figure(
                "tripoli_tail", "tail exponent of event sizes, Tripoli, all runs", "1", value(2.40), "held out",
                1.4, "as at Qusayr", lambda seen: seen["sizes"], "rounds", counts=False, pooled=tail_exponents,
            ),
        ),
    ),
    Pattern(
        "P8",
        "Violence in Tripoli begets violence: a part of it follows from what came before.",
        "self-exciting models of deadly incidents in districts of Iraq, as a reference (Lewis, Mohler, Brantingham & "
        "Bertozzi 2012, Security Journal 25:244: 37 to 50 % follow from others, for two to six weeks at most)",
        (
            Figure(
                "branching", "deadly incidents that follow one, on later days", "1", Range(0.3, 0.6), "held out", 0.5,
                "the reference's range and its standard error with some 50 incidents (0.1) on either side",
                lambda seen: seen["branching"], "rounds",
            ),
            Figure(
                "branching_constant", "the same, background that never changes", "1", Range(0.3, 0.6),
                "held out", 0.5, "as above; a slow tide then counts as contagion",
                lambda seen: seen["branching_constant"], "rounds", counts=False,
            ),
            Figure(
                "branching_hurt", "the same of incidents in which anybody was hurt", "1", Range(0.3, 0.6),
                "held out", 0.5, "as above; the reference has no such count", lambda seen: seen["branching_hurt"],
                "rounds", counts=False,
            ),
            Figure(
                "memory", "memory, until an incident has faded to 1/e", "d", AtMost(30), "held out", 30,
                "up to weeks: a month", lambda seen: seen["memory"], "rounds", counts=False,
            ),
        ),
    ),
    Pattern(
        "P9",
        "Deaths around Qusayr rise severalfold with the assault, bunch in its first week, and are fewer after it.",
        f"{UCDP}: shape, not level; before is 1 April to 18 May there and 5 to 18 May here, after is to 30 June",
        (
            Figure(
                "during_over_before", "deaths a day, during ÷ before", "1", value(4.3), "held out", 3.6,
                f"{RESAMPLED} by day (2.8 to 6.4)", _over_before(BATTLE),
            ),
            Figure(
                "after_over_before", "deaths a day, after ÷ before", "1", value(0.45), "held out", 0.65,
                f"{RESAMPLED} by day (0.17 to 0.82)", _over_before(AFTER),
            ),
            Figure(
                "first_week", "share of rebel deaths in the first week", "1", value(0.65), "held out",
                0.25, f"{RESAMPLED} by day (0.52 to 0.77)", _first_week,
            ),
        ),
    ),
    Pattern(
        "P10a",
        "The battle up to 25 May: a fast first day, then street by street.",
        f"{PRESS_TALLY}; army's account of the first day",
        (
            Figure(
                "rebels_week", "rebels killed by 25 May", "people", Range(108, 137), "fitted", 60,
                "twice as far as the claims are apart", _sum("rebels", ASSAULT, WEEK),
            ),
            Figure(
                "hezbollah_week", "Hezbollah killed by 25 May", "people", value(46), "fitted", 25,
                "half the figure, and a little more than its Poisson interval (17)", _sum("hezbollah", ASSAULT, WEEK),
            ),
            Figure(
                "control_first_day", "government share at the end of 19 May", "1", Range(0.4, 0.6), "fitted", 0.25,
                "as for the second day; 'half' may be a tenth more or less", _on("control", ASSAULT),
            ),
            Figure(
                "army_week", "army and militia killed by 25 May", "people", value(12), "fitted", 10,
                "the Poisson interval of 12 (8 to 17)", _sum("army", ASSAULT, WEEK), counts=False,
            ),
            Figure(
                "civilians_week", "civilians killed by 25 May", "people", value(8), "fitted", 8,
                "as wide as the figure itself", _sum("civilians", ASSAULT, WEEK), counts=False,
            ),
        ),
    ),
    Pattern(
        "P10b",
        "The whole battle: a quarter of the rebels dead, and the town lost in eighteen days.",
        "press and monitoring groups, as ranges (the government claims 1,257 rebels); a fighter's account of 29 May: "
        "13 of 16 squares",
        (
            Figure(
                "rebels_battle", "rebels killed by 5 June", "people", Range(430, 500), "held out", 140,
                "twice as far as the claims are apart", _sum("rebels", *BATTLE),
            ),
            Figure(
                "hezbollah_battle", "Hezbollah killed by 5 June", "people", Range(110, 120), "held out", 50,
                "under half of the figure, twice its Poisson interval (27)", _sum("hezbollah", *BATTLE),
            ),
            Figure(
                "control_day_11", "government share at the end of 29 May", "1", Range(0.75, 0.875), "held out", 0.25,
                "four of 16 squares; the target is 12 to 14 of them", _on("control", date(2013, 5, 29)),
            ),
            Figure(
                "falls", f"day of the battle on which it holds {FALLEN:.0%}", "d", Range(17, 19), "fitted", 6,
                "a third of the time that it took", _days_to_fall,
            ),
        ),
    ),
    Pattern(
        "P11",
        "Few of those who flee Qusayr reach Lebanon during the battle.",
        "press: 25,000 civilians in mid-May 2013, over 10,000 on 1 June; so at most 15,000 left, wherever they went",
        (
            Figure(
                "refugees", "displaced from Qusayr and in Lebanon, at most", "people", AtMost(15_000),
                "held out", 10_000, "two thirds of all who left", _refugees,
            ),
        ),
    ),
    Pattern(
        "P12",
        "What Qusayr is worth follows from roads, loads and weights; its rank among contested places is reported.",
        "structural: a rank below 1 is an acceptable answer, one written in is not (A12 to A14)",
        (
            Figure(
                "moved", "how far its worth moves with a draw, |log ratio|", "1", AtLeast(0.01), "structural", 3,
                "a factor of 20: draws double or halve capacities and loads, and weigh heads ten times more or less",
                _moved, "worth",
            ),
            Figure(
                "rank_government", "rank for the government", "rank", Reported(), "structural", 7,
                "seven places are contested", _rank("government"), "worth",
            ),
            Figure(
                "rank_rebels", "rank for the rebels", "rank", Reported(), "structural", 7,
                "seven places are contested", _rank("rebels"), "worth",
            ),
        ),
        _rivals,
    ),
    Pattern(
        "P13",
        "Fire strays into the Golan on 20 May and hurts nobody.",
        "spokesperson's office of the Israeli army (A20)",
        (
            Figure(
                "golan_fire", "times fire strays into the Golan on 20 May", "incidents", AtLeast(1), "input", 2,
                "it is scheduled; stray fire by chance adds one or two", _sum("golan_fire", SECOND_DAY, SECOND_DAY),
            ),
            Figure(
                "golan_hurt", "people hurt there on 20 May", "people", value(0), "input", 0,
                "nobody was hurt", _sum("golan_hurt", SECOND_DAY, SECOND_DAY),
            ),
        ),
    ),
    Pattern(
        "P14",
        "With all channels off Tripoli does not know that there is a battle.",
        "structural: channels are the only way by which anything travels",
        (
            Figure(
                "same", "Tripoli is the same with and without it", "1", value(1), "structural",
                0, "to the bit", lambda seen: float(seen["same"]) if seen["fought"] else nan, "pairs",
            ),
        ),
    ),
)  # fmt: skip
