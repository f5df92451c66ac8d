"""Where a bank's charging sessions come from: made by chance for a place, or measured ones."""

from __future__ import annotations

from pathlib import Path

from gridbazaar.data.bank import Sessions
from gridbazaar.data.calendar import Calendar
from gridbazaar.data.synthetic.away_sessions import PLACES, make_away_sessions
from gridbazaar.data.synthetic.home_sessions import make_sessions

_MEASURED = ("acn", "trondheim")
_TABLES = {"elaad_home": "home", "elaad_public": "public", "elaad_workplace": "workplace"}


def check_source(source: str) -> None:
    """Refuse a source that nobody knows."""
    head, colon, path = source.partition(":")
    if colon and path and head in (*_MEASURED, *_TABLES):
        return
    if not colon and (source == "home" or source in PLACES):
        return
    files = ", ".join(f"{name}:PATH" for name in (*_MEASURED, *_TABLES))
    raise ValueError(f"data.sessions: expected home, {', '.join(PLACES)}, or {files}; got {source!r}")


def find_sessions(source: str, master: int, calendar: Calendar, n_chargers: int) -> Sessions:
    """Give the sessions of a bank.

    Args:
        source: home, workplace or public (made by chance); acn:PATH or trondheim:PATH (measured, as many chargers as
            they have stations); elaad_home:PATH, elaad_public:PATH or elaad_workplace:PATH (made after tables).
        master: seed.
        calendar: of the bank.
        n_chargers: how many, where they are made.

    People come and go by the local clock; what is given counts time as it passes.
    """
    return _by_clock(source, master, calendar, n_chargers).on_axis(calendar)


def _by_clock(source: str, master: int, calendar: Calendar, n_chargers: int) -> Sessions:
    """Give sessions whose hours count days of 24 hours from the first local midnight."""
    check_source(source)
    first_day, n_days, step_h = calendar.first_day, calendar.n_days, calendar.step_min / 60
    if source == "home":
        return make_sessions(master, n_days, n_chargers, step_h)
    if source in PLACES:
        return make_away_sessions(PLACES[source], master, first_day, n_days, n_chargers, step_h)
    head, _, path = source.partition(":")
    if head in _TABLES:
        from gridbazaar.data.loaders.elaad import read_elaad

        place = read_elaad(path, _TABLES[head]).place
        return make_away_sessions(
            place, master, first_day, n_days, n_chargers, step_h, is_same_car=_TABLES[head] == "home"
        )
    from gridbazaar.data.loaders.acn import read_acn
    from gridbazaar.data.loaders.charging import play
    from gridbazaar.data.loaders.trondheim import read_trondheim

    read = read_acn if head == "acn" else read_trondheim
    return play(read(Path(path)).sessions, first_day, n_days)
