"""What a weight loses in a trial: against the network, and for every term of a rule."""

import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.rule.fading import losses, memory, percent, unsteady
from hebbax.rule.network import Network, trial_step
from hebbax.rule.stimulus import one_hot
from hebbax.rule.taylor import TaylorRule, all_terms

RATE = 0.75


def left_of(terms, theta, weight, *, chosen, n_inputs):
    """What is left of a weight after one trial of the network, as a part of what was there."""
    rule = TaylorRule(terms)
    network = Network(one_hot(n_inputs, RATE))
    weights = jnp.full((n_inputs, 1), weight)
    x = jnp.asarray(network.stimuli[0 if chosen else 1])
    hoisted = jnp.stack([rule.drive(rate, jnp.zeros(())) for rate in x])
    step = trial_step(
        rule,
        network,
        jnp.asarray(theta),
        weights,
        x,
        tuple(
            map(jnp.stack, zip(*(rule.hoist(jnp.asarray(theta), h) for h in hoisted), strict=True))
        ),
    )
    return float(step[0, 0] / weight)


@pytest.mark.parametrize("n_inputs", [2, 3])
@pytest.mark.parametrize(
    ("terms", "theta", "weights"),
    [
        (("w",), (-0.052,), ["a weight"]),
        (("x w",), (-0.1,), ["the chosen weight"]),
        (("w", "x w"), (-0.05, 0.08), ["the chosen weight", "every other weight"]),
        (("w", "x w", "x^2 w"), (0.03, -0.1, 0.2), ["the chosen weight", "every other weight"]),
    ],
)
def test_a_weight_loses_what_the_network_takes_from_it(terms, theta, weights, n_inputs):
    found = losses(terms, RATE, n_inputs)
    assert [loss.weight for loss in found] == weights
    for loss in found:
        chosen = loss.weight != "every other weight"
        left = left_of(terms, theta, 0.4, chosen=chosen, n_inputs=n_inputs)
        assert 1.0 - loss.of(np.array(theta)) == pytest.approx(left, abs=1e-12)


def test_the_same_coefficient_is_another_loss_with_more_stimuli():
    shares = [float(losses(["w"], RATE, n)[0].of(np.array([-0.06]))) for n in (2, 3, 4)]
    assert shares == pytest.approx([0.03, 0.02, 0.015])


def test_a_loss_is_of_terms_that_take_the_same_share_in_every_trial():
    """Of all 81 terms: those that halve at half the weight, whatever the reward and activity."""
    terms = all_terms()
    rng = np.random.default_rng(0)
    steady, other = set(), set()
    for term in terms:
        rule = TaylorRule((term,))
        shares = np.array(
            [
                float(rule(jnp.ones(1), RATE, np.tanh(RATE * w), w, r)) / w
                for w, r in zip(rng.uniform(0.1, 2, 5), rng.uniform(-1, 1, 5), strict=True)
            ]
        )
        touches = "w" in term or "y" in term
        (steady if np.ptp(shares) < 1e-9 else other).add(term) if touches else None
    assert {term for term in terms if losses([term], RATE, 2)} == steady == {"w", "x w", "x^2 w"}
    assert set(unsteady(terms)) == other


@pytest.mark.parametrize("trials", [1.5, 20.0, 400.0])
def test_the_memory_is_the_time_to_fade_to_one_over_e(trials):
    loss = 1.0 - np.exp(-1.0 / trials)
    weight, t = 1.0, 0.0
    assert memory(loss) == pytest.approx(trials)
    while weight * (1 - loss) >= np.exp(-1):
        weight, t = weight * (1 - loss), t + 1
    assert t <= trials + 1e-9 < t + 1 + 1e-6


def test_weights_that_grow_have_no_memory_time_and_a_wiped_one_none():
    np.testing.assert_array_equal(
        memory(np.array([0.0, -0.05, 1.0, 1.5])), [np.inf] * 2 + [0.0] * 2
    )


@pytest.mark.parametrize(
    ("term", "lost"),
    [
        ("w", 2.6), ("x w", 1.95), ("x^2 w", 1.4625), ("x r", np.nan), ("r w", np.nan),
        ("w^2", np.nan), ("y w", np.nan),
    ],
)  # fmt: skip
def test_a_coefficient_is_told_as_a_loss_in_per_cent(term, lost):
    assert percent(term, 0.052, RATE, 2) == pytest.approx(lost, nan_ok=True)
    # The same coefficient is another loss where there are more stimuli.
    assert percent(term, 0.052, RATE, 4) == pytest.approx(lost / 2, nan_ok=True)
