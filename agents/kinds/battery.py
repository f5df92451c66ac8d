"""Battery: stand-alone storage of a home or a community, its own balance-responsible party."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gridbazaar.agents.devices.ageing import Ageing
from gridbazaar.agents.devices.batteries import (
    FORMS_GRID,
    Packs,
    battery_actions,
    battery_features,
    battery_program,
    check_battery,
    draw_packs,
    move_alone,
    new_batteries,
    view_alone,
)
from gridbazaar.agents.devices.failure import Failure
from gridbazaar.agents.kind import Draw, Kind, Range, check_range
from gridbazaar.agents.storage import Converter

_SHARES_OFF = 1e-6  # by how much shares may miss one


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[battery]`` of a scenario. Pairs are limits of what an episode draws."""

    count: int = 4
    capacity_kwh: Range = (8.0, 20.0)  # usable; resized where the scenario sets a storage share
    duration_h: float = 2.0  # usable energy over rated power
    start_frac: Range = (0.1, 0.5)
    eta_ch: float = 0.95
    eta_dis: float = 0.95
    loss_per_h: float = 0.0001
    wear_cur_per_kwh: float = 0.04  # per kWh released
    taper_frac: float = 1.0  # state of charge above which charging tapers off; 1 is never
    release_taper_frac: float = 0.0  # state of charge below which releasing tapers off; 0 is never
    reserve_frac: float = 0.0  # share of the capacity kept for an island
    converter: Converter = field(default_factory=Converter)  # losses that depend on power
    ageing: Ageing = field(default_factory=Ageing)  # what use and time take
    failure: Failure = field(default_factory=Failure)  # failures, maintenance and repair
    grid_forming: bool = True  # keeps voltage and frequency where the grid above is away
    shares: Mapping[str, float] = field(default_factory=dict)  # of homes in all batteries of the table, by agent

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"battery.count: expected 0 or more, got {self.count}")
        check_range("battery", "capacity_kwh", self.capacity_kwh, 0.0)
        check_battery("battery", self)
        listed = ", ".join(f"{member} {share}" for member, share in self.shares.items())
        if any(not isinstance(s, int | float) or isinstance(s, bool) or not 0 < s <= 1 for s in self.shares.values()):
            raise ValueError(f"battery.shares: expected numbers in (0, 1], got {listed}")
        if self.shares and abs(sum(self.shares.values()) - 1) > _SHARES_OFF:
            total = sum(self.shares.values())
            raise ValueError(f"battery.shares: expected shares that sum to 1, got {listed}, together {total:g}")


def draw(config: Config, draw: Draw) -> Packs[Config]:
    return draw_packs(config, draw, "battery", config.count)


KIND = Kind(
    Config, draw, new_batteries, view_alone, move_alone, battery_program,
    actions=battery_actions, features=battery_features, grid_forming=FORMS_GRID, is_stationary=True, is_brp=True,
)  # fmt: skip
