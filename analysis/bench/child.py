"""A generated country in a process of its own, so that its memory is its own.

`lived(residents=…, hours=…)` starts `python -m analysis.bench.child` and returns what that printed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

STATUS = Path("/proc/self/status")
WARMED_WITH = 1_000  # residents of the country that loads every kernel before anything is measured
KB_A_MB = 1000.0 / 1.024  # the kernel's kB are of 1024 bytes


def lived(
    *, residents: int, hours: int, lively: bool = False, threads: int = 2, limit_s: float = 1e9
) -> dict[str, Any]:
    """Live through some hours of a generated country; return seconds, and megabytes of the process."""
    asked = {"residents": residents, "hours": hours, "lively": lively, "threads": threads, "limit_s": limit_s}
    done = subprocess.run(
        [sys.executable, "-m", __name__, json.dumps(asked)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise RuntimeError(f"the process for {residents:,} residents failed: {last[0]}")
    return dict(json.loads(done.stdout))


def memory_mb() -> tuple[float, float]:
    """Return what this process holds now and the most it has held, in MB; only the latter away from Linux."""
    if STATUS.exists():
        rows = (line.split(":") for line in STATUS.read_text().splitlines())
        said = {key: value for key, value in rows if key in ("VmRSS", "VmHWM")}
        now, most = (int(said[key].split()[0]) / KB_A_MB for key in ("VmRSS", "VmHWM"))
        return now, most
    import resource  # not on every system

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else KB_A_MB)
    return most, most


def _live(residents: int, hours: int, lively: bool, threads: int, limit_s: float) -> dict[str, Any]:
    from analysis.bench.inside import new_model
    from analysis.generated import country

    new_model(country(WARMED_WITH, lively=lively), 1, 1).run_for(2)
    scenario = country(residents, days=max(1.0, hours / 24), lively=lively)
    base, _ = memory_mb()
    begun, cpu = perf_counter(), process_time()
    model = new_model(scenario, 1, threads)
    set_up, set_up_cpu = perf_counter() - begun, process_time() - cpu
    begun, cpu, done = perf_counter(), process_time(), 0
    while done < hours and perf_counter() - begun < limit_s:
        model.run_for(1)
        done += 1
    seconds, cpu_seconds = perf_counter() - begun, process_time() - cpu
    after, peak = memory_mb()
    states = model.city.states.sum(axis=0)
    return {
        "residents": int(states.sum()), "hours": done, "seconds": seconds, "cpu_s": cpu_seconds,
        "set_up_s": set_up, "set_up_cpu_s": set_up_cpu, "base_mb": base, "after_mb": after, "peak_mb": peak,
        "shares": dict(zip(model.states, (states / states.sum()).tolist(), strict=True)),
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(_live(**json.loads(sys.argv[1]))))
