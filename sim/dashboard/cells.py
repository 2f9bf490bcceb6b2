"""What the streets look like hour by hour: people at each site, small enough to keep for a whole run.

An hour is four counts of residents a site (mobilised, armed among them, hurt so far, displaced), kept as what differs
from the hour before, compressed; every `WHOLE_EVERY` hours it is kept whole. Threat and exposure follow from where the
armed stand, by the equations of `sim.mobilisation`, and weapons from who has them: they are worked out when asked for.
"""

from __future__ import annotations

import io
import zlib
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from sim.residents import DISPLACED, MOBILISED
from sim.security import buffer

if TYPE_CHECKING:
    from sim.model import SpilloverModel
    from sim.neighbourhoods import Ground

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Counts = NDArray[Any]

UP, ARMED, HURT, GONE = range(4)
COUNTS = 4
RESIDENTS = {"mobilised": UP, "hurt": HURT, "displaced": GONE}
SHARE, THREAT, HIT, DANGER = range(4)

WHOLE_EVERY = 24
QUICK = 1
"""Level of compression: the others take several times as long and save little."""


class Cells:
    """The sites of a city by the hour; they stand as `sim.neighbourhoods.City` has them, one community after another.

    city: what is fixed of it (`site_cell`, `grounds` with their raster and posts, `community`, …); its state is that
    of the hour that the model is in, and is not to be shown.
    site_group: (S,) the group of each site.
    """

    LAYERS: ClassVar[tuple[str, ...]] = ("mobilised", "threat", "exposure", "hurt", "armed", "displaced")
    UNITS: ClassVar[dict[str, str]] = {
        "mobilised": "people",
        "threat": "1",  # T of the propensity, mostly 0 to 1: armed strangers in reach, own losses, anger
        "exposure": "1",  # chance of being hit in an hour in the open
        "hurt": "people",  # killed or wounded so far
        "armed": "people",  # who live here and have a weapon, whatever they do
        "displaced": "people",  # who lived here
    }

    def __init__(self, model: SpilloverModel, past: Cells | None = None) -> None:
        """Begin with the city as a model has it between two hours; `past` are the cells of the hours before."""
        city, residents = model.city, model.residents
        self.city, self.hostility, self.file = city, model.theatre.hostility, model.file
        self.past, self.begins = past, model.now
        self.site_group = np.repeat(np.arange(city.groups), city.last_site - city.first_site)
        self.site_weight = city.weight[self.site_group]
        able = np.flatnonzero(residents.able)
        self._able = residents.site[able], residents.group[able], residents.weapon_rank[able]
        most = np.diff(np.concatenate([[0], city.site_ends])).max(initial=0)
        self._kind = np.uint8 if most <= np.iinfo(np.uint8).max else np.uint16
        self._groups: list[Singles] = []  # by step, (4, G)
        self._hours: list[bytes] = []  # as each step began, and as the last ended
        self._newest = np.zeros((COUNTS, city.site_cell.size), self._kind)
        self._read = (-1, self._newest)
        self._keep(self._count(model))

    def note(self, model: SpilloverModel) -> None:
        """Keep the step that a model has just lived through."""
        self._groups.append(self._of_groups(model))
        self._keep(self._count(model))

    def _keep(self, now: Counts) -> None:
        whole = len(self._hours) % WHOLE_EVERY == 0
        said = now if whole else now ^ self._newest
        self._hours.append(zlib.compress(said.tobytes(), QUICK))
        self._newest = now

    def _count(self, model: SpilloverModel) -> Counts:
        """Count the residents of each site, (COUNTS, S)."""
        people, share = model.residents, model.city.armed_share
        up = np.flatnonzero(people.state == MOBILISED)
        armed = up[(people.able[up] == 1) & (people.weapon_rank[up] < share[people.group[up]])]
        hurt, gone = np.flatnonzero(people.harm), np.flatnonzero(people.state == DISPLACED)
        at = [np.bincount(people.site[rows], minlength=self.site_group.size) for rows in (up, armed, hurt, gone)]
        return np.array(at, self._kind)

    def _of_groups(self, model: SpilloverModel) -> Singles:
        """Return what is the same all over a group: its weapons, and what threat and exposure are made of."""
        city, seen, file = model.city, model.seen, self.file
        guards = np.where(city.guarded, seen.soldiers[city.place], 0.0)
        hit = file.fire.hit_per_hour * buffer(guards, file.security)
        danger = file.engagement.civilian_hit_per_hour * seen.firing[city.place]
        return np.array([city.armed_share, city.threat, hit, danger], np.float32)

    def packed(self) -> bytes:
        """Return what is kept as the content of a file: arrays in NumPy's format, without pickle."""
        steps, to = self.steps, io.BytesIO()
        hours = self._hours[: steps + 1]
        groups = np.array(self._groups[:steps], np.float32).reshape(steps, -1, self.city.groups)
        ends = np.fromiter(accumulate(map(len, hours), initial=0), np.int64)
        np.savez(to, hours=np.frombuffer(b"".join(hours), np.uint8), ends=ends, groups=groups)
        return to.getvalue()

    def unpack(self, content: bytes) -> None:
        """Go back to what was packed of a run of the same scenario and seed; ValueError where it was of other sites."""
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            hours, ends, groups = kept["hours"].tobytes(), kept["ends"].tolist(), kept["groups"]
        self._hours = [hours[begin:end] for begin, end in pairwise(ends)]
        self._groups, self._read = list(groups), (-1, self._newest)
        self._unpacked(0)
        if groups.shape[2] != self.city.groups:
            raise ValueError(f"{groups.shape[2]} groups where there are {self.city.groups}")

    # --- to look at --------------------------------------------------------------------------------------

    @property
    def steps(self) -> int:
        """Return how many steps are kept, those of the past included."""
        return self.begins + min(len(self._groups), len(self._hours) - 1)

    def layer(self, name: str, step: int) -> Singles:
        """Return one number a site, (S,), as a step ended; `UNITS` says of what.

        Threat and exposure are those that residents met with in the step.
        """
        if self.past is not None and step < self.begins:
            return self.past.layer(name, step)
        hour = step - self.begins
        if name in RESIDENTS:
            return self._people(self._counts(hour + 1)[RESIDENTS[name]])
        worked_out = {"armed": self._with_weapons, "threat": self._threat, "exposure": self._exposure}
        return worked_out[name](hour)

    def _people(self, residents: Counts) -> Singles:
        return np.asarray(residents * self.site_weight, np.float32)

    def _with_weapons(self, hour: int) -> Singles:
        site, group, rank = self._able
        has = rank < self._groups[hour][SHARE][group]
        return self._people(np.bincount(site[has], minlength=self.site_group.size))

    def _threat(self, hour: int) -> Singles:
        """Return T: armed strangers in reach, and what the whole group feels alike (its losses and its anger)."""
        m, groups = self.file.mobilisation, self.city.groups
        theirs, ours = self._in_reach(hour)
        felt = m.threat_fire * theirs / (theirs + ours + m.threat_fire_half)
        sites = np.maximum(1, np.bincount(self.site_group, minlength=groups))
        alike = self._groups[hour][THREAT] - np.bincount(self.site_group, felt, minlength=groups) / sites
        return np.asarray(felt + alike[self.site_group], np.float32)

    def _exposure(self, hour: int) -> Singles:
        """Return the chance of being hit in an hour in the open."""
        theirs, _ = self._in_reach(hour)
        hit, danger = self._groups[hour][[HIT, DANGER]][:, self.site_group]
        return np.asarray(-np.expm1(-(hit * theirs + danger)), np.float32)

    def _in_reach(self, hour: int) -> tuple[Floats, Floats]:
        """Return the armed in reach of each site as an hour began: hostile ones, and of the own community."""
        armed = self._counts(hour)[ARMED] * self.site_weight
        theirs, ours = np.zeros(armed.size), np.zeros(armed.size)
        hostile = self.hostility * (1 - np.eye(len(self.hostility)))
        community = self.city.community[self.site_group]
        for ground in self.city.grounds:
            here = np.flatnonzero(np.isin(self.site_group, ground.groups))
            fields = self._fields(ground, here, armed)[:, self.city.site_cell[here]]
            theirs[here] = (hostile[:, community[here]] * fields).sum(axis=0)
            ours[here] = fields[community[here], np.arange(here.size)]
        return theirs, ours

    def _fields(self, ground: Ground, here: Ints, armed: Ints) -> Floats:
        """Return the armed in reach of each cell by community, (C, cells): they stand at their posts."""
        city = self.city
        stand = np.zeros((len(self.hostility), *ground.raster.shape))
        post = city.post_cell[city.post_of[here]]
        np.add.at(stand.reshape(-1, ground.cells), (city.community[self.site_group[here]], post), armed[here])
        fields = _blurred(_blurred(stand, ground.reach).swapaxes(1, 2), ground.reach).swapaxes(1, 2)
        return fields.reshape(-1, ground.cells)

    def _counts(self, hour: int) -> Counts:
        """Return the counts after some hours, (COUNTS, S)."""
        known, counts = self._read  # one tuple, so that a reader in another thread never sees half of it
        whole = hour - hour % WHOLE_EVERY
        if not whole <= known <= hour:
            known, counts = whole, self._unpacked(whole)
        for later in range(known + 1, hour + 1):
            counts = counts ^ self._unpacked(later)
        self._read = (hour, counts)
        return counts

    def _unpacked(self, hour: int) -> Counts:
        return np.frombuffer(zlib.decompress(self._hours[hour]), self._kind).reshape(COUNTS, self.site_group.size)


class Streets:
    """Keeps the cells of a run, when it is shown the model before the first step and after each."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.cells: Cells | None = None

    def __call__(self, model: SpilloverModel) -> None:
        """Take the hour in."""
        if self.cells is None:
            self.cells = Cells(model)
        else:
            self.cells.note(model)

    def packed(self) -> bytes:
        """Return what is kept as the content of a file."""
        assert self.cells is not None, "shown nothing"
        return self.cells.packed()


def _blurred(field: Floats, taps: Singles) -> Floats:
    """Weight fields (…, n) by the distance along their last axis, in cells."""
    out: Floats = taps[0] * field
    for d, weight in enumerate(taps[1 : field.shape[-1]], start=1):
        out[..., d:] += weight * field[..., :-d]
        out[..., :-d] += weight * field[..., d:]
    return out
