"""The report of one study: which sections, tables and pictures, in which order."""

import json
from collections.abc import Mapping
from pathlib import Path

import arviz as az
import pandas as pd
from matplotlib.figure import Figure

from hebbax import figures, page, summary
from hebbax import posterior as posteriors
from hebbax.predictive import SUSPICIOUS
from hebbax.study import Study, answer, deviance_table

CAPTIONS = {
    "comparison": "Each model against the best one.",
    "forest": "Coefficients of each animal and of the population.",
    "forgetting": "The forgetting term, and the memory it stands for.",
    "pairs": "Population values against each other.",
    "sampler": "Ranks of each chain's draws: even where the chains agree.",
    "choice curves": "Choices of each animal, and what the model predicts of them.",
    "checks": "Statistics of the choices, and what the model predicts of them.",
}
"""What each kind of picture shows."""


def write(study: Study, folder: Path, truth: pd.DataFrame | None = None) -> Path:
    """Write ``report.html`` and its pictures under ``figures``, and return the report's path.

    ``truth`` is the table of a simulated cohort's own coefficients beside the posterior's.
    """
    pictures = folder / "figures"
    pictures.mkdir(exist_ok=True)
    sections = [_answer(study, truth, pictures)]
    sections += [_model(name, study, pictures) for name in study.ranking]
    path = folder / "report.html"
    source = next(iter(study.posteriors.values())).attrs["data"]
    page.write(path, f"Plasticity rules of {source}", sections, _provenance(study))
    return path


def _answer(study: Study, truth: pd.DataFrame | None, folder: Path) -> page.Section:
    """Return the first section: the answer, what failed, the comparison."""
    sessions = posteriors.sessions_of(study.posteriors[study.best])
    tables = [
        (
            "Expected log predictive density of a choice given the true past (LOO and WAIC, nats)",
            study.compared.table,
        ),
        ("Deviance explained by each model, in-sample (%)", deviance_table(study.posteriors)),
        ("Statistics of the cohort that each model misses (predictive p < 0.05)", _missed(study)),
    ]
    if truth is not None:
        tables.insert(0, ("Truth and posterior of the simulated population", truth))
    return page.Section(
        "The answer",
        [
            answer(study),
            f"{sessions.n_animals} animals made {sessions.n_observations} choices among "
            f"{', '.join(sessions.stimuli)} in {sessions.source}.",
        ],
        [f"{name}: {v.sentence}" for name, v in study.verdicts.items() if not v.passed],
        tables,
        _pictures(folder, "all models", {"comparison": figures.comparison(study.compared)}),
        answer=True,
    )


def _missed(study: Study) -> pd.DataFrame:
    """Return how many statistics each model misses, a row a model and a column a kind of check."""
    rows = {}
    for name in study.ranking:
        cohort = study.checks[name].cohort["p"].dropna()
        kinds = cohort.groupby(level="kind", sort=False)
        rows[name] = {str(kind): f"{int((p < SUSPICIOUS).sum())} of {len(p)}" for kind, p in kinds}
    return pd.DataFrame.from_dict(rows, orient="index")


def _model(name: str, study: Study, folder: Path) -> page.Section:
    """Return the section of one model: verdict, coefficients, checks."""
    posterior, verdict, check = study.posteriors[name], study.verdicts[name], study.checks[name]
    term = summary.forgetting(posterior)
    texts = [posteriors.spec_of(posterior).reason]
    if verdict.passed:
        texts += [verdict.sentence, *([term.sentence] if term else [])]
        effective = summary.effective_terms(posterior)
        if effective is not None:
            texts.append(summary.effective_sentence(effective, posterior.posterior.sizes["term"]))
    texts += [check.sentence, *check.notes]
    mark = "" if verdict.passed else " (this posterior FAILED its diagnostics)"
    drawn: dict[str, Figure | None] = {
        "forest": figures.forest(posterior),
        "forgetting": figures.forgetting_term(posterior),
        "pairs": figures.pairs(posterior),
        **figures.predictive(check),
        "sampler": figures.sampler(posterior),
    }
    return page.Section(
        name,
        texts,
        [] if verdict.passed else [verdict.sentence],
        [
            (f"Population{mark}", summary.population_table(posterior)),
            (f"Each animal{mark}", summary.animal_table(posterior)),
            (f"Predictive checks of the cohort{mark}", check.cohort),
        ],
        _pictures(folder, name, {k: v for k, v in drawn.items() if v is not None}),
    )


def _pictures(folder: Path, name: str, drawn: Mapping[str, Figure]) -> list[tuple[str, Path]]:
    out = []
    for kind, figure in drawn.items():
        path = folder / f"{name} {kind}.png"
        figures.save(figure, path)
        out.append((f"{name}. {CAPTIONS[kind]}", path))
    return out


def _provenance(study: Study) -> str:
    """Return how to repeat the study, and from what it was made."""
    fits = study.posteriors
    first = next(iter(fits.values()))
    names = " ".join(fits)
    lines = [f"hebbax run {first.attrs['data']} --models {names} --seed {first.attrs['seed']}", ""]
    shared = ("data", "data_hash", "method", "seed", "settings", "versions", "created_at")
    lines += [f"{key}: {first.attrs[key]}" for key in shared if key in first.attrs]
    for name, posterior in fits.items():
        lines += ["", f"# {name}", _model_file(posterior)]
    return "\n".join(lines)


def _model_file(posterior: az.InferenceData) -> str:
    """Return the model's own file, or its declaration where it was made in Python."""
    text = str(posterior.attrs["model_file"])
    return text or json.dumps(json.loads(posterior.attrs["spec"]), indent=1)
