"""The reference pages that are made from the code: the tables of the ODD and of the scenario format.

    python -m sim.odd            write them again where the code has changed
    python -m sim.odd --check    exit 1 and say which pages are not as the code has it
    python -m sim.odd --run      also run the scenario that the README shows, for its output and figure

A page holds its tables between `<!-- generated: name -->` and `<!-- end -->`; the rest is written by hand.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim import agents, channels
from sim.events import KINDS
from sim.measures import MEASURES
from sim.model import SpilloverModel
from sim.neighbourhoods import City
from sim.parameters import GRADES, declaration
from sim.residents import TRANSITIONS, Residents
from sim.scenario import Scenario
from sim.scenario.coherence import REFERENCES
from sim.scenario.faults import shown
from sim.scenario.shape import Slot, kind_of, noun, slot_of, within
from sim.schema import KNOWN_MODELS, EventBase, ScenarioFile
from sim.theatre import Theatre

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "sim" / "ODD.md", ROOT / "docs" / "scenario-format.md")
README, FIGURE = ROOT / "README.md", ROOT / "docs" / "timeline.png"
MARKED = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
COLUMN = re.compile(r"^    (\w+): [^=#\n]+?(?:  # (.+))?$", re.MULTILINE)
SHOWN_RUN = ("qusayr-2013", 1)
SHOWN_CLAIMS = ("claims", "qusayr-2013", "--seeds", "20")
SHOWN_BLOCKS = ("Reported,", "Rounds of", "Control where", "Alarm (")

MEANINGS = {
    "name": "what it is called",
    "source": "article claim id, literature, or assumed",
    "on": "false: it does not happen",
    "kind": "what kind it is",
    "place": "where",
    "until": "when it ends; absent: never",
    "between": "its two ends",
    "Info.id": "lower-case name, used in folders and tables",
    "Info.title": "one line",
    "Info.summary": "one sentence",
    "Window.first": "first day",
    "Window.last": "last day",
    "Place.country": "in words",
    "Place.population": "people who live there",
    "Rectangle.west": "western edge, metres east of the place's centre",
    "Rectangle.south": "southern edge, metres north of the place's centre",
    "Rectangle.width": "metres from west to east",
    "Rectangle.height": "metres from south to north",
    "Volunteers.faction": "whom they join",
    "Neighbourhood.residents": "people who live there, each of them modelled",
    "Neighbourhood.people_per_agent": "people that one row of the table stands for",
    "Neighbourhood.rectangle": "outline as a rectangle; either this or `polygon`",
    "Neighbourhood.legitimacy": "L: legitimacy of the state in the residents' eyes",
    "Faction.kind": "`state` or `armed_group`, for the coding of incidents",
    "Faction.fighters": "fighters at the start, everywhere together",
    "Faction.fire": "`aimed`: losses grow with one's own numbers; `area`: also with the opponents'",
    "Consignment.units": "missiles",
    "Corridor.capacity_t_day": "tonnes a day, both ways together",
    "Offensive.attackers": "who assaults",
    "Offensive.intensity": "1: a full assault",
    "Reinforcement.faction": "who arrives",
    "Reinforcement.fighters": "how many arrive",
    "Provocation.neighbourhood": "where",
    "Provocation.community": "who is angered",
    "Deployment.force": "who is ordered",
    "Seal.corridors": "which roads",
    "Seal.sealed": "false: they are opened",
    "Strike.target": "whose stock is struck",
    "Strike.killed": "fighters of the target killed, at most those who are there",
    "BorderFire.by": "who fires, an office or a description",
    "Observer.denies": "what it denies whatever happens",
    "ScenarioFile.format": "version of this format",
}
"""What keys mean that say so neither in the schema nor by a parameter's source: by `Table.key`, or by key alone."""


# --- pages ---------------------------------------------------------------------------------------------


def filled(text: str, tables: dict[str, Callable[[], str]]) -> str:
    """Return a page with its tables made again; raise ValueError on a table that nobody makes."""

    def table(found: re.Match[str]) -> str:
        if found[2] not in tables:
            raise ValueError(f"no table {found[2]!r}; there are {', '.join(tables)}")
        return f"{found[1]}\n{tables[found[2]]().strip()}\n\n{found[3]}"

    return MARKED.sub(table, text)


def stale() -> list[Path]:
    """Return the pages that are not as the code has it."""
    return [page for page in PAGES if (text := page.read_text(encoding="utf-8")) != filled(text, TABLES)]


def rows(header: str, body: Iterable[Iterable[Any]]) -> str:
    """Return a Markdown table; the header's cells are parted by ` | `."""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in body]
    lines = [header.split(" | "), ["---"] * len(header.split(" | ")), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def first_line(thing: Any) -> str:
    """Return the sentence with which a docstring begins."""
    return " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())


# --- the model -----------------------------------------------------------------------------------------


def entities() -> str:
    """Tell who and what exists, from the schema, and which of it is a Mesa agent."""
    agent_of = {kind.__name__ for kind in agents.Handle.__subclasses__()}
    found = [
        (model.__name__, f"`[{path}]`", first_line(model), "yes" if model.__name__ in agent_of else "")
        for path, model in tables()
        if path.count(".") == 1 and path.endswith(".ID") and not issubclass(model, EventBase)
    ]
    resident = ("Resident", "`[neighbourhoods.ID]`", first_line(Residents), "")
    return rows("entity | described by | what it is | Mesa agent", [*found, resident])


def state() -> str:
    """Tell the columns of the two shared tables, with the notes beside them in the code."""
    listed = []
    for table in (Theatre, City):
        fixed, changing = inspect.getsource(table).split("# state, and who writes it")
        for part, kind in ((fixed, "set at the start"), (changing, "state")):
            listed += [(f"`{table.__name__}`", f"`{name}`", kind, note) for name, note in COLUMN.findall(part)]
    return rows("table | column | kind | index, what it is, who writes it", listed)


def schedule() -> str:
    """Tell the lines of an hour in their order."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(SpilloverModel.step)))
    calls = [node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and hasattr(node.func, "attr")]
    lines = [(i, f"`{name}`", first_line(getattr(SpilloverModel, name))) for i, name in enumerate(calls, 1)]
    return rows("# | line of `SpilloverModel.step` | what happens", lines)


def events() -> str:
    """Tell what the scenario may do to the world."""
    return rows("kind | what it does", [(f"`{kind}`", first_line(event)) for kind, event in KINDS.items()])


def transitions() -> str:
    """Tell every transition of a resident and its hazard."""
    return rows("from | to | transition | hazard, 1/h", [(a, b, name, f"`{h}`") for a, b, name, h in TRANSITIONS])


def ways() -> str:
    """Tell the channels of spillover with their weights."""
    listed = []
    for name in channels.CHANNELS:
        module = sys.modules[f"sim.channels.{name}"]
        model = type(getattr(ScenarioFile.model_fields["channels"].get_default(call_default_factory=True), name))
        weight = model.model_fields["weight"]
        carries = "alarm" if name in channels.ALARMS else "transfers"
        listed.append((f"`{name}`", carries, first_line(module), plain(weight.default), span(slot_of_field(weight))))
    return rows("channel | returns | what travels | weight | range of the weight", listed)


def parameters() -> str:
    """Tell every declared parameter with its default, unit, range, grade and source."""
    listed, grades = [], Counter[str]()
    for path, model, name in every_key():
        field = model.model_fields[name]
        if (declared := declaration(field)) is not None:
            grades[declared["grade"]] += 1
            source = declared["source"] if field.description else "given by each scenario"
            listed.append((
                f"`{path}.{name}`", plain(field.default), declared["unit"], span(slot_of_field(field)),
                declared["grade"], meaning_of(model, name), source,
            ))  # fmt: skip
    said = ", ".join(f"{grades[grade]} {grade}" for grade in GRADES if grades[grade])
    table = rows("parameter | default | unit | range | grade | meaning | source", listed)
    return f"{len(listed)} parameters, by the grade of their default: {said}.\n\n{table}"


def measured() -> str:
    """Tell the measures of a run."""
    listed = [(f"`{m.name}`", m.unit, m.scope, m.doc) for m in MEASURES.values()]
    return rows("measure | unit | one for each | what it is", listed)


def recorded() -> str:
    """Tell the columns that every hour is recorded in, by what they are of."""
    found: dict[tuple[str, str], None] = {}
    of: dict[tuple[str, str], list[str]] = {}
    for series in SpilloverModel(Scenario.load("tiny")).record.series:
        keys = ", ".join(k for k in ("place", "neighbourhood", "community", "faction") if getattr(series, k))
        found[series.measure, series.unit] = None
        if keys not in of.setdefault((series.measure, series.unit), []):
            of[series.measure, series.unit].append(keys)
    return rows("column | unit | by", [(f"`{m}`", unit, "; ".join(of[m, unit])) for m, unit in found])


# --- the scenario file ---------------------------------------------------------------------------------


def tables(model: type[BaseModel] = ScenarioFile, path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every table of a scenario file with its path, `ID` standing for a name that the author gives."""
    yield path, model
    for name, field in model.model_fields.items():
        slot, below = slot_of_field(field), f"{path}.{name}".lstrip(".")
        for found in inner(slot).models:
            yield from tables(found, below if slot.models else f"{below}.ID")


def every_key() -> Iterator[tuple[str, type[BaseModel], str]]:
    """Yield every key of every table, those of all events once: path of the table, its model, the key."""
    yield from (("events.ID", EventBase, name) for name in EventBase.model_fields)
    for path, model in tables():
        yield from ((path, model, name) for name in own_keys(model))


def own_keys(model: type[BaseModel]) -> list[str]:
    """Return a table's keys, of an event those that not every event has."""
    common = EventBase.model_fields if issubclass(model, EventBase) and model is not EventBase else ()
    return [name for name in model.model_fields if name not in common]


def file_format() -> str:
    """Tell every table and key of a scenario file."""
    sections, events_told = [], False
    for path, model in tables():
        if issubclass(model, EventBase):
            if not events_told:
                sections.append(_section(f"## `[{path}]`", path, EventBase))
                events_told = True
            sections.append(_section(f'### `[{path}]` with `kind = "{kind_of(model)}"`', path, model))
        elif not all(slot_of_field(field).is_table for field in model.model_fields.values()):
            level = "##" if path.removesuffix(".ID").count(".") == 0 else "###"
            sections.append(_section(f"{level} `[{path}]`" if path else "## Top level", path, model))
    return "\n\n".join(sections)


def known_models() -> str:
    """Tell the keys of the table of each known model."""
    told = []
    for name, file in KNOWN_MODELS.items():
        (parameters,) = slot_of_field(file.model_fields[name]).models
        told.append(_section(f"## `[{name}]`", name, parameters))
    return "\n\n".join(told)


def _section(heading: str, path: str, model: type[BaseModel]) -> str:
    names = own_keys(model)
    if not path:
        names = [name for name in names if not slot_of_field(model.model_fields[name]).models]
    if issubclass(model, EventBase) and model is not EventBase:
        names.remove("kind")
    listed = [_key(path, model, name) for name in names]
    body = [rows("key | type | unit | range | default | meaning", listed)] if listed else []
    return "\n\n".join([heading, first_line(model), *body])


def _key(path: str, model: type[BaseModel], name: str) -> tuple[str, ...]:
    field = model.model_fields[name]
    slot, declared = slot_of_field(field), declaration(field)
    kinds = refers_to(f"{path}.{name}".lstrip("."))
    meaning = meaning_of(model, name) + (f"; of `{'`, `'.join(kinds)}`" if kinds else "")
    unit = declared["unit"] if declared and slot.type in (int, float) else ""
    return f"`{name}`", _type(slot), unit, span(slot), default(field), meaning


def _type(slot: Slot) -> str:
    values = inner(slot)
    if values.models:
        return "a table, see below" if values is slot else "tables, see below"
    if get_origin(values.type) is dict:
        return f"a table of tables whose values are {noun(slot_of(values.type)).partition(' are ')[2]}"
    return noun(slot).partition(", such as")[0]


def meaning_of(model: type[BaseModel], name: str) -> str:
    """Return what a key means, from the first place that says it."""
    field, declared = model.model_fields[name], declaration(model.model_fields[name])
    said = field.description or MEANINGS.get(f"{model.__name__}.{name}")
    said = said or (declared["source"] if declared else MEANINGS.get(name, ""))
    models = inner(slot_of_field(field)).models
    return said or (first_line(EventBase if len(models) > 1 else models[0]) if models else "")


def refers_to(path: str) -> tuple[str, ...]:
    """Return the tables whose ids stand at a path, as its value, its keys or its elements."""
    pattern = path.replace(".ID", ".*")
    at = dict(REFERENCES)
    return next((at[p] for p in (pattern, f"{pattern}.{{}}", f"{pattern}.[]") if p in at), ())


def default(field: FieldInfo) -> str:
    """Write a key's default as TOML has it."""
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        made = field.get_default(call_default_factory=True)
        return "" if isinstance(made, BaseModel) else "empty"
    return "none" if field.default is None else plain(field.default)


def plain(value: Any) -> str:
    """Write a value shortly, numbers without a trailing .0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "empty" if value == () else f"`{shown(value)}`"
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def span(slot: Slot) -> str:
    """Say which values are allowed: of a number its range, of all else its length or pattern."""
    if slot.type not in (int, float):
        return "" if slot.is_table else within(slot)
    low, above, high = (
        next((limit for m in slot.limits if (limit := getattr(m, name, None)) is not None), None)
        for name in ("ge", "gt", "le")
    )
    if above is not None:
        return f"above {plain(above)}"
    if low is None and high is None:
        return ""
    return f"{plain(low)} or more" if high is None else f"{plain(low)} to {plain(high)}"


def slot_of_field(field: FieldInfo) -> Slot:
    """Return the type that a field declares, without its wrappings."""
    return slot_of(field.annotation, tuple(field.metadata), field)


def inner(slot: Slot) -> Slot:
    """Return the type of a table's values, or the type itself where it is no table of values."""
    return slot_of(get_args(slot.type)[1]) if get_origin(slot.type) is dict else slot


TABLES: dict[str, Callable[[], str]] = {
    "entities": entities,
    "state": state,
    "schedule": schedule,
    "events": events,
    "transitions": transitions,
    "channels": ways,
    "parameters": parameters,
    "measures": measured,
    "recorded": recorded,
    "format": file_format,
    "known_models": known_models,
}


# --- the run that the README shows ---------------------------------------------------------------------


def shown_run() -> str:
    """Run the README's scenario, draw its figure, and return what it says, cut to a few blocks."""
    from PIL import Image

    from sim.figures import timeline
    from sim.runs import run

    scenario, seed = SHOWN_RUN
    result = run(scenario, seed=seed)
    timeline(result, FIGURE)
    with Image.open(FIGURE) as picture:
        picture.convert("RGB").save(FIGURE, optimize=True)  # nothing shines through: a tenth smaller
    return abridged(result.summary_text())


def shown_claims() -> str:
    """Return the register's verdicts over the runs of the README's command, a row a claim."""
    command = [*SHOWN_CLAIMS, "--json"]
    done = subprocess.run([sys.executable, "-m", "sim.cli", *command], cwd=ROOT, check=True, capture_output=True)
    rows = ["| id | the claim | a figure from the runs: median [80 %] | verdict |", "| --- | --- | --- | --- |"]
    for claim in json.loads(done.stdout)["claims"]:
        figure = claim["figures"][0]
        value, low, high = (short(figure[key]) for key in ("median", "from", "to"))
        unit = "" if figure["unit"] == "1" else f" {figure['unit']}"
        told = f"{figure['label']}: {value} [{low}–{high}]{unit}"
        rows.append(f"| {claim['id']} | {claim['text']} | {told} | {claim['verdict']} |")
    return "\n".join(rows)


def short(number: float) -> str:
    """Write a number with three figures, and no fewer than it has before the point."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def abridged(text: str) -> str:
    """Return a summary's first and last block and those of `SHOWN_BLOCKS`, `[…]` where some are left out."""
    first, *blocks, last = text.strip().split("\n\n")
    kept = [first]
    for block in [*blocks, last]:
        if block.startswith(SHOWN_BLOCKS) or block is last:
            kept.append(block)
        elif kept[-1] != "[…]":
            kept.append("[…]")
    return "```text\n" + "\n\n".join(kept) + "\n```"


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or check them; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m sim.odd", description=first_line(sys.modules[__name__]))
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 where a page is stale")
    parser.add_argument("--run", action="store_true", help="also run the scenario that the README shows")
    asked = parser.parse_args(arguments)
    old = stale()
    if asked.check:
        for page in old:
            print(f"{page.relative_to(ROOT)}: stale, run python -m sim.odd")
        return 1 if old else 0
    for page in old:
        rewrite(page, TABLES)
    if asked.run:
        rewrite(README, {"run": shown_run, "claims": shown_claims})
    return 0


def rewrite(page: Path, made: dict[str, Callable[[], str]]) -> None:
    """Write a page again and say so."""
    text = filled(page.read_text(encoding="utf-8"), made)
    page.write_text(text, encoding="utf-8", newline="\n")
    print(f"{page.relative_to(ROOT)}: written")


if __name__ == "__main__":
    sys.exit(main())
