"""Roots of small matrices and their slopes are those of LAPACK."""

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.inference.roots import inverse, root_of


def matrices():
    a = np.random.default_rng(0).normal(size=(5, 7, 7))
    return a @ np.swapaxes(a, 1, 2) + np.eye(7)


def test_a_batch_of_roots_is_that_of_numpy():
    a, b = matrices(), np.arange(7.0)
    root = jax.vmap(root_of)(jnp.asarray(a))
    lower = np.linalg.cholesky(a)
    np.testing.assert_allclose(root.lower, lower, atol=1e-13)
    np.testing.assert_allclose(root.inverse, np.linalg.inv(lower), atol=1e-13)
    np.testing.assert_allclose(root.half_log_determinant, np.linalg.slogdet(a)[1] / 2, rtol=1e-13)
    solved = jax.vmap(lambda one: one.solve(b))(root)
    np.testing.assert_allclose(solved, np.linalg.solve(a, b[:, None])[..., 0], rtol=1e-10)


def test_inverses_are_those_of_numpy_whatever_the_leading_dimensions():
    a = matrices() - 0.9 * np.eye(7)
    for batch in (a[0], a, np.stack([a, 2.0 * a])):
        found, log_determinant = inverse(jnp.asarray(batch))
        np.testing.assert_allclose(found, np.linalg.inv(batch), rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(log_determinant, np.linalg.slogdet(batch)[1], rtol=1e-12)


def test_slopes_of_a_root_and_of_its_inverse_are_those_of_lapack():
    def total(lower, inverse):
        return jnp.sin(lower).sum() + jnp.cos(inverse).sum()

    def here(a):
        return total(*root_of(a + a.T))

    def there(a):
        lower = jnp.linalg.cholesky(a + a.T)
        return total(lower, jnp.linalg.inv(lower))

    a = jnp.asarray(matrices()[0])
    np.testing.assert_allclose(jax.grad(here)(a), jax.grad(there)(a), atol=1e-13)


def test_a_matrix_that_is_not_positive_definite_has_no_root():
    indefinite = jnp.diag(jnp.array([1.0, -1.0]))
    assert np.isnan(root_of(indefinite).inverse).any()
    assert not np.isfinite(inverse(indefinite)[1])
