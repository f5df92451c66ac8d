"""Calls for flexibility, and offers to them."""

from __future__ import annotations

import numpy as np

from gridbazaar.market.flexibility.offers import Call, Offers

KWH = 1_000_000


def random_call(n_envs: int = 80, n_offers: int = 7, seed: int = 0) -> tuple[Call, Offers]:
    """Needs from none to beyond all offers; offers with tied prices, of both directions, some that do not help."""
    rng = np.random.default_rng(seed)
    scale = rng.integers(1, KWH, (n_envs, 1))
    energy = rng.integers(-4, 3, (n_envs, n_offers)) * scale
    call = Call(
        need_ukwh=rng.integers(0, 9, (n_envs, 1)) * scale,
        cap_ucur_per_kwh=rng.integers(20, 50, n_envs) * 10_000,
        start_ucur_per_kwh=rng.integers(0, 20, n_envs) * 10_000,
        step_ucur_per_kwh=rng.integers(1, 8, n_envs) * 7_000,
        smallest_ukwh=scale[:, 0] * rng.integers(0, 3, n_envs),
    )
    offers = Offers(
        energy_ukwh=energy,
        price_ucur_per_kwh=rng.integers(0, 12, (n_envs, n_offers)) * 40_000,
        loading_ppm=rng.choice([1_000_000, 500_000, 333_333, 0, -250_000], (n_envs, 1, n_offers)),
        agent=rng.permutation(n_offers),
        availability_ucur_per_kwh=rng.integers(0, 3, (n_envs, n_offers)) * 20_000,
        connection_ukwh=np.where(energy > 0, 1, -1) * (abs(energy) + rng.integers(0, 3, (n_envs, n_offers)) * scale),
    )
    return call, offers
