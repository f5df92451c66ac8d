"""The one way to write a file: old or new, never half; links stay, devices are left alone."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from gridbazaar.experiments.files import (
    CannotWriteError,
    check_file,
    check_folder,
    check_outputs,
    new_folder,
    replacing,
    write_json,
    write_text,
)


def failing(number: int) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("where", ["_kept", "os.replace"])
def test_a_disk_that_fails_leaves_the_old_file(
    number: int, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    monkeypatch.setattr(f"gridbazaar.experiments.files.{where}", failing(number))
    with pytest.raises(CannotWriteError) as error:
        write_json(path, {"new": 1})
    assert (error.value.errno, error.value.filename) == (number, str(path))
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]


def test_a_file_that_grows_too_large_is_not_left(tmp_path: Path) -> None:
    limit, usual = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limit[1]))
    try:
        with pytest.raises(CannotWriteError, match="File too large"):
            write_text(tmp_path / "large.txt", "x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, usual)
    assert list(tmp_path.iterdir()) == []


def stopped_in_the_middle(partial: Path) -> None:
    partial.write_text("half")
    raise KeyboardInterrupt


def test_an_interruption_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as partial:
        stopped_in_the_middle(partial)
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]
    assert path.read_text() == "old"


def test_two_who_write_one_file_do_not_meet(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with replacing(path) as one:
        one.write_text("one")
        with replacing(path) as two:
            assert two != one
            two.write_text("two")
        assert path.read_text() == "two"
    assert path.read_text() == "one"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    there, link = tmp_path / "there" / "out.txt", tmp_path / "link.txt"
    there.parent.mkdir()
    there.write_text("old")
    there.chmod(0o640)
    link.symlink_to(there)
    with pytest.raises(FileExistsError, match="--force"):
        check_file(link)
    check_file(link, force=True)
    write_text(link, "new")
    assert link.is_symlink()
    assert there.read_text() == "new"
    assert there.stat().st_mode & 0o777 == 0o640


def test_a_link_to_nowhere_is_only_followed_by_force(tmp_path: Path) -> None:
    link = tmp_path / "link.txt"
    link.symlink_to("new.txt")
    with pytest.raises(FileExistsError, match="is a link to"):
        check_file(link)
    check_file(link, force=True)
    write_text(link, "new")
    assert link.is_symlink()
    assert (tmp_path / "new.txt").read_text() == "new"


def test_devices_and_pipes_are_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for path in (Path("/dev/full"), tmp_path / "pipe", tmp_path / "null"):
        for force in (False, True):
            with pytest.raises(FileExistsError, match="device"):
                check_file(path, force=force)
        with pytest.raises(FileExistsError, match="device"):
            write_text(path, "x")


def test_places_are_tried_before_they_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_file(tmp_path / "a" / "b" / "new.txt")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="is no folder"):
        check_file(tmp_path / "file" / "new.txt")
    for path in (tmp_path / ("n" * 300), tmp_path / "new" / ("n" * 300)):
        with pytest.raises(CannotWriteError, match="File name too long"):
            check_file(path)
        with pytest.raises(CannotWriteError, match="File name too long"):
            check_folder(path)
    monkeypatch.setattr(Path, "open", failing(errno.EROFS))
    for check in (check_file, check_folder):
        with pytest.raises(CannotWriteError, match="Read-only file system"):
            check(tmp_path / "new")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_is_closed_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(CannotWriteError, match="Permission denied"):
        check_file(tmp_path / "new.txt")
    tmp_path.chmod(0o700)


def test_files_must_be_different_ones(tmp_path: Path) -> None:
    (tmp_path / "link.json").symlink_to("out.json")
    for other in (tmp_path / "out.json", tmp_path / "x" / ".." / "out.json", tmp_path / "link.json"):
        with pytest.raises(ValueError, match="--json and --record are the same file"):
            check_outputs({"--json": tmp_path / "out.json", "--record": other}, force=True)
    with pytest.raises(ValueError, match="--json and --check are the same file"):
        check_outputs({"--json": tmp_path / "out.json"}, {"--check": tmp_path / "out.json"}, force=True)


def test_a_folder_is_replaced_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is killed while it removes the old folder leaves the new one, and nothing half."""
    folder = tmp_path / "run"
    write_json(new_folder(folder) / "config.json", {"old": 1})
    monkeypatch.setattr("gridbazaar.experiments.files.shutil.rmtree", failing(errno.EIO))
    with pytest.raises(CannotWriteError):
        new_folder(folder, force=True)
    assert list(folder.iterdir()) == []
    monkeypatch.undo()
    (old,) = (path for path in tmp_path.iterdir() if path != folder)
    assert json.loads((old / "config.json").read_text()) == {"old": 1}
