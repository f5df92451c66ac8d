"""Slow, obvious oracles: what the fast code must agree with. Loops over agents live here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from gridbazaar.market.orders import Status


@dataclass(frozen=True)
class Book:
    """One book in plain integers: micro-kWh (> 0 buys, < 0 sells), micro-currency per kWh, owners."""

    energy: list[int]
    limit: list[int]
    agent: list[int]


@dataclass(frozen=True)
class Outside:
    """A retailer; a cap of ``None`` is no cap."""

    upper: int
    lower: int
    import_cap: int | None = None
    export_cap: int | None = None
    import_scarcity: int = 0
    export_scarcity: int = 0

    def sells(self) -> list[tuple[int, float]]:
        """(price, quantity) steps of what it sells."""
        if self.import_cap is None:
            return [(self.upper, np.inf)]
        return [(self.upper, self.import_cap), (self.upper + self.import_scarcity, np.inf)]

    def buys(self) -> list[tuple[int, float]]:
        """(price, quantity) steps of what it buys."""
        if self.export_cap is None:
            return [(self.lower, np.inf)]
        return [(self.lower, self.export_cap), (self.lower - self.export_scarcity, np.inf)]


@dataclass
class Cleared:
    """What a clearing should be; fields as in ``Clearing``, one row."""

    filled: list[int]
    traded: list[int]
    pay: list[int]
    price: int
    low: int
    high: int
    rent: int
    over_cap: int
    status: Status
    bought: int = field(init=False)
    sold: int = field(init=False)

    def __post_init__(self) -> None:
        self.bought = sum(e for e in self.filled if e > 0)
        self.sold = -sum(e for e in self.filled if e < 0)


def lp_welfare(book: Book, outside: Outside | None = None) -> float:
    """Give the largest gain from trade, in micro-kWh times micro-currency per kWh, by linear programming.

    With a retailer whose band is empty, neighbours do not trade: what is bought and what is sold meet the two tariffs,
    and the caps bind the net flow.
    """
    worth = [float(p if e > 0 else -p) for e, p in zip(book.energy, book.limit, strict=True)]
    bound: list[tuple[float, float]] = [(0.0, float(abs(e))) for e in book.energy]
    net = [1.0 if e > 0 else -1.0 for e in book.energy]
    if outside is not None:
        gap = max(outside.lower - outside.upper, 0)
        # A kWh sold at the higher feed-in price and bought back at the retail price earns the gap.
        worth = [w + gap * (e < 0) for w, e in zip(worth, book.energy, strict=True)]
        for price, quantity in outside.sells():
            worth, bound, net = [*worth, -float(price)], [*bound, (0.0, quantity)], [*net, -1.0]
        for price, quantity in outside.buys():
            worth, bound, net = [*worth, float(price - gap)], [*bound, (0.0, quantity)], [*net, 1.0]
    if not worth:
        return 0.0
    found = linprog(-np.array(worth), A_eq=np.array([net]), b_eq=[0.0], bounds=bound, method="highs")
    assert found.status == 0, found.message
    assert found.fun is not None
    return -float(found.fun)


def competitive_interval(book: Book, outside: Outside | None = None) -> tuple[float, float]:
    """Give the lowest and highest price at which demand and supply agree, by trying every price that somebody named."""
    buys = [(p, float(e)) for e, p in zip(book.energy, book.limit, strict=True) if e > 0]
    sells = [(p, float(-e)) for e, p in zip(book.energy, book.limit, strict=True) if e < 0]
    if outside is not None:
        buys, sells = buys + outside.buys(), sells + outside.sells()
    buys, sells = [(p, q) for p, q in buys if q > 0], [(p, q) for p, q in sells if q > 0]

    def agrees(price: float) -> bool:
        must_buy, may_buy = (sum(q for p, q in buys if p > price), sum(q for p, q in buys if p >= price))
        must_sell, may_sell = (sum(q for p, q in sells if p < price), sum(q for p, q in sells if p <= price))
        return must_buy <= may_sell and must_sell <= may_buy

    good = [p for p in {p for p, _ in buys + sells} if agrees(p)]
    below, above = min(p for p, _ in buys + sells) - 1, max(p for p, _ in buys + sells) + 1
    low = -np.inf if agrees(below) else min(good)
    high = np.inf if agrees(above) else max(good)
    return float(low), float(high)


def share(parts: list[int], ids: list[int], numerator: int, denominator: int) -> list[int]:
    """Scale each part by a fraction in whole units: differences of the rounded running sum, in the order of ids."""
    out, running, given = [0] * len(parts), 0, 0
    for i in sorted(range(len(parts)), key=lambda i: (ids[i], i)):
        running += parts[i]
        out[i] = running * numerator // denominator - given
        given += out[i]
    return out


def cost_ucur(worth: int) -> int:
    """Micro-kWh times micro-currency per kWh in whole micro-currency: the nearest, ties to the even one."""
    return round(Fraction(worth, 10**6))


def costs_ucur(worth: NDArray[np.int64]) -> NDArray[np.int64]:
    """``cost_ucur`` of an array."""
    return np.array([cost_ucur(int(x)) for x in worth.ravel()], np.int64).reshape(worth.shape)


def priced(parts: list[int], ids: list[int], price: int) -> list[int]:
    """What each part costs at one price: differences of the rounded cost of the running sum, in the order of ids."""
    out, running, given = [0] * len(parts), 0, 0
    for i in sorted(range(len(parts)), key=lambda i: (ids[i], i)):
        running += parts[i]
        out[i] = cost_ucur(running * price) - given
        given += out[i]
    return out


def clear_by_hand(book: Book, k: float = 0.5, outside: Outside | None = None) -> Cleared:
    """Clear one book by walking down the demand and up the supply, level by level, in exact integers.

    For books whose band is open. Neighbours come before the retailer at one price.
    """
    n = len(book.energy)
    size = [abs(e) for e in book.energy]
    demand: dict[tuple[int, int], float] = {}
    supply: dict[tuple[int, int], float] = {}
    for e, p in zip(book.energy, book.limit, strict=True):
        if e > 0:
            demand[(-p, 0)] = demand.get((-p, 0), 0) + e
        elif e < 0:
            supply[(p, 0)] = supply.get((p, 0), 0) - e
    if outside is not None:
        for p, q in outside.buys():
            demand[(-p, 1)] = demand.get((-p, 1), 0) + q
        for p, q in outside.sells():
            supply[(p, 1)] = supply.get((p, 1), 0) + q
    bought, sold = dict.fromkeys(demand, 0), dict.fromkeys(supply, 0)
    bids, asks = sorted(b for b in demand if demand[b] > 0), sorted(a for a in supply if supply[a] > 0)
    while bids and asks and -bids[0][0] >= asks[0][0]:
        bid, ask = bids[0], asks[0]
        step = int(min(demand[bid] - bought[bid], supply[ask] - sold[ask]))
        bought[bid] += step
        sold[ask] += step
        if bought[bid] == demand[bid]:
            bids.pop(0)
        if sold[ask] == supply[ask]:
            asks.pop(0)

    filled = [0] * n
    for level, quantity in bought.items():
        on = [size[i] if book.energy[i] > 0 and (-book.limit[i], 0) == level else 0 for i in range(n)]
        if sum(on):
            filled = [f + s for f, s in zip(filled, share(on, book.agent, quantity, sum(on)), strict=True)]
    for level, quantity in sold.items():
        on = [size[i] if book.energy[i] < 0 and (book.limit[i], 0) == level else 0 for i in range(n)]
        if sum(on):
            filled = [f + s for f, s in zip(filled, share(on, book.agent, quantity, sum(on)), strict=True)]
    sides = [[filled[i] if sign * book.energy[i] > 0 else 0 for i in range(n)] for sign in (1, -1)]
    local = min(map(sum, sides))
    traded_sides = [share(side, book.agent, local, sum(side)) if sum(side) else side for side in sides]

    cut = [(level, demand[level], bought[level]) for level in demand] + [
        (level, supply[level], sold[level]) for level in supply
    ]
    partial = [level for level, quantity, done in cut if 0 < done < quantity]
    is_demand = bool(partial) and 0 < bought.get(partial[0], 0) < demand.get(partial[0], 0)
    low, high = (0.0, 0.0) if not (demand or supply) else competitive_interval(book, outside)
    price, status = _price_by_hand(book, k, outside, low, high, any(filled), partial, is_demand)
    if not any(size):
        low, high = (float(outside.lower), float(outside.upper)) if outside else (0.0, 0.0)
    low, high = (high - 1 if low == -np.inf else low), (low + 1 if high == np.inf else high)

    pays = [priced(side, book.agent, price) for side in traded_sides]
    net = sum(sides[0]) - sum(sides[1])
    rent = over = 0
    if outside is not None:
        rent = max(price - outside.upper, 0) + min(price - outside.lower, 0)
        over += max(net - outside.import_cap, 0) if outside.import_cap is not None else 0
        over += max(-net - outside.export_cap, 0) if outside.export_cap is not None else 0
    sign = [1 if e > 0 else -1 for e in book.energy]
    return Cleared(
        filled=[s * f for s, f in zip(sign, filled, strict=True)],
        traded=[b - s for b, s in zip(*traded_sides, strict=True)],
        pay=[b - s for b, s in zip(*pays, strict=True)],
        price=price,
        low=int(low),
        high=int(high),
        rent=rent,
        over_cap=over,
        status=status,
    )


def _price_by_hand(
    book: Book,
    k: float,
    outside: Outside | None,
    low: float,
    high: float,
    is_filled: bool,
    partial: list[tuple[int, int]],
    is_demand: bool,
) -> tuple[int, Status]:
    buys = [p for e, p in zip(book.energy, book.limit, strict=True) if e > 0]
    sells = [p for e, p in zip(book.energy, book.limit, strict=True) if e < 0]
    if is_filled:
        price = int(low) + int(Fraction(int(high - low)) * round(k * 10**6) // 10**6)
        if not partial:
            return price, Status.EXACT
        if partial[0][1] == 1:
            return price, Status.MARGINAL_OUTSIDE
        return price, Status.MARGINAL_BUYER if is_demand else Status.MARGINAL_SELLER
    if buys and sells:
        return int(low + high) // 2, Status.NO_CROSS
    floor, roof = -np.inf, np.inf  # a quote stays where the retailer would trade
    if outside is not None:
        floor = next(p for p, q in outside.buys() if q > 0)
        roof = next(p for p, q in outside.sells() if q > 0)
    if buys:
        return int(min(max(max(buys) + 1, floor), roof)), Status.BUYERS_ONLY
    if sells:
        return int(max(min(min(sells) - 1, roof), floor)), Status.SELLERS_ONLY
    return (outside.upper + outside.lower) // 2 if outside else 0, Status.EMPTY


@dataclass(frozen=True)
class Unit:
    """An order of a book with blocks, in any units: kWh of each interval (> 0 buys), limit, least share."""

    kwh: list[float]
    limit: float
    min_share: float = 0.0  # > 0: a block


def block_welfare(orders: list[Unit], price_range: tuple[float, float]) -> float:
    """Give the most welfare with prices under which no accepted block loses, by trying every set of blocks.

    For each set, one linear program finds the best fills and another the smallest sum of gains under any prices; where
    the two agree, those prices suit everybody (linear programming duality).
    """
    blocks = [i for i, order in enumerate(orders) if order.min_share > 0]
    best = -np.inf
    for code in range(2 ** len(blocks)):
        is_out = {block for bit, block in enumerate(blocks) if not code >> bit & 1}
        inside = [order for i, order in enumerate(orders) if i not in is_out]
        legs = np.array([order.kwh for order in inside])
        worth = np.array([order.limit * sum(order.kwh) for order in inside])
        if not inside:
            best = max(best, 0.0)
            continue
        n, n_intervals = legs.shape
        fills = linprog(
            -worth, A_eq=legs.T, b_eq=np.zeros(n_intervals), bounds=[(o.min_share, 1) for o in inside], method="highs"
        )
        if fills.status != 0:
            continue
        gains = linprog(
            np.r_[np.ones(n), np.zeros(n_intervals)],
            A_ub=-np.hstack([np.eye(n), legs]),
            b_ub=-worth,
            bounds=[(0, None)] * n + [price_range] * n_intervals,
            method="highs",
        )
        assert gains.status == 0, gains.message
        assert fills.fun is not None
        assert gains.fun is not None
        if gains.fun <= -fills.fun + 1e-9:
            best = max(best, -float(fills.fun))
    return best
