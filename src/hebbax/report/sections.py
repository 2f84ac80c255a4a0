"""The report of one study: which sections, tables and pictures, in which order."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

import arviz as az
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from hebbax import figures
from hebbax.check.comparison import Comparison
from hebbax.check.joint import Joint
from hebbax.check.predictive import SUSPICIOUS
from hebbax.posterior import forgetting, latents, levels, power_scaling, prior_tails, summary
from hebbax.posterior import inference_data as posteriors
from hebbax.posterior.verdict import Verdict
from hebbax.report import page
from hebbax.report.study import Study, answer, deviance_table
from hebbax.run import attempts
from hebbax.run.attempts import Failed, attempt
from hebbax.run.names import file_name

CAPTIONS = {
    "fading": "What a weight loses of itself in a trial, median and 90 % interval. Filled: a model "
    "that predicts as well as the best. The diamond is the average of these.",
    "new animal": "How well each model predicts an animal that was left out, against the best one.",
    "comparison": "How well each model predicts a choice among known ones, against the best one.",
    "groups": "Population values of each group of animals: medians, 50 and 90 % intervals.",
    "forest": "Coefficients of each animal and of the population.",
    "forgetting": "What a weight loses in a trial, and the memory it stands for.",
    "session": "Trials of one animal: choices and rewards, its weights, what it would choose.",
    "pairs": "Population values against each other.",
    "sampler": "Ranks of each chain's draws: even where the chains agree.",
    "choice curves": "Choices of each animal, and what the model predicts of them.",
    "checks": "Statistics of the choices, and what the model predicts of them.",
}
"""What each kind of picture shows."""

Draw: TypeAlias = Callable[[], Figure | None]
"""Draws a picture; None where the model has nothing to show in it."""


@dataclass(frozen=True)
class Written:
    """A report: where it lies, and what could not be made of it."""

    path: Path
    failures: Sequence[Failed]


def write(study: Study, folder: Path, truth: pd.DataFrame | Failed | None = None) -> Written:
    """Write ``report.html`` and its pictures under ``figures``.

    ``truth`` is the table of a simulated cohort's own coefficients beside the posterior's. A part
    that cannot be made leaves a sentence in its place, and its traceback in `attempts.DETAILS`.
    """
    pictures = folder / "figures"
    pictures.mkdir(exist_ok=True)
    sections = [_read(study), _answer(study, truth, pictures)]
    sections += [_model(name, study, pictures) for name in study.ranking]
    path = folder / "report.html"
    source = next(iter(study.posteriors.values())).attrs["data"]
    page.write(path, f"Plasticity rules of {source}", sections, _provenance(study))
    found = [*study.failures, *(f for section in sections for f in section.failures)]
    failures = list({failed.sentence: failed for failed in found}.values())
    attempts.write_details(failures, folder)
    return Written(path, failures)


def _read(study: Study) -> page.Section:
    """Return what was read, as it was said before the fits."""
    title = "What was read"
    found = attempt(title, partial(posteriors.description_of, study.posteriors[study.ranking[0]]))
    if isinstance(found, Failed):
        return page.Section(title, [found])
    counts = pd.DataFrame({found.source: found.counts})
    return page.Section(title, found.notes, found.questions, [("Counts", counts)])


def _answer(study: Study, truth: pd.DataFrame | Failed | None, folder: Path) -> page.Section:
    """Return the first section: the answer, what failed, the comparison."""
    compared = study.compared
    tables: list[tuple[str, pd.DataFrame | Failed]] = [
        *_scores(compared),
        (
            "Deviance explained by each model, in-sample (%)",
            attempt("deviance.csv", partial(deviance_table, study.posteriors, study.verdicts)),
        ),
        (
            "Statistics of the cohort that each model misses (predictive p < 0.05)",
            attempt("The table of what each model misses", partial(_missed, study)),
        ),
    ]
    if isinstance(study.joint, Joint):
        title = "What a weight loses in a trial (%), by each model, and weights of the models"
        tables.insert(0, (title, study.joint.models))
    if truth is not None:
        tables.insert(0, ("Truth and posterior of the simulated population", truth))
    drawn: dict[str, Draw] = {}
    if isinstance(study.joint, Joint):
        drawn["fading"] = partial(figures.fading, study.joint)
    if not isinstance(compared, Failed):
        if compared.animals is not None:
            drawn["new animal"] = partial(figures.comparison, compared.animals)
        drawn["comparison"] = partial(figures.comparison, compared.choices)
    return page.Section(
        "The answer",
        [answer(study)],
        [f"{name}: {v.advised}" for name, v in study.verdicts.items() if not v.passed],
        tables,
        _pictures(folder, "", drawn),
        answer=True,
    )


def _scores(compared: Comparison | Failed) -> list[tuple[str, pd.DataFrame | Failed]]:
    """Return title and table of each question that models are compared by."""
    known = "A choice among known ones: expected log predictive density by LOO and WAIC (nats)"
    if isinstance(compared, Failed):
        return [(known, compared)]
    tables: list[tuple[str, pd.DataFrame | Failed]] = [(known, compared.choices.table)]
    if compared.animals is not None:
        title = "A new animal: log probability of all its choices, each animal left out (nats)"
        tables.insert(0, (title, compared.animals.table))
    return tables


def _missed(study: Study) -> pd.DataFrame:
    """Return how many statistics each model misses, a row a model and a column a kind of check."""
    rows = {}
    for name in study.ranking:
        check = study.checks[name]
        if isinstance(check, Failed):
            continue
        cohort = check.cohort["p"].dropna()
        kinds = cohort.groupby(level="kind", sort=False)
        rows[name] = {
            **{str(kind): f"{int((p < SUSPICIOUS).sum())} of {len(p)}" for kind, p in kinds},
            "diagnostics": study.verdicts[name].word,
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def _model(name: str, study: Study, folder: Path) -> page.Section:
    """Return the section of one model: verdict, coefficients, checks."""
    posterior, verdict, check = study.posteriors[name], study.verdicts[name], study.checks[name]
    tables: dict[str, Callable[[], pd.DataFrame]] = {
        **_losses(posterior, verdict),
        "Population": partial(summary.population_table, posterior, verdict),
        **_groups(posterior, verdict),
        "Each animal": partial(summary.animal_table, posterior, verdict),
    }
    drawn: dict[str, Draw] = {
        "groups": partial(figures.groups, posterior, verdict),
        "forest": partial(figures.forest, posterior, verdict),
        "forgetting": partial(figures.forgetting_term, posterior, verdict),
        "pairs": partial(figures.pairs, posterior, verdict),
    }
    if not isinstance(check, Failed):
        tables["Predictive checks of the cohort"] = lambda: check.cohort
        drawn |= figures.predictive(check)
    drawn["session"] = partial(_session, posterior, verdict)
    drawn["sampler"] = partial(figures.sampler, posterior, verdict)
    return page.Section(
        name,
        _texts(name, study),
        [] if verdict.passed else [verdict.advised],
        [
            (f"{what}{verdict.mark}", attempt(f"{name}. {what}", make))
            for what, make in tables.items()
        ],
        _pictures(folder, name, drawn),
        _sensitivity(name, posterior, verdict),
    )


def _sensitivity(
    name: str, posterior: az.InferenceData, verdict: Verdict
) -> list[tuple[str, pd.DataFrame | Failed]]:
    """Return the table of what hangs on the prior below what it says; none without a population."""
    table = attempt(
        f"{name}. Sensitivity", partial(power_scaling.sensitivity_table, posterior, verdict)
    )
    if isinstance(table, Failed):
        return [("Sensitivity", table)]
    said = power_scaling.sentence(table)
    return [(f"{said}{verdict.mark}", table)] if said else []


def _groups(posterior: az.InferenceData, verdict: Verdict) -> dict[str, Callable[[], pd.DataFrame]]:
    """Return the tables of groups of animals, none for a model without effects of covariates."""
    if not posteriors.spec_of(posterior).by:
        return {}
    return {
        "Population of each group": partial(levels.level_table, posterior, verdict),
        "Differences between groups": partial(levels.difference_table, posterior, verdict),
    }


def _session(posterior: az.InferenceData, verdict: Verdict) -> Figure:
    """Return the picture of the trials of an animal that has the median number of them."""
    animal = latents.typical_animal(posterior)
    found = latents.latents(posterior, animals=[animal], verdict=verdict)
    return figures.session(found, verdict)


def _losses(posterior: az.InferenceData, verdict: Verdict) -> dict[str, Callable[[], pd.DataFrame]]:
    """Return the tables of what weights lose, none for a rule that does not fade them."""
    if not forgetting.fades(posterior):
        return {}
    tables: dict[str, Callable[[], pd.DataFrame]] = {
        "What a weight of each animal loses in a trial": partial(
            forgetting.animal_losses, posterior, verdict
        )
    }
    if not posteriors.spec_of(posterior).population:
        return tables
    population = partial(forgetting.population_losses, posterior, verdict)
    return {"What a weight of the population loses in a trial": population, **tables}


def _texts(name: str, study: Study) -> list[str | Failed]:
    """Return what is said of one model: of its coefficients only where its posterior passed."""
    posterior, verdict, check = study.posteriors[name], study.verdicts[name], study.checks[name]
    texts: list[str | Failed] = [
        attempt(f"The model {name}", lambda: posteriors.spec_of(posterior).reason)
    ]
    if verdict.passed:
        texts += [
            verdict.sentence,
            attempt(
                f"The forgetting of {name}",
                partial(forgetting.forgetting_sentence, posterior, verdict),
            ),
            attempt(f"The groups of {name}", partial(levels.sentence, posterior)),
            attempt(f"The number of terms of {name}", partial(_effective, posterior)),
        ]
    texts.append(attempt(f"The prior of {name}", partial(prior_tails.sentence, posterior, verdict)))
    if isinstance(check, Failed):
        return [*texts, check]
    texts += [attempt(f"The sentence on {name}", lambda: check.sentence), *check.notes]
    return [text for text in texts if text]


def _effective(posterior: az.InferenceData) -> str:
    """Return the effective number of terms, or nothing where the prior has none."""
    effective = summary.effective_terms(posterior)
    if effective is None:
        return ""
    return summary.effective_sentence(effective, posterior.posterior.sizes["term"])


def _pictures(
    folder: Path, name: str, drawn: Mapping[str, Draw]
) -> list[tuple[str, Path | Failed]]:
    """Return caption and file of each picture of a model, or with no name of the study, drawn one
    at a time; those of what a model does not have are left out."""
    out: list[tuple[str, Path | Failed]] = []
    for kind, draw in drawn.items():
        what = f"{name} {kind}".strip()
        made = attempt(f'The picture "{what}"', partial(_picture, draw, folder, name, kind))
        if made is not None:
            out.append((f"{name}. {CAPTIONS[kind]}" if name else CAPTIONS[kind], made))
        plt.close("all")  # what was begun and failed
    return out


def _picture(draw: Draw, folder: Path, name: str, kind: str) -> Path | None:
    figure = draw()
    if figure is None:
        return None
    words = kind.replace(" ", "-")
    path = folder / (f"{file_name(name)}_{words}.png" if name else f"{words}.png")
    figures.save(figure, path)
    return path


def _provenance(study: Study) -> str:
    """Return how to repeat the study, and from what it was made."""
    fits = study.posteriors
    made = _commands(fits)
    lines = ["# each posterior is repeated by", *made, ""]
    if study.command and made != [study.command]:
        lines += ["# this report, by", study.command, ""]
    first = next(iter(fits.values()))
    shared = ("data", "data_hash", "method", "seed", "settings", "versions", "created_at")
    lines += [f"{key}: {first.attrs[key]}" for key in shared if key in first.attrs]
    for name, posterior in fits.items():
        lines += ["", f"# {name}", _model_file(posterior)]
    return "\n".join(lines)


def _commands(fits: Mapping[str, az.InferenceData]) -> list[str]:
    """Return the commands that made some posteriors, each once, with the models it is for where it
    is not for all."""
    made: dict[str, list[str]] = {}
    for name, posterior in fits.items():
        command = posterior.attrs.get("command", "# (made in Python, from what is said below)")
        made.setdefault(str(command), []).append(name)
    if len(made) == 1:
        return list(made)
    return [line for command, of in made.items() for line in (f"# {', '.join(of)}", command)]


def _model_file(posterior: az.InferenceData) -> str:
    """Return the model's own file, or its declaration where it was made in Python."""
    text = str(posterior.attrs["model_file"])
    return text or json.dumps(json.loads(posterior.attrs["spec"]), indent=1)
