"""The reference pages say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sim import odd
from sim.chance import Chance
from sim.model import SpilloverModel
from sim.neighbourhoods import City
from sim.parameters import declaration
from sim.residents import Residents
from sim.scenario import Scenario
from sim.schema import EventBase, ScenarioFile


@pytest.fixture
def pages() -> tuple[Path, ...]:
    missing = [page.name for page in odd.PAGES if not page.is_file()]
    if missing:
        pytest.skip(f"not a whole checkout: no {', '.join(missing)}")
    return odd.PAGES


def test_pages_are_as_the_code_has_it(pages: tuple[Path, ...]) -> None:
    assert odd.stale() == [], "run python -m sim.odd"


def test_a_page_that_was_changed_by_hand_is_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    monkeypatch.setattr(odd, "PAGES", (page,))
    page.write_text("before\n<!-- generated: schedule -->\nby hand\n<!-- end -->\nafter\n", encoding="utf-8")
    assert odd.stale() == [page]
    page.write_text(odd.filled(page.read_text(encoding="utf-8"), odd.TABLES), encoding="utf-8")
    assert odd.stale() == []
    assert page.read_text(encoding="utf-8").startswith("before\n") and "by hand" not in page.read_text(encoding="utf-8")


def test_check_says_which_page_is_stale_and_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    page.write_text("<!-- generated: events -->\n<!-- end -->\n", encoding="utf-8")
    monkeypatch.setattr(odd, "ROOT", tmp_path)
    monkeypatch.setattr(odd, "PAGES", (page,))
    assert odd.main(["--check"]) == 1
    assert "page.md" in capsys.readouterr().out and "offensive" not in page.read_text(encoding="utf-8")
    assert odd.main([]) == 0 and "offensive" in page.read_text(encoding="utf-8")
    assert odd.main(["--check"]) == 0


def test_a_table_that_nobody_makes_is_refused() -> None:
    with pytest.raises(ValueError, match="no table 'nonsense'"):
        odd.filled("<!-- generated: nonsense -->\n<!-- end -->", odd.TABLES)


def test_every_table_stands_on_a_page(pages: tuple[Path, ...]) -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert {found[1] for found in odd.MARKED.findall(text)} == set(odd.TABLES)


def test_schedule_has_every_line_of_the_hour() -> None:
    told = re.findall(r"^\| \d+ \| `(\w+)` \| (.+) \|$", odd.schedule(), re.MULTILINE)
    assert len(told) >= 10 and all(doc for _, doc in told)
    assert all(callable(getattr(SpilloverModel, name)) for name, _ in told)
    assert [name for name, _ in told] == [
        n for n in SpilloverModel.step.__code__.co_names if hasattr(SpilloverModel, n)
    ]


def test_parameters_are_all_those_of_the_schema() -> None:
    told = re.findall(r"^\| `([\w.]+)` \|", odd.parameters(), re.MULTILINE)
    by_hand = sum(declaration(field) is not None for _, model in odd.tables() for field in model.model_fields.values())
    assert len(told) == by_hand and "mobilisation.threshold" in told and "factions.ID.firepower" in told


def test_every_key_says_what_it_means() -> None:
    empty = ("", "'s source")
    found = {f"{path}.{name}".lstrip("."): odd.meaning_of(model, name) for path, model, name in odd.every_key()}
    silent = [key for key, said in found.items() if said in empty or said.endswith(empty[1])]
    assert silent == [], "give the field a description, or param(..., doc=...)"


def test_no_meaning_is_left_over() -> None:
    models = {model.__name__: model for _, model in odd.tables()} | {"EventBase": EventBase}
    unused = []
    for key in odd.MEANINGS:
        table, _, name = key.rpartition(".")
        of = [models[table]] if table in models else [] if table else list(models.values())
        if not any(name in model.model_fields and not model.model_fields[name].description for model in of):
            unused.append(key)
    assert unused == [], "the schema says it itself"


def test_format_has_a_section_for_every_table() -> None:
    sections = re.findall(r"^##+ `\[([\w.]+)\]`", odd.file_format(), re.MULTILINE)
    assert {name for name in ScenarioFile.model_fields if name != "format"} <= {s.split(".")[0] for s in sections}


def test_columns_of_a_resident_are_those_of_the_model(pages: tuple[Path, ...]) -> None:
    section = pages[0].read_text(encoding="utf-8").split("### State of a resident")[1].split("\n###")[0]
    named = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    file = Scenario.load("tiny").file
    city = City.of(file)
    residents = Residents(file, city, Chance(1))
    assert len(named) >= 8
    assert [name for name in named if getattr(residents, name).shape != (city.rows(),)] == []


def test_abridging_keeps_the_first_and_last_block_and_marks_what_it_leaves_out() -> None:
    text = "title\n\nReported, x\n\nKilled\n\nWho\n\nAlarm (y\n\nThe end.\n"
    assert odd.abridged(text) == "```text\ntitle\n\nReported, x\n\n[…]\n\nAlarm (y\n\nThe end.\n```"
