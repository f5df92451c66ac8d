"""The pinned versions of each stack are ones that pyproject.toml allows, and each stack has its pins."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.stacks import STACKS

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / ".ci" / "stacks"


def pinned(stack: str) -> dict[str, str]:
    lines = (PINS / f"{stack}.txt").read_text(encoding="utf-8").splitlines()
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, _, version in (x.partition("==") for x in lines)}


def test_every_stack_has_its_pins() -> None:
    assert {path.stem for path in PINS.glob("*.txt")} == set(STACKS)
    run = (ROOT / ".ci" / "examples").read_text(encoding="utf-8")
    listed = re.search(r"stacks=\$\{\*:-([\w ]+)\}", run)
    assert listed is not None
    assert set(listed[1].split()) == set(STACKS)


@pytest.mark.parametrize("stack", sorted(STACKS))
def test_pins_are_allowed(stack: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *(project["optional-dependencies"][stack] if stack != "none" else ())]
    found = pinned(stack)
    faults = []
    for requirement in map(Requirement, wanted):
        version = found.get(re.sub(r"[-_.]+", "-", requirement.name).lower())
        if version is None or not requirement.specifier.contains(version):
            faults.append(f"{requirement}: pinned to {version}")
    assert faults == []
