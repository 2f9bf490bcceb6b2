"""List the kernels of a run and the types they are called with, for `sim.kernels.ahead` to compile.

    python scripts/list_kernels.py        writes sim/kernels/ahead.txt

To be done after a kernel has changed, or the way it is called. It compiles everything anew, so it takes half a minute.
"""

from __future__ import annotations

import os
import tempfile
from typing import Any

SCENARIOS = ("tiny", "qusayr-2013")


def main() -> None:
    """Run with an empty cache, so that numba meets every type that a kernel is called with."""
    with tempfile.TemporaryDirectory() as empty:
        os.environ["NUMBA_CACHE_DIR"] = empty  # read when numba is imported

        import sim
        from sim import kernels

        kernels.ahead.LIST.write_text("", encoding="utf-8")  # compile nothing ahead
        for scenario in SCENARIOS:
            sim.run(scenario, seed=1)
        kernels.ahead.LIST.write_text("".join(f"{line}\n" for line in lines(kernels)), encoding="utf-8")


def lines(kernels: Any) -> list[str]:
    """Return a line for each kernel and the types of each way to call it, those with the most code first."""
    sized = [
        (len(kernel.inspect_llvm(types)), f"{name} {types}")
        for name, kernel in kernels.ahead.every_kernel()
        for types in kernel.signatures
    ]
    return [line for _, line in sorted(sized, reverse=True)]


if __name__ == "__main__":
    main()
