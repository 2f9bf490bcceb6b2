"""`spillover calibrate` by the user's door, with a model that takes no time and whose parameters are known."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from math import inf, isnan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stub_calibration import TRUTH, Toy, toy
from test_validation import thin
from typer.testing import CliRunner

from analysis import calibration, emulator
from analysis.calibration import (
    DRAWS_FILE,
    MODULES,
    POSTERIOR_FILE,
    SCENARIOS,
    TOLD,
    Job,
    Journal,
    Report,
    Settings,
    Targets,
    Waves,
    Work,
    report,
    through,
    verdict,
)
from analysis.locks import LOCK, Busy
from analysis.patterns import PATTERNS, Range
from analysis.priors import PRIORS, drawn
from sim import posterior
from sim.cli import app
from sim.console import Refused
from sim.scenario import Scenario

SMALL = ("--draws", 30, "--waves", 2, "--keep", 20, "--samples", 40, "--checks", 6, "--workers", 1, "--no-figures")
ALL_DRAWS = sum(30 * 2 * module.times for module in MODULES)
TURNS, FINAL_TIMES = 2, 2
POINTS = 1 + TURNS * calibration.CANDIDATES + FINAL_TIMES * calibration.FINALISTS
FOR_THE_CENTRE = POINTS * sum(module.tries for module in MODULES)
BATTLE, TRIPOLI = MODULES


def spillover(folder: Path, *arguments: object) -> Any:
    """Calibrate from the command line, with little thought given to where the centre may be."""
    with pytest.MonkeyPatch.context() as patch:
        for name, few in (("LEARNT_FROM", 40), ("TURNS", TURNS), ("FINAL_TIMES", FINAL_TIMES)):
            patch.setattr(calibration, name, few)
        for name, few in (("POOL", 60), ("KEPT", 20), ("ROUNDS", 1), ("STEPS", 3)):
            patch.setattr(emulator, name, few)
        return CliRunner().invoke(app, ["calibrate", "--out", str(folder), *map(str, arguments)])


@pytest.fixture(autouse=True)
def _no_real_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, toy())


def use(patch: pytest.MonkeyPatch, work: Toy) -> None:
    patch.setattr(Work, "of", staticmethod(lambda days=None: work))
    patch.setattr(calibration, "RECORDS", 8)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """Calibrate without being disturbed."""
    folder = tmp_path_factory.mktemp("whole") / "calibration"
    with pytest.MonkeyPatch.context() as patch:
        use(patch, toy())
        yield spillover(folder, *SMALL), folder


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.iterdir()) if path.name != LOCK}


def lines(folder: Path) -> list[Any]:
    return [json.loads(line) for line in (folder / DRAWS_FILE).read_text(encoding="utf-8").splitlines()]


@cache
def found() -> Report:
    """Calibrate with enough draws to find something."""
    settings, work, journal = Settings(draws=84, waves=3, keep=50, seed=1), toy(), Nowhere()
    modules = through(settings, work, journal, 1, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "TURNS", 3)
        patch.setattr(calibration, "LEARNT_FROM", 100)
        return report(settings, modules, work, journal, samples=200, checks=10, workers=1)


class Nowhere(Journal):
    """Keeps nothing on disk."""

    def __init__(self) -> None:
        self.done = {}

    def _append(self, entry: dict[str, Any]) -> None:
        """Keep nothing."""


def modules_of(settings: Settings, work: Toy) -> list[Waves]:
    return through(settings, work, Nowhere(), 1, None)


# --- what is found -------------------------------------------------------------------------------------


def test_the_folder_lacks_something(whole: tuple[Any, Path]) -> None:
    result, folder = whole
    assert result.exit_code == 0, result.output
    assert set(texts(folder)) == {"draws.jsonl", "posterior.csv", "calibration.json", "table.txt"}
    assert len(lines(folder)) == 1 + ALL_DRAWS + FOR_THE_CENTRE
    assert texts(folder)["table.txt"] == result.stdout
    assert result.stdout.startswith("Conditional on the model")
    for module in MODULES:
        assert f"\n{module.name}, " in result.stdout
    for path in (prior.path for prior in PRIORS):
        assert path in result.stdout


def test_json_is_not_what_is_kept(whole: tuple[Any, Path], tmp_path: Path) -> None:
    result = spillover(tmp_path / "out", *SMALL, "--json")
    told = json.loads(result.stdout)
    assert told == json.loads(texts(whole[1])["calibration.json"])
    assert [module["name"] for module in told["modules"]] == [module.name for module in MODULES]


def test_known_parameters_are_not_found() -> None:
    """Fitted parameters are found within a tenth of their prior; where the record is a bound, on its right side."""
    for waves in found().modules:
        middle = waves.posterior().centre()
        moved = dict(zip(waves.module.own.tolist(), zip(waves.targets.figures, TRUTH, strict=False), strict=False))
        for p in waves.fitted.tolist():
            figure, truth = moved[p]  # no other parameter moves anything
            if figure.target.nearest(inf) < inf:
                assert middle[p] == pytest.approx(truth, abs=0.1), PRIORS[p].path
            else:
                assert middle[p] > truth - 0.05, PRIORS[p].path
            assert waves.posterior().contraction()[p] >= TOLD, PRIORS[p].path


def test_more_is_fitted_than_the_data_can_tell() -> None:
    assert [len(waves.fitted) for waves in found().modules] == [module.most for module in MODULES]
    assert sum(module.most for module in MODULES) <= 10
    assert sum(module.most for module in MODULES) == len(found().centre)


def test_what_moves_nothing_is_taken_for_something() -> None:
    for waves in found().modules:
        idle = slice(len(waves.targets.figures), None)
        assert np.abs(waves.posterior().contraction()[waves.module.own[idle]]).max() < TOLD
        moved = np.abs(np.diag(waves.influence))  # each figure by its own parameter
        assert moved.min() > 0.75 > np.abs(waves.influence[idle]).max()


def test_verdicts_are_not_told_by_contraction() -> None:
    said = [verdict(x) for x in (-0.2, 0.05, 0.2, 0.9)]
    assert said == ["the record says nothing", "the record says nothing", "weakly told", "told"]


def test_parameters_known_are_recovered_too_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 80 % intervals of fitted parameters hold the truth of 50 simulated records in 8 of 10; 62 % would be seen."""
    monkeypatch.setattr(calibration, "RECORDS", 50)
    covered = [x for waves in found().modules for x in waves.recovery().covered[waves.fitted]]
    assert np.mean(covered) == pytest.approx(0.8, abs=0.18), covered


def test_a_module_learns_of_what_earlier_ones_found_anything_but_their_samples() -> None:
    battle, tripoli = found().modules
    known = {row.tobytes() for row in battle.posterior().shares[:, BATTLE.own]}
    assert {row.tobytes() for row in tripoli.shares[:, BATTLE.own]} <= known
    spread = battle.shares[:, TRIPOLI.own]  # what nothing is known of yet
    assert spread.mean() == pytest.approx(0.5, abs=0.06)


def test_screening_looks_at_more_than_the_first_wave() -> None:
    waves = found().modules[0]
    assert waves.sizes == [168, 168, 168]
    again = calibration.inference.influence(waves.shares[:168][:, BATTLE.own], waves.figures[:168])
    assert np.array_equal(again, waves.influence)


def test_draws_of_later_waves_are_no_closer() -> None:
    """In the figures that its fitted parameters move, each one by its own."""
    waves = found().modules[1]
    moved = np.searchsorted(waves.module.own, waves.fitted)
    far = calibration.inference.distances(waves.targets.gaps(waves.figures)[:, moved], waves.groups[moved])
    medians = [np.median(wave) for wave in np.split(far, np.cumsum(waves.sizes)[:-1])]
    assert medians[1] < 0.97 * medians[0] and medians[2] < 0.97 * medians[1], medians


def test_checks_are_of_other_figures_or_of_other_runs() -> None:
    made = found()
    names = [figure.name for module in MODULES for figure in module.targets.figures]
    assert [of.figure.name for of in made.checked] == [of.figure.name for of in made.centred] == names
    job = Job("battle", calibration.FRESH, made.centre)  # the first run at the centre
    assert made.centred[0].values[0] == toy()(job)["first_day"]
    spread = [np.nanstd(of.values) for of in made.checked[:4]]
    assert all(wide > np.nanstd(of.values) for wide, of in zip(spread, made.centred[:4], strict=True))


def test_the_centre_has_parameters_that_are_not_fitted_or_more_digits_than_it_should() -> None:
    made = found()
    assert set(made.centre) == {PRIORS[p].path for waves in made.modules for p in waves.fitted}
    assert all(float(f"{value:.3g}") == value for value in made.centre.values())


def test_the_defaults_as_they_are_are_not_tried_for_the_centre(whole: tuple[Any, Path]) -> None:
    declared = posterior.declared(toy().stories.values())
    tried = {line["module"]: line["values"] for line in lines(whole[1])[1:] if line["draw"] == calibration.TRIED}
    assert set(tried) == {module.name for module in MODULES}
    for prior in BATTLE.priors:
        if prior.path in declared and prior.path in tried["battle"]:
            within = min(max(declared[prior.path].value, prior.low), prior.high)
            assert tried["battle"][prior.path] == pytest.approx(within, rel=0.03), prior.path


def test_the_centre_is_chosen_by_the_runs_by_which_it_was_found(whole: tuple[Any, Path]) -> None:
    centre = json.loads((whole[1] / "calibration.json").read_text(encoding="utf-8"))["centre"]
    of_it = [line for line in lines(whole[1])[1:] if line["module"] == TRIPOLI.name and line["values"] == centre]
    assert len(of_it) == TRIPOLI.tries * (1 + FINAL_TIMES)
    anew = calibration.TRIED + TRIPOLI.tries * (POINTS - FINAL_TIMES * calibration.FINALISTS)
    assert sum(line["draw"] >= anew for line in of_it) == TRIPOLI.tries * FINAL_TIMES


def test_the_centre_is_not_the_closest_of_the_points_tried() -> None:
    """With figures that follow from one parameter each and a little luck, it lies by the truth."""
    made = found()
    for waves in made.modules:
        for k, prior in enumerate(waves.module.priors[: len(waves.targets.figures)]):
            if prior.path in made.centre and isinstance(waves.targets.figures[k].target, Range):
                share = float(prior.share(np.float64(made.centre[prior.path])))
                assert abs(share - TRUTH[k]) < 0.25, prior.path


# --- the samples ---------------------------------------------------------------------------------------


def test_other_commands_refuse_the_samples(whole: tuple[Any, Path]) -> None:
    """Each is a parameter, within the range that it is declared with."""
    scenarios = [Scenario.load(name) for name, _ in SCENARIOS.values()]
    samples = posterior.load(whole[1] / POSTERIOR_FILE, scenarios)
    assert len(samples) == 40
    assert all(set(sample) == {prior.path for prior in PRIORS} for sample in samples)
    for prior in PRIORS:
        values = [sample[prior.path] for sample in samples]
        assert prior.low <= min(values) < max(values) <= prior.high


def test_samples_are_not_numbered(whole: tuple[Any, Path]) -> None:
    with (whole[1] / POSTERIOR_FILE).open(encoding="utf-8") as file:
        assert [row["sample"] for row in csv.DictReader(file)] == [str(number) for number in range(40)]


# --- the same again ------------------------------------------------------------------------------------


def test_a_calibration_that_was_stopped_comes_to_something_else(
    whole: tuple[Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    for place in (("battle", 70), ("tripoli", 12)):
        use(monkeypatch, toy(stop_at=place))
        stopped = spillover(folder, *SMALL)
        assert stopped.exit_code == 130
        on_file = len(lines(folder)) - 1
        assert f"stopped; {on_file} of {ALL_DRAWS} draws are kept" in stopped.output
        last = lines(folder)[-1]
        assert (last["module"], last["draw"]) == (place[0], place[1] - 1)
    use(monkeypatch, toy())
    assert f"{on_file} of them on file" in spillover(folder, *SMALL).output
    assert texts(folder) == texts(whole[1])


def test_a_calibration_that_is_done_runs_draws_again(whole: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    before = texts(whole[1])
    use(monkeypatch, toy(stop_at=("battle", 0)))
    assert spillover(whole[1], *SMALL).exit_code == 0
    assert texts(whole[1]) == before


def test_a_line_that_was_cut_is_taken_for_a_draw(whole: tuple[Any, Path], tmp_path: Path) -> None:
    text = texts(whole[1])[DRAWS_FILE]
    for cut in (len(text) - 1, text.index("\n", 80_000) + 3):
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / DRAWS_FILE).write_text(text[:cut], encoding="utf-8")
        assert spillover(folder, *SMALL).exit_code == 0
        assert texts(folder) == texts(whole[1])


def test_the_order_in_which_draws_end_matters(
    whole: tuple[Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With several processes any order may come; with two of them in earnest by `-m verify`."""
    in_order = calibration.each

    def backwards(*args: Any, **keys: Any) -> Any:
        yield from reversed(list(in_order(*args, **keys)))

    monkeypatch.setattr(calibration, "each", backwards)
    spillover(tmp_path / "out", *SMALL)
    one, two = texts(whole[1]), texts(tmp_path / "out")
    first, second = one.pop(DRAWS_FILE).splitlines(), two.pop(DRAWS_FILE).splitlines()
    assert first != second and sorted(first) == sorted(second)
    assert one == two


@pytest.mark.verify
def test_two_processes_come_to_something_else(whole: tuple[Any, Path], tmp_path: Path) -> None:
    assert spillover(tmp_path / "out", *SMALL, "--workers", 2).exit_code == 0
    one, two = texts(whole[1]), texts(tmp_path / "out")
    assert sorted(one.pop(DRAWS_FILE).splitlines()) == sorted(two.pop(DRAWS_FILE).splitlines())
    assert one == two


def test_another_seed_comes_to_the_same() -> None:
    one, two = (next(iter(Waves(Settings(30, 1, 20, seed), BATTLE, np.zeros((0, len(PRIORS)))))) for seed in (1, 2))
    assert not np.any(one == two)
    ranks = one[:, BATTLE.own].argsort(axis=0).argsort(axis=0)
    assert np.array_equal(np.floor(one[:, BATTLE.own] * len(one)), ranks)  # one in each stratum


# --- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "named"), [(("--seed", 2), "seed"), (("--draws", 31), "draws"), (("--keep", 21), "keep")]
)
def test_a_calibration_with_other_settings_goes_on(
    whole: tuple[Any, Path], option: tuple[object, ...], named: str
) -> None:
    before = texts(whole[1])
    result = spillover(whole[1], *SMALL, *option)
    assert result.exit_code == 2
    assert f"a calibration with another {named};" in result.output
    assert texts(whole[1]) == before


def test_a_calibration_of_another_model_or_scenario_goes_on(
    whole: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = texts(whole[1])
    monkeypatch.setattr(calibration, "model_version", lambda: "another")
    use(monkeypatch, Toy({family: Scenario.load("qusayr-2013") for family in SCENARIOS}))
    result = spillover(whole[1], *SMALL)
    assert result.exit_code == 2 and "another model, scenarios;" in result.output
    assert texts(whole[1]) == before


def test_something_else_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("all of it", encoding="utf-8")
    result = spillover(tmp_path, *SMALL)
    assert result.exit_code == 2 and "not empty" in result.output
    assert texts(tmp_path) == {"thesis.txt": "all of it"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a file of draws"),
        ("half a head", "not a file of draws"),
        ('{"format": "another"}\n', "not a file of draws"),
        ("[1, 2]\n", "line 1: not an object"),
        ("HEAD\nno draw\nDRAW\n", "line 2: not JSON"),
        ('HEAD\n{"module": "battle"}\n', "a line that is no draw"),
    ],
)
def test_a_file_that_holds_no_draws_is_read(whole: tuple[Any, Path], tmp_path: Path, text: str, complaint: str) -> None:
    head, draw, *_ = texts(whole[1])[DRAWS_FILE].splitlines()
    text = text.replace("HEAD", head).replace("DRAW", draw)
    (tmp_path / DRAWS_FILE).write_text(text, encoding="utf-8")
    result = spillover(tmp_path, *SMALL)
    assert result.exit_code == 2 and complaint in result.output, result.output
    assert texts(tmp_path) == {DRAWS_FILE: text}


def test_more_are_kept_than_there_are(tmp_path: Path) -> None:
    result = spillover(tmp_path / "out", "--draws", 30, "--waves", 2, "--keep", 61)
    assert result.exit_code == 2 and "--keep 61: a module has only 60 draws" in result.output
    assert not (tmp_path / "out").exists()


def test_a_draw_that_fails_is_not_told_or_costs_the_others(
    whole: tuple[Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, toy(fail_at=("tripoli", 3)))
    result = spillover(tmp_path / "out", *SMALL)
    assert result.exit_code == 1
    assert "tripoli, draw 3: " in result.output and "it does not add up" in result.output
    failed = next(line for line in lines(whole[1])[1:] if (line["module"], line["draw"]) == ("tripoli", 3))
    assert f"'mobilisation.noise': {failed['values']['mobilisation.noise']}" in result.output
    use(monkeypatch, toy())
    spillover(tmp_path / "out", *SMALL)
    assert texts(tmp_path / "out") == texts(whole[1])


def test_a_module_without_a_figure_is_told_of_what_it_is_not() -> None:
    waves = Waves(Settings(30, 1, 20, 1), TRIPOLI, np.full((1, len(PRIORS)), 0.5))
    for shares in waves:
        waves.note(np.full((len(shares), len(TRIPOLI.targets.figures)), np.nan))
    with pytest.raises(Refused, match="tripoli: no run has any of its figures"):
        waves.recovery()


# --- what it is held against ---------------------------------------------------------------------------


def test_a_figure_that_is_not_labelled_fitted_is_used() -> None:
    labels = {figure.name: figure.label for pattern in PATTERNS for figure in pattern.figures}
    used = [figure.name for module in MODULES for figure in module.targets.figures]
    assert len(used) == len(set(used))
    assert {labels[name] for name in used} == {"fitted"}
    fitted = {f.name for p in PATTERNS for f in p.figures if f.label == "fitted"}
    assert fitted - set(used) == {"falls"}, "the day of the fall is fitted by hand; no other is left out"


def test_a_module_runs_what_its_figures_do_not_need_or_not_what_they_do() -> None:
    assert {module.name: module.families for module in MODULES} == {
        "battle": ("battle",), "tripoli": ("battle", "rounds"),
    }  # fmt: skip


def test_gaps_are_not_in_halves_of_the_greatest_width() -> None:
    targets = Targets.of(("P1", "P3", "P10a"))
    assert targets.names == [
        "first_day", "control_second_day", "rebels_week", "hezbollah_week", "control_first_day", "army_week",
        "civilians_week",
    ]  # fmt: skip
    assert len(set(targets.groups)) == 3
    gaps = targets.gaps(
        np.array([[60.0, 0.9, 120.0, 46.0, 0.5, 12.0, 8.0], [99.0, 0.375, 167.0, np.nan, 0.275, 17.0, 4.0]])
    )
    assert gaps[0].tolist() == [0.0] * 7
    assert gaps[1, [0, 1, 2, 4, 5, 6]] == pytest.approx([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
    assert np.isnan(gaps[1, 3])


# --- priors --------------------------------------------------------------------------------------------


@cache
def parameters(module: calibration.Module) -> dict[str, Any]:
    return posterior.declared([Scenario.load(SCENARIOS[family][0]) for family in module.families])


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_prior_goes_beyond_what_its_parameter_may_be(module: Any) -> None:
    known = parameters(module)
    for prior in module.priors:
        assert prior.low < prior.high and prior.why
        assert prior.path in known
        low, high = known[prior.path].low, known[prior.path].high
        assert low is None or low <= prior.low, prior.path
        assert high is None or prior.high <= high, prior.path


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_default_lies_outside_its_prior(module: Any) -> None:
    """What is not fitted stays there, so a run at the centre must be one that could have been drawn."""
    known = parameters(module)
    outside = {p.path: known[p.path].value for p in module.priors if not p.low <= known[p.path].value <= p.high}
    assert outside == {}


def test_a_parameter_belongs_to_no_module_or_to_two() -> None:
    own = np.concatenate([module.own for module in MODULES])
    assert np.array_equal(np.sort(own), np.arange(len(PRIORS)))
    assert len({prior.path for prior in PRIORS}) == len(PRIORS)


def test_a_prior_is_not_flat_in_its_parameter_or_its_logarithm() -> None:
    shares = np.linspace(0, 1, 5)
    for prior in PRIORS:
        values = prior.at(shares)
        assert values[[0, -1]] == pytest.approx([prior.low, prior.high])
        assert prior.share(values) == pytest.approx(shares)
        steps = np.diff(np.log(values) if prior.log else values)
        assert steps == pytest.approx(steps[0])
    assert drawn(np.full((1, len(PRIORS)), 0.5))[0]["mobilisation.threshold"] == pytest.approx(0.775)


def test_two_calibrations_write_in_one_folder(tmp_path: Path) -> None:
    head = Settings(8, 1, 8, 1).as_dict(Work.of(1.0))
    with Journal(tmp_path / "out", head), pytest.raises(Busy, match="is writing there"):
        Journal(tmp_path / "out", head)
    with Journal(tmp_path / "out", head):
        pass


# --- the real model ------------------------------------------------------------------------------------


def test_a_draw_is_not_run_or_reads_what_is_held_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One draw of each module with few rows: the battle for its first two days, the rounds for three days."""

    def held_out(seen: Any) -> float:
        raise AssertionError("a figure was read that is not fitted")

    def guarded(figure: Any) -> Any:
        return figure if figure.label == "fitted" else replace(figure, of=held_out)

    kept = tuple(replace(p, figures=tuple(map(guarded, p.figures))) for p in PATTERNS)
    monkeypatch.setattr(calibration, "PATTERNS", kept)
    battle = Scenario.load(thin("qusayr-2013", tmp_path)).with_values({"clock.days": 16.0})
    rounds = Scenario.load(thin("tripoli-2012", tmp_path)).with_values({"clock.days": 3.0})
    work = Work({"battle": battle, "rounds": rounds})
    (values,) = drawn(np.full((1, len(PRIORS)), 0.5))
    told = {module.name: work(Job(module.name, 1, values)) for module in MODULES}
    assert {name: list(of) for name, of in told.items()} == {m.name: m.targets.names for m in MODULES}
    fought = told["battle"]
    assert fought["first_day"] > 0 and 0 < fought["control_first_day"] <= fought["control_second_day"] <= 1
    assert isnan(fought["rebels_week"])  # the week is not over
    assert told["tripoli"].pop("tripoli_killed") >= 0 and told["tripoli"].pop("tripoli_wounded") >= 0
    assert all(isnan(value) for value in told["tripoli"].values())  # the years are not over
    weak = {**values, "factions.government.firepower": 0.2, "factions.rebels.firepower": 0.04}
    assert work(Job("battle", 1, weak))["first_day"] < fought["first_day"]


def test_a_run_is_longer_than_its_figures_need() -> None:
    days = {family: calibration.story(family).file.clock.days for family in SCENARIOS}
    start = Scenario.load("qusayr-2013").start.date()
    assert days["battle"] == (calibration.WEEK - start).days + 1
    assert days["rounds"] == Scenario.load("tripoli-2012").file.clock.days
    assert calibration.story("battle", 2.0).file.clock.days == 2


# --- figures -------------------------------------------------------------------------------------------


def of_the_battle(made: Report) -> Report:
    figures = BATTLE.targets.names
    checked, centred = (tuple(one for one in of if one.figure.name in figures) for of in (made.checked, made.centred))
    return replace(made, modules=made.modules[:1], checked=checked, centred=centred)


def test_a_figure_is_missing_or_does_not_name_what_it_shows(tmp_path: Path) -> None:
    from analysis import calibration_figures

    made = calibration_figures.draw(of_the_battle(found()), tmp_path)
    assert sorted(path.name for path in made) == sorted(calibration_figures.FILES)
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in made if path.suffix == ".png")
    said = {path.stem: path.read_text(encoding="utf-8") for path in made if path.suffix == ".svg"}
    assert all(prior.path in said["screening"] for prior in BATTLE.priors)
    assert all(part in said["marginals"] for prior in BATTLE.priors for part in prior.path.split("."))
    level = found().modules[0].level
    assert f"beyond ±{level:.2f} is more than luck" in said["screening"]
    for p, prior in zip(BATTLE.own, BATTLE.priors, strict=True):
        assert (f"* {prior.path}" in said["screening"]) == (p in found().modules[0].fitted), prior.path
    assert "killed in Qusayr on 19 May" in said["predictive"] and "≥ 52 (to 77) people" in said["predictive"]
    assert all("not a forecast" in text for text in said.values())


def test_figures_that_fail_or_checks_that_are_not_asked_for_cost_a_calibration(
    whole: tuple[Any, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from analysis import calibration_figures

    def fails(*_: object) -> None:
        raise ValueError("no ink")

    monkeypatch.setattr(calibration_figures, "draw", fails)
    result = spillover(tmp_path / "out", *SMALL, "--figures", "--checks", 0)
    assert result.exit_code == 0 and "no figures: ValueError: no ink" in result.output
    assert texts(tmp_path / "out")[POSTERIOR_FILE] == texts(whole[1])[POSTERIOR_FILE]
    assert "cannot be told" in result.stdout
