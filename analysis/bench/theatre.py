"""The battle of Qusayr: the hour without its residents, and a whole run by phase."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from analysis.bench.inside import Watch, lines_of, lines_of_the_hour, new_model
from analysis.bench.measuring import Figure, Found, Goal, Sample, Session, Sizes, beat, timed
from sim.runs import run
from sim.scenario import Scenario

SUBJECT = "theatre"
SCENARIO = "qusayr-2013"
RESIDENTS_LINE, RECORDING = "residents_decide", "hour_is_recorded"
RUN_S, HOUR_MS, WRITING_S = 1.0, 0.3, 0.3
BEATS = "beats"


def measure(sizes: Sizes, session: Session) -> Iterator[Found]:
    """Measure whole runs, and the lines of their hours, in turns."""
    scenario = Scenario.load(SCENARIO)
    if sizes.run_days is not None:
        scenario = scenario.with_values({"clock.days": sizes.run_days})
    costs: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        run(scenario, seed=1, days=1).save(Path(folder) / "warm")
        for number in range(sizes.rounds):
            costs["beat"].append(sorted(beat() for _ in range(3))[1])
            _plain_run(scenario, number, Path(folder) / str(number), costs)
            _watched_run(scenario, number, costs)
    of = {name: Sample(tuple(found)) for name, found in costs.items()}
    yield from _figures(scenario, of)


def _plain_run(scenario: Scenario, seed: int, folder: Path, costs: dict[str, list[float]]) -> None:
    with timed() as clock:
        result = run(scenario, seed=seed)
    costs["run"].append(clock.wall)
    costs["run_cpu"].append(clock.cpu)
    with timed() as clock:
        result.save(folder)
    costs["writing"].append(clock.wall)
    costs["writing_cpu"].append(clock.cpu)


def _watched_run(scenario: Scenario, seed: int, costs: dict[str, list[float]]) -> None:
    with timed() as clock:
        model = new_model(scenario, seed, 1)
    costs["set_up"].append(clock.wall)
    watch, spent = Watch(), 0.0
    with watch.on(*lines_of(model)):
        for _ in range(scenario.steps):
            begun = perf_counter()
            model.run_for(1)
            spent += perf_counter() - begun
    lines = {name: watch.seconds(name) for name in lines_of_the_hour()}
    for name, seconds in lines.items():
        costs[name].append(1e6 * seconds / scenario.steps)
    costs["shell"].append(1e6 * (spent - sum(lines.values())) / scenario.steps)
    costs["hour"].append(1e3 * (spent - lines[RESIDENTS_LINE]) / scenario.steps)


def _figures(scenario: Scenario, of: dict[str, Sample]) -> Iterator[Found]:
    days = f"{scenario.file.clock.days:g} days"
    beats = of["beat"]
    yield Figure(
        key="qusayr", what=f"{SCENARIO}, {days}: a run", sample=of["run"], unit="s", goal=Goal(RUN_S),
        note=f"set-up and hours; {of['run_cpu'].median:.2f} s of CPU", kept=of["run"].over(beats), kept_unit=BEATS,
    )  # fmt: skip
    yield Figure(
        key="theatre_hour", what="theatre's hour: all but the residents", sample=of["hour"], unit="ms",
        goal=Goal(HOUR_MS), kept=of["hour"].times(1e-3).over(beats), kept_unit=BEATS,
    )  # fmt: skip
    yield Figure(
        key="writing", what="writing the run folder", sample=of["writing"], unit="s", goal=Goal(WRITING_S),
        note=f"{of['writing_cpu'].median:.2f} s of CPU", kept=of["writing"].over(beats), kept_unit=BEATS,
    )  # fmt: skip
    yield Figure(
        key="qusayr_set_up", what="setting up", sample=of["set_up"], unit="s", kept=of["set_up"].over(beats),
        kept_unit=BEATS,
    )  # fmt: skip
    for name in lines_of_the_hour():
        words = "recording: hour is recorded" if name == RECORDING else name.replace("_", " ")
        yield Figure(
            key=name, what=f"  {words}", sample=of[name], unit="µs", kept=of[name].times(1e-6).over(beats),
            kept_unit=BEATS,
        )  # fmt: skip
    yield Figure(key="shell", what="  Mesa's shell and its list of events", sample=of["shell"], unit="µs")
    yield Figure(key="beat", what="the yardstick of Python and numpy", sample=beats.times(1e3), unit="ms")
