"""Networks as arrays: what they compute, and which weights make one."""

from __future__ import annotations

import numpy as np
import pytest

from gridbazaar.agents.network import network_of, networks_of


def weights(deep: str, last: str, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = {f"{deep}.0.weight": (5, 3), f"{deep}.0.bias": (5,), f"{deep}.2.weight": (4, 5), f"{deep}.2.bias": (4,)}
    shapes |= {f"{last}.weight": (2, 4), f"{last}.bias": (2,)}
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("deep", "last", "is_squashed"), [("mlp_extractor.policy_net", "action_net", False), ("latent_pi", "mu", True)]
)
def test_the_name_of_the_last_layer_says_whether_its_mean_is_squashed(deep: str, last: str, is_squashed: bool) -> None:
    held = weights(deep, last)
    row = np.array([[0.5, -1.0, 2.0]], np.float32)
    first = np.tanh(held[f"{deep}.0.weight"] @ row[0] + held[f"{deep}.0.bias"])
    second = np.tanh(held[f"{deep}.2.weight"] @ first + held[f"{deep}.2.bias"])
    mean = held[f"{last}.weight"] @ second + held[f"{last}.bias"]
    assert np.allclose(network_of(held)(row)[0], np.tanh(mean) if is_squashed else mean, atol=1e-6)


def test_kinds_have_networks_of_their_own() -> None:
    of_cars, of_homes = weights("latent_pi", "mu", 1), weights("latent_pi", "mu", 2)
    held = {f"kinds/ev/{n}": x for n, x in of_cars.items()} | {f"kinds/prosumer/{n}": x for n, x in of_homes.items()}
    found, row = networks_of(held), np.ones((1, 3), np.float32)
    assert list(found) == ["ev", "prosumer"]
    assert np.array_equal(found["ev"](row), network_of(of_cars)(row))
    assert np.array_equal(found["prosumer"](row), network_of(of_homes)(row))
    assert networks_of(of_cars) == {}
    with pytest.raises(ValueError, match="expected the layer mu"):
        networks_of({f"kinds/ev/{n}": x for n, x in of_cars.items() if n.startswith("latent_pi")})
