"""Public holidays, from the library ``holidays``, by country and part: ``AT``, ``US-CA``."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import lru_cache


def public_holidays(region: str, years: Iterable[int]) -> frozenset[date]:
    """Give the public holidays of some years.

    Raises:
        ValueError: there is no such country or part of it.
        ModuleNotFoundError: the library is not installed.
    """
    return _found(region, tuple(sorted(set(years))))


@lru_cache(maxsize=64)
def _found(region: str, years: tuple[int, ...]) -> frozenset[date]:
    import holidays  # pyright: ignore[reportMissingImports]  # of the extra bills

    country, _, part = region.partition("-")
    try:
        days = holidays.country_holidays(country, subdiv=part or None, years=years)
    except NotImplementedError as error:
        raise ValueError(f"holidays: expected a country, with its part, such as AT or US-CA; got {region!r}") from error
    return frozenset(days)
