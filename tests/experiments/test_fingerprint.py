"""Fingerprints: hashes of settings change with what a scenario is, and with nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass, replace

import pytest

from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.experiments.fingerprint import _unusual, fingerprint, settings_sha256


def test_every_scenario_has_a_hash_of_its_own() -> None:
    found = [settings_sha256(load_scenario(name)) for name in list_scenarios()]
    assert len(set(found)) == len(found)
    assert settings_sha256(load_scenario("street")) == settings_sha256(load_scenario("street"))


@pytest.mark.parametrize(
    "setting", [{"tariff": "flat"}, {"ev.count": 2}, {"outage.chance": 0.5}, {"reward.shaping": 0.3}, {"seed": 1}]
)
def test_any_setting_changes_it(setting: dict[str, object]) -> None:
    assert settings_sha256(load_scenario("street", **setting)) != settings_sha256(load_scenario("street"))


def test_a_field_that_is_new_and_as_usual_changes_nothing() -> None:
    @dataclass(frozen=True)
    class Inner:
        a: int = 1

    @dataclass(frozen=True)
    class Old:
        name: str
        inner: Inner = field(default_factory=Inner)

    new = make_dataclass("New", [("name", str), ("inner", Inner, field(default_factory=Inner)), ("more", int, 7)])
    assert _unusual(new("x")) == _unusual(Old("x")) == {"name": "x"}
    assert _unusual(new("x", more=8)) == {"name": "x", "more": 8}
    assert _unusual(replace(Old("x"), inner=Inner(2))) == {"name": "x", "inner": {"a": 2}}


def test_the_fingerprint_names_what_bits_hang_on() -> None:
    found = fingerprint()
    assert set(found) == {"processor", "simd", "python", "numpy", "blas", "scipy"}
    assert all(found[name] for name in ("processor", "numpy", "blas", "scipy"))
