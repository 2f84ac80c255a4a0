"""The section of one model: its rule, what its posterior says, whether its predictions hold."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from hebbax import figures
from hebbax.model import equation
from hebbax.posterior import (
    forgetting,
    latents,
    levels,
    power_scaling,
    prior_tails,
    summary,
)
from hebbax.posterior.inference_data import spec_of
from hebbax.posterior.verdict import Verdict
from hebbax.reporting import animals
from hebbax.reporting.page import Items, Part, Section, Table, Text, Tone
from hebbax.reporting.pictures import Draw, pictures
from hebbax.reporting.study import Study
from hebbax.reporting.tables import population_table
from hebbax.runs.attempts import Failed, attempt, said
from hebbax.runs.names import file_name


def model_section(name: str, study: Study, folder: Path) -> Section:
    """Return the section of one model, opened by a click."""
    posterior, verdict = study.posteriors[name], study.verdicts[name]
    parts: list[Part] = [] if verdict.passed else [Text(verdict.advised, Tone.WARNING)]
    parts += [*_rule(name, posterior, verdict), *_texts(name, study)]
    parts += [*_tables(name, study), *pictures(folder, name, _drawn(name, study))]
    reason = said(attempt(f"The model {name}", lambda: spec_of(posterior).reason))
    mark = "" if verdict.passed else f"This posterior {verdict.told}. "
    return Section(name, parts, f"{mark}{reason}", folded=True)


def _rule(name: str, posterior: xr.DataTree, verdict: Verdict) -> list[Part]:
    """Return the rule as an equation and in words."""
    written = attempt(f"The equation of {name}", partial(rule, posterior, verdict))
    words = attempt(f"The words of {name}", lambda: equation.words(spec_of(posterior)))
    meant = Text(words) if isinstance(words, Failed) else Items("In words", words)
    tone = Tone.WARNING if isinstance(written, Failed) else Tone.EQUATION
    return [Text(written, tone), meant]


def rule(posterior: xr.DataTree, verdict: Verdict) -> str:
    """Return the equation of a rule, and below it its values in the population, by the median,
    where the posterior did not fail its diagnostics."""
    spec = spec_of(posterior)
    lines = equation.equation(spec, int(posterior.attrs["n_inputs"]))
    if spec.members and verdict.usable and spec.population:
        table = summary.population_table(posterior, verdict)
        names = [*spec.parameters] or [f"theta {term}" for term in spec.terms]
        lines.append("in the population: " + ", ".join(_value(name, table) for name in names))
    return "\n".join(lines)


def _value(name: str, table: pd.DataFrame) -> str:
    row, term = table.loc[name], name.removeprefix("theta ")
    shown = equation.greek(name) if term == name else f"θ({equation.written(term)})"
    return f"{shown} = {row['median']:.3f} ({row['5 %']:.3f} to {row['95 %']:.3f})".replace(
        "-", "−"
    )


def _texts(name: str, study: Study) -> list[Part]:
    """Return what is said of one model, of its coefficients where its posterior did not fail."""
    posterior, verdict, check = study.posteriors[name], study.verdicts[name], study.checks[name]
    texts: dict[str, str | Failed] = {}
    if verdict.usable:
        texts["The sampler"] = verdict.sentence if verdict.passed else ""
        texts["Forgetting"] = attempt(
            f"The forgetting of {name}",
            partial(forgetting.forgetting_sentence, posterior, verdict),
        )
        texts["Groups"] = attempt(
            f"The groups of {name}", partial(levels.sentence, posterior, verdict)
        )
        texts["Terms"] = attempt(f"The number of terms of {name}", partial(_effective, posterior))
    texts["The prior"] = attempt(
        f"The prior of {name}", partial(prior_tails.sentence, posterior, verdict)
    )
    if isinstance(check, Failed):
        texts["Checks"] = check
    else:
        texts["Checks"] = attempt(f"The sentence on {name}", lambda: check.sentence)
        texts["The task"] = " ".join(check.notes)
    return [Text(text, about=about) for about, text in texts.items() if text]


def _effective(posterior: xr.DataTree) -> str:
    """Return the effective number of terms, or nothing where the prior has none."""
    effective = summary.effective_terms(posterior)
    if effective is None:
        return ""
    return summary.effective_sentence(effective, posterior.posterior.sizes["term"])


def _tables(name: str, study: Study) -> list[Part]:
    """Return the tables of one model, those of animals and checks to be opened by a click."""
    posterior, verdict, check = study.posteriors[name], study.verdicts[name], study.checks[name]

    def table(what: str, make: Callable[[], pd.DataFrame], file: str, *, folded: bool) -> Table:
        made = attempt(f"{name}. {what}", make)
        return Table(f"{what}{verdict.mark}", made, file, folded=folded)

    tables: list[Part] = []
    fades = attempt(f"What fades in {name}", partial(forgetting.fades, posterior))
    if fades is True and spec_of(posterior).population:
        make = partial(forgetting.population_losses, posterior, verdict)
        tables.append(table("Loss and memory of the population", make, "losses.csv", folded=False))
    if spec_of(posterior).population:
        make = partial(population_table, posterior, verdict)
        tables.append(table("The population", make, "population.csv", folded=False))
    if spec_of(posterior).by:
        for what, by_level, file in (
            ("The population of each group", levels.level_table, "groups.csv"),
            ("Differences between groups", levels.difference_table, "differences.csv"),
        ):
            make = partial(by_level, posterior, verdict)
            tables.append(table(what, make, file, folded=True))
    if fades is True:
        make = partial(animals.losses, posterior, verdict)
        what = "Loss and memory of each animal"
        tables.append(table(what, make, "losses_by_animal.csv", folded=True))
    make = partial(animals.coefficients, posterior, verdict)
    tables.append(table("Values of each animal", make, "coefficients.csv", folded=True))
    if not isinstance(check, Failed):
        make = partial(check.cohort.dropna, subset=["p"])
        file = f"check_{file_name(name)}.csv"
        tables.append(table("Predictive checks of the cohort", make, file, folded=True))
    return [*tables, *_sensitivity(name, posterior, verdict)]


def _sensitivity(name: str, posterior: xr.DataTree, verdict: Verdict) -> list[Part]:
    """Return the table of what hangs on the prior below what it says; none without a population."""
    table = attempt(
        f"{name}. Sensitivity", partial(power_scaling.sensitivity_table, posterior, verdict)
    )
    if isinstance(table, Failed):
        return [Table("Sensitivity", table)]
    found = power_scaling.sentence(table)
    if not found:
        return []
    return [Table(f"{found}{verdict.mark}", table, "sensitivity.csv", folded=True)]


def _drawn(name: str, study: Study) -> dict[str, Draw]:
    """Return what draws the pictures of one model."""
    posterior, verdict, check = study.posteriors[name], study.verdicts[name], study.checks[name]
    drawn: dict[str, Draw] = {
        "forgetting": partial(figures.forgetting_term, posterior, verdict),
        "groups": partial(figures.groups, posterior, verdict),
        "forest": partial(figures.forest, posterior, verdict),
        "session": partial(_session, posterior, verdict),
    }
    if not isinstance(check, Failed):
        drawn |= figures.predictive(check)
    drawn["pairs"] = partial(figures.pairs, posterior, verdict)
    drawn["sampler"] = partial(figures.sampler, posterior, verdict)
    return drawn


def _session(posterior: xr.DataTree, verdict: Verdict) -> Figure:
    """Return the picture of the trials of an animal that has the median number of them."""
    animal = latents.typical_animal(posterior)
    found = latents.latents(posterior, animals=[animal], verdict=verdict)
    return figures.session(found, verdict)
