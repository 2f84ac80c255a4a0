"""The command that says what an animal had in mind in every trial: latents."""

from functools import partial
from pathlib import Path

from hebbax import figures
from hebbax.cli.console import say
from hebbax.cli.folders import prepare_folder, refuse_replacing
from hebbax.cli.pictures import picture
from hebbax.cli.posteriors import read_posteriors
from hebbax.errors import HebbaxError
from hebbax.posterior import latents as trials
from hebbax.posterior.diagnostics import diagnose
from hebbax.runs.files import replacing
from hebbax.runs.names import file_name


def latents(posterior: Path, out: Path, animal: str | None, force: bool) -> None:
    """Write the latents of every trial, and draw those of one animal."""
    ((name, fit),) = read_posteriors((posterior,)).items()
    stem = f"latents_{file_name(str(fit.attrs['model']))}"
    table, drawing = (out / f"{stem}{end}" for end in (".csv", ".png"))
    for path in (table, drawing):
        refuse_replacing(path, force=force)
    verdict = diagnose(fit)
    found = trials.latents(fit, verdict=verdict)
    drawn = trials.of_animal(found, animal or trials.typical_animal(fit))
    prepare_folder(out)
    with replacing(table, HebbaxError) as unfinished:
        trials.table(found).to_csv(unfinished, index=False)
    picture(partial(figures.session, drawn, verdict), drawing)
    if not verdict.passed:
        say(name, verdict.advised)
    say(name, f"{found.sizes['trial']} trials in {table}, a picture of some in {drawing}")
