"""Fig. 2: Oja's rule from the activity of a 100 -> 1000 layer, with noise and missing neurons.

The paper's way, Adam on 27 Taylor terms, and beside it the posterior by Gauss-Newton with an
interval of every coefficient; coverage over the grid of noise and recorded fraction, and what
happens to it when the model is wrong. R2 a cell is not published as numbers.

    python analysis/fig2_oja.py [--quick] --out DIR

The grid is 44 fits of half a minute, and Adam for two cells: 25 minutes on two cores with other
work beside (--quick: one minute). Seeds may be added to a finished grid.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import click
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import plain_layer
from scipy.stats import norm

from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, quick_option
from hebbax.data.recordings import Recordings
from hebbax.figures import intervals, publish, recovery
from hebbax.inference import gauss_newton
from hebbax.mehta2024 import activity_descent
from hebbax.mehta2024.recovery import r2
from hebbax.model.activity import activity_model
from hebbax.rule.layer import Layer, recorded
from hebbax.rule.taylor import TaylorRule, all_terms
from hebbax.runs.ledger import Ledger
from hebbax.simulation.recording_task import (
    OJA,
    LayerTask,
    coefficients_of,
    draw_initial,
    draw_inputs,
    fresh_run,
    record,
)
from hebbax.typing import Progress

TERMS = all_terms("xyw")
LEVEL = 90.0
WIDTH = norm.ppf(0.5 + LEVEL / 200.0)
KNOWN = "well specified"


@dataclass(frozen=True)
class Plan:
    """Sizes of one run: ``seeds`` data sets a cell, ``epochs`` of Adam, ``shown`` ones among them,
    normal priors of scale ``prior``, noises of the ``wrong`` models."""

    design: LayerTask
    noises: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    fractions: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    seeds: int = 1
    epochs: int = 40
    shown: tuple[int, ...] = (0, 1, 2, 5, 10, 20, 40)
    prior: float = 10.0
    wrong: tuple[float, ...] = (0.2, 1.0)
    passes: int = 25


FULL = Plan(LayerTask())
QUICK = Plan(
    LayerTask(n_inputs=12, n_neurons=40, trajectories=6, steps=20), (0.0, 0.2), (1.0, 0.5), 1, 4,
    (0, 1, 2, 4), 10.0, (0.2,),
)  # fmt: skip


def unknown_initial(data: Recordings) -> Recordings:
    """Return the recordings with initial weights taken for zero."""
    return replace(data, initial=np.zeros_like(data.initial))


def unrecorded_inputs(data: Recordings) -> Recordings:
    """Return the recordings with every tenth input taken for silent."""
    inputs = data.inputs.copy()
    inputs[..., ::10] = 0.0
    return replace(data, inputs=inputs)


@dataclass(frozen=True)
class Case:
    """One experiment and what is believed of it; ``scale`` is of the true initial weights, and
    steps are ``g / n_inputs`` where ``small``."""

    believe: Callable[[Recordings], Recordings] = lambda data: data
    scale: float = 0.01
    small: bool = False


CASES = {
    KNOWN: Case(),
    "initial weights unknown, sd 0.01": Case(unknown_initial),
    "initial weights unknown, sd 0.1": Case(unknown_initial, scale=0.1),
    "a tenth of the inputs unrecorded": Case(unrecorded_inputs),
    "well specified, steps g / n_inputs": Case(small=True),
}


def layer_of(plan: Plan, case: Case) -> Layer:
    return Layer(TaylorRule(TERMS), learning_rate=1 / plan.design.n_inputs if case.small else 1.0)


def cells(plan: Plan) -> list[tuple[str, float, float, int]]:
    """Return case, noise, recorded fraction and seed of every fit, a whole grid before the next."""
    wrong = product([case for case in CASES if case != KNOWN], plan.wrong, (1.0,))
    one = [*product((KNOWN,), plan.noises, plan.fractions), *wrong]
    return [(*cell, seed) for seed in range(plan.seeds) for cell in one]


def simulate(plan: Plan, name: str, noise: float, fraction: float, seed: int) -> Recordings:
    """Return the recordings of one cell; no two cells share anything random."""
    key = jax.random.PRNGKey(hash_of(name, noise, fraction, seed))
    design = replace(plan.design, noise=noise, fraction=fraction, initial_scale=CASES[name].scale)
    return record(key, layer_of(plan, CASES[name]), design)


def hash_of(name: str, noise: float, fraction: float, seed: int) -> int:
    """Return a number of its own for every cell."""
    place = list(CASES).index(name)
    return ((place * 100 + round(10 * noise)) * 100 + round(10 * fraction)) * 100 + seed


def fit_cell(
    plan: Plan, name: str, noise: float, fraction: float, seed: int
) -> list[dict[str, Any]]:
    """Return one row a term of one cell: its posterior, and the scores of the cell."""
    data, layer = simulate(plan, name, noise, fraction, seed), layer_of(plan, CASES[name])
    model = activity_model(CASES[name].believe(data), layer, dict.fromkeys(TERMS, plan.prior))
    begin = time.perf_counter()
    found, info = gauss_newton.fit(model, gauss_newton.Settings(passes=plan.passes))
    seconds = time.perf_counter() - begin
    truth = coefficients_of(layer, OJA)
    score = r2(*(fresh_weights(plan, layer, theta, seed) for theta in (truth, found.mean)))
    shared = {
        "case": name, "noise": noise, "fraction": fraction, "seed": seed, "r2_weights": score,
        "noise_found": found.noise, "converged": info.converged, "seconds": seconds,
    }  # fmt: skip
    rows = zip(TERMS, truth, found.mean, found.sd, strict=True)
    return [{**shared, "term": t, "truth": th, "mean": m, "sd": s} for t, th, m, s in rows]


def fresh_weights(plan: Plan, layer: Layer, theta: np.ndarray, seed: int) -> np.ndarray:
    """Return weights ``(step, input, neuron)`` of a fresh run under a rule."""
    input_key, start_key = jax.random.split(jax.random.PRNGKey(10**8 + seed))
    x = draw_inputs(input_key, plan.design, 1)[0]
    initial = draw_initial(start_key, plan.design)
    return np.asarray(fresh_run(layer, jnp.asarray(theta), initial, x).weights)


def descend(plan: Plan, noise: float, fraction: float, report: Progress) -> list[dict[str, Any]]:
    """Return one row an epoch and term of Adam, and an epoch and step of its weight errors."""
    layer = layer_of(plan, CASES[KNOWN])
    data = simulate(plan, KNOWN, noise, fraction, 0)
    model = activity_model(data, layer, dict.fromkeys(TERMS, plan.prior))
    settings = activity_descent.Settings(epochs=plan.epochs)
    _, info = activity_descent.fit(jax.random.PRNGKey(0), model, settings, progress=report)
    truth = coefficients_of(layer, OJA)
    true = fresh_weights(plan, layer, truth, 0)
    cell = {"noise": noise, "fraction": fraction}
    rows = [
        {**cell, "epoch": e, "term": t, "truth": th, "coefficient": c}
        for e, theta in enumerate(info.theta)
        for t, th, c in zip(TERMS, truth, theta, strict=True)
    ]
    for epoch in plan.shown:
        missed = ((fresh_weights(plan, layer, info.theta[epoch], 0) - true) ** 2).mean(axis=(1, 2))
        rows += [{**cell, "epoch": epoch, "step": s, "error": v} for s, v in enumerate(missed)]
    return rows


def timing(plan: Plan) -> dict[str, float]:
    """Return the times of one gradient of one trajectory (`plain_layer.race`)."""
    layer, data = layer_of(plan, CASES[KNOWN]), simulate(plan, KNOWN, 0.2, 1.0, 0)
    theta, silent = jnp.asarray(coefficients_of(layer, OJA)) + 0.01, jnp.zeros(data.n_steps)
    initial, x, y = map(jnp.asarray, (data.initial, data.inputs[0], data.activity[0]))

    @jax.jit
    @jax.grad
    def slope(theta: jax.Array) -> jax.Array:
        return 0.5 * ((recorded(layer, theta, initial, x, silent) - y) ** 2).sum()

    return plain_layer.race(partial(slope, theta), theta, initial, x, y)


def covered(fits: pd.DataFrame) -> pd.DataFrame:
    """Return one row a fit: percent of its terms inside their interval."""
    inside = 100.0 * ((fits["mean"] - fits["truth"]).abs() < WIDTH * fits["sd"])
    keys = ["case", "noise", "fraction", "seed"]
    return (
        inside.groupby([fits[key] for key in keys], sort=False).mean().reset_index(name="coverage")
    )


def coverage_by_case(fits: pd.DataFrame) -> pd.DataFrame:
    """Return one row a case: coverage and its standard error over fits, noise above 0."""
    each = covered(fits[fits["noise"] > 0])
    by_case = each.groupby("case", sort=False)["coverage"]
    out = by_case.agg(coverage="mean", error="sem", fits="count").reset_index()
    return out.assign(low=out["coverage"] - out["error"], high=out["coverage"] + out["error"])


def draw(plan: Plan, fits: pd.DataFrame, descents: pd.DataFrame, out: Path) -> None:
    grid = fits[fits["case"] == KNOWN]
    hard = (plan.noises[-1], plan.fractions[-1])
    easy = (plan.noises[0], plan.fractions[0])
    paths, errors = descents.dropna(subset="term"), descents.dropna(subset="step")
    scores = grid.drop_duplicates(["noise", "fraction", "seed"])
    ends = [at(grid[grid["seed"] == 0], *cell) for cell in (easy, hard)]
    ends = [
        e.assign(low=e["mean"] - WIDTH * e["sd"], high=e["mean"] + WIDTH * e["sd"]) for e in ends
    ]
    both = [at(paths, *cell) for cell in (easy, hard)]
    publish(recovery(scores, both, ends, at(errors, *easy)), out, "fig2_oja")
    mean = covered(grid).groupby(["noise", "fraction"], as_index=False)["coverage"].mean()
    publish(intervals(ends[1], mean, coverage_by_case(fits), LEVEL), out, "fig2_intervals")


def at(rows: pd.DataFrame, noise: float, fraction: float) -> pd.DataFrame:
    return rows[(rows["noise"] == noise) & (rows["fraction"] == fraction)]


@click.command("fig2_oja", help=__doc__.split("\n", 1)[0])
@quick_option
@out_option
def main(quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    prepare_folder(out)
    speed = Ledger(out / "fig2_timing.csv", ("neurons",), plan.design)
    if not speed.done(neurons=plan.design.n_neurons):
        speed.add([{"neurons": plan.design.n_neurons, **timing(plan)}])
    # Seeds may be added to a finished grid: no number of it depends on how many there are.
    settings = (plan.design, plan.prior, plan.passes)
    fits = Ledger(out / "fig2_oja.csv", ("case", "noise", "fraction", "seed"), settings)
    with progress("fig2") as report:
        todo = cells(plan)
        for k, cell in enumerate(todo):
            if not fits.done(**dict(zip(fits.keys, cell, strict=True))):
                report(f"{cell[0]}, noise {cell[1]:g}, {cell[2]:g}", k, len(todo))
                fits.add(fit_cell(plan, *cell))
    descents = Ledger(
        out / "fig2_descent.csv", ("noise", "fraction"), (plan.design, plan.epochs, plan.shown)
    )
    with progress("Adam") as report:
        for noise, fraction in (
            (plan.noises[0], plan.fractions[0]),
            (plan.noises[-1], plan.fractions[-1]),
        ):
            if not descents.done(noise=noise, fraction=fraction):
                descents.add(descend(plan, noise, fraction, report))
    draw(plan, fits.frame, descents.frame, out)
    print_table(table("coverage", coverage_by_case(fits.frame).set_index("case")))
    print_table(table("gradient", speed.frame.set_index("neurons")))
    CONSOLE.print(fits.provenance)


if __name__ == "__main__":
    entry(main)
