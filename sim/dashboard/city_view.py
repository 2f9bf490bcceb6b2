"""The streets of a place as the city view needs them: the ground once, and one layer hour by hour.

Cells lie row by row from the south-western corner, as in `sim.raster`; lengths are metres from the centre of the
place. Where a run has kept no cells, whole neighbourhoods are shaded by what was recorded of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sim.dashboard import looks
from sim.dashboard.theatre_view import Columns, Counts, in_words
from sim.neighbourhoods import outline
from sim.raster import LocalPlane, Raster, rasterise

if TYPE_CHECKING:
    from sim.dashboard.cells import Cells
    from sim.dashboard.tape import Tape
    from sim.scenario import Scenario
    from sim.schema import LineOfContact, Neighbourhood, ScenarioFile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Data = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """A layer of the city: its name on the page, what a cell's number is, and how to shade it.

    `most` is the number shaded darkest, 0 where the picture finds it; `mean` layers are averaged over the people of a
    cell, the others added up.
    """

    id: str
    name: str
    unit: str
    says: str
    most: float
    mean: bool


LAYERS = (
    Layer("mobilised", "Mobilised", "people a cell", "mobilised residents, where they live", 0.0, False),
    Layer("threat", "Threat", "0 to 1", "hostile arms in reach, own losses, anger", 1.0, True),
    Layer("exposure", "Exposure", "chance an hour", "chance of being hit in an hour in the open", 0.0, True),
    Layer("hurt", "Hurt", "people a cell", "residents killed or wounded so far", 0.0, False),
    Layer("armed", "Weapons", "people a cell", "residents who have a weapon", 0.0, False),
    Layer("displaced", "Displaced", "people a cell", "residents who have left", 0.0, False),
)
BY_ID = {layer.id: layer for layer in LAYERS}
SO_FAR = ("killed", "wounded")
TOLD = ("mobilised", "sheltering", "displaced", "armed")
"""Levels of a whole neighbourhood that a frame tells beside the layer, in people."""

SCHEMATIC = "Schematic shapes, areas as surveyed."
NO_CELLS = "This run has kept no cells: whole neighbourhoods are shaded."
NOT_RECORDED = "This run has kept no cells, and of this layer nothing else is recorded."


def places(scenario: Scenario) -> list[tuple[str, str]]:
    """Return id and name of the places whose streets are modelled, those with a line of contact first."""
    if scenario.model != "theatre":
        return []
    file = scenario.file
    ids = dict.fromkeys(quarter.place for quarter in file.neighbourhoods.values())
    divided = {file.neighbourhoods[end].place for line in file.lines_of_contact.values() for end in line.between}
    return [(place, file.places[place].name) for place in sorted(ids, key=lambda place: place not in divided)]


# --- the ground -----------------------------------------------------------------------------------------


def ground(tape: Tape, place: str) -> Data:
    """Return what the view of a place stands on: cells and who owns them, outlines, lines of contact, layers."""
    file = tape.scenario.file
    quarters, plane, raster = _lay(file, place)
    colours = looks.communities(file)
    return {
        "place": place,
        "name": file.places[place].name,
        "cell_m": raster.cell_m,
        "origin": list(raster.origin_xy),
        "shape": list(raster.shape),
        "owner": raster.owner.tobytes(),
        "people": _people(tape, place, raster).astype(np.float32).tobytes(),
        "quarters": [_quarter(file, quarter, plane, colours) for quarter in quarters.values()],
        "lines": [_line(file, line, plane) for line in file.lines_of_contact.values() if {*line.between} & {*quarters}],
        "layers": [_layer(layer) for layer in LAYERS],
        "notes": [SCHEMATIC],
    }


def _quarters(file: ScenarioFile, place: str) -> dict[str, Neighbourhood]:
    return {name: quarter for name, quarter in file.neighbourhoods.items() if quarter.place == place}


def _lay(file: ScenarioFile, place: str) -> tuple[dict[str, Neighbourhood], LocalPlane, Raster]:
    """Lay the neighbourhoods of a place out on cells, as `sim.neighbourhoods` does."""
    town, quarters = file.places[place], _quarters(file, place)
    plane = LocalPlane(town.longitude, town.latitude)
    return quarters, plane, rasterise([outline(quarter, plane) for quarter in quarters.values()], town.cell_m)


def _quarter(file: ScenarioFile, quarter: Neighbourhood, plane: LocalPlane, colours: dict[str, str]) -> Data:
    most = max(quarter.communities, key=lambda community: quarter.communities[community])
    return {
        "name": quarter.name,
        "residents": quarter.residents,
        "communities": [
            {"name": file.communities[community].name, "share": share}
            for community, share in quarter.communities.items()
        ],
        "colour": colours[most],
        "outline": outline(quarter, plane).round(1).tolist(),
    }


def _line(file: ScenarioFile, line: LineOfContact, plane: LocalPlane) -> Data:
    """Return a line of contact, and the numbers of the forces that stand along it."""
    x, y = plane.to_metres(*np.array(line.path).T)
    forces = enumerate(file.security_forces.values())
    return {
        "name": line.name,
        "path": np.column_stack([x, y]).round(1).tolist(),
        "forces": [
            {"number": number, "name": force.name, "most": force.standing + force.reserve}
            for number, force in forces
            if file.lines_of_contact[force.line] is line
        ],
    }


def _layer(layer: Layer) -> Data:
    return {
        "id": layer.id,
        "name": layer.name,
        "unit": layer.unit,
        "says": layer.says,
        "most": layer.most,
        "light": list(looks.ramp(layer.id)),
        "dark": list(looks.ramp(layer.id, on_dark=True)),
    }


def _people(tape: Tape, place: str, raster: Raster) -> Floats:
    """Return the residents of each cell at the start; without cells, as if spread evenly."""
    if tape.cells is not None:
        return _streets_of(tape, place).by_cell
    owner, people = raster.owner.ravel(), np.zeros(raster.owner.size)
    for i, quarter in enumerate(_quarters(tape.scenario.file, place).values()):
        own = owner == i
        people[own] = quarter.residents / max(1, int(own.sum()))
    return people


# --- the hour -------------------------------------------------------------------------------------------


def frame(tape: Tape, place: str, layer: str, step: int) -> Data:
    """Return a layer of a place at a step that is done: `values`, float32 by cell (NaN: nobody lives there).

    `whole` says that neighbourhoods are shaded as a whole, by share of their residents (threat: by its mean).
    `quarters` holds the numbers of each neighbourhood, `soldiers` those of each force in the scenario.
    """
    now = min(step, tape.done - 1)
    said: Data = {"at": max(now, 0), "time": in_words(tape.time(max(now, 0))), "place": place, "layer": layer}
    if now < 0:
        return said
    streets = _streets_of(tape, place)
    values, row = tape.values, tape.values[now]
    whole = streets.cells is None
    shaded = streets.flat(BY_ID[layer], values, now) if whole else streets.shade(BY_ID[layer], now)
    return {
        **said,
        "values": shaded.astype(np.float32).tobytes(),
        "whole": whole,
        "note": "" if not whole else NOT_RECORDED if np.isnan(shaded).all() else NO_CELLS,
        "quarters": streets.told(values, now),
        "soldiers": streets.soldiers.of(row),
    }


class Streets:
    """Where the cells and the columns of one place stand on a tape."""

    def __init__(self, tape: Tape, place: str) -> None:
        """Look them up."""
        file, self.series, self.cells = tape.scenario.file, tape.series, tape.cells
        quarters, _, raster = _lay(file, place)
        self.owner = raster.owner.ravel()
        self.residents = np.array([quarter.residents for quarter in quarters.values()], np.float64)
        names = {name: i for i, name in enumerate(quarters)}

        def by_quarter(measure: str) -> Columns:
            return Columns.among(self.series, {measure}, names, lambda s: s.neighbourhood)

        self.levels = {name: by_quarter(name) for name in (*TOLD, "threat", "armed_share")}
        self.able = np.array([quarter.able for quarter in quarters.values()], np.float64)
        self.counts = {name: Counts(by_quarter(name), tape.scenario.steps_a_day) for name in SO_FAR}
        groups = [self.series[number] for number in self.levels["threat"].numbers]
        self.shares = np.array([quarters[group.neighbourhood].communities[group.community] for group in groups])
        forces = {name: i for i, name in enumerate(file.security_forces)}
        self.soldiers = Columns.among(self.series, {"soldiers"}, forces, lambda s: s.faction)
        if self.cells is not None:
            self._find_sites(self.cells, list(file.places).index(place))

    def _find_sites(self, cells: Cells, place: int) -> None:
        """Find the sites of the place, the cell of each, and who lives there."""
        here = next(ground for ground in cells.city.grounds if ground.place == place)
        self.sites = np.flatnonzero(np.isin(cells.site_group, here.groups))
        self.cell = cells.city.site_cell[self.sites]
        residents = np.diff(np.concatenate([[0], cells.city.site_ends])) * cells.site_weight
        self.people = residents[self.sites]
        self.by_cell = self.add_up(self.people)
        self.by_cell_or_one = np.maximum(1.0, self.by_cell)

    def add_up(self, by_site: NDArray[Any]) -> Floats:
        """Add up by cell what is known by site of the place."""
        return np.bincount(self.cell, by_site, minlength=self.owner.size)

    def shade(self, layer: Layer, step: int) -> Floats:
        """Return a layer by cell; NaN where nobody lives."""
        assert self.cells is not None, "cells that were not kept"
        by_site = self.cells.layer(layer.id, step)[self.sites]
        by_cell = self.add_up(by_site * self.people) / self.by_cell_or_one if layer.mean else self.add_up(by_site)
        return np.where(self.by_cell > 0, by_cell, np.nan)

    def flat(self, layer: Layer, values: Floats, step: int) -> Floats:
        """Return a layer by cell, the same all over a neighbourhood; NaN outside them, and where nothing is known."""
        level = np.append(self._level(layer, values, step), np.nan)  # the last for cells of nobody: owner -1
        return level[self.owner]

    def _level(self, layer: Layer, values: Floats, step: int) -> Floats:
        """Return a layer by neighbourhood: a share of the residents, or their mean threat."""
        if layer.id == "threat":
            return self._mean("threat", values[step])
        if layer.id == "armed":
            return self._mean("armed_share", values[step]) * self.able
        if layer.id == "hurt":
            killed, wounded = (counts.until(values, step + 1) for counts in self.counts.values())
            return (killed + wounded) / self.residents
        if layer.id in self.levels:
            return self.levels[layer.id].sums(values[step]) / self.residents
        return np.full(self.residents.size, np.nan)

    def _mean(self, measure: str, row: Floats) -> Floats:
        """Return the mean of a measure over the residents of each neighbourhood, of whatever community."""
        columns = self.levels[measure]
        return np.bincount(columns.of_what, row[columns.numbers] * self.shares, minlength=self.residents.size)

    def told(self, values: Floats, step: int) -> Data:
        """Return the numbers of each neighbourhood, in people."""
        levels = {name: self.levels[name].of(values[step]) for name in TOLD}
        so_far = {name: counts.columns.whole(counts.until(values, step + 1)) for name, counts in self.counts.items()}
        return levels | so_far


_STREETS: WeakKeyDictionary[Tape, dict[str, Streets]] = WeakKeyDictionary()


def _streets_of(tape: Tape, place: str) -> Streets:
    """Look the streets of a place up once, and again when the tape is written to another record."""
    known = _STREETS.setdefault(tape, {})
    streets = known.get(place)
    if streets is None or streets.series is not tape.series or streets.cells is not tape.cells:
        streets = known[place] = Streets(tape, place)
    return streets
