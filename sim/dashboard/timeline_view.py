"""The line of time as the scrubber needs it: its ground once, and where on it the runs are, moment by moment."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from sim.dashboard.chart_view import clock

if TYPE_CHECKING:
    from sim.dashboard.session import Moment
    from sim.dashboard.tape import Tape


def ground(first: Tape, second: Tape | None = None) -> dict[str, Any]:
    """Return dates, scheduled events as marks, and the step at which a second run leaves the first (0: none does).

    A mark's `only` is the label of the one run that has the event, "" where all have it.
    """
    runs = [run for run in (first, second) if run is not None]
    return {
        "marks": _marks(runs),
        "begins": 0 if second is None else second.begins,
        "runs": [run.label for run in runs],
        **clock(first.scenario),
    }


def state(moment: Moment) -> dict[str, Any]:
    """Return where the runs are."""
    keys = ("at", "done", "steps", "playing", "running_to")
    return {key: getattr(moment, key) for key in keys}


def _marks(runs: list[Tape]) -> list[dict[str, Any]]:
    """Return what is scheduled, in order of time."""
    whose: dict[tuple[int, str], list[str]] = defaultdict(list)
    for run in runs:
        scenario = run.scenario
        for event in scenario.file.events.values():
            if event.on and 0 <= (step := scenario.step_of(event.at)) < run.steps:
                whose[step, event.text].append(run.label)
    return [
        {"step": step, "text": text, "only": "" if len(labels) == len(runs) else labels[0]}
        for (step, text), labels in sorted(whose.items())
    ]
