"""Which values sit far out in their priors, over a table of cases; what is said, and of which key."""

import made
import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from hebbax.model.declared import read_spec
from hebbax.model.members import groups_of
from hebbax.model.spec import ModelSpec
from hebbax.posterior.inference_data import spec_attribute
from hebbax.posterior.prior_tails import far_out, sentence
from hebbax.posterior.verdict import Verdict

PASSED = Verdict((), {}, "")
FAILED = Verdict(("R-hat of theta is 2.000 (at most 1.01)",), {}, "")


def spec_of(**changes):
    return ModelSpec("m", ("x r", "w"), lapse_scale=0.5, **changes)


def posterior_of(spec, **medians):
    """A posterior whose draws lie around zero, those of some variables around their medians."""
    rng = np.random.default_rng(0)
    values, dims = {}, {}
    for group in groups_of(spec, 2, 1):
        sites = {group.name: (3, *group.shape)}
        if group.population:
            sites |= {f"{group.name}_{end}": group.shape for end in ("population", "spread")}
        for site, shape in sites.items():
            noise = 1e-6 * rng.normal(size=(2, 51, *shape))
            values[site] = medians.get(site, 0.0) + noise - np.median(noise, axis=(0, 1))
            dims[site] = [*(["animal"] if site == group.name else []), *group.dims]
    attrs = {"spec": spec_attribute(spec), "model_file": "", "n_stimuli": 2, "model": "m"}
    coords = {"term": list(spec.members), "animal": ["a", "b", "c"]}
    stats = {"lp": np.zeros((2, 51)), "diverging": np.zeros((2, 51), bool)}
    stats |= {"energy": np.zeros((2, 51)), "reached_max_treedepth": np.zeros((2, 51), bool)}
    return made.tree(posterior=values, sample_stats=stats, coords=coords, dims=dims, attrs=attrs)


TERMS = spec_of()
Q = read_spec("q-learning")
NORMAL, HALF = stats.norm(0, 0.5), stats.halfnorm(0, 0.25)
CASES = {
    # model, variable, place in it, its prior, its name, and the key that widens the prior
    "a coefficient": (TERMS, "theta_population", 0, NORMAL, "theta x r", '"x r" in scales'),
    "a declared scale": (
        spec_of(scales={"w": 1.5}), "theta_population", 1, stats.norm(0, 1.5), "theta w", '"w" in scales',
    ),
    "a Laplace prior": (
        spec_of(prior="laplace"), "theta_population", 0, stats.laplace(0, 0.5), "theta x r", '"x r" in scales',
    ),
    "information scales": (
        spec_of(scaling="information", scales={"x r": 0.5, "w": 0.2}), "theta_population", 0, NORMAL,
        "theta x r", "effect",
    ),
    "a preference": (TERMS, "preference_population", (), stats.norm(0, 1), "preference", "preference_scale"),
    "a spread": (TERMS, "theta_spread", 0, HALF, "the spread of theta x r", '"x r" in scales'),
    "a lapse": (
        TERMS, "lapse_population", (), stats.norm(0, 0.5), "lapse", "lapse_scale (or move lapse_median)",
    ),
    "the spread of a lapse": (
        TERMS, "lapse_spread", (), HALF, "the spread of lapse on the scale of its link",
        "lapse_scale (or move lapse_median)",
    ),
    "a parameter": (
        Q, "theta_population", 0, stats.norm(0, 1.0), "alpha",
        'the scale of "alpha" in parameters (or move its median)',
    ),
}  # fmt: skip


@pytest.mark.parametrize("label", CASES)
def test_a_median_outside_the_central_99_per_cent_of_its_prior_is_far_out(label):
    spec, site, place, law, name, key = CASES[label]
    one_sided = site.endswith("spread")
    for probability in [0.99] if one_sided else [0.005, 0.995]:
        end = law.ppf(probability)
        for factor, expected in ((0.999, []), (1.001, [(name, key)])):
            medians = np.zeros(groups_of(spec, 2, 1)[0].shape if place != () else ())
            medians[place] = factor * end
            found = far_out(posterior_of(spec, **{site: medians}))
            assert [(value.name, value.key) for value in found] == expected


@pytest.mark.parametrize("prior", ["horseshoe", "regularised horseshoe", "r2d2"])
def test_a_prior_that_shrinks_is_left_out_and_what_it_is_not_of_is_not(prior):
    spec = spec_of(prior=prior, expected_terms=1.0) if "horse" in prior else spec_of(prior=prior)
    medians = {"theta_population": 9.0, "theta_spread": 9.0, "preference_population": 9.0}
    assert [value.name for value in far_out(posterior_of(spec, **medians))] == ["preference"]


def test_parameters_are_told_in_natural_units():
    found = far_out(posterior_of(Q, theta_population=np.array([3.0, -4.0])))
    alpha, beta = (Q.parameters[name] for name in ("alpha", "beta"))
    end = stats.norm.ppf(0.995)
    ends = expit(logit(alpha["median"]) + alpha["scale"] * end * np.array([-1.0, 1.0]))
    assert found[0].median == pytest.approx(expit(logit(alpha["median"]) + 3.0), rel=1e-5)
    assert found[0].ends == pytest.approx(tuple(ends), rel=1e-6)
    assert found[1].median == pytest.approx(beta["median"] * np.exp(-4.0), rel=1e-5)
    lowest = beta["median"] * np.exp(-beta["scale"] * end)
    assert found[1].ends[0] == pytest.approx(lowest, rel=1e-6)


def test_without_a_population_the_middle_animal_is_asked():
    spec = spec_of(hierarchy="none")
    one = posterior_of(spec, theta=np.array([[4.0, 0.0], [0.0, 0.0], [0.0, 0.0]]))
    assert not far_out(one)
    two = posterior_of(spec, theta=np.array([[4.0, 0.0], [2.0, 0.0], [0.0, 0.0]]))
    assert [value.name for value in far_out(two)] == ["theta x r of the middle animal"]


def test_one_sentence_says_what_to_change():
    assert not sentence(posterior_of(TERMS), PASSED)
    far = posterior_of(TERMS, theta_population=np.array([4.1, 0.0]))
    assert sentence(far, PASSED) == (
        "Far out in its prior sits theta x r (posterior median 4.1, central 99 % of the prior "
        '-1.29 to 1.29): in the model file raise "x r" in scales.'
    )
    farther = posterior_of(
        TERMS, theta_population=np.array([4.1, 0.0]), theta_spread=np.array([1.2, 0.0]),
        preference_population=-3.0,
    )  # fmt: skip
    assert sentence(farther, FAILED) == (
        "m (this posterior FAILED its diagnostics): Far out in their priors sit theta x r "
        "(posterior median 4.1, central 99 % of the prior -1.29 to 1.29), the spread of theta x r "
        "(posterior median 1.2, 99 % of the prior 0 to 0.644), preference (posterior median -3, "
        'central 99 % of the prior -2.58 to 2.58): in the model file raise "x r" in scales, '
        "preference_scale."
    )
