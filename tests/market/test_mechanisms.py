"""The contract that every mechanism in the folder keeps."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

import gridbazaar.market.mechanisms as mechanisms
from gridbazaar.market.mechanisms import list_mechanisms, load_mechanism, mechanism_stage
from gridbazaar.market.orders import Clearing, Orders, Setting, Status

KWH = 1_000_000
PER_ORDER = ("traded_ukwh", "outside_ukwh", "pay_ucur", "price_ucur_per_kwh")

every_mechanism = pytest.mark.parametrize("name", list_mechanisms())
every_ex_ante = pytest.mark.parametrize("name", [n for n in list_mechanisms() if mechanism_stage(n) == "ex_ante"])


def random_market(n_envs: int = 40, n_orders: int = 14, seed: int = 0) -> tuple[Orders, Setting]:
    """Books with ties, empty rows and one-sided rows, in a band with caps."""
    rng = np.random.default_rng(seed)
    energy = rng.integers(-3, 4, (n_envs, n_orders)) * rng.integers(1, KWH, (n_envs, 1))
    energy[0], energy[1], energy[2] = 0, abs(energy[1]), -abs(energy[2])
    orders = Orders(
        energy_ukwh=energy,
        limit_ucur_per_kwh=rng.integers(5, 36, (n_envs, n_orders)) * 10_000,
        agent=rng.permutation(n_orders),
        bus=np.zeros(n_orders, dtype=np.int64),
        lottery=rng.random((n_envs, n_orders)),
    )
    columns = (300_000, 80_000, 5 * KWH, 5 * KWH, 400_000, 60_000)
    return orders, Setting(*(np.full(n_envs, value) for value in columns))


def test_the_list_is_the_folder() -> None:
    files = Path(str(mechanisms.__file__)).parent.glob("[!_]*.py")
    assert list_mechanisms() == sorted(file.stem for file in files)
    assert "uniform_price" in list_mechanisms()


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown mechanism 'dutch'.*uniform_price"):
        load_mechanism("dutch")
    with pytest.raises(ValueError, match="unknown mechanism '__init__'"):
        load_mechanism("__init__")


def test_an_unknown_option_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown option 'kk', 'orders'; expected one of: k$"):
        load_mechanism("uniform_price", kk=1, orders=2, k=0.1)


def test_options_reach_the_mechanism() -> None:
    orders = Orders(np.array([[KWH, -KWH]]), np.array([[300_000, 100_000]]), np.arange(2), np.zeros(2, dtype=np.int64))
    clearing = load_mechanism("uniform_price", k=1.0)(orders, Setting())
    assert clearing.price_ucur_per_kwh.tolist() == [[300_000] * 2]


@every_mechanism
def test_the_stage_is_declared(name: str) -> None:
    assert mechanism_stage(name) in ("ex_ante", "ex_post")


@every_mechanism
def test_shapes_and_types_are_as_declared(name: str) -> None:
    orders, setting = random_market()
    clearing = load_mechanism(name)(orders, setting)
    n_envs, n_orders = orders.energy_ukwh.shape
    for field in fields(Clearing):
        array = getattr(clearing, field.name)
        assert array.dtype == np.int64, field.name
        assert array.shape == ((n_envs, n_orders) if field.name in PER_ORDER else (n_envs,)), field.name
    assert set(clearing.status.tolist()) <= set(Status)


@every_mechanism
def test_energy_balances_and_the_surplus_is_declared(name: str) -> None:
    for setting in (random_market()[1], Setting()):
        orders = random_market()[0]
        clearing = load_mechanism(name)(orders, setting)
        assert not clearing.traded_ukwh.sum(axis=1).any()
        assert clearing.pay_ucur.sum(axis=1).tolist() == clearing.surplus_ucur.tolist()
        assert clearing.traded_ukwh.any()


@every_ex_ante
def test_fills_respect_quantity_and_limit(name: str) -> None:
    orders, setting = random_market()
    clearing = load_mechanism(name)(orders, setting)
    filled, sign = clearing.traded_ukwh + clearing.outside_ukwh, np.sign(orders.energy_ukwh)
    assert (clearing.traded_ukwh * sign >= 0).all()
    assert (clearing.outside_ukwh * sign >= 0).all()
    assert (abs(filled) <= abs(orders.energy_ukwh)).all()
    # A micro-unit of rounding an order.
    assert (clearing.pay_ucur * KWH < clearing.traded_ukwh * orders.limit_ucur_per_kwh + KWH).all()


@every_mechanism
def test_moving_the_columns_moves_the_result(name: str) -> None:
    orders, setting = random_market()
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
    for field in fields(Clearing):
        first = getattr(one, field.name)
        first = first[:, place] if field.name in PER_ORDER else first
        assert first.tolist() == getattr(two, field.name).tolist(), field.name


@every_mechanism
def test_a_row_of_the_batch_equals_the_row_alone(name: str) -> None:
    orders, setting = random_market()
    batch = load_mechanism(name)(orders, setting)
    for env in range(orders.energy_ukwh.shape[0]):
        here = slice(env, env + 1)
        assert orders.lottery is not None
        alone = load_mechanism(name)(
            replace(
                orders,
                energy_ukwh=orders.energy_ukwh[here],
                limit_ucur_per_kwh=orders.limit_ucur_per_kwh[here],
                lottery=orders.lottery[here],
            ),
            Setting(*(getattr(setting, field.name)[here] for field in fields(Setting))),
        )
        for field in fields(Clearing):
            assert getattr(batch, field.name)[here].tolist() == getattr(alone, field.name).tolist(), field.name


@every_mechanism
def test_the_same_book_clears_the_same_twice_and_is_left_alone(name: str) -> None:
    orders, setting = random_market()
    energy, limit = orders.energy_ukwh.copy(), orders.limit_ucur_per_kwh.copy()
    one, two = load_mechanism(name)(orders, setting), load_mechanism(name)(orders, setting)
    assert all((getattr(one, field.name) == getattr(two, field.name)).all() for field in fields(Clearing))
    assert (orders.energy_ukwh == energy).all()
    assert (orders.limit_ucur_per_kwh == limit).all()
