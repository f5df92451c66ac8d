"""Failures and maintenance: frequencies against the analytic probabilities, and what each event does and costs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.devices.failure import (
    HEALTH,
    MAINTAIN,
    WORKS,
    Condition,
    Failure,
    Luck,
    actions_of,
    draw_luck,
    features_of,
    least_upkeep_cur,
    new_condition,
    pass_step,
    seen_of,
    works,
)
from gridbazaar.agents.kind import Draw
from gridbazaar.agents.kinds import battery
from gridbazaar.data.chance import episode_keys

N_ENVS, N_DEVICES = 400, 100


def drawn(config: Failure, n_steps: int, step_h: float, n: int = N_DEVICES) -> tuple[Condition, Luck]:
    keys = episode_keys(0, "train", np.arange(N_ENVS))
    luck = draw_luck(config, Draw(keys, np.zeros(N_ENVS, np.int64), None, step_h, n_steps), "battery", (n,))
    assert luck is not None
    condition = new_condition(luck)
    assert condition is not None
    return condition, luck


def step(condition: Condition, luck: Luck, t: int, config: Failure, step_h: float, asks: Any = False) -> Any:
    shape = condition.health.shape
    return pass_step(
        condition, luck, np.zeros(shape), np.full(shape[:2], asks), np.full(shape, True),
        np.full(shape[0], t, np.int64), config, step_h,
    )  # fmt: skip


def within_four_sigma(count: float, n: int, p: float) -> bool:
    return bool(abs(count - n * p) < 4 * (n * p * (1 - p)) ** 0.5)


@pytest.mark.parametrize("step_h", [1 / 12, 0.25, 0.5, 1.0])
def test_devices_fail_as_often_as_their_hazard_says(step_h: float) -> None:
    config = Failure(mtbf_h=10.0, beta=2.0, health=(0.5, 0.5), repair_cur=3.0)
    condition, luck = drawn(config, 2, step_h)
    after, upkeep = step(condition, luck, 0, config, step_h)
    chance = 1 - np.exp(-np.exp(2.0 * 0.5) / 10.0 * step_h)
    failed = (~works(after)).sum()
    assert within_four_sigma(failed, N_ENVS * N_DEVICES, chance)
    assert upkeep.sum() == pytest.approx(3.0 * failed)


def test_an_hour_holds_as_many_failures_in_any_number_of_steps() -> None:
    config = Failure(mtbf_h=2.0, mttr_h=1e9)
    shares = []
    for n in (1, 4, 12):
        condition, luck = drawn(config, n, 1 / n)
        for t in range(n):
            condition, _ = step(condition, luck, t, config, 1 / n)
        shares.append((~works(condition)).sum())
    for failed in shares:
        assert within_four_sigma(failed, N_ENVS * N_DEVICES, 1 - np.exp(-0.5))


def test_repairs_take_as_long_as_their_mean_says() -> None:
    config = Failure(mtbf_h=1e9, mttr_h=8.0)
    condition, luck = drawn(config, 6, 1.0)
    condition = replace(condition, is_broken=np.ones_like(condition.is_broken))
    for t in range(6):
        condition, _ = step(condition, luck, t, config, 1.0)
        assert within_four_sigma((~works(condition)).sum(), N_ENVS * N_DEVICES, np.exp(-(t + 1) / 8.0))


def test_in_the_long_run_devices_work_their_share_of_the_time() -> None:
    config = Failure(mtbf_h=6.0, mttr_h=2.0)
    condition, luck = drawn(config, 80, 0.5)
    for t in range(80):
        condition, _ = step(condition, luck, t, config, 0.5)
    fails, repairs = 1 - np.exp(-0.5 / 6), 1 - np.exp(-0.5 / 2)
    assert within_four_sigma(works(condition).sum(), N_ENVS * N_DEVICES, repairs / (fails + repairs))


def test_maintenance_takes_the_device_away_and_gives_its_health_back() -> None:
    config = Failure(mtbf_h=1e9, health=(0.4, 0.4), restored=0.5, maintain_h=1.0, maintain_cur=2.0, repair_cur=9.0)
    condition, luck = drawn(config, 8, 0.25)
    condition, upkeep = step(condition, luck, 0, config, 0.25, asks=True)
    assert (upkeep == 2.0).all()
    for t in range(1, 5):
        assert not works(condition).any()
        condition, upkeep = step(condition, luck, t, config, 0.25, asks=True)  # asked again, it is already there
        assert (upkeep == 0).all()
    assert works(condition).all()
    np.testing.assert_allclose(condition.health, 0.7)


def test_repair_costs_its_price_when_the_device_fails_and_restores_it() -> None:
    config = Failure(mtbf_h=1e-9, mttr_h=1e-9, health=(0.2, 0.2), maintain_cur=1.0, repair_cur=5.0)
    condition, luck = drawn(config, 2, 1.0)
    condition, upkeep = step(condition, luck, 0, config, 1.0, asks=True)
    assert (upkeep == 5.0).all()  # the maintenance that was asked for comes too late
    assert condition.is_broken.all()
    condition, upkeep = step(condition, luck, 1, config, 1.0)
    assert (upkeep == 0).all()
    assert works(condition).all()
    assert (condition.health == 1.0).all()


def test_use_and_age_take_from_the_health() -> None:
    config = Failure(mtbf_h=1e9, health_per_cycle=0.1, health_per_day=0.24)
    condition, luck = drawn(config, 1, 1.0)
    shape = condition.health.shape
    yes, t = np.full(shape, True), np.zeros(N_ENVS, np.int64)
    after, _ = pass_step(condition, luck, np.full(shape, 0.5), ~yes, yes, t, config, 1.0)
    np.testing.assert_allclose(after.health, 1 - 0.05 - 0.01)


def test_of_many_devices_the_first_of_the_worst_is_maintained() -> None:
    config = Failure(mtbf_h=1e9, maintain_h=1.0, maintain_cur=2.0, repair_cur=2.0)
    health = np.array([[[0.9, 0.3, 0.3, 0.1]]])
    condition = Condition(health, np.array([[[False, False, False, True]]]), np.zeros((1, 1, 4)))
    luck = Luck(health, np.full((1, 1, 1, 4), 0.999))
    after, upkeep = step(condition, luck, 0, config, 0.25, asks=True)
    assert (after.maintain_h > 0).tolist() == [[[False, True, False, False]]]
    assert upkeep.tolist() == [[[0.0, 2.0, 0.0, 0.0]]]
    share, worst = seen_of(after)
    assert (share[0, 0], worst[0, 0]) == (0.5, 0.3)


def test_the_least_upkeep_is_paid_for_what_fails_by_itself() -> None:
    config = Failure(mtbf_h=50.0, beta=2.0, health=(0.2, 1.0), health_per_day=0.5, maintain_cur=2.0, repair_cur=9.0)
    condition, luck = drawn(config, 24, 1.0)
    least = least_upkeep_cur(luck, np.full(condition.health.shape, True), config, 1.0)
    rng, paid = np.random.default_rng(0), np.zeros(condition.health.shape)
    failed = np.zeros(condition.health.shape, bool)
    idle, spent = condition, np.zeros(condition.health.shape)
    for t in range(24):
        idle, cost = step(idle, luck, t, config, 1.0)
        failed, spent = failed | idle.is_broken, spent + cost
        asks, cycles = rng.random(condition.health.shape) < 0.1, rng.random(condition.health.shape)
        condition, cost = pass_step(
            condition, luck, cycles, asks, np.full(asks.shape, True), np.full(N_ENVS, t), config, 1.0
        )
        paid += cost
    np.testing.assert_array_equal(least, 2.0 * failed)
    assert (least <= paid).all()
    assert (least <= spent).all()
    assert 0.2 < failed.mean() < 0.9


def test_what_is_not_there_neither_fails_nor_costs() -> None:
    config = Failure(mtbf_h=1e-9, maintain_cur=1.0, repair_cur=5.0)
    condition, luck = drawn(config, 1, 1.0)
    none = np.full(condition.health.shape, False)
    t = np.zeros(N_ENVS, np.int64)
    after, upkeep = pass_step(condition, luck, 0 * condition.health, ~none, none, t, config, 1.0)
    assert works(after).all()
    assert (upkeep == 0).all()


def test_one_more_device_shifts_nobodys_luck() -> None:
    config = Failure(mtbf_h=10.0, health=(0.2, 1.0))
    _, few = drawn(config, 5, 1.0, n=3)
    _, many = drawn(config, 5, 1.0, n=4)
    np.testing.assert_array_equal(few.chance, many.chance[:, :, :3])
    np.testing.assert_array_equal(few.health, many.health[:, :3])


def test_without_failures_nothing_is_drawn_seen_or_asked() -> None:
    config = Failure()
    assert (
        draw_luck(config, Draw(episode_keys(0, "train", np.arange(2)), np.zeros(2, np.int64), None, 1.0, 5), "x", (3,))
        is None
    )
    assert (actions_of(config), features_of(config)) == ((), ())
    assert actions_of(Failure(mtbf_h=1.0)) == (MAINTAIN,)
    assert [features.columns for features in features_of(Failure(mtbf_h=1.0))] == [(WORKS, HEALTH)]


@pytest.mark.parametrize(
    ("options", "field", "came"),
    [
        ({"mtbf_h": 0.0}, "failure.mtbf_h", "0.0"),
        ({"mtbf_h": -5.0}, "failure.mtbf_h", "-5.0"),
        ({"mttr_h": 0.0}, "failure.mttr_h", "0.0"),
        ({"maintain_h": 0.0}, "failure.maintain_h", "0.0"),
        ({"beta": -1.0}, "failure.beta", "-1.0"),
        ({"health": (0.5, 1.5)}, "failure.health", "1.5"),
        ({"restored": 2.0}, "failure.restored", "2.0"),
        ({"maintain_cur": 5.0, "repair_cur": 1.0}, "repair_cur", "1.0; got 5.0"),
    ],
)
def test_bad_failure_settings_are_named(options: dict[str, Any], field: str, came: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        battery.Config(failure=Failure(**options))
    assert field in str(error.value)
    assert came in str(error.value)
