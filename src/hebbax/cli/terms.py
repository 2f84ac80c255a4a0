"""The command that says which terms are in the rule: terms."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import jax
import pandas as pd
from rich.table import Table

from hebbax import data, figures
from hebbax.check import comparison, predictive
from hebbax.cli.console import CONSOLE, print_table, say, score_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.pictures import picture
from hebbax.cli.progress import progress
from hebbax.cli.recordings import described
from hebbax.cli.repeating import command_line
from hebbax.errors import HebbaxError
from hebbax.inference import pseudo_marginal
from hebbax.model.declared import read_spec
from hebbax.model.spec import ModelSpec
from hebbax.posterior import fits, fitting
from hebbax.posterior.inference_data import Posterior
from hebbax.posterior.verdict import Verdict
from hebbax.reporting import study
from hebbax.rule.taylor import TaylorRule
from hebbax.runs.attempts import DETAILS, Failed, attempt, write_details
from hebbax.runs.files import remove, write_tables
from hebbax.terms import answer, inclusion, projection, readout, weighing

SAMPLING = pseudo_marginal.Settings()
"""How the leading sub-models are sampled."""

CONFIRMED = "terms_confirmed"
"""Table of the sub-models that were sampled."""

UNCHECKED = (
    "Whether animals with this rule would behave like these is not checked: --confirm 1 samples "
    "the most probable sub-model and checks it."
)

SHOWN = 8
"""Sub-models that the terminal shows."""


def terms(
    recordings: Path,
    columns: tuple[str, ...],
    no_choice: str | None,
    terms: tuple[str, ...],
    model: str,
    effects: tuple[float, ...],
    prior: float,
    confirm: int,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Print, write and draw which terms are in the rule, and sample leading sub-models if asked."""
    settings = _settings(effects, prior)
    spec = candidates(read_spec(model), terms)
    projection.check_projected(spec)
    sessions = described(recordings, columns, no_choice)
    asked = answer.question(sessions, spec, settings)
    if not force:
        answer.admit(asked, out, confirm=confirm > 0)
        if confirm:
            answer.check_fits(sessions, spec, out, seed, SAMPLING)
    prepare_folder(out)
    with progress("terms") as tell:
        weighed = weighing.weigh(sessions, spec, settings, tell)
        projected = projection.project(sessions, spec, weighed, progress=tell)
    by_term = readout.term_table(weighed, spec.rate, sessions.n_stimuli)
    by_submodel = readout.submodel_table(weighed)
    tables = (
        by_term,
        readout.pair_table(weighed),
        by_submodel,
        readout.named_rules(weighed),
        projected.table,
    )
    answer.write(asked, out)
    write_tables(dict(zip(answer.TABLES, tables, strict=True)), out, HebbaxError)
    remove(out, [f"{CONFIRMED}.csv"])  # of an earlier answer
    write_details([], out)
    picture(partial(figures.inclusion, weighed), out / "terms.png")
    picture(partial(figures.projection, projected), out / "terms projection.png")
    print_table(_term_table(by_term))
    print_table(table("sub-model", by_submodel.iloc[:SHOWN, :2]))
    for sentence in (*readout.sentences(weighed), projected.sentence):
        CONSOLE.print(sentence)
    CONSOLE.print(readout.in_symbols(weighed, projected.smallest))
    if confirm:
        specs = weighing.leading(weighed, spec, confirm)
        sampled = _sample(sessions, specs, out, seed, force=force)
        best, verdict = told_of(sampled, by_submodel.iloc[:confirm, :2], out)
        _check(best, sampled[best], verdict, out, seed)
    else:
        CONSOLE.print(UNCHECKED)


def told_of(
    sampled: dict[str, Posterior], evidence: pd.DataFrame, out: Path
) -> tuple[str, Verdict]:
    """Say what sampling makes of the leading sub-models, whose ``evidence`` are rows of the same
    order, and write it; return name and verdict of the one that predicts best, of those that did
    not fail where there is one, the most probable where they could not be compared."""
    verdicts = {name: study.verdict_of(name, fit) for name, fit in sampled.items()}
    for name, verdict in verdicts.items():
        say(name, verdict.advised)
    compared = attempt("The comparison", partial(comparison.compare, sampled, verdicts))
    if isinstance(compared, Failed):
        write_details([compared], out)
        CONSOLE.print(f"{compared.sentence} {out / DETAILS} says where.")
        return next(iter(verdicts.items()))
    for score in compared.scores:
        print_table(score_table(score))
    evidence = evidence.set_axis(pd.Index(list(sampled), name="sub-model"))
    write_tables({CONFIRMED: evidence.join(compared.choices.table)}, out, HebbaxError)
    best = (compared.trusted or compared.ranking)[0]
    return best, verdicts[best]


def _check(name: str, posterior: Posterior, verdict: Verdict, out: Path, seed: int) -> None:
    """Say whether animals with a sampled sub-model would behave like the recorded ones, by the
    default settings of `hebbax check`, and write the tables."""
    with progress(name) as tell:
        make = partial(
            predictive.check, jax.random.PRNGKey(seed), posterior, progress=tell, verdict=verdict
        )
        found = attempt(f"The check of {name}", make)
    if isinstance(found, Failed):
        write_details([found], out)
        CONSOLE.print(f"{found.sentence} {out / DETAILS} says where.")
        return
    predictive.write_tables(found, out)
    for note in found.notes:
        say(name, note)
    CONSOLE.print(found.sentence)


def _term_table(terms: pd.DataFrame) -> Table:
    """Return the answer of each term for the terminal; terms.csv has all of it."""
    shown = Table(
        "term", "P(in)", "other priors", "verdict", "coefficient (90 %)", "loss in a trial (%)"
    )
    others = [column for column in terms.columns if column.startswith("P(in), ")]
    for term, row in terms.iterrows():
        between = f"{row[others].min():.2f} to {row[others].max():.2f}"
        coefficient = _interval(row, ("median", "5 %", "95 %"), 3)
        loss = _interval(row, ("loss (%)", "loss, 5 %", "loss, 95 %"), 1)
        shown.add_row(str(term), f"{row['P(in)']:.2f}", between, row["verdict"], coefficient, loss)
    return shown


def _interval(row: pd.Series, names: tuple[str, str, str], digits: int) -> str:
    """Return a number of a row with its interval in words; nothing where it is missing."""
    if pd.isna(row[names[0]]):
        return ""
    middle, low, high = (f"{row[name]:.{digits}f}" for name in names)
    return f"{middle} ({low} to {high})"


def _sample(
    sessions: data.Sessions, specs: list[ModelSpec], out: Path, seed: int, *, force: bool
) -> dict[str, Posterior]:
    """Return the sampled posteriors of sub-models, those in the folder taken as they are."""
    found = fits.prepare(sessions, specs, out, seed, SAMPLING, anew=force)
    for standing in found:
        if standing.sentence:
            CONSOLE.print(standing.sentence)
    fitted = {}
    for spec, standing in zip(specs, found, strict=True):
        with progress(spec.name) as tell:
            result = fitting.finish(standing, out, seed, SAMPLING, tell, command_line())
        fitted[spec.name] = cast(Posterior, result)
    return fitted


def candidates(spec: ModelSpec, terms: tuple[str, ...]) -> ModelSpec:
    """Return the Taylor rule of a declared model, with other terms where any are given."""
    if not terms:
        return spec.with_terms(spec.terms)
    return replace(spec.with_terms(TaylorRule(terms).terms), name="candidates", text="")


def _settings(effects: tuple[float, ...], prior: float) -> inclusion.Settings:
    if len(set(effects)) < len(effects):
        given = ",".join(f"{effect:g}" for effect in effects)
        raise HebbaxError(f"--effect {given}: each effect may stand once.")
    return inclusion.Settings(effects=effects, inclusion=prior)
