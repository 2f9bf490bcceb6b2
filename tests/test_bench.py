"""The benchmark measures what it says, tells it in the same form each time, and remembers it fairly."""

from __future__ import annotations

import json
import platform
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from analysis.bench import command, history, inside, machine, measuring, peers, report
from analysis.bench.measuring import FULL, QUICK, Figure, Goal, Sample, Session, Sizes, Skipped
from analysis.generated import ARMED_SHARE, DENSITY_KM2, SHARES, country
from sim.console import BAD_INPUT, FAILED, Refused
from sim.kernels.triad import triad
from sim.model import SpilloverModel
from sim.residents import AWAY, DEAD, DISPLACED, MOBILISED

TINY = replace(
    QUICK, name="tiny", residents=(1_000, 2_000), rounds=2, warm_hours=2, row_hours=2_000, run_days=1.0, starts=1,
    sweep_runs=2, sweep_days=1.0, grids=((16, 2, 2),), countries=2_000, country_days=1.0, pairs=8, triad_mb=1,
)  # fmt: skip


def lived_through(residents: int, hours: int, lively: bool = True, threads: int = 1) -> SpilloverModel:
    model = SpilloverModel(country(residents, lively=lively), seed=1, threads=threads)
    if hours:
        model.run_for(hours)
    return model


# --- the generated countries -----------------------------------------------------------------------------


@pytest.mark.parametrize("residents", [1_000, 10_000, 1_234_567])
def test_a_generated_country_is_invalid_or_loses_people(residents: int) -> None:
    scenario = country(residents)
    assert sum(quarter.residents for quarter in scenario.file.neighbourhoods.values()) == residents
    assert sum(place.population for place in scenario.file.places.values()) == residents
    inland = sum(p.population for p in scenario.file.places.values() if p.country == "Inland")
    assert inland / residents == pytest.approx(SHARES["inland"] + SHARES["front"], abs=2e-3)


@pytest.mark.parametrize("lively", [False, True])
def test_the_smallest_country_says_less_than_a_scenario_needs(lively: bool) -> None:
    file = country(1_000, lively=lively).file
    assert file.fronts and file.security_forces and file.events and file.corridors
    for line in file.lines_of_contact.values():
        west, east = (set(file.neighbourhoods[name].communities) for name in line.between)
        assert west | east == {"amber", "blue"}, "like faces like"


def test_everyone_has_a_quarrel_or_only_the_lively_have() -> None:
    for lively, least, most in ((False, 0.2, 0.5), (True, 1.0, 1.0)):
        file = country(2_000_000, lively=lively).file
        facing = {name for line in file.lines_of_contact.values() for name in line.between}
        assert facing == {name for name, quarter in file.neighbourhoods.items() if quarter.armed}
        assert least <= len(facing) / len(file.neighbourhoods) <= most


def test_a_generated_country_changes_from_call_to_call() -> None:
    assert country(10_000).content_hash() == country(10_000).content_hash()
    assert country(10_000).content_hash() != country(10_001).content_hash()


def test_a_quarter_is_denser_than_it_should_be() -> None:
    for quarter in country(500_000).file.neighbourhoods.values():
        assert quarter.rectangle is not None
        km2 = quarter.rectangle.width * quarter.rectangle.height / 1e6
        assert quarter.residents / km2 == pytest.approx(DENSITY_KM2, rel=0.02)
        if quarter.armed:
            assert sum(quarter.armed.values()) == pytest.approx(ARMED_SHARE * quarter.residents)


def test_towns_of_a_country_are_all_alike() -> None:
    sizes = [p.population for name, p in country(10_000_000).file.places.items() if name.startswith("inland")]
    ranks = np.arange(1, len(sizes) + 1)
    slope = np.polyfit(np.log(ranks), np.log(sizes), 1)[0]
    assert len(sizes) >= 10 and slope == pytest.approx(-1.0, abs=0.02), "Zipf's exponent"


@pytest.mark.parametrize("residents", [999, 50_000_001])
def test_a_country_of_any_size_is_made(residents: int) -> None:
    with pytest.raises(ValueError, match="1,000 to 50,000,000"):
        country(residents)


def test_every_resident_is_a_row_and_stays_one() -> None:
    model = lived_through(10_000, 0)
    assert model.residents.state.size == 10_000
    model.run_for(6)
    assert model.census()["residents"] == 10_000


def test_a_lively_city_is_not_lively() -> None:
    """All that the residents' hour is timed with happens: arms, shelter, soldiers, danger, flight."""
    model = lived_through(100_000, 24)
    share = model.city.states.sum(axis=0) / 100_000
    assert 0.005 < share[MOBILISED] < 0.2
    assert share[DISPLACED] > 0 and share[AWAY] + share[DEAD] > 0
    assert model.city.soldiers.sum() > 0 and (model.residents.lived > 0).mean() > 0.05
    quiet = lived_through(100_000, 24, lively=False).city.states.sum(axis=0) / 100_000
    assert quiet[MOBILISED] < share[MOBILISED]


# --- measuring -------------------------------------------------------------------------------------------


def test_a_ratio_is_not_of_pairs() -> None:
    slow, fast = Sample.of(2.0, 20.0, 200.0), Sample.of(1.0, 10.0, 100.0)
    assert slow.over(fast).values == (2.0, 2.0, 2.0) and slow.over(fast).spread == 0.0
    with pytest.raises(ValueError, match="zip"):
        slow.over(Sample.of(1.0))


def test_one_slow_round_moves_a_median() -> None:
    assert Sample.of(1.0, 1.0, 1.0, 1.0, 50.0).median == 1.0
    assert Sample.of(1.0, 2.0, 3.0, 4.0, 5.0).spread == pytest.approx(2 / 3)


def test_turns_do_not_alternate() -> None:
    order: list[str] = []

    def turn(name: str) -> measuring.Turn:
        def take() -> float:
            order.append(name)
            return float(len(order))

        return take

    found = measuring.in_turns({"a": turn("a"), "b": turn("b")}, rounds=3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert found["a"].values == (1.0, 4.0, 5.0) and found["b"].values == (2.0, 3.0, 6.0)


def test_a_goal_is_met_the_wrong_way_round() -> None:
    assert Goal(2.4).met(2.4) and not Goal(2.4).met(2.41)
    assert Goal(300, "at least").met(301) and not Goal(300, "at least").met(299)


def test_the_triad_adds_wrongly_or_leaves_a_part_out() -> None:
    a, b, c = np.zeros(1001), np.arange(1001.0), np.linspace(-3, 3, 1001)
    triad(a, b, c, 3.0)
    assert (a == b + 3.0 * c).all()
    bench = measuring.Triad(megabytes=1)
    for threads in (1, 2, 3):
        bench.arrays[0][:] = 0
        assert bench.bytes_per_second(threads) > 0
        assert (bench.arrays[0] == 7.0).all(), f"{threads} threads"
    bench.close()


def test_the_arrays_of_the_triad_fit_a_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index, size in enumerate(("32K", "1024K", "96M")):
        (tmp_path / f"index{index}").mkdir()
        (tmp_path / f"index{index}" / "size").write_text(f"{size}\n")
    monkeypatch.setattr(measuring, "CACHE_LEVELS", tmp_path)
    assert measuring.megabytes_beyond_cache() == measuring.TIMES_THE_CACHE * 96
    monkeypatch.setattr(measuring, "CACHE_LEVELS", tmp_path / "none")
    assert measuring.megabytes_beyond_cache() == measuring.SMALLEST_MB


# --- under the bonnet ------------------------------------------------------------------------------------


def test_a_line_of_the_hour_is_not_timed() -> None:
    lines = inside.lines_of_the_hour()
    assert lines[0] == "tempers_rise_and_cool" and lines[-1] == "hour_is_recorded" and "residents_decide" in lines
    model = lived_through(1_000, 0)
    watch = inside.Watch()
    with watch.on(*inside.lines_of(model)):
        model.run_for(2)
    assert {name: len(calls) for name, calls in watch.calls.items()} == dict.fromkeys(lines, 2)
    assert not set(lines) & set(vars(model)), "a watched model is not as it was"


def test_a_part_of_the_residents_hour_is_not_timed() -> None:
    model, watch = lived_through(1_000, 1), inside.Watch()
    with watch.on(*inside.parts_of_the_residents_hour(model)):
        model.run_for(1)
    assert 0 < watch.seconds("decide") <= watch.seconds("hour") < watch.seconds("line")
    assert 0 < watch.seconds("perceive") < watch.seconds("line")


def test_something_that_is_gone_is_timed_as_nothing() -> None:
    thing = SimpleNamespace(there=lambda: 1)
    with (
        pytest.raises(Refused, match=r"SimpleNamespace\.gone, which is not there"),
        inside.Watch().on((thing, "there", "a"), (thing, "gone", "b")),
    ):
        pass
    assert thing.there() == 1


def test_threads_that_work_at_once_count_twice() -> None:
    gate, thing, watch = threading.Barrier(2), SimpleNamespace(), inside.Watch()

    def work() -> None:
        gate.wait()
        time.sleep(0.05)

    thing.work = work
    with watch.on((thing, "work", "work")):
        threads = [threading.Thread(target=thing.work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    longest = max(ended - begun for begun, ended in watch.calls["work"])
    assert len(watch.calls["work"]) == 2 and 0.05 <= watch.seconds("work") < 1.5 * longest


@pytest.fixture
def decided(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An hour of a lively city: what the decision was handed, the columns before and after."""
    from sim import kernels

    model = lived_through(20_000, 12)
    people, fit = vars(model.residents), vars(model.residents.fit)
    own = {name: column for name, column in people.items() if isinstance(column, np.ndarray)}
    own |= {f"fit {name}": column for name, column in fit.items()}
    rows = {name: own[name] for name in own if own[name].shape in ((20_000,), model.residents.fit.rows.shape)}
    before = {name: column.copy() for name, column in rows.items()}
    handed: list[Any] = []
    decide = kernels.residents.decide
    after: dict[str, Any] = {}

    def watched(*args: Any) -> int:
        handed.extend(args)
        count = int(decide(*args))
        after.update({name: column.copy() for name, column in rows.items()})
        return count

    monkeypatch.setattr(kernels.residents, "decide", watched)
    watch = inside.Watch()
    with watch.on(*inside.parts_of_the_residents_hour(model), keep=True):
        model.run_for(1)
    names = {name for name, column in rows.items() if any(column is one for one in handed)}
    changes = int((model.residents.state != before["state"]).sum())
    return {"model": model, "names": names, "before": before, "after": after, "changes": changes,
            "sites": watch.returned["perceive"][0]}  # fmt: skip


def test_a_column_that_the_decision_touches_is_not_counted(decided: dict[str, Any]) -> None:
    read = (*inside.READ_OF_EVERYONE, *(f"fit {name}" for name in inside.READ_OF_THE_ABLE))
    counted = {*read, *(name for name, _ in inside.ALSO_WHERE_FIRE_COMES_IN)}
    of_changes = {name for name, _ in inside.OF_THOSE_WHO_CHANGE}
    assert decided["names"] - counted == {"changing", "then"} <= of_changes
    assert counted <= decided["names"]
    for name in read:
        assert (decided["before"][name] == decided["after"][name]).all(), f"{name} is written"


def test_lived_is_written_where_no_fire_comes_in(decided: dict[str, Any]) -> None:
    from sim.kernels.tables import DANGER

    model = decided["model"]
    in_danger = decided["sites"][DANGER][model.residents.site] > 0
    written = decided["before"]["lived"] != decided["after"]["lived"]
    up = decided["before"]["state"] == MOBILISED
    assert written.any() and not (written & ~in_danger & ~up).any()
    assert 0 < in_danger.sum() < 20_000


def test_the_bytes_moved_are_not_those_of_the_types(decided: dict[str, Any]) -> None:
    model = decided["model"]
    moved = inside.traffic(model, decided["sites"], decided["changes"])
    sites = model.city.site_cell.size
    able = 4 + 4 + 4 + 4 + 4  # row, site, hardship, aversion, ties
    change = 2 * 4 + 2 * 1 + 2 * 1  # changing, then, state
    by_hand = (
        20_000 + model.residents.fit.rows.size * able + moved.rows_in_danger * 2 * 4 + decided["changes"] * change
        + sites * (decided["sites"].shape[0] * 4 + 8 + 8)
    )  # fmt: skip
    assert moved.bytes_a_resident == pytest.approx(by_hand / 20_000)
    assert decided["changes"] > 0


# --- the command -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def said() -> dict[str, Any]:
    """What the benchmark says of some subjects, at sizes for a test."""
    return json.loads(called(TINY, ["theatre", "residents"], "--json").stdout)  # type: ignore[no-any-return]


def called(sizes: Sizes, subjects: list[str], *options: str, history: Path | None = None) -> Any:
    app = typer.Typer()

    @app.command()
    def bench() -> None:
        flags = {name: f"--{name.replace('_', '-')}" in options for name in ("append", "against_history")}
        command.measure(sizes, subjects, "--json" in options, history=history, **flags)

    return CliRunner().invoke(app, [])


def test_the_json_lacks_something(said: dict[str, Any]) -> None:
    assert said["format"] == report.FORMAT and said["mode"] == "tiny" and said["seconds"] > 0
    assert {"processor", "cores", "versions", "commit", "when", "load"} <= said["machine"].keys()
    keys = [figure["key"] for figure in said["figures"]]
    assert len(keys) == len(set(keys)), "two figures of one key"
    for figure in said["figures"]:
        assert set(figure) == {
            "subject", "key", "what", "unit", "median", "low", "high", "rounds", "interval", "goal", "met", "note",
            "kept",
        }  # fmt: skip
        assert figure["low"] <= figure["median"] <= figure["high"]
        assert all(np.isfinite(figure["rounds"])) and figure["median"] > 0
        assert (figure["goal"] is None) == (figure["met"] is None)
    assert not [one for one in said["skipped"] if one["why"].startswith("failed")]


def test_a_figure_of_the_residents_is_missing(said: dict[str, Any]) -> None:
    of = {figure["key"]: figure for figure in said["figures"] if figure["subject"] == "residents"}
    assert {"triad_1", "triad_2", "peak_mb", "set_up", "bytes_1e3", "bytes_2e3"} <= of.keys()
    for part in ("hour", "decide", "perceive", "line", "bound"):
        assert len(of[f"{part}_1e3_1"]["rounds"]) == TINY.rounds
    assert of["decide_1e3_1"]["median"] <= of["hour_1e3_1"]["median"] < of["line_1e3_1"]["median"]
    hour, triads = of["hour_2e3_1"], of["triad_1"]
    bound = [a * b / of["bytes_2e3"]["median"] for a, b in zip(hour["rounds"], triads["rounds"], strict=True)]
    assert of["bound_2e3_1"]["rounds"] == pytest.approx(bound)
    unpacked = [a * b / 38.0 for a, b in zip(hour["rounds"], triads["rounds"], strict=True)]
    assert of["unpacked_2e3_1"]["rounds"] == pytest.approx(unpacked)
    kept = [a * b for a, b in zip(hour["rounds"], triads["rounds"], strict=True)]
    assert hour["kept"]["rounds"] == pytest.approx(kept)


def test_a_figure_of_the_run_is_missing_or_its_parts_do_not_add_up(said: dict[str, Any]) -> None:
    of = {figure["key"]: figure["median"] for figure in said["figures"] if figure["subject"] == "theatre"}
    lines = inside.lines_of_the_hour()
    assert {"qusayr", "theatre_hour", "writing", "qusayr_set_up", "shell", "beat", *lines} <= of.keys()
    parts = sum(of[line] for line in lines if line != "residents_decide") + of["shell"]
    assert of["theatre_hour"] * 1e3 == pytest.approx(parts, rel=0.25)  # medians do not add up exactly


def test_the_peers_play_another_rule() -> None:
    """Both run Epstein's model I with the same numbers: their outbursts begin with as many actives, jailed in time."""
    from mesa.examples.advanced.epstein_civil_violence.agents import Cop

    rule = peers.Rule(30)
    model = peers._example(rule, seed=3)
    officers = sum(isinstance(agent, Cop) for agent in model.agents)
    lattice = peers._lattice(rule, 3, synchronous=False)
    assert model.scenario.grid_type == "Von Neumann" and lattice.seen.citizen_cells == 2 * 7 * 8
    for mean, found in ((0.7, len(model.agents) - officers), (0.074, officers)):
        assert abs(found - 900 * mean) < 4 * np.sqrt(900 * mean)
    assert abs(int(lattice.officer.sum()) - 900 * 0.074) < 4 * np.sqrt(900 * 0.074)
    peers.mesas(rule, 3)(2)


def test_the_peers_are_compared_in_pairs() -> None:
    session = Session(measuring.Triad(1), Sample.of(1.0))
    of = {one.key: one for one in peers.measure(TINY, session) if isinstance(one, Figure)}
    ratio, mesas, ours = of["epstein_16_ours"], of["epstein_16_mesa_us"], of["epstein_16_ours_us"]
    assert ratio.sample.values == pytest.approx(mesas.sample.over(ours.sample).values)
    assert ratio.sample.median > 20 and ratio.note == "equal semantics" and ratio.kept == ratio.sample
    other = of["epstein_16_ours_synchronous"]
    assert "other semantics" in other.note and other.kept is None


def test_the_page_says_times_before_ratios(said: dict[str, Any]) -> None:
    figures = [
        Figure("a", "a time", Sample.of(3.0, 4.0, 5.0), "ms", subject="theatre", goal=Goal(3.0)),
        Figure("b", "a ratio", Sample.of(400.0), "×", subject="peers", goal=Goal(300.0, "at least")),
        Skipped("a peer", "not installed"),
    ]
    page = report.told(this(load=0.1), "full", figures, 12.3)
    assert page.index("a ratio") < page.index("a time") < page.index("a peer: not installed")
    assert "4.00 ms  [3.50–4.50]" in page and "≤ 3.00: NO" in page and "≥ 300: yes" in page
    assert "OTHERS USE THIS MACHINE" not in page
    assert "OTHERS USE THIS MACHINE" in report.told(this(load=7.0), "full", figures, 12.3)


def test_the_page_names_the_host_or_the_user(said: dict[str, Any]) -> None:
    text = json.dumps(said)
    assert platform.node() == "" or platform.node() not in text
    assert str(Path.home()) not in text and str(machine.ROOT) not in text


def test_a_subject_that_there_is_not_is_measured() -> None:
    with pytest.raises(Refused, match=r"no subject 'resident' of the benchmark\. Did you mean 'residents'"):
        command.measure(TINY, ["resident", "theatre"], False, False, False, None)
    assert BAD_INPUT == 2


def fake(monkeypatch: pytest.MonkeyPatch, subject: str, *found: Figure, error: Exception | None = None) -> None:
    def measure(sizes: Sizes, session: Session) -> Iterator[Figure]:
        yield from found
        if error is not None:
            raise error

    monkeypatch.setattr(f"analysis.bench.{subject}.measure", measure)


def test_a_subject_that_fails_costs_the_others_or_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, "residents", Figure("a", "kept", Sample.of(1.0), "s"), error=RuntimeError("no room"))
    fake(monkeypatch, "theatre", Figure("b", "b", Sample.of(1.0), "s"))
    done = called(TINY, ["residents", "theatre"], "--json")
    page = json.loads(done.stdout)
    assert done.exit_code == FAILED
    assert [figure["key"] for figure in page["figures"]] == ["a", "b"]
    assert page["skipped"] == [{"subject": "residents", "what": "residents", "why": "failed: RuntimeError: no room"}]


def test_what_is_timed_for_the_full_and_the_quick_benchmark_differs_in_kind() -> None:
    assert set(QUICK.residents) < set(FULL.residents) and FULL.countries == 25_000_000
    assert {grid[0] for grid in FULL.grids} == {grid[0] for grid in QUICK.grids} == {40, 200}


@pytest.mark.verify
def test_a_subject_fails() -> None:
    page = json.loads(called(TINY, [], "--json").stdout)
    assert not [one for one in page["skipped"] if one["why"].startswith("failed")]
    assert {figure["subject"] for figure in page["figures"]} == set(command.SUBJECTS)


# --- the history -----------------------------------------------------------------------------------------


def this(load: float = 0.0, processor: str = "A processor", commit: str = "abc") -> machine.Machine:
    versions = {"python": "3.13", "numpy": "2", "numba": "0.68", "mesa": "3.5"}
    return machine.Machine(processor, 2, 8, "Linux", versions, commit, "2026-11-22T10:00Z", load)


def cost(value: float, *more: float, key: str = "hour", better: str = "less") -> Figure:
    sample = Sample.of(value, *more)
    goal = Goal(1.0, "at least") if better == "more" else None
    return Figure(key, key, sample, "ns", goal=goal, kept=sample, kept_unit="B")


def written(path: Path, values: list[float], mode: str = "full", **of: Any) -> list[history.Row]:
    for value in values:
        history.append(path, history.entry(this(**of), mode, [cost(value)]))
    return history.read(path)


def test_an_entry_is_not_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history.csv"
    rows = written(path, [2.5])
    assert rows == [
        {"date": "2026-11-22T10:00Z", "commit": "abc", "machine": "A processor, 2 cores", "mode": "full",
         "python": "3.13", "mesa": "3.5", "numpy": "2", "numba": "0.68", "hour": "2.5"}
    ]  # fmt: skip
    assert len(path.read_text().splitlines()) == 2 and list(path.parent.iterdir()) == [path]


def test_a_new_figure_shifts_the_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    written(path, [2.5])
    history.append(path, history.entry(this(), "full", [cost(7.0, key="other"), Skipped("x", "y")]))
    old, new = history.read(path)
    assert (old["hour"], old["other"]) == ("2.5", "") and (new["hour"], new["other"]) == ("", "7")


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "date,commit,machine,mode,python,mesa,numpy,numba\n" + "1," * 9 + "\n"])
def test_a_file_that_is_no_history_is_written_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "history.csv"
    path.write_text(text)
    with pytest.raises(Refused):
        history.append(path, history.entry(this(), "full", [cost(1.0)]))
    assert path.read_text() == text


@pytest.mark.parametrize(("now", "slower"), [((13.0, 13.1, 12.9), True), ((10.9, 11.0, 10.8), False), ((5.0,), False)])
def test_slower_than_before_is_not_seen_or_noise_is(tmp_path: Path, now: tuple[float, ...], slower: bool) -> None:
    rows = written(tmp_path / "history.csv", [10.0, 10.1, 9.9, 10.05, 9.95])
    (verdict,) = history.against(rows, this(), "full", [cost(*now)])
    assert verdict.slower is slower and verdict.entries == 5


def test_a_scattered_history_cries_wolf(tmp_path: Path) -> None:
    rows = written(tmp_path / "history.csv", [6.0, 14.0, 10.0, 7.0, 13.0])
    (verdict,) = history.against(rows, this(), "full", [cost(13.0)])
    assert not verdict.slower


def test_rounds_that_disagree_cry_wolf(tmp_path: Path) -> None:
    rows = written(tmp_path / "history.csv", [10.0, 10.0, 10.0])
    (steady,) = history.against(rows, this(), "full", [cost(13.0, 13.0, 13.0)])
    (scattered,) = history.against(rows, this(), "full", [cost(9.0, 13.0, 20.0)])
    assert steady.slower and not scattered.slower


def test_a_ratio_that_falls_is_taken_for_good_news(tmp_path: Path) -> None:
    rows = written(tmp_path / "history.csv", [400.0] * 3)
    (fell,) = history.against(rows, this(), "full", [cost(200.0, better="more")])
    (rose,) = history.against(rows, this(), "full", [cost(800.0, better="more")])
    assert fell.slower and fell.worse == pytest.approx(1.0)
    assert not rose.slower and rose.worse == pytest.approx(-0.5)


def test_a_quick_benchmark_is_held_against_a_full_one(tmp_path: Path) -> None:
    rows = written(tmp_path / "history.csv", [10.0] * 3)
    assert history.against(rows, this(), "quick", [cost(99.0)]) == []
    assert history.against(rows, this(), "full", [cost(99.0, key="new")]) == []


def test_another_machine_is_held_to_the_same_bound(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    written(path, [10.0] * 3, processor="Another")
    (verdict,) = history.against(history.read(path), this(), "full", [cost(13.0)])
    assert not verdict.slower and verdict.allowed == pytest.approx(history.SLACK_OTHER)
    rows = written(path, [12.0] * 3)
    (verdict,) = history.against(rows, this(), "full", [cost(15.0)])
    assert verdict.before == 12.0 and verdict.slower, "entries of the same kind come first"


def test_only_the_last_entries_count(tmp_path: Path) -> None:
    rows = written(tmp_path / "history.csv", [1.0] * 20 + [10.0] * history.LAST)
    (verdict,) = history.against(rows, this(), "full", [cost(10.5)])
    assert verdict.entries == history.LAST and not verdict.slower


def test_the_command_forgets_or_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "history.csv"
    monkeypatch.setattr(machine, "this_machine", this)
    fake(monkeypatch, "theatre", cost(10.0))
    first = called(TINY, ["theatre"], "--append", "--against-history", history=path)
    assert first.exit_code == 0 and "no entry to hold this against" in first.stdout
    fake(monkeypatch, "theatre", cost(14.0))
    second = called(TINY, ["theatre"], "--append", "--against-history", history=path)
    assert second.exit_code == FAILED and "hour: 40% worse than the last 1" in second.stdout
    assert [row["hour"] for row in history.read(path)] == ["10", "14"]
    as_json = json.loads(called(TINY, ["theatre"], "--json", "--against-history", history=path).stdout)
    (verdict,) = as_json["against_history"]
    assert verdict["before"] == 12.0 and verdict["entries"] == 2


def test_the_history_of_the_project_cannot_be_read() -> None:
    if not history.USUAL.exists():
        pytest.skip("not a whole checkout: no benchmarks/history.csv")
    for row in history.read(history.USUAL):
        assert row["mode"] in ("full", "quick") and row["commit"] and row["machine"]
        assert all(float(value) > 0 for name, value in row.items() if name not in history.FIXED and value)


def test_a_tree_without_git_has_a_commit(tmp_path: Path) -> None:
    assert machine.commit(tmp_path) == "unknown"
