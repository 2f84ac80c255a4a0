"""Commands that say what stored posteriors and recordings show: diagnose, compare, profile."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import jax

from hebbax import figures
from hebbax.check import comparison, new_animal, next_trials
from hebbax.check import profile as profiles
from hebbax.cli.console import CONSOLE, print_table, say, score_table, table
from hebbax.cli.folders import prepare_folder, refuse_replacing
from hebbax.cli.pictures import picture
from hebbax.cli.posteriors import read_posteriors
from hebbax.cli.progress import bars, progress
from hebbax.cli.recordings import described
from hebbax.errors import HebbaxError
from hebbax.model.declared import read_spec
from hebbax.posterior import diagnostics, power_scaling, prior_tails
from hebbax.posterior.inference_data import Posterior
from hebbax.runs.names import check_distinct, file_name


def diagnose(posteriors: tuple[Path, ...]) -> None:
    """Print the verdict of each stored posterior, and how much it hangs on its prior."""
    for name, result in read_posteriors(posteriors).items():
        verdict = diagnostics.diagnose(result)
        say(name, verdict.advised)
        if said := prior_tails.sentence(result, verdict):
            CONSOLE.print(said)
        sensitivity = power_scaling.sensitivity_table(result, verdict)
        if verdict.usable and len(sensitivity):
            CONSOLE.print(power_scaling.sentence(sensitivity))
            print_table(table("sensitivity", sensitivity.drop(columns="diagnostics")))


def compare(
    posteriors: tuple[Path, ...],
    out: Path | None,
    refit: bool,
    refit_all: bool,
    first: float | None,
    force: bool,
) -> None:
    """Print the scores of stored posteriors; write them where a folder is given."""
    if out is not None:
        for name in comparison.TABLES:
            refuse_replacing(out / name, force=force)
    fits = read_posteriors(posteriors)
    if first is not None:
        if out is None:
            raise HebbaxError("--next: fits the models again; --out says where these fits lie.")
        next_trials.check(fits)
    compared = comparison.compare(fits)
    if refit or refit_all:
        compared = compared.refitted(_refitted(fits, compared, every=refit_all))
    if out is not None:
        prepare_folder(out)
    if first is not None and out is not None:
        with bars() as add:
            future = next_trials.next_trials(fits, first, out, add)
        compared = replace(compared, future=future)
        for name, verdict in future.verdicts.items():
            if not verdict.passed:
                say(f"{name}, the first trials", verdict.advised)
    for name, verdict in compared.verdicts.items():
        if not verdict.passed:
            say(name, verdict.advised)
    CONSOLE.print(compared.sentence)
    for score in compared.scores:
        print_table(score_table(score))
    if out is not None:
        comparison.write_tables(compared, out)


def _refitted(
    fits: dict[str, Posterior], compared: comparison.Comparison, *, every: bool
) -> dict[str, new_animal.LeftOut]:
    """Return what models predict of animals that are uncertain, or of every one, fitted again
    without each."""
    exact = {}
    with bars() as add:
        for name, found in compared.left_out.items():
            if animals := found.animals if every else found.uncertain:
                key = jax.random.PRNGKey(int(fits[name].attrs["seed"]))
                exact[name] = new_animal.refitted(key, fits[name], found, animals, add(name))
    return exact


def profile(
    recordings: Path,
    columns: tuple[str, ...],
    no_choice: str | None,
    model: str,
    terms: tuple[str, ...],
    animals: tuple[str, ...],
    out: Path,
    force: bool,
) -> None:
    """Draw the likelihood of each animal over the coefficients of two terms."""
    sessions = described(recordings, columns, no_choice)
    declared = read_spec(model)
    spec = declared.with_terms(declared.terms)
    pair = profiles.terms_of(terms or spec.terms[:2])
    drawn = animals or sessions.animals
    check_distinct(drawn, "--animal")
    paths = {animal: out / f"profile {file_name(animal)}.png" for animal in drawn}
    for path in paths.values():
        refuse_replacing(path, force=force)
    prepare_folder(out)
    for animal, path in paths.items():
        with progress(animal) as tell:
            surface = profiles.profile(sessions, spec, animal, pair, tell)
        picture(partial(figures.profile, surface), path)
        say(animal, f"{profiles.best_sentence(surface)}: {path}")
