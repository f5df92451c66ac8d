"""What a comparison keeps of each interval beside the accounts: the feeder, the bills by day, the frozen dispatch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.interval.worth import left_kwh
from gridbazaar.envs.side_by_side import rows_of
from gridbazaar.envs.state import State, Transition
from gridbazaar.experiments.comparison.feeder_book import FeederBook
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WIRES = ("root_kw", "loss_kwh", "min_voltage_pu", "max_voltage_pu", "loading")
"""Of each interval: power at the head of the feeder, and what its wires did."""
DAY_H = 24.0


@dataclass
class Daybook:
    """A batch of episodes, fed one transition at a time. Days are stretches of 24 hours from the episode's beginning.

    ``keeps`` also holds what settles each interval again under another rule (see ``frozen``).
    """

    core: Core
    keeps: bool = False
    wires: dict[str, Floats] = field(init=False)  # [n_steps, n_envs] each, of ``WIRES``
    day_ucur: Ints = field(init=False)  # [n_days, n_envs, n_parties] all lines of the bill
    pv_kwh: Floats = field(init=False)  # [n_envs, n_agents] used or fed in
    borne_cur: Floats = field(init=False)  # [n_days, n_envs] wear, discomfort, upkeep and what was not served
    left_kwh: Floats = field(init=False)  # [n_envs] in storage in the end
    emitted_kg: Floats = field(init=False)  # [n_envs] of fuel that devices burnt
    feeder: FeederBook = field(init=False)
    kept: list[tuple[Any, Any, Any, Any]] = field(default_factory=list)  # setting, delivery, rent, beyond the cap

    def __post_init__(self) -> None:
        n_steps, n_envs, n = self.core.n_steps, self.core.n_envs, self.core.n_agents
        self.wires = {name: np.zeros((n_steps, n_envs)) for name in WIRES}
        n_days = int(np.ceil(n_steps * self.core.scenario.step_h / DAY_H - 1e-9))
        self.day_ucur = np.zeros((n_days, n_envs, n + len(SYSTEM_PARTIES)), np.int64)
        self.borne_cur = np.zeros((n_days, n_envs))
        self.left_kwh, self.emitted_kg = np.zeros((2, n_envs))
        self.pv_kwh = np.zeros((n_envs, n))
        self.feeder = FeederBook(self.core)

    def add(self, happened: Transition) -> None:
        """Count one interval; all rows of a batch are at the same one."""
        t, step_h, flow = int(np.asarray(happened.t)[0]), self.core.scenario.step_h, happened.wires
        for name, values in (
            ("root_kw", flow.root_kw),
            ("loss_kwh", np.asarray(happened.delivery.loss_ukwh) / MICRO),
            ("min_voltage_pu", flow.voltage_pu.min(1)),
            ("max_voltage_pu", flow.voltage_pu.max(1)),
            ("loading", flow.branch_loading.max(1)),
        ):
            self.wires[name][t] = values
        day = int((t + 0.5) * step_h / DAY_H)
        devices, money = happened.devices, happened.money
        self.day_ucur[day] += np.asarray(money.bill.ucur).sum(axis=1)
        unserved_cur = self.core.scenario.reward.unserved_cur_per_kwh * devices.unserved_kwh
        borne = devices.wear_cur + devices.discomfort_cur + devices.upkeep_cur + money.shed_cur + unserved_cur
        self.borne_cur[day] += np.asarray(borne).sum(axis=1)
        self.emitted_kg += devices.emitted_kg.sum(1)
        self.pv_kwh += devices.pv_kwh
        self.feeder.add(happened)
        if self.keeps:
            clearing = happened.market.clearing
            self.kept.append(
                (happened.market.setting, happened.delivery, clearing.rent_ucur_per_kwh, clearing.over_cap_ukwh)
            )

    def part(self, core: Core, rows: slice, *, keeps: bool) -> Daybook:
        """Give the book of some rows of the batch; ``keeps`` what settles them again, too."""
        found = Daybook(core, keeps)
        found.wires = {name: values[:, rows] for name, values in self.wires.items()}
        found.day_ucur, found.borne_cur = self.day_ucur[:, rows], self.borne_cur[:, rows]
        found.left_kwh, found.emitted_kg, found.pv_kwh = (
            values[rows] for values in (self.left_kwh, self.emitted_kg, self.pv_kwh)
        )
        found.feeder = self.feeder.part(core, rows)
        if keeps:
            found.kept = [rows_of(held, rows, self.core.n_envs) for held in self.kept]
        return found

    def close(self, state: State) -> None:
        """Count what is left in storage, after the last interval."""
        self.left_kwh = np.asarray(left_kwh(state.view)).sum(axis=1)


def party_place(n_agents: int, party: str) -> int:
    """The column of a party of the system among all parties of a bill."""
    return n_agents + SYSTEM_PARTIES.index(party)


def line_places(*lines: str) -> list[int]:
    """The rows of lines of a bill."""
    return [LINES.index(line) for line in lines]
