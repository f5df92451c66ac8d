"""The contract that every call and tender in the folder keeps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gridbazaar.market.flexibility.tenders as flexibility
from gridbazaar.market.flexibility.offers import Award, Call, Offers
from gridbazaar.market.flexibility.tenders import list_tenders, load_tender
from gridbazaar.market.rule import arrays_of, rows_of
from tests.market.calls import KWH, random_call

PER_OFFER = (
    "accepted_ukwh",
    "forced_ukwh",
    "price_ucur_per_kwh",
    "activation_ucur",
    "availability_ucur",
    "compensation_ucur",
)
PER_CONSTRAINT = ("relief_ukwh", "short_ukwh")

every_tender = pytest.mark.parametrize("name", list_tenders())


def assert_same(one: Award, two: Award) -> None:
    for name, array in arrays_of(one).items():
        assert array.tolist() == getattr(two, name).tolist(), name


def test_the_list_is_the_folder() -> None:
    files = Path(str(flexibility.__file__)).parent.glob("[!_]*.py")
    assert list_tenders() == sorted(file.stem for file in files)
    assert "dutch_curtailment" in list_tenders()


def test_an_unknown_name_is_refused_with_the_nearest_and_the_known_ones() -> None:
    with pytest.raises(
        ValueError,
        match=r"tender: expected one of .*flexibility_tender; got 'dutch_auction'; did you mean dutch_curtailment\?",
    ):
        load_tender("dutch_auction")
    with pytest.raises(ValueError, match=r"tender: expected one of dutch_curtailment.*; got 'x'"):
        load_tender("x")


def test_an_unknown_option_is_refused_with_the_allowed_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown option 'price', 'call'; expected one of: pricing$"):
        load_tender("dutch_curtailment", price=1, call=2)


@every_tender
def test_shapes_and_types_are_as_declared(name: str) -> None:
    call, offers = random_call()
    shapes = dict.fromkeys(PER_OFFER, (80, 7)) | dict.fromkeys(PER_CONSTRAINT, (80, 1))
    for field, array in arrays_of(load_tender(name)(call, offers)).items():
        assert array.dtype == (np.bool_ if field == "is_emergency" else np.int64), field
        assert array.shape == shapes.get(field, (80,)), field


@every_tender
def test_what_is_called_was_offered_and_helps(name: str) -> None:
    call, offers = random_call()
    award = load_tender(name)(call, offers)
    assert offers.connection_ukwh is not None
    assert (award.accepted_ukwh * np.sign(offers.energy_ukwh) >= 0).all()
    assert (abs(award.accepted_ukwh) <= abs(offers.energy_ukwh)).all()
    assert (abs(award.accepted_ukwh + award.forced_ukwh) <= abs(offers.connection_ukwh)).all()
    assert (-(award.accepted_ukwh + award.forced_ukwh) * offers.loading_ppm[:, 0] >= 0).all()
    asked = np.broadcast_to(call.cap_ucur_per_kwh[:, None], offers.price_ucur_per_kwh.shape)
    assert (offers.price_ucur_per_kwh <= asked)[award.accepted_ukwh != 0].all()
    assert award.accepted_ukwh.any()


@every_tender
def test_a_need_is_met_or_its_rest_is_declared(name: str) -> None:
    call, offers = random_call()
    award = load_tender(name)(call, offers)
    relief = (-(award.accepted_ukwh + award.forced_ukwh)[:, None] * offers.loading_ppm).sum(axis=2) // KWH
    assert award.relief_ukwh.tolist() == relief.tolist()
    assert award.short_ukwh.tolist() == np.maximum(call.need_ukwh - relief, 0).tolist()
    assert (award.relief_ukwh <= call.need_ukwh + 7).all(), "at most a micro-kWh an offer too much"
    assert (award.short_ukwh == 0).any()
    assert (award.short_ukwh > 0).any()


@every_tender
def test_the_operator_pays_what_owners_get(name: str) -> None:
    award = load_tender(name)(*random_call())
    payments = award.activation_ucur + award.availability_ucur + award.compensation_ucur
    assert (payments <= 0).all()
    assert award.cost_ucur.tolist() == (-payments.sum(axis=1)).tolist()


@every_tender
def test_nobody_gets_less_than_asked(name: str) -> None:
    call, offers = random_call()
    award = load_tender(name)(call, offers)
    assert (-award.activation_ucur >= abs(award.accepted_ukwh) * offers.price_ucur_per_kwh // KWH).all()


@every_tender
def test_offers_below_the_minimum_size_are_not_taken(name: str) -> None:
    call, offers = random_call()
    assert call.smallest_ukwh is not None
    award = load_tender(name)(call, offers)
    small = abs(offers.energy_ukwh) < call.smallest_ukwh[:, None]
    assert not award.accepted_ukwh[small].any()
    assert load_tender(name)(replace(call, smallest_ukwh=None), offers).accepted_ukwh[small].any()


@every_tender
def test_moving_the_columns_moves_the_result(name: str) -> None:
    call, offers = random_call()
    place = np.random.default_rng(1).permutation(7)
    moved = Offers(**{k: x[place] if k == "agent" else x[..., place] for k, x in arrays_of(offers).items()})
    one, two = load_tender(name)(call, offers), load_tender(name)(call, moved)
    for field, array in arrays_of(one).items():
        first = array[:, place] if field in PER_OFFER else array
        assert first.tolist() == getattr(two, field).tolist(), field


@every_tender
def test_a_row_of_the_batch_equals_the_row_alone(name: str) -> None:
    call, offers = random_call()
    batch = load_tender(name)(call, offers)
    for env in range(80):
        here = slice(env, env + 1)
        assert_same(rows_of(batch, here), load_tender(name)(rows_of(call, here), rows_of(offers, here)))


@every_tender
def test_torch_gives_the_same_integers(name: str) -> None:
    torch = pytest.importorskip("torch")
    call, offers = random_call()
    theirs = load_tender(name)(
        Call(**{k: torch.as_tensor(x) for k, x in arrays_of(call).items()}),
        Offers(**{k: torch.as_tensor(x) for k, x in arrays_of(offers).items()}),
    )
    assert_same(load_tender(name)(call, offers), theirs)


@every_tender
def test_a_call_without_need_or_without_offers_calls_nobody(name: str) -> None:
    call, offers = random_call()
    for award in (
        load_tender(name)(replace(call, need_ukwh=0 * call.need_ukwh), offers),
        load_tender(name)(
            call, replace(offers, energy_ukwh=0 * offers.energy_ukwh, connection_ukwh=0 * offers.energy_ukwh)
        ),
    ):
        assert not award.accepted_ukwh.any()
        assert not award.forced_ukwh.any()
        assert not award.cost_ucur.any()


@every_tender
def test_faulty_calls_are_refused_with_all_their_rows(name: str) -> None:
    call, offers = random_call()
    need, price = call.need_ukwh.copy(), offers.price_ucur_per_kwh.copy()
    need[[3, 7]], price[5, 2] = -1, -1
    with pytest.raises(
        ValueError,
        match=rf"{name}: .*got need_ukwh < 0 in environments 3, 7; price_ucur_per_kwh < 0 in environments 5$",
    ):
        load_tender(name)(replace(call, need_ukwh=need), replace(offers, price_ucur_per_kwh=price))
    with pytest.raises(ValueError, match=r"expected loading_ppm of shape \(80, 1, 7\).*got \(80, 1, 6\)"):
        load_tender(name)(call, replace(offers, loading_ppm=offers.loading_ppm[:, :, 1:]))
