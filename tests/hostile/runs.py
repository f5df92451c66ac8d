"""Hostile folders of runs, played and resumed: configurations and models that are none, or that run code."""

from __future__ import annotations

import base64
import json
import pickle
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.case import OLD_RUN, Case, Trap, texts


def hostile_run(folder: Path, config: Any, models: dict[str, bytes]) -> Path:
    """Make the folder of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    (folder / "config.json").write_bytes(text)
    for name, held in models.items():
        (folder / name).write_bytes(held)
    return folder


def packed(**arrays: Any) -> bytes:
    """Give a file of arrays; objects in it are pickled."""
    out = BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def _models(rng: np.random.Generator) -> dict[str, bytes]:
    meta = np.frombuffer(b'{"steps": 1}', np.uint8)
    trap = np.empty(1, object)
    trap[0] = Trap()
    weight = np.zeros((2, 53), np.float32)
    away, claims = BytesIO(), BytesIO()
    with zipfile.ZipFile(away, "w") as out:
        out.writestr("../../outside.npy", b"x")
        out.writestr("meta.npy", packed(meta=meta)[:80])
    with zipfile.ZipFile(claims, "w") as out:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999,), }"
        out.writestr("meta.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    named = {"weights/action_net.weight": weight, "weights/action_net.bias": weight[:, 0]}
    return {
        **{name: held for name, held in texts(rng).items() if name in ("empty", "noise", "nested", "pickle")},
        "trap": packed(meta=meta, x=trap),
        "trapped_meta": packed(meta=trap),
        "no_meta": packed(x=meta),
        "bad_meta": packed(meta=np.frombuffer(b"[", np.uint8)),
        "no_weights": packed(meta=meta),
        "other_width": packed(meta=meta, **{n: x[..., :7] for n, x in named.items()}),
        "not_finite": packed(meta=meta, **{n: x + np.nan for n, x in named.items()}),
        "text_weights": packed(meta=meta, **{n: x.astype(str) for n, x in named.items()}),
        "away": away.getvalue(),
        "claims": claims.getvalue(),
        "cut": packed(meta=meta, **named)[: int(rng.integers(30, 200))],
    }


def trapped_zip(rng: np.random.Generator) -> dict[str, bytes]:
    """Give zips like those of stable-baselines3 that run code where they are unpickled."""
    made = {}
    for where in ("policy.pth", "data", "both"):
        out = BytesIO()
        with zipfile.ZipFile(OLD_RUN / "checkpoint.zip") as old, zipfile.ZipFile(out, "w") as new:
            for member in old.namelist():
                held = old.read(member)
                if member == "data" and where != "policy.pth":
                    data = json.loads(held)
                    data["policy_class"][":serialized:"] = base64.b64encode(pickle.dumps(Trap())).decode()
                    held = json.dumps(data).encode()
                if member == "policy.pth" and where != "data":
                    held = pickle.dumps({"action_net.weight": Trap()})
                new.writestr(member, held)
        made[where] = out.getvalue()
    return made


def of_runs(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    config = json.loads((OLD_RUN / "config.json").read_bytes())
    command = ("evaluate", "street", "--seeds", "1", "--policies")
    for name, held in _models(rng).items():
        run = hostile_run(folder / f"run_{name}", config, {"model.npz": held})
        yield Case((*command, str(run)), (2, 5), ("model.npz",))
    for name, held in trapped_zip(rng).items():
        if name != "data":  # which is never read, so that one plays
            run = hostile_run(folder / f"run_zip_{name}", config, {"model.zip": held})
            yield Case((*command, str(run)), (2,), ("model.zip",))
        (folder / f"foreign_{name}.zip").write_bytes(held)
        yield Case((*command, str(folder / f"foreign_{name}.zip")), (2,), ("--allow-code",))
    good = {"model.npz": _models(rng)["no_weights"]}
    configs: dict[str, Any] = {**texts(rng), "brackets": {}, "no_features": config | {"features": None}}
    configs |= {"features": config | {"features": [1]}, "actions": config | {"actions": [1]}, "train": {"train": 1}}
    for name, value in configs.items():
        run = hostile_run(folder / f"run_config_{name}", value, good)
        yield Case((*command, str(run)), (2,), ("config.json", "model.npz"))
    for name, span in {"text": "x", "list": [1], "short": {"series": "x"}, "bad": {"periods": [[1]]}}.items():
        run = hostile_run(folder / f"run_span_{name}", config | {"span": span}, good)
        yield Case((*command, str(run)), (2,), ("model.npz", "span"))
    linked = hostile_run(folder / "run_linked", config, {})
    (linked / "model.npz").symlink_to("/etc/hostname")
    yield Case((*command, str(linked)), (2,), ("is a link",))


def of_resumed_runs(folder: Path, rng: np.random.Generator) -> Iterator[Case]:
    config = json.loads((OLD_RUN / "config.json").read_bytes())
    values: dict[str, Any] = {
        **texts(rng),
        "brackets": {},
        "no_scenario": {k: v for k, v in config.items() if k != "scenario"},
    }
    for field, value in (
        ("steps", "many"), ("steps", 0), ("n_envs", 10**12), ("width", -1), ("gamma", 7), ("seed", -1),
        ("overrides", 3),
        ("max_minutes", "x"), ("learning_rate", None), ("threads", 10**9), ("algo", "os.system"), ("moon", 1),
    ):  # fmt: skip
        values[f"train_{field}_{value}"] = config | {"train": config["train"] | {field: value}}
    for field, value in (
        ("mechanism", "../../x"), ("tariff", "../x"), ("feeder", "../../.."), ("agents", 3), ("name", 3),
        ("step_min", 0),
    ):  # fmt: skip
        values[f"scenario_{field}"] = config | {"scenario": config["scenario"] | {field: value}}
    for name, value in values.items():
        run = hostile_run(folder / f"resumed_{name}", value, {})
        yield Case(("train", "--out", str(run), "--resume"), (2,), ("config.json", "feeder"))
    for name, held in _models(rng).items():
        run = hostile_run(folder / f"resumed_model_{name}", config, {"checkpoint.npz": held})
        yield Case(("train", "--out", str(run), "--resume"), (2,), ("checkpoint.npz",))
    for name in ("missing", "empty.json", "fifo.json", "nnn" * 100):
        yield Case(("train", "--out", str(folder / name), "--resume"), (2, 5), ("resume", "nnn"))
