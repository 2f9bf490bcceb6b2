"""What a forecast must beat: four plain forecasters of the killed a day, fitted on the same record.

    forecaster = BASELINES["hawkes"](counts, dates, covariate)
    paths = forecaster.sample(days=225, n=1000, rng=rng, covariate=after)
    paths.killed, paths.fighting                       # (n, days) each

A forecast is made once, at the origin: the first day after the record. Whole paths are drawn to the horizon, and
nothing that happens after the origin is known but the covariate, which is thought of as given ("only what happened in
Syria"). Parameters are plugged in at their best; that they are uncertain is left out, in favour of none of the four.

- `constant_rate`: every day Poisson with the record's mean.
- `same_as_last_round`: the last finished round again and again, after gaps drawn from the record's gaps.
- `driven_by_covariate`: negative binomial, its mean a power of the covariate over the week before.
- `self_exciting`: the Hawkes process of `analysis.hawkes`, negative binomial, simulated onwards from the record.

A *fighting* day is one with a casualty, killed or wounded. Where the record tells such days (`fighting`), the
forecasters that draw counts make a day without a death a fighting day as often as it was one in the record; without
it, fighting days are those with a death. Rounds are those of `sim.incidents.rounds`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import exp, log
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis import hawkes
from sim.incidents import rounds

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Dates = NDArray[np.datetime64]

QUIET_DAYS = 3
"""A round goes on over so many quiet days (MODEL, section 6)."""
WINDOW_DAYS = 7
"""The covariate counts as its mean over so many days before."""


class Paths(NamedTuple):
    """An ensemble of forecast days."""

    killed: Int  # (n, days)
    fighting: Bool  # (n, days)


class Forecaster(Protocol):
    """What was fitted on a record, and draws what may come after it."""

    @property
    def name(self) -> str:
        """Return the name in tables."""

    def sample(self, days: int, n: int, rng: np.random.Generator, covariate: ArrayLike | None = None) -> Paths:
        """Draw n paths of the `days` after the record; `covariate` (days,) is that of these days."""


@dataclass(frozen=True)
class Record:
    """Days in a row: who was killed, and whether anybody was hurt."""

    dates: Dates  # (days,)
    killed: Int  # (days,)
    fighting: Bool  # (days,)

    @classmethod
    def of(cls, counts: ArrayLike, dates: ArrayLike, fighting: ArrayLike | None = None) -> Record:
        """Check and keep a record; refuses days that are missing, out of order or below zero."""
        killed, days = np.asarray(counts), np.asarray(dates, dtype="M8[D]")
        if killed.shape != days.shape or killed.ndim != 1 or not len(killed):
            raise ValueError(f"counts {killed.shape} and dates {days.shape} must be of the same days")
        if np.any(np.diff(days).astype(np.int64) != 1):
            raise ValueError("the dates of a record must follow each other day by day")
        if np.any(killed < 0) or not np.all(killed == np.floor(killed)):
            raise ValueError("killed a day must be whole numbers, nowhere below zero")
        hurt = killed > 0 if fighting is None else np.asarray(fighting, dtype=np.bool_) | (killed > 0)
        return cls(days, killed.astype(np.int64), hurt)

    @property
    def bloodless_share(self) -> float:
        """Return the share of days without a death on which there was fighting all the same."""
        without = self.killed == 0
        return float(self.fighting[without].mean()) if without.any() else 0.0


class Rounds(NamedTuple):
    """A record's rounds: days counted from its first, both ends included."""

    first: Int
    last: Int

    @classmethod
    def of(cls, record: Record, quiet_days: int = QUIET_DAYS) -> Rounds:
        """Return the runs of fighting days with no more than `quiet_days` quiet ones in between."""
        table = pd.DataFrame({"killed": record.killed, "wounded": record.fighting.astype(np.int64)}, index=record.dates)
        found = rounds(table, quiet_days)
        start, end = (found[column].to_numpy().astype("M8[D]") for column in ("start", "end"))
        return cls((start - record.dates[0]).astype(np.int64), (end - record.dates[0]).astype(np.int64))

    @property
    def gaps(self) -> Int:
        """Return the quiet days (rounds - 1,) from the end of each round to the start of the next."""
        return np.asarray(self.first[1:] - self.last[:-1] - 1)


Fitter = Callable[..., Forecaster]
"""(counts (days,), dates (days,), covariate (days,) or None, fighting (days,) or None) -> Forecaster"""


@dataclass(frozen=True)
class ConstantRate:
    """Every day like every other."""

    killed_per_day: float
    bloodless_share: float
    name: str = "constant rate"

    def sample(self, days: int, n: int, rng: np.random.Generator, covariate: ArrayLike | None = None) -> Paths:
        """Draw every day on its own."""
        return _with_bloodless(rng.poisson(self.killed_per_day, (n, days)), self.bloodless_share, rng)


def constant_rate(
    counts: ArrayLike, dates: ArrayLike, covariate: ArrayLike | None = None, fighting: ArrayLike | None = None
) -> ConstantRate:
    """Fit a Poisson process of constant rate: its mean is the record's, with standard error sqrt(mean/days)."""
    record = Record.of(counts, dates, fighting)
    return ConstantRate(float(record.killed.mean()), record.bloodless_share)


@dataclass(frozen=True)
class SameAsLastRound:
    """The last finished round over and over, day for day, after gaps such as there were."""

    killed: Int  # (length,) of the last finished round
    fighting: Bool  # (length,)
    gaps: Int  # quiet days between rounds
    into: int | None  # days since the beginning of a round that goes on at the origin
    quiet: int  # quiet days at the end of the record, where none goes on
    name: str = "same as last round"

    def sample(self, days: int, n: int, rng: np.random.Generator, covariate: ArrayLike | None = None) -> Paths:
        """Draw when the rounds come; what happens in them is always the same.

        A round that goes on at the origin goes on as the last finished one did from the same day on, and is over if
        that was over by then. Otherwise the first gap is drawn from those longer than the quiet has already lasted;
        where there is none, the quiet begins anew at the origin.
        """
        killed, fighting = np.zeros((n, days), np.int64), np.zeros((n, days), np.bool_)
        for path in range(n):
            for start in self._starts(days, rng):
                there = np.arange(max(start, 0), min(start + len(self.killed), days))
                killed[path, there] = self.killed[there - start]
                fighting[path, there] = self.fighting[there - start]
        return Paths(killed, fighting)

    def _starts(self, days: int, rng: np.random.Generator) -> list[int]:
        """Return the days on which rounds begin; the first below zero where one goes on."""
        if self.into is not None:
            starts = [-self.into]
        else:
            longer = self.gaps[self.gaps > self.quiet] - self.quiet
            starts = [int(rng.choice(longer if len(longer) else self.gaps))]
        while starts[-1] < days:
            over = max(starts[-1] + len(self.killed), 0)
            starts.append(over + int(rng.choice(self.gaps)))
        return starts[:-1]


def same_as_last_round(
    counts: ArrayLike, dates: ArrayLike, covariate: ArrayLike | None = None, fighting: ArrayLike | None = None
) -> SameAsLastRound:
    """Keep the last finished round and the gaps between rounds; refuses a record with fewer than two rounds.

    A round is finished once more than `QUIET_DAYS` quiet days have passed.
    """
    record = Record.of(counts, dates, fighting)
    found = Rounds.of(record)
    if len(found.first) < 2:
        raise ValueError(f"two rounds at least are needed to draw gaps from, and the record has {len(found.first)}")
    quiet = len(record.killed) - 1 - int(found.last[-1])
    goes_on = quiet <= QUIET_DAYS
    last = -2 if goes_on else -1
    days = slice(int(found.first[last]), int(found.last[last]) + 1)
    into = len(record.killed) - int(found.first[-1]) if goes_on else None
    return SameAsLastRound(record.killed[days], record.fighting[days], found.gaps, into, quiet)


@dataclass(frozen=True)
class DrivenByCovariate:
    """Negative binomial: mean exp(level) (1 + covariate over the week before)^elasticity, variance m + m^2/size."""

    level: float
    elasticity: float
    size: float
    log_likelihood: float
    bloodless_share: float
    before: Float  # (WINDOW_DAYS,) the covariate's last days in the record
    name: str = "driven by covariate"

    def sample(self, days: int, n: int, rng: np.random.Generator, covariate: ArrayLike | None = None) -> Paths:
        """Draw each day given the covariate on the week before it."""
        after = _covariate(covariate, days)
        felt = _week_before(np.concatenate([self.before, after]))[WINDOW_DAYS:]
        mean = np.exp(self.level) * (1 + felt) ** self.elasticity
        killed = rng.poisson(rng.gamma(self.size, mean / self.size, (n, days)))
        return _with_bloodless(killed, self.bloodless_share, rng)


def driven_by_covariate(
    counts: ArrayLike, dates: ArrayLike, covariate: ArrayLike | None = None, fighting: ArrayLike | None = None
) -> DrivenByCovariate:
    """Fit a negative binomial regression on a covariate (days,) such as the deaths a day in Syria.

    Maximum likelihood over the days that have a whole week before them. Refuses a covariate that is missing, below
    zero or not finite.
    """
    from scipy.optimize import minimize

    record = Record.of(counts, dates, fighting)
    driver = _covariate(covariate, len(record.killed))
    felt = np.log1p(_week_before(driver)[WINDOW_DAYS:])
    y = record.killed[WINDOW_DAYS:].astype(np.float64)
    middle = float(felt.mean())
    start = [log(max(float(y.mean()), 1 / len(y))), 0.0, 0.0]
    limits = [(-20.0, 20.0), (-20.0, 20.0), (log(hawkes.LEAST_SIZE), log(hawkes.LARGEST_SIZE))]
    found = minimize(
        _cost, start, args=(y, felt - middle), jac=True, method="TNC", bounds=limits, options=hawkes.SEARCH
    )
    level, elasticity, size = (float(value) for value in found.x)
    from_constant = float(_log_factorials(y).sum())
    return DrivenByCovariate(
        level - elasticity * middle,
        elasticity,
        exp(size),
        -float(found.fun) * len(y) - from_constant,
        record.bloodless_share,
        driver[-WINDOW_DAYS:],
    )


@dataclass(frozen=True)
class SelfExciting:
    """A Hawkes process of constant background, from the record on."""

    found: hawkes.Fit
    bloodless_share: float
    name: str = "self-exciting (Hawkes)"

    def sample(self, days: int, n: int, rng: np.random.Generator, covariate: ArrayLike | None = None) -> Paths:
        """Simulate onwards; the record's last days still excite the first ones."""
        killed = hawkes.simulate(self.found, days, n, rng, basis=hawkes.constant(days))[:, :, 0]
        return _with_bloodless(killed, self.bloodless_share, rng)


def self_exciting(
    counts: ArrayLike, dates: ArrayLike, covariate: ArrayLike | None = None, fighting: ArrayLike | None = None
) -> SelfExciting:
    """Fit a negative binomial Hawkes process with one exponential kernel and a constant background.

    The background is then set to (1 - n) times the record's mean, so that a long forecast settles there: the maximum
    of a negative binomial likelihood does not see to that, and on rounds that are no Hawkes process it was four times
    too high, which would make this a straw man.
    """
    record = Record.of(counts, dates, fighting)
    found = hawkes.fit(record.killed, family="negative binomial")
    background = (1 - found.branching) * record.killed.mean()
    return SelfExciting(replace(found, background=background), record.bloodless_share)


BASELINES: dict[str, Fitter] = {
    "constant-rate": constant_rate,
    "same-as-last-round": same_as_last_round,
    "covariate": driven_by_covariate,
    "hawkes": self_exciting,
}
"""Every baseline by name; all take (counts, dates, covariate, fighting)."""


def days_of_rounds(
    start: ArrayLike, end: ArrayLike, killed: ArrayLike, first: str, last: str
) -> tuple[Int, Dates, Bool]:
    """Return killed (days,), dates (days,) and fighting (days,) from rounds of which only totals are known.

    The total is spread over the days of a round as evenly as whole numbers can be, the larger ones first; every day of
    a round is a fighting day. Rounds that lie outside `first` to `last` (both included), in part or whole, are refused.
    """
    dates = np.arange(np.datetime64(first, "D"), np.datetime64(last, "D") + np.timedelta64(1, "D"))
    counts, fighting = np.zeros(len(dates), np.int64), np.zeros(len(dates), np.bool_)
    starts, ends = np.asarray(start, dtype="M8[D]"), np.asarray(end, dtype="M8[D]")
    for begin, finish, total in zip(starts, ends, np.asarray(killed, dtype=np.int64), strict=True):
        if not dates[0] <= begin <= finish <= dates[-1]:
            raise ValueError(f"the round of {begin} to {finish} does not lie within {first} to {last}")
        days = slice(int((begin - dates[0]).astype(int)), int((finish - dates[0]).astype(int)) + 1)
        length = days.stop - days.start
        counts[days] += total // length + (np.arange(length) < total % length)
        fighting[days] = True
    return counts, dates, fighting


def _with_bloodless(killed: Int, share: float, rng: np.random.Generator) -> Paths:
    return Paths(killed.astype(np.int64), (killed > 0) | (rng.random(killed.shape) < share))


def _covariate(covariate: ArrayLike | None, days: int) -> Float:
    if covariate is None:
        raise ValueError("this forecaster needs a covariate for every day")
    given = np.asarray(covariate, dtype=np.float64)
    if given.shape != (days,) or not np.isfinite(given).all() or np.any(given < 0):
        raise ValueError(
            f"the covariate must be {days} finite numbers, nowhere below zero; it is of shape {given.shape}"
        )
    return given


def _week_before(covariate: Float) -> Float:
    """Return the mean of the days before each day; the first days have too few of them, and 0 stands there."""
    sums = np.concatenate([[0.0], covariate.cumsum()])
    felt = np.zeros(len(covariate))
    felt[WINDOW_DAYS:] = (sums[WINDOW_DAYS:-1] - sums[: -WINDOW_DAYS - 1]) / WINDOW_DAYS
    return felt


def _log_factorials(y: Float) -> Float:
    from scipy.special import gammaln

    return np.asarray(gammaln(y + 1))


def _cost(point: Float, y: Float, felt: Float) -> tuple[float, Float]:
    """Return minus the log-likelihood a day of the regression, but for a constant, and its slopes."""
    mean, size = np.exp(point[0] + point[1] * felt), float(np.exp(point[2]))
    logs, by_mean, by_size = hawkes.negative_binomial(y, mean, size)
    slopes = [(by_mean * mean).sum(), (by_mean * mean * felt).sum(), by_size.sum() * size]
    return -float(logs.sum()) / len(y), -np.array(slopes) / len(y)
