"""A prior is one class and a parameter of the choice model is one: both are written here, and fitted as they are."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from conftest import random_sessions
from scipy.special import expit
from unrecorded import assert_alike, drawn_directly, sampled_without_choices

from hebbax.errors import ModelError
from hebbax.inference.density import log_likelihood
from hebbax.inference.pseudo_marginal import animal
from hebbax.model.choice_parameters import PARAMETERS, Parameter
from hebbax.model.choices import build_model
from hebbax.model.declared import parse_spec
from hebbax.model.priors import PRIORS, Shrinking
from hebbax.posterior.inference_data import to_inference_data


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Lasso(Shrinking):
    """The Bayesian lasso (Park & Casella 2008): Laplace(0, s_j tau), a normal of variance tau^2 l_j."""

    local_power = 1.0

    def relative_variance(self, tau, local):
        return tau**2 * local

    def global_prior(self, n):
        return dist.HalfNormal(1.0)

    def local_prior(self):
        return dist.Exponential(0.5)


class Sharpness(Parameter):
    """How much more of a log probability of acceptance counts, as a part of itself."""

    name = "sharpness"

    @classmethod
    def declared(cls, spec):
        return cls(0.8)

    def shifted(self, own, offset, trial):
        (more,) = own
        accept = [jax.nn.log_sigmoid(logit) for logit in trial.logits]
        return [o + more * a for o, a in zip(offset, accept, strict=True)]


@pytest.fixture
def model(monkeypatch):
    monkeypatch.setitem(PRIORS, "lasso", Lasso)
    monkeypatch.setitem(PARAMETERS, "sharpness", Sharpness)
    table = {"name": "m", "terms": ["x r", "w"], "prior": "lasso", "habit_scale": 1.0}
    return build_model(parse_spec(table), random_sessions(2, lengths=(20, 30)))


def test_the_model_and_the_sampler_have_the_density_of_a_parameter_of_ones_own(model):
    """Both against the odds of the model without it, times those of acceptance to its power."""
    values = {
        "theta": jnp.array([[0.6, -0.1], [1.0, 0.1]]),
        "preference": jnp.array([0.4, -1.0]),
        "habit": jnp.array([0.5, -0.2]),
        "sharpness": jnp.array([-0.6, 0.7]),
    }
    animal_of, more = model.index[0], np.asarray(values["sharpness"])[model.index[0]]
    known = {k: v for k, v in values.items() if k != "sharpness"}
    logits = model.whole_distribution(known).logits
    chosen = np.asarray(model.observed)
    for_chosen, for_other = (
        np.take_along_axis(np.asarray(logits), k[:, None], 1)[:, 0] for k in (chosen, 1 - chosen)
    )
    without = log_likelihood(model, known)
    odds = np.exp(without) / -np.expm1(without) * (expit(for_chosen) / expit(for_other)) ** more
    expected = np.log(odds / (1.0 + odds))
    np.testing.assert_allclose(log_likelihood(model, values), expected, rtol=1e-10)
    frame, trials = animal.frame_of(model), animal.trials_of(model)
    for a in range(2):
        phi = jnp.concatenate([jnp.ravel(values[group.name][a]) for group in model.groups])
        found = animal.log_likelihood(frame, jax.tree.map(lambda leaf, a=a: leaf[a], trials), phi)
        assert float(found) == pytest.approx(expected[animal_of == a].sum(), abs=1e-3)


def test_both_are_fitted_and_without_choices_the_posterior_is_the_prior(model, monkeypatch):
    """Quantiles of 16 quantities within 4.5 Monte Carlo errors: a false alarm in 3 000."""
    sampled, info = sampled_without_choices(model, monkeypatch)
    truth = drawn_directly(model)
    assert truth.keys() == sampled.keys()
    names = [name for name in truth if name.endswith(("_population", "_spread", "_scale"))]
    assert_alike(sampled, truth, names)
    few = {name: values[:, :20] for name, values in sampled.items()}
    statistics = {name: values[:, :20] for name, values in info.statistics.items()}
    made = {"method": "pseudo-marginal", "seed": 0, "settings": {}}
    stored = to_inference_data(jax.random.PRNGKey(1), model, few, statistics, made)
    assert stored.posterior["sharpness"].dims == ("chain", "draw", "animal")
    assert stored.posterior["theta_local_scale"].dims == ("chain", "draw", "term")


def test_a_model_file_names_a_prior_only_while_it_is_there():
    assert "lasso" not in PRIORS
    with pytest.raises(ModelError, match=r'"prior" must be "normal" or .*, "lasso" given\.'):
        parse_spec({"name": "m", "terms": ["w"], "prior": "lasso"})
