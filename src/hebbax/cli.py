"""The command line: parse, call, print."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import jax
import numpy as np
import numpyro
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from hebbax import (
    comparison,
    data,
    diagnostics,
    figures,
    fitting,
    posterior,
    simulation,
    study,
    summary,
)
from hebbax import profile as profiles
from hebbax.errors import HebbaxError
from hebbax.inference import nuts
from hebbax.spec import ModelSpec, declared_models, read_spec
from hebbax.typing import Progress as HebbaxProgress

CONSOLE = Console()

data_argument = click.argument("recordings", metavar="DATA", type=click.Path(path_type=Path))
column_option = click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="FIELD=HEADER",
    help="header of a field in DATA, such as animal=subjID; may be repeated",
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), default=Path("results"), help="folder of results"
)


class ListCommand(click.Command):
    """A command whose repeated options may be given once with several values:
    ``--models null reward`` for ``--models null --models reward``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Return what is left of ``args`` after parsing, lists spelled out."""
        names = {
            n for p in self.params if isinstance(p, click.Option) and p.multiple for n in p.opts
        }
        flags = {n for p in self.params for n in p.opts + p.secondary_opts}
        spelled: list[str] = []
        option = None
        for arg in args:
            if arg.split("=")[0] in flags or arg in ctx.help_option_names:
                option = arg if arg in names else None
                spelled.append(arg)
            elif option is not None and spelled[-1] != option:
                spelled += [option, arg]
            else:
                spelled.append(arg)
                option = option if option in names else None
        return super().parse_args(ctx, spelled)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="hebbax")
def commands() -> None:
    """How sure can one be of a synaptic plasticity rule, given what animals chose?"""


@commands.command()
@data_argument
@column_option
@click.option(
    "--model", "models", multiple=True, required=True, help="declared model or .toml file"
)
@out_option
@click.option("--seed", default=0, help="random seed")
@click.option("--chains", default=nuts.Settings.chains)
@click.option("--warmup", default=nuts.Settings.warmup, help="iterations of warm-up")
@click.option("--draws", default=nuts.Settings.draws, help="draws kept per chain")
@click.option("--force", is_flag=True, help="fit again what is finished, and start anew")
@click.option("--resume", is_flag=True, help="go on with an unfinished fit")
def fit(
    recordings: Path,
    columns: tuple[str, ...],
    models: tuple[str, ...],
    out: Path,
    seed: int,
    chains: int,
    warmup: int,
    draws: int,
    force: bool,
    resume: bool,
) -> None:
    """Sample the posterior of one or more models of DATA, and say whether it can be trusted."""
    sessions = data.read(recordings, columns=_mapping(columns))
    specs = [read_spec(name) for name in models]
    settings = nuts.Settings(chains=chains, warmup=warmup, draws=draws)
    _prepare_folder(out)
    for spec in specs:
        _refuse_overwrite(sessions, spec, out, force=force, resume=resume)
    for spec in specs:
        with _progress(spec.name) as progress:
            result = fitting.fit_and_store(sessions, spec, out, seed, settings, progress)
        verdict = diagnostics.diagnose(result)
        CONSOLE.print(f"[bold]{spec.name}[/bold]  {verdict.sentence}")
        if verdict.passed:
            CONSOLE.print(_table("population", summary.population_table(result)))


@commands.command(cls=ListCommand)
@data_argument
@column_option
@click.option(
    "--models",
    multiple=True,
    default=("null", "reward", "forgetting"),
    help="declared models or .toml files, one or more",
)
@out_option
@click.option("--seed", default=0, help="random seed")
@click.option("--warmup", default=nuts.Settings.warmup, help="iterations of warm-up")
@click.option("--draws", default=nuts.Settings.draws, help="draws kept per chain")
@click.option("--force", is_flag=True, help="fit again what is finished, and start anew")
@click.option("--resume", is_flag=True, help="go on with an unfinished study")
def run(
    recordings: Path,
    columns: tuple[str, ...],
    models: tuple[str, ...],
    out: Path,
    seed: int,
    warmup: int,
    draws: int,
    force: bool,
    resume: bool,
) -> None:
    """Fit, diagnose and compare models of DATA, and write a report."""
    sessions = data.read(recordings, columns=_mapping(columns))
    specs = [read_spec(name) for name in models]
    _prepare_folder(out)
    for spec in specs:
        if not resume:
            _refuse_overwrite(sessions, spec, out, force=force, resume=False)
    settings = nuts.Settings(warmup=warmup, draws=draws)
    _study(sessions, study.Plan(specs, out, seed, settings))


@commands.command()
@click.option("--quick", is_flag=True, help="a small cohort and few draws, in a minute or so")
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("hebbax-demo"), help="folder of results"
)
@click.option("--seed", default=0, help="random seed")
@click.option("--force", is_flag=True, help="replace an earlier demonstration")
def demo(quick: bool, out: Path, seed: int, force: bool) -> None:
    """Simulate flies that learn and forget, and see whether the posterior finds the truth."""
    cohort = simulation.QUICK if quick else simulation.Cohort()
    plan_settings = nuts.QUICK if quick else nuts.Settings()
    names = ("null", "forgetting") if quick else ("null", "reward", "forgetting")
    specs = [read_spec(name) for name in names]
    _prepare_folder(out)
    sessions, _ = simulation.simulate(jax.random.PRNGKey(seed), cohort, read_spec("forgetting"))
    for spec in specs:
        _refuse_overwrite(sessions, spec, out, force=force, resume=False)
    data.write_table(sessions, out / "cohort.csv")
    CONSOLE.print(f"{sessions.n_animals} simulated animals, {sessions.n_observations} choices.")
    _study(sessions, study.Plan(specs, out, seed, plan_settings), cohort)


def _study(
    sessions: data.Sessions, plan: study.Plan, cohort: simulation.Cohort | None = None
) -> None:
    """Run a study with one progress bar a model, print its answer and write its report."""
    with _bars() as progress:
        result = study.run(sessions, plan, progress)
    truth = None
    if cohort is not None:
        truth = study.truth_table(result.posteriors["forgetting"], cohort)
    path = study.write_report(result, sessions, plan.folder, truth)
    for name, verdict in result.verdicts.items():
        CONSOLE.print(f"[bold]{name}[/bold]  {verdict.sentence}")
    CONSOLE.print(_comparison_table(result.compared))
    if truth is not None:
        CONSOLE.print(_table("population", truth))
    CONSOLE.print(study.answer(result))
    CONSOLE.print(f"Report: {path}")


@commands.command()
@click.argument("posteriors", nargs=-1, required=True, type=click.Path(path_type=Path))
def diagnose(posteriors: tuple[Path, ...]) -> None:
    """Say of each stored posterior whether it can be trusted, and why not."""
    for path in posteriors:
        CONSOLE.print(
            f"[bold]{path.stem}[/bold]  {diagnostics.diagnose(posterior.read(path)).sentence}"
        )


@commands.command()
@click.argument("posteriors", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="folder for the tables as CSV")
def compare(posteriors: tuple[Path, ...], out: Path | None) -> None:
    """Compare stored posteriors of the same data by LOO and WAIC, over trials and animals."""
    results = {path.stem: posterior.read(path) for path in posteriors}
    for name, result in results.items():
        verdict = diagnostics.diagnose(result)
        if not verdict.passed:
            CONSOLE.print(f"[bold]{name}[/bold]  {verdict.sentence}")
    compared = comparison.compare(results)
    CONSOLE.print(compared.sentence)
    CONSOLE.print(_comparison_table(compared))
    if out is not None:
        _prepare_folder(out)
        compared.table.to_csv(out / "comparison.csv", index_label="model")
        compared.by_animal.to_csv(out / "comparison_by_animal.csv", index_label="model")


@commands.command()
@data_argument
@column_option
@click.option("--model", default="forgetting", help="declared model or .toml file")
@click.option("--animal", "animals", multiple=True, help="animal to draw; all of them by default")
@out_option
def profile(
    recordings: Path, columns: tuple[str, ...], model: str, animals: tuple[str, ...], out: Path
) -> None:
    """Draw the likelihood of an animal over the coefficients of x r and w."""
    sessions = data.read(recordings, columns=_mapping(columns))
    spec = read_spec(model)
    _prepare_folder(out)
    grids = {"x r": np.linspace(-0.2, 0.9, 45), "w": np.linspace(-0.25, 0.25, 51)}
    for animal in animals or sessions.animals:
        with _progress(animal) as progress:
            surface = profiles.profile(sessions, spec, animal, grids, progress)
        path = out / f"profile {animal}.png"
        figures.save(figures.profile(surface), path)
        best = surface["profiled"].argmax(...)
        CONSOLE.print(
            f"[bold]{animal}[/bold]  the likelihood is highest at x r = "
            f"{grids['x r'][int(best['x r'])]:.2f}, w = {grids['w'][int(best['w'])]:.2f}: {path}"
        )


@commands.command()
@click.argument("out", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option("--seed", default=0, help="random seed")
@click.option("--animals", default=simulation.Cohort.animals, help="number of animals")
@click.option("--trials", default=simulation.Cohort.trials_per_block, help="trials in each block")
@click.option("--learning", default=0.35, help="population coefficient of x r, per trial")
@click.option("--forgetting", default=-0.06, help="population coefficient of w, per trial")
@click.option("--baited/--independent", default=True, help="whether an armed reward waits")
@click.option("--force", is_flag=True, help="replace FILE.csv where it exists")
def simulate(
    out: Path,
    seed: int,
    animals: int,
    trials: int,
    learning: float,
    forgetting: float,
    baited: bool,
    force: bool,
) -> None:
    """Simulate a cohort that learns by x r and forgets by w, and write FILE.csv.

    FILE.truth.csv holds each animal's own coefficients.
    """
    if out.suffix != ".csv":
        raise HebbaxError(f'{out.name}: a simulated cohort is written as ".csv".')
    if out.exists() and not force:
        raise HebbaxError(f"{out.name}: exists already; --force replaces it.")
    if animals < 1 or trials < 1:
        raise HebbaxError(f"--animals {animals} --trials {trials}: both must be 1 or more.")
    cohort = simulation.Cohort(
        population={"x r": learning, "w": forgetting},
        animals=animals,
        trials_per_block=trials,
        baiting="baited" if baited else "independent",
    )
    spec = read_spec("forgetting")
    sessions, truth = simulation.simulate(jax.random.PRNGKey(seed), cohort, spec)
    _prepare_folder(out.parent)
    data.write_table(sessions, out)
    table = pd.DataFrame(truth["theta"], columns=list(spec.terms), index=list(sessions.animals))
    table["preference"] = truth["preference"][:, 0]
    table.to_csv(out.with_suffix(".truth.csv"), index_label="animal")
    CONSOLE.print(f"{sessions.n_animals} animals, {sessions.n_observations} choices: {out}")


@commands.command()
def models() -> None:
    """List the declared models."""
    table = Table("model", "terms", "reason")
    for name in declared_models():
        spec = read_spec(name)
        table.add_row(name, ", ".join(spec.terms) or "none", spec.reason)
    CONSOLE.print(table)


def main() -> None:
    """Run the command line; a problem the user can put right is one sentence and exit code 2."""
    numpyro.enable_x64()
    figures.use_file_backend()
    try:
        commands()
    except HebbaxError as problem:
        click.echo(f"hebbax: {problem}", err=True)
        sys.exit(2)


def _mapping(columns: tuple[str, ...]) -> dict[str, str]:
    out = {}
    for column in columns:
        name, given, header = column.partition("=")
        if not given or not header:
            raise click.BadParameter(f'"{column}" is not FIELD=HEADER, such as animal=subjID.')
        out[name] = header
    return out


def _prepare_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".hebbax"
        probe.touch()
        probe.unlink()
    except OSError as problem:
        raise HebbaxError(
            f"{folder}: results cannot be written there ({problem.strerror}); give another --out."
        ) from problem


def _refuse_overwrite(
    sessions: data.Sessions, spec: ModelSpec, out: Path, *, force: bool, resume: bool
) -> None:
    state = out / f"{spec.name}.state.npz"
    if force:
        state.unlink(missing_ok=True)
        return
    if fitting.finished(sessions, spec, out) is not None:
        raise HebbaxError(
            f"{spec.name}.nc: this fit is finished in {out}; --force fits it again, another --out "
            "keeps both."
        )
    if state.exists() and not resume:
        raise HebbaxError(
            f"{state.name}: an unfinished fit lies in {out}; --resume goes on with it, --force "
            "starts anew."
        )


@contextmanager
def _bars() -> Iterator[Callable[[str], HebbaxProgress]]:
    """Give a progress bar for each name that is asked for."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=CONSOLE) as bar:

        def add(name: str) -> HebbaxProgress:
            task = bar.add_task(name, total=None)
            return lambda doing, done, total: bar.update(
                task, description=f"{name}: {doing}", completed=done, total=total
            )

        yield add


@contextmanager
def _progress(name: str) -> Iterator[HebbaxProgress]:
    with _bars() as add:
        yield add(name)


def _table(name: str, values: pd.DataFrame) -> Table:
    """Return a table of numbers for the terminal."""
    table = Table(name, *map(str, values.columns))
    for label, row in values.iterrows():
        key = " ".join(map(str, label)) if isinstance(label, tuple) else str(label)
        table.add_row(key, *(v if isinstance(v, str) else f"{v:.3f}" for v in row))
    return table


def _comparison_table(compared: comparison.Comparison) -> Table:
    scores = ("elpd (LOO)", "difference", "SE, trials", "SE, animals", "better in")
    table = Table("model", *scores, "elpd (WAIC)", "worst k")
    for name, row in compared.table.iterrows():
        table.add_row(
            str(name),
            f"{row['elpd_loo']:.1f}",
            f"{row['difference']:.1f}",
            f"{row['difference_se']:.1f}",
            f"{row['animal_se']:.1f}",
            f"{row['animals_better']:.0f} of {compared.by_animal.shape[1]}",
            f"{row['elpd_waic']:.1f}",
            f"{row['worst_k']:.2f}",
        )
    return table
