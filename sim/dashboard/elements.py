"""Plain elements of a page in Solara: a tag, a button, a list to choose from, a field for a number; and a hook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import solara
from reacton import ipyvuetify as v


def tag(name: str, class_: str, children: Sequence[Any] = (), style: str = "", **attributes: Any) -> Any:
    """Return an element of HTML; texts among its children are put in as text."""
    said = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    return v.Html(tag=name, class_=class_, children=list(children), attributes=said, style_=style)


def pressed(is_so: bool) -> str:
    """Return the state of a button that stays pressed, or of a tab."""
    return str(is_so).lower()


@solara.component
def Button(
    text: str, act: Callable[[], None], class_: str = "sp-button", disabled: bool = False, **attributes: Any
) -> Any:  # fmt: skip
    """Show a button."""
    element = tag("button", class_, [text], type="button", disabled=disabled or None, **attributes)
    v.use_event(element, "click", lambda *_: act())
    return element


def choose(label: str, value: Any, options: Mapping[Any, str], act: Callable[[Any], None], class_: str = "") -> Any:
    """Return a list to choose one of."""
    items = [{"title": text, "value": key} for key, text in options.items()]
    return v.Select(
        label=label, v_model=value, items=items, on_v_model=act, density="compact", variant="outlined",
        hide_details=True, class_=f"sp-choose {class_}",
    )  # fmt: skip


def number(label: str, value: int, act: Callable[[int], None], most: int) -> Any:
    """Return a field for a whole number from 0."""

    def take(text: Any) -> None:
        if str(text).isdecimal() and int(text) <= most:
            act(int(text))

    return v.TextField(
        label=label, v_model=str(value), type="number", on_v_model=take, density="compact", variant="outlined",
        hide_details=True, class_="sp-number", attributes={"min": 0, "max": most},
    )  # fmt: skip


def use_heard(widget: Any, name: str, act: Callable[[Any], None]) -> None:
    """Have something done with what the browser says by a trait of a widget."""
    latest = solara.use_ref(act)
    latest.current = act

    def listen() -> Callable[[], None]:
        def heard(change: dict[str, Any]) -> None:
            latest.current(change["new"])

        widget.observe(heard, name)
        return lambda: widget.unobserve(heard, name)

    solara.use_effect(listen, [widget, name])
