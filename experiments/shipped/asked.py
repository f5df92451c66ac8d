"""Asked: what the table of all scenarios plays in each of them, as ``table.toml`` says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from gridbazaar.agents.policies import is_learned, load_policy
from gridbazaar.data.bounds import Count, Within
from gridbazaar.data.inputs import read_toml
from gridbazaar.data.tables import check_table, read_table
from gridbazaar.envs.scenarios import list_scenarios

TABLE = Path(__file__).with_name("table.toml")
MPC, OPTIMUM = "mpc", "optimum"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is played in a scenario.

    Raises:
        ValueError: a rule is none, or what is left out cannot be.
    """

    rules: Sequence[str]  # the best of them is the one that costs least
    first: Count  # test episode
    episodes: Annotated[int, Within(1, 100_000)]
    runs: Annotated[int, Within(1, 1000)] = 3  # trainings, of which the first ships; where there is a recipe
    skipped: Mapping[str, str] = field(default_factory=dict)  # why ``mpc`` or ``optimum`` is not played
    reason: str = ""  # why what learned is not clearly better than the best rule

    def __post_init__(self) -> None:
        check_table(self, "")
        if not self.rules:
            raise ValueError("rules: expected at least one")
        if twice := sorted({name for name in self.rules if list(self.rules).count(name) > 1}):
            raise ValueError(f"rules: {', '.join(twice)} named twice; name each once")
        if unknown := sorted(set(self.skipped) - {MPC, OPTIMUM}):
            raise ValueError(f"skipped: expected some of {MPC}, {OPTIMUM}; got {', '.join(unknown)}")
        for name in self.rules:
            if is_learned(name) or name in (MPC, OPTIMUM, "idle") or load_policy(name).needs_foresight:
                raise ValueError(f"rules: expected rules that are listed, got {name!r}")

    @property
    def numbers(self) -> range:
        """Of the episodes."""
        return range(self.first, self.first + self.episodes)


def read_asked(path: Path = TABLE) -> dict[str, Asked]:
    """Read what is played, by scenario; ``rules`` at the top are played in all of them.

    Raises:
        ValueError: a table is not what it should be.
    """
    held = read_toml(path)
    rules = held.pop("rules", [])
    try:
        for name, table in held.items():
            if name not in list_scenarios():
                raise ValueError(f"{name}: expected one of {', '.join(list_scenarios())}")
            if isinstance(table, Mapping):
                held[name] = dict(table) | {"rules": [*rules, *table.get("rules", [])]}
        return {name: read_table(Asked, table, name) for name, table in held.items()}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
