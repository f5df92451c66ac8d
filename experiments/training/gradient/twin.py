"""The twin: an episode played in torch so that its cost can be differentiated.

Devices look and move by the functions that the core calls, all batteries side by side. The market is written anew in
floats (``market.py``); hard choices, an order at any price and the least power of a charger, are taken as they are on
the way forward and as if they were soft on the way back. What the wires withhold is solved by the core's own wiring
and counts as given on the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gridbazaar.agents.devices.cars.site import fit_kw
from gridbazaar.agents.devices.home import household
from gridbazaar.agents.kind import Now
from gridbazaar.agents.kinds import kinds
from gridbazaar.agents.learned.ahead import Ahead
from gridbazaar.agents.learned.policy import no_errors
from gridbazaar.agents.plan import View
from gridbazaar.data.arrays import converter
from gridbazaar.data.trees import mapped
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.training.gradient import devices
from gridbazaar.experiments.training.gradient.episodes import Episodes
from gridbazaar.experiments.training.gradient.homes import Asked, Homes, Standing, names_of
from gridbazaar.experiments.training.gradient.market import Terms, Withheld, clear, cost_cur
from gridbazaar.experiments.training.gradient.outages import Outages, uncovered_of_outages
from gridbazaar.experiments.training.gradient.screen import Screen
from gridbazaar.experiments.training.gradient.shares import Shares
from gridbazaar.market.found import find_tariff
from gridbazaar.market.played import bills_by_month


class Chosen(NamedTuple):
    """What agents do, [n_envs, n_agents] each unless said."""

    power: Tensor  # in [-1, 1], of what devices can draw or release
    eager: Tensor  # 1 or 0
    at_home: Tensor | None = None  # [n_envs, n_homes, n] where homes choose more than that
    keen: Tensor | None = None  # 1 or 0: eager, but not beyond a full connection; none: nobody


Choose = Callable[[int, Ahead, View], Chosen]
"""Of the interval's number, what is known and the devices; columns of homes that choose more lie in ``view.more``."""

_KINDS = ("prosumer", "battery", "ev", "vpp")


def uncovered(scenario: Scenario) -> list[str]:
    """Name what the twin does not know, empty where it covers the scenario."""
    found = [f"mechanism {scenario.mechanism}"] if scenario.mechanism != "uniform_price" else []
    found += ["mechanism_options"] if scenario.mechanism_options.get("price_rule") == "dual" else []
    found += ["constraint nodal"] if scenario.constraint == "nodal" else []
    found += uncovered_of_outages(scenario)
    found += ["calls of the grid operator"] if scenario.call.happens else []
    found += ["inverters that answer the voltage"] if scenario.inverter.response != "none" else []
    found += ["firm connections"] if scenario.connection.firm else []
    if any(len(customer.agents) > 1 or not customer.member for customer in scenario.customers):
        found.append("customers of several agents, or that are no members (community)")
    if bills_by_month(find_tariff(scenario.tariff, **scenario.tariff_options)):
        found.append("charges by the month")
    found += [] if devices.alike(scenario) else ["batteries that lose or taper by kind"]
    for kind, config in scenario.agents.items():
        found += [f"{kind}: {what}" for what in _uncovered_of(kind, config)]
    return found


def _uncovered_of(kind: str, config: Any) -> list[str]:
    if kind not in _KINDS or not isinstance(config, kinds()[kind].Config):
        return ["the kind"] if config.count else []
    found = ["failures"] if config.failure.happens else []
    if kind == "ev":
        return found
    found += ["ageing"] if config.ageing.happens else []
    if kind == "prosumer":
        found += ["follow_meter"] * config.follow_meter
    return found


def refuse_uncovered(scenario: Scenario) -> None:
    """Refuse a scenario that the twin does not cover.

    Raises:
        ValueError: names what is not covered.
    """
    if found := uncovered(scenario):
        raise ValueError(
            f"gradient: the differentiable interval does not cover {', '.join(found)}; train with --algo ppo, or leave "
            "that out of the scenario"
        )


class Twin:
    """Plays batches of a scenario's episodes.

    Args:
        core: of NumPy, of the scenario and the number of environments.

    Raises:
        ValueError: the scenario has what the twin does not cover.
    """

    def __init__(self, core: Core) -> None:
        refuse_uncovered(core.scenario)
        self.core, self.scenario = core, core.scenario
        to_tensor = converter("torch", "cpu", "float64")
        self.series = mapped(core.world.series, to_tensor)
        self.is_brp = to_tensor(core.world.is_brp)
        self.screen = None if core.scenario.constraint == "none" else Screen(core)
        names, slices = devices.present(core), core.scenario.kind_slices
        self.cars = names.index("ev") if "ev" in names else None
        self.car_columns = slices.get("ev", slice(0, 0))
        has_more = "prosumer" in names and names_of(core.scenario.agents["prosumer"])
        self.homes = names.index("prosumer") if has_more else None
        self.home_columns = slices["prosumer"] if has_more else slice(0, 0)

    def play(self, episodes: Episodes, choose: Choose, shares: Shares | None = None) -> Tensor:
        """Play whole episodes; give what the score counts of each, [n_envs]; ``shares`` counts it by agent, too."""
        play = _Play(self, episodes, shares)
        for i in range(self.core.n_steps):
            play.step(i, choose)
        return play.scored()


class _Wanted(NamedTuple):
    """What agents order, and what flows whatever is filled, [n_envs, n_agents]."""

    firm_kw: Tensor  # order of what must be served
    wish_kw: Tensor  # order of devices
    load_kw: Tensor  # at the meter, cars' needs among it
    pv_kw: Tensor  # at the meter
    battery_kw: Tensor  # part of the wish
    asked: Asked | None  # of homes


class _Play:
    """A batch of episodes while it is played."""

    def __init__(self, twin: Twin, episodes: Episodes, shares: Shares | None) -> None:
        self.twin, self.episodes, self.shares = twin, episodes, shares
        self.n_steps, self.step_h = twin.core.n_steps, twin.scenario.step_h
        state = episodes.state
        self.batteries = devices.batteries_of(twin.core, state)
        self.energy = devices.first_energy(twin.core, state)
        params, at = state.episode.params, twin.homes
        self.cars: Any = None if twin.cars is None else state.devices[twin.cars]
        self.car_params: Any = None if twin.cars is None else params[twin.cars]
        self.homes = None if at is None else Homes(params[at], state.devices[at])
        self.at_home = None if self.homes is None else self.homes.first
        self.errors = no_errors(twin.core.n_envs)
        has_outages = state.episode.outages is not None
        self.outages = Outages(twin.core, episodes, twin.screen or Screen(twin.core)) if has_outages else None
        self.terms = _terms(episodes, twin.scenario)
        self.cost = episodes.standing_cur + episodes.begin_cur

    def step(self, i: int, choose: Choose) -> None:
        """Play an interval."""
        twin, now, terms, step_h = self.twin, self._now(i), self.terms[i], self.step_h
        cars = None if self.cars is None else kinds()["ev"].view(self.cars, self.car_params, now)
        inside, firm_kw = self._look_inside(now), self.episodes.firm_kw[i]
        if inside is not None:
            firm_kw = firm_kw + self._of_homes(inside.must_kw(firm_kw[:, twin.home_columns]))
        ahead, self.errors = self.episodes.ahead_of(i, firm_kw, self.errors)
        left_h = (self.n_steps - i) * step_h
        view, low_kw, high_kw = devices.look(
            self.batteries, self.energy, cars, twin.car_columns, firm_kw, left_h, step_h
        )
        if inside is not None:
            view = replace(view, more=self._at_home()[0].seen(self._at_home()[1], inside, now))
        is_off = None
        if self.outages is not None:
            is_off = self.outages.is_off(now.t)
            ahead = replace(ahead, outage_is_over=self.outages.is_over(now.t))
        chosen = choose(i, ahead, view)
        power = chosen.power if is_off is None else chosen.power * ~is_off[:, None]  # an island asks what it needs
        wish_kw = wish_of(power, view)
        if cars is not None and cars.more is not None:  # their site has a limit
            at = twin.car_columns
            wish_kw = torch.cat([wish_kw[:, : at.start], fit_kw(wish_kw[:, at], cars), wish_kw[:, at.stop :]], dim=1)
        wanted = self._want(i, view, wish_kw, inside, chosen.at_home)
        fills = clear(
            wanted.firm_kw * step_h, wanted.wish_kw * step_h, chosen.eager, terms, keen=chosen.keen,
            moves_price=self.shares is not None,
        )  # fmt: skip
        battery_kw, warmth_kw, car_kw, withheld = self._carry(fills.device / step_h, wanted, view, low_kw, high_kw)
        metered = (wanted.load_kw - wanted.pv_kw) * step_h + fills.device
        if withheld is not None:
            metered = metered + withheld.sun + withheld.devices
        if self.shares is not None:
            self.shares.add(fills, metered, withheld, terms)
        cost = cost_cur(fills, metered, withheld, twin.is_brp, terms)
        car_kw = car_kw + view.firm_kw[:, twin.car_columns]
        if self.outages is not None and is_off is not None and is_off.any():
            limits = low_kw, high_kw
            found = self.outages.live_on(wanted.load_kw, wanted.pv_kw, view, self.batteries, limits, now.t, terms.local)
            cost = torch.where(is_off, found.cost_cur, cost)
            battery_kw = torch.where(is_off[:, None], found.battery_kw, battery_kw)
            car_kw = torch.where(is_off[:, None], found.car_kw, car_kw)
        self.cost = self.cost + cost
        self._move(battery_kw, warmth_kw, car_kw, cars, wanted.asked, now)

    def scored(self) -> Tensor:
        """Give what the score counts of the episodes once they have been played, [n_envs]."""
        still, end_value = self.batteries.still, self.episodes.end_value
        left_kwh = self.energy @ self.batteries.agent_of * still.eta_dis * still.is_stationary
        if self.homes is not None:
            homes, standing = self._at_home()
            left_kwh = left_kwh + self._of_homes(homes.spare_kwh(standing, self._now(self.n_steps)))
        if self.shares is not None:
            self.shares.wear(-left_kwh * end_value[:, None])
        scored: Tensor = self.cost - left_kwh.sum(1) * end_value
        return scored

    def _now(self, i: int) -> Now:
        """The interval; after the last one devices see the last step of the data once more, as in the core."""
        state, last = self.episodes.state, len(self.twin.core.world.hour) - 1
        return Now(self.twin.series, (state.episode.start + i).clamp(max=last), state.t + i)

    def _at_home(self) -> tuple[Homes, Standing]:
        assert self.homes is not None
        assert self.at_home is not None
        return self.homes, self.at_home

    def _look_inside(self, now: Now) -> household.Look | None:
        if self.homes is None:
            return None
        homes, standing = self._at_home()
        self.at_home, look = homes.look(standing, now)
        return look

    def _want(
        self, i: int, view: View, wish_kw: Tensor, inside: household.Look | None, choice: Tensor | None
    ) -> _Wanted:
        firm_kw, load_kw, pv_kw = view.firm_kw, self.episodes.load_kw[i], self.episodes.pv_kw[i]
        load_kw = load_kw + self._of_cars(firm_kw[:, self.twin.car_columns])
        if inside is None or choice is None:
            return _Wanted(firm_kw, wish_kw, load_kw, pv_kw, wish_kw, None)
        asked = self._at_home()[0].ask(inside, choice)
        unused = 1 - asked.used
        sun_kw = self.episodes.sun_kw[i][:, self.twin.home_columns] * unused
        return _Wanted(
            firm_kw + self._of_homes(asked.start_kw + sun_kw), wish_kw + self._of_homes(asked.warmth_kw),
            load_kw + self._of_homes(inside.must_kw(unused) + asked.start_kw), pv_kw * (1 - self._of_homes(unused)),
            wish_kw, asked,
        )  # fmt: skip

    def _carry(
        self, fill_kw: Tensor, wanted: _Wanted, view: View, low_kw: Tensor, high_kw: Tensor
    ) -> tuple[Tensor, Tensor | None, Tensor, Withheld | None]:
        """Give what flows to batteries, to rooms and tanks and to cars, and what the wires withhold of it."""
        twin, batteries = self.twin, self.batteries
        car_kw, warmth_kw = fill_kw[:, twin.car_columns], self._warmth_kw(fill_kw, wanted, view)
        of_homes = None if warmth_kw is None else self._of_homes(warmth_kw)
        rest_kw = fill_kw if of_homes is None else fill_kw - of_homes
        battery_kw = devices.share_kw(batteries, rest_kw, view, low_kw, high_kw)
        if twin.screen is None:
            return battery_kw, warmth_kw, car_kw, None
        device_kw = battery_kw if of_homes is None else battery_kw + of_homes @ batteries.agent_of.T
        keeps = twin.screen.keeps(*(x.detach().numpy() for x in (device_kw, car_kw, wanted.load_kw, wanted.pv_kw)))
        if keeps is None:
            return battery_kw, warmth_kw, car_kw, None
        sun, of_devices, of_cars = keeps
        stays = (device_kw * (of_devices - 1)) @ batteries.agent_of + self._of_cars(car_kw * (of_cars - 1))
        withheld = Withheld(wanted.pv_kw * (1 - sun) * self.step_h, stays * self.step_h)
        device_kw, car_kw = device_kw * of_devices, car_kw * of_cars
        warmth_kw = self._warmth_kw(device_kw @ batteries.agent_of, wanted, view)
        if warmth_kw is not None:
            has = batteries.storage.ceiling_kwh > 0  # of roundings, and their derivatives, nothing is left without one
            device_kw = (device_kw - self._of_homes(warmth_kw) @ batteries.agent_of.T) * has
        return device_kw, warmth_kw, car_kw, withheld

    def _warmth_kw(self, total_kw: Tensor, wanted: _Wanted, view: View) -> Tensor | None:
        """[n_envs, n_homes] of their flexible power, what rooms and tanks get; none: homes have neither."""
        if self.homes is None or wanted.asked is None:
            return None
        at = self.twin.home_columns
        return self.homes.share_kw(total_kw[:, at], wanted.battery_kw[:, at], wanted.asked, view, at)

    def _move(
        self, battery_kw: Tensor, warmth_kw: Tensor | None, car_kw: Tensor, cars: View | None, asked: Asked | None,
        now: Now,
    ) -> None:  # fmt: skip
        """Move all energy, and count what no bill holds."""
        self.energy, worn = devices.move(self.batteries, self.energy, battery_kw, self.step_h)
        borne = []
        if cars is not None:
            unserved_cur_per_kwh = self.twin.scenario.reward.unserved_cur_per_kwh
            self.cars, cost = devices.drive_on(car_kw, cars, self.cars, self.car_params, now, unserved_cur_per_kwh)
            borne.append(self._of_cars(cost))
        if asked is not None and warmth_kw is not None:
            homes, standing = self._at_home()
            self.at_home, cost = homes.run(standing, asked, warmth_kw, now)
            borne.append(self._of_homes(cost))
        self.cost = self.cost + worn
        for cost in borne:
            self.cost = self.cost + cost.sum(1)
        if self.shares is not None:
            for cost in (devices.wear_of_agents(self.batteries, battery_kw, self.step_h), *borne):
                self.shares.wear(cost)

    def _of_cars(self, x: Tensor) -> Tensor:
        return _among(x, self.twin.car_columns, self.twin.core.n_agents)

    def _of_homes(self, x: Tensor) -> Tensor:
        return _among(x, self.twin.home_columns, self.twin.core.n_agents)


def _among(x: Tensor, columns: slice, n_agents: int) -> Tensor:
    """[n_envs, n_agents] nothing but for a kind's columns."""
    return torch.nn.functional.pad(x, (columns.start, n_agents - columns.stop))


def _terms(episodes: Episodes, scenario: Scenario) -> list[Terms]:
    prices, step_h = episodes.prices, scenario.step_h
    caps = episodes.import_cap_kw[:, None] * step_h, episodes.export_cap_kw[:, None] * step_h
    scarcity = scenario.connection.scarcity_cur_per_kwh
    by_step = (p[:, :, None].unbind(1) for p in (prices.bought, prices.sold, prices.local))
    return [Terms(*three, *caps, scarcity) for three in zip(*by_step, strict=True)]  # type: ignore[call-arg]


def wish_of(power: Tensor, view: View) -> Tensor:
    """[n_envs, n_agents] kW; what is below a device's least power is nothing, but leads there on the way back."""
    wish_kw = torch.where(power >= 0, power * view.high_kw, -power * view.low_kw)
    is_nothing = (wish_kw.detach().abs() < view.min_kw) & (view.firm_kw <= 0)
    wished: Tensor = wish_kw - (wish_kw * is_nothing).detach()
    return wished
