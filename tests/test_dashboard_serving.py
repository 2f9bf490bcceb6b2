"""The server of the dashboard: what it answers, whom, and that it reads and writes nothing else."""

from __future__ import annotations

import http.client
import importlib.util
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
from browser import Server, server, serving
from typer.testing import CliRunner

import sim.cli
from sim.dashboard import serving as serves

pytest.importorskip("solara", reason="the dashboard's packages are not installed")
__all__ = ["server"]

REPOSITORY = Path(__file__).resolve().parents[1]
BUNDLE = REPOSITORY / "sim/dashboard/assets"
NOT_THERE = "/_solara/cdn/left-pad@1.3.0/index.js"
OUTSIDE = (
    "/_solara/cdn/../page.py",
    "/_solara/cdn/../../../pyproject.toml",
    "/_solara/cdn/%2e%2e/page.py",
    "/_solara/cdn/..%2f..%2f..%2fpyproject.toml",
    "/_solara/cdn//etc/passwd",
    "/_solara/cdn/%2fetc%2fpasswd",
    "/static/../app.py",
    "/static/..%2fapp.py",
    "/static/assets/../../dashboard/page.py",
    "/static/assets/..%2fpage.py",
    "/static/assets/%2e%2e/page.py",
    "/static/public/page.py",
    "/jupyter/nbextensions/anywidget/../../../../pyvenv.cfg",
    "/jupyter/nbextensions/anywidget/..%2f..%2f..%2f..%2f..%2fpyvenv.cfg",
    "/jupyter/nbextensions/",
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/pyproject.toml",
    "/sim/dashboard/page.py",
)
"""Ways out of the folders that are served: as they stand on the wire, for a browser would tidy them first."""


def asked(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes, Any]:
    """Return status, content and headers of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read(), answer.headers
    connection.close()
    return found


def dashboard(*arguments: str) -> Any:
    return CliRunner().invoke(sim.cli.app, ["dashboard", "--no-open", *arguments], prog_name="spillover")


# --- files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_file_outside_what_is_served_can_be_read(server: Server, path: str) -> None:
    status, content, _ = asked(server, path)
    assert status == 404, content[:200]


def test_files_of_the_page_are_served(server: Server) -> None:
    """Else the test above would pass for a server that answers nothing."""
    for path in ("/", "/static/assets/spillover.css", "/_solara/cdn/requirejs@2.3.6/require.js"):
        assert asked(server, path)[0] == 200


def test_a_file_that_the_bundle_lacks_is_fetched_or_written(server: Server) -> None:
    before = sorted(BUNDLE.rglob("*"))
    assert asked(server, NOT_THERE)[0] == 404
    assert sorted(BUNDLE.rglob("*")) == before


def test_what_solara_tells_of_itself_is_told(server: Server) -> None:
    for path in ("/resourcez", "/readyz", "/jupyter/api/kernels/1", "/nowhere", "/no/where"):
        assert asked(server, path)[0] == 404
    assert asked(server, "/_solara/api/evict/1", "POST")[0] == 404


def test_the_bundle_is_of_other_versions_than_the_page_asks_for() -> None:
    """Solara's page names versions; without just these the page would stay blank."""
    spec = importlib.util.find_spec("solara")
    assert spec is not None and spec.origin is not None
    template = Path(spec.origin).with_name("server") / "templates" / "solara.html.j2"
    named = set(re.findall(r'\{\{cdn\}\}/((?:@\w+/)?[\w-]+@[\d.]+)/([\w./-]+?)(?:\{\{|")', template.read_text("utf-8")))
    wanted = {(folder, file) for folder, file in named if "vuetify-app" not in folder}  # of Vue 2
    assert len(wanted) >= 3, named
    for folder, beginning in wanted:
        found = list((BUNDLE / folder).glob(f"{beginning}*"))
        assert found, f"the page asks for {folder}/{beginning}…: run scripts/build_dashboard_assets.py"


def test_a_font_is_missing_from_the_bundle() -> None:
    (fonts,) = BUNDLE.glob("@widgetti/*/dist/fonts.css")
    named = set(re.findall(r"url\((\w+\.woff2)", fonts.read_text(encoding="utf-8")))
    assert len(named) > 10
    assert [name for name in named if not (fonts.parent / name).is_file()] == []


# --- who may ask ---------------------------------------------------------------------------------------------


def test_another_name_for_this_host_is_answered(server: Server) -> None:
    """A page elsewhere whose name was made to stand for 127.0.0.1 would read everything."""
    assert asked(server, "/", Host=f"elsewhere.example:{server.port}")[0] == 403
    assert asked(server, "/", Host=f"localhost:{server.port}")[0] == 200


def test_another_site_may_talk_to_a_run(server: Server) -> None:
    upgrade = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    }  # fmt: skip
    path = "/jupyter/api/kernels/00000000-0000-0000-0000-000000000000/channels?session_id=test"
    statuses = {
        origin: asked(server, path, Origin=origin, **upgrade)[0]
        for origin in (f"http://127.0.0.1:{server.port}", "http://elsewhere.example", "null")
    }
    assert list(statuses.values()) == [101, 403, 403]


def test_a_browser_may_load_from_elsewhere(server: Server) -> None:
    policy = asked(server, "/")[2]["content-security-policy"]
    sources = {part.split()[0]: part.split()[1:] for part in policy.split("; ")}
    here = {"'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "data:", "blob:"}
    here |= {f"{scheme}://127.0.0.1:{server.port}" for scheme in ("ws", "wss")}
    assert sources["default-src"] == ["'self'"]
    assert {source for some in sources.values() for source in some} <= here


def test_everyone_may_come_unless_told() -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        assert "whoever" not in serves.said(serves.address_of(host, 1), host)
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        assert "whoever can reach this machine" in serves.said(serves.address_of(host, 1), host)
    assert serves.address_of("0.0.0.0", 80) == "http://127.0.0.1:80/"
    assert serves.address_of("::1", 80) == "http://[::1]:80/"


# --- the command ---------------------------------------------------------------------------------------------


def test_a_taken_port_is_taken_twice(server: Server) -> None:
    result = dashboard("tiny", "--port", str(server.port))
    assert result.exit_code == 1
    assert f"port {server.port}: Address already in use; --port 0 takes a free one" in result.stderr


def test_an_unknown_scenario_is_said_otherwise_than_by_check() -> None:
    checked = CliRunner().invoke(sim.cli.app, ["check", "tinny"], prog_name="spillover")
    result = dashboard("tinny")
    assert result.exit_code == 2
    assert result.stderr.strip() == checked.stdout.splitlines()[0]


def test_a_folder_that_holds_no_run_is_opened(tmp_path: Path) -> None:
    result = dashboard(str(tmp_path))
    assert result.exit_code == 2
    assert "not a run folder" in result.stderr


def test_without_its_packages_the_dashboard_says_how_to_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serves, "find_spec", lambda name: None)
    result = dashboard("tiny")
    assert result.exit_code == 1
    assert "pip install 'spillover[dashboard]'" in result.stderr


def test_ctrl_c_ends_it_at_once() -> None:
    with serving("tiny") as served, socket.create_connection(("127.0.0.1", served.port)):
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(20) == 0  # uvicorn would wait for as long as a page is open
        assert served.process.stdout is not None
        assert served.process.stdout.read() == ""


def test_the_manual_names_a_test_that_there_is_not() -> None:
    """It says of each trap in the framework which test holds it."""
    named = set(re.findall(r"`(test_\w+)`", (REPOSITORY / "docs/dashboard.md").read_text(encoding="utf-8")))
    written = "\n".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "tests").glob("test_dashboard_*.py"))
    assert len(named) > 10
    assert [name for name in sorted(named) if f"def {name}(" not in written] == []
