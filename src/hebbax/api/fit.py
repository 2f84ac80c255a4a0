"""One fit as one object: posterior, verdict, tables, pictures, checks."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import jax
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hebbax import data, figures
from hebbax.api.session import LOG, bars, prepare, seeded
from hebbax.check import predictive
from hebbax.display import Displayed, Part
from hebbax.errors import FitError, ModelError
from hebbax.model.choices import Model, build_model
from hebbax.model.declared import read_spec, with_formula
from hebbax.model.own import is_named
from hebbax.model.spec import ModelSpec
from hebbax.posterior import (
    diagnostics,
    estimate,
    fits,
    fitting,
    forgetting,
    levels,
    methods,
    summary,
)
from hebbax.posterior import inference_data as posteriors
from hebbax.posterior import latents as trials
from hebbax.posterior.recording import recording_of
from hebbax.posterior.verdict import Verdict
from hebbax.rule.imported import named
from hebbax.runs import netcdf
from hebbax.runs.lock import results_folder
from hebbax.simulation.environment import AskedBaiting
from hebbax.validation.quoting import plain

Plot: TypeAlias = Axes | np.ndarray
"""One panel, or all panels of a picture ``(panel,)``; `Axes.figure` is the whole picture."""


class Fit(Displayed):
    """The posterior of one model, sampled or approximated, with what can be asked of it.

    Attributes:
        posterior: an `xarray.DataTree` of ArviZ's groups, with all that is stored of the fit.
        verdict: what the diagnostics say of it; every answer is marked by it.
    """

    def __init__(self, posterior: posteriors.Posterior, verdict: Verdict | None = None) -> None:
        self.posterior = posterior
        self.verdict = diagnostics.verdict_of(posterior, verdict)

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.posterior.attrs["model"])

    @cached_property
    def spec(self) -> ModelSpec:
        """The declared model."""
        return posteriors.spec_of(self.posterior)

    @cached_property
    def sessions(self) -> data.Sessions:
        """The trials that the model saw."""
        return posteriors.sessions_of(self.posterior)

    @property
    def model(self) -> Model:
        """The NumPyro model, conditioned on these trials, at their numbers in the recording."""
        return build_model(self.spec, recording_of(self.posterior))

    def shown(self) -> list[Part]:
        """Return verdict, table of the population, and what is said of forgetting and groups."""
        parts: list[Part] = [f"{self.name}, {self.sessions.shown()[0]}", self.verdict.advised]
        if self.verdict.usable:
            parts.append(self.summary())
            said = forgetting.forgetting_sentence(self.posterior, self.verdict)
            parts += filter(None, [said, levels.sentence(self.posterior, self.verdict)])
        return parts

    def summary(self) -> pd.DataFrame:
        """Return the values of the population, one row each: median, sd, ends of the 90 % interval,
        P(< 0); those of each animal where the model has no population."""
        table = summary.population_table if self.spec.population else summary.animal_table
        return table(self.posterior, self.verdict)

    def animals(self) -> pd.DataFrame:
        """Return the values of each animal, as `summary`, and what it says alone."""
        return summary.animal_table(self.posterior, self.verdict)

    def losses(self) -> pd.DataFrame:
        """Return what weights lose in a trial, in %, in the population and in each animal; no row
        where no term of the rule fades weights."""
        animals = forgetting.animal_losses(self.posterior, self.verdict)
        whole = forgetting.population_losses(self.posterior, self.verdict)
        whole = pd.concat({"population": whole}, names=animals.index.names)
        return pd.concat([table for table in (whole, animals) if len(table)] or [animals])

    def groups(self) -> pd.DataFrame:
        """Return the population values of each group of animals, one row a value and group, those
        that covariates have an effect on; no row in a model without covariates."""
        return levels.level_table(self.posterior, self.verdict)

    def differences(self) -> pd.DataFrame:
        """Return the differences of these values between groups, one row a value and pair."""
        return levels.difference_table(self.posterior, self.verdict)

    def latents(self, animals: list[str] | None = None) -> xr.Dataset:
        """Return weights, reward signal and choice probabilities of every trial
        (`hebbax.posterior.latents.latents`)."""
        return trials.latents(self.posterior, animals=animals, verdict=self.verdict)

    def check(
        self,
        *,
        seed: int = 0,
        replicates: int = predictive.Settings.replicates,
        trials_per_block: int | None = None,
        baiting: AskedBaiting = "auto",
        progress: bool = True,
    ) -> predictive.Check:
        """Return what the animals did beside what the posterior predicts of them, one step ahead
        and running free (`hebbax.check.predictive.check`)."""
        settings = predictive.Settings(replicates, trials_per_block, baiting=baiting)
        key = jax.random.PRNGKey(seeded(seed))
        with bars(shown=progress) as add:
            tell = add(self.name)
            return predictive.check(key, self.posterior, settings, tell, verdict=self.verdict)

    def plot_forest(self) -> Plot:
        """Draw every coefficient: the population, and each animal."""
        return panels(figures.forest(self.posterior, self.verdict))

    def plot_forgetting(self) -> Plot:
        """Draw what weights lose in a trial, and the memory it stands for; `FitError` where no term
        of the rule fades weights."""
        figure = figures.forgetting_term(self.posterior, self.verdict)
        if figure is None:
            raise FitError(f"{self.name}: no term of its rule fades weights.")
        return panels(figure)

    def plot_weights(self, animal: str | None = None) -> Plot:
        """Draw choices, weights and choice probabilities of the first trials of an animal, by
        default of one with the median number of trials."""
        found = self.latents([animal or trials.typical_animal(self.posterior)])
        return panels(figures.session(found, self.verdict))

    def plot_predictive(self, check: predictive.Check | None = None) -> Plot:
        """Draw a ``check``, or where none is given that by the default settings."""
        return panels(figures.checks(check or self.check()))

    def plot_chains(self) -> Plot:
        """Draw where the chains were: do they agree, and did they forget where they began?"""
        return panels(figures.sampler(self.posterior, self.verdict))

    def save(self, path: str | Path) -> Path:
        """Write the fit as netCDF, which `load` reads; return where it lies."""
        path = Path(path)
        posteriors.write(self.posterior, path)
        return path


class Mode(Displayed):
    """The most probable values of one model, without any uncertainty.

    Attributes:
        estimate: the values, as an `xarray.Dataset`.
    """

    def __init__(self, estimate: xr.Dataset) -> None:
        self.estimate = estimate

    @property
    def name(self) -> str:
        """Name of the model."""
        return str(self.estimate.attrs["model"])

    def shown(self) -> list[Part]:
        """Return how the climb ended, and the values."""
        return [f"{self.name}: {estimate.sentence(self.estimate)}", self.summary()]

    def summary(self) -> pd.DataFrame:
        """Return the values of each animal."""
        return estimate.table(self.estimate)

    def save(self, path: str | Path) -> Path:
        """Write the estimate as netCDF, which `load` reads; return where it lies."""
        path = Path(path)
        estimate.write(self.estimate, path)
        return path


Declared: TypeAlias = str | ModelSpec | Callable[..., Any]
"""A declared model: its name, a .toml file, ``module:function``, a `ModelSpec`, or a rule of one's
own that says its parameters in its attribute ``model``."""


def spec_of(model: Declared) -> ModelSpec:
    """Return a declared model, however it is named; raise `ModelError` for one that is none."""
    if isinstance(model, ModelSpec):
        return model
    if isinstance(model, str | Path):
        return read_spec(str(model))
    name = f"{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', '')}"
    if not is_named(name) or named(name) is not model:
        raise ModelError(
            f"{plain(repr(model))} given as a model; give a name, a .toml file, a ModelSpec, or a "
            "function that a module holds under its own name."
        )
    return read_spec(name)


def fit(
    recording: Any,
    model: Declared = "forgetting",
    *,
    method: methods.Method | None = None,
    by: str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    progress: bool = True,
    refit: bool = False,
    settings: methods.Settings | None = None,
    **options: int | str,
) -> Fit | Mode:
    """Return the fit of one model to a recording, as ``hebbax fit`` makes it.

    >>> import hebbax
    >>> simulated = hebbax.simulate(animals=2, trials_per_block=10)
    >>> mode = hebbax.fit(simulated.sessions, "no-learning", method="map", progress=False)
    >>> list(mode.summary().index.unique("animal"))
    ['animal 1', 'animal 2']

    Args:
        recording: sessions, or what `hebbax.read` reads.
        model: name of a declared model, a .toml file, ``module:function`` or that function, or a
            `ModelSpec`.
        method: ``pseudo-marginal`` (without settings the default) or ``nuts`` sample the posterior,
            ``svi`` approximates it, ``map`` finds its mode.
        by: a formula over covariates of the animals, as in "group".
        seed: of the random numbers.
        out: a folder to keep the fit in; one that is there already is taken as it is, one that was
            stopped goes on. Without it nothing is written.
        progress: whether a bar is shown.
        refit: whether a fit that lies in ``out`` is made again.
        settings: all settings (as `hebbax.inference.nuts.Settings`), in place of method and
            options.
        options: ``chains``, ``warmup``, ``draws``; of svi ``guide``, ``steps``, ``draws``.

    Raises:
        DataError: a recording that cannot be used.
        ModelError: an unknown model, or one that these trials do not allow.
        FitError: in ``out`` lies a fit of something else; an option that the method has not.
    """
    prepare()
    seed = seeded(seed)
    sessions = recorded(recording)
    spec = with_formula(spec_of(model), by)
    settings = chosen(settings, method, options)
    with bars(shown=progress) as add:
        tell = add(spec.name)
        if out is None:
            fits.check_size(sessions, spec, settings)
            made = fitting.make(fits.unscaled(sessions, spec), seed, settings, tell)
            if isinstance(made, xr.Dataset):
                return Mode(made)
            return Fit(fitting.each_alone(made, tell))
        with results_folder(Path(out)) as folder:
            (found,) = fits.prepare(sessions, [spec], folder, seed, settings, anew=refit)
            stored = fitting.finish(found, folder, seed, settings, tell)
            if isinstance(stored, xr.Dataset):
                return Mode(stored)
            return Fit(fitting.with_each_alone(stored, folder, tell))


def load(path: str | Path) -> Fit | Mode:
    """Return a stored fit, of `Fit.save` or of the command line; raise `FitError` for a file that
    holds none."""
    prepare()
    if not isinstance(path, str | Path):
        raise FitError(f"{type(path).__name__} given; the path of a stored fit is needed.")
    path = Path(path)
    attributes = netcdf.attributes(path, "netCDF file", FitError)
    if attributes.get("method") == "map":
        return Mode(estimate.read(path))
    return Fit(posteriors.read(path))


def chosen(
    settings: methods.Settings | None, method: methods.Method | None, options: Mapping[str, Any]
) -> methods.Settings:
    """Return the settings that are given, or those of a method with some options; raise `FitError`
    where both are given, or settings of another method than the one that was asked for."""
    if settings is None:
        return methods.settings_of(method or methods.DEFAULT, options)
    own = methods.method_of(settings)
    if method not in (None, own):
        raise FitError(f'method "{method}" is given beside settings of "{own}"; leave one out.')
    if options:
        raise FitError(f"{', '.join(options)}: given beside settings, which hold all of them.")
    return settings


def recorded(recording: Any) -> data.Sessions:
    """Return what `hebbax.read` reads. What it took for granted is said in the log, and what looks
    like something else is asked there."""
    sessions = data.read(recording)
    found = data.describe(sessions)
    for note in () if sessions is recording else found.notes:
        LOG.warning("Note: %s", note)
    for question in found.questions:
        LOG.warning("Question: %s", question)
    return sessions


def panels(figure: Figure) -> Plot:
    """Return the axes of a figure, which a notebook then shows once."""
    return figure.axes[0] if len(figure.axes) == 1 else np.array(figure.axes, dtype=object)
