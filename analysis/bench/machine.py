"""What was measured, and on what, in general words: processor, memory, versions, commit; no names of hosts."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import analysis
from sim.machine import processors
from sim.runs import versions

ROOT = Path(analysis.__file__).parent.parent
CPU_INFO, MEM_INFO = Path("/proc/cpuinfo"), Path("/proc/meminfo")
SHOWN = ("mesa", "numpy", "numba")


@dataclass(frozen=True)
class Machine:
    """Where and what."""

    processor: str
    cores: int
    memory_gb: int
    system: str
    versions: dict[str, str]
    commit: str
    when: str
    load: float  # processes that wanted to run in the last minute, when the benchmark began

    @property
    def busy(self) -> bool:
        """Whether other work wanted the processors when the benchmark began."""
        return self.load > self.cores / 2

    @property
    def kind(self) -> str:
        """Return what makes two machines comparable."""
        return f"{self.processor}, {self.cores} core{'s' if self.cores > 1 else ''}"

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return asdict(self)


def this_machine() -> Machine:
    """Look around."""
    return Machine(
        processor=_processor(),
        cores=processors(),
        memory_gb=_memory_gb(),
        system=f"{platform.system()} {platform.machine()}",
        versions=versions(),
        commit=commit(),
        when=f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0,
    )


def commit(root: Path = ROOT) -> str:
    """Return the commit of the tree, `+` behind it where files were changed since; `unknown` away from git."""
    head = _git(root, "rev-parse", "--short=10", "HEAD")
    if head is None or not (root / ".git").exists():
        return "unknown"
    return head + ("+" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")


def _git(root: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    if CPU_INFO.exists():
        found = re.search(r"^model name\s*:\s*(.+)$", CPU_INFO.read_text(), re.MULTILINE)
        if found:
            return re.sub(r"\s+", " ", found[1].replace("(R)", "").replace("(TM)", "")).strip()
    return platform.processor() or platform.machine()


def _memory_gb() -> int:
    if MEM_INFO.exists():
        found = re.search(r"^MemTotal:\s*(\d+) kB", MEM_INFO.read_text(), re.MULTILINE)
        if found:
            return round(int(found[1]) / 1024**2)
    return 0
