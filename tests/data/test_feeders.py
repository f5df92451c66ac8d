"""Feeder files: what ships is sound, and a faulty file names every faulty row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridbazaar.data import feeders
from gridbazaar.data.feeder import Feeder
from gridbazaar.data.feeders import list_feeders, load_feeder

FOLDER = Path(feeders.__file__).resolve().parent
TOML = 'source = "test"\nbase_kv = 0.4\nroot_bus = "R"\nv_min_pu = 0.9\nv_max_pu = 1.1\n'
HEADER = "from_bus,to_bus,length_m,r_ohm_per_km,x_ohm_per_km,rating_a"
GOOD = f"{HEADER},p_kw,q_kvar\nR,a,100,0.2,0.08,200,3,1\na,b,50,0.6,0.08,140,2,0.5\n"


def write(folder: Path, lines: str = GOOD, toml: str = TOML) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "feeder.toml").write_text(toml, encoding="utf-8")
    (folder / "lines.csv").write_text(lines, encoding="utf-8")
    return folder


def refusal(folder: Path, lines: str = GOOD, toml: str = TOML) -> str:
    with pytest.raises(ValueError, match="fault") as caught:
        load_feeder(write(folder, lines, toml))
    assert str(folder) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", list_feeders())
def test_a_shipped_feeder_is_radial_documented_and_has_ratings_that_can_bind(name: str) -> None:
    feeder = load_feeder(name)
    assert feeder.name == name
    assert len(set(feeder.buses)) == feeder.n_buses == len(feeder.parent)
    assert (feeder.parent < np.arange(feeder.n_buses)).all()
    assert (feeder.parent >= -1).all()
    assert feeder.r_ohm.min() > 0
    assert feeder.rating_kva.max() < 10_000
    assert feeder.p_kw.sum() > 0
    assert not feeder.has_transformer or (feeder.parent == -1).tolist() == [True] + [False] * (feeder.n_buses - 1)
    assert "rating" in (FOLDER / name / "SOURCE.md").read_text(encoding="utf-8").lower()


def test_the_listing_finds_every_folder_with_a_feeder() -> None:
    assert set(list_feeders()) >= {"district", "ieee33", "street", "village"}
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and not path.name.startswith("__")}
    assert folders == set(list_feeders())


def test_sizes_are_as_documented() -> None:
    sizes = {name: load_feeder(name).n_buses for name in list_feeders()}
    expected = {
        "street": 7, "village": 30, "cigre_lv": 18, "ieee33": 32, "district": 111, "kerber_village": 115,
        "village_reinforced": 30, "car_park": 7, "weak_feeder": 30,
    }  # fmt: skip
    assert sizes.items() >= expected.items()


def test_the_kerber_village_has_single_phase_homes() -> None:
    feeder = load_feeder("kerber_village")
    assert feeder.phases == 3
    assert feeder.phase is not None
    on_phase_kw = [float(feeder.p_kw[feeder.phase == phase].sum()) for phase in range(4)]
    assert on_phase_kw == pytest.approx([76.0, 86.4, 67.2, 64.8])


def test_zero_sequence_and_phases_are_read(tmp_path: Path) -> None:
    header, first, second, _ = GOOD.split("\n")
    lines = f"{header},r0_ohm_per_km,x0_ohm_per_km,phase\n{first},0.8,0.32,\n{second},2.4,0.32,B\n"
    feeder = load_feeder(write(tmp_path / "own", lines, TOML + "phases = 3\n"))
    assert feeder.phases == 3
    assert feeder.r0_ohm is not None
    assert feeder.x0_ohm is not None
    assert feeder.phase is not None
    np.testing.assert_allclose(feeder.r0_ohm, [0.08, 0.12])
    np.testing.assert_allclose(feeder.x0_ohm, [0.032, 0.016])
    assert feeder.phase.tolist() == [0, 2]
    assert load_feeder(write(tmp_path / "own")).r0_ohm is None


def test_faulty_zero_sequence_phases_and_self_loops_are_refused(tmp_path: Path) -> None:
    assert "where feeder.toml says phases = 3" in refusal(tmp_path / "own", toml=TOML + "phases = 3\n")
    assert "expected 1 (balanced) or 3 for 'phases', came 2" in refusal(tmp_path / "own", toml=TOML + "phases = 2\n")
    header, first, second, _ = GOOD.split("\n")
    lines = f"{header},r0_ohm_per_km,phase\n{first},0,a\n{second},1,ab\nb,b,1,1,1,1,0,0,1,\n"
    message = refusal(tmp_path / "own", lines)
    for expected in (
        "row 1: expected the columns r0_ohm_per_km, x0_ohm_per_km together",
        "row 2: expected r0_ohm_per_km > 0, came 0",
        "row 3: expected one of abc, a, b, c for phase, came 'ab'",
        "row 4: expected two buses, came a line from 'b' to itself",
    ):
        assert expected in message


def test_a_load_at_the_busbar_stands_with_the_transformer(tmp_path: Path) -> None:
    toml = TOML + (
        '[transformer]\nto_bus = "LV"\nrating_kva = 250\nshort_circuit_percent = 4.0\nload_loss_kw = 2.5\n'
        "no_load_loss_kw = 0.3\nno_load_current_percent = 0.2\np_kw = 20\nq_kvar = -5\n"
    )
    feeder = load_feeder(write(tmp_path / "own", GOOD.replace("R,a", "LV,a"), toml))
    assert feeder.p_kw.tolist() == [20, 3, 2]
    assert feeder.q_kvar.tolist() == [-5, 1, 0.5]
    assert feeder.no_load_kvar == pytest.approx(0.4)
    assert "expected a finite number for 'p_kw'" in refusal(
        tmp_path / "own", GOOD.replace("R,a", "LV,a"), toml.replace("p_kw = 20", "p_kw = inf")
    )


def test_numbers_are_converted_to_ohm_and_kva(tmp_path: Path) -> None:
    feeder = load_feeder(write(tmp_path / "own"))
    assert feeder.name == "own"
    assert feeder.buses == ("a", "b")
    assert feeder.parent.tolist() == [-1, 0]
    np.testing.assert_allclose(feeder.r_ohm, [0.02, 0.03])
    np.testing.assert_allclose(feeder.x_ohm, [0.008, 0.004])
    np.testing.assert_allclose(feeder.rating_kva, np.sqrt(3) * 0.4 * np.array([200, 140]))
    assert feeder.p_kw.tolist() == [3, 2]
    assert feeder.q_kvar.tolist() == [1, 0.5]


def test_a_transformer_becomes_branch_zero_with_its_nameplate_impedance(tmp_path: Path) -> None:
    toml = TOML + (
        '[transformer]\nto_bus = "LV"\nrating_kva = 250\nshort_circuit_percent = 4.0\nload_loss_kw = 2.5\n'
        "no_load_loss_kw = 0.3\n"
    )
    feeder = load_feeder(write(tmp_path / "own", GOOD.replace("R,a", "LV,a"), toml))
    assert feeder.has_transformer
    assert feeder.buses == ("LV", "a", "b")
    base_ohm = 0.4**2 / 0.25
    assert feeder.r_ohm[0] == pytest.approx(0.01 * base_ohm)
    assert np.hypot(feeder.r_ohm[0], feeder.x_ohm[0]) == pytest.approx(0.04 * base_ohm)
    assert feeder.rating_kva[0] == 250
    assert feeder.no_load_loss_kw == 0.3


def test_rows_in_any_order_are_sorted_from_the_root(tmp_path: Path) -> None:
    header, first, second, _ = GOOD.split("\n")
    feeder = load_feeder(write(tmp_path / "own", "\n".join((header, second, first)) + "\n"))
    assert feeder.buses == ("a", "b")


def test_every_faulty_row_is_named_at_once(tmp_path: Path) -> None:
    lines = "\n".join(
        (
            HEADER,
            "R,a,100,0.2,0.08,200",
            "a,b,100,0,0.08,200",
            "a,c,100,-0.2,0.08,200",
            "a,d,ten,0.2,-1,200",
            "b,a,100,0.2,0.08,200",
            "x,y,100,0.2,0.08,0",
            "a,R,100,0.2,0.08,200",
            "a,e,100,0.2,0.08",
            "d,,100,0.2,0.08,200",
        )
    )
    message = refusal(tmp_path / "own", lines, TOML.replace("base_kv = 0.4\n", "colour = 3\n"))
    for expected in (
        "expected the key 'base_kv', came none",
        "came 'colour'",
        "row 3: expected r_ohm_per_km > 0, came 0",
        "row 4: expected r_ohm_per_km > 0, came -0.2",
        "row 5: expected a finite number for length_m, came 'ten'",
        "row 5: expected x_ohm_per_km >= 0, came -1",
        "row 6: expected each bus once as to_bus, came 'a' that row 2 feeds",
        "row 7: expected rating_a > 0, came 0",
        "row 7: expected a path to the root 'R', came none for 'x' -> 'y'",
        "row 8: expected lines that lead away from the root 'R'",
        "row 9: expected as many cells as the header has columns",
        "row 10: expected names for from_bus and to_bus",
    ):
        assert expected in message
    assert "row 2:" not in message


def test_a_loop_apart_from_the_root_is_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "own", GOOD + "p,q,1,1,1,1,0,0\nq,p,1,1,1,1,0,0\n")
    assert "row 4: expected a path" in message
    assert "row 5: expected a path" in message


def test_unknown_and_missing_columns_are_refused(tmp_path: Path) -> None:
    message = refusal(tmp_path / "own", GOOD.replace("rating_a", "rating_kA"))
    assert "came 'rating_kA'" in message
    assert "expected the columns rating_a, came none" in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("v_min_pu = 0.9", "v_min_pu = 1.2", "expected v_min_pu < v_max_pu, came 1.2 and 1.1"),
        ("base_kv = 0.4", "base_kv = -0.4", "expected a positive number for 'base_kv', came -0.4"),
        ("base_kv = 0.4", 'base_kv = "0.4"', "expected a positive number for 'base_kv', came '0.4'"),
        ('root_bus = "R"', 'root_bus = ""', "expected text for 'root_bus'"),
        ("base_kv = 0.4", "base_kv = ", "expected TOML"),
        ("v_max_pu = 1.1", "v_max_pu = 1.1\ntransformer = 3", "expected a table, came 3"),
    ],
)
def test_faulty_settings_are_refused(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert expected in refusal(tmp_path / "own", toml=TOML.replace(old, new))


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=f"expected one of {', '.join(list_feeders())}, a path"):
        load_feeder("vilage")


def test_a_feeder_cannot_be_changed() -> None:
    feeder = load_feeder("street")
    with pytest.raises(AttributeError):
        feeder.base_kv = 1.0  # type: ignore[misc]
    assert isinstance(feeder, Feeder)
