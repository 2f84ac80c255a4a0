"""From sessions and declared models to a report: fit, diagnose, compare, draw.

What `hebbax run` and `hebbax demo` do. Finished fits in the results folder are taken as they are,
unfinished ones go on, so that a study that was cut off repeats nothing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import arviz as az
import pandas as pd
from matplotlib.figure import Figure

from hebbax import comparison, diagnostics, figures, fitting, report, summary
from hebbax import posterior as posteriors
from hebbax.data import Sessions
from hebbax.inference import nuts
from hebbax.simulation import Cohort
from hebbax.spec import ModelSpec
from hebbax.typing import Progress

REFERENCE = "null"
"""Model against which the deviance explained is given, where it is among those fitted."""


@dataclass(frozen=True)
class Plan:
    """What a study does: the models, where results go, the seed and the sampler."""

    specs: Sequence[ModelSpec]
    folder: Path
    seed: int
    settings: nuts.Settings


@dataclass(frozen=True)
class Study:
    """What came of it, by model name."""

    posteriors: Mapping[str, az.InferenceData]
    verdicts: Mapping[str, diagnostics.Verdict]
    compared: comparison.Comparison


def run(sessions: Sessions, plan: Plan, progress: Callable[[str], Progress]) -> Study:
    """Return the study, its results written to the plan's folder.

    ``progress(name)`` returns the progress of one model. Written are, for each model,
    ``<model>.nc`` and pictures under ``figures``, and for all of them ``comparison.csv``,
    ``population.csv``, ``coefficients.csv`` and ``deviance.csv``.
    """
    fitted = {}
    for spec in plan.specs:
        tell = progress(spec.name)
        stored = fitting.finished(sessions, spec, plan.folder)
        fitted[spec.name] = stored or fitting.fit_and_store(
            sessions, spec, plan.folder, plan.seed, plan.settings, tell
        )
    study = Study(
        fitted,
        {name: diagnostics.diagnose(p) for name, p in fitted.items()},
        comparison.compare(fitted),
    )
    _write_tables(study, plan.folder)
    return study


def write_report(
    study: Study, sessions: Sessions, folder: Path, truth: pd.DataFrame | None = None
) -> Path:
    """Write ``report.html`` and its pictures, and return its path.

    ``truth`` is the table of a simulated cohort's own coefficients beside the posterior's.
    """
    pictures = folder / "figures"
    pictures.mkdir(exist_ok=True)
    sections = [_answer(study, sessions, truth, pictures)]
    sections += [_model_section(name, study, pictures) for name in study.compared.table.index]
    first = next(iter(study.posteriors.values()))
    provenance = {k: v for k, v in first.attrs.items() if k not in ("model", "model_file", "spec")}
    models = {
        name: p.attrs["model_file"] or p.attrs["spec"] for name, p in study.posteriors.items()
    }
    lines = [f"{k}: {v}" for k, v in provenance.items()]
    lines += [f"\n# {name}\n{text}" for name, text in models.items()]
    path = folder / "report.html"
    report.write(path, f"Plasticity rules of {sessions.source}", sections, "\n".join(lines))
    return path


def answer(study: Study) -> str:
    """Return the answer in a few sentences: the best model, and its forgetting term."""
    best = str(study.compared.table.index[0])
    sentences = [study.compared.sentence]
    term = summary.forgetting(study.posteriors[best])
    if not study.verdicts[best].passed:
        sentences.append(f"{best}: {study.verdicts[best].sentence}")
    elif term is not None:
        sentences.append(term.sentence)
    return " ".join(sentences)


def truth_table(posterior: az.InferenceData, cohort: Cohort) -> pd.DataFrame:
    """Return the population values a simulated cohort was drawn from, beside their posterior."""
    table = summary.population_table(posterior)
    truth = {f"theta {term}": value for term, value in cohort.population.items()}
    truth["preference"] = cohort.preference[0]
    table.insert(0, "truth", [truth[name] for name in table.index])
    inside = (table["5 %"] <= table["truth"]) & (table["truth"] <= table["95 %"])
    table["in the 90 % interval"] = ["yes" if covered else "no" for covered in inside]
    return table


def _answer(
    study: Study, sessions: Sessions, truth: pd.DataFrame | None, folder: Path
) -> report.Section:
    failed = [name for name, verdict in study.verdicts.items() if not verdict.passed]
    tables = [
        (
            "Expected log predictive density of a choice given the true past (LOO and WAIC, nats)",
            study.compared.table,
        ),
        ("Deviance explained by each model, in-sample (%)", deviance_table(study.posteriors)),
    ]
    if truth is not None:
        tables.insert(0, ("Truth and posterior of the simulated population", truth))
    return report.Section(
        "The answer",
        [
            answer(study),
            f"{sessions.n_animals} animals made {sessions.n_observations} choices among "
            f"{', '.join(sessions.stimuli)} in {sessions.source}.",
        ],
        [f"{name}: {study.verdicts[name].sentence}" for name in failed],
        tables,
        _pictures(folder, "all models", {"comparison": figures.comparison(study.compared)}),
        answer=True,
    )


def _model_section(name: str, study: Study, folder: Path) -> report.Section:
    posterior, verdict = study.posteriors[name], study.verdicts[name]
    passed = verdict.passed
    term = summary.forgetting(posterior)
    texts = [posteriors.spec_of(posterior).reason]
    if passed:
        texts[1:1] = [verdict.sentence, *([term.sentence] if term else [])]
    mark = "" if passed else " (this posterior FAILED its diagnostics)"
    drawn = {
        "forest": figures.forest(posterior),
        "forgetting": figures.forgetting_term(posterior),
        "pairs": figures.pairs(posterior),
        "sampler": figures.sampler(posterior),
    }
    return report.Section(
        name,
        texts,
        [] if passed else [verdict.sentence],
        [
            (f"Population{mark}", summary.population_table(posterior)),
            (f"Each animal{mark}", summary.animal_table(posterior)),
        ],
        _pictures(folder, name, {k: v for k, v in drawn.items() if v is not None}),
    )


def deviance_table(posteriors: Mapping[str, az.InferenceData]) -> pd.DataFrame:
    """Return the deviance explained of each animal, in-sample, a column a model: against chance,
    and where `REFERENCE` is among the models against it."""
    reference = posteriors.get(REFERENCE, next(iter(posteriors.values())))
    columns = {}
    for name, posterior in posteriors.items():
        explained = comparison.deviance_explained(posterior, reference)
        columns[f"{name}, against chance"] = explained["against chance"]
        if name != REFERENCE and REFERENCE in posteriors:
            columns[f"{name}, against {REFERENCE}"] = explained["against reference"]
    return pd.DataFrame(columns)


def _pictures(folder: Path, name: str, drawn: Mapping[str, Figure]) -> list[tuple[str, Path]]:
    captions = {
        "comparison": "Each model against the best one.",
        "forest": "Coefficients of each animal and of the population.",
        "forgetting": "The forgetting term, and the memory it stands for.",
        "pairs": "Population values against each other.",
        "sampler": "Ranks of each chain's draws: even where the chains agree.",
    }
    out = []
    for kind, figure in drawn.items():
        path = folder / f"{name} {kind}.png"
        figures.save(figure, path)
        out.append((f"{name}. {captions[kind]}", path))
    return out


def _write_tables(study: Study, folder: Path) -> None:
    study.compared.table.to_csv(folder / "comparison.csv", index_label="model")
    study.compared.by_animal.to_csv(folder / "comparison_by_animal.csv", index_label="model")
    deviance_table(study.posteriors).to_csv(folder / "deviance.csv", index_label="animal")
    for name, tables in {
        "coefficients": {k: summary.animal_table(p) for k, p in study.posteriors.items()},
        "population": {k: summary.population_table(p) for k, p in study.posteriors.items()},
    }.items():
        pd.concat(tables, names=["model"]).to_csv(folder / f"{name}.csv")
    verdicts = {k: {"passed": v.passed, **v.figures} for k, v in study.verdicts.items()}
    (folder / "diagnostics.json").write_text(json.dumps(verdicts, indent=1), encoding="utf-8")
