"""Registration of every scenario with PettingZoo and of its agents with Gymnasium."""

from __future__ import annotations

from gridbazaar.envs.scenario import list_scenarios, load_scenario

VERSION = "v0"
"""Rises when dynamics, rewards or observations change."""


def register_all() -> None:
    """Register what is not registered yet; runs when a view is imported.

    ``pettingzoo.make("parallel", "gridbazaar/Village-v0")`` and ``"aec"``;
    ``gymnasium.make("gridbazaar/VillageBattery-v0")`` for the first agent of each kind.
    """
    import gymnasium
    import pettingzoo

    for scenario in list_scenarios():
        name = f"gridbazaar/{_camel(scenario)}"
        for style, registry, make in (
            ("parallel", pettingzoo.parallel_registry, "parallel_env"),
            ("aec", pettingzoo.aec_registry, "env"),
        ):
            if f"{name}-{VERSION}" not in registry:
                entry = f"gridbazaar.envs.pettingzoo_env:{make}"
                pettingzoo.register(style, f"{name}-{VERSION}", entry, kwargs={"scenario": scenario})
        for kind, config in load_scenario(scenario).agents.items():
            identity = f"{name}{_camel(kind)}-{VERSION}"
            if config.count and identity not in gymnasium.registry:
                gymnasium.register(
                    identity,
                    "gridbazaar.envs.gymnasium_env:single_agent_env",
                    vector_entry_point="gridbazaar.envs.gymnasium_env:make_vector_env",
                    kwargs={"scenario": scenario, "agent": f"{kind}_0"},
                )


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))
