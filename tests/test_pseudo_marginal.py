"""Pseudo-marginal Metropolis as a whole: against quadrature, cut off, and as often as it must."""

from dataclasses import replace

import coins
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import cumulative_trapezoid, simpson
from small import AS_USERS_HAVE_IT, RUNS_LONG, SMALL, compile_blocks, five_terms

from hebbax.data import from_animals
from hebbax.inference import pseudo_marginal
from hebbax.inference.density import animal_values
from hebbax.inference.pseudo_marginal import chains, sampling
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec

SHORT = replace(SMALL, chunk=2)
ANEW = replace(SHORT, r_hat=1.0, most_thinning=2)
"""Two sets of draws, the second gone on with: none has an R-hat of 1."""


@pytest.mark.parametrize(("spread", "options"), [(0.8, AS_USERS_HAVE_IT), (0.0, RUNS_LONG)])
def test_population_and_spread_are_those_of_quadrature(spread, options, monkeypatch):
    """Without learning an animal is a coin: mean and spread of its log odds by a grid of both, each
    animal integrated by its own grid. Quantiles within five Monte Carlo errors. One of the two is
    compiled as users have it."""
    compile_blocks(monkeypatch, options)
    records = coins.records(np.random.default_rng(5), 6, 60, 0.4, spread)
    model = build_model(ModelSpec("coins", terms=()), from_animals(records, ["A", "B"], "coins"))
    settings = pseudo_marginal.Settings(draws=2000, most_thinning=1, effective=1.0, r_hat=2.0)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(0), model, settings)

    means, spreads, log_p = coins.log_posterior(records)
    p, exact = np.exp(log_p - log_p.max()), coins.log_evidence(records)
    assert info.evidence.error < 0.03
    assert abs(info.evidence.log_evidence - exact) < 4 * info.evidence.error + 0.002
    for name, x, density in (
        ("population", means, simpson(p, x=spreads, axis=1)),
        ("spread", spreads, simpson(p, x=means, axis=0)),
    ):
        cumulated = cumulative_trapezoid(density, x, initial=0.0)
        cumulated /= cumulated[-1]
        sampled = draws[f"preference_{name}"]
        for part in (0.05, 0.25, 0.5, 0.75, 0.95):
            below = 1.0 * (sampled <= np.interp(part, cumulated, x))
            by_block = below.reshape(-1, 50).mean(-1)
            error = by_block.std() / np.sqrt(len(by_block))
            assert abs(below.mean() - part) < 5 * error + 0.004, (name, part, below.mean(), error)
    assert info.acceptance_rate.mean() > 0.2


def test_the_effect_of_a_group_is_that_of_quadrature(monkeypatch):
    """Coins in two groups: mean, effect and spread by a grid of all three, and the evidence."""
    compile_blocks(monkeypatch, RUNS_LONG)
    rng = np.random.default_rng(8)
    groups = [coins.records(rng, 5, 60, mean, 0.4) for mean in (0.3, -0.5)]
    spec = ModelSpec("coins", terms=(), by={"preference": "group"})
    model = build_model(spec, coins.grouped(groups))
    settings = pseudo_marginal.Settings(draws=2000, most_thinning=1, effective=1.0, r_hat=2.0)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(0), model, settings)

    values, p, exact = coins.two_groups(*groups)
    assert info.evidence.error < 0.03
    assert abs(info.evidence.log_evidence - exact) < 4 * info.evidence.error + 0.01
    sampled = {
        "mean": draws["preference_population"],
        "effect": draws["effect"][..., 0],
        "spread": draws["preference_spread"],
    }
    for name, x in values.items():
        step = 0.025 if name == "spread" else 0.05
        for where in np.quantile(sampled[name], (0.05, 0.25, 0.5, 0.75, 0.95)):
            at = (np.floor(where / step) + 0.5) * step  # between two cells
            below = 1.0 * (sampled[name] <= at)
            by_block = below.reshape(-1, 50).mean(-1)
            error = by_block.std() / np.sqrt(len(by_block))
            part = p[x <= at].sum()
            assert abs(below.mean() - part) < 5 * error + 0.006, (name, part, below.mean(), error)


def test_spreads_of_groups_are_those_of_quadrature(monkeypatch):
    """Coins in two groups, one of which differs more: both spreads by a grid, and the evidence."""
    compile_blocks(monkeypatch, RUNS_LONG)
    rng = np.random.default_rng(9)
    groups = [coins.records(rng, 6, 60, 0.2, spread) for spread in (0.2, 0.9)]
    spec = ModelSpec("coins", (), by={"preference": "group"}, spread_ratio_scale=0.7)
    model = build_model(spec, coins.grouped(groups))
    settings = pseudo_marginal.Settings(draws=2000, most_thinning=1, effective=1.0, r_hat=2.0)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(0), model, settings)

    spreads, p, exact = coins.two_spreads(*groups, 0.7)
    assert info.evidence.error < 0.05
    assert abs(info.evidence.log_evidence - exact) < 4 * info.evidence.error + 0.01
    one = {name: jnp.asarray(drawn[0, -1]) for name, drawn in draws.items()}
    again = animal_values(model, one)["preference"]
    np.testing.assert_allclose(again, one["preference"], atol=1e-9)  # of its offsets
    first = draws["preference_spread"]
    second = first * np.exp(draws["effect"][..., 1])
    for name, drawn, density in (("first", first, p.sum(1)), ("second", second, p.sum(0))):
        cumulated = np.cumsum(density) - 0.5 * density
        for part in (0.05, 0.25, 0.5, 0.75, 0.95):
            below = 1.0 * (drawn <= np.interp(part, cumulated, spreads))
            by_block = below.reshape(-1, 50).mean(-1)
            error = by_block.std() / np.sqrt(len(by_block))
            assert abs(below.mean() - part) < 5 * error + 0.006, (name, part, below.mean(), error)


def test_the_evidence_of_animals_without_a_population_is_the_product_of_their_integrals():
    records = coins.records(np.random.default_rng(6), 3, 40, 0.4, 0.5)
    spec = ModelSpec("coins", terms=(), hierarchy="none")
    model = build_model(spec, from_animals(records, ["A", "B"], "coins"))
    settings = replace(SMALL, draws=150, evidence=400)
    found = pseudo_marginal.fit(jax.random.PRNGKey(1), model, settings)[1].evidence
    phi, exact = np.linspace(-8.0, 8.0, 4001), 0.0
    for record in records:
        n, k = len(record.choices), int(np.sum(record.choices))
        log_p = k * phi - n * np.logaddexp(0.0, phi) + stats.norm.logpdf(phi)
        exact += np.log(simpson(np.exp(log_p), x=phi))
    assert found.error < 0.02
    assert abs(found.log_evidence - exact) < 4 * found.error


@pytest.mark.slow
def test_repeated_runs_differ_by_the_stated_error_of_their_evidence():
    """Twelve small runs against quadrature: chi^2, both tails at 5 in 10^4."""
    records = coins.records(np.random.default_rng(8), 4, 25, 0.4, 0.8)
    model = build_model(ModelSpec("coins", terms=()), from_animals(records, ["A", "B"], "coins"))
    settings = replace(SMALL, draws=150, evidence=100)
    exact = coins.log_evidence(records)
    found = [
        pseudo_marginal.fit(jax.random.PRNGKey(number), model, settings)[1].evidence
        for number in range(12)
    ]
    scores = np.array([(one.log_evidence - exact) / one.error for one in found])
    assert stats.chi2(12).ppf(5e-4) < (scores**2).sum() < stats.chi2(12).ppf(1 - 5e-4), scores
    assert max(one.error for one in found) < 0.15


CUTS = {
    "in the first round": (SHORT, "finding the starts", 4),
    "after it": (SHORT, "warming up", 1),
    "between rounds": (SHORT, "warming up", 3),
    "in its draws": (SHORT, "sampling", 8),
    "before the second set": (ANEW, "sampling", 21),
    "in it": (ANEW, "sampling", 27),
    "before it goes on": (ANEW, "sampling", 41),
    "thinned": (ANEW, "sampling", 53),
}


@pytest.mark.parametrize("case", CUTS)
def test_a_cut_run_goes_on_bit_for_bit(tmp_path, monkeypatch, case):
    """A set has 20 blocks, of which half are kept and as many added; the first round ends stored,
    and each that follows."""
    settings, cut_in, cut_at = CUTS[case]
    monkeypatch.setattr(sampling, "SAVED_EVERY", 0.0)
    model, key, store = five_terms(), jax.random.key(5), tmp_path / "state.npz"
    whole, info = pseudo_marginal.fit(key, model, settings)
    seen = []

    class CutError(Exception):
        pass

    def cut(task, done, total):
        seen.append(task)
        if seen.count(cut_in) == cut_at:
            raise CutError

    with pytest.raises(CutError):
        pseudo_marginal.fit(key, model, settings, store=store, progress=cut)
    assert store.is_file() == (cut_in != "finding the starts")
    resumed, again = pseudo_marginal.fit(key, model, settings, store=store)
    for name, values in whole.items():
        np.testing.assert_array_equal(values, resumed[name])
    for one, other in zip(info, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_progress_goes_from_nothing_to_all_and_never_back():
    told = []
    pseudo_marginal.fit(
        jax.random.key(5), five_terms(), SHORT, progress=lambda _, *numbers: told.append(numbers)
    )
    done = [at for at, _ in told]
    assert done == sorted(done)
    assert (done[0], told[-1]) == (0, (SHORT.iterations, SHORT.iterations))


def test_recordings_of_one_shape_and_runs_of_any_length_share_one_program():
    chains.run_block.clear_cache()
    for number, warmup, draws in ((1, 26, 40), (2, 3, 10)):
        settings = replace(SMALL, warmup=warmup, draws=draws)
        found, _ = pseudo_marginal.fit(jax.random.PRNGKey(number), five_terms(number), settings)
        assert found["theta"].shape[:2] == (2, draws)
        assert chains.run_block._cache_size() == 1


def test_the_evidence_is_of_the_chains_as_they_ended(tmp_path):
    """Draws thrown away once: of the references renewed then, as in a run that goes on after it."""
    settings = replace(ANEW, evidence=20)
    model, key, store = five_terms(terms=()), jax.random.key(3), tmp_path / "state.npz"
    _, info = pseudo_marginal.fit(key, model, settings, store=store)
    _, again = pseudo_marginal.fit(key, model, settings, store=store)
    assert again.evidence.effective == info.evidence.effective


@pytest.mark.parametrize("n", [0, 1, 4, 7])
def test_a_chain_that_goes_on_keeps_every_second_draw_and_the_last(n):
    kept = {"mean": np.arange(3.0 * n).reshape(n, 3), "moved": np.arange(1.0, n + 1)[:, None]}
    half = sampling._every_second(kept)
    np.testing.assert_array_equal(half["mean"], kept["mean"][::-1][::2][: n // 2][::-1])
    np.testing.assert_array_equal(half["moved"][:, 0], np.arange(n % 2 + 1.5, n, 2))


def test_chains_that_disagree_go_on_until_they_may_not():
    """What cannot be reached ends, with all draws asked for; a chunk has room for less than one."""
    settings = replace(SMALL, warmup=13, draws=10, r_hat=1.0, most_thinning=4, chunk=3)
    draws, info = pseudo_marginal.fit(jax.random.PRNGKey(1), five_terms(terms=()), settings)
    assert draws["preference_population"].shape == (2, 10)
    assert np.isfinite(info.lp).all()


def test_rounds_of_the_warm_up_are_all_of_it_and_grow():
    assert pseudo_marginal.Settings().rounds == (50, 100, 200, 300)
    for warmup in range(1, 200):
        rounds = pseudo_marginal.Settings(warmup=warmup).rounds
        assert sum(rounds) == warmup
        assert 0 not in rounds
        assert list(rounds) == sorted(rounds)
