"""Kernels are compiled before a run begins, by several processes, and only those that are missing."""

from __future__ import annotations

import gc
import json
import os
import shutil
import subprocess
import sys
import types
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import sim
import sim.cli
from sim import kernels

ahead = kernels.ahead
compile_missing = ahead.compile_missing.__wrapped__
REPOSITORY = Path(sim.__file__).parents[1]
OUT_OF_DATE = "sim/kernels/ahead.txt is out of date, run python scripts/list_kernels.py"


def begun(code: str, **environment: str) -> subprocess.Popen[str]:
    """Begin Python in a process of its own; no module guards it against being run twice, and a warning ends it."""
    command = (sys.executable, "-W", "error", "-c", code)
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | environment, **pipes)


def told(process: subprocess.Popen[str]) -> Any:
    """Wait for a process and return the last line it prints, read as JSON."""
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0 and err == "", err
    return json.loads(out.splitlines()[-1])


# --- the list ------------------------------------------------------------------------------------------


def test_the_list_lacks_what_a_run_calls_or_holds_what_none_does() -> None:
    run_both = (
        "import json, sim\n"
        "from sim import kernels\n"
        "kernels.ahead.compile_missing = lambda: None\n"
        "for scenario in ('tiny', 'qusayr-2013'):\n"
        "    sim.run(scenario, seed=1)\n"
        "ways = [(name, str(types)) for name, kernel in kernels.ahead.every_kernel() for types in kernel.signatures]\n"
        "print(json.dumps(ways))"
    )
    called = {tuple(way) for way in told(begun(run_both))}
    assert len(called) > 30, "the test does not see what is called"
    assert called - set(ahead.listed()) == set(), OUT_OF_DATE
    # A literal is met only where one kernel calls another, which a run that finds their code on disk does not show.
    assert {way for way in set(ahead.listed()) - called if "Literal" not in way.types} == set(), OUT_OF_DATE


@pytest.mark.verify
def test_a_fresh_copy_compiles_other_kernels_than_listed_or_gets_other_numbers(tmp_path: Path) -> None:
    day = (
        "import hashlib, json, sim\n"
        "values = sim.run('tiny', seed=1, days=1).record.values\n"
        "print(json.dumps(hashlib.sha256(values).hexdigest()))"
    )
    cold = told(begun(day, NUMBA_CACHE_DIR=str(tmp_path)))
    assert cold == sha256(sim.run("tiny", seed=1, days=1).record.values).hexdigest()
    whole = (
        "import json, sim\n"
        "from numba.core import event\n"
        "from sim import kernels\n"
        "with event.install_recorder('numba:compile') as compiled:\n"
        "    for scenario in ('tiny', 'qusayr-2013'):\n"
        "        sim.run(scenario, seed=1)\n"
        "every, kept = kernels.ahead.every_kernel, kernels.ahead.kept\n"
        "ways = [(name, types) for name, kernel in every() for types in kept(kernel)]\n"
        "print(json.dumps([len(compiled.buffer), ways]))"
    )
    compiled, kept = told(begun(whole, NUMBA_CACHE_DIR=str(tmp_path)))
    assert compiled == 0
    assert {tuple(way) for way in kept} == set(ahead.listed()), OUT_OF_DATE


# --- who compiles --------------------------------------------------------------------------------------


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let every listed kernel be missing, and note the numbers of those that this process compiles instead."""
    numbers: list[int] = []
    monkeypatch.setattr(ahead, "missing", lambda: [*range(len(ahead.listed()))])
    monkeypatch.setattr(ahead, "_compile_one", numbers.append)
    monkeypatch.setattr(ahead, "processors", lambda: 2)
    return numbers


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """Note the processes that are begun."""
    processes: list[subprocess.Popen[bytes]] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            processes.append(self)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    return processes


def test_a_process_is_begun_where_all_code_is_kept(helpers: list[subprocess.Popen[bytes]]) -> None:
    sim.run("tiny", seed=1, days=1)
    helpers.clear()
    assert ahead.missing() == []
    compile_missing()
    assert helpers == []


def test_two_processes_compile_a_kernel_for_different_types_at_once(
    done: list[int], helpers: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is called in several ways is compiled before any job is given out; on one processor the rest follows."""
    monkeypatch.setattr(ahead, "processors", lambda: 1)
    compile_missing()
    names = [ahead.listed()[number].kernel for number in done]
    several = [name for name in names if names.count(name) > 1]
    assert "chance.uniform" in several
    assert names[: len(several)] == several
    assert sorted(done) == [*range(len(ahead.listed()))]
    assert helpers == []


@pytest.mark.parametrize("python", ["", "nowhere/python", shutil.which("false")])
def test_a_helper_that_cannot_begin_or_dies_leaves_kernels_behind(
    python: str | None, done: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    compile_missing()
    assert sorted(done) == [*range(len(ahead.listed()))]


def test_a_helper_outlives_the_one_who_was_stopped(
    done: list[int], helpers: list[subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(number: int) -> None:
        raise KeyboardInterrupt

    idle = tmp_path / "idle"
    idle.write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
    idle.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(idle))
    monkeypatch.setattr(ahead, "_compile_one", stopped)
    with pytest.raises(KeyboardInterrupt):
        compile_missing()
    assert [helper.poll() is None for helper in helpers] == [False]
    assert gc.isenabled()


def test_processes_that_begin_at_once_all_begin_helpers(tmp_path: Path) -> None:
    """Each leaves its part to its helper, so that a kernel is kept only if a helper compiled it."""
    three = (
        "import json, subprocess\n"
        "from sim.kernels import ahead\n"
        "every, begin, begun = ahead.missing, subprocess.Popen, []\n"
        "few = ('theatre.note_effect', 'theatre.pick', 'books.assign')\n"
        "ahead.missing = lambda: [n for n in every() if ahead.listed()[n].kernel in few]\n"
        "ahead.processors, ahead.work = lambda: 2, lambda jobs: None\n"
        "subprocess.Popen = lambda *arguments, **named: begun.append(arguments) or begin(*arguments, **named)\n"
        "ahead.compile_missing()\n"
        "print(json.dumps([len(begun), ahead.missing()]))"
    )
    both = [begun(three, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert sorted(told(one) for one in both) == [[0, []], [1, []]]


def test_a_list_that_is_out_of_date_stops_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [
        ("theatre.gone", "(int64,)"),
        ("nowhere.pick", "(int64,)"),
        ("theatre.pick", "(int64, int64, int64, int64)"),
    ]
    monkeypatch.setattr(ahead, "listed", lambda: [ahead.Listed(*one) for one in wrong])
    assert ahead.missing() == [2]
    compile_missing()
    assert ahead.missing() == [2]


@pytest.mark.parametrize("renamed", ["_cache", "_cache_file", "_load_index", "magic_tuple"])
def test_another_numba_that_keeps_its_code_otherwise_stops_a_run(
    renamed: str, helpers: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel: Any = kernels.theatre.pick
    owners = {
        "_cache": kernel,
        "_cache_file": kernel._cache,
        "_load_index": type(kernel._cache._cache_file),
        "magic_tuple": next(one for one in type(kernel.targetctx.codegen()).mro() if "magic_tuple" in vars(one)),
    }
    ahead._machine.cache_clear()
    monkeypatch.setattr(ahead, "listed", lambda: [ahead.Listed("theatre.pick", "(int64,)")])
    assert ahead.missing() == [0]
    ahead._machine.cache_clear()
    monkeypatch.delattr(owners[renamed], renamed)
    assert ahead.missing() == []
    compile_missing()
    assert helpers == []


def test_another_numba_that_reads_types_otherwise_stops_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("numba.core.sigutils.normalize_signature")
    monkeypatch.setattr(ahead, "processors", lambda: 1)
    monkeypatch.setattr(ahead, "missing", lambda: [0])
    compile_missing()


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit to the size of files")
@pytest.mark.parametrize(
    ("harm", "left_to_the_call"),
    [("shutil.rmtree(theatre.pick.stats.cache_path)", []), ("resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))", [0])],
)
def test_a_cache_that_is_gone_or_takes_nothing_stops_a_run(
    harm: str, left_to_the_call: list[int], tmp_path: Path
) -> None:
    """The harm is done after numba has seen that it may write there; permissions would not stop an administrator."""
    blocked = (
        "import json, resource, shutil\n"
        "from sim.kernels import ahead, theatre\n"
        "ahead.processors = lambda: 1\n"
        "ahead.listed = lambda every=ahead.listed(): [one for one in every if one.kernel == 'theatre.pick']\n"
        f"{harm}\n"
        "before = ahead.missing()\n"
        "ahead.compile_missing()\n"
        "print(json.dumps([before, ahead.missing(), len(theatre.pick.signatures)]))"
    )
    assert told(begun(blocked, NUMBA_CACHE_DIR=str(tmp_path))) == [[0], left_to_the_call, 1]


def test_a_kernel_is_compiled_where_numba_is_told_not_to() -> None:
    asked = "import json\nfrom sim.kernels import ahead\nprint(json.dumps(ahead.missing()))"
    assert told(begun(asked, NUMBA_DISABLE_JIT="1")) == []


# --- what is said about it -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "terminal", "options", "times"),
    [([0], True, [], 1), ([], True, [], 0), ([0], True, ["--quiet"], 0), ([0], False, [], 0)],
)
def test_a_run_on_a_terminal_compiles_in_silence(
    missing: list[int], terminal: bool, options: list[str], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "missing", lambda: missing)
    monkeypatch.setattr(ahead, "compile_missing", lambda: None)
    stderr = types.SimpleNamespace(isatty=lambda: terminal)
    monkeypatch.setattr(sim.cli, "sys", types.SimpleNamespace(stderr=stderr))
    outcome = CliRunner().invoke(sim.cli.app, ["run", "tiny", "--days", "1", *options])
    assert outcome.exit_code == 0
    assert outcome.stderr.count("compiling, once after installing") == times
    assert "compiling" not in outcome.stdout
