"""What a wheel carries: the sub-packages, the data files and the links that pyproject.toml lists by hand."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("data", "market", "agents", "envs", "experiments")
NOT_SHIPPED = {".pyc", ".pyo"}


def read_pyproject(root: Path) -> dict[str, Any]:
    """The [tool] table."""
    with (root / "pyproject.toml").open("rb") as file:
        tool: dict[str, Any] = tomllib.load(file)["tool"]
    return tool


def files_of(root: Path, folder: str) -> list[Path]:
    """Every file below a folder that a wheel might have to carry."""
    return sorted(
        path
        for path in (root / folder).rglob("*")
        if path.is_file()
        and path.suffix not in NOT_SHIPPED
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )


def packages_in(root: Path) -> set[str]:
    """The dotted names of all folders that hold Python files."""
    return {
        ".".join(("gridbazaar", *path.parent.relative_to(root).parts))
        for folder in FOLDERS
        for path in files_of(root, folder)
        if path.suffix == ".py"
    }


def folder_of(root: Path, package: str, package_dir: dict[str, str]) -> Path:
    """Where setuptools takes a package from: the nearest ancestor in package-dir, then the names below it."""
    parts = package.split(".")
    for n in range(len(parts), 0, -1):
        mapped = package_dir.get(".".join(parts[:n]))
        if mapped is not None:
            return root.joinpath(mapped, *parts[n:])
    return root.joinpath(*parts)


def forgotten_data(root: Path) -> list[str]:
    """Data files that no package-data pattern matches."""
    setuptools = read_pyproject(root)["setuptools"]
    shipped = {
        path
        for package, patterns in setuptools["package-data"].items()
        for pattern in patterns
        for path in folder_of(root, package, setuptools["package-dir"]).glob(pattern)
    }
    return [
        str(path.relative_to(root))
        for folder in FOLDERS
        for path in files_of(root, folder)
        if path.suffix != ".py" and path not in shipped
    ]


def test_every_sub_package_is_listed() -> None:
    listed = read_pyproject(ROOT)["setuptools"]["packages"]
    assert len(listed) == len(set(listed)), "a package is listed twice"
    found = packages_in(ROOT) | {"gridbazaar"}
    assert len(found) > len(FOLDERS), f"found only {sorted(found)}: the search looks in the wrong place"
    assert set(listed) == found, (
        f"[tool.setuptools] packages in pyproject.toml lacks {sorted(found - set(listed))} "
        f"and lists without need {sorted(set(listed) - found)}"
    )


def test_every_folder_with_python_files_has_an_init() -> None:
    bare = {
        str(path.parent.relative_to(ROOT))
        for folder in FOLDERS
        for path in files_of(ROOT, folder)
        if path.suffix == ".py" and not (path.parent / "__init__.py").is_file()
    }
    assert not bare, f"folders without __init__.py: {sorted(bare)}"


def test_every_data_file_reaches_the_wheel() -> None:
    forgotten = forgotten_data(ROOT)
    assert not forgotten, f"no pattern in [tool.setuptools.package-data] of pyproject.toml matches {forgotten}"


def test_a_data_file_without_a_pattern_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    kept = ("data/feeders/lane/lines.csv", "data/feeders/lane/SOURCE.md", "market/tariffs/flat.toml")
    lost = ("data/feeders/loose.csv", "envs/scenarios/deep/street.toml", "market/tariffs/flat.json")
    for name in (*kept, *lost, "envs/scenarios/street.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert sorted(forgotten_data(tmp_path)) == sorted(lost)


def test_type_checkers_and_editors_find_the_folders() -> None:
    included = read_pyproject(ROOT)["pyright"]["include"]
    for folder in FOLDERS:
        link = ROOT / "gridbazaar" / folder
        assert link.is_symlink(), f"gridbazaar/{folder} must be a link to ../{folder} (git config core.symlinks true)"
        assert link.readlink() == Path("..", folder)
        assert f"gridbazaar/{folder}" in included, f"pyright skips gridbazaar/{folder} unless its include names it"


def test_the_wheel_says_that_it_is_typed() -> None:
    assert (ROOT / "gridbazaar" / "py.typed").is_file()
    assert "py.typed" in read_pyproject(ROOT)["setuptools"]["package-data"]["gridbazaar"]
