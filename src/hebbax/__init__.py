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
    from hebbax.api.cohort import simulate
    from hebbax.api.fit import Fit, Mode, fit, load
    from hebbax.api.study import Models, compare, report, run
    from hebbax.data import Sessions, describe, read, to_frame
    from hebbax.errors import DataError, FitError, HebbaxError, ModelError
    from hebbax.model.choices import Model, build_model
    from hebbax.model.declared import declared_models, read_spec
    from hebbax.model.spec import ModelSpec
    from hebbax.posterior.inference_data import to_inference_data
    from hebbax.rule.taylor import TaylorRule

__all__ = [
    "DataError",
    "Fit",
    "FitError",
    "HebbaxError",
    "Mode",
    "Model",
    "ModelError",
    "ModelSpec",
    "Models",
    "Sessions",
    "TaylorRule",
    "__version__",
    "build_model",
    "compare",
    "declared_models",
    "describe",
    "fit",
    "load",
    "read",
    "read_spec",
    "report",
    "run",
    "simulate",
    "to_frame",
    "to_inference_data",
]

_FOLDERS = (
    "check",
    "data",
    "design",
    "figures",
    "inference",
    "model",
    "posterior",
    "rule",
    "terms",
)
"""Folders that pages speak of: `hebbax.inference` is there without an import of its own."""

_HOMES = {
    "api.cohort": ("simulate",),
    "api.fit": ("Fit", "Mode", "fit", "load"),
    "api.study": ("Models", "compare", "report", "run"),
    "data": ("Sessions", "describe", "read", "to_frame"),
    "errors": ("DataError", "FitError", "HebbaxError", "ModelError"),
    "model.choices": ("Model", "build_model"),
    "model.declared": ("declared_models", "read_spec"),
    "model.spec": ("ModelSpec",),
    "posterior.inference_data": ("to_inference_data",),
    "rule.taylor": ("TaylorRule",),
}
"""The module that each name is from."""


def __getattr__(name: str) -> Any:
    """Return what a public name stands for."""
    if name == "__version__":
        return import_module("importlib.metadata").version("hebbax")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"hebbax.{home}"), name)
    if name in _FOLDERS:
        return import_module(f"hebbax.{name}")
    raise AttributeError(f"module 'hebbax' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
