"""The command line: run a scenario, check it, tell it, hold it against what was reported, list those shipped.

Analyses add their commands through the entry-point group `spillover.commands`. Nothing
heavy is imported before a command needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from sim.console import (
    BAD_INPUT,
    DONE,
    FAILED,
    INTERRUPTED,
    LARGEST_SEED,
    TERMINATED,
    complain,
    counting,
    drawing,
    stoppable,
)

if TYPE_CHECKING:
    from sim.checkpoint import Checkpoint
    from sim.dashboard.cells import Streets
    from sim.runs import Progress, Result
    from sim.scenario import Scenario

PLUG_INS = "spillover.commands"
OWN_PROCESS = "own process"
"""What the context holds where nothing but a command runs in this process."""
SHOW_TRACEBACK = "SPILLOVER_TRACEBACK"
SEAL = "provenance.json"
FIGURES = ("timeline", "map")
CHECKPOINT = "checkpoint.npz"
CELLS = "cells.npz"


# --- commands that others add --------------------------------------------------------------------------


class Commands(TyperGroup):
    """Our commands and those of plug-ins, each of which is imported when it is called for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*self.commands, *(name for name in sorted(plug_ins()) if name not in self.commands)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in self.commands:
            return self.commands[cmd_name]
        plug_in = plug_ins().get(cmd_name)
        return None if plug_in is None else described(plug_in)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, names = args[0], self.list_commands(ctx)
        if name in names and name not in self.commands:
            return name, loaded(plug_ins()[name]), args[1:]
        if name not in names and (close := get_close_matches(name, names, n=1)):
            ctx.fail(f"No such command '{name}'. Did you mean '{close[0]}'?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; turn what goes wrong into a message and an exit code."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if _is_ours_to_pass_on(error):
                raise
            raise typer.Exit(explained(error)) from None


def _is_ours_to_pass_on(error: Exception) -> bool:
    """Tell whether the layers above know what to do: exits, usage errors, a closed pipe."""
    known = hasattr(error, "exit_code") or isinstance(error, typer.Abort | BrokenPipeError)
    return known or bool(os.environ.get(SHOW_TRACEBACK))


def explained(error: Exception) -> int:
    """Say what went wrong; return the exit code."""
    if hasattr(error, "faults"):
        for fault in error.faults:
            complain(str(fault))
        return BAD_INPUT
    if isinstance(error, OSError):
        complain(f"{error.filename}: {error.strerror}" if error.filename else f"{error}")
        return FAILED
    complain(f"failed: {type(error).__name__}: {error}")
    complain(f"(set {SHOW_TRACEBACK}=1 to see where)")
    return FAILED


def plug_ins() -> dict[str, EntryPoint]:
    """Return the commands that installed packages add, by name."""
    return {entry.name: entry for entry in entry_points(group=PLUG_INS)}


def loaded(plug_in: EntryPoint) -> Any:
    """Import a plug-in's command; where that fails, a command that says why takes its place."""
    try:
        found = plug_in.load()
        return typer.main.get_command(found if isinstance(found, typer.Typer) else _app_of(plug_in.name, found))
    except Exception as error:
        if os.environ.get(SHOW_TRACEBACK):
            raise
        return _broken(plug_in, error)


def _app_of(name: str, function: Callable[..., Any]) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(name)(function)
    return app


def _broken(plug_in: EntryPoint, error: Exception) -> Any:
    def say() -> None:
        complain(f"{plug_in.name}: cannot be loaded from {plug_in.value}: {type(error).__name__}: {error}")
        raise typer.Exit(FAILED)

    command = typer.main.get_command(_app_of(plug_in.name, say))
    command.ignore_unknown_options = command.allow_extra_args = True
    return command


def described(plug_in: EntryPoint) -> Any:
    """Return a stand-in for the list of commands, with the plug-in's own words but without importing it."""

    def stand_in() -> None: ...

    stand_in.__doc__ = _docstring(plug_in) or f"From {plug_in.module}."
    return typer.main.get_command(_app_of(plug_in.name, stand_in))


def _docstring(plug_in: EntryPoint) -> str | None:
    """Read the help of a plug-in from its source."""
    try:
        spec = find_spec(plug_in.module)
        if spec is None or spec.origin is None:
            return None
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    except Exception:
        return None
    named = (n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == plug_in.attr)
    function = next(named, None)
    return ast.get_docstring(function if function is not None else tree)


# --- the command itself --------------------------------------------------------------------------------

app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich takes longer than all else that --help needs
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line.

    Linear algebra, loaded later, keeps to one thread: its last bits depend on how many share a sum, and threads that
    wait for work hold up the workers beside them.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    app(prog_name="spillover", obj=OWN_PROCESS)


def _tell_version(asked: bool) -> None:
    if asked:
        try:
            typer.echo(f"spillover {version('spillover')}")
        except PackageNotFoundError:
            typer.echo("spillover, not installed")
        raise typer.Exit(DONE)


@app.callback()
def spillover(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and leave."),
    ] = False,
) -> None:
    """Simulate how a battle in one place is felt in another, and through which channels."""


Named = Annotated[str, typer.Argument(metavar="SCENARIO", help="A TOML file, or a shipped name (see `list`).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")]


@app.command()
def run(
    context: typer.Context,
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help="A TOML file, or a shipped name (see `list`).")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=LARGEST_SEED, help="Which luck to draw; 0 unless told.")
    ] = None,
    days: Annotated[float | None, typer.Option(help="Days to run, instead of the scenario's.")] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH.TO.KEY=VALUE", help="Change a value; may be repeated."),
    ] = None,
    params: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Values to change, in TOML or CSV; --set comes after.")
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option("--posterior", metavar="FILE", help="Samples of parameters; the seed says which (modulo)."),
    ] = None,
    checkpoint_at: Annotated[
        str | None,
        typer.Option(metavar="DATE", help=f"Keep the state of that time in {CHECKPOINT}, for --from; needs --out."),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="CHECKPOINT", help="Go on from there; --set changes what is to come."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder to keep the run in.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the run that is in that folder.")] = False,
    cells: Annotated[
        bool, typer.Option("--cells", help="Keep the streets by the hour too, for the dashboard; needs --out.")
    ] = False,
    figures: Annotated[bool, typer.Option(help="Draw figures into the folder.")] = True,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")] = False,
) -> None:
    """Run a scenario once and say what came of it."""
    begun = _begun(scenario, from_, seed)
    sample = (samples, seed or 0) if samples is not None else None
    chosen = _chosen(begun.scenario if begun is not None else str(scenario), sets or [], params, days, sample)
    kept_at = _time(checkpoint_at, out) if checkpoint_at is not None else None
    streets = _streets(chosen, out, begun) if cells else None
    made = _claimed(out, force) if out is not None else []
    try:
        if context.obj == OWN_PROCESS:
            _import_for_a_run()
        result, code = _run(chosen, seed or 0, quiet, begun, kept_at, streets)
        if out is not None:
            result.save(out, force=force)
            _keep_checkpoint(result, out, wanted=kept_at is not None)
    except BaseException:
        _give_back(made)
        raise
    typer.echo(json.dumps(result.summary, ensure_ascii=False) if as_json else result.summary_text().rstrip("\n"))
    if not quiet:
        _note(out, result)
    if out is not None:
        _draw(result, out, wanted=figures and result.complete)
    raise typer.Exit(code)


@app.command()
def check(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="Files or shipped names.")],
    as_json: AsJson = False,
) -> None:
    """Find everything that is wrong with scenarios."""
    from sim.scenario import Scenario, ScenarioError

    checked: list[dict[str, Any]] = []
    for name in scenarios:
        try:
            found = Scenario.load(name)
            checked.append({"scenario": name, "ok": True, "id": found.id, "counts": _counts(found), "faults": []})
        except ScenarioError as error:
            faults = [fault.as_dict() for fault in error.faults]
            checked.append({"scenario": name, "ok": False, "faults": faults, "told": list(map(str, error.faults))})
    _tell_checked(checked, as_json)
    raise typer.Exit(DONE if all(one["ok"] for one in checked) else BAD_INPUT)


@app.command()
def tell(scenario: Named) -> None:
    """Tell a scenario in plain words."""
    from sim.scenario import Scenario
    from sim.scenario import tell as story

    typer.echo(story(Scenario.load(scenario)).rstrip("\n"))


@app.command()
def claims(
    scenario: Named,
    seeds: Annotated[int, typer.Option(min=1, max=100_000, help="How many runs, with seeds 0, 1, 2, …")] = 20,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes that run at the same time.")] = 2,
    as_json: AsJson = False,
) -> None:
    """Hold what was reported against runs, claim by claim."""
    from sim import claims as register
    from sim.scenario import Scenario

    found = Scenario.load(scenario)
    drawn = range(seeds if register.encoded(found) else 0)
    with stoppable() as stopped, counting(len(drawn)) as progress:
        try:
            runs = register.over_seeds(found, drawn, workers, progress)
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(TERMINATED if stopped else INTERRUPTED) from None
    verdicts = register.assess(found, runs) if runs else []
    if as_json:
        typer.echo(json.dumps(register.as_dict(found, drawn, verdicts), ensure_ascii=False))
    elif verdicts:
        typer.echo(register.told(found, drawn, verdicts))
    else:
        typer.echo(f"{found.id}: none of its sources names a claim of the register")


@app.command()
def sources(
    scenario: Named,
    as_json: AsJson = False,
    listed: Annotated[bool, typer.Option("--list", help="Each number, with its unit, grade and source.")] = False,
) -> None:
    """Say where a scenario's numbers come from."""
    from sim import sources as origins
    from sim.scenario import Scenario

    found = Scenario.load(scenario)
    as_asked = origins.as_dict(found, listed)
    typer.echo(json.dumps(as_asked, ensure_ascii=False) if as_json else origins.told(found, listed))


@app.command()
def dashboard(
    what: Annotated[
        str, typer.Argument(metavar="SCENARIO|RUN_FOLDER", help="What to open; qusayr-2013 unless told.")
    ] = "qusayr-2013",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")] = 8765,
    host: Annotated[str, typer.Option(help="Who can reach it; this machine only unless told.")] = "127.0.0.1",
    seed: Annotated[
        int | None, typer.Option(min=0, max=LARGEST_SEED, help="Which luck to draw; 0 unless told.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open/--no-open", help="Open it in a browser.")] = True,
) -> None:
    """Watch a scenario play out in a browser, or a run that was kept."""
    from sim.dashboard import serving

    serving.dashboard(what, seed, host, port, open_)


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the scenarios that come with the project."""
    from sim.scenario import Scenario, ScenarioError, shipped

    listed: list[dict[str, Any]] = []
    for name in shipped():
        try:
            file = Scenario.load(name).file
            about = {"title": file.scenario.title, "days": file.clock.days, "summary": file.scenario.summary}
        except ScenarioError as error:
            about = {
                "title": "",
                "days": None,
                "summary": f"faulty, see `spillover check {name}`: {error.faults[0]}",
            }
        listed.append({"name": name, **about})
    typer.echo(json.dumps(listed, ensure_ascii=False) if as_json else "\n".join(map(_row, listed)))


# --- checking and listing ------------------------------------------------------------------------------


def _counts(scenario: Scenario) -> dict[str, int]:
    kinds = ("places", "neighbourhoods", "factions", "corridors", "events")
    return {kind: len(getattr(scenario.file, kind)) for kind in kinds} | {"steps": scenario.steps}


def _tell_checked(checked: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        plain = [{key: value for key, value in one.items() if key != "told"} for one in checked]
        typer.echo(json.dumps(plain, ensure_ascii=False))
        return
    for one in checked:
        if one["ok"]:
            counts = ", ".join(f"{n} {kind[:-1] if n == 1 else kind}" for kind, n in one["counts"].items())
            typer.echo(f"{one['scenario']}: ok ({counts})")
        else:
            typer.echo("\n".join(one["told"]))
            number = len(one["faults"])
            typer.echo(f"{one['scenario']}: {number} fault{'s' if number > 1 else ''}")


def _row(about: dict[str, Any]) -> str:
    days = "" if about["days"] is None else f"{about['days']:g} days"
    summary = textwrap.fill(" ".join(about["summary"].split()), 88, initial_indent="  ", subsequent_indent="  ")
    heading = f"{about['name']}: " + ", ".join(part for part in (about["title"], days) if part)
    return f"{heading.rstrip(': ')}\n{summary}"


# --- running -------------------------------------------------------------------------------------------


def _begun(scenario: str | None, from_: Path | None, seed: int | None) -> Checkpoint | None:
    """Return the checkpoint to go on from, if there is one."""
    if (scenario is None) == (from_ is None):
        raise typer.BadParameter("give a scenario, or a checkpoint with --from", param_hint="SCENARIO")
    if from_ is None:
        return None
    if seed is not None:
        raise typer.BadParameter("a checkpoint goes on with the luck that it began with", param_hint="--seed")
    from sim.runs import load_checkpoint

    return load_checkpoint(from_)


def _time(text: str, out: Path | None) -> datetime:
    """Return the time of a checkpoint."""
    if out is None:
        raise typer.BadParameter("needs a folder to keep it in: --out DIR", param_hint="--checkpoint-at")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        why = f"found '{text}', allowed a date or time such as 2013-05-19 or 2013-05-19T05:00"
        raise typer.BadParameter(why, param_hint="--checkpoint-at") from None


def _streets(scenario: Scenario, out: Path | None, begun: Checkpoint | None) -> Streets:
    """Return what keeps the streets of a run by the hour."""
    from sim.dashboard.cells import Streets

    if out is None:
        raise typer.BadParameter("needs a folder to keep them in: --out DIR", param_hint="--cells")
    if begun is not None:
        raise typer.BadParameter("the hours before the checkpoint are not in it", param_hint="--cells")
    if scenario.model != "theatre":
        raise typer.BadParameter(f"a run of the model '{scenario.model}' has no streets", param_hint="--cells")
    return Streets()


def _keep_checkpoint(result: Result, folder: Path, wanted: bool) -> None:
    """Write the checkpoint in place of an earlier run's."""
    (folder / CHECKPOINT).unlink(missing_ok=True)
    if wanted and result.checkpoint is not None:
        from sim.runs import save_checkpoint

        save_checkpoint(result.checkpoint, folder / CHECKPOINT)
    elif wanted:
        complain("no checkpoint: the run was stopped before it came to that time")


def _chosen(
    named: str | Scenario, sets: list[str], params: Path | None, days: float | None,
    sample: tuple[Path, int] | None = None,
) -> Scenario:  # fmt: skip
    """Return the scenario with the values that the command line changes."""
    from sim.scenario import Scenario, assignments, values_in

    scenario = named if isinstance(named, Scenario) else Scenario.load(named)
    groups = [
        ("--posterior", _sampled(scenario, *sample) if sample is not None else {}),
        (str(params), values_in(params) if params is not None else {}),
        ("--set", assignments(sets)),
        ("--days", {} if days is None else {"clock.days": days}),
    ]
    values = {path: value for _, group in groups for path, value in group.items()}
    origins = {path: origin for origin, group in groups for path in group}
    return scenario.with_values(values, origins) if values else scenario


def _sampled(scenario: Scenario, file: Path, number: int) -> dict[str, Any]:
    """Return what a scenario takes of a sample of its parameters: of those in the file, number modulo how many."""
    from sim import posterior

    found = posterior.load(file, (scenario,))
    return dict(posterior.fitting(found[number % len(found)], scenario))


def _claimed(folder: Path, force: bool) -> list[Path]:
    """Make sure that a run can be kept in a folder; return the folders made for it."""
    try:
        if folder.is_dir() and any(folder.iterdir()):
            _refuse_to_overwrite(folder, force)
        missing = [p for p in (folder, *folder.parents) if not p.exists()]
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = "there is a file of that name" if isinstance(error, FileExistsError) else _reason(error)
        raise typer.BadParameter(f"{folder}: {reason}", param_hint="--out") from None
    try:
        with tempfile.TemporaryFile(dir=folder):
            return missing
    except OSError as error:
        _give_back(missing)
        raise typer.BadParameter(f"{folder}: cannot be written to ({_reason(error)})", param_hint="--out") from None


def _refuse_to_overwrite(folder: Path, force: bool) -> None:
    """Refuse a folder that holds something, unless it is a run that may be overwritten."""
    if not force:
        why = "not empty; choose another folder, or overwrite the run in it with --force"
        raise typer.BadParameter(f"{folder}: {why}", param_hint="--out")
    where, home = folder.resolve(), Path.home().resolve()
    if not _is_of_a_run(folder) or home.is_relative_to(where):
        why = f"not a run folder (no {SEAL}, and not only a run's own files), so --force leaves it alone"
        raise typer.BadParameter(f"{folder}: {why}", param_hint="--out")


def _is_of_a_run(folder: Path) -> bool:
    """Say whether a folder holds a run, or what is left of one that was cut off while it was saved."""
    from sim.runs import FILES

    known = {*FILES, CELLS, SEAL, CHECKPOINT, "timeline.png", "map.png"}
    left = [path.name for path in folder.iterdir()]
    return (folder / SEAL).is_file() or all(name in known or name.endswith(".part") for name in left)


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)


def _give_back(made: list[Path]) -> None:
    """Remove the folders that were made, as far as nothing is in them."""
    for folder in made:
        with suppress(OSError):
            folder.rmdir()


def _import_for_a_run() -> None:
    """Import what a run needs, and leave it out when garbage is looked for: it stays.

    Looking through all of it, again and again while it grows and once more at the end, takes a third of the time of a
    short run. What is imported later is not left out: an extension that counts what it is owed at the end (duckdb,
    which writes the tables) would complain.
    """
    gc.disable()
    try:
        for module in ("sim.runs", "sim.model", "sim.kernels.ahead"):
            import_module(module)
    finally:
        gc.freeze()
        gc.enable()


def _run(
    scenario: Scenario, seed: int, quiet: bool, begun: Checkpoint | None = None, kept_at: datetime | None = None,
    streets: Streets | None = None,
) -> tuple[Result, int]:  # fmt: skip
    """Run, or go on with a run, showing how far it has come; return the result and the exit code."""
    from sim.runs import run

    also: dict[str, Any] = {} if kept_at is None else {"checkpoint_at": kept_at}
    if streets is not None:
        also["look"] = streets
    with stoppable() as stopped, _progress(scenario, shown=not quiet and sys.stderr.isatty()) as progress:
        try:
            if begun is None:
                result = run(scenario, seed=seed, progress=progress, **also)
            else:
                from sim.runs import resume

                result = resume(begun, scenario, progress=progress, **also)
        except KeyboardInterrupt:
            complain("stopped before the first step; there is nothing to keep")
            raise typer.Exit(TERMINATED if stopped else INTERRUPTED) from None
    if streets is not None and result.record.steps_done:
        result.more[CELLS] = streets.packed()
    if result.complete:
        return result, DONE
    return result, TERMINATED if stopped else INTERRUPTED


@contextmanager
def _progress(scenario: Scenario, shown: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show a bar with the date in the scenario and the toll so far."""
    if not shown:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from sim import kernels

    if kernels.ahead.missing():
        complain("compiling, once after installing (about a quarter of a minute) …")
    names = {key: place.name for key, place in scenario.file.places.items()}
    columns = (
        TextColumn("{task.fields[date]}"),
        BarColumn(30),
        TimeRemainingColumn(),
        TextColumn("{task.fields[toll]}", markup=False),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=scenario.steps, date=f"{scenario.start:%d %b %Y %H:%M}", toll="")
        last = monotonic()

        def show(progress: Progress) -> None:
            nonlocal last
            if monotonic() - last < 0.1 and progress.step < progress.steps:
                return
            last = monotonic()
            toll = ", ".join(f"{names[key]} {n}" for key, n in progress.killed_by_place.items() if n)
            date = f"{progress.time:%d %b %Y %H:%M}"
            bar.update(task, completed=progress.step, date=date, toll=f"killed: {toll}" if toll else "")

        yield show


def _draw(result: Result, folder: Path, wanted: bool) -> None:
    """Draw the figures in place of an earlier run's; a figure that fails costs nobody a run."""
    from sim.keeping import together

    for name in FIGURES:
        (folder / f"{name}.png").unlink(missing_ok=True)
    if not wanted:
        return
    with together(folder) as beside, drawing():
        from sim.figures import theatre_map, timeline

        for name, draw in zip(FIGURES, (timeline, theatre_map), strict=True):
            draw(result, beside / f"{name}.png")


def _note(out: Path | None, result: Result) -> None:
    """Say where the run is kept, and whether it is whole."""
    if not result.complete:
        complain(f"interrupted after step {result.record.steps_done:,} of {result.scenario.steps:,}")
    if out is None:
        complain("nothing was written; --out DIR keeps a run")
    else:
        complain(f"kept in {out}" + ("" if result.complete else ", marked incomplete"))


if __name__ == "__main__":
    main()
