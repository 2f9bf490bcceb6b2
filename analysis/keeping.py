"""How commands keep what they found: in a folder that is empty or their own, whole or not at all.

    claim(out, "a comparison", ours=says(out / "comparison.json", FORMAT))       # before any work
    keep(out, {"comparison.json": text, "table.txt": table}, draw)              # when it is done

Work that goes on where it was stopped keeps a line for each piece that is done, in `Lines`.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from analysis.locks import LOCK, locked
from sim.console import Refused, drawing
from sim.keeping import put, sync, together, unfinished, write


def claim(folder: Path, what: str, ours: bool, files: Collection[str] | None = None) -> None:
    """Make sure that something can be kept in a folder; refuse one with anything else in it than `files`, if told.

    What a stopped command left half-written does not count, nor a lock that nothing came of.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        inside = {path.name for path in folder.iterdir() if not unfinished(path)} - {LOCK}
    except OSError as error:
        raise Refused(f"--out {folder}: {(error.strerror or str(error)).lower()}") from None
    strange = files is not None and not inside <= set(files)
    if inside and (strange or not ours):
        raise Refused(f"--out {folder}: not empty, and not {what} of ours; choose another folder")


def says(file: Path, form: str) -> bool:
    """Tell whether a JSON file says that it is of a format."""
    with suppress(OSError, ValueError):
        said = json.loads(file.read_text(encoding="utf-8"))
        return isinstance(said, dict) and said.get("format") == form
    return False


def keep(
    folder: Path,
    texts: Mapping[str, str],
    draw: Callable[[Path], object] | None = None,
    without: Iterable[str] = (),
) -> None:
    """Put texts and what `draw` draws into a folder, all or nothing; files named `without` go, unless made anew."""
    with together(folder, without=without) as beside:
        for name, text in texts.items():
            write(beside / name, text if text.endswith("\n") else f"{text}\n")
        if draw is not None:
            with drawing():
                draw(beside)


def append(path: Path, line: bytes) -> None:
    """Add a line to a file; leave no part of it there where that fails."""
    with path.open("ab", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            if file.write(line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            error.filename = str(path)
            file.truncate(end)
            raise


class Lines:
    """A file with a JSON object a line, the first of them its head; its writer may be killed at any time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, head: Mapping[str, Any]) -> None:
        """Write a file with nothing but its head."""
        put(self.path, json.dumps(head) + "\n")

    def taken_up(self, what: str, head: Mapping[str, Any], read: Callable[[], None]) -> ExitStack:
        """Hold the folder against other writers and read the file, or begin it; close what is returned to let go.

        `Refused` where the folder holds anything but `what` of ours, `Busy` where another process holds it.
        """
        folder = self.path.parent
        claim(folder, what, ours=self.path.exists())
        with ExitStack() as held:
            held.enter_context(locked(folder / LOCK))
            if self.path.exists():  # by now: another may have begun it meanwhile
                read()
            else:
                self.begin(head)
            return held.pop_all()

    def add(self, entry: Mapping[str, Any]) -> None:
        """Add an object, and bring it to disk."""
        append(self.path, json.dumps(entry).encode() + b"\n")
        sync(self.path)

    def read(self) -> list[dict[str, Any]]:
        """Return the objects, without a last line that was cut off."""
        return [self._entry(number, line) for number, line in enumerate(self._lines[:-1], 1)]

    def mend(self) -> None:
        """Take away a last line that was cut off."""
        if cut := self._lines[-1]:
            os.truncate(self.path, self.path.stat().st_size - len(cut))

    @property
    def _lines(self) -> list[bytes]:
        return self.path.read_bytes().split(b"\n")

    def _entry(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise Refused(f"{self.path}, line {number}: not JSON ({error})") from None
        if not isinstance(entry, dict):
            raise Refused(f"{self.path}, line {number}: not an object")
        return entry
