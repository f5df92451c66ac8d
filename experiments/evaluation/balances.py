"""Balances: what must add up in every interval, energy and money, and by how much at most it does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import Transition

_ROUNDING_KWH = 2e-6  # by how much a meter may differ from what happened behind it: rounding to micro-kWh
_FLOW_KW = 1e-3  # by how much meters, losses and head may differ: the flow's fixed number of iterations

_ALLOWED = {
    "each line of each bill sums to zero over all parties": ("micro-currency", 0.0),
    "what neighbours buy is what neighbours sell": ("micro-kWh", 0.0),
    "payments for local trades add up to the declared surplus": ("micro-currency", 0.0),
    "what a home or a battery draws is used, stored or lost": ("kWh", _ROUNDING_KWH),
    "meters and losses make the power at the head": ("kW", _FLOW_KW),
    "power flows that did not converge": ("intervals", 0.0),
}
"""Unit of each balance, and by how much it may be off."""


@dataclass(frozen=True, slots=True)
class Check:
    """A balance that must hold in every interval."""

    name: str
    largest: float
    unit: str
    holds: bool


class Balances:
    """Watches the episodes of a core, interval by interval in their order.

    Args:
        core: in which they are played.
    """

    def __init__(self, core: Core) -> None:
        self.step_h, self._stays = core.scenario.step_h, ~np.asarray(core.world.firm_is_chosen)
        self.largest = dict.fromkeys(_ALLOWED, 0.0)
        self._before: Transition | None = None

    def add(self, happened: Transition) -> None:
        """Count one interval."""
        clearing, before = happened.market.clearing, self._before
        pool_ukwh = 0 if clearing.pool_ukwh is None else clearing.pool_ukwh
        head_kw = happened.delivery.metered_ukwh.sum(1) / MICRO / self.step_h + happened.wires.loss_kw
        off: list[Any] = [
            happened.money.bill.ucur.sum(2),
            clearing.traded_ukwh.sum(1) - pool_ukwh,
            clearing.pay_ucur.sum(1) - clearing.surplus_ucur,
            0.0 if before is None or (happened.t == 0).any() else self._unaccounted_kwh(before, happened),
            head_kw - happened.wires.root_kw,
        ]
        for name, values in zip(_ALLOWED, off, strict=False):
            self.largest[name] = max(self.largest[name], float(np.abs(values).max(initial=0.0)))
        self.largest["power flows that did not converge"] += int((~np.asarray(happened.wires.converged)).sum())
        self._before = happened

    def _unaccounted_kwh(self, before: Transition, after: Transition) -> Any:
        """Metered less used, stored and lost in the interval before, of all agents but cars."""
        flows = before.devices
        stored = after.view.stored_kwh - before.view.stored_kwh
        used = flows.load_kwh - flows.pv_kwh + flows.loss_kwh
        return (before.delivery.metered_ukwh / MICRO - used - stored)[:, self._stays]


def checks_of(watched: Iterable[Balances]) -> list[Check]:
    """Say of all that was watched together by how much each balance is off, and whether it holds."""
    seen = list(watched)
    largest = {name: max((b.largest[name] for b in seen), default=0.0) for name in _ALLOWED}
    return [Check(name, largest[name], unit, largest[name] <= most) for name, (unit, most) in _ALLOWED.items()]
