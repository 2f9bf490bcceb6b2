"""Epstein's model I beside Mesa's own example: the same rule, the same sizes, in the same process, in turns.

Both record how many are active, quiet and jailed each step. Neither set-up nor the first `WARM_STEPS` are timed, in
which Mesa works out and keeps what each cell has around it. Lattices live on from round to round, so that all
are as old: what a step costs depends on how many are in jail. The sequential form means the same as Mesa's;
the synchronous form is another model, and is labelled so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from analysis.bench.measuring import Figure, Found, Goal, Sample, Session, Sizes, Skipped, in_turns, timed

if TYPE_CHECKING:
    from sim.classics.epstein import Epstein

SUBJECT = "peers"
AT_LEAST = {40: 300.0, 200: 700.0}
WARM_STEPS = 3
SHORTEST_S, MOST_LATTICES = 0.02, 100  # our turns that would be shorter are taken on several lattices
OTHERS = {"mesa-frames": "its releases so far pin numpy 1.26, which rules it out beside this project's numpy"}
"""Other programs that could stand here, and why they may not."""


@dataclass(frozen=True)
class Rule:
    """Epstein's parameters as both programs take them: Mesa's own, which sees a diamond of the torus."""

    side: int
    citizens: float = 0.70
    officers: float = 0.074
    vision: int = 7
    legitimacy: float = 0.8
    jail: int = 1000
    threshold: float = 0.1
    deterrence: float = 2.3


Stepper = Callable[[int], None]
"""Makes so many steps and records the counts of each."""


def measure(sizes: Sizes, session: Session) -> Iterator[Found]:
    """Measure each size in turns: Mesa, ours one after the other, ours all at once."""
    for side, steps, rounds in sizes.grids:  # the whole of what Mesa records is timed at the first size alone
        yield from _at(Rule(side), steps, rounds, as_shipped=side == sizes.grids[0][0])
    for name, why in OTHERS.items():
        yield Skipped(f"Epstein's model I in {name}", _why(name, why))


def _at(rule: Rule, steps: int, rounds: int, as_shipped: bool) -> Iterator[Found]:
    programs: dict[str, Callable[[Rule, int], Stepper]] = {
        "mesa": mesas, "ours": ours, "ours_synchronous": ours_synchronous,
    }  # fmt: skip
    if as_shipped:
        programs["mesa_as_shipped"] = mesas_as_shipped
    lattices = {name: _warm(program, rule, steps) for name, program in programs.items()}
    turns = {name: partial(_turn, steppers, steps) for name, steppers in lattices.items()}
    of = in_turns(turns, rounds)
    yield from _compared(rule, steps, of)


def _compared(rule: Rule, steps: int, of: dict[str, Sample]) -> Iterator[Found]:
    side, agents = rule.side, rule.side**2 * (rule.citizens + rule.officers)
    at, goal = f"Epstein's model I, {side}×{side}, {steps} step{'s' if steps > 1 else ''}", AT_LEAST.get(side)
    words = {
        "mesa": "Mesa's example, counts recorded",
        "mesa_as_shipped": "Mesa's example as shipped, every agent recorded too",
        "ours": "ours, one after the other",
        "ours_synchronous": "ours, all at once (another model)",
    }
    against = {
        "ours": ("mesa", Goal(goal, "at least") if goal else None, "equal semantics"),
        "ours_synchronous": ("mesa", None, "other semantics: all at once"),
    }
    for name, (other, wanted, note) in against.items():
        ratio = of[other].over(of[name])
        yield Figure(
            key=f"epstein_{side}_{name}", what=f"{at}: Mesa ÷ {words[name]}", sample=ratio, unit="×", goal=wanted,
            note=note, kept=ratio if name == "ours" else None, kept_unit="×",
        )  # fmt: skip
    if "mesa_as_shipped" in of:
        yield Figure(
            key=f"epstein_{side}_shipped", what=f"{at}: Mesa as shipped ÷ ours", unit="×",
            sample=of["mesa_as_shipped"].over(of["ours"]), note="Mesa's also records two values of every agent",
        )  # fmt: skip
    for name, sample in of.items():
        yield Figure(
            key=f"epstein_{side}_{name}_us", what=f"{side}×{side}: {words[name]}, CPU a step", sample=sample.times(1e6),
            unit="µs", note=f"{agents / sample.median:,.0f} agent-steps a second",
        )  # fmt: skip


def _warm(program: Callable[[Rule, int], Stepper], rule: Rule, steps: int) -> list[Stepper]:
    """Set as many lattices up as make a turn that a clock can time, and run their first steps."""
    first, number = program(rule, 0), 1
    first(WARM_STEPS)
    if program in (ours, ours_synchronous):
        seconds = _turn([program(rule, 0)], WARM_STEPS) * steps
        number = round(SHORTEST_S / max(1e-6, seconds))
    more = [program(rule, seed) for seed in range(1, max(1, min(MOST_LATTICES, number)))]
    for stepper in more:
        stepper(WARM_STEPS)
    return [first, *more]


def _turn(lattices: list[Stepper], steps: int) -> float:
    """Return the CPU seconds of a step of one lattice: both programs work on one thread."""
    with timed() as clock:
        for step in lattices:
            step(steps)
    return clock.cpu / steps / len(lattices)


def _why(name: str, otherwise: str) -> str:
    try:
        return f"version {version(name)} is installed, but no form of the rule is written for it"
    except PackageNotFoundError:
        return f"not installed: {otherwise}"


# --- the programs --------------------------------------------------------------------------------------


def mesas(rule: Rule, seed: int) -> Stepper:
    """Set Mesa's example up, and let it record the counts alone."""
    import mesa

    model = _example(rule, seed)
    counts = {name: name.upper() for name in ("active", "quiet", "arrested")}
    model.datacollector = mesa.DataCollector(model_reporters=counts)
    return lambda steps: _step_by_step(model, steps)


def mesas_as_shipped(rule: Rule, seed: int) -> Stepper:
    """Set Mesa's example up as it is."""
    model = _example(rule, seed)
    return lambda steps: _step_by_step(model, steps)


def _example(rule: Rule, seed: int) -> Any:
    from mesa.examples.advanced.epstein_civil_violence.model import EpsteinCivilViolence, EpsteinScenario

    scenario = EpsteinScenario(
        citizen_density=rule.citizens, cop_density=rule.officers, citizen_vision=rule.vision, cop_vision=rule.vision,
        legitimacy=rule.legitimacy, max_jail_term=rule.jail, active_threshold=rule.threshold,
        arrest_prob_constant=rule.deterrence, activation_order="Random", grid_type="Von Neumann", rng=seed,
    )  # fmt: skip
    return EpsteinCivilViolence(rule.side, rule.side, scenario)


def _step_by_step(model: Any, steps: int) -> None:
    for _ in range(steps):
        model.step()


def ours(rule: Rule, seed: int) -> Stepper:
    """Set our form up with Mesa's rule: one after the other, in random order."""
    return _epstein(rule, seed, synchronous=False)


def ours_synchronous(rule: Rule, seed: int) -> Stepper:
    """Set our form up so that all act on what was seen at the top of the step."""
    return _epstein(rule, seed, synchronous=True)


def _epstein(rule: Rule, seed: int, synchronous: bool) -> Stepper:
    lattice = _lattice(rule, seed, synchronous)

    def step(steps: int) -> None:
        lattice.run(steps)

    return step


def _lattice(rule: Rule, seed: int, synchronous: bool) -> Epstein:
    """Set our lattice up with the docked rule, which is that of Mesa's example."""
    from sim.classics.epstein import Epstein, EpsteinParameters

    parameters = EpsteinParameters(
        updating="synchronous" if synchronous else "sequential", acts="before_moving", sight="von_neumann",
        ratio_rule="round", width=rule.side, height=rule.side, citizen_density=rule.citizens,
        officer_density=rule.officers, vision=rule.vision, officer_vision=rule.vision, legitimacy=rule.legitimacy,
        threshold=rule.threshold, state_deterrence=rule.deterrence, longest_sentence=rule.jail,
    )  # fmt: skip
    return Epstein(parameters, seed)
