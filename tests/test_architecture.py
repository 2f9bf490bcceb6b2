"""Arrows point down: who may import whom, read off the source.

`LAYERS` is the house, from the ground up. A module may import from the layers below its own and, where the table
says so, from its own layer. Imports for type checkers alone (`if TYPE_CHECKING:`) name what is handed to a function
and may point up; they run nothing. `TYPES_ONLY` lists those between mechanisms, which otherwise do not know each other.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import sim

ROOT = Path(sim.__file__).parent.parent


@dataclass(frozen=True)
class Layer:
    """Modules of one height, and whether they may know each other."""

    name: str
    modules: tuple[str, ...]
    know_each_other: bool = False


MECHANISMS = (
    "sim.fronts", "sim.factions", "sim.supply", "sim.security", "sim.displacement", "sim.strikes", "sim.diplomacy",
    "sim.observers", "sim.mobilisation", "sim.fire", "sim.memory", "sim.residents",
)  # fmt: skip
CHANNELS = (
    "sim.channels.kin", "sim.channels.alliance", "sim.channels.news", "sim.channels.proximity", "sim.channels.fighters",
    "sim.channels.arms", "sim.channels.refugees",
)  # fmt: skip

LAYERS = (
    Layer("the machine", ("sim.machine",)),
    Layer("ground", ("sim.parameters", "sim.kernels", "sim.record", "sim.geography"), know_each_other=True),
    Layer("files", ("sim.keeping",)),
    Layer("chance", ("sim.chance",)),
    Layer("known models", ("sim.classics",), know_each_other=True),
    Layer("mathematics that mechanisms share", ("sim.corridors", "sim.raster")),
    Layer("the table of the theatre", ("sim.theatre",)),
    Layer("the table of the city", ("sim.neighbourhoods",)),
    Layer("both, frozen", ("sim.seen",)),
    Layer("mechanisms", (*MECHANISMS, *CHANNELS)),
    Layer("all channels", ("sim.channels",)),
    Layer("what a file may say", ("sim.schema",)),
    Layer("where a number comes from", ("sim.sources",)),
    Layer("a scenario", ("sim.scenario",), know_each_other=True),
    Layer("what the model is made of", ("sim.bookkeeping", "sim.events", "sim.agents")),
    Layer("the hour", ("sim.model",)),
    Layer("the hour, stopped", ("sim.checkpoint",)),
    Layer("what is counted", ("sim.incidents", "sim.measures", "sim.summary"), know_each_other=True),
    Layer("one run", ("sim.runs",)),
    Layer("words with people", ("sim.console",)),
    Layer(
        "people",
        ("sim.cli", "sim.figures", "sim.dashboard", "sim.odd", "sim.claims", "sim.posterior"),
        know_each_other=True,
    ),
    Layer("analysis", ("analysis",), know_each_other=True),
)

TYPES_ONLY = {
    ("sim.mobilisation", "sim.residents"): "looks around in the columns of residents, which the model hands it",
}
"""Mechanisms that name another in a signature."""

ONLY_HERE = {
    "numba": ("sim.kernels",),
    "solara": ("sim.dashboard",),
    "typer": ("sim.cli", "sim.console", "analysis"),
    "mesa": ("sim.model", "sim.agents", "analysis.bench.peers"),  # the peers are what the benchmark measures beside
}
ANALYSIS_SEES = (
    "sim.runs",
    "sim.scenario",
    "sim.parameters",
    "sim.measures",
    "sim.incidents",
    "sim.console",
    "sim.keeping",
    "sim.machine",
    "sim.posterior",
    "analysis",
)
SEES_MORE = {
    "analysis.bench": ("sim.model", "sim.kernels", "sim.classics"),  # a benchmark looks under the bonnet
    "analysis.generated": ("sim.raster",),  # a street in metres becomes degrees by the projection that undoes it
}
"""Analyses that may know more of the model than a run of it, and why."""


@dataclass(frozen=True)
class Import:
    """One module imported by another."""

    of: str
    by: str
    line: int
    types_only: bool


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    """Return every module of the house, by name."""
    files = [*ROOT.glob("sim/**/*.py"), *ROOT.glob("analysis/**/*.py")]
    return {name_of(path): path for path in sorted(files)}


@cache
def imports(module: str) -> tuple[Import, ...]:
    tree = ast.parse(modules()[module].read_text(encoding="utf-8"))
    return tuple(_found(tree, module, types_only=False))


def _found(node: ast.AST, module: str, types_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, module, child.lineno, types_only) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"{module}: a relative import"
            for alias in child.names:
                inner = f"{child.module}.{alias.name}"
                yield Import(inner if inner in modules() else str(child.module), module, child.lineno, types_only)
        elif isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            for statement in child.body:
                yield from _found(ast.Module([statement], []), module, types_only=True)
            for statement in child.orelse:
                yield from _found(ast.Module([statement], []), module, types_only)
        else:
            yield from _found(child, module, types_only)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def height(module: str) -> int | None:
    """Return the layer of a module, that of the longest name that it lies within."""
    fitting = [(len(m), i) for i, layer in enumerate(LAYERS) for m in layer.modules if within(module, m)]
    return max(fitting)[1] if fitting else None


def ours(found: Import) -> bool:
    return within(found.of, "sim") or within(found.of, "analysis")


@pytest.mark.parametrize("module", [m for m in modules() if m != "sim"])
def test_a_module_has_no_place_in_the_house(module: str) -> None:
    assert height(module) is not None, "say in LAYERS where it belongs"


@pytest.mark.parametrize("module", [m for m in modules() if m != "sim"])
def test_an_arrow_points_up(module: str) -> None:
    here = height(module)
    assert here is not None
    for found in imports(module):
        if not ours(found) or found.types_only:
            continue
        there = height(found.of)
        assert there is not None, f"line {found.line} imports {found.of}: name the module, not the package"
        together = there == here and (LAYERS[here].know_each_other or within(found.of, module))
        lazily = found.by == "sim.runs" and found.of == "sim.model"
        assert there < here or together or lazily, f"line {found.line}: {module} imports {found.of}"


@pytest.mark.parametrize("module", [*MECHANISMS, *CHANNELS])
def test_a_mechanism_knows_another_or_the_model(module: str) -> None:
    for found in imports(module):
        assert not within(found.of, "sim.model") and not within(found.of, "sim.events"), f"line {found.line}"
        if found.of in (*MECHANISMS, *CHANNELS):
            assert found.types_only, f"line {found.line} imports {found.of}"
            assert (module, found.of) in TYPES_ONLY, f"line {found.line} names {found.of}"


@pytest.mark.parametrize("pair", TYPES_ONLY)
def test_an_exception_is_listed_that_is_none(pair: tuple[str, str]) -> None:
    assert pair[1] in {found.of for found in imports(pair[0])}


def test_a_kernel_or_a_parameter_imports_something_of_ours() -> None:
    for module in modules():
        if module == "sim.parameters" or within(module, "sim.kernels"):
            for found in imports(module):
                asks_how_many = (module, found.of) == ("sim.kernels.ahead", "sim.machine")  # processors, to compile on
                assert not ours(found) or within(found.of, "sim.kernels") or asks_how_many, f"{module}: {found.of}"


def test_a_kernel_is_imported_past_its_package() -> None:
    """`from sim import kernels` loads no compiler until a kernel is used; `from sim.kernels import flow` would."""
    strays = [
        f"{found.by}, line {found.line}"
        for module in modules()
        if within(module, "sim") and not within(module, "sim.kernels")
        for found in imports(module)
        if found.of.startswith("sim.kernels.") and not found.types_only
    ]
    assert strays == []


@pytest.mark.parametrize("package", ONLY_HERE)
def test_a_package_is_imported_where_it_should_not_be(package: str) -> None:
    strays = [
        f"{found.by}, line {found.line}"
        for module in modules()
        for found in imports(module)
        if within(found.of, package) and not any(within(module, home) for home in ONLY_HERE[package])
    ]
    assert strays == []


def test_an_analysis_sees_the_inside_of_the_model() -> None:
    for module in modules():
        if within(module, "analysis"):
            more = [seen for name, names in SEES_MORE.items() if within(module, name) for seen in names]
            for found in imports(module):
                allowed = any(within(found.of, seen) for seen in (*ANALYSIS_SEES, *more))
                assert allowed or not ours(found), f"{module}, line {found.line} imports {found.of}"


def test_a_channel_is_not_in_the_table_of_the_house() -> None:
    files = {
        f"sim.channels.{path.stem}" for path in (ROOT / "sim" / "channels").glob("*.py") if path.stem != "__init__"
    }
    assert files == set(CHANNELS)


def test_importing_the_package_costs_the_simulation() -> None:
    """`import sim` names what there is; Mesa and numba come when a model is made."""
    at_once = [f.of for f in imports("sim") if not f.types_only and ours(f)]
    assert at_once == []
