"""Commands that train: a demonstration from training to report, and training runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridbazaar.experiments.cli import door, terminal
from gridbazaar.experiments.cli.options import (
    MOST_SEED,
    Address,
    AllowCode,
    Columns,
    Data,
    DropBad,
    Engine,
    Force,
    HowMany,
    Repair,
    Seeds,
    Settings,
    Stamps,
    Timezone,
    of_files,
    read_overrides,
    read_workers,
)

if TYPE_CHECKING:
    from gridbazaar.experiments.workers import Workers

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
    minutes: Annotated[
        float | None,
        typer.Option(help="Worth of training, turned into updates before it begins; three minutes unless given."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Of training, in agent-steps.")] = None,
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
    algo: Annotated[
        str | None,
        typer.Option(help="gradient (through the model), ppo, sac, ippo or mappo."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Agent-steps; 4000000 of ppo unless given.")] = None,
    updates: Annotated[int | None, typer.Option(min=1, help="Of gradient, in place of --steps.")] = None,
    minutes: Annotated[float | None, typer.Option(help="End earlier, after so many minutes.")] = None,
    n_envs: Annotated[int | None, typer.Option("--n-envs", min=1, help="Communities at once; 32 unless given.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=MOST_SEED, help="Seed of the training; 0 unless given.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Train so many runs, of seeds that follow each other, into one folder."),
    ] = None,
    settings: Settings = None,
    train_settings: Annotated[
        list[str] | None,
        typer.Option("--set-train", metavar="KEY=VALUE", help="A field of the training: learning_rate=1e-3."),
    ] = None,
    train_file: Annotated[
        Path | None,
        typer.Option("--train-file", metavar="FILE.toml", help="Fields of the training; --set-train goes before it."),
    ] = None,
    sweep: Annotated[
        Path | None,
        typer.Option("--sweep", metavar="FILE.toml", help="Train many configurations and rank them on validation."),
    ] = None,
    data: Data = None,
    timezone: Timezone = None,
    repair: Repair = None,
    stamps: Stamps = None,
    columns: Columns = None,
    drop_bad: DropBad = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on from the last checkpoint, or extend a finished run of PPO to --steps."),
    ] = False,
    workers: HowMany = None,
    engine: Engine = None,
    address: Address = None,
    allow_code: AllowCode = False,
    force: Force = False,
) -> None:
    """Train one policy for all agents. A run that was interrupted and resumed ends as one that ran through."""
    from gridbazaar.agents.policies.trained import BEST
    from gridbazaar.data.inputs import read_toml
    from gridbazaar.data.tables import read_table
    from gridbazaar.envs.scenarios import parse_setting
    from gridbazaar.experiments.runs import read_runs
    from gridbazaar.experiments.training.folder import algo_of, checkpoint_steps, read_as
    from gridbazaar.experiments.training.learners import default_of, learner
    from gridbazaar.experiments.training.sweep.study import SWEEP

    files = of_files(timezone, repair, stamps, columns, drop_bad)
    options: dict[str, Any] = {
        "scenario": scenario, "algo": algo, "steps": steps, "updates": updates, "max_minutes": minutes,
        "n_envs": n_envs, "seed": seed, "overrides": read_overrides(settings, data, None, files) or None,
    }  # fmt: skip
    fields_set = ({} if train_file is None else read_toml(train_file)) | dict(map(parse_setting, train_settings or []))
    given = fields_set | {name: value for name, value in options.items() if value is not None}
    if resume and force:
        raise ValueError("--resume goes on with the run, --force replaces it; give one of them")
    has_runs, by = read_runs(out) if resume else None, read_workers(workers, engine, address)
    if sweep is not None or (resume and (out / SWEEP).is_file()):
        _sweep(sweep, out, given, seeds, force=force, resume=resume, workers=by, allow_code=allow_code)
        return
    held_algo = has_runs["train"].get("algo") if has_runs else algo_of(out)
    if resume:
        table, run = learner(str(held_algo or "ppo"), f"{out}: algo of its config.json")
    else:
        if "algo" not in given:
            given["algo"] = default_of(given, allow_code=allow_code)
        table, run = learner(str(given["algo"]))
    _refuse_unknown(
        str(given.get("algo") or held_algo or table().algo),
        table,
        fields_set,
        [name for name, value in options.items() if value is not None],
    )
    if has_runs or (seeds is not None and not resume):
        config = _config_of_runs(out, table, given, has_runs, seeds, force=force)
        _train_runs(config, out, allow_code=allow_code, workers=by)
        return
    if by is not None:
        raise ValueError("--workers: they train the runs of --seeds, one each; leave it out, or give --seeds")
    if seeds is not None:
        raise ValueError(f"--seeds: {out} is the folder of one run, not of several; leave it out")
    if resume:
        config = read_as(out, table)
        if "steps" in given:
            config = extended(config, out, given.pop("steps"))
        _refuse_changes(config, given)
    elif scenario is None:
        raise ValueError("expected a scenario; see gridbazaar list scenarios")
    else:
        config = read_table(table, given, "")
    try:
        with terminal.progress() as bar:
            shown = terminal.training_bar(bar, f"training by {config.algo}")
            run(config, out, force=force, resume=resume, allow_code=allow_code, report=shown)
    except KeyboardInterrupt as error:
        code, word = door.answer(error)
        typer.echo(f"{word}; {_how_to_go_on(config, out)}", err=True)
        raise typer.Exit(code) from None
    command = to_play(config, out)
    typer.echo(
        f"{out}: {checkpoint_steps(out):,} agent-steps{_updates(config)}; next: {command}\n"
        f"that plays what the run ended with; {out / BEST} is what scored best on validation"
    )


def _sweep(
    file: Path | None, out: Path, given: dict[str, Any], seeds: int | None, *, force: bool, resume: bool,
    workers: Workers | None, allow_code: bool,
) -> None:  # fmt: skip
    """Begin a sweep or go on with one."""
    from gridbazaar.experiments.cli.swept import begin_sweep, run_sweep

    if seeds is not None:
        raise ValueError("--seeds: a sweep says how many trainings each trial has, seeds = 3 in its file")
    if file is not None:
        begin_sweep(file, out, given, force=force, resume=resume)
    elif given:
        named = ", ".join(given)
        raise ValueError(f"--resume goes on as the sweep began; leave {named} out, or give --sweep to compare")
    run_sweep(out, workers=workers, allow_code=allow_code)


def _config_of_runs(
    out: Path, table: Any, given: dict[str, Any], held: dict[str, Any] | None, seeds: int | None, *, force: bool
) -> Any:
    """What the runs of a folder have in common; the folder is made, or told that it has more of them."""
    from gridbazaar.data.tables import read_table
    from gridbazaar.experiments.training.seeds import begin_runs, more_runs

    if held is None:
        if "scenario" not in given:
            raise ValueError("expected a scenario; see gridbazaar list scenarios")
        config = read_table(table, given, "")
        begin_runs(out, config, seeds or 1, force=force)
        return config
    config = read_table(table, held["train"], "train")
    _refuse_changes(config, given)
    if seeds is not None:
        more_runs(out, config, seeds)
    return config


def _train_runs(config: Any, out: Path, *, allow_code: bool, workers: Workers | None) -> None:
    """Train the runs of a folder one after the other, each with a bar of its own; by workers all under one bar."""
    from gridbazaar.experiments.runs import read_runs
    from gridbazaar.experiments.training.folder import checkpoint_steps
    from gridbazaar.experiments.training.seeds import train_runs

    try:
        with terminal.progress() as bar:
            all_runs = None if workers is None else bar.add_task("runs", total=len((read_runs(out) or {})["seeds"]))
            folders = train_runs(
                config.algo, config, out, allow_code=allow_code, workers=workers,
                report=lambda seed: terminal.training_bar(bar, f"seed {seed}"), done=lambda seed: bar.advance(all_runs),
            )  # fmt: skip
    except KeyboardInterrupt as error:
        code, word = door.answer(error)
        to_go_on = terminal.to_paste("train", "--out", out, "--resume")
        typer.echo(f"{word}; runs that are complete stay; go on with: {to_go_on}", err=True)
        raise typer.Exit(code) from None
    done = sum(checkpoint_steps(folder) or 0 for folder in folders)
    typer.echo(f"{out}: {len(folders)} runs, {done:,} agent-steps in all; next: {to_play(config, out)}")


def to_play(config: Any, out: Path) -> str:
    """Give the command that plays runs in the scenario as they were trained in it."""
    from gridbazaar.experiments.describe import toml_value

    changed = (f"{name}={toml_value(value)}" for name, value in config.overrides.items())
    settings = [word for setting in changed for word in ("--set", setting)]
    return terminal.to_paste("evaluate", config.scenario, "--policies", out, *settings)


_ENDS = {"ppo": "--steps or --minutes", "gradient": "--updates"}
"""Options by which a way to learn ends; of others it is --steps."""
_OPTIONS = {"max_minutes": "--minutes", "n_envs": "--n-envs"}
_SET_BY_A_RUN = ("overrides", "schedule_from")


def _refuse_unknown(algo: str, table: Any, fields_set: Iterable[str], options: Iterable[str]) -> None:
    """Refuse what this way to learn has no field for, or sets itself."""
    names = [f.name for f in fields(table)]
    for name in (name for name in options if name not in names):
        said = _OPTIONS.get(name, f"--{name}")
        of = "gradient" if said == "--updates" else "ppo" if said == "--minutes" else "the others"
        raise ValueError(f"{said} is of --algo {of}; --algo {algo} ends by {_ENDS.get(algo, '--steps')}")
    allowed = [name for name in names if name not in (*_SET_BY_A_RUN, "scenario")]
    if unknown := [name for name in fields_set if name not in allowed]:
        raise ValueError(f"--set-train: unknown field {', '.join(unknown)}; --algo {algo} has {', '.join(allowed)}")


def extended(config: Any, out: Path, steps: int) -> Any:
    """Let a finished run of PPO go on to more steps; what others learn by is planned as a whole."""
    from gridbazaar.experiments.training.train import extend

    if steps == config.steps:
        return config
    if config.algo != "ppo":
        raise ValueError(
            f"--steps: a run of ppo is extended by it, {out} is of {config.algo} and has {config.steps:,}; leave it "
            "out, or start a new run"
        )
    longer = extend(out, steps)
    typer.echo(
        f"{out}: extended from {longer.schedule_from:,} to {steps:,} agent-steps; the learning rate begins its "
        f"fall anew, so this is not the run that {steps:,} planned at once would have been"
    )
    return longer


def _updates(config: Any) -> str:
    return f" in {config.updates:,} updates" if hasattr(config, "updates") else ""


def _how_to_go_on(config: Any, out: Path) -> str:
    from gridbazaar.agents.policies.trained import CONFIG
    from gridbazaar.experiments.training.folder import checkpoint_steps

    if not (out / CONFIG).is_file():
        return f"nothing was written to {out} yet; start again"
    done, to_go_on = checkpoint_steps(out) or 0, terminal.to_paste("train", "--out", out, "--resume")
    of = f" of {config.steps:,}" if hasattr(config, "steps") else ""
    return f"the last checkpoint has {done:,}{of} agent-steps; go on with: {to_go_on}"


def _refuse_changes(config: Any, given: dict[str, Any]) -> None:
    """A run goes on as it began: an option that says otherwise is an error."""
    from gridbazaar.experiments.files import to_json

    held = {name: getattr(config, name) for name in given}  # as a file has it, which knows no tuples
    changed = [f"{n} was {held[n]}, not {v}" for n, v in given.items() if to_json(held[n]) != to_json(v)]
    if changed:
        raise ValueError(f"--resume goes on as the run began: {'; '.join(changed)}; leave it out, or start a new run")
