"""A community from CSV files: homes, sun and prices of one's own in place of generated ones.

    python examples/own_community.py [EPISODES]

Writes small files of the plain layout (docs/data.md) into a folder, looks at them as `gridbazaar data check` does, and
lets policies play the community that a TOML file makes of them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

import gridbazaar as gb

SCENARIO = """
title = "three homes of our own"
tariff = "spot"
feeder = "street"

[data]
path = "homes.csv"
further = ["prices.csv"]

[prosumer]
count = 3
pv_share = 1.0
pv_kwp = [4.0, 8.0]
battery_share = 0.67

[battery]
count = 1

[ev]
count = 1
"""


def write_files(folder: Path, n_days: int = 70) -> None:
    """Write what somebody would bring: hourly meters, and quarter-hourly prices of the same days."""
    rng = np.random.default_rng(0)
    hours = pd.date_range("2024-04-01", periods=24 * n_days, freq="h")
    evening = np.exp(-0.5 * ((hours.hour - 19) / 2.5) ** 2) + 0.5 * np.exp(-0.5 * ((hours.hour - 8) / 1.5) ** 2)
    homes = {
        f"home{i}_load_kw": (0.25 + size * evening) * rng.lognormal(0.0, 0.4, len(hours))
        for i, size in enumerate((0.8, 1.2, 1.6))
    }
    height = np.clip(np.sin((hours.hour - 6) / 12 * np.pi), 0.0, None) * (hours.hour > 6) * (hours.hour < 18)
    clear = np.repeat(rng.uniform(0.3, 1.0, n_days), 24)
    homes |= {f"home{i}_pv_kw_per_kwp": 0.8 * height * clear for i in range(3)}
    pd.DataFrame({"time": hours} | homes).to_csv(folder / "homes.csv", index=False, float_format="%.4f")
    quarters = pd.date_range("2024-04-01", periods=96 * n_days, freq="15min")
    spot = 0.09 + 0.04 * np.sin((quarters.hour - 13) / 24 * 2 * np.pi) + rng.normal(0.0, 0.01, len(quarters))
    pd.DataFrame({"time": quarters, "spot_cur_per_kwh": spot}).to_csv(
        folder / "prices.csv", index=False, float_format="%.5f"
    )
    (folder / "ours.toml").write_text(SCENARIO, encoding="utf-8")


def main(episodes: int = 10) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_files(folder)
        bank = gb.load_bank([str(folder / "homes.csv"), str(folder / "prices.csv")], step_min=15)
        print(f"{bank.name}: {bank.load_kw.shape[0]} homes, mean load {24 * bank.load_kw.mean():.1f} kWh a day")
        found = gb.evaluate(str(folder / "ours.toml"), ["self_consumption", "price_threshold"], seeds=episodes)
        for result in found.results:
            print(f"{result.policy:18} score {result.score.mean:6.1f}, cost {result.scored_cur.mean():6.2f} a day")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
