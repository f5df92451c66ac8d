"""Appliances: once in each window, in one piece, never late, with exactly the energy of their cycle."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbazaar.agents.devices.home import appliance
from gridbazaar.agents.devices.home.appliance import Appliance, Loads, cycle_kwh
from gridbazaar.agents.kind import Draw, Now, Series
from gridbazaar.agents.kinds import prosumer
from gridbazaar.data.chance import episode_keys
from tests.agents.driving import calendar_of

STEPS_H = st.sampled_from([5 / 60, 0.25, 0.5, 1.0])

BANK = SimpleNamespace(calendar=calendar_of(20, 1.0))


def now(t: int, n_steps: int, step_h: float) -> Now:
    nothing = np.zeros((1, n_steps))
    series = Series(nothing, nothing, nothing, nothing, nothing, nothing, step_h=step_h, n_steps=n_steps)
    return Now(series, np.array([t]), np.array([t]))


@given(st.floats(0.1, 5), st.floats(0.2, 4), STEPS_H)
def test_a_cycle_has_its_energy_at_any_step(energy: float, hours: float, step_h: float) -> None:
    cycle = cycle_kwh(energy, hours, step_h)
    assert cycle.sum() == pytest.approx(energy, rel=1e-12)
    assert (cycle >= 0).all()
    assert (len(cycle) - 1) * step_h < hours + 1e-9 <= len(cycle) * step_h + 2e-9


@given(st.integers(0, 30), st.integers(0, 20), st.floats(0.3, 3), STEPS_H, st.integers(0, 2**16))
def test_it_runs_once_in_one_piece_and_in_time(ready: int, slack: int, hours: float, step_h: float, luck: int) -> None:
    cycle = cycle_kwh(1.2, hours, step_h)
    n_steps = ready + slack + len(cycle) + 3
    loads = Loads(np.array([[[ready]]]), np.array([[[ready + slack]]]), cycle)
    started, drawn = appliance.begin(loads), []
    asks = np.random.default_rng(luck).random(n_steps) < 0.1
    for t in range(n_steps):
        at = now(t, n_steps, step_h)
        part = appliance.look(started, loads, at)
        starts = np.array([[asks[t]]]) & (part.can_kw > 0)
        drawn.append(float((part.must_kw + part.can_kw * starts)[0, 0]) * step_h)
        started = appliance.run(started, starts, loads, at)
    begin = int(started[0, 0])
    assert ready <= begin <= ready + slack
    expected = np.zeros(n_steps)
    expected[begin : begin + len(cycle)] = cycle
    assert drawn == pytest.approx(expected.tolist(), abs=1e-12)


@given(st.floats(0, 23.9), st.floats(0.3, 3), st.floats(0, 6), st.sampled_from([5, 15, 30, 60]), st.integers(0, 50))
def test_it_is_done_within_its_window_by_the_clock(
    ready_h: float, hours: float, slack_h: float, step_min: int, seed: int
) -> None:
    step_h = step_min / 60
    n_cycle = len(cycle_kwh(1.0, hours, step_h))
    window_h = (n_cycle + 1) * step_h + slack_h
    config = Appliance(share=(1.0, 1.0), hours=hours, ready_h=(ready_h, ready_h), window_h=(window_h, window_h))
    draw = Draw(episode_keys(0, "train", np.array([seed])), np.array([9]), BANK, step_h, round(24 / step_h), 12.0)
    loads, after_start_h = appliance.draw_loads(config, 1, draw), (ready_h - 12) % 24
    first, last = int(loads.ready[0, 0, 0]), int(loads.last[0, 0, 0])
    end_h = (last + n_cycle) * step_h
    assert first <= last
    assert end_h <= min(after_start_h + window_h, 24.0) + 1e-6
    if after_start_h + window_h <= 24.0:
        assert first * step_h >= after_start_h - 1e-6


@given(
    st.tuples(st.floats(0, 24), st.floats(0, 12)),
    st.floats(0.3, 3),
    st.tuples(st.floats(0, 10), st.floats(0, 20)),
    st.sampled_from([15, 30, 60]),
    st.integers(2, 7),
    st.integers(0, 50),
)
@settings(max_examples=25)
def test_in_a_longer_episode_it_runs_once_for_each_day(
    ready: tuple[float, float], hours: float, slack: tuple[float, float], step_min: int, n_days: int, seed: int
) -> None:
    step_h = step_min / 60
    n_cycle, n_steps = len(cycle_kwh(1.0, hours, step_h)), round(24 * n_days / step_h)
    least_h = (n_cycle + 1) * step_h + slack[0]
    config = Appliance(
        share=(1.0, 1.0), hours=hours, ready_h=(ready[0], sum(ready)), window_h=(least_h, least_h + slack[1])
    )
    draw = Draw(episode_keys(0, "train", np.array([seed])), np.array([9]), BANK, step_h, n_steps, 0.0)
    loads = appliance.draw_loads(config, 2, draw)
    first_day = appliance.draw_loads(config, 2, replace(draw, n_steps=round(24 / step_h)))
    is_cut = first_day.last[..., 0] == round(24 / step_h) - n_cycle
    np.testing.assert_array_equal(loads.last[~is_cut, 0], first_day.last[~is_cut, 0])
    started, starts, drawn = appliance.begin(loads), np.zeros((1, 2)), np.zeros((1, 2))
    rng = np.random.default_rng(seed)
    for t in range(n_steps):
        at = now(t, n_steps, step_h)
        part = appliance.look(started, loads, at)
        asked = (rng.random((1, 2)) < 0.05) & (part.can_kw > 0)
        drawn += (part.must_kw + part.can_kw * asked) * step_h
        after = appliance.run(started, asked, loads, at)
        starts += after != started
        started = after
    n_loads = (loads.last < n_steps).sum(2)
    assert (n_loads >= n_days - 1 - math.ceil((least_h + slack[1] + hours) / 24)).all()
    np.testing.assert_array_equal(starts, n_loads)
    np.testing.assert_allclose(drawn, n_loads * config.kwh, rtol=1e-9)


def test_windows_too_short_for_whole_intervals_are_refused() -> None:
    config = Appliance(share=(1.0, 1.0), hours=1.5, ready_h=(14.0, 15.0), window_h=(1.5, 3.0))
    draw = Draw(episode_keys(0, "train", np.array([0])), np.array([9]), BANK, 1.0, 24, 12.0)
    with pytest.raises(ValueError, match=r"expected at least 3 h, so that a cycle of 1.5 h fits into whole intervals"):
        appliance.draw_loads(config, 1, draw)


def test_a_start_before_it_is_loaded_is_nothing() -> None:
    loads = Loads(np.array([[[5]]]), np.array([[[9]]]), cycle_kwh(1.0, 1.0, 0.25))
    part = appliance.look(appliance.begin(loads), loads, now(4, 20, 0.25))
    assert float(part.can_kw[0, 0]) == 0
    started = appliance.run(appliance.begin(loads), np.array([[True]]), loads, now(4, 20, 0.25))
    assert int(started[0, 0]) > 20


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"window_h": (1.0, 3.0)},
            r"prosumer.appliance.window_h: expected at least hours, 2.0 .*; got \(1.0, 3.0\)",
        ),
        ({"hours": 0.0}, r"appliance.hours: expected a number in \(0, "),
        ({"share": (0.5, 1.5)}, r"appliance.share: expected two numbers in \[0, 1\]"),
    ],
)
def test_windows_in_which_no_cycle_fits_are_refused(fields: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        prosumer.Config(appliance=Appliance(**fields))  # type: ignore[arg-type]
