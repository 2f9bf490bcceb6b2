"""A parameter is a number with a name, a unit, a range and a source.

A mechanism declares its parameters once, in its own file::

    class FireParameters(Parameters):
        reach_m: float = param(220.0, unit="m", low=50, high=800, grade="assumed",
                               source="line of sight across one street and the roofs behind it")

and that declaration feeds the loader's check, the ranges of a sweep, the
dashboard's sliders, `spillover sources` and the tables of the ODD.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.fields import FieldInfo

Grade = Literal["article", "measured", "press", "literature", "fitted", "assumed"]
GRADES: tuple[str, ...] = ("article", "measured", "press", "literature", "fitted", "assumed")


class Strict(BaseModel):
    """Whatever a scenario file may contain: unknown keys are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, allow_inf_nan=False)


class Parameters(Strict):
    """The parameters of one mechanism; every numeric field is declared with `param`."""


def param(
    default: Any,
    *,
    unit: str,
    low: float | None = None,
    high: float | None = None,
    source: str,
    grade: Grade = "assumed",
    doc: str = "",
) -> Any:
    """Declare a parameter: its default, unit, inclusive range, grade and source."""
    declared: dict[str, JsonValue] = {"unit": unit, "source": source, "grade": grade}
    return Field(default, ge=low, le=high, description=doc, json_schema_extra={"declared": declared})


@dataclass(frozen=True)
class Declared:
    """One declared parameter of a scenario and the value it has there."""

    path: str
    value: Any
    default: Any
    unit: str
    low: float | None
    high: float | None
    source: str
    grade: str
    doc: str


def walk(element: BaseModel, path: str = "") -> Iterator[Declared]:
    """Yield every declared parameter below `element`, depth first, in the order of declaration."""
    for name, field in type(element).model_fields.items():
        value = getattr(element, name)
        where = f"{path}.{name}" if path else name
        if (declared := declaration(field)) is not None:
            low, high = bounds(field)
            yield Declared(where, value, field.default, low=low, high=high, doc=field.description or "", **declared)
        elif isinstance(value, BaseModel):
            yield from walk(value, where)
        elif isinstance(value, dict):
            for key, item in value.items():
                if isinstance(item, BaseModel):
                    yield from walk(item, f"{where}.{key}")
        elif isinstance(value, tuple | list):
            for index, item in enumerate(value):
                if isinstance(item, BaseModel):
                    yield from walk(item, f"{where}.{index}")


def declaration(field: FieldInfo) -> dict[str, str] | None:
    """Return unit, source and grade of a field declared with `param`, or None."""
    extra = field.json_schema_extra
    declared = extra.get("declared") if isinstance(extra, dict) else None
    return {key: str(value) for key, value in declared.items()} if isinstance(declared, dict) else None


def bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    """Return the inclusive range of a field, None where it is open."""
    low = next((float(m.ge) for m in field.metadata if getattr(m, "ge", None) is not None), None)
    high = next((float(m.le) for m in field.metadata if getattr(m, "le", None) is not None), None)
    return low, high
