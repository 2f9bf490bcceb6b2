"""The ground of a neighbourhood: projection, ownership of cells, distance to the line of contact."""

from itertools import pairwise
from math import cos, pi, radians, sin, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.path import Path
from numpy.typing import NDArray

from sim.raster import NOBODY, LocalPlane, points_in_polygon, rasterise

Floats = NDArray[np.float64]

TRIPOLI = LocalPlane(longitude=35.8442, latitude=34.4335)
SYRIA_STREET = [(0.0, -350.0), (20.0, 0.0), (-10.0, 350.0)]


def shoelace(polygon: Floats) -> float:
    x, y = polygon.T
    return float(abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2)


def footprint(area_m2: float) -> Floats:
    """An irregular quarter, longer than wide, with a bent edge: the kind a survey draws."""
    sketch = np.array([(0, 0), (5, -1), (9, 1), (10, 6), (8, 8), (9, 13), (4, 14), (1, 11), (2, 6)], float)
    return sketch * sqrt(area_m2 / shoelace(sketch))


@st.composite
def simple_polygons(draw: st.DrawFn) -> Floats:
    """Polygons that do not cross themselves: corners by angle around a point, so often not convex.

    (Matplotlib counts windings where we count crossings; without crossings they agree.)
    """
    seed = draw(st.integers(0, 2**32 - 1))
    corners = draw(st.integers(3, 30))
    rng = np.random.default_rng(seed)
    angle = (np.arange(corners) + rng.uniform(0.05, 0.95, corners)) * 2 * pi / corners
    radius = rng.uniform(20, 500, corners)
    polygon = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return polygon[::-1] if draw(st.booleans()) else polygon


# --- Projection -------------------------------------------------------------------------------


def east_north_exact(longitude: float, latitude: float, plane: LocalPlane) -> tuple[float, float]:
    """East and north on the tangent plane, through Earth-centred coordinates: no code shared."""
    a, b = 6_378_137.0, 6_356_752.314245

    def earth_centred(lon: float, lat: float) -> Floats:
        lon, lat = radians(lon), radians(lat)
        n = a**2 / sqrt((a * cos(lat)) ** 2 + (b * sin(lat)) ** 2)
        return np.array([n * cos(lat) * cos(lon), n * cos(lat) * sin(lon), (b / a) ** 2 * n * sin(lat)])

    step = earth_centred(longitude, latitude) - earth_centred(plane.longitude, plane.latitude)
    lon, lat = radians(plane.longitude), radians(plane.latitude)
    east = np.array([-sin(lon), cos(lon), 0])
    north = np.array([-sin(lat) * cos(lon), -sin(lat) * sin(lon), cos(lat)])
    return float(step @ east), float(step @ north)


@given(east=st.floats(-1000, 1000), north=st.floats(-1000, 1000))
def test_projection_errs_by_less_than_20_cm_within_a_kilometre(east: float, north: float) -> None:
    longitude, latitude = TRIPOLI.to_degrees(east, north)
    exact = east_north_exact(float(longitude), float(latitude), TRIPOLI)
    assert np.hypot(exact[0] - east, exact[1] - north) < 0.2


def test_projection_and_its_inverse_agree() -> None:
    longitude, latitude = np.array([35.80, 35.85, 35.90]), np.array([34.40, 34.43, 34.46])
    back = TRIPOLI.to_degrees(*TRIPOLI.to_metres(longitude, latitude))
    np.testing.assert_allclose(back, (longitude, latitude), rtol=0, atol=1e-12)
    x, y = TRIPOLI.to_metres(TRIPOLI.longitude, TRIPOLI.latitude)
    assert x == 0 and y == 0


# --- Points in polygons -----------------------------------------------------------------------


@given(polygon=simple_polygons(), seed=st.integers(0, 2**32 - 1))
def test_points_in_polygon_agrees_with_matplotlib(polygon: Floats, seed: int) -> None:
    x, y = np.random.default_rng(seed).uniform(-520, 520, (2, 400))
    expected = Path(polygon).contains_points(np.column_stack([x, y]))
    assert np.array_equal(points_in_polygon(x, y, polygon), expected)
    closed = np.vstack([polygon, polygon[:1]])
    assert np.array_equal(points_in_polygon(x, y, closed), expected)


def test_polygons_that_share_an_edge_share_no_point_and_leave_none_out() -> None:
    """Points exactly on the slanted border belong to one side, whichever way each side walks it."""
    west = [(0, 0), (3, 0), (7, 10), (0, 10)]
    east = [(3, 0), (10, 0), (10, 10), (7, 10)]
    y = np.linspace(0, 9.9, 100)
    x = 3 + y / 10 * 4
    for east_side in (east, east[::-1]):
        assert np.array_equal(points_in_polygon(x, y, west), ~points_in_polygon(x, y, east_side))


# --- Rasters ----------------------------------------------------------------------------------


def test_rectangle_is_rasterised_exactly() -> None:
    raster = rasterise([np.array([(100, 50), (300, 50), (300, 150), (100, 150)])], cell_m=20)
    assert (raster.origin_xy, raster.shape, raster.cell_m) == ((100, 50), (5, 10), 20)
    assert raster.owner.dtype == np.int16 and (raster.owner == 0).all()
    x, y = raster.centres()
    assert x[0].tolist() == list(range(110, 300, 20)) and y[:, 0].tolist() == list(range(60, 150, 20))


def test_cell_size_that_is_no_binary_fraction_adds_no_empty_column() -> None:
    raster = rasterise([np.array([(0, 0), (0.3, 0), (0.3, 0.7), (0, 0.7)])], cell_m=0.1)
    assert raster.shape == (7, 3) and (raster.owner == 0).all()


@pytest.mark.parametrize("area_m2", [420_000, 620_000], ids=["Bab al-Tabbaneh", "Jabal Mohsen"])
@pytest.mark.parametrize("cell_m", [10, 20])
def test_area_of_a_quarter_is_kept_within_5_percent(area_m2: float, cell_m: float) -> None:
    polygon = footprint(area_m2)
    assert shoelace(polygon) == pytest.approx(area_m2)
    raster = rasterise([polygon], cell_m)
    assert (raster.owner == 0).sum() * raster.cell_m**2 == pytest.approx(area_m2, rel=0.05)


@given(polygon=simple_polygons(), cell_m=st.floats(5, 60))
def test_a_cell_is_owned_where_its_centre_is_held(polygon: Floats, cell_m: float) -> None:
    raster = rasterise([polygon], cell_m)
    x, y = raster.centres()
    held = Path(polygon).contains_points(np.column_stack([x.ravel(), y.ravel()])).reshape(raster.shape)
    assert np.array_equal(raster.owner == 0, held)
    assert np.array_equal(raster.owner == NOBODY, ~held)


def test_first_polygon_wins_a_contested_cell_and_gaps_are_nobodys() -> None:
    first = np.array([(0, 0), (60, 0), (60, 20), (0, 20)])
    second = first + np.array([40, 0])
    third = first + np.array([120, 0])
    raster = rasterise([first, second, third], cell_m=20)
    assert raster.owner.tolist() == [[0, 0, 0, 1, 1, NOBODY, 2, 2, 2]]


def test_row_0_is_the_southern_edge() -> None:
    south = np.array([(0, 0), (20, 0), (20, 20), (0, 20)])
    north = south + np.array([0, 20])
    assert rasterise([north, south], cell_m=20).owner.tolist() == [[1], [0]]


@pytest.mark.parametrize(
    ("polygons", "cell_m", "complaint"),
    [
        ([], 20, "0 polygons"),
        ([[(0, 0), (1, 1)]], 20, "polygon 0 has shape"),
        ([[(0, 0), (1, 1), (0, float("nan"))]], 20, "not finite"),
        ([[(0, 0), (1, 0), (0, 1)]], 0, "cell_m is 0"),
        ([[(0, 0), (1e6, 0), (0, 1e6)]], 10, "are these metres"),
    ],
)
def test_impossible_rasters_are_refused(
    polygons: list[list[tuple[float, float]]], cell_m: float, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        rasterise(polygons, cell_m)


# --- Distance to the line of contact ----------------------------------------------------------


def walked_distance(x: float, y: float, line: Floats, steps: int) -> float:
    """The slow friend: walk the line in small steps and keep the nearest."""
    share = np.linspace(0, 1, steps + 1)[:, None]
    walk = np.vstack([a + share * (b - a) for a, b in pairwise(line)])
    return float(np.hypot(*(walk - (x, y)).T).min())


@given(line=st.lists(st.tuples(st.floats(-300, 900), st.floats(-300, 900)), min_size=2, max_size=6).map(np.array))
def test_distance_agrees_with_walking_the_line(line: Floats) -> None:
    raster = rasterise([footprint(420_000)], cell_m=100)
    distance = raster.distance_to_line(line)
    assert distance.shape == raster.shape and distance.dtype == np.float32
    steps = 2000
    stride = max(np.hypot(*np.diff(line, axis=0).T)) / steps
    for cell in np.ndindex(raster.shape):
        x, y = (float(axis[cell]) for axis in raster.centres())
        # The walk steps over the nearest point by half a stride at most, so it never finds less.
        assert -0.01 <= walked_distance(x, y, line, steps) - distance[cell] <= stride / 2 + 0.01


def test_distance_to_a_straight_street_is_the_easting() -> None:
    raster = rasterise([np.array([(-100, -100), (100, -100), (100, 100), (-100, 100)])], cell_m=20)
    x, _ = raster.centres()
    np.testing.assert_array_equal(raster.distance_to_line([(0, -500), (0, 500)]), np.abs(x))


def test_distance_beyond_the_ends_of_a_line_is_to_its_end() -> None:
    raster = rasterise([np.array([(0, 0), (20, 0), (20, 20), (0, 20)])], cell_m=20)
    assert raster.distance_to_line([(10, 50), (10, 90)]).item() == 40
    assert raster.distance_to_line([(13, 14), (13, 14)]).item() == 5, "a line of no length is a point"


def test_two_sides_of_a_street_meet_it() -> None:
    """Each quarter has cells at the line of contact and cells far behind it."""
    street = np.array(SYRIA_STREET)
    west = np.vstack([street, [(-700, 350), (-700, -350)]])
    east = np.vstack([street, [(700, 350), (700, -350)]])
    raster = rasterise([west, east], cell_m=20)
    distance = raster.distance_to_line(street)
    for side in (0, 1):
        assert distance[raster.owner == side].min() < 20
        assert distance[raster.owner == side].max() > 600
