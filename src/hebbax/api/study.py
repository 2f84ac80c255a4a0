"""Several models of one recording: what they say together, which predicts best, a report."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from hebbax import figures
from hebbax.api.fit import Declared, Fit, Plot, chosen, panels, recorded, spec_of
from hebbax.api.session import bars, prepare, seeded
from hebbax.check import comparison, predictive
from hebbax.check.joint import Joint, joint
from hebbax.check.recorded_task import check_blocks
from hebbax.display import Displayed, Part
from hebbax.errors import FitError
from hebbax.model.declared import with_formulas
from hebbax.model.defaults import default_models
from hebbax.model.spec import ModelSpec
from hebbax.posterior.methods import Sampler
from hebbax.posterior.observed import check_comparable
from hebbax.reporting import sections
from hebbax.reporting import study as studies
from hebbax.runs.attempts import Failed
from hebbax.runs.lock import results_folder
from hebbax.simulation.environment import AskedBaiting

Fits: TypeAlias = Mapping[str, Fit] | Iterable[Fit]
"""Fits by a name, or each by that of its model."""


class Models(Displayed):
    """Fits of several models, compared.

    Attributes:
        fits: the fits by name.
        comparison: which predicts better, by every question that is answered.
        joint: what those say together that are not told apart from the best; None where one of
            them has no population, and `Failed` where it could not be found.
        checks: what `run` found of the animals' choices beside what each model predicts.
        failures: what could not be made of a report, in sentences.
    """

    def __init__(
        self,
        fits: Mapping[str, Fit],
        compared: comparison.Comparison,
        together: Joint | Failed | None,
        checks: Mapping[str, predictive.Check] | None = None,
        failures: Sequence[str] = (),
    ) -> None:
        self.fits = dict(fits)
        self.comparison = compared
        self.joint = together
        self.checks = dict(checks or {})
        self.failures = tuple(failures)

    def __getitem__(self, name: str) -> Fit:
        return self.fits[name]

    @property
    def answer(self) -> str:
        """What the models say together of fading, in a sentence."""
        return "" if self.joint is None else self.joint.sentence

    @property
    def best(self) -> Fit:
        """The fit that predicts best; `FitError` where all failed their diagnostics."""
        if not self.comparison.trusted:
            raise FitError("every posterior FAILED its diagnostics; none predicts best.")
        return self.fits[self.comparison.trusted[0]]

    def shown(self) -> list[Part]:
        """Return the answer, and the comparison."""
        return [*filter(None, [self.answer]), *self.comparison.shown(), *self.failures]

    def plot(self) -> Plot:
        """Draw how far each model is behind the best, of all animals and of each."""
        return panels(figures.comparison(self.comparison.scores[0]))

    def plot_fading(self) -> Plot:
        """Draw what weights lose in a trial, by each model and on average."""
        if self.joint is None:
            raise FitError("a model without a population is among them; nothing is averaged.")
        if isinstance(self.joint, Failed):
            raise FitError(self.joint.sentence)
        return panels(figures.fading(self.joint))


def compare(fits: Fits) -> Models:
    """Return fits of the same recording, compared.

    Raises `FitError` where they are of other choices or two have one name.
    """
    named = _named(fits)
    found = {name: one.posterior for name, one in named.items()}
    verdicts = {name: one.verdict for name, one in named.items()}
    compared = comparison.compare(found, verdicts)
    return Models(named, compared, joint(compared, found))


def run(
    recording: Any,
    models: Declared | Iterable[Declared] | None = None,
    *,
    out: str | Path = "results",
    by: str | None = None,
    seed: int = 0,
    trials_per_block: int | None = None,
    baiting: AskedBaiting = "auto",
    progress: bool = True,
    refit: bool = False,
    settings: Sampler | None = None,
    **options: int,
) -> Models:
    """Return several models of a recording, fitted, checked and compared, and write report and
    tables to a folder, as `hebbax run` does: what is there already is taken as it is.

    Args:
        recording: sessions, or what `hebbax.read` reads.
        models: declared models, each as in `fit`; by default no learning, reward learning and each
            way of fading.
        out: the folder; ``report.html`` is in it.
        by: a formula over covariates of the animals: each model also with it.
        seed: of the random numbers.
        trials_per_block: length of the blocks, where the recording does not say its own.
        baiting: whether an armed reward waits until it is collected.
        progress: whether bars are shown.
        refit: whether fits that lie in ``out`` are made again.
        settings: all settings of a sampler, in place of options.
        options: ``chains``, ``warmup``, ``draws``.

    Raises:
        HebbaxError: what can be known to fail, before anything is fitted.
    """
    prepare()
    seed = seeded(seed)
    sessions = recorded(recording)
    if models is None:
        models = default_models(sessions)
    if isinstance(models, str | Path | ModelSpec) or callable(models):
        models = [models]
    specs = with_formulas([spec_of(model) for model in models], by)
    check_blocks(sessions, trials_per_block)
    sampler = chosen(settings, None, options)
    if not isinstance(sampler, Sampler):
        raise FitError("a report is of posteriors that were sampled; give settings of a sampler.")
    checks = predictive.Settings(trials_per_block=trials_per_block, baiting=baiting)
    with results_folder(Path(out)) as folder, bars(shown=progress) as add:
        plan = studies.Plan(specs, folder, seed, sampler, checks, refit=refit)
        study = studies.run(plan, studies.prepare(sessions, plan), add)
        written = sections.write(study, folder)
    return _models(study, written.failures)


def report(
    fits: Fits,
    out: str | Path = "results",
    *,
    seed: int = 0,
    trials_per_block: int | None = None,
    baiting: AskedBaiting = "auto",
    progress: bool = True,
) -> Path:
    """Write the report of some fits, its tables and pictures to a folder, and return where the
    report lies. Raises `FitError` where they are not of the same choices."""
    named = _named(fits)
    found = {name: one.posterior for name, one in named.items()}
    check_comparable(found)
    seed = seeded(seed)
    check_blocks(next(iter(named.values())).sessions, trials_per_block)
    checks = predictive.Settings(trials_per_block=trials_per_block, baiting=baiting)
    with results_folder(Path(out)) as folder, bars(shown=progress) as add:
        plan = studies.Plan((), folder, seed, checks=checks)
        study = studies.assess(studies.judge(found), plan, add)
        return sections.write(study, folder).path


def _named(fits: Fits) -> dict[str, Fit]:
    if isinstance(fits, Fit):
        fits = [fits]
    pairs = fits.items() if isinstance(fits, Mapping) else [(None, one) for one in fits]
    named: dict[str, Fit] = {}
    for name, one in pairs:
        if not isinstance(one, Fit):
            raise FitError(f"{type(one).__name__} given; fits of a posterior are needed.")
        called = one.name if name is None else name
        if called in named:
            raise FitError(f'{called}: two fits of one name given; name them, as in {{"a": fit}}.')
        named[called] = one
    if not named:
        raise FitError("no fit given.")
    return named


def _models(study: studies.Study, failures: Iterable[Failed]) -> Models:
    if isinstance(study.compared, Failed):
        raise FitError(study.compared.sentence)
    fits = {name: Fit(one, study.verdicts[name]) for name, one in study.posteriors.items()}
    checks = {n: one for n, one in study.checks.items() if not isinstance(one, Failed)}
    said = [failed.sentence for failed in failures]
    return Models(fits, study.compared, study.joint, checks, said)
