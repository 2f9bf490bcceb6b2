"""The ground of a neighbourhood: square cells of a real size, in metres.

x runs east and y north from an origin; row 0 of a raster is its southern edge. A cell
belongs to the first polygon that holds its centre, so neighbouring polygons never share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import cos, hypot, radians, sin, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

NOBODY = -1
"""Owner of a cell that no polygon holds."""

MOST_CELLS = 25_000_000
"""A larger raster is taken for a mistake of units, degrees for metres or the like."""

NO_LENGTH_M = 1e-9
"""A shorter segment is a point."""

WGS84_EQUATORIAL_M = 6_378_137.0
WGS84_FLATTENING = 1 / 298.257223563


@dataclass(frozen=True)
class LocalPlane:
    """A flat map of a few kilometres around an origin: local equirectangular projection.

    x = (longitude - longitude₀) · N cos φ₀,  y = (latitude - latitude₀) · M,
    with M and N the radii of curvature of the WGS84 ellipsoid at φ₀. Off the origin's
    parallel x is too long by the share tan φ₀ · Δφ: at the latitude of Tripoli, 0.1 m
    at 1 km and 11 m at 10 km.
    """

    longitude: float
    latitude: float

    def to_metres(self, longitude: ArrayLike, latitude: ArrayLike) -> tuple[Floats, Floats]:
        """Return x (east) and y (north) in metres."""
        metres_east, metres_north = self._metres_per_degree()
        x = (np.asarray(longitude, np.float64) - self.longitude) * metres_east
        y = (np.asarray(latitude, np.float64) - self.latitude) * metres_north
        return x, y

    def to_degrees(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """Return longitude and latitude: the inverse of `to_metres`."""
        metres_east, metres_north = self._metres_per_degree()
        longitude = np.asarray(x, np.float64) / metres_east + self.longitude
        latitude = np.asarray(y, np.float64) / metres_north + self.latitude
        return longitude, latitude

    def _metres_per_degree(self) -> tuple[float, float]:
        eccentricity_squared = WGS84_FLATTENING * (2 - WGS84_FLATTENING)
        phi = radians(self.latitude)
        root = sqrt(1 - eccentricity_squared * sin(phi) ** 2)
        meridian_radius = WGS84_EQUATORIAL_M * (1 - eccentricity_squared) / root**3
        normal_radius = WGS84_EQUATORIAL_M / root
        return radians(normal_radius * cos(phi)), radians(meridian_radius)


@dataclass(frozen=True, eq=False)
class Raster:
    """Square cells over some polygons, and which polygon owns each cell."""

    origin_xy: tuple[float, float]
    """South-western corner, in metres."""
    cell_m: float
    owner: NDArray[np.int16]
    """Index of the polygon holding the cell's centre, by row (south to north) and column (west to east)."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns: ny, nx."""
        ny, nx = self.owner.shape
        return ny, nx

    def centres(self) -> tuple[Floats, Floats]:
        """Return x and y of every cell's centre, in metres, each of the raster's shape."""
        return _centres(self.origin_xy, self.cell_m, self.shape)

    def distance_to_line(self, line: ArrayLike) -> NDArray[np.float32]:
        """Return metres from each cell's centre to a polyline such as the line of contact."""
        vertices = _vertices(line, least=2, what="line")
        x, y = self.centres()
        nearest = np.full(self.shape, np.inf)
        for start, end in pairwise(vertices):
            np.minimum(nearest, _squared_distance(x, y, start, end), out=nearest)
        return np.sqrt(nearest).astype(np.float32)


def rasterise(polygons: Sequence[ArrayLike], cell_m: float) -> Raster:
    """Lay square cells of `cell_m` metres over polygons given in metres; the first polygon wins a cell."""
    if not 0 < cell_m < np.inf:
        raise ValueError(f"cell_m is {cell_m}: a cell needs a side in metres above 0")
    if not 0 < len(polygons) <= np.iinfo(np.int16).max:
        raise ValueError(f"{len(polygons)} polygons: a raster needs from 1 to {np.iinfo(np.int16).max}")
    outlines = [_vertices(polygon, least=3, what=f"polygon {i}") for i, polygon in enumerate(polygons)]
    origin_xy, shape = _frame(np.vstack(outlines), cell_m)
    x, y = _centres(origin_xy, cell_m, shape)
    owner = np.full(shape, NOBODY, np.int16)
    for index, outline in enumerate(outlines):
        owner[(owner == NOBODY) & points_in_polygon(x, y, outline)] = index
    return Raster(origin_xy, cell_m, owner)


def points_in_polygon(x: ArrayLike, y: ArrayLike, polygon: ArrayLike) -> NDArray[np.bool_]:
    """Tell which points a polygon holds, by the even-odd rule; its last vertex may repeat the first.

    A point on an edge belongs to the polygon north or east of it, so that polygons which
    share an edge share no point and leave none out.
    """
    x, y = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    vertices = _vertices(polygon, least=3, what="polygon")
    inside = np.zeros(x.shape, np.bool_)
    for (x0, y0), (x1, y1) in zip(np.roll(vertices, 1, axis=0), vertices, strict=True):
        if y0 == y1:
            continue
        if y0 > y1:  # the same arithmetic whichever way round the edge is walked
            x0, y0, x1, y1 = x1, y1, x0, y0
        spans = (y0 <= y) & (y < y1)
        inside ^= spans & (x >= x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return inside


def _vertices(points: ArrayLike, *, least: int, what: str) -> Floats:
    vertices = np.asarray(points, np.float64)
    if vertices.ndim != 2 or vertices.shape[1] != 2 or len(vertices) < least:
        raise ValueError(f"{what} has shape {vertices.shape}: it needs at least {least} points of x and y")
    if not np.isfinite(vertices).all():
        raise ValueError(f"{what} has a coordinate that is not finite")
    return vertices


def _frame(points: Floats, cell_m: float) -> tuple[tuple[float, float], tuple[int, int]]:
    """Return the south-western corner and the rows and columns that cover all points."""
    west, south = points.min(axis=0)
    width, height = points.max(axis=0) - (west, south)
    hair = 1e-9  # of a cell: 0.3 / 0.1 must make 3 columns, not 4
    nx, ny = (max(1, int(np.ceil(length / cell_m - hair))) for length in (width, height))
    if nx * ny > MOST_CELLS:
        raise ValueError(f"{ny} x {nx} cells of {cell_m} m: more than {MOST_CELLS:,}; are these metres?")
    return (float(west), float(south)), (ny, nx)


def _centres(origin_xy: tuple[float, float], cell_m: float, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    ny, nx = shape
    x, y = np.meshgrid(
        origin_xy[0] + (np.arange(nx) + 0.5) * cell_m,
        origin_xy[1] + (np.arange(ny) + 0.5) * cell_m,
    )
    return x, y


def _squared_distance(x: Floats, y: Floats, start: Floats, end: Floats) -> Floats:
    """Return squared metres from points to one segment; a segment of no length is a point."""
    along_x, along_y = end - start
    length = hypot(along_x, along_y)
    if length < NO_LENGTH_M:
        share = np.zeros_like(x)
    else:
        east, north = along_x / length, along_y / length
        share = np.clip(((x - start[0]) * east + (y - start[1]) * north) / length, 0, 1)
    return np.asarray((x - start[0] - share * along_x) ** 2 + (y - start[1] - share * along_y) ** 2)
