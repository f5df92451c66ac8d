"""A cell of a comparison: one tariff, market rule and policy on all episodes, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.experiments.comparison.daybook import Daybook
from gridbazaar.experiments.evaluation.accounts import Accounts
from gridbazaar.experiments.evaluation.design_bills import DesignBills
from gridbazaar.market.design import Design
from gridbazaar.market.tariff import Tariff

NO_MARKET, NO_AUTOMATION = "none", "idle"
"""The rule without a local market, and the policy that leaves everything flexible at rest."""
WRITTEN, EQUAL = "as written", "equal revenue"
"""Network prices of a cell: those of its tariff, or scaled until the network operator recovers what it may."""


class Cell(NamedTuple):
    """What is compared."""

    tariff: str
    mechanism: str
    policy: str
    automated_share: float = 1.0  # of the customers, whose devices follow the policy; those of others the plain rule


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell. ``accounts`` and ``books`` are of the same batches of episodes."""

    cell: Cell
    prices: str  # WRITTEN or EQUAL
    tariff: Tariff | Design
    accounts: tuple[Accounts, ...]
    books: tuple[Daybook, ...]
    figures: Mapping[str, NDArray[np.float64]]  # by name of ``metrics.COMMUNITY_FIGURES``, [n_seeds] each
    scale: float = 1.0  # of the network prices
    path: tuple[float, ...] = (1.0,)  # scales that were tried
    is_settled: bool = True  # the revenue is the allowed one; true where none was asked for

    @property
    def n_agents(self) -> int:
        return self.accounts[0].core.n_agents


@dataclass(frozen=True, slots=True)
class BilledOutcome:
    """Bills of a dispatch under a design of months that nobody answered."""

    cell: Cell  # its tariff is the design
    prices: str
    played: str  # the tariff that the dispatch answered
    design: Design
    bills: tuple[DesignBills, ...]  # one an episode
    dispatch: Outcome
    scale: float = 1.0
    path: tuple[float, ...] = (1.0,)
    is_settled: bool = True
