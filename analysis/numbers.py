"""Numbers as they are told: in JSON, and in a table."""

from __future__ import annotations

from math import isfinite


def or_none(value: float) -> float | None:
    """Return a number for JSON, which has none that is not finite."""
    return float(value) if isfinite(value) else None


def short(value: float) -> str:
    """Return a number for a table: three digits of a small one, all of a large one, a dash for none."""
    if not isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
