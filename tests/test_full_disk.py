"""A disk that fills up while something is kept: it is said, and nothing that was there is harmed.

No file may grow beyond a limit, which the system refuses as it refuses one on a full disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import sim.cli
from analysis.attribution import attribute
from analysis.counterfactual import compare
from analysis.keeping import Lines, append, claim
from analysis.locks import LOCK
from analysis.validation import validate
from sim.console import Refused
from sim.keeping import placed, put, together, unfinished
from sim.runs import load
from sim.scenario import Scenario

resource = pytest.importorskip("resource", reason="needs a limit on the size of files")

app = typer.Typer(cls=sim.cli.Commands, pretty_exceptions_enable=False)
for command in (attribute, compare, validate):
    app.command(command.__name__)(command)
app.command("run")(sim.cli.run)


@contextmanager
def room_for(bytes_a_file: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_a_file, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def called(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- by the user's door ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tripoli's rounds with as few rows as can be."""
    path = tmp_path_factory.mktemp("rounds") / "thin.toml"
    text = 'extends = "tripoli-2012"\n[scenario]\nid = "thin"\ntitle = "Thin"\nsummary = "Few rows."\n'
    for quarter in Scenario.load("tripoli-2012").file.neighbourhoods:
        text += f"[neighbourhoods.{quarter}]\npeople_per_agent = 50\n"
    put(path, text)
    return path


OFF = [f"channels.{name}.on=false" for name in ("news", "proximity", "arms", "refugees", "fighters")]
ATTRIBUTE = (
    "attribute", "tiny", "--days", 2.5, "--draws", 1, "--seeds", 1, "--workers", 1, "--measure", "wounded.hill",
    *(word for one in OFF for word in ("--set", one)),
)  # fmt: skip
COMPARE = (
    "compare", "tiny", "tiny", "--set-b", "channels.kin.on=false", "--seeds", 2, "--days", 1, "--workers", 1,
    "--measure", "killed.ford",
)  # fmt: skip
VALIDATE = ("validate", "--seeds", 1, "--days", 2, "--workers", 1)
RUN = ("run", "tiny", "--days", 0.5)


@pytest.mark.parametrize("asked", [COMPARE, ATTRIBUTE, VALIDATE], ids=lambda asked: asked[0])
def test_a_full_disk_costs_the_report_that_was_there(asked: tuple[object, ...], rounds: Path, tmp_path: Path) -> None:
    """With no room for a table, and with room for the tables but for no figure."""
    out = tmp_path / "out"
    words = (*asked, *([rounds] if asked is VALIDATE else []), "--out", out)
    assert called(*words).exit_code == 0
    before = content(out)
    more = () if asked is ATTRIBUTE else ("--seeds", 3)
    for limit in (200, 20_000):
        assert max(map(len, before.values())) > limit, "this limit stops nothing"
        with room_for(limit):
            refused = called(*words, *more)
        assert refused.exit_code == 1, refused.output
        assert f"{out}: File too large" in refused.stderr
        assert content(out) == before
    assert called(*words, *more).exit_code == 0
    assert content(out) != before or asked is ATTRIBUTE


@pytest.mark.parametrize("limit", [100, 2_000, 6_000])
def test_a_full_disk_costs_the_run_that_was_there(limit: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert called(*RUN, "--out", out).exit_code == 0
    before = content(out)
    with room_for(limit):
        refused = called(*RUN, "--seed", 2, "--out", out, "--force")
    assert refused.exit_code == 1, refused.output
    assert f"{out}: File too large" in refused.stderr
    assert content(out) == before
    assert load(out).seed == 0


def test_figures_that_the_disk_refuses_cost_the_run(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with room_for(20_000):
        refused = called(*RUN, "--out", out)
    assert refused.exit_code == 1, refused.output
    assert f"{out}: File too large" in refused.stderr and "killed" in refused.stdout.lower()
    assert load(out).complete
    assert not list(out.glob("*.png")) and not list(filter(unfinished, out.iterdir()))


def test_a_checkpoint_that_the_disk_refuses_is_half_written(tmp_path: Path) -> None:
    begins = Scenario.load("tiny").file.clock.start
    words = (*RUN, "--no-figures", "--checkpoint-at", (begins + timedelta(hours=2)).isoformat())
    assert called(*words, "--out", tmp_path / "whole").exit_code == 0
    sizes = {name: len(said) for name, said in content(tmp_path / "whole").items()}
    room = max(size for name, size in sizes.items() if name != "checkpoint.npz")
    assert room < sizes["checkpoint.npz"], "this limit stops nothing"
    out = tmp_path / "out"
    with room_for(room):
        refused = called(*words, "--out", out)
    assert refused.exit_code == 1 and f"{out / 'checkpoint.npz'}: File too large" in refused.stderr
    assert load(out).complete and {path.name for path in out.iterdir()} == set(sizes) - {"checkpoint.npz"}


def test_a_pair_is_half_written_into_the_journal(tmp_path: Path) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert called(*ATTRIBUTE, "--out", whole).exit_code == 0
    lines = (whole / "runs.jsonl").read_bytes().split(b"\n")
    with room_for(len(b"\n".join(lines[:4])) + 10):
        refused = called(*ATTRIBUTE, "--out", out)
    assert refused.exit_code == 1
    assert f"{out / 'runs.jsonl'}: No space left" in refused.stderr
    assert (out / "runs.jsonl").read_bytes() == b"".join(line + b"\n" for line in lines[:4])
    again = called(*ATTRIBUTE, "--out", out)
    assert again.exit_code == 0 and "3 on file" in again.stderr
    assert {name: said for name, said in content(out).items() if name != "runs.jsonl"} == {
        name: said for name, said in content(whole).items() if name != "runs.jsonl"
    }


def test_a_folder_that_could_not_be_begun_is_refused_ever_after(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with room_for(10):
        assert called(*ATTRIBUTE, "--out", out).exit_code == 1
    assert {path.name for path in out.iterdir()} <= {LOCK}
    assert called(*ATTRIBUTE, "--out", out).exit_code == 0


# --- what keeps ------------------------------------------------------------------------------------------


def half(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError("stopped")


def test_a_file_is_half_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    put(path, "before\n")
    for make in (half, lambda beside: beside.write_bytes(b"x" * 2_000)):
        with room_for(1_000), pytest.raises((RuntimeError, OSError)):
            placed(path, make)
        assert content(tmp_path) == {"file": b"before\n"}


def test_a_link_is_replaced_rather_than_its_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    put(tmp_path / "link", "said\n")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "said\n"


def test_a_pipe_is_replaced_by_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    put(pipe, "said\n")
    assert os.read(reader, 100) == b"said\n" and pipe.is_fifo()
    os.close(reader)


@pytest.mark.parametrize("stop", [RuntimeError("stopped"), KeyboardInterrupt()])
def test_some_of_several_files_are_replaced(tmp_path: Path, stop: BaseException) -> None:
    for name in ("one", "two"):
        put(tmp_path / name, "before")
    with suppress(type(stop)), together(tmp_path, without=["two"]) as beside:
        put(beside / "one", "after")
        raise stop
    assert content(tmp_path) == {"one": b"before", "two": b"before"}
    with together(tmp_path, without=["two", "three"]) as beside:
        put(beside / "one", "after")
    assert content(tmp_path) == {"one": b"after"}


def test_what_a_kill_left_stays_for_ever(tmp_path: Path) -> None:
    left = tmp_path / ".new.part"
    left.mkdir()
    put(left / "half", "a run")
    with together(tmp_path) as beside:
        put(beside / "one", "whole")
    assert content(tmp_path) == {"one": b"whole"} and not left.exists()


def test_what_a_kill_left_is_taken_for_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / ".table.txt.part").write_text("half")
    claim(tmp_path, "a table", ours=False)
    (tmp_path / "notes.part").write_text("mine")
    with pytest.raises(Refused, match="not empty, and not a table of ours"):
        claim(tmp_path, "a table", ours=False)


def test_a_cut_line_is_read_or_goes_on(tmp_path: Path) -> None:
    file = Lines(tmp_path / "lines.jsonl")
    file.begin({"format": "lines"})
    file.add({"number": 1})
    append(file.path, b'{"number": 2')
    assert file.read() == [{"format": "lines"}, {"number": 1}]
    file.mend()
    file.add({"number": 3})
    assert [entry.get("number") for entry in file.read()] == [None, 1, 3]


@pytest.mark.parametrize("line", [b"{\n", b"[]\n", b"\xff\n"])
def test_a_line_that_is_no_object_is_read(tmp_path: Path, line: bytes) -> None:
    file = Lines(tmp_path / "lines.jsonl")
    file.begin({"format": "lines"})
    append(file.path, line)
    with pytest.raises(Refused, match="line 2: not"):
        file.read()
