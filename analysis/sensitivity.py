"""What the outcomes of a sweep depend on, how surely that is known, and how much of it is luck.

    spillover sensitivity runs/sweep --measure killed_total --out figures

Which question is answered follows from the design of the sweep:

    saltelli         Sobol' indices: the share of variance that a parameter makes alone (first, Saltelli et al. 2010)
                     and with all others (total, Jansen 1999)
    morris           elementary effects over the whole range: their mean, the mean of their size, their spread
    one-at-a-time    a tornado: what each value does to the base, all else being equal
    any other        the share of variance between the values or strata of a parameter (omega squared), and its rank
                     correlation with the outcome

Structural alternatives are parameters like the others. Every estimate has a 95 % interval: from 1,000
resamplings of points (of blocks, of trajectories), or Student's t over replicates where points are compared.

With replicates there is more: the share of variance that is luck, and how many replicates make a mean how sure.
Where seeds are paired, the luck that all points share is told apart from the luck that a parameter changes, and does
not blur the comparison of points.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from analysis.options import AsJson
from analysis.store import Store, open_store
from sim.console import Refused, complain, nearest
from sim.keeping import together

if TYPE_CHECKING:
    import pandas as pd

Float = NDArray[np.float64]
Estimator = Callable[[NDArray[np.int64]], Float]
"""What estimates, for each parameter, from some of the units that are resampled."""

RESAMPLED = 1_000
MIDDLE = (0.025, 0.975)
FEWEST_BLOCKS = 8
"""From how many blocks or trajectories on convergence is shown."""
MOST_STRATA = 20
SHOWN_REPLICATES = (2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
WIDTH = 0.1
"""How far the mean may be off, as a share of it, for replicates to be enough."""
MOST_REPLICATES = 1_000_000

INDEX_COLUMNS = ("measure", "parameter", "index", "value", "estimate", "low", "high", "n")


@dataclass(frozen=True)
class Outcomes:
    """The outcomes of a sweep in one measure: a row a point, a column a replicate; NaN where a run is missing."""

    measure: str
    unit: str
    table: Float
    paired: bool

    @property
    def means(self) -> Float:
        """The mean of each point over its replicates; NaN where one is missing."""
        return self.table.mean(axis=1)

    @property
    def whole(self) -> Float:
        """The points of which no run is missing."""
        return self.table[~np.isnan(self.table).any(axis=1)]


@dataclass(frozen=True)
class Luck:
    """How much of the variance of an outcome is luck: between replicates of a point."""

    measure: str
    share: float
    low: float
    high: float
    spread: float  # standard deviation between replicates of a point
    mean: float
    width: float  # how far off a mean may be, as a share of it
    enough: int | None  # replicates for that

    def half_width(self, replicates: int) -> float:
        """Return how far the mean of so many replicates may be off, in 95 % of cases."""
        return _half_width(self.spread, replicates)


@dataclass(frozen=True)
class Sensitivity:
    """What a sweep says: indices and their convergence as tidy tables, luck by measure."""

    kind: str
    indices: pd.DataFrame
    convergence: pd.DataFrame
    luck: tuple[Luck, ...]
    left_out: int  # points, since a run of theirs is missing

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        rows = [{**vars(one), "half_widths": {n: one.half_width(n) for n in SHOWN_REPLICATES}} for one in self.luck]
        plain = {name: _plain(frame) for name, frame in (("indices", self.indices), ("convergence", self.convergence))}
        return {"design": self.kind, **plain, "luck": rows, "points_left_out": self.left_out}


def analyse(store: Store, measures: Sequence[str] = (), seed: int = 0, width: float = WIDTH) -> Sensitivity:
    """Return what the runs of a store say; `measures` are those to look at, or else the ones of whole runs."""
    import pandas as pd

    kind = str(store.plan["design"]["kind"])
    looked_at = [outcomes(store, name) for name in _chosen(store, measures)]
    design = _points(store)
    rows: list[tuple[Any, ...]] = []
    growth: list[tuple[Any, ...]] = []
    luck = []
    for one in looked_at:
        estimated: Callable[..., Iterator[tuple[Any, ...]]] = INDICES.get(kind, _strata)
        rows += estimated(one, design, store, np.random.default_rng(seed))
        growth += _convergence(kind, one, design, store, np.random.default_rng(seed))
        if one.table.shape[1] > 1 and len(one.whole) > 1:
            luck.append(_luck(one, np.random.default_rng(seed), width))
    missing = max(int(np.isnan(one.table).any(axis=1).sum()) for one in looked_at)
    indices, convergence = (pd.DataFrame(found, columns=list(INDEX_COLUMNS)) for found in (rows, growth))
    return Sensitivity(kind, indices, convergence, tuple(luck), missing)


def outcomes(store: Store, measure: str) -> Outcomes:
    """Return the outcomes of a store's plan in one measure."""
    plan, runs = store.plan, store.runs()
    planned = store.sql("SELECT max(point) AS last FROM design")["last"][0]
    table = np.full((int(planned) + 1, int(plan["replicates"])), np.nan)
    table[runs["point"].to_numpy(), runs["replicate"].to_numpy()] = runs[measure].to_numpy(dtype=float)
    return Outcomes(measure, store.unit(measure), table, plan["seeds"]["policy"] == "paired")


def _points(store: Store) -> pd.DataFrame:
    """Return the design, a row a point."""
    return store.sql("SELECT * FROM design WHERE replicate = 0 ORDER BY point")


def _chosen(store: Store, asked: Sequence[str]) -> list[str]:
    """Return the measures to look at: those that are asked for, each with all of its keys."""
    there = store.measures
    if not there:
        raise Refused(f"{store.folder}: no runs of this plan are done")
    if not asked:
        return [name for name in there if "." not in name] or there
    faults = [f"--measure: no measure '{n}'.{nearest(n, there)}" for n in asked if not _keyed(n, there)]
    if faults:
        raise Refused(*faults)
    return list(dict.fromkeys(name for n in asked for name in _keyed(n, there)))


def _keyed(name: str, there: Sequence[str]) -> list[str]:
    return [one for one in there if one == name or one.startswith(f"{name}.")]


def _plain(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


# --- estimates and their intervals -----------------------------------------------------------------------


def _resampled(estimate: Estimator, units: int, luck: np.random.Generator) -> tuple[Float, Float, Float]:
    """Return an estimate from all units, and the interval that resampling them gives.

    The interval is that of the deviations: units drawn twice make a share of variance larger than it is.
    """
    everyone = np.arange(units)
    drawn = np.array([estimate(luck.integers(units, size=units)) for _ in range(RESAMPLED)])
    unknown = np.isnan(drawn).all(axis=0)
    drawn[:, unknown] = 0.0  # which nanquantile would warn of
    found = np.where(unknown, np.nan, estimate(everyone))
    low, high = found + np.nanquantile(drawn, MIDDLE, axis=0) - np.nanmean(drawn, axis=0)
    return found, low, high


def sobol_indices(a: Float, ab: Float, b: Float) -> Float:
    """Return first and total indices, (2, parameters), from outcomes at A, at A with a column of B, and at B."""
    spread = np.concatenate([a, b]).var()
    if not spread > 0.0:
        return np.full((2, ab.shape[1]), np.nan)
    middle = np.concatenate([a, b]).mean()  # an outcome far from 0 would blur the products
    first = np.mean((b - middle)[:, None] * (ab - a[:, None]), axis=0) / spread
    total = 0.5 * np.mean((a[:, None] - ab) ** 2, axis=0) / spread
    return np.array([first, total])


def _blocks(one: Outcomes, parameters: int, second_order: bool) -> Float:
    """Return the outcomes of a Saltelli design, a row a block: A, the mixed ones, B; blocks with a gap are left out."""
    length = 2 * parameters + 2 if second_order else parameters + 2
    blocks = one.means.reshape(-1, length)
    return blocks[~np.isnan(blocks).any(axis=1)]


def _sobol(one: Outcomes, design: pd.DataFrame, store: Store, luck: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    blocks = _blocks(one, len(store.parameters), bool(store.plan["design"].get("second_order")))
    yield from _sobol_rows(one, blocks, store.parameters, luck)


def _sobol_rows(
    one: Outcomes, blocks: Float, parameters: Sequence[str], luck: np.random.Generator
) -> Iterator[tuple[Any, ...]]:
    if len(blocks) < 2:
        return

    def estimate(which: NDArray[np.int64]) -> Float:
        drawn = blocks[which]
        return sobol_indices(drawn[:, 0], drawn[:, 1 : len(parameters) + 1], drawn[:, -1])

    found = _resampled(estimate, len(blocks), luck)
    for index, name in enumerate(("first", "total")):
        for number, path in enumerate(parameters):
            yield (one.measure, path, name, "", *(float(part[index, number]) for part in found), len(blocks))


def _effects(one: Outcomes, design: pd.DataFrame, parameters: Sequence[str]) -> Float:
    """Return the elementary effects, a row a trajectory; trajectories with a gap are left out."""
    length = len(parameters) + 1
    steps = np.diff(one.means, prepend=np.nan).reshape(-1, length)[:, 1:]
    by = design["by"].to_numpy(dtype=float).reshape(-1, length)[:, 1:]
    moved = design["moved"].to_numpy().reshape(-1, length)[:, 1:]
    order = np.argsort([[parameters.index(path) for path in row] for row in moved], axis=1)
    effects = np.take_along_axis(steps / by, order, axis=1)
    return effects[~np.isnan(effects).any(axis=1)]


def _morris(one: Outcomes, design: pd.DataFrame, store: Store, luck: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    yield from _morris_rows(one, _effects(one, design, store.parameters), store.parameters, luck)


def _morris_rows(
    one: Outcomes, effects: Float, parameters: Sequence[str], luck: np.random.Generator
) -> Iterator[tuple[Any, ...]]:
    if len(effects) < 2:
        return

    def estimate(which: NDArray[np.int64]) -> Float:
        drawn = effects[which]
        return np.array([np.abs(drawn).mean(axis=0), drawn.mean(axis=0), drawn.std(axis=0, ddof=1)])

    found = _resampled(estimate, len(effects), luck)
    for index, name in enumerate(("mean size", "mean", "spread")):
        for number, path in enumerate(parameters):
            yield (one.measure, path, name, "", *(float(part[index, number]) for part in found), len(effects))


def _tornado(one: Outcomes, design: pd.DataFrame, store: Store, luck: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    """Yield what each value does to the mean of the base, and the interval over the replicates."""
    base = one.table[0]
    for number, path in enumerate(design["moved"]):
        if path:
            estimate, half = _difference(one.table[number], base, one.paired)
            value = str(design[path][number])
            yield one.measure, path, "effect", value, estimate, estimate - half, estimate + half, one.table.shape[1]


def _difference(here: Float, base: Float, paired: bool) -> tuple[float, float]:
    """Return a difference of means and half of its interval; NaN where one replicate cannot tell."""
    n = len(here)
    if n < 2:
        return float(here.mean() - base.mean()), math.nan
    if paired:
        return float((here - base).mean()), _half_width(float((here - base).std(ddof=1)), n)
    spread = math.sqrt(here.var(ddof=1) + base.var(ddof=1))
    return float(here.mean() - base.mean()), _half_width(spread, n, freedom=2 * n - 2)


def _strata(one: Outcomes, design: pd.DataFrame, store: Store, luck: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    """Yield the variance between strata, and the rank correlation where there is an order."""
    from scipy.stats import rankdata

    known = ~np.isnan(one.means)
    means = one.means[known]
    if len(means) < 3:
        return
    for path in store.parameters:
        values = design[path][known]
        is_choice = store.plan["parameters"][path]["kind"] == "choice"
        strata = _stratum_of(values, is_choice)

        def share(which: NDArray[np.int64], strata: NDArray[np.int64] = strata) -> Float:
            return np.array([omega_squared(means[which], strata[which])])

        yield (one.measure, path, "between strata", "", *_first_of(_resampled(share, len(means), luck)), len(means))
        if not is_choice:
            ranks = np.array([rankdata(values), rankdata(means)])

            def correlation(which: NDArray[np.int64], ranks: Float = ranks) -> Float:
                return np.array([_correlation(*ranks[:, which])])

            found = _first_of(_resampled(correlation, len(means), luck))
            yield (one.measure, path, "rank correlation", "", *found, len(means))


def _first_of(found: tuple[Float, Float, Float]) -> tuple[float, float, float]:
    estimate, low, high = (float(part[0]) for part in found)
    return estimate, low, high


def _stratum_of(values: pd.Series[Any], is_choice: bool) -> NDArray[np.int64]:
    """Return the stratum of each value: its alternative, or the one of equally filled intervals that it lies in."""
    import pandas as pd

    different = values.nunique()
    many = min(MOST_STRATA, max(int(math.sqrt(len(values))), 2))
    if is_choice or different <= many:
        return np.asarray(pd.factorize(values)[0], dtype=np.int64)
    return np.asarray(values.rank(method="first").sub(1).mul(many).floordiv(len(values)), dtype=np.int64)


def omega_squared(outcome: Float, strata: NDArray[np.int64]) -> float:
    """Return the share of variance that lies between strata, without what chance alone would put there."""
    counts = np.bincount(strata)
    used = counts > 0
    many, n = int(used.sum()), len(outcome)
    if many < 2 or n <= many:
        return math.nan
    total = float(((outcome - outcome.mean()) ** 2).sum())
    if not total > 0.0:
        return math.nan
    means = np.bincount(strata, weights=outcome)[used] / counts[used]
    between = float((counts[used] * (means - outcome.mean()) ** 2).sum())
    within = (total - between) / (n - many)
    return (between - (many - 1) * within) / (total + within)


def _correlation(x: Float, y: Float) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / size if size > 0.0 else math.nan


INDICES: dict[str, Callable[..., Iterator[tuple[Any, ...]]]] = {
    "saltelli": _sobol, "morris": _morris, "one-at-a-time": _tornado,
}  # fmt: skip


def _convergence(
    kind: str, one: Outcomes, design: pd.DataFrame, store: Store, luck: np.random.Generator
) -> Iterator[tuple[Any, ...]]:
    """Yield the indices from the first eight blocks or trajectories, the first sixteen, and so on."""
    parameters = store.parameters
    rows: Callable[..., Iterator[tuple[Any, ...]]]
    if kind == "saltelli":
        units, rows = _blocks(one, len(parameters), bool(store.plan["design"].get("second_order"))), _sobol_rows
    elif kind == "morris":
        units, rows = _effects(one, design, parameters), _morris_rows
    else:
        return
    sizes = [FEWEST_BLOCKS << times for times in range(64) if FEWEST_BLOCKS << times < len(units)]
    for size in (*sizes, len(units)):
        yield from rows(one, units[:size], parameters, luck)


# --- luck ------------------------------------------------------------------------------------------------


def luck_share(table: Float, paired: bool) -> float:
    """Return the share of variance that lies between replicates of a point, from whole points.

    Variance components: of points alone; or of points and seeds crossed where all points share their seeds.
    """
    points, replicates = table.shape
    grand = table.mean()
    by_point = table.mean(axis=1, keepdims=True)
    of_points = replicates * float(((by_point - grand) ** 2).sum()) / (points - 1)
    if paired:
        by_seed = table.mean(axis=0, keepdims=True)
        rest = float(((table - by_point - by_seed + grand) ** 2).sum()) / ((points - 1) * (replicates - 1))
        of_seeds = points * float(((by_seed - grand) ** 2).sum()) / (replicates - 1)
        noise = rest + max(of_seeds - rest, 0.0) / points
    else:
        rest = float(((table - by_point) ** 2).sum()) / (points * (replicates - 1))
        noise = rest
    signal = max(of_points - rest, 0.0) / replicates
    return noise / (noise + signal) if noise + signal > 0.0 else math.nan


def _luck(one: Outcomes, luck: np.random.Generator, width: float) -> Luck:
    table = one.whole
    spread = math.sqrt(float(table.var(axis=1, ddof=1).mean()))
    mean = float(table.mean())

    def share(which: NDArray[np.int64]) -> Float:
        return np.array([luck_share(table[which], one.paired)])

    estimate, low, high = _first_of(_resampled(share, len(table), luck))
    return Luck(one.measure, estimate, low, high, spread, mean, width, replicates_for(spread, width * abs(mean)))


def _half_width(spread: float, n: int, freedom: int | None = None) -> float:
    from scipy.stats import t

    return float(t.ppf(MIDDLE[1], freedom or n - 1)) * spread / math.sqrt(n)


def replicates_for(spread: float, half_width: float) -> int | None:
    """Return how many replicates make a mean so sure, or None where that is more than a million."""
    if spread == 0.0:
        return 2
    low, high = 2, MOST_REPLICATES
    if not half_width > 0.0 or _half_width(spread, high) > half_width:
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _half_width(spread, middle) <= half_width else (middle + 1, high)
    return low


# --- telling ---------------------------------------------------------------------------------------------

MAIN = {"saltelli": "total", "morris": "mean size", "one-at-a-time": "effect"}
"""By which index parameters are put in order."""


def main_index(kind: str) -> str:
    """Return the index by which parameters are put in order."""
    return MAIN.get(kind, "between strata")


def told(found: Sensitivity, units: Mapping[str, str]) -> str:
    """Return what a sweep says as tables for a person."""
    lines = [f"{found.kind}; 95 % intervals in brackets"]
    if found.left_out:
        lines.append(f"{found.left_out} points are left out: a run of theirs is missing")
    for measure, rows in found.indices.groupby("measure", sort=False):
        lines += ["", f"{measure} ({units[str(measure)]})"]
        sizes = (
            rows[rows["index"] == main_index(found.kind)].groupby("parameter")["estimate"].agg(lambda e: e.abs().max())
        )
        for path in sizes.sort_values(ascending=False, kind="stable").index:
            own = rows[rows["parameter"] == path]
            lines.append(
                f"  {path:44}" + "   ".join(map(_cell, own.rename(columns={"index": "index_name"}).itertuples()))
            )
    for one in found.luck:
        enough = "more than a million" if one.enough is None else f"{one.enough:,}"
        share = f"{one.share:.0%} [{one.low:.0%}, {one.high:.0%}]"
        enough += f" replicates for a mean within {one.width:.3g} of it"
        lines += ["", f"{one.measure}: {share} of the variance is luck; {enough}"]
        widths = ", ".join(f"{n}: ± {one.half_width(n):.3g}" for n in SHOWN_REPLICATES)
        lines.append(f"  interval of the mean by number of replicates: {widths}")
    return "\n".join(lines)


def _cell(row: Any) -> str:
    name = f"{row.value}:" if row.value else row.index_name
    return f"{name} {row.estimate:.3g} [{row.low:.3g}, {row.high:.3g}]"


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a sweep.")],
    measure: Annotated[list[str] | None, typer.Option(metavar="NAME", help="What to look at; may be repeated.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for tables (CSV) and figures (PDF, PNG).")
    ] = None,
    width: Annotated[float, typer.Option(min=0.001, max=1.0, help="How far off a mean may be, as a share.")] = WIDTH,
    seed: Annotated[int, typer.Option(min=0, help="Of the resampling.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Say what the outcomes of a sweep depend on, and how much of them is luck."""
    with open_store(folder) as store:
        found = analyse(store, measure or (), seed, width)
        if out is not None:
            from analysis.sensitivity_figures import draw

            out.mkdir(parents=True, exist_ok=True)
            with together(out) as beside:
                found.indices.to_csv(beside / "indices.csv", index=False, lineterminator="\n")
                found.convergence.to_csv(beside / "convergence.csv", index=False, lineterminator="\n")
                names = [path.name for path in draw(store, found, beside)]
            complain(f"written to {out}: indices.csv, convergence.csv, {', '.join(names)}")
        units = {name: store.unit(name) for name in store.measures}
    typer.echo(json.dumps(found.as_dict()) if as_json else told(found, units))
