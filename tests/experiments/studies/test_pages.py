"""Pages of studies: marks for all that a study gives, and the very figures and sentences that its command gives."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gridbazaar.experiments.studies.page import STUDIES, filled
from gridbazaar.experiments.studies.places import PLACES
from gridbazaar.experiments.studies.result import Result

DOCS = Path(__file__).resolve().parents[3] / "docs"
TIMED = {"settlement"}
"""Tables of times, which no two machines have alike."""
LEARNED = {"learning_real"}
"""Studies that train for long on data that are no part of the package: see ``test_learning_real.py``."""
WEEKS = 16


def page_of(name: str) -> str:
    return (DOCS / "studies" / f"{name}.md").read_text(encoding="utf-8")


def blocks_of(text: str) -> dict[tuple[str, str], str]:
    found = re.findall(r"<!-- (figures|words) (\w+) -->\n(.*?)<!-- end -->", text, flags=re.DOTALL)
    return {(sort, name): body for sort, name, body in found}


def test_every_study_has_a_page_that_the_site_and_nothing_else_names() -> None:
    site = (DOCS.parent / "mkdocs.yml").read_text(encoding="utf-8")
    assert sorted(path.stem for path in (DOCS / "studies").glob("*.md")) == sorted(STUDIES)
    assert sorted(re.findall(r"studies/(\w+)\.md", site)) == sorted(STUDIES)


@pytest.mark.parametrize("name", STUDIES)
def test_a_page_names_its_command_and_holds_figures(name: str) -> None:
    text = page_of(name)
    assert f"\n    gridbazaar study {name}\n" in text
    blocks = blocks_of(text)
    assert blocks
    for (sort, mark), body in blocks.items():
        assert body.count("\n") >= (3 if sort == "figures" else 1), f"{mark} is empty"
    if name in PLACES:
        head, _, *rows = blocks["figures", name].splitlines()
        assert head.strip("| ").split(" | ") == ["figure", "published", *PLACES[name].changes]
        assert [row.split(" | ")[0].strip("| ") for row in rows] == [what for what, *_ in PLACES[name].rows]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in STUDIES if name not in LEARNED])
def test_a_page_says_what_its_command_gives(name: str) -> None:
    """The network tariffs take minutes, so that this is no test of the unit suite."""
    old = page_of(name)
    new = blocks_of(filled(old, STUDIES[name](WEEKS, None)))
    kept = blocks_of(old)
    differs = {mark for mark, body in new.items() if body != kept[mark] and mark[1] not in TIMED}
    assert not differs, f"run gridbazaar study {name} --write docs"


def test_marks_and_what_a_study_gives_have_to_agree() -> None:
    found = Result({"b": [["x"], ["1"]]}, {"said": "- so"})
    with pytest.raises(ValueError, match=r"has the marks <!-- ... --> figures a, expected figures b, words said"):
        filled("<!-- figures a -->\n<!-- end -->", found)
    page = "<!-- words said -->\nold\n<!-- end -->\n<!-- figures b -->\nold\n<!-- end -->"
    assert filled(page, found) == (
        "<!-- words said -->\n- so\n<!-- end -->\n<!-- figures b -->\n| x |\n| --- |\n| 1 |\n<!-- end -->"
    )
