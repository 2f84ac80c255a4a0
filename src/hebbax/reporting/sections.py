"""The report of one study: its sections in order, and where they come from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import xarray as xr

from hebbax.reporting import first, page
from hebbax.reporting.answer import answers
from hebbax.reporting.model import model_section
from hebbax.reporting.study import Study
from hebbax.reporting.trials import trials
from hebbax.runs import attempts
from hebbax.runs.attempts import Failed, attempt

MADE_WITH = ("data", "data_hash", "method", "seed", "settings", "versions", "created_at")
"""Attributes of a posterior that say how it was made."""


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
    models = [model_section(name, study, pictures) for name in study.ranking]
    (_, answer), *others = answers(study).items()
    behind = [first.detail(study, dict(others), truth, pictures), _trials(study), *models]
    failures = [*study.failures, *(f for section in behind for f in section.failures)]
    front = first.screen(study, answer, truth, pictures, failures)
    path = folder / "report.html"
    source = next(iter(study.posteriors.values())).attrs["data"]
    page.write(path, f"Plasticity rules of {source}", [front, *behind], _provenance(study))
    distinct = list({f.sentence: f for f in [*failures, *front.failures]}.values())
    attempts.write_details(distinct, folder)
    return Written(path, distinct)


def _trials(study: Study) -> page.Section:
    """Return the trials of every animal by the model that leads."""
    name = study.leading
    made = attempt(
        "The trials of each animal", partial(trials, study.posteriors[name], study.verdicts[name])
    )
    said = (
        f"What each animal chose and got, what it had learned and what it would choose, by "
        f"{study.verdicts[name].called(name)}: means over draws given the recorded past, and where "
        "there are two alternatives 90 % intervals. A mean that leaves its interval comes of a few "
        "draws far out. Grey lines are where a session begins; forced choices are grey points, and "
        "have no probability."
    )
    if not isinstance(made, Failed) and made["most"] < made["longest"]:
        said += f" The first {made['most']} trials of each animal are shown."
    return page.Section("Each animal", [page.Text(said), page.Trials("Animal", made)])


def _provenance(study: Study) -> str:
    """Return how to repeat the study, and from what it was made."""
    fits = study.posteriors
    made = _commands(fits)
    lines = ["# each posterior is repeated by", *made, ""]
    if study.command and made != [study.command]:
        lines += ["# this report, by", study.command, ""]
    source = next(iter(fits.values()))
    shared = [
        key
        for key in MADE_WITH
        if len({str(posterior.attrs.get(key)) for posterior in fits.values()}) == 1
    ]
    own = [key for key in MADE_WITH if key not in shared]
    lines += _said(source, shared)
    for name, posterior in fits.items():
        lines += ["", f"# {name}", *_said(posterior, own), _model_file(posterior)]
    return "\n".join(lines)


def _said(posterior: xr.DataTree, keys: Sequence[str]) -> list[str]:
    """Return some attributes of a posterior, a line each."""
    return [f"{key}: {posterior.attrs[key]}" for key in keys if key in posterior.attrs]


def _commands(fits: Mapping[str, xr.DataTree]) -> list[str]:
    """Return the commands that made some posteriors, each once, with the models it is for where it
    is not for all."""
    made: dict[str, list[str]] = {}
    for name, posterior in fits.items():
        command = posterior.attrs.get("command", "# (made in Python, from what is said below)")
        made.setdefault(str(command), []).append(name)
    if len(made) == 1:
        return list(made)
    return [line for command, of in made.items() for line in (f"# {', '.join(of)}", command)]


def _model_file(posterior: xr.DataTree) -> str:
    """Return the model's own file, or its declaration where it was made in Python."""
    text = str(posterior.attrs["model_file"])
    return text or json.dumps(json.loads(posterior.attrs["spec"]), indent=1)
