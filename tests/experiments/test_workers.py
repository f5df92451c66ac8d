"""Workers: the same results in the same order whoever did what, also where one of them dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation import evaluate as evaluate_module
from gridbazaar.experiments.evaluation import playing
from gridbazaar.experiments.evaluation.compare import compare
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.files import to_json
from gridbazaar.experiments.workers import Workers, WorkersDiedError, each
from tests.experiments.cli.runner import invoke
from tests.experiments.worked import Deadly, refuse, square

TWO = Workers(2)
SHORT: dict[str, Any] = {"hours": 2.0, "step_min": 60}
POLICIES = ["opportunity_cost", "random", "optimum"]


def test_all_parts_are_done_once_and_in_their_order() -> None:
    told: list[int] = []
    parts = [Deadly(i) for i in range(5)]
    assert each(square, parts, None, told.append) == [0, 1, 4, 9, 16]
    assert told == [0, 1, 2, 3, 4]
    assert each(square, [], TWO) == []


def test_a_part_whose_worker_was_killed_is_done_again(tmp_path: Path) -> None:
    told: list[int] = []
    parts = [Deadly(i, str(tmp_path / "mark") if i == 3 else "") for i in range(6)]
    assert each(square, parts, TWO, told.append) == [0, 1, 4, 9, 16, 25]
    assert (tmp_path / "mark").exists()
    assert sorted(told) == list(range(6))
    with pytest.raises(ValueError, match="no 7 here"):
        each(refuse, [Deadly(7)], TWO)


@pytest.mark.parametrize(("address", "where"), [(None, "on this machine"), ("ray-head:6379", "at ray-head:6379")])
def test_a_cluster_that_does_not_begin_is_said(
    monkeypatch: pytest.MonkeyPatch, address: str | None, where: str
) -> None:
    def init(**options: Any) -> None:
        raise Exception("The current node timed out during startup.")  # as ray 2.60 does on a busy machine

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(is_initialized=lambda: False, init=init))
    with pytest.raises(OSError, match=f"engine ray: expected a cluster {where}, .*: The current node timed out"):
        each(square, [Deadly(1)], Workers(2, "ray", address))


@pytest.mark.slow
def test_workers_that_die_again_and_again_are_given_up(tmp_path: Path) -> None:
    with pytest.raises(WorkersDiedError, match="died 3 times in a row, 1 parts are left"):
        each(square, [Deadly(1, str(tmp_path / "mark"), always=True)], TWO)


def in_parts(monkeypatch: pytest.MonkeyPatch, **more: Any) -> Any:
    """Evaluate by parts, all of them done in this process."""
    with monkeypatch.context() as here:
        here.setattr(playing, "each", lambda function, parts, workers, done: each(function, parts, None, done))
        return evaluate("street", POLICIES, workers=2, **more)


@pytest.mark.parametrize("more", [{"seeds": 5}, {"seeds": 3, "forecast": "perfect"}, {"seeds": 3, "bound": False}])
def test_parts_give_what_one_process_gives(monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]) -> None:
    """Batches of two, so that some are whole and one is not; each program by itself."""
    monkeypatch.setattr(evaluate_module, "BATCH", 2)
    monkeypatch.setattr(playing, "_SOLVED_TOGETHER", 1)
    ticks: list[tuple[str, int, int]] = []
    whole = evaluate("street", POLICIES, **SHORT, **more)
    parts = in_parts(monkeypatch, **SHORT, **more, tick=lambda *told: ticks.append(told))
    assert to_json(parts.to_json()) == to_json(whole.to_json())
    last = {name: (done, total) for name, done, total in ticks}
    assert all(done == total for done, total in last.values())
    assert {"idle", *POLICIES} <= set(last)


def test_parts_know_where_there_is_no_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    heated: dict[str, Any] = SHORT | {"prosumer.heating.share": (1.0, 1.0)}
    monkeypatch.setattr(playing, "each", lambda function, parts, workers, done: each(function, parts, None, done))
    found = evaluate("street", ["self_consumption"], seeds=2, workers=2, **heated)
    alone = evaluate("street", ["self_consumption"], seeds=2, **heated)
    assert found.no_bound == "the optimum's program does not cover heat pumps"
    assert to_json(found.to_json()) == to_json(alone.to_json())


def test_who_watches_every_interval_is_told_to_leave_workers_out() -> None:
    with pytest.raises(ValueError, match="record: it sees what is played in this process"):
        evaluate("street", ["idle"], seeds=1, workers=2, record=lambda *seen: None, **SHORT)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["evaluate", "street", "--engine", "ray"], "--engine: it is of --workers"),
        (["evaluate", "street", "--workers", "2", "--engine", "dask"], "expected one of loky, ray; got 'dask'"),
        (["evaluate", "street", "--workers", "2", "--address", "x"], "--address: it is of --engine ray"),
        (["train", "street", "--out", "x", "--workers", "2"], "they train the runs of --seeds"),
    ],
)
def test_options_of_nobody_are_refused(words: list[str], text: str, tmp_path: Path) -> None:
    refused = invoke(main, [str(tmp_path / "x") if word == "x" else word for word in words])
    assert refused.exit_code != 0
    assert text in str(refused.exception) + refused.output


@pytest.mark.slow
def test_one_worker_or_two_give_the_same_to_the_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_module, "BATCH", 2)
    found = [evaluate("street", POLICIES, seeds=5, workers=n, **SHORT) for n in (None, 1, 2)]
    assert len({to_json(one.to_json()) for one in found}) == 1
    compared = [compare("street", ["flat", "tou"], POLICIES[:1], seeds=3, workers=n, **SHORT) for n in (None, 2)]
    assert len({to_json(one.to_json()) for one in compared}) == 1
    assert compared[0].accounts().equals(compared[1].accounts())


def children_of(process: int) -> list[int]:
    """The workers of a process, by what the system says of them."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == process and b"LokyProcess" in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def begun(out: Path) -> subprocess.Popen[str]:
    """An evaluation by two workers that takes some seconds, once its workers are there."""
    words = ["-m", "gridbazaar.experiments.cli", "evaluate", "street", "--policies", "mpc", "--seeds", "36"]
    process = subprocess.Popen(
        [sys.executable, *words, "--set", "step_min=60", "--set", "hours=12", "--workers", "2", "--json", str(out)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    until = time.monotonic() + 60
    while len(children_of(process.pid)) < 2 and process.poll() is None and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(2.0)
    return process


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")
def test_a_worker_that_is_killed_changes_nothing(tmp_path: Path) -> None:
    process = begun(tmp_path / "killed.json")
    os.kill(children_of(process.pid)[0], signal.SIGKILL)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    alone = evaluate("street", ["mpc"], seeds=36, step_min=60, hours=12.0)
    assert json.loads((tmp_path / "killed.json").read_text()) == json.loads(to_json(alone.to_json()))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")
def test_ctrl_c_ends_it_with_its_workers_and_nothing_half_written(tmp_path: Path) -> None:
    process = begun(tmp_path / "cut.json")
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
    assert not [worker for worker in workers if Path(f"/proc/{worker}").exists()]


@pytest.mark.slow
def test_a_cluster_of_two_nodes_gives_the_same(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two nodes' worth of processes on this machine, one of whose workers is killed."""
    ray = pytest.importorskip("ray", reason="needs the extra cluster")
    clusters: Any = pytest.importorskip("ray.cluster_utils")
    cluster = clusters.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    monkeypatch.setattr(evaluate_module, "BATCH", 2)
    try:
        of_cluster = Workers(2, "ray", cluster.address)
        parts = [Deadly(i, str(tmp_path / "mark") if i == 1 else "") for i in range(4)]
        assert each(square, parts, of_cluster) == [0, 1, 4, 9]
        found = evaluate("street", POLICIES, seeds=5, workers=of_cluster, **SHORT)
        with pytest.raises(ValueError, match="no 7 here"):
            each(refuse, [Deadly(7)], of_cluster)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert to_json(found.to_json()) == to_json(evaluate("street", POLICIES, seeds=5, **SHORT).to_json())
