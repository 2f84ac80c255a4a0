"""Fits that repeat: many cohorts of one shape, by the sampler that is reported.

The programs of `hebbax.inference.pseudo_marginal` take the trials as arguments, so that cohorts of
one shape share them; what is looked at in the draws is compiled once in the same way.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax

from hebbax.inference import pseudo_marginal
from hebbax.model.choices import Model
from hebbax.model.trials import Design
from hebbax.typing import Array, Parameters

SETTINGS = pseudo_marginal.Settings(
    warmup=260, draws=100, r_hat=1.03, effective=150.0, most_thinning=64, evidence=0
)
"""Draws to rank a truth among: a tenth of what is reported, thinned more where that is needed, up
to 6 400 iterations, where the longest fit that is reported has 8 000."""

BATCH = 16
"""Draws that are looked at side by side."""


def looking(
    model: Model, at: Callable[[Model, Parameters], Any]
) -> Callable[[Design, Array, Parameters], Any]:
    """Return what a function of a model gives of each draw, for other trials of the model's
    shape: ``(design, observed, values)``, leading dimensions (chain, draw)."""

    def each(design: Design, observed: Array, values: Parameters) -> Any:
        one = partial(at, model.recorded(design, observed))
        return jax.lax.map(lambda chain: jax.lax.map(one, chain, batch_size=BATCH), values)

    return jax.jit(each)
