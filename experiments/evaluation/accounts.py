"""Accounts: what each agent was billed and metered in each calendar month, by the local clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import State, Transition
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]

ENERGY = ("drawn_kwh", "fed_in_kwh", "bought_local_kwh", "sold_local_kwh")
"""What meters and the market say of a party's month; each at least 0."""


@dataclass
class Accounts:
    """The accounts of a batch of episodes, fed one transition at a time; parties are the agents, then the system's."""

    core: Core
    first: State
    seeds: NDArray[np.int64]  # [n_envs]
    months: tuple[str, ...] = field(init=False)  # such as 2024-02
    bill_ucur: Ints = field(init=False)  # [n_months, n_envs, n_lines, n_parties]
    energy_ukwh: Ints = field(init=False)  # [n_months, n_envs, len(ENERGY), n_agents]
    peak_ukwh: Ints = field(init=False)  # [n_months, n_envs, n_agents] most that a step drew
    has: NDArray[np.bool_] = field(init=False)  # [n_months, n_envs] whether the episode has steps of the month
    net_ukwh: Ints = field(init=False)  # [n_steps, n_envs, n_agents] at the meter
    local_ukwh: Ints = field(init=False)  # [n_steps, n_envs, n_agents] of it bought from neighbours, < 0 sold to them
    pay_ucur: Ints = field(init=False)  # [n_steps, n_envs, n_agents] for that
    _month: Ints = field(init=False)  # [n_envs, n_steps] index in months

    def __post_init__(self) -> None:
        bank = self.core.world.bank
        step = np.asarray(self.first.episode.start)[:, None] + np.arange(self.core.n_steps)
        day = bank.first_day.astype("datetime64[D]") + bank.calendar.day[step]
        found, index = np.unique(day.astype("datetime64[M]"), return_inverse=True)
        self.months, self._month = tuple(str(month) for month in found), index.reshape(step.shape)
        n_envs, n = self.core.n_envs, self.core.n_agents
        parties = (len(found), n_envs, len(LINES), n + len(SYSTEM_PARTIES))
        self.bill_ucur = np.zeros(parties, np.int64)
        self.energy_ukwh = np.zeros((len(found), n_envs, len(ENERGY), n), np.int64)
        self.peak_ukwh = np.zeros((len(found), n_envs, n), np.int64)
        self.has = np.zeros((len(found), n_envs), np.bool_)
        self.has[self._month, np.arange(n_envs)[:, None]] = True
        self.net_ukwh, self.local_ukwh, self.pay_ucur = (
            np.zeros((self.core.n_steps, n_envs, n), np.int64) for _ in range(3)
        )

    def add(self, happened: Transition) -> None:
        """Count one interval."""
        n, envs = self.core.n_agents, np.arange(self.core.n_envs)
        t = np.asarray(happened.t)
        at = self.month_of(t)
        metered = np.asarray(happened.delivery.metered_ukwh)
        local = np.asarray(happened.market.clearing.traded_ukwh)
        pay = np.asarray(happened.market.clearing.pay_ucur)
        self.net_ukwh[t, envs] = metered
        self.local_ukwh[t, envs] = local[:, :n] + local[:, n:]
        self.pay_ucur[t, envs] = pay[:, :n] + pay[:, n:]
        bought, sold = (side[:, :n] + side[:, n:] for side in (np.maximum(local, 0), np.maximum(-local, 0)))
        self.bill_ucur[at] += np.asarray(happened.money.bill.ucur)
        self.energy_ukwh[at] += np.stack([np.maximum(metered, 0), np.maximum(-metered, 0), bought, sold], axis=1)
        self.peak_ukwh[at] = np.maximum(self.peak_ukwh[at], metered)

    def part(self, core: Core, first: State, seeds: NDArray[np.int64], rows: slice) -> Accounts:
        """Give the accounts of some rows of the batch.

        Args:
            core: of these rows.
            first: the state in which they began.
            seeds: their numbers.
            rows: which.
        """
        found = Accounts(core, first, seeds)
        place = [self.months.index(month) for month in found.months]
        found.bill_ucur, found.energy_ukwh, found.peak_ukwh = (
            kept[place][:, rows] for kept in (self.bill_ucur, self.energy_ukwh, self.peak_ukwh)
        )
        found.net_ukwh, found.local_ukwh, found.pay_ucur = (
            kept[:, rows] for kept in (self.net_ukwh, self.local_ukwh, self.pay_ucur)
        )
        return found

    def month_of(self, t: Any) -> tuple[Ints, Ints]:
        """The places of step ``t`` of each episode ([n_envs] or a number) in what is kept by month."""
        envs = np.arange(self.core.n_envs)
        return self._month[envs, t], envs

    def to_frame(self) -> pd.DataFrame:
        """One row a month, episode and party: kWh, highest kW of a step, each line of the bill and their sum."""
        import pandas as pd

        agents = self.core.scenario.agent_names
        rows: list[dict[str, Any]] = []
        for month, env in np.argwhere(self.has).tolist():
            for place, party in enumerate((*agents, *SYSTEM_PARTIES)):
                row: dict[str, Any] = {"month": self.months[month], "seed": int(self.seeds[env]), "party": party}
                is_agent = place < len(agents)
                row["kind"] = self.core.scenario.agent_kind(party) if is_agent else "system"
                for i, name in enumerate(ENERGY):
                    row[name] = self.energy_ukwh[month, env, i, place] / MICRO if is_agent else None
                peak_kw = self.peak_ukwh[month, env, place] / MICRO / self.core.scenario.step_h if is_agent else None
                row["peak_kw"] = peak_kw
                lines = self.bill_ucur[month, env, :, place]
                row |= {f"{line}_cur": lines[i] / MICRO for i, line in enumerate(LINES)}
                row["bill_cur"] = lines.sum() / MICRO
                rows.append(row)
        return pd.DataFrame(rows)
