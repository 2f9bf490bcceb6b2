"""The register of claims: what encodes them, what runs say to them, and how that is told."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from small import written
from typer.testing import CliRunner

import sim.cli
from sim.claims import (
    REGISTER,
    Compared,
    Figures,
    Found,
    agreement,
    as_dict,
    assess,
    encoded,
    figures,
    over_seeds,
    register,
    told,
    verdict_of,
)
from sim.measures import flow_mean
from sim.runs import run
from sim.scenario import Scenario, shipped

REPOSITORY = Path(__file__).resolve().parents[1]
ARTICLE = REPOSITORY.parent / "shared" / "article" / "article.txt"
IDS = [f"A{number:02}" for number in range(1, 25)]
CLAIM = {"text": "something", "by": "somebody", "kind": "number", "figures": [{"benchmark": "first"}]}


def spillover(*arguments: str | Path) -> Any:
    return CliRunner().invoke(sim.cli.app, [str(a) for a in arguments], prog_name="spillover")


# --- the register --------------------------------------------------------------------------------------


def test_the_register_has_every_claim_and_each_has_a_figure() -> None:
    assert list(register()) == IDS
    assert all(claim.figures for claim in register().values())


@pytest.mark.parametrize(
    "wrong",
    [
        {"figures": []},
        {"figures": [{"label": "x", "unit": "1"}]},
        {"figures": [{"label": "x", "unit": "1", "series": "killed", "how": "median"}]},
        {"figures": [{"label": "x", "unit": "1", "series": "killed", "how": "sum", "plaec": "qusayr"}]},
        {"figures": [{"benchmark": "first", "flow": ["road"]}]},
        {
            "figures": [
                {"label": "x", "unit": "1", "happened": "y", "window": "w", "days": ["2013-05-19", "2013-05-19"]}
            ]
        },
        {"kind": "rumour"},
        {"person": "somebody"},
    ],
)
def test_a_claim_with_a_fault_is_refused(wrong: dict[str, Any]) -> None:
    assert REGISTER.validate_python({"A01": CLAIM})
    with pytest.raises(ValidationError):
        REGISTER.validate_python({"A01": CLAIM | wrong})


def test_the_register_has_words_of_its_own() -> None:
    """No eight words in a row are the article's."""
    if not ARTICLE.exists():
        pytest.skip(f"{ARTICLE} is not part of the project, and not here")
    runs_of_words = _runs_of(ARTICLE.read_text(encoding="utf-8"), 8)
    shared = {name: _runs_of(claim.text, 8) & runs_of_words for name, claim in register().items()}
    assert not {name: runs for name, runs in shared.items() if runs}


def _runs_of(text: str, length: int) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return {tuple(words[i : i + length]) for i in range(len(words) - length + 1)}


# --- where scenarios encode them -----------------------------------------------------------------------


def test_the_base_scenario_encodes_every_claim() -> None:
    assert list(encoded(Scenario.load("qusayr-2013"))) == IDS


@pytest.mark.parametrize("name", sorted(shipped()))
def test_no_scenario_cites_a_claim_that_is_not_in_the_register(name: str) -> None:
    scenario = Scenario.load(name)
    cited = {*encoded(scenario), *(given.claim for given in scenario.file.benchmarks.values())}
    assert cited <= set(IDS)


def test_encoded_names_the_file_and_the_key() -> None:
    found = encoded(Scenario.load("regional-escalation"))
    assert ("scenarios/qusayr-2013.toml", "places.qusayr.control") in _from_repository(found["A06"])
    assert ("scenarios/regional-escalation.toml", "events.statement_of_alarm") in _from_repository(found["A15"])


def _from_repository(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(os.path.relpath(file, REPOSITORY), key) for file, key in found]


def test_every_figure_of_the_register_names_what_the_base_scenario_has() -> None:
    """Ids and windows are there, so that none of the figures is missing for a misspelt name."""
    file = Scenario.load("qusayr-2013").file
    named = {
        "benchmark": file.benchmarks, "window": file.windows, "minus": file.windows, "place": file.places,
        "worth": file.places, "value_rank": file.places, "neighbourhood": file.neighbourhoods,
        "community": file.communities, "faction": file.factions, "observer": file.observers, "happened": file.events,
        "flow": file.corridors,
    }  # fmt: skip
    for name, claim in register().items():
        for figure in claim.figures:
            for key, value in figure.model_dump(exclude_none=True).items():
                ids = value if isinstance(value, tuple) else (value,)
                assert key not in named or set(ids) <= set(named[key]), f"{name}: {key} = {value}"


# --- the rules -----------------------------------------------------------------------------------------

TEN = np.arange(1.0, 11.0)


@pytest.mark.parametrize(
    ("with_", "agrees"),
    [
        ({"low": 6}, True),  # five of ten reach it
        ({"low": 7}, False),
        ({"low": 1, "high": 1}, True),  # nine of ten pass it
        ({"low": 1, "high": 0.5}, False),
        ({"point": 1.9}, True),  # the interval is 1.9 to 9.1
        ({"point": 1.8}, False),
        ({"point": 9.1}, True),
        ({"point": 9.2}, False),
        ({"low": 1, "high": 10, "point": 9.5}, False),  # the number itself, where there is one
    ],
)
def test_agreement(with_: dict[str, float], agrees: bool) -> None:
    assert agreement(TEN, Compared(**with_)) is agrees


def test_verdicts() -> None:
    yes, no = (Found("x", "1", 2, 1.0, 1.0, 1.0, low=0.0, agrees=agrees) for agrees in (True, False))
    shown, missing = Found("x", "1", 2, 1.0, 1.0, 1.0), Found("x", "1", 0, low=1.0)
    assert verdict_of(False, False, [yes]) == "absent"
    assert verdict_of(True, False, [yes, shown]) == "agrees"
    assert verdict_of(True, False, [yes, no]) == "disagrees"
    assert verdict_of(True, False, [shown]) == "present"
    assert verdict_of(True, True, [yes, no]) == "contested"
    assert verdict_of(True, False, [yes, missing]) == "untested"
    assert verdict_of(True, False, [no, missing]) == "disagrees"
    assert verdict_of(True, True, [missing]) == "untested"


def hand_made(value: float) -> Figures:
    return {name: [value] * len(claim.figures) for name, claim in register().items()}


def test_the_numbers_of_a_verdict_are_those_of_the_runs() -> None:
    """Eleven runs with 50 to 60 killed: at least 52 is reached by nine of them."""
    scenario = Scenario.load("qusayr-2013")
    killed = next(v for v in assess(scenario, [hand_made(50.0 + n) for n in range(11)]) if v.id == "A05").figures[0]
    assert (killed.median, killed.from_, killed.to, killed.width, killed.agrees) == (55.0, 51.0, 59.0, 8.0, True)
    assert (killed.low, killed.runs) == (52, 11)
    wounded = next(v for v in assess(scenario, [hand_made(30.0 + n) for n in range(11)]) if v.id == "A16").figures[1]
    assert (wounded.point, wounded.agrees) == (40, False)  # 31 to 39


def test_a_point_lies_within_the_benchmarks_range() -> None:
    scenario = Scenario.load("qusayr-2013")
    assert scenario.file.benchmarks["golan_harmed"].point == 0
    with pytest.raises(ValueError, match="does not lie from low to high"):
        scenario.with_values({"benchmarks.tripoli_wounded.point": 46.0})


# --- of runs -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def five_days() -> Scenario:
    """Two days before the assault and three from then on, with fewer residents."""
    base = Scenario.load("qusayr-2013")
    changes: dict[str, Any] = {"clock.days": 5.0, "clock.start": base.file.clock.start.replace(day=17)}
    changes |= {f"neighbourhoods.{quarter}.people_per_agent": 20 for quarter in base.file.neighbourhoods}
    return base.with_values(changes)


@pytest.fixture(scope="module")
def runs(five_days: Scenario) -> list[Figures]:
    return over_seeds(five_days, range(2), workers=1)


def test_a_figure_is_what_the_run_has(five_days: Scenario, runs: list[Figures]) -> None:
    result = run(five_days, seed=1)
    assert figures(result) == runs[1]
    beside = result.summary["benchmarks"]
    assert runs[1]["A05"][0] == beside["first_day_killed"]["value"]
    assert runs[1]["A16"][:2] == [beside["tripoli_killed"]["value"], beside["tripoli_wounded"]["value"]]
    flow = flow_mean(result)
    assert runs[1]["A08"][2] == pytest.approx(flow["tripoli_halba.rebels"] + flow["zahle_arsal.rebels"])
    held = result.measures.query("measure == 'control' and place == 'qusayr' and faction == 'government'")["value"]
    assert runs[1]["A03"][0] == pytest.approx(held.iloc[4 * 24 - 1] - held.iloc[3 * 24 - 1])


def test_days_that_were_not_all_run_have_no_figure(five_days: Scenario, runs: list[Figures]) -> None:
    verdicts = {verdict.id: verdict for verdict in assess(five_days, runs)}
    assert verdicts["A11"].verdict == "untested"  # of the two weeks before, two days were run
    assert verdicts["A05"].figures[0].median is not None


def test_processes_change_no_number(five_days: Scenario, runs: list[Figures]) -> None:
    assert over_seeds(five_days, range(2), workers=2) == runs


def test_the_table_and_the_json_say_the_same(five_days: Scenario, runs: list[Figures]) -> None:
    verdicts = assess(five_days, runs)
    table, plain = told(five_days, range(2), verdicts), as_dict(five_days, range(2), verdicts)
    assert json.loads(json.dumps(plain, allow_nan=False))["seeds"] == [0, 1]
    for claim in plain["claims"]:
        assert f"{claim['id']}  {claim['verdict'].upper()}  {claim['text']}" in table
    assert [claim["id"] for claim in plain["claims"]] == IDS


def test_a_scenario_without_claims_says_so() -> None:
    found = spillover("claims", "tiny", "--seeds", "1")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout == "tiny: none of its sources names a claim of the register\n"
    assert json.loads(spillover("claims", "tiny", "--json").stdout) == {"scenario": "tiny", "seeds": [], "claims": []}


def test_a_scenario_with_one_claim(tmp_path: Path) -> None:
    """Its town is not the register's: encoded, and no figure to be had; the others are absent."""
    found = spillover("claims", written(tmp_path), "--seeds", "2", "--workers", "1", "--json")
    assert (found.exit_code, found.stderr) == (0, "")
    told_ = json.loads(found.stdout)
    verdicts = {claim["id"]: claim["verdict"] for claim in told_["claims"]}
    assert told_["seeds"] == [0, 1]
    assert verdicts == {name: "untested" if name == "A06" else "absent" for name in IDS}


def test_faulty_input_is_refused(tmp_path: Path) -> None:
    assert spillover("claims", written(tmp_path, {"clock.zone": "Mars"})).exit_code == 2
    assert spillover("claims", "tiny", "--seeds", "0").exit_code == 2


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_ctrl_c_ends_it_and_its_processes() -> None:
    command = [sys.executable, "-c", "import sim.cli; sim.cli.main()", "claims", "qusayr-2013", "--seeds", "40"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while len(children := _children_of(process.pid)) < 2 and process.poll() is None:
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    patience = time.monotonic() + 20
    while any(_is_running(pid) for pid in children) and time.monotonic() < patience:
        time.sleep(0.05)
    assert not [pid for pid in children if _is_running(pid)]


def _is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _children_of(pid: int) -> list[str]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    if not listed.exists():
        pytest.skip("no /proc here to look for processes in")
    return listed.read_text().split()
