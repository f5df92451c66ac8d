"""Registration of every scenario with PettingZoo and of its agents with Gymnasium."""

from __future__ import annotations

from gridbazaar.envs.scenarios import list_scenarios, load_scenario

VERSION = "v1"
"""Rises when dynamics, rewards or observations change."""


def register_all() -> None:
    """Register what is not registered yet; runs when a view is imported.

    ``pettingzoo.make("parallel", "gridbazaar/Village-v1")`` and ``"aec"``;
    ``gymnasium.make("gridbazaar/VillageBattery-v1")`` for the first agent of each kind.
    """
    import gymnasium
    import pettingzoo

    for scenario in list_scenarios():
        name = f"gridbazaar/{_camel(scenario)}"
        options = {"scenario": scenario}
        if f"{name}-{VERSION}" not in pettingzoo.parallel_registry:
            entry = "gridbazaar.envs.views.pettingzoo_env:parallel_env"
            pettingzoo.register("parallel", f"{name}-{VERSION}", entry, kwargs=dict(options))
        if f"{name}-{VERSION}" not in pettingzoo.aec_registry:
            entry = "gridbazaar.envs.views.pettingzoo_env:env"
            pettingzoo.register("aec", f"{name}-{VERSION}", entry, kwargs=dict(options))
        for kind, config in load_scenario(scenario).agents.items():
            identity = f"{name}{_camel(kind)}-{VERSION}"
            if config.count and identity not in gymnasium.registry:
                gymnasium.register(
                    identity,
                    "gridbazaar.envs.views.gymnasium_env:single_agent_env",
                    vector_entry_point="gridbazaar.envs.views.gymnasium_env:make_vector_env",
                    kwargs={**options, "agent": f"{kind}_0"},
                )


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
