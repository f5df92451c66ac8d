"""Block orders against enumeration, and the European rule by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gridbazaar
import gridbazaar.market.clear.block_welfare as block_welfare_module
import gridbazaar.market.clear.blocks as blocks_module
from gridbazaar.market.clear.block_welfare import Accepted
from gridbazaar.market.clear.blocks import Block
from gridbazaar.market.clear.clear import clear
from gridbazaar.market.clear.result import BlockResult
from tests.reference import Unit, block_welfare

ROUNDING = 3e-6


def test_a_block_that_would_gain_may_stay_out() -> None:
    """A textbook case: 11 kWh are asked at 50, blocks of 10 and 20 sell at 10 and 20, and single kWh at 40.

    The large block would have to take less than all. So the small one is accepted, and the price is what suits the
    single orders: 50, where the large block would gain.
    """
    result = clear("uniform_price", [(11, 50)], blocks=[Block([-10], 10), Block([-20], 20)])
    assert result.shares == (1, 0)
    assert result.intervals[0].buy_fills == (10,)
    assert result.intervals[0].price == 50
    assert result.intervals[0].status == "marginal_buyer"
    assert result.paradoxically_rejected == (1,)
    assert result.welfare == 10 * 50 - 10 * 10
    assert result.block_pays == (-500, 0)


def test_a_block_is_never_accepted_at_a_loss() -> None:
    """Accepting the block would be worth 12 * 40 - 12 * 30 - ... more, but the price would fall below its limit."""
    buys, sells = [(10, 100), (4, 15)], [(14, 10)]
    assert clear("uniform_price", buys, sells, blocks=[Block([-12], 12)]).shares == (0,)
    result = clear("uniform_price", [(10, 100), (4, 15)], blocks=[Block([-12], 12)])
    assert (result.shares, result.intervals[0].price) == ((1,), 15)
    assert clear("uniform_price", [(10, 100), (4, 11)], blocks=[Block([-12], 12)]).shares == (0,)


def test_a_block_may_lose_in_one_interval_what_it_gains_in_another() -> None:
    buys, sells = [[(3, 20)], [(3, 50)]], [[(2, 10)], [(2, 45)]]
    result = clear("uniform_price", buys, sells, blocks=[Block([-1, -1], 30, bidder="plant")])
    assert result.shares == (1,)
    prices = [price or 0 for price in result.prices]
    assert sum(prices) >= 60
    assert prices[0] < 30
    assert [one.quantity for one in result.intervals] == [3, 3]
    assert result.block_pays[0] == pytest.approx(-sum(prices))


def test_a_block_accepted_in_part_sets_the_price() -> None:
    result = clear("uniform_price", [(6, 50)], blocks=[Block([-10], 20, min_acceptance=0.5)])
    assert result.shares[0] == pytest.approx(0.6)
    assert (result.prices, result.intervals[0].buy_fills) == ((20,), (6,))
    result = clear("uniform_price", [(6, 50)], blocks=[Block([-10], 20, min_acceptance=0.7)])
    assert (result.shares, result.paradoxically_rejected) == ((0,), (0,))


def test_storage_buys_and_sells_in_one_block() -> None:
    buys, sells = [[(1, 12)], [(5, 40)]], [[(5, 10)], [(1, 35)]]
    result = clear("uniform_price", buys, sells, blocks=[Block([2, -2], 0, bidder="battery")])
    assert result.shares == (1,)
    assert result.prices == (10, 40)
    assert result.block_pays == (2 * 10 - 2 * 40,)


def test_the_retailer_takes_part() -> None:
    result = clear("uniform_price", [(4, 50)], blocks=[Block([-3], 20)], import_price=30, export_price=10)
    assert (result.shares, result.prices) == ((1,), (30,))
    assert (result.intervals[0].buy_fills, result.intervals[0].buy_outside) == ((4,), (1,))
    assert result.welfare == 4 * 50 - 3 * 20 - 30
    assert clear("uniform_price", blocks=[Block([-3], 20)], import_price=30, export_price=10).shares == (0,)


def test_without_blocks_every_interval_is_the_plain_book() -> None:
    buys, sells = [[(1, 4), (2, 3)], [(1, 2)], []], [[(2, 1)], [(1, 3)], [(1, 1)]]
    result = clear("uniform_price", buys, sells, blocks=[])
    for t, one in enumerate(result.intervals):
        plain = clear("uniform_price", buys[t], sells[t])
        assert (one.buy_fills, one.sell_fills, one.status) == (plain.buy_fills, plain.sell_fills, plain.status)
        if plain.quantity:
            assert (one.price, one.price_low, one.price_high) == (plain.price, plain.price_low, plain.price_high)


def test_blocks_in_another_order_give_the_same() -> None:
    buys = [[(5, 30), (5, 20)], [(8, 25)]]
    blocks = [Block([-4, -4], 10), Block([-5, -6], 12), Block([-3, -2], 5, 0.5), Block([2, 0], 22)]
    one, two = clear("uniform_price", buys, blocks=blocks), clear("uniform_price", buys, blocks=blocks[::-1])
    assert one.intervals == two.intervals
    assert (one.shares, one.block_pays) == (two.shares[::-1], two.block_pays[::-1])


def test_of_blocks_that_are_alike_the_same_one_is_accepted_wherever_it_stands() -> None:
    blocks = [Block([-10], 10, bidder=name) for name in ("bob", "ann", "cy")]
    accepted = []
    for turn in range(3):
        turned = blocks[turn:] + blocks[:turn]
        result = clear("uniform_price", [(10, 50)], blocks=turned)
        accepted += [block.bidder for block, share in zip(turned, result.shares, strict=True) if share]
    assert len(accepted) == 3
    assert len(set(accepted)) == 1


@pytest.mark.parametrize("wrong", [(True, True), (False, True)])
def test_an_answer_that_no_prices_suit_is_ruled_out(wrong: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """HiGHS has tolerances; should it accept a block that would lose, or more than there is, it must answer again."""
    decide, answers = block_welfare_module._decide, [np.array(wrong)]

    def first_wrong(program: Any, ruled_out: list[Any]) -> Any:
        return answers.pop() if answers else decide(program, ruled_out)

    buys, blocks = [(10, 100), (4, 11)], [Block([-9], 9), Block([-12], 12)]
    expected = clear("uniform_price", buys, blocks=blocks)
    monkeypatch.setattr(block_welfare_module, "_decide", first_wrong)
    assert clear("uniform_price", buys, blocks=blocks[::-1]).shares == expected.shares[::-1] == (0, 1)
    assert not answers


def test_rounding_fills_nobody_at_a_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leg that is a micro-kWh too large goes to nobody whose limit is below the price."""
    prices = (np.array([50_000_000]), np.array([5_000_000]), np.array([50_000_000]))
    found = Accepted(np.array([0.5]), np.array([[-1_000_001]]), *prices)
    monkeypatch.setattr(blocks_module, "accept", lambda *given: found)
    result = clear("uniform_price", [(1, 50), (1, 5)], blocks=[Block([-2.000002], 50, 0.5)])
    assert result.intervals[0].buy_fills == (1, 0)
    assert result.block_pays == (-50,)


def test_the_block_is_a_public_name() -> None:
    assert gridbazaar.Block is Block
    result = gridbazaar.clear("uniform_price", [(1, 3)], blocks=[gridbazaar.Block(kwh=[-1], price=2)])
    assert repr(result) == "BlockResult(welfare 1; prices 2.5; accepted shares of the blocks 1)"


def random_case(rng: np.random.Generator, most_blocks: int) -> tuple[Any, Any, list[Block], dict[str, Any]]:
    """Small numbers, so that ties, exact cuts and blocks that fit are common."""
    n_intervals = int(rng.integers(1, 4))
    buys, sells = (
        [[(int(rng.integers(5)), int(rng.integers(9))) for _ in range(rng.integers(4))] for _ in range(n_intervals)]
        for _ in range(2)
    )
    blocks = []
    for _ in range(rng.integers(1, most_blocks + 1)):
        kwh = rng.integers(0, 5, n_intervals) * rng.choice([-1, 1])
        if rng.random() < 0.2:
            kwh = rng.integers(-3, 4, n_intervals)
        blocks.append(Block(kwh.tolist(), int(rng.integers(9)), float(rng.choice([1, 1, 0.5, 0.25]))))
    return buys, sells, blocks, {"import_price": 7, "export_price": 1} if rng.random() < 0.3 else {}


def check_rules(buys: Any, sells: Any, blocks: list[Block], result: BlockResult) -> None:
    """Nobody loses, nobody with an order of one interval is passed over, and shares are allowed ones."""
    for t, one in enumerate(result.intervals):
        assert one.price is not None or not any(one.buy_fills + one.sell_fills)
        price = one.price or 0
        for sign, side, fills in ((1, buys[t], one.buy_fills), (-1, sells[t], one.sell_fills)):
            for (kwh, limit), fill in zip(side, fills, strict=True):
                assert sign * (limit - price) > -1e-9 or fill == 0
                assert sign * (limit - price) < 1e-9 or fill > kwh - ROUNDING
    for i, (block, share, pay) in enumerate(zip(blocks, result.shares, result.block_pays, strict=True)):
        assert share == 0 or block.min_acceptance - 1e-9 <= share <= 1
        gain = share * block.price * sum(block.kwh) - pay
        assert gain > -20 * ROUNDING
        assert share in (0, 1) or gain < 20 * ROUNDING
        asked = sum(kwh * (block.price - (p or 0)) for kwh, p in zip(block.kwh, result.prices, strict=True))
        assert (i in result.paradoxically_rejected) == (share == 0 and asked > 1e-4)


def check_against_enumeration(seed: int, cases: int, most_blocks: int) -> int:
    """Compare welfare with the best over all sets of blocks; gives how many blocks were paradoxically rejected."""
    rng, paradoxes = np.random.default_rng(seed), 0
    for _ in range(cases):
        buys, sells, blocks, retailer = random_case(rng, most_blocks)
        result = clear("uniform_price", buys, sells, blocks=blocks, **retailer)
        times = range(len(buys))
        orders = [
            Unit([sign * kwh * (t == at) for t in times], limit)
            for sign, side in ((1, buys), (-1, sells))
            for at in times
            for kwh, limit in side[at]
            if kwh
        ]
        orders += [Unit(list(block.kwh), block.price, block.min_acceptance) for block in blocks]
        named = [order.limit for order in orders]
        if retailer:
            orders += [
                Unit([sign * 999 * (t == at) for t in times], p) for sign, p in ((-1, 7), (1, 1)) for at in times
            ]
        price_range = (1.0, 7.0) if retailer else (min(named), max(named))
        assert result.welfare == pytest.approx(block_welfare(orders, price_range), abs=20 * ROUNDING)
        check_rules(buys, sells, blocks, result)
        paradoxes += len(result.paradoxically_rejected)
    return paradoxes


def test_no_other_set_of_blocks_is_worth_more() -> None:
    assert check_against_enumeration(seed=0, cases=40, most_blocks=3) > 5


@pytest.mark.slow
def test_no_other_set_of_many_blocks_is_worth_more() -> None:
    assert check_against_enumeration(seed=1, cases=150, most_blocks=6) > 50


@pytest.mark.slow
def test_a_day_with_many_blocks_is_cleared() -> None:
    rng = np.random.default_rng(4)
    day = range(24)
    buys, sells = (
        [[(int(rng.integers(1, 6)), round(float(rng.uniform(5, 40)), 2)) for _ in range(15)] for _ in day]
        for _ in range(2)
    )
    blocks = []
    for _ in range(15):
        start, hours, kwh = int(rng.integers(0, 20)), int(rng.integers(2, 5)), int(rng.choice([-6, 6]))
        legs = [kwh * (start <= t < start + hours) for t in day]
        blocks.append(Block(legs, round(float(rng.uniform(15, 30)), 2)))
    result = clear("uniform_price", buys, sells, blocks=blocks)
    check_rules(buys, sells, blocks, result)
    assert sum(result.shares) > 3


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([Block([-1], 2, 0.0)], r"blocks\[0\]: min_acceptance is 0.0, expected more than 0 and at most 1"),
        ([Block([-1], 2, 1.5)], "min_acceptance is 1.5"),
        ([Block([-1], 2, float("nan"))], "min_acceptance is nan"),
        ([Block([-1], 2), Block([float("inf")], 2)], r"blocks\[1\]: kwh\[0\] is inf"),
        ([Block([-1], "dear")], r"blocks\[0\]: price is 'dear', no number"),  # type: ignore[arg-type]
        ([Block([-1], 99)], "price 99 is above price_cap, 50"),
        ([Block([], 2)], r"blocks\[0\]: kwh is \[\]"),
        ([(-1, 2)], r"blocks\[0\]: is \(-1, 2\), no Block"),
        (Block([-1], 2), "expected a list of Block"),
        ([Block([-1], 2), Block([-1, -1], 2)], r"blocks\[0\] has 1, blocks\[1\] has 2"),
        ([Block([-1, 1], 2)], "buys: expected a list of orders for each of the 2 intervals"),
    ],
)
def test_faulty_blocks_are_refused(blocks: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clear("uniform_price", [(1, 0.3)], blocks=blocks, price_cap=50)


def test_faults_of_blocks_and_options_come_together() -> None:
    bad = [Block([-1], 2, 0.0), Block([float("nan")], 2, -1)]
    with pytest.raises(ValueError, match="clear: expected") as caught:
        clear("mcafee", blocks=bad, tick=0.1, fees={}, seed=1)
    expected = ("tick: not together", "fees: not together", "only uniform_price", "blocks[0]: min", "blocks[1]: kwh[0]")
    assert [text for text in (*expected, "blocks[1]: min") if text not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 2}, "0 <= k <= 1"),
        ({"price_rule": "lao"}, "only ce_k"),
        ({"import_price": 1, "export_price": 2}, "expected export_price below import_price"),
        ({"import_price": 1, "price_floor": 2}, "no price lies above 2 and below 1"),
    ],
)
def test_options_that_do_not_go_with_blocks_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        clear("uniform_price", [(1, 3)], blocks=[Block([-1], 2)], **options)


def test_faulty_orders_beside_blocks_are_named_by_interval() -> None:
    blocks = [Block([-1, -1], 2)]
    with pytest.raises(ValueError, match=r"(?s)buys\[1\]\[0\] = \(-1, 3\): kwh is negative.*sells\[0\]\[1\]"):
        clear("uniform_price", [[(1, 3)], [(-1, 3)]], [[(1, 1), (1,)], []], blocks=blocks)
