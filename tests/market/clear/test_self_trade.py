"""Nobody trades with itself, unless that is wanted."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.market.clear.clear import clear
from gridbazaar.market.clear.order_list import order_list
from gridbazaar.market.clear.self_trade import net_own

Order = tuple[float, float, str]


def test_crossing_orders_of_a_bidder_are_netted_best_first() -> None:
    buys = [(1, 0.2, "ann"), (2, 0.3, "ann"), (1, 0.4, "bob")]
    sells = [(1, 0.25, "ann"), (1, 0.1, "ann"), (1, 0.1, "cy")]
    book = order_list(buys, sells)
    assert [kwh / 1e6 for kwh in book.listed(net_own(book))] == [1, 0, 1, 0, 0, -1]
    result = clear("uniform_price", buys, sells)
    assert result.netted == 2
    assert (result.buy_fills, result.sell_fills) == ((0, 0, 1), (0, 0, 1))


def test_orders_of_a_bidder_that_do_not_cross_stay() -> None:
    result = clear("uniform_price", [(1, 0.1, "ann"), (1, 0.3, "bob")], [(1, 0.2, "ann")])
    assert (result.netted, result.buy_fills, result.sell_fills) == (0, (0, 1), (1,))


def test_self_trade_can_be_allowed() -> None:
    result = clear("uniform_price", [(1, 0.3, "ann")], [(1, 0.1, "ann")], self_trade="allow")
    assert (result.netted, result.buy_fills, result.sell_fills) == (0, (1,), (1,))


def test_bidders_without_a_name_are_all_different() -> None:
    assert clear("uniform_price", [(1, 0.3)], [(1, 0.1)]).quantity == 1


orders = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6), st.sampled_from("ab")), max_size=6)


@settings(max_examples=150, deadline=None)
@given(orders, orders)
def test_what_is_left_of_a_bidder_does_not_cross(buys: list[Order], sells: list[Order]) -> None:
    book = order_list(buys, sells)
    left = [kwh / 1e6 for kwh in book.listed(net_own(book))]
    bought, sold = left[: len(buys)], [-kwh for kwh in left[len(buys) :]]
    for name in "ab":
        bids = [order[1] for order, kwh in zip(buys, bought, strict=True) if order[2] == name and kwh > 0]
        asks = [order[1] for order, kwh in zip(sells, sold, strict=True) if order[2] == name and kwh > 0]
        assert not bids or not asks or max(bids) < min(asks)
        gone = [
            sum(order[0] - kwh for order, kwh in zip(side, rest, strict=True) if order[2] == name)
            for side, rest in ((buys, bought), (sells, sold))
        ]
        assert gone[0] == gone[1] >= 0
    assert all(0 <= kwh <= order[0] for order, kwh in zip([*buys, *sells], bought + sold, strict=True))
