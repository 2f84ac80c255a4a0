"""What a fit is a density of, and whether two fits are densities of the same.

Scores of two models may meet only where both are log densities of one set of observations: the
choice of a trial given that one was made is not the encounters of that trial, although both are of
one recording.
"""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from pydantic import BaseModel, ConfigDict, Field

from hebbax.errors import FitError
from hebbax.model.likelihood import KINDS
from hebbax.typing import Likelihood

ANIMALS, BY_ANIMAL = "animals", "log_likelihood_animals"
"""The log likelihood of all choices of an animal given its population, of a hierarchy whose animals
were integrated out, and the group that holds it."""


def of_each_animal(posterior: xr.DataTree, log_p: np.ndarray) -> xr.Dataset:
    """Return the group `BY_ANIMAL` of log p-hat ``(chain, draw, animal)``, as a posterior has
    these."""
    place = {name: posterior[name] for name in ("chain", "draw", "animal")}
    return xr.Dataset({ANIMALS: (tuple(place), log_p)}, place)


def of_each_draw(posterior: xr.DataTree, values: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Return one number a draw ``(chain, draw)`` by name, of the draws that a posterior has."""
    place = {name: posterior[name] for name in ("chain", "draw")}
    return xr.Dataset({name: (tuple(place), value) for name, value in values.items()}, place)


UNOBSERVED = "unobserved_"
"""How variables of trials begin that are no observations: forced ones, and omitted ones in which
weights decay."""


def of_all_trials(trials: xr.Dataset, name: str) -> np.ndarray:
    """Return a variable of the recorded ``trials`` of a stored fit: of the observations, then of
    the trials that only teach."""
    parts = [one for one in (name, f"{UNOBSERVED}{name}") if one in trials]
    return np.concatenate([trials[one].to_numpy() for one in parts])


class Observed(BaseModel):
    """What a fit was conditioned on.

    ``likelihood`` and ``unit`` (one observation, in words), ``number`` of observations, and
    ``hash``, the SHA-256 of the observed values with the animal of each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    likelihood: Likelihood
    unit: str
    number: int = Field(ge=1)
    hash: str

    @property
    def words(self) -> str:
        """What a fit to it is a density of."""
        return f"a density of {self.unit} ({self.number} observations)"


def observed(
    likelihood: Likelihood, values: np.ndarray, animal_index: np.ndarray, names: Sequence[str]
) -> Observed:
    """Return what was observed: ``values`` (observation, ...) of the animals ``animal_index``
    (observation,), which are called ``names``."""
    digest = hashlib.sha256(repr((likelihood, tuple(map(str, names)), values.shape)).encode())
    digest.update(np.ascontiguousarray(animal_index, dtype=np.int64).tobytes())
    digest.update(np.ascontiguousarray(values, dtype=np.float64).tobytes())
    return Observed(
        likelihood=likelihood,
        unit=KINDS[likelihood].unit,
        number=len(values),
        hash=digest.hexdigest(),
    )


def observed_of(posterior: xr.DataTree) -> Observed:
    """Return what a stored posterior was conditioned on, taken from the observations in it."""
    ((site, values),) = posterior.observed_data.data_vars.items()
    index = posterior.constant_data["animal_index"].to_numpy()
    return observed(site, values.to_numpy(), index, posterior.posterior["animal"].to_numpy())


def site_of(posterior: xr.DataTree) -> str:
    """Return the name of the log likelihood of the observations, which is their likelihood's."""
    (site,) = (str(name) for name in posterior.log_likelihood.data_vars if name in KINDS)
    return site


def check_comparable(posteriors: Mapping[str, xr.DataTree]) -> None:
    """Raise `FitError` where posteriors, by model name, are not densities of the same observations,
    naming two of them and what each is a density of."""
    seen = {name: observed_of(posterior) for name, posterior in posteriors.items()}
    recorded = {name: posterior.attrs["data_hash"] for name, posterior in posteriors.items()}
    first, *others = posteriors
    for other in others:
        one, two = seen[first], seen[other]
        if one.likelihood != two.likelihood:
            raise FitError(
                f"{first} and {other} cannot be compared: {first} is {one.words}, {other} is "
                f'{two.words}; compare models with the same "likelihood".'
            )
        if one != two or recorded[first] != recorded[other]:
            raise FitError(
                f"{first} and {other} were fitted to different data; compare fits of the same."
            )
