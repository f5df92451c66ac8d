"""What a market rule promises beyond its own sums, tried on random books: nobody takes it at its word."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gridbazaar.data.units import MICRO
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.rule import Rule, arrays_of, books_for, random_books

_ROUNDING = 4 * MICRO
"""Of a gain, in micro-kWh times micro-currency per kWh: four micro-units."""


def broken_promises(rule: Rule) -> list[str]:
    """Say which of ``efficient``, ``truthful``, ``monotone`` and ``scales`` a rule promises and does not keep."""
    tried = ((word, TRIED[word](rule)) for word in TRIED if word in rule.promises)
    return [f"promises {word}, but {said}" for word, said in tried if said]


def worth_left(rule: Rule) -> str:
    """Say which book's trades are worth less than the best ones; nothing where none are, or there are no limits."""
    if rule.stage == "ex_post":
        return ""
    orders, _ = random_books()
    traded = rule.function(orders, Setting()).traded_ukwh
    for row, (energy, limit) in enumerate(zip(orders.energy_ukwh, orders.limit_ucur_per_kwh, strict=True)):
        worth, best = int((traded[row] * limit).sum()), most_worth(energy.tolist(), limit.tolist())
        if abs(best - worth) > 1e-9 * best:
            return f"the best trades of row {row} are worth {best / MICRO**2:.6g}, its own {worth / MICRO**2:.6g}"
    return ""


def most_worth(energy_ukwh: list[int], limit_ucur_per_kwh: list[int]) -> int:
    """Give what the best trades of one book are worth: the highest bid meets the lowest ask as long as that gains."""
    orders = list(zip(energy_ukwh, limit_ucur_per_kwh, strict=True))
    buys = sorted(([e, p] for e, p in orders if e > 0), key=lambda order: -order[1])
    sells = sorted(([-e, p] for e, p in orders if e < 0), key=lambda order: order[1])
    worth, i, j = 0, 0, 0
    while i < len(buys) and j < len(sells) and buys[i][1] > sells[j][1]:
        volume = min(buys[i][0], sells[j][0])
        worth += volume * (buys[i][1] - sells[j][1])
        buys[i][0], sells[j][0] = buys[i][0] - volume, sells[j][0] - volume
        i, j = i + (buys[i][0] == 0), j + (sells[j][0] == 0)
    return worth


def gain_of_a_lie(rule: Rule, n_books: int = 10) -> str:
    """Say who gains by another limit than the true one; nothing where nobody does.

    Every agent of random books tries every limit of a grid, the others staying as they are.
    """
    rng, n_orders, top = np.random.default_rng(5), 7, 12
    settings = (True,) if rule.stage == "ex_post" else (True, False)
    tried = np.array([(i, p) for i in range(n_orders) for p in range(top + 1)])
    n_envs = len(tried) + 1
    for book in range(n_books):
        energy = rng.choice([-1, 1], n_orders) * rng.integers(1, (1, 4)[book % 2] + 1, n_orders) * MICRO
        worth = rng.integers(0, top + 1, n_orders)
        limits = np.repeat(worth[None], n_envs, axis=0)
        limits[np.arange(len(tried)), tried[:, 0]] = tried[:, 1]
        orders = Orders(
            np.repeat(energy[None], n_envs, axis=0), limits * 10_000, np.arange(n_orders), np.zeros(n_orders, np.int64),
            np.repeat(rng.random((1, n_orders)), n_envs, axis=0),
        )  # fmt: skip
        for with_retailer in settings:
            setting = Setting(np.full(n_envs, 90_000), np.full(n_envs, 30_000)) if with_retailer else Setting()
            gain = _gain(orders, worth * 10_000, rule.function(orders, setting), setting)
            more = gain[np.arange(len(tried)), tried[:, 0]] - gain[-1, tried[:, 0]]
            if (best := int(more.argmax())) >= 0 and more[best] > _ROUNDING:
                agent, lie = tried[best].tolist()
                return (
                    f"one of {n_orders} with an order of {energy[agent] / MICRO:+g} kWh that is worth "
                    f"{worth[agent] / 100:.2f} a kWh gains {more[best] / MICRO**2:.4g} by saying {lie / 100:.2f}"
                )
    return ""


def _gain(orders: Orders, worth_ucur_per_kwh: Any, clearing: Clearing, setting: Setting) -> Any:
    """[n_envs, n_orders] what an order brings its owner, in micro-kWh times micro-currency per kWh."""
    gain = worth_ucur_per_kwh * clearing.filled_ukwh - clearing.pay_ucur * MICRO
    if setting.import_ucur_per_kwh is None or setting.export_ucur_per_kwh is None:
        return gain
    buys = orders.energy_ukwh > 0
    tariff = np.where(buys, setting.import_ucur_per_kwh[:, None], setting.export_ucur_per_kwh[:, None])
    return gain - clearing.outside_ukwh * tariff


def lost_by_keenness(rule: Rule) -> str:
    """Say whose fill a keener limit lowers; nothing where it lowers nobody's."""
    rng = np.random.default_rng(3)
    for orders, setting in books_for(rule):
        before = abs(rule.function(orders, setting).filled_ukwh)
        for column in range(orders.energy_ukwh.shape[1]):
            step = rng.integers(1, 12, orders.energy_ukwh.shape[0]) * 10_000
            limit = orders.limit_ucur_per_kwh.copy()
            limit[:, column] += step * np.sign(orders.energy_ukwh[:, column])
            after = abs(rule.function(replace(orders, limit_ucur_per_kwh=limit), setting).filled_ukwh)
            lost = before[:, column] - after[:, column]
            if lost.max() > 1:
                row = int(lost.argmax())
                was, now = (x[row, column] / MICRO for x in (orders.limit_ucur_per_kwh, limit))
                return f"order {column} of row {row} is filled less at a limit of {now:.2f} than at {was:.2f}"
    return ""


def differs_by_size(rule: Rule, by: int = 7) -> str:
    """Say what of a book several times as large is not so many times as large; nothing where all is."""
    for orders, setting in books_for(rule):
        caps = {k: x * by for k, x in arrays_of(setting).items() if k.endswith("cap_ukwh")}
        one = rule.function(orders, setting)
        large = rule.function(replace(orders, energy_ukwh=orders.energy_ukwh * by), replace(setting, **caps))
        if abs(large.traded_ukwh - by * one.traded_ukwh).max() > 2 * by:
            return f"a book {by} times as large does not trade {by} times as much"
        if abs(large.price_ucur_per_kwh - one.price_ucur_per_kwh).max() > 2:
            return f"a book {by} times as large has other prices"
    return ""


TRIED: dict[str, Callable[[Rule], str]] = {
    "efficient": worth_left,
    "truthful": gain_of_a_lie,
    "monotone": lost_by_keenness,
    "scales": differs_by_size,
}
"""By promise, what says how it is broken."""
