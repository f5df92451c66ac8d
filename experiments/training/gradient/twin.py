"""The twin: an episode played in torch so that its cost can be differentiated.

Devices look and move by the functions that the core calls, all batteries side by side. The market is written anew in
floats (``market.py``); hard choices, an order at any price and the least power of a charger, are taken as they are on
the way forward and as if they were soft on the way back. What the wires withhold is solved by the core's own wiring
and counts as given on the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gridbazaar.agents.kind import Now
from gridbazaar.agents.kinds import kinds
from gridbazaar.agents.learned.ahead import Ahead
from gridbazaar.agents.plan import View
from gridbazaar.data.arrays import converter
from gridbazaar.data.trees import mapped
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.training.gradient import devices
from gridbazaar.experiments.training.gradient.episodes import Episodes
from gridbazaar.experiments.training.gradient.market import Terms, Withheld, clear, cost_cur
from gridbazaar.experiments.training.gradient.screen import Screen
from gridbazaar.experiments.training.gradient.shares import Shares
from gridbazaar.market.found import find_tariff
from gridbazaar.market.played import bills_by_month

Choose = Callable[[int, Ahead, View], tuple[Tensor, Tensor]]
"""Of the interval's number, what is known and the devices: power [n_envs, n_agents] in [-1, 1] and eager, 1 or 0."""

_KINDS = ("prosumer", "battery", "ev", "vpp")


def uncovered(scenario: Scenario) -> list[str]:
    """Name what the twin does not know, empty where it covers the scenario."""
    found = [f"mechanism {scenario.mechanism}"] if scenario.mechanism != "uniform_price" else []
    found += ["mechanism_options"] if scenario.mechanism_options.get("price_rule") == "dual" else []
    found += ["constraint nodal"] if scenario.constraint == "nodal" else []
    found += ["outages"] if scenario.outage.happens else []
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
        return found + (["a site limit"] if config.site_kw is not None else [])
    found += ["ageing"] if config.ageing.happens else []
    if kind == "prosumer":
        shares = {"heat pumps": config.heating, "hot water": config.water, "appliances": config.appliance}
        found += [name for name, part in shares.items() if part.share[1] > 0]
        found += ["PV that is withheld"] * config.curtailable + ["follow_meter"] * config.follow_meter
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
        names = devices.present(core)
        self.cars = names.index("ev") if "ev" in names else None
        self.car_columns = core.scenario.kind_slices.get("ev", slice(0, 0))

    def play(self, episodes: Episodes, choose: Choose, shares: Shares | None = None) -> Tensor:
        """Play whole episodes; give what the score counts of each, [n_envs]; ``shares`` counts it by agent, too."""
        core, state, step_h = self.core, episodes.state, self.scenario.step_h
        batteries, energy = devices.batteries_of(core, state), devices.first_energy(core, state)
        cars = None if self.cars is None else state.devices[self.cars]
        params = None if self.cars is None else state.episode.params[self.cars]
        cost, terms = episodes.standing_cur + episodes.begin_cur, self._terms(episodes)
        unserved_cur_per_kwh, is_shared = self.scenario.reward.unserved_cur_per_kwh, shares is not None
        for i in range(core.n_steps):
            now = Now(self.series, state.episode.start + i, state.t + i)
            seen = None if cars is None else kinds()["ev"].view(cars, params, now)
            left_h = (core.n_steps - i) * step_h
            view, low_kw, high_kw = devices.look(
                batteries, energy, seen, self.car_columns, episodes.firm_kw[i], left_h, step_h
            )
            power, eager = choose(i, episodes.ahead[i], view)
            fills = clear(view.firm_kw * step_h, wish_of(power, view) * step_h, eager, terms[i], moves_price=is_shared)
            fill_kw = fills.device / step_h
            battery_kw = devices.share_kw(batteries, fill_kw, view, low_kw, high_kw)
            car_kw, must_kw = fill_kw[:, self.car_columns], view.firm_kw[:, self.car_columns]
            load_kw, pv_kw = self._at_meters(episodes, i, must_kw)
            metered, withheld = (load_kw - pv_kw) * step_h + fills.device, None
            keeps = self._keeps(battery_kw, car_kw, load_kw, pv_kw)
            if keeps is not None:
                sun, of_batteries, of_cars = keeps
                stays = (battery_kw * (of_batteries - 1)) @ batteries.agent_of
                stays = stays + self._among_agents(car_kw * (of_cars - 1), stays)
                withheld = Withheld(pv_kw * (1 - sun) * step_h, stays * step_h)
                metered = metered + withheld.sun + withheld.devices
                battery_kw, car_kw = battery_kw * of_batteries, car_kw * of_cars
            energy, worn = devices.move(batteries, energy, battery_kw, step_h)
            cost = cost + cost_cur(fills, metered, withheld, self.is_brp, terms[i]) + worn
            borne = None
            if seen is not None:
                cars, borne = devices.drive_on(car_kw + must_kw, seen, cars, params, now, unserved_cur_per_kwh)
                cost = cost + borne.sum(1)
            if shares is not None:
                shares.add(fills, metered, withheld, terms[i])
                shares.wear(devices.wear_of_agents(batteries, battery_kw, step_h))
                if borne is not None:
                    shares.wear(self._among_agents(borne, metered))
        left_kwh = energy @ batteries.agent_of * batteries.still.eta_dis * batteries.still.is_stationary
        if shares is not None:
            shares.wear(-left_kwh * episodes.end_value[:, None])
        scored: Tensor = cost - left_kwh.sum(1) * episodes.end_value
        return scored

    def _terms(self, episodes: Episodes) -> list[Terms]:
        prices, step_h = episodes.prices, self.scenario.step_h
        caps = episodes.import_cap_kw[:, None] * step_h, episodes.export_cap_kw[:, None] * step_h
        scarcity = self.scenario.connection.scarcity_cur_per_kwh
        by_step = (p[:, :, None].unbind(1) for p in (prices.bought, prices.sold, prices.local))
        return [Terms(*three, *caps, scarcity) for three in zip(*by_step, strict=True)]  # type: ignore[call-arg]

    def _at_meters(self, episodes: Episodes, i: int, must_kw: Tensor) -> tuple[Tensor, Tensor]:
        """[n_envs, n_agents] what is served, cars' needs among it, and sun."""
        load_kw = episodes.load_kw[i]
        return load_kw + self._among_agents(must_kw, load_kw), episodes.pv_kw[i]

    def _among_agents(self, of_cars: Tensor, like: Tensor) -> Tensor:
        before, after = self.car_columns.start, like.shape[1] - self.car_columns.stop
        return torch.nn.functional.pad(of_cars, (before, after))

    def _keeps(
        self, battery_kw: Tensor, car_kw: Tensor, load_kw: Tensor, pv_kw: Tensor
    ) -> tuple[Tensor, Tensor, Tensor] | None:
        """Shares that the wires let through, of sun [n_envs, n_agents], each battery and each car; none: all."""
        if self.screen is None:
            return None
        return self.screen.keeps(*(x.detach().numpy() for x in (battery_kw, car_kw, load_kw, pv_kw)))


def wish_of(power: Tensor, view: View) -> Tensor:
    """[n_envs, n_agents] kW; what is below a device's least power is nothing, but leads there on the way back."""
    wish_kw = torch.where(power >= 0, power * view.high_kw, -power * view.low_kw)
    is_nothing = (wish_kw.detach().abs() < view.min_kw) & (view.firm_kw <= 0)
    wished: Tensor = wish_kw - (wish_kw * is_nothing).detach()
    return wished
