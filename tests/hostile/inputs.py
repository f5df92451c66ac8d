"""Hostile inputs: files as they come broken, made from sound ones by a seed.

``spoil`` breaks the bytes of one file in one of ``ALL_WAYS``; ``SOUND`` writes a small sound file or folder for each
loader. A loader must read what came out, or refuse it with an error of ours that names the file or where it lies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator

from gridbazaar.data.feeders import load_feeder
from gridbazaar.data.loaders.acn import read_acn
from gridbazaar.data.loaders.elaad import read_elaad
from gridbazaar.data.loaders.load import read
from gridbazaar.data.loaders.trondheim import read_trondheim
from gridbazaar.data.protocols.ocpp import read_profiles
from gridbazaar.data.protocols.openadr import read_events
from tests.data import exports

Bytes = bytes
_WORDS = (b"nan", b"inf", b"-inf", b"1e308", b"-1", b"9" * 400, b"", b"x", b"0x10", b"1_000", "\u0661\u0662".encode(),
          b"null", b"True", b"--", b"1e-400", b"-0", b"999999999999", b"2024-02-30", b"\xff\xfe", b"'", b'"',
          b"=1+1")  # fmt: skip


def _numbers(raw: Bytes) -> list[tuple[int, int]]:
    """Where numbers stand."""
    return [match.span() for match in re.finditer(rb"\d[\d.]*", raw)]


def _word_for_number(raw: Bytes, rng: Generator) -> Bytes:
    spans = _numbers(raw)
    if not spans:
        return raw + b"1"
    for begin, end in [spans[i] for i in sorted(rng.integers(len(spans), size=3).tolist(), reverse=True)]:
        raw = raw[:begin] + _WORDS[rng.integers(len(_WORDS))] + raw[end:]
    return raw


def _lines(raw: Bytes, change: Callable[[list[Bytes]], list[Bytes]]) -> Bytes:
    return b"\n".join(change(raw.split(b"\n")))


def _swap_columns(raw: Bytes, rng: Generator) -> Bytes:
    mark = max((b",", b";"), key=raw.count)

    def swap(line: Bytes) -> Bytes:
        cells = line.split(mark)
        return mark.join([cells[-1], *cells[1:-1], cells[0]]) if len(cells) > 1 else line

    return _lines(raw, lambda lines: [swap(line) for line in lines])


def _shuffle(raw: Bytes, rng: Generator) -> Bytes:
    return _lines(raw, lambda lines: [lines[i] for i in rng.permutation(len(lines))])


def _spot(raw: Bytes, rng: Generator, new: Bytes) -> Bytes:
    at = int(rng.integers(len(raw) + 1))
    return raw[:at] + new + raw[at:]


def _recoded(encoding: str) -> Callable[[Bytes, Generator], Bytes]:
    return lambda raw, rng: raw.decode("utf-8", "replace").encode(encoding, "replace")


WAYS: dict[str, Callable[[Bytes, Generator], Bytes]] = {
    "cut off": lambda raw, rng: raw[: int(rng.integers(len(raw) + 1))],
    "cut in": lambda raw, rng: raw[int(rng.integers(len(raw) + 1)) :],
    "empty": lambda raw, rng: b"",
    "blank": lambda raw, rng: b"\n \r\n\t\n",
    "without a header": lambda raw, rng: raw.partition(b"\n")[2],
    "header alone": lambda raw, rng: raw.partition(b"\n")[0],
    "columns swapped": _swap_columns,
    "rows reversed": lambda raw, rng: _lines(raw, lambda lines: lines[::-1]),
    "rows shuffled": _shuffle,
    "rows doubled": lambda raw, rng: _lines(raw, lambda lines: [line for line in lines for _ in range(2)]),
    "rows lost": lambda raw, rng: _lines(raw, lambda lines: [x for x in lines if rng.random() < 0.7]),
    "rows joined": lambda raw, rng: raw.replace(b"\n", b" ", 3),
    "a number is a word": _word_for_number,
    "numbers are words": lambda raw, rng: _word_for_number(_word_for_number(_word_for_number(raw, rng), rng), rng),
    "huge numbers": lambda raw, rng: raw.replace(b"0", b"000000000000"),
    "negative": lambda raw, rng: raw.replace(b",0", b",-0").replace(b";0", b";-0").replace(b": ", b": -"),
    "another separator": lambda raw, rng: raw.replace(b",", b"|").replace(b";", b","),
    "quotes": lambda raw, rng: _spot(raw, rng, b'"'),
    "a cell too many": lambda raw, rng: _spot(raw, rng, b",,;;,1,"),
    "binary within": lambda raw, rng: _spot(raw, rng, rng.bytes(40)),
    "binary": lambda raw, rng: rng.bytes(3000),
    "zeros": lambda raw, rng: bytes(500),
    "a spreadsheet": lambda raw, rng: b"PK\x03\x04" + rng.bytes(300),
    "gzip cut off": lambda raw, rng: b"\x1f\x8b\x08\x00" + rng.bytes(60),
    "utf-16": _recoded("utf-16"),
    "utf-32": _recoded("utf-32"),
    "latin-1": lambda raw, rng: _spot(raw, rng, "\u00fc\u00e4".encode("latin-1")),
    "odd utf-16": lambda raw, rng: b"\xff\xfe" + raw,
    "a long cell": lambda raw, rng: _spot(raw, rng, b"9" * 200_000),
    "deep": lambda raw, rng: b"[" * 50_000 + raw,
    "deep tags": lambda raw, rng: b"<a>" * 20_000 + raw,
    "other text": lambda raw, rng: b"<html><body>404, not found</body></html>\n",
    "entities": lambda raw, rng: b'<!DOCTYPE a [<!ENTITY b "bb">]>' + raw,
    "years": lambda raw, rng: raw.replace(b"2024", b"9999").replace(b"2026", b"0001").replace(b"2019", b"1066"),
    "twice": lambda raw, rng: raw + raw,
    "carriage returns": lambda raw, rng: raw.replace(b"\n", b"\r"),
}
"""Name -> the new bytes."""


def spoil(path: Path, way: str, rng: Generator) -> None:
    """Break a file in its place; ``folder`` and ``missing`` put a folder and nothing there."""
    raw = path.read_bytes()
    path.unlink()
    if way == "folder":
        path.mkdir()
    elif way != "missing":
        path.write_bytes(WAYS[way](raw, rng))


ALL_WAYS = (*WAYS, "folder", "missing")


def _plain(folder: Path) -> Path:
    utc = exports.times("Europe/Berlin", "2024-03-29", 4, 60)
    local, kw = utc.tz_convert("Europe/Berlin"), exports.load_kw(utc)
    pv = [0.5 * max(0.0, np.sin((t.hour - 6) / 12 * np.pi)) * (6 < t.hour < 18) for t in local]
    rows = [f"{t:%Y-%m-%dT%H:%M},{x:.2f},{y:.3f},{x / 9:.3f}" for t, x, y in zip(local, kw, pv, strict=True)]
    path = folder / "plain.csv"
    path.write_text("\n".join(["time,h1_load_kw,h1_pv_kw_per_kwp,spot_cur_per_kwh", *rows, ""]))
    return path


def _citylearn(folder: Path) -> Path:
    rows = ["month,hour,day_type,non_shiftable_load,solar_generation"]
    for row in range(96):
        hour, day = (row - 1) % 24 + 1, (row - 1) // 24
        rows.append(f"{7 if row == 0 else 8},{hour},{7 if row == 0 else day % 7 + 1},{1 + row % 5 / 10},{0.0}")
    home = folder / "home"
    home.mkdir()
    (home / "A.csv").write_text("\n".join(rows))
    for name, column in (("pricing", "electricity_pricing"), ("carbon_intensity", "carbon_intensity"),
                         ("weather", "outdoor_dry_bulb_temperature")):  # fmt: skip
        (home / f"{name}.csv").write_text(column + "\n" + "0.2\n" * 96)
    (home / "schema.json").write_text(json.dumps({
        "simulation_start_time_step": 0, "simulation_end_time_step": 95, "seconds_per_time_step": 3600,
        "buildings": {"A": {"include": True, "energy_simulation": "A.csv", "weather": "weather.csv"}},
    }))  # fmt: skip
    return home


def _acn(folder: Path) -> Path:
    head = "arrival,departure,requested_energy (kWh),delivered_energy (kWh),station_id,estimated_departure,claimed"
    days = [f"2019-05-{d:02}" for d in range(1, 20)]
    rows = [
        f"{day} 08:00:00-07:00,{day} 17:00:00-07:00,15,15,S{i % 3},{day} 17:00:00-07:00,True"
        for i, day in enumerate(days)
    ]
    path = folder / "acn.csv"
    path.write_text("\n".join([head, *rows, ""]))
    return path


def _trondheim(folder: Path) -> Path:
    rows = [f"{d};A;A-{d % 3};Private;{d}.12.2018 10:20;{d}.12.2018 18:23;7,25" for d in range(1, 20)]
    path = folder / "reports.csv"
    path.write_text("\n".join(["session_ID;Garage_ID;User_ID;User_type;Start_plugin;End_plugout;El_kWh", *rows, ""]))
    return path


def _elaad(folder: Path) -> Path:
    place = folder / "elaad"
    place.mkdir()
    hours = [f"{h:02}:00" for h in range(24)]
    for name in ("distribution-of-arrival", "distribution-of-arrival-weekend"):
        rows = [f"{hour},4,4,4" for hour in hours]
        (place / f"{name}.csv").write_text("\n".join(["Arrival time,private,public,workplace", *rows]))
    for name in ("mean-session-length-per", "mean-demand-per-arrival"):
        (place / f"{name}.csv").write_text("\n".join(["Arrival Time,home,public,work", *(f"{h},8,6,7" for h in hours)]))
    for name in ("distribution-of-connection-time", "distribution-of-energy-demand"):
        rows = [f"{p},{20 - p / 5},{20 - p / 5},{20 - p / 5}" for p in range(0, 101, 5)]
        (place / f"{name}.csv").write_text("\n".join(["Percentage of charging events,private,public,workplace", *rows]))
    return place


def _feeder(folder: Path) -> Path:
    place = folder / "feeder"
    place.mkdir()
    (place / "feeder.toml").write_text(
        'source = "made up"\nbase_kv = 0.4\nroot_bus = "a"\nv_min_pu = 0.9\nv_max_pu = 1.1\n'
    )
    head = "from_bus,to_bus,length_m,r_ohm_per_km,x_ohm_per_km,rating_a,p_kw,q_kvar"
    (place / "lines.csv").write_text("\n".join([head, "a,b,100,0.2,0.08,270,5,1", "b,c,80,0.2,0.08,270,5,1", ""]))
    return place


def _events(folder: Path) -> Path:
    path = folder / "events.json"
    path.write_text(json.dumps([{
        "programID": "p", "eventName": "e", "objectType": "EVENT", "createdDateTime": "2026-01-14T12:00:00Z",
        "intervalPeriod": {"start": "2026-01-15T18:00:00Z", "duration": "PT1H"},
        "intervals": [{"id": i, "payloads": [{"type": "SIMPLE", "values": [i]}]} for i in range(3)],
    }], indent=1))  # fmt: skip
    return path


def _profiles(folder: Path) -> Path:
    path = folder / "profiles.json"
    path.write_text(json.dumps([{
        "id": i, "stackLevel": i, "chargingProfilePurpose": "ChargingStationMaxProfile",
        "chargingProfileKind": "Recurring", "recurrencyKind": "Daily", "validFrom": "2026-01-01T00:00:00Z",
        "chargingSchedule": [{
            "id": 1, "startSchedule": "2026-01-15T18:00:00Z", "duration": 14_400, "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16.0, "numberPhases": 1}],
        }],
    } for i in range(2)], indent=1))  # fmt: skip
    return path


def _bank(path: Path) -> object:
    return read(path, step_min=60, timezone=None if path.is_dir() else "Europe/Berlin", n_cars=1, n_homes=1)


def _sound(make: Callable[..., Path], name: str) -> Callable[[Path], Path]:
    return lambda folder: make(folder / name, n_days=4)


SOUND: dict[str, tuple[Callable[[Path], Path], Callable[[Path], object]]] = {
    "plain": (_plain, _bank),
    "green_button": (_sound(exports.green_button_csv, "green_button.csv"), _bank),
    "espi": (_sound(exports.green_button_xml, "espi.xml"), _bank),
    "nem12": (_sound(exports.nem12, "nem12.csv"), _bank),
    "entsoe": (_sound(exports.entsoe, "entsoe.csv"), _bank),
    "smard": (_sound(exports.smard, "smard.csv"), _bank),
    "aemo": (_sound(exports.aemo, "aemo"), lambda path: read(path, step_min=60, n_cars=1, n_homes=1)),
    "citylearn": (_citylearn, _bank),
    "acn": (_acn, read_acn),
    "trondheim": (_trondheim, read_trondheim),
    "elaad": (_elaad, lambda path: read_elaad(path, "home")),
    "feeder": (_feeder, load_feeder),
    "openadr": (_events, read_events),
    "ocpp": (_profiles, read_profiles),
}
"""Loader -> how a sound input is written into a folder, and how it is read."""
