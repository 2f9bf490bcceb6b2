"""What a scenario file may say: every table and key, with its type, unit and range.

A scenario names things by table id (`[places.qusayr]`, `[factions.hezbollah]`), so
that a variant or `--set factions.hezbollah.fighters=1200` can address each of
them. Any element may carry `source`: an article claim id (A01-A24), literature, or
`assumed`. The parameters of the mechanisms are declared in the mechanisms' files.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, Self, cast

from pydantic import Field, model_validator

from sim.channels.alliance import AllianceParameters
from sim.channels.arms import ArmsParameters
from sim.channels.fighters import FightersParameters
from sim.channels.kin import KinParameters
from sim.channels.news import NewsParameters
from sim.channels.proximity import ProximityParameters
from sim.channels.refugees import RefugeesParameters
from sim.classics.epstein import GROUPS, EpsteinParameters
from sim.corridors import SupplyParameters
from sim.diplomacy import DiplomacyParameters
from sim.displacement import DisplacementParameters
from sim.factions import EffortParameters, WithdrawalParameters
from sim.fire import FireParameters
from sim.fronts import ControlParameters, EngagementParameters
from sim.memory import TollParameters
from sim.mobilisation import MobilisationParameters, ProvocationParameters
from sim.parameters import Strict, param
from sim.security import SecurityParameters
from sim.strikes import StrikeParameters
from sim.supply import StockParameters

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Signed = Annotated[float, Field(ge=-1.0, le=1.0)]
Amount = Annotated[float, Field(ge=0.0)]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Point = tuple[float, float]
Path = Annotated[tuple[Point, ...], Field(min_length=2)]


class Element(Strict):
    """Anything a scenario names."""

    name: str = Field(min_length=1, max_length=120)
    source: str | None = Field(None, description="article claim id, literature, or assumed")


class Info(Strict):
    """What the scenario is called and about."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    summary: str
    source: str | None = None


class Clock(Strict):
    """When the run begins, how long it lasts, how long a step is."""

    start: datetime = Field(description="local date and time without an offset")
    zone: str = Field("UTC", description="IANA time zone")
    days: float = param(35.0, unit="d", low=0.04, high=3660, source="length of the run")
    step_hours: float = param(1.0, unit="h", low=0.05, high=24, source="one step of the model")
    source: str | None = None


class Window(Strict):
    """A named calendar interval, both days included, over which outcomes are counted."""

    first: date
    last: date
    source: str | None = None


class Community(Element):
    """A community, and how it stands to the others."""

    hostility: dict[str, Share] = Field(default_factory=dict, description="towards other communities, 0 to 1")
    solidarity: dict[str, Share] = Field(
        default_factory=dict, description="share of another community's toll felt as one's own, 0 to 1"
    )


class Place(Element):
    """A town: where it is, who lives there, who holds it."""

    country: str = Field(min_length=2, max_length=60)
    latitude: float = Field(ge=-90, le=90, description="degrees north")
    longitude: float = Field(ge=-180, le=180, description="degrees east")
    population: int = param(0, unit="people", low=0, high=50_000_000, source="the place's source")
    communities: dict[str, Share] = Field(default_factory=dict, description="shares of the population, sum 1")
    control: dict[str, Share] = Field(
        default_factory=dict, description="share held by each faction, sum 1; empty where no faction holds it"
    )
    cell_m: float = param(20.0, unit="m", low=2, high=500, source="side of a raster cell; housing blocks")
    stray_fire: bool = Field(False, description="fire from a front near the border may stray into it")


class Front(Strict):
    """How a contested place is fought over before anyone orders an assault."""

    place: str
    skirmish: float = param(0.05, unit="1", low=0, high=1, source="intensity without an assault, of an assault's")
    cover: float = param(2.0, unit="1", low=0.1, high=20, source="by how much ground favours whoever holds it")
    source: str | None = None


class Rectangle(Strict):
    """A neighbourhood's outline as a rectangle, in metres from the centre of its place."""

    west: float
    south: float
    width: float = Field(gt=0)
    height: float = Field(gt=0)


class Volunteers(Strict):
    """Where the volunteers of one community of a neighbourhood go."""

    faction: str
    place: str
    already_there: int = param(0, unit="people", low=0, high=100_000, source="volunteers at the start")


class Neighbourhood(Element):
    """A quarter whose residents are modelled one by one."""

    place: str
    residents: int = param(1000, unit="people", low=1, high=50_000_000, source="the quarter's survey")
    people_per_agent: int = param(1, unit="people", low=1, high=10_000, source="1 agent = 1 person unless scaled")
    communities: dict[str, Share] = Field(description="shares of the residents, sum 1")
    polygon: tuple[Point, ...] | None = Field(None, description="outline, [longitude, latitude] pairs")
    rectangle: Rectangle | None = None
    legitimacy: float = param(0.3, unit="1", low=0, high=1, source="legitimacy L of the state")
    able: float = param(0.2, unit="1", low=0, high=1, source="share of the residents able to fight")
    armed: dict[str, Amount] = Field(default_factory=dict, description="people with a weapon, by community")
    ties: dict[str, dict[str, Amount]] = Field(
        default_factory=dict, description="ties.COMMUNITY.PLACE: how much of a toll there is felt here"
    )
    volunteers: dict[str, Volunteers] = Field(default_factory=dict, description="by community")
    arrivals_per_day: dict[str, Amount] = Field(
        default_factory=dict,
        description="refugees from outside the modelled places settling here a day, by community",
    )
    sides: dict[str, str] = Field(default_factory=dict, description="name of the armed residents, by community")


class LineOfContact(Element):
    """The street between two neighbourhoods that face each other."""

    between: tuple[str, str]
    path: Path = Field(description="[longitude, latitude] pairs")


class Faction(Element):
    """An armed actor that holds places and fights at fronts."""

    kind: Literal["state", "armed_group"] = "armed_group"
    constituency: dict[str, Share] = Field(description="communities its fighters come from, shares, sum 1")
    stance: dict[str, Signed] = Field(
        default_factory=dict,
        description="towards other factions: below 0 an enemy, the size scales its fire; above 0 an ally",
    )
    outside: bool = Field(False, description="its fighters come from another country than the fronts'")
    holds_for: str | None = Field(None, description="faction in whose name it holds the ground it takes")
    fighters: int = param(0, unit="people", low=0, high=2_000_000, source="the faction's source")
    deployed: dict[str, Amount] = Field(
        default_factory=dict, description="how the fighters are spread over places: relative numbers"
    )
    contact: float = param(0.3, unit="1", low=0, high=1, source="share of a force in contact during an assault")
    firepower: float = param(
        0.15,
        unit="1/(d fighter)",
        low=0,
        high=5,
        source="opponents killed a day by one fighter in contact, in the open, fully supplied and ready",
    )
    fire: Literal["aimed", "area"] = "aimed"
    resolve: float = param(0.8, unit="1", low=0, high=1, source="will to hold and to attack")
    horizon: date | None = Field(None, description="no settlement before this date")
    stock_days: dict[str, Amount] = Field(default_factory=dict, description="days of use in stock, by place")
    road_order: int = Field(0, ge=0, le=100, description="allies use the roads in this order, lowest first")


class Patron(Element):
    """A backer outside the theatre: what it sends, to whom, and where it enters."""

    backs: dict[str, Share] = Field(description="factions that receive it, shares, sum 1")
    delivers_t_day: dict[str, Amount] = Field(description="tonnes a day by place of entry")


class Corridor(Element):
    """A road between two places."""

    between: tuple[str, str]
    capacity_t_day: float = param(20.0, unit="t/d", low=0, high=100_000, source="the road's source")
    delay_h: float = param(2.0, unit="h", low=0, high=1000, source="travel time")
    risk: float = param(0.0, unit="1", low=0, high=0.99, source="share lost to interdiction on the way")
    sealed: bool = Field(False, description="nobody passes")
    barred: tuple[str, ...] = Field((), description="factions that may not pass")


class SecurityForce(Element):
    """A state army that may stand between neighbourhoods."""

    place: str
    line: str = Field(description="the line of contact it stands on")
    constituency: dict[str, Share] = Field(description="communities its soldiers come from, shares, sum 1")
    standing: int = param(200, unit="people", low=0, high=1_000_000, source="soldiers always there")
    reserve: int = param(1300, unit="people", low=0, high=1_000_000, source="soldiers sent when called out")
    lag_h: float = param(36.0, unit="h", low=0, high=5000, source="from the call to the first soldiers")
    needs_approval: bool = Field(False, description="goes in only when the parties are tired of fighting")


class Consignment(Element):
    """A stock of guided missiles that moves from a patron to its party, stop by stop."""

    faction: str = Field(description="whose it will be")
    route: tuple[str, ...] = Field(min_length=2, description="places, in order; neighbours joined by a corridor")
    units: int = param(10, unit="missiles", low=1, high=100_000, source="the consignment's source")
    arrives: datetime = Field(description="when it reaches the first stop; local date and time")
    stay_h: float = param(72.0, unit="h", low=0, high=8760, source="time in store at each stop but the last")


class AirForce(Element):
    """An outside air force that looks for consignments and may strike them."""

    against: tuple[str, ...] = Field(min_length=1, description="factions whose consignments it strikes")
    reaches: tuple[str, ...] = Field(min_length=1, description="places it can strike")
    detection_per_day: float = param(0.3, unit="1/d", low=0, high=50, source="hazard of finding a consignment in store")
    resolve: float = param(0.8, unit="1", low=0, high=1, source="probability that what is found is struck")
    audience: dict[str, Signed] = Field(default_factory=dict, description="how the news of a strike alarms communities")
    answers_to: str | None = Field(None, description="place that a retaliation falls on")
    on: bool = Field(True, description="decides by itself; scheduled strikes happen all the same")


class EventBase(Strict):
    """Something done to the world at a set time."""

    at: datetime = Field(description="local date and time")
    text: str = Field(description="what happens, in words")
    on: bool = True
    source: str | None = None


class Offensive(EventBase):
    """Factions assault a place."""

    kind: Literal["offensive"]
    place: str
    attackers: tuple[str, ...] = Field(min_length=1)
    intensity: float = param(1.0, unit="1", low=0, high=3, source="of a full assault")
    until: datetime | None = None


class Reinforcement(EventBase):
    """Fighters arrive from outside the modelled places."""

    kind: Literal["reinforcement"]
    faction: str
    place: str
    fighters: int = param(0, unit="people", low=0, high=1_000_000, source="the event's source")


class Statement(EventBase):
    """Something is said or done in public that alarms (+) or calms (-) an audience."""

    kind: Literal["statement"]
    audience: dict[str, Signed] = Field(description="strength by community")


class Provocation(EventBase):
    """A recorded local trigger."""

    kind: Literal["provocation"]
    neighbourhood: str
    community: str
    strength: float | None = param(
        None, unit="1", low=0, high=5, source="anger added; unless said, drawn as of a provocation of chance"
    )


class Deployment(EventBase):
    """A security force is ordered to a strength."""

    kind: Literal["deployment"]
    force: str
    soldiers: int = param(1000, unit="people", low=0, high=1_000_000, source="ordered strength")


class Seal(EventBase):
    """Corridors are sealed or opened."""

    kind: Literal["seal"]
    corridors: tuple[str, ...] = Field(min_length=1)
    sealed: bool = True


class Strike(EventBase):
    """A strike from outside on a faction's stock in a place."""

    kind: Literal["strike"]
    place: str
    target: str
    by: str = Field(description="who strikes, an office or a force")
    killed: int = param(0, unit="people", low=0, high=100_000, source="the event's source")
    consignment: str | None = Field(None, description="the consignment it aims at, hit if it is stored there")
    hits: bool = Field(True, description="false for a strike that misses")
    audience: dict[str, Signed] = Field(default_factory=dict, description="how the news of it alarms communities")


class BorderFire(EventBase):
    """Fire strays over a border."""

    kind: Literal["border_fire"]
    place: str
    by: str


class Conference(EventBase):
    """A peace conference: announced, opened, closed with an outcome or none."""

    kind: Literal["conference"]
    parties: tuple[str, ...] = Field((), description="factions that are asked to it")
    opens: datetime | None = Field(None, description="when it sits; local date and time")
    until: datetime | None = Field(None, description="when it closes")


class NullEvent(EventBase):
    """Nothing happens: for A/A tests."""

    kind: Literal["nothing"]


Event = Annotated[
    Offensive
    | Reinforcement
    | Statement
    | Provocation
    | Deployment
    | Seal
    | Strike
    | BorderFire
    | Conference
    | NullEvent,
    Field(discriminator="kind"),
]


class Observer(Element):
    """Someone who reports casualties: what they see, how they bend it, what they deny."""

    office: str = Field(description="an office or institution, never a person")
    places: tuple[str, ...] = Field((), description="where it reports from; empty for everywhere")
    covers: dict[str, Share] = Field(
        description="share of the killed that it sees, by faction or force id, `civilians` or `residents`"
    )
    bias: dict[str, Amount] = Field(default_factory=dict, description="factor on what it saw, by party; 1 if absent")
    counts_wounded: bool = Field(False, description="reports the wounded too")
    sides_with: str | None = Field(None, description="faction of whose hold on contested places it speaks")
    lean: float = param(0.0, unit="1", low=-1, high=1, source="what it adds to that share")
    spread: float = param(
        0.15,
        unit="1",
        low=0,
        high=2,
        source="random relative error of a report (standard deviation of its log)",
    )
    delay_h: float = param(12.0, unit="h", low=0, high=1000, source="from the event to the report")
    denies: tuple[Literal["outside_fighters"], ...] = ()


class Benchmark(Strict):
    """A number that somebody reported, to stand beside what a run produced."""

    claim: str = Field(min_length=1, description="id of the claim, such as A05")
    text: str = Field(min_length=1, max_length=200, description="what is claimed, in our own words")
    measure: Literal["killed", "wounded", "faction_killed", "control"] = Field(
        description="people, of whoever or of one faction; or the share held when the window ends"
    )
    place: Identifier | None = Field(None, description="where; every place if absent")
    faction: Identifier | None = Field(None, description="of whom; needed for faction_killed and control")
    window: Identifier | None = Field(None, description="when; the whole run if absent")
    low: Amount = Field(description="at least this")
    high: Amount | None = Field(None, description="at most this; absent where the claim gives a lower bound")
    point: Amount | None = Field(None, description="the number itself, where the claim gives one")
    by: str = Field(min_length=1, max_length=120, description="who says so")
    source: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.measure in ("faction_killed", "control") and self.faction is None:
            raise ValueError(f"measure {self.measure!r} needs a faction")
        if self.measure in ("killed", "wounded") and self.faction is not None:
            raise ValueError(f"measure {self.measure!r} counts everyone; use 'faction_killed'")
        if self.measure == "control" and self.place is None:
            raise ValueError("measure 'control' needs a place")
        if self.high is not None and self.high < self.low:
            raise ValueError(f"high ({self.high:g}) is below low ({self.low:g})")
        if self.point is not None and not self.low <= self.point <= (self.point if self.high is None else self.high):
            raise ValueError(f"point ({self.point:g}) does not lie from low to high")
        return self


class Reports(Strict):
    """How outcomes are counted."""

    quiet_hours: float = param(
        6.0,
        unit="h",
        low=0,
        high=1000,
        source="hours without a casualty that end an incident",
    )
    round_quiet_days: int = param(
        3,
        unit="d",
        low=0,
        high=100,
        source="quiet days that end a round (definition used for the record of 2011-2013)",
    )


class Channels(Strict):
    """The channels of spillover, each with a switch and a weight."""

    kin: KinParameters = Field(default_factory=KinParameters)
    alliance: AllianceParameters = Field(default_factory=AllianceParameters)
    news: NewsParameters = Field(default_factory=NewsParameters)
    proximity: ProximityParameters = Field(default_factory=ProximityParameters)
    fighters: FightersParameters = Field(default_factory=FightersParameters)
    arms: ArmsParameters = Field(default_factory=ArmsParameters)
    refugees: RefugeesParameters = Field(default_factory=RefugeesParameters)


class ScenarioFile(Strict):
    """A whole scenario, after `extends` has been resolved."""

    format: Literal[1] = 1
    scenario: Info
    clock: Clock
    windows: dict[Identifier, Window] = Field(default_factory=dict)
    communities: dict[Identifier, Community] = Field(min_length=1)
    places: dict[Identifier, Place] = Field(min_length=1)
    neighbourhoods: dict[Identifier, Neighbourhood] = Field(default_factory=dict)
    lines_of_contact: dict[Identifier, LineOfContact] = Field(default_factory=dict)
    factions: dict[Identifier, Faction] = Field(default_factory=dict)
    patrons: dict[Identifier, Patron] = Field(default_factory=dict)
    corridors: dict[Identifier, Corridor] = Field(default_factory=dict)
    fronts: dict[Identifier, Front] = Field(default_factory=dict)
    security_forces: dict[Identifier, SecurityForce] = Field(default_factory=dict)
    consignments: dict[Identifier, Consignment] = Field(default_factory=dict)
    air_forces: dict[Identifier, AirForce] = Field(default_factory=dict)
    events: dict[Identifier, Event] = Field(default_factory=dict)
    observers: dict[Identifier, Observer] = Field(default_factory=dict)
    channels: Channels = Field(default_factory=Channels)
    mobilisation: MobilisationParameters = Field(default_factory=MobilisationParameters)
    fire: FireParameters = Field(default_factory=FireParameters)
    provocations: ProvocationParameters = Field(default_factory=ProvocationParameters)
    toll: TollParameters = Field(default_factory=TollParameters)
    supply: SupplyParameters = Field(default_factory=SupplyParameters)
    stock: StockParameters = Field(default_factory=StockParameters)
    effort: EffortParameters = Field(default_factory=EffortParameters)
    engagement: EngagementParameters = Field(default_factory=EngagementParameters)
    control: ControlParameters = Field(default_factory=ControlParameters)
    withdrawal: WithdrawalParameters = Field(default_factory=WithdrawalParameters)
    security: SecurityParameters = Field(default_factory=SecurityParameters)
    displacement: DisplacementParameters = Field(default_factory=DisplacementParameters)
    strikes: StrikeParameters = Field(default_factory=StrikeParameters)
    diplomacy: DiplomacyParameters = Field(default_factory=DiplomacyParameters)
    reports: Reports = Field(default_factory=Reports)
    benchmarks: dict[Identifier, Benchmark] = Field(default_factory=dict)


# --- known models ----------------------------------------------------------------------------------------

LATTICE = Place(name="The lattice", country="nowhere", latitude=0.0, longitude=0.0, source="Epstein 2002")
SIDES = {group: Community(name=group.capitalize(), source="Epstein 2002") for group in GROUPS}


class EpsteinFile(Strict):
    """A scenario of Epstein's model: `model = "epstein"`, a table `[epstein]`, and nothing of a theatre.

    It stands where a `ScenarioFile` is read, so it has that one's tables too. They are not fields: no file can
    fill them, and none of them is written out. One place, the lattice, and in model II two communities are
    what its counts are of.
    """

    format: Literal[1] = 1
    model: Literal["epstein"] = Field(description="which model it is for; without this key, that of the theatre")
    scenario: Info
    clock: Clock
    epstein: EpsteinParameters = Field(default_factory=EpsteinParameters)

    places: ClassVar[dict[str, Place]] = {"lattice": LATTICE}
    windows: ClassVar[dict[str, Window]] = {}
    neighbourhoods: ClassVar[dict[str, Neighbourhood]] = {}
    lines_of_contact: ClassVar[dict[str, LineOfContact]] = {}
    factions: ClassVar[dict[str, Faction]] = {}
    patrons: ClassVar[dict[str, Patron]] = {}
    corridors: ClassVar[dict[str, Corridor]] = {}
    fronts: ClassVar[dict[str, Front]] = {}
    security_forces: ClassVar[dict[str, SecurityForce]] = {}
    consignments: ClassVar[dict[str, Consignment]] = {}
    air_forces: ClassVar[dict[str, AirForce]] = {}
    events: ClassVar[dict[str, EventBase]] = {}
    observers: ClassVar[dict[str, Observer]] = {}
    benchmarks: ClassVar[dict[str, Benchmark]] = {}
    reports: ClassVar[Reports] = Reports()

    @property
    def communities(self) -> dict[str, Community]:
        """Return the two groups of model II."""
        return SIDES if self.epstein.variant == "II" else {}


KNOWN_MODELS: dict[str, type[Strict]] = {"epstein": EpsteinFile}
"""What a file may say instead of a `ScenarioFile`, by its key `model`."""


def file_type(said: Mapping[str, Any]) -> type[ScenarioFile]:
    """Return the schema that a file asks for: that of a known model, or of the theatre."""
    known = KNOWN_MODELS.get(str(said.get("model")))
    return ScenarioFile if known is None else cast(type[ScenarioFile], known)
