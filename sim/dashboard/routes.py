"""What the server answers, and whom: the page, its own files and nothing else, to its own pages and no other's.

Of Solara's routes only those that the page uses are served. Its front end comes from `assets`, where Solara would
fetch from a CDN what is missing, and keep it. A page of another site can neither talk to the runs (its origin is
refused) nor pass for this host (its name is refused), and the browser is told to load nothing from elsewhere.

Import it when Solara's settings stand (`serving.settled`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from solara.server import server
from solara.server import starlette as solara
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OF_SOLARA = (
    "/", "/jupyter/api/kernels/{kernel_id}/{name}", "/_solara/api/close/{kernel_id}", "/static/assets", "/static",
)  # fmt: skip
EXTENSIONS = ("anywidget", "jupyter-vue", "jupyter-vuetify")
"""Packages whose own part of the page the browser asks for."""
FOR_EVER = "max-age=31536000, immutable"  # their addresses hold a version or a hash

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",  # Vue compiles templates; widgets come as blobs
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' blob: ws://{host} wss://{host}",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "base-uri 'self'",
    )
)
HOST = re.compile(r"[\w.:\[\]-]+")


def application(assets: Path, names: Iterable[str] | None) -> Starlette:
    """Return what answers requests to hosts of some names, or of any (None)."""
    folders = {"/_solara/cdn": assets}
    for name in EXTENSIONS:
        folders[f"/jupyter/nbextensions/{name}"] = server.nbextension_root(f"{name}/extension") or assets
    ours: list[BaseRoute] = [Mount(path, Kept(directory=folder)) for path, folder in folders.items()]
    theirs = [route for route in solara.routes if getattr(route, "path", "") in OF_SOLARA]
    guard = Middleware(Guard, names=None if names is None else frozenset(names))
    return Starlette(routes=[*ours, *theirs], lifespan=solara.lifespan, middleware=[guard])


class Kept(StaticFiles):
    """Files that a browser may keep."""

    def file_response(self, *arguments: Any, **named: Any) -> Any:
        response = super().file_response(*arguments, **named)
        response.headers["Cache-Control"] = FOR_EVER
        return response


class Guard:
    """Answers only who asks for this host by its name, and from its own pages."""

    def __init__(self, app: ASGIApp, names: frozenset[str] | None) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        if not self._may_pass(host, origin):
            await PlainTextResponse("refused", status_code=403)(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_headers(host)]
            await send(message)

        await self.app(scope, receive, guarded)

    def _may_pass(self, host: str, origin: str | None) -> bool:
        named = self.names is None or urlsplit(f"//{host}").hostname in self.names
        return named and HOST.fullmatch(host) is not None and (origin is None or urlsplit(origin).netloc == host)


def _headers(host: str) -> list[tuple[bytes, bytes]]:
    """Return what tells the browser to load from here only, and to tell nobody."""
    return [
        (b"content-security-policy", POLICY.format(host=host).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
