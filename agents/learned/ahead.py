"""Ahead: what is known and expected of the day ahead that no action moves, condensed for a network.

Made from ``Forecasts`` alone. One row is one environment in one interval, so that a whole episode can be condensed at
once while training, and one interval while playing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.arrays import Array

Floats = NDArray[np.float64]

ROUND_TRIP = 0.9
WEAR_CUR_PER_KWH = 0.04
"""What is taken for any storage of the community: the share that comes back, and the wear of a kWh."""
PRICE = 0.1
"""Currency per kWh that counts as one."""
_EDGES_H = (
    *(0.25 * i for i in range(8)),
    *(2.0 + 0.5 * i for i in range(6)),
    *(5.0 + 1.0 * i for i in range(13)),
    24.0,
)
"""Hours ahead between which prices and loads are averaged: quarters, then halves, then hours, then the rest."""
N_BLOCKS = len(_EDGES_H) - 1
N_ERRORS = 3
"""Forecast errors: of this interval, and of those before it with the weights 1/4 and 1/16 for the newest."""


def _names() -> tuple[str, ...]:
    hours = [f"{a:g}h" for a in _EDGES_H[:-1]]
    errors = ("error_now", "error_of_1h", "error_of_4h")
    more = ("over_end_value", "export", "band", "left", "cap", "highest", "lowest", "deficit", "surplus")
    return (*(f"price_{h}" for h in hours), *(f"net_{h}" for h in hours), *errors, *more)


COLUMNS = _names()


@dataclass(frozen=True, slots=True)
class Known:
    """Prices, caps and expected loads as of an interval, [n, horizon] unless said; what ``Forecasts`` holds, summed."""

    retail: Floats  # currency per kWh
    export: Floats
    local: Floats  # charges on a local kWh
    net_kw: Floats  # of all homes
    inside: NDArray[np.bool_]  # before the end of the episode
    cap_kw: Floats  # [n] of import
    end_value: Floats  # [n] currency per kWh
    power_kw: Floats  # [n] of all stationary storage
    errors_kw: Floats  # [n, N_ERRORS]
    step_h: float
    n_agents: int


@dataclass(frozen=True, slots=True)
class Ahead:
    """The same condensed, [n] unless said."""

    public: Array  # [n, len(COLUMNS)]
    retail: Array  # currency per kWh, now, as all prices
    prices: Array  # [n, horizon] retail of each interval; the worth of what is stored beyond the episode
    export: Array
    local: Array
    net_kw: Array  # of all homes
    cap_kw: Array
    end_value: Array
    ranked: Array  # [n, horizon] prices of the deficits to come, dearest first
    covered: Array  # [n, horizon] kWh of the deficits up to each
    free_kwh: Array  # surpluses to come, less what storing them loses
    pays_kwh: Array  # deficits to come that would pay for a kWh bought now
    better_kwh: Array  # that the connection can bring in cheaper intervals
    lowest: Array  # [n, horizon + 1] retail price of the first so many intervals
    highest: Array
    cheaper: Array  # [n, horizon + 1] of the first so many intervals, those cheaper than this one
    outage_is_over: Array | None = None  # 1 once the grid above was away and is back; none: nobody asks


def condense(known: Known) -> Ahead:
    """Condense what is known; on the host."""
    step_h, inside, n_agents = known.step_h, known.inside, known.n_agents
    retail, upper = known.retail, known.retail - known.local
    net_kw = np.where(inside, known.net_kw, 0.0)
    later = inside & (np.arange(inside.shape[1]) > 0)

    deficit_kwh = np.minimum(np.maximum(net_kw, 0.0), known.power_kw[:, None]) * step_h * later
    surplus_kwh = (np.maximum(-net_kw, 0.0) * step_h * later).sum(1)
    order = np.argsort(np.where(later, -upper, np.inf), axis=1, kind="stable")
    each_kwh = np.take_along_axis(deficit_kwh, order, 1)
    ranked = np.take_along_axis(upper, order, 1)
    pays = ranked * ROUND_TRIP > upper[:, :1] + WEAR_CUR_PER_KWH
    open_kwh = np.maximum(known.cap_kw[:, None] - np.maximum(net_kw, 0.0), 0.0) * step_h

    within = np.where(inside, retail, np.inf)
    lowest = _from_none(np.minimum.accumulate(within, axis=1), retail[:, :1])
    highest = _from_none(np.maximum.accumulate(np.where(inside, retail, -np.inf), axis=1), retail[:, :1])
    cheaper = _from_none(np.cumsum(within < retail[:, :1], axis=1, dtype=np.float64), 0.0 * retail[:, :1])
    scale_kw, scale_kwh = 1.0 * n_agents, 2.0 * n_agents
    price_now, end = upper[:, :1], known.end_value[:, None]
    prices = _blocks(np.where(inside, upper, end), step_h)
    columns = [
        (prices - price_now) / PRICE,
        _blocks(net_kw, step_h) / scale_kw,
        known.errors_kw / scale_kw,
        (price_now - end) / PRICE,
        (price_now - known.export[:, :1]) / PRICE,
        (prices.mean(1, keepdims=True) - end) / PRICE,
        inside.mean(1, keepdims=True),
        np.minimum(known.cap_kw, 5.0 * n_agents)[:, None] / scale_kw,
        (highest[:, -1:] - retail[:, :1]) / PRICE,
        (lowest[:, -1:] - retail[:, :1]) / PRICE,
        deficit_kwh.sum(1, keepdims=True) / scale_kwh,
        surplus_kwh[:, None] / scale_kwh,
    ]
    return Ahead(
        public=np.concatenate(columns, axis=1), retail=retail[:, 0], prices=np.where(inside, retail, end),
        export=known.export[:, 0], local=known.local[:, 0],
        net_kw=net_kw[:, 0], cap_kw=known.cap_kw, end_value=known.end_value, ranked=ranked,
        covered=np.cumsum(each_kwh, axis=1), free_kwh=surplus_kwh * ROUND_TRIP,
        pays_kwh=(each_kwh * pays).sum(1), better_kwh=(open_kwh * (later & (upper < upper[:, :1]))).sum(1),
        lowest=lowest, highest=highest, cheaper=cheaper,
    )  # fmt: skip


def _from_none(running: Floats, first: Floats) -> Floats:
    return np.concatenate([first, running], axis=1)


def _blocks(x: Floats, step_h: float) -> Floats:
    """[n, N_BLOCKS] means between the edges; a block shorter than an interval has that of the interval it lies in."""
    n = x.shape[1]
    sums = np.concatenate([np.zeros((len(x), 1)), np.cumsum(x, axis=1)], axis=1)
    begin = np.minimum(np.floor(np.array(_EDGES_H[:-1]) / step_h + 1e-9).astype(int), n - 1)
    end = np.minimum(np.maximum(np.ceil(np.array(_EDGES_H[1:]) / step_h - 1e-9).astype(int), begin + 1), n)
    means: Floats = (sums[:, end] - sums[:, begin]) / (end - begin)
    return means
