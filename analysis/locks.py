"""Locks: one process at a time writes in a folder.

    with locked(folder / LOCK): ...

A lock is a file that the operating system guards, so that it ends with its process however that ends. On a file system
without locks everybody gets one.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sim.console import Refused

LOCK = ".lock"
"""The file that is held, where a folder has one writer."""


class Busy(Refused):
    """A folder in which another process is writing."""


@contextmanager
def locked(path: Path, *, shared: bool = False, wait: bool = False) -> Iterator[None]:
    """Hold a file as long as this process lives; where another one does, raise Busy, or wait."""
    with path.open("a+", encoding="utf-8") as stream:
        if not _take(stream.fileno(), shared, wait):
            stream.seek(0)
            holder = stream.read().strip() or "another process"
            raise Busy(f"{path.parent}: {holder} is writing there; wait until it ends, or choose another folder")
        stream.truncate(0)
        if not shared:
            stream.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            stream.flush()
        yield


def _take(handle: int, shared: bool, wait: bool) -> bool:
    try:
        import fcntl
    except ImportError:
        return shared or _take_on_windows(handle, wait)
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        # On a file system without locks: one folder a shard, and `spillover results --merge`.
        return error.errno in (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)
    return True


def _take_on_windows(handle: int, wait: bool) -> bool:
    """Lock a byte far beyond the text, since what is locked there cannot even be read."""
    import msvcrt

    windows: Any = msvcrt
    os.lseek(handle, 2**30, os.SEEK_SET)
    try:
        windows.locking(handle, windows.LK_LOCK if wait else windows.LK_NBLCK, 1)
    except OSError:
        return False
    finally:
        os.lseek(handle, 0, os.SEEK_SET)
    return True
