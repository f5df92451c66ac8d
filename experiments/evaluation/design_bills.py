"""Bills of what was played: the meters of an episode, drawn up under designs that no interval market can follow.

The dispatch stays as it was: a charge on a month's peak is paid for what came, nobody answers it. Devices of one
customer are one meter. What customers traded with neighbours beyond what their meter counted is no local kWh.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.clock import midnight
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.market.billing.bill import Bill, bill
from gridbazaar.market.billing.metered import Metered, metered
from gridbazaar.market.design import Design

if TYPE_CHECKING:
    import pandas as pd

DISTANCE = "transformer"
"""How near neighbours on one feeder are, for charges that depend on it."""


@dataclass(frozen=True, slots=True, eq=False)
class DesignBills:
    """The customers of one episode under one design."""

    seed: int
    customers: tuple[str, ...]
    peak_kw: NDArray[np.float64]  # [n_customers] most that a step drew, in the whole period
    bill: Bill

    def to_frame(self) -> pd.DataFrame:
        """One row a customer, month and line of the bill."""
        import pandas as pd

        billed = self.bill
        return pd.DataFrame(
            {
                "design": billed.design.name, "currency": billed.design.currency, "seed": self.seed,
                "customer": customer, "month": f"{year:04d}-{month:02d}", "line": entry.line, "to": entry.to,
                "cur": int(billed.ucur[i, m, j]) / MICRO,
            }
            for i, customer in enumerate(self.customers)
            for m, (year, month) in enumerate(billed.months)
            for j, entry in enumerate(billed.entries)
        )  # fmt: skip


def check_whole(carry: Any) -> None:
    """Refuse to compare what parts of a billing period cost, which hangs on the days before them."""
    if carry != "whole":
        raise ValueError(
            f"carry: expected whole in a comparison, got {carry}: a charge by the month on less than a billing period "
            "hangs on the days before it, which no tariff and no policy has played; compare whole months, such as "
            "--dates 2024-02-01,2024-02-29"
        )


def bills_under(
    design: Design, accounts: Accounts, customers: Mapping[str, Sequence[str]] | None = None, *, is_part: bool = False
) -> tuple[DesignBills, ...]:
    """Bill each episode under a design, one at a time.

    Args:
        design: under which.
        accounts: of the episodes.
        customers: the agents of each; none: those of the scenario.
        is_part: bill a part of a year of netting.

    Raises:
        ValueError: the design needs a whole month or year and the episodes are none, or something that it needs.
    """
    owned = customers
    if owned is None:
        owned = {customer.name: customer.agents for customer in accounts.core.scenario.customers}
    found = []
    for env, seed in enumerate(accounts.seeds.tolist()):
        data = metered_of(accounts, env, owned)
        peak_kw = data.import_kwh.max(axis=1) * 60 / data.step_min
        found.append(DesignBills(seed, tuple(owned), peak_kw, bill(design, data, is_part=is_part)))
    return tuple(found)


def metered_of(accounts: Accounts, env: int, customers: Mapping[str, Sequence[str]]) -> Metered:
    """Give what the meters of customers counted in one episode, devices of one customer netted in every step."""
    core = accounts.core
    agents, bank, n = core.scenario.agent_names, core.world.bank, core.n_steps
    member = np.array([[agent in held for agent in agents] for held in customers.values()], np.int64)
    net, local, pay = (
        member @ series[:, env].T for series in (accounts.net_ukwh, accounts.local_ukwh, accounts.pay_ucur)
    )
    drawn, fed_in = np.maximum(net, 0), np.maximum(-net, 0)
    first = int(np.asarray(accounts.first.episode.start)[env])
    step_min = round(core.scenario.step_h * 60)
    begin = midnight(bank.first_day, bank.timezone) + first * np.timedelta64(step_min, "m")
    others: dict[str, Any] = {
        "local_kwh": {DISTANCE: np.minimum(np.maximum(local, 0), drawn) / MICRO},
        "local_sold_kwh": np.minimum(np.maximum(-local, 0), fed_in) / MICRO,
        "local_paid_cur": pay / MICRO,
        "spot_cur_per_kwh": bank.spot_cur_per_kwh[first : first + n],
        "timezone": bank.timezone or "UTC",
    }
    return metered(begin, step_min, drawn / MICRO, fed_in / MICRO, **others)


def check_designs(
    designs: Sequence[Design], scenario: Scenario, seeds: Sequence[int], split: str, *, is_part: bool = False
) -> None:
    """Draw up empty bills of the episodes to come, so that what cannot be billed is refused before anything is played.

    Raises:
        ValueError: says which design needs what.
    """
    if not designs:
        return
    core = Core(scenario, 1)
    for seed in seeds:
        numbers = np.array([seed], np.int64)
        accounts = Accounts(core, core.reset(numbers, split=split), numbers)
        for design in designs:
            bills_under(design, accounts, is_part=is_part)
