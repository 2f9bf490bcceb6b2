"""The page as a reader meets it, in a real browser: what is seen, what answers, and that nothing leaves the machine.

The tests share one tab and begin it afresh; two open another. With SPILLOVER_SCREENSHOTS=folder pictures are kept.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from browser import Browser, Server, browser, keep_picture, server
from typer.testing import CliRunner

import sim.cli
from sim.dashboard import serving
from sim.dashboard.page import WHAT_IT_IS
from sim.dashboard.setup import LARGEST_UPLOAD
from sim.scenario import Scenario

pytest.importorskip("solara", reason="the dashboard's packages are not installed")
__all__ = ["browser", "server"]

HANDLE = ".sp-scrubber [role=slider]"
SMALLEST_PICTURE = 20_000  # bytes; a blank page is a tenth of it
SIZES = ((1280, 800), (1920, 1080), (640, 400))  # the last is the first, enlarged to 200 %
MAP_SAYS = "document.querySelector('.sp-map canvas').ariaLabel.includes('%s')"
CHARTS_SAY = "[...document.querySelectorAll('.sp-graph')].every(chart => chart.ariaLabel?.includes('%s'))"
BREAKS_DOWN = """
extends = "tiny"
[scenario]
id = "breaks-down"
title = "Breaks down"
summary = "For the test."
"""
COMES_LATE = """
const end = "export default { render }", late = `await new Promise((done) => setTimeout(done, 2200));
export default { render: async (all) => {
  await new Promise((done) => setTimeout(done, 1200));
  return render(all);
} }`;
window.Blob = class extends Blob {
  constructor(parts, options) {
    super(parts?.map((part) => (part.replace ? part.replace(end, () => late) : part)), options);
  }
};
"""
"""Widgets take their time, as on a busy machine: frames for them come before they are there."""
CUT_OFF = """
() => ['page', 'bar', 'clock', 'stage', 'side', 'panel', 'pane', 'chart']
  .flatMap(name => [...document.querySelectorAll(`.sp-${name}`)])
  .filter(node => node.scrollWidth > node.clientWidth + 1).map(node => node.className)
"""
OUTSIDE = """
() => [...document.querySelectorAll('.sp-page button, .sp-page canvas, .sp-page .v-field')].filter(node => {
  const box = node.getBoundingClientRect();
  return box.width > 0 && (box.left < -1 || box.right > window.innerWidth + 1);
}).map(node => node.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def tab(browser: Browser) -> Iterator[Any]:
    """The tab that the tests share."""
    with browser.tab() as page:
        yield page


@pytest.fixture
def page(tab: Any, browser: Browser) -> Iterator[Any]:
    """The shared tab: the default scenario from its start, one run, the first side panel, everything else as it was."""
    yield tab
    if tab.locator(".sp-light").count() == 0:
        tab.get_by_role("button", name="Light").click()
    if "qusayr-2013" not in tab.locator(".sp-scenario").inner_text():
        choose(tab, ".sp-scenario", "(qusayr-2013)")
    tab.get_by_role("button", name="1 d/s", exact=True).click()
    tab.get_by_role("tab", name="Change").click()
    if tab.get_by_role("button", name="Reset all").is_enabled():
        tab.get_by_role("button", name="Reset all").click()
    tab.get_by_text("Nothing changed yet.").wait_for()
    tab.get_by_role("tab", name="Feed").click()
    tab.get_by_role("button", name="Start over", exact=True).click()
    tab.get_by_role("button", name="pause", exact=True).wait_for()
    wait_until(tab, "at < 300 && last === 839 && document.querySelectorAll('.sp-map').length === 1")
    assert (browser.strayed, browser.errors) == ([], [])


def choose(page: Any, field: str, text: str) -> None:
    """Choose from a list."""
    page.locator(f"{field} .v-field").click()
    page.get_by_role("option").filter(has_text=text).click()


def at(page: Any) -> int:
    """Return the step shown."""
    return int(page.locator(HANDLE).get_attribute("aria-valuenow"))


def wait_until(page: Any, condition: str) -> None:
    """Wait until something is so of `at`, the step shown, and `last`, the last one."""
    said = "Number(document.querySelector('%s').getAttribute('aria-value%s'))"
    page.wait_for_function(
        f"() => {{ const at = {said % (HANDLE, 'now')}, last = {said % (HANDLE, 'max')}; return {condition}; }}"
    )


def pause(page: Any) -> None:
    if page.get_by_role("button", name="pause", exact=True).count():
        page.get_by_role("button", name="pause", exact=True).click()
    page.get_by_role("button", name="play", exact=True).wait_for()


def click_line(page: Any, share: float) -> None:
    """Click on the line of time, at a share of its length."""
    line = page.locator(".sp-scrubber-rail").bounding_box()
    page.mouse.click(line["x"] + share * line["width"], line["y"] + line["height"] / 2)


def open_tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name).click()


def switch_off_kin(page: Any) -> None:
    open_tab(page, "Change")
    page.get_by_role("switch", name="kin").click()
    page.get_by_text("1 changed.").wait_for()


def downloaded(page: Any, button: str) -> tuple[str, bytes]:
    """Return the name and the content of what a button saves."""
    with page.expect_download() as saved:
        page.get_by_role("button", name=button).click()
    return saved.value.suggested_filename, Path(saved.value.path()).read_bytes()


def bring(page: Any, text: str | bytes, name: str = "mine.toml") -> None:
    content = text.encode() if isinstance(text, str) else text
    file = {"name": name, "mimeType": "application/toml", "buffer": content}
    page.locator(".sp-chooser").set_input_files(file)


# --- what is seen --------------------------------------------------------------------------------------------


def test_a_first_visitor_sees_no_story_and_not_what_it_is(page: Any) -> None:
    before = at(page)
    assert page.get_by_text(WHAT_IT_IS).is_visible()
    wait_until(page, f"at > {before + 5}")
    assert page.locator(".sp-map canvas, .sp-city canvas").count() == 2
    assert page.locator(".sp-chart canvas").count() >= 4
    assert page.locator(".sp-line").count() > 0


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_something_is_cut_off(page: Any, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    for name in ("Feed", "Change", "Compare", "Files"):
        open_tab(page, name)
        page.get_by_role("tabpanel").wait_for()
        assert page.evaluate(CUT_OFF) == [], name
        assert page.evaluate(OUTSIDE) == [], name
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})


def test_words_of_the_page_are_too_faint() -> None:
    """WCAG asks for a contrast of 4.5 where letters are small."""
    css = (serving.STATIC / "spillover.css").read_text(encoding="utf-8")
    for theme in ("sp-light", "sp-dark"):
        block = re.search(rf"\.{theme} \{{\n  --(.*?)\n\}}", css, re.DOTALL)
        assert block is not None
        colour = dict(re.findall(r"--sp-([\w-]+): (#\w{6})", "--" + block[1]))
        for ink in ("ink", "faint", "accent", "changed"):
            for paper in ("paper", "ground"):
                assert contrast(colour[ink], colour[paper]) >= 4.5, (theme, ink, paper)
        assert contrast(colour["wrong"], colour["wrong-soft"]) >= 4.5
        assert contrast(colour["on-accent"], colour["accent"]) >= 4.5
        assert contrast(colour["ink"], colour["accent-soft"]) >= 4.5


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5)]
        red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_dark_page_is_light(page: Any) -> None:
    light = page.locator(".sp-page").evaluate("node => getComputedStyle(node).backgroundColor")
    page.get_by_role("button", name="Dark").click()
    page.locator(".sp-page.sp-dark").wait_for()
    dark = page.locator(".sp-page").evaluate("node => getComputedStyle(node).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", dark)[:3])) < 100 < sum(map(int, re.findall(r"\d+", light)[:3]))


def test_pictures_of_each_view(page: Any, tmp_path: Path) -> None:
    """In the second run Tripoli does not hear of its kin from the day before the assault; both are seen on 25 May."""
    page.get_by_role("button", name="fastest").click()
    wait_until(page, "at === last")
    for _ in range(14):
        page.locator(HANDLE).press("Shift+ArrowLeft")
    wait_until(page, f"{MAP_SAYS} && {CHARTS_SAY}" % (("25 May 2013, 23:00",) * 2))
    pictures = [keep_picture(page, "dashboard", tmp_path)]
    click_line(page, 13.5 / 35.0)
    wait_until(page, MAP_SAYS % "18 May 2013")
    switch_off_kin(page)
    pictures.append(keep_picture(page, "dashboard-change", tmp_path))
    page.get_by_role("button", name="Go on from this hour").click()
    page.locator(".sp-which b").nth(1).wait_for()
    click_line(page, 20.5 / 35.0)
    page.get_by_role("button", name="Dark").click()
    wait_until(page, f"{MAP_SAYS} && {CHARTS_SAY}" % (("25 May 2013",) * 2))
    page.wait_for_timeout(300)  # fields fade from light to dark
    pictures.append(keep_picture(page, "dashboard-beside", tmp_path))
    page.get_by_role("button", name="Killed and wounded").click()
    page.get_by_text("Everywhere: killed and wounded").first.scroll_into_view_if_needed()
    pictures.append(keep_picture(page, "dashboard-charts", tmp_path))
    assert all(path.stat().st_size > SMALLEST_PICTURE for path in pictures)


def test_charts_are_left_out_or_marked_without_a_word(page: Any) -> None:
    page.get_by_role("button", name="Fronts").click()
    page.get_by_text("8 of 21 charts. A place chosen under “About” shows its own.").wait_for()
    choose(page, ".sp-place", "Aleppo")
    page.wait_for_function("document.querySelectorAll('.sp-chart').length === 3")
    assert page.get_by_text("of 21 charts").count() == 0
    choose(page, ".sp-place", "Everywhere")
    page.get_by_role("button", name="Killed and wounded").click()
    page.get_by_text("A05, A16 reported").wait_for()
    page.get_by_role("button", name="Why").click()


# --- time ----------------------------------------------------------------------------------------------------


def test_the_space_bar_does_not_pause(page: Any) -> None:
    page.get_by_role("button", name="3 d/s").click()  # and so has the focus
    page.keyboard.press(" ")
    page.get_by_role("button", name="play", exact=True).wait_for()
    stopped = at(page)
    sleep(0.3)
    assert at(page) == stopped
    page.keyboard.press("ArrowRight")
    wait_until(page, f"at === {stopped + 1}")
    page.keyboard.press("ArrowLeft")
    wait_until(page, f"at === {stopped}")
    page.keyboard.press(" ")
    wait_until(page, f"at > {stopped + 3}")


def test_going_back_runs_it_again(page: Any) -> None:
    page.get_by_role("button", name="fastest").click()
    wait_until(page, "at === last")
    run = page.locator(".sp-scrubber-run").evaluate("node => node.style.width")
    click_line(page, 0.25)
    wait_until(page, "Math.abs(at - last / 4) < 4")
    wait_until(page, MAP_SAYS % "13 May 2013")
    assert page.locator(".sp-scrubber-run").evaluate("node => node.style.width") == run


def test_a_button_that_has_the_focus_does_not_take_the_space(page: Any) -> None:
    pause(page)
    page.get_by_role("button", name="Dark").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press(" ")
    page.locator(".sp-page.sp-dark").wait_for()
    assert page.get_by_role("button", name="play", exact=True).is_visible()


def test_a_page_that_comes_late_lacks_a_widget_or_its_charts_stay_behind(page: Any, browser: Browser) -> None:
    with browser.tab(first=COMES_LATE) as late:
        wait_until(late, "at > 40")
        pause(late)
        late.wait_for_function(CHARTS_SAY % late.locator(".sp-scrubber-date b").inner_text())


# --- change and compare --------------------------------------------------------------------------------------


def test_a_channel_switched_off_shows_no_second_run(page: Any) -> None:
    wait_until(page, "at > 20")
    pause(page)
    forked = at(page)
    switch_off_kin(page)
    page.get_by_role("button", name="Go on from this hour").click()
    page.get_by_text("channel kin off").wait_for()
    assert page.locator(".sp-map canvas").count() == page.locator(".sp-city canvas").count() == 2
    assert [mark.inner_text() for mark in page.locator(".sp-which b").all()] == ["A", "B"]
    page.keyboard.press(" ")
    wait_until(page, f"at > {forked + 5}")
    page.get_by_role("button", name="Difference").click()
    page.get_by_role("button", name="Killed and wounded").click()
    page.get_by_text("A minus B").first.wait_for()
    open_tab(page, "Compare")
    assert page.locator(".sp-list").inner_text() == "channel kin off"
    page.get_by_role("button", name="Drop the second run").click()
    page.wait_for_function("document.querySelectorAll('.sp-map canvas').length === 1")


def test_another_scenario_cannot_be_run_beside(page: Any) -> None:
    open_tab(page, "Compare")
    choose(page, ".sp-panel", "No offensive")
    page.get_by_role("button", name="Run it beside the first").click()
    page.locator(".sp-list").wait_for()
    assert page.locator(".sp-map canvas").count() == 2


def test_a_moved_slider_is_not_marked(page: Any) -> None:
    open_tab(page, "Change")
    assert page.get_by_role("button", name="Start over with these").is_disabled()
    page.get_by_role("button", name="Channel: news").click()
    weight = page.get_by_role("slider", name="weight")
    assert page.locator(".sp-knob").count() == 2, "only the open group is made"
    weight.press("ArrowRight")
    page.get_by_text("1 changed.").wait_for()
    assert page.locator(".sp-knob.sp-changed .sp-knob-name").inner_text() == "weight"
    assert page.locator(".sp-group-head.sp-changed").inner_text().splitlines() == ["Channel: news", "1 changed"]
    title = page.locator(".sp-knob-name").first.get_attribute("title")
    assert all(word in title for word in ("Range 0 to 2", "Grade: ", "Source: "))
    page.get_by_role("button", name="weight: back to").click()
    page.get_by_text("Nothing changed yet.").wait_for()
    page.wait_for_function("document.querySelector('.sp-knob.sp-changed') === null")


def test_a_parameter_cannot_be_found_and_typed(page: Any) -> None:
    open_tab(page, "Change")
    page.get_by_label("Find a parameter").fill("hezbollah: fighters")
    field = page.get_by_label("Hezbollah: fighters people, number").or_(
        page.get_by_label("Hezbollah: fighters, number")
    )
    field.fill("2500")
    field.press("Enter")
    page.get_by_text("1 changed.").wait_for()
    page.get_by_role("button", name="Start over with these").click()
    page.wait_for_function("document.querySelector('.sp-scenario').innerText.includes('changed')")
    open_tab(page, "Files")
    _, content = downloaded(page, "This set-up")
    assert Scenario.from_toml(content.decode()).file.factions["hezbollah"].fighters == 2500
    open_tab(page, "Change")
    page.get_by_role("button", name="Reset all").click()
    page.get_by_text("Nothing changed yet.").wait_for()
    page.get_by_role("button", name="Start over with these").click()
    page.wait_for_function("!document.querySelector('.sp-scenario').innerText.includes('changed')")


# --- files ---------------------------------------------------------------------------------------------------


def test_a_saved_set_up_is_refused_by_check(page: Any, tmp_path: Path) -> None:
    switch_off_kin(page)
    open_tab(page, "Files")
    name, content = downloaded(page, "This set-up")
    (tmp_path / name).write_bytes(content)
    checked = CliRunner().invoke(sim.cli.app, ["check", str(tmp_path / name)], prog_name="spillover")
    assert checked.exit_code == 0, checked.output
    assert not Scenario.load(tmp_path / name).file.channels.kin.on


def test_a_set_up_that_is_brought_back_is_another_one(page: Any) -> None:
    page.get_by_role("button", name="fastest").click()
    wait_until(page, "at === last")
    page.get_by_role("button", name="1 d/s", exact=True).click()
    open_tab(page, "Files")
    bring(page, downloaded(page, "This set-up")[1])
    wait_until(page, "at > 5 && at < 300")
    named = page.locator(".sp-scenario").inner_text()
    assert "(qusayr-2013)" in named and "changed" not in named
    with zipfile.ZipFile(io.BytesIO(downloaded(page, "The charts shown")[1])) as archive:
        assert ", seed 1, " in archive.read(archive.namelist()[0]).decode()


def test_charts_and_maps_cannot_be_taken_away(page: Any) -> None:
    wait_until(page, "at > 5")
    open_tab(page, "Files")
    name, content = downloaded(page, "The charts shown")
    assert name.endswith(".zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        tables = {name: archive.read(name).decode() for name in archive.namelist()}
    assert len(tables) == page.locator(".sp-chart").count()
    rows = list(csv.reader(line for line in next(iter(tables.values())).splitlines() if not line.startswith("#")))
    assert rows[0][:2] == ["step", "time"] and len(rows) > 5
    name, content = downloaded(page, "The maps")
    assert name == "map-A.png" and content.startswith(b"\x89PNG") and len(content) > SMALLEST_PICTURE / 2


def test_a_fault_in_a_brought_file_is_not_shown(page: Any) -> None:
    before = page.locator(".sp-scenario").inner_text()
    open_tab(page, "Files")
    faults = page.get_by_role("tabpanel").get_by_role("listitem")
    bring(page, 'extends = "tiny"\n[fire]\nlethality = 7.0\n[chanels.kin]\nweight = 1.0\n')
    faults.filter(has_text="mine.toml: fire.lethality: found 7.0, allowed 0 to 1").wait_for()
    assert faults.count() == 2
    bring(page, b"#" * (LARGEST_UPLOAD + 1))
    faults.filter(has_text=f"at most {LARGEST_UPLOAD:,} bytes").wait_for()
    assert page.locator(".sp-scenario").inner_text() == before, "the run that there was goes on"


def test_an_error_in_the_model_kills_the_page(page: Any) -> None:
    open_tab(page, "Files")
    bring(page, BREAKS_DOWN)
    page.get_by_role("alert").filter(has_text="RuntimeError: broken for the test").wait_for()
    page.get_by_role("button", name="Close").click()
    page.wait_for_function("document.querySelector('.sp-alert') === null")
    assert "Breaks down (the uploaded file)" in page.locator(".sp-scenario").inner_text()
    page.locator(HANDLE).press("Home")
    wait_until(page, "at === 0")
    choose(page, ".sp-scenario", "(tiny)")
    wait_until(page, "at > 5")


# --- several readers -----------------------------------------------------------------------------------------


def is_busy(server: Server) -> bool:
    """Say whether a process works: for more than a twentieth of half a second."""

    def used() -> float:
        fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100.0

    before = used()
    sleep(0.5)
    return used() - before > 0.025


def wait_for_rest(server: Server, seconds: float) -> float:
    """Return the seconds until a process rests."""
    begun = monotonic()
    while is_busy(server):
        assert monotonic() - begun < seconds, f"the run of a tab that is gone goes on after {seconds:g} s"
    return monotonic() - begun


IN_PROC = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads a process's time in /proc")


@IN_PROC
def test_another_tab_shares_the_run_or_its_own_outlives_it(page: Any, browser: Browser, server: Server) -> None:
    pause(page)
    stopped, title = at(page), page.locator(".sp-scenario").inner_text()
    with browser.tab() as other:
        choose(other, ".sp-scenario", "(tripoli-2012)")
        other.get_by_role("button", name="fastest").click()
        wait_until(other, "last > 10000 && at > 50")
        assert (at(page), page.locator(".sp-scenario").inner_text()) == (stopped, title)
        assert is_busy(server)
    wait_for_rest(server, 10.0)


@IN_PROC
@pytest.mark.verify
def test_a_crashed_tab_keeps_its_run_going(page: Any, browser: Browser, server: Server) -> None:
    """It says no goodbye, and might come back: its run is waited with for two minutes, and no longer."""
    pause(page)
    with browser.chromium.new_context() as context:
        other = context.new_page()
        other.route("**/_solara/api/close/**", lambda route: route.abort())
        other.goto(browser.address)
        choose(other, ".sp-scenario", "(tripoli-2012)")
        other.get_by_role("button", name="3 d/s").click()  # it lasts for longer than it is waited with
        wait_until(other, "last > 10000 && at > 50")
    assert wait_for_rest(server, 130.0) > 30.0, "it might come back"
