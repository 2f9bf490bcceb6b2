"""Figures are drawn for any scenario; what is in them is looked at by people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from matplotlib.image import imread
from synthetic import ELSEWHERE, empty_record, record_of, result_of, theatre

from sim.figures import theatre_map, timeline
from sim.runs import Result
from sim.scenario import Scenario

DRAWN = pytest.mark.parametrize("draw", [timeline, theatre_map])


def two_towns() -> Result:
    scenario = theatre()
    return result_of(scenario, record_of(scenario))


def stopped_at_once() -> Result:
    scenario = theatre()
    return result_of(scenario, empty_record(scenario), interrupted=True)


def elsewhere() -> Result:
    """Return a run of one place, far from every outline, where nothing happens."""
    scenario = Scenario.from_toml(ELSEWHERE)
    record = empty_record(scenario)
    record.steps_done = scenario.steps
    return result_of(scenario, record)


@DRAWN
@pytest.mark.parametrize("made", [two_towns, stopped_at_once, elsewhere])
def test_a_figure_has_something_on_it(
    draw: Callable[[Result, Path], Path], made: Callable[[], Result], tmp_path: Path
) -> None:
    image = imread(draw(made(), tmp_path / "figure.png"))
    assert min(image.shape[:2]) > 300
    assert image[..., :3].std() > 0.01


@DRAWN
def test_a_figure_can_be_for_print(draw: Callable[[Result, Path], Path], tmp_path: Path) -> None:
    text = draw(two_towns(), tmp_path / "figure.svg").read_text()
    assert "not a forecast" in text


@DRAWN
def test_drawing_leaves_no_figure_open_and_no_style_changed(
    draw: Callable[[Result, Path], Path], tmp_path: Path
) -> None:
    before = dict(plt.rcParams)
    draw(two_towns(), tmp_path / "figure.png")
    assert plt.get_fignums() == []
    assert dict(plt.rcParams) == before


def test_a_map_says_that_its_roads_are_schematic(tmp_path: Path) -> None:
    assert "schematic" in theatre_map(two_towns(), tmp_path / "map.svg").read_text()
