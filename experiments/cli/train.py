"""Commands that train: a demonstration from training to report, and training runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridbazaar.experiments.cli import door, terminal
from gridbazaar.experiments.cli.options import (
    MOST_SEED,
    AllowCode,
    Columns,
    Data,
    DropBad,
    Force,
    Repair,
    Seeds,
    Settings,
    Stamps,
    Timezone,
    of_files,
    read_overrides,
    read_train_settings,
)

if TYPE_CHECKING:
    from gridbazaar.experiments.training.gradient.run import GradientConfig
    from gridbazaar.experiments.training.train import TrainConfig

train_app = typer.Typer()


@train_app.command(epilog=terminal.epilog("demo --minutes 2 --out runs/first"))
def demo(
    out: Annotated[Path, typer.Option(help="Folder for run, results and report.")] = Path("runs/demo"),
    data: Data = None,
    timezone: Timezone = None,
    repair: Repair = None,
    stamps: Stamps = None,
    columns: Columns = None,
    drop_bad: DropBad = None,
    settings: Settings = None,
    minutes: Annotated[float, typer.Option(help="Training ends after so many minutes.")] = 5.0,
    steps: Annotated[int | None, typer.Option(min=1, help="Training ends after so many agent-steps.")] = None,
    seeds: Seeds = 20,
    seed: Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of the training.")] = 0,
    force: Force = False,
) -> None:
    """Train a policy briefly, measure it against rules and the optimum, and write a report with pictures."""
    from gridbazaar.experiments.demo import run_demo

    with terminal.progress() as bar:
        done = run_demo(
            out, settings=read_overrides(settings, data, None, of_files(timezone, repair, stamps, columns, drop_bad)),
            minutes=minutes, steps=steps, seeds=seeds, seed=seed, force=force,
            report_training=terminal.training_bar(bar), tick=terminal.evaluation_bar(bar), command=terminal.command(),
        )  # fmt: skip
    terminal.print_tables(done.evaluation)
    typer.echo(f"trained for {done.steps:,} agent-steps; the report: {done.report}")


@train_app.command(
    epilog=terminal.epilog("train village --out runs/a, and after an interruption: train --out runs/a --resume")
)
def train(
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    scenario: Annotated[str | None, typer.Argument(help="A name or a .toml file; not needed with --resume.")] = None,
    algo: Annotated[str | None, typer.Option(help="ppo, or gradient: through the model.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Agent-steps; 4000000 unless given.")] = None,
    updates: Annotated[int | None, typer.Option(min=1, help="Of gradient, in place of --steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="End earlier, after so many minutes.")] = None,
    n_envs: Annotated[int | None, typer.Option("--n-envs", min=1, help="Communities at once; 32 unless given.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MOST_SEED, help="Seed of the training; 0 unless given.")
    ] = None,
    settings: Settings = None,
    train_settings: Annotated[
        list[str] | None,
        typer.Option("--set-train", metavar="KEY=VALUE", help="A field of the training: learning_rate=1e-3."),
    ] = None,
    data: Data = None,
    timezone: Timezone = None,
    repair: Repair = None,
    stamps: Stamps = None,
    columns: Columns = None,
    drop_bad: DropBad = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the last checkpoint, or extend a finished run to --steps.")
    ] = False,
    allow_code: AllowCode = False,
    force: Force = False,
) -> None:
    """Train one policy for all agents. A run that was interrupted and resumed ends as one that ran through."""
    from gridbazaar.agents.policies.trained import BEST
    from gridbazaar.data.tables import read_table
    from gridbazaar.experiments.training.train import TrainConfig, checkpoint_steps, extend, read_config
    from gridbazaar.experiments.training.train import train as run

    files = of_files(timezone, repair, stamps, columns, drop_bad)
    chosen = read_train_settings(train_settings)
    given: dict[str, Any] = chosen | {
        "scenario": scenario, "algo": algo, "steps": steps, "max_minutes": minutes, "n_envs": n_envs, "seed": seed,
        "overrides": read_overrides(settings, data, None, files) or None,
    }  # fmt: skip
    given |= {name: value for name, value in chosen.items() if given.get(name) is None}
    given = {name: value for name, value in given.items() if value is not None}
    if updates is not None:
        given["updates"] = updates
    if resume and force:
        raise ValueError("--resume goes on with the run, --force replaces it; give one of them")
    if (_algo_of(out) if resume else algo) == "gradient":
        _by_gradient(out, given, resume=resume, force=force)
        return
    if updates is not None:
        raise ValueError("--updates is of --algo gradient; expected --steps or --minutes")
    if resume:
        config = read_config(out)
        _refuse_changes(config, {name: value for name, value in given.items() if name != "steps"})
        if steps is not None and steps != config.steps:
            config = extend(out, steps)
            typer.echo(
                f"{out}: extended from {config.schedule_from:,} to {steps:,} agent-steps; the learning rate begins its "
                f"fall anew, so this is not the run that {steps:,} planned at once would have been"
            )
    elif scenario is None:
        raise ValueError("expected a scenario; see gridbazaar list scenarios")
    else:
        config = read_table(TrainConfig, given, "")
    try:
        with terminal.progress() as bar:
            run(config, out, force=force, resume=resume, allow_code=allow_code, report=terminal.training_bar(bar))
    except KeyboardInterrupt as error:
        code, word = door.answer(error)
        typer.echo(f"{word}; {_how_to_go_on(config, out)}", err=True)
        raise typer.Exit(code) from None
    to_play = terminal.to_paste("evaluate", config.scenario, "--policies", out)
    typer.echo(
        f"{out}: {checkpoint_steps(out):,} agent-steps; next: {to_play}\n"
        f"that plays what the run ended with; {out / BEST} is what scored best on validation"
    )


def _how_to_go_on(config: TrainConfig, out: Path) -> str:
    from gridbazaar.agents.policies.trained import CONFIG
    from gridbazaar.experiments.training.train import checkpoint_steps

    if not (out / CONFIG).is_file():
        return f"nothing was written to {out} yet; start again"
    done = checkpoint_steps(out) or 0
    to_go_on = terminal.to_paste("train", "--out", out, "--resume")
    return f"the last checkpoint has {done:,} of {config.steps:,} agent-steps; go on with: {to_go_on}"


def _algo_of(out: Path) -> Any:
    """How the run in a folder learns; none where there is no run."""
    from gridbazaar.agents.policies.trained import CONFIG, read_manifest

    return read_manifest(out)["train"].get("algo") if (out / CONFIG).is_file() else None


def _by_gradient(out: Path, given: dict[str, Any], *, resume: bool, force: bool) -> None:
    """Train through the model; a run ends by its updates."""
    from gridbazaar.agents.policies.trained import BEST
    from gridbazaar.data.tables import read_table
    from gridbazaar.experiments.training.gradient.run import GradientConfig, read_gradient_config, train_gradient

    if other := [name for name in ("steps", "max_minutes") if name in given]:
        named = ", ".join(other).replace("max_", "")
        raise ValueError(f"--algo gradient ends by --updates, got --{named}; leave it out")
    if not resume and "scenario" not in given:
        raise ValueError("expected a scenario; see gridbazaar list scenarios")
    config = read_gradient_config(out) if resume else read_table(GradientConfig, given, "")
    if resume:
        _refuse_changes(config, given)
    try:
        with terminal.progress() as bar:
            train_gradient(config, out, force=force, resume=resume, report=terminal.training_bar(bar))
    except KeyboardInterrupt as error:
        code, word = door.answer(error)
        typer.echo(f"{word}; go on with: {terminal.to_paste('train', '--out', out, '--resume')}", err=True)
        raise typer.Exit(code) from None
    to_play = terminal.to_paste("evaluate", config.scenario, "--policies", out)
    typer.echo(
        f"{out}: {config.updates:,} updates; next: {to_play}\n"
        f"that plays what the run ended with; {out / BEST} is what scored best on validation"
    )


def _refuse_changes(config: TrainConfig | GradientConfig, given: dict[str, Any]) -> None:
    """A run goes on as it began: an option that says otherwise is an error."""
    from gridbazaar.experiments.files import to_json

    held = {name: getattr(config, name) for name in given}  # as a file has it, which knows no tuples
    changed = [f"{n} was {held[n]}, not {v}" for n, v in given.items() if to_json(held[n]) != to_json(v)]
    if changed:
        raise ValueError(f"--resume goes on as the run began: {'; '.join(changed)}; leave it out, or start a new run")
