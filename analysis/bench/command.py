"""The command `spillover bench`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from analysis.bench.measuring import FULL, QUICK, Found, Session, Sizes, Skipped, open_session
from sim.console import FAILED, Refused, complain, nearest

SUBJECTS = ("residents", "theatre", "startup", "sweep", "peers", "countries", "draws", "dashboard")
"""In the order of the page; each is a file of this folder."""


def bench(
    subjects: Annotated[
        list[str] | None, typer.Argument(metavar="[SUBJECT]...", help=f"Which of: {', '.join(SUBJECTS)}. Default: all.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Three minutes, not fifteen: smaller, fewer rounds.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
    append: Annotated[bool, typer.Option("--append", help="Add a line to the history.")] = False,
    against_history: Annotated[
        bool, typer.Option("--against-history", help="Say what is slower than in the last entries; then leave with 1.")
    ] = False,
    history: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The history, instead of benchmarks/history.csv.")
    ] = None,
) -> None:
    """Measure how fast this is, beside what the machine can do and beside other programs."""
    measure(QUICK if quick else FULL, subjects or [], as_json, append, against_history, history)


def measure(
    sizes: Sizes, subjects: list[str], as_json: bool, append: bool, against_history: bool, history: Path | None
) -> None:
    """Do what the command was asked for, at some sizes."""
    from analysis.bench import history as earlier
    from analysis.bench import report
    from analysis.bench.machine import this_machine

    chosen = _chosen(subjects)
    path = history or earlier.USUAL
    before = earlier.read(path) if append or against_history else []
    machine, begun = this_machine(), perf_counter()
    found = list(_found(sizes, chosen))
    seconds = perf_counter() - begun
    verdicts = earlier.against(before, machine, sizes.name, found) if against_history else []
    if append:
        earlier.append(path, earlier.entry(machine, sizes.name, found))
        complain(f"added to {path}")
    if as_json:
        page: dict[str, Any] = report.as_dict(machine, sizes.name, found, seconds)
        if against_history:
            page["against_history"] = earlier.as_dicts(verdicts)
        typer.echo(json.dumps(page, ensure_ascii=False))
    else:
        typer.echo(report.told(machine, sizes.name, found, seconds))
        if against_history:
            typer.echo(f"\nAGAINST THE HISTORY\n{earlier.told(verdicts, path)}")
    if any(verdict.slower for verdict in verdicts) or any(isinstance(one, Skipped) and one.failed for one in found):
        raise typer.Exit(FAILED)


def _chosen(subjects: list[str]) -> tuple[str, ...]:
    """Return the subjects that were named, in the order of the page."""
    faults = [f"no subject '{name}' of the benchmark.{nearest(name, SUBJECTS)}" for name in subjects
              if name not in SUBJECTS]  # fmt: skip
    if faults:
        raise Refused(*faults)
    return tuple(name for name in SUBJECTS if not subjects or name in subjects)


def _found(sizes: Sizes, subjects: tuple[str, ...]) -> Iterator[Found]:
    """Measure one subject after the other; one that fails says why and costs no other its figures."""
    session = open_session(sizes)
    try:
        for number, name in enumerate(subjects, 1):
            complain(f"{number} of {len(subjects)}: {name} …")
            look: Callable[[Sizes, Session], Iterator[Found]] = import_module(f"analysis.bench.{name}").measure
            try:
                yield from (replace(one, subject=name) for one in look(sizes, session))
            except Refused:
                raise
            except Exception as error:
                yield Skipped(name, f"failed: {type(error).__name__}: {error}", subject=name, failed=True)
    finally:
        session.triad.close()
