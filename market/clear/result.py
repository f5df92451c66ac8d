"""What a cleared order book looks like to its owner: floats, in the caller's units and order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from gridbazaar.data.units import MICRO
from gridbazaar.market.clear.fees import Fees
from gridbazaar.market.clear.order_list import OrderList, Terms
from gridbazaar.market.orders import Clearing, Status

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Result:
    """What a book cleared at, in the caller's units and order.

    A price is ``None`` only where there is none: the book holds no energy and no retailer stands beside it.
    """

    quantity: float  # kWh traded in the local market
    price: float | None  # per kWh between neighbours, the buyers' average where they differ; a quote without trade
    price_low: float | None  # the competitive interval
    price_high: float | None
    surplus: float  # money in minus money out, kept (or lost) by whoever runs the market; without the fees
    status: str  # a ``Status`` in lower case
    buy_fills: tuple[float, ...]  # kWh from neighbours and retailer, one per buy order
    sell_fills: tuple[float, ...]
    buy_prices: tuple[float | None, ...]  # what each filled kWh costs its buyer, fees included; a quote without fill
    sell_prices: tuple[float | None, ...]  # what it brings its seller, less the fees
    buy_outside: tuple[float, ...] = ()  # kWh of ``buy_fills`` that the retailer sold
    sell_outside: tuple[float, ...] = ()  # kWh of ``sell_fills`` that the retailer bought
    netted: float = 0.0  # kWh that bidders settle with themselves, outside the market
    fees: float = 0.0  # money for the use of the network
    fees_by_level: dict[str, float] = field(default_factory=dict)
    pool: float | None = None  # kWh sold from the market's own stock (< 0 bought), where the mechanism has one

    def __repr__(self) -> str:
        fills = "  ".join(
            f"{side} {' '.join(f'{fill:g}' for fill in fills) or '-'}"
            for side, fills in (("buys", self.buy_fills), ("sells", self.sell_fills))
        )
        fees = f", fees {self.fees:g}" if self.fees_by_level else ""
        low, high = as_text(self.price_low), as_text(self.price_high)
        return (
            f"Result({self.status}: {self.quantity:g} kWh at {as_text(self.price)}, interval [{low}, {high}], "
            f"surplus {self.surplus:g}{fees}; filled: {fills})"
        )

    def to_frame(self) -> pd.DataFrame:
        """Give one row an order: side, filled_kwh, outside_kwh, price_cur_per_kwh; buys first."""
        import pandas as pd

        return pd.DataFrame(
            {
                "side": ["buy"] * len(self.buy_fills) + ["sell"] * len(self.sell_fills),
                "filled_kwh": [*self.buy_fills, *self.sell_fills],
                "outside_kwh": [*self.buy_outside, *self.sell_outside],
                "price_cur_per_kwh": [*self.buy_prices, *self.sell_prices],
            }
        )


@dataclass(frozen=True, slots=True)
class BlockResult:
    """What a book with block orders cleared at: a result an interval, and what became of each block."""

    intervals: tuple[Result, ...]  # of the orders of each interval; quantities and prices count the blocks, too
    shares: tuple[float, ...]  # accepted share of each block, 0 or from its minimum acceptance to 1
    block_pays: tuple[float, ...]  # money each block pays (> 0) or gets over all intervals
    welfare: float  # value of what is bought less cost of what is sold, by the limits given
    paradoxically_rejected: tuple[int, ...]  # blocks that are rejected although they would gain at these prices

    @property
    def prices(self) -> tuple[float | None, ...]:
        """The price of each interval."""
        return tuple(result.price for result in self.intervals)

    def __repr__(self) -> str:
        prices, shares = (" ".join(map(as_text, values)) or "-" for values in (self.prices, self.shares))
        return f"BlockResult(welfare {self.welfare:g}; prices {prices}; accepted shares of the blocks {shares})"


def as_text(price: float | None) -> str:
    """Write a price that may be missing."""
    return "none" if price is None else f"{price:g}"


def result_of(book: OrderList, clearing: Clearing, terms: Terms, fees: Fees, netted: int = 0) -> Result:
    """Put a clearing of one book into its owner's units and order.

    Args:
        book: the orders, in the clearing's first columns.
        clearing: a batch of one.
        terms: the retailer's prices, the cap and the floor.
        fees: what each order owes for the network.
        netted: micro-kWh that bidders settled with themselves.
    """
    n = len(book.bidders)
    traded, outside = np.abs(clearing.traded_ukwh[0, :n]), np.abs(clearing.outside_ukwh[0, :n])
    is_buy = book.energy_ukwh > 0
    quantity = max(int(np.maximum(sign * clearing.traded_ukwh, 0).sum()) for sign in (1, -1))
    is_priced = terms.has_retailer or int(clearing.status[0]) != Status.EMPTY
    local = _local_prices(clearing, n)
    filled = traded + outside
    prices = [
        _average_price(terms, *row) if is_priced else None
        for row in zip(
            *(x.tolist() for x in (is_buy, traded, outside, fees.of_order)), local, strict=True
        )
    ]  # fmt: skip
    fills, sold = book.listed(filled / MICRO), book.listed(outside / MICRO)
    shown = [prices[i] for i in np.argsort(book.place)]
    by_level = fees.collected(filled)
    bought = [(price, energy) for price, energy, buys in zip(local, traded.tolist(), is_buy, strict=True) if buys]
    b = book.n_buys
    return Result(
        quantity=quantity / MICRO,
        price=_headline(bought, clearing, terms) if is_priced else None,
        price_low=int(clearing.low_ucur_per_kwh[0]) / MICRO if is_priced else None,
        price_high=int(clearing.high_ucur_per_kwh[0]) / MICRO if is_priced else None,
        surplus=int(clearing.surplus_ucur[0]) / MICRO,
        status=Status(int(clearing.status[0])).name.lower(),
        buy_fills=tuple(fills[:b]),
        sell_fills=tuple(fills[b:]),
        buy_prices=tuple(shown[:b]),
        sell_prices=tuple(shown[b:]),
        buy_outside=tuple(sold[:b]),
        sell_outside=tuple(sold[b:]),
        netted=netted / MICRO,
        fees=sum(by_level.values()),
        fees_by_level=by_level,
        pool=None if clearing.pool_ukwh is None else int(clearing.pool_ukwh[0]) / MICRO,
    )


def _local_prices(clearing: Clearing, n: int) -> list[float]:
    """[n_orders] micro-units per kWh between neighbours: the price shown, unless another one was paid."""
    prices: list[float] = []
    columns = (clearing.traded_ukwh, clearing.pay_ucur, clearing.price_ucur_per_kwh)
    for traded, pay, shown in zip(*(x[0, :n].tolist() for x in columns), strict=True):
        rounding = 2 * MICRO + abs(traded)  # of the payment, and of the price shown
        is_shown = abs(pay * MICRO - traded * shown) <= rounding
        prices.append(shown if is_shown else pay * MICRO / traded)
    return prices


def _average_price(terms: Terms, is_buy: bool, traded: int, outside: int, fee: int, local: float) -> float:
    """What a filled kWh costs (brings), fees included; without a fill the quote, as this order would pay it."""
    owed = fee if is_buy else -fee
    if traded + outside == 0:
        return (_clip(local, terms) + owed) / MICRO
    tariff = (terms.import_ucur_per_kwh if is_buy else terms.export_ucur_per_kwh) or 0
    if outside == 0:
        return (local + owed) / MICRO
    return (traded * local + outside * tariff + (traded + outside) * owed) / ((traded + outside) * MICRO)


def _headline(bought: list[tuple[float, int]], clearing: Clearing, terms: Terms) -> float:
    """The price between neighbours: the one all buyers pay, or their average; the quote where nobody buys."""
    paid = [(price, energy) for price, energy in bought if energy]
    if not paid:
        return _clip(int(clearing.price_ucur_per_kwh[0, 0]), terms) / MICRO
    if len({price for price, _ in paid}) == 1:
        return paid[0][0] / MICRO
    return sum(price * energy for price, energy in paid) / sum(energy for _, energy in paid) / MICRO


def _clip(price: float, terms: Terms) -> float:
    low, high = terms.floor_ucur_per_kwh, terms.cap_ucur_per_kwh
    price = price if high is None else min(price, high)
    return price if low is None else max(price, low)
