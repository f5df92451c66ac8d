"""Makes the reference solutions of the feeders that no paper gives, with power-grid-model's Newton-Raphson solver.

python -m tests.golden.feeders.make
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from gridbazaar.data.feeder import Feeder
from gridbazaar.data.feeders import list_feeders, load_feeder
from tests.market.second_solver import asymmetric, balanced

FOLDER = Path(__file__).parent
BY_HAND = ("ieee33",)  # published figures
SCALES = (0.5, 1.0, -1.0)
TURNS = ("a", "b", "c")


def text(feeder: Feeder) -> str:
    """Give the reference solution as TOML: the load, and what it leaves at several scales."""
    lines = [
        f"# {feeder.name}, by power-grid-model {version('power-grid-model')}, Newton-Raphson to 1e-12: "
        "python -m tests.golden.feeders.make",
        f'feeder = "{feeder.name}"',
        f"load_kw = {feeder.p_kw.sum():.6f}",
        f"load_kvar = {feeder.q_kvar.sum():.6f}",
        "tolerance_kw = 1e-3",
        "tolerance_pu = 1e-6",
    ]
    for scale in SCALES:
        lines += ["", "[[case]]", f"load_scale = {scale}", *_balanced_case(feeder, scale)]
        if feeder.phases == 3:
            lines += ["", "[[phase_case]]", f"load_scale = {scale}", *_phase_case(feeder, scale)]
    return "\n".join(lines) + "\n"


def _balanced_case(feeder: Feeder, scale: float) -> list[str]:
    solved = balanced(feeder, scale * feeder.p_kw[None], scale * feeder.q_kvar[None])
    lowest = int(solved.voltage_pu[0].argmin())
    return [
        f"loss_kw = {solved.loss_kw[0]:.6f}",
        f"lowest_pu = {solved.voltage_pu[0, lowest]:.8f}",
        f'lowest_bus = "{feeder.buses[lowest]}"',
        f"highest_pu = {solved.voltage_pu.max():.8f}",
    ]


def _phase_case(feeder: Feeder, scale: float) -> list[str]:
    share = np.array([[1 / 3, 1 / 3, 1 / 3], [1, 0, 0], [0, 1, 0], [0, 0, 1]])[feeder.phase]  # [n_buses, 3]
    p_kw, q_kvar = (scale * x[None, :, None] * share for x in (feeder.p_kw, feeder.q_kvar))
    solved = asymmetric(feeder, p_kw, q_kvar)
    lowest = ", ".join(f"{pu:.8f}" for pu in solved.voltage_pu[0].min(axis=0))
    return [
        f"loss_kw = {solved.loss_kw[0]:.6f}",
        f"lowest_pu = [{lowest}]  # of phases {', '.join(TURNS)}",
        f"unbalance = {solved.unbalance.max():.8f}  # the largest, negative over positive sequence",
    ]


if __name__ == "__main__":
    for name in list_feeders():
        if name not in BY_HAND:
            (FOLDER / f"{name}.toml").write_text(text(load_feeder(name)), encoding="utf-8")
