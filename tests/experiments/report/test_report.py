"""The report: complete, self-contained, and with the evaluation's own numbers."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from gridbazaar.agents.policies import load_policy
from gridbazaar.envs.core import Core
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.play import Played, play
from gridbazaar.experiments.evaluation.result import Evaluation, Result
from gridbazaar.experiments.evaluation.statistics import Interval, mean_interval
from gridbazaar.experiments.report import report
from gridbazaar.experiments.report.balances import balances, balances_section
from gridbazaar.experiments.report.headline import headline
from gridbazaar.experiments.report.policies import learning
from gridbazaar.experiments.report.report import render, write_report
from gridbazaar.experiments.report.subject import FEW_SEEDS, subject_of
from gridbazaar.experiments.report.table import columns, kind_table, number, policy_names, terminal_table
from tests.browser import in_browser, in_print, look, to_pdf
from tests.printed import assert_printed_well, sheets

pytestmark = pytest.mark.slow  # pictures and whole pages; every change runs them all the same

RUN = "runs/<b>&x"  # a folder whose name would be markup
CURVE = [{"steps": 0, "seconds": 2.0, "score": 11.25}, {"steps": 400_000, "seconds": 63.0, "score": 70.5}]
PICTURES = ("scores", "learning", "net_power", "prices", "storage", "voltages", "feeder", "by_kind", "by_agent")
WORDS: dict[str, Any] = {"title": "A <street> & more", "command": "gridbazaar demo --seed <0>", "machine": "two cores"}


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    """Rules on the street, one of them posing as a training run."""
    found = evaluate("street", ["self_consumption", "opportunity_cost", "optimum"], seeds=5)
    posing = {"self_consumption": RUN}
    return replace(found, results=tuple(replace(r, policy=posing.get(r.policy, r.policy)) for r in found.results))


@pytest.fixture(scope="module")
def days() -> dict[str, Played]:
    core = Core("street", 1)
    policies = {"idle": "idle", RUN: "self_consumption", "optimum": "optimum"}
    return {name: play(core, load_policy(policy), [0], keep=True) for name, policy in policies.items()}


@pytest.fixture(scope="module")
def page(evaluation: Evaluation, days: dict[str, Played]) -> str:
    return render(evaluation, days, CURVE, **WORDS)


class Reader(HTMLParser):
    """Collects tags, attributes and text, and fails on tags that do not match."""

    VOID = frozenset({"meta", "br", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def rows(page: str) -> Iterator[list[str]]:
    """Cells of all table rows, as text."""
    for row in re.findall(r"<tr.*?</tr>", page, flags=re.DOTALL):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)
        yield [unescape(re.sub(r"<[^>]+>", " ", cell)).replace("\N{MINUS SIGN}", "-").strip() for cell in cells]


def cell(found: Interval, digits: int) -> str:
    return f"{number(found.mean, digits)}  [{number(found.low, digits)}, {number(found.high, digits)}]"


def same_words(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_the_page_needs_nothing_else(page: str) -> None:
    assert not re.search(r"""(?:src|href|url|@import)\s*[=(]?\s*["']?\s*(?:https?:)?//""", page)
    assert "http" not in page
    assert "<script" not in page
    assert "<link" not in page


def test_the_page_is_well_formed_and_accessible(page: str) -> None:
    seen = Reader(page)
    assert ("html", {"lang": "en"}) in seen.tags
    ids = [attrs["id"] for _, attrs in seen.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in seen.tags:
        if tag == "svg":
            assert attrs["role"] == "img"
            assert len(attrs["aria-label"]) > 20
        if tag == "img":
            assert len(attrs["alt"]) > 20
        if tag == "th":
            assert attrs["scope"] in ("col", "row")


def test_every_picture_is_there_and_not_empty(page: str) -> None:
    found = dict(re.findall(r'<figure id="(\w+)">(.*?)</figure>', page, flags=re.DOTALL))
    assert tuple(found) == PICTURES
    for key, content in found.items():
        assert len(content) > 4000, key
        sentence = re.sub(r"<[^>]+>", "", content.split("<figcaption>")[1])
        assert re.search(r"\d", sentence), key
        assert sentence.endswith("."), key


def test_on_a_phone_every_cell_says_its_column(page: str) -> None:
    n_cells = 0
    for table in re.findall(r"<table.*?</table>", page, flags=re.DOTALL):
        head, *found = re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL)
        heads = [re.sub(r"<[^>]+>", " ", cell).strip() for cell in re.findall(r"<th[^>]*>(.*?)</th>", head, re.DOTALL)]
        for row in found:
            labels = re.findall(r'<td data-label="([^"]*)"', row)
            assert labels == heads[1:]
            n_cells += len(labels)
    assert n_cells > 40


def test_numbers_are_those_of_the_evaluation(page: str, evaluation: Evaluation) -> None:
    names = policy_names([r.policy for r in evaluation.results])
    table = [[same_words(c) for c in row] for row in rows(page)]
    shown = columns(evaluation)
    for row in evaluation.rows():
        cells = [same_words(cell(c.interval(row), c.digits)) for c in shown]
        half = len(shown) // 2
        assert [names[row["policy"]], *cells[:half]] in table
        assert [names[row["policy"]], *cells[half:]] in table
        kinds = [names[row["policy"]]]
        for found in row["kinds"].values():
            kinds += [number(found["cost_cur"]["mean"], 2), same_words(cell(Interval(**found["savings_cur"]), 2))]
        assert kinds in table


def test_paired_differences_are_those_of_the_evaluation(page: str, evaluation: Evaluation) -> None:
    table = list(rows(page))
    for other in ("idle", "opportunity_cost", "optimum"):
        found = evaluation.paired(RUN, other)
        clear = {(True, False): "yes: it costs less", (False, True): "yes: it costs more"}
        words = clear.get((found.low > 0, found.high < 0), "no")
        ends = f"[{number(found.low, 2)}, {number(found.high, 2)}]"
        assert [other, number(found.mean, 2), ends, words] in table


def test_the_headline_says_what_was_trained_and_on_how_many_episodes(page: str, evaluation: Evaluation) -> None:
    text = Reader(page).text
    score = evaluation.result(RUN).score
    assert "learned from 0.40 million agent-steps in 1.1 minutes (two cores)" in text
    assert f"On 5 held-out episodes, trained scores {number(score.mean, 1)}" in text
    assert "this is one training run" in text


def headline_text(evaluation: Evaluation) -> str:
    """Text of the first section."""
    return Reader(headline(subject_of(evaluation, {}, ()), "")).text


def shifted(evaluation: Evaluation, by_cur: float) -> Evaluation:
    """The run costs this much more than the engineered rule, in every episode but for a little noise."""
    rule = evaluation.result("opportunity_cost")
    noise = np.linspace(-0.5, 0.5, len(evaluation.seeds))

    def moved(r: Result) -> Result:
        return replace(r, scored_cur=rule.scored_cur + by_cur + noise) if r.policy == RUN else r

    return replace(evaluation, results=tuple(map(moved, evaluation.results)))


@pytest.mark.parametrize(
    ("by_cur", "words"),
    [
        (2.0, "it costs 2.00 EUR more per episode [{}]; the interval is clear of zero"),
        (-2.0, "it saves 2.00 EUR per episode [{}]; the interval is clear of zero"),
        (-0.1, "it saves 0.10 EUR per episode [{}]; the interval holds zero"),
        (0.1, "it costs 0.10 EUR more per episode [{}]; the interval holds zero"),
    ],
)
def test_the_comparison_with_the_engineered_rule_is_honest(evaluation: Evaluation, by_cur: float, words: str) -> None:
    text = headline_text(shifted(evaluation, by_cur))
    found = mean_interval(by_cur + np.linspace(-0.5, 0.5, 5))
    low, high = (found.low, found.high) if by_cur > 0 else (-found.high, -found.low)
    ends = f"{number(low, 2)}, {number(high, 2)}".replace("-", "\N{MINUS SIGN}")
    assert words.format(ends) in text


def test_few_episodes_are_never_called_clear(evaluation: Evaluation) -> None:
    dear = replace(evaluation.result("idle"), policy="time_of_use", scored_cur=evaluation.result(RUN).scored_cur + 9)
    few = replace(evaluation, seeds=evaluation.seeds[: FEW_SEEDS - 1], results=(*evaluation.results, dear))
    text = headline_text(few)
    assert "too few episodes to tell" in text
    assert "It costs" not in text
    assert text.count("too few episodes") == len(few.results)  # a row each but its own, and the sentence above


def test_without_a_trained_policy_the_best_rule_is_in_the_middle(evaluation: Evaluation) -> None:
    rules = replace(evaluation, results=tuple(r for r in evaluation.results if r.policy != RUN))
    text = headline_text(rules)
    assert "held-out episodes, opportunity_cost scores" in text
    assert "training run" not in text


def test_idle_alone_makes_a_page(evaluation: Evaluation) -> None:
    alone = replace(evaluation, results=(evaluation.result("idle"),))
    assert "idle scores 0.0" in Reader(render(alone, {}, **WORDS)).text


def test_names_are_text_and_never_markup(page: str) -> None:
    assert "<b>&x" not in page
    assert "A &lt;street&gt; &amp; more" in page
    assert "gridbazaar demo --seed &lt;0&gt;" in page
    two = policy_names(["idle", RUN, "runs/y"])
    assert list(two.values()) == ["idle", "trained <b>&x", "trained y"]
    assert policy_names(["a/run", "b/run", "ppo"])["a/run"] == "trained a/run"
    assert policy_names(["trained", "ppo", "runs/x"]) == {"trained": "trained", "ppo": "ppo", "runs/x": "trained x"}


def test_several_runs_are_told_apart(evaluation: Evaluation) -> None:
    twin = replace(evaluation.result("opportunity_cost"), policy="runs/y")
    text = headline_text(replace(evaluation, results=(*evaluation.results, twin)))
    assert "trained <b>&x scores" in text
    assert "trained y" in text
    assert "Scores of the 2 training runs lie from" in text


def test_very_bad_policies_leave_the_learning_curve_readable(evaluation: Evaluation) -> None:
    bad = replace(evaluation.result("opportunity_cost"), policy="random", score=Interval(-250.0, -300.0, -200.0))
    text = learning(subject_of(replace(evaluation, results=(*evaluation.results, bad)), {}, CURVE))
    assert "too low to be drawn: random." in Reader(text).text
    assert "250" not in text
    assert "opportunity_cost" in text


def test_balances_hold_and_are_shown(page: str, days: dict[str, Played]) -> None:
    assert all(check.holds for check in balances(days))
    assert "all balances hold" in Reader(page).text
    assert ["sum", "0.00"] in list(rows(page))


def broken(played: Played, **changes: Any) -> Played:
    """The same episode with one interval changed."""
    first, *others = played.transitions
    return replace(played, transitions=(replace(first, **changes), *others))


@pytest.mark.parametrize("name", ["money", "trades", "payments", "devices", "head", "flow"])
def test_a_broken_balance_is_noticed(name: str, evaluation: Evaluation, days: dict[str, Played]) -> None:
    played = days[RUN]
    first = played.transitions[0]
    ucur, traded, pay = (
        first.money.bill.ucur.copy(),
        first.market.clearing.traded_ukwh.copy(),
        first.market.clearing.pay_ucur.copy(),
    )
    ucur[0, 0, 0] += 1
    traded[0, 0] += 1
    pay[0, 0] += 1
    changes: dict[str, Any] = {
        "money": {"money": replace(first.money, bill=replace(first.money.bill, ucur=ucur))},
        "trades": {"market": replace(first.market, clearing=replace(first.market.clearing, traded_ukwh=traded))},
        "payments": {"market": replace(first.market, clearing=replace(first.market.clearing, pay_ucur=pay))},
        "devices": {"devices": replace(first.devices, load_kwh=first.devices.load_kwh + 1e-5)},
        "head": {"wires": replace(first.wires, root_kw=first.wires.root_kw + 0.01)},
        "flow": {"wires": replace(first.wires, converged=~first.wires.converged)},
    }
    wrong = days | {RUN: broken(played, **changes[name])}
    assert sum(not check.holds for check in balances(wrong)) == 1
    assert "1 of 6 balances do not hold" in Reader(balances_section(subject_of(evaluation, wrong, ()), wrong)).text


def test_an_existing_folder_is_kept_unless_told(
    tmp_path: Path, evaluation: Evaluation, days: dict[str, Played], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "render", lambda *_, **__: "page")
    path = write_report(tmp_path / "new", evaluation, days, **WORDS)
    assert path == tmp_path / "new" / "report.html"
    path.write_text("mine", encoding="utf-8")
    (path.parent / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(FileExistsError, match="--force"):
        write_report(path.parent, evaluation, days, **WORDS)
    assert path.read_text(encoding="utf-8") == "mine"
    write_report(path.parent, evaluation, days, **WORDS, force=True)
    assert path.read_text(encoding="utf-8") == "page"
    assert (path.parent / "mine.txt").exists()


@pytest.mark.slow
def test_the_file_is_the_page_and_small(
    tmp_path: Path, evaluation: Evaluation, days: dict[str, Played], page: str
) -> None:
    path = write_report(tmp_path / "x", evaluation, days, CURVE, **WORDS)
    assert path.read_text(encoding="utf-8") == page
    assert path.stat().st_size < 3_000_000


def test_days_of_unknown_policies_are_refused(evaluation: Evaluation, days: dict[str, Played]) -> None:
    with pytest.raises(ValueError, match="nobody"):
        render(evaluation, {"nobody": days["idle"]}, **WORDS)


def printed(table: Any, width: int) -> str:
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(table)
    return console.export_text()


@pytest.mark.parametrize("width", [80, 120, 200])
def test_terminal_tables_fit_and_hold_the_scores(width: int, evaluation: Evaluation) -> None:
    text = printed(terminal_table(evaluation, width), width)
    for row in evaluation.rows():
        score = Interval(**row["score"])
        assert f"{number(score.mean, 1)} [{number(score.low, 1)}, {number(score.high, 1)}]" in text
        assert number(row["cost_cur"]["mean"], 2) in text
    assert ("left out" in text) == (width < 200)
    assert max(map(len, text.splitlines())) <= width


@pytest.mark.parametrize("width", [60, 100, 160])
def test_the_table_of_kinds_leaves_out_what_does_not_fit(width: int, evaluation: Evaluation) -> None:
    text = printed(kind_table(evaluation, width), width)
    for row in evaluation.rows():
        for found in row["kinds"].values():
            assert number(found["savings_cur"]["mean"], 2) in text
            assert (number(found["cost_cur"]["mean"], 2) in text) or width < 160
    assert ("[" in text) == (width >= 100)


def test_numbers_are_written_plainly() -> None:
    assert [number(x, 1) for x in (-0.04, 0.0, -0.06, float("nan"))] == ["0.0", "0.0", "-0.1", "-"]


@pytest.mark.slow
@in_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_phone_and_a_desktop_show_the_whole_page(page: str, width: int, tmp_path: Path) -> None:
    seen = look(page, tmp_path, width)
    assert seen.width == width
    assert seen.scrolls <= width, f"it scrolls sideways: {seen.beyond[:5]}"
    assert not seen.beyond
    assert not seen.scrolling
    assert not seen.errors
    assert not seen.addresses, "it fetched something"
    assert len(seen.pictures) == len(PICTURES)
    assert seen.least_text_px >= 8
    assert min(seen.pictures) > 0.75 * min(width, 1000), "pictures are as wide as the text"


@pytest.mark.slow
@in_print
def test_it_is_printed_on_few_full_pages(page: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page, encoding="utf-8")
    found = sheets(to_pdf(path, tmp_path / "report.pdf"))
    assert 3 <= len(found) <= 14
    assert_printed_well(found, page)


def test_what_plans_is_no_rule_and_currencies_keep_their_letters(evaluation: Evaluation) -> None:
    posing = {"opportunity_cost": "mpc"}
    other = replace(
        evaluation, results=tuple(replace(r, policy=posing.get(r.policy, r.policy)) for r in evaluation.results)
    )
    page = render(other, {}, [], **WORDS)
    assert "Of the rules" not in page
    assert re.search(r"Bound \d+\.\d\d EUR \(score 100\)", page)
    assert "Of the rules opportunity_cost" in render(evaluation, {}, [], **WORDS)
