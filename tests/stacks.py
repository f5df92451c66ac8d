"""Libraries that are not installed everywhere: what needs one is skipped with a reason, but not where it is asked for.

``make examples`` installs one stack after the other, each in an environment of its own, and names it in
``GRIDBAZAAR_STACK``; there its tests run, or fail.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import pytest

STACKS = {
    "none": (),
    "train": ("torch", "stable_baselines3"),
    "contrib": ("sb3_contrib",),
    "rllib": ("ray",),
    "marl": ("torchrl", "benchmarl"),
    "sweep": ("stable_baselines3", "optuna"),
    "parquet": ("pyarrow",),
    "minari": ("minari", "h5py"),
    "onnx": ("onnx", "onnxruntime"),
    "site": ("mkdocs", "mkdocstrings"),
}
"""Extra, and the modules that it brings."""


def is_there(module: str) -> bool:
    """Whether a module can be imported; nothing of it is."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # somebody hides it
        return False


def needs(stack: str, *more: str) -> pytest.MarkDecorator:
    """Skip a test where an extra is not installed, unless it is the one that should be; then all others are skipped.

    ``more`` are modules that the checks of the stack install beside the extra.
    """
    asked_for = os.environ.get("GRIDBAZAAR_STACK")
    missing = [module for module in (*STACKS[stack], *more) if not is_there(module)]
    if asked_for is not None:
        return pytest.mark.skipif(asked_for != stack, reason=f"{asked_for} is asked for, this is of {stack}")
    reason = f"needs the extra {stack}; {', '.join(missing)} is not installed, make examples has it"
    return pytest.mark.skipif(bool(missing), reason=reason)
