"""Simulated and observed side by side, on the days and at the places that both have.

Days of which there is no observed data are blotted out of the simulation too. An event is all deaths of
one dyad at one place on one day, on both sides, where the observed file tells dyads; where it tells only
the sizes of its events, those are taken, and where it tells neither, the deaths of a day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import tails, timing
from analysis.observed import Observed, waits
from analysis.workers import whole
from sim.console import Refused, nearest
from sim.incidents import rounds as rounds_in
from sim.measures import casualties_by_day
from sim.runs import Result, run
from sim.scenario import Scenario

Float = NDArray[np.float64]

INTERVAL = 0.8
"""Of the runs, how many the simulated interval holds."""
LOW, HIGH = (1 - INTERVAL) / 2, (1 + INTERVAL) / 2
MOST_DYADS = 6  # told and drawn
WIDTH = 100  # of what is told


@dataclass(frozen=True)
class Seen:
    """What is compared of one run: tables of days by place, and events."""

    seed: int
    killed: pd.DataFrame
    wounded: pd.DataFrame
    events: pd.DataFrame
    """`date`, `place`, `dyad`, `size`: a place, dyad and day with a death."""


def seen(result: Result) -> Seen:
    """Return what is compared of a run."""
    daily = casualties_by_day(result)
    killed, wounded = (pd.DataFrame({p: days[what] for p, days in daily.items()}) for what in ("killed", "wounded"))
    events = result.ged_events[["date", "place", "dyad_name", "best"]]
    return Seen(result.seed, killed, wounded, events.rename(columns={"dyad_name": "dyad", "best": "size"}))


def of_seed(scenario: Scenario, seed: int) -> Seen:
    """Run a scenario and return what is compared of it."""
    return seen(whole(run(scenario, seed=seed, threads=1)))


@dataclass(frozen=True)
class Series:
    """One place as one run, or the record, has it, on the days that are compared."""

    killed: pd.Series
    """A day; NaN where the record does not tell."""
    fighting: pd.Series
    """1 and 0; NaN where the record does not tell."""
    sizes: Float
    rounds: pd.DataFrame


@dataclass(frozen=True)
class Pair:
    """One place, observed and simulated."""

    place: str
    observed: Series
    simulated: tuple[Series, ...]
    basis: str
    """What an event is."""
    dyads: pd.DataFrame
    statistics: pd.DataFrame
    killed_range: tuple[float, float]
    by_rounds: bool
    tail: tails.Told | None
    """Of the sizes observed; None where they have no tail."""


def compared(
    runs: Sequence[Seen],
    scenario: Scenario,
    record: Observed,
    places: Iterable[str] = (),
    same: dict[str, str] | None = None,
) -> list[Pair]:
    """Lay runs beside a record, place by place; `same` names simulated dyads as the record does."""
    matched = _matched(record, scenario, tuple(places))
    first = max(seen.killed.index[0] for seen in runs)
    last = min(seen.killed.index[-1] for seen in runs)
    if last < first:
        raise Refused("the runs have no day in common")
    runs = [replace(one, events=_under_one_name(one.events, same or {})) for one in runs]
    record = record.of(*matched).between(first, last)
    quiet = scenario.file.reports.round_quiet_days
    return [_pair(runs, record, here, there, quiet) for here, there in matched.items()]


def _under_one_name(events: pd.DataFrame, same: dict[str, str]) -> pd.DataFrame:
    """Return events after dyads got other names: those that share one now are one event a place and day."""
    if not same:
        return events
    strangers = [name for name in same if name not in set(events["dyad"])]
    if strangers and not events.empty:
        raise Refused(*(f"no simulated dyad '{name}'.{nearest(name, events['dyad'].unique())}" for name in strangers))
    renamed = events.assign(dyad=events["dyad"].replace(same))
    return renamed.groupby(["date", "place", "dyad"], as_index=False, sort=False)["size"].sum()


def _matched(record: Observed, scenario: Scenario, asked: tuple[str, ...]) -> dict[str, str]:
    """Return the places of the scenario by those of the record, which may call them by id or by name."""
    ids = {name.casefold(): key for key, place in scenario.file.places.items() for name in (place.name, key)}
    known = {place: ids[place.casefold()] for place in record.places if place.casefold() in ids}
    strangers = [p for p in asked if p.casefold() not in ids]
    absent = [p for p in asked if p.casefold() in ids and ids[p.casefold()] not in known.values()]
    if strangers or absent:
        raise Refused(
            *(f"--place {p}: not in scenario {scenario.id}.{nearest(p, scenario.file.places)}" for p in strangers),
            *(f"--place {p}: {record.source} has no data of it; has {', '.join(record.places)}" for p in absent),
        )
    if not known:
        said = f"{record.source}: none of its places is in scenario {scenario.id}: has {', '.join(record.places)}"
        raise Refused(f"{said}; the scenario has {', '.join(scenario.file.places)}")
    chosen = {ids[place.casefold()] for place in asked}
    return {here: there for here, there in known.items() if not chosen or there in chosen}


def _pair(runs: Sequence[Seen], record: Observed, here: str, there: str, quiet: int) -> Pair:
    known = record.of(here) if here in record.places else None
    if known is None:
        raise Refused(f"{record.source}: no data of '{here}' on any day of the runs")
    with_wounded = known.by_rounds or bool(known.days["wounded"].notna().any())
    basis, sizes = _observed_sizes(known)
    observed = Series(known.table("killed")[here], known.table("fighting")[here], sizes, known.rounds(here, quiet))
    simulated = tuple(_simulated(one, observed, there, basis, with_wounded, quiet) for one in runs)
    low, high = (_killed(known, here, f"killed_{end}") for end in ("low", "high"))
    return Pair(
        place=there,
        observed=observed,
        simulated=simulated,
        basis=basis,
        dyads=_dyads(runs, known, there, observed.fighting),
        statistics=_statistics(observed, simulated, (low, high), known.by_rounds),
        killed_range=(low, high),
        by_rounds=known.by_rounds,
        tail=None if known.by_rounds else _tail(sizes),
    )


def _killed(known: Observed, place: str, bound: str) -> float:
    source = known.rounds(place) if known.by_rounds else known.days
    return float(source[bound].sum())


BY_DYAD, AS_CODED, BY_DAY = "place, dyad and day", "event as coded", "place and day"


def _observed_sizes(known: Observed) -> tuple[str, Float]:
    """Return what an event is in a record, and the deaths of each."""
    by_dyad = known.parts[(known.parts["dyad"] != "") & (known.parts["killed"] > 0)]
    if not by_dyad.empty:
        return BY_DYAD, by_dyad.groupby(["date", "dyad"])["killed"].sum().to_numpy(dtype=float)
    if not known.sizes.empty:
        return AS_CODED, known.sizes["size"].to_numpy(dtype=float)
    return BY_DAY, known.days.loc[known.days["killed"] > 0, "killed"].to_numpy(dtype=float)


def _simulated(one: Seen, observed: Series, place: str, basis: str, with_wounded: bool, quiet: int) -> Series:
    """Return a run at a place as the record would have it: without the days of which it has no data."""
    days, known = observed.fighting.index, observed.fighting.notna()
    killed = one.killed[place].reindex(days).astype(float).where(known)
    wounded = one.wounded[place].reindex(days).astype(float).where(known)
    fighting = ((killed + wounded if with_wounded else killed) > 0).astype(float).where(known)
    events = one.events[(one.events["place"] == place) & one.events["date"].isin(days[known])]
    sizes = killed[killed > 0] if basis == BY_DAY else events["size"]
    hurt = pd.DataFrame({"killed": killed, "wounded": wounded if with_wounded else 0.0}).fillna(0.0)
    return Series(killed, fighting, sizes.to_numpy(dtype=float), rounds_in(hurt, quiet))


# --- statistics ----------------------------------------------------------------------------------------


def _mean(values: Any) -> float:
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    return float(known.mean()) if len(known) else float("nan")


def _median(values: Any) -> float:
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    return float(np.median(known)) if len(known) else float("nan")


def _most(values: Any) -> float:
    known = np.asarray(values, dtype=float)
    known = known[~np.isnan(known)]
    return float(known.max()) if len(known) else float("nan")


def wounded_to_killed(rounds: pd.DataFrame) -> float:
    """Return the wounded for each killed, over the rounds of which the wounded are told."""
    known = rounds[rounds["wounded"].notna()]
    killed, wounded = known["killed"].sum(), known["wounded"].sum()
    return float(wounded / killed) if killed and wounded else float("nan")


def tail_exponent(sizes: Float) -> float:
    """Return the exponent of the tail of event sizes, from where a power law fits best; NaN where there is no tail."""
    try:
        return tails.fit(sizes).alpha
    except ValueError:  # too few, or estimates that are no whole numbers
        return float("nan")


def _tail(sizes: Float) -> tails.Told | None:
    try:
        return tails.told(sizes, np.random.default_rng(0))
    except ValueError:
        return None


def gaps(series: Series) -> Float:
    """Return the waits between days of fighting, in days."""
    return waits(series.fighting)


Statistic = tuple[str, str, Callable[[Series], float]]

OF_DAYS: tuple[Statistic, ...] = (
    ("killed in all", "people", lambda s: float(s.killed.sum())),
    ("killed a day", "people/d", lambda s: _mean(s.killed)),
    ("most killed on a day", "people", lambda s: _most(s.killed)),
    ("variance over mean of killed a day", "1", lambda s: timing.fano(s.killed.dropna())),
    ("correlation with the day before", "1", lambda s: timing.autocorrelation(s.killed)),
    ("events", "1", lambda s: float(len(s.sizes))),
    ("killed in an event, mean", "people", lambda s: _mean(s.sizes)),
    ("killed in an event, median", "people", lambda s: _median(s.sizes)),
    ("killed in an event, most", "people", lambda s: _most(s.sizes)),
    ("exponent of the tail of events", "1", lambda s: tail_exponent(s.sizes)),
)
OF_ROUNDS: tuple[Statistic, ...] = (
    ("killed in all", "people", lambda s: float(s.rounds["killed"].sum())),
    ("killed in a round, median", "people", lambda s: _median(s.rounds["killed"])),
)
OF_BOTH: tuple[Statistic, ...] = (
    ("share of days with fighting", "1", lambda s: _mean(s.fighting)),
    ("wait between days of fighting, mean", "d", lambda s: _mean(gaps(s))),
    ("wait between days of fighting, longest", "d", lambda s: _most(gaps(s))),
    ("burstiness of these waits", "1", lambda s: timing.burstiness(gaps(s))),
    ("correlation of a wait with the next", "1", lambda s: timing.memory(gaps(s))),
    ("rounds", "1", lambda s: float(len(s.rounds))),
    ("length of a round, median", "d", lambda s: _median(s.rounds["days"])),
    ("gap between rounds, mean", "d", lambda s: _mean(s.rounds["gap"])),
    ("wounded for each killed", "1", lambda s: wounded_to_killed(s.rounds)),
)
"""Where nobody was wounded by the record's account, fighting is a day with a death, on both sides."""


def _statistics(
    observed: Series, simulated: tuple[Series, ...], killed_range: tuple[float, float], by_rounds: bool
) -> pd.DataFrame:
    """Return each statistic as observed, with the simulated median and interval."""
    rows = []
    for name, unit, of in (*(OF_ROUNDS if by_rounds else OF_DAYS), *OF_BOTH):
        known = of(observed)
        ends = killed_range if name == "killed in all" else (known, known)
        what = {"statistic": name, "unit": unit, "observed": known, "observed_low": ends[0], "observed_high": ends[1]}
        rows.append(what | _spread([of(one) for one in simulated], ends))
    return pd.DataFrame(rows)


def _spread(simulated: Sequence[float], observed: tuple[float, float]) -> dict[str, Any]:
    """Return the median and interval of the runs that have a statistic, and where the observed range lies."""
    drawn = np.array(simulated, dtype=float)
    drawn = drawn[~np.isnan(drawn)]
    low, middle, high = np.quantile(drawn, [LOW, 0.5, HIGH]) if len(drawn) else [np.nan] * 3
    return {
        "simulated": middle,
        "simulated_low": low,
        "simulated_high": high,
        "runs": len(drawn),
        "observed_is": _verdict(observed, low, high),
    }


def _verdict(observed: tuple[float, float], low: float, high: float) -> str:
    """Say where the observed range lies; one that reaches into the interval lies inside."""
    if np.isnan([*observed, low, high]).any():
        return "not known"
    return "above" if observed[0] > high else "below" if observed[1] < low else "inside"


def between(pairs: Sequence[Pair]) -> pd.DataFrame:
    """Return the correlation of killed a day at two places on the same days, for each two of which both are told."""
    rows = []
    for one, other in combinations(pairs, 2):
        known = timing.correlation(*_same_days(one.observed, other.observed))
        drawn = [timing.correlation(*_same_days(*both)) for both in zip(one.simulated, other.simulated, strict=True)]
        rows.append({"first": one.place, "second": other.place, "observed": known} | _spread(drawn, (known, known)))
    columns = ["first", "second", "observed", "simulated", "simulated_low", "simulated_high", "runs", "observed_is"]
    return pd.DataFrame(rows, columns=columns)


def _same_days(one: Series, other: Series) -> tuple[Float, Float]:
    both = pd.concat([one.killed, other.killed], axis=1).to_numpy(dtype=float)
    return both[:, 0], both[:, 1]


def _dyads(runs: Sequence[Seen], known: Observed, place: str, fighting: pd.Series) -> pd.DataFrame:
    """Return the share of each dyad in the killed: observed, and simulated with its interval."""
    days = fighting.index[fighting.notna()]
    killed = known.dyads()
    shares = []
    for one in runs:
        here = one.events[(one.events["place"] == place) & one.events["date"].isin(days)]
        total = here["size"].sum()
        shares.append(here.groupby("dyad")["size"].sum() / total if total else pd.Series(dtype=float))
    drawn = pd.concat(shares, axis=1).fillna(0.0) if shares else pd.DataFrame()
    table = drawn.quantile([LOW, 0.5, HIGH], axis=1).T if not drawn.empty else pd.DataFrame(columns=[LOW, 0.5, HIGH])
    table = table.set_axis(["simulated_low", "simulated", "simulated_high"], axis=1)
    told = (killed / killed.sum() if killed.sum() else killed).rename("observed")
    joined = pd.concat([told, table], axis=1).fillna(0.0) if len(told) else table.assign(observed=np.nan)
    order = joined.assign(_key=joined[["observed", "simulated"]].max(axis=1)).sort_values("_key", ascending=False)
    return order.drop(columns="_key").rename_axis("dyad").reset_index()


# --- told ----------------------------------------------------------------------------------------------


def as_dict(pairs: list[Pair], about: dict[str, Any]) -> dict[str, Any]:
    """Return the comparison for a program; what is not known is null."""
    return about | {
        "interval": INTERVAL,
        "places": {pair.place: _place_dict(pair) for pair in pairs},
        "between": _records(between(pairs)),
    }


def _place_dict(pair: Pair) -> dict[str, Any]:
    days = pair.observed.fighting
    drawn = np.stack([one.killed.to_numpy(dtype=float) for one in pair.simulated])
    band = np.quantile(drawn, [LOW, 0.5, HIGH], axis=0)  # NaN where nothing was observed
    return {
        "first": f"{days.index[0]:%Y-%m-%d}",
        "last": f"{days.index[-1]:%Y-%m-%d}",
        "days_compared": int(days.notna().sum()),
        "days_without_data": int(days.isna().sum()),
        "an_event_is": pair.basis,
        "statistics": _records(pair.statistics),
        "tail": None if pair.tail is None else asdict(pair.tail),
        "dyads": _records(pair.dyads),
        "daily": {
            "date": [f"{day:%Y-%m-%d}" for day in days.index],
            "observed": _plain(pair.observed.killed),
            "simulated_low": _plain(band[0]),
            "simulated": _plain(band[1]),
            "simulated_high": _plain(band[2]),
        },
    }


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {str(k): None if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}
        for row in table.to_dict(orient="records")
    ]


def _plain(values: Any) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]


def told(pairs: list[Pair]) -> str:
    """Return the comparison as tables for a person."""
    return "\n\n".join([*(_told(pair) for pair in pairs), *_told_between(between(pairs))])


def _told_between(table: pd.DataFrame) -> list[str]:
    known = table[table["runs"] > 0]
    lines = [
        f"  {shortened(f'{row.first} and {row.second}'):40} {_figure(row.observed):>18} {_simulated_figures(row)}"
        f"  {row.observed_is}"
        for row in known.itertuples()
    ]
    return ["\n".join(["correlation of killed a day between places, same day", *lines])] if lines else []


def _simulated_figures(row: Any) -> str:
    known = not np.isnan(row.simulated)
    ends = f"{_figure(row.simulated_low)}–{_figure(row.simulated_high)}" if known else ""
    return f"{_figure(row.simulated):>10} {ends:>18}"


def _told(pair: Pair) -> str:
    days = pair.observed.fighting
    span = f"{days.index[0]:%Y-%m-%d} to {days.index[-1]:%Y-%m-%d}"
    held = f"{int(days.notna().sum())} days compared, {int(days.isna().sum())} without data"
    lines = [
        f"{pair.place}, {span}: {held}; an event: {pair.basis}",
        f"  {'':40} {'observed':>18} {'simulated':>10} {f'{INTERVAL:.0%} interval':>18}",
    ]
    for row in pair.statistics.itertuples():
        exact = row.observed_low == row.observed_high or np.isnan(row.observed_low)
        known = _figure(row.observed) + (
            "" if exact else f" ({_figure(row.observed_low)}–{_figure(row.observed_high)})"
        )
        name = row.statistic + ("" if row.unit == "1" else f" ({row.unit})")
        lines.append(f"  {name:40} {known:>18} {_simulated_figures(row)}  {row.observed_is}")
    lines += [
        f"  {shortened('share of ' + row.dyad):40} {_figure(row.observed):>18} {_simulated_figures(row)}"
        for row in pair.dyads.head(MOST_DYADS).itertuples()
    ]
    if pair.tail is not None:
        lines += [f"  {line}" for line in wrap(f"Sizes observed: {pair.tail}.", WIDTH)]
    return "\n".join(lines)


def shortened(text: str, most: int = 40) -> str:
    """Return a text no longer than so many letters."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _figure(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}"
