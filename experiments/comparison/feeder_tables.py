"""The feeder in a comparison: its average day by season, and all its buses when a branch is loaded most."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.experiments.comparison.cell import Outcome
from gridbazaar.experiments.comparison.customer_rows import CELL, PLAYED
from gridbazaar.experiments.comparison.meters import owned
from gridbazaar.experiments.comparison.study import Study

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

SEASONS = ("Dec-Feb", "Mar-May", "Jun-Aug", "Sep-Nov")
"""By their months, since it is winter in December on one half of the earth only."""
HEAD = "grid above"
"""What feeds the first bus."""
_DAY_HOURS = 24


def average_day_table(found: Study) -> pd.DataFrame:
    """One row a played cell, season and hour by the local clock: mean load and PV of homes, and power at the head, kW.

    ``days`` is how many days of all episodes are in the mean; an hour that no episode has is left out.
    """
    import pandas as pd

    return pd.DataFrame([row for one in found.outcomes for row in _average_day(one)])


def _average_day(one: Outcome) -> Iterator[Row]:
    season, hour, day, series = _by_interval(one)
    named = dict(zip(CELL, (PLAYED, one.prices, *one.cell), strict=True))
    for s, name in enumerate(SEASONS):
        for h in range(_DAY_HOURS):
            inside = (season == s) & (hour == h)
            if inside.any():
                yield (
                    named
                    | {"season": name, "hour": h, "days": len(np.unique(day[inside]))}
                    | {what: float(values[inside].mean()) for what, values in series.items()}
                )


def _by_interval(one: Outcome) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], dict[str, NDArray[np.float64]]]:
    """Season, hour, day (no two episodes share one) and power of all intervals of all episodes, flat."""
    season, hour, day = [], [], []
    series: dict[str, list[NDArray[np.float64]]] = {"load_kw": [], "pv_kw": [], "head_kw": []}
    for book, kept in zip(one.accounts, one.books, strict=True):
        bank = book.core.world.bank
        step = np.asarray(book.first.episode.start)[None, :] + np.arange(book.core.n_steps)[:, None]
        date = bank.first_day.astype("datetime64[D]") + bank.calendar.day[step]
        month = date.astype("datetime64[M]").astype(np.int64) % 12 + 1
        season.append((month % 12 // 3).ravel())
        hour.append(np.floor(bank.hour()[step] + 1e-9).astype(np.int64).ravel() % _DAY_HOURS)
        day.append((date.astype(np.int64) + (1 << 32) * np.asarray(book.seeds)[None, :]).ravel())
        for name, values in zip(series, (kept.feeder.load_kw, kept.feeder.pv_kw, kept.wires["root_kw"]), strict=True):
            series[name].append(values.ravel())
    joined = {name: np.concatenate(values) for name, values in series.items()}
    return np.concatenate(season), np.concatenate(hour), np.concatenate(day), joined


def feeder_table(found: Study) -> pd.DataFrame:
    """One row a played cell and bus, in the interval in which a branch is loaded most of all its episodes.

    ``loading`` is that of the branch that feeds the bus; ``net_kw`` is what the meters at the bus draw together.
    """
    import pandas as pd

    names, whose = list(found.asked.customers.agents), owned(found.asked)
    return pd.DataFrame([row for one in found.outcomes for row in _worst(one, names, whose)])


def _worst(one: Outcome, names: list[str], whose: NDArray[np.int64]) -> Iterator[Row]:
    largest = [kept.feeder.loading.max(axis=1) for kept in one.books]
    batch = int(np.argmax([values.max() for values in largest]))
    env = int(largest[batch].argmax())
    book, kept = one.accounts[batch], one.books[batch].feeder
    core = book.core
    feeder, t = core.world.grid.feeder, int(kept.worst[env])
    named: Row = dict(zip(CELL, (PLAYED, one.prices, *one.cell), strict=True))
    named |= {"seed": int(book.seeds[env]), "at": _at(one, batch, env, t)}
    agent_bus = np.asarray(core.world.order_bus)[: core.n_agents]
    for bus, name in enumerate(feeder.buses):
        up, here = int(feeder.parent[bus]), agent_bus == bus
        yield named | {
            "bus": name, "fed_by": HEAD if up < 0 else feeder.buses[up], "loading": float(kept.loading[env, bus]),
            "voltage_pu": float(kept.voltage_pu[env, bus]), "net_kw": float(kept.net_kw[env, here].sum()),
            "customers": "; ".join(names[i] for i in np.flatnonzero(whose[:, here].any(axis=1))),
        }  # fmt: skip


def _at(one: Outcome, batch: int, env: int, t: int) -> str:
    """Local date and time at which an interval begins."""
    book = one.accounts[batch]
    bank = book.core.world.bank
    step = int(np.asarray(book.first.episode.start)[env]) + t
    date = bank.first_day.astype("datetime64[D]") + bank.calendar.day[step]
    minutes = round(float(bank.hour()[step]) * 60)
    return f"{date} {minutes // 60:02d}:{minutes % 60:02d}"
