"""How soon a command answers: what it imports, and how often the compiler is asked.

Times differ from machine to machine; what is imported and what is compiled does not, and makes up most of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sim
from sim import kernels

REPOSITORY = Path(sim.__file__).parents[1]
FOR_RUNNING = (
    "mesa", "numba", "scipy", "networkx", "pandas", "duckdb", "matplotlib", "sim.kernels.flow", "sim.model", "sim.runs",
)  # fmt: skip
"""What takes long to import, and what only runs need. No command that reads a scenario waits for any of it."""


def told(code: str) -> Any:
    """Run Python in a process of its own, and return the last line it prints, read as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def imported_by(*commands: tuple[str, ...], of: tuple[str, ...]) -> Any:
    """Return which modules commands have imported by the time the last of them leaves."""
    return told(
        "import json, sys, sim.cli, typer.testing\n"
        f"for command in {commands!r}:\n"
        "    result = typer.testing.CliRunner().invoke(sim.cli.app, command)\n"
        "    assert result.exit_code == 0 and result.stdout, result.output\n"
        f"print(json.dumps([name for name in {of!r} if name in sys.modules]))"
    )


def test_a_command_that_reads_a_scenario_waits_for_what_runs_it() -> None:
    commands = ("check", "tiny"), ("tell", "tiny"), ("sources", "tiny"), ("list",)
    assert imported_by(*commands, of=FOR_RUNNING) == []


def test_a_run_that_is_refused_waits_for_what_runs_it() -> None:
    found = told(
        "import json, sys, sim.cli\n"
        "sys.argv = ['spillover', 'run', 'nosuch']\n"
        "try:\n"
        "    sim.cli.main()\n"
        "except SystemExit as left:\n"
        f"    print(json.dumps([left.code, [name for name in {FOR_RUNNING!r} if name in sys.modules]]))"
    )
    assert found[0] == 2 and not {"mesa", "numba", "pandas", "sim.model"} & set(found[1])


def test_a_file_of_kernels_is_not_listed() -> None:
    """`sim.kernels` loads by name, and mypy sees, what `__all__` lists."""
    files = {path.stem for path in Path(kernels.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(kernels.__all__) == files
    assert files <= set(dir(kernels))


def test_the_first_kernel_brings_all_others_with_it() -> None:
    loaded = told(
        "import json, sys\n"
        "from sim import kernels\n"
        "before = 'numba' in sys.modules\n"
        "kernels.raster.blur\n"
        "print(json.dumps([before, 'numba' in sys.modules, 'sim.kernels.flow' in sys.modules]))"
    )
    assert loaded == [False, True, False]


def test_a_misspelt_kernel_is_taken() -> None:
    with pytest.raises(AttributeError, match="no attribute 'rastre'"):
        kernels.rastre  # type: ignore[attr-defined]  # noqa: B018


def test_a_run_calls_a_kernel_in_two_ways_or_imports_what_only_saving_needs() -> None:
    """Arrays now writable, now frozen, now of another layout, each ask for the same loop to be compiled once more."""
    calls, late = told(
        "import collections, json, sys\n"
        "from numba.core.dispatcher import Dispatcher\n"
        "import sim, sim.kernels\n"
        "sim.kernels.ahead.compile_missing = lambda: None\n"  # which would leave nothing to ask for
        "calls, ask = collections.Counter(), Dispatcher._compile_for_args\n"
        "def asked(kernel, *arguments, **named):\n"
        "    calls[f'{kernel.py_func.__module__}.{kernel.py_func.__name__}'] += 1\n"
        "    return ask(kernel, *arguments, **named)\n"
        "Dispatcher._compile_for_args = asked\n"  # called from Python with types it has not met in this process
        "sim.run('tiny', seed=1, days=2)\n"
        "late = [name for name in ('duckdb', 'matplotlib', 'scipy.stats', 'rich') if name in sys.modules]\n"
        "print(json.dumps([calls, late]))"
    )
    assert calls["sim.kernels.flow.flows_in_turn"] == 1, "the test does not see what is compiled"
    assert {kernel: ways for kernel, ways in calls.items() if ways > 1} == {}
    assert late == []
