"""Compile the contract: ``python -m gridbazaar.market.ledger.evm.build`` writes ``contract.json`` anew.

The ABI and the bytecode are part of the project, so that only who changes the contract needs the compiler; a test
compiles it and compares where the compiler is installed.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("contract.vy")
COMPILED = Path(__file__).with_name("contract.json")


def needed(module: str) -> Any:
    """Import a library of the extra, or say how to get it."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"{error.name} is not installed; anchoring needs: pip install 'gridbazaar[evm]'") from error


def compiled() -> str:
    """Give the text of ``contract.json`` as the compiler makes it from the source."""
    vyper = needed("vyper")
    found = vyper.compile_code(SOURCE.read_text(encoding="utf-8"), output_formats=["abi", "bytecode"])
    parts = {"compiler": f"vyper {vyper.__version__}", "abi": found["abi"], "bytecode": found["bytecode"]}
    return json.dumps(parts, indent=1) + "\n"


if __name__ == "__main__":
    COMPILED.write_text(compiled(), encoding="utf-8")
