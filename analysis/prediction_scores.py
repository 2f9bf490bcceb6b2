"""How good forecasts of a town's days were: scores of days, weeks, months and rounds, and who beats whom.

Every forecast is whole paths of days, (members, days). What the record does not know of, or what is left out of the
scores on purpose, is blotted out of the paths too: **a day without data is not a day without deaths**, and no number
of such a day, observed or forecast, enters anything.

Scores are losses: smaller is better. A count of which only a range is told is not given a value: what a forecast
says within the range is not asked (a threshold-weighted CRPS with no weight there, Gneiting & Ranjan 2011, JBES
29:411, which stays proper), and its log score is of the chance of the whole range. Ensembles of different size are
compared fairly: the CRPS (of fighting or not: the Brier score) is the fair one, and log scores of many paths are
means over groups as large as the smallest ensemble.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from analysis import scores
from analysis.baselines import QUIET_DAYS, days_of_rounds
from analysis.observed import CLASH, NO_DATA, QUIET, Observed

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]
Dates = NDArray[np.datetime64]

LEVEL = 0.8
"""Of the paths, how many an interval holds."""
WEEK_DAYS = 7
TIES_DAYS = 14
"""Days so far apart are taken as independent when forecasters are compared: most rounds are shorter."""
COUNTS = ("killed", "killed_low", "killed_high")
HALF = 0.5
"""Best estimates are rounded to whole people, halves upwards."""
FEWEST_TO_COMPARE = 8
"""A bootstrap over fewer entries says that it is surer than it is."""
BETTER, WORSE, OPEN, SINGLE = "better", "worse", "open", "one number"


@dataclass(frozen=True)
class Known:
    """What is known of each day in a row; NaN where nothing is, or where the day is left out."""

    dates: Dates
    killed: Float  # whole numbers
    low: Float
    high: Float
    fighting: Float  # 1 or 0
    by_rounds: bool = False
    with_wounded: bool = True

    @property
    def there(self) -> Bool:
        """Whether a day counts."""
        return ~np.isnan(self.fighting)

    def without(self, days: Bool) -> Known:
        """Return the same without some days."""
        return self._each(self.dates, lambda column: np.where(days, np.nan, column))

    def between(self, first: np.datetime64, last: np.datetime64) -> Known:
        """Return every day from one to another; those that the record does not reach are not known."""
        days = np.arange(first, last + np.timedelta64(1, "D"))
        at = np.searchsorted(self.dates, days).clip(0, len(self.dates) - 1)
        told = self.dates[at] == days
        return self._each(days, lambda column: np.where(told, column[at], np.nan))

    def _each(self, dates: Dates, of: Callable[[Float], Float]) -> Known:
        killed, low, high, fighting = map(of, (self.killed, self.low, self.high, self.fighting))
        return replace(self, dates=dates, killed=killed, low=low, high=high, fighting=fighting)


def known(record: Observed, place: str) -> Known:
    """Return what a record knows of each of its days at a place.

    Of a round only the total is told: the middle of its range, the lower and the upper end are each spread over its
    days as evenly as whole numbers can be, the larger ones first (`baselines.days_of_rounds`).
    """
    record = record.of(place)
    dates = record.calendar.to_numpy().astype("M8[D]")
    fighting = record.table("fighting")[place].to_numpy(dtype=np.float64)
    if record.by_rounds:
        killed, low, high = (np.where(np.isnan(fighting), np.nan, of) for of in _spread(record, dates))
        return Known(dates, killed, low, high, fighting, by_rounds=True)
    killed, low, high = (record.table(name)[place].to_numpy(dtype=np.float64) for name in COUNTS)
    with_wounded = bool(record.days["wounded"].notna().any())
    return Known(dates, np.floor(killed + HALF), np.floor(low), np.ceil(high), fighting, with_wounded=with_wounded)


def _spread(record: Observed, dates: Dates) -> list[Float]:
    """Return the killed of each day, their least and their most."""
    told = record.told[~record.told["type"].isin((QUIET, NO_DATA))]
    start, end = (told[column].to_numpy().astype("M8[D]") for column in ("start", "end"))
    killed, low, high = (told[name].to_numpy(dtype=np.float64) for name in COUNTS)
    totals = (np.floor(killed + HALF), np.floor(low), np.ceil(high))
    first, last = str(dates[0]), str(dates[-1])
    return [days_of_rounds(start, end, of, first, last)[0].astype(np.float64) for of in totals]


def shared_with(record: Observed, place: str, counts: Callable[[Dates], Bool]) -> list[str]:
    """Name the rounds of a record that have days which count and days which do not: their dead are shared out."""
    told = record.told[(record.told["place"] == place) & (record.told["type"] == CLASH)]
    found = []
    for start, end in zip(*(told[c].to_numpy().astype("M8[D]") for c in ("start", "end")), strict=True):
        inside = counts(np.arange(start, end + np.timedelta64(1, "D")))
        if inside.any() and not inside.all():
            found.append(f"{start} to {end} ({int(inside.sum())} of {len(inside)} days count)")
    return found


@dataclass(frozen=True)
class Forecast:
    """Paths of days: who was killed, and whether anybody was hurt."""

    name: str
    killed: Int  # (members, days)
    fighting: Bool  # (members, days)

    def as_known(self, record: Known) -> Forecast:
        """Return the paths as the record would have them: without the days that do not count.

        Where nobody was wounded by the record's account, a day of fighting is one with a death.
        """
        fighting = self.fighting if record.with_wounded else self.killed > 0
        return Forecast(self.name, self.killed * record.there, fighting & record.there)


# --- rounds --------------------------------------------------------------------------------------------


class Spells(NamedTuple):
    """The rounds of some paths, one after the other; how many each path has."""

    number: Int  # (members,)
    length: Int  # days from the first to the last, both included
    gap: Int  # days from the end of one to the start of the next
    first: Int  # (rounds,) counted from the first day
    path: Int


def spells(fighting: Bool, quiet_days: int = QUIET_DAYS) -> Spells:
    """Find the rounds of each path (members, days): `sim.incidents.rounds`, all at once."""
    path, day = np.nonzero(fighting)
    same = np.diff(path) == 0
    opens = np.append(True, ~same | (np.diff(day) > quiet_days + 1))[: len(day)]
    first, owner = day[opens], path[opens]
    last = day[np.append(opens[1:], True)[: len(day)]]
    follows = np.diff(owner) == 0
    number = np.bincount(owner, minlength=len(fighting))
    return Spells(number, last - first + 1, (first[1:] - last[:-1])[follows], first, owner)


def sums_by_round(counts: Float, of: Spells) -> Float:
    """Return the sum of counts (members, days) over the days of each round."""
    added = np.concatenate([np.zeros((len(counts), 1)), counts.cumsum(axis=1)], axis=1)
    return np.asarray(added[of.path, of.first + of.length] - added[of.path, of.first])


# --- scores --------------------------------------------------------------------------------------------


def crps_between(ensemble: Float, low: Float, high: Float) -> Float:
    """Return the fair CRPS against counts of which a range is told, with no weight inside of it."""
    squeezed = np.where(ensemble <= low, ensemble, np.maximum(ensemble - (high - low), low))
    return scores.crps(squeezed, low)


def log_between(ensemble: Float, low: Float, high: Float) -> Float:
    """Return minus the log-probability that an ensemble gives the range, by the rule of `scores.log_score`."""
    inside = ((low <= ensemble) & (ensemble <= high)).sum(axis=0)
    pseudo = 1 / (low + 1) - 1 / (high + 2)  # the sum of 1/((k + 1)(k + 2)) over the range
    return np.asarray(-np.log((inside + pseudo) / (len(ensemble) + 1)))


def log_of_event(ensemble: Bool, happened: Float) -> Float:
    """Return minus the log-probability of what happened or not; half a member more says each of the two."""
    said = (ensemble == (happened > 0)).sum(axis=0)
    return np.asarray(-np.log((said + 0.5) / (len(ensemble) + 1)))


def in_groups(score: Callable[..., Float], ensemble: NDArray[np.generic], members: int, *against: Float) -> Float:
    """Return the mean score of groups of `members` paths: what so small an ensemble would have been given."""
    groups = [ensemble[at : at + members] for at in range(0, len(ensemble) - members + 1, members)]
    return np.asarray(np.mean([score(group, *against) for group in groups], axis=0))


@dataclass(frozen=True)
class Score:
    """One loss by forecaster: an entry a day, week, month or round, or one for all."""

    key: str
    text: str
    unit: str
    losses: Mapping[str, Float]
    tied: int = 1  # entries so far apart count as independent

    @property
    def entries(self) -> int:
        return max(len(one) for one in self.losses.values())


@dataclass(frozen=True)
class Held:
    """How often intervals held what happened, and how wide they were."""

    key: str
    text: str
    forecaster: str
    entries: int
    inside: float
    width: float
    low: float  # of the only entry, where there is one
    high: float


@dataclass(frozen=True)
class Difference:
    """The model's mean loss less a baseline's: below 0 the model is better."""

    key: str
    baseline: str
    difference: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True)
class Marked:
    """Everything that is said of forecasts; the first of them is the one that is asked about."""

    scores: list[Score]
    held: list[Held]
    differences: list[Difference]
    rounds: int
    days: int


@dataclass(frozen=True)
class _Sums:
    """Days added up: (days, entries) of 0 and 1, the days that count only."""

    key: str
    text: str
    days: Float
    tied: int


def marked(record: Known, forecasts: Sequence[Forecast], quiet_days: int = QUIET_DAYS) -> Marked:
    """Score forecasts on the same days, and compare the first with each of the others."""
    seen = [one.as_known(record) for one in forecasts]
    smallest = min(len(one.killed) for one in seen)
    found, held = list[Score](), list[Held]()
    for sums in _sums(record):
        of_counts, inside = _of_counts(record, seen, sums, smallest)
        found += of_counts
        held += inside
    found[2:2] = _of_fighting(record, seen, smallest)
    of_rounds, inside, number = _of_rounds(record, seen, quiet_days)
    found, held = found + of_rounds, held + inside
    compared = [_compared(score, seen[0].name, other.name) for score in found for other in seen[1:]]
    return Marked(found, held, compared, number, int(record.there.sum()))


def _sums(record: Known) -> list[_Sums]:
    days = np.eye(len(record.dates))[:, record.there]
    weeks = np.arange(len(record.dates)) // WEEK_DAYS
    months = record.dates.astype("M8[M]").astype(np.int64)
    return [
        _Sums("day", "killed a day", days, TIES_DAYS),
        _Sums("week", "killed a week", _by(weeks, record.there), TIES_DAYS // WEEK_DAYS),
        _Sums("month", "killed a month", _by(months, record.there), 1),
        _Sums("all", "killed in all", record.there.astype(np.float64)[:, None], 1),
    ]


def _by(period: Int, there: Bool) -> Float:
    """Return which of the days that count belong to each period that has any."""
    belongs: Bool = (period[:, None] == np.unique(period[there])) & there[:, None]
    return belongs.astype(np.float64)


def _of_counts(record: Known, seen: Sequence[Forecast], sums: _Sums, smallest: int) -> tuple[list[Score], list[Held]]:
    """Score killed by day, week, month, or in all; by day the best estimate is taken, otherwise the range."""
    ends = (record.killed, record.killed) if sums.key == "day" else (record.low, record.high)
    low, high = (np.nan_to_num(end) @ sums.days for end in ends)
    paths = {one.name: one.killed @ sums.days for one in seen}
    crps = {name: crps_between(of, low, high) for name, of in paths.items()}
    log = {name: in_groups(log_between, of, smallest, low, high) for name, of in paths.items()}
    found = [Score(f"killed_{sums.key}_crps", f"{sums.text}, CRPS", "people", crps, sums.tied)]
    if sums.key != "all":
        found.append(Score(f"killed_{sums.key}_log", f"{sums.text}, log", "nats", log, sums.tied))
    held = [_held(f"killed_{sums.key}", sums.text, name, of, low, high) for name, of in paths.items()]
    return found, held


def _held(key: str, text: str, name: str, ensemble: Float, low: Float, high: Float) -> Held:
    """Return how often the interval reaches what happened, and its mean width."""
    lower, upper = scores.central_interval(ensemble, LEVEL)
    inside = float(((lower <= high) & (low <= upper)).mean())
    alone = len(low) == 1
    ends = (float(lower[0]), float(upper[0])) if alone else (np.nan, np.nan)
    return Held(key, text, name, len(low), inside, float((upper - lower).mean()), *ends)


def _of_fighting(record: Known, seen: Sequence[Forecast], smallest: int) -> list[Score]:
    there = record.there
    happened = record.fighting[there]
    brier = {one.name: scores.crps(one.fighting[:, there], happened) for one in seen}
    log = {one.name: in_groups(log_of_event, one.fighting[:, there], smallest, happened) for one in seen}
    return [
        Score("fighting_brier", "fighting on a day, Brier", "1", brier, TIES_DAYS),
        Score("fighting_log", "fighting on a day, log", "nats", log, TIES_DAYS),
    ]


def _of_rounds(record: Known, seen: Sequence[Forecast], quiet_days: int) -> tuple[list[Score], list[Held], int]:
    """Score the number of rounds, and each round's length, gap and dead against all rounds of a forecaster's paths.

    Which round of a path would be which of the record is nowhere said, so all of a forecaster's are thrown together,
    each with the same weight.
    """
    own = spells((record.fighting > 0)[None], quiet_days)
    low, high = (sums_by_round(np.nan_to_num(end)[None], own) for end in (record.low, record.high))
    theirs = {one.name: spells(one.fighting, quiet_days) for one in seen}
    killed = {one.name: sums_by_round(one.killed.astype(np.float64), theirs[one.name]) for one in seen}
    number = own.number.astype(np.float64)
    numbers = {name: of.number[:, None].astype(np.float64) for name, of in theirs.items()}
    crps = {name: scores.crps(of, number) for name, of in numbers.items()}
    found = [
        Score("rounds_crps", "number of rounds, CRPS", "rounds", crps),
        _pooled("round_length", "length of a round, CRPS", "d", {n: of.length for n, of in theirs.items()}, own.length),
        _pooled("round_gap", "gap between rounds, CRPS", "d", {n: of.gap for n, of in theirs.items()}, own.gap),
        _pooled("round_killed", "killed in a round, CRPS", "people", killed, low, high),
    ]  # fmt: skip
    held = [_held("rounds", "number of rounds", name, of, number, number) for name, of in numbers.items()]
    return [score for score in found if score.entries], held, int(number[0])


def _pooled(
    key: str, text: str, unit: str, pools: Mapping[str, NDArray[np.generic]], low: NDArray[np.generic],
    high: NDArray[np.generic] | None = None,
) -> Score:  # fmt: skip
    """Score each round of the record against a pool; NaN for a forecaster that has fewer than two."""
    ends = [np.asarray(end, dtype=np.float64) for end in (low, low if high is None else high)]
    losses = {}
    for name, pool in pools.items():
        members = np.asarray(pool, dtype=np.float64)[:, None]
        losses[name] = np.full(len(low), np.nan)
        if len(members) > 1:
            losses[name] = np.array([crps_between(members, *pair)[0] for pair in np.transpose(ends)[:, :, None]])
    return Score(f"{key}_crps", text, unit, losses)


def _compared(score: Score, model: str, baseline: str) -> Difference:
    ours, theirs = score.losses[model], score.losses[baseline]
    gap = float(np.mean(ours - theirs))
    if len(ours) < FEWEST_TO_COMPARE or not np.isfinite(gap):
        return Difference(score.key, baseline, gap, np.nan, np.nan, SINGLE)
    paired = scores.compare(ours, theirs, np.random.default_rng(0), lags=score.tied - 1, block=score.tied)
    words = {"first": BETTER, "second": WORSE, "indistinguishable": OPEN}
    return Difference(score.key, baseline, gap, paired.low, paired.high, words[paired.verdict])
