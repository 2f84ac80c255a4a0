"""By how much a Laplace evidence is wrong about the animals alone, by importance sampling.

Each animal's integral, given the population and the spreads at the mode, is sampled from the
Gaussian that `hebbax.submodels.laplace` puts there. This is a part of the error of the evidence
and no correction of it: the Gaussian volume of population and log spreads is held to be right, and
so is that no mode or plateau lies beyond the Gaussians. The other part may be as large and of the
other sign.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.density import expansion, log_likelihood_by_animal, split_groups
from hebbax.inference.mixed import Problem, conditional, deviations, linear_term, uncorrelated
from hebbax.model.choices import Model
from hebbax.submodels.laplace import Solution
from hebbax.typing import Array, Key


@partial(jax.jit, static_argnames=("model", "draws"))
def animals_part(
    key: Key, model: Model, problem: Problem, solution: Solution, *, draws: int = 200
) -> tuple[Array, Array]:
    """Return the part of the error of a sub-model's log evidence, in nats, that is the expansion of
    the animals' likelihoods at the mode of population and spreads, and its standard error.

    Args:
        key: random key.
        model: the model of all candidate terms.
        problem: mask and scales of the sub-model.
        solution: its Laplace approximation.
        draws: draws of each animal, in pairs of opposite sign.
    """
    spread = jnp.where(problem.included, jnp.exp(solution.log_spread), 0.0)
    there = expansion(model, solution.phi)
    linear = linear_term(there, solution.phi)
    own = conditional(spread, problem.width, there.information, linear).own
    means = deviations(own, spread, there.information, linear, solution.population)

    def log_weight(normal: Array) -> Array:
        phi = solution.population + spread * (means + uncorrelated(own, normal))
        true = log_likelihood_by_animal(model, split_groups(model, phi))
        step = phi - solution.phi
        expanded = there.value + (there.slope * step).sum(-1)
        return true - expanded + 0.5 * jnp.einsum("ai,aij,aj->a", step, there.information, step)

    half = jax.random.normal(key, (draws // 2, *solution.phi.shape))
    log_weights = jax.lax.map(log_weight, jnp.concatenate([half, -half]))
    shares = jax.nn.softmax(log_weights, axis=0)
    variance = (shares**2).sum(0) - 1.0 / log_weights.shape[0]
    each = jax.nn.logsumexp(log_weights, axis=0) - np.log(log_weights.shape[0])
    return each.sum(), jnp.sqrt(variance.sum())
