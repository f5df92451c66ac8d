"""Heat: a room with a thermal mass, a heat pump's coefficient of performance, a tank of hot water.

The room is one mass behind one resistance (1R1C), solved exactly for constant power over the step, so that it is stable
for steps of any length. The tank is fully mixed and moves its heat on the storage kernel.
"""

from __future__ import annotations

import math
from dataclasses import replace

from gridbazaar.agents.storage import Storage, limits_kw
from gridbazaar.data.arrays import Array, namespace

FIELD_FACTOR = 0.85
"""What pumps reach in the field of what the curves say (Ruhnau, Hirth & Praktiknjo 2019)."""
LEAST_LIFT_K = 15.0
WATER_KWH_PER_LITRE_K = 0.001163

_COP = {
    "air": (6.08, -0.09, 0.0005),
    "ground": (10.29, -0.21, 0.0012),
    "water": (9.97, -0.20, 0.0012),
}
SOURCES = tuple(_COP)
_SINK_C = {"floor": (30.0, -0.5), "radiator": (40.0, -1.0)}
SINKS = tuple(_SINK_C)


def cop(sink_c: Array, source_c: Array, source: str) -> Array:
    """Coefficient of performance of a heat pump, heat over electricity, at least 1.

    Args:
        sink_c: temperature of the heat that it gives.
        source_c: temperature of the air, brine or groundwater that it cools.
        source: air, ground or water.

    The quadratic curves of When2Heat (Ruhnau, Hirth & Praktiknjo 2019, Scientific Data 6) over the lift, which counts
    as at least 15 K, times 0.85 for real installations.
    """
    xp = namespace(sink_c - source_c)
    lift = xp.maximum(sink_c - source_c, LEAST_LIFT_K)
    a, b, c = _COP[source]
    return xp.maximum(FIELD_FACTOR * (a + b * lift + c * lift * lift), 1.0)


def sink_c(outdoor_c: Array, sink: str) -> Array:
    """Temperature of the heating water by the weather: 30 - 0.5 T for floors, 40 - T for radiators (When2Heat)."""
    base, slope = _SINK_C[sink]
    return base + slope * outdoor_c


def kept(k_per_kw: float, kwh_per_k: float, step_h: float) -> float:
    """Share of the difference to outdoors that a room keeps over a step, exp(-dt / RC)."""
    return math.exp(-step_h / (k_per_kw * kwh_per_k))


def room_c(indoor_c: Array, outdoor_c: Array, heat_kw: Array, k_per_kw: float, kept: float) -> Array:
    """Temperature after a step of constant heat (gains included): a T + (1 - a) (T_out + R Q)."""
    return kept * indoor_c + (1 - kept) * (outdoor_c + k_per_kw * heat_kw)


def heat_for_kw(indoor_c: Array, wanted_c: Array, outdoor_c: Array, k_per_kw: float, kept: float) -> Array:
    """Heat (gains included) that brings a room to a temperature within a step; the inverse of ``room_c``."""
    return ((wanted_c - kept * indoor_c) / (1 - kept) - outdoor_c) / k_per_kw


def tank(kwh_per_k: float, w_per_k: float, low_c: float, high_c: float, room_c: float) -> Storage:
    """A tank as a storage of heat above the room around it; the heat that it loses is what is lost to the room.

    Args:
        kwh_per_k: heat capacity.
        w_per_k: loss to the room.
        low_c, high_c: temperatures between which it is kept.
        room_c: of the room.
    """
    loss_per_h = -math.expm1(-w_per_k / 1000 / kwh_per_k)
    return Storage(
        floor_kwh=kwh_per_k * (low_c - room_c),
        ceiling_kwh=kwh_per_k * (high_c - room_c),
        charge_kw=math.inf,
        discharge_kw=math.inf,
        eta_ch=1.0,
        eta_dis=1.0,
        loss_per_h=loss_per_h,
    )


def reach_kw(tank_kwh: Array, store: Storage, step_h: float) -> tuple[Array, Array]:
    """Heat that brings a tank to its lower edge within a step, < 0 above it, and to its upper edge, >= 0."""
    release_kw, to_top_kw = limits_kw(tank_kwh, store, step_h)
    _, fill_kw = limits_kw(tank_kwh, replace(store, ceiling_kwh=store.floor_kwh), step_h)
    return fill_kw + release_kw, to_top_kw
