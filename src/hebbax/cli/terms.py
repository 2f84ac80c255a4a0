"""The command that says which terms are in the rule: terms."""

from dataclasses import replace
from pathlib import Path

import click
import pandas as pd

from hebbax import data, figures, inclusion
from hebbax.cli.console import CONSOLE, progress, table
from hebbax.cli.options import (
    ListCommand,
    column_option,
    data_argument,
    mapping,
    out_option,
    prepare_folder,
)
from hebbax.errors import HebbaxError
from hebbax.files import replacing
from hebbax.plasticity import TaylorRule
from hebbax.spec import ModelSpec, read_spec

SHOWN = 8
"""Sub-models that the terminal shows."""


@click.command(cls=ListCommand)
@data_argument
@column_option
@click.option("--terms", multiple=True, help="candidate terms; those of the model by default")
@click.option("--model", default="sparse", help="declared model or .toml file: all but its priors")
@click.option(
    "--effect",
    default=inclusion.Settings.effect,
    help="prior standard deviation of information-scaled coefficients",
)
@click.option(
    "--prior", default=inclusion.Settings.inclusion, help="prior probability that a term is in"
)
@out_option
@click.option("--force", is_flag=True, help="replace an earlier answer")
def terms(
    recordings: Path,
    columns: tuple[str, ...],
    terms: tuple[str, ...],
    model: str,
    effect: float,
    prior: float,
    out: Path,
    force: bool,
) -> None:
    """Say which of the candidate terms are in the rule of DATA, which are not, and of which the
    data cannot tell.

    Written are terms.csv, terms_pairs.csv, terms_submodels.csv and pictures.
    """
    settings = _settings(effect, prior)
    spec = candidates(read_spec(model), terms)
    sessions = data.read(recordings, columns=mapping(columns))
    if (out / "terms.csv").exists() and not force:
        raise HebbaxError(f"{out / 'terms.csv'}: exists already; --force replaces it.")
    prepare_folder(out)
    with progress("terms") as tell:
        weighed = inclusion.weigh(sessions, spec, settings, tell)
    _write(weighed, out)
    figures.save(figures.inclusion(weighed), out / "terms.png")
    CONSOLE.print(table("term", inclusion.term_table(weighed)))
    CONSOLE.print(table("sub-model", inclusion.submodel_table(weighed).iloc[:SHOWN, :2]))
    for sentence in inclusion.sentences(weighed):
        CONSOLE.print(sentence)


def candidates(spec: ModelSpec, terms: tuple[str, ...]) -> ModelSpec:
    """Return a declared model with other terms, where any are given."""
    if not terms:
        return spec
    named = TaylorRule(terms).terms
    scales = {term: scale for term, scale in spec.scales.items() if term in named}
    return replace(spec, name="candidates", terms=named, scales=scales, text="")


def _settings(effect: float, prior: float) -> inclusion.Settings:
    if not 0.0 < prior < 1.0:
        raise HebbaxError(f"--prior {prior:g}: must lie between 0 and 1.")
    if not 0.0 < effect < float("inf"):
        raise HebbaxError(f"--effect {effect:g}: must be a positive number.")
    return inclusion.Settings(effect=effect, inclusion=prior)


def _write(weighed: inclusion.Inclusion, out: Path) -> None:
    tables: dict[str, pd.DataFrame] = {
        "terms": inclusion.term_table(weighed),
        "terms_pairs": inclusion.pair_table(weighed),
        "terms_submodels": inclusion.submodel_table(weighed),
    }
    for name, values in tables.items():
        with replacing(out / f"{name}.csv", HebbaxError) as unfinished:
            values.to_csv(unfinished)
