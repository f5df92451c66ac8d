"""Fingerprints: hashes of settings, and of what the last bit of a result hangs on."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.files import to_json, versions


def settings_sha256(scenario: Scenario) -> str:
    """Give the hash of all settings of a scenario that are not as usual, so that a field that is new changes none."""
    canonical = json.dumps(json.loads(to_json(_unusual(scenario))), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _unusual(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _unusual(held) for key, held in value.items()}
    if not is_dataclass(value):
        return value
    found = {}
    for f in fields(value):
        held = getattr(value, f.name)
        usual = f.default_factory() if f.default_factory is not MISSING else f.default
        if usual is MISSING or held != usual:
            found[f.name] = _unusual(held)
    return found


def fingerprint() -> dict[str, str]:
    """Give processor, Python, NumPy, BLAS and solver: where all are the same, so is every bit."""
    built: Any = np.show_config(mode="dicts")
    blas, simd = built["Build Dependencies"]["blas"], built["SIMD Extensions"]
    return {
        "processor": processor(),
        "simd": " ".join(sorted(simd.get("found", []))),
        "python": ".".join(map(str, sys.version_info[:2])),
        "numpy": np.__version__,
        "blas": f"{blas.get('name')} {blas.get('version')}",
        "scipy": versions()["scipy"],
    }


def processor() -> str:
    """Name the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return model or platform.processor() or platform.machine()
