"""How fast hebbax is: gradients against a plain implementation, draws against plain samplers.

    python analysis/benchmark.py [--quick] [--out DIR] [--data DATA] [--stan] [--force]
                                 [--section SECTION ...]

Prints a table a section and writes all as rows of ``benchmark.csv``, each row with what it was
measured on. Simulated animals have the rule of models/forgetting.toml; ``--data`` gives recordings
for the fits and samplers. ``--stan`` needs pystan 3 (the extra ``stan``; Python 3.11) and a C++
compiler. Plain NumPyro and Stan take up to seconds an iteration: ``--iterations`` says how long
they may try. ``--section`` runs some sections only, and with ``--force`` replaces their rows alone.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import pandas as pd
import plain
import samplers

import hebbax
from hebbax.cli.console import CONSOLE, progress, table
from hebbax.cli.options import prepare_folder
from hebbax.errors import HebbaxError
from hebbax.inference import nuts, stopped
from hebbax.inference.density import log_likelihood
from hebbax.model import Model
from hebbax.simulation import Cohort, simulate
from hebbax.typing import Progress

MODEL = hebbax.read_spec("forgetting")
GRADIENT, PUBLISHED, DRAWS = SECTIONS = ("value and gradient", "published fit", "posterior draws")
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
    published: stopped.Settings
    cohort: Cohort
    settings: nuts.Settings
    iterations: int
    stan_iterations: int


FULL = Plan(
    animals=(1, 12, 100, 1000),
    trials=(240, 1000, 10000),
    seconds=4.0,
    published=stopped.Settings(),
    cohort=Cohort(),
    settings=nuts.Settings(),
    iterations=150,
    stan_iterations=300,
)

QUICK = Plan(
    animals=(1, 12),
    trials=(80,),
    seconds=0.2,
    published=stopped.Settings(epochs=20),
    cohort=Cohort(animals=3, trials_per_block=20),
    settings=nuts.Settings(2, 50, 50),
    iterations=20,
    stan_iterations=50,
)


def main(args: Sequence[str] | None = None) -> int:
    """Run the benchmark; a problem the user can put right is one sentence and exit code 2."""
    numpyro.enable_x64()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes, in under a minute")
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder of the table")
    parser.add_argument("--data", type=Path, help="recordings for the samplers; else simulated")
    parser.add_argument("--stan", action="store_true", help="the same model in Stan as well")
    parser.add_argument("--iterations", type=int, help="of warm-up, and of draws: NumPyro, Stan")
    parser.add_argument("--force", action="store_true", help="replace an earlier benchmark.csv")
    parser.add_argument("--section", action="append", choices=SECTIONS, help="only this section")
    given = parser.parse_args(args)
    plan = QUICK if given.quick else FULL
    if given.iterations is not None:
        plan = replace(plan, iterations=given.iterations, stan_iterations=given.iterations)
    try:
        run(plan, given)
    except HebbaxError as problem:
        print(f"benchmark: {problem}", file=sys.stderr)
        return 2
    return 0


def run(plan: Plan, given: argparse.Namespace) -> None:
    """Measure, print and write; the file grows row by row."""
    if given.stan and find_spec("stan") is None:
        raise HebbaxError("--stan needs pystan 3: pip install 'hebbax[stan]' (Python 3.11).")
    path, chosen = given.out / "benchmark.csv", given.section or SECTIONS
    if path.exists() and not given.force:
        raise HebbaxError(f"{path.name}: lies in {given.out}; --force replaces it.")
    sessions = cohort(plan.cohort) if given.data is None else hebbax.read(given.data)
    prepare_folder(given.out)
    machine = {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("jax", "numpyro")},
        "precision": "float64",
    }
    written = pd.read_csv(path) if given.section and path.exists() else pd.DataFrame()
    if not written.empty:
        written = written[~written["section"].isin(chosen)]
    for section in chosen:
        rows: list[samplers.Row] = []
        with progress(section) as report:
            for found in measure(section, plan, sessions, report, stan=given.stan):
                rows.append({"section": section, **found, **machine})
                together = pd.concat([written, pd.DataFrame(rows)])
                together.to_csv(path, index=False, float_format="%.6g")
        written = together
        show(rows)
        for one in rows:
            if "verdict" in one:
                CONSOLE.print(f"{one['implementation']}: {one['verdict']}.")
    CONSOLE.print(", ".join(f"{name} {value}" for name, value in machine.items()))
    CONSOLE.print(f"Written to {path}.")


def measure(
    section: str, plan: Plan, sessions: hebbax.Sessions, report: Progress, *, stan: bool
) -> Iterator[samplers.Row]:
    """Return the rows of one section, as they are measured."""
    if section == GRADIENT:
        return gradients(plan, report)
    if section == PUBLISHED:
        return published_fits(plan, sessions, report)
    return posteriors(plan, sessions, report, stan=stan)


def show(rows: list[samplers.Row]) -> None:
    """Print the rows of a section; few of them, with many columns, side by side."""
    cells = pd.DataFrame(rows).set_index("implementation")
    hidden = ["section", "data", "verdict", "cores", "python", "jax", "numpyro", "precision"]
    cells = cells.drop(columns=hidden, errors="ignore")
    cells = cells.map(lambda v: "" if pd.isna(v) else f"{v:.4g}")
    CONSOLE.print(table(rows[0]["section"], cells.T if len(rows) < len(cells.columns) else cells))


def cohort(design: Cohort) -> hebbax.Sessions:
    """Return simulated sessions."""
    return simulate(jax.random.PRNGKey(0), design, MODEL)[0]


# Gradients


def gradients(plan: Plan, report: Progress) -> Iterator[samplers.Row]:
    """Yield rows of times of value and gradient, each size by each implementation."""
    sizes = [(animals, trials) for trials in plan.trials for animals in plan.animals]
    for done, (animals, trials) in enumerate(sizes):
        report(f"{animals} x {trials}", done, len(sizes))
        yield from one_size(animals, trials, plan.seconds)
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
            "data": "simulated",
            "animals": animals,
            "trials": trials,
            "ms": 1e3 * np.median(wall),
            "ns per animal-trial": 1e9 * np.median(wall) / sessions.n_observations,
            "CPU ns per animal-trial": 1e9 * np.median(cpu) / sessions.n_observations,
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


def published_fits(
    plan: Plan, sessions: hebbax.Sessions, report: Progress
) -> Iterator[samplers.Row]:
    """Yield the rows of the published point estimate of every animal, five terms.

    Both descents start at the same point; their losses are checked before they are timed.
    """
    settings, key = plan.published, jax.random.PRNGKey(6)
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
    report("checking", 0, 2)
    ours, theirs = (np.asarray(contender()) for contender in contenders.values())
    apart = float(np.abs(ours - theirs).max())
    if not apart <= 1e-5:
        raise HebbaxError(f"published fit: losses of plain and hebbax differ by {apart:.1e}.")
    report("timing", 1, 2)
    walls, _ = paired_times(list(contenders.values()), plan.seconds)
    report("done", 2, 2)
    for name, wall in zip(contenders, walls, strict=True):
        yield {
            "implementation": name,
            "data": sessions.source,
            "animals": sessions.n_animals,
            "trials": sessions.max_trials,
            "ms": 1e3 * np.median(wall),
            "times slower than hebbax": np.median(wall / walls[0]),
            "losses differ by": apart,
        }


# Draws


def posteriors(
    plan: Plan, sessions: hebbax.Sessions, report: Progress, *, stan: bool
) -> Iterator[samplers.Row]:
    """Yield one row a sampler; all sample the same posterior."""
    model = hebbax.build_model(MODEL, sessions)
    data = plain.data(model.sessions.choices, model.sessions.rewards)
    ours = samplers.row(model, "hebbax", samplers.by_hebbax(model, plan.settings, report))
    yield samplers.compared(ours, ours)
    sampled = samplers.by_numpyro(data, plan.iterations, plan.iterations)
    yield samplers.compared(samplers.row(model, "NumPyro, plain", sampled), ours)
    if stan:
        sampled = samplers.by_stan(model, data, plan.stan_iterations)
        yield samplers.compared(samplers.row(model, "Stan", sampled), ours)


if __name__ == "__main__":
    sys.exit(main())
