"""Files as meters and markets export them, made by hand's rules for any days: loads and prices that can be checked.

The reading of a step is a wave of its time of UTC alone, so a test knows what each layout must come to.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LOS_ANGELES = "America/Los_Angeles"


def times(zone: str, first: str, n_days: int, step_min: int) -> pd.DatetimeIndex:
    """Beginnings of steps from one local midnight to another, in UTC."""
    begin = pd.Timestamp(first, tz=zone)
    end = (begin.tz_localize(None) + pd.Timedelta(days=n_days)).tz_localize(zone)
    return pd.date_range(begin.tz_convert("UTC"), end.tz_convert("UTC"), freq=f"{step_min}min", inclusive="left")


def load_kw(utc: pd.DatetimeIndex) -> Floats:
    """A home between 0.2 and 1 kW, to 0.01."""
    hours = utc.asi8 // 10**9 / 3600 if utc.unit == "ns" else utc.as_unit("s").asi8 / 3600
    return np.asarray(np.round(0.6 + 0.4 * np.sin(hours * 0.7), 2))


def price_per_mwh(utc: pd.DatetimeIndex) -> Floats:
    """Between -20 and 180, to 0.01."""
    return np.asarray(np.round(80 + 250 * (load_kw(utc) - 0.6), 2))


def green_button_csv(
    path: Path, zone: str = "America/Los_Angeles", first: str = "2024-01-01", n_days: int = 366
) -> Path:
    utc = times(zone, first, n_days, 60)
    local, kwh = utc.tz_convert(zone), load_kw(utc)
    rows = [
        f"Electric usage,{t:%Y-%m-%d},{t:%H:%M},{t:%H}:59,{x:.2f},${0.3 * x:.2f},"
        for t, x in zip(local, kwh, strict=True)
    ]
    head = ["Name,TEST", "Address,1 MAIN ST", "Account Number,1", "Service,Service 1", ""]
    path.write_text("\n".join([*head, "TYPE,DATE,START TIME,END TIME,USAGE (kWh),COST,NOTES", *rows, ""]))
    return path


def green_button_xml(
    path: Path, zone: str = "America/Los_Angeles", first: str = "2024-01-01", n_days: int = 366
) -> Path:
    utc = times(zone, first, n_days, 60)
    readings = "".join(
        f"<IntervalReading><timePeriod><duration>3600</duration><start>{t}</start></timePeriod>"
        f"<value>{round(1000 * x)}</value></IntervalReading>\n"
        for t, x in zip(utc.as_unit("s").asi8.tolist(), load_kw(utc).tolist(), strict=True)
    )
    atom, espi = "http://www.w3.org/2005/Atom", "http://naesb.org/espi"
    point = "https://x/RetailCustomer/1/UsagePoint/1"

    def entry(own: str, more: str, content: str) -> str:
        return f'<entry><link rel="self" href="{own}"/>{more}<content>{content}</content></entry>\n'

    meter = f"{point}/MeterReading/1"
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="{atom}">\n'
        + entry("https://x/LocalTimeParameters/1", "",
                f'<LocalTimeParameters xmlns="{espi}"><tzOffset>-28800</tzOffset></LocalTimeParameters>')
        + entry("https://x/ReadingType/1", "", f'<ReadingType xmlns="{espi}"><flowDirection>1</flowDirection>'
                "<intervalLength>3600</intervalLength><powerOfTenMultiplier>0</powerOfTenMultiplier><uom>72</uom>"
                "</ReadingType>")
        + entry(meter, '<link rel="related" href="https://x/ReadingType/1"/>', f'<MeterReading xmlns="{espi}"/>')
        + entry(f"{meter}/IntervalBlock/1", f'<link rel="up" href="{meter}/IntervalBlock"/>',
                f'<IntervalBlock xmlns="{espi}">{readings}</IntervalBlock>')
        + "</feed>\n"
    )  # fmt: skip
    path.write_text(text)
    return path


def nem12(path: Path, first: str = "2024-01-01", n_days: int = 366) -> Path:
    utc = times("Australia/Brisbane", first, n_days, 30)
    kwh = load_kw(utc).reshape(n_days, 48) / 2
    days = pd.date_range(first, periods=n_days).strftime("%Y%m%d")
    rows = [
        f"300,{day},{','.join(f'{x:.3f}' for x in row)},A,,,{day}000000," for day, row in zip(days, kwh, strict=True)
    ]
    fed_in = [f"300,{day},{','.join(['0'] * 48)},A,,,{day}000000," for day in days]
    head, register = "100,NEM12,202501170000,MDP1,RET1", "200,4100000000,E1B1,{},{},N1,M1,kWh,30,"
    of_e, of_b = register.format(1, "E1"), register.format(2, "B1")
    path.write_text("\n".join([head, of_e, *rows, of_b, *fed_in, "900", ""]))
    return path


def entsoe(path: Path, first: str = "2024-01-01", n_days: int = 366) -> Path:
    zone = "Europe/Brussels"
    utc = times(zone, first, n_days, 60)
    begin, end = utc.tz_convert(zone), (utc + pd.Timedelta(hours=1)).tz_convert(zone)

    def stamp(time: pd.Timestamp, is_marked: bool) -> str:
        return f"{time:%d/%m/%Y %H:%M:%S}" + (f" ({time.tzname()})" if is_marked else "")

    rows = []
    for a, b, price in zip(begin, end, price_per_mwh(utc), strict=True):
        marked = (
            a.utcoffset() != (a + pd.Timedelta(hours=3)).utcoffset()
            or a.utcoffset() != (a - pd.Timedelta(hours=3)).utcoffset()
        )
        rows.append(f'"{stamp(a, marked)} - {stamp(b, marked)}","BZN|AT","Without Sequence","{price:.2f}","",""')
    head = '"MTU (CET/CEST)","Area","Sequence","Day-ahead Price (EUR/MWh)","Intraday Period (CET/CEST)","Intraday Price (EUR/MWh)"'  # noqa: E501
    path.write_text("\n".join([head, *rows, ""]))
    return path


def smard(path: Path, first: str = "2024-01-01", n_days: int = 366) -> Path:
    zone = "Europe/Berlin"
    utc = times(zone, first, n_days, 60)
    begin, end = utc.tz_convert(zone), (utc + pd.Timedelta(hours=1)).tz_convert(zone)
    rows = [
        f"{a:%d.%m.%Y %H:%M};{b:%d.%m.%Y %H:%M};{f'{price:.2f}'.replace('.', ',')};1,00"
        for a, b, price in zip(begin, end, price_per_mwh(utc), strict=True)
    ]
    head = "Datum von;Datum bis;Deutschland/Luxemburg [€/MWh] Originalauflösungen;Belgien [€/MWh] Originalauflösungen"
    path.write_text("\n".join([head, *rows, ""]), encoding="utf-8-sig")
    return path


def aemo(folder: Path, first: str = "2024-01-01", n_days: int = 366) -> Path:
    """A file a month, as the market operator has them."""
    folder.mkdir(exist_ok=True)
    utc = times("Australia/Brisbane", first, n_days, 5)
    local, prices = utc.tz_convert("Australia/Brisbane"), price_per_mwh(utc)
    ends = (local + pd.Timedelta(minutes=5)).strftime("%Y/%m/%d %H:%M:%S")
    rows = np.array([f"NSW1,{t},8000.5,{p:.2f},TRADE" for t, p in zip(ends, prices, strict=True)])
    for month in pd.unique(local.strftime("%Y%m")):
        inside = local.strftime("%Y%m") == month
        text = "\n".join(["REGION,SETTLEMENTDATE,TOTALDEMAND,RRP,PERIODTYPE", *rows[inside].tolist(), ""])
        (folder / f"PRICE_AND_DEMAND_{month}_NSW1.csv").write_text(text)
    return folder


METERS: dict[str, tuple[Callable[..., Path], str, str]] = {
    "green_button.csv": (green_button_csv, "America/Los_Angeles", "kWh of an hour"),
    "green_button.xml": (green_button_xml, "America/Los_Angeles", "Wh of an hour"),
    "nem12.csv": (nem12, "Australia/Brisbane", "kWh of half an hour"),
}


def awattar(path: Path, first: str = "2024-01-01", n_days: int = 366) -> Path:
    """As its interface gives them, here of hours."""
    utc = times("Europe/Vienna", first, n_days, 60)
    starts = utc.as_unit("s").asi8 * 1000
    data = [
        {"start_timestamp": int(t), "end_timestamp": int(t) + 3_600_000, "marketprice": float(x), "unit": "Eur/MWh"}
        for t, x in zip(starts, price_per_mwh(utc), strict=True)
    ]
    path.write_text(json.dumps({"object": "list", "data": data, "url": "/at/v1/marketdata"}), encoding="utf-8")
    return path


PRICES: dict[str, tuple[Callable[..., Path], str]] = {
    "entsoe.csv": (entsoe, "Europe/Brussels"),
    "smard.csv": (smard, "Europe/Berlin"),
    "aemo": (aemo, "Australia/Brisbane"),
    "awattar.json": (awattar, "Europe/Vienna"),
}
"""How each file is made, and the zone that the layout has."""
