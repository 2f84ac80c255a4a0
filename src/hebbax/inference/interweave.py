r"""The population and the spreads drawn anew, given the values that the animals have.

NUTS moves spreads with the animals' *deviations* e_a held in their coordinates, so that all animals
move and every choice changes its probability. Where each animal is known well, a spread can then
hardly move. Given the animals' values phi_a themselves no choice matters: a member j of them has

    p(mu, s | phi) ~ p(mu) p(s) prod_a Normal(phi_a; mu, s)

of its own, and the scales of a prior that shrinks depend on mu and s alone. Doing both in turn
mixes where either alone would not (interweaving: Yu & Meng 2011). Metropolis steps, many for the
price of a gradient:

    log s' = log s + step,    mu' ~ Normal(mean phi, s' / sqrt(n))

with the density of the second offer in the ratio, and a walk of the logarithm of the global scale;
each with the local scales drawn anew (`hebbax.inference.local_scales`).
"""

from functools import partial

import jax
import jax.numpy as jnp

from hebbax.inference import local_scales
from hebbax.inference.density import animal_values, constrain, latent_sites
from hebbax.inference.local_scales import log_prior, of_log
from hebbax.model import Model
from hebbax.priors import SHRINKING, Group, scale_priors
from hebbax.typing import Array, Key, Parameters

STEPS = (0.15, 0.5, 1.5)
"""Standard deviations of the steps of log scales, in turn: a spread that a dozen animals tell is
known to 1 / sqrt(24), one that they do not to about 1."""


def interweave(key: Key, model: Model, sites: Parameters) -> Parameters:
    """Return the unconstrained sites after the population and all scales were offered new values,
    each animal's values kept; animals that stand on their own have no population."""
    if model.spec.hierarchy == "none":
        return sites
    values = animal_values(model, constrain(latent_sites(model), sites))
    out = dict(sites)
    for group, own in zip(model.groups, jax.random.split(key, len(model.groups)), strict=True):
        out |= _group(own, group, values[group.name], sites)
    return out


def _group(key: Key, group: Group, phi: Array, unconstrained: Parameters) -> Parameters:
    """Return the sites of one group; ``phi`` (animal, ...) are its animals' values."""
    population, spread = f"{group.name}_population", f"{group.name}_spread"
    state = {name: unconstrained[name] for name in (population, spread, *scale_priors(group))}
    step = partial(_step, group, phi)
    keys = jax.random.split(key, len(STEPS))
    state, _ = jax.lax.scan(lambda s, now: (step(now, s), None), state, (keys, jnp.array(STEPS)))
    offset = (phi - state[population]) / jnp.exp(state[spread])
    return {**state, f"{group.name}_offset": offset}


def _step(group: Group, phi: Array, now: tuple[Key, Array], state: Parameters) -> Parameters:
    """Return the sites after one Metropolis step of each."""
    key, size = now
    keys = jax.random.split(key, 3)
    population, spread = f"{group.name}_population", f"{group.name}_spread"
    n, mean = phi.shape[0], phi.mean(0)

    def given(state: Parameters) -> Array:
        """Return log p(phi | mu, s) less the log density of offering mu, up to a constant."""
        away, log_s = state[population] - mean, state[spread]
        likelihood = -n * log_s - 0.5 * (((phi - state[population]) / jnp.exp(log_s)) ** 2).sum(0)
        return likelihood + log_s + 0.5 * n * (away / jnp.exp(log_s)) ** 2

    step_key, mean_key = jax.random.split(keys[0])
    log_s = state[spread] + size * jax.random.normal(step_key, state[spread].shape)
    mu = mean + jnp.exp(log_s) / jnp.sqrt(n) * jax.random.normal(mean_key, mean.shape)
    offered = {**state, population: mu, spread: log_s}
    state = _accepted(keys[1], group, state, offered, given(offered) - given(state))
    return _global_step(keys[2], group, size, state)


def _global_step(key: Key, group: Group, size: Array, state: Parameters) -> Parameters:
    """Return the sites after the global scale was offered a step, local ones with it."""
    if group.prior not in SHRINKING:
        return state
    whole, prior = next(iter(scale_priors(group).items()))
    step_key, accept_key = jax.random.split(key)
    offered = {**state, whole: state[whole] + size * jax.random.normal(step_key)}
    ratio = of_log(prior, offered[whole]) - of_log(prior, state[whole])
    return _accepted(accept_key, group, state, offered, ratio)


def _accepted(
    key: Key, group: Group, state: Parameters, offered: Parameters, log_ratio: Array
) -> Parameters:
    """Return the sites after an offer to each member, with local scales drawn for it, was taken or
    not; to all of them at once where ``log_ratio``, without their priors, is one number."""
    draw_key, accept_key = jax.random.split(key)
    back: Array | float = 0.0
    if group.prior in SHRINKING:
        everyone = jnp.arange(group.scales.size)
        offered, back = local_scales.redrawn(draw_key, group, state, offered, everyone)
    members = log_prior(group, offered) - log_prior(group, state) + back
    log_ratio += members if jnp.ndim(log_ratio) == members.ndim else members.sum()
    taken = jnp.log(jax.random.uniform(accept_key, log_ratio.shape)) < log_ratio
    changed = [name for name, old in state.items() if offered[name] is not old]
    return state | {name: jnp.where(taken, offered[name], state[name]) for name in changed}
