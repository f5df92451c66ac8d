"""What is measured of an episode: sums over its intervals, then named figures per environment."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import State, Transition
from gridbazaar.experiments.evaluation.rainflow import count_cycles
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

Floats = NDArray[np.float64]

OPERATOR = "market_operator"
"""Stands beside the kinds of agents for who runs the market, so that the parts of a cost add up to it."""

COMMUNITY_FIGURES = {
    "cost_cur": "what is scored: bills of all agents and of the market operator + wear + discomfort + upkeep + value "
    "of what was not served - value of what is left in storage",
    "bill_cur": "bills of all agents, imbalance and standing charges included",
    "imbalance_cur": "part of the bills that settles deviations, of balance-responsible parties or at a bus",
    "operator_cur": "what the market operator paid (a deficit of the rule); < 0 what it kept",
    "wear_cur": "wear of storage",
    "full_cycles": "equivalent full cycles of a stationary storage, the mean of all",
    "cycle_life": "share of a storage's life that cycles of such depths use, counted by rainflow, the mean of all",
    "discomfort_cur": "comfort missed, in money",
    "upkeep_cur": "fuel, starts, repairs and what else no bill holds",
    "left_cur": "value of stored energy at the end, above that of the beginning",
    "self_sufficiency": "share of consumption (load and car charging) not met by import of the community",
    "self_consumption": "share of PV that did not leave the community; 1 without PV",
    "peak_import_kw": "largest mean import of an interval at the head of the feeder",
    "import_kwh": "energy imported by the community",
    "export_kwh": "energy exported by the community",
    "traded_share": "share of bought energy that neighbours sold",
    "over_cap_kwh": "energy bought or sold beyond the connection's cap",
    "loss_kwh": "losses of the feeder",
    "min_voltage_pu": "lowest voltage",
    "max_voltage_pu": "highest voltage",
    "violation_pu_min": "voltage outside the band, per unit times minutes, summed over buses",
    "max_loading": "largest loading of a branch",
    "loading_p95": "95th percentile over the intervals of the largest loading of a branch",
    "loss_share": "losses of the feeder over the energy that its agents draw",
    "congestion_cur": "rent that users of the full connection paid, before it was rebated",
    "curtailed_kwh": "injection withheld by the wires",
    "carbon_kg": "import less export at the head, at the average intensity, and fuel that devices burnt",
    "unserved_kwh": "what cars lacked at departure",
    "shed_kwh": "must-serve draw that an outage left without supply",
    "lost_load_cur": "what was not served, in money: cars at reward.unserved_cur_per_kwh, shed draw at its value; in "
    "no bill",
}


_BY_AGENT = (
    "bill_cur", "imbalance_cur", "operator_cur", "wear_cur", "discomfort_cur", "upkeep_cur", "lost_load_cur",
    "left_cur", "reward",
)  # fmt: skip


@dataclass
class Tally:
    """Sums of a batch of episodes, fed one transition at a time."""

    core: Core
    first: State
    bill_cur: Floats = field(init=False)  # [n_envs, n_agents]
    imbalance_cur: Floats = field(init=False)  # [n_envs, n_agents]
    operator_cur: Floats = field(init=False)  # [n_envs] paid by the market operator
    wear_cur: Floats = field(init=False)  # [n_envs, n_agents]
    discomfort_cur: Floats = field(init=False)  # [n_envs, n_agents]
    upkeep_cur: Floats = field(init=False)  # [n_envs, n_agents]
    lost_load_cur: Floats = field(init=False)  # [n_envs, n_agents]
    left_cur: Floats = field(init=False)  # [n_envs, n_agents]
    reward: Floats = field(init=False)  # [n_envs, n_agents]
    sums: dict[str, Floats] = field(default_factory=dict)  # [n_envs] each
    filled: list[Floats] = field(default_factory=list)  # [n_envs, n_agents] each, state of charge before an interval
    loadings: list[Floats] = field(default_factory=list)  # [n_envs] each, the largest of an interval

    def __post_init__(self) -> None:
        shape = (self.core.n_envs, self.core.n_agents)
        self.bill_cur, self.imbalance_cur, self.lost_load_cur = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        self.wear_cur, self.reward = np.zeros(shape), np.zeros(shape)
        self.discomfort_cur, self.upkeep_cur = np.zeros(shape), np.zeros(shape)
        self.operator_cur = np.zeros(shape[0])
        self.left_cur = -self.core.stored_value_cur(self.first)

    def part(self, core: Core, first: State, rows: slice) -> Tally:
        """Give the tally of some rows of the batch.

        Args:
            core: of these rows.
            first: the state in which they began.
            rows: which.
        """
        found = Tally(core, first)
        for name in _BY_AGENT:
            setattr(found, name, getattr(self, name)[rows])
        found.sums = {name: amount[rows] for name, amount in self.sums.items()}
        found.filled, found.loadings = [x[rows] for x in self.filled], [x[rows] for x in self.loadings]
        return found

    def add(self, happened: Transition) -> None:
        """Count one interval."""
        n, step_h = self.core.n_agents, self.core.scenario.step_h
        bill = happened.money.bill.ucur[:, :, :n]
        self.bill_cur += bill.sum(1) / MICRO
        self.imbalance_cur += bill[:, LINES.index("imbalance")] / MICRO
        self.operator_cur += happened.money.bill.ucur[:, :, n + SYSTEM_PARTIES.index("market_operator")].sum(1) / MICRO
        self.wear_cur += happened.devices.wear_cur
        self.discomfort_cur += happened.devices.discomfort_cur
        self.upkeep_cur += happened.devices.upkeep_cur
        unserved_cur_per_kwh = self.core.scenario.reward.unserved_cur_per_kwh
        self.lost_load_cur += happened.money.shed_cur + unserved_cur_per_kwh * happened.devices.unserved_kwh
        self.left_cur += happened.money.stored_value_cur
        self.reward += happened.reward
        net_kwh = happened.delivery.metered_ukwh.sum(1) / MICRO
        charged = np.where(
            self.core.world.firm_is_chosen, happened.devices.firm_ukwh + happened.devices.flexible_ukwh, 0
        )
        filled = happened.market.clearing.filled_ukwh
        flow, feeder = happened.wires, self.core.world.grid.feeder
        outside_band = np.maximum(feeder.v_min_pu - flow.voltage_pu, 0) + np.maximum(
            flow.voltage_pu - feeder.v_max_pu, 0
        )
        root_kwh = flow.root_kw * step_h
        self.filled.append(happened.view.stored_kwh / np.maximum(happened.view.capacity_kwh, 1e-9))
        self.loadings.append(flow.branch_loading.max(1))
        rent = (happened.market.clearing.outside_ukwh * happened.market.clearing.rent_ucur_per_kwh[:, None]).sum(
            1
        ) / MICRO**2
        for name, amount in {
            "import_kwh": np.maximum(net_kwh, 0),
            "export_kwh": np.maximum(-net_kwh, 0),
            "load_kwh": happened.devices.load_kwh.sum(1),
            "charged_kwh": np.maximum(charged, 0).sum(1) / MICRO,
            "pv_kwh": happened.devices.pv_kwh.sum(1),
            "bought_kwh": np.maximum(filled, 0).sum(1) / MICRO,
            "traded_kwh": np.maximum(happened.market.clearing.traded_ukwh, 0).sum(1) / MICRO,
            "over_cap_kwh": happened.market.clearing.over_cap_ukwh / MICRO,
            "loss_kwh": flow.loss_kw * step_h,
            "drawn_kwh": np.maximum(happened.delivery.metered_ukwh, 0).sum(1) / MICRO,
            "congestion_cur": rent,
            "violation_pu_min": outside_band.sum(1) * step_h * 60,
            "curtailed_kwh": np.maximum(happened.delivery.curtailed_ukwh, 0).sum(1) / MICRO,
            "carbon_kg": root_kwh * happened.carbon_kg_per_kwh + happened.devices.emitted_kg.sum(1),
            "unserved_kwh": happened.devices.unserved_kwh.sum(1),
            "shed_kwh": happened.shed_kwh.sum(1),
        }.items():
            self.sums[name] = self.sums.get(name, 0.0) + amount
        for name, amount, extreme in (
            ("peak_import_kw", np.maximum(flow.root_kw, 0), np.maximum),
            ("max_voltage_pu", flow.voltage_pu.max(1), np.maximum),
            ("max_loading", flow.branch_loading.max(1), np.maximum),
            ("min_voltage_pu", flow.voltage_pu.min(1), np.minimum),
        ):
            self.sums[name] = extreme(self.sums[name], amount) if name in self.sums else amount

    @property
    def cost_cur(self) -> Floats:
        """[n_envs, n_agents] bill, wear, discomfort, upkeep, what was not served, less what is left above the start."""
        borne: Floats = self.bill_cur + self.wear_cur + self.discomfort_cur + self.upkeep_cur + self.lost_load_cur
        return borne - self.left_cur

    @property
    def scored_cur(self) -> Floats:
        """[n_envs] the whole cost of the community and of who runs its market; what that one keeps is not lost."""
        scored: Floats = self.cost_cur.sum(1) + self.operator_cur
        return scored

    def cycles(self) -> tuple[Floats, Floats]:
        """Equivalent full cycles, and share of a life by rainflow, [n_envs] each: means of the stationary storages.

        What several devices of one agent do counts as one storage's history, up to the last interval's beginning.
        """
        has = self.first.view.is_stationary
        full, life = np.zeros(has.shape), np.zeros(has.shape)
        histories = np.stack(self.filled, axis=2)
        for env, agent in np.argwhere(has & (np.ptp(histories, axis=2) > 0)):
            cycles = count_cycles(histories[env, agent])
            full[env, agent], life[env, agent] = cycles.full_cycles, cycles.life
        n = np.maximum(has.sum(1), 1)
        return full.sum(1) / n, life.sum(1) / n

    def figures(self) -> dict[str, Floats]:
        """All of ``COMMUNITY_FIGURES``, [n_envs] each."""
        s = self.sums
        consumed = np.maximum(s["load_kwh"] + s["charged_kwh"], 1e-9)
        full_cycles, cycle_life = self.cycles()
        made = {
            "cost_cur": self.scored_cur,
            "bill_cur": self.bill_cur.sum(1),
            "imbalance_cur": self.imbalance_cur.sum(1),
            "operator_cur": self.operator_cur,
            "wear_cur": self.wear_cur.sum(1),
            "full_cycles": full_cycles,
            "cycle_life": cycle_life,
            "discomfort_cur": self.discomfort_cur.sum(1),
            "upkeep_cur": self.upkeep_cur.sum(1),
            "lost_load_cur": self.lost_load_cur.sum(1),
            "left_cur": self.left_cur.sum(1),
            "self_sufficiency": 1 - s["import_kwh"] / consumed,
            "self_consumption": np.where(
                s["pv_kwh"] > 0, 1 - np.minimum(s["export_kwh"], s["pv_kwh"]) / np.maximum(s["pv_kwh"], 1e-9), 1.0
            ),
            "loading_p95": np.quantile(self.loadings, 0.95, axis=0),
            "loss_share": s["loss_kwh"] / np.maximum(s["drawn_kwh"], 1e-9),
            "traded_share": s["traded_kwh"] / np.maximum(s["bought_kwh"], 1e-9),
        }
        return {name: made.get(name, s.get(name)) for name in COMMUNITY_FIGURES}  # type: ignore[misc]

    def kind_cost_cur(self) -> dict[str, Floats]:
        """Cost by kind and of who runs the market, [n_envs] each; together what is scored."""
        kinds = {kind: self.cost_cur[:, columns].sum(1) for kind, columns in self.core.scenario.kind_slices.items()}
        return kinds | {OPERATOR: self.operator_cur}
