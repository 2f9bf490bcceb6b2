"""Options that several commands have, in the same words, and what they end with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from sim.console import DONE, FAILED, complain

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")]
Samples = Annotated[
    Path | None,
    typer.Option(
        "--posterior", metavar="FILE", help="Samples of parameters, in CSV or JSON Lines; run i takes the i-th."
    ),
]
Workers = Annotated[int, typer.Option(min=1, max=1024, help="Processes that run at the same time.")]


def conclude(text: str, failed: Sequence[str], out: Path | None, keep: Callable[[Path], object], quiet: bool) -> int:
    """Print what was found and which runs failed, keep it in a folder if there is one, and return the exit code."""
    typer.echo(text)
    for failure in failed:
        complain(f"failed: {failure}")
    if out is not None:
        keep(out)
        if not quiet:
            complain(f"kept in {out}")
    return FAILED if failed else DONE
