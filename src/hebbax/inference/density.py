"""The density a fit climbs or samples: a model's log joint in unconstrained space.

Every latent site is mapped to the real line by NumPyro's own transform (a spread is exponentiated),
and the density is that of the unconstrained variables, so that a spread of zero lies infinitely far
away and the mode is an interior point.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from numpyro.distributions import biject_to
from numpyro.handlers import seed, substitute, trace
from numpyro.infer.util import potential_energy

from hebbax.model.blocks import MANY_TRIALS, padded
from hebbax.model.choices import Model
from hebbax.model.effects import NAME as EFFECT
from hebbax.typing import Array, Parameters


class Sites(NamedTuple):
    """Latent sites of a model: their shapes and their transforms from the real line."""

    shapes: dict[str, tuple[int, ...]]
    transforms: dict[str, Any]


def latent_sites(model: Model) -> Sites:
    """Return the latent sites of a model."""
    recorded = trace(seed(model.latents, jax.random.PRNGKey(0))).get_trace()
    latent = {name: site for name, site in recorded.items() if site["type"] == "sample"}
    return Sites(
        shapes={name: jnp.shape(site["value"]) for name, site in latent.items()},
        transforms={name: biject_to(site["fn"].support) for name, site in latent.items()},
    )


def constrain(sites: Sites, unconstrained: Parameters) -> Parameters:
    """Return values on the scale of the model, for the sites given."""
    return {name: sites.transforms[name](value) for name, value in unconstrained.items()}


def potential(model: Model, unconstrained: Parameters) -> Array:
    """Return minus the log joint density of the unconstrained variables, in nats."""
    return potential_energy(model, (), {}, unconstrained)


def prior_potential(model: Model, unconstrained: Parameters) -> Array:
    """Return minus the log prior density of the unconstrained variables, in nats."""
    return potential_energy(model.latents, (), {}, unconstrained)


def top_sites(model: Model) -> list[str]:
    """Return the sites of the model whose prior depends on no other site."""
    effects = (EFFECT,) if model.effects.each else ()
    return [site for group in model.groups for site in group.top_sites] + [*effects]


def log_prior(model: Model, values: Parameters) -> Parameters:
    """Return the log density of each of the ``values`` by site (`top_sites`) under its prior, in
    nats."""
    # All other sites are drawn, and no prior of these reads them.
    fixed = substitute(seed(model.latents, jax.random.PRNGKey(0)), data=values)
    recorded = trace(fixed).get_trace()
    return {site: recorded[site]["fn"].log_prob(value) for site, value in values.items()}


def animal_values(model: Model, values: Parameters) -> Parameters:
    """Return each animal's values by group name, from constrained site values."""
    return {g.name: g.animals(values, *model.by_covariates(g, values)) for g in model.groups}


def log_likelihood(model: Model, values: Parameters) -> Array:
    """Return log P of each observation ``(observation,)`` given each animal's values."""
    return model.distribution(values).log_prob(jnp.asarray(model.observed))


def log_likelihood_by_animal(model: Model, values: Parameters) -> Array:
    """Return log P of each animal's observations ``(animal,)`` given its values."""
    if model.sessions.choices.size > MANY_TRIALS:
        return _sum_by_animal(model, log_likelihood(model, values))
    # Trials in place: no gathering, and no scattered sum, which is three times the rest on a CPU.
    return model.padded_distribution(values).log_prob(padded_observed(model)).sum(-1)


def fisher_information(model: Model, phi: Array) -> Array:
    """Return each animal's Fisher information ``(animal, member, member)`` at its values ``phi``
    (animal, member)."""
    return expansion(model, phi).information


def natural_slopes(model: Model, phi: Array) -> Array:
    """Return the slopes ``(member, observation, stimulus)`` of the natural parameters of each
    observation, by the values ``phi`` (animal, member) of the animal that made it."""

    def natural(phi: Array) -> Array:
        return model.whole_distribution(split_groups(model, phi)).natural

    def along(direction: Array) -> Array:
        # Animals are independent: one product with all of them moved gives a column of each.
        return jax.jvp(natural, (phi,), (jnp.broadcast_to(direction, phi.shape),))[1]

    return jax.vmap(along)(jnp.eye(phi.shape[-1]))


class Expansion(NamedTuple):
    """Each animal's log likelihood to second order: its ``value`` (animal,), ``slope`` (animal,
    member) and Fisher ``information`` (animal, member, member)."""

    value: Array
    slope: Array
    information: Array


def expansion(
    model: Model, phi: Array, labels: Array | None = None, directions: Array | None = None
) -> Expansion:
    """Return each animal's log likelihood at its values ``phi`` (animal, member), to second order
    along ``directions`` (direction, member), which are those of the members where none are given.

    With ``labels`` (animal, trial, stimulus), probabilities of choices under another model times
    how often each trial counts, it is the expected log likelihood under them: minus the cross
    entropy. One forward pass for all of it, trials in place (animal, trial): no reverse pass, and
    no matrix a trial (`hebbax.model.likelihood.Part`).
    """
    observed, valid = padded_observed(model), model.design.valid
    if directions is None:
        directions = jnp.eye(phi.shape[-1])

    def readout(phi: Array) -> tuple[Array, Array]:
        return model.readout(split_groups(model, phi))

    def along(direction: Array) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        return jax.jvp(readout, (phi,), (jnp.broadcast_to(direction, phi.shape),))

    # Slopes of logits and offsets only: what the likelihood makes of them is the same for all.
    at, changes = jax.vmap(along, out_axes=((None, None), (0, 0)))(directions)
    distribution = model.kind(*at)
    if labels is None:
        counts, log_p = distribution.counts(observed), distribution.log_prob(observed)
    else:
        expected = (labels * jax.nn.log_softmax(distribution.natural)).sum(-1)
        counts, log_p = labels, jnp.where(valid, expected, 0.0)
    slope, information = jnp.zeros(()), jnp.zeros(())
    for part in distribution.parts(counts, *changes):
        change, own = (jnp.where(valid, leaf, 0.0) for leaf in part)
        slope += jnp.einsum("iat,at->ai", change, own)
        information += jnp.einsum("iat,jat->aij", change, change)
    return Expansion(log_p.sum(-1), slope, information)


def padded_observed(model: Model) -> Array:
    """Return what was observed ``(animal, trial, ...)``, nothing in trials that do not count."""
    observed = padded(model.cells, jnp.asarray(model.observed))
    return model.kind.counted(observed, model.design.valid)


def _sum_by_animal(model: Model, values: Array) -> Array:
    index = jnp.asarray(model.index[0])
    return jax.ops.segment_sum(values, index, model.sessions.n_animals)


def likelihood_hessian(model: Model, phi: Array) -> tuple[Array, Array]:
    """Return gradient (animal, member) and Hessian (animal, member, member) of each animal's log
    likelihood of its values ``phi`` (see `flatten_groups`)."""

    def slope(phi: Array) -> Array:
        return jax.grad(lambda p: log_likelihood(model, split_groups(model, p)).sum())(phi)

    def column(direction: Array) -> Array:
        # Animals are independent: one product with all of them moved gives a column of each block.
        return jax.jvp(slope, (phi,), (jnp.broadcast_to(direction, phi.shape),))[1]

    hessian = jax.vmap(column, out_axes=-1)(jnp.eye(phi.shape[-1]))
    return slope(phi), 0.5 * (hessian + jnp.swapaxes(hessian, -1, -2))


def start(model: Model) -> Parameters:
    """Return where a climb begins: no plasticity, no preference, spreads at their prior scale."""
    sites = latent_sites(model)
    values = {}
    for name, shape in sites.shapes.items():
        values[name] = jnp.zeros(shape)
        for group in model.groups:
            if name == f"{group.name}_spread":
                values[name] = jnp.log(0.5 * jnp.asarray(group.scales))
    return values


def flatten_groups(model: Model, values: Parameters) -> Array:
    """Return each animal's values side by side ``(animal, member)``, in the order of the groups."""
    n = model.sessions.n_animals
    return jnp.concatenate([values[g.name].reshape(n, -1) for g in model.groups], axis=-1)


def split_groups(model: Model, flat: Array) -> Parameters:
    """Return ``(..., member)`` split by group name, each ``(..., *shape)``."""
    out, first = {}, 0
    for group in model.groups:
        last = first + group.scales.size
        out[group.name] = flat[..., first:last].reshape(flat.shape[:-1] + group.shape)
        first = last
    return out
