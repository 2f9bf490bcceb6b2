"""What the streets look like by the hour: as the model has it, small, and quick to read anywhere."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from sim.dashboard.cells import Cells
from sim.model import SpilloverModel
from sim.residents import DISPLACED, MOBILISED, Residents
from sim.scenario import Scenario

HOURS = 60
LIVELY = {
    "clock.days": 4.0, "provocations.per_day": 2.0, "fire.hit_per_hour": 4e-4, "displacement.flee_per_hour": 0.3,
    "engagement.civilian_hit_per_hour": 2e-5, "places.ford.cell_m": 100.0,
    "neighbourhoods.ford_town": {
        "name": "Ford", "place": "ford", "residents": 900, "people_per_agent": 3, "able": 0.3,
        "rectangle": {"west": 0.0, "south": 0.0, "width": 300.0, "height": 200.0},
        "communities": {"amber": 0.6, "blue": 0.4}, "armed": {"amber": 60.0, "blue": 30.0},
    },
}  # fmt: skip
"""Two grounds; on one of them a front, two communities at the same sites, and agents that stand for three people."""


class Lived:
    """A lively city, and what the model itself had at each hour."""

    def __init__(self) -> None:
        self.model = SpilloverModel(Scenario.load("tiny").with_values(LIVELY), 3)
        self.cells, self.hours = Cells(self.model), list[dict[str, Any]]()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(Residents, "hour", self._hour(Residents.hour))
            for _ in range(HOURS):
                self.model.run_for(1)
                self.cells.note(self.model)
                self.hours.append(self._truth())

    def _hour(self, whole: Any) -> Any:
        def hour(residents: Residents, rates: Any, sites: Any, *rest: Any) -> Any:
            self.sites = sites
            return whole(residents, rates, sites, *rest)

        return hour

    def _truth(self) -> dict[str, Any]:
        """Return the layers, each counted or worked out the plain way."""
        city, people = self.model.city, self.model.residents
        weight = city.weight[people.group]
        has = (people.able == 1) & (people.weapon_rank < city.armed_share[people.group])
        who = {"mobilised": people.state == MOBILISED, "displaced": people.state == DISPLACED,
               "hurt": people.harm > 0, "armed": has}  # fmt: skip
        layers = {
            name: np.bincount(people.site[rows], weight[rows], minlength=city.site_cell.size)
            for name, rows in who.items()
        }
        return layers | {"exposure": 1.0 - np.exp(-self.sites[1].astype(float)), "threat": self._threat()}

    def _threat(self) -> Any:
        city, m, seen = self.model.city, self.model.file.mobilisation, self.model.seen
        felt = np.zeros(city.site_cell.size)
        for ground in city.grounds:
            armed = ground.armed.reshape(len(ground.armed), -1)
            for g in ground.groups:
                own = city.community[g]
                for s in range(city.first_site[g], city.last_site[g]):
                    here = armed[:, city.site_cell[s]]
                    theirs = sum(self.model.theatre.hostility[o, own] * here[o] for o in range(len(here)) if o != own)
                    toll = seen.local_toll[g] / (seen.local_toll[g] + m.threat_toll_half)
                    felt[s] = m.threat_fire * theirs / (theirs + here[own] + m.threat_fire_half)
                    felt[s] += m.threat_toll * toll + seen.anger[g]
        return felt


@cache
def lived() -> Lived:
    return Lived()


@pytest.mark.parametrize("layer", Cells.LAYERS)
def test_a_layer_is_not_what_the_model_has(layer: str) -> None:
    cells, hours = lived().cells, lived().hours
    order = [*range(HOURS), *np.random.default_rng(1).permutation(HOURS).tolist()]
    for step in order:
        shown = cells.layer(layer, step)
        assert shown.dtype == np.float32
        np.testing.assert_allclose(shown, hours[step][layer], rtol=1e-5, atol=1e-7)
    everything = np.array([hour[layer] for hour in hours])
    assert (everything.std(axis=0) > 0).sum() > 3, "it hardly changes: little was tested"


def test_sites_are_not_as_the_city_has_them() -> None:
    cells, city = lived().cells, lived().model.city
    assert [ground.raster.shape for ground in cells.city.grounds] == [ground.raster.shape for ground in city.grounds]
    for g in range(city.groups):
        assert (np.flatnonzero(cells.site_group == g) == range(city.first_site[g], city.last_site[g])).all()


def test_a_scenario_without_neighbourhoods_has_cells() -> None:
    model = SpilloverModel(Scenario.load("classics/attrition"), 1)
    cells = Cells(model)
    model.run_for(1)
    cells.note(model)
    assert all(cells.layer(name, 0).shape == (0,) for name in Cells.LAYERS)


def test_many_residents_at_a_site_do_not_fit() -> None:
    """More than a byte holds."""
    crowded = Scenario.load("tiny").with_values({"places.hill.cell_m": 200.0, "neighbourhoods.lower.residents": 4000})
    model = SpilloverModel(crowded, 1)
    cells = Cells(model)
    assert np.diff(model.city.site_ends).max() > 255
    model.residents.state[:] = MOBILISED
    model.run_for(1)
    model.residents.harm[:] = 1
    cells.note(model)
    assert cells.layer("hurt", 0).sum() == model.city.people.sum()
