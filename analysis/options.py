"""Options that several commands have, in the same words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")]
Samples = Annotated[
    Path | None,
    typer.Option(
        "--posterior", metavar="FILE", help="Samples of parameters, in CSV or JSON Lines; run i takes the i-th."
    ),
]
Workers = Annotated[int, typer.Option(min=1, max=1024, help="Processes that run at the same time.")]
