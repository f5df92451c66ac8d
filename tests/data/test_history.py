"""Days before the first: those of whole weeks later, so that all days of the data have a past."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gridbazaar.data.bank import HISTORY_DAYS
from gridbazaar.data.generator import GeneratorConfig, make_bank
from gridbazaar.data.history import with_history

BANK = make_bank(GeneratorConfig(step_min=60, n_days=52, n_homes=2, n_roofs=2, n_cars=2))


def test_the_past_of_the_first_day_is_that_of_seven_weeks_later() -> None:
    longer, n = with_history(BANK), HISTORY_DAYS * 24
    assert longer.n_days == 52 + HISTORY_DAYS
    assert (longer.load_kw[:, n:] == BANK.load_kw).all()
    assert (longer.spot_cur_per_kwh[n:] == BANK.spot_cur_per_kwh).all()
    assert (longer.weekday()[n:] == BANK.weekday()).all()
    later = slice((49 - HISTORY_DAYS) * 24, 49 * 24)
    assert (longer.load_kw[:, :n] == BANK.load_kw[:, later]).all()
    assert (longer.weekday()[:n] == BANK.weekday()[later]).all()
    assert (longer.load_outlook_kw[:, n] != BANK.load_outlook_kw[:, 0]).any(), "forecasts know nothing of it"
    weeks = HISTORY_DAYS + 14  # from then on only days of the data themselves are looked at
    assert (longer.load_outlook_kw[:, weeks * 24 :] == BANK.load_outlook_kw[:, 14 * 24 :]).all()
    shown = BANK.sessions.present
    assert (longer.sessions.arrive_h[shown] == BANK.sessions.arrive_h[shown] + 24 * HISTORY_DAYS).all()


def test_data_without_weeks_to_spare_are_refused() -> None:
    short = replace(BANK, **{name: getattr(BANK, name)[..., : 13 * 24] for name in ("load_kw", "pv_kw_per_kwp")})
    with pytest.raises(ValueError, match="expected at least 15 days, got 13"):
        with_history(short)


def test_a_clock_that_is_changed_has_no_such_history() -> None:
    zoned = replace(BANK, first_day=np.datetime64("2024-03-01"), timezone="Europe/Berlin")
    with pytest.raises(ValueError, match="the clock of Europe/Berlin, which is changed"):
        with_history(zoned)
