"""Chargers behind one limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.agents.devices.cars.site import SHARINGS, share_kw
from gridbazaar.agents.kinds import ev
from gridbazaar.data.synthetic.away_sessions import PLACES, make_away_sessions
from tests.agents.driving import draw_of, play


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 12),
    limit=st.floats(0.0, 60.0),
    least=st.sampled_from([0.0, 1.38, 4.14]),
    sharing=st.sampled_from(SHARINGS),
)
def test_all_together_keep_the_limit_and_nobody_gets_more_than_its_wish(
    seed: int, n: int, limit: float, least: float, sharing: str
) -> None:
    rng = np.random.default_rng(seed)
    wish = np.where(rng.random((3, n)) < 0.3, 0.0, rng.uniform(least, 11.0, (3, n)))
    given_kw = share_kw(wish, np.full((3, 1), limit), np.full((3, n), least), rng.uniform(0, 9, (3, n)), sharing)
    assert (given_kw <= wish + 1e-12).all()
    assert (given_kw >= 0).all()
    assert ((given_kw == 0) | (given_kw >= np.minimum(least, wish) - 1e-12)).all()
    fits = wish.sum(1) <= limit
    assert np.array_equal(given_kw[fits], wish[fits])
    assert (given_kw.sum(1)[~fits] <= limit + 1e-9).all()
    if least == 0 and sharing == "proportional":
        np.testing.assert_allclose(given_kw[~fits].sum(1), limit, atol=1e-9)


def test_who_has_less_time_to_spare_gets_more() -> None:
    wish, limit, none = np.array([[10.0, 10.0, 10.0]]), np.array([[12.0]]), np.zeros((1, 3))
    laxity = np.array([[1.0, 2.0, 4.0]])
    np.testing.assert_allclose(share_kw(wish, limit, none, laxity, "laxity")[0], 12 * np.array([4, 2, 1]) / 7)
    np.testing.assert_allclose(share_kw(wish, limit, none, laxity, "proportional")[0], [4.0, 4.0, 4.0])


def test_what_one_cannot_take_goes_to_the_others() -> None:
    wish, limit, none = np.array([[2.0, 10.0, 10.0]]), np.array([[12.0]]), np.zeros((1, 3))
    given_kw = share_kw(wish, limit, none, np.array([[0.25, 4.0, 4.0]]), "laxity")
    np.testing.assert_allclose(given_kw[0], [2.0, 5.0, 5.0])


def test_chargers_that_cannot_all_run_run_in_the_order_of_laxity() -> None:
    wish, limit, least = np.full((1, 3), 7.0), np.array([[9.0]]), np.full((1, 3), 4.14)
    given_kw = share_kw(wish, limit, least, np.array([[3.0, 1.0, 2.0]]), "proportional")
    assert (given_kw[0] > 0).tolist() == [False, True, True]
    assert given_kw.sum() == pytest.approx(9.0)


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("guarantee", [False, True])
def test_a_site_never_draws_more_than_its_limit(sharing: str, guarantee: bool) -> None:
    sessions = make_away_sessions(PLACES["workplace"], 1, np.datetime64("2024-01-01"), 9, 20, 0.25)
    config = ev.Config(count=20, site_kw=25.0, sharing=sharing, guarantee=guarantee, backup=False)
    params = ev.draw(config, draw_of(sessions, 4, 0.25, 96, day=1, start_h=4.0))
    rng = np.random.default_rng(0)
    for act in (lambda view, t: 1.0, lambda view, t: 0.0, lambda view, t: rng.uniform(-1, 1, view.firm_kw.shape)):
        day = play(params, 0.25, 96, act)
        drawn_kw = np.maximum(day.drawn_kwh, 0.0).sum(2) / 0.25
        assert drawn_kw.max() <= 25.0 + 1e-4
        given_kw = np.maximum(-day.drawn_kwh, 0.0).sum(2) / 0.25
        assert given_kw.max() <= 25.0 + 1e-4
    assert np.maximum(play(params, 0.25, 96, lambda view, t: 1.0).drawn_kwh, 0.0).sum(2).max() > 24.9 * 0.25


def test_a_site_that_would_balance_an_island_is_refused() -> None:
    with pytest.raises(ValueError, match="backup = false"):
        ev.Config(site_kw=50.0)
