"""``gridbazaar rollout``: what it writes, and what it refuses before it plays."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.rollout.write import read_rollout
from tests.experiments.cli.runner import invoke

PLAY = ("rollout", "street", "--policy", "self_consumption", "--episodes", "2", "--set", "hours=1")


def call(*words: object, code: int = 0) -> Any:
    found = invoke(main, words)
    assert found.exit_code == code, found.stderr
    return found


def test_the_command_writes_what_it_says(tmp_path: Path) -> None:
    out = tmp_path / "a.npz"
    said = call(*PLAY, "--split", "validation", "--out", out).stdout
    assert said.startswith(f"{out}: 48 transitions of 6 agents in 2 validation episodes")
    found = read_rollout(out)
    assert found.episodes.tolist() == [0, 1]
    assert (found.origin.policy, found.origin.split) == ("self_consumption", "validation")
    assert found.origin.scenario["hours"] == 1.0
    assert found.origin.command is not None
    assert "exists; give another file, or --force" in call(*PLAY, "--out", out, code=2).stderr
    call(*PLAY, "--out", out, "--force")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--out", "a.csv"), "expected a name that ends in .npz or .parquet, or --format minari"),
        (("--out", "a.npz", "--format", "csv"), "--format: expected one of npz, parquet, minari, got 'csv'"),
        (("--out", "a.npz", "--split", "exam"), "split: expected one of train, validation, test, got 'exam'"),
        (("--out", "street.toml", "--format", "npz"), "are the same file"),
    ],
)
def test_what_cannot_be_written_is_refused(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    play = PLAY if "street.toml" not in words else ("rollout", "street.toml", *PLAY[2:])
    assert message in call(*play, *words, code=2).stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("form", "module", "extra"), [("parquet", "pyarrow", "pyarrow"), ("minari", "minari", "minari")]
)
def test_without_its_library_a_format_says_what_to_install(
    form: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    said = call(*PLAY, "--out", tmp_path / "a", "--format", form, code=2).stderr
    assert f"{module} is not installed; it needs: pip install '{extra}" in said
    assert list(tmp_path.iterdir()) == []
