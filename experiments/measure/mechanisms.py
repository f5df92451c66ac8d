"""Mechanism cards: what each rule costs in efficiency, in money and in truthfulness, on random books of small markets.

Traders value energy (or make it at a cost) uniformly on [0, 1] per kWh. Beside them stands a retailer who sells at 1
and buys at 0, so that it never helps, but rules that need its prices have them. A card is a mean over books; the same
books, lotteries and probes serve every mechanism.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.market.mechanisms import list_mechanisms, load_mechanism, mechanism_stage
from gridbazaar.market.orders import Clearing, Orders, Setting

SIDES = (4, 8, 16, 64)
DISTRIBUTIONS = {"unit": (1.0, 1.0), "sizes": (0.2, 2.0)}
"""kWh an order, uniform between two numbers: the textbooks' unit demand, and homes of different size."""

_MISREPORTS = np.linspace(0.0, 1.0, 41)
_ROWS = 8192  # cleared at a time
_NOTICED = 1e-3  # of a gain, in the mean truthful gain of a trader: less is rounding

Floats = NDArray[np.float64]
Tick = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Card:
    """A rule that clears orders, on books of ``n_side`` buyers and as many sellers."""

    mechanism: str
    distribution: str
    n_side: int
    welfare_share: float  # of what the best allocation would bring, all books together
    surplus_share: float  # what the market operator keeps (< 0 pays) in the same measure
    liars_share: float  # of traders that would gain by another limit, the others being truthful
    lie_gain_share: float  # mean gain of the best other limit over the mean gain of a trader under the best allocation
    outside_share: float  # of traded kWh whose price lies outside the competitive interval


@dataclass(frozen=True, slots=True)
class CommunityCard:
    """A rule that prices metered energy, where ``n_side`` members have a deficit and as many a surplus.

    The retailer sells at 0.30 and buys at 0.10. What a community gains is what it saves against the retailer alone.
    """

    mechanism: str
    n_side: int
    traded_share: float  # of what could be traded among members
    sellers_share: float  # of the community's gain
    worse_share: float  # of members who pay more than with the retailer alone
    surplus_share: float  # what the market operator keeps, over the gain


def measure(
    names: Sequence[str] | None = None,
    *,
    sides: Iterable[int] = SIDES,
    distribution: str = "unit",
    n_books: int = 1000,
    n_probes: int = 300,
    seed: int = 0,
    tick: Tick | None = None,
) -> tuple[list[Card], list[CommunityCard]]:
    """Measure mechanisms.

    Args:
        names: mechanisms; none: all.
        sides: numbers of buyers (and as many sellers).
        distribution: a name of ``DISTRIBUTIONS``.
        n_books: random books for welfare, surplus and prices.
        n_probes: traders, each in a book of its own, who try every limit of a grid of 41.
        seed: of books, lotteries and probes.
        tick: called with what was measured last.
    """
    if distribution not in DISTRIBUTIONS:
        raise ValueError(f"distribution: expected one of {', '.join(DISTRIBUTIONS)}, got {distribution!r}")
    if n_books < 1 or n_probes < 1:
        raise ValueError(f"expected at least one book and one probe, got {n_books} and {n_probes}")
    cards: list[Card] = []
    community: list[CommunityCard] = []
    for name in list_mechanisms() if names is None else names:
        load_mechanism(name)
        for n_side in sides:
            if n_side < 1:
                raise ValueError(f"sides: expected numbers of at least 1, got {n_side}")
            if mechanism_stage(name) == "ex_post":
                community.append(_community_card(name, n_side, n_books, seed))
            else:
                cards.append(_card(name, n_side, distribution, n_books, n_probes, seed))
            if tick is not None:
                tick(f"{name}, {n_side} a side")
    return cards, community


@dataclass(frozen=True, slots=True)
class Measured:
    """Cards with what makes them again."""

    n_books: int
    n_probes: int
    seed: int
    cards: tuple[Card, ...]
    community: tuple[CommunityCard, ...]

    def of(self, mechanism: str, distribution: str = "unit") -> list[Card]:
        """Cards of one mechanism, smallest market first."""
        found = [c for c in self.cards if (c.mechanism, c.distribution) == (mechanism, distribution)]
        return sorted(found, key=lambda c: c.n_side)


def measured(
    names: Sequence[str] | None, sides: Sequence[int], *, n_books: int, n_probes: int, seed: int,
    tick: Callable[[str], None] | None = None,
) -> Measured:  # fmt: skip
    """Measure under every distribution."""
    cards: list[Card] = []
    community: list[CommunityCard] = []
    for distribution in DISTRIBUTIONS:
        options: dict[str, Any] = {"distribution": distribution, "n_books": n_books, "n_probes": n_probes}
        ours, community = measure(names, sides=sides, seed=seed, tick=tick, **options)
        cards += ours
    return Measured(n_books=n_books, n_probes=n_probes, seed=seed, cards=tuple(cards), community=tuple(community))


def random_books(n_side: int, n_books: int, *, distribution: str = "unit", seed: int = 0) -> Orders:
    """Draw books of ``n_side`` buyers, then as many sellers, limits uniform on [0, 1] per kWh."""
    low, high = DISTRIBUTIONS[distribution]
    rng = np.random.default_rng([seed, n_side, n_books])
    n = 2 * n_side
    energy = np.rint(rng.uniform(low, high, (n_books, n)) * MICRO).astype(np.int64)
    energy[:, n_side:] *= -1
    limit = np.rint(rng.random((n_books, n)) * MICRO).astype(np.int64)
    return _one_each(energy, limit, rng.random((n_books, n)))


def _one_each(energy_ukwh: NDArray[np.int64], limit: NDArray[np.int64], lottery: Floats) -> Orders:
    """Books in which every order is of another trader, and all stand at one bus."""
    n = energy_ukwh.shape[1]
    return Orders(
        energy_ukwh=energy_ukwh, limit_ucur_per_kwh=limit, agent=np.arange(n), bus=np.zeros(n, np.int64),
        lottery=lottery,
    )  # fmt: skip


def _card(name: str, n_side: int, distribution: str, n_books: int, n_probes: int, seed: int) -> Card:
    orders = random_books(n_side, n_books, distribution=distribution, seed=seed)
    clearing, best = _clear(name, orders), _clear("uniform_price", orders)
    gains, most = _welfare(orders, clearing), _welfare(orders, best)
    operator = (clearing.surplus_ucur / MICRO).sum() - (_pool_kwh(clearing) > 0) @ _pool_kwh(clearing)
    liars, lie_gain = _misreports(name, n_side, distribution, n_probes, seed)
    return Card(
        mechanism=name,
        distribution=distribution,
        n_side=n_side,
        welfare_share=float(gains.sum() / most.sum()),
        surplus_share=float(operator / most.sum()),
        liars_share=liars,
        lie_gain_share=lie_gain / float(most.mean() / (2 * n_side)),
        outside_share=_outside_share(clearing, best),
    )


def _clear(name: str, orders: Orders, upper: int = MICRO, lower: int = 0) -> Clearing:
    n_envs = orders.energy_ukwh.shape[0]
    return load_mechanism(name)(orders, Setting(np.full(n_envs, upper), np.full(n_envs, lower)))


def _pool_kwh(clearing: Clearing) -> Floats:
    """[n_envs] sold from the market's own stock."""
    n_envs = clearing.status.shape[0]
    return np.zeros(n_envs) if clearing.pool_ukwh is None else np.asarray(clearing.pool_ukwh / MICRO)


def _welfare(orders: Orders, clearing: Clearing) -> Floats:
    """[n_envs] worth of what was bought less cost of what was sold; a pool buys at 1 and gives away what is left."""
    filled = clearing.filled_ukwh / MICRO
    from_retailer = np.maximum(clearing.outside_ukwh, 0).sum(axis=1) / MICRO + np.maximum(_pool_kwh(clearing), 0)
    return np.asarray((filled * orders.limit_ucur_per_kwh / MICRO).sum(axis=1) - from_retailer)


def _outside_share(clearing: Clearing, best: Clearing) -> float:
    """Share of traded kWh priced outside the competitive interval, to a millionth and the rounding of a payment."""
    energy = np.abs(clearing.traded_ukwh) / MICRO
    price = np.abs(clearing.pay_ucur) / np.maximum(np.abs(clearing.traded_ukwh), 1) * MICRO
    slack = 1 + 1 / np.maximum(energy, 1e-6)
    low, high = best.low_ucur_per_kwh[:, None], best.high_ucur_per_kwh[:, None]
    is_outside = (price < low - slack) | (price > high + slack)
    traded = energy.sum()
    return float((energy * is_outside).sum() / traded) if traded else 0.0


def _misreports(name: str, n_side: int, distribution: str, n_probes: int, seed: int) -> tuple[float, float]:
    """Share of probed traders that gain by some limit of the grid, and the mean of the best gains (zero included)."""
    books = random_books(n_side, n_probes, distribution=distribution, seed=seed + 1)
    who = np.random.default_rng([seed, n_side]).integers(0, 2 * n_side, n_probes)
    n_tries = len(_MISREPORTS) + 1
    gain = np.empty((n_probes, n_tries))
    at_a_time = max(1, _ROWS // n_tries)
    for first in range(0, n_probes, at_a_time):
        rows = np.arange(first, min(first + at_a_time, n_probes))
        gain[rows] = _gains(name, books, rows, who[rows])
    mean_gain = _welfare(books, _clear("uniform_price", books)).mean() / (2 * n_side)
    best = gain[:, :-1].max(axis=1) - gain[:, -1]
    best = np.where(best > _NOTICED * mean_gain, best, 0.0)
    return float((best > 0).mean()), float(best.mean())


def _gains(name: str, books: Orders, rows: NDArray[np.int64], who: NDArray[np.int64]) -> Floats:
    """[n_rows, n_tries] what a trader of each book gains with each limit of the grid, last with the true one."""
    n_tries = len(_MISREPORTS) + 1
    each = np.repeat(rows, n_tries)
    limit = books.limit_ucur_per_kwh[each]
    trader = np.repeat(who, n_tries)
    at = np.arange(len(each))
    true = limit[at, trader].copy()
    tried = np.tile(np.append(np.rint(_MISREPORTS * MICRO), 0).astype(np.int64), len(rows))
    limit[at, trader] = np.where(at % n_tries == n_tries - 1, true, tried)
    assert books.lottery is not None
    orders = replace(books, energy_ukwh=books.energy_ukwh[each], limit_ucur_per_kwh=limit, lottery=books.lottery[each])
    cleared = _clear(name, orders)
    traded, outside = cleared.traded_ukwh[at, trader] / MICRO, cleared.outside_ukwh[at, trader] / MICRO
    paid = cleared.pay_ucur[at, trader] / MICRO + np.maximum(outside, 0.0)
    gain = (traded + outside) * true / MICRO - paid
    return np.asarray(gain.reshape(len(rows), n_tries))


def _community_card(name: str, n_side: int, n_books: int, seed: int) -> CommunityCard:
    """Members draw or give 0.2 to 2 kWh; the sum of either side is then scaled by 0.5 to 1.5."""
    upper, lower = 300_000, 100_000
    rng = np.random.default_rng([seed, n_side, n_books, 1])
    n = 2 * n_side
    energy = rng.uniform(0.2, 2.0, (n_books, n))
    energy[:, :n_side] *= rng.uniform(0.5, 1.5, (n_books, 1))
    energy[:, n_side:] *= -1
    ukwh = np.rint(energy * MICRO).astype(np.int64)
    orders = _one_each(ukwh, np.zeros_like(ukwh), rng.random((n_books, n)))
    cleared = _clear(name, orders, upper, lower)
    tariff = np.where(ukwh > 0, upper, lower) / MICRO
    alone = ukwh / MICRO * tariff
    pays = cleared.pay_ucur / MICRO + cleared.outside_ukwh / MICRO * tariff
    gain = alone - pays
    possible = np.minimum(np.maximum(ukwh, 0).sum(axis=1), np.maximum(-ukwh, 0).sum(axis=1)).sum()
    return CommunityCard(
        mechanism=name,
        n_side=n_side,
        traded_share=float(np.maximum(cleared.traded_ukwh, 0).sum() / possible),
        sellers_share=float(gain[:, n_side:].sum() / gain.sum()),
        worse_share=float((gain < -1e-5).mean()),
        surplus_share=float(cleared.surplus_ucur.sum() / MICRO / gain.sum()),
    )


def percent(share: float, digits: int = 1) -> str:
    """Write a share in per cent; zero has no sign."""
    if not math.isfinite(share):
        return "-"
    text = f"{100 * share:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text
