"""What opens and measures pages: a missing browser skips or fails, and sheets are measured as they are."""

from __future__ import annotations

import io

import pytest

from tests import browser
from tests.browser import in_print, marking
from tests.printed import charts, half_empty, sheets


def test_what_lacks_skips_unless_it_is_required() -> None:
    skipped = marking("Chromium", "")
    assert skipped.args == (True,)
    assert skipped.kwargs["reason"] == "no Chromium on this machine"
    assert marking("Chromium", "required").args == (False,)
    assert marking(None, "").args == marking(None, "required").args == (False,)
    with pytest.raises(ValueError, match="GRIDBAZAAR_BROWSER: expected required, or nothing, got 'yes'"):
        marking(None, "yes")


def test_a_required_browser_that_lacks_fails_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browser, "LACKS", "Chromium")
    with pytest.raises(pytest.fail.Exception, match="no Chromium on this machine, and GRIDBAZAAR_BROWSER=required"):
        browser._browser.__wrapped__()


@in_print
def test_a_sheet_says_where_its_ink_ends_and_what_lies_beyond_its_edge() -> None:
    from matplotlib.backends.backend_pdf import FigureCanvasPdf, PdfPages
    from matplotlib.figure import Figure

    out = io.BytesIO()
    with PdfPages(out) as pages:
        for x, y, words in ((0.2, 0.9, "above"), (0.2, 0.1, "below"), (0.9, 0.5, "beyond the edge")):
            figure = Figure(figsize=(4, 4))
            FigureCanvasPdf(figure)
            figure.text(x, y, words)
            pages.savefig(figure)
    above, below, beyond = sheets(out.getvalue())
    assert above.text == "above"
    assert 0.05 < above.top < above.bottom < 0.12
    assert 0.87 < below.top < below.bottom < 0.93
    assert above.outside == below.outside == ""
    assert "edge" in beyond.outside.replace(" ", "")
    assert half_empty([above, below, beyond]) == [1]
    assert half_empty([below, above]) == []


def test_the_words_of_a_chart_are_those_of_its_wide_drawing() -> None:
    page = (
        '<figure id="a"><div class="on-wide"><svg><text x="1">9 kW</text><text>b &amp; c</text></svg></div>'
        '<div class="on-narrow"><svg><text>no</text></svg></div></figure>'
    )
    assert charts(page) == {"a": ["9kW", "b&c"]}
