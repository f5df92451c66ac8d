"""Read a feeder from its folder: ``feeder.toml`` and ``lines.csv``, checked as a whole."""

from __future__ import annotations

import csv
import io
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridbazaar.data.bounds import MOST
from gridbazaar.data.feeder import PHASES, Feeder, Line, Transformer, build
from gridbazaar.data.text import read_any_text, said

_NUMBER_COLUMNS = ("length_m", "r_ohm_per_km", "x_ohm_per_km", "rating_a")
_LOAD_COLUMNS = ("p_kw", "q_kvar")
_ZERO_SEQUENCE_COLUMNS = ("r0_ohm_per_km", "x0_ohm_per_km")
_NEEDED_COLUMNS = ("from_bus", "to_bus", *_NUMBER_COLUMNS)
_COLUMNS = (*_NEEDED_COLUMNS, *_ZERO_SEQUENCE_COLUMNS, *_LOAD_COLUMNS, "phase", "cable")
_NEEDED_KEYS = ("source", "base_kv", "root_bus", "v_min_pu", "v_max_pu")
_KEYS = (*_NEEDED_KEYS, "root_voltage_pu", "phases", "transformer")
_NEEDED_TRANSFORMER_KEYS = ("to_bus", "rating_kva", "short_circuit_percent", "load_loss_kw", "no_load_loss_kw")
_TRANSFORMER_KEYS = (*_NEEDED_TRANSFORMER_KEYS, "no_load_current_percent", *_LOAD_COLUMNS)


def read_feeder(folder: Path) -> Feeder:
    """Read the feeder of a folder that holds both files; it gets the folder's name.

    Raises:
        ValueError: names every faulty key and row at once.
    """
    faults: list[str] = []
    settings = _read_settings(folder / "feeder.toml", faults)
    lines = _read_lines(folder / "lines.csv", settings, faults)
    order = _order_from_root(lines, settings, faults)
    if faults:
        listed = "\n  ".join(faults)
        raise ValueError(f"feeder '{folder.name}': {len(faults)} fault(s); correct them in {folder}:\n  {listed}")
    return build(folder.name, lines=order, **settings)


def _read_settings(path: Path, faults: list[str]) -> dict[str, Any]:
    """Read feeder.toml; what is faulty is reported and replaced by a value that lets the other checks run."""
    text, _ = read_any_text(path)
    try:
        given = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the syntax, or a number of thousands of digits
        faults.append(f"feeder.toml: expected TOML, came: {error}; correct the syntax")
        given = {}
    _check_keys(given, _NEEDED_KEYS, _KEYS, "feeder.toml", faults)
    settings: dict[str, Any] = {
        "source": _text(given, "source", "feeder.toml", faults),
        "root_bus": _text(given, "root_bus", "feeder.toml", faults),
    }
    for key, default in (("base_kv", 1.0), ("v_min_pu", 0.9), ("v_max_pu", 1.1), ("root_voltage_pu", 1.0)):
        settings[key] = _positive(given, key, default, "feeder.toml", faults)
    if settings["v_min_pu"] >= settings["v_max_pu"]:
        faults.append(
            f"feeder.toml: expected v_min_pu < v_max_pu, came {settings['v_min_pu']} and {settings['v_max_pu']}; "
            "give the band in pu, such as 0.90 and 1.10"
        )
    settings["phases"] = given.get("phases", 1)
    if isinstance(settings["phases"], bool) or settings["phases"] not in (1, 3):
        faults.append(f"feeder.toml: expected 1 (balanced) or 3 for 'phases', came {said(settings['phases'])}")
    transformer, settings["transformer"] = given.get("transformer"), None
    if transformer is not None:
        where = "feeder.toml [transformer]"
        if not isinstance(transformer, dict):
            faults.append(f"{where}: expected a table, came {said(transformer)}; write its keys under [transformer]")
            transformer = {}
        settings["transformer"] = _read_transformer(transformer, where, faults)
    return settings


def _read_transformer(given: Mapping[str, Any], where: str, faults: list[str]) -> Transformer:
    _check_keys(given, _NEEDED_TRANSFORMER_KEYS, _TRANSFORMER_KEYS, where, faults)
    to_bus, read = _text(given, "to_bus", where, faults), {}
    for key, default in (("rating_kva", 1.0), ("short_circuit_percent", 4.0), ("load_loss_kw", 0.01)):
        read[key] = _positive(given, key, default, where, faults)
    for key in ("no_load_loss_kw", "no_load_current_percent"):
        read[key] = _positive(given, key, 0.0, where, faults, zero=True)
    for key in _LOAD_COLUMNS:
        read[key] = _finite(given, key, where, faults)
    resistance, impedance = read["load_loss_kw"] / read["rating_kva"], read["short_circuit_percent"] / 100
    if resistance > impedance:
        faults.append(
            f"{where}: expected load_loss_kw / rating_kva up to the short-circuit voltage {impedance:.4g}, "
            f"came {resistance:.4g}; check the nameplate"
        )
    return Transformer(to_bus=to_bus, **read)


def _check_keys(
    given: Mapping[str, Any], needed: tuple[str, ...], known: tuple[str, ...], where: str, faults: list[str]
) -> None:
    for key in given:
        if key not in known:
            faults.append(f"{where}: expected keys {', '.join(known)}; came {said(key)}; remove it or correct its name")
    for key in needed:
        if key not in given:
            faults.append(f"{where}: expected the key '{key}', came none; add it")


def _text(given: Mapping[str, Any], key: str, where: str, faults: list[str]) -> str:
    value = given.get(key, "")
    if key in given and not (isinstance(value, str) and value.strip()):
        faults.append(f"{where}: expected text for '{key}', came {said(value)}; write it in quotes")
    return str(value)


def _positive(
    given: Mapping[str, Any], key: str, default: float, where: str, faults: list[str], zero: bool = False
) -> float:
    value = given.get(key, default)
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST
    if good and (value > 0 or (zero and value == 0)):
        return float(value)
    faults.append(
        f"{where}: expected a {'non-negative' if zero else 'positive'} number for '{key}', came {said(value)}"
    )
    return default


def _finite(given: Mapping[str, Any], key: str, where: str, faults: list[str]) -> float:
    value = given.get(key, 0.0)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST:
        return float(value)
    faults.append(f"{where}: expected a finite number for '{key}', came {said(value)}")
    return 0.0


def _read_lines(path: Path, settings: Mapping[str, Any], faults: list[str]) -> list[Line]:
    """Read lines.csv; rows are counted as an editor counts them, the header is row 1."""
    text, _ = read_any_text(path)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = list(reader.fieldnames or [])
        rows = [(reader.line_num, record) for record in reader]
    except csv.Error as error:
        faults.append(f"lines.csv row {reader.line_num}: {error}; close the quotes of its cells")
        return []
    unknown = [column for column in columns if column not in _COLUMNS]
    missing = [column for column in _NEEDED_COLUMNS if column not in columns]
    if unknown:
        faults.append(
            f"lines.csv row 1: expected columns {', '.join(_COLUMNS)}; came {', '.join(map(said, unknown))}; "
            "remove them or correct their names"
        )
    if missing:
        faults.append(f"lines.csv row 1: expected the columns {', '.join(missing)}, came none; add them")
        return []
    if not rows and settings["transformer"] is None:
        faults.append("lines.csv: expected at least one line, came none; add rows or a [transformer]")
    zero_sequence = sum(column in columns for column in _ZERO_SEQUENCE_COLUMNS)
    if zero_sequence == 1 or (settings["phases"] == 3 and zero_sequence == 0):
        faults.append(
            f"lines.csv row 1: expected the columns {', '.join(_ZERO_SEQUENCE_COLUMNS)} together, and "
            "where feeder.toml says phases = 3; add them (four times r and x where the neutral is like the phases)"
        )
    kva_per_a = math.sqrt(3) * settings["base_kv"]
    lines = [_read_line(row, record, kva_per_a, faults) for row, record in rows]
    _check_buses(lines, settings, faults)
    return lines


def _read_line(row: int, record: Mapping[str, Any], kva_per_a: float, faults: list[str]) -> Line:
    where = f"lines.csv row {row}"
    if None in record or None in record.values():
        faults.append(f"{where}: expected as many cells as the header has columns; add or remove commas")
    number = {}
    zero_sequence = [column for column in _ZERO_SEQUENCE_COLUMNS if column in record]
    for column in (*_NUMBER_COLUMNS, *zero_sequence, *_LOAD_COLUMNS):
        cell = record.get(column) or ("0" if column in _LOAD_COLUMNS else "")
        try:
            number[column] = float(cell)
        except ValueError:
            number[column] = math.nan
        positive = column in ("length_m", "r_ohm_per_km", "r0_ohm_per_km", "rating_a")
        if not abs(number[column]) <= MOST:
            faults.append(f"{where}: expected a finite number for {column}, came {said(cell)}")
        elif positive and number[column] <= 0:
            faults.append(f"{where}: expected {column} > 0, came {cell}")
        elif column in ("x_ohm_per_km", "x0_ohm_per_km") and number[column] < 0:
            faults.append(f"{where}: expected {column} >= 0, came {cell}")
    from_bus, to_bus = ((record.get(column) or "").strip() for column in ("from_bus", "to_bus"))
    if not (from_bus and to_bus):
        faults.append(f"{where}: expected names for from_bus and to_bus, came {said(from_bus)} and {said(to_bus)}")
    elif from_bus == to_bus:
        faults.append(f"{where}: expected two buses, came a line from '{from_bus}' to itself; correct one of them")
    phase = (record.get("phase") or "abc").strip().lower()
    if phase not in PHASES:
        faults.append(f"{where}: expected one of {', '.join(PHASES)} for phase, came {said(record['phase'])}")
    km = number["length_m"] / 1000
    r0_ohm, x0_ohm = (number[column] * km if column in number else None for column in _ZERO_SEQUENCE_COLUMNS)
    return Line(
        where=where,
        from_bus=from_bus,
        to_bus=to_bus,
        r_ohm=number["r_ohm_per_km"] * km,
        x_ohm=number["x_ohm_per_km"] * km,
        rating_kva=number["rating_a"] * kva_per_a,
        p_kw=number["p_kw"],
        q_kvar=number["q_kvar"],
        r0_ohm=r0_ohm,
        x0_ohm=x0_ohm,
        phase=PHASES.get(phase, 0),
    )


def _check_buses(lines: list[Line], settings: Mapping[str, Any], faults: list[str]) -> None:
    root, transformer = settings["root_bus"], settings["transformer"]
    fed_by = {} if transformer is None else {transformer.to_bus: "the transformer"}
    for line in lines:
        where = line.where
        if line.from_bus == line.to_bus:
            continue
        if line.to_bus == root:
            faults.append(f"{where}: expected lines that lead away from the root '{root}', came one that feeds it")
        elif line.to_bus in fed_by:
            faults.append(
                f"{where}: expected each bus once as to_bus, came '{line.to_bus}' that {fed_by[line.to_bus]} feeds; "
                "a feeder is radial: open the loop, rename the bus, or turn the line (from_bus is nearer the root)"
            )
        else:
            fed_by[line.to_bus] = line.where.removeprefix("lines.csv ")
        if transformer is not None and line.from_bus == root:
            faults.append(f"{where}: expected only the transformer at the root '{root}', came a line; start it at "
                          f"'{transformer.to_bus}'")  # fmt: skip


def _order_from_root(lines: list[Line], settings: Mapping[str, Any], faults: list[str]) -> list[Line]:
    """Sort lines so that parents come first, in file order where that allows; report rows the root does not reach."""
    transformer = settings["transformer"]
    reached = {settings["root_bus"]} | ({transformer.to_bus} if transformer else set())
    ordered: list[Line] = []
    waiting = lines
    while waiting:
        later = []
        for line in waiting:
            if line.from_bus in reached:
                reached.add(line.to_bus)
                ordered.append(line)
            else:
                later.append(line)
        if len(later) == len(waiting):
            break
        waiting = later
    for line in waiting:
        faults.append(
            f"{line.where}: expected a path to the root '{settings['root_bus']}', came none for "
            f"'{line.from_bus}' -> '{line.to_bus}'; connect it (from_bus is the end nearer the root)"
        )
    return ordered
