"""An option that would change nothing is refused, with what it belongs to."""

from __future__ import annotations

import pytest

from gridbazaar.experiments.cli.main import main
from tests.experiments.cli.runner import invoke


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("measure forecasts --sides 4", "--sides: measure forecasts takes --data, --step-min, --seed, --json, --force"),
        ("measure forecasts --names mcafee --books 3", "--names, --books: measure forecasts takes"),
        ("measure mechanisms --step-min 15", "--step-min: measure mechanisms takes --names, --sides, --books"),
        ("measure rewards --write docs", "--write: measure rewards takes --names, --json, --force"),
        ("measure wires --names street", "--names: measure wires takes --json, --write, --force"),
        ("show tariff tou --force", "--force: it lets --plot replace a file"),
        ("show tariff tou --toml --plot week.png", "--plot writes a picture, --toml and --source print a file"),
    ],
)
def test_an_option_of_something_else_is_refused(words: str, message: str) -> None:
    found = invoke(main, words.split())
    assert found.exit_code == 2
    assert message in " ".join(found.stderr.split())
