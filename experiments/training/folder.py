"""The folder of a training run, however it learned: what is written as it begins, and how it is read again."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from gridbazaar.agents.policies.trained import CONFIG, file_of_run, read_manifest
from gridbazaar.data.own import OwnFileError
from gridbazaar.data.tables import read_table
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario, scenario_of
from gridbazaar.experiments.files import PARTIAL, check_folder, new_folder, versions, write_json
from gridbazaar.experiments.span import span_of
from gridbazaar.experiments.training.checkpoint import Checkpoint, read_checkpoint
from gridbazaar.experiments.training.own_files import keep_files, with_kept_files

_Config = TypeVar("_Config")
EPISODES_A_SEED = 1_000_003
"""Numbers of training episodes lie so far apart from one seed of a training to the next."""


def opened(
    out: str | Path, config: _Config, *, force: bool, resume: bool, allow_code: bool
) -> tuple[Path, _Config, Scenario]:
    """Give folder, configuration and scenario of a run that is to begin, or to go on as it began.

    Args:
        out: folder of the run.
        config: how it learns; with ``resume`` the one in the folder counts.
        force: an existing folder is to be replaced.
        resume: go on with the run in the folder.
        allow_code: also load Python files that the scenario names.

    Raises:
        FileExistsError: there is a folder.
        ValueError: as of ``read_as`` and ``read_scenario``.
    """
    folder = Path(out)
    if resume:
        return folder, read_as(folder, type(config)), read_scenario(folder, allow_code=allow_code)
    check_folder(folder, force=force)
    asked: Any = config
    return folder, config, load_scenario(asked.scenario, allow_code=allow_code, **asked.overrides)


def last_of(folder: Path, *, resume: bool) -> Checkpoint | None:
    """Give the checkpoint that a run goes on from, none where it begins; what a kill left half-written is dropped."""
    for left_over in folder.glob(f".*{PARTIAL}"):
        left_over.unlink()
    return read_checkpoint(folder) if resume else None


def begin(folder: Path, config: Any, scenario: Scenario, *, force: bool, **more: Any) -> None:
    """Make the folder of a run, with its configuration and copies of the files of a user's own that it needs.

    Args:
        folder: of the run.
        config: how it learns, a dataclass.
        scenario: in which.
        force: replace an existing folder.
        more: what else its policy needs; in place of the scenario's own ``features`` perhaps.

    Raises:
        ValueError: the scenario plays given dates, so validation and test would see what was trained on.
    """
    if scenario.dates:
        raise ValueError(f"dates: training draws its days from the weeks of its split; leave {scenario.dates} out")
    new_folder(folder, force=force)
    manifest = {
        "schema": 1,
        "train": asdict(config),
        "scenario": asdict(scenario),
        "span": asdict(span_of(scenario)),
        "features": [c.name for c in feature_columns(scenario)],
        "actions": {name: [c.name for c in kind.actions(table)] for name, kind, table in scenario.named_kinds},
        "versions": versions(),
    }
    write_json(folder / CONFIG, manifest | more)
    keep_files(scenario, folder)


def log_of(folder: Path) -> Path:
    """Where the logs of a run are; they are written by others, who would follow links."""
    log = file_of_run(folder, "log")
    for path in log.rglob("*") if log.is_dir() else ():
        if path.is_symlink():
            raise ValueError(f"{path} is a link; expected the logs of a run in its own folder")
    return log


def algo_of(folder: str | Path) -> str | None:
    """Say how the run in a folder learns; none where there is no run."""
    folder = Path(folder)
    return read_manifest(folder)["train"].get("algo") if (folder / CONFIG).is_file() else None


def read_as(folder: str | Path, table: type[_Config]) -> _Config:
    """Read how a run was started.

    Args:
        folder: of the run.
        table: of the way it learns.

    Raises:
        ValueError: there is no run, it learns in another way, or this version knows no such one.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise ValueError(f"resume: expected a run in {folder}, found no {CONFIG}; start one without --resume")
    values = read_manifest(folder)["train"]
    if unknown := sorted(set(values) - {f.name for f in fields(table)}):  # type: ignore[arg-type]  # a dataclass
        named = ", ".join(unknown)
        raise ValueError(f"{folder / CONFIG}: unknown field {named}; another version made this run, train it anew")
    try:
        return read_table(table, values, "train")
    except ValueError as why:
        raise ValueError(f"{folder / CONFIG}: {why}; train it anew") from why


def read_scenario(folder: str | Path, *, allow_code: bool = False) -> Scenario:
    """Read the scenario of a run as it was when the run began, whatever its name means today.

    Args:
        folder: of the run; the copies that it keeps of files of a user's own are what is read.
        allow_code: also load the Python files among them.

    Raises:
        OwnFileError: it names code that may not run, or a file that is no longer what it was.
        ValueError: this version knows no such scenario.
    """
    values = read_manifest(Path(folder))
    try:
        return scenario_of(with_kept_files(values["scenario"], Path(folder)), allow_code=allow_code)
    except OwnFileError as why:
        raise OwnFileError(f"{Path(folder) / CONFIG}: {why}") from why
    except ValueError as why:
        made = values["versions"].get("gridbazaar", "of gridbazaar")
        raise ValueError(
            f"{Path(folder) / CONFIG}: this version cannot play the scenario that the run was trained in ({why}); "
            f"go on with version {made} that made it, or train anew"
        ) from why


def read_curve(folder: str | Path) -> list[dict[str, float]]:
    """Read the learning curve of a run: steps, seconds and validation score of each point."""
    held = read_checkpoint(folder)
    return [] if held is None else held.curve


def checkpoint_steps(folder: str | Path) -> int | None:
    """Give the agent-steps of a run's last checkpoint; None if there is none to resume from."""
    held = read_checkpoint(folder)
    return None if held is None else held.steps
