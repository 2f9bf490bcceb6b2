"""What an attribution says, for a person and for programs."""

from __future__ import annotations

from math import isfinite
from textwrap import fill
from typing import TYPE_CHECKING, Any

from analysis.attribution_samples import OF_PRIORS, OWN_VALUES
from analysis.numbers import short
from analysis.outcomes import MEASURES
from analysis.paired import LEVEL
from analysis.shapley import Estimate

if TYPE_CHECKING:
    from analysis.attribution import Attribution, Share

FORMAT = "spillover-attribution-1"
ROW = "  {:28}{:>9}  {:>19}{:>10}{:>12}{:>9}{:>13}{:>8}"
WIDTH = 112


def conditional_on(found: Attribution) -> str:
    """Say what the shares hold under."""
    asked = found.question
    parameters = {
        OF_PRIORS: f"on {len(asked.samples)} draws from the priors of its parameters, which no record has narrowed",
        OWN_VALUES: "on the scenario's own parameters, taken as if they were known",
    }.get(asked.samples_are, f"on {len(asked.samples)} samples of its parameters from {asked.samples_are}")
    apart = [" and ".join(group) for group in found.inseparable if len(group) > 1]
    groups = "; ".join(apart)
    cannot = f" What was recorded cannot tell apart: {groups}. Below they are also shown merged." if apart else ""
    return (
        f"Conditional on the model as it is, {parameters}, and on {asked.scenario.id} being otherwise as it was. A "
        f"channel's share is what it adds in the model, not what was observed.{cannot}"
    )


def as_dict(found: Attribution) -> dict[str, Any]:
    """Return the attribution for JSON."""
    asked = found.question
    return {
        "format": FORMAT, "conditional_on": conditional_on(found), "scenario": asked.scenario.id,
        "without": asked.event, "channels": list(asked.channels), "exact": not asked.orders,
        "sets": len(asked.sets), "seeds": asked.seeds, "draws": len(asked.samples), "parameters": asked.samples_are,
        "inseparable": [list(group) for group in found.inseparable], "level": LEVEL,
        "measures": [
            {
                "measure": split.key.measure, "place": split.key.place, "community": split.key.community,
                "unit": MEASURES[split.key.measure].unit, "with": split.having, "without": split.lacking,
                "total": split.total.as_dict(), "direct": split.direct.as_dict(),
                "shares": [one.as_dict(split.total.mean) for one in split.shares],
                "merged": [one.as_dict(split.total.mean) for one in split.merged],
                "interaction": split.interaction, "efficiency_error": split.error,
            }
            for split in found.splits
        ],
    }  # fmt: skip


def told(found: Attribution) -> str:
    """Return the attribution for a person."""
    asked = found.question
    lines = [fill(conditional_on(found), WIDTH), ""]
    spec = asked.scenario.file.events[asked.event]
    lines.append(f"{asked.scenario.title} ({asked.scenario.id}) with and without: {spec.text}")
    for split in found.splits:
        where = ", ".join(part for part in split.key[1:] if part) or "everywhere"
        lines += ["", f"{MEASURES[split.key.measure].doc}, {where}: {short(split.having)} with it, "
                      f"{short(split.lacking)} without ({MEASURES[split.key.measure].unit})"]  # fmt: skip
        lines.append(ROW.format("by", "share", f"{LEVEL:.0%}", "± seeds", "± params", "alone", "interaction", "of all"))
        lines += [_row(", ".join(one.channels), one, split.total.mean) for one in split.shares]
        together = [one for one in split.merged if len(one.channels) > 1]
        for one in together:
            lines += [f"  {', '.join(one.channels)}"] if len(one.channels) < len(asked.channels) else []
            name = "all channels together" if len(one.channels) == len(asked.channels) else "  together"
            lines.append(_row(name, one, split.total.mean))
        lines.append(_plain_row("no channel", split.direct, split.total.mean))
        lines.append(_plain_row("the whole effect", split.total, split.total.mean))
        if split.total.low <= 0.0 <= split.total.high:
            lines.append("  The whole effect is indistinguishable from zero.")
    how = "every set of channels" if not asked.orders else f"{len(asked.orders)} sampled orders of the channels"
    worst = max((split.error for split in found.splits), default=0.0)
    carries = (
        f"The {LEVEL:.0%} interval carries the luck of the seeds and the parameters; ± seeds is what more seeds would "
        "take away, ± params what only knowing the parameters would."
        if len(asked.samples) > 1
        else f"The {LEVEL:.0%} interval carries the luck of the seeds alone: one draw takes the parameters as known."
    )
    notes = [
        f"Shapley values over {how}; parts add up to the whole within {worst:.1g}. {carries} Alone: the channel with "
        "no other on; interaction: what it adds beyond that.",
        "Runs of a simulation, not a forecast.",
    ]
    return "\n".join(line.rstrip() for line in [*lines, "", *(fill(note, WIDTH) for note in notes)])


def _row(name: str, one: Share, total: float) -> str:
    return _numbers(name, one.share, total, short(one.alone), short(one.interaction))


def _plain_row(name: str, one: Estimate, total: float) -> str:
    return _numbers(name, one, total, "", "")


def _numbers(name: str, one: Estimate, total: float, alone: str, interaction: str) -> str:
    ends = f"{short(one.low)} to {short(one.high)}" if isfinite(one.low) else "-"
    of_all = f"{one.mean / total:.0%}" if total else "-"
    return ROW.format(name, short(one.mean), ends, short(one.seeds), short(one.parameters), alone, interaction, of_all)
