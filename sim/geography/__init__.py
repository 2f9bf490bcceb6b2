"""Outlines and towns of the Levant, as package data.

The files beside this one are written by `scripts/build_geography.py`; `LICENCES.md` says
where they come from and under which licences. Everything lies in `BOX`: where an
outline runs straight along its edge, that is the clip and not a border.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

BOX = (34.0, 32.2, 38.9, 36.95)
"""West, south, east, north, in degrees."""


@dataclass(frozen=True, eq=False)
class Outline:
    """A country or province: closed rings of longitude and latitude, holes among them.

    A point is inside where an odd number of rings holds it. `iso` is ISO 3166
    (SY, SY-HI); a country that ISO has no code for has an empty one.
    """

    name: str
    iso: str
    rings: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class PlaceRecord:
    """A town as GeoNames has it; `population` is None where GeoNames does not know."""

    id: str
    name: str
    latitude: float
    longitude: float
    population: int | None
    country: str
    geonameid: int


def countries() -> list[Outline]:
    """Return the countries in the box, in the order of their ISO codes."""
    return _outlines("countries.geojson")


def provinces() -> list[Outline]:
    """Return the provinces of Lebanon and Syria in the box, in the order of their ISO codes."""
    return _outlines("provinces.geojson")


def places() -> dict[str, PlaceRecord]:
    """Return the towns by their id, such as "qusayr"."""
    return {row["id"]: _place(row) for row in csv.DictReader(_read("places.csv").splitlines())}


def _read(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _outlines(name: str) -> list[Outline]:
    found = []
    for feature in json.loads(_read(name))["features"]:
        rings = (np.array(ring) for polygon in feature["geometry"]["coordinates"] for ring in polygon)
        found.append(Outline(feature["properties"]["name"], feature["properties"]["iso"], tuple(rings)))
    return found


def _place(row: dict[str, str]) -> PlaceRecord:
    return PlaceRecord(
        id=row["id"],
        name=row["name"],
        latitude=float(row["latitude"]),
        longitude=float(row["longitude"]),
        population=int(row["population"]) if row["population"] else None,
        country=row["country"],
        geonameid=int(row["geonameid"]),
    )
