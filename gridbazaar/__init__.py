"""GridBazaar: learning agents in local electricity markets."""

from __future__ import annotations

from pathlib import Path as _Path
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# In a checkout the subpackages are the folders beside this one; a wheel carries them here.
# The links next to this file serve mypy, pyright and editors; nothing at run time needs them.
_root = _Path(__file__).resolve().parents[1]
if (_root / "pyproject.toml").is_file() and (_root / "envs").is_dir():
    __path__.insert(0, str(_root))

# Public names and where they live; imported when first used, so that the package itself imports at once.
_PUBLIC = {
    "Core": "gridbazaar.envs.core",
    "load_scenario": "gridbazaar.envs.scenarios",
    "parallel_env": "gridbazaar.envs.views.pettingzoo_env",
    "env": "gridbazaar.envs.views.pettingzoo_env",
    "discrete_env": "gridbazaar.envs.views.discrete",
    "vec_env": "gridbazaar.envs.views.vec_env",
    "vector_env": "gridbazaar.envs.views.gymnasium_env",
    "single_agent_env": "gridbazaar.envs.views.gymnasium_env",
    "clear": "gridbazaar.market.clear.clear",
    "Block": "gridbazaar.market.clear.blocks",
    "load_feeder": "gridbazaar.data.feeders",
    "load_feeder_from_pandapower": "gridbazaar.data.loaders.pandapower",
    "Grid": "gridbazaar.market.grid.balanced",
    "ThreePhaseGrid": "gridbazaar.market.grid.three_phase",
    "make_grid": "gridbazaar.market.grid.three_phase",
    "Inverters": "gridbazaar.market.grid.inverter",
    "InverterGrid": "gridbazaar.market.grid.inverter",
    "load_bank": "gridbazaar.data.loaders.load",
    "evaluate": "gridbazaar.experiments.evaluation.evaluate",
    "compare": "gridbazaar.experiments.evaluation.compare",
    "rollout": "gridbazaar.experiments.rollout.rollout",
    "read_rollout": "gridbazaar.experiments.rollout.write",
    "check_policy": "gridbazaar.envs.contract",
    "check_kind": "gridbazaar.envs.contract",
    "check_mechanism": "gridbazaar.market.mechanisms",
    "Tariff": "gridbazaar.market.tariff",
    "Design": "gridbazaar.market.design",
    "load_design": "gridbazaar.market.designs",
    "bill": "gridbazaar.market.billing.bill",
    "postings": "gridbazaar.market.billing.bill",
    "metered": "gridbazaar.market.billing.metered",
}

__all__ = [*_PUBLIC, "__version__"]

if TYPE_CHECKING:
    from gridbazaar.data.feeders import load_feeder as load_feeder
    from gridbazaar.data.loaders.load import load_bank as load_bank
    from gridbazaar.data.loaders.pandapower import load_feeder_from_pandapower as load_feeder_from_pandapower
    from gridbazaar.envs.contract import check_kind as check_kind
    from gridbazaar.envs.contract import check_policy as check_policy
    from gridbazaar.envs.core import Core as Core
    from gridbazaar.envs.scenarios import load_scenario as load_scenario
    from gridbazaar.envs.views.discrete import discrete_env as discrete_env
    from gridbazaar.envs.views.gymnasium_env import single_agent_env as single_agent_env
    from gridbazaar.envs.views.gymnasium_env import vector_env as vector_env
    from gridbazaar.envs.views.pettingzoo_env import env as env
    from gridbazaar.envs.views.pettingzoo_env import parallel_env as parallel_env
    from gridbazaar.envs.views.vec_env import vec_env as vec_env
    from gridbazaar.experiments.evaluation.compare import compare as compare
    from gridbazaar.experiments.evaluation.evaluate import evaluate as evaluate
    from gridbazaar.experiments.rollout.rollout import rollout as rollout
    from gridbazaar.experiments.rollout.write import read_rollout as read_rollout
    from gridbazaar.market.billing.bill import bill as bill
    from gridbazaar.market.billing.bill import postings as postings
    from gridbazaar.market.billing.metered import metered as metered
    from gridbazaar.market.clear.blocks import Block as Block
    from gridbazaar.market.clear.clear import clear as clear
    from gridbazaar.market.design import Design as Design
    from gridbazaar.market.designs import load_design as load_design
    from gridbazaar.market.grid.balanced import Grid as Grid
    from gridbazaar.market.grid.inverter import InverterGrid as InverterGrid
    from gridbazaar.market.grid.inverter import Inverters as Inverters
    from gridbazaar.market.grid.three_phase import ThreePhaseGrid as ThreePhaseGrid
    from gridbazaar.market.grid.three_phase import make_grid as make_grid
    from gridbazaar.market.mechanisms import check_mechanism as check_mechanism
    from gridbazaar.market.tariff import Tariff as Tariff


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'gridbazaar' has no attribute {name!r}; it has {', '.join(_PUBLIC)}")
    from importlib import import_module

    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
