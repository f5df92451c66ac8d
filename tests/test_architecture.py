"""The page of the house points at files and functions that are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "architecture.md"
LINKS = re.findall(r"\[([^\]]+)\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8"))


def defined_in(path: Path) -> set[str]:
    """Functions, classes and their methods (``Core.step``) of a file."""
    names = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
            names |= {inner.name for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return names


@pytest.mark.parametrize(("text", "target"), LINKS)
def test_a_link_leads_to_what_it_names(text: str, target: str) -> None:
    path = (PAGE.parent / target).resolve()
    assert path.exists()
    name = text.strip("`")
    if path.suffix == ".py" and text.startswith("`") and name != path.name:
        assert name in defined_in(path), f"{target} has no {name}"


def test_functions_named_beside_a_file_are_in_it() -> None:
    found = re.findall(r"`(\w+)` in \[`[^`]+`\]\(([^)]+\.py)\)", PAGE.read_text(encoding="utf-8"))
    assert len(found) >= 3
    for name, target in found:
        assert name in defined_in((PAGE.parent / target).resolve()), (name, target)


def test_a_function_that_is_gone_would_be_noticed() -> None:
    assert "Core.step" in defined_in(PAGE.parents[1] / "envs" / "core.py")
    assert "Core.stop" not in defined_in(PAGE.parents[1] / "envs" / "core.py")
