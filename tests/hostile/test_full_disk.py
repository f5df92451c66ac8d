"""Small disks, full at twenty sizes or read-only from a moment on: nothing is half-written, all can be resumed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.hostile.test_signals import COMMANDS, ROOT, Whole, assert_resumed, assert_whole_or_absent
from tests.hostile.test_signals import whole as whole

pytestmark = pytest.mark.slow
N_SIZES, N_MOMENTS = 20, 12
OF_SYSTEM = 5
FULL = "mount -t tmpfs -o size={size}k none disk || exit 99; cd disk; {command}; code=$?"
"""A disk of its own, which ends with the process."""
READ_ONLY = (
    "mount -t tmpfs -o size=64m none disk || exit 99; "
    "(sleep {wait:.3f}; until mount -o remount,ro disk 2>/dev/null; do sleep 0.005; done) & turning=$!; "
    "cd disk; {command}; code=$?; kill $turning 2>/dev/null"
)
"""While a file is open to be written, the system does not turn its disk: it is asked again until it does."""
KEPT = "; cp -a . ../left; exit $code"


def on_a_disk(script: str, folder: Path) -> tuple[int, str, Path]:
    """Run a script where it may mount; give its exit code, what it said, and the folder of what it left."""
    for name in ("disk", "left"):
        (folder / name).mkdir(parents=True)
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script + KEPT],
        cwd=folder, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr, folder / "left"


@pytest.fixture(scope="module", autouse=True)
def _may_mount(tmp_path_factory: pytest.TempPathFactory) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    code, said, _ = on_a_disk(FULL.format(size=64, command="true"), tmp_path_factory.mktemp("mount"))
    if code:
        pytest.skip(f"this system lets nobody mount a disk: {said}")


def line_of(name: str) -> str:
    words = " ".join(COMMANDS[name])
    return f"PYTHONPATH={ROOT} OMP_NUM_THREADS=1 TMPDIR=/tmp {sys.executable} -m gridbazaar.experiments.cli {words}"


def kilobytes(folder: Path) -> int:
    """What a folder takes on a disk of pages of 4 kB."""
    return sum(4 * -(-path.stat().st_size // 4096) for path in folder.rglob("*") if path.is_file())


def assert_sound(name: str, code: int, said: str, left: Path, whole: Whole, told: str) -> None:
    assert code in (0, OF_SYSTEM), told
    assert "Traceback" not in said, told
    if code:
        assert "error:" in said, told
        assert any(word in said for word in ("No space left", "disk is full", "Read-only", "cannot write")), told
    assert_whole_or_absent(name, left, whole)
    if name == "train" and (left / "run" / "config.json").is_file():
        assert_resumed(left, whole)


def test_twenty_full_disks(whole: dict[str, Whole], tmp_path: Path) -> None:
    rng, seen = np.random.default_rng(5), []
    for i in range(N_SIZES):
        name = list(COMMANDS)[i % len(COMMANDS)]
        size = 4 * int(rng.uniform(0.05, 1.0) * kilobytes(whole[name].folder) // 4 + 1)
        code, said, left = on_a_disk(FULL.format(size=size, command=line_of(name)), tmp_path / f"{i}_{name}")
        told = f"{i}: {name} on {size} kB: {code}\n{said}"
        assert_sound(name, code, said, left, whole[name], told)
        if code and name != "train":
            assert not [path.name for path in left.rglob(".*")], told
        seen.append((name, code))
    assert {name for name, code in seen if code} == set(COMMANDS), seen


def test_disks_that_turn_read_only(whole: dict[str, Whole], tmp_path: Path) -> None:
    rng, seen = np.random.default_rng(6), []
    for i in range(N_MOMENTS):
        name = list(COMMANDS)[i % len(COMMANDS)]
        wait = float(rng.uniform(0.0, 0.9)) * whole[name].seconds
        script = READ_ONLY.format(wait=wait, command=line_of(name))
        code, said, left = on_a_disk(script, tmp_path / f"{i}_{name}")
        assert_sound(name, code, said, left, whole[name], f"{i}: {name} after {wait:.2f} s: {code}\n{said}")
        seen.append((name, code))
    assert OF_SYSTEM in {code for _, code in seen}, seen
