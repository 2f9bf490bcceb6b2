# /// script
# requires-python = ">=3.12"
# ///
"""Rebuild `sim/dashboard/assets`: the front end that the dashboard's page is made with, so that it needs no internet.

    python scripts/build_dashboard_assets.py
    python scripts/build_dashboard_assets.py --out build/assets

Needs npm and a registry for it; the dashboard itself needs neither: what this writes is committed.
Every version is pinned with its checksum, so the same command writes the same bytes. Which versions
the page asks for stands in Solara's page template, and a test holds them against these.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Package(NamedTuple):
    """A published archive, how to know it is the same one, and what is taken of it."""

    name: str
    version: str
    sha256: str
    files: tuple[str, ...]
    licence: str

    @property
    def folder(self) -> str:
        """Return the folder that the page looks for it in."""
        return f"{self.name}@{self.version}"


FONTS = "dist/fonts.css"
PACKAGES = (
    Package(
        "@widgetti/solara-vuetify3-app",
        "5.2.0",
        "1750b483d170455027102c7defa0581799d22a0ecdf42e89e3832ec40ad85db2",
        (
            FONTS,
            "dist/main8.css",
            "dist/solara-vuetify-app8.min.js",
            "dist/solara-vuetify-app8.min.js.LICENSE.txt",
        ),
        "MIT, with parts under the BSD 3-clause and Apache 2.0 licences: see below",
    ),
    Package(
        "requirejs",
        "2.3.6",
        "1d1a8a5ea21b941f5c80f7caf3ac7f3e1cb8cf2903a706d5c0d15434eaedd326",
        ("require.js",),
        "MIT, copyright the jQuery Foundation and other contributors",
    ),
)

LICENCES = """\
# Where the page's front end comes from

Made by `python scripts/build_dashboard_assets.py`; run it again to get the same bytes. Do not edit by hand.

| folder | from npm | licence |
|---|---|---|
{rows}

`solara-vuetify3-app` is one file made of many packages: Vue, Vuetify, React, jQuery, Backbone, Underscore, Moment,
KaTeX and others under the MIT licence, whose notices stand in `solara-vuetify-app8.min.js.LICENSE.txt` and at the head
of the style sheet; Jupyter's widgets and Lumino under the BSD 3-clause licence, copyright Project Jupyter contributors;
the fonts Roboto and Material Design Icons under the Apache licence 2.0.

Of the fonts only those in the format that today's browsers read first (woff2) are kept. Nothing was changed.

| archive | SHA-256 |
|---|---|
{checksums}
"""


def main(arguments: list[str] | None = None) -> None:
    """Fetch the archives, and write what the page needs of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(__file__).resolve().parents[1] / "sim" / "dashboard" / "assets"
    parser.add_argument("--out", type=Path, default=default, help="folder to write (default: sim/dashboard/assets)")
    out: Path = parser.parse_args(arguments).out
    if out.exists():
        shutil.rmtree(out)
    with tempfile.TemporaryDirectory() as scratch:
        for package in PACKAGES:
            with tarfile.open(fetch(package, Path(scratch))) as archive:
                for name in (*package.files, *fonts(package, archive)):
                    write(out / package.folder / name, content(archive, name))
    write(out / "LICENCES.md", licences().encode())


def write(path: Path, content: bytes) -> None:
    """Write one file and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    print(f"{path}: {len(content):,} bytes")


def fetch(package: Package, scratch: Path) -> Path:
    """Download one package with npm, and refuse any other content."""
    npm = shutil.which("npm") or sys.exit("npm is not on the PATH: install Node.js, which brings it")
    folder = scratch / package.name.replace("/", "-")
    folder.mkdir()
    command = [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"could not fetch {package.name} {package.version} from npm:\n{done.stderr}")
    (archive,) = folder.iterdir()
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        sys.exit(f"{archive.name} is not the archive this was written for: SHA-256 {found}, not {package.sha256}")
    return archive


def content(archive: tarfile.TarFile, name: str) -> bytes:
    """Read one file out of an npm tarball."""
    stream = archive.extractfile(f"package/{name}")
    assert stream is not None, f"{name} is not a file"
    return stream.read()


def fonts(package: Package, archive: tarfile.TarFile) -> Iterator[str]:
    """Yield the fonts that the package's list of them names, in the format that browsers read first."""
    if FONTS in package.files:
        named = re.findall(r"url\((\w+\.woff2)", content(archive, FONTS).decode())
        yield from (f"dist/{name}" for name in sorted(set(named)))


def licences() -> str:
    """Say where everything comes from."""
    return LICENCES.format(
        rows="\n".join(f"| `{p.folder}` | {p.name} {p.version} | {p.licence} |" for p in PACKAGES),
        checksums="\n".join(f"| {p.name} {p.version} | `{p.sha256}` |" for p in PACKAGES),
    )


if __name__ == "__main__":
    main()
