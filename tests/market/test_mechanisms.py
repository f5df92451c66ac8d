"""The contract that every mechanism in the folder keeps, and the promises that each of them makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gridbazaar.market.mechanisms as mechanisms
from gridbazaar.market.mechanisms import (
    carry_width,
    check_mechanism,
    list_mechanisms,
    load_mechanism,
    mechanism_promises,
    mechanism_stage,
    rule_of,
)
from gridbazaar.market.orders import PROMISE, Orders, Setting, Status
from gridbazaar.market.promised import differs_by_size, gain_of_a_lie, lost_by_keenness, most_worth
from gridbazaar.market.rule import PER_ORDER, arrays_of, books_for, random_books, rows_of
from tests.reference import Book, lp_welfare

KWH = 1_000_000

every_mechanism = pytest.mark.parametrize("name", list_mechanisms())
every_ex_ante = pytest.mark.parametrize("name", [n for n in list_mechanisms() if mechanism_stage(n) == "ex_ante"])


def every_that(promise: str) -> pytest.MarkDecorator:
    """All mechanisms that make a promise."""
    return pytest.mark.parametrize("name", [n for n in list_mechanisms() if promise in mechanism_promises(n)])


def markets(name: str) -> list[tuple[Orders, Setting]]:
    """Random markets with a retailer, and without one where the mechanism can do without."""
    return books_for(rule_of(name))


def test_the_list_is_the_folder() -> None:
    files = Path(str(mechanisms.__file__)).parent.glob("[!_]*.py")
    assert list_mechanisms() == sorted(file.stem for file in files)
    assert "uniform_price" in list_mechanisms()


def test_an_unknown_name_is_refused_with_the_nearest_and_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"expected one of amm.*mcafee.*a path.*got 'uniform'; did you mean uniform"):
        load_mechanism("uniform")
    with pytest.raises(ValueError, match=r"mechanism: expected .*got '__init__'"):
        load_mechanism("__init__")


def test_an_unknown_option_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown option 'kk', 'orders'; expected one of: k, price_rule$"):
        load_mechanism("uniform_price", kk=1, orders=2, k=0.1)


def test_options_reach_the_mechanism() -> None:
    orders = Orders(np.array([[KWH, -KWH]]), np.array([[300_000, 100_000]]), np.arange(2), np.zeros(2, dtype=np.int64))
    clearing = load_mechanism("uniform_price", k=1.0)(orders, Setting())
    assert clearing.price_ucur_per_kwh.tolist() == [[300_000] * 2]


@every_mechanism
def test_stage_and_promises_are_declared(name: str) -> None:
    assert mechanism_stage(name) in ("ex_ante", "ex_post")
    assert mechanism_promises(name) <= set(PROMISE)
    if "balanced" in mechanism_promises(name):
        assert "no_deficit" in mechanism_promises(name)


@every_mechanism
def test_the_check_for_authors_passes(name: str) -> None:
    check_mechanism(name)


@every_mechanism
def test_shapes_and_types_are_as_declared(name: str) -> None:
    for orders, setting in markets(name):
        clearing = load_mechanism(name)(orders, setting)
        n_envs, n_orders = orders.energy_ukwh.shape
        shapes = dict.fromkeys(PER_ORDER, (n_envs, n_orders)) | {"carry": (n_envs, carry_width(name, n_orders))}
        for field, array in arrays_of(clearing).items():
            assert array.dtype == np.int64, field
            assert array.shape == shapes.get(field, (n_envs,)), field
        assert set(clearing.status.tolist()) <= set(Status)
        assert (clearing.carry is None) == (carry_width(name, n_orders) == 0)


@every_mechanism
def test_energy_balances_and_the_surplus_is_declared(name: str) -> None:
    for orders, setting in markets(name):
        clearing = load_mechanism(name)(orders, setting)
        pool = 0 if clearing.pool_ukwh is None else clearing.pool_ukwh
        assert not (clearing.traded_ukwh.sum(axis=1) - pool).any()
        assert clearing.pay_ucur.sum(axis=1).tolist() == clearing.surplus_ucur.tolist()
        assert clearing.traded_ukwh.any() == (name != "none")


@every_mechanism
def test_fills_stay_within_the_orders(name: str) -> None:
    for orders, setting in markets(name):
        clearing = load_mechanism(name)(orders, setting)
        filled, sign = clearing.filled_ukwh, np.sign(orders.energy_ukwh)
        assert (clearing.traded_ukwh * sign >= 0).all()
        assert (clearing.outside_ukwh * sign >= 0).all()
        assert (abs(filled) <= abs(orders.energy_ukwh)).all()
        if mechanism_stage(name) == "ex_post":
            assert (filled == orders.energy_ukwh).all()


@every_mechanism
def test_books_without_a_trade_are_quoted_inside_what_the_retailer_offers(name: str) -> None:
    for orders, setting in markets(name):
        clearing = load_mechanism(name)(orders, setting)
        idle = ~clearing.traded_ukwh.any(axis=1)
        assert idle[:3].all() or clearing.pool_ukwh is not None
        with_retailer = setting.import_ucur_per_kwh is not None
        quotes = clearing.price_ucur_per_kwh[idle]
        if with_retailer:
            assert (quotes >= 80_000 - 60_000).all()
            assert (quotes <= 300_000 + 400_000).all()
        else:
            assert (quotes[1:] > 0).all()  # the first book is empty, and nobody stands beside it


@every_that("limits")
def test_nobody_pays_beyond_the_limit(name: str) -> None:
    for orders, setting in markets(name):
        clearing = load_mechanism(name)(orders, setting)
        # A micro-unit of rounding an order.
        assert (clearing.pay_ucur * KWH <= clearing.traded_ukwh * orders.limit_ucur_per_kwh + KWH).all()


@every_that("no_deficit")
def test_buyers_pay_at_least_what_sellers_get(name: str) -> None:
    for seed in range(5):
        orders, setting = random_books(seed=seed)
        surplus = load_mechanism(name)(orders, setting).surplus_ucur
        assert (surplus >= 0).all()
        if "balanced" in mechanism_promises(name):
            assert not surplus.any()


@every_that("efficient")
def test_no_other_allocation_is_worth_more(name: str) -> None:
    orders, _ = random_books()
    clearing = load_mechanism(name)(orders, Setting())
    for env in range(orders.energy_ukwh.shape[0]):
        book = Book(orders.energy_ukwh[env].tolist(), orders.limit_ucur_per_kwh[env].tolist(), orders.agent.tolist())
        worth = int((clearing.traded_ukwh[env] * orders.limit_ucur_per_kwh[env]).sum())
        assert worth == pytest.approx(lp_welfare(book, None), rel=1e-9)
        assert worth == pytest.approx(most_worth(book.energy, book.limit), rel=1e-9)


@every_that("truthful")
def test_no_other_limit_brings_an_agent_more(name: str) -> None:
    assert gain_of_a_lie(rule_of(name), n_books=120) == ""


@every_that("monotone")
def test_a_keener_limit_never_lowers_the_fill(name: str) -> None:
    assert lost_by_keenness(rule_of(name)) == ""


@every_that("scales")
def test_a_larger_book_trades_more_at_the_same_prices(name: str) -> None:
    assert differs_by_size(rule_of(name)) == ""


@every_mechanism
def test_moving_the_columns_moves_the_result(name: str) -> None:
    for orders, setting in markets(name):
        place = np.random.default_rng(1).permutation(orders.agent.shape[0])
        assert orders.lottery is not None
        moved = Orders(
            orders.energy_ukwh[:, place],
            orders.limit_ucur_per_kwh[:, place],
            orders.agent[place],
            orders.bus[place],
            orders.lottery[:, place],
        )
        one, two = load_mechanism(name)(orders, setting), load_mechanism(name)(moved, setting)
        for field, first in arrays_of(one).items():
            if field == "carry":  # stands by agent
                continue
            first = first[:, place] if field in PER_ORDER else first
            assert first.tolist() == getattr(two, field).tolist(), field


@every_mechanism
def test_a_row_of_the_batch_equals_the_row_alone(name: str) -> None:
    for orders, setting in markets(name):
        batch = load_mechanism(name)(orders, setting)
        for env in range(orders.energy_ukwh.shape[0]):
            here = slice(env, env + 1)
            alone = load_mechanism(name)(rows_of(orders, here), rows_of(setting, here))
            for field, array in arrays_of(batch).items():
                assert array[here].tolist() == getattr(alone, field).tolist(), field


@every_mechanism
def test_the_same_book_clears_the_same_twice_and_is_left_alone(name: str) -> None:
    orders, setting = random_books()
    energy, limit = orders.energy_ukwh.copy(), orders.limit_ucur_per_kwh.copy()
    one, two = load_mechanism(name)(orders, setting), load_mechanism(name)(orders, setting)
    assert all((array == getattr(two, field)).all() for field, array in arrays_of(one).items())
    assert (orders.energy_ukwh == energy).all()
    assert (orders.limit_ucur_per_kwh == limit).all()


@every_mechanism
def test_torch_gives_the_same_integers(name: str) -> None:
    torch = pytest.importorskip("torch")
    for orders, setting in markets(name):
        ours = load_mechanism(name)(orders, setting)
        theirs = load_mechanism(name)(
            Orders(**{k: torch.as_tensor(x) for k, x in arrays_of(orders).items()}),
            Setting(**{k: torch.as_tensor(x) for k, x in arrays_of(setting).items()}),
        )
        for field, array in arrays_of(ours).items():
            other = getattr(theirs, field)
            assert other.dtype == torch.int64
            assert array.tolist() == other.tolist(), field


def test_what_is_no_array_is_no_array_of_a_setting() -> None:
    _, setting = random_books()
    assert {"wires", "carry"}.isdisjoint(arrays_of(replace(setting, wires=object())))  # type: ignore[arg-type]  # any that is no array


LEAKY = """
from dataclasses import replace

from gridbazaar.market.mechanisms.uniform_price import uniform_price

STAGE = "ex_ante"

def leaky(orders, setting):
    cleared = uniform_price(orders, setting)
    traded = cleared.traded_ukwh.copy()
    traded[-1, 0] += 1
    return replace(cleared, traded_ukwh=traded)
"""


def test_a_rule_that_loses_energy_in_one_row_is_told_which(tmp_path: Path) -> None:
    (tmp_path / "leaky.py").write_text(LEAKY, encoding="utf-8")
    with pytest.raises(ValueError, match=r"traded_ukwh does not sum to zero .* is off by 1"):
        check_mechanism(tmp_path / "leaky.py")


FALSE = """
import numpy as np
from dataclasses import replace
from gridbazaar.market.mechanisms.posted_price import posted_price
from gridbazaar.market.mechanisms.uniform_price import uniform_price
STAGE = "ex_ante"

def truthful(orders, setting):
    return uniform_price(orders, setting)

def efficient(orders, setting):
    return posted_price(orders, setting, price_cur_per_kwh=0.2)

def monotone(orders, setting):
    is_high = (orders.energy_ukwh > 0) & (orders.limit_ucur_per_kwh > 250_000)
    return uniform_price(replace(orders, energy_ukwh=np.where(is_high, 0, orders.energy_ukwh)), setting)

def scales(orders, setting):
    return uniform_price(replace(orders, energy_ukwh=np.clip(orders.energy_ukwh, -2_000_000, 2_000_000)), setting)
"""


@pytest.mark.parametrize(
    ("promise", "told"),
    [
        ("truthful", r"one of 7 with an order of [+-]\d kWh that is worth 0\.\d\d a kWh gains \S+ by saying 0\.\d\d$"),
        ("efficient", r"the best trades of row \d+ are worth \S+, its own \S+$"),
        ("monotone", r"order \d+ of row \d+ is filled less at a limit of 0\.\d\d than at 0\.\d\d$"),
        ("scales", "a book 7 times as large does not trade 7 times as much$"),
    ],
)
def test_a_promise_that_is_not_kept_is_told(promise: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text(FALSE)
    check_mechanism(f"{path}:{promise}")  # it promises nothing
    path.write_text(FALSE + f'PROMISES = {{"{promise}"}}\n')
    with pytest.raises(ValueError, match=rf"^mechanism '\S*{promise}' \(\S+own\.py\): promises {promise}, but {told}"):
        check_mechanism(f"{path}:{promise}")
