"""The same feeders in power-grid-model, whose Newton-Raphson solver ours is held against."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.data.feeder import Feeder

Floats = NDArray[np.float64]
HIGH_V = 20_000.0  # rated voltage of a transformer's primary


class Solved(NamedTuple):
    """What the second solver says; buses without the root."""

    voltage_pu: Floats  # [n, n_buses] or [n, n_buses, 3]
    unbalance: Floats  # [n, n_buses] negative over positive sequence; 0 where balanced
    loading: Floats  # [n, n_buses], of the most loaded phase
    loss_kw: Floats  # [n]
    root_kw: Floats  # [n]
    has_solution: NDArray[np.bool_]  # [n]; where False the rest is zero


def balanced(feeder: Feeder, p_kw: Floats, q_kvar: Floats, head_pu: Floats | None = None) -> Solved:
    """Solve draws [n, n_buses] with the symmetric Newton-Raphson solver."""
    return _solve(feeder, p_kw, q_kvar, head_pu, "sym")


def asymmetric(feeder: Feeder, p_kw: Floats, q_kvar: Floats, head_pu: Floats | None = None) -> Solved:
    """Solve draws of phases [n, n_buses, 3] with the asymmetric Newton-Raphson solver."""
    return _solve(feeder, p_kw, q_kvar, head_pu, "asym")


def _solve(feeder: Feeder, p_kw: Floats, q_kvar: Floats, head_pu: Floats | None, kind: str) -> Solved:
    pgm = pytest.importorskip("power_grid_model", reason="power-grid-model is the second solver")
    array, m, name = pgm.initialize_array, feeder.n_buses, f"{kind}_load"
    update = array("update", name, (len(p_kw), m))
    update["id"] = 6000 + np.arange(m)
    update["p_specified"], update["q_specified"] = p_kw * 1000, q_kvar * 1000
    updates = {name: update}
    if head_pu is not None:
        source = array("update", "source", (len(p_kw), 1))
        source["id"], source["u_ref"] = 5000, head_pu[:, None]
        updates["source"] = source
    model = pgm.PowerGridModel(_given(feeder, name, array))
    out = model.calculate_power_flow(
        update_data=updates, error_tolerance=1e-12, calculation_method="newton_raphson", symmetric=kind == "sym",
        continue_on_batch_error=True,
    )  # fmt: skip
    has_solution = np.ones(len(p_kw), bool)
    if model.batch_error is not None:
        has_solution[model.batch_error.failed_scenarios] = False
    out = {part: np.where(_along(has_solution, rows), rows, np.zeros_like(rows)) for part, rows in out.items()}
    lines = _lines(feeder)
    total = tuple(range(1, out["line"]["p_from"].ndim))
    loss_w = out["line"]["p_from"].sum(axis=total) + out["line"]["p_to"].sum(axis=total)
    loading = np.zeros((len(p_kw), m))
    loading[:, lines] = out["line"]["loading"]
    if feeder.has_transformer:
        part = out["transformer"]
        apparent = np.hypot(part["p_from"], part["q_from"]).reshape(len(p_kw), -1)
        loading[:, 0] = apparent.sum(axis=1) / (feeder.rating_kva[0] * 1000)
        loss_w = loss_w + (part["p_from"] + part["p_to"]).sum(axis=total)
    root_kw = out["source"]["p"].sum(axis=total) / 1000
    node = out["node"][:, :m]
    unbalance = _unbalance(node["u_pu"], node["u_angle"]) if kind == "asym" else np.zeros((len(p_kw), m))
    return Solved(node["u_pu"], unbalance, loading, loss_w / 1000, root_kw, has_solution)


def _along(mask: NDArray[np.bool_], rows: NDArray[Any]) -> NDArray[np.bool_]:
    return np.broadcast_to(mask[:, None], rows.shape)


def _unbalance(magnitude: Floats, angle: Floats) -> Floats:
    turn, voltage = np.exp(2j * np.pi / 3 * np.arange(3)), magnitude * np.exp(1j * angle)
    positive, negative = np.abs(voltage @ turn), np.abs(voltage @ turn.conj())
    ratio: Floats = np.divide(negative, positive, out=np.zeros_like(positive), where=positive > 0)
    return ratio


def _lines(feeder: Feeder) -> list[int]:
    return [j for j in range(feeder.n_buses) if not (feeder.has_transformer and j == 0)]


def _given(feeder: Feeder, load_name: str, array: Any) -> dict[str, Any]:
    m, volt, lines = feeder.n_buses, feeder.base_kv * 1000, _lines(feeder)
    root = m
    node = array("input", "node", m + 1)
    node["id"], node["u_rated"] = np.arange(m + 1), volt
    line = array("input", "line", len(lines))
    line["id"] = 1000 + np.array(lines)
    line["from_node"] = [root if feeder.parent[j] < 0 else feeder.parent[j] for j in lines]
    line["to_node"], line["from_status"], line["to_status"] = lines, 1, 1
    line["r1"], line["x1"], line["c1"], line["tan1"] = feeder.r_ohm[lines], feeder.x_ohm[lines], 0.0, 0.0
    if feeder.r0_ohm is not None and feeder.x0_ohm is not None:
        line["r0"], line["x0"], line["c0"], line["tan0"] = feeder.r0_ohm[lines], feeder.x0_ohm[lines], 0.0, 0.0
    line["i_n"] = feeder.rating_kva[lines] * 1000 / (np.sqrt(3) * volt)
    source = array("input", "source", 1)
    source["id"], source["node"], source["status"] = 5000, root, 1
    source["u_ref"], source["sk"] = feeder.root_voltage_pu, 1e20
    load = array("input", load_name, m)
    load["id"], load["node"], load["status"], load["type"] = 6000 + np.arange(m), np.arange(m), 1, 0
    load["p_specified"], load["q_specified"] = 0.0, 0.0
    given = {"node": node, "line": line, "source": source, load_name: load}
    if feeder.has_transformer:
        node["u_rated"][root] = HIGH_V
        rating_va, base_ohm = feeder.rating_kva[0] * 1000, volt**2 / (feeder.rating_kva[0] * 1000)
        transformer = array("input", "transformer", 1)
        values = {
            "id": 4000, "from_node": root, "to_node": 0, "from_status": 1, "to_status": 1, "u1": HIGH_V, "u2": volt,
            "sn": rating_va, "uk": np.hypot(feeder.r_ohm[0], feeder.x_ohm[0]) / base_ohm,
            "pk": feeder.r_ohm[0] / base_ohm * rating_va, "p0": feeder.no_load_loss_kw * 1000,
            "i0": np.hypot(feeder.no_load_loss_kw, feeder.no_load_kvar) * 1000 / rating_va,
            "winding_from": 2, "winding_to": 1, "clock": 11,
            "tap_side": 0, "tap_pos": 0, "tap_min": 0, "tap_max": 0, "tap_nom": 0, "tap_size": 0.0,
        }  # fmt: skip
        for key, value in values.items():
            transformer[key] = value
        given["transformer"] = transformer
    return given
