"""What is kept on disk is whole, or what was there before: written beside its place, brought to disk, moved there.

    put(path, text)                                    # one file

    with together(folder) as beside:                   # several: all of them or none
        write(beside / "table.txt", text)
        figure.savefig(beside / "picture.png")

A disk that is full raises OSError, which names the file or the folder that there was no room for.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

PART = ".part"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def unfinished(path: Path) -> bool:
    """Tell whether this is what a process that was killed has left beside its place."""
    return path.name.startswith(".") and path.suffix == PART


def write(path: Path, text: str) -> None:
    """Write a text as it is, with the same line ends everywhere."""
    path.write_text(text, encoding="utf-8", newline="\n")


def put(path: Path, text: str) -> None:
    """Write a text in place of a file."""
    placed(path, lambda beside: write(beside, text))


def placed(path: Path, make: Callable[[Path], object]) -> None:
    """Let `make` write a file beside its place, bring it to disk and move it there."""
    path = path.resolve()  # the file that a link stands for, not the link
    if path.exists() and not path.is_file():
        make(path)  # a terminal or a pipe
        return
    beside = path.with_name(f".{path.name}{PART}")
    try:
        with _naming(path, beside):
            make(beside)
            sync(beside)
            beside.replace(path)
            sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def together(folder: Path, seal: str = "", without: Iterable[str] = ()) -> Iterator[Path]:
    """Yield an empty folder; what is in it at the end takes its place in `folder`.

    Files named `without` go then, if they were not written anew. The `seal` is a file that says that the others belong
    together: it goes before any of them moves, and comes when all have.
    """
    beside = folder / f".new{PART}"
    shutil.rmtree(beside, ignore_errors=True)  # of one that was killed
    try:
        with _naming(folder, beside):
            beside.mkdir()
            yield beside
            made = sorted(path.name for path in beside.iterdir())
            for name in made:
                sync(beside / name)
            for name in {seal, *without} - {""}:
                (folder / name).unlink(missing_ok=True)
            sync(folder)
            _move([name for name in made if name != seal], beside, folder)
            _move([name for name in made if name == seal], beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _move(names: Iterable[str], beside: Path, folder: Path) -> None:
    for name in names:
        (beside / name).replace(folder / name)
    sync(folder)


@contextmanager
def _naming(place: Path, beside: Path) -> Iterator[None]:
    """Let an error of writing say for which place, rather than for nothing or for what was beside it."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or str(error.filename).startswith(str(beside))):
            error.filename = str(place)
        raise
    except Exception as error:
        if number := full(error):
            raise OSError(number, os.strerror(number), str(place)) from error
        raise


def full(error: Exception) -> int | None:
    """Return the number of the error where it says that there is no room, whichever library says so."""
    number, said = getattr(error, "errno", None), str(error)
    return next((one for one in FULL if one == number or os.strerror(one) in said), None)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to disk."""
    if os.name == "nt":
        return  # it syncs neither folders nor files that are open for reading
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(path: Path) -> str:
    """Return the hash of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
