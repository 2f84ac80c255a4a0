"""The benchmark measures what it says: the same density, by an implementation of its own."""

import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hebbax.data import Record, from_animals
from hebbax.errors import HebbaxError
from hebbax.inference.density import log_likelihood, potential
from hebbax.mehta2024 import stopped
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec
from hebbax.runs.ledger import Ledger

ANALYSIS = Path(__file__).parents[1] / "analysis"


@pytest.fixture
def scripts(monkeypatch):
    """The scripts import each other as they do when they are run."""
    monkeypatch.syspath_prepend(str(ANALYSIS))
    import benchmark
    import plain

    yield benchmark, plain
    for name in ("benchmark", "plain", "samplers"):
        sys.modules.pop(name)


def model_and_data(plain):
    rng = np.random.default_rng(0)
    records = [
        Record(f"animal {n}", rng.integers(0, 2, n), rng.integers(0, 2, n).astype(float))
        for n in (12, 19)
    ]
    model = build_model(read_spec("forgetting"), from_animals(records, "AB", "random"))
    return model, plain.data(model.sessions.choices, model.sessions.rewards)


@pytest.mark.parametrize("wide", [True, False])
def test_the_plain_likelihood_and_its_slope_are_those_of_hebbax(scripts, wide):
    _, plain = scripts
    model, data = model_and_data(plain)
    # Large coefficients: weights reach the bound.
    theta, preference = np.array([[1.1, 0.3], [-0.4, -0.2]]), np.array([0.3, -0.6])
    values = {"theta": jnp.asarray(theta), "preference": jnp.asarray(preference)}
    value, slope = jax.value_and_grad(lambda v: log_likelihood(model, v).sum())(values)
    change = plain.change_27_terms if wide else plain.change_2_terms
    given = np.stack([plain.in_27_terms(one) for one in theta]) if wide else theta
    plain_value, d_theta, d_preference = plain.gradient(change, given, preference, data)()
    if wide:
        d_theta = np.stack([d_theta[:, 1, 1, 0], d_theta[:, 0, 0, 1]], axis=1)
    np.testing.assert_allclose(plain_value, value, rtol=1e-12)
    np.testing.assert_allclose(d_theta, slope["theta"], rtol=1e-9)
    np.testing.assert_allclose(d_preference, slope["preference"], rtol=1e-9)


def test_the_plain_model_has_the_density_of_hebbax(scripts):
    from numpyro.infer.util import potential_energy

    _, plain = scripts
    model, data = model_and_data(plain)
    rng = np.random.default_rng(1)
    for _ in range(3):
        point = {"population": rng.normal(size=3), "spread": rng.normal(size=3) - 2}
        point |= {"offset": rng.normal(size=(2, 3))}
        sites = {}
        for end, value in point.items():
            sites |= {f"theta_{end}": value[..., :2], f"preference_{end}": value[..., 2]}
        theirs = potential_energy(plain.numpyro_model, (data,), {}, point)
        np.testing.assert_allclose(theirs, potential(model, sites), rtol=1e-12)


def test_the_plain_published_fit_ends_where_that_of_hebbax_does(scripts):
    _, plain = scripts
    sessions = model_and_data(plain)[0].sessions
    model = build_model(read_spec("rajagopalan-forgetting"), sessions)
    data = plain.data(model.sessions.choices, model.sessions.rewards)
    settings, key = (
        stopped.Settings(epochs=30, learning_rate=0.02, start=0.1),
        jax.random.PRNGKey(7),
    )
    values, info = stopped.fit(key, model, settings)
    start = settings.start * jax.random.normal(key, (2, 5))
    theta, loss = plain.published_fit(
        np.asarray(start), data, settings.epochs, settings.learning_rate, settings.l1
    )
    np.testing.assert_allclose(values["theta"][0], theta, rtol=1e-7)
    np.testing.assert_allclose(info.final[0], loss, rtol=1e-10)
    # It moved: the agreement is not that of two starts.
    assert np.abs(theta - start).max() > 0.2


def test_the_published_fit_is_timed_once_its_losses_agree(scripts, tmp_path):
    benchmark, plain = scripts
    sessions = model_and_data(plain)[0].sessions
    keys = ("section", "implementation", "data", *benchmark.SIZE)
    ledger = Ledger(tmp_path / "benchmark.csv", keys, 0)
    for _ in range(2):  # the second time its rows are there
        benchmark.published_fits(benchmark.QUICK, sessions, ledger)
    assert list(ledger.frame["implementation"]) == ["hebbax", "plain, one animal after the other"]
    assert (ledger.frame["losses differ by"] < 1e-5).all()
    assert (ledger.frame["ms"] > 0).all()


def test_what_is_no_table_of_the_benchmark_is_kept(scripts, tmp_path):
    benchmark, _ = scripts
    (tmp_path / "benchmark.csv").write_text("earlier")
    with pytest.raises(HebbaxError) as caught:
        benchmark.main(["--quick", "--out", str(tmp_path)], standalone_mode=False)
    assert str(caught.value) == (
        "benchmark.csv: does not say in its first line with what it was made, so that it is damaged "
        f"or was edited, and lies in {tmp_path}; put back a copy, or move it away to start anew."
    )
    assert (tmp_path / "benchmark.csv").read_text() == "earlier"


def test_without_pystan_the_option_says_what_to_install(scripts, tmp_path, monkeypatch):
    benchmark, _ = scripts
    monkeypatch.setattr(benchmark, "find_spec", lambda name: None)
    with pytest.raises(HebbaxError) as caught:
        benchmark.main(["--quick", "--stan", "--out", str(tmp_path)], standalone_mode=False)
    assert str(caught.value) == ("--stan needs pystan 3: pip install 'hebbax[stan]' (Python 3.11).")
