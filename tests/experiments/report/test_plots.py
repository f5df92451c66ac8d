"""Pictures: what is in them, that they differ where the data do, and that drawing leaves no trace."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import rcParams
from matplotlib.figure import Figure

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.feeders import list_feeders, load_feeder
from gridbazaar.envs.core import Core
from gridbazaar.experiments.evaluation.play import Played, play
from gridbazaar.experiments.evaluation.statistics import Interval
from gridbazaar.experiments.report import day_plots, drawing, result_plots
from gridbazaar.experiments.report.day import Day, day_of
from gridbazaar.experiments.report.feeder_plot import tree_layout

pytestmark = pytest.mark.slow  # pictures and whole pages; every change runs them all the same

SOME = Interval(2.0, 1.0, 3.0)
FIGURES: dict[str, Callable[[Day], Figure]] = {
    "prices": lambda day: day_plots.prices(day, "EUR"),
    "storage": day_plots.storage,
    "voltages": day_plots.voltages,
    "feeder_tree": day_plots.feeder_tree,
    "net_power": lambda day: day_plots.net_power({"idle": day, "trained": day}),
    "scores": lambda day: result_plots.scores({"idle": Interval(0, 0, 0), "trained": Interval(80.0, 70.0, 90.0)}),
    "savings_by_kind": lambda day: result_plots.savings_by_kind({"trained": {"ev": SOME, "vpp": SOME}}, "EUR"),
    "savings_by_agent": lambda day: result_plots.savings_by_agent({"ev_0": SOME}, {"ev_0": "ev"}, "EUR"),
    "learning": lambda day: result_plots.learning(
        [{"steps": 0, "seconds": 1.0, "score": 5.0}, {"steps": 9, "seconds": 70.0, "score": 60.0}], {"idle": 0.0}
    ),
}


@pytest.fixture(scope="module")
def played() -> Played:
    return play(Core("street", 1), load_policy("self_consumption"), [3], keep=True)


@pytest.fixture(scope="module")
def day(played: Played) -> Day:
    return day_of(played)


@pytest.fixture(scope="module", params=FIGURES)
def picture(request: pytest.FixtureRequest, day: Day) -> tuple[str, str]:
    """Name and SVG text of each figure."""
    return request.param, drawing.svg(FIGURES[request.param](day), request.param)


def lines(figure: Figure) -> str:
    """All text of a figure."""
    return " ".join(re.findall(r"<text[^>]*>([^<]*)<", drawing.svg(figure)))


def test_a_day_holds_what_happened(played: Played, day: Day) -> None:
    assert day.seed == 3
    assert day.hour[0] == 12
    assert len(day.hour) == played.tally.core.n_steps
    figures = played.tally.figures()
    bought = played.tally.sums["bought_kwh"][0]
    assert day.traded_kwh.sum() / bought == pytest.approx(figures["traded_share"][0])
    assert max(day.root_kw.max(), 0.0) == figures["peak_import_kw"][0]
    assert day.voltage_pu.min() == figures["min_voltage_pu"][0]
    assert day.step_h * day.pv_kw.sum() == pytest.approx(played.tally.sums["pv_kwh"][0])


def test_local_prices_lie_in_the_band_where_no_cap_binds(day: Day) -> None:
    traded = day.traded_kwh > 0
    assert traded.any()
    assert (day.local_cur_per_kwh[traded] <= day.upper_cur_per_kwh[traded]).all()
    assert (day.local_cur_per_kwh[traded] >= day.feed_in_cur_per_kwh[traded]).all()
    assert (day.upper_cur_per_kwh <= day.retail_cur_per_kwh).all()


def test_a_day_needs_the_transitions() -> None:
    with pytest.raises(ValueError, match="keep=True"):
        day_of(play(Core("street", 1, dtype="float32"), load_policy("idle"), [0]))


def test_a_picture_has_words_and_shapes_and_no_link(picture: tuple[str, str]) -> None:
    text = picture[1]
    assert len(re.findall(r"<path|<use", text)) > 5
    assert len(re.findall(r"<text", text)) > 3
    assert "http" not in text
    assert "<metadata" not in text
    assert "id=" not in "".join(re.findall(r"<g[^>]*>", text))


def test_parts_of_a_picture_are_called_after_it(picture: tuple[str, str]) -> None:
    name, text = picture
    made, used = (set(re.findall(p, text)) for p in (r' id="([^"]+)"', r'(?:url\(|href=")#([^")]+)'))
    assert used
    assert used <= made
    assert all(part.startswith(f"{name}-") for part in made)


def test_every_colour_has_a_dark_one(picture: tuple[str, str]) -> None:
    """But those of the buses, which are read with a bar beside them."""
    name, text = picture
    left = set(re.findall(r"#[0-9a-f]{6}\b(?!\))", re.sub(r"<image.*?/>", "", text, flags=re.DOTALL)))
    assert not left or name == "feeder_tree"
    defined = drawing.theme(dark=True)
    assert all(f"{variable}:" in defined for variable in re.findall(r"var\((--c-[0-9a-f]+)\)", text))


@pytest.mark.parametrize("name", ["storage", "learning"])
def test_the_same_data_give_the_same_picture(name: str, day: Day) -> None:
    assert drawing.svg(FIGURES[name](day)) == drawing.svg(FIGURES[name](day))


def test_drawing_changes_no_setting_and_heeds_none(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = drawing.svg(day_plots.voltages(day))
    monkeypatch.setitem(rcParams, "xtick.labelsize", 30.0)
    before = dict(rcParams)
    assert drawing.svg(day_plots.voltages(day)) == plain
    assert dict(rcParams) == before


def test_a_png_has_the_width_of_a_page(day: Day) -> None:
    data = drawing.png(day_plots.voltages(day))
    assert data.startswith(b"\x89PNG")
    assert int.from_bytes(data[16:20], "big") >= 900


def test_scores_are_written_beside_their_bars() -> None:
    text = lines(result_plots.scores({"idle": Interval(0, 0, 0), "mine": Interval(81.25, 70.04, 93.0)}))
    assert "mine" in text
    assert "81.2  [70.0, 93.0]" in text.replace("81.3", "81.2")


def test_a_very_bad_score_leaves_the_others_readable() -> None:
    figure = result_plots.scores({"good": Interval(80, 75, 85), "bad": Interval(-900, -950, -850)})
    assert figure.axes[0].get_xlim()[0] >= -100
    assert "\N{MINUS SIGN}900.0" in lines(figure)


def test_a_cap_is_drawn_where_there_is_one(day: Day) -> None:
    assert "cap" not in lines(day_plots.prices(day, "EUR"))
    capped = replace(day, import_cap_kw=4.0)
    assert "import cap 4 kW" in lines(day_plots.prices(capped, "EUR"))
    assert "import cap 4 kW" in lines(day_plots.net_power({"idle": capped}))


def test_absent_cars_are_named(day: Day) -> None:
    away = replace(day, is_plugged=np.zeros_like(day.is_plugged))
    assert "no car" in lines(day_plots.storage(away))


def test_of_many_cars_only_those_that_come_are_drawn(day: Day) -> None:
    n_steps, n_cars = len(day.hour), 20
    plugged = np.zeros((n_steps, n_cars), bool)
    plugged[30:50, :7] = True
    many = replace(
        day, kind_slices={"ev": slice(0, n_cars)}, agents=tuple(f"ev_{i}" for i in range(n_cars)), is_plugged=plugged,
        stored_kwh=np.ones((n_steps, n_cars)), capacity_kwh=np.full((n_steps, n_cars), 2.0),
    )  # fmt: skip
    text = lines(day_plots.storage(many))
    assert "7 of 20 come" in text
    assert "no car" not in text
    assert "ev_" not in text


def test_a_day_without_cars_or_storage_is_drawn(day: Day) -> None:
    none = replace(day, capacity_kwh=np.zeros_like(day.capacity_kwh), kind_slices={"prosumer": slice(0, 6)})
    figure = day_plots.storage(none)
    assert len(figure.axes) == 1
    assert "<path" in drawing.svg(figure)


def test_the_worst_bus_and_an_overload_stand_out(day: Day) -> None:
    volts, loading = np.ones_like(day.voltage_pu), np.zeros_like(day.branch_loading)
    volts[40, 2], loading[40, 1] = 0.9, 1.3
    bad = replace(day, voltage_pu=volts, branch_loading=loading)
    assert bad.worst_step == 40
    assert bad.margin_pu[40] == pytest.approx(0.9 - bad.feeder.v_min_pu)
    assert f"{bad.feeder.buses[2]} 0.900 pu" in lines(day_plots.feeder_tree(bad))
    alarm = f"stroke: var(--c-{drawing.ALARM[1:]})"
    assert drawing.svg(day_plots.feeder_tree(bad)).count(alarm) == 1
    assert drawing.svg(day_plots.feeder_tree(replace(bad, branch_loading=0 * loading))).count(alarm) == 0


@pytest.mark.parametrize("name", list_feeders())
def test_a_tree_keeps_buses_apart_and_goes_right(name: str) -> None:
    parent = load_feeder(name).parent
    x, y = tree_layout(parent)
    assert len({*zip(x, y, strict=True)}) == len(parent) + 1
    assert all(x[bus] == x[up] + 1 for bus, up in enumerate(parent))


def test_leaves_are_spread_and_their_parent_stands_between() -> None:
    x, y = tree_layout(np.array([-1, 0, 0, 2]))
    assert x.tolist() == [1, 2, 2, 3, 0]
    assert y.tolist() == [0.5, 0, 1, 1, 0.5]


def test_labels_move_apart_and_stay_in_order() -> None:
    at = result_plots.spread_apart({"a": 50.0, "b": 51.0, "c": 10.0, "d": 52.0}, 5.0)
    assert at["c"] == 10
    assert (at["a"], at["b"], at["d"]) == (46.0, 51.0, 56.0)


def test_kinds_and_roles_have_colours_of_their_own() -> None:
    used = [*drawing.KIND_COLOURS.values(), *drawing.POLICY_COLOURS.values(), drawing.LEARNED, drawing.RULE]
    assert len(set(used)) == len(used)
    assert drawing.policy_colour("runs/x") == drawing.policy_colour("trained") == drawing.LEARNED
    assert drawing.policy_colour("self_consumption") == drawing.RULE
