"""A run stopped at the top of an hour, so that it can go on from there: unchanged, or as another world.

    checkpoint = capture(model)
    model = restored(checkpoint)                       # goes on to the same to the bit as if nothing had happened
    model = restored(checkpoint, other_scenario)       # what was is as it was; what comes is the other scenario's

`STATE` lists what the hours change, object by object; everything else is made anew from the scenario. A file holds
arrays (NumPy's format, read without pickle) and JSON, nothing that could run.

What a fork changes must lie ahead. What people, forces and stocks were like at the start, who and what there is, and
events that have happened are refused: a change there would do nothing, or rewrite the past.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.diplomacy import Talks
from sim.events import Conference
from sim.keeping import placed
from sim.model import SpilloverModel
from sim.record import Record
from sim.scenario import Scenario
from sim.theatre import Delivery, March

Array = npt.NDArray[Any]

FORMAT = "spillover-checkpoint-1"
ABOUT = "about.json"

STATE: dict[str, tuple[str, ...]] = {
    "model": ("now", "fighters_from_outside", "destinations"),
    "theatre": (
        "control", "fighters", "hurt", "killed", "volunteers", "readiness", "resolve", "resolve_at_start", "stock_t",
        "wanted_t", "effect", "assault", "pausing", "pressed", "urge", "calm", "hopes", "sealed", "toll", "usual",
        "news", "engaged", "heard_of", "firing", "slain_rate", "flow_t", "through_t", "open_share", "value",
        "delivered_t", "used_t", "destroyed_t", "lost_t",
    ),
    "city": (
        "volunteer_place", "states", "armed_share", "toll", "volunteer_toll", "anger", "arrived", "hits_per_day",
        "soldiers", "threat", "armed_up", "up_at",
    ),
    "ground": ("armed",),
    "residents": (
        "state", "where", "lived", "harm", "able", "weapon_rank", "hardship", "aversion", "ties", "displaced",
    ),
    "groups": ("strength", "count", "room", "first", "sizes"),
    "force": (
        "standing", "reserve", "soldiers", "ordered", "due_h", "quiet_h", "peak", "killed", "wounded", "held",
    ),
    "consignment": ("units", "destroyed"),
    "tally": ("all",),
    "books": ("assigned",),
}  # fmt: skip
"""Arrays and numbers that the hours change."""

KEPT_APART: dict[str, tuple[str, ...]] = {
    "model": ("talks", "offensives"),
    "theatre": ("marches", "deliveries"),
    "skies": ("stray",),
    "books": ("record", "force_assigned"),
}
"""What else they change: lists and tables of other things, each with its own way into a file and back."""

DERIVED: dict[str, tuple[str, ...]] = {
    "model": (
        "story", "file", "seed", "chance", "theatre", "city", "residents", "step_h", "steps_a_day", "exposed", "skies",
        "battles", "forces", "books", "alarms", "pool", "facing", "facing_lane", "provoked", "zeros", "detain", "toll",
        "horizons", "scheduled", "seen", "resumes_at",
    ),
    "theatre": (
        "places", "factions", "communities", "latitude", "longitude", "distance_km", "population", "neutral",
        "coalition", "enemy", "enmity", "constituency", "hostility", "solidarity", "outside", "holder", "contact",
        "firepower", "area_fire", "road_order", "network", "barred", "source_t", "fronts", "cover", "skirmish",
        "inhabitants", "hostile_to", "kindred", "strange", "_nearness",
    ),
    "city": (
        "neighbourhoods", "place", "neighbourhood", "community", "first", "last", "first_of_neighbourhood", "people",
        "weight", "legitimacy", "able_people", "ties", "volunteer_faction", "arrivals_per_day", "guarded", "facing",
        "first_site", "last_site", "site_cell", "first_post", "last_post", "post_cell", "post_of", "site_ends",
        "kin_in_sight", "grounds",
    ),
    "ground": ("place", "plane", "raster", "groups", "reach", "sight", "posts"),
    "residents": (
        "city", "chance", "group", "lane", "lanes", "site", "fit", "changing", "then", "jobs", "parts",
    ),
    "battles": ("places", "known_as", "lane", "groups"),
    "groups": ("lane",),
    "force": ("id", "place", "lane", "lag_h", "needs_approval"),
    "skies": ("consignments", "air_forces"),
    "consignment": ("id", "faction", "route", "leaves", "reaches", "lane"),
    "tally": (
        "killed", "wounded", "killed_up", "wounded_up", "volunteers_killed", "volunteers_wounded", "faction_killed",
        "faction_wounded", "place_killed", "place_wounded", "force_killed", "force_wounded", "stray", "stray_wounded",
    ),
    "books": (
        "theatre", "city", "forces", "skies", "file", "sides", "side_of", "group_side", "hour", "day", "force_place",
        "alarms", "shown", "held", "of_no_community", "bound",
    ),
}  # fmt: skip
"""What follows from the scenario, the seed and the state, or is written anew each hour before it is read."""

SETTLED = (
    "format", "clock.start", "clock.zone", "clock.step_hours", "places.*.control*", "places.*.cell_m",
    "factions.*.fighters", "factions.*.deployed*", "factions.*.stock_days*", "factions.*.resolve",
    "corridors.*.sealed", "neighbourhoods.*.residents", "neighbourhoods.*.people_per_agent",
    "neighbourhoods.*.communities*", "neighbourhoods.*.able", "neighbourhoods.*.armed*",
    "neighbourhoods.*.rectangle*", "neighbourhoods.*.polygon*", "neighbourhoods.*.volunteers*",
    "security_forces.*.standing", "security_forces.*.reserve", "consignments.*", "mobilisation.hardship_low",
    "mobilisation.hardship_high", "mobilisation.ties_spread",
)  # fmt: skip
"""Paths that say what things were like at the start: at a checkpoint that is history."""

WHO_THERE_IS = (
    "communities", "places", "neighbourhoods", "factions", "corridors", "security_forces", "lines_of_contact", "fronts",
)  # fmt: skip
"""Tables whose elements are rows of the state."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be gone on from: every fault in words."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run at the top of an hour."""

    scenario: Scenario
    seed: int
    step: int
    arrays: dict[str, Array]
    said: dict[str, Any]  # what is no array, ready for JSON

    @property
    def when(self) -> str:
        """Say when it was."""
        return f"{self.scenario.time_of(self.step):%d %B %Y %H:%M}"


# --- into a checkpoint -----------------------------------------------------------------------------------------------


def owners(model: SpilloverModel) -> Iterator[tuple[str, str, Any]]:
    """Yield every object that has state: its kind, by what name it is kept, and itself."""
    yield "model", "model", model
    yield "theatre", "theatre", model.theatre
    yield "city", "city", model.city
    yield from (("ground", f"ground {ground.place}", ground) for ground in model.city.grounds)
    yield "residents", "residents", model.residents
    yield "battles", "battles", model.battles
    yield "groups", "groups", model.battles.groups
    yield from (("force", f"force {force.id}", force) for force in model.forces)
    yield "skies", "skies", model.skies
    yield from (("consignment", f"consignment {one.id}", one) for one in model.skies.consignments)
    yield from (("tally", f"tally {name}", getattr(model.books, name)) for name in ("hour", "day"))
    yield "books", "books", model.books


def capture(model: SpilloverModel) -> Checkpoint:
    """Return the state of a model between two hours, the first of them over; the model goes on as if nobody looked."""
    arrays = {
        f"{name}.{attribute}": np.array(getattr(owner, attribute))
        for kind, name, owner in owners(model)
        for attribute in STATE.get(kind, ())
    }
    theatre, record = model.theatre, model.record
    arrays["theatre.marches"] = _table([[m.due, m.place, m.faction, m.fighters] for m in theatre.marches], 4, np.int64)
    arrays["theatre.deliveries"] = _table(
        [[d.due, d.place, d.faction, d.tonnes] for d in theatre.deliveries], 4, np.float64
    )
    stray = [[place, step] for place, steps in model.skies.stray.items() for step in steps]
    arrays["skies.stray"] = _table(stray, 2, np.int64)
    for i, assigned in enumerate(model.books.force_assigned):
        arrays[f"books.force_assigned {i}"] = assigned.copy()
    arrays["record.values"] = record.values[: model.now].copy()
    arrays["record.fire"] = _table(record.fire, 12, np.int64)
    arrays["record.flows"] = _table(record.flows, 5, np.float64)
    arrays["record.worth"] = _table(record.worth, 4, np.float64)
    said = {
        "offensives": [happening.name for happening in model.offensives],
        "talks": [[_name_of(model, talk), bool(talk.agreed), bool(talk.closed)] for talk in model.talks],
        "claims": [{key: _plain(value) for key, value in claim.items()} for claim in record.claims],
        "happened": [[int(step), name, text] for step, name, text in record.happened],
    }
    return Checkpoint(model.story, model.seed, model.now, arrays, said)


def _table(rows: Any, columns: int, kind: Any) -> Array:
    return np.array(rows, kind).reshape(-1, columns)


def _name_of(model: SpilloverModel, talk: Talks) -> str:
    return next(h.name for h in model.scheduled if isinstance(h, Conference) and getattr(h, "talks", None) is talk)


def _plain(value: Any) -> Any:
    return value.item() if hasattr(value, "item") else value


# --- out of a checkpoint ---------------------------------------------------------------------------------------------


def restored(checkpoint: Checkpoint, scenario: Scenario | None = None, threads: int | None = None) -> SpilloverModel:
    """Return a model that goes on from a checkpoint, in the scenario that it was taken of or in another one.

    Mesa's clock counts from the checkpoint on; `now`, and all that is recorded, from the start of the scenario.
    """
    going_on = scenario or checkpoint.scenario
    refuse_the_past(checkpoint, going_on)
    model = SpilloverModel(going_on, checkpoint.seed, threads, resumes_at=checkpoint.step)
    arrays, said = checkpoint.arrays, checkpoint.said
    for kind, name, owner in owners(model):
        for attribute in STATE.get(kind, ()):
            _put_back(owner, attribute, arrays, f"{name}.{attribute}", kind)
    theatre = model.theatre
    theatre.marches[:] = [March(*row) for row in arrays["theatre.marches"].tolist()]
    theatre.deliveries[:] = [
        Delivery(int(due), int(place), int(faction), tonnes)
        for due, place, faction, tonnes in arrays["theatre.deliveries"].tolist()
    ]
    model.skies.stray.clear()
    for place, step in arrays["skies.stray"].tolist():
        model.skies.stray.setdefault(place, []).append(step)
    for i, assigned in enumerate(model.books.force_assigned):
        assigned[:] = arrays[f"books.force_assigned {i}"]
    happenings = {happening.name: happening for happening in model.scheduled}
    model.offensives[:] = [happenings[name] for name in said["offensives"]]
    for name, agreed, closed in said["talks"]:
        conference = happenings[name]
        assert isinstance(conference, Conference)
        talk = conference.convened()
        talk.agreed, talk.closed = agreed, closed
        model.talks.append(talk)
    _restore_record(model.record, checkpoint)
    return model


def _put_back(owner: Any, attribute: str, arrays: Mapping[str, Array], key: str, kind: str) -> None:
    value, before = arrays.get(key), getattr(owner, attribute, None)
    if value is None:
        raise CheckpointError(f"{key}: missing")
    if kind != "groups" and before is not None and np.asarray(before).shape != value.shape:
        raise CheckpointError(f"{key}: a fork keeps who and what there is, and this one has more or fewer")
    if kind == "tally":  # its other tables are parts of this one
        getattr(owner, attribute)[:] = value
    else:
        setattr(owner, attribute, value.item() if value.ndim == 0 else value.copy())


def _restore_record(record: Record, checkpoint: Checkpoint) -> None:
    arrays, said = checkpoint.arrays, checkpoint.said
    record.values[: checkpoint.step] = arrays["record.values"]
    record.steps_done = checkpoint.step
    record.fire[:] = map(tuple, arrays["record.fire"].tolist())
    record.flows[:] = [
        (int(s), int(k), int(f), flow, share) for s, k, f, flow, share in arrays["record.flows"].tolist()
    ]
    record.worth[:] = [(int(s), int(p), int(f), worth) for s, p, f, worth in arrays["record.worth"].tolist()]
    record.claims[:] = [dict(claim) for claim in said["claims"]]
    record.happened[:] = [(step, name, text) for step, name, text in said["happened"]]


# --- what may not change ---------------------------------------------------------------------------------------------


def refuse_the_past(checkpoint: Checkpoint, scenario: Scenario) -> None:
    """Refuse a scenario that differs from the checkpoint's in what has already been."""
    if scenario is checkpoint.scenario:
        return
    before, after = (dict(_leaves(one.file.model_dump(mode="json"))) for one in (checkpoint.scenario, scenario))
    changed = [path for path in {**before, **after} if before.get(path) != after.get(path)]
    when = checkpoint.when
    faults = [
        f"{path}: says what was at the start; a fork of {when} cannot change it"
        for path in changed
        if any(fnmatchcase(path, settled) for settled in SETTLED)
    ]
    faults += [
        f"{table}: a fork of {when} has the same {table} as the run that it comes from"
        for table in WHO_THERE_IS
        if list(getattr(checkpoint.scenario.file, table)) != list(getattr(scenario.file, table))
    ]
    begun = {path.split(".")[1] for path in changed if path.startswith("events.")}
    faults += [fault for name in sorted(begun) if (fault := _rewritten(checkpoint, scenario, name, changed))]
    if not faults and _fronts(checkpoint.scenario) != _fronts(scenario):
        new = sorted(_fronts(scenario) ^ _fronts(checkpoint.scenario))
        faults.append(f"events: {', '.join(new)} is a front in one and not in the other; a fork keeps its fronts")
    if scenario.steps <= checkpoint.step:
        faults.append(f"clock.days: the scenario ends before {when}, from where the fork is to go on")
    if faults:
        raise CheckpointError(*faults)


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
    else:
        yield path, tree


def _rewritten(checkpoint: Checkpoint, scenario: Scenario, name: str, changed: list[str]) -> str:
    """Say why an event cannot be changed, if it cannot: it has begun. When it ends may still be moved."""
    what = {path.split(".", 2)[2] for path in changed if path.split(".")[:2] == ["events", name]}
    specs = [one.file.events[name] for one in (checkpoint.scenario, scenario) if name in one.file.events]
    began = [scenario.step_of(spec.at) for spec in specs if spec.on]
    if not any(0 <= step < checkpoint.step for step in began):
        return ""
    ends = [scenario.step_of(until) for spec in specs if (until := getattr(spec, "until", None)) is not None]
    if what <= {"until", "source", "text"} and all(end >= checkpoint.step for end in ends):
        return ""
    return f"events.{name}: began before {checkpoint.when}; a fork can change what comes after"


def _fronts(scenario: Scenario) -> set[str]:
    """Return the places that events make fronts of."""
    known = {front.place for front in scenario.file.fronts.values()}
    return {spec.place for spec in scenario.file.events.values() if spec.kind == "offensive"} - known


# --- files -----------------------------------------------------------------------------------------------------------


def save(checkpoint: Checkpoint, path: Path, versions: Mapping[str, str]) -> None:
    """Write a checkpoint beside its place and move it there; `versions` says what made it."""
    about = {
        "format": FORMAT, "versions": dict(versions), "seed": checkpoint.seed, "step": checkpoint.step,
        "scenario": checkpoint.scenario.to_toml(), "said": checkpoint.said,
    }  # fmt: skip
    placed(path, lambda beside: _write(beside, about, checkpoint.arrays))


def _write(path: Path, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(ABOUT, json.dumps(about, ensure_ascii=False, allow_nan=False))
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)


def load(path: Path, versions: Mapping[str, str]) -> Checkpoint:
    """Read a checkpoint; refuse what is none, and one that other versions made."""
    try:
        with zipfile.ZipFile(path) as archive:
            about = json.loads(archive.read(ABOUT))
            if not isinstance(about, dict) or about.get("format") != FORMAT:
                raise CheckpointError(f"{path}: not a checkpoint of format {FORMAT}")
            _same_versions(path, about["versions"], versions)
            arrays = {
                name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
                for name in archive.namelist()
                if name != ABOUT
            }
    except OSError as error:
        raise CheckpointError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except (zipfile.BadZipFile, KeyError, EOFError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: not a checkpoint, or not as it was written ({error})") from None
    scenario = Scenario.from_toml(about["scenario"], str(path))
    return Checkpoint(scenario, about["seed"], about["step"], arrays, about["said"])


def _same_versions(path: Path, theirs: Mapping[str, str], ours: Mapping[str, str]) -> None:
    faults = [
        f"{path}: made with {package} {theirs.get(package, 'none')}, where this is {package} "
        f"{ours.get(package, 'none')}; a run goes on only with the versions that began it"
        for package in {**theirs, **ours}
        if theirs.get(package) != ours.get(package)
    ]
    if faults:
        raise CheckpointError(*faults)


__all__ = ["Checkpoint", "CheckpointError", "capture", "load", "refuse_the_past", "restored", "save"]
