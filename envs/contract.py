"""What is asked of policies and kinds, checked by playing them; for their authors, for the tests, and at the door."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridbazaar.agents.kind import AnyKind
from gridbazaar.agents.kinds import load_kind
from gridbazaar.agents.policies import load_policy
from gridbazaar.agents.policy import Policy, widened
from gridbazaar.data.own import pinned
from gridbazaar.data.registry import code_of, name_of
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.episode.lasting import unasked_columns
from gridbazaar.envs.foresight import foresight
from gridbazaar.envs.observe import observe
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.views.others import community_of

_METER_KWH = 3e-6  # two roundings to whole micro-kWh, and one more
_POWER_KW = 1e-5
_FEW = 3  # intervals that tell whether a kind can be played at all
_NO_OTHERS = {"prosumer.count": 2, "battery.count": 0, "ev.count": 0, "vpp.count": 0}


def check_policy(policy: Any, scenario: str | Scenario = "street", *, steps: int | None = None) -> Policy:
    """Hold a policy to its contract: what it has, its actions' shape and bounds, and that it repeats itself.

    Args:
        policy: as for ``load_policy``: an object, a class, a path, or a name.
        scenario: where it plays.
        steps: intervals that are played; none: the whole episode.

    Returns:
        The policy.

    Raises:
        ValueError: says what is wrong, with its name and file.
    """
    found = load_policy(policy)
    core, taken = Core(scenario, 2), []
    for _ in range(2):
        state, played = core.reset(4), load_policy(policy)
        ahead = foresight(core, state) if played.needs_foresight else None
        memory = played.start(community_of(core, state), np.random.default_rng(0), ahead)
        actions = []
        for _ in range(core.n_steps if steps is None else min(steps, core.n_steps)):
            seen = observe(core, state, forecasts=played.needs_forecasts)
            try:
                answer = played.act(seen, memory)
            except Exception as error:  # whatever somebody's policy raises is what is wrong with it
                raise _fault("policy", policy, found, f"act fails, {type(error).__name__}: {error}") from error
            action, memory = _answer(core, policy, found, answer)
            actions.append(action)
            state, _ = core.step(state, action)
        taken.append(np.stack(actions))
    if not np.array_equal(taken[0], taken[1]):
        raise _fault("policy", policy, found, "acts otherwise when it plays the same episode again; draw from rng")
    return found


def _answer(core: Core, given: Any, policy: Policy, answer: Any) -> tuple[Any, Any]:
    """What ``act`` gave, where it is what it should be."""
    if not (isinstance(answer, tuple) and len(answer) == 2):
        raise _fault("policy", given, policy, f"act gives a {type(answer).__name__}, expected (action, memory)")
    action, memory = answer
    expected = f"[n_envs, n_agents, 1 to {core.n_actions}] = [{core.n_envs}, {core.n_agents}, ...]"
    if not isinstance(action, np.ndarray) or action.ndim != 3 or action.shape[:2] != (core.n_envs, core.n_agents):
        came = f"shape {list(np.shape(action))}" if isinstance(action, np.ndarray) else type(action).__name__
        raise _fault("policy", given, policy, f"act gives {came}, expected an array {expected}")
    if not 1 <= action.shape[2] <= core.n_actions:
        raise _fault("policy", given, policy, f"act gives shape {list(action.shape)}, expected {expected}")
    if not np.isfinite(action).all() or np.abs(action).max() > 1:
        env, agent, _ = np.argwhere(~(np.abs(action) <= 1))[0].tolist()
        came = f"{action[env, agent].tolist()} for {core.agents[agent]}"
        raise _fault("policy", given, policy, f"act gives {came}, expected numbers in [-1, 1]")
    return widened(action, core.n_actions), memory


def check_kind(kind: Any, *, name: str | None = None, **config: Any) -> AnyKind:
    """Hold a kind to its contract, three agents of it beside two homes, for half a day of random actions.

    Energy is kept and moves within what ``view`` says, more action is never less power, at rest nothing flexible moves,
    rows do not depend on each other, and what the optimum may know has the right shape.

    Args:
        kind: as for ``load_kind``: a path, a ``Kind``, or a name.
        name: of its table; none: that of the file.
        config: fields of its table beside the count.

    Returns:
        The kind.

    Raises:
        ValueError: says what is wrong, with its name and file.
    """
    found = load_kind(kind)
    table = name or (name_of(kind) if isinstance(pinned(kind), str) else "own")
    table = "own" if table == "KIND" else table
    own: dict[str, Any] = (
        {} if isinstance(kind, str) and pinned(kind) == kind and "#" not in kind else {f"kinds.{table}": kind}
    )
    tables = {**_NO_OTHERS, f"{table}.count": 3, **{f"{table}.{key}": value for key, value in config.items()}}
    chosen = load_scenario("village", feeder="street", hours=12.0, **tables, **own)
    if fault := fault_of_kind(Core(chosen, 3), table):
        raise _fault("kind", table, found.Config, fault)
    return found


def check_own_kinds(scenario: Scenario) -> None:
    """Let the kinds of a user's own play a few intervals of a scenario; arguments of errors as of ``check_kind``."""
    for name in scenario.kinds:
        if scenario.agents[name].count and (fault := fault_of_kind(Core(scenario, 2), name, steps=_FEW)):
            raise _fault("kind", name, scenario.kind(name).Config, fault)


def fault_of_kind(core: Core, name: str, *, steps: int | None = None) -> str | None:
    """Say what a kind breaks of its contract in the episodes of a core; none: nothing.

    Args:
        core: of a scenario with agents of the kind.
        name: of its table.
        steps: intervals that are played; none: the whole episode.
    """
    mine, rng = core.scenario.kind_slices[name], np.random.default_rng(0)
    n_kind, step_h = mine.stop - mine.start, core.scenario.step_h
    try:
        state = core.reset(0)
        world, place = core.world, core.world.slices.index(mine)
        if unasked := unasked_columns(core.scenario, world.bank, world.kinds[place], world.configs[place]):
            return f"draw: does not take {', '.join(unasked)} of lasting; wrap what is drawn: draw.kept(column, drawn)"
        alone = Core(core.scenario, 1)
        one = alone.reset(1) if core.n_envs > 1 else None
        shape = (core.n_envs, core.n_agents, core.n_actions)
        rest = np.zeros(shape)
        for _ in range(core.n_steps if steps is None else min(steps, core.n_steps)):
            action = rng.uniform(-1.0, 1.0, shape)
            for field in ("firm_kw", "low_kw", "high_kw", "stored_kwh", "room_kwh", "need_kwh", "left_h"):
                value = getattr(state.view, field)
                if value.shape != shape[:2] or not np.isfinite(value).all():
                    return f"view: expected finite {field} [n_envs, {n_kind}]"
            less = action.copy()
            less[..., 0] -= rng.uniform(0, 1, shape[:2]) * (action[..., 0] + 1)
            before = state
            at_rest, lower = core.step(state, rest)[1], core.step(state, less)[1]
            state, happened = core.step(state, action)
            if (lower.plan.wish_kw > happened.plan.wish_kw + 1e-9)[:, mine].any():
                return "plan: more of the first component of the action is less power"
            called = 0 if happened.money.answer is None else happened.money.answer.called_ukwh[:, mine]
            if (np.abs(at_rest.devices.flexible_ukwh[:, mine]) > called + 1).any():
                return "move: something flexible moves while the action is 0"
            flexible_kw = happened.devices.flexible_ukwh[:, mine] / MICRO / step_h
            low, high = before.view.low_kw[:, mine], happened.plan.high_kw[:, mine]
            if (flexible_kw > high + _POWER_KW).any() or (
                flexible_kw < low - called / MICRO / step_h - _POWER_KW
            ).any():
                return "move: moves more than view says it can (low_kw to high_kw)"
            if (happened.devices.loss_kwh[:, mine] < -1e-9).any():
                return "move: loss_kwh is below 0"
            if fault := _fault_of_energy(before, state, happened, mine):
                return fault
            if one is not None:
                one, second = alone.step(one, action[1:2])
                if (happened.delivery.metered_ukwh[1, mine] != second.delivery.metered_ukwh[0, mine]).any():
                    return "what an environment does depends on the others of its batch"
    except Exception as error:  # whatever somebody's kind raises is what is wrong with it
        return f"cannot be played, {type(error).__name__}: {error}"
    return None


def _fault_of_energy(before: Any, after: Any, happened: Any, mine: slice) -> str | None:
    """Whether what storage that stays in the community gained is what was drawn, made and not lost."""
    kept = (before.view.is_stationary & after.view.is_stationary)[:, mine]
    devices = happened.devices
    into_kwh = happened.delivery.metered_ukwh / MICRO - devices.load_kwh + devices.pv_kwh - devices.loss_kwh
    gain_kwh = after.view.stored_kwh - before.view.stored_kwh
    if (np.abs(into_kwh - gain_kwh)[:, mine] * kept > _METER_KWH).any():
        return "move: energy is not kept, expected stored_kwh to change by what is metered less load and losses"
    return None


def _fault(what: str, given: Any, found: Any, why: str) -> ValueError:
    file = code_of(found)
    return ValueError(f"{what} {name_of(given)!r}{'' if file is None else f' ({file})'}: {why}")
