"""Battery: stand-alone storage of a home or a community, its own balance-responsible party."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gridbazaar.agents.devices.ageing import Ageing
from gridbazaar.agents.devices.batteries import (
    FORMS_GRID,
    OWN_BATTERY,
    Packs,
    battery_actions,
    battery_features,
    battery_program,
    draw_packs,
    lone_power,
    move_alone,
    new_batteries,
    view_alone,
)
from gridbazaar.agents.devices.failure import Failure
from gridbazaar.agents.kind import Draw, Kind
from gridbazaar.agents.storage import Converter
from gridbazaar.data.bounds import Charge, Count, NotNegatives, Positive, PositiveShare, Share, ShareBelowOne, Shares
from gridbazaar.data.tables import check_table

_SHARES_OFF = 1e-6  # by how much shares may miss one


@dataclass(frozen=True, slots=True)
class Config:
    """Table ``[battery]`` of a scenario. Pairs are limits of what an episode draws."""

    count: Count = 4
    capacity_kwh: NotNegatives = (8.0, 20.0)  # usable; resized where the scenario sets a storage share
    duration_h: Positive = 2.0  # usable energy over rated power
    start_frac: Shares = (0.1, 0.5)
    eta_ch: PositiveShare = 0.95
    eta_dis: PositiveShare = 0.95
    loss_per_h: ShareBelowOne = 0.0001
    wear_cur_per_kwh: Charge = 0.04  # per kWh released
    taper_frac: PositiveShare = 1.0  # state of charge above which charging tapers off; 1 is never
    release_taper_frac: ShareBelowOne = 0.0  # state of charge below which releasing tapers off; 0 is never
    reserve_frac: Share = 0.0  # share of the capacity kept for an island
    converter: Converter = field(default_factory=Converter)  # losses that depend on power
    ageing: Ageing = field(default_factory=Ageing)  # what use and time take
    failure: Failure = field(default_factory=Failure)  # failures, maintenance and repair
    grid_forming: bool = True  # keeps voltage and frequency where the grid above is away
    shares: Mapping[str, PositiveShare] = field(
        default_factory=dict
    )  # of homes in all batteries of the table, by agent

    def __post_init__(self) -> None:
        check_table(self, "battery")
        if self.shares and abs(sum(self.shares.values()) - 1) > _SHARES_OFF:
            total, listed = sum(self.shares.values()), ", ".join(f"{m} {share}" for m, share in self.shares.items())
            raise ValueError(f"battery.shares: expected shares that sum to 1, got {listed}, together {total:g}")


def draw(config: Config, draw: Draw) -> Packs[Config]:
    return draw_packs(config, draw, "battery", config.count)


KIND = Kind(
    Config, draw, new_batteries, view_alone, move_alone, battery_program,
    actions=battery_actions, features=battery_features, grid_forming=FORMS_GRID, is_stationary=True, is_brp=True,
    lasting=OWN_BATTERY, lacks=lone_power,
)  # fmt: skip
