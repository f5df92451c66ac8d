"""Every field of every table refuses what is no value for it: by its name, in one message, with exit code 2.

Tables, fields and options are found by looking, so a new one is tried as soon as it is there. What a field may hold is
read from its type hint here, not from the code that checks it.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib import import_module
from math import inf, nan
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import pytest
from typer.main import get_command

from gridbazaar.agents.kinds import kinds
from gridbazaar.data.bounds import OneOf, Within
from gridbazaar.data.generator import GeneratorConfig
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario, parse_setting
from gridbazaar.experiments.cli.main import main
from gridbazaar.market.flexibility.activation import CallTerms
from gridbazaar.market.flexibility.tenders import list_tenders, load_tender
from gridbazaar.market.mechanisms import list_mechanisms, load_mechanism
from gridbazaar.market.tariff import Tariff, Window
from tests.quick import only

MAY_BE_NEGATIVE = {
    "prosumer.heating.ground_c", "prosumer.water.low_c", "prosumer.water.high_c", "prosumer.water.usable_c",
    "prosumer.water.room_c", "tariff tou.energy_cur_per_kwh", "tariff tou.spot_factor",
    "tariff tou.export_cur_per_kwh", "tariff tou.export_spot_factor", "tariff tou.windows[0].add_cur_per_kwh",
    "mechanism posted_price.price_cur_per_kwh", "spot_mean_cur_per_kwh",
    *(f"{kind}.ageing.temperature_c" for kind in ("prosumer", "battery", "vpp")),
}  # fmt: skip
"""Written by hand, so that nobody forgets a bound: prices that may be negative, and temperatures."""
WINDOW = {"from_h": 6.0, "to_h": 9.0, "add_cur_per_kwh": 0.1}


class Field(NamedTuple):
    said: str  # how an error names it
    hint: Any
    settings: Any  # of a value: what ``--set`` is given; None where no scenario has the field


class Held(NamedTuple):
    """A type hint taken apart."""

    type: Any
    may_be_none: bool
    bounds: Any


def taken_apart(hint: Any) -> Held:
    if get_origin(hint) is Annotated:
        inner = taken_apart(get_args(hint)[0])
        return inner._replace(bounds=get_args(hint)[1])
    if NoneType in get_args(hint):
        (held,) = (taken_apart(a) for a in get_args(hint) if a is not NoneType)
        return held._replace(may_be_none=True)
    return Held(hint, False, None)


def toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {toml(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else repr(value)


def set_alone(name: str) -> Any:
    return lambda value: [f"{name}={toml(value)}"]


def set_option(name: str, option: str) -> Any:
    return lambda value: [f"mechanism={name}", f"mechanism_options.{option}={toml(value)}"]


def set_window(name: str) -> Any:
    return lambda value: [f"tariff_options.windows={toml([{**WINDOW, name: value}])}"]


def fields_of(table: Any, where: str, path: str | None) -> Iterator[Field]:
    """All fields of a dataclass and of the tables in it; ``path`` is what ``--set`` calls it."""
    hints = get_type_hints(table, include_extras=True)
    for f in fields(table):
        said, at = (f"{name}.{f.name}" if name else f.name for name in (where, path or ""))
        if is_dataclass(hints[f.name]):
            yield from fields_of(hints[f.name], said, None if path is None else at)
        else:
            yield Field(said, hints[f.name], None if path is None else set_alone(at))


def all_fields() -> dict[str, Field]:
    found = [f for f in fields_of(Scenario, "", "") if f.said not in ("name", "agents")]
    for name, kind in kinds().items():
        found += fields_of(kind.Config, name, name)
    found += [f for f in fields_of(Tariff, "tariff tou", "tariff_options") if not f.said.endswith(".name")]
    for f in fields_of(Window, "tariff tou.windows[0]", None):
        found.append(f._replace(settings=set_window(f.said.rpartition(".")[2])))
    for name in list_mechanisms():
        function = load_mechanism(name).func  # type: ignore[attr-defined]
        found += options_of(f"mechanism {name}", function, name)
    for name in list_tenders():
        found += options_of(f"tender {name}", load_tender(name).func, None)  # type: ignore[attr-defined]
    found += fields_of(GeneratorConfig, "generator", None)
    found += fields_of(CallTerms, "terms", None)
    return {f.said: f for f in found}


def options_of(where: str, function: Any, mechanism: str | None) -> list[Field]:
    hints = get_type_hints(function, include_extras=True)
    keywords = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
    return [
        Field(f"{where}.{k}", hints[k], None if mechanism is None else set_option(mechanism, k)) for k in keywords
    ]  # fmt: skip


FIELDS = all_fields()
COMMAND = get_command(main)


def bad_values(hint: Any) -> list[Any]:
    """Values that no field of this hint may have; -1 only where its bounds exclude it."""
    held = taken_apart(hint)
    origin, bounds = get_origin(held.type), held.bounds
    no_numbers: list[Any] = [nan, inf, -inf, 1e300, "text", True]
    if held.type in (int, float):
        whole = [0.5] if held.type is int else []
        negative = [-1] if isinstance(bounds, OneOf) or bounds.low > -1 else []
        return [*no_numbers, *whole, *negative, *([] if isinstance(bounds, OneOf) else beyond(bounds)), [1, 2]]
    if origin is tuple and get_args(held.type)[-1] is not Ellipsis:
        low, high = max(bounds.low, -1.0), min(bounds.high, 2.0)
        inner = [low + (high - low) * share for share in (0.25, 0.75)]
        pairs: list[Any] = [(bad, inner[0]) for bad in no_numbers] + [(inner[0], bad) for bad in no_numbers]
        pairs += [(inner[1], inner[0])] if bounds.is_ordered else []
        pairs += [(-1.0, inner[0])] if bounds.low > -1 else []
        return [*pairs, "text", True, [inner[0]], [*inner, inner[1]], [], *((x, x) for x in beyond(bounds))]
    if held.type is Any:
        return [3, nan, True, ["text"]]
    if held.type is str:
        words: list[Any] = ["no such word", ""] if isinstance(bounds, OneOf) else []
        return [*words, 3, nan, True, ["text"]]
    if held.type is bool:
        return [0, 1, nan, "yes", []]
    if origin is tuple:
        return [3, nan, "text", [3], [{}]]
    if origin is Sequence:
        return [3, nan, "text", *([bad] for bad in bad_values(get_args(held.type)[0]))]
    assert origin is Mapping, hint
    if get_args(held.type)[1] is Any:
        return [3, nan, "text", [], {"no_such_option": 1}]
    held_type = get_args(held.type)[1]
    empty: list[Any] = [] if taken_apart(held_type).type is Any else [[]]  # a list of one's own kinds has none
    return [3, nan, "text", *empty, *({"prosumer_0": bad} for bad in bad_values(held_type))]


def beyond(bounds: Within) -> list[float]:
    """Numbers just outside, and edges that are open."""
    edges = [bounds.low - 1e-3, bounds.high * (1 + 1e-6) + 1e-3]
    return edges + [bounds.low] * bounds.is_open_below + [bounds.high] * bounds.is_open_above


def test_every_number_says_its_bounds_and_only_prices_and_temperatures_may_be_negative() -> None:
    found = set()
    for field in FIELDS.values():
        held = taken_apart(field.hint)
        is_pair = get_origin(held.type) is tuple and get_args(held.type)[-1] is not Ellipsis
        if held.type in (int, float) or is_pair:
            assert isinstance(held.bounds, Within | OneOf), f"{field.said}: no bounds"
            if isinstance(held.bounds, Within) and held.bounds.low < 0:
                found.add(field.said.replace("generator.", ""))
    assert found == MAY_BE_NEGATIVE
    assert len(FIELDS) > 200


def test_the_tables_of_all_rooms_are_among_them() -> None:
    for name in (
        "hours", "data.months", "storage.share_of_load", "connection.import_over_load", "reward.scale_cur.own",
        "prosumer.water.kwh_per_day", "ev.failure.mtbf_h", "battery.converter.k2", "battery.shares",
        "genset.ramp_per_h", "wind.exposure", "vpp.split", "tariff tou.fixed_cur_per_day",
        "tariff tou.windows[0].to_h", "mechanism amm.fee", "tender flexibility_tender.solver", "generator.n_days",
        "terms.penalty",
    ):  # fmt: skip
        assert name in FIELDS


IN_A_SCENARIO = [name for name, field in FIELDS.items() if field.settings is not None]


def run(settings: Sequence[str], capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    """The command line in this process: exit code and what it said."""
    words = [word for text in settings for word in ("--set", text)]
    with pytest.raises(SystemExit) as end:
        COMMAND.main(["evaluate", "street", "--policies", "idle", "--seeds", "1", *words])
    out, err = capsys.readouterr()
    assert out == ""
    return end.value.code, err.strip()


@pytest.mark.parametrize("said", only(IN_A_SCENARIO[::12], IN_A_SCENARIO))
def test_the_command_line_says_one_line_with_the_field(said: str, capsys: pytest.CaptureFixture[str]) -> None:
    for value in worst(FIELDS[said].hint):
        code, told = run(FIELDS[said].settings(value), capsys)
        assert code == 2, (value, told)
        assert told.startswith("error: "), told
        assert len(told.splitlines()) == 1
        assert said in told, (value, told)


def worst(hint: Any) -> list[Any]:
    """NaN, infinity, -1, text and a range in reverse, where they are among what is refused."""
    found = [v for v in bad_values(hint) if repr(v) in ("nan", "inf", "-1", "'text'")]
    pairs = [v for v in bad_values(hint) if isinstance(v, tuple) and len(v) == 2]
    return [*found, *(p for p in pairs if repr(p[0]) in ("nan", "-1.0") or _is_reversed(p))] or bad_values(hint)[:3]


def _is_reversed(pair: tuple[Any, Any]) -> bool:
    return all(type(v) is float for v in pair) and pair[0] > pair[1]


@pytest.mark.parametrize("said", IN_A_SCENARIO)
def test_a_scenario_refuses_what_is_no_value_of_a_field(said: str) -> None:
    for value in bad_values(FIELDS[said].hint):
        name = "no_such_option" if value == {"no_such_option": 1} else said
        with pytest.raises(ValueError, match=r"expected|unknown") as error:
            load_scenario("street", **dict(map(parse_setting, FIELDS[said].settings(value))))
        assert name in str(error.value), value


def as_python(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) and len(value) == 2 else value


IN_PYTHON = [name for name, field in FIELDS.items() if not name.startswith("tariff tou.windows[")]


@pytest.mark.parametrize("said", only(IN_PYTHON[::5], IN_PYTHON))
def test_python_is_refused_the_same(said: str) -> None:
    """By the dataclass or loader itself, which no file has been through."""
    tried = 0
    for value in bad_values(FIELDS[said].hint):
        if value == {"no_such_option": 1}:
            continue
        with pytest.raises(ValueError, match="expected") as error:
            made_in_python(said, as_python(value))
        assert said.removeprefix("generator.").replace("terms.", "call.") in str(error.value), value
        tried += 1
    assert tried >= 3


def made_in_python(said: str, value: Any) -> Any:
    where, _, name = said.rpartition(".")
    if where.startswith("mechanism "):
        return load_mechanism(where.partition(" ")[2], **{name: value})
    if where.startswith("tender "):
        return load_tender(where.partition(" ")[2], **{name: value})
    if where == "tariff tou":
        return Tariff(**{"name": "tou", "title": "", name: value})
    if where in ("generator", "terms"):
        return {"generator": GeneratorConfig, "terms": CallTerms}[where](**{name: value})
    street = load_scenario("street")
    if not where:
        return Scenario(**{"name": "mine", "agents": street.agents, name: value})
    table, _, inner = where.partition(".")
    outer = kinds()[table].Config if table in kinds() else get_type_hints(Scenario)[table]
    if not inner:
        return outer(**{name: value})
    return outer(**{inner: get_type_hints(outer)[inner](**{name: value})})


@pytest.mark.parametrize(
    "window",
    [
        {"from_h": 22.0, "to_h": 22.0, "add_cur_per_kwh": 0.1},
        {"from_h": 24.0, "to_h": 6.0, "add_cur_per_kwh": 0.1},
        {"from_h": 6.0, "add_cur_per_kwh": 0.1},
        {"from_h": 6.0, "to_h": 9.0, "add_cur_per_kwh": 0.1, "sundays": True},
    ],
)
def test_a_window_that_is_none_is_refused_by_its_number(
    window: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = run([f"tariff_options.windows={toml([WINDOW, window])}"], capsys)
    assert code == 2, told
    assert "tariff tou.windows[1]" in told


ALONE = ("tariff_options.network_cur_per_kwh=nan", "storage.share_of_load=-1", "ev.capacity_kwh=inf", "step_min=text")


@pytest.mark.parametrize("setting", only(ALONE[:1], ALONE))
def test_a_real_process_says_one_line(setting: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "gridbazaar.experiments.cli", "evaluate", "street", "--set", setting],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr.startswith("error: ")
    assert len(found.stderr.splitlines()) == 1
    assert setting.partition("=")[0].partition(".")[2] in found.stderr


def test_what_ships_is_within_its_bounds_and_defaults_are() -> None:
    for name in kinds():
        module = import_module(f"gridbazaar.agents.kinds.{name}")
        assert module.Config() == module.KIND.Config()
    assert CallTerms() == load_scenario("street").call.terms
