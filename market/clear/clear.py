"""The market for people who have an order book and no simulation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, overload

import numpy as np

from gridbazaar.data.arrays import Array
from gridbazaar.market.clear.blocks import (
    Block,
    block_faults,
    clear_blocks,
    count_intervals,
    interval_faults,
    intervals_of,
)
from gridbazaar.market.clear.fees import Fees, fee_faults, no_fees, read_fees
from gridbazaar.market.clear.order_list import (
    OrderList,
    Terms,
    check_size,
    number_fault,
    order_faults,
    order_list,
    read_terms,
)
from gridbazaar.market.clear.result import BlockResult, Result, result_of
from gridbazaar.market.clear.self_trade import SELF_TRADE, net_own, netted_ukwh
from gridbazaar.market.mechanisms import load_mechanism, mechanism_draws, mechanism_stage
from gridbazaar.market.orders import Mechanism, Orders


@overload
def clear(
    mechanism: str, buys: Sequence[Any] = (), sells: Sequence[Any] = (), *, blocks: None = None, **options: Any
) -> Result: ...
@overload
def clear(
    mechanism: str, buys: Sequence[Any] = (), sells: Sequence[Any] = (), *, blocks: Sequence[Block], **options: Any
) -> BlockResult: ...
def clear(
    mechanism: str,
    buys: Sequence[Any] = (),
    sells: Sequence[Any] = (),
    *,
    seed: int = 0,
    import_price: float | None = None,
    export_price: float | None = None,
    tick: float | None = None,
    price_cap: float | None = None,
    price_floor: float | None = None,
    self_trade: str = "net",
    fees: Mapping[str, float] | None = None,
    paths: Mapping[Any, str] | None = None,
    arrival: tuple[Sequence[float], Sequence[float]] | None = None,
    blocks: Sequence[Block] | None = None,
    **options: Any,
) -> Result | BlockResult:
    """Clear one order book: ``clear("uniform_price", buys=[(1.0, 0.30)], sells=[(2.0, 0.10)])``.

    Args:
        mechanism: a name of ``list_mechanisms()``.
        buys: (kwh, price) or (kwh, price, bidder); the price is the most the buyer pays per kWh.
        sells: the same; the price is the least the seller takes.
        seed: of the lottery, for mechanisms that draw; every bidder draws one number.
        import_price, export_price: what the retailer takes and gives per kWh, as prices of the common market. An
            order that reaches them gets from the retailer what neighbours leave; without them there is no retailer.
        tick: limits must be multiples of it, and the mechanism puts its price on one where it can.
        price_cap, price_floor: limits beyond them are refused; quotes stay between them.
        self_trade: "net" lets a bidder settle its own crossing buys and sells before the market, best bid against
            lowest ask; "allow" leaves them in the book.
        fees, paths: network fees per kWh by level, and each bidder's way from the root; see ``fees.py``.
        arrival: for mechanisms that take orders one after the other, when each came: (times of the buys, times of the
            sells). Equal times, and all of them by default, are drawn.
        blocks: orders over several intervals, or with a minimum acceptance; only for ``uniform_price``. Then ``buys``
            and ``sells`` are a list for each interval. See ``blocks.py``.
        options: of the mechanism.

    Quantities and prices are kept to a millionth. Orders with the same bidder belong together; without a bidder every
    order stands for itself. The order of the rows plays no part. Raises ``ValueError`` that names every faulty row.
    """
    terms, faults = read_terms(import_price, export_price, tick, price_cap, price_floor)
    function = _mechanism(mechanism, options, terms, faults)
    if self_trade not in SELF_TRADE:
        faults.append(f"self_trade is {self_trade!r}, expected one of {', '.join(SELF_TRADE)}")
    if blocks is not None:
        left_out = {"tick": tick, "fees": fees, "paths": paths, "arrival": arrival}
        faults += [f"{name}: not together with blocks" for name, value in left_out.items() if value is not None]
        if mechanism != "uniform_price":
            faults.append(f"blocks: only uniform_price clears them, not {mechanism!r}")
        elif options.get("price_rule", "ce_k") != "ce_k":
            faults.append(f"blocks: price_rule is {options['price_rule']!r}; with blocks there is only ce_k")
        elif not 0 <= options.get("k", 0.5) <= 1:
            faults.append(f"blocks: expected 0 <= k <= 1, got {options['k']!r}")
        faults += block_faults(blocks, terms) or interval_faults(buys, sells, blocks, terms)
        _refuse(faults)
        n_intervals = count_intervals(buys, sells, blocks)
        lists = zip(*(intervals_of(side, n_intervals) for side in (buys, sells)), strict=True)
        books = [order_list(*both) for both in lists]
        left = [net_own(book) if self_trade == "net" else book.energy_ukwh for book in books]
        return clear_blocks(books, left, blocks, terms, k=options.get("k", 0.5))

    sides = {"buys": buys, "sells": sells}
    wrong = [fault for name, entries in sides.items() for fault in order_faults(name, entries, terms)]
    if fees is not None or paths is not None:
        whose = [
            (f"{name}[{i}]", entry[2] if len(entry) == 3 else None)
            for name, entries in sides.items()
            for i, entry in enumerate(entries)
            if not wrong
        ]
        wrong += fee_faults(fees, paths, whose)
    if arrival is not None:
        wrong += _arrival_faults(arrival, len(buys), len(sells), mechanism)
    _refuse(faults + wrong)

    book = order_list(buys, sells)
    owed = no_fees(len(book.bidders)) if fees is None or paths is None else read_fees(fees, paths, book)
    left_ukwh = net_own(book) if self_trade == "net" else book.energy_ukwh
    clearing = function(_orders(book, left_ukwh, owed, terms, draw_lottery(book, seed, arrival)), terms.setting())
    return result_of(book, clearing, terms, owed, netted_ukwh(book, left_ukwh))


def _mechanism(name: str, options: dict[str, Any], terms: Terms, faults: list[str]) -> Mechanism:
    """Load the mechanism; what is wrong with it joins the other faults."""
    try:
        function = load_mechanism(name, **options)
    except ValueError as error:
        faults.append(str(error))
        return lambda orders, setting: None  # type: ignore[return-value]
    if mechanism_stage(name) == "ex_post" and None in (terms.import_ucur_per_kwh, terms.export_ucur_per_kwh):
        faults.append(
            f"mechanism {name!r} prices metered energy between the retailer's two prices; pass import_price= and "
            "export_price="
        )
    return function


def _arrival_faults(arrival: Any, n_buys: int, n_sells: int, mechanism: str) -> list[str]:
    try:
        times = [list(side) for side in arrival]
    except TypeError:
        times = []
    if isinstance(arrival, str) or [len(side) for side in times] != [n_buys, n_sells]:
        return [f"arrival: expected (times of the {n_buys} buys, times of the {n_sells} sells), got {arrival!r}"]
    faults = [
        fault
        for name, side in zip(("buys", "sells"), times, strict=True)
        for i, time in enumerate(side)
        if (fault := number_fault(f"arrival of {name}[{i}]", time))
    ]
    if not faults and not mechanism_draws(mechanism):
        faults.append(f"arrival: {mechanism!r} takes all orders at once; leave it out")
    return faults


def _refuse(faults: list[str]) -> None:
    if len(faults) == 1:
        raise ValueError(f"clear: {faults[0]}")
    if faults:
        raise ValueError(
            "clear: expected orders (kwh, price) or (kwh, price, bidder) with finite numbers and kwh >= 0, and options "
            "as documented\n  " + "\n  ".join(faults)
        )


def _orders(book: OrderList, energy_ukwh: Array, fees: Fees, terms: Terms, lottery: Array) -> Orders:
    """Make a batch of one, with limits as the common market sees them; an empty book gets an order of no energy."""
    limit = book.limit_ucur_per_kwh - np.sign(book.energy_ukwh) * fees.of_order
    outside = [p for p in (terms.import_ucur_per_kwh, terms.export_ucur_per_kwh) if p is not None]
    check_size(book.energy_ukwh, limit, np.array(outside, dtype=np.int64))
    none = int(len(book.bidders) == 0)
    return Orders(
        energy_ukwh=np.pad(energy_ukwh, (0, none))[None],
        limit_ucur_per_kwh=np.pad(limit, (0, none))[None],
        agent=np.pad(book.agent, (0, none)),
        bus=np.zeros(len(limit) + none, dtype=np.int64),
        lottery=np.pad(lottery, (0, none))[None],
    )


def draw_lottery(book: OrderList, seed: int, arrival: tuple[Sequence[float], Sequence[float]] | None) -> Array:
    """[n_orders] a number in [0, 1) a bidder, drawn; or a rank an order where it is said when each came."""
    drawn = np.random.default_rng(seed).random(int(book.agent.max(initial=-1)) + 1)[book.agent]
    if arrival is None:
        return drawn
    times = np.array([*arrival[0], *arrival[1]], dtype=float)[book.place]
    rank = np.argsort(np.lexsort((drawn, times)))
    return rank / max(len(rank), 1)
