"""A model that takes no time, for the tests of sweeps; as a program, a sweep with it that may be killed.

python stub_runs.py PLAN DIR NOTES [WORKERS [SHARD]]
"""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.design import read_plan
from analysis.sweep import sweep
from sim.scenario import Scenario

VERSION = "stub-1"
A, B, C = "channels.kin.weight", "channels.alliance.weight", "channels.news.weight"
FAILING_SEED, DEADLY_SEED = 1_000_000_666, 1_000_000_999

Frames = dict[str, pd.DataFrame]


def stub(
    scenario: Scenario, seed: int, measures: tuple[str, ...], tables: tuple[str, ...]
) -> tuple[dict[str, float], Frames]:
    """Return numbers that depend on the scenario and on the seed, and have all digits."""
    if seed == FAILING_SEED:
        raise ArithmeticError("it does not add up")
    if seed == DEADLY_SEED:
        os.kill(os.getpid(), signal.SIGKILL)
    channels = scenario.file.channels
    a, b, c = channels.kin.weight, channels.alliance.weight, channels.news.weight
    luck = np.random.default_rng(seed).normal()
    values = {
        "killed_total": np.sin(a) + 7.0 * np.sin(b) ** 2 + c,
        "displaced": 100.0 * luck,
        "wounded_total": a * luck,
    }
    frame = pd.DataFrame({"hour": range(3), "value": [a, b, luck]})
    return {name: float(values[name]) for name in measures}, dict.fromkeys(tables, frame)


def noted(
    folder: str,
    seconds: float,
    scenario: Scenario,
    seed: int,
    measures: tuple[str, ...],
    tables: tuple[str, ...],
) -> tuple[dict[str, float], Frames]:
    """Do the same, slowly, and leave a note once it is done."""
    time.sleep(seconds)
    done = stub(scenario, seed, measures, tables)
    descriptor = os.open(Path(folder) / "done", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{scenario.content_hash()} {seed}\n".encode())
    os.close(descriptor)
    return done


def main() -> None:
    plan, folder, notes, *more = sys.argv[1:]
    workers = int(more[0]) if more else 1
    shard = (int(more[1]), int(more[2])) if len(more) > 1 else None
    tally = sweep(
        read_plan(plan), folder, workers=workers, shard=shard, model=partial(noted, notes, 0.005), version=VERSION
    )
    print(tally.ran, tally.failed)


if __name__ == "__main__":
    main()
