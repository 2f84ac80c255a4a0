"""From the Fisher information of choices to how well coefficients would be known.

With the information I_a of each animal's choices about its values, their spreads S between animals
and the prior scales D of the population values mu,

    cov(mu) = (D^-2 + sum_a (I_a^-1 + S^2)^-1)^-1.

With S = 0 for the coefficients all animals share one rule. What is not a coefficient (preference,
habit, starting weights) is integrated out.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from hebbax.inference.density import fisher_information
from hebbax.inference.mixed import conditional
from hebbax.model.choices import Model
from hebbax.typing import Array, ArrayLike

DIRECTIONS = 3
"""Weakest directions that are looked at."""

WORTH_NAMING = 0.3
"""Part of the largest component from which a term is named in a direction."""


def information_under(model: Model, rules: Array, own: Array) -> Array:
    """Return each animal's Fisher information ``(rule, animal, member, member)``, were each of some
    ``rules`` (rule, term) the rule of all animals; ``own`` (animal, member - term) holds their
    other values."""
    n = model.sessions.n_animals

    def one(rule: Array) -> Array:
        shared = jnp.broadcast_to(rule, (n, rule.size))
        return fisher_information(model, jnp.concatenate([shared, own], axis=-1))

    return jax.jit(lambda rules: jax.lax.map(one, rules))(rules)


def coefficient_covariance(
    information: Array, spread: Array, prior: Array, n_terms: int
) -> np.ndarray:
    """Return the covariance ``(term, term)`` of the population coefficients, given the
    ``information`` (animal, member, member) of which they are the first members."""
    return covariance_of(shares(information, spread).sum(0), prior, n_terms)


def shares(information: Array, spread: ArrayLike) -> np.ndarray:
    """Return what each animal says of the population values ``(animal, member, member)``: the
    precision (I_a^-1 + S^2)^-1, written so that neither I nor S need an inverse."""
    spread, nothing = jnp.asarray(spread), jnp.zeros(information.shape[:-1])
    return np.asarray(conditional(spread, jnp.zeros_like(spread), information, nothing).precision)


def covariance_of(precision: np.ndarray, prior: ArrayLike, n_terms: int) -> np.ndarray:
    """Return the covariance ``(term, term)`` of the population coefficients, given the
    ``precision`` (member, member) that all animals add to the prior's."""
    total = precision + np.diag(np.asarray(prior) ** -2.0)
    return np.linalg.inv(total)[:n_terms, :n_terms]


def known_otherwise(covariance: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each value ``(term,)`` were the others known."""
    return 1.0 / np.sqrt(np.diagonal(np.linalg.inv(covariance)))


def correlation(covariance: np.ndarray, terms: tuple[str, ...]) -> pd.DataFrame:
    """Return the correlation of estimates with this covariance, rows and columns named."""
    sd = np.sqrt(np.diagonal(covariance))
    return pd.DataFrame(covariance / np.outer(sd, sd), terms, terms)


def weakest(covariance: np.ndarray, terms: tuple[str, ...]) -> pd.DataFrame:
    """Return the directions least known of information-scaled coefficients.

    With the precision P and z_j = theta_j sqrt(P_jj) they are the eigenvectors v of the scaled
    precision with the smallest eigenvalues l; one standard deviation along one moves theta_j by
    v_j / sqrt(P_jj l), and 1 / sqrt(l) is the inflation.
    """
    precision = np.linalg.inv(covariance)
    size = np.sqrt(np.diagonal(precision))
    values, vectors = np.linalg.eigh(precision / np.outer(size, size))
    some = slice(0, min(DIRECTIONS, len(terms)))
    inflation, vectors = 1.0 / np.sqrt(values[some]), vectors[:, some]
    moves = (vectors * inflation / size[:, None]).T
    lead = np.abs(moves).argmax(axis=1)
    moves *= np.sign(moves[np.arange(len(moves)), lead])[:, None]
    table = pd.DataFrame(moves, columns=list(terms))
    table.insert(0, "inflation", inflation)
    table.index = pd.Index(range(1, len(moves) + 1), name="direction")
    return table


SMALL = 5e-4
"""A smaller number is no zero: three decimals do not show it."""


def direction(moves: pd.Series, known: pd.Series) -> str:
    """Return a direction (a row of `weakest` without its inflation) as a sum of terms.

    Terms that move little in units of what is ``known`` of each (`known_otherwise`) are left out.
    """
    size = (moves / known).abs()
    named = moves[size >= WORTH_NAMING * size.max()]
    text = " ".join(
        f"{'-' if v < 0 else '+'} {_shown(abs(v))}{'' if k == '1' else f' {k}'}"
        for k, v in named.items()
    )
    return text.removeprefix("+ ").replace("- ", "-", int(text.startswith("-")))


def _shown(size: float) -> str:
    return f"{size:.3f}" if size >= SMALL else f"{size:.2g}"
