r"""Local scales of the priors that shrink, drawn given all else: a term comes in with its scale.

No choice sees a local scale l_j: given its population value, its spread and the global scale tau,
it is one number of density

    p(log l_j | mu_j, s_j, tau)  ~  p(mu_j | tau, l_j) p(s_j | tau, l_j) p(l_j) l_j

of its own, read off a table of `CELLS`. A Metropolis step that moves mu, s or tau and draws l_j
anew from the table, with what the table says of the old and of the new one in its ratio, moves in
the density without local scales but for the width of a cell, and leaves the posterior exactly as it
is. With the local scales held, a term that is out could hardly come in: its scale says that it is
out.
"""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from hebbax.priors import (
    SHRINKING,
    Group,
    local_prior,
    scale_powers,
    scale_sites,
    spread_prior,
    value_prior,
)
from hebbax.typing import Array, Key, Parameters

LEAST, MOST, CELLS = -8.0, 6.0, 64
"""Range of the table in log standard deviations of the population value, and its cells; where a
scale lies outside, these steps are not taken."""


def of_log(prior: dist.Distribution, log_value: Array) -> Array:
    """Return the log density of the logarithm of what has a ``prior``."""
    return prior.log_prob(jnp.exp(log_value)) + log_value


def log_prior(group: Group, sites: Parameters) -> Array:
    """Return the log prior density ``(..., member)`` of each member's population value, log spread
    and, under a prior that shrinks, log local scale given the global one, at unconstrained
    sites."""
    shrinks = group.prior in SHRINKING
    own = {name: jnp.exp(sites[name]) for name in scale_sites(group)} if shrinks else {}
    spread = of_log(spread_prior(group, own), sites[f"{group.name}_spread"])
    total = value_prior(group, own).log_prob(sites[f"{group.name}_population"]) + spread
    if shrinks:
        total += of_log(local_prior(group), sites[scale_sites(group)[1]])
    return total


def redrawn(
    key: Key, group: Group, before: Parameters, after: Parameters, members: Array
) -> tuple[Parameters, Array]:
    """Return the sites ``after`` a step with the local scales of some ``members`` (places) drawn
    from the table, and how much likelier the way back draws those ``before``, in logs of it."""
    cell_key, place_key = jax.random.split(key)
    local, (centres, width) = scale_sites(group)[1], _cells(group)
    there, back = (_log_table(group, sites, members) for sites in (after, before))
    cell = jax.random.categorical(cell_key, there, axis=0)
    new = centres[cell] + width * (jax.random.uniform(place_key, cell.shape) - 0.5)
    log_back = _at(back, group, before[local][members]) - _at(there, group, new)
    return {**after, local: after[local].at[members].set(new)}, log_back


def _at(table: Array, group: Group, log_scale: Array) -> Array:
    """Return what a table ``(cell, member)`` says of one value of each member."""
    centres, width = _cells(group)
    place = (log_scale - centres[0]) / width + 0.5
    cell = jnp.clip(jnp.floor(place), 0, CELLS - 1).astype(int)
    found = jnp.take_along_axis(table, cell[None], axis=0)[0]
    return jnp.where((place >= 0) & (place < CELLS), found, -jnp.inf)


def _cells(group: Group) -> tuple[Array, float]:
    """Return the centres of the cells in log local scales ``(cell,)``, and their width."""
    power = scale_powers(group)[1] / 2.0
    width = (MOST - LEAST) / CELLS / power
    return LEAST / power + width * (jnp.arange(CELLS) + 0.5), width


def _log_table(group: Group, sites: Parameters, members: Array) -> Array:
    """Return the log probability of each cell, ``(cell, member)``."""
    own = replace(group, scales=jnp.asarray(group.scales)[members])
    names = [f"{group.name}_population", f"{group.name}_spread"]
    given = {**sites, **{name: sites[name][members] for name in names}}
    local, ones = scale_sites(group)[1], jnp.ones(members.shape)
    each = jax.vmap(lambda u: log_prior(own, {**given, local: u * ones}))(_cells(group)[0])
    return jax.nn.log_softmax(each, axis=0)
