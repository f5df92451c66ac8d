"""The command line. Every command is thin: it reads options, calls one function and shows what came of it."""

from __future__ import annotations

from typing import Annotated, Any, NoReturn

import typer
import typer.core

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.bench import bench_app
from gridbazaar.experiments.cli.data import data_app
from gridbazaar.experiments.cli.evaluate import evaluate_app
from gridbazaar.experiments.cli.ledger import ledger_app
from gridbazaar.experiments.cli.look import look_app
from gridbazaar.experiments.cli.market import market_app
from gridbazaar.experiments.cli.train import train_app

_USER_ERRORS = (ValueError, FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)


class _Commands(typer.core.TyperGroup):
    """Shows what a user can put right as one message, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _USER_ERRORS as error:
            _stop(ctx, error, str(error), terminal.USAGE)
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "stable_baselines3", "tensorboard"):
                raise
            missing = f"{error.name} is not installed; training needs: pip install 'gridbazaar[train]'"
            _stop(ctx, error, missing, terminal.USAGE)
        except AssertionError as error:
            _stop(ctx, error, str(error) or repr(error), terminal.CHECK_FAILED)
        except KeyboardInterrupt as error:
            _stop(ctx, error, "interrupted", terminal.INTERRUPTED)


def _stop(ctx: Any, error: BaseException, message: str, code: int) -> NoReturn:
    if ctx.params.get("debug"):
        raise error
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.strerror}: {error.filename}"
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)


main = typer.Typer(
    cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Learning agents in local electricity markets: train, evaluate, compare, look things up.",
)  # fmt: skip
main.add_typer(train_app)
main.add_typer(evaluate_app)
main.add_typer(bench_app)
main.add_typer(look_app)
main.add_typer(data_app, name="data")
main.add_typer(market_app)
main.add_typer(ledger_app, name="ledger")


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
