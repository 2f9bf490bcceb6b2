"""The city table: neighbourhoods, the communities in them, and the ground between them.

A *group* (index g) is one community in one neighbourhood; a *site* (index s) is a raster
cell as one group lives in it. Residents of a group stand in the order of their
sites, so that a site is a run of rows. Mechanisms meet through these columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.raster import LocalPlane, Raster, rasterise
from sim.theatre import apportion, index

if TYPE_CHECKING:
    from sim.schema import Neighbourhood as NeighbourhoodSpec
    from sim.schema import ScenarioFile

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

STATES = ("calm", "mobilised", "sheltering", "wounded", "detained", "displaced", "away", "dead")


@dataclass
class Ground:
    """The raster of one place, and what is seen and reached on it.

    armed: weighted number of armed mobilised people in reach of each cell, by community, (C, ny, nx).
    """

    place: int
    plane: LocalPlane
    raster: Raster
    groups: Ints  # [n] the groups that live here
    reach: Singles  # taps of the weight of fire by distance in cells
    sight: int  # half width of what is seen, in cells
    posts: Floats  # (ny, nx) share of the soldiers in sight of each cell
    armed: Singles

    @property
    def cells(self) -> int:
        """Return the number of cells."""
        return self.raster.owner.size


@dataclass
class City:
    """Every group and site, and the state of the neighbourhood scale."""

    # fixed
    neighbourhoods: tuple[str, ...]
    place: Ints  # [G]
    neighbourhood: Ints  # [G]
    community: Ints  # [G]
    first: Ints  # [G] first row
    last: Ints  # [G] row after the last
    first_of_neighbourhood: Ints  # [G] row at which the neighbourhood's residents begin
    people: Ints  # [G] residents
    weight: Ints  # [G] people an agent stands for
    legitimacy: Floats  # [G]
    able_people: Floats  # [G]
    ties: Floats  # [G, P]
    volunteer_place: Ints  # [G] -1 where nobody goes; follows the faction when it withdraws, residents
    volunteer_faction: Ints  # [G]
    arrivals_per_day: Floats  # [G]
    guarded: npt.NDArray[np.bool_]  # [G] on a line of contact where a security force stands
    facing: npt.NDArray[np.bool_]  # [G] across a line of contact from hostile people
    first_site: Ints  # [G]
    last_site: Ints  # [G]
    site_cell: Ints  # [S]
    first_post: Ints  # [G]
    last_post: Ints  # [G]
    post_cell: Ints  # [K] cells where the mobilised of a group stand: towards the line of contact
    post_of: Ints  # [S] which of them is a site's
    site_ends: Ints  # [S] row after the last resident of a site
    kin_in_sight: Floats  # [S] people of one's own group's community in sight, at the start
    grounds: list[Ground]
    # state, and who writes it
    states: Ints  # [G, 8] people by state, residents
    armed_share: Floats  # [G] of those able to fight, arms
    toll: Floats  # [G] memory of the own killed and wounded here, record keeper
    volunteer_toll: Floats  # [G, P] the same for the own volunteers, where they fell, record keeper
    anger: Floats  # [G] at local provocations, events
    arrived: Ints  # [G] people from outside who settled here so far, displacement
    hits_per_day: Floats  # [P] killed and wounded a day in each place, record keeper
    soldiers: Floats  # [P] of a security force standing in the place, security
    threat: Floats  # [G] mean T, residents
    armed_up: Ints  # [G] armed and mobilised people, residents
    up_at: Ints  # [S] mobilised people who live at a site, residents

    @property
    def groups(self) -> int:
        """Return the number of groups."""
        return self.people.size

    def rows(self) -> int:
        """Return the number of residents' rows."""
        return int(self.last[-1]) if self.groups else 0

    def at_their_front(self, table: Floats) -> Floats:
        """Return the entry of a table [P, F] for the volunteers of each group, [G]; 0 where nobody goes."""
        found = np.empty(self.groups)
        kernels.theatre.pick(table, self.volunteer_place, self.volunteer_faction, found)
        return found

    @classmethod
    def of(cls, file: ScenarioFile) -> City:
        """Build the table as it stands at the start of a scenario."""
        return _Builder(file).build()


class _Builder:
    """Lays residents out on rasters, group by group and cell by cell."""

    def __init__(self, file: ScenarioFile) -> None:
        self.file = file
        self.c_of, self.p_of = index(tuple(file.communities)), index(tuple(file.places))
        self.f_of, self.names = index(tuple(file.factions)), tuple(file.neighbourhoods)
        self.columns: dict[str, list[float]] = {}
        self.site_cell: list[Ints] = []
        self.site_people: list[Ints] = []
        self.sites = 0
        self.rows = 0

    def build(self) -> City:
        grounds = [self._ground(place) for place in dict.fromkeys(n.place for n in self.file.neighbourhoods.values())]
        for n, name in enumerate(self.names):
            ground = next(g for g in grounds if g.place == self.p_of[self.file.neighbourhoods[name].place])
            self._lay_out(n, name, ground)
        C, P = len(self.c_of), len(self.p_of)

        def ints(key: str) -> Ints:
            return np.array(self.columns.get(key, []), np.int64)

        def floats(key: str) -> Floats:
            return np.array(self.columns.get(key, []), np.float64)

        G = ints("people").size
        site_cell = np.concatenate(self.site_cell) if self.site_cell else np.zeros(0, np.int64)
        site_people = np.concatenate(self.site_people) if self.site_people else np.zeros(0, np.int64)
        ties = np.zeros((G, P))
        for g in range(G):
            spec = self.file.neighbourhoods[self.names[int(ints("neighbourhood")[g])]]
            for place, tie in spec.ties.get(list(self.c_of)[int(ints("community")[g])], {}).items():
                ties[g, self.p_of[place]] = tie
        city = City(
            neighbourhoods=self.names,
            place=ints("place"), neighbourhood=ints("neighbourhood"), community=ints("community"),
            first=ints("first"), last=ints("last"), first_of_neighbourhood=ints("first_of_neighbourhood"),
            people=ints("people"), weight=ints("weight"), legitimacy=floats("legitimacy"),
            able_people=floats("able_people"), ties=ties,
            volunteer_place=ints("volunteer_place"), volunteer_faction=ints("volunteer_faction"),
            arrivals_per_day=floats("arrivals_per_day"),
            facing=np.zeros(G, np.bool_), guarded=self._guarded(ints("neighbourhood")),
            first_site=ints("first_site"), last_site=ints("last_site"), site_cell=site_cell,
            first_post=np.zeros(G, np.int64), last_post=np.zeros(G, np.int64),
            post_cell=np.zeros(0, np.int64), post_of=np.zeros(site_cell.size, np.int64),
            site_ends=np.cumsum(site_people), kin_in_sight=np.zeros(site_cell.size), grounds=grounds,
            states=np.zeros((G, len(STATES)), np.int64), armed_share=floats("armed_share"),
            toll=np.zeros(G), volunteer_toll=np.zeros((G, P)), anger=np.zeros(G), arrived=np.zeros(G, np.int64),
            hits_per_day=np.zeros(P), soldiers=np.zeros(P), threat=np.zeros(G), armed_up=np.zeros(G, np.int64),
            up_at=np.zeros(site_cell.size, np.int64),
        )  # fmt: skip
        self._face(city)
        self._post(city)
        for ground in grounds:
            ground.groups = np.flatnonzero(city.place == ground.place)
            ground.armed = np.zeros((C, *ground.raster.shape), np.float32)
            for c in range(C):
                there = np.zeros(ground.cells, np.int64)
                for g in ground.groups.tolist():
                    if city.community[g] == c:
                        sites = slice(city.first_site[g], city.last_site[g])
                        there[city.site_cell[sites]] += site_people[sites] * city.weight[g]
                seen = in_sight(ground, there)
                for g in ground.groups.tolist():
                    if city.community[g] == c:
                        sites = slice(city.first_site[g], city.last_site[g])
                        city.kin_in_sight[sites] = seen.ravel()[city.site_cell[sites]]
        return city

    def _ground(self, place: str) -> Ground:
        town = self.file.places[place]
        plane = LocalPlane(town.longitude, town.latitude)
        raster = rasterise([outline(spec, plane) for spec in self._quarters(place)], town.cell_m)
        reach_m, cell = self.file.fire.reach_m, town.cell_m
        distance = np.arange(int(1.25 * reach_m / cell) + 1) * cell
        sight = max(1, round(self.file.mobilisation.sight_m / cell))
        shape = raster.shape
        return Ground(
            place=self.p_of[place], plane=plane, raster=raster, groups=np.zeros(0, np.int64),
            reach=np.exp(-2.0 * (distance / reach_m) ** 2).astype(np.float32), sight=sight,
            posts=self._posts(place, plane, raster, sight), armed=np.zeros((0, *shape), np.float32),
        )  # fmt: skip

    def _quarters(self, place: str) -> list[NeighbourhoodSpec]:
        return [n for n in self.file.neighbourhoods.values() if n.place == place]

    def _posts(self, place: str, plane: LocalPlane, raster: Raster, sight: int) -> Floats:
        """Return the share of a place's soldiers in sight of each cell; they stand along the lines of contact."""
        stand = np.zeros(raster.shape, np.int64)
        manned = {force.line for force in self.file.security_forces.values() if force.place == place}
        for name, line in self.file.lines_of_contact.items():
            if name in manned:
                path = np.column_stack(plane.to_metres(*np.array(line.path).T))
                near = raster.distance_to_line(path) <= self.file.security.posted_width_m
                stand[near if near.any() else raster.distance_to_line(path) <= 2 * raster.cell_m] += 1
        if stand.sum() == 0:
            return np.zeros(raster.shape)
        out = np.empty(raster.shape, np.int64)
        kernels.raster.box_sum(stand, sight, out)
        return np.asarray(out / stand.sum())

    def _lay_out(self, n: int, name: str, ground: Ground) -> None:
        spec = self.file.neighbourhoods[name]
        quarter = next(i for i, other in enumerate(self._quarters(spec.place)) if other is spec)
        cells = np.flatnonzero(ground.raster.owner.ravel() == quarter)
        agents = max(1, round(spec.residents / spec.people_per_agent))
        members = apportion(agents, np.array(list(spec.communities.values())))
        begin = self.rows
        for (community, _), count in zip(spec.communities.items(), members, strict=True):
            if count == 0:
                continue
            spread = apportion(int(count), np.ones(cells.size))
            if count < cells.size:  # fewer people than cells: every k-th cell
                spread = np.zeros(cells.size, np.int64)
                spread[(np.arange(count) * cells.size) // count] = 1
            lived_in = spread > 0
            able = count * spec.people_per_agent * spec.able
            goes = spec.volunteers.get(community)
            self._add(
                place=self.p_of[spec.place], neighbourhood=n, community=self.c_of[community],
                first=self.rows, last=self.rows + int(count), first_of_neighbourhood=begin,
                people=int(count) * spec.people_per_agent, weight=spec.people_per_agent, legitimacy=spec.legitimacy,
                able_people=able, armed_share=min(1.0, spec.armed.get(community, 0.0) / able) if able >= 0.5 else 0.0,
                volunteer_place=self.p_of[goes.place] if goes else -1,
                volunteer_faction=self.f_of[goes.faction] if goes else -1,
                arrivals_per_day=spec.arrivals_per_day.get(community, 0.0),
                first_site=self.sites, last_site=self.sites + int(lived_in.sum()),
            )  # fmt: skip
            self.site_cell.append(cells[lived_in])
            self.site_people.append(spread[lived_in])
            self.sites += int(lived_in.sum())
            self.rows += int(count)

    def _add(self, **values: float) -> None:
        for key, value in values.items():
            self.columns.setdefault(key, []).append(value)

    def _guarded(self, neighbourhood: Ints) -> npt.NDArray[np.bool_]:
        """Mark the groups of neighbourhoods on a line where a security force stands."""
        manned = {force.line for force in self.file.security_forces.values()}
        quarters = {n for line in manned for n in self.file.lines_of_contact[line].between}
        return np.array([self.names[n] in quarters for n in neighbourhood], np.bool_)

    def _face(self, city: City) -> None:
        """Mark the groups that look at hostile people across a line of contact."""
        hostile = {c: {o for o, v in spec.hostility.items() if v > 0} for c, spec in self.file.communities.items()}
        ids = list(self.c_of)
        for line in self.file.lines_of_contact.values():
            for here, there in (line.between, line.between[::-1]):
                facing = {ids[c] for g, c in enumerate(city.community) if self.names[city.neighbourhood[g]] == there}
                for g in range(city.groups):
                    if self.names[city.neighbourhood[g]] == here and hostile[ids[city.community[g]]] & facing:
                        city.facing[g] = True

    def _post(self, city: City) -> None:
        """Find where the mobilised of each site stand: the own cell nearest to home among those near the line."""
        post = city.site_cell.copy()
        for line in self.file.lines_of_contact.values():
            for name in line.between:
                ground = next(g for g in city.grounds if g.place == self.p_of[self.file.neighbourhoods[name].place])
                path = np.column_stack(ground.plane.to_metres(*np.array(line.path).T))
                away = ground.raster.distance_to_line(path).ravel()
                for g in np.flatnonzero(city.neighbourhood == self.names.index(name)).tolist():
                    where = slice(city.first_site[g], city.last_site[g])
                    home = city.site_cell[where]
                    enough = max(self.file.fire.posts_m, float(away[home].min()) + ground.raster.cell_m)
                    near, width = home[away[home] <= enough], ground.raster.shape[1]
                    kernels.raster.nearest(near, home, width, post[where])
        cells: list[Ints] = []
        for g in range(city.groups):
            where = slice(city.first_site[g], city.last_site[g])
            distinct, which = np.unique(post[where], return_inverse=True)
            city.first_post[g] = sum(map(len, cells))
            city.last_post[g] = city.first_post[g] + distinct.size
            city.post_of[where] = city.first_post[g] + which
            cells.append(distinct)
        city.post_cell = np.concatenate(cells) if cells else city.post_cell


def outline(spec: NeighbourhoodSpec, plane: LocalPlane) -> Floats:
    """Return the outline of a neighbourhood in metres around its place, (n, 2)."""
    if spec.rectangle is not None:
        r = spec.rectangle
        corners = [(0, 0), (r.width, 0), (r.width, r.height), (0, r.height)]
        return np.array([(r.west + x, r.south + y) for x, y in corners], np.float64)
    assert spec.polygon is not None, "the loader asks for a polygon or a rectangle"
    return np.column_stack(plane.to_metres(*np.array(spec.polygon).T))


def in_sight(ground: Ground, by_cell: Ints) -> Ints:
    """Sum integers by cell (cells,) over what is in sight of each cell, (ny, nx)."""
    out = np.empty(ground.raster.shape, np.int64)
    kernels.raster.box_sum(by_cell.reshape(out.shape), ground.sight, out)
    return out


__all__ = ["STATES", "City", "Ground", "in_sight", "outline"]
