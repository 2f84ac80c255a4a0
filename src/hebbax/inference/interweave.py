r"""The population and the spreads drawn anew, given the values that the animals have.

NUTS moves spreads with the animals' *deviations* e_a held in their coordinates, so that all animals
move and every choice changes its probability. Where each animal is known well, a spread can then
hardly move. Given the animals' values phi_a themselves no choice matters: a member j of them has

    p(mu, s | phi) ~ p(mu) p(s) prod_a Normal(phi_a; mu, s)

of its own, and the scales of a horseshoe depend on mu and s alone. Doing both in turn mixes where
either alone would not (interweaving: Yu & Meng 2011). Metropolis steps, many for the price of a
gradient:

    log s' = log s + step,    mu' ~ Normal(mean phi, s' / sqrt(n))

with the density of the second offer in the ratio, and the same walk for the logarithms of scales;
the global scale of a prior that shrinks also trades with all local ones, for only their product
(R2D2: ratio) matters to the population.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from hebbax.inference.density import animal_values, constrain, latent_sites
from hebbax.model import Model
from hebbax.priors import Group, scale_powers, scale_priors, spread_prior, value_prior
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
    priors = scale_priors(group)
    state = {name: unconstrained[name] for name in (population, spread, *priors)}
    step = partial(_step, group, phi, priors)
    keys = jax.random.split(key, len(STEPS))
    state, _ = jax.lax.scan(lambda s, now: (step(now, s), None), state, (keys, jnp.array(STEPS)))
    offset = (phi - state[population]) / jnp.exp(state[spread])
    return {**state, f"{group.name}_offset": offset}


def _step(
    group: Group,
    phi: Array,
    priors: dict[str, dist.Distribution],
    now: tuple[Key, Array],
    state: Parameters,
) -> Parameters:
    """Return the sites after one Metropolis step of each."""
    key, size = now
    keys = iter(jax.random.split(key, 4 + 2 * len(priors)))
    population, spread = f"{group.name}_population", f"{group.name}_spread"
    n, mean = phi.shape[0], phi.mean(0)

    def scales(state: Parameters) -> Parameters:
        return {name: jnp.exp(state[name]) for name in priors}

    def log_prior(mu: Array, log_s: Array, state: Parameters) -> Array:
        own = scales(state)
        return value_prior(group, own).log_prob(mu) + _of_log(spread_prior(group, own), log_s)

    def log_density(mu: Array, log_s: Array) -> Array:
        """Return log p(mu, log s | phi) less the log density of offering mu, up to a constant."""
        s = jnp.exp(log_s)
        likelihood = -n * log_s - 0.5 * (((phi - mu) / s) ** 2).sum(0)
        offered = -log_s - 0.5 * n * ((mu - mean) / s) ** 2
        return log_prior(mu, log_s, state) + likelihood - offered

    def choose(key: Key, log_ratio: Array, new: Array, old: Array) -> Array:
        return jnp.where(jnp.log(jax.random.uniform(key, log_ratio.shape)) < log_ratio, new, old)

    mu, log_s = state[population], state[spread]
    new_log_s = log_s + size * jax.random.normal(next(keys), log_s.shape)
    new_mu = mean + jnp.exp(new_log_s) / jnp.sqrt(n) * jax.random.normal(next(keys), mu.shape)
    ratio = log_density(new_mu, new_log_s) - log_density(mu, log_s)
    own = next(keys)
    state = {
        **state,
        population: choose(own, ratio, new_mu, mu),
        spread: choose(own, ratio, new_log_s, log_s),
    }
    for name, prior in priors.items():
        old = state[name]
        new = old + size * jax.random.normal(next(keys), old.shape)
        both = state[population], state[spread]
        ratio = log_prior(*both, {**state, name: new}) - log_prior(*both, state)
        ratio = ratio if old.ndim else ratio.sum()
        ratio += _of_log(prior, new) - _of_log(prior, old)
        state[name] = choose(next(keys), ratio, new, old)
    return _traded(next(keys), group, priors, size, state) if priors else state


def _of_log(prior: dist.Distribution, log_value: Array) -> Array:
    """Return the log density of the logarithm of what has a ``prior``."""
    return prior.log_prob(jnp.exp(log_value)) + log_value


def _traded(
    key: Key, group: Group, priors: dict[str, dist.Distribution], size: Array, state: Parameters
) -> Parameters:
    """Return the sites after the global scale was offered a step that the local ones make up for:
    what the population values see of them stays, and only their own priors change."""
    step_key, accept_key = jax.random.split(key)
    (whole, own), step = priors, size * jax.random.normal(step_key)
    of_whole, of_own = scale_powers(group)
    offered = {whole: state[whole] + step, own: state[own] - of_whole / of_own * step}

    def log_prior(logs: Parameters) -> Array:
        return jnp.stack([_of_log(p, logs[name]).sum() for name, p in priors.items()]).sum()

    taken = jnp.log(jax.random.uniform(accept_key)) < log_prior(offered) - log_prior(state)
    return {**state, **{name: jnp.where(taken, offered[name], state[name]) for name in priors}}
