"""Forty simulated cohorts of which nobody knows the terms: who finds them, and how sure to be.

A cohort is 12 animals of 240 trials in three blocks, every encounter recorded. Its rule is drawn
from the written prior (`Written`): of ten candidate terms each is in with probability 1/4 of its
own accord, drawn again until one to four are; all else is a draw of the prior of the model of all
candidates (`hebbax.model.priors`): the population coefficient of a term that is in is Normal(0,
scale^2), its spread between animals HalfNormal(scale / 2), and likewise the innate preferences, of
scale 1.

The written scales were chosen by expected standard deviations, so that about a quarter of the true
terms is clear. Choices alone tell too little for that (4 of 92 under the scales of the flies),
because rules without x change both weights alike; rejections show each weight by itself. Terms with
w^2 would have made more of them clear and were given up after a look at the fits of four cohorts:
their weights run away too fast for a mode to be found.

Every method sees nothing but the sessions and the written scales, and gives each term a score:

- `inclusion`: all sub-models of at most four terms by their Laplace evidence. The score is the
  posterior probability that the term is in. Its prior is the written one in every part, so that
  the answer should be right as often as it says.
- `L1`: the published descent, with the preferences fitted, which the published recipe lacks, under
  a row of strengths; the score is the size of the mean coefficient over animals, added up over the
  strengths. `L1, scaled` is the same in written scales.
- `horseshoe`, `laplace`: the posterior under a regularised horseshoe that expects 2.5 terms with
  the written scales for its slab, and under a Laplace prior of the written scales. The score is the
  posterior probability that the population coefficient is larger than a tenth of its written scale;
  that of 1 - kappa would need a prior with local scales. Chains that do not meet (R-hat of a
  population coefficient above 1.05) are counted, and scored as they are.
- `own scales`: as `inclusion`, with scales found from the sessions, as `hebbax terms --prior 0.25`
  finds them, and a rule without a term allowed.

A coefficient is *clear* where its size is over twice the detectable one, 2.80 expected standard
deviations of the population coefficient with all ten candidates free (`hebbax.design.information`),
at the true rule. Curves of receivers: clear terms, and all true terms, against all that are out.

    python analysis/sparse_cohorts.py [--quick] --out DIR

Written are a table a method, the truth, the summary and the reliability of the inclusion
probabilities. A cohort takes 45 s of one core by `inclusion`, 3 s by `L1`.

Cohorts 0 to 39 were those on which the search for sub-models was mended at first; reported are the
next forty.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import click
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.special import softmax
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve

from hebbax import figures
from hebbax.check import repeated_fits
from hebbax.check.calibration import Reliability, reliability
from hebbax.check.prior_predictive import draw_truth, lives, template
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, quick_option
from hebbax.data import Sessions
from hebbax.design.detection import POWER, THRESHOLD
from hebbax.design.information import coefficient_covariance, information_under
from hebbax.errors import HebbaxError
from hebbax.figures.style import PALETTE
from hebbax.inference import pseudo_marginal
from hebbax.inference.convergence import convergence
from hebbax.mehta2024 import stopped
from hebbax.model.choices import Model, build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior.diagnostics import MAX_R_HAT_SHORT
from hebbax.runs.files import write_tables
from hebbax.runs.ledger import Ledger, fill
from hebbax.simulation.cohort import as_sessions
from hebbax.simulation.environment import TASK, Task
from hebbax.terms import inclusion, weighing
from hebbax.typing import Parameters


@dataclass(frozen=True)
class Written:
    """The prior that rules are drawn from: ``scales`` of the coefficients (1/trial), the
    probability ``inclusion`` of each term, and the ``fewest`` and ``most`` terms."""

    scales: tuple[tuple[str, float], ...] = (
        ("1", 0.03), ("r", 1.0), ("r^2", 0.1), ("x", 0.06), ("x r", 0.5), ("x r^2", 0.3),
        ("w", 0.03), ("r w", 2.0), ("x w", 0.2), ("x r w", 2.0),
    )  # fmt: skip
    inclusion: float = 0.25
    fewest: int = 1
    most: int = 4


@dataclass(frozen=True)
class Design:
    """What a cohort is: its size, its task, and the prior of its rule."""

    animals: int = 12
    task: Task = TASK
    written: Written = Written()

    @property
    def spec(self) -> ModelSpec:
        """The model of all candidates, with the scales of the written prior."""
        scales = dict(self.written.scales)
        return ModelSpec("candidates", tuple(scales), likelihood="encounter", scales=scales)

    def model(self, prior: str = "normal", expected_terms: float = 1.0) -> Model:
        """Return a model of all candidates on recordings of this size, whatever was chosen."""
        spec = replace(self.spec, prior=prior, expected_terms=expected_terms)
        return template(spec, self.animals, self.task)


WEIGHED = inclusion.Settings(
    scaling="declared", inclusion=Written.inclusion, most=Written.most, effects=(1.0,), checked=0
)


@dataclass(frozen=True)
class Plan:
    """Number of cohorts and the first one's seed, what each is, and the settings of each method."""

    cohorts: int = 40
    first: int = 40
    design: Design = Design()
    weighed: inclusion.Settings = WEIGHED
    strengths: tuple[float, ...] = (0.0003, 0.001, 0.003, 0.01, 0.03)
    sampler: pseudo_marginal.Settings = repeated_fits.SETTINGS
    expected_terms: float = 2.5


FULL = Plan()
FEW = Written((("x r", 0.5), ("w", 0.1), ("x", 0.1)), most=2)
SHORT = pseudo_marginal.Settings(chains=2, warmup=13, draws=30, points=8, most_thinning=1)
QUICK = Plan(
    cohorts=1, first=0,
    design=Design(4, Task(90, 3, (0.2, 0.8), "baited"), FEW),
    weighed=replace(WEIGHED, most=2),
    strengths=(0.003, 0.03), expected_terms=1.0,
    sampler=SHORT,
)  # fmt: skip


@lru_cache(maxsize=2)
def _simulator(design: Design) -> tuple[Callable, Callable]:
    """Return what draws a truth of all candidates from a key, and what lets its animals live."""
    model = design.model()
    return jax.jit(lambda key: draw_truth(key, model)), lives(model, design.task)


def draw_rule(number: int, design: Design) -> Parameters:
    """Return a truth drawn from the written prior by site name, each animal's values by group name
    among them; terms that are out are zero."""
    rng = np.random.default_rng(number)
    written = design.written
    present = np.zeros(len(written.scales), bool)
    while not written.fewest <= present.sum() <= written.most:
        present = rng.random(len(written.scales)) < written.inclusion
    truth = _simulator(design)[0](jax.random.PRNGKey(number))
    own = ("theta_population", "theta_spread", "theta")
    return {site: value * present if site in own else value for site, value in truth.items()}


def simulated(number: int, design: Design) -> tuple[Sessions, Parameters]:
    """Return the sessions of a cohort, and its truth by site name (`draw_rule`)."""
    drawn = draw_rule(number, design)
    values = {group.name: drawn[group.name] for group in design.model().groups}
    key = jax.random.fold_in(jax.random.PRNGKey(number), 1)
    made = _simulator(design)[1](key, values)
    return as_sessions(design.model().spec, made, "simulated from the prior"), drawn


def truth(cohort: int, design: Design) -> list[dict]:
    """Return the truth of a cohort, one row a candidate term: the population coefficient, its
    spread between animals, and the size that would be detectable."""
    sessions, drawn = simulated(cohort, design)
    size = (THRESHOLD + norm.ppf(POWER)) * expected_sd(sessions, design, drawn)
    theta, spread = (np.asarray(drawn[f"theta_{part}"]) for part in ("population", "spread"))
    columns = zip(design.spec.terms, theta, spread, size, strict=True)
    return [
        {"cohort": cohort, "term": term, "theta": value, "spread": sd, "detectable": detectable}
        for term, value, sd, detectable in columns
    ]


def expected_sd(sessions: Sessions, design: Design, drawn: Parameters) -> np.ndarray:
    """Return the expected standard deviation of each population coefficient ``(term,)`` with all
    candidates free: at the true rule, each animal's own preferences and the true spreads."""
    model = build_model(design.spec, sessions)
    theta = jnp.asarray(drawn["theta_population"])
    [information] = information_under(model, theta[None], drawn["preference"])
    spread = jnp.concatenate([drawn["theta_spread"], drawn["preference_spread"]])
    covariance = coefficient_covariance(information, spread, model.scales, theta.size)
    return np.sqrt(np.diagonal(covariance))


def written_scales(plan: Plan) -> inclusion.Settings:
    """Return the settings of `weighed` with the written scales."""
    return plan.weighed


def own_scales(plan: Plan) -> inclusion.Settings:
    """Return the settings of `weighed` without the written scales: those of `hebbax terms`."""
    effects = inclusion.Settings.effects
    return replace(plan.weighed, scaling="information", effects=effects)


def weighed(
    asked: Callable[[Plan], inclusion.Settings], sessions: Sessions, plan: Plan
) -> list[dict]:
    """Return the score of each term by all sub-models; with ``declared`` scales a rule without a
    term has no prior probability, as the written prior says."""
    spec, written, settings = plan.design.spec, plan.design.written, asked(plan)
    if settings.scaling == "information":
        spec = replace(spec, scales={})
    found = weighing.weigh(sessions, spec, settings)
    size = found.included.sum(1)
    possible = (size >= written.fewest) | (settings.scaling == "information")
    weights = softmax(np.where(possible, found.log_weights(), -np.inf))
    mean = weights @ found.population
    return [
        {
            "term": term, "score": p, "estimate": value, "scale": scale,
            "terms": float(weights @ size), "best": ", ".join(found.terms_of(weights.argmax())),
            "best P": weights.max(),
        }
        for term, p, value, scale in zip(
            found.terms, found.probability(weights), mean, found.scales, strict=True
        )
    ]  # fmt: skip


LEAST = 0.1
"""Size in written scales from which a sampled coefficient counts as one."""


def shrunk(prior: str, sessions: Sessions, plan: Plan) -> list[dict]:
    """Return the score of each term by the posterior under a prior that shrinks."""
    spec = replace(plan.design.spec, prior=prior, expected_terms=plan.expected_terms)
    model = build_model(spec, sessions)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(0), model, plan.sampler)
    theta, accepted = draws["theta_population"], float(info.acceptance_rate.mean())
    terms, scales = zip(*plan.design.written.scales, strict=True)
    rows = []
    for j, (term, scale) in enumerate(zip(terms, scales, strict=True)):
        own = theta[..., j]
        met = convergence(own[..., None])
        score = (np.abs(own) > LEAST * scale).mean()
        rows.append({"term": term, "score": score, "estimate": own.mean(), "sd": own.std(), **met})
    return [{**row, "accepted": accepted} for row in rows]


def penalised(sessions: Sessions, plan: Plan) -> list[dict]:
    """Return the score of each term by the published descent under each strength, and by all."""
    model = build_model(plan.design.spec, sessions)
    settings = stopped.Settings(fitted=("theta", "preference"))
    path = stopped.path(jax.random.PRNGKey(0), model, plan.strengths, settings)["theta"]
    mean = np.asarray(path).mean(axis=1)
    rows = []
    for j, (term, scale) in enumerate(plan.design.written.scales):
        each = {f"L1 {s:g}": abs(v) for s, v in zip(plan.strengths, mean[:, j], strict=True)}
        score = sum(each.values())
        rows.append({"term": term, "score": score, "L1, scaled": score / scale, **each})
    return rows


@dataclass(frozen=True)
class Method:
    """A method: what ``scores`` the terms of some sessions, and its settings in a plan."""

    scores: Callable[[Sessions, Plan], list[dict]]
    settings: Callable[[Plan], object]


METHODS = {
    "inclusion": Method(partial(weighed, written_scales), written_scales),
    "L1": Method(penalised, lambda plan: plan.strengths),
    "horseshoe": Method(
        partial(shrunk, "regularised horseshoe"),
        lambda plan: (plan.sampler, plan.expected_terms),
    ),
    "laplace": Method(partial(shrunk, "laplace"), lambda plan: plan.sampler),
    "own scales": Method(partial(weighed, own_scales), own_scales),
}
"""What matters most comes first."""

PROBABILITIES = ("inclusion", "own scales")
"""Methods that give the posterior probability of a term."""

COLOURS = dict(zip(METHODS, PALETTE, strict=False))


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
            apart = own.groupby("cohort")["r_hat"].max() > MAX_R_HAT_SHORT
            rows[method]["chains apart"] = int(apart.sum())
        rows[method]["processor s"] = own.groupby("cohort")["processor s"].first().mean()
    path = scored["L1"]
    for name in path.columns[path.columns.str.match("L1[ ,]")]:
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
    numbers = range(plan.first, plan.first + plan.cohorts)
    cohorts = {f"cohort {k}": {"cohort": k} for k in numbers}
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
    curves = {
        name: reliability(scored[name]["score"].to_numpy(), present(scored[name]).to_numpy())
        for name in PROBABILITIES
    }
    compared = summary(scored)
    bins = pd.concat({name: curve.table for name, curve in curves.items()}, names=["method", "bin"])
    tables = {"sparse_cohorts": compared, "sparse_cohorts_reliability": bins}
    write_tables(tables, out, HebbaxError, float_format="%.6g")
    figures.publish(draw(scored, curves["inclusion"]), out, "sparse_cohorts")
    print_table(table("method", compared))
    for name, curve in curves.items():
        CONSOLE.print(f"{name}: {curve.sentence}")
    CONSOLE.print(drawn.provenance)


if __name__ == "__main__":
    entry(main)
