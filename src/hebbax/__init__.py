"""Bayesian inference of synaptic plasticity rules from what animals chose.

>>> import hebbax
>>> hebbax.read_spec("forgetting").terms
('x r', 'w')
"""

from hebbax.comparison import compare
from hebbax.data import Sessions, read
from hebbax.diagnostics import diagnose
from hebbax.errors import DataError, FitError, HebbaxError, ModelError
from hebbax.inference import map, nuts, svi
from hebbax.model import Model, build_model
from hebbax.plasticity import TaylorRule
from hebbax.posterior import to_inference_data
from hebbax.spec import ModelSpec, declared_models, read_spec

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
    "map",
    "nuts",
    "read",
    "read_spec",
    "svi",
    "to_inference_data",
]
