"""The site of the documentation: every page is in it, and it builds without a warning."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gridbazaar.market.designs import list_designs
from tests.stacks import needs

ROOT = Path(__file__).resolve().parents[1]
MADE = {"index.md", "examples.md", "api.md"}
"""Pages that ``.ci/site`` makes."""


def test_every_page_is_in_the_site_once() -> None:
    listed = re.findall(r"(\w+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(listed) == len(set(listed))
    pages = MADE | {path.name for path in (ROOT / "docs").rglob("*.md")}
    assert set(listed) == pages, "name the page under nav in mkdocs.yml"


@pytest.mark.slow
@needs("site")
def test_the_site_builds_without_network_and_names_what_is_public() -> None:
    import gridbazaar as gb

    blocked = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    found = subprocess.run(
        [ROOT / ".ci" / "site", sys.executable], cwd=ROOT, env=os.environ | blocked | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-3000:]
    api = (ROOT / "build" / "site" / "api.html").read_text(encoding="utf-8")
    missing = [name for name in gb.__all__ if not name.startswith("_") and f'.{name}"' not in api]
    assert missing == []
    sheets = (ROOT / "build" / "site" / "tariffs.html").read_text(encoding="utf-8")
    for name in list_designs():
        assert f'src="tariffs/{name}.svg"' in sheets, "each sheet has its picture"
        assert (ROOT / "build" / "site" / "tariffs" / f"{name}.svg").stat().st_size > 5_000
    start = (ROOT / "build" / "site" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r'(src|href)="https?://[^"]+\.(js|css|woff2?)"', start), "something is loaded from elsewhere"
