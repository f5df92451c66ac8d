"""The command line. Every command is thin: it reads options, calls one function and shows what came of it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
import typer.core

from gridbazaar.experiments.cli import terminal
from gridbazaar.experiments.cli.ledger import ledger_app
from gridbazaar.experiments.cli.market import market_app

if TYPE_CHECKING:
    from gridbazaar.experiments.evaluation.evaluate import Evaluation
    from gridbazaar.experiments.training.train import TrainConfig

CHECK_FAILED, USAGE, INTERRUPTED = 1, 2, 130
_USER_ERRORS = (ValueError, FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)


class _Commands(typer.core.TyperGroup):
    """Shows what a user can put right as one message, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _USER_ERRORS as error:
            _stop(ctx, error, str(error), USAGE)
        except ModuleNotFoundError as error:
            if error.name not in ("torch", "stable_baselines3", "tensorboard"):
                raise
            _stop(ctx, error, f"{error.name} is not installed; training needs: pip install 'gridbazaar[train]'", USAGE)
        except AssertionError as error:
            _stop(ctx, error, str(error) or repr(error), CHECK_FAILED)
        except KeyboardInterrupt as error:
            _stop(ctx, error, "interrupted", INTERRUPTED)


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
data_app = typer.Typer(no_args_is_help=True, help="What data can be loaded, and whether yours can.")
main.add_typer(data_app, name="data")
main.add_typer(market_app)
main.add_typer(ledger_app, name="ledger")


class Listed(StrEnum):
    """What ``list`` knows."""

    scenarios = "scenarios"
    mechanisms = "mechanisms"
    tenders = "tenders"
    tariffs = "tariffs"
    policies = "policies"
    kinds = "kinds"
    feeders = "feeders"


class Shown(StrEnum):
    """What ``show`` knows."""

    tariff = "tariff"
    mechanism = "mechanism"
    feeder = "feeder"
    scenario = "scenario"
    kind = "kind"


ScenarioName = Annotated[str, typer.Argument(help="A name from 'gridbazaar list scenarios', or a .toml file.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override a field of the scenario; repeatable.")
]
Data = Annotated[str | None, typer.Option("--data", metavar="PATH", help="Real data instead of generated; data.path.")]
Force = Annotated[bool, typer.Option("--force", help="Replace results that exist.")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="How many episodes: 0, 1, ...")]
Split = Annotated[str, typer.Option("--split", help="Episodes: test, validation or train.")]
MasterSeed = Annotated[
    int | None, typer.Option("--seed", min=0, help="Seed of the scenario's data and episodes; none: the scenario's.")
]
Policies = Annotated[
    str, typer.Option("--policies", metavar="A,B,...", help="Names, run folders, LABEL=FOLDER; idle is always played.")
]
_BASELINES = "idle,self_consumption,time_of_use,price_threshold,opportunity_cost,optimum"


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


@main.command(epilog=terminal.epilog("demo --minutes 2 --out runs/first"))
def demo(
    out: Annotated[Path, typer.Option(help="Folder for run, results and report.")] = Path("runs/demo"),
    data: Data = None,
    minutes: Annotated[float, typer.Option(help="Training ends after so many minutes.")] = 5.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Training ends after so many agent-steps.")] = None,
    seeds: Seeds = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the training.")] = 0,
    force: Force = False,
) -> None:
    """Train a policy briefly, measure it against rules and the optimum, and write a report with pictures."""
    from gridbazaar.experiments.demo import run_demo

    with terminal.progress() as bar:
        done = run_demo(
            out, data=data, minutes=minutes, steps=steps, seeds=seeds, seed=seed, force=force,
            report_training=terminal.training_bar(bar), tick=terminal.evaluation_bar(bar), command=terminal.command(),
        )  # fmt: skip
    terminal.print_tables(done.evaluation)
    typer.echo(f"trained for {done.steps:,} agent-steps; the report: {done.report}")


@main.command(
    epilog=terminal.epilog("train village --out runs/a, and after an interruption: train --out runs/a --resume")
)
def train(
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    scenario: Annotated[str | None, typer.Argument(help="A name or a .toml file; not needed with --resume.")] = None,
    algo: Annotated[str | None, typer.Option(help="ppo.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Agent-steps; 4000000 unless given.")] = None,
    minutes: Annotated[float | None, typer.Option(help="End earlier, after so many minutes.")] = None,
    n_envs: Annotated[int | None, typer.Option("--n-envs", min=1, help="Communities at once; 32 unless given.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the training; 0 unless given.")] = None,
    settings: Settings = None,
    data: Data = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint, as the run began.")] = False,
    force: Force = False,
) -> None:
    """Train one policy for all agents; a run can be interrupted and resumed."""
    from gridbazaar.experiments.training.train import TrainConfig, checkpoint_steps, read_config
    from gridbazaar.experiments.training.train import train as run

    given: dict[str, Any] = {
        "scenario": scenario, "algo": algo, "steps": steps, "max_minutes": minutes, "n_envs": n_envs, "seed": seed,
        "overrides": _overrides(settings, data, None) or None,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    if resume:
        if force:
            raise ValueError("--resume goes on with the run, --force replaces it; give one of them")
        config = read_config(out)
        _refuse_changes(config, given)
    elif scenario is None:
        raise ValueError("expected a scenario; see gridbazaar list scenarios")
    else:
        config = TrainConfig(**given)
    try:
        with terminal.progress() as bar:
            run(config, out, force=force, resume=resume, report=terminal.training_bar(bar))
    except KeyboardInterrupt:
        done = checkpoint_steps(out)
        how = (
            f"the last checkpoint has {done:,} of {config.steps:,} agent-steps; go on with: "
            f"gridbazaar train --out {out} --resume"
            if done is not None
            else f"there is no checkpoint in {out} yet; start again with --force"
        )
        typer.echo(f"interrupted; {how}", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(
        f"{out}: {checkpoint_steps(out):,} agent-steps; next: gridbazaar evaluate {config.scenario} --policies {out}"
    )


@main.command(epilog=terminal.epilog("evaluate village --policies self_consumption,runs/a --seeds 20 --json out.json"))
def evaluate(
    scenario: ScenarioName,
    policies: Policies = _BASELINES,
    seeds: Seeds = 20,
    split: Split = "test",
    data: Data = None,
    settings: Settings = None,
    seed: MasterSeed = None,
    json: Annotated[Path | None, typer.Option("--json", help="Write all figures as JSON.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="Write one row a policy and episode.")] = None,
    check: Annotated[Path | None, typer.Option("--check", help="Compare with a record; code 1 if it differs.")] = None,
    record: Annotated[Path | None, typer.Option("--record", help="Write a record for --check.")] = None,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="Play episode 0 of the first policy named once more, into a ledger.")
    ] = None,
    force: Force = False,
) -> None:
    """Let policies play the same held-out episodes, between idle (score 0) and the optimum (100)."""
    from gridbazaar.experiments.evaluation.evaluate import check as differences
    from gridbazaar.experiments.evaluation.evaluate import evaluate as play
    from gridbazaar.experiments.evaluation.evaluate import golden_of, read_golden
    from gridbazaar.experiments.files import check_file, write_json, write_text

    for path in (json, csv, record, ledger):
        if path is not None:
            check_file(path, force=force)
    if check is not None:
        read_golden(check)
    with terminal.progress() as bar:
        found = play(
            scenario, terminal.names(policies), seeds=seeds, split=split, tick=terminal.evaluation_bar(bar),
            **_overrides(settings, data, seed),
        )  # fmt: skip
    terminal.print_tables(found)
    if json is not None:
        write_json(json, found.to_json())
    if csv is not None:
        write_text(csv, found.to_frame().to_csv(index=False))
    if record is not None:
        write_json(record, golden_of(found))
    if ledger is not None:
        _audit(found, terminal.names(policies)[0], ledger)
    if check is not None:
        _report_differences(differences(found, check), check)


@main.command(
    epilog=terminal.epilog("compare village --tariffs flat,tou,spot --policies self_consumption --out report")
)
def compare(
    scenario: ScenarioName,
    tariffs: Annotated[str, typer.Option(metavar="A,B,...", help="Tariffs; differences are from the first.")],
    out: Annotated[Path, typer.Option(help="Folder for compare.json and compare.csv.")],
    policies: Policies = "idle,self_consumption",
    seeds: Seeds = 20,
    split: Split = "test",
    data: Data = None,
    settings: Settings = None,
    seed: MasterSeed = None,
    force: Force = False,
) -> None:
    """Show what each kind of agent pays under several tariffs, with the same policies on the same episodes."""
    from gridbazaar.experiments.cli.show import comparison_table
    from gridbazaar.experiments.evaluation.compare import compare as play
    from gridbazaar.experiments.files import check_folder, new_folder, write_json, write_text

    overrides = _overrides(settings, data, seed)
    check_folder(out, force=force)
    with terminal.progress() as bar:
        found = play(
            scenario, terminal.names(tariffs), terminal.names(policies), seeds=seeds, split=split,
            tick=terminal.evaluation_bar(bar), **overrides,
        )  # fmt: skip
    new_folder(out, force=force)
    write_json(out / "compare.json", found.to_json())
    write_text(out / "compare.csv", found.to_frame().to_csv(index=False))
    terminal.console().print(comparison_table(found))
    typer.echo(f"written: {out / 'compare.json'}, {out / 'compare.csv'}")


@data_app.command("list", epilog=terminal.epilog("data list"))
def data_list() -> None:
    """Say what can be loaded, and what the generator makes."""
    from gridbazaar.experiments.cli.show import data_formats

    terminal.console().print(data_formats())


@data_app.command("check", epilog=terminal.epilog("data check citylearn_challenge_2022_phase_all"))
def data_check(
    path: Annotated[Path, typer.Argument(help="A CityLearn folder, a CSV file, or a folder of CSV files.")],
    step_min: Annotated[int, typer.Option(help="Length of a market interval.")] = 15,
) -> None:
    """Load data as an evaluation would and say what is used, what is refused and why; exit code 1 if nothing is."""
    from gridbazaar.data.loaders.load import read
    from gridbazaar.experiments.cli.show import bank_summary

    if not path.exists():
        raise FileNotFoundError(f"{path}: expected a CityLearn folder, a CSV file or a folder of CSV files")
    try:
        with terminal.quiet("gridbazaar.data.loaders"):
            loaded = read(path, step_min=step_min)
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(CHECK_FAILED) from error
    typer.echo(str(loaded.report))
    terminal.console().print(bank_summary(loaded.bank))


@main.command(epilog=terminal.epilog("bench --quick --json bench.json"))
def bench(
    json: Annotated[Path | None, typer.Option("--json", help="Write speeds, versions and machine as JSON.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few steps: whether it runs, not how fast.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of actions and episodes.")] = 0,
    force: Force = False,
) -> None:
    """Measure the speed of steps, resets, views and training on this machine."""
    from gridbazaar.experiments.cli.show import table
    from gridbazaar.experiments.files import check_file, write_json
    from gridbazaar.experiments.measure.speed import QUICK, machine, to_json
    from gridbazaar.experiments.measure.speed import bench as measure

    if json is not None:
        check_file(json, force=force)
    with terminal.progress() as bar:
        task = bar.add_task("measuring", total=None)
        found = measure(QUICK if quick else None, seed=seed, tell=lambda name: bar.update(task, description=name))
    here = machine()
    title = f"{here['processor']}, {here['cores']} cores, OMP_NUM_THREADS {here['OMP_NUM_THREADS']}"
    rows = [(s.name, *map(terminal.number, (s.value, s.low, s.high)), s.unit) for s in found]
    terminal.console().print(table(title, ("measured", ">median", ">lowest", ">highest", "unit"), rows))
    if json is not None:
        write_json(json, to_json(found, seed))


@main.command("list", epilog=terminal.epilog("list scenarios"))
def list_(what: Annotated[Listed, typer.Argument(help="What to list.")]) -> None:
    """List what is found by name."""
    from gridbazaar.experiments.cli.show import list_things

    terminal.console().print(list_things(what.value))


@main.command(epilog=terminal.epilog("show scenario village > mine.toml"))
def show(
    what: Annotated[Shown, typer.Argument(help="What to show.")],
    name: Annotated[str, typer.Argument(help="Its name.")],
) -> None:
    """Show one thing in full."""
    from gridbazaar.experiments.cli.show import show_thing

    show_thing(what.value, name, terminal.console())


def _overrides(settings: list[str] | None, data: str | None, seed: int | None) -> dict[str, Any]:
    from gridbazaar.envs.scenarios import parse_setting

    given = dict(parse_setting(text) for text in settings or [])
    return given | ({} if data is None else {"data.path": data}) | ({} if seed is None else {"seed": seed})


def _refuse_changes(config: TrainConfig, given: dict[str, Any]) -> None:
    """A run goes on as it began: an option that says otherwise is an error."""
    changed = [f"{n} was {getattr(config, n)}, not {v}" for n, v in given.items() if getattr(config, n) != v]
    if changed:
        raise ValueError(f"--resume goes on as the run began: {'; '.join(changed)}; leave it out, or start a new run")


def _audit(found: Evaluation, policy: str, path: Path) -> None:
    """Write the ledger of the first policy's first episode, and say what a checker must know."""
    from gridbazaar.experiments.audit.audit import audit_evaluated

    with terminal.progress() as bar:
        task = bar.add_task("ledger", total=found.scenario.n_steps)
        audited = audit_evaluated(found, policy, path, tick=lambda: bar.advance(task))
    typer.echo(f"{path}: {audited.policy}, episode {audited.seeds[0]}\nkey: {audited.did}\norigin: {audited.origin}")
    typer.echo(f"last checkpoint, to be kept where the operator cannot change it:\n\n{audited.checkpoint}")
    typer.echo(f"check it: gridbazaar ledger verify {path} --key {audited.did} --origin {audited.origin}")


def _report_differences(found: list[Any], golden: Path) -> None:
    for d in found:
        typer.echo(f"{d.policy} {d.figure}: expected {d.expected:g} +- {d.tolerance:g}, came {d.came:g}", err=True)
    if found:
        typer.echo(f"{len(found)} figures differ from {golden}", err=True)
        raise typer.Exit(CHECK_FAILED)
    typer.echo(f"all figures agree with {golden}")
