"""What the benchmark looks at under the bonnet: names inside the model, and its memory traffic.

It is the only file of the benchmark that knows them. Where one of them is gone, `Watch` says so
rather than measure nothing.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.console import Refused

if TYPE_CHECKING:
    from sim.model import SpilloverModel
    from sim.scenario import Scenario

READ_OF_EVERYONE = ("state",)
"""Columns of residents that the decision reads of every row."""
READ_OF_THE_ABLE = ("rows", "site", "hardship", "aversion", "ties")
"""Columns of `fit`, those able to fight, that it reads of each of them."""
ALSO_WHERE_FIRE_COMES_IN = (("lived", 2),)
"""Columns that it touches only where there is danger, and how often: `lived` is read and written."""
OF_THOSE_WHO_CHANGE = (("changing", 2), ("then", 2), ("state", 2))
"""Columns touched for each row that changes state: first written by the decision, then read by the deed."""
OF_EVERY_SITE = ("site_ends", "post_of")
"""Columns of the city that the decision reads once a site, besides its table of sites."""


@dataclass(frozen=True)
class Traffic:
    """The bytes that one residents' hour has to move between memory and processor."""

    rows: int
    rows_in_danger: int
    changes: int
    of_rows: int
    of_able: int
    of_danger: int
    of_changes: int
    of_sites: int

    @property
    def bytes_a_resident(self) -> float:
        """Return the bytes for each resident."""
        return (self.of_rows + self.of_able + self.of_danger + self.of_changes + self.of_sites) / self.rows


def traffic(model: SpilloverModel, sites: np.ndarray[Any, Any], changes: int) -> Traffic:
    """Count the bytes of one residents' hour from the types of its columns.

    Each column counts once for each time that it has to come from memory or go back there: `READ_OF_EVERYONE`
    for every row, `READ_OF_THE_ABLE` for those able to fight, `ALSO_WHERE_FIRE_COMES_IN` for the rows of sites in
    danger, `OF_THOSE_WHO_CHANGE` for each change of state, and a site's entries once a site. As in STREAM, the
    reading of a line that is about to be written does not count, nor does what a row on the shortlist needs: its
    line has just been read. So it is the least that the algorithm can move, and a time held against it is not
    flattered.
    `sites` is the table of sites that residents decided by; the danger there is where fire comes in.
    """
    from sim import kernels

    residents, city = model.residents, model.city
    rows = residents.state.size
    people = np.diff(np.concatenate([[0], city.site_ends]))
    in_danger = int(people[sites[kernels.tables.DANGER] > 0].sum())

    def width(name: str) -> int:
        return int(getattr(residents, name).itemsize)

    return Traffic(
        rows=rows,
        rows_in_danger=in_danger,
        changes=changes,
        of_rows=rows * sum(map(width, READ_OF_EVERYONE)),
        of_able=sum(int(getattr(residents.fit, name).nbytes) for name in READ_OF_THE_ABLE),
        of_danger=in_danger * sum(n * width(name) for name, n in ALSO_WHERE_FIRE_COMES_IN),
        of_changes=changes * sum(n * width(name) for name, n in OF_THOSE_WHO_CHANGE),
        of_sites=int(sites.nbytes) + sum(int(getattr(city, name).nbytes) for name in OF_EVERY_SITE),
    )


def new_model(scenario: Scenario, seed: int, threads: int) -> SpilloverModel:
    """Set a model up."""
    from sim.model import SpilloverModel

    return SpilloverModel(scenario, seed=seed, threads=threads)


def lines_of_the_hour() -> tuple[str, ...]:
    """Return the lines of `SpilloverModel.step`, read off its source."""
    from sim.model import SpilloverModel

    tree = ast.parse(textwrap.dedent(inspect.getsource(SpilloverModel.step)))
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return tuple(f.attr for f in calls if isinstance(f, ast.Attribute) and getattr(f.value, "id", "") == "self")


class Watch:
    """Times parts of a model from outside while it runs.

    Calls on several threads that overlap count once: from the first one's start to the last one's end.
    The CPU time of a call is that of all threads meanwhile: only of use for calls that do not overlap.
    """

    def __init__(self) -> None:
        self.calls: dict[str, list[tuple[float, float]]] = defaultdict(list)
        self.cpu: dict[str, float] = defaultdict(float)
        self.returned: dict[str, Any] = {}

    def clear(self) -> None:
        """Forget what was timed."""
        self.calls.clear()
        self.cpu.clear()

    def seconds(self, name: str) -> float:
        """Return the wall time in which at least one call was under way."""
        total, until = 0.0, -1.0
        for begun, ended in sorted(self.calls[name]):
            total += max(0.0, ended - max(begun, until))
            until = max(until, ended)
        return total

    @contextmanager
    def on(self, *places: tuple[Any, str, str], keep: bool = False) -> Iterator[Watch]:
        """Watch calls of owner.attribute under a name; `keep` remembers what they returned last."""
        before: list[tuple[Any, str, Any]] = []
        try:
            for owner, attribute, name in places:
                if not hasattr(owner, attribute):
                    where = getattr(owner, "__name__", type(owner).__name__)
                    raise Refused(f"the benchmark times {where}.{attribute}, which is not there any more")
                before.append((owner, attribute, vars(owner).get(attribute, before)))
                setattr(owner, attribute, self._timed(getattr(owner, attribute), name, keep))
            yield self
        finally:
            for owner, attribute, was in reversed(before):
                if was is before:  # it was found on the class
                    delattr(owner, attribute)
                else:
                    setattr(owner, attribute, was)

    def _timed(self, function: Callable[..., Any], name: str, keep: bool) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            cpu, begun = process_time(), perf_counter()
            try:
                found = function(*args, **kwargs)
            finally:
                self.calls[name].append((begun, perf_counter()))
                self.cpu[name] += process_time() - cpu
            if keep:
                self.returned[name] = found
            return found

        return call


def lines_of(model: SpilloverModel) -> list[tuple[Any, str, str]]:
    """Return the places where a model's lines of the hour are watched."""
    return [(model, line, line) for line in lines_of_the_hour()]


def parts_of_the_residents_hour(model: SpilloverModel) -> list[tuple[Any, str, str]]:
    """Return the places where the parts of `residents_decide` are watched, the whole line first."""
    import sim.model as module
    from sim import kernels

    return [
        (model, "residents_decide", "line"),
        (module, "perceive", "perceive"),
        (model.residents, "hour", "hour"),
        (kernels.residents, "decide", "decide"),
    ]
