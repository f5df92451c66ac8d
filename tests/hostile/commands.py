"""Hostile command lines, drawn from a seed: files that are none, names that lead elsewhere, numbers that cannot be.

``cases(folder, seed)`` lays the files in a folder and gives the command lines with the exit code that each must have.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.case import RECORD, Case, texts
from tests.hostile.runs import of_resumed_runs, of_runs

KEY = ("--key", "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", "--origin", "village")


def cases(folder: Path, seed: int) -> list[Case]:
    """Give all cases in an order drawn from the seed, with noise in the files from it too."""
    rng = np.random.default_rng(seed)
    makers = (
        _scenarios,
        _records,
        of_runs,
        of_resumed_runs,
        _ledgers,
        _kept,
        _books,
        _bills,
        _numbers,
        _names,
        _outputs,
        _inputs,
    )
    found = [case for maker in makers for case in maker(folder, rng)]
    return [found[i] for i in rng.permutation(len(found))]


def _files(folder: Path, rng: np.random.Generator, end: str) -> Iterator[tuple[str, Path]]:
    """Lay each of the contents, and what is no file at all, under a name with this end."""
    for name, held in texts(rng).items():
        path = folder / f"{name}{end}"
        path.write_bytes(held)
        yield name, path
    for name, path in _special(folder, end):
        yield name, path


def _special(folder: Path, end: str) -> Iterator[tuple[str, Path]]:
    """What stands there and is no file."""
    fifo, circle, dangling = (folder / f"{name}{end}" for name in ("fifo", "circle", "dangling"))
    for path, made in (
        (fifo, os.mkfifo),
        (circle, lambda p: p.symlink_to(p)),
        (dangling, lambda p: p.symlink_to("no")),
    ):
        if not os.path.lexists(path):
            made(path)
        yield path.stem, path
    (folder / f"folder{end}").mkdir(exist_ok=True)
    yield "folder", folder / f"folder{end}"
    yield "missing", folder / f"missing{end}"
    yield "below_a_file", folder / f"empty{end}" / f"x{end}"
    yield "long", folder / ("n" * 300 + end)


def _scenarios(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    for name, path in _files(folder, rng, ".toml"):
        if name == "empty":
            path.write_bytes(b'title = "\x1b[2J"\n[nobody]\n')
        for command in (("evaluate", str(path)), ("show", "scenario", str(path))):
            yield Case(command, (2, 5), (path.name[:40], "scenario", "empty"))
    for i, text in enumerate((
        'tariff = "../../../etc/passwd"', 'mechanism = "os"', 'mechanism = "../uniform_price"', 'feeder = "/etc"',
        'feeder = "../../data/feeders/none"', "step_min = nan", "seed = 1e999", "agents = 3", "[ev]\ncount = -1",
        '[ev]\ncount = "__import__(\'os\')"', "[data]\nn_days = 1_000_000_000_000", '[data]\npath = "/dev/zero"',
        "prosumer = [1]", "[call]\nfile = 3", '[mechanism_options]\n"__class__" = 1', '[data]\npath = "no/where"',
    )):  # fmt: skip
        path = folder / f"table_{i}.toml"
        path.write_text(f"{text}\n" if "[ev]" in text else f"{text}\n[ev]\ncount = 1\n", encoding="utf-8")
        yield Case(
            ("evaluate", str(path), "--policies", "idle", "--seeds", "1"), (2, 5), ("expected", "unknown", "device")
        )


def _records(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    command = ("evaluate", "street", "--policies", "idle", "--seeds", "6", "--check")
    for name, path in _files(folder, rng, ".json"):
        yield Case((*command, str(path)), (2, 5), (path.name[:40], "empty") if name != "long" else ("nnn",))
    record = json.loads(RECORD.read_bytes())
    changes: list[dict[str, Any]] = [
        {"scenario": None}, {"scenario": ["street"]}, {"split": 3}, {"seeds": 3}, {"seeds": []}, {"seeds": ["0"]},
        {"seeds": [0.5]}, {"tolerances": []}, {"tolerances": {"score": -1}}, {"tolerances": {"score": {"abs": "x"}}},
        {"tolerances": {"score": {"abs": -1}}}, {"tolerances": {"score": {"abs": 1e999}}}, {"policies": {}},
        {"policies": [3]}, {"policies": [{}]}, {"policies": [{"policy": 3}]}, {"policies": [{"policy": "idle"}]},
        {"policies": [{"policy": "idle", "score": "0"}]}, {"policies": [{"policy": "idle", "score": {}}]},
        {"policies": [{"policy": "idle", "score": 1}] * 2}, {"settings": 3}, {"settings": {}}, {"schema": 99},
        {"settings": {"name": "street", "agents": 3}}, {"settings": {"name": "street", "agents": {"os": {}}}},
        {"versions": "1"}, {"scenario": "village"}, {"scenario": "../street"},
    ]  # fmt: skip
    for i, change in enumerate(changes):
        path = folder / f"record_{i}.json"
        path.write_text(json.dumps(record | change), encoding="utf-8")
        yield Case((*command, str(path)), (2,), (path.name,))
    for key in record:
        path = folder / f"record_without_{key}.json"
        path.write_text(json.dumps({k: v for k, v in record.items() if k != key}), encoding="utf-8")
        yield Case((*command, str(path)), (2,), (key,))


def _ledgers(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    for name, path in _files(folder, rng, ".db"):
        says = ("nnn",) if name == "long" else (path.name, "empty.db")
        yield Case(("ledger", "verify", str(path), *KEY), (2, 5), says)
        command = [("prove", str(path), "x"), ("checkpoints", str(path)), ("statement", str(path), "../../etc/passwd")]
        yield Case(("ledger", *command[int(rng.integers(3))]), (2, 5), says)
    lines = {
        "cut": '{"seq":0,"inter', "nested": '{"seq":' + "[" * 5000, "wrong": '{"seq":"0","interval":0,"body":{}}',
        "away": '{"checkpoint":3}', "leaf": '{"interval":0,"leaf":"zz","seq":0}',
    }  # fmt: skip
    for name, line in lines.items():
        path = folder / f"export_{name}.jsonl"
        path.write_text('{"format":"gridbazaar-ledger/1"}\n' + line + "\n", encoding="utf-8")
        yield Case(("ledger", "verify", str(path), *KEY), (2,), (f"{path}, line 2",))


def _kept(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    for name, path in _files(folder, rng, ".txt"):
        says = ("nnn",) if name == "long" else (path.name, "empty.txt")
        yield Case(("ledger", "verify", str(folder / "no.db"), *KEY, "--trusted", str(path)), (2, 5), (*says, "no.db"))
        yield Case(("ledger", "check-proof", str(path), *KEY), (1, 2, 5), ())
    for key in ("", "zz", "did:key:z", "a+b+c", "00" * 31, "../../etc/passwd", "\ud800", "did:key:z6Mk" + "1" * 900):
        yield Case(("ledger", "verify", "no.db", "--key", key, "--origin", "village"), (2,), ("key", "no.db"))


def _books(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    for name, path in _files(folder, rng, ".csv"):
        says = ("nnn",) if name == "long" else (path.name, "empty.csv")
        yield Case(("clear", "uniform_price", str(path)), (2, 5), says)
    rows = {
        "ragged": "buy,1,0.3,x,1,2,3", "short": "buy", "infinite": "buy,inf,1", "huge": "buy,1e308,1e308",
        "negative": "sell,-1,0.1", "formula": "=cmd|' /C calc'!A0,1,1", "quote": '"buy,1,1', "nul": "buy,1,\0",
    }  # fmt: skip
    for name, row in rows.items():
        path = folder / f"book_{name}.csv"
        path.write_text(f"side,kwh,price\n{row}\n", encoding="utf-8")
        yield Case(("clear", "uniform_price", str(path)), (2,), (path.name,))
    book = folder / "book.csv"
    book.write_text("side,kwh,price\nbuy,1,0.3\nsell,1,0.1\n", encoding="utf-8")
    for option, value in (
        ("--import-price", "nan"), ("--tick", "0"), ("--tick", "nan"), ("--price-cap", "x"), ("--seed", "-1"),
        ("--set", "k=nan"), ("--set", "k"), ("--set", "=1"), ("--set", "k=" + "[" * 30_000), ("--self-trade", "steal"),
        ("--import-price", "1e308"), ("--seed", str(2**70)),
    ):  # fmt: skip
        yield Case(("clear", "uniform_price", str(book), option, value), (2,), ())
    for name in ("../uniform_price", "os", "__init__", "uniform_price\0", "uniform_price.os", "", "/etc/passwd"):
        yield Case(("clear", name, str(book)), (2,), ("mechanism",))


def _bills(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    meter, tariff = folder / "good_meter.csv", folder / "good_tariff.toml"
    rows = [f"2025-01-{day:02d} {hour:02d}:00,1,0" for day in range(1, 4) for hour in range(24)]
    meter.write_text("\n".join(["time,import_kwh,export_kwh", *rows]), encoding="utf-8")
    head = 'title = "t"\nregion = ""\nyear = 2025\ncurrency = "EUR"\ntz = "Europe/Vienna"\nsource = "s"\n'
    charge = 'line = "retail", to = "retailer"'
    tariff.write_text(f"{head}charges = [{{ {charge}, cur_per_kwh = 0.3 }}]\n", encoding="utf-8")
    says: tuple[str, ...]
    for end in (".csv", ".xml", ".json"):
        for name, path in _files(folder, rng, end):
            says = ("nnn",) if name == "long" else (path.name, f"empty{end}")
            yield Case(("bill", str(path), "--tariff", str(tariff)), (2, 5), says)
    for end in (".toml", ".json"):
        for name, path in _files(folder, rng, end):
            says = ("nnn",) if name == "long" else (path.name, f"empty{end}", "design", "tariff")
            yield Case(("bill", str(meter), "--tariff", str(path)), (2, 5), says)
            yield Case(("show", "tariff", str(path), "--toml"), (2, 5), says)
    for i, text in enumerate((
        f"charges = [{{ {charge}, cur_per_kwh = nan }}]", f"charges = [{{ {charge}, cur_per_kwh = 1e308 }}]",
        f'charges = [{{ {charge}, table_cur_per_kwh = "/dev/zero" }}]', "charges = [[[[]]]]", "charges = 3",
        f'charges = [{{ {charge}, table_cur_per_kwh = "../../../etc/passwd" }}]', "charges = []", 'charges = ["x"]',
        f"charges = [{{ {charge}, windows = [{{ from_h = -1, cur_per_kwh = 1 }}] }}]", "charges = { line = 1 }",
        f"charges = [{{ {charge}, cur_per_kwh = 0.3 }}]\nholidays = '../x'", "charges = [{}]\nvat = 3",
        f"charges = [{{ {charge} }}]\ntables = {{ x = [1, 2] }}", f"charges = [{{ {charge} }}]\nminimum = [1]",
        f"charges = [{{ {charge}, by_label = 3 }}]", f"charges = [{{ {charge}, local = {{ feeder = 'x' }} }}]",
    )):  # fmt: skip
        path = folder / f"design_{i}.toml"
        path.write_text(head + text + "\n", encoding="utf-8")
        yield Case(("bill", str(meter), "--tariff", str(path)), (2,), (path.name, "holidays"))
    for option, value in (
        ("--timezone", "../UTC"), ("--timezone", ""), ("--stamps", "middle"), ("--repair", "all"), ("--labels", ","),
        ("--columns", "x"), ("--out", str(meter)), ("--out", "/dev/null/x"), ("--spot", str(meter)), ("--tariff", ""),
    ):  # fmt: skip
        yield Case(("bill", str(meter), "--tariff", str(tariff), option, value), (2, 5), ())


def _numbers(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    wrong = ("0", "-1", "nan", "inf", "1e3", "x", "", "100000000000", "9" * 5000, "0x10", "1_0_", "\u0663 ")
    out = str(folder / "not_made")
    for option in ("--seeds", "--seed", "--tolerance"):
        for value in wrong:
            if (option, value) != ("--seed", "0"):
                yield Case(("evaluate", "street", "--policies", "idle", option, value), (2,), (option,))
    for option in ("--minutes", "--steps", "--n-envs", "--seed"):
        for value in wrong:
            fine = {"--seed": ("0",), "--steps": ("100000000000",), "--minutes": ("100000000000",)}.get(option, ())
            if value not in (*fine, "1e3"):
                says = (option, "n_envs", "minutes", "steps")
                yield Case(("train", "street", "--out", out, option, value), (2,), says)
    for value in ("0", "-1", "nan", "inf", "x"):
        yield Case(("demo", "--out", out, "--minutes", value), (2,), ("minutes",))
    for value in ("0", "-4", "x", "4,4", "9" * 30, ""):
        yield Case(("measure", "mechanisms", "--sides", value, "--books", "1", "--probes", "1"), (2,), ())
    for value in ("0", "-5", "7", "61", "x"):
        yield Case(("data", "check", str(folder), "--step-min", value), (2,), ("step-min",))
    for value in ("prosumer.count=1e400", "ev.count=-1", "step_min=0", "hours=nan", "=", "x=1", "data.path=/dev/zero"):
        yield Case(("evaluate", "street", "--set", value), (2,), ())


def _names(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    for name in (
        "../village",
        "../../envs/scenarios/village",
        "/etc/passwd",
        "",
        ".",
        "\0",
        "village\0",
        "$(id)",
        "a" * 5000,
    ):
        yield Case(("evaluate", name), (2, 5), ("scenario", "name"))
        yield Case(("show", "tariff", name), (2,), ("tariff",))
        yield Case(("show", "feeder", name), (2, 5), ("feeder", "name"))
        if name:
            yield Case(("compare", "street", "--tariffs", f"flat,{name}", "--out", str(folder / "not_made")), (2,), ())
    for policies in (
        "idle,idle",
        "random,random",
        "a=random,a=idle",
        "idle=random",
        "os",
        "../idle",
        "trained",
        "__init__",
        "=",
        "a=",
    ):
        yield Case(("evaluate", "street", "--policies", policies), (2,), ("polic", "twice", "named"))
    yield Case(("compare", "street", "--tariffs", "flat,flat", "--out", str(folder / "not_made")), (2,), ("twice",))
    yield Case(("evaluate", "street", "--split", "exam", "--policies", "idle"), (2,), ("split",))


def _outputs(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    command = ("evaluate", "street", "--policies", "idle", "--seeds", "1")
    for _, path in _special(folder, ".out"):
        if path.stem != "missing" and path.parent == folder:
            option = ("--json", "--csv", "--record", "--ledger")[int(rng.integers(4))]
            yield Case((*command, option, str(path)), (2, 5), ("out", "nnn"))
    for place in ("/dev/null", "/dev/full", str(folder / "fifo.out")):
        yield Case((*command, "--json", place, "--force"), (2,), ("device",))
    same, other = folder / "same.json", folder / "other" / ".." / "same.json"
    yield Case((*command, "--json", str(same), "--record", str(other)), (2,), ("same file",))
    yield Case((*command, "--check", str(RECORD), "--record", str(RECORD), "--force"), (2,), ("same file",))
    yield Case((*command, "--json", str(folder / "x\0y")), (2,), ("name", "--json"))
    yield Case((*command, "--json", "/proc/none/x.json"), (2, 5), ("/proc",))
    for out in (str(folder), "/", ".", str(folder / "empty.json"), str(folder / "fifo.out"), "/proc/none", "n" * 300):
        for begin in (("train", "street"), ("compare", "street", "--tariffs", "flat"), ("demo",)):
            yield Case(
                (*begin, "--out", out, "--force"), (2, 5), ("folder", "File name too long", "cannot write", "not")
            )


def _inputs(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    for _, path in _special(folder, ".data"):
        if path.stem not in ("circle", "long"):
            yield Case(("evaluate", "street", "--policies", "idle", "--data", str(path)), (2, 5), ())
    for place in ("/dev/zero", "/dev/urandom", "/dev/null", str(folder / "fifo.data")):
        for words in (
            ("data", "check", place), ("clear", "uniform_price", place), ("ledger", "verify", place, *KEY),
            ("evaluate", "street", "--check", place), ("evaluate", "street", "--data", place),
        ):  # fmt: skip
            yield Case(words, (2,), ("device", "no SQLite"))
