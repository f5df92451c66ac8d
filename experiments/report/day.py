"""One episode of one environment as plain series: what the pictures and sentences about a day are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.units import MICRO
from gridbazaar.experiments.evaluation.play import Played
from gridbazaar.market.orders import Clearing, mean_price_ucur_per_kwh

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Day:
    """One episode of one environment, over its intervals; what the pictures of a day need."""

    seed: int
    date: np.datetime64  # of its first noon
    step_h: float
    hour: Floats  # [n_steps] local hour at the beginning of each interval, going on after 24
    agents: tuple[str, ...]
    kind_slices: Mapping[str, slice]
    retail_cur_per_kwh: Floats  # [n_steps] with all charges
    upper_cur_per_kwh: Floats  # [n_steps] upper edge of the band of local prices
    feed_in_cur_per_kwh: Floats  # [n_steps] its lower edge
    local_cur_per_kwh: Floats  # [n_steps] the local price; a quote where nothing traded
    traded_kwh: Floats  # [n_steps] between neighbours
    moved_kwh: Floats  # [n_steps, n_agents] what flexible devices drew (> 0) or released, all that cars drew
    sold_kwh: Floats  # [n_steps] that flexible devices sold to neighbours
    sold_cur: Floats  # [n_steps] what they got for it
    root_kw: Floats  # [n_steps] at the head of the feeder, losses included
    import_cap_kw: float
    export_cap_kw: float
    load_kw: Floats  # [n_steps] of homes
    pv_kw: Floats  # [n_steps]
    stored_kwh: Floats  # [n_steps, n_agents] before each interval; of cars above the floor, while plugged in
    capacity_kwh: Floats  # [n_steps, n_agents] of what is there: 0 while a car is away
    is_plugged: NDArray[np.bool_]  # [n_steps, n_agents]
    feeder: Feeder
    voltage_pu: Floats  # [n_steps, n_buses]
    branch_loading: Floats  # [n_steps, n_buses]

    @property
    def edges(self) -> Floats:
        """[n_steps + 1] hours at which intervals begin and end."""
        return np.append(self.hour, self.hour[-1] + self.step_h)

    @property
    def margin_pu(self) -> Floats:
        """[n_steps] from the bus nearest to a limit to that limit; negative outside the band."""
        below, above = self.voltage_pu - self.feeder.v_min_pu, self.feeder.v_max_pu - self.voltage_pu
        margin: Floats = np.minimum(below, above).min(axis=1)
        return margin

    @property
    def worst_step(self) -> int:
        """The interval in which a bus comes nearest to a limit."""
        return int(np.argmin(self.margin_pu))


def day_of(played: Played, env: int = 0) -> Day:
    """Read the day of one environment from what was kept of an episode."""
    if not played.transitions:
        raise ValueError("day_of: expected an episode with its transitions; play it with keep=True")
    core, first = played.tally.core, played.states[0].episode
    happened, bank = played.transitions, core.world.bank
    start, step_h, n = int(first.start[env]), core.scenario.step_h, core.n_agents
    by_choice = np.asarray(core.world.firm_is_chosen)

    def over(pick: Callable[[Any], Any]) -> Any:
        return np.stack([np.asarray(pick(tr))[env] for tr in happened])

    def rate(pick: Callable[[Any], Any]) -> Any:
        return over(pick) / MICRO

    return Day(
        seed=int(first.seed[env]),
        date=bank.first_day + bank.calendar.day[start],
        step_h=step_h,
        hour=float(core.world.hour[start]) + step_h * np.arange(len(happened), dtype=np.float64),
        agents=core.agents,
        kind_slices=core.scenario.kind_slices,
        retail_cur_per_kwh=rate(lambda tr: tr.market.rates.energy + tr.market.rates.network + tr.market.rates.tax),
        upper_cur_per_kwh=rate(lambda tr: tr.market.setting.import_ucur_per_kwh),
        feed_in_cur_per_kwh=rate(lambda tr: tr.market.setting.export_ucur_per_kwh),
        local_cur_per_kwh=rate(lambda tr: mean_price_ucur_per_kwh(tr.market.clearing)),
        traded_kwh=rate(lambda tr: np.maximum(tr.market.clearing.traded_ukwh, 0).sum(1)),
        moved_kwh=rate(lambda tr: tr.devices.flexible_ukwh + np.where(by_choice, tr.devices.firm_ukwh, 0)),
        sold_kwh=rate(lambda tr: np.maximum(-tr.market.clearing.traded_ukwh[:, n:], 0).sum(1)),
        sold_cur=rate(lambda tr: _received(tr.market.clearing, n)),
        root_kw=over(lambda tr: tr.wires.root_kw),
        import_cap_kw=float(first.import_cap_kw[env]),
        export_cap_kw=float(first.export_cap_kw[env]),
        load_kw=over(lambda tr: tr.devices.load_kwh.sum(1)) / step_h,
        pv_kw=over(lambda tr: tr.devices.pv_kwh.sum(1)) / step_h,
        stored_kwh=over(lambda tr: tr.view.stored_kwh),
        capacity_kwh=over(lambda tr: tr.view.capacity_kwh),
        is_plugged=over(lambda tr: tr.view.is_active),
        feeder=core.world.grid.feeder,
        voltage_pu=over(lambda tr: tr.wires.voltage_pu),
        branch_loading=over(lambda tr: tr.wires.branch_loading),
    )


def _received(clearing: Clearing, n_agents: int) -> Any:
    """[n_envs] what flexible orders got for local sales, in micro-currency."""
    traded, pay = clearing.traded_ukwh[:, n_agents:], clearing.pay_ucur[:, n_agents:]
    return np.where(traded < 0, -pay, 0).sum(1)
