"""Who pays whom: what each party pays and receives of each line of the bill."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.experiments.comparison.cell import Outcome
from gridbazaar.experiments.comparison.customer_rows import CELL, NO_HOME, PLAYED, SUN
from gridbazaar.experiments.comparison.meters import owned
from gridbazaar.experiments.comparison.study import Study
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]

CUSTOMERS = {"yes": "customers with PV", "no": "customers without PV", NO_HOME: "customers without a home"}
"""What customers are called as a party, by the value of ``SUN``."""
PARTIES = (*CUSTOMERS.values(), *SYSTEM_PARTIES)


def flow_table(found: Study, rows: pd.DataFrame) -> pd.DataFrame:
    """One row a played cell, line of the bill and party: what it pays and what it receives, a mean episode.

    A line is netted for each customer and month, so a party of customers can both pay and receive; what all pay of a
    line is what all receive. A party that does neither has no row.
    """
    import pandas as pd

    sun = dict(zip(zip(rows["seed"], rows["customer"], strict=True), rows[SUN], strict=True))
    made = [row for one in found.outcomes for row in _of_cell(found, one, sun)]
    return pd.DataFrame(made, columns=[*CELL, "line", "party", "pays_cur", "receives_cur"])


def _of_cell(found: Study, one: Outcome, sun: dict[Any, str]) -> Iterator[dict[str, Any]]:
    named = dict(zip(CELL, (PLAYED, one.prices, *one.cell), strict=True))
    sides = _sides(found, one, sun) / MICRO / len(found.asked.seeds)
    for i, line in enumerate(LINES):
        for j, party in enumerate(PARTIES):
            pays, receives = (float(x) for x in sides[:, i, j])
            if pays or receives:
                yield named | {"line": line, "party": party, "pays_cur": pays, "receives_cur": receives}


def _sides(found: Study, one: Outcome, sun: dict[Any, str]) -> Ints:
    """[2, n_lines, n_parties] what is paid and what is received over all episodes, in micro-currency."""
    whose, names, groups = owned(found.asked), list(found.asked.customers.agents), list(CUSTOMERS)
    total = np.zeros((2, len(LINES), len(PARTIES)), np.int64)
    for book in one.accounts:
        n = book.core.n_agents
        mine = np.einsum("mela,ca->melc", book.bill_ucur[..., :n], whose)
        place = np.array([[groups.index(sun[int(seed), name]) for name in names] for seed in book.seeds])
        for k in range(len(groups)):
            of_group = np.where((place == k)[None, :, None, :], mine, 0)
            total[:, :, k] += _parted(of_group).sum(axis=(1, 2, 4))
        total[:, :, len(groups) :] += _parted(book.bill_ucur[..., n:]).sum(axis=(1, 2))
    return total


def _parted(ucur: Ints) -> Ints:
    """[2, ...] what is paid, and what is received."""
    return np.stack([np.maximum(ucur, 0), np.maximum(-ucur, 0)])
