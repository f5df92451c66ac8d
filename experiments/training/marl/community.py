"""A batch of communities as a task of BenchMARL."""

# pyright: reportMissingImports=false
# BenchMARL is not installed where types are checked.

from __future__ import annotations

from typing import Any

from benchmarl.environments.common import TaskClass
from torchrl.data import Composite

from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.views.torchrl_env import MarketTorchRLEnv


class Community(TaskClass):  # type: ignore[misc]  # which has no types
    """Args: ``scenario``; ``first``: number of its first episode."""

    def __init__(self, scenario: Scenario, first: int) -> None:
        super().__init__("community", {})
        self._scenario, self._first = scenario, first

    def __getstate__(self) -> dict[str, Any]:
        """BenchMARL writes down, pickled, what it plays; a run of ours has it in its ``config.json``."""
        return {}

    def get_env_fun(self, num_envs: int, continuous_actions: bool, seed: int | None, device: Any) -> Any:
        return lambda: MarketTorchRLEnv(self._scenario, num_envs, seed=self._first, is_terminal=True, device=device)

    def supports_continuous_actions(self) -> bool:
        return True

    def supports_discrete_actions(self) -> bool:
        return False

    def max_steps(self, env: Any) -> int:
        return self._scenario.n_steps

    def has_render(self, env: Any) -> bool:
        return False

    def group_map(self, env: Any) -> Any:
        return env.group_map

    def observation_spec(self, env: Any) -> Any:
        found = env.full_observation_spec_unbatched.clone()
        del found["state"]
        return found

    def state_spec(self, env: Any) -> Any:
        return Composite({"state": env.full_observation_spec_unbatched["state"].clone()})

    def info_spec(self, env: Any) -> None:
        return None

    def action_mask_spec(self, env: Any) -> None:
        return None

    def action_spec(self, env: Any) -> Any:
        return env.full_action_spec_unbatched

    @staticmethod
    def env_name() -> str:
        return "gridbazaar"
