"""Network tariffs: equal revenue today and later, who does not automate pays the factor, and words follow numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.experiments.comparison.automation import automated_at
from gridbazaar.experiments.studies import network_tariffs, network_words
from gridbazaar.experiments.studies.network_tariffs import (
    NETWORKS,
    SETTLED,
    STAGES,
    Grew,
    Grown,
    Stage,
    World,
)
from gridbazaar.experiments.studies.network_words import _faults, _stages, _today, _verdict, _who_pays
from gridbazaar.experiments.studies.place import place

pytestmark = pytest.mark.slow
BY_KWH, PEAK = "by the kWh", "month's peak"
HALF = Stage("half by MPC", 0.5, "peak_shaving")


@pytest.fixture(scope="module")
def world() -> World:
    return World("flat", 1)


@pytest.fixture(scope="module")
def half(world: World) -> dict[str, Grown]:
    """The half that is automated follows the rule; two ways to pay, for the sake of time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_tariffs, "NETWORKS", {name: NETWORKS[name] for name in (BY_KWH, PEAK)})
        return world.answered(HALF)


def test_today_all_ways_bring_the_same(world: World) -> None:
    today = world.today()
    for name, one in today.items():
        assert one.recovered == pytest.approx(1.0, abs=1e-7), name
        assert one.network_cur.sum() == pytest.approx(world.allowed_cur, rel=1e-7)
    assert np.ptp(today["standing"].network_cur) == pytest.approx(0.0, abs=1e-9)
    drawn = np.maximum(world._by_hand[0].accounts.net_ukwh[:, 0], 0).sum(axis=0) / 1e6
    assert today[BY_KWH].network_cur == pytest.approx(0.08 * drawn, rel=1e-6)
    peak = np.maximum(world._by_hand[0].accounts.net_ukwh[:, 0].max(axis=0) / 1e6, 2.5)
    assert today[PEAK].network_cur == pytest.approx(world.allowed_cur * peak / peak.sum(), rel=1e-6)


def test_the_page_has_today_as_it_is(world: World) -> None:
    """The whole page takes minutes (``test_pages.py``); this table takes none."""
    page = (Path(__file__).resolve().parents[3] / "docs/studies/network_tariffs.md").read_text(encoding="utf-8")
    _, *rows = _today(Grew(world.today(), {}, world.agents, np.zeros(len(world.agents), np.bool_)))
    for row in rows:
        assert f"| {' | '.join(row)} |\n" in page


def test_prices_rise_until_the_network_operator_is_whole(world: World, half: dict[str, Grown]) -> None:
    for name, one in half.items():
        assert one.is_settled
        assert one.network_cur.sum() == pytest.approx(world.allowed_cur, rel=SETTLED)
        assert (one.factor > 1) == (one.recovered < 1 - SETTLED) or one.factor == 1, name


def test_who_does_not_automate_pays_the_factor_and_nothing_else(world: World, half: dict[str, Grown]) -> None:
    today = world.today()
    street = place("network_tariffs")
    automated = automated_at(0.5, street.customers, street.seed)
    by_hand = np.array([name not in automated for name in world.agents])
    assert by_hand.sum() == len(by_hand) / 2
    for name, one in half.items():
        before = today[name].network_cur[by_hand]
        assert one.network_cur[by_hand] == pytest.approx(one.factor * before, rel=1e-4)
        more = (one.bills_cur - today[name].bills_cur)[by_hand]
        assert more == pytest.approx((one.factor - 1) * before, abs=1e-3)
        assert np.abs((one.bills_cur - today[name].bills_cur)[~by_hand]).max() > 1.0


def test_the_verdict_follows_the_numbers(world: World) -> None:
    today = world.today()
    later = {(name, stage.name): one for name, one in today.items() for stage in STAGES}
    calm = Grew(today, later, world.agents, np.arange(len(world.agents)) % 2 == 0)
    assert not list(_faults(calm, PEAK))
    assert {len(row) for row in _stages(calm)} == {7}
    assert {row[2] for row in _stages(calm)[1:]} == {"100 %"}
    assert {cell for row in _who_pays(calm)[1:] for cell in row[1:]} == {"+0.00"}
    assert _verdict({"flat": calm}).startswith(f"**{', '.join(NETWORKS)}** under every retail price")

    def changed(**fields: Any) -> list[str]:
        one = replace(today[PEAK], **fields)
        return list(_faults(replace(calm, later=later | {(PEAK, STAGES[-1].name): one}), PEAK))

    assert changed(recovered=0.5, factor=2.0) == ["today's prices bring 50 % (all by MPC), prices rise by 100 %"]
    assert "no factor" in changed(recovered=0.5, is_settled=False)[0]
    raised = today[PEAK].root_kw.copy()
    raised[0, 3] = 2 * np.nanmax(raised)
    assert "in other hours than the evening" in changed(root_kw=raised)[0]
    dearer = replace(today[PEAK], bills_cur=1.5 * today[PEAK].bills_cur)
    half = replace(calm, later=later | {(PEAK, network_words._HALF): dearer})
    assert list(_faults(half, PEAK)) == ["who does not automate pays 50.0 % more (half by MPC)"]
