"""Plans: what they may say, what is wrong with them, and which points they lay out."""

import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w

from analysis.design import Hashes, Plan, read_plan
from sim.console import Refused
from sim.measures import MEASURES
from sim.parameters import walk
from sim.scenario import Scenario

KIN, NEWS, RULE = "channels.kin.weight", "channels.news.half_life_h", "mobilisation.ratio_rule"
PEOPLE = "factions.league.fighters"
RULES = ["raw", "floor", "round"]
THREE = {KIN: {}, RULE: RULES, PEOPLE: {"low": 200, "high": 209}}
SALIB = "SALib"


def written(folder: Path, **keys: Any) -> Path:
    path = folder / "plan.toml"
    path.write_text(tomli_w.dumps({"scenario": "tiny"} | keys), encoding="utf-8")
    return path


def planned(folder: Path, **keys: Any) -> Plan:
    return read_plan(written(folder, **keys))


def points(plan: Plan) -> list[dict[str, Any]]:
    columns = plan.layout().columns
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def faults(folder: Path, yes: bool = False, **keys: Any) -> list[str]:
    path = written(folder, **keys)
    with pytest.raises(Refused) as refused:
        read_plan(path, yes)
    assert all(fault.startswith(str(path)) for fault in refused.value.faults)
    return [fault.removeprefix(f"{path}: ") for fault in refused.value.faults]


def declared(path: str) -> Any:
    return next(one for one in walk(Scenario.load("tiny").file) if one.path == path)


# --- layouts ---------------------------------------------------------------------------------------------


def test_a_range_is_not_the_one_that_the_parameter_declares(tmp_path: Path) -> None:
    one = planned(tmp_path, design="grid", parameters={KIN: {}}).varied[0]
    assert (one.low, one.high, one.unit) == (declared(KIN).low, declared(KIN).high, declared(KIN).unit)


def test_paths_must_be_quoted(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(
        'scenario = "tiny"\ndesign = "grid"\n[parameters]\nchannels.kin.weight = {}\n[set]\nclock.days = 2\n'
    )
    plan = read_plan(path)
    assert [one.path for one in plan.varied] == [KIN]
    assert plan.base.file.clock.days == 2.0


def test_a_grid_lacks_a_combination(tmp_path: Path) -> None:
    plan = planned(tmp_path, design={"kind": "grid", "levels": 4}, parameters=THREE)
    laid = points(plan)
    assert len(laid) == plan.size == 4 * 3 * 4
    assert len({tuple(point.values()) for point in laid}) == plan.size
    assert {point[PEOPLE] for point in laid} == {200, 203, 206, 209}
    assert {point[KIN] for point in laid} == set(np.linspace(declared(KIN).low, declared(KIN).high, 4))


def test_levels_of_a_parameter_give_way_to_those_of_the_design(tmp_path: Path) -> None:
    own = {KIN: {"levels": 5}, NEWS: {"low": 1, "high": 2}}
    assert planned(tmp_path, design={"kind": "grid", "levels": 3}, parameters=own).size == 15


def test_one_at_a_time_moves_two(tmp_path: Path) -> None:
    plan = planned(tmp_path, design="one-at-a-time", parameters=THREE)
    base = {one.path: one.base for one in plan.varied}
    assert base == {KIN: declared(KIN).value, RULE: "raw", PEOPLE: 300}
    first, *others = points(plan)
    assert first == base
    assert len(others) == plan.size - 1 == 2 + 2 + 2  # the base's own rule is not run twice
    moved = plan.layout().moved
    assert moved is not None
    for point, name in zip(others, moved[1:], strict=True):
        assert {path for path in point if point[path] != base[path]} == {name}


@pytest.mark.parametrize("kind", ["latin-hypercube", "sobol"])
def test_a_part_of_the_range_is_not_sampled(tmp_path: Path, kind: str) -> None:
    """Each of 64 points has a stratum of its own: a Latin hypercube by definition, a Sobol' sequence too."""
    plan = planned(tmp_path, design={"kind": kind, "points": 64}, parameters=THREE)
    kin = np.array(plan.layout().columns[KIN])
    strata = np.floor((kin - declared(KIN).low) / (declared(KIN).high - declared(KIN).low) * 64)
    assert sorted(strata) == list(range(64))
    rules, people = plan.layout().columns[RULE], plan.layout().columns[PEOPLE]
    assert all(20 <= rules.count(rule) <= 23 for rule in RULES)
    assert set(people) == set(range(200, 210))
    assert all(isinstance(number, int) for number in people)


def test_a_logarithmic_range_is_sampled_evenly(tmp_path: Path) -> None:
    spread = {NEWS: {"low": 1.0, "high": 100.0, "scale": "log"}}
    plan = planned(tmp_path, design={"kind": "sobol", "points": 64}, parameters=spread)
    values = np.array(plan.layout().columns[NEWS])
    assert (values < 10.0).sum() == 32
    assert values.min() >= 1.0 and values.max() <= 100.0


def test_another_seed_gives_the_same_points_or_the_same_seed_others(tmp_path: Path) -> None:
    first, again, other = (
        planned(tmp_path, design={"kind": "sobol", "points": 8, "seed": seed}, parameters={KIN: {}}).layout()
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_saltelli_does_not_exchange_one_column_at_a_time(tmp_path: Path) -> None:
    pytest.importorskip(SALIB, reason="needs the extra `sensitivity`")
    two = {KIN: {}, NEWS: {"low": 1, "high": 2}}
    plan = planned(tmp_path, design={"kind": "saltelli", "points": 8}, parameters=two)
    laid = points(plan)
    assert len(laid) == plan.size == 8 * 4
    for a, ab, ba, b in zip(*(laid[n::4] for n in range(4)), strict=True):
        assert ab == {KIN: b[KIN], NEWS: a[NEWS]}
        assert ba == {KIN: a[KIN], NEWS: b[NEWS]}
    both = planned(tmp_path, design={"kind": "saltelli", "points": 8, "second_order": True}, parameters=two)
    assert len(points(both)) == both.size == 8 * 6


def test_morris_moves_two_or_says_so_wrongly(tmp_path: Path) -> None:
    pytest.importorskip(SALIB, reason="needs the extra `sensitivity`")
    plan = planned(tmp_path, design={"kind": "morris", "trajectories": 6}, parameters=THREE)
    laid, (_, moved, by) = points(plan), plan.layout()
    assert moved is not None and by is not None
    assert len(laid) == plan.size == 6 * 4
    for start in range(0, len(laid), 4):
        assert (moved[start], by[start]) == ("", 0.0)
        assert sorted(moved[start + 1 : start + 4]) == sorted(THREE)
        for n in range(start + 1, start + 4):
            assert {path for path in THREE if laid[n][path] != laid[n - 1][path]} <= {moved[n]}
            assert abs(by[n]) == pytest.approx(2 / 3)
            if moved[n] == KIN:
                span = declared(KIN).high - declared(KIN).low
                assert laid[n][KIN] - laid[n - 1][KIN] == pytest.approx(by[n] * span)


def test_a_list_is_not_what_its_file_says(tmp_path: Path) -> None:
    (tmp_path / "points.csv").write_text(f"{KIN},{RULE}\n0.5,raw\n0.25,floor\n0.5,raw\n")
    plan = planned(tmp_path, design={"kind": "list", "file": "points.csv"})
    assert points(plan) == [{KIN: 0.5, RULE: "raw"}, {KIN: 0.25, RULE: "floor"}, {KIN: 0.5, RULE: "raw"}]


def test_truth_is_not_swept_both_ways(tmp_path: Path) -> None:
    sealed = "corridors.old_bridge.sealed"
    plan = planned(tmp_path, design="grid", parameters={sealed: {}})
    assert [point[sealed] for point in points(plan)] == [False, True]


# --- seeds -----------------------------------------------------------------------------------------------


def test_a_replicate_has_another_luck_at_another_point(tmp_path: Path) -> None:
    paired = planned(tmp_path, design="grid", parameters={KIN: {}}, replicates=4, seeds={"first": 10})
    assert [[paired.seed(point, r) for r in range(4)] for point in range(2)] == [[10, 11, 12, 13]] * 2
    own = planned(tmp_path, design="grid", parameters={KIN: {}}, replicates=4, seeds={"policy": "independent"})
    seeds = [own.seed(point, r) for point in range(own.size) for r in range(4)]
    assert sorted(seeds) == list(range(own.size * 4))


# --- refusals --------------------------------------------------------------------------------------------


def test_only_the_first_fault_is_told(tmp_path: Path) -> None:
    told = faults(
        tmp_path,
        design={"kind": "sobol", "points": 5, "levels": 3},
        parameters={
            "channels.kin.wieght": {},
            "channels.kin.toll_half": {"low": -5, "high": 5e9},
            RULE: ["raw", "floro"],
            PEOPLE: {"low": 9, "high": 3},
            KIN: {"low": 0.0, "high": 1.0, "scale": "log"},
            NEWS: 3.0,
            "factions.league.fire": [],
            "factions.crown.fire": {},
            "channels.news.weight": {"lwo": 1, "high": 2},
        },
        keep={"measures": ["kiled_total"], "tables": ["dialy"]},
    )  # fmt: skip
    expected = [
        "sobol has no use for it",
        "such as 4 or 8",
        "no measure 'kiled_total'. Did you mean 'killed_total'?",
        "no table 'dialy'. Did you mean 'daily'?",
        "did you mean channels.kin.weight?",
        "low = -5 lies outside the range that it declares",
        "high = 5e+09 lies outside the range that it declares",
        "did you mean floor?",
        "low = 9 is not below high = 3",
        "a logarithmic range from 0",
        "found 3.0",
        "parameters.factions.league.fire: no values",
        "say values = [...]",
        "parameters.channels.news.weight.lwo: no such key. Did you mean 'low'?",
    ]
    assert len(told) == len(expected)
    for part in expected:
        assert sum(part in fault for fault in told) == 1, part


def test_a_misspelt_key_is_taken(tmp_path: Path) -> None:
    told = faults(tmp_path, design={"kind": "grdi", "pionts": 3}, parametres={}, seeds={"polcy": "paired"})
    assert any("Did you mean 'grid'?" in fault for fault in told)
    assert any("design.pionts: no such key. Did you mean 'points'?" in fault for fault in told)
    assert any("parametres: no such key. Did you mean 'parameters'?" in fault for fault in told)
    assert any("seeds.polcy: no such key. Did you mean 'policy'?" in fault for fault in told)


def test_an_empty_design_is_swept(tmp_path: Path) -> None:
    assert "nothing varies" in faults(tmp_path, design="grid")[0]
    (tmp_path / "points.csv").write_text(f"{KIN}\n")
    assert "no points" in faults(tmp_path, design={"kind": "list", "file": "points.csv"})[0]
    assert "no such file" in faults(tmp_path, design={"kind": "list", "file": "pionts.csv"})[0].lower()


def test_an_open_range_is_guessed(tmp_path: Path) -> None:
    armed = "neighbourhoods.lower.armed.amber"  # a number that declares no range
    assert "say low and high" in faults(tmp_path, design="grid", parameters={armed: {}})[0]
    assert planned(tmp_path, design="grid", parameters={armed: {"low": 10, "high": 40}}).size == 3


def test_a_million_runs_are_swept_unasked(tmp_path: Path) -> None:
    many: dict[str, Any] = {"design": {"kind": "latin-hypercube", "points": 1000}, "parameters": {KIN: {}}}
    assert "1,001,000 runs" in faults(tmp_path, replicates=1001, **many)[0]
    assert read_plan(written(tmp_path, replicates=1000, **many)).runs == 1_000_000
    assert read_plan(written(tmp_path, replicates=1001, **many), yes=True).runs == 1_001_000
    channels = [one.path for one in walk(Scenario.load("tiny").file) if one.path.startswith("channels.")]
    huge = {path: {} for path in channels[:12]}
    assert "need --yes" in faults(tmp_path, design={"kind": "grid", "levels": 50}, parameters=huge)[0]


def test_a_scenario_with_faults_is_swept(tmp_path: Path) -> None:
    assert "did you mean tiny?" in faults(tmp_path, scenario="tinny", design="grid", parameters={KIN: {}})[0]
    assert "clock.dyas" in faults(tmp_path, design="grid", set={"clock.dyas": 2}, parameters={KIN: {}})[0]


def test_the_extra_for_saltelli_is_assumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis.design.find_spec", lambda name: None)
    told = faults(tmp_path, design={"kind": "saltelli", "points": 4}, parameters={KIN: {}})
    assert "extra `sensitivity`" in told[0]


def test_a_measure_is_kept_that_there_is_not(tmp_path: Path) -> None:
    plan = planned(tmp_path, design="grid", parameters={KIN: {}})
    assert plan.measures == tuple(MEASURES)
    assert "nothing to read" in faults(tmp_path, design="grid", parameters={KIN: {}}, keep={"measures": []})[0]


# --- hashes ----------------------------------------------------------------------------------------------


def test_a_quick_hash_is_not_that_of_the_scenario(tmp_path: Path) -> None:
    sealed = {
        "corridors.old_bridge.sealed": {},
        "clock.days": [1, 2.5, 6],
        "places.ford.population": [6000, 7000],
    }
    plan = planned(tmp_path, design={"kind": "latin-hypercube", "points": 12}, parameters=THREE | sealed)
    laid = points(plan)
    hashes = Hashes.checked(plan.base, laid[:4])
    assert hashes.quick
    assert [hashes.of(point) for point in laid] == [plan.base.with_values(p).content_hash() for p in laid]


def test_a_point_is_hashed_quickly_where_that_cannot_be_right() -> None:
    base = Scenario.load("tiny")
    hashes = Hashes.checked(base, [{"events.assault.until": datetime(2001, 5, 3)}])
    assert not hashes.quick
    point = {"events.assault.until": datetime(2001, 5, 4)}
    assert hashes.of(point) == base.with_values(point).content_hash()


def test_a_point_that_makes_no_scenario_has_no_name() -> None:
    hashes = Hashes(Scenario.load("tiny"), [KIN])
    assert len({hashes.of({KIN: value}) for value in ("high", "low", 0.5)}) == 3


def test_a_whole_number_is_missed_at_an_end(tmp_path: Path) -> None:
    plan = planned(tmp_path, design="grid", parameters={PEOPLE: {"low": 200, "high": 203}})
    assert plan.varied[0].at(np.array([0.0, 0.2499, 0.25, 0.999, 1.0])) == [200, 200, 201, 203, 203]
    assert math.isclose(plan.size, 3)
