"""The dashboard in a real browser: how soon it is there, how it keeps up, how soon it answers, and what it holds on to.

All is read off the page, as a reader would see it: the handle of the timeline, the label of the map, the words beside
the sliders. The server is a process of its own, on a free port of this machine; its memory is that of the process.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

from analysis.bench.measuring import Figure, Found, Goal, Sample, Session, Sizes, Skipped

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
NEEDED = ("solara", "playwright")
SCENARIO = "qusayr-2013"


@dataclass(frozen=True)
class Extent:
    """How long and how often the page is played with."""

    openings: int  # of the page, timed
    plays: int  # of the battle, watched
    answers: int  # of each kind
    minutes: float  # of play
    tabs: int  # opened and closed


EXTENTS = {"full": Extent(7, 5, 10, 10.0, 20), "quick": Extent(3, 3, 5, 1.0, 5)}
COUNTED_S = 3.0
"""Seconds for which pictures are counted: the battle lasts 3.5 at the speed that is asked for."""
MEGABYTES = 20.0
"""What may be gained and still be called flat."""

COUNT_FRAMES = """
seconds => new Promise(done => {
  const map = document.querySelector('.sp-map canvas'), handle = document.querySelector('.sp-scrubber [role=slider]');
  const first = Number(handle.getAttribute('aria-valuenow')), since = performance.now();
  let frames = 0;
  const watch = new MutationObserver(() => { frames += 1; });
  watch.observe(map, { attributes: true, attributeFilter: ['aria-label'] });
  setTimeout(() => {
    watch.disconnect();
    const passed = (performance.now() - since) / 1000, hours = Number(handle.getAttribute('aria-valuenow')) - first;
    done([frames / passed, hours / passed]);
  }, 1000 * seconds);
})
"""
WATCH = """
([event, selector, attribute]) => {
  const node = () => document.querySelector(selector);
  const seen = () => attribute ? node().getAttribute(attribute) : node().textContent;
  const before = seen();
  window.answered = null;
  document.addEventListener(event, () => {
    const since = performance.now();
    const look = () => {
      if (seen() === before) requestAnimationFrame(look);
      else window.answered = (performance.now() - since) / 1000;
    };
    look();
  }, { capture: true, once: true });
}
"""
"""From an event to the next change of what the page says somewhere: seconds, in `answered`."""
OVER = """() => {
  const handle = document.querySelector('.sp-scrubber [role=slider]');
  return handle.getAttribute('aria-valuenow') === handle.getAttribute('aria-valuemax');
}"""
SETTLE_S = 1.0
"""Seconds after which what was closed is gone."""
WARM_TABS = 2
"""Tabs opened and closed before memory is first looked at: the first ones fill what is kept for all."""


def measure(sizes: Sizes, session: Session) -> Iterator[Found]:
    """Open the page, play, pause, move, scrub, leave it playing, open and close it."""
    missing = [name for name in NEEDED if find_spec(name) is None] + ([] if CHROMIUM else ["chromium"])
    if missing:
        yield Skipped("the page in a browser", f"not installed here: {', '.join(missing)}")
        return
    extent = EXTENTS.get(sizes.name, Extent(1, 1, 1, 0.01, 1))
    with served() as server, browser() as chromium:
        yield _opening(chromium, server, extent)
        yield from _keeping_up(chromium, server, extent)
        yield from _answering(chromium, server, extent)
        yield from _holding_on(chromium, server, extent)


@dataclass(frozen=True)
class Server:
    """A dashboard that is being served."""

    address: str
    process: subprocess.Popen[str]

    def megabytes(self) -> float:
        """Return the memory that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) / 1000.0


@contextmanager
def served() -> Iterator[Server]:
    """Serve the dashboard on a free port."""
    command = (sys.executable, "-m", "sim.cli", "dashboard", SCENARIO, "--port", "0", "--no-open")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        try:
            yield Server("http://" + said.split("http://")[1].split()[0], process)
        finally:
            process.send_signal(signal.SIGINT)


@contextmanager
def browser() -> Iterator[Any]:
    """Start a headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play, play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as chromium:
        yield chromium


@contextmanager
def opened(chromium: Any, server: Server) -> Iterator[Any]:
    """Open the page in a tab of its own, and wait until it answers."""
    with chromium.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.goto(server.address)
        page.get_by_role("tab", name="Change").click()
        page.wait_for_selector(".sp-search")
        yield page
        page.goto("about:blank")  # the page says goodbye, as it does when a tab is closed


def _opening(chromium: Any, server: Server, extent: Extent) -> Figure:
    """Time from the address to the first click that is answered."""
    seconds = []
    for _ in range(extent.openings):
        begun = perf_counter()
        with opened(chromium, server):
            seconds.append(perf_counter() - begun)
    what = "from the address to the first click answered"
    return Figure("page_opens", what, Sample(tuple(seconds)), "s", goal=Goal(4.0))


def _keeping_up(chromium: Any, server: Server, extent: Extent) -> Iterator[Figure]:
    """Count what is drawn while the model runs for it, from its start."""
    found = []
    with opened(chromium, server) as page:
        page.get_by_text("10 d/s").click()
        for _ in range(extent.plays):
            _to_the_end(page)
            _start_over(page)
            page.wait_for_function(f"!({OVER})()")
            found.append(page.evaluate(COUNT_FRAMES, COUNTED_S))
    frames, hours = (Sample(tuple(values)) for values in zip(*found, strict=True))
    what = "pictures of the map a second, while the battle is run"
    yield Figure("page_frames", what, frames, "1/s", goal=Goal(15.0, "at least"))
    yield Figure("page_hours", "hours of it a second meanwhile", hours, "h/s", goal=Goal(100.0, "at least"))


def _answering(chromium: Any, server: Server, extent: Extent) -> Iterator[Figure]:
    """Time what a reader does, from the event in the browser to what the page says of it."""
    rounds = range(extent.answers)
    with opened(chromium, server) as page:
        _to_the_end(page)
        page.get_by_text("6 h/s").click()
        page.evaluate("document.activeElement.blur()")  # the space bar is for a button that has the focus
        space, button = partial(page.keyboard.press, " "), (".sp-scrubber-acts .sp-go", "aria-label")
        pauses = [_answer(page, space, "keydown", *button) for _ in rounds for _ in ("play", "pause")]
        page.get_by_role("button", name="Channel: kin").click()
        slider, told = page.locator(".sp-slider").first, ".sp-panel [role=status]"
        keys = [partial(slider.press, key) for key in ("ArrowRight", "ArrowLeft")]
        sliders = [_answer(page, press, "input", told) for _ in rounds for press in keys]
        line = page.locator(".sp-scrubber-rail").bounding_box()
        places = [line["x"] + line["width"] * (0.15 + 0.07 * (7 * number % 10)) for number in rounds]
        clicks = [partial(page.mouse.click, x, line["y"] + line["height"] / 2) for x in places]
        scrubs = [_answer(page, click, "pointerdown", ".sp-map canvas", "aria-label") for click in clicks]
    yield Figure("page_pause", "from the space bar to play or pause", Sample(tuple(pauses)), "s", goal=Goal(0.3))
    yield Figure("page_slider", "from a slider to its being counted", Sample(tuple(sliders)), "s", goal=Goal(0.3))
    yield Figure("page_scrub", "from the line of time to that hour's map", Sample(tuple(scrubs)), "s", goal=Goal(0.2))


def _holding_on(chromium: Any, server: Server, extent: Extent) -> Iterator[Figure]:
    """See what memory the server holds after minutes of play, and after tabs that were closed."""
    with opened(chromium, server) as page:
        _to_the_end(page)
        before, until = server.megabytes(), perf_counter() + 60.0 * extent.minutes
        while perf_counter() < until:
            _start_over(page)
            _to_the_end(page)
        grown = Sample.of(server.megabytes() - before)
    what = f"memory gained in {extent.minutes:g} minutes of play"
    yield Figure("page_play_memory", what, grown, "MB", goal=Goal(MEGABYTES), note=f"from {before:.0f} MB")
    for _ in range(WARM_TABS):
        _come_and_go(chromium, server)
    before = server.megabytes()
    for _ in range(extent.tabs):
        _come_and_go(chromium, server)
    grown = Sample.of(server.megabytes() - before)
    what = f"memory gained in {extent.tabs} tabs opened and closed"
    yield Figure("page_tab_memory", what, grown, "MB", goal=Goal(MEGABYTES), note=f"from {before:.0f} MB")


def _come_and_go(chromium: Any, server: Server) -> None:
    with opened(chromium, server):
        sleep(SETTLE_S)
    sleep(SETTLE_S)


def _answer(page: Any, act: Callable[[], None], event: str, selector: str, attribute: str | None = None) -> float:
    """Return the seconds from an event to the next change of what the page says."""
    page.evaluate(WATCH, [event, selector, attribute])
    act()
    return float(page.wait_for_function("answered").json_value())


def _start_over(page: Any) -> None:
    page.get_by_role("button", name="Start over", exact=True).click()


def _to_the_end(page: Any) -> None:
    """Let the battle be over."""
    page.get_by_text("10 d/s").click()
    page.wait_for_function(OVER, timeout=60_000)
