"""The dashboard as a reader meets it: one server and one headless browser for all the tests of a process.

A test module says `from browser import browser, server` and asks for `browser` (a `Browser`), or for `server` where it
needs none. What a page asks of any other machine is refused, and kept in `Browser.strayed`; errors of scripts are kept
in `Browser.errors`. Where there is no browser the tests are skipped.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
WITH_A_FAULT = """
import sim.cli
from sim.model import SpilloverModel

run_for = SpilloverModel.run_for

def break_down(model, steps):
    if model.story.id == "breaks-down" and model.now >= 30:
        raise RuntimeError("broken for the test")
    return run_for(model, steps)

SpilloverModel.run_for = break_down
sim.cli.main()
"""
"""The command line, but a scenario of that id breaks down in its thirty-first hour."""
PATIENCE_MS = 60_000
SCREENSHOTS = Path(os.environ["SPILLOVER_SCREENSHOTS"]) if "SPILLOVER_SCREENSHOTS" in os.environ else None
"""Where pictures of the page are to be kept, instead of a folder that goes with the test."""


@dataclass(frozen=True)
class Server:
    """A dashboard that is being served."""

    address: str
    port: int
    process: subprocess.Popen[str]


@contextmanager
def serving(*arguments: str) -> Iterator[Server]:
    """Serve a dashboard on a free port, with what the command is told besides."""
    command = (sys.executable, "-c", WITH_A_FAULT, "dashboard", *arguments, "--port", "0", "--no-open")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        try:
            assert "http://" in said, said + process.stdout.read()
            address = said.split("http://")[1].split("/")[0]
            yield Server(f"http://{address}/", int(address.rpartition(":")[2]), process)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(10)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A dashboard of the default scenario, on seed 1."""
    with serving("qusayr-2013", "--seed", "1") as served:
        yield served


@dataclass
class Browser:
    """A headless browser, with what it should not have seen."""

    chromium: Any
    address: str
    strayed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @contextmanager
    def tab(self, width: int = 1280, height: int = 800, first: str = "") -> Iterator[Any]:
        """Open the page in a tab of its own, after a script of ours; nothing may stray or fail meanwhile."""
        with self.chromium.new_context(viewport={"width": width, "height": height}) as context:
            context.set_default_timeout(PATIENCE_MS)
            context.add_init_script(first)
            page = context.new_page()
            page.route("**/*", self._refuse_strangers)
            page.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: self.errors.append(str(error)))
            page.goto(self.address)
            page.wait_for_selector(".sp-map canvas[aria-label*='Last 24 hours']")
            page.wait_for_selector(".sp-scrubber [role=slider][aria-valuenow]")
            yield page
            page.unroute_all()  # the page says goodbye when it is left, and nobody is there to let that through
            page.goto("about:blank")
        assert (self.strayed, self.errors) == ([], [])

    def _refuse_strangers(self, route: Any) -> None:
        if route.request.url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.strayed.append(route.request.url)
            route.abort()


@pytest.fixture(scope="session")
def browser(server: Server) -> Iterator[Browser]:
    """A headless browser for the served dashboard; skips where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no playwright here: it drives the browser")
    with api.sync_playwright() as play, play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as chromium:
        yield Browser(chromium, server.address)


def keep_picture(page: Any, name: str, folder: Path) -> Path:
    """Take a picture of a page, into the folder for pictures or else into a given one."""
    path = (SCREENSHOTS or folder) / f"{name}.png"
    page.screenshot(path=str(path))
    return path
