"""An answer of `hebbax terms` in a folder: of which question it is, and whether the same command
goes on with it.

A question is the data, the candidates with their model, and the settings of the weighing;
``terms.json`` holds it. Sampling the leading sub-models takes hours, so the same question with
``--confirm`` goes on where it was stopped, and everything else that is in the way is refused before
anything is weighed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hebbax.data import Sessions, data_hash
from hebbax.errors import HebbaxError
from hebbax.model.identity import difference, identity
from hebbax.model.spec import ModelSpec
from hebbax.posterior import fits, methods
from hebbax.runs import records
from hebbax.runs.names import name_of
from hebbax.terms.inclusion import Settings
from hebbax.terms.weighing import sub_model, terms_named

FILE = "terms.json"

TABLES = ("terms", "terms_pairs", "terms_submodels", "terms_rules", "terms_projection")
"""Tables of an answer that was not stopped."""


def question(sessions: Sessions, spec: ModelSpec, settings: Settings) -> dict[str, Any]:
    """Return what is asked, as JSON holds it: of which data, which candidates of which model, and
    how they are weighed."""
    return identity(spec, data_hash(sessions), asdict(settings))


def write(asked: Mapping[str, Any], folder: Path) -> None:
    """Write ``terms.json``, in place of that of an earlier answer."""
    records.write(asked, folder / FILE, HebbaxError)


def admit(asked: Mapping[str, Any], folder: Path, *, confirm: bool) -> None:
    """Raise `HebbaxError` where an earlier answer is in the way: one to another question, naming
    the difference, or one that is complete; with ``confirm`` its sub-models are still sampled."""
    earlier = sorted(folder.glob("terms*"))
    if not earlier:
        return
    exists = HebbaxError(f"{earlier[0]}: exists already; --force replaces it.")
    path = folder / FILE
    if path not in earlier:
        raise exists
    damaged = f"{path}: not readable as what `hebbax terms` wrote; --force replaces the answer."
    if other := difference(records.read(path, HebbaxError, damaged), asked):
        raise HebbaxError(
            f"{path}: an answer {other}; ask for the same, use --force to replace it, or give "
            "another --out."
        )
    complete = all((folder / f"{name}.csv").exists() for name in TABLES)
    if complete and not confirm:
        raise exists


def check_fits(
    sessions: Sessions, spec: ModelSpec, folder: Path, seed: int, settings: methods.Sampler
) -> None:
    """Raise `FitError` where a posterior of a sub-model of ``spec``, the model of all candidates,
    would be too large, or a fit of something else lies in the folder under the name of one.

    Their prior scales, which the weighing finds, are compared after it (`fits.prepare`).
    """
    fits.check_size(sessions, sub_model(spec, {}), settings)
    found = [sub_model(spec, dict.fromkeys(names, 1.0)) for names in _found(folder, spec.terms)]
    fits.refuse_others(sessions, found, folder, seed, settings)


def _found(folder: Path, terms: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the terms of each sub-model whose name a fit in a folder has."""
    ends = (methods.ENDINGS["pseudo-marginal"], ".state.npz")
    files = {p.name.removesuffix(end) for end in ends for p in folder.glob(f"*{end}")}
    named = [terms_named(name_of(file)) for file in sorted(files)]
    # In the order of the candidates, each once, as `sub_model` names them.
    return [own for own in named if own == tuple(t for t in terms if t in own)]
