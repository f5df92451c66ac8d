"""How environments of PettingZoo are made, registered, drawn and closed."""

from __future__ import annotations

import warnings

import numpy as np
import pettingzoo
import pytest

from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.envs.views.pettingzoo_env import MarketParallelEnv, parallel_env
from gridbazaar.envs.views.registration import register_all
from tests.envs.playing import differences, drawn_actions
from tests.envs.views.streets import play, street

pytestmark = pytest.mark.filterwarnings("error")


# Making, drawing, closing


def test_overrides_reach_the_scenario() -> None:
    env = street(**{"ev.count": 2, "tariff": "flat"})
    assert env.possible_agents[4:6] == ["ev_0", "ev_1"]
    assert parallel_env(load_scenario("street", step_min=30)).max_cycles == 48


@pytest.mark.parametrize("scenario", list_scenarios())
def test_every_scenario_is_registered_and_named(scenario: str) -> None:
    name = scenario.title().replace("_", "")
    spec = pettingzoo.spec("parallel", f"gridbazaar/{name}-v1")
    assert spec.kwargs == {"scenario": scenario}
    assert pettingzoo.spec("aec", f"gridbazaar/{name}-v1").kwargs == {"scenario": scenario}


def test_the_registry_makes_environments() -> None:
    env = pettingzoo.make("parallel", "gridbazaar/Street-v1", max_cycles=4)
    assert isinstance(env, MarketParallelEnv)
    assert env.max_cycles == 4
    assert str(env) == env.metadata["name"] == "gridbazaar_street_v1"
    turns = pettingzoo.make("aec", "gridbazaar/Street-v1", max_cycles=4)
    turns.reset(seed=0)
    assert turns.agent_selection == "prosumer_0"


def test_registering_again_is_quiet_and_changes_nothing() -> None:
    before = dict(pettingzoo.parallel_registry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        register_all()
    assert dict(pettingzoo.parallel_registry) == before


def test_the_text_shows_the_interval(capsys: pytest.CaptureFixture[str]) -> None:
    env = street(render_mode="ansi")
    env.reset(seed=0)
    assert "no interval yet" in str(env.render())
    infos = play(env, drawn_actions(3, 6))[-1][4]
    text = str(env.render())
    assert text.splitlines()[0] == "street  12:30  interval 3 of 96"
    price, traded, net = (float(line.split()[1]) for line in text.splitlines()[1:4])
    assert price == pytest.approx(infos["ev_0"]["price_cur_per_kwh"], abs=1e-4)
    assert traded == pytest.approx(sum(max(i["traded_kwh"], 0) for i in infos.values()), abs=0.2)
    assert net == pytest.approx(4 * sum(i["net_kwh"] for i in infos.values()), abs=0.01)
    assert capsys.readouterr().out == ""
    shown = street(render_mode="human")
    shown.reset(seed=0)
    play(shown, drawn_actions(3, 6))
    assert shown.render() is None
    assert capsys.readouterr().out.strip() == text.strip()


def test_the_picture_grows_with_the_episode() -> None:
    env = street(render_mode="rgb_array")
    env.reset()
    pictures = [env.render()]
    for _ in range(2):
        play(env, drawn_actions(20, 6))
        pictures.append(env.render())
    env.reset()
    assert not differences(env.render(), pictures[0])
    assert all(isinstance(p, np.ndarray) and p.shape == (360, 480, 3) and p.dtype == np.uint8 for p in pictures)
    assert differences(pictures[0], pictures[1])
    assert differences(pictures[1], pictures[2])


def test_drawing_without_a_mode_says_so() -> None:
    env = street()
    env.reset()
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.render() is None


def test_closing_twice_is_fine() -> None:
    env = street()
    env.close()
    env.reset()
    env.close()
    env.close()
