"""Feeders from pandapower nets: radial ones, with at most one transformer, at the root.

The net is read through its tables alone, so that pandapower itself need not be installed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from gridbazaar.data.feeder import Feeder, Line, Transformer, build
from gridbazaar.data.loaders.pandapower_net import Net, cell_of, check_cells, check_tables, number_of, table_of

_LOADS = {"load": 1.0, "sgen": -1.0, "storage": 1.0}
"""Tables of fixed powers, and the sign that makes draws positive."""
_CHARGING_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class _Branch:
    """A line before it is known which end is nearer the root."""

    ends: tuple[int, int]
    line: Line


@dataclass(frozen=True, slots=True)
class _Root:
    """Where the feeder begins: the bus held at a voltage, and the transformer behind it."""

    bus: int
    voltage_pu: float  # on the base of the lines' side
    transformer: Transformer | None = None
    low_bus: int = -1


def load_feeder_from_pandapower(
    net: Any, *, name: str | None = None, v_min_pu: float = 0.9, v_max_pu: float = 1.1, ignore_capacitance: bool = False
) -> Feeder:
    """Read a radial pandapower net as a feeder; its loads become the base load.

    Args:
        net: a pandapower net, or any object with the same tables.
        name: of the feeder; the net's own where left out.
        v_min_pu, v_max_pu: the permitted band.
        ignore_capacitance: leave the charging of lines out even where it is not small.

    Closed bus-bus switches join buses (those with an impedance are refused), open ones at lines and transformers take
    these out, and so do buses out of service. Charging of lines is left out; where it is more than a thousandth of what
    the branches at the root may carry, the net is refused (below, it moved no voltage by 2e-5 pu in pandapower's Kerber
    nets). Rated voltages, iron losses and magnetising current of the transformer count, and its taps as pandapower
    counts them: by ``tap_changer_type``, where it is unset not at all; nets from before version 3 by
    ``tap_phase_shifter``. A phase shift moves no voltage of a radial feeder and is left out.

    Raises:
        ValueError: names every faulty row of the net at once.
    """
    faults: list[str] = []
    title = name or str(getattr(net, "name", "") or "pandapower net")
    dead = _dead_buses(net)
    tables = Net(net, _join_buses(net, dead, faults), _opened(net), dead)
    check_cells(tables, faults)
    _refuse(title, faults)  # what has no numbers is not looked at any further
    check_tables(tables, faults)
    root = _find_root(tables, faults)
    base_kv = tables.base_kv(root.low_bus if root.transformer else root.bus)
    branches = _branches(tables, base_kv, faults)
    lines = _directed(tables, branches, root, faults)
    transformer = _place_loads(tables, lines, root, faults)
    if not ignore_capacitance:
        _check_capacitance(tables, base_kv, lines, root, faults)
    if root.bus >= 0 and not (lines or root.transformer):
        faults.append("net.line: expected at least one line in service, came none")
    _refuse(title, faults)
    return build(
        title, tables.bus_name(root.bus), transformer, list(lines.values()), source=f"pandapower net '{title}'",
        base_kv=base_kv, v_min_pu=v_min_pu, v_max_pu=v_max_pu, root_voltage_pu=root.voltage_pu,
    )  # fmt: skip


def _refuse(title: str, faults: list[str]) -> None:
    if faults:
        listed = "\n  ".join(faults)
        raise ValueError(f"net '{title}': {len(faults)} fault(s); correct them in the net:\n  {listed}")


def _dead_buses(net: Any) -> frozenset[int]:
    """Give the buses out of service."""
    frame = table_of(net, "bus")
    if frame is None or "vn_kv" not in frame:
        raise ValueError("net.bus: expected a table of buses with their vn_kv, came none; give a pandapower net")
    return frozenset(int(bus) for bus, row in frame.iterrows() if not bool(row.get("in_service", True)))


def _join_buses(net: Any, dead: frozenset[int], faults: list[str]) -> dict[int, int]:
    """Give for each bus the one that stands for all that closed switches join it with."""
    joined = {int(bus): int(bus) for bus in net.bus.index if int(bus) not in dead}
    for index, row in _switch_rows(net):
        one, other = int(row["bus"]), int(row["element"])
        if row["et"] != "b" or not bool(row["closed"]) or one not in joined or other not in joined:
            continue
        if number_of(row.get("z_ohm")) > 0:
            faults.append(
                f"net.switch {index}: expected a bus-bus switch without impedance (z_ohm = 0), came {row['z_ohm']:g}; "
                "give a line in its place"
            )
        kept, gone = joined[one], joined[other]
        joined = {bus: kept if to == gone else to for bus, to in joined.items()}
    return joined


def _opened(net: Any) -> frozenset[tuple[str, int]]:
    return frozenset(
        (str(row["et"]), int(row["element"]))
        for _, row in _switch_rows(net)
        if row["et"] in ("l", "t") and not bool(row["closed"])
    )


def _switch_rows(net: Any) -> list[tuple[int, Any]]:
    frame = table_of(net, "switch")
    return [] if frame is None else list(frame.iterrows())


def _find_root(net: Net, faults: list[str]) -> _Root:
    """Find the external grid and the transformer at it."""
    grids, trafos = net.rows("ext_grid"), [(i, row) for i, row in net.rows("trafo") if ("t", i) not in net.opened]
    if len(grids) != 1:
        faults.append(f"net.ext_grid: expected one row in service, the root; came {len(grids)}")
    if len(trafos) > 1:
        listed = ", ".join(str(index) for index, _ in trafos)
        faults.append(f"net.trafo rows {listed}: expected at most one in service; take the part behind one of them")
    if len(grids) != 1 or len(trafos) > 1:
        return _Root(-1, 1.0)
    bus, head_pu = net.joined.get(int(grids[0][1]["bus"]), -1), float(grids[0][1]["vm_pu"])
    if not trafos:
        return _Root(bus, head_pu)
    index, row = trafos[0]
    high, low = (net.joined.get(int(row[end]), -1) for end in ("hv_bus", "lv_bus"))
    if high != bus:
        faults.append(f"net.trafo {index}: expected hv_bus {bus}, where the external grid is; came {high}")
    high_kv, low_kv = _tapped(index, row, faults)
    number = float(row.get("parallel", 1) or 1)
    rating_kva = 1000 * number * float(row["sn_mva"])
    on_base = (low_kv / net.base_kv(low)) ** 2  # the lines' base is that of the bus
    if not (rating_kva > 0 and 0 < float(row["vkr_percent"]) <= float(row["vk_percent"])):
        faults.append(f"net.trafo {index}: expected sn_mva > 0 and 0 < vkr_percent <= vk_percent")
    iron_kw = number * float(row["pfe_kw"]) / on_base
    nameplate = Transformer(
        to_bus=net.bus_name(low),
        rating_kva=rating_kva,
        short_circuit_percent=float(row["vk_percent"]) * on_base,
        load_loss_kw=float(row["vkr_percent"]) / 100 * rating_kva * on_base,
        no_load_loss_kw=iron_kw,
        no_load_current_percent=max(float(row["i0_percent"]) / on_base, 100 * iron_kw / rating_kva),
    )
    ratio = net.base_kv(high) / high_kv * low_kv / net.base_kv(low)
    return _Root(bus, head_pu * ratio, nameplate, low)


def _tapped(index: int, row: Any, faults: list[str]) -> tuple[float, float]:
    """Give the rated voltages in kV of both sides at the positions of the taps."""
    voltage_kv = {"hv": float(row["vn_hv_kv"]), "lv": float(row["vn_lv_kv"])}
    for tap in ("tap", "tap2"):
        steps = cell_of(row.get(f"{tap}_pos")) - cell_of(row.get(f"{tap}_neutral"))
        side = str(row.get(f"{tap}_side"))
        if not steps or math.isnan(steps) or side not in voltage_kv or not _changes_ratio(row, tap):
            continue
        rise, angle = steps * number_of(row.get(f"{tap}_step_percent")) / 100, number_of(row.get(f"{tap}_step_degree"))
        along, across = 1 + rise * math.cos(math.radians(angle)), rise * math.sin(math.radians(angle))
        voltage_kv[side] *= math.hypot(along, across)
    for column in ("tap_dependency_table", "tap_dependent_impedance"):
        if number_of(row.get(column)):
            faults.append(f"net.trafo {index}: expected taps without a table, came {column}; set it to False")
    return voltage_kv["hv"], voltage_kv["lv"]


def _changes_ratio(row: Any, tap: str) -> bool:
    """Whether a tap changer moves the voltage, not the phase alone; one whose type is unset does nothing."""
    if f"{tap}_changer_type" in row:
        return str(row[f"{tap}_changer_type"]) in ("Ratio", "Symmetrical")
    return not number_of(row.get(f"{tap}_phase_shifter"))


def _branches(net: Net, base_kv: float, faults: list[str]) -> list[_Branch]:
    branches = []
    for index, row in net.rows("line"):
        if ("l", index) in net.opened:
            continue
        where, ends = f"net.line {index}", (int(row["from_bus"]), int(row["to_bus"]))
        number = float(row.get("parallel", 1) or 1)
        km = float(row["length_km"]) / number
        for column in ("length_km", "r_ohm_per_km", "max_i_ka"):
            if not float(row[column]) > 0:
                faults.append(f"{where}: expected {column} > 0, came {row[column]}")
        if not float(row["x_ohm_per_km"]) >= 0:
            faults.append(f"{where}: expected x_ohm_per_km >= 0, came {row['x_ohm_per_km']}")
        if not all(end in net.joined for end in ends):
            continue
        zero = [row.get(column) for column in ("r0_ohm_per_km", "x0_ohm_per_km")]
        r0_ohm, x0_ohm = (None if value is None or math.isnan(float(value)) else float(value) * km for value in zero)
        rating_kva = 1000 * math.sqrt(3) * base_kv * float(row["max_i_ka"]) * float(row.get("df", 1.0)) * number
        line = Line(
            where=where,
            from_bus="",
            to_bus="",
            r_ohm=float(row["r_ohm_per_km"]) * km,
            x_ohm=float(row["x_ohm_per_km"]) * km,
            rating_kva=rating_kva,
            p_kw=0.0,
            q_kvar=0.0,
            r0_ohm=r0_ohm if x0_ohm is not None else None,
            x0_ohm=x0_ohm if r0_ohm is not None else None,
        )
        branches.append(_Branch((net.joined[ends[0]], net.joined[ends[1]]), line))
    return branches


def _directed(net: Net, branches: list[_Branch], root: _Root, faults: list[str]) -> dict[int, Line]:
    """Turn lines away from the root and give them parents first, by the bus they feed; report loops and islands."""
    fed: dict[int, Line] = {}
    if root.bus < 0:
        return fed
    start = root.low_bus if root.transformer else root.bus
    reached, waiting = {root.bus, start}, branches
    while True:
        later = []
        for branch in waiting:
            inside = [end in reached for end in branch.ends]
            if not any(inside):
                later.append(branch)
                continue
            near, far = branch.ends if inside[0] else branch.ends[::-1]
            if all(inside):
                faults.append(
                    f"{branch.line.where}: expected a radial net, came a line that closes a loop between buses {near} "
                    f"and {far}; open it"
                )
                continue
            if root.transformer and near == root.bus:
                faults.append(f"{branch.line.where}: expected only the transformer at the external grid, came a line")
            reached.add(far)
            fed[far] = replace(branch.line, from_bus=net.bus_name(near), to_bus=net.bus_name(far))
        if len(later) == len(waiting):
            break
        waiting = later
    for branch in waiting:
        faults.append(f"{branch.line.where}: expected a path to the external grid, came none; connect it")
    lonely = [bus for bus, _ in net.rows("bus") if net.joined[bus] not in reached]
    wired = {end for branch in waiting for end in branch.ends}
    for bus in lonely:
        if net.joined[bus] not in wired:
            faults.append(f"net.bus {bus}: expected a path to the external grid, came none; take it out of service")
    return fed


def _place_loads(net: Net, lines: dict[int, Line], root: _Root, faults: list[str]) -> Transformer | None:
    """Put loads, generators and storage into the lines, or the transformer given back, that feed their buses."""
    transformer = root.transformer
    for table, sign in _LOADS.items():
        for index, row in net.rows(table):
            where, bus = f"net.{table} {index}", net.joined.get(int(row["bus"]), -1)
            if any(number_of(row.get(column)) for column in row.index if str(column).startswith("const_")):
                faults.append(f"{where}: expected constant power, came a share of constant impedance or current")
            scale = 1000 * sign * float(row.get("scaling", 1.0))
            p_kw, q_kvar = scale * float(row["p_mw"]), scale * float(row["q_mvar"])
            if bus in lines:
                line = lines[bus]
                lines[bus] = replace(line, p_kw=line.p_kw + p_kw, q_kvar=line.q_kvar + q_kvar)
            elif transformer is not None and bus == root.low_bus:
                transformer = replace(transformer, p_kw=transformer.p_kw + p_kw, q_kvar=transformer.q_kvar + q_kvar)
            elif root.bus >= 0 and bus >= 0 and (p_kw or q_kvar):
                faults.append(f"{where}: expected a bus that a line feeds, came {row['bus']:g}; move it")
    return transformer


def _check_capacitance(net: Net, base_kv: float, lines: dict[int, Line], root: _Root, faults: list[str]) -> None:
    hertz = float(getattr(net.tables, "f_hz", 50.0))
    charging_kvar = sum(
        2 * math.pi * hertz * 1e-9 * number_of(row.get("c_nf_per_km")) * float(row["length_km"]) * base_kv**2 * 1000
        * float(row.get("parallel", 1) or 1)
        for index, row in net.rows("line")
        if ("l", index) not in net.opened
    )  # fmt: skip
    first = net.bus_name(root.bus) if root.bus >= 0 else ""
    at_root = sum(line.rating_kva for line in lines.values() if line.from_bus == first)
    rating_kva = root.transformer.rating_kva if root.transformer else at_root
    if charging_kvar > _CHARGING_SHARE * rating_kva > 0:
        faults.append(
            f"net.line: expected lines that charge with up to {_CHARGING_SHARE * rating_kva:.3g} kvar, a thousandth of "
            f"the rating at the root, came {charging_kvar:.3g}; a feeder has no capacitance: set c_nf_per_km to 0, or "
            "pass ignore_capacitance=True"
        )
