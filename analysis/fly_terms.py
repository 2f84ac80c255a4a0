"""Which terms are in the rule of the flies, and how the answer moves with what else is assumed.

    python analysis/fly_terms.py [DATA] [--quick] --out DIR

DATA are recordings of accepted choices; without it, simulated flies. All sub-models of the
identifiable candidates are weighed by evidence (`hebbax terms`), again and again: with the reward
signal R - E[R] and R, with other windows of E[R], without an innate preference, with a habit, and
with two more candidates. Each answer carries its own sensitivity to the prior of coefficients and
of inclusion. Terms that stand for each other are judged jointly. Writes fly_terms.csv (every term
and joint statement), fly_variants.csv (what the choices say of each variant as a whole),
fly_terms.png and the report fly_terms.html.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
import pandas as pd
from scipy.special import logsumexp

import hebbax
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import entry, flies_argument, quick_option, recorded_or_simulated
from hebbax.data import data_hash
from hebbax.design.redundancy import redundancy
from hebbax.figures import publish, variants
from hebbax.reporting import page
from hebbax.runs.ledger import Ledger, fill
from hebbax.simulation.cohort import QUICK as FEW
from hebbax.simulation.cohort import Cohort
from hebbax.submodels import scaling
from hebbax.terms import inclusion, readout, weighing
from hebbax.typing import Progress, silent

TEN = ("1", "r", "r^2", "x", "x r", "x r^2", "w", "r w", "x w", "x r w")
TWELVE = (*TEN, "r^2 w", "x r^2 w")
STANDARD = "R - E[R], window 10"
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    STANDARD: {},
    "reward R": {"reward": "raw"},
    "window 5": {"window": 5},
    "window 20": {"window": 20},
    # Log odds of 0.01 are none.
    "no preference": {"preference_scale": 0.01},
    "with a habit": {"habit_scale": 1.0},
    "twelve terms": {"terms": TWELVE},
}
"""What each variant changes of the model `sparse` with ten candidates."""

JOINT = {
    "forgetting: w or x w": ("w", "x w"),
    "any fading: w, x w, r w or x r w": ("w", "x w", "r w", "x r w"),
    "drift: 1 or x": ("1", "x"),
    "reward without the odour: r or r^2": ("r", "r^2"),
}
"""Terms that stand for each other on these trials: at least one of them is in."""


@dataclass(frozen=True)
class Plan:
    """The ``names`` of the variants, their candidate ``terms``, and who stands in for DATA."""

    names: tuple[str, ...] = tuple(VARIANTS)
    terms: tuple[str, ...] = TEN
    settings: inclusion.Settings = field(default_factory=inclusion.Settings)
    cohort: Cohort = field(default_factory=Cohort)


FULL = Plan()
QUICK = Plan(names=(STANDARD, "with a habit"), terms=("x", "x r", "w", "x w"), cohort=FEW)


def identifiable(sessions: hebbax.Sessions, name: str, plan: Plan) -> hebbax.ModelSpec:
    """Return the model of a variant, without terms that its inputs cannot tell apart at all."""
    changes = dict(VARIANTS[name])
    terms = changes.pop("terms", plan.terms)
    spec = replace(hebbax.read_spec("sparse"), **changes).with_terms(terms)
    kept = redundancy(jax.random.PRNGKey(0), scaling.candidate_model(sessions, spec)).kept
    return spec.with_terms(kept)


def cell(
    variant: str, *, sessions: hebbax.Sessions, plan: Plan, tell: Progress
) -> tuple[list[dict[str, Any]], ...]:
    """Return the statements of one variant, and what the choices say of it as a whole."""
    spec = identifiable(sessions, variant, plan)
    weighed = weighing.weigh(sessions, spec, plan.settings, tell)
    groups = JOINT | {term: (term,) for term in spec.terms}
    said = [
        {"variant": variant, "statement": statement, **probability(weighed, terms)}
        for statement, terms in groups.items()
        if set(terms) & set(spec.terms)
    ]
    return said, [{"variant": variant, **whole(weighed, spec)}]


def probability(weighed: inclusion.Inclusion, terms: tuple[str, ...]) -> dict[str, float]:
    """Return how probable it is that at least one of some terms is in, as asked and under the
    other priors of the settings."""
    known = tuple(term for term in terms if term in weighed.terms)
    others = [weighed.any_of(known, w) for w in weighed.under_other_priors().values()]
    asked = weighed.any_of(known)
    return {"P(in)": asked, "lowest": min(asked, *others), "highest": max(asked, *others)}


def whole(weighed: inclusion.Inclusion, spec: hebbax.ModelSpec) -> dict[str, Any]:
    """Return the log evidence of all sub-models together, the best of them, and how a weight that
    no reward surprised changes a trial: one whose odour was chosen, and one whose was not."""
    weights = weighed.weights()
    best = int(weights.argmax())
    row = {
        "log evidence": float(logsumexp(weighed.log_weights())),
        "best": ", ".join(weighed.terms_of(best)),
        "its P": float(weights[best]),
    }
    drawn = dict(zip(weighed.terms, readout.draws(weighed).T, strict=True))
    unchosen = drawn.get("w", np.zeros(readout.DRAWS))
    chosen = unchosen + spec.rate * drawn.get("x w", 0.0)
    for what, decay in {"unchosen": unchosen, "chosen": chosen}.items():
        low, high = np.quantile(decay, [0.05, 0.95])
        row |= {
            f"{what} decay": float(decay.mean()), f"{what} low": low, f"{what} high": high,
            f"P({what} < 0)": float((decay < 0).mean()),
            f"P({what} = 0)": float((decay == 0).mean()),
        }  # fmt: skip
    return row


def answer(said: pd.DataFrame, weighed: pd.DataFrame) -> list[str]:
    """Return the answer in sentences."""
    lines = []
    for statement, own in said.groupby("statement", sort=False):
        standard = own[own["variant"] == STANDARD]["P(in)"]
        asked = f"{standard.iloc[0]:.2f}" if len(standard) else "no candidate as asked"
        low, high = own["lowest"].min(), own["highest"].max()
        lines.append(f"{statement}: {asked}; {low:.2f} to {high:.2f} over all variants and priors.")
    below = ", ".join(f"{name} {value:.1f}" for name, value in weighed["log evidence"].items())
    return [*lines, f"Log evidence of each variant as a whole, in nats from the best: {below}."]


def report(
    said: pd.DataFrame, weighed: pd.DataFrame, title: str, provenance: str, out: Path
) -> None:
    """Write the picture and the report."""
    publish(variants(said), out, "fly_terms")
    caption = "Probability of each statement, below it the least and the most under other priors"
    parts = [
        *(page.Text(sentence) for sentence in answer(said, weighed)),
        page.Picture(caption, out / "fly_terms.png"),
        page.Table("Nats from the best; decays a trial with 90 % intervals", weighed),
    ]
    every = page.Table(caption, said.set_index("variant"), "fly_terms.csv")
    sections = [page.Section("The answer", parts), page.Section("Every statement", [every])]
    page.write(out / "fly_terms.html", title, sections, provenance)


@click.command("fly_terms", help=__doc__.split("\n", 1)[0])
@flies_argument
@quick_option
@out_option
def main(recordings: Path | None, quick: bool, out: Path) -> None:
    plan = QUICK if quick else FULL
    sessions = recorded_or_simulated(recordings, plan.cohort)
    prepare_folder(out)
    made_with = (data_hash(sessions), plan.terms, plan.settings, VARIANTS, JOINT)
    names = ("fly_terms", "fly_variants")
    ledgers = [Ledger(out / f"{name}.csv", ("variant",), made_with) for name in names]
    for variant in plan.names:
        with progress(variant) as tell:
            own = {variant: {"variant": variant}}
            fill(ledgers, own, partial(cell, sessions=sessions, plan=plan, tell=tell), silent)
    said, weighed = (ledger.frame for ledger in ledgers)
    best = weighed["log evidence"].max()
    weighed = weighed.assign(**{"log evidence": weighed["log evidence"] - best}).set_index(
        "variant"
    )
    title = f"Which terms are in the rule: {sessions.source}"
    report(said, weighed, title, ledgers[0].provenance, out)
    for sentence in answer(said, weighed):
        CONSOLE.print(sentence)
    print_table(table("variant", weighed[["log evidence", "best", "its P"]]))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} animals; {ledgers[0].provenance}")


if __name__ == "__main__":
    entry(main)
