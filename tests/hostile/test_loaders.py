"""Every loader reads what comes, or refuses it with an error of ours that names the place; it writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.hostile.inputs import ALL_WAYS, SOUND, spoil

SEED = 20_261_130
N_INPUTS = len(SOUND) * len(ALL_WAYS)


@pytest.mark.parametrize("loader", SOUND)
def test_what_is_sound_is_read(tmp_path: Path, loader: str) -> None:
    write, load = SOUND[loader]
    assert load(write(tmp_path)) is not None


def listing(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in sorted(folder.rglob("*"))}


@pytest.mark.parametrize("loader", SOUND)
@pytest.mark.filterwarnings("error")
def test_hostile_files_are_read_or_refused_by_name(tmp_path: Path, loader: str) -> None:
    write, load = SOUND[loader]
    n_refused = 0
    for i, way in enumerate(ALL_WAYS):
        rng = np.random.default_rng([SEED, list(SOUND).index(loader), i])
        folder = tmp_path / f"case_{i}"
        folder.mkdir()
        place = write(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        spoil(files[int(rng.integers(len(files)))], way, rng)
        before = listing(folder)
        refusal = refused(load, place, f"{loader}, {way}")
        if refusal is not None:
            n_refused += 1
            assert type(refusal) is ValueError, f"{way}: {refusal!r}"
            message = str(refusal)
            assert place.name in message or place.stem in message, f"{way}: {message[:300]}"
            assert 30 < len(message) < 5000, f"{way}: {message[:300]}"
        assert listing(folder) == before, f"{way}: a loader writes nothing"
    assert n_refused > len(ALL_WAYS) / 3, "most of this is broken"


def refused(load: Callable[[Path], object], place: Path, what: str) -> ValueError | None:
    """The refusal of a loader, or none where it reads what came; anything else is a fault of ours."""
    try:
        load(place)
    except ValueError as error:
        return error
    except Exception as error:
        raise AssertionError(f"{what}: {error!r}") from error
    return None


def test_there_are_hundreds_of_them() -> None:
    assert N_INPUTS >= 300
