"""Read Green Button XML (ESPI): interval readings of meters, by usage point.

``timePeriod/start`` is the beginning in seconds of UTC, ``value`` times ten to ``powerOfTenMultiplier`` is in the unit
``uom`` (72: Wh) and in the direction ``flowDirection`` (1: drawn, 19: fed in) of its reading type. What was fed in,
cost and other units are reported and not used. Of several interval lengths the shortest is read.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gridbazaar.data.loaders.readings import Column, Readings
from gridbazaar.data.text import read_any_text

_WATT_HOURS, _DRAWN, _FED_IN = 72, 1, 19
_LATEST = 4_102_444_800  # of seconds since 1970: the year 2100


@dataclass(frozen=True, slots=True)
class _Type:
    uom: int
    flow: int
    power: int


def recognises(path: Path) -> bool:
    """Whether the file's name says XML."""
    return path.suffix.lower() == ".xml"


def read(path: Path, fed_in: bool = False) -> tuple[Readings, ...]:
    """Read the meters of a file, each usage point a home; ``fed_in``: what it fed in too."""
    text, _ = read_any_text(path)
    root = _parsed(path, text)
    types, blocks = _types(path, root), _blocks(root)
    meters: dict[tuple[str, int], list[tuple[int, int, float]]] = {}
    flows = (_DRAWN, _FED_IN) if fed_in else (_DRAWN,)
    unused: dict[str, int] = {}
    for point, reading_type, block in blocks:
        kind = types.get(reading_type) or (next(iter(types.values())) if len(types) == 1 else None)
        if kind is None:
            raise ValueError(
                f"{path}: an IntervalBlock of {point or 'a meter'} has no ReadingType; expected a link to one"
            )
        if kind.uom != _WATT_HOURS or kind.flow not in flows:
            what = f"uom {kind.uom}" if kind.uom != _WATT_HOURS else f"flowDirection {kind.flow}"
            unused[what] = unused.get(what, 0) + 1
            continue
        meters.setdefault((point, kind.flow), []).extend(_rows(path, block, kind))
    if not any(meters.values()):
        what = ", ".join(f"{n} blocks of {kind}" for kind, n in unused.items()) or "no IntervalReading"
        raise ValueError(f"{path}: expected readings of energy drawn (uom 72, flowDirection 1), found {what}")
    notes = [f"{n} blocks of {what} are not used (72 is Wh, direction 1 is drawn)" for what, n in unused.items()]
    if root.find(".//{*}cost") is not None:
        notes.append("cost is not used")
    stem = path.name.split(".")[0]
    points = list(dict.fromkeys(point for point, _ in meters))
    names = {point: stem if len(points) == 1 else f"{stem}_{i + 1}" for i, point in enumerate(points)}
    return tuple(
        _readings(path, names[point], point, rows, tuple(notes), _hint(root), "load" if flow == _DRAWN else "fed_in")
        for (point, flow), rows in meters.items()
    )


def _parsed(path: Path, text: str) -> ET.Element:
    if re.search(r"<!(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise ValueError(f"{path}: expected ESPI without a DOCTYPE or entities; download it again")
    whole = re.sub(r"^\s*<\?xml.*?\?>", "", text, count=1, flags=re.DOTALL)
    try:
        return ET.fromstring(f"<all>{whole}</all>")
    except ET.ParseError as error:
        raise ValueError(f"{path}: expected XML: {error}; download it again") from None
    except RecursionError:
        raise ValueError(f"{path}: expected ESPI, got XML nested too deep") from None


def _number(path: Path, element: ET.Element, name: str, default: int | None = None) -> int:
    """A whole number below an element."""
    found = element.find(f".//{{*}}{name}")
    text = "" if found is None else (found.text or "").strip()
    if found is None and default is not None:
        return default
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        raise ValueError(f"{path}: {name}: expected a whole number, got {text[:40]!r}")
    return int(text)


def _types(path: Path, root: ET.Element) -> dict[str, _Type]:
    """Reading types by their own address; empty where they have none."""
    found = {}
    for address, _, element in _contents(root, "ReadingType"):
        power = _number(path, element, "powerOfTenMultiplier", 0)
        if not -12 <= power <= 12:
            raise ValueError(f"{path}: powerOfTenMultiplier: expected -12 to 12, got {power}")
        found[address] = _Type(_number(path, element, "uom"), _number(path, element, "flowDirection", 1), power)
    if not found:
        raise ValueError(f"{path}: expected ESPI with a ReadingType, found none")
    return found


def _contents(root: ET.Element, name: str) -> Iterator[tuple[str, ET.Element | None, ET.Element]]:
    """Elements of a name with their own address and the entry that holds them."""
    inside = set()
    for entry in root.iter("{http://www.w3.org/2005/Atom}entry"):
        for element in entry.iter():
            if element.tag.rpartition("}")[2] == name:
                inside.add(element)
                yield _link(entry, "self"), entry, element
    for element in root.iter():
        if element.tag.rpartition("}")[2] == name and element not in inside:
            yield "", None, element


def _link(entry: ET.Element, rel: str) -> str:
    return next((str(link.get("href")) for link in entry.iter() if _is_link(link, rel)), "")


def _is_link(element: ET.Element, rel: str) -> bool:
    return element.tag.rpartition("}")[2] == "link" and element.get("rel") == rel


def _blocks(root: ET.Element) -> list[tuple[str, str, ET.Element]]:
    """Usage point, address of the reading type, and block, of all interval blocks."""
    of_meter = {}
    for address, entry, _ in _contents(root, "MeterReading"):
        related = [] if entry is None else [str(e.get("href")) for e in entry.iter() if _is_link(e, "related")]
        of_meter[address] = next((href for href in related if "ReadingType" in href), "")
    found = []
    for address, entry, block in _contents(root, "IntervalBlock"):
        up = "" if entry is None else _link(entry, "up")
        meter = (up or address).partition("/IntervalBlock")[0]
        found.append((meter.partition("/MeterReading")[0], of_meter.get(meter, ""), block))
    return found


def _rows(path: Path, block: ET.Element, kind: _Type) -> Iterator[tuple[int, int, float]]:
    for reading in block.iter():
        if reading.tag.rpartition("}")[2] != "IntervalReading":
            continue
        start, lasts = _number(path, reading, "start"), _number(path, reading, "duration", 0)
        if not 0 <= start <= _LATEST or not 0 <= lasts <= 31 * 86_400:
            raise ValueError(
                f"{path}: expected seconds since 1970 and of a duration, got start {start}, duration {lasts}"
            )
        yield start, lasts, _number(path, reading, "value") * 10.0 ** (kind.power - 3)


def _readings(
    path: Path,
    home: str,
    point: str,
    rows: list[tuple[int, int, float]],
    notes: tuple[str, ...],
    hint: tuple[str, ...],
    kind: str,
) -> Readings:
    table = np.array(rows, np.float64).reshape(-1, 3)
    lasts = table[:, 1].astype(np.int64)
    shortest = lasts.min()
    if (lasts != shortest).any():
        table, notes = table[lasts == shortest], (*notes, f"readings that last longer than {shortest} s are not used")
    return Readings(
        paths=(path,), times=table[:, 0].astype(np.int64).astype("datetime64[s]"), is_utc=True,
        columns=(Column("value", kind, home, table[:, 2], True),), line=np.arange(1, len(table) + 1),
        file=np.zeros(len(table), np.int64), identity=point, says_begin=True, notes=notes, hints=hint, row="reading",
    )  # fmt: skip


def _hint(root: ET.Element) -> tuple[str, ...]:
    """What the file says of its clock, which names no zone."""
    found = root.find(".//{*}tzOffset")
    return () if found is None else (f"its clock is {int(found.text or 0) / 3600:+g} h from UTC in winter",)
