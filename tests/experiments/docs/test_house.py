"""The picture of the house shows the rooms of the code and what they import, and changes with them."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from gridbazaar.experiments.docs.house import LAYERS, Room, read_house
from gridbazaar.experiments.docs.house_drawing import house_svg

ROOT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"


def write(root: Path, files: dict[str, str]) -> Path:
    """A checkout of a few files; an import is said by what it is of."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A house with one loose file a layer, and two rooms on top of that of the market."""
    files = {f"{layer}/{layer}_file.py": f'"""What {layer} is. More."""\n' for layer in LAYERS}
    files |= {
        "market/grid/__init__.py": '"""The wires; know no price."""\n',
        "market/grid/flow.py": "from gridbazaar.market.market_file import x\nfrom gridbazaar.data import data_file\n",
        "market/clear/__init__.py": '"""The rules."""\n',
        "market/clear/rule.py": "from gridbazaar.market.grid.flow import y\n",
        "market/clear/rule.toml": "k = 1\n",
    }
    return write(tmp_path, files)


def room(root: Path, name: str) -> Room:
    return next(r for r in read_house(root) if name in r.names)


def reads(root: Path, name: str) -> set[str]:
    rooms = read_house(root)
    return {other for i in room(root, name).below for other in rooms[i].names}


def arrows(root: Path, head: str = "room") -> int:
    return house_svg(read_house(root)).count(f"url(#{head})")


def test_rooms_are_folders_and_loose_files_of_one_storey(small: Path) -> None:
    write(small, {"market/another.py": "", "market/top.py": "import gridbazaar.market.another\n"})
    assert [r.names for r in read_house(small) if r.layer == "market"] == [
        ("another", "market_file"), ("grid",), ("top",), ("clear",),
    ]  # fmt: skip


def test_a_room_knows_its_files_its_promise_and_its_storey(small: Path) -> None:
    found = room(small, "clear")
    assert (found.n_files, found.promises, found.storey) == (2, ("The rules.",), 2)
    assert room(small, "grid").layers == ("data",)
    assert reads(small, "grid") == {"market_file"}


def test_imports_inside_functions_count(small: Path) -> None:
    assert room(small, "clear").layers == ()
    write(small, {"market/clear/late.py": "def f():\n    from gridbazaar.data.data_file import x\n"})
    assert room(small, "clear").layers == ("data",)


def test_a_new_import_changes_the_picture(small: Path) -> None:
    before = house_svg(read_house(small))
    assert arrows(small) == 2
    write(small, {"market/clear/new.py": "from gridbazaar.market.market_file import x\n"})
    assert arrows(small) == 2  # it follows from the others
    assert "imports market_file, grid" in house_svg(read_house(small))
    write(small, {"market/clear/new.py": "from gridbazaar.agents.agents_file import x\n"})
    assert "imports grid, agents" in house_svg(read_house(small))
    assert house_svg(read_house(small)) != before


def test_a_circle_is_drawn_as_one(small: Path) -> None:
    assert arrows(small, "circle") == 0
    write(small, {"market/grid/back.py": "from gridbazaar.market.clear.rule import x\n"})
    assert arrows(small, "circle") == 1


@pytest.mark.slow
def test_the_picture_is_the_same_each_time_and_well_formed() -> None:
    text = house_svg(read_house(ROOT))
    assert house_svg(read_house(ROOT)) == text
    tree = ElementTree.fromstring(text)
    shown = {node.text for node in tree.iter(f"{SVG}text")}
    assert set(LAYERS) <= shown
    for found in read_house(ROOT):
        assert set(found.names) <= shown


@pytest.mark.slow
def test_no_room_lies_over_another_or_outside() -> None:
    tree = ElementTree.fromstring(house_svg(read_house(ROOT)))
    boxes = []
    for group in tree.iter(f"{SVG}g"):
        box = group.find(f"{SVG}rect")
        assert box is not None
        boxes.append([float(box.attrib[name]) for name in ("x", "y", "width", "height")])
    _, _, width, height = map(float, tree.attrib["viewBox"].split())
    for i, (x, y, w, h) in enumerate(boxes):
        assert 0 < x < x + w < width
        assert 0 < y < y + h < height
        for x2, y2, w2, h2 in boxes[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_no_rooms_of_the_experiments_import_each_other_in_a_circle() -> None:
    rooms = read_house(ROOT)
    circles = [
        (r.names, rooms[i].names)
        for r in rooms
        for i in r.below
        if r.layer == "experiments" and rooms[i].storey >= r.storey
    ]
    assert circles == []
