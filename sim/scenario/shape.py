"""What the schema expects at each path, in words."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim.parameters import declaration
from sim.scenario.faults import listed
from sim.schema import file_type

NOUNS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    datetime: "a local date and time, such as 2013-05-18T06:00:00, without quotes",
    date: "a date, such as 2013-05-18, without quotes",
}
PATTERNS = {
    r"^[a-z][a-z0-9_]*$": "lower-case letters, digits and _, beginning with a letter",
    r"^[a-z0-9][a-z0-9-]*$": "lower-case letters, digits and -",
}


@dataclass(frozen=True)
class Slot:
    """A type of the schema, its limits, and the field that declares it."""

    type: Any
    limits: tuple[Any, ...] = ()
    field: FieldInfo | None = None

    @property
    def is_table(self) -> bool:
        """Tell whether a table stands here."""
        return bool(self.models) or get_origin(self.type) is dict

    @property
    def options(self) -> tuple[str, ...]:
        """Return the words that may stand here, where there are only so many."""
        return tuple(map(str, get_args(self.type))) if get_origin(self.type) is Literal else ()

    @property
    def models(self) -> tuple[type[BaseModel], ...]:
        """Return the tables that may stand here: one, or one for each kind, or none."""
        members = get_args(self.type) if _is_union(self.type) else (self.type,)
        return tuple(m for m in members if isinstance(m, type) and issubclass(m, BaseModel))

    def model(self, kind: Any) -> type[BaseModel] | None:
        """Return the table that stands here when its key `kind` has this value."""
        models = self.models
        return models[0] if len(models) == 1 else next((m for m in models if kind_of(m) == kind), None)

    def inside(self, key: str | int, kind: Any = None) -> Slot | None:
        """Return what stands at `key` of the table or array that stands here."""
        if self.models:
            model = self.model(kind)
            if model is None or key not in model.model_fields:
                return None
            field = model.model_fields[str(key)]
            return slot_of(field.annotation, tuple(field.metadata), field)
        arguments = get_args(self.type)
        if get_origin(self.type) is dict:
            return slot_of(arguments[1])
        if get_origin(self.type) is tuple and isinstance(key, int):
            if arguments[-1] is Ellipsis:
                return slot_of(arguments[0])
            return slot_of(arguments[key]) if key < len(arguments) else None
        return None

    def keys(self, kind: Any = None) -> tuple[str, ...]:
        """Return the keys of the table that stands here, where the schema knows them."""
        model = self.model(kind)
        return tuple(model.model_fields) if model else ()


def root(tree: Mapping[str, Any]) -> Slot:
    """Return what stands at the top of a file that says `tree`."""
    return Slot(file_type(tree))


def slot_of(annotation: Any, limits: tuple[Any, ...] = (), field: FieldInfo | None = None) -> Slot:
    """Return the slot of an annotation, without the wrappings of `Annotated` and `| None`."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *extra = get_args(annotation)
            limits = (*limits, *extra)
        elif _is_union(annotation) and type(None) in get_args(annotation):
            annotation = Union[tuple(a for a in get_args(annotation) if a is not type(None))]  # noqa: UP007
        else:
            flat = [m for e in limits for m in (e.metadata if isinstance(e, FieldInfo) else (e,))]
            return Slot(annotation, tuple(flat), field)


def slot_at(keys: tuple[str | int, ...], tree: Mapping[str, Any]) -> Slot | None:
    """Return what the schema has at a path of `tree`, or None where it knows no such path."""
    slot: Slot | None = root(tree)
    value: Any = tree
    for key in keys:
        if slot is None:
            return None
        slot = slot.inside(key, value.get("kind") if isinstance(value, Mapping) else None)
        value = _at(value, key)
    return slot


def plain_path(location: tuple[str | int, ...], tree: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Return pydantic's location as a path of the file: without the kinds of unions and marks of keys."""
    path: list[str | int] = []
    slot: Slot | None = root(tree)
    for part in location:
        if slot is not None and len(slot.models) > 1:
            model = slot.model(part)
            slot = Slot(model) if model else None
        elif part != "[key]":
            path.append(part)
            slot = slot.inside(part) if slot else None
    return tuple(path)


def kind_of(model: type[BaseModel]) -> Any:
    """Return the value of `kind` that marks this table, or None."""
    field = model.model_fields.get("kind")
    return get_args(field.annotation)[0] if field else None


def described(slot: Slot) -> str:
    """Say what may stand here: type, range and unit."""
    return ", ".join(part for part in (noun(slot), within(slot)) if part)


def noun(slot: Slot) -> str:
    """Say of what type a value here is."""
    kind, arguments = get_origin(slot.type), get_args(slot.type)
    if slot.type in NOUNS:
        return NOUNS[slot.type]
    if kind is Literal:
        return f"one of {listed([str(a) for a in arguments], 20)}" if len(arguments) > 1 else f"{arguments[0]}"
    if len(slot.models) > 1:
        return f"a table whose kind is one of {listed([str(kind_of(m)) for m in slot.models], 20)}"
    if slot.models:
        return f"a table with the keys {listed(slot.models[0].model_fields)}"
    if kind is dict:
        return f"a table whose values are {_plural(slot_of(arguments[1]))}"
    if kind is tuple and arguments[-1] is Ellipsis:
        return f"an array of {_plural(slot_of(arguments[0]))}"
    if kind is tuple:
        return f"an array of {len(arguments)} {_plural(slot_of(arguments[0]))}"
    return "another type"


def _plural(slot: Slot) -> str:
    if get_origin(slot.type) is tuple:
        return f"[{', '.join(_short_noun(a) for a in get_args(slot.type) if a is not Ellipsis)}] arrays"
    words = {float: "numbers", int: "whole numbers", str: "texts"}.get(slot.type, "tables")
    return ", ".join(part for part in (words, within(slot)) if part)


def _short_noun(annotation: Any) -> str:
    return {float: "number", int: "whole number", str: "text"}.get(annotation, "value")


def within(slot: Slot) -> str:
    """Say which values are allowed here: the range with its unit, the length, the pattern."""
    unit = _unit(slot)
    return ", ".join(part for part in (_range(slot, unit), _length(slot), _pattern(slot)) if part)


def _range(slot: Slot, unit: str) -> str:
    low, high, above = (_limit(slot, name) for name in ("ge", "le", "gt"))
    if low is not None and high is not None:
        said = f"{low:g} to {high:g}"
    elif low is not None:
        said = f"{low:g} or more"
    elif above is not None:
        said = f"more than {above:g}"
    else:
        said = f"at most {high:g}" if high is not None else ""
    return f"{said} ({unit})" if said and unit else said


def _limit(slot: Slot, name: str) -> Any:
    return next((limit for m in slot.limits if (limit := getattr(m, name, None)) is not None), None)


def _unit(slot: Slot) -> str:
    if slot.field is None:
        return ""
    declared = declaration(slot.field)
    if declared is not None:
        return declared["unit"]
    return (slot.field.description or "") if slot.type in (int, float) else ""


def _length(slot: Slot) -> str:
    low, high = _limit(slot, "min_length"), _limit(slot, "max_length")
    of = "characters" if slot.type is str else "of them"
    if low and high:
        return f"{low} to {high} {of}"
    return f"at least {low} {of}" if low else f"at most {high} {of}" if high else ""


def _pattern(slot: Slot) -> str:
    pattern = _limit(slot, "pattern")
    return PATTERNS.get(pattern, f"matching {pattern}") if pattern else ""


def paths(slot: Slot, tree: Any = None) -> Iterator[tuple[str | int, ...]]:
    """Yield every path below a table at which a value could be set in `tree`, for suggestions."""
    kind = tree.get("kind") if isinstance(tree, Mapping) else None
    known = slot.keys(kind)
    keys = [*known, *(k for k in tree if k not in known)] if isinstance(tree, Mapping) else list(known)
    for key in keys:
        inside = slot.inside(key, kind)
        if inside is None:
            continue
        if inside.is_table:
            yield from ((key, *rest) for rest in paths(inside, _at(tree, key)))
        else:
            yield (key,)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _at(value: Any, key: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(key)
    if isinstance(value, list | tuple) and isinstance(key, int) and key < len(value):
        return value[key]
    return None
