"""Draws that depend on the decision alone, and the counts made from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sim.chance import Chance, code
from sim.kernels import chance as kernel

MANY = 400_000
word32 = st.integers(0, 2**32 - 1)
TAILS = [1e-10, 1e-8, 1e-6, 0.5, 1 - 1e-6, 1 - 1e-8, 1 - 1e-10]  # sums of probabilities round at about 1e-13
LUCK = np.concatenate([(np.arange(300) + 0.5) / 300, TAILS])


def philox(counter, key):
    """Return the four words of Philox4x32-10 (Salmon et al. 2011), as the paper has it.

    Words are Python integers, or uint64 arrays of one shape.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c3 ^ k1, p0 & 0xFFFFFFFF
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def uniform(seed, decision, step, entity, group):
    """Return the draw of `Chance.uniform` from the words."""
    a, b, _, _ = philox((entity, group, step, code(decision)), (seed & 0xFFFFFFFF, seed >> 32))
    return min(((a << 21 ^ b >> 11) + 0.5) / 2**53, 1 - 2**-53)


# --- the generator


PUBLISHED = [  # Random123, tests/kat_vectors: philox4x32 10
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), PUBLISHED)
def test_the_words_are_those_published_for_philox4x32_10(counter, key, words):
    assert philox(counter, key) == words
    assert tuple(int(w) for w in kernel.philox(*map(np.uint64, counter + key))) == words


@given(st.tuples(word32, word32, word32, word32), st.tuples(word32, word32))
def test_the_unrolled_rounds_are_those_of_the_paper(counter, key):
    assert tuple(int(w) for w in kernel.philox(*map(np.uint64, counter + key))) == philox(counter, key)


@given(st.integers(0, 2**64 - 1), word32, word32, word32, st.text(max_size=8))
def test_a_draw_is_a_function_of_seed_decision_entity_group_and_step(seed, entity, group, step, decision):
    draw = Chance(seed).uniform(decision, step, entity, group)
    assert draw == uniform(seed, decision, step, entity, group)
    assert 0.0 < draw < 1.0


def test_each_of_seed_decision_entity_group_and_step_changes_the_draw():
    base = {"seed": 3, "decision": "flight", "step": 5, "entity": 7, "group": 11}
    other = {"seed": 3 + 2**32, "decision": "fight", "step": 6, "entity": 8, "group": 12}
    draws = {uniform(**base)} | {uniform(**base | {key: value}) for key, value in other.items()}
    assert len(draws) == 6


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(ValueError, match="outside"):
        Chance(seed)


def test_drawing_something_else_in_between_changes_no_draw():
    chance = Chance(1)
    before = [chance.uniform("flight", step, 4) for step in range(20)]
    after = []
    for step in range(20):
        chance.uniforms("another mechanism", step, np.arange(50))
        after.append(chance.uniform("flight", step, 4))
    assert after == before


@given(st.permutations(range(40)), st.integers(0, 40))
def test_neither_the_order_nor_the_partition_of_entities_changes_a_draw(order, cut):
    chance, who = Chance(9), np.array(order)
    alone = np.array([chance.uniform("flight", 2, e, 6) for e in order])
    parts = [chance.uniforms("flight", 2, part, 6) for part in (who[:cut], who[cut:])]
    assert np.array_equal(np.concatenate(parts), alone)


@pytest.mark.parametrize(("word", "draw"), [(0, 2.0**-54), (2**32 - 1, kernel.LARGEST)])
def test_no_words_make_a_draw_of_zero_or_one(word, draw, monkeypatch):
    """53 bits and a half, rounded to a double, would be 1.0 once in 2^53."""
    monkeypatch.setattr(kernel, "philox", lambda *_: (np.uint64(word),) * 4)
    assert kernel.uniform.py_func(0, 0, 0, 0, 0, 0) == draw
    assert 0.0 < draw < 1.0


# --- the distribution of the draws: at most one false alarm in 10^5 for each check


def lanes(seed=1, step=0, decision="flight", group=0):
    return Chance(seed).uniforms(decision, step, np.arange(MANY), group)


@pytest.mark.parametrize("of", [{}, {"seed": 2**63}, {"step": 4000, "group": code("east")}, {"decision": "x"}])
def test_draws_are_uniform(of):
    """KS would see a distribution function off by 0.0038 anywhere; chi-square a bin in 1000 off by about 25 %."""
    draws = lanes(**of)
    assert stats.kstest(draws, "uniform").statistic < 2.42 / math.sqrt(MANY)  # P = 1.6e-5
    counts = np.bincount((draws * 1000).astype(int), minlength=1000)
    assert stats.chisquare(counts).pvalue > 1e-5


def test_draws_over_steps_are_uniform_too():
    chance = Chance(4)
    over_steps = np.array([chance.uniform("flight", step, 3, 8) for step in range(20_000)])
    assert stats.kstest(over_steps, "uniform").statistic < 2.42 / math.sqrt(over_steps.size)  # an error of 0.017


SEEN = 4.5 / math.sqrt(MANY)
"""The correlation that would be seen: 0.007."""


@pytest.mark.parametrize(
    ("of", "shift"),
    [
        ({}, 1),
        ({"step": 1}, 0),
        ({"seed": 2}, 0),
        ({"seed": 1 + 2**32}, 0),
        ({"decision": "fight"}, 0),
        ({"group": 1}, 0),
        ({"step": 1}, 1),
    ],
    ids=["entities", "steps", "seeds", "high seeds", "decisions", "groups", "entity against step"],
)
def test_neighbours_draw_independently(of, shift):
    one, other = lanes()[: MANY - shift], lanes(**of)[shift:]
    for f in (lambda u: u, lambda u: (u - 0.5) ** 2, lambda u: -np.log(u)):
        assert abs(np.corrcoef(f(one), f(other))[0, 1]) < SEEN
    table = np.bincount((one * 16).astype(int) * 16 + (other * 16).astype(int), minlength=256)
    assert stats.chisquare(table).pvalue > 1e-5  # would see a cell of 256 off by about 12 %


# --- counts from draws


MEANS = [*np.geomspace(1e-4, 500.0, 50), 1.0, 499.0]
POISSON = np.vectorize(kernel.poisson_quantile, otypes=[np.int64])
BINOMIAL = np.vectorize(kernel.binomial_quantile, otypes=[np.int64])


@pytest.mark.parametrize("mean", MEANS)
def test_poisson_counts_are_the_exact_quantiles_up_to_a_mean_of_500(mean):
    assert np.array_equal(POISSON(LUCK, mean), stats.poisson.ppf(LUCK, mean))


@pytest.mark.parametrize("mean", [500.001, 700.0, 2e3, 1e4, 1e6, 1e9])
def test_poisson_counts_beyond_that_are_off_by_one_at_most_and_rarely(mean):
    off = POISSON(LUCK, mean) - stats.poisson.ppf(LUCK, mean)
    assert np.abs(off).max() <= 1
    assert np.mean(off != 0) < 0.02


TRIALS = [1, 2, 5, 17, 100, 1000, 20_000, 1_000_000]
SHARES = [1e-6, 1.3e-3, 0.0123, 0.15, 0.31, 0.5, 0.501, 0.77, 0.9987]


@pytest.mark.parametrize("n", TRIALS)
@pytest.mark.parametrize("p", SHARES)
def test_binomial_counts_are_quantiles(n, p):
    off = BINOMIAL(LUCK, n, p) - stats.binom.ppf(LUCK, n, p)
    if n * min(p, 1 - p) <= 500:
        assert not off.any()
    else:
        assert np.abs(off).max() <= 1
        assert np.mean(off != 0) < 0.03


def test_no_trial_and_no_chance_and_certainty_are_no_luck():
    chance = Chance(1)
    assert chance.poisson("x", 0, 0.0) == chance.poisson("x", 0, -1.0) == 0
    assert chance.binomial("x", 0, 0, 0.5) == chance.binomial("x", 0, 9, 0.0) == 0
    assert chance.binomial("x", 0, 9, 1.0) == 9


@given(st.floats(1e-10, 1 - 1e-10), st.floats(0.0, 450.0), st.floats(0.0, 50.0))
@settings(max_examples=300)
def test_the_same_luck_never_gives_fewer_for_a_greater_mean(u, mean, more):
    assert kernel.poisson_quantile(u, mean) <= kernel.poisson_quantile(u, mean + more)


def test_the_same_luck_gives_at_most_one_fewer_where_the_formula_changes():
    """At a mean of 500 the sum gives way to the approximation: one fewer in one draw of 200, never more."""
    below, above = POISSON(LUCK, 500.0), POISSON(LUCK, np.nextafter(500.0, 501.0))
    assert (above - below).min() >= -1
    assert np.mean(above != below) < 0.02
    for mean in (520.0, 800.0, 5e4):
        assert np.all(POISSON(LUCK, mean) <= POISSON(LUCK, mean * 1.001))
    assert np.all(below <= POISSON(LUCK, 505.0))


@given(st.floats(1e-10, 1 - 1e-10), st.integers(0, 900), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@settings(max_examples=300)
def test_the_same_luck_never_gives_fewer_for_a_greater_chance(u, n, p, q):
    low, high = sorted((p, q))
    assert kernel.binomial_quantile(u, n, low) <= kernel.binomial_quantile(u, n, high)


@pytest.mark.parametrize("mean", np.geomspace(1e-3, 500.0, 40))
@pytest.mark.parametrize("u", [kernel.LARGEST, 1 - 2.0**-51, 1 - 2.0**-49])
def test_the_very_luckiest_draw_is_not_ten_thousand_dead(mean, u):
    """The sum of the probabilities may stop short of such a draw: it must not run on to its limit."""
    assert abs(kernel.poisson_quantile(u, mean) - stats.poisson.ppf(u, mean)) <= 0.05 * mean + 12
    assert kernel.binomial_quantile(u, 100_000, mean / 100_000) <= stats.poisson.ppf(u, mean) + 0.05 * mean + 12


def test_normal_quantiles_have_nine_digits():
    u = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 20_001), np.geomspace(1e-300, 0.1, 500), [0.02425, 0.97575]])
    ours, exact = np.vectorize(kernel.normal_quantile)(u), stats.norm.ppf(u)
    assert np.all(np.abs(ours - exact) <= 1.2e-9 * np.abs(exact) + 1e-12)


def test_counts_are_drawn_from_the_keyed_uniform():
    chance = Chance(12)
    u = chance.uniform("hit", 3, 4, 5)
    assert chance.poisson("hit", 3, 7.5, 4, 5) == stats.poisson.ppf(u, 7.5)
    assert chance.binomial("hit", 3, 20, 0.4, 4, 5) == stats.binom.ppf(u, 20, 0.4)
