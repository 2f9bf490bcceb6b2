"""The post between a run and the widgets of a page: a frame at a time, and never a backlog.

A widget counts the frames sent to it (`number`); its browser says which it has drawn last (`shown`). One who has two
outstanding gets none: a slow browser sees fewer hours, and what it has missed is made good when the clock stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

OUTSTANDING = 2
LONGEST_WAIT_S = 1.0
"""Time after which those who keep up no longer wait for one who does not."""

Traits = Callable[[], dict[str, Any]]
"""Makes what a widget is sent, if it is sent anything."""


class Post:
    """Sends frames; `owed` are the widgets that have missed one."""

    def __init__(self) -> None:
        self.owed: set[Any] = set()
        self._waits_until = 0.0

    def each(self, wanted: Mapping[Any, Traits]) -> None:
        """Send each widget a frame, but those with too many on the way."""
        for widget, traits in wanted.items():
            if is_behind(widget):
                self.owed.add(widget)
            else:
                self.owed.discard(widget)
                _send(widget, traits())

    def together(self, wanted: Mapping[Any, Traits]) -> None:
        """Send all a frame or none, so that they show the same hour; for one that is stuck they do not wait long."""
        now = monotonic()
        if now < self._waits_until and any(map(is_behind, wanted)):
            self.owed.update(wanted)
        else:
            self._waits_until = now + LONGEST_WAIT_S
            self.each(wanted)

    def make_good(self, wanted: Mapping[Any, Traits]) -> None:
        """Send a frame to those who have missed one."""
        self.each({widget: traits for widget, traits in wanted.items() if widget in self.owed})


def is_behind(widget: Any) -> bool:
    """Say whether a widget has not drawn what it was sent."""
    return bool(widget.number - widget.shown >= OUTSTANDING)


def _send(widget: Any, traits: dict[str, Any]) -> None:
    with widget.hold_sync():
        for name, value in traits.items():
            setattr(widget, name, value)
        widget.number += 1
