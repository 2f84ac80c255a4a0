"""Recorded activity: what is refused, what the likelihood says, and its posterior against NUTS."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpyro.handlers import seed, trace
from numpyro.infer import MCMC, NUTS, Predictive, init_to_value
from numpyro.infer.util import log_density
from scipy.stats import halfnorm, norm

from hebbax.data.recordings import recordings
from hebbax.errors import DataError, ModelError
from hebbax.inference import gauss_newton
from hebbax.mehta2024 import activity_descent
from hebbax.model.activity import activity_model
from hebbax.model.priors import Laplace, RegularisedHorseshoe
from hebbax.rule.layer import Layer, recorded
from hebbax.rule.taylor import TaylorRule
from hebbax.simulation.recording_task import OJA, LayerTask, coefficients_of, record

TERMS = ("x y", "y^2 w", "x", "w", "x^2 w")
LAYER = Layer(TaylorRule(TERMS))
SCALES = dict.fromkeys(TERMS, 1.0)
SMALL = LayerTask(
    n_inputs=6, n_neurons=10, trajectories=4, steps=12, input_variance=0.5, initial_scale=0.3,
    noise=0.1, fraction=0.8,
)  # fmt: skip


def small(key=0, experiment=SMALL):
    return record(jax.random.PRNGKey(key), LAYER, experiment)


@pytest.fixture(scope="module")
def model():
    return activity_model(small(), LAYER, SCALES)


@pytest.fixture(scope="module")
def fitted(model):
    return gauss_newton.fit(model)


# What is refused


def arrays():
    return np.zeros((2, 5, 3)), np.zeros((2, 5, 4))


REFUSED = {
    "shape": (
        {"inputs": np.zeros((5, 3))},
        "rig: inputs must have shape (trajectory, step, input), (5, 3) given.",
    ),
    "steps": (
        {"activity": np.zeros((2, 6, 4))},
        "rig: inputs have 2 trajectories of 5 steps, activity has 2 of 6; they must be the same.",
    ),
    "words": (
        {"activity": [[["loud"]]]},
        "rig: activity must be numbers of shape (trajectory, step, neuron).",
    ),
    "neurons": (
        {"neurons": [0, 1, 1, 2]},
        "rig: neurons must be 4 different numbers, one for each recorded neuron, and 4 "
        "(3 different) are given.",
    ),
    "initial": (
        {"initial": np.zeros((3, 5))},
        "rig: initial must have shape (3, 4) like the inputs and the activity, (3, 5) given.",
    ),
    "reward": (
        {"reward": np.zeros((2, 4))},
        "rig: reward must have shape (2, 5) like the inputs and the activity, (2, 4) given.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_recordings(case):
    changed, sentence = REFUSED[case]
    inputs, activity = arrays()
    given = {"inputs": inputs, "activity": activity, "source": "rig", **changed}
    with pytest.raises(DataError) as problem:
        recordings(**given)
    assert str(problem.value) == sentence


def test_a_value_that_is_not_finite_is_named():
    inputs, activity = arrays()
    activity[1, 2, 3] = np.nan
    with pytest.raises(DataError) as problem:
        recordings(inputs, activity, source="rig")
    assert str(problem.value) == (
        "rig: activity is nan at (trajectory, step, neuron) = (1, 2, 3); every value must be a "
        "finite number."
    )


MISFITS = {
    "scale": (
        LAYER, {"x y": 1.0}, {}, 'the term "y^2 w" needs a positive prior scale.'
    ),
    "reward": (
        Layer(TaylorRule(("x r",))), {"x r": 1.0}, {},
        'the term "x r" needs the reward signal, which is zero in all steps.',
    ),
    "both": (
        LAYER, SCALES, {"initial_scale": 1.0},
        "the initial weights are known; initial_scale is for unknown ones.",
    ),
    "noise": (
        LAYER, SCALES, {"noise_scale": 0.0}, "noise_scale and initial_scale must be positive."
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS)
def test_refused_models(case):
    layer, scales, options, sentence = MISFITS[case]
    with pytest.raises(ModelError) as problem:
        activity_model(small(), layer, scales, **options)
    assert str(problem.value) == f"simulated recordings: {sentence}"


def test_unknown_initial_weights_need_a_prior():
    unknown = replace(small(), initial=None)
    with pytest.raises(ModelError) as problem:
        activity_model(unknown, LAYER, SCALES)
    assert str(problem.value) == (
        "simulated recordings: the initial weights are unknown; give their prior scale as "
        "initial_scale."
    )


def test_a_true_term_outside_the_rule():
    with pytest.raises(ModelError, match=r'^the true term "x r" is not in the rule \(x y, '):
        record(jax.random.PRNGKey(0), LAYER, replace(SMALL, truth={"x r": 1.0}))


def test_gauss_newton_refuses_a_laplace_prior():
    laplace = activity_model(small(), LAYER, SCALES, prior=Laplace())
    with pytest.raises(ModelError, match="Gauss-Newton needs a normal prior and known initial"):
        gauss_newton.fit(laplace)


# The likelihood


def test_the_joint_density_is_the_written_one(model):
    data = model.recordings
    theta, noise = np.linspace(-0.5, 0.5, len(TERMS)), 0.3
    found = log_density(model, (), {}, {"theta": jnp.asarray(theta), "noise": jnp.asarray(noise)})
    clean = np.stack(
        [
            recorded(LAYER, theta, data.initial, x, r)
            for x, r in zip(data.inputs, data.reward, strict=True)
        ]
    )
    expected = (
        norm(0, 1).logpdf(theta).sum()
        + halfnorm().logpdf(noise)
        + norm(clean, noise).logpdf(data.activity).sum()
    )
    np.testing.assert_allclose(found[0], expected, rtol=1e-10)


def test_every_recorded_value_is_an_observation_and_nothing_else(model):
    site = trace(seed(model, jax.random.PRNGKey(0))).get_trace()["activity"]
    data = model.recordings
    assert site["fn"].batch_shape == (4 * 12 * 8,)
    np.testing.assert_array_equal(site["value"], data.activity.ravel())
    assert data.activity.shape == (4, 12, 8)
    assert len(data.neurons) == 8 < SMALL.n_neurons


def test_missing_neurons_change_nothing_for_the_others():
    everyone = small(experiment=replace(SMALL, noise=0.0, fraction=1.0))
    some = small(experiment=replace(SMALL, noise=0.0))
    np.testing.assert_allclose(some.activity, everyone.activity[..., some.neurons], atol=1e-14)


@pytest.mark.parametrize("prior", [Laplace(), RegularisedHorseshoe()])
def test_other_priors_and_unknown_initial_weights_draw(prior):
    unknown = replace(small(), initial=None)
    own = activity_model(unknown, LAYER, SCALES, prior=prior, initial_scale=0.3)
    drawn = Predictive(own, num_samples=3)(jax.random.PRNGKey(1), activity=None)
    assert drawn["theta"].shape == (3, len(TERMS))
    assert drawn["initial_weight"].shape == (3, 6, 8)
    assert drawn["activity"].shape == (3, 4 * 12 * 8)
    assert np.isfinite(drawn["activity"]).all()


# The posterior


def test_gauss_newton_ends_at_the_mode(model, fitted):
    posterior, info = fitted
    assert info.converged

    def density(theta):
        values = {"theta": theta, "noise": jnp.asarray(posterior.noise)}
        return log_density(model, (), {}, values)[0]

    slope = np.asarray(jax.grad(density)(jnp.asarray(posterior.mean)))
    assert 0.5 * slope @ posterior.covariance @ slope < 1e-3


def assert_as_nuts(model, posterior, *, draws, chains, apart, ratio):
    """Mean within ``apart`` posterior standard deviations of NUTS, these within ``ratio``."""
    start = {"theta": jnp.asarray(posterior.mean), "noise": jnp.asarray(posterior.noise)}
    kernel = NUTS(model, init_strategy=init_to_value(values=start), dense_mass=True)
    sampler = MCMC(
        kernel, num_warmup=300, num_samples=draws, num_chains=chains, chain_method="vectorized",
        progress_bar=False,
    )  # fmt: skip
    sampler.run(jax.random.PRNGKey(2))
    drawn = {name: np.asarray(value) for name, value in sampler.get_samples().items()}
    away = (drawn["theta"].mean(axis=0) - posterior.mean) / posterior.sd
    np.testing.assert_allclose(away, 0.0, atol=apart)
    np.testing.assert_allclose(drawn["theta"].std(axis=0) / posterior.sd, 1.0, atol=ratio)
    log_noise = np.log(drawn["noise"])
    away = (log_noise.mean() - np.log(posterior.noise)) / posterior.log_noise_sd
    assert abs(away) < 2 * apart
    np.testing.assert_allclose(log_noise.std() / posterior.log_noise_sd, 1.0, atol=ratio)


def test_gauss_newton_is_the_posterior_of_nuts_on_four_neurons():
    data = small(experiment=replace(SMALL, n_neurons=4, fraction=1.0, steps=6))
    layer = Layer(TaylorRule(TERMS[:2]))
    own = activity_model(data, layer, SCALES)
    posterior, info = gauss_newton.fit(own)
    assert info.converged
    assert_as_nuts(own, posterior, draws=500, chains=1, apart=0.25, ratio=0.2)


@pytest.mark.slow
def test_gauss_newton_is_the_posterior_of_nuts(model, fitted):
    assert_as_nuts(model, fitted[0], draws=1000, chains=2, apart=0.15, ratio=0.1)


def test_ninety_percent_intervals_hold_truths_drawn_from_the_prior():
    rng = np.random.default_rng(3)
    scale, fits, within = 0.5, 40, []
    for k in range(fits):
        truth = scale * rng.normal(size=len(TERMS))
        named = dict(zip(TERMS, truth, strict=True))
        data = small(key=k, experiment=replace(SMALL, truth=named))
        own = activity_model(data, LAYER, dict.fromkeys(TERMS, scale))
        posterior, info = gauss_newton.fit(own)
        assert info.converged
        within.append(np.abs(posterior.mean - truth) < norm.ppf(0.95) * posterior.sd)
    # Three standard errors of the mean of 40 fits, whose five terms move together.
    assert abs(np.mean(within) - 0.9) < 3 * np.std(np.mean(within, axis=1)) / np.sqrt(fits)


def test_noise_free_recordings_give_the_rule_back():
    clean = small(experiment=replace(SMALL, noise=0.0))
    posterior, info = gauss_newton.fit(activity_model(clean, LAYER, SCALES))
    assert info.converged
    np.testing.assert_allclose(posterior.mean, coefficients_of(LAYER, OJA), atol=1e-4)


def test_the_descent_is_adam_one_trajectory_a_step():
    # Its first step from zero has the size of the learning rate, against the sign of the slope.
    one = activity_model(small(experiment=replace(SMALL, trajectories=1)), LAYER, SCALES)
    settings = activity_descent.Settings(epochs=1, learning_rate=0.01, start=0.0)
    theta, info = activity_descent.fit(jax.random.PRNGKey(0), one, settings)
    data = one.recordings

    def loss(theta):
        shown = recorded(LAYER, theta, data.initial, data.inputs[0], data.reward[0])
        return ((shown - data.activity[0]) ** 2).mean()

    slope = jax.grad(loss)(jnp.zeros(len(TERMS)))
    np.testing.assert_allclose(theta, -0.01 * np.sign(slope), rtol=1e-3)
    np.testing.assert_allclose(info.loss, [loss(jnp.zeros(len(TERMS)))], rtol=1e-10)
    np.testing.assert_array_equal(info.theta, [np.zeros(len(TERMS)), theta])
