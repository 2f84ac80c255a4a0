"""Bayesian inference of synaptic plasticity rules from what animals chose.

>>> import hebbax
>>> hebbax.read_spec("forgetting").terms
('x r', 'w')

What a name stands for is imported when it is first asked for: the command line must set up its
surroundings before JAX and matplotlib are loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hebbax.check.comparison import compare
    from hebbax.data import Sessions, read
    from hebbax.errors import DataError, FitError, HebbaxError, ModelError
    from hebbax.inference import map, nuts, pseudo_marginal, svi
    from hebbax.model.choices import Model, build_model
    from hebbax.model.declared import declared_models, read_spec
    from hebbax.model.spec import ModelSpec
    from hebbax.posterior.diagnostics import diagnose
    from hebbax.posterior.inference_data import to_inference_data
    from hebbax.posterior.latents import latents
    from hebbax.rule.taylor import TaylorRule

__all__ = [
    "DataError",
    "FitError",
    "HebbaxError",
    "Model",
    "ModelError",
    "ModelSpec",
    "Sessions",
    "TaylorRule",
    "build_model",
    "compare",
    "declared_models",
    "diagnose",
    "latents",
    "map",
    "nuts",
    "pseudo_marginal",
    "read",
    "read_spec",
    "svi",
    "to_inference_data",
]

_HOMES = {
    "check.comparison": ("compare",),
    "data": ("Sessions", "read"),
    "posterior.diagnostics": ("diagnose",),
    "errors": ("DataError", "FitError", "HebbaxError", "ModelError"),
    "model.choices": ("Model", "build_model"),
    "rule.taylor": ("TaylorRule",),
    "posterior.inference_data": ("to_inference_data",),
    "posterior.latents": ("latents",),
    "model.declared": ("declared_models", "read_spec"),
    "model.spec": ("ModelSpec",),
}
"""The module that each name is from; `map`, `nuts`, `pseudo_marginal` and `svi` are of
`hebbax.inference`."""


def __getattr__(name: str) -> Any:
    """Return what a public name stands for."""
    if name in ("map", "nuts", "pseudo_marginal", "svi"):
        return import_module(f"hebbax.inference.{name}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"hebbax.{home}"), name)
    raise AttributeError(f"module 'hebbax' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
