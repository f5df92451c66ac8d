"""Workers: parts of a work done one after another here, or at once by processes of this machine or of a cluster.

Whoever cuts work into parts does so without looking at how many will do them, and each part is done in a process that
computes with one thread, so results are the same whoever did what. A part whose worker died is done again.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, TypeVar

from gridbazaar.data.bounds import OneOf, Within
from gridbazaar.data.tables import check_table

Part = TypeVar("Part")
Result = TypeVar("Result")

ENGINES = ("loky", "ray")
"""Processes of this machine, by joblib; or of a cluster."""
DEATHS = 3
"""So many workers may die in a row, without a part being done between, before it is given up."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Who does the work.

    Raises:
        ValueError: there are no such workers.
    """

    n: Annotated[int, Within(1, 4096)]  # at once
    engine: Annotated[str, OneOf(*ENGINES)] = "loky"
    address: str | None = None  # of a cluster of Ray; none: one that is begun on this machine

    def __post_init__(self) -> None:
        check_table(self, "workers")
        if self.address is not None and self.engine != "ray":
            raise ValueError(f"address: it is of engine 'ray', not of {self.engine!r}; leave it out, or ask for that")


class WorkersDiedError(OSError):
    """Workers die again and again: killed by somebody, or by the system as memory runs out."""


def each(
    function: Callable[[Part], Result],
    parts: Sequence[Part],
    workers: Workers | None,
    done: Callable[[int], None] = lambda i: None,
) -> list[Result]:
    """Do all parts; give the results in their order.

    Args:
        function: of a module, as it is sent to the workers.
        parts: what it is called with, one after another; sent, too.
        workers: who does it; none: this process.
        done: called with the number of each part as it is done, once.

    Raises:
        WorkersDiedError: a part cannot be done, as its workers die.
    """
    if not parts:
        return []
    if workers is None:
        return list(_here(function, parts, done))
    engine = _by_ray if workers.engine == "ray" else _by_processes
    found: dict[int, Result] = {}
    for i, result in engine(function, parts, workers):
        if i not in found:
            found[i] = result
            done(i)
    return [found[i] for i in range(len(parts))]


def _here(function: Callable[[Part], Result], parts: Sequence[Part], done: Callable[[int], None]) -> Iterator[Result]:
    for i, part in enumerate(parts):
        yield function(part)
        done(i)


def _by_processes(
    function: Callable[[Part], Result], parts: Sequence[Part], workers: Workers
) -> Iterator[tuple[int, Result]]:
    """Give number and result of each part as it is done; where a worker dies all begin anew on what is left."""
    joblib: Any = import_module("joblib")
    left, deaths = dict(enumerate(parts)), 0
    with _ended_with_us():
        while left:
            try:
                with joblib.parallel_config("loky", n_jobs=workers.n, inner_max_num_threads=1):
                    pool = joblib.Parallel(return_as="generator_unordered", batch_size=1)
                    for i, result in pool(joblib.delayed(_numbered)(function, i, part) for i, part in left.items()):
                        deaths = 0
                        yield i, result
                        left = {k: part for k, part in left.items() if k != i}
            except BrokenProcessPool as error:
                deaths += 1
                if deaths >= DEATHS:
                    raise WorkersDiedError(_died(deaths, len(left))) from error


def _died(deaths: int, left: int) -> str:
    return f"workers died {deaths} times in a row, {left} parts are left; if memory runs out, ask for fewer workers"


def _numbered(function: Callable[[Part], Result], i: int, part: Part) -> tuple[int, Result]:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever began the workers ends them
    return i, function(part)


@contextmanager
def _ended_with_us() -> Iterator[None]:
    """End the processes at once where the work is left before its end, such as by ctrl-C."""
    try:
        yield
    except BaseException:
        loky: Any = import_module("joblib.externals.loky")
        loky.get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)
        raise


def _by_ray(
    function: Callable[[Part], Result], parts: Sequence[Part], workers: Workers
) -> Iterator[tuple[int, Result]]:
    """The same by a cluster, which does a part again whose worker or machine is lost.

    Not through joblib's backend for Ray: that gives nothing before all is done, and loses all with one worker.
    """
    ray: Any = import_module("ray")
    is_ours = not ray.is_initialized()
    if is_ours:
        cpus = {"num_cpus": workers.n} if workers.address is None else {}
        try:
            ray.init(address=workers.address or "local", include_dashboard=False, log_to_driver=False, **cpus)
        except Exception as error:  # it raises no narrower one where a machine is too busy to begin in its time
            where = "on this machine" if workers.address is None else f"at {workers.address}"
            raise OSError(f"engine ray: expected a cluster {where}, it did not begin or answer: {error}") from error
    try:
        remote, waiting = ray.remote(max_retries=DEATHS - 1)(_numbered), list(enumerate(parts))[::-1]
        running: list[Any] = []
        while waiting or running:
            while waiting and len(running) < workers.n:
                running.append(remote.remote(function, *waiting.pop()))
            ready, running = ray.wait(running, num_returns=1)
            try:
                yield ray.get(ready[0])
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None  # as the part itself raised it
            except ray.exceptions.WorkerCrashedError as error:
                raise WorkersDiedError(_died(DEATHS, len(waiting) + len(running) + 1)) from error
    finally:
        if is_ours:
            ray.shutdown()
