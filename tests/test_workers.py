"""Many jobs by one way: here, in processes, on any executor; what dies and what fails costs itself alone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import stub_jobs

from analysis.workers import Collected, Failure, JobFailed, each, gathered
from sim.console import Refused

HERE = Path(__file__).parent


def test_outcomes_depend_on_how_the_jobs_were_done() -> None:
    expected = [number * number for number in range(20)]
    assert gathered(stub_jobs.square, range(20)) == expected
    assert gathered(stub_jobs.square, range(20), workers=2) == expected
    with ThreadPoolExecutor(3) as threads:
        assert gathered(stub_jobs.square, range(20), executor=threads) == expected


def test_each_names_another_job_than_it_did() -> None:
    assert dict(each(partial(stub_jobs.times, 3), [5, 6, 7, 8], workers=2)) == {0: 15, 1: 18, 2: 21, 3: 24}


def test_no_jobs_are_too_few() -> None:
    assert list(each(stub_jobs.square, [], workers=2)) == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("work", [stub_jobs.fails_at_three, stub_jobs.leaves_at_three])
def test_a_job_that_fails_stops_the_others(workers: int, work: Any) -> None:
    outcomes = dict(each(work, range(6), workers=workers))
    failed = outcomes.pop(3)
    assert outcomes == {number: number for number in (0, 1, 2, 4, 5)}
    assert isinstance(failed, Failure)
    assert not failed.died
    assert failed.error in ("stub_jobs.Unsendable: this and that", "SystemExit: 7")
    assert "at_three" in failed.traceback


def test_gathered_hides_a_failure() -> None:
    with pytest.raises(JobFailed, match=r"job 3: .*this and that") as raised:
        gathered(stub_jobs.fails_at_three, range(6))
    assert raised.value.number == 3


def test_progress_skips_a_job() -> None:
    told: list[int] = []
    gathered(stub_jobs.square, range(4), progress=told.append)
    assert told == [1, 2, 3, 4]


def test_a_failure_is_collected_or_hides_another_job() -> None:
    found, told, kept = Collected[int](), list[tuple[int, int]](), dict[int, int]()
    found.take(
        each(stub_jobs.fails_at_three, range(6)), lambda done, failed=0: told.append((done, failed)), kept.__setitem__
    )
    assert found.values == kept == {number: number for number in (0, 1, 2, 4, 5)}
    assert found.in_order == [0, 1, 2, 4, 5]
    assert found.failed("seed {}".format) == ["seed 3: stub_jobs.Unsendable: this and that"]
    assert told == [(1, 0), (2, 0), (3, 0), (4, 1), (5, 1), (6, 1)]


def test_what_was_collected_is_lost_when_someone_stops_it() -> None:
    def stops_at_three(number: int) -> int:
        if number == 3:
            raise KeyboardInterrupt
        return number

    found = Collected[int]()
    with pytest.raises(KeyboardInterrupt):
        found.take(each(stops_at_three, range(6)))
    assert found.values == {0: 0, 1: 1, 2: 2}


def test_a_worker_that_dies_costs_more_than_its_job(tmp_path: Path) -> None:
    outcomes = dict(each(partial(stub_jobs.dies_at_three, str(tmp_path)), range(8), workers=2))
    failed = outcomes.pop(3)
    assert outcomes == {number: number for number in (0, 1, 2, 4, 5, 6, 7)}
    assert isinstance(failed, Failure)
    assert failed.died and failed.tries == 2
    begun = {int(path.name): path.read_text().count("begun") for path in tmp_path.iterdir()}
    assert begun == {number: 2 if number == 3 else 1 for number in range(8)}


def test_a_worker_that_dies_once_costs_its_job(tmp_path: Path) -> None:
    assert gathered(partial(stub_jobs.dies_once, str(tmp_path)), range(5), workers=2) == [0, 1, 2, 3, 4]


def test_a_worker_computes_on_many_threads_or_hears_ctrl_c() -> None:
    outcomes = gathered(stub_jobs.surroundings, range(4), workers=2)
    assert os.getpid() not in {process for process, _, _ in outcomes}
    assert {(threads, deaf) for _, threads, deaf in outcomes} == {("1", True)}


def test_jobs_are_taken_before_there_is_a_worker_for_them() -> None:
    """That is what keeps the memory flat: a million jobs are never listed."""
    taken = 0

    def jobs() -> Iterator[int]:
        nonlocal taken
        for number in range(1_000_000):
            taken += 1
            yield number

    with closing(each(partial(stub_jobs.slowly, 0.001), jobs(), workers=2)) as outcomes:
        for done, _ in enumerate(outcomes, 1):
            assert taken <= done + 2
            if done == 30:
                break


def test_an_outcome_waits_for_the_next_job_in_this_process() -> None:
    begun: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(5):
            begun.append(number)
            yield number

    for number, _ in each(stub_jobs.square, jobs()):
        assert begun == list(range(number + 1))


def test_the_cluster_is_asked_for_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.workers.find_spec", lambda name: None)
    with pytest.raises(Refused, match="extra `cluster`"):
        list(each(stub_jobs.square, [1], cluster="tcp://127.0.0.1:1"))


# --- Ctrl-C ----------------------------------------------------------------------------------------------

LOOP = """
import sys
from functools import partial
import stub_jobs
from analysis.workers import each
from sim.console import stoppable

if __name__ == "__main__":
    with stoppable() as stopped:
        try:
            for number, outcome in each(partial(stub_jobs.begun_and_slow, sys.argv[1]), range(50), workers=2):
                print("got", number, flush=True)
        except KeyboardInterrupt:
            print("stopped by", stopped, flush=True)
            sys.exit(3)
"""


@pytest.fixture
def looping(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A script that has two jobs in hand."""
    notes = tmp_path / "notes"
    notes.mkdir()
    script = tmp_path / "loop.py"
    script.write_text(LOOP)
    paths = os.pathsep.join([str(HERE), str(HERE.parent)])
    process = subprocess.Popen(
        [sys.executable, str(script), str(notes)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths},
        start_new_session=True,
    )  # fmt: skip
    try:
        _until(lambda: len(list(notes.glob("begun-*"))) >= 2)
        yield process, notes
    finally:
        process.kill()
        process.communicate()


def _until(is_so: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited for too long"
        time.sleep(0.01)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not (state.exists() and state.read_text().split(")")[-1].split()[0] == "Z")


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_loses_what_is_in_hand(looping: tuple[subprocess.Popen[str], Path], number: signal.Signals) -> None:
    process, notes = looping
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does: everyone hears it
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 3, err
    begun = {path.name.removeprefix("begun-") for path in notes.glob("begun-*")}
    got = {line.split()[1] for line in out.splitlines() if line.startswith("got")}
    assert got == begun
    assert len(begun) < 10
    assert f"stopped by {[15] if number == signal.SIGTERM else []}" in out
    assert "once more" in err


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_a_second_stop_waits_for_what_is_in_hand(looping: tuple[subprocess.Popen[str], Path]) -> None:
    process, notes = looping
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert "once more" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 3
    assert len(list(notes.glob("done-*"))) < len(list(notes.glob("begun-*")))


@pytest.mark.skipif(os.name == "nt", reason="signals as POSIX has them")
def test_workers_outlive_the_one_that_began_them(looping: tuple[subprocess.Popen[str], Path]) -> None:
    process, notes = looping
    workers = [int(path.read_text()) for path in notes.glob("begun-*")]
    process.kill()
    _until(lambda: not any(map(_is_alive, workers)))
