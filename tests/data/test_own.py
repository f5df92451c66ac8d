"""Files of a user's own: pinned by what they hold, found again by other processes, and left as they are."""

from __future__ import annotations

import pickle
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from gridbazaar.agents.policies import list_policies, load_policy
from gridbazaar.data.own import load_code, pinned, reference_of
from gridbazaar.data.registry import installed, name_of

POLICY = """
import numpy as np

class Mine:
    needs_forecasts = False
    needs_foresight = False

    def start(self, community, rng, episode=None):
        return None

    def act(self, observation, memory):
        return np.zeros((*observation.mask.shape, 2)), memory
"""
ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


@pytest.mark.parametrize(
    ("text", "path", "name"),
    [("mine.py", "mine.py", None), ("a/b.py:C", "a/b.py", "C"), ("x.toml", "x.toml", None)],
)  # fmt: skip
def test_a_reference_is_a_file_and_what_is_meant_in_it(text: str, path: str, name: str | None) -> None:
    found = reference_of(text)
    assert found is not None
    assert (found.path, found.name, found.sha256) == (path, name, None)
    assert str(found) == text


@pytest.mark.parametrize("text", ["idle", "runs/a", "mine.pyc", "mine.py:", "mine.py:a.b", 5, None])
def test_other_names_are_no_references(text: object) -> None:
    assert reference_of(text) is None


def test_another_process_finds_the_class_of_a_pickle_and_nothing_is_written(tmp_path: Path) -> None:
    file = write(tmp_path, "mine.py", POLICY)
    policy = load_policy(f"{file}:Mine")
    write(tmp_path, "policy.pickle", "").write_bytes(pickle.dumps(policy))
    code = "import pickle, sys; print(type(pickle.load(open(sys.argv[1], 'rb'))).__name__)"
    command = [sys.executable, "-c", code, str(tmp_path / "policy.pickle")]
    answer = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, timeout=60
    )
    assert answer.stdout.strip() == "Mine", answer.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.py", "policy.pickle"]
    write(tmp_path, "mine.py", POLICY + "# changed\n")
    changed = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, timeout=60
    )
    assert "has changed since it was loaded" in changed.stderr


def test_a_file_that_changed_is_loaded_anew_and_a_pin_of_before_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "mine.py", "X = 1\n")
    pin = pinned(file)
    assert load_code(pin).X == 1
    write(tmp_path, "mine.py", "X = 2\n")
    assert load_code(pinned(file)).X == 2
    assert load_code(pin).X == 1, "what runs goes on with what it began with"
    load_code.cache_clear()
    with pytest.raises(ValueError, match=r"mine\.py: has changed, expected SHA-256"):
        load_code(pin)


def test_names_of_files_are_short() -> None:
    assert name_of("/a/b/rule.py#sha256=" + "0" * 64) == "rule"
    assert name_of("/a/b/rule.py:other") == "other"
    assert name_of("tou") == "tou"


def test_an_installed_package_is_listed_without_being_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "brings.py", POLICY)
    write(tmp_path, "broken.py", "raise RuntimeError('imported to be listed')")
    info = tmp_path / "brings-1.0.dist-info"
    info.mkdir()
    write(info, "METADATA", "Metadata-Version: 2.1\nName: brings\nVersion: 1.0\n")
    write(info, "entry_points.txt", "[gridbazaar.policies]\nbrought = brings:Mine\nbroken = broken:Policy\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    installed.cache_clear()
    try:
        assert {"brought", "broken"} <= set(list_policies())
        assert "brings" not in sys.modules
        assert type(load_policy("brought")).__name__ == "Mine"
        with pytest.raises(ValueError, match="policy 'broken': broken:Policy cannot be loaded, imported to be listed"):
            load_policy("broken")
        with pytest.raises(ValueError, match=r"one of .*brought.*; got 'brougth'; did you mean brought"):
            load_policy("brougth")
    finally:
        monkeypatch.undo()
        installed.cache_clear()
    assert not [e for e in entry_points(group="gridbazaar.policies") if e.name == "brought"]
