"""Where the numbers of a scenario come from, one by one and in all.

A number's source is the one written beside it, else that of the nearest table above it which names one.
A number that no file gives is a default: it has the source and grade of its declaration. Where nothing
else is said, a scenario whose own source is an assumption lends it (an invented one: "assumed: invented").

The grade is the kind of thing that the source names first: a claim of the article, a measurement, the
press, the literature, a fit to the record. A source that speaks of an assumption grades its number as
assumed, and so does one that names nothing to look up.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from sim.parameters import GRADES, declaration

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from sim.scenario import Scenario

UNSAID = "unsaid"
KINDS = (*GRADES, UNSAID)
CLAIM = re.compile(r"\bA\d\d\b")
ASSUMPTION = re.compile(r"\b(assum\w+|schematic|invented)\b", re.IGNORECASE)
MONTH = r"January|February|March|April|May|June|July|August|September|October|November|December"
NAMES = {
    "article": CLAIM,
    "measured": re.compile(r"\b(GeoNames|UN-Habitat|UNICEF|UNHCR|UCDP|GED|survey\w*|census|measured)\b|\bdata/"),
    "press": re.compile(r"\b([Pp]ress|Daily Star|Naharnet|AFP|Wikipedia|Wikia|newspapers?|correspondent)\b"),
    "fitted": re.compile(r"\bfitted\b"),
    "literature": re.compile(rf"\b(?!(?:{MONTH})\b)[A-Z]\w+(?: et al\.?)?,? \(?(?:19|20)\d\d\b|\bliterature\b"),
}
NO_PARAMETERS = ("format", "benchmarks")  # what others reported does not enter a run
UNITS = {
    "latitude": "degrees", "longitude": "degrees", "polygon": "degrees", "path": "degrees",
    "west": "m", "south": "m", "width": "m", "height": "m",
    "armed": "people", "arrivals_per_day": "people/d", "delivers_t_day": "t/d", "stock_days": "d",
    "deployed": "relative",
}  # fmt: skip
WORDS = {
    "article": "from the article", "measured": "measured", "press": "from the press",
    "literature": "from the literature", "fitted": "fitted to the record", "assumed": "assumed",
    UNSAID: "without a source",
}  # fmt: skip


@dataclass(frozen=True)
class Number:
    """One number of a scenario and where it comes from."""

    path: str
    value: Any
    unit: str
    grade: str
    source: str


def kind_of(source: str | None) -> str:
    """Return what kind of thing a source is."""
    if source is None or not source.strip():
        return UNSAID
    if ASSUMPTION.search(source):
        return "assumed"
    found = ((match.start(), kind) for kind, names in NAMES.items() if (match := names.search(source)))
    return min(found, default=(0, "assumed"))[1]


def numbers(scenario: Scenario) -> list[Number]:
    """Return every number that enters a run of a scenario, in the order of the schema."""
    return [_number(scenario, *found) for found in _numbers(scenario.file, ()) if found[0][0] not in NO_PARAMETERS]


def counted(found: list[Number]) -> dict[str, int]:
    """Return how many numbers there are of each grade."""
    many = Counter(number.grade for number in found)
    return {kind: many[kind] for kind in KINDS}


def as_dict(scenario: Scenario, listed: bool) -> dict[str, Any]:
    """Return the counts and shares, and each number if asked, ready for JSON."""
    found = numbers(scenario)
    many = counted(found)
    told: dict[str, Any] = {
        "scenario": scenario.id,
        "numbers": len(found),
        "count": many,
        "share": {kind: number / max(len(found), 1) for kind, number in many.items()},
    }
    if listed:
        told["list"] = [vars(number) for number in found]
    return told


def told(scenario: Scenario, listed: bool) -> str:
    """Return the counts and shares, and each number if asked, for a person."""
    found = numbers(scenario)
    lines = [f"{scenario.title} ({scenario.id}): {len(found):,} numbers"]
    lines += [f"  {WORDS[kind]:20}{many:>6,}{many / max(len(found), 1):>8.1%}" for kind, many in counted(found).items()]
    if listed:
        longest = max((len(number.path) for number in found), default=0)
        lines += ["", *(_line(number, longest) for number in found)]
    return "\n".join(lines)


def _line(number: Number, longest: int) -> str:
    value = f"{number.value:g}" if isinstance(number.value, float) else f"{number.value}"
    return f"{number.path:{longest}}  {value:>12} {number.unit:16} {number.grade:10}  {number.source}"


# --- finding them ----------------------------------------------------------------------------------------

Keys = tuple[str, ...]
Found = tuple[Keys, Any, "FieldInfo"]


def _numbers(model: BaseModel, above: Keys) -> Iterator[Found]:
    for name, field in type(model).model_fields.items():
        yield from _below(getattr(model, name), (*above, name), field)


def _below(value: Any, keys: Keys, field: FieldInfo) -> Iterator[Found]:
    """Yield the numbers in a value; an outline is one of them."""
    if isinstance(value, BaseModel):
        yield from _numbers(value, keys)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _below(item, (*keys, key), field)
    elif isinstance(value, tuple) and value and isinstance(value[0], tuple):
        yield keys, f"{len(value)} points", field
    elif isinstance(value, int | float) and (not isinstance(value, bool) or declaration(field) is not None):
        yield keys, value, field


def _number(scenario: Scenario, keys: Keys, value: Any, field: FieldInfo) -> Number:
    path, declared = ".".join(keys), declaration(field)
    unit = declared["unit"] if declared else next((UNITS[key] for key in reversed(keys) if key in UNITS), "1")
    given = path in scenario.where and not (declared and _is_mechanism(keys) and value == field.default)
    source = _nearest(scenario, keys) if given else scenario.sources.get(path)
    if source is None and not given:
        said = declared["source"] if declared else "assumed"
        return Number(path, value, unit, declared["grade"] if declared else "assumed", f"default: {said}")
    if source is None and kind_of(scenario.file.scenario.source) == "assumed":
        source = scenario.file.scenario.source
    return Number(path, value, unit, kind_of(source), source or "")


def _is_mechanism(keys: Keys) -> bool:
    """Tell whether a number belongs to a mechanism, and not to something that the scenario names."""
    return len(keys) == 2 or keys[0] == "channels"


def _nearest(scenario: Scenario, keys: Keys) -> str | None:
    """Return the source of a value: its own, or that of the nearest table above it that names one."""
    elements: list[Any] = [scenario.file]
    for key in keys:
        here = elements[-1]
        elements.append(here.get(key) if isinstance(here, dict) else getattr(here, key, None))
    for depth in range(len(keys), 0, -1):
        own = scenario.sources.get(".".join(keys[:depth])) or getattr(elements[depth], "source", None)
        if isinstance(own, str):
            return own
    return None
