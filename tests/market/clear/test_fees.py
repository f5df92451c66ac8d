"""Network fees: each level on the way of a kWh is counted once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gridbazaar.market.clear.clear import clear

FEES = {"Grid": 0.02, "Neigh1": 0.01, "Neigh2": 0.01}
PATHS = {"load": "Grid/Neigh1/House1", "pv": "Grid/Neigh2/House2"}


@pytest.mark.parametrize(
    ("mechanism", "options"), [("uniform_price", {"price_rule": "lao"}), ("pay_as_bid", {"k": 0.0})]
)
def test_sellers_post_their_price_and_the_buyer_pays_the_way(mechanism: str, options: dict[str, Any]) -> None:
    """T22, one-sided: the offer of .10 becomes .13 in the common market, and the load pays .14."""
    result = clear(mechanism, [(1, 0.30, "load")], [(1, 0.10, "pv")], fees=FEES, paths=PATHS, **options)
    assert (result.price, result.buy_prices, result.sell_prices) == (0.13, (0.14,), (0.10,))
    assert result.fees_by_level == {"Grid": 0.02, "Neigh1": 0.01, "Neigh2": 0.01}
    assert result.fees == pytest.approx(0.04, abs=1e-12)


@pytest.mark.parametrize(
    ("mechanism", "options"), [("uniform_price", {"price_rule": "lab"}), ("pay_as_bid", {"k": 1.0})]
)
def test_pay_as_bid_takes_the_fees_from_what_the_buyer_offers(mechanism: str, options: dict[str, Any]) -> None:
    """T22, two-sided: matched in the common market at .29 against .13, and .26 are left for the seller."""
    result = clear(mechanism, [(1, 0.30, "load")], [(1, 0.10, "pv")], fees=FEES, paths=PATHS, **options)
    assert (result.price, result.buy_prices, result.sell_prices) == (0.29, (0.30,), (0.26,))
    assert (result.price_low, result.price_high) == (0.13, 0.29)
    assert result.fees == pytest.approx(0.04, abs=1e-12)


def test_fees_keep_apart_who_cannot_pay_them() -> None:
    result = clear("uniform_price", [(1, 0.13, "load")], [(1, 0.10, "pv")], fees=FEES, paths=PATHS)
    assert (result.status, result.quantity, result.fees) == ("no_cross", 0, 0)
    assert result.price == 0.125  # between .12 and .13 in the common market
    assert result.buy_prices == (0.135,)  # as the buyer would pay it
    assert result.sell_prices == (0.095,)


def test_the_common_market_is_the_deepest_shared_level() -> None:
    paths = {"ann": "Grid/Neigh1/House1", "bob": "Grid/Neigh1/House2"}
    result = clear("uniform_price", [(1, 0.3, "ann")], [(1, 0.1, "bob")], fees={"Grid": 5, "Neigh1": 0.02}, paths=paths)
    assert (result.price_low, result.price_high) == (0.12, 0.3)
    assert result.fees_by_level == {"Grid": 0, "Neigh1": 0.02}


def test_a_partial_fill_owes_its_fees_once_however_many_it_trades_with() -> None:
    buys = [(4, 0.5, "load")]
    sells = [(1, 0.10, "pv"), (1, 0.11, "pv"), (0.5, 0.12, "pv")]
    result = clear("uniform_price", buys, sells, fees=FEES, paths=PATHS)
    assert result.buy_fills == (2.5,)
    assert result.fees == pytest.approx(2.5 * 0.04)
    assert result.buy_prices == (0.5,)
    assert result.sell_prices[0] == pytest.approx(0.5 - 0.04)


def test_the_fee_of_one_is_not_the_price_of_all() -> None:
    paths = {"near": "Grid", "far": "Grid/Valley/Hut", "load": "Grid"}
    fees = {"Valley": 0.05, "Grid": 0.0}
    result = clear("uniform_price", [(2, 0.4, "load")], [(1, 0.1, "near"), (1, 0.1, "far")], fees=fees, paths=paths)
    assert result.sell_prices[0] == result.price
    assert result.sell_prices[1] == pytest.approx((result.price or 0) - 0.05)
    assert result.buy_prices == (result.price,)


def test_a_trade_with_oneself_uses_no_network() -> None:
    buys, sells = [(1, 0.12, "pv")], [(1, 0.10, "pv")]
    result = clear("uniform_price", buys, sells, fees=FEES, paths=PATHS)
    assert (result.netted, result.fees) == (1, 0)


def test_what_buyers_pay_is_what_sellers_get_and_the_fees() -> None:
    rng = np.random.default_rng(2)
    paths = {name: f"Grid/N{i % 3}/H{i}" for i, name in enumerate("abcdef")}
    fees = {"Grid": 0.01, "N0": 0.02, "N1": 0.005, "H4": 0.03}
    for _ in range(40):
        buys, sells = (
            [(int(rng.integers(0, 5)), int(rng.integers(1, 9)) / 20, str(rng.choice(list("abcdef")))) for _ in range(6)]
            for _ in range(2)
        )
        result = clear("uniform_price", buys, sells, fees=fees, paths=paths)
        paid, got = (
            sum(fill * (price or 0) for fill, price in zip(fills, prices, strict=True))
            for fills, prices in ((result.buy_fills, result.buy_prices), (result.sell_fills, result.sell_prices))
        )
        assert paid - got == pytest.approx(result.fees, abs=1e-9)
        assert result.fees == sum(result.fees_by_level.values())
        for order, fill, price in zip(buys, result.buy_fills, result.buy_prices, strict=True):
            assert not fill or (price or 0) <= order[1] + 1e-9
        for order, fill, price in zip(sells, result.sell_fills, result.sell_prices, strict=True):
            assert not fill or (price or 0) >= order[1] - 1e-9


@pytest.mark.parametrize(
    ("fees", "paths", "message"),
    [
        (FEES, None, "expected both"),
        (None, PATHS, "expected both"),
        (0.1, PATHS, "expected both"),
        (FEES, {}, "expected both"),
        ({"Grid": -0.1}, PATHS, r"fees\['Grid'\] is -0.1, expected >= 0"),
        ({"Grid": float("nan")}, PATHS, r"fees\['Grid'\] is nan"),
        ({"Gird": 0.1}, PATHS, r"fees\['Gird'\]: no path has this level; they have Grid, House1"),
        (FEES, PATHS | {"pv": "Grid//House2"}, r"paths\['pv'\] is 'Grid//House2', expected level names"),
        (FEES, PATHS | {"pv": 3}, r"paths\['pv'\] is 3"),
        (FEES, PATHS | {"pv": "Grid/Neigh2/Grid"}, "passes a level twice"),
        (FEES, PATHS | {"pv": "Neigh2/House2"}, "share no level"),
        (FEES, {"load": "Grid/Neigh1/Neigh2"}, r"sells\[0\]: bidder 'pv' has no path"),
    ],
)
def test_faulty_fees_and_paths_are_refused(fees: Any, paths: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clear("uniform_price", [(1, 0.30, "load")], [(1, 0.10, "pv")], fees=fees, paths=paths)


def test_orders_without_a_bidder_are_named() -> None:
    with pytest.raises(ValueError, match=r"(?s)buys\[0\]: bidder None has no path.*sells\[1\]"):
        clear("uniform_price", [(1, 0.3)], [(1, 0.1, "pv"), (1, 0.1)], fees=FEES, paths=PATHS)
