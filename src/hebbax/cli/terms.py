"""The command that says which terms are in the rule: terms."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import click
import pandas as pd
from rich.table import Table

from hebbax import (
    comparison,
    data,
    diagnostics,
    figures,
    fitting,
    inclusion,
    projection,
    readout,
    weighing,
)
from hebbax.cli.console import CONSOLE, comparison_table, progress, table
from hebbax.cli.options import (
    ListCommand,
    column_option,
    data_argument,
    mapping,
    out_option,
    prepare_folder,
    refuse_replacing,
)
from hebbax.errors import HebbaxError
from hebbax.files import write_tables
from hebbax.inference import nuts
from hebbax.plasticity import TaylorRule
from hebbax.posterior import Posterior
from hebbax.scaling import candidate_model
from hebbax.spec import ModelSpec, read_spec

SHOWN = 8
"""Sub-models that the terminal shows."""


def listed(effects: tuple[float, ...]) -> str:
    """Return effects as they are given on the command line."""
    return " ".join(f"{effect:g}" for effect in effects)


@click.command(cls=ListCommand)
@data_argument
@column_option
@click.option("--terms", multiple=True, help="candidate terms; those of the model by default")
@click.option("--model", default="sparse", help="declared model or .toml file: all but its priors")
@click.option(
    "--effect",
    "effects",
    multiple=True,
    type=float,
    default=inclusion.Settings.effects,
    show_default=listed(inclusion.Settings.effects),
    help="prior standard deviations of information-scaled coefficients, equally likely",
)
@click.option(
    "--prior", default=inclusion.Settings.inclusion, help="prior probability that a term is in"
)
@click.option("--confirm", default=0, help="sample this many of the leading sub-models by NUTS")
@click.option("--seed", default=0, help="random seed of the sampling")
@out_option
@click.option("--force", is_flag=True, help="replace an earlier answer")
def terms(
    recordings: Path,
    columns: tuple[str, ...],
    terms: tuple[str, ...],
    model: str,
    effects: tuple[float, ...],
    prior: float,
    confirm: int,
    seed: int,
    out: Path,
    force: bool,
) -> None:
    """Say which of the candidate terms are in the rule of DATA, which are not, and of which the
    data cannot tell.

    Written are terms.csv, terms_pairs.csv, terms_submodels.csv, terms_rules.csv,
    terms_projection.csv and two pictures; with --confirm terms_confirmed.csv, and a posterior a
    sub-model.
    """
    settings = _settings(effects, prior, confirm)
    spec = candidates(read_spec(model), terms)
    projection.check_projected(spec)
    sessions = data.read(recordings, columns=mapping(columns))
    refuse_replacing(out / "terms.csv", force=force)
    prepare_folder(out)
    with progress("terms") as tell:
        weighed = weighing.weigh(sessions, spec, settings, tell)
        reference = projection.averaged(candidate_model(sessions, spec), weighed)
        projected = projection.project(sessions, spec, reference, weighed, tell)
    by_term, by_submodel = readout.term_table(weighed), readout.submodel_table(weighed)
    tables = {
        "terms": by_term,
        "terms_pairs": readout.pair_table(weighed),
        "terms_submodels": by_submodel,
        "terms_rules": readout.named_rules(weighed),
        "terms_projection": projected.table,
    }
    write_tables(tables, out, HebbaxError)
    figures.save(figures.inclusion(weighed), out / "terms.png")
    figures.save(figures.projection(projected), out / "terms projection.png")
    CONSOLE.print(_term_table(by_term))
    CONSOLE.print(table("sub-model", by_submodel.iloc[:SHOWN, :2]))
    for sentence in (*readout.sentences(weighed), projected.sentence):
        CONSOLE.print(sentence)
    CONSOLE.print(readout.in_symbols(weighed, projected.smallest), markup=False)
    if confirm:
        specs = weighing.leading(weighed, spec, confirm)
        compared = comparison.compare(_sample(sessions, specs, out, seed))
        CONSOLE.print(comparison_table(compared))
        evidence = by_submodel.iloc[:confirm, :2]
        evidence = evidence.set_axis(pd.Index([spec.name for spec in specs], name="sub-model"))
        write_tables({"terms_confirmed": evidence.join(compared.table)}, out, HebbaxError)


def _term_table(terms: pd.DataFrame) -> Table:
    """Return the answer of each term for the terminal; terms.csv has all of it."""
    shown = Table("term", "P(in)", "other priors", "verdict", "coefficient (90 %)")
    others = [column for column in terms.columns if column.startswith("P(in), ")]
    for term, row in terms.iterrows():
        coefficient = (
            ""
            if pd.isna(row["mean"])
            else (f"{row['mean']:.3f} ({row['5 %']:.3f} to {row['95 %']:.3f})")
        )
        between = f"{row[others].min():.2f} to {row[others].max():.2f}"
        shown.add_row(str(term), f"{row['P(in)']:.2f}", between, row["verdict"], coefficient)
    return shown


def _sample(
    sessions: data.Sessions, specs: list[ModelSpec], out: Path, seed: int
) -> dict[str, Posterior]:
    """Return the posteriors of sub-models by NUTS, those in the folder taken as they are."""
    fitted = {}
    for spec in specs:
        with progress(spec.name) as tell:
            result = fitting.obtain(sessions, spec, out, seed, nuts.Settings(), tell)
        fitted[spec.name] = cast(Posterior, result)
        CONSOLE.print(
            f"[bold]{spec.name}[/bold]  {diagnostics.diagnose(fitted[spec.name]).sentence}"
        )
    return fitted


def candidates(spec: ModelSpec, terms: tuple[str, ...]) -> ModelSpec:
    """Return a declared model with other terms, where any are given."""
    if not terms:
        return spec
    return replace(spec.with_terms(TaylorRule(terms).terms), name="candidates", text="")


def _settings(effects: tuple[float, ...], prior: float, confirm: int) -> inclusion.Settings:
    if not 0.0 < prior < 1.0:
        raise HebbaxError(f"--prior {prior:g}: must lie between 0 and 1.")
    for effect in effects:
        if not 0.0 < effect < float("inf"):
            raise HebbaxError(f"--effect {effect:g}: must be a positive number.")
    if len(set(effects)) < len(effects):
        raise HebbaxError(f"--effect {listed(effects)}: each effect may stand once.")
    if confirm < 0:
        raise HebbaxError(f"--confirm {confirm}: must be 0 or more.")
    return inclusion.Settings(effects=effects, inclusion=prior)
