"""Forty simulated cohorts of which nobody knows the terms: who finds them, and how sure to be.

A cohort is 12 animals of 240 trials. Its rule is drawn from the written prior (`Written`): of ten
candidate terms each is in with probability 1/4 of its own accord, drawn again until one to four
are; the population coefficient of a term that is in is Normal(0, scale^2), its spread between
animals HalfNormal(scale / 2), the innate preference Normal(0, 1) with spread HalfNormal(1 / 2). The
scales are what `hebbax.inclusion.information_scales` gives, to a digit or two, for cohorts that
learn by `x r` and forget by `w`; the fits find their own, from the sessions alone.

Every method sees nothing but the sessions, and gives each term a score:

- `inclusion`: all 1024 sub-models by their Laplace evidence, as `hebbax terms --prior 0.25` does.
  The score is the posterior probability that the term is in. The prior probability is that of the
  written prior, so that the answer should be right as often as it says.
- `horseshoe`, `laplace`: NUTS under a regularised horseshoe that expects 2.5 terms, and under a
  Laplace prior, both on information-scaled coefficients. The score is the posterior probability
  that the population coefficient is of a size that these choices could detect were all else
  known, 2.80 / sqrt(F), F the information of all choices; that of 1 - kappa would need a prior
  with local scales. Chains that do not meet (R-hat above 1.05) are counted, and scored as they are.
- `L1`: the published descent, with the preference fitted, which the published recipe lacks, under a
  row of strengths; the score is the size of the mean coefficient over animals, added up over the
  strengths.

A coefficient is *clear* where its size is over twice the detectable one, 2.80 expected standard
deviations of the population coefficient with all ten candidates free (`hebbax.information`), at
the true rule. Curves of receivers: clear terms, and all true terms, against all that are out.

    python analysis/sparse_cohorts.py [--quick] --out DIR

Written are a table a method, the truth, the summary and the reliability of the inclusion
probabilities. The full study has not been run yet; a cohort takes one to two minutes of one core
for `inclusion`, and several for each posterior by NUTS.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score, roc_curve

from hebbax import figures, inclusion
from hebbax.calibration import Reliability, reliability
from hebbax.cli.console import CONSOLE, progress, table
from hebbax.cli.options import out_option, prepare_folder
from hebbax.cli.script import entry, quick_option
from hebbax.data import Sessions
from hebbax.diagnostics import convergence
from hebbax.errors import HebbaxError
from hebbax.figures.style import PALETTE
from hebbax.files import write_tables
from hebbax.inference import nuts, pilot, stopped
from hebbax.information import DETECTABLE, coefficient_covariance, information_under
from hebbax.ledger import Ledger, fill
from hebbax.model import build_model
from hebbax.priors import Prior
from hebbax.scaling import scaled
from hebbax.simulation import Cohort, simulate
from hebbax.spec import ModelSpec


@dataclass(frozen=True)
class Written:
    """The prior that rules are drawn from: ``scales`` of the coefficients (1/trial), the
    probability ``inclusion`` of each term, the ``fewest`` and ``most`` terms, the scale of the
    ``spread`` between animals in scales of the population value, and that of the ``preference``."""

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


WEIGHED = inclusion.Settings(inclusion=Written.inclusion, other_effects=(), checked=0)
SAMPLED = nuts.Settings(warmup=300, draws=400)


@dataclass(frozen=True)
class Plan:
    """Number of cohorts, what each is, and the settings of each method."""

    cohorts: int = 40
    design: Design = Design()
    weighed: inclusion.Settings = WEIGHED
    strengths: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03)
    sampler: nuts.Settings = SAMPLED
    expected_terms: float = 2.5


FULL = Plan()
QUICK = Plan(
    cohorts=1, design=Design(4, 30, Written((("x r", 0.3), ("w", 0.1), ("x", 0.1)), most=2)),
    strengths=(0.003, 0.03), expected_terms=1.0,
    sampler=nuts.Settings(
        chains=2, warmup=30, draws=30, max_tree_depth=4, warmup_tree_depth=3,
        search=pilot.Settings(starts=1, rounds=10, hold=5, samples=8),
    ),
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


def shrunk(prior: Prior, sessions: Sessions, plan: Plan) -> list[dict]:
    """Return the score of each term by NUTS under a prior that shrinks."""
    asked = replace(
        plan.design.spec, prior=prior, scaling="information", scales={},
        expected_terms=plan.expected_terms,
    )  # fmt: skip
    model = build_model(scaled(asked, sessions), sessions)
    draws, info = nuts.fit(jax.random.PRNGKey(0), model, plan.sampler)
    theta = draws["theta_population"]
    met = convergence(theta)
    theta = theta.reshape(-1, theta.shape[-1])
    group = model.groups[0]
    size = DETECTABLE * group.scales / group.sparsity.told
    score, mean = (np.abs(theta) > size).mean(0), theta.mean(0)
    said = {**met, "diverging": int(info.diverging.sum())}
    columns = zip(plan.design.spec.terms, score, mean, strict=True)
    return [{"term": term, "score": p, "estimate": value, **said} for term, p, value in columns]


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
    "L1": Method(penalised, lambda plan: plan.strengths),
    "horseshoe": Method(
        partial(shrunk, "regularised horseshoe"), lambda plan: (plan.sampler, plan.expected_terms)
    ),
    "laplace": Method(partial(shrunk, "laplace"), lambda plan: plan.sampler),
}
COLOURS = dict(zip(METHODS, PALETTE, strict=False))
CONVERGED = 1.05
"""R-hat above which chains are said not to meet."""


def cell(cohort: int, plan: Plan, method: Method) -> list[dict]:
    """Return the rows of one cohort by one method, which sees its sessions and nothing else."""
    sessions, _ = simulated(cohort, plan.design)
    begun = time.process_time()
    rows = method.scores(sessions, plan)
    seconds = time.process_time() - begun
    return [{"cohort": cohort, **row, "processor s": seconds} for row in rows]


def receiver(scored: pd.DataFrame) -> dict[str, float]:
    """Return the areas under the ROC curve of clear and of all true terms against the others, NaN
    where there are none, and how many there are."""
    out = {}
    for name, true in (("clear", clear(scored)), ("all", present(scored))):
        kept = scored[true | ~present(scored)]
        known = true[kept.index]
        area = roc_auc_score(known, kept["score"]) if known.nunique() == 2 else np.nan
        out |= {f"AUC, {name} terms": area, f"{name} terms": int(true.sum())}
    return out


def present(scored: pd.DataFrame) -> pd.Series:
    """Whether each term is in the true rule."""
    return scored["theta"] != 0.0


def clear(scored: pd.DataFrame) -> pd.Series:
    """Whether each term is in the true rule with over twice the detectable size."""
    return present(scored) & (scored["theta"].abs() > 2.0 * scored["detectable"])


def summary(scored: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a method: areas, the terms that it says are in, chains that did not meet."""
    rows = {}
    for method, own in scored.items():
        rows[method] = receiver(own)
        if method != "L1":
            said = (own["score"] > inclusion.Settings.present).groupby(own["cohort"]).sum()
            rows[method] |= {"terms said to be in": said.mean(), "terms expected": expected(own)}
        if "r_hat" in own:
            apart = own.groupby("cohort")["r_hat"].first() > CONVERGED
            rows[method]["chains apart"] = int(apart.sum())
        rows[method]["processor s"] = own.groupby("cohort")["processor s"].first().mean()
    path = scored["L1"]
    for name in path.columns[path.columns.str.startswith("L1 ")]:
        rows[name] = receiver(path.assign(score=path[name]))
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def expected(scored: pd.DataFrame) -> float:
    """Return the summed scores of a cohort, a number of terms, on average over cohorts."""
    return float(scored.groupby("cohort")["score"].sum().mean())


def draw(scored: dict[str, pd.DataFrame], curve: Reliability) -> Figure:
    """Return the reliability of the inclusion probabilities, and the ROC of clear and all terms."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    figures.reliability(axes[0], curve)
    for x, y, n in curve.table[["predicted", "observed", "n"]].itertuples(index=False):
        axes[0].annotate(f"{n}", (x, y), fontsize=7, xytext=(4, -9), textcoords="offset points")
    axes[0].set_xlabel("probability that the term is in (numbers: terms)")
    axes[0].set_ylabel("fraction of terms that are in")
    for ax, name, true in ((axes[1], "clear", clear), (axes[2], "all true", present)):
        for method, own in scored.items():
            kept = own[true(own) | ~present(own)]
            if true(kept).nunique() == 2:
                across, up, _ = roc_curve(true(kept), kept["score"])
                ax.plot(across, up, color=COLOURS[method], label=method)
        ax.set_title(f"{name} terms", fontsize=10)
        ax.set_xlabel("false terms found (fraction)")
        ax.set_ylabel("true terms found (fraction)")
    axes[2].legend(fontsize=8, frameon=False)
    return figure


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
        path = out / f"sparse_cohorts_{name}.csv"
        ledger = Ledger(path, ("cohort",), (plan.design, method.settings(plan)))
        with progress(name) as report:
            fill([ledger], cohorts, lambda cohort, m=method: [cell(cohort, plan, m)], report)
        scored[name] = ledger.frame.merge(drawn.frame, on=["cohort", "term"])
    said = scored["inclusion"]
    curve = reliability(said["score"].to_numpy(), present(said).to_numpy())
    compared = summary(scored)
    tables = {"sparse_cohorts": compared, "sparse_cohorts_reliability": curve.table}
    write_tables(tables, out, HebbaxError, float_format="%.6g")
    figures.publish(draw(scored, curve), out, "sparse_cohorts")
    CONSOLE.print(table("method", compared))
    CONSOLE.print(curve.sentence)
    CONSOLE.print(drawn.provenance)


if __name__ == "__main__":
    entry(main)
