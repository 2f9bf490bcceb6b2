"""The residents' hour at several sizes: what it costs a resident, beside what the memory allows.

The city is a generated one in which a share of the residents is mobilised, under cover or hurt, with
every mechanism on. What is timed are hours of real runs; sizes, thread counts and the triad take turns.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from analysis.bench import child
from analysis.bench.inside import Traffic, Watch, new_model, parts_of_the_residents_hour, traffic
from analysis.bench.measuring import Figure, Found, Goal, Sample, Session, Sizes, Skipped
from analysis.generated import country

if TYPE_CHECKING:
    from sim.model import SpilloverModel

SUBJECT = "residents"
DAYS = 30.0
MOST_HOURS = 20  # of one turn; keeps the smallest city within its run
THREADS = (1, 2)
PARTS = ("hour", "decide", "perceive", "line")
WORDS = {
    "hour": "residents' hour, decided and done",
    "decide": "the decision alone",
    "perceive": "what they perceive: threat, sight, fire",
    "line": "the whole line `residents_decide`",
}
NS_AT_MOST = {
    (100_000, 1): 3.0, (1_000_000, 1): 4.5, (1_000_000, 2): 2.4, (10_000_000, 1): 4.5, (10_000_000, 2): 2.4,
}  # fmt: skip
UNPACKED = 38.0
"""Bytes of a resident's state in columns of the usual widths. Packed as they are here far less has to be moved, so that
the hour is bounded by its arithmetic; held against these bytes too, it compares with models that pack nothing."""
TIMES_THE_BOUND, GROWTH, MEGABYTES = 2.5, 1.3, 1000.0
SCALING = (1_000_000, 10_000_000)


@dataclass
class Case:
    """One city, and what its hours came to."""

    residents: int
    model: SpilloverModel
    threads: tuple[int, ...]
    hours: int
    costs: dict[tuple[str, int], list[float]] = field(default_factory=dict)  # ns a resident-hour
    moved: Traffic | None = None


def measure(sizes: Sizes, session: Session) -> Iterator[Found]:
    """Measure the residents' hour."""
    watch = Watch()
    cases = [_case(residents, sizes) for residents in sizes.residents]
    bandwidth: dict[int, list[float]] = {threads: [] for threads in THREADS}
    with ThreadPoolExecutor(max(THREADS)) as pool:
        for number in range(sizes.rounds):
            for case in cases if number % 2 == 0 else reversed(cases):
                for threads in case.threads:
                    _turn(case, threads, pool, watch)
            for threads in THREADS:
                bandwidth[threads].append(session.triad.bytes_per_second(threads))
    triad = {threads: Sample(tuple(found)) for threads, found in bandwidth.items()}
    for threads in THREADS:
        yield Figure(
            key=f"triad_{threads}", what=f"memory, triad, {_threads(threads)}",
            sample=triad[threads].times(1e-9), unit="GB/s",
        )  # fmt: skip
    for case in cases:
        yield from _of(case, triad)
    yield from _growth({case.residents: case for case in cases})
    yield from _memory(max(n for n in sizes.residents))


def _case(residents: int, sizes: Sizes) -> Case:
    model = new_model(country(residents, days=DAYS, lively=True), 1, max(THREADS))
    threads = THREADS if model.pool is not None else THREADS[:1]
    model.run_for(sizes.warm_hours)
    return Case(residents, model, threads, max(1, min(MOST_HOURS, sizes.row_hours // residents)))


def _turn(case: Case, threads: int, pool: ThreadPoolExecutor, watch: Watch) -> None:
    """Live through some hours on so many threads, and note what each part of them cost."""
    model = case.model
    usual, model.pool = model.pool, pool if threads > 1 else None
    changes = 0
    watch.clear()
    with watch.on(*parts_of_the_residents_hour(model), keep=True):
        for _ in range(case.hours):
            before = model.residents.state.copy()
            model.run_for(1)
            changes += int((model.residents.state != before).sum())
    model.pool = usual
    case.moved = traffic(model, watch.returned["perceive"][0], changes // case.hours)
    per_resident = 1e9 / (case.hours * case.residents)
    for part in PARTS:
        case.costs.setdefault((part, threads), []).append(watch.seconds(part) * per_resident)
        case.costs.setdefault((f"{part}, CPU", threads), []).append(watch.cpu[part] * per_resident)


def _of(case: Case, triad: dict[int, Sample]) -> Iterator[Found]:
    n, moved = case.residents, case.moved
    assert moved is not None, "no hour was lived through"
    name = f"{n:.0e}".replace("e+0", "e")
    yield Figure(
        key=f"bytes_{name}", what=f"{n:,}: bytes moved a resident", unit="B",
        sample=Sample.of(moved.bytes_a_resident), note=_lively(case),
    )  # fmt: skip
    for threads in case.threads:
        costs = {part: Sample(tuple(found)) for (part, of), found in case.costs.items() if of == threads}
        at, to_bytes = f"{n:,}, {_threads(threads)}", triad[threads].times(1e-9)
        goal = NS_AT_MOST.get((n, threads))
        for part in PARTS:
            yield Figure(
                key=f"{part}_{name}_{threads}", what=f"{at}: {WORDS[part]}", sample=costs[part], unit="ns",
                goal=Goal(goal) if goal and part == "hour" else None,
                note="" if part == "decide" else f"{costs[f'{part}, CPU'].median:.2f} ns of CPU",
                kept=costs[part].product(to_bytes), kept_unit="B of triad a resident-hour",
            )  # fmt: skip
        bound = to_bytes.times(1 / moved.bytes_a_resident)  # residents an ns
        yield Figure(
            key=f"bound_{name}_{threads}", what=f"{at}: hour ÷ memory bound", sample=costs["hour"].product(bound),
            unit="×", goal=Goal(TIMES_THE_BOUND) if n >= SCALING[0] else None,
            note=f"{100 / max(1e-9, costs['hour'].product(bound).median):.0f} % of what memory allows",
        )  # fmt: skip
        yield Figure(
            key=f"unpacked_{name}_{threads}", what=f"{at}: hour ÷ what {UNPACKED:g} B a resident take", unit="×",
            sample=costs["hour"].product(to_bytes.times(1 / UNPACKED)), note="as if no column were packed",
        )  # fmt: skip
    if len(case.threads) < len(THREADS):
        yield Skipped(f"{n:,} residents on 2 threads", "the model uses one thread for so few")


def _lively(case: Case) -> str:
    """Say what the residents are doing."""
    states = case.model.city.states.sum(axis=0)
    share = dict(zip(case.model.states, states / states.sum(), strict=True))
    shown = ", ".join(f"{100 * share[s]:.0f} % {s}" for s in ("mobilised", "sheltering"))
    assert case.moved is not None
    hurt = ", ".join(f"{100 * part:.1f} % {what}" for part, what in (
        (share["displaced"], "displaced"), (case.moved.rows_in_danger / case.moved.rows, "under fire"),
        (case.moved.changes / case.moved.rows, "change in an hour"),
    ))  # fmt: skip
    return f"{shown}, {hurt}"


def _growth(cases: dict[int, Case]) -> Iterator[Found]:
    """Compare the largest city with one a tenth of its size, round by round."""
    small, large = SCALING
    if small not in cases or large not in cases:
        yield Skipped(f"{large:,} against {small:,} residents", "only the full benchmark goes so far")
        return
    for threads in THREADS:
        ratio = Sample(tuple(cases[large].costs["hour", threads])).over(
            Sample(tuple(cases[small].costs["hour", threads]))
        )
        yield Figure(
            key=f"growth_{threads}", what=f"cost a resident, {large:,} ÷ {small:,}, {_threads(threads)}",
            sample=ratio, unit="×", goal=Goal(GROWTH), kept=ratio, kept_unit="×",
        )  # fmt: skip


def _memory(residents: int) -> Iterator[Found]:
    """Set the largest city up in a process of its own, and see what it holds."""
    found: dict[str, Any] = child.lived(residents=residents, hours=3, lively=True)
    peak, base = found["peak_mb"], found["base_mb"]
    whole = Goal(MEGABYTES) if residents <= SCALING[1] else None
    yield Figure(
        key="peak_mb", what=f"{residents:,}: memory of the process, at most", sample=Sample.of(peak), unit="MB",
        goal=whole, kept=Sample.of((peak - base) * 1e6 / residents), kept_unit="B a resident",
        note=f"{base:.0f} MB of it before the scenario; {found['after_mb']:.0f} MB at rest",
    )  # fmt: skip
    yield Figure(
        key="set_up", what=f"{residents:,}: set-up", sample=Sample.of(found["set_up_s"]), unit="s",
        note=f"{found['set_up_cpu_s']:.2f} s of CPU",
    )  # fmt: skip


def _threads(number: int) -> str:
    return f"{number} thread{'s' if number > 1 else ''}"
