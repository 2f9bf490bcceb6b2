"""From what the files say to a valid scenario, or to everything that is wrong with it at once."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from sim.scenario.coherence import Complaint, complaints
from sim.scenario.faults import Fault, Keys, ScenarioError, dotted, listed, nearest, shown
from sim.scenario.loading import Said
from sim.scenario.shape import Slot, described, kind_of, plain_path, root, slot_at, within
from sim.schema import KNOWN_MODELS, ScenarioFile, file_type

MOST_FAULTS = 500
STAND_INS: dict[str, dict[str, Any]] = {
    "scenario": {"id": "x", "title": "x", "summary": "x"},
    "clock": {"start": datetime(2000, 1, 1)},
}
OUT_OF_RANGE = ("greater_than", "less_than", "finite_number", "string_too", "too_short", "string_pattern")


def validated(said: Said) -> ScenarioFile:
    """Return the scenario that the files describe; raise ScenarioError with all that is wrong."""
    if fault := _unknown_model(said):
        raise ScenarioError([fault])
    try:
        file = file_type(said.tree).model_validate(said.tree, strict=True)
    except ValidationError as error:
        raise ScenarioError(_limited(_all_faults(error, said))) from None
    wrong = [_incoherent(c, said) for c in complaints(file.model_dump(exclude_none=True), said.tree)]
    if wrong:
        raise ScenarioError(_limited(wrong))
    return file


def unknown(keys: Keys, slot: Slot | None, tree: Mapping[str, Any], file: str) -> Fault:
    """Return the fault for a key that the schema, or this scenario, does not have."""
    above = slot or root(tree)
    here: Any = tree
    for key in keys[:-1]:
        here = here.get(key, {}) if isinstance(here, Mapping) else {}
    kind = here.get("kind") if isinstance(here, Mapping) else None
    names = above.keys(kind) or (tuple(here) if isinstance(here, Mapping) else ())
    meant = nearest(str(keys[-1]), names)
    text = "unknown key" if meant else f"unknown key, allowed here: {listed(names, 30)}"
    path = dotted((*keys[:-1], meant)) if meant and len(keys) > 1 else meant
    return Fault(file, dotted(keys), "an unknown key", listed(names, 30), path, text)


def _unknown_model(said: Said) -> Fault | None:
    """Return the fault for a model that there is not; without the key it is that of the theatre."""
    name = said.tree.get("model")
    if "model" not in said.tree or (isinstance(name, str) and name in KNOWN_MODELS):
        return None
    allowed = f"one of {listed(KNOWN_MODELS)}, or no such key for the model of the theatre"
    meant = nearest(name, KNOWN_MODELS) if isinstance(name, str) else None
    return Fault(said.file_of(("model",)), "model", shown(name), allowed, meant)


def _all_faults(error: ValidationError, said: Said) -> list[Fault]:
    """Return what the schema refuses, and what is incoherent in the rest."""
    faults: dict[tuple[str, str], Fault] = {}
    for detail in error.errors(include_url=False, include_context=True):
        fault = _invalid(detail, said)
        faults.setdefault((fault.key, fault.message), fault)
    part, left_out = _valid_part(said.tree, error)
    if part is not None:
        for complaint in complaints(part, said.tree):
            if not any(_related(keys, gone) for keys in complaint.involves for gone in left_out):
                fault = _incoherent(complaint, said)
                faults.setdefault((fault.key, fault.message), fault)
    return list(faults.values())


def _related(one: Keys, other: Keys) -> bool:
    """Tell whether one path lies on or below the other."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _limited(faults: Iterable[Fault]) -> list[Fault]:
    faults = list(faults)
    if len(faults) <= MOST_FAULTS:
        return faults
    more = f"{len(faults) - MOST_FAULTS} more faults"
    return [*faults[:MOST_FAULTS], Fault(faults[0].file, "", more, "none", text=more)]


# --- what the schema refuses ---------------------------------------------------------------------------


def _invalid(detail: Any, said: Said) -> Fault:
    """Return the fault for one of pydantic's errors."""
    kind: str = detail["type"]
    keys = plain_path(detail["loc"], said.tree)
    slot = slot_at(keys, said.tree)
    if kind == "extra_forbidden":
        return unknown(keys, slot_at(keys[:-1], said.tree), said.tree, said.file_of(keys))
    if kind.startswith("union_tag"):
        return _wrong_kind(keys, slot, detail, said)
    if kind == "missing":
        allowed = described(slot) if slot else "a value"
        return Fault(said.file_of(keys[:-1]), dotted(keys), "nothing", allowed, text=f"missing, needs {allowed}")
    if "[key]" in detail["loc"]:
        allowed = "lower-case letters, digits and _, beginning with a letter, at most 60 characters"
        text = f"found the id {shown(keys[-1])}, allowed {allowed}"
        return Fault(said.file_of(keys), dotted(keys), shown(keys[-1]), allowed, text=text)
    found = shown(detail["input"])
    if kind == "value_error":
        reason = str(detail["ctx"]["error"])
        return Fault(said.file_of(keys), dotted(keys), found, reason, text=reason)
    if slot is None:
        return Fault(said.file_of(keys), dotted(keys), found, detail["msg"])
    return Fault(said.file_of(keys), dotted(keys), found, _allowed(kind, slot, detail), _meant(slot, detail["input"]))


def _allowed(kind: str, slot: Slot, detail: Any) -> str:
    """Say what is allowed; the range alone where the type is right."""
    if kind.startswith(OUT_OF_RANGE) and (limits := within(slot)):
        return limits
    allowed = described(slot)
    if isinstance(detail["input"], Mapping) and not slot.is_table:
        return allowed + ' (a value with its source is written { value = …, source = "…" })'
    if isinstance(detail["input"], tuple) and slot.is_table:
        return allowed + " (a table is headed [name], not [[name]])"
    return allowed


def _meant(slot: Slot, found: Any) -> str | None:
    options = slot.options
    return nearest(found, options) if options and isinstance(found, str) else None


def _wrong_kind(keys: Keys, slot: Slot | None, detail: Any, said: Said) -> Fault:
    """Return the fault for a table whose `kind` is missing or not one of those there are."""
    kinds = [str(kind_of(model)) for model in slot.models] if slot else []
    at = (*keys, "kind")
    allowed = f"one of {listed(kinds, 20)}"
    given = detail["input"].get("kind") if isinstance(detail["input"], Mapping) else None
    if given is None:
        return Fault(said.file_of(keys), dotted(at), "nothing", allowed, text=f"missing, needs {allowed}")
    meant = nearest(given, kinds) if isinstance(given, str) else None
    return Fault(said.file_of(at), dotted(at), shown(given), allowed, meant)


# --- what does not fit together ------------------------------------------------------------------------


def _incoherent(complaint: Complaint, said: Said) -> Fault:
    c = complaint
    return Fault(said.file_of(c.keys), dotted(c.keys), c.found, c.allowed, c.nearest)


def _valid_part(tree: Mapping[str, Any], error: ValidationError) -> tuple[dict[str, Any] | None, list[Keys]]:
    """Return what is valid in a tree, and the paths left out; None where too little is left.

    So that one misspelt key does not hide a corridor to nowhere until the next attempt.
    """
    part = copy.deepcopy(dict(tree))
    left_out: list[Keys] = []
    for _ in range(20):
        for detail in error.errors(include_url=False, include_input=False):
            keys = plain_path(detail["loc"], tree)
            keys = keys[:-1] if detail["type"] == "missing" else _whole(keys)
            if not keys:
                keys = plain_path(detail["loc"], tree)
            left_out.append(keys)
            _leave_out(part, keys)
        for name, stand_in in STAND_INS.items():
            if name not in part:
                part[name] = dict(stand_in)
        try:
            return file_type(tree).model_validate(part, strict=True).model_dump(exclude_none=True), left_out
        except ValidationError as again:
            error = again
    return None, left_out


def _whole(keys: Keys) -> Keys:
    """Return the path of the array that a path leads into, or the path itself."""
    first = next((i for i, key in enumerate(keys) if isinstance(key, int)), len(keys))
    return keys[:first]


def _leave_out(part: dict[str, Any], keys: Keys) -> None:
    here: Any = part
    for key in keys[:-1]:
        here = here.get(key) if isinstance(here, dict) else None
    if isinstance(here, dict):
        here.pop(keys[-1], None)
