"""How often the default answer claims that weights fade, of animals whose weights do not.

Animals are simulated here in plain NumPy, which shares nothing with hebbax: 12 of them, 240 trials
of two odours in three blocks, rewards that wait until they are collected (0.2 and 0.8). They meet
odours one by one, each as likely, and accept with probability sigmoid(5 tanh(0.75 w)):

    w_k <- (1 - loss_k) w_k + gain (R - mean of the last 10 rewards) [k chosen] + drift

with values of each animal around those of its kind (`AGENTS`): weights that stay, with lapses, with
a drift, with a choice kernel, with a learning rate that falls, a delta rule, in which chosen
weights alone fade, and weights that lose 5 % in every trial. Each cohort is answered as `hebbax
run` answers it: the default models, those that predict a left-out animal best and are not told
apart, and what all of these say of unchosen and of chosen weights (`hebbax.check.joint`). A claim
is that a weight loses with probability over 0.95 in each of them.

    python analysis/false_alarms.py [--cohorts N] [--quick] --out DIR

Written are false_alarms.csv, a row a cohort, and false_alarms_summary.csv, a row a kind of animal.
Chains are those of a calibration (`hebbax.check.repeated_fits`), a tenth of what is reported.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
import pandas as pd
import xarray as xr
from arviz_base import from_dict

from hebbax.check import new_animal, repeated_fits
from hebbax.check.joint import SUBJECTS, Answer, Averaged, answer, stacking, surely
from hebbax.check.score import Score
from hebbax.cli.console import CONSOLE
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, quick_option
from hebbax.data import Record, Sessions, from_animals
from hebbax.inference import pseudo_marginal
from hebbax.model.choices import Model, build_model
from hebbax.model.declared import read_spec
from hebbax.model.defaults import default_models
from hebbax.model.spec import ModelSpec
from hebbax.posterior import inference_data as posteriors
from hebbax.posterior.diagnostics import diagnose
from hebbax.posterior.fading import fading_of
from hebbax.posterior.observed import BY_ANIMAL, of_each_animal
from hebbax.runs.ledger import Ledger, fill

RATE, GAIN, WINDOW = 0.75, 5.0, 10


@dataclass(frozen=True)
class Agent:
    """A kind of animal: the means of its values over animals.

    ``gain`` is what a weight gains by an unexpected reward, ``chosen`` and ``unchosen`` the part of
    itself that a weight loses in a trial, ``drift`` what both weights change by in every trial;
    ``lapse`` the probability that an encounter ends by a coin, whatever the weight; ``kernel`` the
    log odds of a trace of choices that follows them at the rate ``kernel_rate``; ``slowing`` the
    trials after which the gain has fallen to a third, 0 for never. ``spread`` is the standard
    deviation over animals of each as a part of the mean, ``preferences`` that of the
    preference, whose mean is zero.
    """

    gain: float = 0.13
    chosen: float = 0.0
    unchosen: float = 0.0
    drift: float = 0.0
    lapse: float = 0.0
    kernel: float = 0.0
    kernel_rate: float = 0.3
    slowing: float = 0.0
    spread: float = 0.3
    preferences: float = 0.4


AGENTS = {
    "weights stay": Agent(),
    "lapses": Agent(lapse=0.2),
    "drift": Agent(drift=-0.015),
    "choice kernel": Agent(kernel=1.0),
    "learning slows": Agent(gain=0.25, slowing=80.0),
    "delta rule": Agent(gain=0.2, chosen=0.15),
    "weights lose 5 %": Agent(chosen=0.05, unchosen=0.05),
}
"""Kinds of animals. A gain of 0.13 is theta(x r) = 0.35 of two inputs at the rate 0.75."""


@dataclass(frozen=True)
class Plan:
    """Cohorts of each kind, their size, and how each is fitted."""

    cohorts: int = 40
    animals: int = 12
    trials: int = 240
    models: tuple[str, ...] = ()
    sampler: pseudo_marginal.Settings = repeated_fits.SETTINGS


FULL = Plan()
QUICK = Plan(
    1, 4, 60, ("no-learning", "forgetting"),
    pseudo_marginal.Settings(warmup=65, draws=100, points=8, most_thinning=2, evidence=0),
)  # fmt: skip


def live(rng: np.random.Generator, agent: Agent, trials: int) -> Record:
    """Return the session of one animal of a kind."""

    def own(mean: float) -> float:
        return mean * (1.0 + agent.spread * rng.normal())

    gain, drift, kernel = own(agent.gain), own(agent.drift), own(agent.kernel)
    chosen, unchosen, lapse = (
        np.clip(own(mean), 0.0, 1.0) for mean in (agent.chosen, agent.unchosen, agent.lapse)
    )
    preference = np.array([0.0, agent.preferences * rng.normal()])
    w, trace, armed, past = np.zeros(2), np.zeros(2), np.zeros(2, bool), [0.0] * WINDOW
    choices, rewards = np.zeros(trials, int), np.zeros(trials)
    rejections = np.zeros((trials, 2), int)
    blocks = np.arange(trials) * 3 // trials
    for t in range(trials):
        armed |= rng.random(2) < ((0.2, 0.8), (0.8, 0.2))[blocks[t] % 2]
        met = np.exp(preference + kernel * trace)
        accepted = False
        while not accepted:
            k = int(rng.random() > met[0] / met.sum())
            p = 0.5 if rng.random() < lapse else 1 / (1 + np.exp(-GAIN * np.tanh(RATE * w[k])))
            accepted = bool(rng.random() < p)
            rejections[t, k] += not accepted
        choices[t], rewards[t] = k, float(armed[k])
        armed[k] = False
        signal = rewards[t] - np.mean(past[-WINDOW:])
        past.append(rewards[t])
        speed = np.exp(-t / agent.slowing) if agent.slowing else 1.0
        taken = np.arange(2) == k
        w = w - np.where(taken, chosen, unchosen) * w + speed * gain * signal * taken + drift
        w = np.clip(w, -5.0, 5.0)
        trace += agent.kernel_rate * (taken - trace)
    return Record("", choices, rewards, blocks=blocks, rejections=rejections)


def simulated(seed: tuple[int, ...], agent: Agent, plan: Plan) -> Sessions:
    """Return a cohort of one kind."""
    rng = np.random.default_rng(seed)
    animals = [replace(live(rng, agent, plan.trials), animal=f"a{k}") for k in range(plan.animals)]
    return from_animals(animals, ("A", "B"), source="simulated")


def answered(
    key: jax.Array, sessions: Sessions, specs: Sequence[ModelSpec], plan: Plan
) -> tuple[Score, Answer]:
    """Return how models predict a left-out animal, and what they say together of fading."""
    models = {spec.name: build_model(spec, sessions) for spec in specs}
    keys = jax.random.split(key, len(specs))
    fitted = {
        name: _fitted(own, model, plan.sampler)
        for (name, model), own in zip(models.items(), keys, strict=True)
    }
    verdicts = {name: diagnose(posterior) for name, posterior in fitted.items()}
    left_out = {name: new_animal.leave_one_animal_out(p) for name, p in fitted.items()}
    score = new_animal.score(left_out, verdicts)
    found = {name: fading_of(model, fitted[name]) for name, model in models.items()}
    return score, answer(score, found, stacking(score, left_out=True))


def _fitted(key: jax.Array, model: Model, settings: pseudo_marginal.Settings) -> xr.DataTree:
    """Return what is asked of a posterior here: its draws, and log p of each animal."""
    draws, info = pseudo_marginal.fit(key, model, settings)
    out = from_dict(
        {"posterior": draws, "sample_stats": info.statistics},
        coords=posteriors.coordinates(model),
        dims=posteriors.variable_dims(model),
        attrs={"/": {"method": "pseudo-marginal", "model": model.spec.name}},
    )
    out[BY_ANIMAL] = xr.DataTree(of_each_animal(out.posterior, info.log_marginal))
    return out


UNKNOWN = Averaged(np.nan, np.nan, np.nan, np.nan)
"""What is said of a cohort in which every model failed: nothing is claimed."""


def row(cohort: int, kind: str, specs: Sequence[ModelSpec], plan: Plan) -> dict[str, Any]:
    """Return what is said of one numbered cohort of a kind of animal."""
    place = list(AGENTS).index(kind)
    key = jax.random.fold_in(jax.random.PRNGKey(cohort), place)
    score, said = answered(key, simulated((cohort, place), AGENTS[kind], plan), specs, plan)
    out = {"kind": kind, "cohort": cohort, "models": " ".join(score.as_good)}
    for subject in SUBJECTS:
        together = said.together.get(subject, UNKNOWN)
        claimed = bool(said.together) and all(
            surely(said.each[name][subject]) for name in score.as_good
        )
        out |= {
            f"{subject} fades": int(claimed),
            f"{subject} loss": together.median,
            f"{subject} low": together.low,
            f"{subject} high": together.high,
        }
    failed = [name for name in score.ranking if name not in score.trusted]
    return {**out, "failed": " ".join(failed)}


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row a kind of animal: how often each claim is made of how many cohorts, the median
    loss in %, and how often the 90 % interval of the average holds the mean of the animals."""
    out = {}
    for kind, agent in AGENTS.items():
        own = rows[rows["kind"] == kind]
        line = {"cohorts": len(own)}
        for subject in SUBJECTS:
            true = 100 * getattr(agent, subject)
            inside = (own[f"{subject} low"] <= true) & (true <= own[f"{subject} high"])
            line |= {
                f"{subject} true (%)": true,
                f"{subject} claimed": int(own[f"{subject} fades"].sum()),
                f"{subject} loss (%)": own[f"{subject} loss"].median(),
                f"{subject} inside": int(inside.sum()),
            }
        out[kind] = line | {"a model failed": int(own["failed"].fillna("").ne("").sum())}
    return pd.DataFrame.from_dict(out, orient="index").rename_axis("animals")


@click.command()
@click.option("--cohorts", type=click.IntRange(1, 1000), help="cohorts of each kind of animal")
@quick_option
@out_option
def main(cohorts: int | None, quick: bool, out: Path) -> None:
    """Count how often the default answer claims fading, of animals that fade and that do not."""
    plan = QUICK if quick else FULL
    number = cohorts or plan.cohorts
    prepare_folder(out)
    names = plan.models or default_models(simulated((0,), Agent(), plan))
    specs = [read_spec(name) for name in names]
    asked = replace(plan, cohorts=0, models=tuple(names))
    ledger = Ledger(out / "false_alarms.csv", ("kind", "cohort"), (asked, specs))
    cells = {
        f"{kind}, cohort {n}": {"kind": kind, "cohort": n} for n in range(number) for kind in AGENTS
    }
    with progress("false alarms") as report:
        fill([ledger], cells, lambda **cell: [[row(specs=specs, plan=plan, **cell)]], report)
    rows = ledger.arrange().query(f"cohort < {number}")
    found = summary(rows)
    ledger.write_beside(found.reset_index(), "false_alarms_summary.csv", "%.4g")
    for kind, line in found.iterrows():
        counts = [f"{subject} weights in {line[f'{subject} claimed']:.0f}" for subject in SUBJECTS]
        CONSOLE.print(f"{kind}: of {line['cohorts']:.0f} cohorts fading of {', '.join(counts)}.")


if __name__ == "__main__":
    entry(main)
