"""Which runs a plan asks for: read the plan, refuse what is wrong with it, lay out its points.

    scenario = "tripoli-2012"
    replicates = 10

    [design]
    kind = "saltelli"                       # or grid, one-at-a-time, latin-hypercube, sobol, morris, list
    points = 64

    [set]                                   # the same in every run
    "clock.days" = 14

    [parameters]
    channels.kin.weight = {}                # over the range that it declares
    channels.kin.toll_half = { low = 5, high = 50, scale = "log" }
    mobilisation.ratio_rule = ["raw", "floor", "round"]

    [seeds]
    policy = "paired"                       # replicate r has the same luck at every point; or "independent"

    [keep]
    measures = ["killed_by_place", "displaced"]
    tables = ["daily"]

A point is one choice of every parameter. Designs are laid out on the unit cube and mapped to the ranges: a real
parameter evenly (or evenly in its logarithm), a whole number with equal chances, an alternative likewise.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from analysis.batches import TABLES
from sim.console import LARGEST_SEED, Refused, nearest
from sim.measures import MEASURES
from sim.parameters import Declared, Strict, walk
from sim.scenario import Scenario, ScenarioError, value_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

MOST_RUNS = 1_000_000
"""More are swept only where someone says that they are meant."""
LEVELS = {"grid": 3, "one-at-a-time": 2, "morris": 4}
"""Into how many values a range is cut, where the plan does not say."""
LARGEST_DESIGN = 10**15
"""A size that is certainly a mistake, beyond which nothing is counted exactly."""
SPEC = frozenset({"low", "high", "values", "scale", "levels"})

Point = dict[str, Any]
Unit = NDArray[np.float64]


# --- what a plan may say -------------------------------------------------------------------------------


class DesignKeys(Strict):
    """The design: its kind, and what that kind needs."""

    kind: Literal["grid", "one-at-a-time", "latin-hypercube", "sobol", "morris", "saltelli", "list"]
    points: int | None = Field(None, ge=1)
    trajectories: int | None = Field(None, ge=2)
    levels: int | None = Field(None, ge=2)
    second_order: bool | None = None
    file: str | None = None
    seed: int | None = Field(None, ge=0)


NEEDS = {
    "latin-hypercube": ("points",), "sobol": ("points",), "saltelli": ("points",),
    "morris": ("trajectories",), "list": ("file",),
}  # fmt: skip
MAY_HAVE = {
    "grid": ("levels",), "one-at-a-time": ("levels",), "latin-hypercube": ("seed",), "sobol": ("seed",),
    "saltelli": ("seed", "second_order"), "morris": ("seed", "levels"),
}  # fmt: skip
POWERS_OF_TWO = ("sobol", "saltelli")
BY_SALIB = ("saltelli", "morris")


class SeedKeys(Strict):
    """Which luck each replicate has."""

    policy: Literal["paired", "independent"] = "paired"
    first: int = Field(0, ge=0, le=LARGEST_SEED)


class KeepKeys(Strict):
    """What is kept of a run."""

    measures: tuple[str, ...] = tuple(MEASURES)
    tables: tuple[str, ...] = ()


class Spec(Strict):
    """What a plan says of a parameter: a range, or its values."""

    low: float | None = None
    high: float | None = None
    values: tuple[Any, ...] | None = None
    scale: Literal["linear", "log"] = "linear"
    levels: int | None = Field(None, ge=2)


class PlanKeys(Strict):
    """All that a plan file may say."""

    scenario: str
    design: DesignKeys
    replicates: int = Field(1, ge=1)
    set: dict[str, Any] = Field(default_factory=dict)
    parameters: dict[str, Any] = Field(default_factory=dict)
    seeds: SeedKeys = SeedKeys()
    keep: KeepKeys = KeepKeys()


# --- a parameter that varies ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Varied:
    """A parameter that a plan varies: a range of real or whole numbers, or some values."""

    path: str
    base: Any
    unit: str = ""
    low: float | None = None
    high: float | None = None
    whole: bool = False
    log: bool = False
    values: tuple[Any, ...] | None = None
    levels: int | None = None

    def at(self, units: Unit) -> list[Any]:
        """Return the values at some places of the unit interval."""
        if self.values is not None:
            return [self.values[number] for number in _shares(units, len(self.values))]
        assert self.low is not None and self.high is not None
        if self.whole:
            return [int(self.low) + number for number in _shares(units, int(self.high) - int(self.low) + 1)]
        if self.log:
            return list(map(float, self.low * (self.high / self.low) ** units))
        return list(map(float, self.low + (self.high - self.low) * units))

    def cut(self, levels: int) -> list[Any]:
        """Return the values, or the range cut into so many, both ends among them."""
        if self.values is not None:
            return list(self.values)
        if not self.whole:
            return self.at(np.linspace(0.0, 1.0, self.levels or levels))
        assert self.low is not None and self.high is not None
        cut = np.linspace(self.low, self.high, self.levels or levels)
        return list(dict.fromkeys(map(int, np.rint(cut))))

    def as_dict(self) -> dict[str, Any]:
        """Return what a reader of results needs to know."""
        kind = "choice" if self.values is not None else "whole" if self.whole else "real"
        span = {"values": list(self.values)} if self.values is not None else {"low": self.low, "high": self.high}
        return {"kind": kind, "unit": self.unit, "base": self.base, "log": self.log, **span}


def _shares(units: Unit, many: int) -> list[int]:
    return [min(int(number), many - 1) for number in units * many]


# --- a plan --------------------------------------------------------------------------------------------


class Layout(NamedTuple):
    """The points of a design, by parameter, and what each moved against the one before it, or the base."""

    columns: dict[str, list[Any]]
    moved: list[str] | None = None
    by: list[float] | None = None


@dataclass(frozen=True)
class Plan:
    """A plan that holds: the base, the parameters that vary, and how."""

    name: str
    base: Scenario
    design: DesignKeys
    varied: tuple[Varied, ...]
    replicates: int
    seeds: SeedKeys
    measures: tuple[str, ...]
    tables: tuple[str, ...]
    listed: Layout | None = field(default=None, compare=False)

    @property
    def size(self) -> int:
        """How many points the design has."""
        return _size(self.design, self.varied, self.listed)

    @property
    def runs(self) -> int:
        """How many runs the plan asks for."""
        return self.size * self.replicates

    def layout(self) -> Layout:
        """Lay the points out; the same plan always gives the same."""
        return self.listed or LAYOUTS[self.design.kind](self.design, self.varied)

    def seed(self, point: int, replicate: int) -> int:
        """Return the luck of a replicate."""
        return self.seeds.first + replicate + (0 if self.seeds.policy == "paired" else point * self.replicates)

    def as_dict(self, model: str) -> dict[str, Any]:
        """Return all that tells this plan from another, and what a reader of its results needs."""
        return {
            "scenario": self.base.id,
            "title": self.base.title,
            "scenario_sha256": self.base.content_hash(),
            "model": model,
            "design": self.design.model_dump(exclude_none=True),
            "parameters": {one.path: one.as_dict() for one in self.varied},
            "replicates": self.replicates,
            "seeds": self.seeds.model_dump(),
            "measures": {name: MEASURES[name].unit for name in self.measures},
            "tables": list(self.tables),
        }


def read_plan(file: str | Path, yes: bool = False) -> Plan:
    """Read a plan file; raise Refused with everything that is wrong with it."""
    path = Path(file)
    keys = _keys(path)
    faults = [*_faults_of_design(keys.design), *_faults_of_keep(keys.keep)]
    base = _base(keys, path, faults)
    varied: tuple[Varied, ...] = ()
    listed = None
    if base is not None:
        if keys.design.kind == "list":
            varied, listed = _listed(keys, path, base, faults)
        else:
            varied = _varied(keys.parameters, base, faults)
    if not varied and not faults:
        faults.append("parameters: nothing varies: name a parameter" if listed is None else "file: no points")
    if base is not None and not faults:
        faults += _faults_of_size(keys, varied, listed, yes)
    if base is None or faults:
        raise Refused(*(f"{path}: {fault}" for fault in faults))
    seeds, keep = keys.seeds, keys.keep
    return Plan(path.stem, base, keys.design, varied, keys.replicates, seeds, keep.measures, keep.tables, listed)


def _keys(path: Path) -> PlanKeys:
    """Return what a plan file says, if it says nothing that it may not."""
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise Refused(f"{path}: not TOML: {error}") from None
    if isinstance(said.get("design"), str):
        said["design"] = {"kind": said["design"]}
    for name in ("parameters", "set"):
        if isinstance(said.get(name), dict):
            said[name] = dict(_flat(said[name], is_spec=name == "parameters"))
    try:
        return PlanKeys.model_validate(said)
    except ValidationError as error:
        raise Refused(*(f"{path}: {_told(fault)}" for fault in error.errors())) from None


def _flat(table: Mapping[str, Any], above: str = "", *, is_spec: bool) -> Iterator[tuple[str, Any]]:
    """Yield every value by its dotted path; in a list of parameters, `{ low = … }` is a value."""
    for key, value in table.items():
        path = f"{above}.{key}" if above else key
        is_leaf = not isinstance(value, dict) or (is_spec and (not value or not SPEC.isdisjoint(value)))
        if is_leaf:
            yield path, value
        else:
            yield from _flat(value, path, is_spec=is_spec)


def _told(fault: ErrorDetails, above: str = "") -> str:
    """Say what is wrong with a key of a plan."""
    where = ".".join(filter(None, (above, *map(str, fault["loc"]))))
    if fault["type"] == "extra_forbidden":
        *table, key = fault["loc"]
        names = Spec.model_fields if above else _keys_of(table)
        return f"{where}: no such key.{nearest(str(key), names)}"
    if fault["type"] == "literal_error":
        allowed = str(fault["ctx"]["expected"])
        names = [name.strip("'") for name in allowed.replace(" or ", ", ").split(", ")]
        return f"{where}: found '{fault['input']}', allowed {allowed}.{nearest(str(fault['input']), names)}"
    return f"{where}: {fault['msg']}"


def _keys_of(table: Sequence[Any]) -> list[str]:
    models: dict[str, Any] = {"design": DesignKeys, "seeds": SeedKeys, "keep": KeepKeys}
    return list((models[str(table[0])] if table else PlanKeys).model_fields)


# --- what may be wrong ---------------------------------------------------------------------------------


def _faults_of_design(design: DesignKeys) -> Iterator[str]:
    kind, needed = design.kind, NEEDS.get(design.kind, ())
    given = {name for name, value in design if name != "kind" and value is not None}
    yield from (f"design.{name}: missing, and {kind} needs it" for name in needed if name not in given)
    idle = sorted(given - {*needed, *MAY_HAVE.get(kind, ())})
    yield from (f"design.{name}: {kind} has no use for it" for name in idle)
    if kind in POWERS_OF_TWO and design.points is not None and design.points & (design.points - 1):
        below = 1 << (design.points.bit_length() - 1)
        yield f"design.points: found {design.points}, allowed a power of two, such as {below} or {2 * below}"
    if kind in BY_SALIB and find_spec("SALib") is None:
        yield f"design.kind: {kind} needs the extra `sensitivity` (SALib), which is not installed"


def _faults_of_keep(keep: KeepKeys) -> Iterator[str]:
    if not keep.measures:
        yield "keep.measures: none, so there would be nothing to read"
    yield from (f"keep.measures: no measure '{n}'.{nearest(n, MEASURES)}" for n in keep.measures if n not in MEASURES)
    yield from (f"keep.tables: no table '{n}'.{nearest(n, TABLES)}" for n in keep.tables if n not in TABLES)


def _base(keys: PlanKeys, path: Path, faults: list[str]) -> Scenario | None:
    """Return the scenario of a plan with what it sets; a path is looked for beside the plan first."""
    try:
        base = Scenario.load(beside if (beside := path.parent / keys.scenario).is_file() else keys.scenario)
        return base.with_values(keys.set, "set") if keys.set else base
    except ScenarioError as error:
        faults += map(str, error.faults)
        return None


def _varied(said: Mapping[str, Any], base: Scenario, faults: list[str]) -> tuple[Varied, ...]:
    """Return the parameters that vary, and note what is wrong with them."""
    declared = {one.path: one for one in walk(base.file)}
    found = []
    for path, value in said.items():
        one = _one_varied(path, value, base, declared.get(path), faults)
        if one is not None:
            found.append(one)
    return tuple(found)


def _one_varied(path: str, said: Any, base: Scenario, declared: Declared | None, faults: list[str]) -> Varied | None:
    if not isinstance(said, list | dict):
        faults.append(f"parameters.{path}: found {said!r}, allowed {{ low = …, high = … }} or [values]")
        return None
    try:
        spec = Spec.model_validate({"values": said} if isinstance(said, list) else said)
    except ValidationError as error:
        faults += (_told(fault, f"parameters.{path}") for fault in error.errors())
        return None
    wrong = [f"parameters.{path}: {fault}" for fault in _faults_of_spec(spec, declared)]
    now = declared.value if declared is not None else _value_at(base, path)
    if isinstance(now, bool) and spec == Spec():
        spec = Spec(values=(False, True))
    one = Varied(
        path, now, declared.unit if declared else "",
        low=spec.low if spec.low is not None else declared.low if declared else None,
        high=spec.high if spec.high is not None else declared.high if declared else None,
        whole=isinstance(now, int), log=spec.scale == "log", values=spec.values, levels=spec.levels,
    )  # fmt: skip
    wrong = wrong or [f"parameters.{path}: {fault}" for fault in _faults_of_range(one, base)]
    faults += wrong
    return None if wrong else one


def _faults_of_spec(spec: Spec, declared: Declared | None) -> Iterator[str]:
    if spec.values is not None and (spec.low, spec.high, spec.levels) != (None, None, None):
        yield "either values, or a range"
    if spec.values is not None and not spec.values:
        yield "no values"
    if declared is None:
        return
    for name, value in (("low", spec.low), ("high", spec.high)):
        under = value is not None and declared.low is not None and value < declared.low
        over = value is not None and declared.high is not None and value > declared.high
        if under or over:
            allowed = f"{_bound(declared.low)} to {_bound(declared.high)} {declared.unit}".strip()
            yield f"{name} = {value:g} lies outside the range that it declares, {allowed}"


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"


def _faults_of_range(one: Varied, base: Scenario) -> Iterator[str]:
    if one.values is None:
        unknown = next(_faults_of_value(one.path, one.base, base, path_alone=True), None)
        if unknown is not None:
            yield unknown
            return
        if not isinstance(one.base, int | float) or isinstance(one.base, bool):
            yield f"found {one.base!r} in the scenario, not a number: say values = [...]"
            return
        if one.low is None or one.high is None:
            yield "it declares no such bound: say low and high"
            return
        if one.low >= one.high:
            yield f"low = {one.low:g} is not below high = {one.high:g}"
            return
        if one.log and one.low <= 0:
            yield f"a logarithmic range from {one.low:g}: say a low above 0"
            return
    for value in one.cut(2):
        yield from _faults_of_value(one.path, value, base)


def _faults_of_value(path: str, value: Any, base: Scenario, path_alone: bool = False) -> Iterator[str]:
    """Yield what is wrong with a value, as the scenario's own check says it."""
    try:
        base.with_values({path: value}, "")
    except ScenarioError as error:
        yield from (fault.message for fault in error.faults if not path_alone or "unknown path" in fault.message)


def _value_at(base: Scenario, path: str) -> Any:
    here: Any = base.file
    for key in path.split("."):
        here = here.get(key) if isinstance(here, Mapping) else getattr(here, key, None)
    return here


def _listed(keys: PlanKeys, path: Path, base: Scenario, faults: list[str]) -> tuple[tuple[Varied, ...], Layout | None]:
    """Return the parameters and points of a table in CSV: a header of paths, a row a point."""
    if keys.parameters:
        faults.append("parameters: a list has its own, in its header")
    if keys.design.file is None:
        return (), None
    file = path.parent / keys.design.file
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            header, *rows = [[cell.strip() for cell in row] for row in csv.reader(stream, strict=True) if any(row)]
    except OSError as error:
        faults.append(f"design.file: {file}: {error.strerror or error}")
        return (), None
    except (ValueError, csv.Error) as error:
        faults.append(f"design.file: {file}: not a table in CSV ({error})")
        return (), None
    ragged = [number for number, row in enumerate(rows, 2) if len(row) != len(header)]
    faults += (f"design.file: {file}: row {number} has not {len(header)} cells" for number in ragged)
    if ragged or not rows:
        faults += [] if rows else [f"design.file: {file}: no points"]
        return (), None
    columns = {name: [value_of(row[n]) for row in rows] for n, name in enumerate(header)}
    said = {name: list(dict.fromkeys(values)) for name, values in columns.items()}
    return _varied(said, base, faults), Layout(columns)


def _faults_of_size(keys: PlanKeys, varied: Sequence[Varied], listed: Layout | None, yes: bool) -> Iterator[str]:
    runs = _size(keys.design, varied, listed) * keys.replicates
    if runs > MOST_RUNS and not yes:
        many = f"{runs:,}" if runs < LARGEST_DESIGN else "more than can be counted"
        yield f"{many} runs: more than {MOST_RUNS:,} need --yes"
    points = _size(keys.design, varied, listed) if keys.seeds.policy == "independent" else 1
    if keys.seeds.first + points * keys.replicates > LARGEST_SEED:
        yield f"seeds.first: the last seed would be above {LARGEST_SEED:,}"


# --- layouts -------------------------------------------------------------------------------------------


def _size(design: DesignKeys, varied: Sequence[Varied], listed: Layout | None = None) -> int:
    """Return how many points a design has, without laying it out."""
    many, levels = len(varied), design.levels or LEVELS.get(design.kind, 0)
    match design.kind:
        case "list":
            return len(next(iter(listed.columns.values()))) if listed is not None else 0
        case "grid":
            return math.prod(len(one.cut(levels)) for one in varied)
        case "one-at-a-time":
            return 1 + sum(len(_others(one, levels)) for one in varied)
        case "morris":
            return (design.trajectories or 0) * (many + 1)
        case "saltelli":
            return (design.points or 0) * (2 * many + 2 if design.second_order else many + 2)
        case _:
            return design.points or 0


def _others(one: Varied, levels: int) -> list[Any]:
    return [value for value in one.cut(levels) if value != one.base]


def _grid(design: DesignKeys, varied: Sequence[Varied]) -> Layout:
    points = list(product(*(one.cut(design.levels or LEVELS["grid"]) for one in varied)))
    return Layout({one.path: list(values) for one, values in zip(varied, zip(*points, strict=True), strict=True)})


def _one_at_a_time(design: DesignKeys, varied: Sequence[Varied]) -> Layout:
    """Lay out the base, and then each value of each parameter with all else as in the base."""
    levels = design.levels or LEVELS["one-at-a-time"]
    moves = [("", None)] + [(one.path, value) for one in varied for value in _others(one, levels)]
    columns = {one.path: [value if path == one.path else one.base for path, value in moves] for one in varied}
    return Layout(columns, moved=[path for path, _ in moves], by=[0.0] * len(moves))


def _mapped(varied: Sequence[Varied], units: Unit) -> dict[str, list[Any]]:
    return {one.path: one.at(units[:, number]) for number, one in enumerate(varied)}


def _latin_hypercube(design: DesignKeys, varied: Sequence[Varied]) -> Layout:
    from scipy.stats import qmc

    sampler = qmc.LatinHypercube(len(varied), rng=np.random.default_rng(design.seed or 0))
    return Layout(_mapped(varied, sampler.random(design.points)))


def _sobol(design: DesignKeys, varied: Sequence[Varied]) -> Layout:
    from scipy.stats import qmc

    sampler = qmc.Sobol(len(varied), rng=np.random.default_rng(design.seed or 0))
    return Layout(_mapped(varied, sampler.random(design.points)))


def _problem(varied: Sequence[Varied]) -> dict[str, Any]:
    names = [one.path for one in varied]
    return {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}


def _saltelli(design: DesignKeys, varied: Sequence[Varied]) -> Layout:
    from SALib.sample import sobol

    second = bool(design.second_order)
    luck = np.random.default_rng(design.seed or 0)
    return Layout(_mapped(varied, sobol.sample(_problem(varied), design.points, calc_second_order=second, seed=luck)))


def _morris(design: DesignKeys, varied: Sequence[Varied]) -> Layout:
    """Lay out trajectories: each point moves one parameter by the same step, up or down."""
    from SALib.sample import morris

    levels = design.levels or LEVELS["morris"]
    luck = np.random.default_rng(design.seed or 0)
    units = morris.sample(_problem(varied), design.trajectories, num_levels=levels, seed=luck)
    steps = np.diff(units, axis=0, prepend=units[:1])
    steps[:: len(varied) + 1] = 0.0  # a trajectory begins
    which = np.abs(steps).argmax(axis=1)
    by = steps[np.arange(len(steps)), which]
    moved = [varied[number].path if step else "" for number, step in zip(which, by, strict=True)]
    return Layout(_mapped(varied, units), moved, [float(step) for step in by])


LAYOUTS: dict[str, Callable[[DesignKeys, Sequence[Varied]], Layout]] = {
    "grid": _grid, "one-at-a-time": _one_at_a_time, "latin-hypercube": _latin_hypercube, "sobol": _sobol,
    "saltelli": _saltelli, "morris": _morris,
}  # fmt: skip


# --- the scenarios of the points -----------------------------------------------------------------------


class Hashes:
    """The content hash of each point's scenario, without making the scenario.

    The base is written out once with holes where values vary. Where that cannot give the same as making the
    scenario (a value that is not set in the base, or is a table), the scenario is made.
    """

    def __init__(self, base: Scenario, paths: Sequence[str]) -> None:
        self.base, self.paths = base, list(paths)
        tree = base.file.model_dump(mode="json")
        self.kinds = {path: type(_within(tree, path)) for path in self.paths}
        for number, path in enumerate(self.paths):
            *above, last = path.split(".")
            _within(tree, ".".join(above))[last] = _hole(number)
        text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        self.parts, self.order = _cut(text, len(self.paths))
        self.quick = all(kind in (bool, int, float, str) for kind in self.kinds.values())

    @classmethod
    def checked(cls, base: Scenario, points: Sequence[Point]) -> Hashes:
        """Return hashes that were held against some of the points' scenarios."""
        hashes = cls(base, list(points[0]) if points else [])
        hashes.quick = hashes.quick and all(hashes._agrees(point) for point in points)
        return hashes

    def _agrees(self, point: Point) -> bool:
        try:
            return self.quickly(point) == self.slowly(point)
        except (ScenarioError, ValueError):
            return True  # a point that makes no scenario; its run will say so

    def of(self, point: Point) -> str:
        """Return the hash of a point's scenario."""
        try:
            return self.quickly(point) if self.quick else self.slowly(point)
        except (ScenarioError, ValueError):
            told = json.dumps([self.base.content_hash(), sorted(point.items())], default=str)
            return hashlib.sha256(told.encode()).hexdigest()

    def slowly(self, point: Point) -> str:
        """Return the hash of the scenario that a point makes."""
        return self.base.with_values(point).content_hash()

    def quickly(self, point: Point) -> str:
        """Return the hash of the base with a point's values in its holes."""
        values = [json.dumps(_as(self.kinds[path], point[path])) for path in self.paths]
        filled = [values[number] for number in self.order]
        text = "".join(part + value for part, value in zip(self.parts, [*filled, ""], strict=True))
        return hashlib.sha256(text.encode()).hexdigest()


def _within(tree: Any, path: str) -> Any:
    for key in path.split(".") if path else ():
        tree = tree[int(key)] if isinstance(tree, list) else tree[key]
    return tree


def _hole(number: int) -> str:
    return f"\x00{number}\x00"


def _cut(text: str, holes: int) -> tuple[list[str], list[int]]:
    """Return a text cut at its holes, and their numbers in the order in which they come."""
    marks = {number: json.dumps(_hole(number)) for number in range(holes)}
    order = sorted(marks, key=lambda number: text.index(marks[number]))
    parts = []
    for number in order:
        before, text = text.split(marks[number], 1)
        parts.append(before)
    return [*parts, text], order


def _as(kind: type, value: Any) -> Any:
    """Return a value as the scenario would hold it."""
    if kind is float and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, kind):
        raise ValueError(f"{value!r} is not of the kind of the base")
    return value
