"""The program ``gridbazaar``, also as ``python -m gridbazaar.experiments.cli``."""

from __future__ import annotations

from gridbazaar.experiments.cli import door


def start() -> None:
    """Run the command line; from the first moment on, a signal ends it in good order."""
    door.run(_commands)


def _commands() -> None:
    from gridbazaar.experiments.cli.main import main

    main()


if __name__ == "__main__":
    start()
