"""Feeders from pandapower nets: made by hand as tables, and by pandapower itself where it is installed."""

from __future__ import annotations

from io import StringIO
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gridbazaar.data.feeders import load_feeder
from gridbazaar.data.loaders.pandapower import load_feeder_from_pandapower
from gridbazaar.market.grid.balanced import Grid


def table(text: str) -> pd.DataFrame:
    """Columns and rows written as words; the first column is the index."""
    return pd.read_csv(StringIO("\n".join(" ".join(line.split()) for line in text.strip().splitlines())), sep=" ",
                       index_col=0)  # fmt: skip


BUS = table("""
    index name   vn_kv
    10    grid   20.0
    11    busbar 0.4
    12    joined 0.4
    13    near   0.4
    14    far    0.4
""")
TRAFO = table("""
    index hv_bus lv_bus sn_mva vn_hv_kv vn_lv_kv vk_percent vkr_percent pfe_kw i0_percent tap_side tap_pos tap_neutral
    0     10     11     0.25   20.0     0.41     4.0        1.2         0.5    0.3        hv       1       0
""").assign(tap_step_percent=2.5, parallel=1, in_service=True)
LINE = table("""
    index from_bus to_bus length_km r_ohm_per_km x_ohm_per_km c_nf_per_km max_i_ka parallel
    0     14       13     0.1       0.6          0.08         100.0       0.14     1
    1     12       13     0.2       0.2          0.08         100.0       0.27     2
    2     13       11     0.3       0.2          0.08         100.0       0.27     1
""").assign(df=1.0, in_service=True)
SGEN = table("""
    index bus p_mw  q_mvar in_service
    0     13  0.004 0.0    True
    1     13  9.0   0.0    False
""")
SWITCH = table("""
    index bus element et closed
    0     11  12      b  True
    1     11  2       l  False
""")


def small_net(**tables: Any) -> SimpleNamespace:
    """A transformer, a bus joined to its busbar by a switch, two lines in any direction, a load and PV."""
    load = pd.DataFrame({"bus": [14, 12], "p_mw": [0.03, 0.01], "q_mvar": [0.01, 0.0], "scaling": [0.5, 1.0]})
    grid = pd.DataFrame({"bus": [10], "vm_pu": [1.02], "in_service": [True]})
    given = {"bus": BUS, "ext_grid": grid, "trafo": TRAFO, "line": LINE, "load": load, "sgen": SGEN, "switch": SWITCH}
    return SimpleNamespace(**(given | {"name": "small"} | tables))


def changed(table: str, row: int, **values: Any) -> SimpleNamespace:
    """The small net with some cells of a row replaced."""
    net = small_net()
    frame = getattr(net, table).copy()
    for column, value in values.items():
        frame[column] = frame[column].astype(object) if column in frame else None
        frame.at[row, column] = value
    setattr(net, table, frame)
    return net


def refusal(net: Any, **options: Any) -> str:
    with pytest.raises(ValueError, match=r"net 'small': .* fault") as caught:
        load_feeder_from_pandapower(net, **options)
    return str(caught.value)


def test_a_net_becomes_a_feeder_from_the_root_outwards() -> None:
    feeder = load_feeder_from_pandapower(small_net(), v_min_pu=0.93)
    assert feeder.name == "small"
    assert feeder.buses == ("busbar", "near", "far")
    assert feeder.parent.tolist() == [-1, 0, 1]
    assert feeder.v_min_pu == 0.93
    assert feeder.root_voltage_pu == pytest.approx(1.02 / 1.025 * 0.41 / 0.40)
    assert feeder.p_kw.tolist() == pytest.approx([10, -4, 15])
    assert feeder.q_kvar.tolist() == pytest.approx([0, 0, 5])
    base_ohm = 0.41**2 / 0.25
    np.testing.assert_allclose(feeder.r_ohm, [0.012 * base_ohm, 0.02, 0.06])
    assert np.hypot(feeder.r_ohm[0], feeder.x_ohm[0]) == pytest.approx(0.04 * base_ohm)
    np.testing.assert_allclose(feeder.rating_kva, [250, 1000 * np.sqrt(3) * 0.4 * 0.54, 1000 * np.sqrt(3) * 0.4 * 0.14])
    assert feeder.no_load_loss_kw == pytest.approx(0.5 * (0.40 / 0.41) ** 2)
    iron_and_magnet = np.hypot(feeder.no_load_loss_kw, feeder.no_load_kvar)
    assert iron_and_magnet == pytest.approx(0.003 * 250 * (0.40 / 0.41) ** 2)
    assert feeder.r0_ohm is None
    assert Grid(feeder).solve(feeder.p_kw[None], feeder.q_kvar[None]).converged.all()


def test_zero_sequence_comes_along_where_all_lines_have_it() -> None:
    net = small_net()
    net.line = net.line.assign(r0_ohm_per_km=[2.4, 0.8, 0.8], x0_ohm_per_km=0.32)
    feeder = load_feeder_from_pandapower(net)
    assert feeder.r0_ohm is not None
    np.testing.assert_allclose(feeder.r0_ohm[1:], [0.08, 0.24])
    net.line.loc[0, "x0_ohm_per_km"] = np.nan
    assert load_feeder_from_pandapower(net).r0_ohm is None


@pytest.mark.parametrize(
    ("net", "expected"),
    [
        (small_net(switch=pd.DataFrame({"bus": [11], "element": [12], "et": ["b"], "closed": [True]})),
         "net.line 2: expected a radial net, came a line that closes a loop between buses 13 and 11"),
        (changed("line", 1, in_service=False), "net.line 0: expected a path to the external grid, came none"),
        (changed("line", 1, r_ohm_per_km=0.0), "net.line 1: expected r_ohm_per_km > 0, came 0.0"),
        (changed("line", 1, r_ohm_per_km=float("nan")), "net.line 1: expected r_ohm_per_km, a number; came nan"),
        (changed("line", 0, from_bus=13), "net.line 0: expected a radial net, came a line that closes a loop"),
        (changed("line", 0, from_bus=99), "net.line 0: expected a bus of the net for from_bus, came 99"),
        (changed("bus", 13, vn_kv=0.0), "net.bus 13: expected vn_kv > 0, the base voltage; came 0.0"),
        (changed("load", 0, bus=10), "net.load 0: expected a bus that a line feeds, came 10"),
        (changed("load", 1, const_z_percent=30.0), "net.load 1: expected constant power"),
        (changed("ext_grid", 0, in_service=False), "net.ext_grid: expected one row in service, the root; came 0"),
        (changed("ext_grid", 0, bus=13), "net.trafo 0: expected hv_bus 13, where the external grid is; came 10"),
        (changed("trafo", 0, vkr_percent=5.0), "net.trafo 0: expected sn_mva > 0 and 0 < vkr_percent <= vk_percent"),
        (small_net(trafo=pd.concat([TRAFO] * 2, ignore_index=True)), "net.trafo rows 0, 1: expected at most"),
        (small_net(shunt=pd.DataFrame({"bus": [13], "q_mvar": [0.1]})), "net.shunt rows 0: expected none in service"),
        (small_net(bus=pd.concat([BUS, BUS.loc[[13]]])), "net.bus 13: expected each bus once"),
        (small_net(bus=pd.concat([BUS, pd.DataFrame({"name": ["alone"], "vn_kv": [0.4]}, index=[20])])),
         "net.bus 20: expected a path to the external grid, came none"),
        (changed("line", 0, c_nf_per_km=1e6), "a feeder has no capacitance: set c_nf_per_km to 0"),
    ],
)  # fmt: skip
def test_a_net_that_a_feeder_cannot_hold_is_refused(net: Any, expected: str) -> None:
    assert expected in refusal(net)


def test_all_faulty_rows_of_a_net_are_named_at_once() -> None:
    net = changed("line", 1, r_ohm_per_km=-1.0, max_i_ka=0.0)
    net.load = net.load.assign(bus=[10, 12])
    net.gen = pd.DataFrame({"bus": [13]})
    message = refusal(net)
    for expected in (
        "4 fault(s)",
        "net.line 1: expected r_ohm",
        "net.line 1: expected max_i_ka",
        "net.load 0",
        "net.gen",
    ):
        assert expected in message


def test_capacitance_can_be_left_out_on_purpose() -> None:
    net = changed("line", 0, c_nf_per_km=1e6)
    assert load_feeder_from_pandapower(net, ignore_capacitance=True).n_buses == 3


def test_nets_of_pandapower_give_its_voltages_and_losses() -> None:
    pp = pytest.importorskip("pandapower", reason="pandapower is the optional extra 'real'")
    from pandapower import networks

    for make in (networks.case33bw, networks.create_kerber_dorfnetz, networks.create_kerber_landnetz_freileitung_1):
        net = make()
        net.line["c_nf_per_km"] = 0.0
        feeder = load_feeder_from_pandapower(net, name="net")
        pp.runpp(net, tolerance_mva=1e-12, trafo_model="pi", calculate_voltage_angles=False, numba=False)
        flow = Grid(feeder).solve(feeder.p_kw[None], feeder.q_kvar[None])
        loss_kw = 1000 * (net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
        assert flow.loss_kw[0] == pytest.approx(loss_kw, rel=1e-5)
        assert flow.voltage_pu.min() == pytest.approx(net.res_bus.vm_pu.min(), abs=1e-6)


def test_pandapowers_copy_of_the_33_buses_is_ours() -> None:
    pytest.importorskip("pandapower", reason="pandapower is the optional extra 'real'")
    from pandapower import networks

    own, theirs = load_feeder("ieee33"), load_feeder_from_pandapower(networks.case33bw(), name="net")
    assert own.p_kw.sum() == pytest.approx(theirs.p_kw.sum())
    np.testing.assert_allclose(np.sort(own.r_ohm), np.sort(theirs.r_ohm), rtol=1e-6)


def tapped_net(kind: str | None, degree: float, side: str = "hv") -> SimpleNamespace:
    """Two lines behind a transformer whose tap is two steps of 2.5 % below neutral."""
    bus = pd.DataFrame({"vn_kv": [20.0, 0.4, 0.4, 0.4], "in_service": True})
    trafo = TRAFO.assign(hv_bus=0, lv_bus=1, vn_lv_kv=0.4, tap_pos=-2, tap_neutral=0, tap_step_degree=degree)
    trafo = trafo.assign(tap_side=side, tap_changer_type=pd.Series([kind], dtype=object))
    line = pd.DataFrame({"from_bus": [1, 2], "to_bus": [2, 3], "in_service": True}).assign(
        length_km=0.1, r_ohm_per_km=0.2, x_ohm_per_km=0.08, c_nf_per_km=0.0, max_i_ka=0.27, parallel=1, df=1.0
    )
    load = pd.DataFrame({"bus": [2, 3], "p_mw": 0.01, "q_mvar": 0.003, "scaling": 1.0, "in_service": True})
    grid = pd.DataFrame({"bus": [0], "vm_pu": [1.0], "in_service": [True]})
    return SimpleNamespace(name="small", bus=bus, trafo=trafo, line=line, load=load, ext_grid=grid)


def lowest_pu(net: Any) -> float:
    feeder = load_feeder_from_pandapower(net, name="small")
    return float(Grid(feeder).solve(feeder.p_kw[None], feeder.q_kvar[None]).voltage_pu.min())


@pytest.mark.parametrize(
    ("kind", "degree", "side", "volt_pu"),
    [
        (None, 0.0, "hv", 0.9938304),
        (None, 30.0, "lv", 0.9938304),
        ("Ratio", 0.0, "hv", 1.0467685),
        ("Ratio", 30.0, "hv", 1.0389983),
        ("Symmetrical", 30.0, "lv", 0.9507474),
        ("Ratio", float("nan"), "lv", 0.9437027),
        ("Ideal", float("nan"), "hv", 0.9938304),
    ],
)
def test_taps_do_what_they_do_in_pandapower(kind: str | None, degree: float, side: str, volt_pu: float) -> None:
    """Voltages at the last bus by pandapower 3.5.6, of the same net."""
    assert lowest_pu(tapped_net(kind, degree, side)) == pytest.approx(volt_pu, abs=1e-6)


def test_what_hangs_on_a_bus_out_of_service_is_out_of_service() -> None:
    """By pandapower 3.5.6: 0.9938304 with a dead bus behind a closed switch, 0.9976007 where the last bus is dead."""
    net = tapped_net(None, 0.0)
    net.bus = pd.DataFrame({"vn_kv": [20.0, 0.4, 0.4, 0.4, 0.4], "in_service": [True, True, True, True, False]})
    net.load = pd.concat([net.load, net.load.iloc[:1].assign(bus=4, p_mw=0.02)], ignore_index=True)
    net.switch = pd.DataFrame({"bus": [3], "element": [4], "et": ["b"], "closed": [True]})
    assert lowest_pu(net) == pytest.approx(0.9938304, abs=1e-6)
    net = tapped_net(None, 0.0)
    net.bus.loc[3, "in_service"] = False
    assert lowest_pu(net) == pytest.approx(0.9976007, abs=1e-6)


@pytest.mark.parametrize(
    ("table", "cells", "expected"),
    [
        ("load", {"p_mw": float("nan")}, "net.load 0: expected p_mw, a number; came nan"),
        ("load", {"q_mvar": None}, "net.load 0: expected q_mvar, a number"),
        ("load", {"scaling": "many"}, "net.load 0: expected scaling, a number; came many"),
        ("ext_grid", {"vm_pu": float("inf")}, "net.ext_grid 0: expected vm_pu, a number; came inf"),
        ("trafo", {"tap_dependency_table": True}, "net.trafo 0: expected taps without a table"),
    ],
)
def test_cells_that_hold_no_number_are_refused(table: str, cells: dict[str, Any], expected: str) -> None:
    assert expected in refusal(changed(table, 0, **cells))


def test_a_switch_with_an_impedance_is_refused() -> None:
    assert "net.switch 0: expected a bus-bus switch without impedance (z_ohm = 0), came 0.1" in refusal(
        changed("switch", 0, z_ohm=0.1)
    )
    assert load_feeder_from_pandapower(changed("switch", 0, z_ohm=0.0)).n_buses == 3


def test_a_net_without_a_table_or_a_column_is_refused() -> None:
    with pytest.raises(ValueError, match=r"net.bus: expected a table of buses"):
        load_feeder_from_pandapower(SimpleNamespace())
    assert "net.line: expected the columns" in refusal(small_net(line=LINE.drop(columns="max_i_ka")))
