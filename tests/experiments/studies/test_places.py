"""Studies of places: their sums add up, they show what makes them, and their pages hold the figures."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.studies.page import STUDIES
from gridbazaar.experiments.studies.place import Lived, live, place
from gridbazaar.experiments.studies.places import PLACES
from tests.experiments.cli.runner import invoke

pytestmark = pytest.mark.slow

NOBODY = {"bids": [0.0], "asks": [1.0]}


@cache
def _day(name: str, **overrides: object) -> Lived:
    return live(place(name, hours=24.0, **overrides), 2)


@pytest.mark.parametrize("name", PLACES)
def test_energy_and_its_uses_add_up(name: str) -> None:
    found = _day(name)
    assert found.own_kwh + found.local_kwh + found.export_kwh == pytest.approx(found.pv_kwh, rel=1e-3)
    assert 0 < found.local_kwh < found.pv_kwh
    assert found.self_consumption == pytest.approx(1 - found.export_kwh / found.pv_kwh, abs=2e-3)
    assert found.import_kwh - found.export_kwh == pytest.approx(found.gate_import_kwh - found.gate_export_kwh, rel=1e-6)
    assert found.price_low <= found.price_mean <= found.price_high


def test_nobody_trades_beyond_limits_or_where_the_band_is_empty() -> None:
    alone, traded = live(place("quartierstrom", hours=24.0, mechanism_options=NOBODY), 2), _day("quartierstrom")
    assert alone.local_kwh == 0
    assert alone.own_kwh == traded.own_kwh, "the market moves money, not energy"
    assert traded.bills_cur < alone.bills_cur
    assert 0.04 <= traded.price_low < traded.price_high <= 0.2075 - 0.045
    net_metered = live(place("brooklyn", hours=24.0, **{"tariff_options.export_cur_per_kwh": 0.22}), 2)
    assert net_metered.local_kwh == 0


def test_keys_of_the_roof() -> None:
    dynamic = _day("apartments")
    static = live(place("apartments", hours=24.0, **{"mechanism_options.method": "static"}), 2)
    assert dynamic.own_kwh == pytest.approx(0.0, abs=1e-4)
    assert static.local_kwh < dynamic.local_kwh
    assert dynamic.price_mean == pytest.approx(0.08 + 0.72 * 0.32, abs=1e-4)


def test_what_a_shared_battery_stores_is_counted_once() -> None:
    bare = _day("apartments")
    battery = {"battery.count": 1, "battery.capacity_kwh": 30.0, "battery.start_frac": 0.0}
    shared = live(place("apartments", hours=24.0, **battery), 2)
    assert shared.pv_kwh == bare.pv_kwh
    assert shared.load_kwh == bare.load_kwh
    assert shared.own_kwh == pytest.approx(0.0, abs=1e-4)
    assert bare.local_kwh < shared.local_kwh < shared.pv_kwh - shared.export_kwh, "what is stored loses on its way"
    assert shared.no_pv_local_kwh == pytest.approx(shared.local_kwh / 30)
    assert shared.no_pv_bill_cur < bare.no_pv_bill_cur


def test_the_command_refuses_what_it_does_not_know(tmp_path: Path) -> None:
    unknown = invoke(main, ["study", "atlantis"])
    assert unknown.exit_code == 2
    assert f"expected one of {', '.join(STUDIES)}, got 'atlantis'" in unknown.output
    assert invoke(main, ["study", "brooklyn", "--write", str(tmp_path)]).exit_code == 2


def test_sums_are_of_a_day() -> None:
    one, two = _day("brooklyn"), live(place("brooklyn", hours=48.0), 2)
    for name in ("load_kwh", "loss_kwh", "no_pv_bill_cur"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=0.4), name
