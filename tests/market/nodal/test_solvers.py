"""The batched simplex against HiGHS, and duals against what they mean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from gridbazaar.data.trees import pick_rows
from gridbazaar.market.nodal.book import write_book, write_problem
from gridbazaar.market.nodal.problem import NodalProblem, NodalSolution
from gridbazaar.market.nodal.reference import solve_by_highs
from gridbazaar.market.nodal.simplex import solve_by_simplex
from gridbazaar.market.nodal.ties import share_ties
from tests.market.grid.loading import STIFF_VILLAGE
from tests.market.nodal.villages import Market, random_markets

Floats = NDArray[np.float64]


def problem_of(market: Market) -> NodalProblem:
    """The linear program around no draws."""
    book = write_book(*market)
    linear = market.wires.grid.around(book.fixed_kw, market.wires.q_kvar)
    return write_problem(book, linear, 2.0)


def activity(problem: NodalProblem, draw_kw: Floats) -> Floats:
    """[n, n_limits] where the limits stand."""
    by_bus = draw_kw @ (problem.bus[:, None] == np.arange(problem.weight.shape[1])).astype(float)
    result: Floats = (problem.slope @ by_bus[:, :, None])[:, :, 0]
    return result


def welfare(problem: NodalProblem, solution: NodalSolution) -> Floats:
    """[n] worth of the draws less the cost of what is beyond limits."""
    at = activity(problem, solution.draw_kw)
    beyond = np.maximum(at - problem.high_kw, 0) + np.maximum(problem.low_kw - at, 0)
    result: Floats = (problem.limit * solution.draw_kw).sum(axis=1) - problem.overload * beyond.sum(axis=1)
    return result


def worth_of_prices(problem: NodalProblem, solution: NodalSolution) -> Floats:
    """[n] the dual objective: no dispatch is worth more than this, whatever the prices are."""
    margin = problem.limit - solution.price(problem)[:, problem.bus]
    orders = np.maximum(margin * problem.quantity_kw, 0).sum(axis=1)
    shadow = solution.shadow_price
    assert (np.abs(shadow) <= problem.overload * (1 + 1e-12)).all()
    limits = np.maximum(shadow, 0) * problem.high_kw + np.minimum(shadow, 0) * problem.low_kw
    result: Floats = orders + limits.sum(axis=1) + solution.energy_price * problem.balance_kw
    return result


def assert_optimal(problem: NodalProblem, solution: NodalSolution) -> None:
    """Feasible, and worth as much as its prices: proof of both, without any solver."""
    assert solution.solved.all()
    quantity, draw = problem.quantity_kw, solution.draw_kw
    size = np.abs(quantity[:, :-4]).sum(axis=1) + 1
    assert (draw * np.sign(quantity) >= -1e-9 * size[:, None]).all()
    assert (np.abs(draw) <= np.abs(quantity) + 1e-9 * size[:, None]).all()
    balance = (problem.weight[:, problem.bus] * draw).sum(axis=1)
    assert (np.abs(balance - problem.balance_kw) <= 1e-8 * size).all()
    gap = worth_of_prices(problem, solution) - welfare(problem, solution)
    assert (np.abs(gap) <= 1e-8 * size * problem.overload).all()


CASES = [
    (STIFF_VILLAGE, 0.6, 2.0),
    (STIFF_VILLAGE, 1.0, 3.0),
    ("ieee33", 0.5, 1.0),
    ("ieee33", 1.0, 1.5),
    (STIFF_VILLAGE, 0.3, 4.0),
]


@pytest.mark.parametrize(("name", "ratings", "level"), CASES)
def test_prices_are_those_of_highs(name: str, ratings: float, level: float) -> None:
    problem = problem_of(random_markets(name, 16, 1, ratings=ratings, level=level))
    fast, exact = solve_by_simplex(problem), solve_by_highs(problem)
    assert np.abs(fast.price(problem) - exact.price(problem)).max() < 1.0  # of a millionth
    assert welfare(problem, fast) == pytest.approx(welfare(problem, exact), rel=1e-9)
    assert (exact.shadow_price != 0).any()
    assert_optimal(problem, fast)


@pytest.mark.parametrize("losses", [False, True])
def test_ties_and_exact_fits_are_solved_to_the_optimum(losses: bool) -> None:
    """Few prices and round quantities: dispatch and duals are degenerate, so their worth is compared."""
    market = random_markets(STIFF_VILLAGE, 64, 3, ratings=0.4, level=3, losses=losses)
    orders = market.orders
    coarse = replace(
        orders,
        energy_ukwh=orders.energy_ukwh // 1_000_000 * 1_000_000,
        limit_ucur_per_kwh=orders.limit_ucur_per_kwh // 100_000 * 100_000,
    )
    problem = problem_of(market._replace(orders=coarse))
    solution = solve_by_simplex(problem)
    assert_optimal(problem, solution)
    assert_optimal(problem, share_ties(problem, solution))
    assert (np.abs(share_ties(problem, solution).draw_kw - solution.draw_kw).max(axis=1) > 1e-3).any()


@st.composite
def small_problems(draw: st.DrawFn) -> NodalProblem:
    """Integers everywhere, so that ties, touching limits and impossible ones are common."""
    n_buses, n_orders, n_limits = draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 4))

    def numbers(n: int, low: int, high: int) -> Floats:
        return np.array([draw(st.lists(st.integers(low, high), min_size=n, max_size=n))], dtype=float)

    ends = np.sort(np.concatenate([numbers(n_limits, -6, 6), numbers(n_limits, -6, 6)]), axis=0)
    slope = numbers(n_limits * n_buses, -2, 2).reshape(1, n_limits, n_buses) / 2
    endless = 100.0
    return NodalProblem(
        quantity_kw=np.concatenate([numbers(n_orders, -4, 4), [[-3, -endless, 3, endless]]], axis=1),
        limit=np.concatenate([numbers(n_orders, -2, 6), [[3, 5, 1, -1]]], axis=1),
        bus=np.array(draw(st.lists(st.integers(0, n_buses - 1), min_size=n_orders, max_size=n_orders)) + [n_buses] * 4),
        weight=np.concatenate([1 + numbers(n_buses, -1, 1) / 8, [[1.0]]], axis=1),
        balance_kw=numbers(1, -5, 5)[0],
        slope=np.concatenate([slope, np.zeros((1, n_limits, 1))], axis=2),
        low_kw=ends[:1],
        high_kw=ends[1:],
        overload=float(draw(st.integers(1, 20))),
    )


@given(small_problems())
@settings(max_examples=300, deadline=None)
def test_any_small_problem_is_solved_to_the_optimum(problem: NodalProblem) -> None:
    solution = solve_by_simplex(problem)
    assert_optimal(problem, solution)
    assert_optimal(problem, share_ties(problem, solution))


def test_prices_are_what_a_kilowatt_more_costs() -> None:
    """Fixed draw moves by a little at each bus: the worth falls by the price, to 1e-4 currency."""
    problem = problem_of(random_markets(STIFF_VILLAGE, 6, 5, ratings=0.5, level=2))
    price = solve_by_highs(problem).price(problem)
    assert (np.abs(solve_by_simplex(problem).shadow_price).max(axis=1) > 0).sum() >= 3
    step = 1e-4
    for bus in range(0, problem.weight.shape[1] - 1, 4):
        worth = [
            welfare(moved, solve_by_simplex(moved))
            for kw in (-step, step)
            for moved in [
                replace(
                    problem,
                    balance_kw=problem.balance_kw - kw * problem.weight[:, bus],
                    low_kw=problem.low_kw - kw * problem.slope[:, :, bus],
                    high_kw=problem.high_kw - kw * problem.slope[:, :, bus],
                )
            ]
        ]
        assert (worth[0] - worth[1]) / (2 * step) == pytest.approx(price[:, bus], abs=100)  # millionths


def test_a_row_of_the_batch_equals_the_row_alone() -> None:
    problem = problem_of(random_markets(STIFF_VILLAGE, 12, 2, ratings=0.5, level=2))
    batch = solve_by_simplex(problem)
    for i in range(12):
        alone = solve_by_simplex(pick_rows(problem, np.array([i]), "bus", "overload"))
        assert alone.shadow_price == pytest.approx(batch.shadow_price[i : i + 1], abs=1e-6)
        assert alone.energy_price == pytest.approx(batch.energy_price[i : i + 1], abs=1e-6)
        assert alone.draw_kw == pytest.approx(batch.draw_kw[i : i + 1], abs=1e-8)


def test_a_row_that_needs_too_many_steps_is_flagged() -> None:
    problem = problem_of(random_markets(STIFF_VILLAGE, 32, 1, ratings=0.6, level=2))
    few = solve_by_simplex(problem, max_steps=2)
    assert 0 < few.solved.sum() < 32
    whole = solve_by_simplex(problem)
    assert whole.solved.all()
    assert (few.draw_kw[few.solved] == whole.draw_kw[few.solved]).all()


def test_what_highs_cannot_solve_is_named() -> None:
    problem = problem_of(random_markets(STIFF_VILLAGE, 3, 1))
    broken = replace(problem, balance_kw=np.array([0.0, 1e12, 0.0]))
    with pytest.raises(RuntimeError, match="row 1: "):
        solve_by_highs(broken)


def test_torch_solves_the_same() -> None:
    torch = pytest.importorskip("torch")
    problem = problem_of(random_markets(STIFF_VILLAGE, 8, 4, ratings=0.5, level=2))
    values = {name: getattr(problem, name) for name in NodalProblem.__slots__ if name != "overload"}
    moved = NodalProblem(**{name: torch.as_tensor(x) for name, x in values.items()}, overload=problem.overload)
    here, there = solve_by_simplex(problem), solve_by_simplex(moved)
    assert there.shadow_price.numpy() == pytest.approx(here.shadow_price, abs=1e-6)
    here, there = share_ties(problem, here), share_ties(moved, there)
    assert there.draw_kw.numpy()[:, :-4] == pytest.approx(here.draw_kw[:, :-4], abs=1e-8)
