"""Forty simulated cohorts of which nobody knows the terms: who finds them, and how sure to be.

A cohort is 12 animals of 240 trials. Its rule is drawn from the written prior (`Written`): of ten
candidate terms each is in with probability 1/4 of its own accord, drawn again until one to four
are; the population coefficient of a term that is in is Normal(0, scale^2), its spread between
animals HalfNormal(scale / 2), the innate preference Normal(0, 1) with spread HalfNormal(1 / 2). The
scales are what `hebbax.inclusion.information_scales` gives, to a digit or two, for cohorts that
learn by `x r` and forget by `w`; the fits find their own, from the sessions alone.

Every method sees nothing but the sessions, and gives each term a score:

- `inclusion`: all 1024 sub-models by their Laplace evidence, as `hebbax terms --prior 0.25` does;
  the score is the posterior probability that the term is in. The prior probability is that of the
  written prior, so that the answer should be right as often as it says.
- `L1 path`: the published descent (with the preference fitted, which the published recipe lacks)
  under a row of strengths; the score is the mean over animals of the coefficient, without its sign,
  in units of nothing, added up over the strengths.

A coefficient is *clear* where its size is over twice the detectable one, 2.80 expected standard
deviations of the population coefficient with all ten candidates free (`hebbax.information`), at
the true rule.

    python analysis/sparse_cohorts.py [--quick] --out DIR
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import jax
import jax.numpy as jnp
import numpy as np

from hebbax import inclusion
from hebbax.cli.console import CONSOLE, progress
from hebbax.cli.options import out_option, prepare_folder
from hebbax.cli.script import entry, quick_option
from hebbax.data import Sessions
from hebbax.inference import stopped
from hebbax.information import DETECTABLE, coefficient_covariance, information_under
from hebbax.ledger import Ledger, fill
from hebbax.model import build_model
from hebbax.simulation import Cohort, simulate
from hebbax.spec import ModelSpec


@dataclass(frozen=True)
class Written:
    """The prior that rules are drawn from: ``scales`` of the coefficients (1/trial), the
    probability ``inclusion`` of each term, the ``fewest`` and ``most`` terms."""

    scales: tuple[tuple[str, float], ...] = (
        ("1", 0.02), ("r", 0.5), ("r^2", 0.09), ("x", 0.09), ("x r", 0.2), ("x r^2", 0.25),
        ("w", 0.045), ("r w", 0.9), ("x w", 0.2), ("x r w", 1.0),
    )  # fmt: skip
    inclusion: float = 0.25
    fewest: int = 1
    most: int = 4
    spread: float = 0.5
    preference: float = 1.0


@dataclass(frozen=True)
class Design:
    """What a cohort is: its size, and the prior of its rule."""

    animals: int = 12
    trials_per_block: int = 80
    written: Written = Written()

    @property
    def spec(self) -> ModelSpec:
        """The model of all candidates, with the scales of the written prior."""
        scales = dict(self.written.scales)
        return ModelSpec("candidates", tuple(scales), scales=scales)


@dataclass(frozen=True)
class Plan:
    """Number of cohorts, what each is, and the settings of each method."""

    cohorts: int = 40
    design: Design = Design()
    weighed: inclusion.Settings = inclusion.Settings(  # noqa: RUF009
        inclusion=Written.inclusion, other_effects=(), checked=0
    )
    strengths: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03)


FULL = Plan()
QUICK = Plan(
    cohorts=2, design=Design(4, 30, Written((("x r", 0.3), ("w", 0.1), ("x", 0.1)), most=2)),
    strengths=(0.003, 0.03),
)  # fmt: skip


def draw_cohort(number: int, design: Design) -> Cohort:
    """Return a cohort drawn from the written prior."""
    rng = np.random.default_rng(number)
    written = design.written
    terms, scales = (np.array(column) for column in zip(*written.scales, strict=True))
    present = np.zeros(len(terms), bool)
    while not written.fewest <= present.sum() <= written.most:
        present = rng.random(len(terms)) < written.inclusion
    theta = np.where(present, scales * rng.standard_normal(len(terms)), 0.0)
    spread = np.where(present, written.spread * scales * np.abs(rng.standard_normal(len(terms))), 0)
    mean, sd = rng.standard_normal(), written.spread * abs(rng.standard_normal())
    return Cohort(
        population=dict(zip(design.spec.terms, map(float, theta), strict=True)),
        spread=dict(zip(design.spec.terms, map(float, spread), strict=True)),
        preference=(written.preference * mean, written.preference * sd),
        animals=design.animals,
        trials_per_block=design.trials_per_block,
    )


def simulated(number: int, design: Design) -> tuple[Sessions, dict[str, np.ndarray]]:
    """Return the sessions of a cohort, and each animal's true values."""
    cohort = draw_cohort(number, design)
    return simulate(jax.random.PRNGKey(number), cohort, design.spec)


def truth(cohort: int, design: Design) -> list[dict]:
    """Return the truth of a cohort, one row a candidate term: the population coefficient, its
    spread between animals, and the size that would be detectable."""
    sessions, animals = simulated(cohort, design)
    drawn = draw_cohort(cohort, design)
    theta, spread = (np.array([*own.values()]) for own in (drawn.population, drawn.spread))
    every = np.append(spread, drawn.preference[1])
    size = DETECTABLE * expected_sd(sessions, design, theta, animals["preference"], every)
    columns = zip(design.spec.terms, theta, spread, size, strict=True)
    return [
        {"cohort": cohort, "term": term, "theta": value, "spread": sd, "detectable": detectable}
        for term, value, sd, detectable in columns
    ]


def expected_sd(
    sessions: Sessions, design: Design, theta: np.ndarray, own: np.ndarray, spread: np.ndarray
) -> np.ndarray:
    """Return the expected standard deviation of each population coefficient ``(term,)`` with all
    candidates free: at the true rule ``theta``, each animal's ``own`` preference and the true
    ``spread`` (member,)."""
    model = build_model(design.spec, sessions)
    [information] = information_under(model, jnp.asarray(theta)[None], jnp.asarray(own))
    covariance = coefficient_covariance(information, spread, model.scales, len(theta))
    return np.sqrt(np.diagonal(covariance))


def weighed(sessions: Sessions, plan: Plan) -> list[dict]:
    """Return the score of each term by all sub-models."""
    found = inclusion.weigh(sessions, plan.design.spec, plan.weighed)
    weights = found.weights()
    size = found.included.sum(1)
    mean = weights @ found.population
    return [
        {
            "term": term, "score": p, "estimate": value, "scale": scale,
            "terms": float(weights @ size), "best": ", ".join(found.terms_of(weights.argmax())),
            "best P": weights.max(),
        }
        for term, p, value, scale in zip(
            found.terms, found.probability(), mean, found.scales, strict=True
        )
    ]  # fmt: skip


def penalised(sessions: Sessions, plan: Plan) -> list[dict]:
    """Return the score of each term by the published descent under each strength, and by all."""
    model = build_model(plan.design.spec, sessions)
    settings = stopped.Settings(fitted=("theta", "preference"))
    path = stopped.path(jax.random.PRNGKey(0), model, plan.strengths, settings)["theta"]
    mean = np.asarray(path).mean(axis=1)
    rows = []
    for j, term in enumerate(plan.design.spec.terms):
        each = {f"L1 {s:g}": abs(v) for s, v in zip(plan.strengths, mean[:, j], strict=True)}
        rows.append({"term": term, "score": sum(each.values()), **each})
    return rows


@dataclass(frozen=True)
class Method:
    """A method: what ``scores`` the terms of some sessions, and its settings in a plan."""

    scores: Callable[[Sessions, Plan], list[dict]]
    settings: Callable[[Plan], object]


METHODS = {
    "inclusion": Method(weighed, lambda plan: plan.weighed),
    "L1 path": Method(penalised, lambda plan: plan.strengths),
}


def cell(cohort: int, plan: Plan, method: Method) -> list[dict]:
    """Return the rows of one cohort by one method, which sees its sessions and nothing else."""
    sessions, _ = simulated(cohort, plan.design)
    begun = time.process_time()
    rows = method.scores(sessions, plan)
    seconds = time.process_time() - begun
    return [{"cohort": cohort, **row, "processor s": seconds} for row in rows]


@click.command("sparse_cohorts", help=__doc__.split("\n", 1)[0])
@quick_option
@out_option
def main(quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    prepare_folder(out)
    cohorts = {f"cohort {k}": {"cohort": k} for k in range(plan.cohorts)}
    drawn = Ledger(out / "sparse_cohorts_truth.csv", ("cohort",), plan.design)
    with progress("truth") as report:
        fill([drawn], cohorts, lambda cohort: [truth(cohort, plan.design)], report)
    scored = {}
    for name, method in METHODS.items():
        path = out / f"sparse_cohorts_{name.replace(' ', '_')}.csv"
        ledger = Ledger(path, ("cohort",), (plan.design, method.settings(plan)))
        with progress(name) as report:
            fill([ledger], cohorts, lambda cohort, m=method: [cell(cohort, plan, m)], report)
        scored[name] = ledger.frame.merge(drawn.frame, on=["cohort", "term"])
    CONSOLE.print(drawn.provenance)


if __name__ == "__main__":
    entry(main)
