"""Find the parameters under which runs look like the record, and say which of them the record tells anything about.

    spillover calibrate --out runs/calibration --draws 200 --waves 3 --workers 2

Two modules, one after the other: what is told of the battle up to 25 May (P1, P2, P3, P10a) fits how a town is
fought over; Tripoli's first two days (P4) and its rounds up to March 2013 (P5, P6) fit, together, how fighting there
begins, grows and ends and how much of Syria is felt there, since one and the same street has to do both. What the
battle has found is the prior of the next: it does not depend on Tripoli's streets.

In each module the first wave comes from the prior and is the screening: of its parameters those that move a figure
beyond luck are fitted, at most ten over both modules (3 and 7); the rest is carried along at its prior. Later waves
go out from what came closest (`analysis.inference`). The centre, which defaults are set to, is looked for where
emulators of the draws expect the closest runs (`analysis.emulator`). The folder keeps every draw, so that a
calibration that was stopped goes on where it was, and comes to the same to the bit whatever the workers:

    draws.jsonl        what was tried, and the figures of each run
    posterior.csv      samples of equal weight: what `--posterior FILE` of other commands takes
    calibration.json   screening, posterior, what is identified, recovery, predictive checks
    table.txt          the same for people, and figures (PNG and SVG)
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property, partial
from math import inf, isfinite, nan
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats.qmc import LatinHypercube

from analysis import inference, keeping, observations
from analysis.emulator import Emulator, promising
from analysis.identity import model_version
from analysis.inference import Posterior, Proposal, Recovery
from analysis.keeping import Lines
from analysis.patterns import HOLDS, PATTERNS, WEEK, Family, Figure, Found
from analysis.priors import BATTLE, CHANNELS, PRIORS, STREETS, Prior, drawn
from analysis.workers import Failure, each, gathered, whole
from sim import posterior
from sim.console import DONE, INTERRUPTED, TERMINATED, Refused, complain, counting, stoppable
from sim.runs import run
from sim.scenario import Scenario

Float = NDArray[np.float64]
Ints = NDArray[np.int64]

FORMAT = "spillover-calibration-1"
DRAWS_FILE, POSTERIOR_FILE, JSON_FILE, TABLE_FILE = "draws.jsonl", "posterior.csv", "calibration.json", "table.txt"
CHANCE = 0.05
"""That luck passes the level of the screening in any of its correlations."""
RECORDS = 60
"""Simulated records that the recovery is checked on, drawn from where the posterior is (Prangle et al. 2014)."""
TOLD, WEAKLY = 0.3, 0.1
"""Contraction from which the record tells a parameter, and from which it tells it weakly."""
FEWEST_DRAWS = 30
PASSED_ON = 1_000
"""Samples of what a module found that the next may draw."""
SMOOTH = 0.4
"""Standard deviations by which samples are moved about: few draws are close, and no two runs should share a sample."""
CANDIDATES, TURNS = 6, 5
"""Points that are tried at a time for the centre, each as often as its module says, and how many times."""
FINALISTS, FINAL_TIMES = 3, 4
"""The best of them, which are run anew, so many times as often."""
LEARNT_FROM = 200
"""Draws that emulators learn from: the latest, which are the closest."""
LUCKS = tuple(norm.ppf((np.arange(7) + 0.5) / 7.0))
"""Of a run about what is expected, in standard deviations: seven that are equally likely."""
TRIED, FRESH = 1_000_000, 2_000_000
"""Seeds of the candidates and of the checks begin here, so that none was chosen for its luck with the latter."""


# --- what is fitted to ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Targets:
    """The figures that a draw is held against."""

    figures: tuple[Figure, ...]
    groups: tuple[int, ...]  # the pattern that each belongs to: patterns weigh the same

    @classmethod
    def of(cls, patterns: Sequence[str]) -> Targets:
        """Return the figures of some patterns that are labelled fitted and that a single run has."""
        found = [
            (figure, number)
            for number, pattern in enumerate(PATTERNS)
            for figure in pattern.figures
            if pattern.id in patterns and figure.label == "fitted" and figure.pooled is None
        ]
        return cls(tuple(figure for figure, _ in found), tuple(number for _, number in found))

    @property
    def names(self) -> list[str]:
        return [figure.name for figure in self.figures]

    @property
    def scales(self) -> Float:
        """Return the unit of each gap: half of the greatest width that the figure may have."""
        return np.array([figure.greatest_width / 2.0 for figure in self.figures])

    def gaps(self, figures: Float) -> Float:
        """Return the gaps (n, figures) of runs with figures (n, figures)."""
        ends = np.array([(figure.target.nearest(-inf), figure.target.nearest(inf)) for figure in self.figures])
        return np.asarray((figures - np.clip(figures, *ends.T)) / self.scales)


@dataclass(frozen=True)
class Module:
    """Some parameters, and the figures that tell of them."""

    name: str
    priors: tuple[Prior, ...]
    patterns: tuple[str, ...]
    most: int  # of its parameters that are fitted: ten in all
    times: int = 1  # as many draws: short runs can afford more
    tries: int = 1  # draws at each point that is tried for the centre

    @property
    def own(self) -> Ints:
        """Return which of all parameters are this module's."""
        return np.array([PRIORS.index(prior) for prior in self.priors])

    @property
    def targets(self) -> Targets:
        return Targets.of(self.patterns)

    @property
    def families(self) -> tuple[Family, ...]:
        """Return the kinds of runs that have its figures, each of which is run once for a draw."""
        return tuple(dict.fromkeys(figure.family for figure in self.targets.figures))


MODULES = (
    Module("battle", BATTLE, ("P1", "P2", "P3", "P10a"), most=3, times=2, tries=10),
    Module("tripoli", (*STREETS, *CHANNELS), ("P4", "P5", "P6"), most=7, times=2, tries=10),
)
SCENARIOS: Mapping[Family, tuple[str, date | None]] = {
    "battle": ("qusayr-2013", WEEK), "rounds": ("tripoli-2012", None),
}  # fmt: skip
"""What is run for each kind of figures, and the last day that they need; None: all that it has."""
OBSERVED = {"battle": observations.of_the_battle, "rounds": observations.of_the_rounds}


def story(family: Family, days: float | None = None) -> Scenario:
    """Return what is run for figures of a family, as far as they need it, or shorter."""
    name, until = SCENARIOS[family]
    found = Scenario.load(name)
    needed = (until - found.start.date()).days + 1.0 if until else found.file.clock.days
    return found.with_values({"clock.days": min(needed, days) if days else needed})


@dataclass(frozen=True)
class Work:
    """What a worker needs to make the runs of a draw."""

    stories: Mapping[Family, Scenario]

    @classmethod
    def of(cls, days: float | None = None) -> Work:
        """Load the scenarios of the modules, each at most so long."""
        return cls({family: story(family, days) for family in SCENARIOS})

    def __call__(self, job: Job) -> dict[str, float]:
        """Run with the values of a draw, its number the seed; return the figures that are fitted."""
        module = next(module for module in MODULES if module.name == job.module)
        seen = {family: self._seen(family, job) for family in module.families}
        return {figure.name: float(figure.of(seen[figure.family])) for figure in module.targets.figures}

    def _seen(self, family: Family, job: Job) -> observations.Seen:
        story = self.stories[family]
        values = posterior.fitting(job.values, story)  # not every faction is in every scenario
        return OBSERVED[family](whole(run(story.with_values(dict(values)), seed=job.number, threads=1)))


class Job(NamedTuple):
    """A draw to run."""

    module: str
    number: int
    values: dict[str, float]


# --- the draws -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """What a calibration is of: two with the same settings come to the same."""

    draws: int  # a wave
    waves: int
    keep: int
    seed: int

    def as_dict(self, work: Work) -> dict[str, Any]:
        """Return them for the head of the file of draws, with the model and the scenarios they were run on."""
        return {
            "format": FORMAT, "model": model_version(), "draws": self.draws, "waves": self.waves, "keep": self.keep,
            "seed": self.seed, "priors": [asdict(prior) for prior in PRIORS],
            "scenarios": {family: story.content_hash() for family, story in work.stories.items()},
            "modules": {module.name: module.targets.names for module in MODULES},
        }  # fmt: skip


class Waves:
    """The draws of one module, wave by wave."""

    def __init__(self, settings: Settings, module: Module, earlier: Float) -> None:
        """Begin; earlier: (samples, parameters) what the modules before have found."""
        self.settings, self.module, self.targets = settings, module, module.targets
        self.earlier = earlier
        self.shares = np.zeros((0, len(PRIORS)))
        self.figures = np.zeros((0, len(self.targets.figures)))
        self.proposals: list[Proposal] = []
        self.sizes: list[int] = []

    def __iter__(self) -> Iterator[Float]:
        """Yield the shares (draws, parameters) of each wave; `note` its figures before the next is asked for."""
        for wave in range(self.settings.waves):
            rng = np.random.default_rng([self.settings.seed, MODULES.index(self.module), wave])
            shares = self._rest(rng)
            if wave == 0:
                shares[:, self.module.own] = LatinHypercube(len(self.module.own), rng=rng).random(len(shares))
                shares = np.clip(shares, inference.EDGE, 1.0 - inference.EDGE)
            else:
                close = self.posterior(correct=False)
                self.proposals.append(Proposal.around(self.shares[close.rows], close.weights, self.fitted))
                shares = self.proposals[-1].draw(shares, rng)
            self.sizes.append(len(shares))
            self.shares = np.vstack([self.shares, shares])
            yield shares

    def note(self, figures: Float) -> None:
        """Take in the figures (draws, figures) of a wave."""
        self.figures = np.vstack([self.figures, figures])

    def _rest(self, rng: np.random.Generator) -> Float:
        """Return shares with what earlier modules found in their place, and everything else from the prior."""
        shares = rng.random((self.settings.draws * self.module.times, len(PRIORS)))
        before = [p for module in MODULES[: MODULES.index(self.module)] for p in module.own]
        if before:
            shares[:, before] = self.earlier[rng.integers(0, len(self.earlier), len(shares))][:, before]
        return shares

    @cached_property
    def influence(self) -> Float:
        """Partial rank correlations of figures with the module's parameters in its first wave, (own, figures)."""
        first = slice(0, self.sizes[0])
        return inference.influence(self.shares[first][:, self.module.own], self.figures[first])

    @property
    def level(self) -> float:
        """The correlation that luck would pass in one screening of twenty."""
        return inference.noise_level(self.sizes[0], len(self.module.own), self.influence.size, CHANCE)

    @cached_property
    def fitted(self) -> Ints:
        """The parameters that move a figure most, beyond luck; at most as many as are left to fit."""
        strongest = np.abs(self.influence).max(axis=1)
        order = np.argsort(-strongest, kind="stable")[: self.module.most]
        chosen = order[strongest[order] > self.level]
        return np.sort(self.module.own[chosen if len(chosen) else order[:1]])

    @property
    def groups(self) -> Ints:
        return np.array(self.targets.groups)

    def weights(self) -> Float:
        """Return what each draw stands for of the prior."""
        return inference.importance(self.shares, self.proposals, self.sizes)

    def posterior(self, correct: bool = True, widen: bool = False) -> Posterior:
        """Return what came closest so far; what is reported is widened, what later waves go out from is not."""
        gaps = self.targets.gaps(self.figures)
        columns = self.fitted if correct else None
        return inference.posterior(
            self.shares, gaps, self.weights(), self.groups, self.settings.keep, columns, widen=widen
        )

    def recovery(self) -> Recovery:
        """Take draws from where the posterior is as the record, and see whether their parameters are found again."""
        close = self.posterior(correct=False)
        rng = np.random.default_rng([self.settings.seed, MODULES.index(self.module), 1_000])
        known = int(np.count_nonzero(close.weights))
        records = rng.choice(close.rows, min(RECORDS, known), replace=False, p=close.weights)
        there = ~np.isnan(self.figures).all(axis=0)
        if not there.any():
            raise Refused(f"{self.module.name}: no run has any of its figures ({', '.join(self.targets.names)})")
        told = self.figures[:, there]
        told = np.where(np.isnan(told), np.nanmin(told, axis=0), told)
        return inference.recovery(
            self.shares, told, self.targets.scales[there], self.weights(), self.groups[there], self.settings.keep,
            np.sort(records), self.fitted,
        )  # fmt: skip


# --- kept on disk --------------------------------------------------------------------------------------


class Journal(AbstractContextManager["Journal"]):
    """The file of draws: a head, and a line for each draw that was run. Nobody else writes it until it is left."""

    def __init__(self, folder: Path, head: dict[str, Any]) -> None:
        self.path, self.head = folder / DRAWS_FILE, head
        self.file = Lines(self.path)
        self.done: dict[tuple[str, int], dict[str, float | None]] = {}
        self.held = self.file.taken_up("a calibration", head, self._read)

    def __exit__(self, *_: object) -> None:
        """Let others write."""
        self.held.close()

    def _read(self) -> None:
        entries = self.file.read()
        if not entries or entries[0].get("format") != FORMAT:
            raise Refused(f"{self.path}: not a file of draws")
        if other := [key for key, value in _plain(self.head).items() if entries[0].get(key) != value]:
            raise Refused(
                f"{self.path}: a calibration with another {', '.join(other)}; choose another folder to begin anew"
            )
        try:
            self.done = {(entry["module"], entry["draw"]): entry["figures"] for entry in entries[1:]}
        except KeyError as error:
            raise Refused(f"{self.path}: a line that is no draw (without {error})") from None
        self.file.mend()

    def add(self, job: Job, figures: dict[str, float]) -> None:
        """Keep a draw."""
        told: dict[str, float | None] = {n: x if isfinite(x) else None for n, x in figures.items()}
        self._append({"module": job.module, "draw": job.number, "values": job.values, "figures": told})
        self.done[job.module, job.number] = told

    def _append(self, entry: dict[str, Any]) -> None:
        self.file.add(entry)


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    """Return what a JSON file makes of a dict."""
    plain: dict[str, Any] = json.loads(json.dumps(value))
    return plain


def _of(figures: dict[str, float | None], names: Sequence[str]) -> list[float]:
    return [nan if (value := figures[name]) is None else value for name in names]


def through(
    settings: Settings, work: Callable[[Job], dict[str, float]], journal: Journal, workers: int,
    progress: Callable[[int], None] | None,
) -> list[Waves]:  # fmt: skip
    """Run every wave of every module, as far as it is not on file."""
    found: list[Waves] = []
    samples = np.zeros((0, len(PRIORS)))
    for module in MODULES:
        waves = Waves(settings, module, samples)
        for shares in waves:
            begin = len(waves.shares) - len(shares)
            jobs = [Job(module.name, begin + i, values) for i, values in enumerate(drawn(shares))]
            _run_missing(jobs, work, journal, workers, progress)
            rows = [_of(journal.done[job.module, job.number], waves.targets.names) for job in jobs]
            waves.note(np.array(rows).reshape(len(rows), -1))
        rng = np.random.default_rng([settings.seed, MODULES.index(module), 2_000])
        samples = waves.posterior().resampled(PASSED_ON, rng)
        found.append(waves)
    return found


def _run_missing(
    jobs: list[Job], work: Callable[[Job], dict[str, float]], journal: Journal, workers: int,
    progress: Callable[[int], None] | None,
) -> None:  # fmt: skip
    missing = [job for job in jobs if (job.module, job.number) not in journal.done]
    with closing(each(work, missing, workers=workers)) as outcomes:
        for i, outcome in outcomes:
            if isinstance(outcome, Failure):
                raise RuntimeError(
                    f"{missing[i].module}, draw {missing[i].number}: {outcome.error}: {missing[i].values}"
                )
            journal.add(missing[i], outcome)
            if progress is not None:
                progress(len(journal.done))


# --- the report ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What a calibration came to."""

    settings: Settings
    modules: list[Waves]
    samples: Float  # (n, parameters)
    centre: dict[str, float]  # what the defaults are set to
    checked: tuple[Found, ...]  # posterior predictive
    centred: tuple[Found, ...]  # of the centre

    def as_dict(self) -> dict[str, Any]:
        """Return the report for `calibration.json`."""
        return {
            "format": FORMAT, "conditional_on": CONDITIONAL, "model": model_version(), "centre": self.centre,
            "settings": asdict(self.settings), "modules": [self._module(waves) for waves in self.modules],
            "posterior_predictive": [_found(found) for found in self.checked],
            "at_the_centre": [_found(found) for found in self.centred],
        }  # fmt: skip

    def _module(self, waves: Waves) -> dict[str, Any]:
        recovery = waves.recovery()
        found = waves.posterior(widen=True).stretched(recovery.stretch)
        middle, (low, high) = drawn(found.centre()[None])[0], (drawn(end[None])[0] for end in found.interval())
        contraction = found.contraction()
        return {
            "name": waves.module.name, "patterns": waves.module.patterns,
            "scenarios": [SCENARIOS[family][0] for family in waves.module.families],
            "draws": len(waves.figures), "kept": len(found.rows), "effective": round(found.effective, 1),
            "tolerance": found.tolerance, "screening_level": waves.level, "records": recovery.records,
            "parameters": [
                {
                    "path": prior.path, "fitted": bool(p in waves.fitted), "prior": [prior.low, prior.high],
                    "why": prior.why, "middle": middle[prior.path], "interval_80": [low[prior.path], high[prior.path]],
                    "contraction": float(contraction[p]), "verdict": verdict(float(contraction[p])),
                    "influence": dict(zip(waves.targets.names, map(float, waves.influence[i]), strict=True)),
                    "recovered": float(recovery.covered[p]), "stretched": float(recovery.stretch[p]),
                    "recovered_stretched": float(recovery.mended[p]), "recovery_error": float(recovery.error[p]),
                }
                for i, (p, prior) in enumerate(zip(waves.module.own, waves.module.priors, strict=True))
            ],
        }  # fmt: skip

    def told(self) -> str:
        """Return the report for people."""
        lines = [CONDITIONAL]
        for module in map(self._module, self.modules):
            lines += ["", (
                f"{module['name']}, {', '.join(module['patterns'])} of {' and '.join(module['scenarios'])}: "
                f"{module['draws']} draws, the closest {module['kept']} kept (worth {module['effective']:g}), up to a "
                f"distance of {module['tolerance']:.2f}; a correlation beyond {module['screening_level']:.2f} is more "
                "than luck"
            ), HEADING]  # fmt: skip
            lines += map(_row, module["parameters"])
        lines += ["", (
            "* fitted. Told: 1 - sd of the posterior / sd of the prior; below 0.1 the record says nothing of it. "
            f"Recovery: how often the 80 % interval as found holds the truth, over {RECORDS} simulated records at "
            "most; then by how much it is stretched so that it does in 80 % of them, and how often the interval that "
            "all other records ask for does. Middle and interval are those stretched."
        ), "", "Defaults: " + ", ".join(f"{path} = {value:g}" for path, value in self.centre.items())]  # fmt: skip
        lines += ["", f"{'figure':22s} {'record':>22s} {'posterior, middle 80 %':>28s} {'at the defaults':>28s}"]
        for found, centred in zip(self.checked, self.centred, strict=True):
            name, target = found.figure.name, found.figure.target.told
            lines.append(f"{name:22s} {target:>22s} {_span(found):>28s} {_span(centred):>28s}  {centred.verdict}")
        return "\n".join(lines)


def _row(one: dict[str, Any]) -> str:
    figure, correlation = max(one["influence"].items(), key=lambda item: abs(item[1]))
    low, high = one["interval_80"]
    return (
        f"{'*' if one['fitted'] else ' '}{one['path']:39s} {one['prior'][0]:8.3g}–{one['prior'][1]:<8.3g} "
        f"{one['middle']:9.3g} {low:9.3g}–{high:<9.3g} {one['contraction']:6.2f}  {one['recovered']:4.0%} "
        f"×{one['stretched']:.2f} {one['recovered_stretched']:4.0%}  "
        f"{figure} ({correlation:+.2f})"
    )


HEADING = (
    f"{'parameter':40s} {'prior':>17s} {'middle':>9s} {'80 % interval':>19s} {'told':>6s}  recovery         moves most"
)
CONDITIONAL = (
    "Conditional on the model as it is, on the priors of analysis/priors.py, and on a thin record: ten rounds of "
    "fighting, one battle, press counts that are bounds. Not a forecast."
)


def verdict(contraction: float) -> str:
    """Say how much the record tells of a parameter."""
    return "told" if contraction >= TOLD else "weakly told" if contraction >= WEAKLY else "the record says nothing"


def _span(found: Found) -> str:
    return f"{found.median:.3g} ({found.low:.3g} to {found.high:.3g})" if isfinite(found.median) else "-"


def _found(found: Found) -> dict[str, Any]:
    told = {"median": found.median, "low": found.low, "high": found.high}
    return {
        "figure": found.figure.name, "target": found.figure.target.told, "verdict": found.verdict,
        **{key: value if isfinite(value) else None for key, value in told.items()},
    }  # fmt: skip


def centre(modules: list[Waves], work: Work, journal: Journal, workers: int) -> dict[str, float]:
    """Return the values of the fitted parameters that the defaults are set to, to three significant digits.

    A tipping model at the means of its parameters is not the mean of the model. So points are tried, with all that is
    not fitted at its default: the defaults as they are, and those where emulators of all runs so far expect runs to
    be closest to the record, a few at a time. The best are run anew and more often, or luck would choose. Taken is
    the point at which most figures hold, and of several that whose runs are closest, each run by itself. One module
    comes after the other, with what was chosen before.
    """
    chosen: dict[str, float] = {}
    for number, waves in enumerate(modules):
        rng = np.random.default_rng([waves.settings.seed, 4_000, number])
        search = Search(waves, chosen, work, journal, workers)
        search.run([search.as_it_stands()])
        for _ in range(TURNS):
            search.run(search.promising(rng))
        chosen = search.best_when_run_anew()
    return chosen


class Search:
    """The points that were tried for the centre of a module, and their runs."""

    def __init__(self, waves: Waves, chosen: Mapping[str, float], work: Work, journal: Journal, workers: int) -> None:
        """Begin with none, and with what earlier modules have chosen."""
        self.waves, self.chosen, self.work, self.journal, self.workers = waves, chosen, work, journal, workers
        self.points: list[dict[str, float]] = []
        self.runs: list[Float] = []  # by point: (tries, figures)

    def as_it_stands(self) -> dict[str, float]:
        """Return the point of the defaults."""
        return self._rounded(drawn(self._shares({})[None])[0])

    def promising(self, rng: np.random.Generator) -> list[dict[str, float]]:
        """Return points at which emulators expect the runs of the module to be close to the record."""
        surface = Surface.of(self.waves, np.array([self._shares(point) for point in self.points]), self.runs)

        def expected(shares: Float) -> Float:
            return np.asarray(surface.squares(shares).mean(axis=1))

        found = promising(expected, self._shares({}), self.waves.fitted, CANDIDATES, rng)
        return [self._rounded(point) for point in drawn(found)]

    def run(self, points: list[dict[str, float]], times: int = 1) -> None:
        """Run the module at some points, so many times as often as it says."""
        name, tries, begin = self.waves.module.name, self.waves.module.tries * times, TRIED + sum(map(len, self.runs))
        jobs = [Job(name, begin + tries * i + k, point) for i, point in enumerate(points) for k in range(tries)]
        _run_missing(jobs, self.work, self.journal, self.workers, None)
        rows = np.array([_of(self.journal.done[name, job.number], self.waves.targets.names) for job in jobs])
        self.runs += list(rows.reshape(len(points), tries, -1))
        self.points += points

    def best_when_run_anew(self) -> dict[str, float]:
        """Run the best points again, and return the best of these."""
        self.run([self.points[i] for i in self._ranked(slice(None))[:FINALISTS]], times=FINAL_TIMES)
        begin = len(self.points) - FINALISTS
        return self.points[begin + int(self._ranked(slice(begin, None))[0])]

    def _ranked(self, which: slice) -> Ints:
        """Return the order of some points, the best first."""
        runs = self.runs[which]
        return np.lexsort((_squares(self.waves, runs).mean(axis=1), _missed(self.waves, runs)))

    def _shares(self, point: Mapping[str, float]) -> Float:
        return _shares_at(self.work, {**self.chosen, **point})

    def _rounded(self, values: Mapping[str, float]) -> dict[str, float]:
        paths = [PRIORS[p].path for p in self.waves.fitted]
        return {**self.chosen, **{path: float(f"{values[path]:.3g}") for path in paths}}


def _shares_at(work: Work, chosen: Mapping[str, float]) -> Float:
    """Return the defaults as shares (parameters,) of the way through their priors, with what is chosen in its place."""
    values = {path: one.value for path, one in posterior.declared(work.stories.values()).items()} | dict(chosen)
    shares = [prior.share(np.array([values[prior.path]]))[0] if prior.path in values else 0.5 for prior in PRIORS]
    return np.asarray(np.clip(np.array(shares), inference.EDGE, 1.0 - inference.EDGE))


def _missed(waves: Waves, runs: list[Float]) -> Ints:
    """Return how many figures that count do not hold at each point, as `validate` judges them."""
    names = waves.targets.names
    held = [_held(waves.targets, [dict(zip(names, run, strict=True)) for run in of.tolist()]) for of in runs]
    return np.array([sum(one.figure.is_counted and one.verdict != HOLDS for one in found) for found in held])


def _squares(waves: Waves, runs: list[Float]) -> Float:
    """Return the mean squared gaps (points, patterns) of runs, (tries, figures) a point."""
    return np.array([inference.squares(waves.targets.gaps(of), waves.groups).mean(axis=0) for of in runs])


@dataclass(frozen=True)
class Surface:
    """How far runs of a module are expected to be from the record, learnt from its latest draws."""

    waves: Waves
    emulators: tuple[Emulator, ...]

    @classmethod
    def of(cls, waves: Waves, points: Float, runs: list[Float]) -> Surface:
        """Learn from draws and from runs, (tries, figures) each, of points (points, parameters) that were tried.

        Figures that no run has are left out, as if all had them.
        """
        tried = np.repeat(points, list(map(len, runs)), axis=0)
        shares = np.vstack([waves.shares[-LEARNT_FROM:], tried])[:, waves.module.own]
        squeezed = np.arcsinh(np.vstack([waves.figures[-LEARNT_FROM:], *runs]) / waves.targets.scales)
        return cls(waves, tuple(Emulator.of(shares, column) for column in squeezed.T))

    def squares(self, shares: Float) -> Float:
        """Return the expected squared gaps (n, patterns) of runs at shares (n, parameters), their luck included."""
        told = [emulator.at(shares[:, self.waves.module.own]) for emulator in self.emulators]
        means, spreads = (np.column_stack(of) for of in zip(*told, strict=True))
        by_luck = [
            inference.squares(
                self.waves.targets.gaps(np.sinh(means + luck * spreads) * self.waves.targets.scales), self.waves.groups
            )
            for luck in LUCKS
        ]
        return np.asarray(np.mean(by_luck, axis=0))


def report(
    settings: Settings, modules: list[Waves], work: Work, journal: Journal, samples: int, checks: int, workers: int
) -> Report:
    """Draw the samples, find the centre, and run some of the samples, and the centre, anew."""
    rng = np.random.default_rng([settings.seed, 3_000])
    found = _stretched(modules[-1].posterior(widen=True).resampled(samples, rng, SMOOTH), modules)
    middle = centre(modules, work, journal, workers)
    some = drawn(found[np.linspace(0, samples - 1, checks).astype(int)]) if checks else []
    jobs = [
        Job(waves.module.name, FRESH + i, values)
        for waves in modules
        for which in (some, [middle] * checks)
        for i, values in enumerate(which)
    ]
    with counting(len(jobs), "checks") as progress:
        seen = gathered(work, jobs, workers=workers, progress=progress)
    held: list[list[Found]] = [[], []]
    for number, waves in enumerate(modules):
        for part in (0, 1):
            begin = (2 * number + part) * checks
            held[part] += _held(waves.targets, [seen[begin + i] for i in range(checks)])
    return Report(settings, modules, found, middle, tuple(held[0]), tuple(held[1]))


def _stretched(samples: Float, modules: list[Waves]) -> Float:
    """Return samples (n, parameters) pulled apart as each module's recovery asks for."""
    by = np.ones(len(PRIORS))
    for waves in modules:
        by[waves.module.own] = waves.recovery().stretch[waves.module.own]
    return inference.apart(samples, inference.expit(inference.logit(samples).mean(axis=0)), by)


def _held(targets: Targets, seen: list[dict[str, float]]) -> tuple[Found, ...]:
    """Hold figures of runs against the record as `validate` does."""

    def one(figure: Figure) -> Found:
        asked = Figure(**{**vars(figure), "of": lambda figures: figures[figure.name]})
        runs: dict[Family, list[dict[str, Any]]] = {figure.family: list(seen)}
        return asked.judged(runs)

    return tuple(map(one, targets.figures))


def kept_as(report: Report, folder: Path, figures: bool = True) -> None:
    """Write the report, the samples and figures into a folder."""
    from analysis.calibration_figures import draw

    paths = [prior.path for prior in PRIORS]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["sample", *paths])
    for number, values in enumerate(drawn(report.samples)):
        writer.writerow([number, *(f"{values[path]:.6g}" for path in paths)])
    said = json.dumps(report.as_dict(), indent=1, ensure_ascii=False)
    texts = {POSTERIOR_FILE: table.getvalue(), JSON_FILE: said, TABLE_FILE: report.told()}
    keeping.keep(folder, texts, partial(draw, report) if figures else None)


# --- the command ---------------------------------------------------------------------------------------


def calibrate(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to keep it in; one that was stopped goes on.")],
    draws: Annotated[int, typer.Option(min=FEWEST_DRAWS, max=100_000, help="Draws of the parameters a wave.")] = 256,
    waves: Annotated[int, typer.Option(min=1, max=20, help="Waves; the first is the screening.")] = 3,
    keep: Annotated[int, typer.Option(min=20, max=10_000, help="How many of the closest are kept.")] = 80,
    samples: Annotated[int, typer.Option(min=1, max=100_000, help="Samples in posterior.csv.")] = 200,
    checks: Annotated[int, typer.Option(min=0, max=1_000, help="Runs of samples, and of the centre, at the end.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="Which draws.")] = 1,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes that run at the same time.")] = 2,
    days: Annotated[float | None, typer.Option(hidden=True, help="Days of each run at most, for tests.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on stdout.")] = False,
    figures: Annotated[bool, typer.Option(help="Draw figures into the folder.")] = True,
) -> None:
    """Find the parameters under which runs look like the record, and what the record tells of them."""
    if keep > draws * waves:
        raise Refused(f"--keep {keep}: a module has only {draws * waves} draws")
    work, settings = Work.of(days), Settings(draws, waves, keep, seed)
    total, began = draws * waves * sum(module.times for module in MODULES), monotonic()
    with Journal(out, settings.as_dict(work)) as journal:
        there = f"{total:,} runs of {len(MODULES)} modules, {len(journal.done):,} of them on file"
        complain(f"{there}; then {6 * checks} checks.")
        with stoppable() as stopped, counting(total, "draws") as progress:
            try:
                modules = through(settings, work, journal, workers, progress)
                made = report(settings, modules, work, journal, samples, checks, workers)
            except KeyboardInterrupt:
                kept = f"{len(journal.done)} of {total} draws are kept in {out}"
                complain(f"stopped; {kept}, and the same command goes on")
                raise typer.Exit(TERMINATED if stopped else INTERRUPTED) from None
        kept_as(made, out, figures)
    complain(f"{(monotonic() - began) / 60.0:.1f} minutes; kept in {out}")
    typer.echo(json.dumps(made.as_dict(), ensure_ascii=False) if as_json else made.told())
    raise typer.Exit(DONE)
