"""Policies: one file each with a class ``Policy``, found by listing this folder; the contract is ``agents/policy.py``.

A policy sees an ``Observation`` and gives actions. It knows no state of the core, and only the optimum gets foresight.
One of your own is such a file by its path (``mine.py``, ``mine.py:Class``), or an object with ``start`` and ``act``;
packages bring some as entry points ``gridbazaar.policies``.
"""

from __future__ import annotations

import inspect
import pkgutil
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from gridbazaar.agents.policy import Policy
from gridbazaar.data.registry import Sort, code_of, find, installed, name_of

SORT = Sort(
    "policy", "gridbazaar.policies", "mine.py, mine.py:Class, the folder of a training run",
    "an object with start and act",
)  # fmt: skip
LEARNED = "learned"
"""Name of what came with the package, trained."""
_CONTRACT = {
    "start": "start(community, rng, episode=None) -> memory",
    "act": "act(observation, memory) -> (action, memory)",
    "needs_forecasts": "needs_forecasts = True or False",
    "needs_foresight": "needs_foresight = True or False",
}


def list_policies() -> list[str]:
    """Give the names of all policies, found by listing the folder; those of installed packages last."""
    shipped = _shipped()
    return [*shipped, *(name for name in installed(SORT.group) if name not in shipped)]


def load_policy(name: Any, *, allow_code: bool = False, **options: Any) -> Policy:
    """Give a policy.

    Args:
        name: a listed name; the path of a file (``mine.py``, ``mine.py:Class``); the folder of a training run, or one
            of its models (``runs/a/best.npz``); a class, or an object with ``start`` and ``act``.
        allow_code: also read what others saved with stable-baselines3, which may run code of theirs.
        options: of the policy.

    Raises:
        ValueError: it is none of these, or lacks something of the contract.
    """
    known = [listed for listed in _shipped() if listed != "trained"]
    if isinstance(name, str | Path) and str(name) not in known:
        from gridbazaar.agents.policies.trained import load_run, model_of

        if model_of(str(name)) is not None:
            return load_run(str(name), allow_code=allow_code, **options)
    found: Any = find(SORT, name, known, lambda listed: import_module(f"{__name__}.{listed}").Policy)
    if isinstance(found, ModuleType):
        found = _class_of(found)
    if inspect.isclass(found):
        made = found
        try:
            found = made(**options)
        except TypeError as error:
            raise ValueError(f"policy {name_of(name)!r} ({code_of(made)}): cannot be made, {error}") from error
    elif options:
        raise ValueError(f"policy: expected no options with an object, got {', '.join(options)}")
    check_contract(found, name)
    policy: Policy = found
    return policy


def is_own(name: Any) -> bool:
    """Say whether a policy is neither shipped nor a training run."""
    if not isinstance(name, str | Path):
        return True
    from gridbazaar.agents.policies.trained import model_of

    return str(name) not in _shipped() and model_of(str(name)) is None


def is_learned(name: str) -> bool:
    """Say whether a policy was learned: a training run, or what came with the package; all others are rules by name."""
    return name in ("trained", LEARNED) or name not in list_policies()


def check_contract(found: Any, given: Any) -> None:
    """Refuse what lacks something of the contract; ``given`` is what the user called it."""
    missing = [words for name, words in _CONTRACT.items() if not hasattr(found, name)]
    if len(missing) == len(_CONTRACT) and not isinstance(given, str | Path):
        raise SORT.unknown(given, list_policies())
    if missing:
        file = code_of(found)
        raise ValueError(f"policy {name_of(given)!r}{'' if file is None else f' ({file})'}: lacks {'; '.join(missing)}")


def load_rule(name: str) -> Policy:
    """Give a policy that another one builds on.

    Raises:
        ValueError: there is none of this name, or it needs the whole episode.
    """
    rule = load_policy(name)
    if rule.needs_foresight:
        raise ValueError(f"rule: expected a rule without foresight, got {name!r}")
    return rule


def _class_of(module: ModuleType) -> Any:
    """The class of a user's file: ``Policy``, or the only one there that starts and acts."""
    held = vars(module)
    if "Policy" in held and held["Policy"].__module__ == module.__name__:
        return held["Policy"]
    mine = [c for c in held.values() if inspect.isclass(c) and c.__module__ == module.__name__]
    able = [c for c in mine if hasattr(c, "start") and hasattr(c, "act")]
    able = able or (mine if len(mine) == 1 else [])
    if len(able) != 1:
        names = ", ".join(c.__name__ for c in able) or "none"
        raise ValueError(
            f"policy ({module.__file__}): lacks one class with start and act, has {names}; name one, mine.py:Class"
        )
    return able[0]


@lru_cache(maxsize=1)
def _shipped() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(__path__))
