"""VPP: an aggregator that trades enrolled home batteries spread over the feeder as one.

Each enrolled battery has one controller, the VPP; it is sub-metered, leaves its owner's net and is traded by the VPP as
balance-responsible party, which pays the owner a rent. Power is shared in proportion to each device's headroom.

Where it answers the operator's calls, it offers capacity when offers close, holds the award ready, and releases what
is called beside what the market sold. While the call runs it buys nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Annotated

from gridbazaar.agents.devices.ageing import Ageing
from gridbazaar.agents.devices.batteries import (
    Batteries,
    Packs,
    battery_limits_kw,
    battery_program,
    draw_packs,
    moved_of,
    new_batteries,
    storage_now,
    view_alone,
)
from gridbazaar.agents.devices.failure import Failure, actions_of, features_of, works
from gridbazaar.agents.devices.reserve import activated_kw, free_limits_kw
from gridbazaar.agents.kind import (
    EAGERNESS,
    POWER,
    Aggregator,
    Column,
    Columns,
    Draw,
    Features,
    Kind,
    Meters,
    Moved,
    Now,
)
from gridbazaar.agents.plan import RUNNING, Plan, View
from gridbazaar.agents.storage import Converter, Storage
from gridbazaar.data.arrays import Array, namespace
from gridbazaar.data.bounds import (
    Charge,
    Count,
    CountFromOne,
    NotNegatives,
    OneOf,
    Positive,
    PositiveShare,
    Share,
    ShareBelowOne,
    Shares,
)
from gridbazaar.data.tables import check_table
from gridbazaar.market.flexibility.disaggregation import AWARD_SPLITS

CAPACITY = Column(
    "capacity", "1", -1.0, 1.0,
    "when offers close: share of the envelope that is offered (below 0: none); while a call runs: below 0 the share of "
    "it that is withheld",
)  # fmt: skip
PRICE = Column(
    "price", "1", -1.0, 1.0, "asked for a called kWh: -1 nothing, 0 half of what is paid at most, 1 all of it"
)
LEAN = Column("split", "1", -1.0, 1.0, "devices that a call is asked of: 0 all alike, 1 the fullest, -1 the emptiest")
CALL_COLUMNS = (
    Column("call_status", "1", 0, 1, "0 no call known, 1/4 announced, 1/2 offers close now, 3/4 held ready, 1 it runs"),
    Column("call_starts", "24 h", 0, 1, "time until the call begins"),
    Column("call_lasts", "4 h", 0, 5, "length of the call, or what is left of it"),
    Column("call_level", "1", 0, 1, "share of the award that is called now"),
    Column("call_award", "1", 0, 1, "award over rated power"),
)

_ACTION = (POWER, EAGERNESS, CAPACITY, PRICE, LEAN)
_CAPACITY_AT, _PRICE_AT, _LEAN_AT = (_ACTION.index(column) for column in (CAPACITY, PRICE, LEAN))


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[vpp]`` of a scenario. Pairs are limits of what an episode draws."""

    count: Count = 2
    devices: CountFromOne = 10  # enrolled batteries a VPP
    capacity_kwh: NotNegatives = (3.0, 6.0)  # usable, each; resized where the scenario sets a storage share
    duration_h: Positive = 2.0
    start_frac: Shares = (0.1, 0.5)
    eta_ch: PositiveShare = 0.95
    eta_dis: PositiveShare = 0.95
    loss_per_h: ShareBelowOne = 0.0001
    wear_cur_per_kwh: Charge = 0.04  # per kWh released
    taper_frac: PositiveShare = 1.0  # state of charge above which charging tapers off; 1 is never
    release_taper_frac: ShareBelowOne = 0.0  # state of charge below which releasing tapers off; 0 is never
    reserve_frac: Share = 0.0  # share of the capacity kept for an island, of each device; the guarantee to its owner
    converter: Converter = field(default_factory=Converter)  # losses that depend on power
    ageing: Ageing = field(default_factory=Ageing)  # what use and time take
    failure: Failure = field(default_factory=Failure)  # failures, maintenance and repair
    rent_cur_per_kwh_day: Charge = 0.02  # paid to the owner for each enrolled kWh and day
    homes: str | None = None  # whose batteries, as "0 1 2; 3 4 5", VPPs apart by semicolons; none: homes take turns
    answers_calls: bool = False  # offers capacity to the operator's calls, with actions and observations for it
    split: Annotated[str, OneOf(*AWARD_SPLITS)] = "proportional"  # of what is called over devices

    def __post_init__(self) -> None:
        check_table(self, "vpp")
        if self.homes is not None:
            check_enrolment(self)
        if self.answers_calls and (self.converter.loses or self.release_taper_frac):
            raise ValueError(
                "vpp.answers_calls: expected no converter and no release_taper_frac, which allow no promise for hours; "
                f"got {self.converter} and {self.release_taper_frac}"
            )

    @property
    def enrolled_homes(self) -> tuple[tuple[int, ...], ...] | None:
        """The numbers of the homes whose battery each VPP controls; none: homes take turns."""
        if self.homes is None:
            return None
        return tuple(tuple(int(home) for home in homes.split()) for homes in self.homes.split(";"))


def check_enrolment(config: Config) -> None:
    """Refuse homes that are no numbers, too many or too few, and a battery with two controllers."""
    try:
        enrolled = config.enrolled_homes or ()
    except ValueError:
        enrolled = ()
    if len(enrolled) != config.count or any(len(homes) != config.devices or min(homes) < 0 for homes in enrolled):
        raise ValueError(
            f"vpp.homes: expected {config.count} lists of {config.devices} numbers of homes, apart by semicolons, "
            f"got {config.homes!r}"
        )
    controllers: dict[int, list[str]] = {}
    for i, homes in enumerate(enrolled):
        for home in homes:
            controllers.setdefault(home, []).append(f"vpp_{i}")
    twice = [f"that of home {home} in {' and '.join(by)}" for home, by in controllers.items() if len(by) > 1]
    if twice:
        raise ValueError(f"vpp.homes: expected one controller a battery, got {', '.join(twice)}")


Params = Packs[Config]


def actions(config: Config) -> Columns:
    own = _ACTION[: _LEAN_AT + 1 if config.split == "weights" else _LEAN_AT] if config.answers_calls else _ACTION[:2]
    return *own, *actions_of(config.failure)


def features(config: Config) -> tuple[Features, ...]:
    of_calls = (Features(CALL_COLUMNS, _read_call),) if config.answers_calls else ()
    return *of_calls, *features_of(config.failure)


def _read_call(view: View, device: Batteries, params: Params, now: Now) -> list[Array]:
    xp, zero, call = namespace(view.low_kw), 0.0 * view.low_kw, now.call
    if call is None:
        return [zero] * len(CALL_COLUMNS)
    common = (call.status / RUNNING, call.starts_h / 24, xp.minimum(call.lasts_h / 4, 5.0), call.level)
    return [*(zero + x[:, None] for x in common), call.award_kw / xp.maximum(view.power_kw, 1e-9)]


def draw(config: Config, draw: Draw) -> Params:
    return draw_packs(config, draw, "vpp", config.count, config.devices)


def view(device: Batteries, params: Params, now: Now) -> View:
    found = view_alone(device, params, now)
    if now.call is None:
        return found
    xp = namespace(found.low_kw)
    low_kw, high_kw = _limits_kw(device, params, now)
    return replace(found, low_kw=xp.sum(low_kw, axis=2), high_kw=xp.sum(high_kw, axis=2))


def scheduled_kw(fill_kw: Array, view: View, device: Batteries, params: Params, now: Now) -> Array:
    """[n_envs, n_kind, n_devices] the filled power in proportion to headroom; no device passes its own limit."""
    xp = namespace(fill_kw)
    low_kw, high_kw = _limits_kw(device, params, now)
    draw_share = xp.maximum(fill_kw, 0.0) / xp.maximum(view.high_kw, 1e-12)
    release_share = xp.minimum(fill_kw, 0.0) / xp.minimum(view.low_kw, -1e-12)
    return draw_share[..., None] * high_kw + release_share[..., None] * low_kw


def meters(fill_kw: Array, plan: Plan, view: View, device: Batteries, params: Params, now: Now) -> Meters:
    """Share the filled power over the devices, and release what is called beside it."""
    device_kw = scheduled_kw(fill_kw, view, device, params, now)
    if now.call is not None:
        device_kw = device_kw - _called_kw(device_kw, plan, device, params, now)
    device_kw = device_kw.reshape(fill_kw.shape[0], -1)
    zero = namespace(fill_kw).zeros_like(device_kw)
    return Meters(zero, zero, device_kw)


def _limits_kw(device: Batteries, params: Params, now: Now) -> tuple[Array, Array]:
    """What the market may have of each device."""
    if now.call is None:
        return battery_limits_kw(device, storage_now(device, params, now), now.series.step_h)
    return free_limits_kw(device.energy_kwh, working(device, params, now), now.call, now.series.step_h)


def working(device: Batteries, params: Params, now: Now) -> Storage:
    """Give the kernel's parameters of the devices as they are now, without power where they are out of order."""
    found = storage_now(device, params, now)
    if device.condition is None:
        return found
    is_up = works(device.condition)
    return replace(found, charge_kw=found.charge_kw * is_up, discharge_kw=found.discharge_kw * is_up)


def _called_kw(scheduled: Array, plan: Plan, device: Batteries, params: Params, now: Now) -> Array:
    """What each device releases for the call; a VPP that opts out of a part delivers the rest."""
    call, config, xp = now.call, params.config, namespace(scheduled)
    assert call is not None
    called_kw = call.award_kw * (call.level * (call.status == RUNNING))[:, None]
    wanted_kw = called_kw * (1.0 - xp.maximum(-plan.executed[..., _CAPACITY_AT], 0.0))
    lean = plan.executed[..., _LEAN_AT] if config.split == "weights" else None
    storages, step_h = working(device, params, now), now.series.step_h
    return activated_kw(scheduled, wanted_kw, device.energy_kwh, storages, call, step_h, split=config.split, lean=lean)


def move(meters: Meters, plan: Plan, view: View, device: Batteries, params: Params, now: Now) -> Moved:
    return moved_of(meters, plan, device, params, actions, now)


def rent_cur_per_day(params: Params) -> Array:
    rent = params.capacity_kwh * params.config.rent_cur_per_kwh_day
    return rent.reshape(rent.shape[0], -1)


def devices_each(config: Config) -> int:
    return config.devices


def answers_calls(config: Config) -> bool:
    return config.answers_calls


def enrolled_homes(config: Config) -> tuple[tuple[int, ...], ...] | None:
    return config.enrolled_homes


KIND = Kind(
    Config,
    draw,
    new_batteries,
    view,
    move,
    battery_program,
    actions=actions,
    features=features,
    meters=meters,
    rent_cur_per_day=rent_cur_per_day,
    meters_each=devices_each,
    is_stationary=True,
    is_brp=True,
    connections=0,
    aggregator=Aggregator(
        answers=answers_calls,
        scheduled_kw=scheduled_kw,
        working=working,
        capacity_column=_CAPACITY_AT,
        price_column=_PRICE_AT,
        homes=enrolled_homes,
    ),
)
