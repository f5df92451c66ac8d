"""The page of an episode: its numbers are those of the transitions, and it works in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.cli.main import main
from gridbazaar.experiments.evaluation.play import Played, play_episode
from gridbazaar.experiments.replay import page as page_module
from gridbazaar.experiments.replay.page import render
from gridbazaar.experiments.replay.record import record
from tests.browser import answers, in_browser, in_print, look, to_pdf
from tests.experiments.cli.runner import invoke
from tests.printed import assert_printed_well, sheets

pytestmark = pytest.mark.slow  # pictures and whole pages; every change runs them all the same

HOURS = 6.0


@pytest.fixture(scope="module")
def page(recorded: dict[str, Any]) -> str:
    return render(recorded, "gridbazaar replay <village>")


def test_it_holds_what_happened(played: dict[str, Played], recorded: dict[str, Any]) -> None:
    assert [p["name"] for p in recorded["policies"]] == ["opportunity_cost", "idle"]
    assert (recorded["seed"], len(recorded["clock"]), recorded["clock"][1]) == (3, 24, "12:15")
    for held, was in zip(recorded["policies"], played.values(), strict=True):
        n = was.tally.core.n_agents
        for t, happened in enumerate(was.transitions):
            metered = happened.delivery.metered_ukwh[0] / 1e3
            assert np.abs(np.array(held["net"][t]) - metered).max() <= 0.5
            traded = happened.market.clearing.traded_ukwh[0]
            assert np.abs(np.array(held["local"][t]) - (traded[:n] + traded[n:]) / 1e3).max() <= 0.5
            sold = np.zeros(n)
            for seller, buyer, wh, _ in held["pairs"][t]:
                sold[buyer], sold[seller] = sold[buyer] + wh, sold[seller] - wh
            assert np.abs(sold - (traded[:n] + traded[n:]) / 1e3).max() <= 0.5 * max(len(held["pairs"][t]), 1)
            orders, clearing = happened.market.orders, happened.market.clearing
            rates, view, wires = happened.market.rates, happened.view, happened.wires
            setting: Any = happened.market.setting
            for name, expected in {
                "volts": wires.voltage_pu[0] * 1e4,
                "loading": wires.branch_loading[0] * 1e3,
                "root": wires.root_kw[0] * 1e2,
                "stored": view.stored_kwh[0] * 1e3,
                "capacity": view.capacity_kwh[0] * 1e3,
                "plugged": view.is_active[0],
                "energy": orders.energy_ukwh[0] / 1e3,
                "limit": orders.limit_ucur_per_kwh[0] / 1e2,
                "filled": (clearing.traded_ukwh + clearing.outside_ukwh)[0] / 1e3,
                "shed": happened.shed_kwh[0] * 1e3,
                "curtailed": happened.delivery.curtailed_ukwh[0] / 1e3,
            }.items():
                assert np.abs(np.array(held[name][t]) - expected).max() <= 0.5, name
            traded_for = clearing.pay_ucur[0][traded > 0].sum() / max(traded[traded > 0].sum(), 1) * 1e6
            if traded.any():
                assert abs(held["price"][t] - traded_for / 1e2) <= 1, "the price that buyers paid"
            assert abs(recorded["retail"][t] - (rates.energy + rates.network + rates.tax)[0] / 1e2) <= 0.5
            assert abs(recorded["feed_in"][t] - setting.export_ucur_per_kwh[0] / 1e2) <= 0.5
        bills = was.tally.bill_cur[0]
        assert np.abs(np.array(held["bill"][-1]) / 1e4 - bills).max() <= 5e-5
        assert held["scored"] == pytest.approx(was.tally.scored_cur[0], abs=5e-5)
    assert (
        recorded["bus"]
        == np.asarray(played["idle"].transitions[0].market.orders.bus)[: len(recorded["agents"])].tolist()
    )


def test_outages_and_calls_are_named() -> None:
    for scenario, words in (("blackout", "grid above is out"), ("vpp_call", "call of the operator")):
        events = record(play_episode(load_scenario(scenario, hours=12.0), {"idle": "idle"}, 0))["events"]
        assert any(words in event for event in events), scenario
        assert any(not event for event in events), scenario


def test_episodes_of_others_are_not_put_side_by_side(played: dict[str, Played]) -> None:
    other = play_episode(load_scenario("village", hours=HOURS), {"idle": "idle"}, 4)["idle"]
    with pytest.raises(ValueError, match="replay: expected one episode of one scenario"):
        record({"one": played["idle"], "two": other})


def test_names_are_text_and_data_no_markup(recorded: dict[str, Any]) -> None:
    made = render(recorded | {"title": "</script><script>alert(1)</script>"}, "<b>")
    assert made.count("<script") == 2
    assert "<b>" not in made.partition("<code>")[2].partition("</code>")[0]


def test_a_day_of_the_village_is_small_and_larger_pages_are_refused(
    recorded: dict[str, Any], page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(page.encode()) * 24 / HOURS < page_module.MOST_BYTES / 2
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    monkeypatch.setattr(page_module, "MOST_BYTES", 10_000)
    with pytest.raises(ValueError, match=r"expected at most 10,000; show fewer policies, fewer hours"):
        render(recorded, "")


def test_the_command_writes_a_page(tmp_path: Path) -> None:
    out = tmp_path / "street.html"
    done = invoke(main, ["replay", "street", "--set", "hours=2.0", "--policies", "idle", "--out", str(out)])
    assert done.exit_code == 0, done.output
    held = re.search(r'<script type="application/json" id="data">(.*?)</script>', out.read_text(), re.DOTALL)
    assert held
    assert json.loads(held[1])["scenario"] == "street"
    again = invoke(main, ["replay", "street", "--out", str(out)])
    assert again.exit_code == 2
    many = invoke(main, ["replay", "street", "--policies", "idle,a,b,c,d", "--out", str(tmp_path / "no.html")])
    assert many.exit_code == 2
    assert "expected one to 4, got 5" in many.output
    assert not (tmp_path / "no.html").exists()


@in_browser
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_phone_and_a_desktop(page: str, width: int, tmp_path: Path) -> None:
    seen = look(page, tmp_path, width)
    assert (seen.width, seen.errors, seen.addresses) == (width, [], [])
    assert seen.scrolls <= width, seen.beyond[:5]
    assert not seen.beyond
    assert not seen.scrolling
    assert sum(wide > 100 for wide in seen.pictures) == 1 + 2 * 2
    assert seen.least_text_px >= 8


@in_browser
def test_slider_keys_and_buttons_go_through_the_episode(page: str, tmp_path: Path) -> None:
    script = """
    const press = key => document.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    const clock = () => document.getElementById("clock").textContent, said = [clock()];
    for (const key of ["ArrowRight", "ArrowRight", "ArrowLeft", "End", "ArrowRight", "Home"]) {
      press(key); said.push(clock());
    }
    const slider = document.getElementById("time");
    slider.value = 5; slider.dispatchEvent(new Event("input")); said.push(clock());
    document.getElementById("next").click(); said.push(clock());
    document.getElementById("play").click(); said.push(document.getElementById("play").textContent);
    document.getElementById("play").click(); said.push(document.getElementById("play").textContent);
    said.push(document.querySelectorAll("article").length, document.getElementById("said").textContent.slice(0, 6));
    return said;
    """
    found = answers(page, tmp_path, script.replace("document.dispatchEvent", "document.body.dispatchEvent"))
    assert found == [
        "12:00", "12:15", "12:30", "12:15", "17:45", "17:45", "12:00", "13:15", "13:30", "Stop", "Play", 2, "13:30.",
    ]  # fmt: skip


@in_browser
def test_buyers_and_sellers_differ_not_by_colour_alone_and_every_kind_is_explained(
    page: str, recorded: dict[str, Any], tmp_path: Path
) -> None:
    script = """
    const legend = document.querySelector("article .legend");
    const drawn = [...legend.querySelectorAll("span")]
      .map(s => [s.textContent.trim(), s.querySelector("path, circle")]);
    const sides = drawn.filter(([words]) => /neighbours|them/.test(words)).map(([, d]) => d);
    return {words: drawn.map(([words]) => words), widths: sides.map(d => d.getAttribute("stroke-width")),
      fills: sides.map(d => getComputedStyle(d).fill),
      shapes: drawn.map(([, d]) => d.getAttribute("d")).slice(0, -4)};
    """
    found = answers(page, tmp_path, script)
    kinds = list(dict.fromkeys(recorded["kinds"]))
    assert found["words"] == [*kinds, "buys from neighbours", "sells to them", "voltage low", "high"]
    assert len(set(found["shapes"])) == len(kinds)
    assert found["widths"][0] != found["widths"][1]
    assert found["fills"][1] == "rgb(255, 255, 255)", "who sells is hollow"


@in_browser
@pytest.mark.parametrize(("width", "is_shown"), [(390, True), (1280, False)])
def test_on_a_phone_the_policies_figures_stand_side_by_side(
    page: str, width: int, is_shown: bool, tmp_path: Path
) -> None:
    script = """
    const box = document.getElementById("beside"), rows = [...box.querySelectorAll("tr")];
    const cells = rows.map(r => [...r.children].map(c => c.textContent));
    const tiles = [...document.querySelectorAll("article")].map(a =>
      [...a.querySelectorAll(".figures b")].map(b => b.textContent));
    const shows = e => getComputedStyle(e).display !== "none";
    return {shown: shows(box), tiles: shows(document.querySelector(".figures")), head: cells[0],
      same: cells.slice(1).every((row, i) => tiles.every((t, k) => t[i] === row[k + 1]))};
    """
    found = answers(page, tmp_path, script, width)
    assert found == {"shown": is_shown, "tiles": not is_shown, "head": ["", "opportunity_cost", "idle"], "same": True}


@in_print
def test_it_is_printed_as_it_stands(page: str, tmp_path: Path) -> None:
    path = tmp_path / "replay.html"
    path.write_text(page, encoding="utf-8")
    found = sheets(to_pdf(path, tmp_path / "replay.pdf"))
    assert 2 <= len(found) <= 3
    assert "At 12:00" in found[0].text
    assert_printed_well(found, page)
