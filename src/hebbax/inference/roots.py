r"""Triangular roots of small positive definite matrices, many at once.

    A = L L^T,    W = L^-1,    A^-1 = W^T W,    log |A| = -2 sum log W_kk

With W at hand every solution is a product of matrices. JAX hands the matrices of a batch to LAPACK,
which shares them out among the threads of XLA's pool and lets one of these wait; where two batches
are at work at once and the pool has two threads, both wait and nobody works (jaxlib 0.10: a
calibration of twelve terms never ended on two cores). Here a batch is one operation, row by row of
L, and slopes are products too (Murray 2016, "Differentiation of the Cholesky decomposition").
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from hebbax.typing import Array


class Root(NamedTuple):
    """The ``lower`` triangular root L of a matrix ``(member, member)``, and its ``inverse`` W."""

    lower: Array
    inverse: Array

    @property
    def half_log_determinant(self) -> Array:
        """log |A| / 2."""
        return -jnp.log(jnp.diagonal(self.inverse, axis1=-2, axis2=-1)).sum(-1)

    def solve(self, vector: Array) -> Array:
        """Return A^-1 times a vector ``(member,)``."""
        return self.inverse.T @ (self.inverse @ vector)


@jax.custom_jvp
def root_of(matrix: Array) -> Root:
    """Return the root of one positive definite matrix ``(member, member)``; not a number where it
    is none."""
    members = jnp.arange(matrix.shape[-1])

    def row(inverse: Array, given: tuple[Array, Array]) -> tuple[Array, Array]:
        k, entries = given
        before, here = members < k, members == k
        left = inverse @ jnp.where(before, entries, 0.0)
        pivot = jnp.sqrt(jnp.where(here, entries, 0.0).sum() - (left**2).sum())
        new = (jnp.where(here, 1.0, 0.0) - left @ inverse) / pivot
        return jnp.where(here[:, None], new, inverse), left + jnp.where(here, pivot, 0.0)

    inverse, lower = jax.lax.scan(row, jnp.zeros_like(matrix), (members, matrix))
    return Root(lower, inverse)


@root_of.defjvp
def _slope(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Root, Root]:
    root, (change,) = root_of(*primals), tangents
    inner = root.inverse @ change @ root.inverse.T
    inner = jnp.tril(inner, -1) + 0.5 * jnp.diag(jnp.diagonal(inner))
    return root, Root(root.lower @ inner, -inner @ root.inverse)


def inverse(matrix: Array) -> tuple[Array, Array]:
    """Return the inverses of symmetric matrices ``(..., member, member)`` and the logs of their
    determinants, not finite where one is not positive definite."""
    root = Root(*jnp.vectorize(root_of, signature="(i,j)->(i,j),(i,j)")(matrix))
    return jnp.swapaxes(root.inverse, -1, -2) @ root.inverse, 2.0 * root.half_log_determinant
