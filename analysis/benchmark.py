"""How fast hebbax is: gradients against a plain implementation, draws against plain samplers.

    python analysis/benchmark.py [--quick] [--out DIR] [--data DATA] [--stan]

Prints three tables and writes all as rows of ``benchmark.csv``; rows that are there are not
measured again. Simulated animals have the rule of models/forgetting.toml; ``--data`` gives
recordings for the published fit and the samplers. ``--stan`` needs pystan 3 (the extra ``stan``;
Python 3.11) and a C++ compiler. Plain NumPyro and Stan take up to seconds an iteration:
``--iterations`` says how long they may try.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import plain
import samplers

import hebbax
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, quick_option
from hebbax.errors import HebbaxError
from hebbax.inference import pseudo_marginal
from hebbax.inference.density import log_likelihood
from hebbax.mehta2024 import stopped
from hebbax.model.choices import Model
from hebbax.runs.ledger import Ledger
from hebbax.simulation.cohort import Cohort, simulate
from hebbax.typing import Progress

SIZE = ("animals", "trials")
MODEL = hebbax.read_spec("forgetting")
BLOCK = 40
"""Trials of a block where gradients are timed: it divides every number of trials."""


@dataclass(frozen=True)
class Plan:
    """What one run measures: sizes of the gradients, a cohort and settings for the samplers.

    ``seconds`` are spent on each size; plain NumPyro has ``iterations`` of warm-up and as many
    draws a chain, Stan ``stan_iterations``.
    """

    animals: tuple[int, ...]
    trials: tuple[int, ...]
    seconds: float
    cohort: Cohort
    settings: pseudo_marginal.Settings
    iterations: int
    stan_iterations: int


FULL = Plan(
    animals=(1, 12, 100, 1000),
    trials=(240, 1000, 10000),
    seconds=4.0,
    cohort=Cohort(),
    settings=pseudo_marginal.Settings(most_thinning=1),
    iterations=100,
    stan_iterations=500,
)

QUICK = Plan(
    animals=(1, 12),
    trials=(80,),
    seconds=0.2,
    cohort=Cohort(animals=3, trials_per_block=20),
    settings=pseudo_marginal.Settings(chains=2, warmup=26, draws=50, points=8, most_thinning=1),
    iterations=20,
    stan_iterations=50,
)


@click.command("benchmark", help=__doc__.split("\n", 1)[0])
@quick_option
@out_option
@click.option("--data", type=click.Path(path_type=Path), help="recordings, else simulated ones")
@click.option("--stan", is_flag=True, help="the same model in Stan as well")
@click.option("--iterations", type=int, help="of warm-up, and of draws: NumPyro, Stan")
def main(quick: bool, out: Path, data: Path | None, stan: bool, iterations: int | None) -> None:
    if stan and find_spec("stan") is None:
        raise HebbaxError("--stan needs pystan 3: pip install 'hebbax[stan]' (Python 3.11).")
    plan = QUICK if quick else FULL
    if iterations is not None:
        plan = replace(plan, iterations=iterations, stan_iterations=iterations)
    sessions = cohort(plan.cohort) if data is None else hebbax.read(data)
    prepare_folder(out)
    ledger = Ledger(out / "benchmark.csv", ("section", "implementation", "data", *SIZE), plan)
    with progress("gradients") as report:
        gradients(plan, ledger, report)
    published_fits(plan, sessions, ledger)
    posteriors(plan, sessions, ledger, stan=stan)
    for section in ("value and gradient", "published fit", "posterior draws"):
        show(ledger.frame[ledger.frame["section"] == section].dropna(axis=1, how="all"))
    CONSOLE.print(ledger.provenance)
    CONSOLE.print(f"Written to {ledger.path}.")


def show(rows: pd.DataFrame) -> None:
    """Print the rows of a section; few of them, with many columns, side by side."""
    section = str(rows["section"].iloc[0])
    cells = rows.set_index("implementation").drop(columns=["section", "data"])
    verdicts = cells.pop("verdict") if "verdict" in cells else {}
    cells = cells.map(lambda v: "" if pd.isna(v) else f"{v:.4g}")
    print_table(table(section, cells.T if len(rows) < len(cells.columns) else cells))
    for implementation, verdict in dict(verdicts).items():
        CONSOLE.print(f"{implementation}: {verdict}.")


def cohort(design: Cohort) -> hebbax.Sessions:
    """Return simulated sessions."""
    return simulate(jax.random.PRNGKey(0), design, MODEL)[0]


# Gradients


def gradients(plan: Plan, ledger: Ledger, report: Progress) -> None:
    """Add times of value and gradient, each size by each implementation."""
    sizes = [(animals, trials) for trials in plan.trials for animals in plan.animals]
    for done, (animals, trials) in enumerate(sizes):
        report(f"{animals} x {trials}", done, len(sizes))
        cell = {"section": "value and gradient", "data": "simulated"}
        cell |= {"animals": animals, "trials": trials}
        if not ledger.done(**cell, implementation="hebbax"):
            ledger.add(cell | row for row in one_size(animals, trials, plan.seconds))
    report("done", len(sizes), len(sizes))


def one_size(animals: int, trials: int, seconds: float) -> list[samplers.Row]:
    """Return the rows of one size, in paired rounds; every value is checked before it is timed."""
    chances = ((0.2, 0.8), (0.9, 0.1)) * trials
    design = Cohort(
        animals=animals,
        trials_per_block=BLOCK,
        reward_probability=chances[: trials // BLOCK],
    )
    sessions, truth = simulate(jax.random.PRNGKey(1), design, MODEL)
    theta, preference = truth["theta"], truth["preference"][:, 0]
    ours, memory = hebbax_gradient(hebbax.build_model(MODEL, sessions), theta, preference)
    data = plain.data(sessions.choices, sessions.rewards)
    wide = np.stack([plain.in_27_terms(one) for one in theta])
    contenders = {
        "hebbax": ours,
        "plain, 27 terms": plain.gradient(plain.change_27_terms, wide, preference, data),
        "plain, 2 terms": plain.gradient(plain.change_2_terms, theta, preference, data),
    }
    check(animals, trials, *(contender() for contender in contenders.values()))
    walls, cpus = paired_times(list(contenders.values()), seconds)
    return [
        {
            "implementation": name,
            "ms": 1e3 * np.median(wall),
            "ns per animal-trial": 1e9 * np.median(wall) / sessions.n_choices,
            "CPU ns per animal-trial": 1e9 * np.median(cpu) / sessions.n_choices,
            "times slower than hebbax": np.median(wall / walls[0]),
            "memory (MB)": memory if name == "hebbax" else None,
        }
        for name, wall, cpu in zip(contenders, walls, cpus, strict=True)
    ]


def hebbax_gradient(
    model: Model, theta: np.ndarray, preference: np.ndarray
) -> tuple[Callable[[], Any], float]:
    """Return hebbax's value and gradient of all animals, and its temporary memory in MB."""
    values = {"theta": jnp.asarray(theta), "preference": jnp.asarray(preference)}
    compiled = (
        jax.jit(jax.value_and_grad(lambda v: log_likelihood(model, v).sum()))
        .lower(values)
        .compile()
    )

    def call() -> tuple[jax.Array, jax.Array, jax.Array]:
        value, slope = jax.block_until_ready(compiled(values))
        return value, slope["theta"], slope["preference"]

    return call, compiled.memory_analysis().temp_size_in_bytes / 1e6


def check(animals: int, trials: int, ours: tuple, wide: tuple, narrow: tuple) -> None:
    """Raise `HebbaxError` where values or gradients differ by more than 1e-8 of their size."""
    among_27 = np.stack([wide[1][:, 1, 1, 0], wide[1][:, 0, 0, 1]], axis=1)
    for mine, *others in zip(ours, (wide[0], among_27, wide[2]), narrow, strict=True):
        for other in others:
            size = max(1.0, float(np.abs(mine).max()))
            if not np.abs(np.asarray(mine) - other).max() <= 1e-8 * size:
                raise HebbaxError(f"{animals} x {trials}: plain and hebbax values differ.")


def paired_times(calls: Sequence[Callable[[], Any]], seconds: float) -> np.ndarray:
    """Return wall-clock and CPU seconds a call (kind, call, round), 3 to 200 rounds in turn.

    Ratios of one round are of one moment, so that other work on the machine hits all alike.
    """
    first = np.array([once(call, 1)[0] for call in calls])
    repeats = np.maximum(1, 2e-3 / first).astype(int)  # short calls are timed in bundles
    rounds = int(np.clip(seconds / (first * repeats).sum(), 3, 200))
    spent = [[once(*pair) for pair in zip(calls, repeats, strict=True)] for _ in range(rounds)]
    return np.array(spent).T


def once(call: Callable[[], Any], repeats: int) -> tuple[float, float]:
    """Return wall-clock and CPU seconds a call."""
    begin = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        call()
    end = time.perf_counter(), time.process_time()
    return (end[0] - begin[0]) / repeats, (end[1] - begin[1]) / repeats


# The published fit


def published_fits(plan: Plan, sessions: hebbax.Sessions, ledger: Ledger) -> None:
    """Add times of the published point estimate of every animal, five terms, 250 epochs.

    Both descents start at the same point; their losses are checked before they are timed.
    """
    cell = {"section": "published fit", "data": sessions.source}
    cell |= {"animals": sessions.n_animals, "trials": sessions.max_trials}
    if ledger.done(**cell, implementation="hebbax"):
        return
    settings, key = stopped.Settings(), jax.random.PRNGKey(6)
    spec = hebbax.read_spec("rajagopalan-forgetting")
    model = hebbax.build_model(spec, sessions)
    data = plain.data(model.sessions.choices, model.sessions.rewards)
    start = settings.start * jax.random.normal(key, (sessions.n_animals, len(spec.terms)))
    contenders = {
        "hebbax": lambda: stopped.fit(key, model, settings)[1].final[0],
        "plain, one animal after the other": lambda: plain.published_fit(
            np.asarray(start), data, settings.epochs, settings.learning_rate, settings.l1
        )[1],
    }
    with CONSOLE.status("the published fit"):
        ours, theirs = (np.asarray(contender()) for contender in contenders.values())
        apart = float(np.abs(ours - theirs).max())
        if not apart <= 1e-5:
            raise HebbaxError(f"published fit: losses of plain and hebbax differ by {apart:.1e}.")
        walls, _ = paired_times(list(contenders.values()), plan.seconds)
    ledger.add(
        cell
        | {
            "implementation": name,
            "ms": 1e3 * np.median(wall),
            "times slower than hebbax": np.median(wall / walls[0]),
            "losses differ by": apart,
        }
        for name, wall in zip(contenders, walls, strict=True)
    )


# Draws


def posteriors(plan: Plan, sessions: hebbax.Sessions, ledger: Ledger, *, stan: bool) -> None:
    """Add one row a sampler; all sample the same posterior."""
    model = hebbax.build_model(MODEL, sessions)
    data = plain.data(model.sessions.choices, model.sessions.rewards)
    wanted: dict[str, Callable[[], samplers.Sampled]] = {
        "hebbax": lambda: samplers.by_hebbax(model, plan.settings),
        "NumPyro, plain": lambda: samplers.by_numpyro(data, plan.iterations, plan.iterations),
    }
    if stan:
        wanted["Stan"] = lambda: samplers.by_stan(model, data, plan.stan_iterations)
    cell = {"section": "posterior draws", "data": sessions.source}
    cell |= {"animals": sessions.n_animals, "trials": sessions.max_trials}
    for name, sample in wanted.items():
        if not ledger.done(**cell, implementation=name):
            with CONSOLE.status(f"sampling by {name}"):
                row = samplers.row(model, sample())
            ours = _row(ledger, cell) or row
            ledger.add([cell | {"implementation": name} | samplers.compared(row, ours)])


def _row(ledger: Ledger, cell: samplers.Row) -> samplers.Row:
    """Return hebbax's own row, empty before it is there."""
    if not ledger.done(**cell, implementation="hebbax"):
        return {}
    rows = ledger.frame
    own = (rows["implementation"] == "hebbax") & (rows["data"] == cell["data"])
    return dict(rows[own & (rows["section"] == cell["section"])].iloc[-1])


if __name__ == "__main__":
    entry(main)
