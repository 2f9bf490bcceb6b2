"""Many jobs, one way to do them: in this process, in processes of this machine, or on a cluster.

    from functools import partial
    from analysis.workers import Failure, each, gathered

    def of_seed(scenario, seed):                      # at the top level of a module, so that it can be sent
        return observe(whole(run(scenario, seed=seed, threads=1)))

    for number, outcome in each(partial(of_seed, scenario), seeds, workers=4):      # as they finish
        if isinstance(outcome, Failure):
            complain(outcome.error)
    table = gathered(partial(of_seed, scenario), seeds, workers=4, progress=show)   # in the order of the seeds

    found = Collected[Seen]()                                                        # those that failed apart
    found.take(each(partial(of_seed, scenario), seeds, workers=4), show)
    table = found.in_order

`work` is sent once to each process, with all that it holds; a job and its outcome travel each time, so keep them
small. What `each` promises:

- An exception in a job is its outcome, a `Failure`; it stops nothing. Where one should, use `gathered`.
- A worker that dies (killed, out of memory) costs the job that it had in hand: that job is tried once more in a
  fresh process and then recorded as failed. No other job is lost or done twice.
- Jobs are taken from their iterable as workers become free, and outcomes are handed on at once: the memory that
  this takes does not grow with their number.
- Ctrl-C (and SIGTERM, under `sim.console.stoppable`) lets the jobs in hand finish and hands on their outcomes
  before it is raised as KeyboardInterrupt; a second one ends the workers at once. In between, the loop that
  consumes `each` is not interrupted, so it may write files. Give up a loop early inside `contextlib.closing`.
- Processes are spawned, hear no Ctrl-C, compute on one thread each, and end when this process is killed.
- Outcomes do not depend on any of this: the same jobs give the same outcomes with one worker or a hundred.

`workers=1` works in this process, `cluster="tcp://…"` on the workers of a running Dask scheduler (extra `cluster`),
`executor=` on any `concurrent.futures.Executor`. Dask itself moves the jobs of a worker that died to others, as often
as its `distributed.scheduler.allowed-failures` says.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib.util import find_spec
from queue import SimpleQueue
from time import monotonic
from typing import TYPE_CHECKING, Any

from sim.console import Refused, Show
from sim.machine import processors

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from types import FrameType

    from sim.runs import Result

TRIES = 2
"""How often a job is begun that ends its worker."""
SECONDS_TO_REACH = 20.0
"""How long a scheduler may take to answer."""
SECONDS_BETWEEN_COUNTS = 5.0
"""How often the workers of a cluster are counted: they come and go."""
IN_HAND = 2
"""Jobs sent ahead for each thread of a cluster, so that it need not wait for the network."""
ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
STDERR = 2


@dataclass(frozen=True)
class Failure:
    """What a job came to that did not come to its end."""

    error: str
    traceback: str = ""
    tries: int = 1
    died: bool = False  # the worker did, not the job


class JobFailed(RuntimeError):
    """A job of `gathered` that failed; carries its number and the `Failure`."""

    def __init__(self, number: int, failure: Failure) -> None:
        super().__init__(f"job {number}: {failure.error}")
        self.number, self.failure = number, failure


class WorkersLost(RuntimeError):
    """The cluster is gone: what was not handed on yet is not done."""


def each[Job, Value](
    work: Callable[[Job], Value],
    jobs: Iterable[Job],
    *,
    workers: int = 1,
    cluster: str | None = None,
    executor: Executor | None = None,
) -> Generator[tuple[int, Value | Failure]]:
    """Yield the number of each job and what it came to, as they finish."""
    with _lanes(work, workers, cluster, executor) as lanes, _patient() as stop:
        yield from _Loop(lanes, stop).through(jobs)
        stop.pass_on()


def gathered[Job, Value](
    work: Callable[[Job], Value],
    jobs: Iterable[Job],
    *,
    workers: int = 1,
    cluster: str | None = None,
    executor: Executor | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Value]:
    """Return what each job came to, in the order of the jobs; raise JobFailed for the first that failed."""
    values: dict[int, Value] = {}
    with closing(each(work, jobs, workers=workers, cluster=cluster, executor=executor)) as outcomes:
        for number, outcome in outcomes:
            if isinstance(outcome, Failure):
                raise JobFailed(number, outcome)
            values[number] = outcome
            if progress is not None:
                progress(len(values))
    return [values[number] for number in sorted(values)]


@dataclass
class Collected[Value]:
    """What jobs came to, by their numbers, and the failures of others; as far as it got, if someone stops it."""

    values: dict[int, Value] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)

    def take(
        self,
        outcomes: Generator[tuple[int, Value | Failure]],
        progress: Show | None = None,
        keep: Callable[[int, Value], None] | None = None,
    ) -> None:
        """Take in outcomes as they come; `keep` is given each but the failures."""
        with closing(outcomes):
            for number, outcome in outcomes:
                if isinstance(outcome, Failure):
                    self.failures[number] = outcome
                else:
                    self.values[number] = outcome
                    if keep is not None:
                        keep(number, outcome)
                if progress is not None:
                    progress(len(self.values) + len(self.failures), len(self.failures))

    @property
    def in_order(self) -> list[Value]:
        """The values, in the order of their jobs."""
        return [self.values[number] for number in sorted(self.values)]

    def failed(self, called: Callable[[int], str]) -> list[str]:
        """Say which jobs failed and why, in their order; `called` says what a job is called."""
        return [f"{called(number)}: {self.failures[number].error}" for number in sorted(self.failures)]


def whole(result: Result) -> Result:
    """Return the result of a run that got to its end; raise KeyboardInterrupt where someone stopped it."""
    if result.interrupted:
        raise KeyboardInterrupt
    return result


# --- in a worker ---------------------------------------------------------------------------------------


def _done(work: Callable[[Any], Any], job: Any) -> Any:
    """Return what a job comes to; no exception leaves a worker, since not every one can be sent."""
    try:
        return work(job)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        said = "".join(traceback.format_exception_only(error)).strip()
        return Failure(said, "".join(traceback.format_exception(error)))


@lru_cache(maxsize=2)
def _unpacked(work: bytes) -> Callable[[Any], Any]:
    return pickle.loads(work)  # type: ignore[no-any-return]


def _done_elsewhere(work: bytes, job: Any) -> Any:
    """Do a job whose work came along with it, unpacked once."""
    return _done(lambda job: _unpacked(work)(job), job)


_here: bytes = b""
"""The work of a process of ours."""


def _done_here(job: Any) -> Any:
    return _done_elsewhere(_here, job)


def _begin(work: bytes) -> None:
    """Make a process ready: deaf to Ctrl-C, on one thread, and not outliving the one that began it."""
    global _here
    _here = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


# --- who does it ---------------------------------------------------------------------------------------


class _InThisProcess(Executor):
    """Does a job as it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@dataclass(eq=False)
class _Lane:
    """An executor and how many jobs it may have in hand; it is made when it is needed, and again when it breaks."""

    make: Callable[[], Executor]
    do: Callable[[Any], Any]
    room: Callable[[], int] = lambda: 1
    executor: Executor | None = None
    children: set[BaseProcess] = field(default_factory=set)
    busy: int = 0

    def submit(self, job: Any) -> Future[Any]:
        if self.executor is not None:
            return self.executor.submit(self.do, job)
        self.executor = self.make()
        before = set(multiprocessing.active_children())
        with _deaf():
            future = self.executor.submit(self.do, job)
        self.children = set(multiprocessing.active_children()) - before
        return future

    def drop(self) -> None:
        """Give up an executor that broke, and whatever is left of its processes."""
        if self.executor is not None:
            self.kill()
            self.executor.shutdown(wait=True)
        self.executor, self.children = None, set()

    def kill(self) -> None:
        for child in self.children:
            child.kill()


@contextmanager
def _lanes(
    work: Callable[[Any], Any], workers: int, cluster: str | None, executor: Executor | None
) -> Iterator[list[_Lane]]:
    if executor is not None:
        yield [_Lane(lambda: executor, _sent_along(work), lambda: IN_HAND * processors())]
    elif cluster is not None:
        with _client(cluster) as client:
            yield [_Lane(lambda: client.get_executor(pure=False), _sent_along(work), _counted(client))]
    elif workers <= 1:
        yield [_Lane(_InThisProcess, partial(_done, work))]
    else:
        with _own_processes(work, workers) as lanes:
            yield lanes


def _sent_along(work: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return partial(_done_elsewhere, pickle.dumps(work))


@contextmanager
def _own_processes(work: Callable[[Any], Any], workers: int) -> Iterator[list[_Lane]]:
    """One executor for each process: one that breaks takes no other down, and it is known whose job broke it."""
    spawn = multiprocessing.get_context("spawn")
    packed = pickle.dumps(work)
    lanes = [_Lane(lambda: ProcessPoolExecutor(1, spawn, _begin, (packed,)), _done_here) for _ in range(workers)]
    try:
        yield lanes
    except BaseException:
        for lane in lanes:
            lane.kill()
        raise
    finally:
        executors = [lane.executor for lane in lanes if lane.executor is not None]
        for executor in executors:
            executor.shutdown(wait=False, cancel_futures=True)
        for executor in executors:
            executor.shutdown(wait=True)


@contextmanager
def _deaf() -> Iterator[None]:
    """Begin processes that no Ctrl-C reaches, not even before they are ready; one that comes meanwhile waits."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it would lift the mask when it begins
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    if find_spec("distributed") is None:
        raise Refused("--cluster: needs the extra `cluster` (dask.distributed), which is not installed")
    import distributed

    connect: Any = distributed.Client
    try:
        client = connect(address, timeout=SECONDS_TO_REACH, set_as_default=False)
    except (OSError, ValueError) as error:
        raise Refused(f"--cluster {address}: no scheduler answers there ({error})") from None
    try:
        yield client
    finally:
        client.close()


def _counted(client: Any) -> Callable[[], int]:
    """Return how many jobs a cluster may have in hand, counted anew every few seconds."""
    room, counted = 1, float("-inf")

    def count() -> int:
        nonlocal room, counted
        if monotonic() - counted > SECONDS_BETWEEN_COUNTS:
            with suppress(Exception):  # a scheduler that is gone is noticed by its jobs
                room, counted = max(IN_HAND * sum(client.nthreads().values()), 1), monotonic()
        return room

    return count


# --- one loop for all of them --------------------------------------------------------------------------


@dataclass(eq=False)
class _Job:
    number: int
    job: Any
    tries: int = 0


class _Loop:
    """Keeps lanes busy until there are no more jobs."""

    def __init__(self, lanes: list[_Lane], stop: _Stop) -> None:
        self.lanes, self.stop = lanes, stop
        self.again: deque[_Job] = deque()
        self.finished: SimpleQueue[tuple[_Lane, _Job, Future[Any]]] = SimpleQueue()

    def through(self, jobs: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        source = (_Job(number, job) for number, job in enumerate(jobs))
        elsewhere = [lane for lane in self.lanes if lane.make is not _InThisProcess]
        while True:
            yield from self._begin_more(source, self.lanes)
            if not any(lane.busy for lane in self.lanes):
                return
            lane, job, future = self.finished.get()
            lane.busy -= 1
            outcome = self._outcome(lane, job, future)
            if outcome is not None:
                yield from self._begin_more(source, elsewhere)  # while the outcome is dealt with here
                yield job.number, outcome[0]

    def _begin_more(self, source: Iterator[_Job], lanes: list[_Lane]) -> Iterator[tuple[int, Any]]:
        """Give every lane that has room a job; yield those that cannot even be begun."""
        for lane in lanes:
            while not self.stop.asked and lane.busy < lane.room():
                job = self.again.popleft() if self.again else next(source, None)
                if job is None:
                    return
                refused = self._begin(lane, job)
                if refused is not None:
                    yield job.number, refused

    def _begin(self, lane: _Lane, job: _Job) -> Failure | None:
        while True:
            job.tries += 1
            try:
                future = lane.submit(job.job)
            except BrokenExecutor as error:  # its process died between two jobs
                lane.drop()
                if job.tries >= TRIES:
                    return _death(error, job)
                continue
            lane.busy += 1
            future.add_done_callback(lambda done: self.finished.put((lane, job, done)))
            return None

    def _outcome(self, lane: _Lane, job: _Job, future: Future[Any]) -> tuple[Any] | None:
        """Return what a job came to, or None where it is to be tried again."""
        try:
            value = future.result()
        except CancelledError:
            raise WorkersLost("the cluster is gone; what it had in hand is not done") from None
        except BrokenExecutor as error:
            lane.drop()
            if job.tries < TRIES:
                self.again.append(job)
                return None
            return (_death(error, job),)
        except Exception as error:  # of an executor that is not ours: a job that kept on ending workers, for one
            return (_death(error, job),)
        return (value,)


def _death(error: BaseException, job: _Job) -> Failure:
    reason = "".join(traceback.format_exception_only(error)).strip()
    return Failure(f"the worker died with this job in hand ({reason})", tries=job.tries, died=True)


# --- Ctrl-C --------------------------------------------------------------------------------------------


class _Stop:
    """Whether someone asked to stop, by which signal, and who would have heard it."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self.before: dict[signal.Signals, Any] = {}

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.asked is not None:
            raise KeyboardInterrupt
        self.asked = signal.Signals(number)
        with suppress(OSError):  # not print: what it interrupts may be printing
            os.write(STDERR, b"stopping when what is in hand has finished; once more stops it too\n")

    def pass_on(self) -> None:
        """Stop as asked, now that nothing is in hand."""
        if self.asked is not None:
            hearer = self.before[self.asked]
            if callable(hearer):
                hearer(int(self.asked), None)
            raise KeyboardInterrupt


@contextmanager
def _patient() -> Iterator[_Stop]:
    """Hear Ctrl-C without being interrupted by it."""
    stop = _Stop()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            hearer = signal.getsignal(number)
            if callable(hearer) and not isinstance(hearer, signal.Handlers):
                stop.before[number] = hearer
    try:
        for number in stop.before:
            signal.signal(number, stop)
        yield stop
    finally:
        for number, hearer in stop.before.items():
            signal.signal(number, hearer)
