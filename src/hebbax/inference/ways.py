r"""Where population and spreads may go, all animals carried along: the ways of `hops`.

A way moves some members' population values (a *shift*) or grows their spreads (a *stretch*, by
exp(stretch)) and says what else goes with them:

- `keep_deviations`: the deviations e of the animals from the population stay, phi = mu' + s' e.
- `keep_coordinates`: their coordinates stay (`hebbax.inference.coordinates`), so that a spread
  grows and no choice that tells an animal's values changes by much.
- `grow`: a term comes in or goes out as a whole, its population value with its spread.
- `grow_apart`: a spread grows with the scale of its prior, coordinates kept: one term with its
  local scale, or all terms with the global one.
- `lean`: a term moves, and another one that imitates it makes up for that.

Under a prior that shrinks the local scale of what moved is drawn anew (`with_scale`,
`hebbax.inference.local_scales`), but for the ways in which it moves along.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference import coordinates, local_scales
from hebbax.inference.coordinates import POPULATION, Factors
from hebbax.inference.density import side_by_side, sites_of, split_groups
from hebbax.model import Model
from hebbax.priors import SHRINKING, scale_powers, scale_sites
from hebbax.typing import Array, Key, Parameters

LEAST_ALIKE = 0.01
"""Squared likeness of two terms below which they are still tried as imitations now and then."""


class Steps(NamedTuple):
    """How far to go: the standard deviations of the ``populations`` values and of the log
    ``spreads``, (member,) each."""

    populations: Array
    spreads: Array


class Move(NamedTuple):
    """What a way is asked for: a ``shift`` of the population values in standard deviations and a
    ``stretch`` of the log spreads, (member,) each; with a ``key`` for what it draws besides."""

    key: Key
    shift: Array
    stretch: Array


Way = Callable[[Parameters, Move], tuple[Parameters, Array]]
"""Sites and a move -> new sites, and the log of how much volume grows and of how much likelier the
way back is drawn."""


def keep_deviations(
    model: Model, steps: Steps, sites: Parameters, move: Move
) -> tuple[Parameters, Array]:
    """A `Way`: each animal's deviations in spreads stay."""
    location = side_by_side(model, sites, "population") + steps.populations * move.shift
    moved = _stretched(model, sites, steps.spreads * move.stretch)
    return sites | moved | sites_of(model, location, "population"), jnp.zeros(())


def keep_coordinates(
    model: Model, factors: Factors, steps: Steps, sites: Parameters, move: Move
) -> tuple[Parameters, Array]:
    """A `Way`: each animal's coordinates stay; the shift is one of the population's."""

    def moved(z: Parameters) -> Parameters:
        stretched = _stretched(model, z, steps.spreads * move.stretch)
        return z | stretched | {POPULATION: z[POPULATION] + move.shift}

    return _in_coordinates(model, factors, sites, moved)


def grow(model: Model, sites: Parameters, move: Move) -> tuple[Parameters, Array]:
    """A `Way`: population values and spreads grow by exp(stretch), in every animal; nothing is
    shifted."""
    location = side_by_side(model, sites, "population") * jnp.exp(move.stretch)
    moved = _stretched(model, sites, move.stretch) | sites_of(model, location, "population")
    return sites | moved, move.stretch.sum()


def grow_apart(
    model: Model, factors: Factors, sites: Parameters, move: Move
) -> tuple[Parameters, Array]:
    """A `Way`: spreads grow by exp(stretch) with the prior that shrinks, coordinates kept: one term
    with its local scale, or all with the global one. Nothing is shifted."""

    def moved(z: Parameters) -> Parameters:
        z = z | _stretched(model, z, move.stretch)
        for group in model.groups:
            if group.prior in SHRINKING:
                (whole, local), (of_whole, of_local) = scale_sites(group), scale_powers(group)
                own = split_groups(model, move.stretch)[group.name]
                together = (own != 0).all()
                z[whole] += jnp.where(together, 2.0 / of_whole * own[0], 0.0)
                z[local] += jnp.where(together, 0.0, 2.0 / of_local * own)
        return z

    return _in_coordinates(model, factors, sites, moved)


def lean(
    model: Model, factors: Factors, steps: Steps, sites: Parameters, move: Move
) -> tuple[Parameters, Array]:
    """A `Way`: the population value of one term of a prior that shrinks is shifted, and that of
    another, the likelier the more alike they are, so that the choices change least.

    With F the information of all animals, term j makes up for a shift of term i by -F_ij / F_jj of
    it. Nothing is stretched.
    """
    partner_key, scale_key = jax.random.split(move.key)
    one, information = jnp.argmax(jnp.abs(move.shift)), factors.information.sum(0)
    told = jnp.diagonal(information)
    others = shrinking(model) & (jnp.arange(told.size) != one)
    alike = LEAST_ALIKE + information[one] ** 2 / (told * told[one])
    other = jax.random.categorical(partner_key, jnp.where(others, jnp.log(alike), -jnp.inf))
    shift = steps.populations[one] * move.shift[one]
    location = side_by_side(model, sites, "population").at[one].add(shift)
    location = location.at[other].add(-information[one, other] / told[other] * shift)
    moved = sites | sites_of(model, location, "population")
    return _rescaled(scale_key, model, sites, moved, jnp.stack([one, other]))


def with_scale(model: Model, way: Way, sites: Parameters, move: Move) -> tuple[Parameters, Array]:
    """A `Way`: another one that moves one member, and its local scale is drawn anew."""
    way_key, scale_key = jax.random.split(move.key)
    moved, log_volume = way(sites, move._replace(key=way_key))
    one = jnp.argmax(jnp.abs(move.shift) + jnp.abs(move.stretch))
    moved, log_back = _rescaled(scale_key, model, sites, moved, one[None])
    return moved, log_volume + log_back


def shrinking(model: Model) -> np.ndarray:
    """Return which members have a prior that shrinks, ``(member,)``."""
    return np.concatenate([np.full(g.scales.size, g.prior in SHRINKING) for g in model.groups])


def _in_coordinates(
    model: Model, factors: Factors, sites: Parameters, moved: Callable[[Parameters], Parameters]
) -> tuple[Parameters, Array]:
    """Return the sites after their coordinates were ``moved``, and how much volume grows."""
    z = coordinates.to_coordinates(model, factors, sites)
    before = coordinates.to_sites(model, factors, z)[1]
    there, after = coordinates.to_sites(model, factors, moved(z))
    return there, after - before


def _rescaled(
    key: Key, model: Model, before: Parameters, after: Parameters, members: Array
) -> tuple[Parameters, Array]:
    """Return the sites with the local scales of ``members`` (places among all) drawn anew, and how
    much likelier the way back draws the old ones."""
    first = int(np.argmax(shrinking(model)))
    (group,) = (group for group in model.groups if group.prior in SHRINKING)
    drawn, log_back = local_scales.redrawn(key, group, before, after, members - first)
    return drawn, log_back.sum()


def _stretched(model: Model, sites: Parameters, stretch: Array) -> Parameters:
    return sites_of(model, side_by_side(model, sites, "spread") + stretch, "spread")
