"""The page of eleven questions: each has one command, which is read as it stands and (slow) runs on fewer days."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from gridbazaar.experiments.cli.main import main
from tests.experiments.cli.runner import invoke

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "questions.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^## (\d+)\. (.+?)$(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
COMMANDS = [
    re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL) for _, _, text in QUESTIONS
]  # fmt: skip
each = pytest.mark.parametrize("place", range(11), ids=[f"question {number}" for number, *_ in QUESTIONS])


def words(place: int) -> list[str]:
    (text,) = COMMANDS[place]
    found = shlex.split(text.replace("\\\n", " "))
    assert found[:2] == ["gridbazaar", "compare"]
    return found[1:]


def test_there_are_eleven_with_one_command_each() -> None:
    assert [int(number) for number, *_ in QUESTIONS] == list(range(1, 12))
    assert all(len(found) == 1 for found in COMMANDS)


@each
def test_a_command_is_read_as_it_stands(place: int) -> None:
    group = typer.main.get_command(main)
    given = words(place)
    context = group.commands["compare"].make_context("compare", given[1:])  # type: ignore[attr-defined]
    assert context.params["seeds"] >= 1
    for name in (context.params["customers"], *(context.params["bill"] or "").split(",")):
        assert name is None or not str(name).startswith("examples/") or (ROOT / name).is_file()


@pytest.mark.slow
@each
def test_a_command_answers_on_fewer_days(place: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    given = words(place)
    given[given.index("--seeds") + 1] = "1"
    given[given.index("--out") + 1] = str(tmp_path / "out")
    if "--report" in given:
        given[given.index("--report") + 1] = str(tmp_path / "answer.html")
    given = ["2024-02-01,2024-02-29" if re.fullmatch(r"[\d,-]{21}", word) else word for word in given]
    done = invoke(main, given)
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "out" / "rows.csv").is_file()
    assert "written: " in done.stdout
