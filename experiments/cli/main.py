"""The command line. Every command is thin: it reads options, calls one function and shows what came of it."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
import typer.core

from gridbazaar.experiments.cli import door
from gridbazaar.experiments.cli.bench import bench_app
from gridbazaar.experiments.cli.bill import bill_app
from gridbazaar.experiments.cli.compare import compare_app
from gridbazaar.experiments.cli.data import data_app
from gridbazaar.experiments.cli.evaluate import evaluate_app
from gridbazaar.experiments.cli.homes import homes_app
from gridbazaar.experiments.cli.ledger import ledger_app
from gridbazaar.experiments.cli.look import look_app
from gridbazaar.experiments.cli.market import market_app
from gridbazaar.experiments.cli.release import release_app
from gridbazaar.experiments.cli.replay import replay_app
from gridbazaar.experiments.cli.rollout import rollout_app
from gridbazaar.experiments.cli.study import study_app
from gridbazaar.experiments.cli.train import train_app

_DEBUG = "--debug"
_OF_TYPER: tuple[Any, ...] = (
    typer.Exit,
    typer.Abort,
    *(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"),
)


class _Commands(typer.core.TyperGroup):
    """Shows every error as one message with its exit code, see ``door``; ``--debug`` may stand anywhere."""

    def main(self, args: Any = None, *more: Any, **others: Any) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        plain = [word for word in words if word != _DEBUG]
        self._debug = len(plain) < len(words)
        door.run(lambda: super(_Commands, self).main(plain, *more, **others), debug=self._debug)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _OF_TYPER:
            raise
        except (Exception, KeyboardInterrupt) as error:  # before typer makes its own of it
            raise door.Carried(error) from error


main = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Learning agents in local electricity markets: train, evaluate, compare, look things up.",
)  # fmt: skip
main.add_typer(train_app)
main.add_typer(evaluate_app)
main.add_typer(compare_app)
main.add_typer(rollout_app)
main.add_typer(replay_app)
main.add_typer(study_app)
main.add_typer(bench_app)
main.add_typer(look_app)
main.add_typer(data_app, name="data")
main.add_typer(market_app)
main.add_typer(bill_app)
main.add_typer(homes_app)
main.add_typer(ledger_app, name="ledger")
main.add_typer(release_app, name="release")


def _say_version(wanted: bool) -> None:
    if wanted:
        from gridbazaar import __version__

        typer.echo(f"gridbazaar {__version__}")
        raise typer.Exit


@main.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and end.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error comes from.")] = False,
) -> None:
    pass
