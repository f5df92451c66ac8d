"""Read plain CSV: a column of times and a column a series, each at the steps of the file.

Every column but ``time`` ends in its unit:

==============================================  ====================================================================
``time``                                        beginning of the step; ISO 8601, local time, or with an offset
``<home>_load_kw``, ``_load_w``, ``_load_kwh``  mean power over the step, or energy of the step (or a register, see
``_load_wh``                                    ``values.py``); >= 0
``<home>_pv_kw_per_kwp``, ``..._w_...``,        output per installed kWp, or energy of the step per kWp; >= 0
``..._kwh_...``
``spot_cur_per_kwh``, ``spot_cur_per_mwh``      wholesale price, may be negative
``retail_cur_per_kwh``                          retail price; kept in the bank, no tariff reads it
``carbon_kg_per_kwh``, ``carbon_g_per_kwh``     intensity of the grid's electricity
``wind_m_per_s``                                mean speed at the hub of a small turbine
``outdoor_c``                                   outdoor temperature
==============================================  ====================================================================

Cells are parted by commas, semicolons or tabs, with decimal points or commas, in UTF-8, UTF-16 or Windows-1252. Option
``columns`` gives columns of other names the ones above; ``stamps=end`` reads times as ends of steps.
"""

from __future__ import annotations

import numpy as np

from gridbazaar.data.loaders.readings import Column, Options, Readings, local_or_utc
from gridbazaar.data.loaders.stamps import SHAPE, read_stamps
from gridbazaar.data.loaders.tables import Rows, Table, is_missing, name_lines, to_numbers
from gridbazaar.data.text import short

# Ending of the column -> what it is, factor to the unit of the bank, whether it is energy of a step.
_UNITS = {
    "_load_kw": ("load", 1.0, False),
    "_load_w": ("load", 1e-3, False),
    "_load_kwh": ("load", 1.0, True),
    "_load_wh": ("load", 1e-3, True),
    "_pv_kw_per_kwp": ("pv", 1.0, False),
    "_pv_w_per_kwp": ("pv", 1e-3, False),
    "_pv_kwh_per_kwp": ("pv", 1.0, True),
    "_pv_wh_per_kwp": ("pv", 1e-3, True),
    "spot_cur_per_kwh": ("spot", 1.0, False),
    "spot_cur_per_mwh": ("spot", 1e-3, False),
    "retail_cur_per_kwh": ("retail", 1.0, False),
    "carbon_kg_per_kwh": ("carbon", 1.0, False),
    "carbon_g_per_kwh": ("carbon", 1e-3, False),
    "wind_m_per_s": ("wind", 1.0, False),
    "outdoor_c": ("outdoor", 1.0, False),
}
_OF_METERS = {
    "import_kwh": ("load", 1.0, True),
    "import_wh": ("load", 1e-3, True),
    "import_kw": ("load", 1.0, False),
    "export_kwh": ("fed_in", 1.0, True),
    "export_wh": ("fed_in", 1e-3, True),
    "export_kw": ("fed_in", 1.0, False),
}
"""Of bills: what a meter counted in each direction; with the name of a home and ``_`` before it, or of one alone."""
METER = "meter"
"""What the home is called that has no name."""


def read(rows: Rows, options: Options) -> tuple[Readings, ...]:
    """Read a table of series."""
    table = rows.from_header(0)
    renamed = _renamed(table, options)
    known = _known(table, renamed, options.fed_in)
    time = next(name for name, new in renamed.items() if new == "time")
    times, is_utc = local_or_utc(table.path, read_stamps(table.columns[time]), table.line, time, SHAPE)
    columns = []
    problems: list[str] = []
    for name, (kind, home, factor, is_energy) in known.items():
        cells = table.columns[name]
        values = to_numbers(cells, table.separator)
        wrong = table.line[~np.isfinite(values) & ~is_missing(cells)]
        if len(wrong):
            problems.append(f"{name}: expected numbers with a decimal point, got other text in {name_lines(wrong)}")
        columns.append(Column(name, kind, home, values * factor, is_energy))
    if problems:
        n = len(problems)
        raise ValueError(f"{table.path}: {n} fault{'s' if n > 1 else ''}\n  " + "\n  ".join(problems))
    notes = () if table.encoding.startswith("utf") else (f"read as {table.encoding}, for it is no UTF-8",)
    found = Readings(
        paths=(table.path,), times=times, is_utc=is_utc, columns=tuple(columns), line=table.line,
        file=np.zeros(len(table), np.int64), identity=f"csv {is_utc} {' '.join(known)}", ends=options.stamps == "end",
        notes=notes,
    )  # fmt: skip
    return (found,)


def _renamed(table: Table, options: Options) -> dict[str, str]:
    """What each column is to be called, by its name in the file."""
    given = {old: new for old, new in options.columns if old in table.columns}
    renamed = {name: given.get(name, name) for name in table.columns}
    names = list(renamed.values())
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"{table.path}: columns: {', '.join(doubled)} would be there twice; give each one name")
    return renamed


def _known(table: Table, renamed: dict[str, str], of_meters: bool) -> dict[str, tuple[str, str, float, bool]]:
    """Tell what each column is: name in the file -> kind, home, factor, whether it is energy of a step."""
    known: dict[str, tuple[str, str, float, bool]] = {}
    unknown = []
    for name, new in renamed.items():
        if new == "time":
            continue
        ending = next((end for end in _UNITS if (new.endswith(end) if end[0] == "_" else new == end)), None)
        home = new.removesuffix(ending) if ending is not None and ending[0] == "_" else ""
        metered = next((end for end in _OF_METERS if of_meters and (new == end or new.endswith(f"_{end}"))), None)
        if metered is not None:
            kind, factor, is_energy = _OF_METERS[metered]
            known[name] = (kind, new.removesuffix(metered).removesuffix("_") or METER, factor, is_energy)
            continue
        if ending is None or (ending[0] == "_" and not home):
            unknown.append(short(name) or "(without a name)")
            continue
        kind, factor, is_energy = _UNITS[ending]
        known[name] = (kind, home, factor, is_energy)
    read_as = f" (read as {table.encoding}, cells parted by {table.separator!r})"
    forms = ", ".join(f"<home>{end}" if end[0] == "_" else end for end in _UNITS)
    if of_meters:
        forms = "import_kwh, export_kwh, <home>_import_kwh, <home>_export_kwh, " + forms
    how = 'rename them, or give the columns names: columns="NAME IN THE FILE=name_with_unit"'
    if "time" not in renamed.values():
        came = ", ".join(map(short, list(renamed)[:10]))
        raise ValueError(
            f"{table.path}: expected a column 'time' (the beginning of each step), and columns such as h1_load_kwh; "
            f"got {came}{read_as}; {how}"
        )
    if unknown:
        raise ValueError(
            f"{table.path}: unknown columns or units: {', '.join(unknown[:10])}{read_as}; expected time, {forms}; {how}"
        )
    if not known:
        raise ValueError(f"{table.path}: expected a column beside 'time', such as h1_load_kwh; got none{read_as}")
    return known


def recognises(rows: Rows) -> bool:
    """Every table may be one; the other layouts are asked first."""
    return bool(rows.cells)
