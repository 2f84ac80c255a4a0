"""The mixture that proposes populations: identities and SciPy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from small import AS_USERS_HAVE_IT

from hebbax.inference.pseudo_marginal import (
    mixture,
)


@pytest.mark.parametrize("n_effects", [0, 3])
@pytest.mark.parametrize("n_members", [2, 10], ids=["whole", "block"])
def test_what_proposes_a_block_is_folded_and_normalised(n_members, n_effects):
    """E_q[test / q] = 1 given the other members, whatever the signs of the spreads; a false alarm
    is one in 10^5. Of ten members two are drawn, with two more places in their block, and of three
    effects the one that is on one of these."""
    rng = np.random.default_rng(1)
    size = 2 * n_members + n_effects + 1
    fitted = rng.normal(size=(400, size))
    fitted[:, 1] += 0.5 * fitted[:, 0]
    found = np.abs(fitted[:64] + 2.0)
    of = mixture.fit(rng, np.abs(fitted), found, n_members, 3, 1.2)
    now = jnp.asarray(np.abs(rng.normal(size=size)))
    taken = jnp.arange(n_effects) == 1
    block = mixture.Block(jnp.array([1, 0]), jnp.ones(2, bool), taken)
    if n_members > 2:
        taking = jnp.array([True, False, True, False])
        block = mixture.Block(jnp.array([3, 1, 7, 2]), taking, taken)
    own = jax.jit(mixture.given)(of, block, now)
    keys = jax.random.split(jax.random.PRNGKey(9), 100_000)
    drawn = jax.jit(jax.vmap(lambda key: mixture.draw(key, own, len(now))))(keys)
    log_q = jax.vmap(partial(mixture.log_density, own))
    log_q = jax.jit(log_q, compiler_options=AS_USERS_HAVE_IT)
    width = len(block.members)
    np.testing.assert_allclose(
        log_q(drawn), log_q(drawn.at[:, width : 2 * width].multiply(-1.0)), rtol=1e-9
    )
    mean, spread, effect = np.split(np.asarray(drawn)[:, block.drawn], [2, 4], axis=1)
    assert (mean.shape, effect.shape) == ((100_000, 2), (100_000, n_effects > 0))
    # The density is of |spread|: of its signs, all have the same.
    test = stats.norm(0.5, 0.5).logpdf(mean).sum(-1)
    test += stats.halfnorm(0, 0.7).logpdf(np.abs(spread)).sum(-1)
    test += stats.norm(0.5, 0.5).logpdf(effect).sum(-1)
    ratio = np.exp(test - np.asarray(log_q(drawn)))
    assert abs(ratio.mean() - 1.0) < 4.5 * ratio.std() / np.sqrt(100_000)
    assert ratio.std() / np.sqrt(100_000) < 0.02


def test_a_block_given_the_rest_is_the_conditional_of_scipy():
    """One t distribution: the ratio of joint densities is that of the conditional ones."""
    rng = np.random.default_rng(4)
    root = np.linalg.cholesky(np.cov(rng.normal(size=(6, 60)) + rng.normal(size=60)))
    centre = 600.0 + rng.normal(size=6)  # so far from zero that no reflection counts
    wide = jnp.asarray(centre)[None], jnp.linalg.inv(root)[None]
    one = mixture.Mixture(jnp.zeros(1), *wide, jnp.zeros((2, 2)))
    block = mixture.whole(jnp.ones((1, 2)))
    block = block._replace(members=jnp.array([1, 0]), taken=jnp.array([True, False]))
    x = centre + rng.normal(size=6)
    own = mixture.given(one, block, jnp.asarray(x))
    # Without the part of the prior, which comes last.
    own = own._replace(log_share=jnp.array([0.0, -jnp.inf]))
    joint = stats.multivariate_t(centre, root @ root.T, df=mixture.DEGREES)
    found, expected = [], []
    for _ in range(4):
        y = x.copy()
        y[[1, 3, 4]] += rng.normal(size=3)
        found.append(float(mixture.log_density(own, jnp.asarray(y[[1, 0, 3, 2, 4]]))))
        expected.append(joint.logpdf(y))
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-6)


def test_members_that_are_correlated_share_a_block():
    """Of 1, 2 or 4 members the first is any; the second is one with the probability that its
    squared correlation with the first gives it. A false alarm is one in 10^4."""
    rng, n = np.random.default_rng(3), 9
    draws = rng.normal(size=(500, 2 * n + 1))
    draws[:, 4] += draws[:, 0]  # a mean with a mean
    draws[:, n + 7] += 2.0 * draws[:, 2]  # a spread with a mean
    together = mixture.fit(rng, draws, draws[:64], n, 2, 1.2).together
    squares = np.corrcoef(draws[:, :-1].T) ** 2
    by_hand = sum(squares[i : i + n, j : j + n] for i in (0, n) for j in (0, n)) + mixture.APART
    np.testing.assert_allclose(np.exp(together), by_hand, rtol=0.01)

    keys = jax.random.split(jax.random.PRNGKey(4), 30_000)
    draw = jax.jit(jax.vmap(lambda key: mixture.draw_block(key, jnp.zeros((0, n)), together)))
    blocks = draw(keys)
    assert (np.diff(np.sort(blocks.members)) > 0).all()
    sizes, counts = np.unique(blocks.taken.sum(-1), return_counts=True)
    np.testing.assert_array_equal(sizes, [1, 2, 4])
    assert stats.chisquare(counts).pvalue > 1e-4
    first, second = np.asarray(blocks.members)[:, :2].T
    assert stats.chisquare(np.bincount(first, minlength=n)).pvalue > 1e-4
    weights = np.where(np.eye(n, dtype=bool), 0.0, by_hand)[2]
    seen = np.bincount(second[first == 2], minlength=n)
    expected = seen.sum() * weights / weights.sum()
    assert stats.chisquare(np.delete(seen, 2), np.delete(expected, 2)).pvalue > 1e-4
    assert seen.argmax() == 7
