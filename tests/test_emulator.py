"""What a figure would be where nobody has run the model, on surfaces that are known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from analysis.emulator import SPACING, Emulator, promising

LUCK = 0.2


def truth(shares: np.ndarray) -> np.ndarray:
    """Bend with the first parameter, rise with the second, and know nothing of the third."""
    return np.sin(3.0 * shares[:, 0]) + 2.0 * shares[:, 1]


@cache
def learnt(seed: int = 1) -> Emulator:
    rng = np.random.default_rng(seed)
    shares = rng.random((120, 3))
    return Emulator.of(shares, truth(shares) + LUCK * rng.normal(size=120))


def test_it_does_not_foretell_runs_it_has_not_seen() -> None:
    """Over 2,000 points the surface is missed by less than half the luck of a run, and luck is told to a quarter."""
    points = np.random.default_rng(2).random((2_000, 3))
    mean, spread = learnt().at(points)
    assert np.sqrt(np.mean((mean - truth(points)) ** 2)) < 0.5 * LUCK
    assert np.median(spread) == pytest.approx(LUCK, rel=0.25)
    assert learnt().length[2] > 2.0 * learnt().length[0]  # of what moves nothing it sees no waves


def test_its_spread_is_not_that_of_runs() -> None:
    """Middle 80 % of 500 new runs for each of 8 sets of draws, each of which tells luck to 6 %: one error is 0.012."""
    inside = []
    for seed in range(8):
        rng = np.random.default_rng(100 + seed)
        points = rng.random((500, 3))
        mean, spread = learnt(seed).at(points)
        inside.append(np.abs(truth(points) + LUCK * rng.normal(size=500) - mean) < 1.2816 * spread)
    assert np.mean(inside) == pytest.approx(0.8, abs=0.04)


def test_skill_is_not_what_is_foretold_of_a_draw_left_out() -> None:
    shares, rng = np.random.default_rng(4).random((80, 2)), np.random.default_rng(5)
    assert Emulator.of(shares, shares[:, 0]).skill > 0.99
    assert Emulator.of(shares, rng.normal(size=80)).skill < 0.2
    assert 0.85 < learnt().skill < 0.99


def test_a_run_without_the_figure_says_something() -> None:
    shares = np.random.default_rng(6).random((60, 2))
    figures = shares[:, 0].copy()
    gone = np.random.default_rng(7).random(60) < 0.3
    with_gaps, without = (
        Emulator.of(s, f).at(shares)[0]
        for s, f in ((shares, np.where(gone, np.nan, figures)), (shares[~gone], figures[~gone]))
    )
    assert np.array_equal(with_gaps, without)


def test_figures_that_never_move_are_not_told_as_they_are() -> None:
    shares = np.random.default_rng(8).random((40, 2))
    assert Emulator.of(shares, np.full(40, 7.0)).at(shares)[0] == pytest.approx(7.0)


def test_promising_points_are_not_where_least_is_expected() -> None:
    """A bowl about (0.3, 0.6) of which the second parameter is not free."""

    def bowl(shares: np.ndarray) -> np.ndarray:
        return (shares[:, 0] - 0.3) ** 2 + (shares[:, 1] - 0.6) ** 2 + (shares[:, 2] - 0.8) ** 2

    base = np.array([0.5, 0.55, 0.5])
    found = promising(bowl, base, np.array([0, 2]), 5, np.random.default_rng(9))
    assert found[0] == pytest.approx([0.3, 0.55, 0.8], abs=0.03)
    assert len(found) == 5 and np.all(found[:, 1] == 0.55)
    apart = np.abs(found[:, None, :] - found[None, :, :]).max(axis=2) + np.eye(5)
    assert apart.min() >= SPACING
    assert np.all(np.diff(bowl(found)) >= 0)
