"""Sessions at work and in public: calibrated to ElaadNL, checked on ACN-Data and Trondheim."""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from gridbazaar.data.bank import Sessions
from gridbazaar.data.loaders.acn import read_acn
from gridbazaar.data.loaders.elaad import read_elaad
from gridbazaar.data.loaders.trondheim import read_trondheim
from gridbazaar.data.synthetic.away_sessions import PLACES, make_away_sessions

MONDAY = np.datetime64("2024-01-01")
HOUR = np.timedelta64(3600, "s")


@lru_cache
def year(place: str) -> Sessions:
    return make_away_sessions(PLACES[place], 0, MONDAY, 364, 64, 0.25)


def figures(sessions: Sessions) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Hour and weekday of arrival, hours stayed and energy lacking of each session."""
    used = sessions.present
    come = sessions.arrive_h[used]
    return come % 24, (come // 24 % 7).astype(int), sessions.depart_h[used] - come, sessions.need_kwh[used]


def test_cars_come_to_work_in_the_morning_as_measured() -> None:
    hour, weekday, stay_h, energy_kwh = figures(year("workplace"))
    come = np.quantile(hour[weekday < 5], [0.1, 0.25, 0.5, 0.75, 0.9])
    np.testing.assert_allclose(come, [7.25, 8.0, 9.0, 11.25, 14.25], atol=0.6)  # ElaadNL
    at_nine = hour.astype(int) == 9
    assert energy_kwh[at_nine].mean() == pytest.approx(14.9, rel=0.12)
    assert stay_h[at_nine].mean() == pytest.approx(6.2, rel=0.1)  # 6.6 at 9:00, 5.8 at 9:30
    assert (weekday < 5).sum() / (64 * 260) == pytest.approx(1.0, abs=0.05)
    assert (weekday >= 5).sum() / (64 * 104) == pytest.approx(0.12, abs=0.03)


def test_cars_come_in_public_twice_a_day_as_measured() -> None:
    hour, weekday, stay_h, energy_kwh = figures(year("public"))
    assert np.median(hour[weekday < 5]) == pytest.approx(15.75, abs=0.5)
    counts = np.bincount(hour[weekday < 5].astype(int), minlength=24)
    assert counts[:12].argmax() in (8, 9)
    assert counts.argmax() == 18
    evening = hour.astype(int) == 18
    assert energy_kwh[evening].mean() == pytest.approx(16.2, rel=0.15)
    assert stay_h[evening].mean() == pytest.approx(12.5, rel=0.12)


@pytest.mark.parametrize("place", ["workplace", "public"])
def test_a_charger_has_one_car_at_a_time_and_stays_the_same_among_more(place: str) -> None:
    few, many = (make_away_sessions(PLACES[place], 5, MONDAY, 60, n, 0.25) for n in (3, 7))
    for charger in range(3):
        n = few.present[charger].sum()
        assert n == many.present[charger].sum()
        assert np.array_equal(few.arrive_h[charger, :n], many.arrive_h[charger, :n])
        assert (few.arrive_h[charger, 1:n] >= few.depart_h[charger, : n - 1]).all()
    assert few.most_within(24.0, np.linspace(4.0, 24.0 * 59 + 4.0, 60)) >= 2


def test_sessions_that_cannot_be_are_named_every_one() -> None:
    def row(*values: float) -> np.ndarray:
        return np.array([values])

    present = np.ones((1, 3), np.bool_)
    with pytest.raises(ValueError, match="4 cannot be") as caught:
        Sessions(
            present, row(8, 12, 20), row(13, 11, 22), row(500, 5, 0), row(13, 13, 22), row(0, 0, 0), ~present
        )  # fmt: skip
    assert str(caught.value).splitlines()[1:] == [
        "  charger 0, session 1 leaves before it comes",
        "  charger 0, session 1 comes before the one before has left",
        "  charger 0, session 2 needs no energy",
        "  charger 0, session 0 needs more than any battery holds (250 kWh)",
    ]


DATASETS = os.environ.get("GRIDBAZAAR_DATASETS")
needs_data = pytest.mark.skipif(DATASETS is None, reason="GRIDBAZAAR_DATASETS names no folder")


@needs_data
@pytest.mark.parametrize("place", ["workplace", "public"])
def test_arrivals_stays_and_energies_are_those_of_the_tables(place: str) -> None:
    """Half-wide bands: the tables' own means differ by a fifth (12.3 and 15.7 kWh in public)."""
    profile = read_elaad(Path(str(DATASETS)) / "ev_elaad_nl", place)
    hour, weekday, stay_h, energy_kwh = figures(year(place))
    share = np.bincount(hour[weekday < 5].astype(int), minlength=24) / (weekday < 5).sum()
    wanted = np.array(profile.place.weekday) / sum(profile.place.weekday)
    assert np.abs(share - wanted).sum() < 0.06
    for level in (0.25, 0.5, 0.75):
        assert np.quantile(stay_h, level) == pytest.approx(np.quantile(profile.stay_h, level), rel=0.3)
        assert np.quantile(energy_kwh, level) == pytest.approx(np.quantile(profile.energy_kwh, level), rel=0.4)


@needs_data
def test_american_workplaces_that_it_never_saw_are_alike() -> None:
    """Bands span the two sites of 2019: Caltech 8.6 kWh in 5.9 h from 10:14, JPL 14.5 kWh in 7.1 h from 7:21."""
    found = read_acn(Path(str(DATASETS)) / "acn_data").sessions
    sites = []
    for is_caltech in (True, False):
        of = (np.char.startswith(found.station, "CA-") | (found.station == "11900388")) == is_caltech
        of &= found.arrive < np.datetime64("2020-01-01")
        come = (found.arrive[of] - found.arrive[of].astype("datetime64[D]")) / HOUR
        stay = (found.depart[of] - found.arrive[of]) / HOUR
        sites.append((np.median(come), stay.mean(), found.energy_kwh[of].mean()))
    low, high = np.min(sites, axis=0), np.max(sites, axis=0)
    hour, weekday, stay_h, energy_kwh = figures(year("workplace"))
    ours = np.array([np.median(hour[weekday < 5]), stay_h.mean(), energy_kwh.mean() / 0.9])
    margin = np.array([0.5, 0.5, 1.0])
    assert (ours > low - margin).all()
    assert (ours < high + margin).all()


@needs_data
def test_shared_chargers_that_it_never_saw_are_alike() -> None:
    found = read_trondheim(Path(str(DATASETS)) / "ev_trondheim").sessions
    shared = np.char.startswith(found.user, "Share") & (found.energy_kwh > 0.5)
    stay = (found.depart[shared] - found.arrive[shared]) / HOUR
    _, _, stay_h, energy_kwh = figures(year("public"))
    assert np.median(stay_h) == pytest.approx(np.median(stay), rel=0.25)
    assert 0.5 < np.median(energy_kwh) / np.median(found.energy_kwh[shared]) < 1.0  # they charge 15 kWh, ours 9
