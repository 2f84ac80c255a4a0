"""The methods that fit a model, and the settings of each."""

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import xarray as xr

from hebbax.errors import FitError
from hebbax.inference import map, nuts, pseudo_marginal, svi
from hebbax.validation.limits import MAX_CHAINS, MAX_DRAWS, MAX_STEPS, MIN_DRAWS

Method = Literal["pseudo-marginal", "nuts", "svi", "map"]

DEFAULT: Method = "pseudo-marginal"
"""The method where none is asked for."""

SAMPLED: tuple[Method, ...] = ("pseudo-marginal", "nuts")
"""The methods that give draws of the posterior."""

ENDINGS: dict[Method, str] = {**dict.fromkeys(SAMPLED, ".nc"), "svi": ".svi.nc", "map": ".map.nc"}
"""End of the file name of each method: a posterior, its approximation and its mode lie beside each
other."""

SETTINGS: dict[Method, type] = {
    "pseudo-marginal": pseudo_marginal.Settings,
    "nuts": nuts.Settings,
    "svi": svi.Settings,
    "map": map.Settings,
}
"""Settings of each method; a fit is by the method its settings are of."""

OPTIONS: dict[Method, tuple[str, ...]] = {
    "pseudo-marginal": ("chains", "warmup", "draws"),
    "nuts": ("chains", "warmup", "draws"),
    "svi": ("guide", "steps", "draws"),
    "map": (),
}
"""The settings of each method that a user is asked for by name."""

Sampler: TypeAlias = pseudo_marginal.Settings | nuts.Settings

Settings: TypeAlias = Sampler | svi.Settings | map.Settings

Result: TypeAlias = xr.DataTree | xr.Dataset
"""A posterior, sampled or approximated, or a point estimate."""


_RANGES = {
    "chains": (1, MAX_CHAINS),
    "warmup": (1, MAX_DRAWS),
    "draws": (MIN_DRAWS, MAX_DRAWS),
    "steps": (1, MAX_STEPS),
}
"""Bounds of options that are numbers."""


def settings_of(
    method: Method, options: Mapping[str, Any], written: Callable[[str], str] = str
) -> Settings:
    """Return the settings of a method with some of its `OPTIONS` given; ``written`` is how an
    option is called in messages.

    Raises `FitError` for another method, and for an option that it has not or a value it cannot
    take.
    """
    if method not in SETTINGS:
        raise FitError(f"{written('method')} {method}: must be one of {', '.join(SETTINGS)}.")
    own, given = OPTIONS[method], dict(options)
    for name, value in options.items():
        if name not in own:
            known = ", ".join(written(one) for one in own) or "none of its own"
            raise FitError(f"{written(name)}: no option of the method {method}, which has {known}.")
        if name == "guide":
            if value not in svi.GUIDES:
                raise FitError(f"{written(name)} {value}: must be one of {', '.join(svi.GUIDES)}.")
            continue
        low, high = _RANGES[name]
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            value = low - 1
        if not low <= value <= high:
            raise FitError(
                f"{written(name)} {options[name]}: must be a whole number from {low} to {high}."
            )
        given[name] = int(value)
    return SETTINGS[method](**given)


def method_of(settings: Settings) -> Method:
    """Return the method that settings are of; raise `FitError` for what are none."""
    for name, kind in SETTINGS.items():
        if isinstance(settings, kind):
            return name
    raise FitError(f"{type(settings).__name__} given as settings; those of a method are needed.")
