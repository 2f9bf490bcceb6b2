"""Serve the page: to this machine only unless told otherwise, and with nothing from elsewhere.

Solara reads its settings when it is imported, so `settled` comes before everything that imports it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import tempfile
import warnings
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

from sim.console import Refused
from sim.dashboard.setup import Opening, titles
from sim.scenario import Scenario, shipped

PAGE = "sim.dashboard.page"
FOLDER = Path(__file__).parent
ASSETS, STATIC = FOLDER / "assets", FOLDER / "static"
SETTINGS = {
    "SOLARA_APP": PAGE,
    "SOLARA_MODE": "production",  # watches no file
    "SOLARA_KERNEL_CULL_TIMEOUT": "2m",  # how long a crashed tab's run goes on; 24 hours unless told
    "SOLARA_TELEMETRY_MIXPANEL_ENABLE": "False",
    "SOLARA_ASSETS_PROXY": "True",  # the page names this server, not the CDN
    "SOLARA_ASSETS_PROXY_CACHE_DIR": str(ASSETS),
    "SOLARA_ASSETS_EXTRA_LOCATIONS": str(STATIC),  # the icon of the tab
    "SOLARA_ASSETS_FONTAWESOME_ENABLED": "False",  # nothing on the page uses it
    "SOLARA_THEME_TITLE": "Spillover",
    "SOLARA_THEME_LOADER": "plain",
    "SOLARA_THEME_SHOW_BANNER": "False",
}
M_ARENA_MAX = -8
"""The number of that setting in glibc's `malloc.h`."""
NEEDED = ("solara", "ipyvuetify", "anywidget", "uvicorn")
LARGEST_MESSAGE = 2_000_000
"""Bytes that a browser may send at once; an uploaded scenario is a tenth of it."""
EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}
"""Hosts that stand for all of this machine's, and how it calls itself."""


def dashboard(what: str, seed: int | None, host: str, port: int, show: bool) -> None:
    """Serve a scenario or a run folder; raise ScenarioError or Refused for what is neither, OSError where nobody can.

    `port` 0 takes a free one; `show` opens a browser.
    """
    missing = [package for package in NEEDED if find_spec(package) is None]
    if missing:
        raise OSError(f"the dashboard needs {', '.join(missing)}: pip install 'spillover[dashboard]'")
    serve(opening_of(what, seed), host, port, show)


def opening_of(what: str, seed: int | None) -> Opening:
    """Return what a page is to show: a run folder, or else a scenario by path or shipped name."""
    if not Path(what).is_dir() or what in shipped():
        return Opening(Scenario.load(what), seed or 0)
    from sim.runs import RunFolderError, load

    if seed is not None:
        raise Refused(f"{what}: a run that is kept has the seed that it was run with; leave --seed away")
    try:
        result = load(what)
    except RunFolderError as error:
        raise Refused(str(error)) from None
    return Opening(result.scenario, result.seed, Path(what).resolve())


def serve(opening: Opening, host: str, port: int, show: bool) -> None:
    """Serve the page until Ctrl-C; raise OSError where nothing can listen there."""
    with suppress(KeyboardInterrupt), listening(host, port) as listener, settled():
        share_memory()
        address = address_of(host, listener.getsockname()[1])
        import_module(PAGE).opens(opening)
        warm(opening)
        print(said(address, host), flush=True)
        if show:
            Thread(target=webbrowser.open, args=(address,), daemon=True).start()
        answer(listener, names_of(host))


def share_memory() -> None:
    """Let all threads take memory from two pools: glibc would keep one of each, and a page's come and go."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, 2)


def warm(opening: Opening) -> None:
    """Read the titles and live through an hour, so that no page waits for either."""
    titles()
    if opening.folder is None:
        from sim.runs import new_model

        new_model(opening.scenario, opening.seed, threads=None).run_for(1)


def address_of(host: str, port: int) -> str:
    """Return where a browser on this machine finds the page."""
    return f"http://{EVERYWHERE.get(host, f'[{host}]' if ':' in host else host)}:{port}/"


def said(address: str, host: str) -> str:
    """Say where the page is, how to stop it, and who else can reach it."""
    lines = [f"The dashboard is at {address}   (Ctrl-C stops it)"]
    if names_of(host) is None:
        lines.append(f"It listens on {host}: whoever can reach this machine can open it, and run simulations here.")
    return "\n".join(lines)


def names_of(host: str) -> set[str] | None:
    """Return the names under which only this machine can reach a host; None where others can."""
    try:
        near = ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    return {host, "localhost", "127.0.0.1", "::1"} if near else None


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Listen, or say why not; port 0 takes a free one."""
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise OSError(f"cannot listen on {host}, port {port}: {why}; --port 0 takes a free one") from None
    with listener:
        yield listener


@contextmanager
def settled() -> Iterator[None]:
    """Tell Solara how it is to work, before it is imported; what it wants to keep goes when it ends."""
    with tempfile.TemporaryDirectory(prefix="spillover-dashboard-") as scratch, warnings.catch_warnings():
        os.environ.update(SETTINGS, SOLARA_HOME=scratch)
        # Without https the page's cookie goes to this site alone, as it should.
        warnings.filterwarnings("ignore", "Cookies with samesite=none")
        yield


def answer(listener: socket.socket, names: set[str] | None) -> None:
    """Answer until Ctrl-C, then stop at once: an open page holds its connection for as long as it lives."""
    import uvicorn

    from sim.dashboard.routes import application

    class Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            self.force_exit = True
            await super().shutdown(sockets)
            await self.lifespan.shutdown()  # closes the runs

    config = uvicorn.Config(
        application(ASSETS, names), log_level="error", access_log=False, lifespan="on", loop="asyncio",
        ws_max_size=LARGEST_MESSAGE, ws_per_message_deflate=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    Server(config).run([listener])
