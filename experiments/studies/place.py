"""What is measured of a place: where its energy comes from and goes, what local energy costs, and who pays what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.play import play

Floats = NDArray[np.float64]
FOLDER = Path(__file__).parent


def place(name: str, **overrides: Any) -> Scenario:
    """Give the scenario of a place that ships with the studies, fields overridden."""
    return load_scenario(FOLDER / f"{name}.toml", **overrides)


@dataclass(frozen=True, slots=True)
class Lived:
    """Sums over the days of a place; energy in kWh a day and all members, money a day.

    A battery with a meter of its own is no member that uses energy: what it buys is counted when others buy it again,
    and what it loses by then counts as used by nobody.
    """

    load_kwh: float
    pv_kwh: float
    own_kwh: float  # sun that did not leave the meter it was made at, less what batteries let out there
    local_kwh: float  # bought from neighbours
    import_kwh: float  # bought from the retailer
    export_kwh: float  # sold to the retailer
    loss_kwh: float  # of the wires
    gate_import_kwh: float  # at the head of the feeder, members taken together, without losses
    gate_export_kwh: float
    bills_cur: float  # of all members, < 0 earns
    has_pv_bill_cur: float  # of a member with PV
    no_pv_bill_cur: float  # of a member without
    no_pv_local_kwh: float  # bought from neighbours by a member without
    price_low: float  # per local kWh: below it 1 % of the energy is bought
    price_mean: float  # weighted by energy
    price_high: float  # above it 1 %

    @property
    def own_share(self) -> float:
        """Of the sun, what is used where it is made."""
        return self.own_kwh / max(self.pv_kwh, 1e-12)

    @property
    def sold_share(self) -> float:
        """Of the sun, what neighbours buy."""
        return self.local_kwh / max(self.pv_kwh, 1e-12)

    @property
    def self_consumption(self) -> float:
        """Of the sun, what members use, their own and their neighbours'."""
        return self.own_share + self.sold_share

    @property
    def self_sufficiency(self) -> float:
        """Of the load, what members' own and their neighbours' sun covers."""
        return (self.own_kwh + self.local_kwh) / self.load_kwh

    @property
    def alone(self) -> float:
        """Of the load, what members' own sun covers."""
        return self.own_kwh / self.load_kwh


def live(
    scenario: Scenario, weeks: int, policy: str = "self_consumption", *, tick: Callable[[], None] | None = None
) -> Lived:
    """Play weeks of a place and sum them up.

    Args:
        scenario: its episodes are weeks, so that what batteries begin with is little beside what they do.
        weeks: how many, of the test split; all are played at once.
        policy: of all agents.
        tick: called after every interval, for progress.
    """
    is_store = np.array([scenario.agent_kind(name) == "battery" for name in scenario.agent_names])
    core, sums = Core(scenario, weeks), _Sums(weeks * scenario.hours / 24, scenario.step_h, is_store)
    play(core, load_policy(policy), list(range(weeks)), record=sums.add, tick=tick)
    return sums.lived()


class _Sums:
    """Adds up transitions.

    Args:
        days: of all rows of the batch together.
        step_h: length of a step.
        is_store: [n_agents] bool, batteries with a meter of their own.
    """

    def __init__(self, days: float, step_h: float, is_store: NDArray[np.bool_]) -> None:
        self._days, self._step_h, self._is_store = days, step_h, is_store
        self._of: dict[str, Any] = {}
        self._prices: list[tuple[Floats, Floats]] = []

    def add(self, happened: Transition) -> None:
        net = np.asarray(happened.delivery.metered_ukwh) / MICRO
        local = self._local_kwh(happened, net.shape)
        rest, gate = net - local, net.sum(1)
        amounts = {
            "load_kwh": np.asarray(happened.devices.load_kwh), "pv_kwh": np.asarray(happened.devices.pv_kwh),
            "out_kwh": np.maximum(-net, 0.0), "local_kwh": np.maximum(local, 0.0) * ~self._is_store,
            "import_kwh": np.maximum(rest, 0.0), "export_kwh": np.maximum(-rest, 0.0),
            "gate_import_kwh": np.maximum(gate, 0.0), "gate_export_kwh": np.maximum(-gate, 0.0),
            "loss_kwh": np.asarray(happened.wires.loss_kw) * self._step_h,
            "bill": np.asarray(happened.money.bill.ucur)[:, :, : net.shape[1]].sum(1) / MICRO,
        }  # fmt: skip
        for name, amount in amounts.items():
            self._of[name] = self._of.get(name, 0.0) + amount

    def _local_kwh(self, happened: Transition, shape: tuple[int, ...]) -> Floats:
        """[n_envs, n_agents] bought from neighbours (> 0) or sold to them; keeps what it cost those who use it."""
        clearing, owner = happened.market.clearing, np.asarray(happened.market.orders.agent)
        traded, paid = np.asarray(clearing.traded_ukwh) / MICRO, np.asarray(clearing.pay_ucur) / MICRO
        local = np.zeros(shape)
        np.add.at(local.T, owner, traded.T)
        bought = (traded > 0) & ~self._is_store[owner]
        self._prices.append((paid[bought] / traded[bought], traded[bought]))
        return local

    def lived(self) -> Lived:
        of, days = self._of, self._days
        has_pv, bill = of["pv_kwh"] > 0, of["bill"]
        no_pv = ~has_pv & ~self._is_store
        of_a_row = days / len(bill)  # days that a row of the batch has
        summed = ("load_kwh", "pv_kwh", "local_kwh", "import_kwh", "export_kwh", "loss_kwh", "gate_import_kwh",
                  "gate_export_kwh")  # fmt: skip
        low, mean, high = self._price()
        return Lived(
            **{name: float(np.sum(of[name])) / days for name in summed},
            own_kwh=float((of["pv_kwh"] - of["out_kwh"])[:, ~self._is_store].sum()) / days,
            bills_cur=float(bill.sum()) / days,
            has_pv_bill_cur=float(bill[has_pv].mean()) / of_a_row if has_pv.any() else 0.0,
            no_pv_bill_cur=float(bill[no_pv].mean()) / of_a_row if no_pv.any() else 0.0,
            no_pv_local_kwh=float(of["local_kwh"][no_pv].mean()) / of_a_row if no_pv.any() else 0.0,
            price_low=low, price_mean=mean, price_high=high,
        )  # fmt: skip

    def _price(self) -> tuple[float, float, float]:
        """What a local kWh costs: one hundredth, mean and ninety-nine hundredths by energy; 0 where nobody trades."""
        price, energy = (np.concatenate(x) for x in zip(*self._prices, strict=True))
        if not energy.sum():
            return 0.0, 0.0, 0.0
        order = np.argsort(price)
        share = np.cumsum(energy[order]) / energy.sum()
        low, high = (float(price[order][np.searchsorted(share, q)]) for q in (0.01, 0.99))
        return low, float((price * energy).sum() / energy.sum()), high


def variants(
    name: str, changes: Mapping[str, Mapping[str, Any]], weeks: int, *, tick: Callable[[], None] | None = None
) -> dict[str, Lived]:
    """Play a place under each of several changes, the same weeks for all."""
    return {label: live(place(name, **overrides), weeks, tick=tick) for label, overrides in changes.items()}
