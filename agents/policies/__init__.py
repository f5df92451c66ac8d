"""Policies: one file each with a class ``Policy``, found by listing this folder; the contract is ``agents/policy.py``.

A policy sees an ``Observation`` and gives actions. It knows no state of the core, and only the optimum gets foresight.
"""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any

from gridbazaar.agents.policy import Policy


def list_policies() -> list[str]:
    """Give the names of all policies, found by listing the folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def load_policy(name: str, *, allow_code: bool = False, **options: Any) -> Policy:
    """Give a policy by name, or a trained one by the folder of its run, or by one of its models (``runs/a/best.npz``).

    Args:
        name: of the policy, or the path of the run.
        allow_code: also read what others saved with stable-baselines3, which may run code of theirs.
        options: of a policy by name.

    Raises:
        ValueError: the name is neither a policy nor a folder that holds a run.
    """
    if name in list_policies() and name != "trained":
        policy: Policy = import_module(f"{__name__}.{name}").Policy(**options)
        return policy
    from gridbazaar.agents.policies.trained import load_run, model_of

    if model_of(name) is not None:
        return load_run(name, allow_code=allow_code, **options)
    listed = ", ".join(n for n in list_policies() if n != "trained")
    raise ValueError(f"policy: expected one of {listed}, or the folder of a training run, got {name!r}")


def load_rule(name: str) -> Policy:
    """Give a policy that another one builds on.

    Raises:
        ValueError: there is none of this name, or it needs the whole episode.
    """
    rule = load_policy(name)
    if rule.needs_foresight:
        raise ValueError(f"rule: expected a rule without foresight, got {name!r}")
    return rule
