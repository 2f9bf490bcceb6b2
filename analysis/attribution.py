"""Split what an event caused elsewhere over the channels by which it came, and say how sure that is.

    spillover attribute qusayr-2013 --without offensive --workers 2 --out runs/attribution
    spillover attribute qusayr-2013 --posterior posterior.csv --measure killed.tripoli

The effect of the event is worked out for every set of the channels that the scenario has on, the others switched off:
each time a world with the event and one without, with the same luck, the second a branch of the first from the hour
of the event. A channel's share is its Shapley value (`analysis.shapley`): what it adds to a set of channels that is
already there, mean over all orders in which they may come. Shares and what comes by no channel add up to the whole
effect; what is not a channel's own, alone, is interaction.

Every set is run with the same seeds and the same draws of the parameters, so each seed of each draw has its own exact
shares. Their variance is split (one-way analysis of variance, draws by seeds): the seeds' part is the error that more
seeds would take away, the parameters' part is what nobody knows. The interval carries both: where a share lies, mean
over luck, at the parameters that are true if any of the draws are.

    runs.jsonl         every pair of runs: a run of this command that was stopped goes on from there
    attribution.json   the shares, and what they are conditional on
    table.txt          the same for people, and waterfall-*.png, .svg
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache, partial
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray

from analysis import keeping
from analysis.attribution_report import FORMAT, as_dict, told
from analysis.attribution_samples import inseparable, samples_of
from analysis.identity import model_version
from analysis.keeping import Lines
from analysis.options import AsJson, Quiet, Workers, conclude
from analysis.outcomes import MEASURES, SUMS, Key, asked_for, observed
from analysis.shapley import Estimate, along_orders, estimate, merged, shapley
from analysis.workers import Collected, each, whole
from sim import posterior
from sim.console import FAILED, INTERRUPTED, TERMINATED, Refused, complain, counting, stoppable
from sim.posterior import Sample
from sim.runs import resume, run
from sim.scenario import Scenario, assignments

Float = NDArray[np.float64]

RUNS_FILE, JSON_FILE, TABLE_FILE = "runs.jsonl", "attribution.json", "table.txt"

USUAL = ("killed", "wounded", "mobilised_peak", "days_with_fighting")
MOST_EXACT = 7
"""Channels up to which all their sets are run; beyond, sampled orders of them."""
ORDERS = 64
"""Orders that are sampled then, half of them the others reversed."""
LUCK = 7
"""Seed of the orders, so that a run that was stopped goes on with the same."""
USUAL_SEEDS, USUAL_PAIRS, MOST_DRAWS = 2, 1_536, 48
"""Seeds of each draw, pairs of runs in all, and draws, unless told: half an hour on two processors."""
SEEDS_APART = 1_000
"""Between the first seeds of two draws."""


# --- what is asked -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """An event, the channels that its effect may come by, and what of it is measured."""

    scenario: Scenario
    event: str
    channels: tuple[str, ...]
    keys: tuple[Key, ...]
    samples: tuple[Sample, ...]  # one a draw; empty values for the scenario's own
    samples_are: str  # where they come from
    seeds: int
    orders: tuple[tuple[int, ...], ...] = ()  # of channels, where they are sampled; else all sets are run

    @cached_property
    def sets(self) -> list[int]:
        """The sets of channels that are run, as bits."""
        if not self.orders:
            return list(range(2 ** len(self.channels)))
        prefixes = {sum(1 << i for i in order[:n]) for order in self.orders for n in range(len(order) + 1)}
        return sorted(prefixes)

    def jobs(self) -> Iterator[Job]:
        """Yield every pair of runs, those of one draw and seed after another."""
        for draw in range(len(self.samples)):
            for seed in range(self.seeds):
                yield from (Job(draw, seed, members) for members in self.sets)

    @property
    def pairs(self) -> int:
        return len(self.samples) * self.seeds * len(self.sets)

    def head(self) -> dict[str, Any]:
        """Return what a file of runs is of: with another, its runs are of no use."""
        drawn = json.dumps(self.samples, sort_keys=True).encode()
        return {
            "format": FORMAT, "model": model_version(), "scenario": self.scenario.content_hash(), "without": self.event,
            "channels": list(self.channels), "measures": [key.name for key in self.keys],
            "draws": f"{len(self.samples)} ({zlib.crc32(drawn):08x})",
        }  # fmt: skip


class Job(NamedTuple):
    """A pair of runs: with which parameters, which luck, and which channels."""

    draw: int
    seed: int
    members: int


class Seen(NamedTuple):
    """What a pair came to: the measures with the event and without."""

    having: list[float]
    lacking: list[float]


@dataclass(frozen=True)
class Work:
    """Runs pairs; sent once to each worker."""

    question: Question
    model: str

    def __call__(self, job: Job) -> Seen:
        if model_version() != self.model:
            raise RuntimeError(f"a worker has another model, {model_version()}, than was begun with, {self.model}")
        scenario, peace = _worlds(self.question, job.draw, job.members)
        seed = job.draw * SEEDS_APART + job.seed
        at = scenario.time_of(scenario.step_of(scenario.file.events[self.question.event].at))
        forks = scenario.start < at < scenario.start + timedelta(hours=scenario.step_hours * (scenario.steps - 1))
        having = whole(run(scenario, seed=seed, threads=1, checkpoint_at=at if forks else None))
        if having.checkpoint is not None:
            lacking = whole(resume(having.checkpoint, peace, threads=1))
        else:
            lacking = whole(run(peace, seed=seed, threads=1))
        measures = tuple(dict.fromkeys(key.measure for key in self.question.keys))
        a, b = observed(having, measures), observed(lacking, measures)
        return Seen([a.get(key, 0.0) for key in self.question.keys], [b.get(key, 0.0) for key in self.question.keys])


@lru_cache(maxsize=1)
def _drawn(scenario: Scenario, values: tuple[tuple[str, float], ...]) -> Scenario:
    return scenario.with_values(dict(values)) if values else scenario


def _worlds(question: Question, draw: int, members: int) -> tuple[Scenario, Scenario]:
    """Return the scenario with a draw's parameters and some channels alone, with the event and without."""
    values = posterior.fitting(question.samples[draw], question.scenario)
    base = _drawn(question.scenario, tuple(values.items()))
    off = {f"channels.{name}.on": False for i, name in enumerate(question.channels) if not members >> i & 1}
    scenario = base.with_values(off) if off else base
    return scenario, scenario.without(question.event)


def asked(
    scenario: Scenario,
    event: str | None,
    measures: Sequence[str],
    samples: Sequence[Sample],
    samples_are: str,
    seeds: int,
    orders: int | None = None,
) -> Question:
    """Return the question, or refuse what cannot be asked of a scenario."""
    if scenario.model != "theatre":
        raise Refused(f"{scenario.id}: a run of the model '{scenario.model}' has no channels")
    event = _event(scenario, event)
    scenario.without(event)  # which refuses one that is not there, and names the nearest
    spec = scenario.file.events[event]
    if not spec.on or not 0 <= scenario.step_of(spec.at) < scenario.steps:
        raise Refused(f"--without {event}: does not happen in {scenario.id} ({'after its end' if spec.on else 'off'})")
    channels = tuple(channels_on(scenario))
    keys = tuple(dict.fromkeys(asked_for(measures or _usual(scenario, event), scenario)))
    faults = [
        f"--measure {key.name}: of which place? Such as {key.name}.{next(iter(scenario.file.places))}"
        for key in keys
        if not key.place and key.measure not in SUMS
    ]
    if faults:
        raise Refused(*faults)
    sampled = orders if orders is not None else ORDERS if len(channels) > MOST_EXACT else 0
    return Question(
        scenario, event, channels, keys, tuple(samples), samples_are, seeds,
        tuple(_orders(len(channels), sampled)) if sampled and len(channels) > 1 else (),
    )  # fmt: skip


def _event(scenario: Scenario, event: str | None) -> str:
    offensives = [name for name, spec in scenario.file.events.items() if spec.kind == "offensive" and spec.on]
    if event is None and not offensives:
        raise Refused(f"{scenario.id}: no offensive in it; name an event with --without: {_events(scenario)}")
    return event or offensives[0]


def _events(scenario: Scenario) -> str:
    """Return the events that happen."""
    return ", ".join(name for name, spec in scenario.file.events.items() if spec.on) or "it has none"


def channels_on(scenario: Scenario) -> list[str]:
    """Return the channels that act: switched on, and with a weight."""
    ways = scenario.file.channels
    acting = ((name, getattr(ways, name)) for name in type(ways).model_fields)
    return [name for name, channel in acting if channel.on and channel.weight != 0]


def _usual(scenario: Scenario, event: str) -> list[str]:
    """Return the usual measures of the places whose quarters are modelled, the event's own place left out."""
    own = getattr(scenario.file.events[event], "place", None)
    places = dict.fromkeys(quarter.place for quarter in scenario.file.neighbourhoods.values())
    return [f"{measure}.{place}" for place in places if place != own for measure in USUAL] or ["killed", "wounded"]


def _orders(channels: int, number: int) -> Iterator[tuple[int, ...]]:
    """Draw orders, each followed by its reverse, which takes much of the luck out of their mean."""
    rng = np.random.default_rng([LUCK, channels])
    for _ in range(-(-number // 2)):
        order = tuple(rng.permutation(channels).tolist())
        yield order
        yield order[::-1]


# --- shares ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Share:
    """What comes by one channel, or by several that are not told apart."""

    channels: tuple[str, ...]
    share: Estimate
    alone: float  # the effect with no other channel, beyond what comes by none
    order_error: float = 0.0  # standard error that sampled orders leave

    @property
    def interaction(self) -> float:
        """What it adds beyond what it brings alone."""
        return self.share.mean - self.alone

    def as_dict(self, total: float) -> dict[str, Any]:
        """Return the share for JSON."""
        return {
            "channels": list(self.channels), **self.share.as_dict(), "alone": self.alone,
            "interaction": self.interaction, "of_total": self.share.mean / total if total else None,
            "order_error": self.order_error,
        }  # fmt: skip


@dataclass(frozen=True)
class Split:
    """The effect on one measure, split."""

    key: Key
    having: float  # the measure with the event and all channels
    lacking: float  # without the event
    total: Estimate
    direct: Estimate  # by no channel
    shares: tuple[Share, ...]
    merged: tuple[Share, ...]

    @property
    def error(self) -> float:
        """How far the parts are from adding up to the whole."""
        return abs(self.direct.mean + sum(one.share.mean for one in self.shares) - self.total.mean)

    @property
    def interaction(self) -> float:
        """What of the whole no channel brings alone."""
        return sum(one.interaction for one in self.shares)


@dataclass(frozen=True)
class Attribution:
    """Every pair of runs, and how the effect splits."""

    question: Question
    having: Float  # (draws, seeds, sets, measures)
    lacking: Float

    @property
    def effects(self) -> Float:
        """The effects, (measures, draws, seeds, sets)."""
        return np.moveaxis(self.having - self.lacking, -1, 0)

    @cached_property
    def inseparable(self) -> list[tuple[str, ...]]:
        """The channels, in groups that nothing tells apart."""
        return inseparable(self.question.channels, self.question.samples, self.question.samples_are)

    @cached_property
    def splits(self) -> list[Split]:
        return [self._split(number, key) for number, key in enumerate(self.question.keys)]

    def _split(self, number: int, key: Key) -> Split:
        asked, effects = self.question, self.effects[number]
        full, empty = asked.sets.index(2 ** len(asked.channels) - 1), asked.sets.index(0)
        shares, errors = self._shares(effects)
        direct = effects[..., empty]
        found = [
            Share((name,), estimate(shares[..., i]), self._alone(effects, [i]), float(errors[i]))
            for i, name in enumerate(asked.channels)
        ]
        return Split(
            key, float(self.having[..., full, number].mean()), float(self.lacking[..., full, number].mean()),
            estimate(effects[..., full]), estimate(direct), tuple(found), tuple(self._merged(effects, shares)),
        )  # fmt: skip

    def _shares(self, effects: Float) -> tuple[Float, Float]:
        """Return shares (draws, seeds, channels), and the standard error of their means that sampled orders leave."""
        asked = self.question
        if not asked.orders:
            return shapley(effects), np.zeros(len(asked.channels))
        added = along_orders(effects, asked.sets, asked.orders)
        pairs = added.mean(axis=(1, 2)).reshape(-1, 2, len(asked.channels)).mean(axis=1)  # an order and its reverse
        error = pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs)) if len(pairs) > 1 else np.full(pairs.shape[1], np.nan)
        return added.mean(axis=0), error

    def _alone(self, effects: Float, members: Sequence[int]) -> float:
        chosen = sum(1 << i for i in members)
        if chosen not in self.question.sets:
            return float("nan")
        sets = self.question.sets
        return float((effects[..., sets.index(chosen)] - effects[..., sets.index(0)]).mean())

    def _merged(self, effects: Float, shares: Float) -> Iterator[Share]:
        names = self.question.channels
        groups = [[names.index(name) for name in group] for group in self.inseparable]
        if self.question.orders:
            together = np.stack([shares[..., group].sum(axis=-1) for group in groups], axis=-1)
        else:
            together = shapley(merged(effects, groups))
        for g, group in enumerate(groups):
            yield Share(self.inseparable[g], estimate(together[..., g]), self._alone(effects, group))


# --- running -----------------------------------------------------------------------------------------------------


class Journal(AbstractContextManager["Journal"]):
    """The pairs that were run, kept in a file where there is a folder; nobody else writes it until it is left."""

    def __init__(self, question: Question, folder: Path | None) -> None:
        self.done: dict[Job, Seen] = {}
        self.held = ExitStack()
        self.file = None if folder is None else Lines(folder / RUNS_FILE)
        if self.file is not None:
            head = question.head()
            self.held = self.file.taken_up("an attribution", head, partial(self._read, self.file, head))

    def __exit__(self, *_: object) -> None:
        """Let others write."""
        self.held.close()

    def _read(self, file: Lines, head: dict[str, Any]) -> None:
        first, *entries = file.read() or [{}]
        if first.get("format") != FORMAT:
            raise Refused(f"{file.path}: not a file of runs of an attribution")
        others = [f"{key} {first.get(key)}, not {ours}" for key, ours in head.items() if first.get(key) != ours]
        if others:
            raise Refused(*(f"{file.path}: made with {one}; choose another folder" for one in others))
        for entry in entries:
            job = Job(entry["draw"], entry["seed"], entry["members"])
            self.done[job] = Seen(entry["having"], entry["lacking"])
        file.mend()

    def add(self, job: Job, seen: Seen) -> None:
        """Keep a pair."""
        self.done[job] = seen
        if self.file is not None:
            self.file.add({**job._asdict(), **seen._asdict()})


def attributed(
    question: Question,
    *,
    folder: Path | None = None,
    workers: int = 1,
    announce: Callable[[str], None] | None = None,
    quiet: bool = True,
) -> Attribution:
    """Run what is not on file yet, and return how the effect splits."""
    work = Work(question, model_version())
    with Journal(question, folder) as journal:
        missing = [job for job in question.jobs() if job not in journal.done]
        if announce is not None:
            announce(_cost(question, len(missing), _seconds_a_pair(work, missing, journal), workers))
            missing = [job for job in missing if job not in journal.done]
        found = Collected[Seen]()
        with counting(len(missing), "pairs", quiet) as progress:
            outcomes = each(work, missing, workers=workers)
            found.take(outcomes, progress, keep=lambda number, seen: journal.add(missing[number], seen))
        if failed := found.failed(lambda number: str(missing[number])):
            kept = "" if folder is None else f"; the rest is kept in {folder}"
            raise RuntimeError(f"{len(failed)} pairs failed, the first: {failed[0]}{kept}")
    shape = (len(question.samples), question.seeds, len(question.sets), len(question.keys))
    having, lacking = (
        np.array([getattr(journal.done[job], world) for job in question.jobs()], np.float64).reshape(shape)
        for world in ("having", "lacking")
    )
    return Attribution(question, having, lacking)


def _seconds_a_pair(work: Work, missing: Sequence[Job], journal: Journal) -> float:
    """Run the first missing pairs here, after one that warms up, and say how long one takes; they are kept."""
    seconds = 0.0
    for job in missing[-2:]:  # the first may compile; the last is of all channels, which take longest
        began = monotonic()
        journal.add(job, work(job))
        seconds = monotonic() - began
    return seconds


def _cost(question: Question, missing: int, seconds: float, workers: int) -> str:
    kind = "sets that sampled orders go through" if question.orders else "sets"
    planned = (
        f"{len(question.sets)} {kind} of {len(question.channels)} channels × {question.seeds} seeds × "
        f"{len(question.samples)} draws of the parameters = {question.pairs:,} pairs of runs"
    )
    if not missing:
        return f"{planned}, all on file"
    minutes = missing * seconds / workers / 60.0
    on_file = f", {question.pairs - missing:,} on file" if missing < question.pairs else ""
    return f"{planned}{on_file}: about {minutes:.1f} minutes with {workers} workers ({seconds:.2g} s a pair)"


def keep(found: Attribution, folder: Path) -> None:
    """Write the attribution and its figures into a folder."""
    from analysis.counterfactual_figures import waterfalls

    texts = {TABLE_FILE: told(found), JSON_FILE: json.dumps(as_dict(found), ensure_ascii=False, indent=1)}
    keeping.keep(folder, texts, partial(waterfalls, found))


# --- the command -------------------------------------------------------------------------------------------------


def attribute(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="A TOML file, or a shipped name (see `list`).")],
    without: Annotated[
        str | None, typer.Option(metavar="EVENT", help="Whose effect is split; the first offensive unless told.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=SEEDS_APART, help="Seeds of each draw of the parameters.")
    ] = USUAL_SEEDS,
    draws: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="Draws of the parameters; 1 without --posterior: the scenario's own values."
        ),
    ] = None,
    samples: Annotated[
        Path | None, typer.Option("--posterior", metavar="FILE", help="Samples of parameters, instead of their priors.")
    ] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(metavar="MEASURE[.PLACE[.COMMUNITY]]", help=f"One of {', '.join(MEASURES)}; may be repeated."),
    ] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH.TO.KEY=VALUE", help="Change a value; may be repeated.")
    ] = None,
    days: Annotated[float | None, typer.Option(help="Days to run, instead of the scenario's.")] = None,
    orders: Annotated[
        int | None, typer.Option(min=2, help=f"Sample so many orders of the channels; else exact up to {MOST_EXACT}.")
    ] = None,
    workers: Workers = 2,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder to keep it in; one that was stopped goes on.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Split an event's effect elsewhere over the channels it came by."""
    values = assignments(sets or []) | ({} if days is None else {"clock.days": days})
    chosen = Scenario.load(scenario)
    chosen = chosen.with_values(values, "--set") if values else chosen
    if chosen.model != "theatre":
        raise Refused(f"{chosen.id}: a run of the model '{chosen.model}' has no channels")
    number = draws or _as_many_as_fit(len(channels_on(chosen)), seeds)
    drawn, are = samples_of(chosen, samples, number)
    question = asked(chosen, without, measure or (), drawn, are, seeds, orders)
    with stoppable() as stopped:
        try:
            found = attributed(question, folder=out, workers=workers, announce=None if quiet else complain, quiet=quiet)
        except KeyboardInterrupt:
            kept = f"what was run is kept in {out}, and the same command goes on" if out else "--out DIR would keep it"
            complain(f"stopped; {kept}")
            raise typer.Exit(TERMINATED if stopped else INTERRUPTED) from None
        except RuntimeError as error:
            complain(str(error))
            raise typer.Exit(FAILED) from None
    text = json.dumps(as_dict(found), ensure_ascii=False) if as_json else told(found)
    raise typer.Exit(conclude(text, (), out, partial(keep, found), quiet))


def _as_many_as_fit(channels: int, seeds: int) -> int:
    """Return the draws whose runs take half an hour on two processors."""
    sets = 2**channels if channels <= MOST_EXACT else ORDERS * (channels - 1) + 2
    return max(2, min(MOST_DRAWS, USUAL_PAIRS // (sets * seeds)))
