"""Effects of covariates: the design of a formula, the density with them, groups and their differences, bad formulas."""

from dataclasses import replace

import coins
import jax
import jax.numpy as jnp
import made
import numpy as np
import pytest
from conftest import random_sessions
from scipy.stats import norm

from hebbax.check import sbc
from hebbax.check.new_animal import of_others
from hebbax.check.prior_predictive import draw_truth, template
from hebbax.data import Record, data_hash, from_animals, read, select, write, write_table
from hebbax.errors import ModelError
from hebbax.inference import map as mode
from hebbax.inference import svi
from hebbax.inference.density import animal_values, latent_sites
from hebbax.inference.pseudo_marginal.population import Population, of_animals, prior_of
from hebbax.model.choices import build_model
from hebbax.model.declared import parse_spec, read_spec, with_formula
from hebbax.model.members import effects_of
from hebbax.model.spec import ModelSpec
from hebbax.posterior.forgetting import forgetting_sentence
from hebbax.posterior.inference_data import sessions_of, to_inference_data
from hebbax.posterior.levels import difference_table, level_table, sentence
from hebbax.posterior.power_scaling import sensitivity_table
from hebbax.posterior.prior_tails import far_out
from hebbax.posterior.summary import animal_table, population_table
from hebbax.posterior.verdict import Verdict
from hebbax.rule.fading import losses
from hebbax.simulation.environment import TASK
from hebbax.submodels.scaling import candidate_model

PASSED = Verdict((), {}, "")
GROUPS, AGES = ("sham", "ovx", "sham", "drug"), (3.0, 5.0, 4.0, 8.0)
SPEC = ModelSpec("m", ("x r", "w"), by={"w": "group", "x r": "age"}, lapse_scale=1.0)
POPULATION, SPREAD = np.array([0.6, -0.15]), np.array([0.2, 0.1])
OFFSET = np.array([[1.5, 0.5], [0.0, -0.5], [-1.0, 2.5], [0.5, -1.5]])
EFFECT = np.array([0.2, -0.1, 0.05])
"""Of w by the group ovx, w by sham, x r by age."""


def sessions():
    plain = random_sessions(3, lengths=(12, 9, 14, 10))
    records = [
        Record(
            name, plain.choices[a, : plain.n_trials[a]], plain.rewards[a, : plain.n_trials[a]],
            covariates={"group": GROUPS[a], "age": AGES[a]},
        )
        for a, name in enumerate(plain.animals)
    ]  # fmt: skip
    return from_animals(records, plain.stimuli, "made")


def by_hand():
    """Coefficients of every animal with its effects."""
    out = POPULATION + SPREAD * OFFSET
    ovx, sham, of_age = EFFECT
    for a, (group, age) in enumerate(zip(GROUPS, AGES, strict=True)):
        out[a, 1] += {"drug": 0.0, "ovx": ovx, "sham": sham}[group]
        out[a, 0] += of_age * age
    return out


def test_an_animal_lies_around_its_population_with_the_effects_of_its_covariates():
    model = build_model(SPEC, sessions())
    assert [effect.label for effect in model.effects.each] == [
        "w by group ovx", "w by group sham", "x r by age",
    ]  # fmt: skip
    np.testing.assert_array_equal(model.effects.scales, [0.2, 0.2, 0.5])
    sites = latent_sites(model).shapes
    assert sites["effect"] == (3,)
    values = {name: jnp.zeros(shape) for name, shape in sites.items()}
    values |= {
        "theta_population": POPULATION, "theta_spread": SPREAD, "theta_offset": OFFSET,
        "effect": EFFECT,
    }  # fmt: skip
    found = animal_values(model, {name: jnp.asarray(value) for name, value in values.items()})
    np.testing.assert_allclose(found["theta"], by_hand(), atol=1e-12)
    assert not found["preference"].any()
    own = prior_of(model)
    at = Population(jnp.append(POPULATION, jnp.zeros(2)), jnp.ones(4), jnp.asarray(EFFECT), 0.0)
    means, _ = of_animals(own, at)
    np.testing.assert_allclose(means[:, :2] + SPREAD * OFFSET, by_hand(), atol=1e-12)


def test_an_effect_on_a_parameter_is_told_on_the_scale_that_it_is_on():
    spec = replace(
        read_spec("q-learning"), by={"alpha": "group", "beta": "age"}, spread_ratio_scale=0.5
    )
    assert [effect.label for effect in effects_of(spec, sessions()).each] == [
        "logit alpha by group ovx", "logit alpha by group sham", "log beta by age",
        "log spread of logit alpha by group ovx", "log spread of logit alpha by group sham",
        "log spread of log beta by age",
    ]  # fmt: skip


def test_spreads_depend_on_the_same_columns_where_a_model_says_so():
    model = build_model(replace(SPEC, spread_ratio_scale=0.5), sessions())
    assert [effect.label for effect in model.effects.each[3:]] == [
        "log spread of w by group ovx", "log spread of w by group sham", "log spread of x r by age",
    ]  # fmt: skip
    np.testing.assert_array_equal(model.effects.scales[3:], 0.5)
    ratios = np.array([0.4, -0.3, 0.1])
    both = jnp.concatenate([EFFECT, ratios])
    values = {name: jnp.zeros(shape) for name, shape in latent_sites(model).shapes.items()}
    values |= {
        "theta_population": jnp.asarray(POPULATION), "theta_spread": jnp.asarray(SPREAD),
        "theta_offset": jnp.asarray(OFFSET), "effect": both,
    }  # fmt: skip
    expected, spread = by_hand(), np.tile(SPREAD, (4, 1))
    for a, (group, age) in enumerate(zip(GROUPS, AGES, strict=True)):
        spread[a, 1] *= np.exp({"drug": 0.0, "ovx": ratios[0], "sham": ratios[1]}[group])
        spread[a, 0] *= np.exp(ratios[2] * age)
    expected += (spread - SPREAD) * OFFSET
    np.testing.assert_allclose(animal_values(model, values)["theta"], expected, atol=1e-12)
    at = Population(
        jnp.append(POPULATION, jnp.zeros(2)), jnp.append(SPREAD, jnp.ones(2)), both, 0.0
    )
    np.testing.assert_allclose(of_animals(prior_of(model), at)[1][:, :2], spread, atol=1e-12)


def stored(spec=SPEC, recorded=None):
    model = build_model(spec, recorded or sessions())
    n = model.sessions.n_animals
    rng = np.random.default_rng(0)
    draws = {"effect": rng.normal(size=(2, 50, len(model.effects.each)))}
    for group in model.groups:
        own = by_hand() if group.name == "theta" and n == 4 else np.zeros((n, *group.shape))
        draws[group.name] = np.broadcast_to(own, (2, 50, *own.shape)).copy()
        draws[f"{group.name}_population"] = rng.normal(size=(2, 50, *group.shape))
        draws[f"{group.name}_spread"] = np.ones((2, 50, *group.shape))
    return to_inference_data(made.KEY, model, draws, made.statistics((2, 50)), made.PROVENANCE)


def test_effects_are_of_the_population():
    posterior = stored()
    effect = posterior.posterior["effect"]
    assert effect.dims == ("chain", "draw", "column")
    labels = ["w by group ovx", "w by group sham", "x r by age"]
    assert list(effect["column"].values) == labels
    assert sessions_of(posterior).covariates == sessions().covariates
    table = population_table(posterior, PASSED)
    assert list(table.index[-3:]) == labels
    assert (
        " The population is that of animals at the first level of every factor and age zero "
        "(center(age) makes that its mean)."
    ) in forgetting_sentence(posterior, PASSED)
    assert table.loc["x r by age", "median"] == pytest.approx(np.median(effect[..., 2]))
    assert set(animal_table(posterior, PASSED).index.get_level_values("value")) == {
        "theta x r", "theta w", "preference", "lapse",
    }  # fmt: skip
    expected = norm.logpdf(effect, scale=[0.2, 0.2, 0.5]).sum(-1)
    np.testing.assert_allclose(posterior.log_prior["effect"], expected, rtol=1e-9)
    assert list(sensitivity_table(posterior, PASSED).index[-3:]) == labels


def test_an_effect_far_out_in_its_prior_is_named_with_the_key_of_its_value():
    posterior = stored()
    drawn = posterior.posterior["effect"]
    middle = np.median(drawn, axis=(0, 1))
    for factor, expected in ((0.99, []), (1.01, [("the effect w by group sham", '"w" in scales')])):
        medians = np.array([0.0, -factor * norm.ppf(0.995) * 0.2, 0.0])
        posterior.posterior["effect"] = drawn - middle + medians
        found = [(one.name, one.key) for one in far_out(posterior) if "effect" in one.name]
        assert found == expected


def test_groups_are_population_values_at_their_covariates():
    """Against sums of draws by hand, for a model whose one factor is the group."""
    posterior = stored(ModelSpec("m", ("x r", "w"), by={"w": "group"}, lapse_scale=1.0))
    own, effect = (
        np.asarray(posterior.posterior[name]).reshape(100, -1)
        for name in ("theta_population", "effect")
    )
    w = {"drug": own[:, 1]}
    w |= {"ovx": w["drug"] + effect[:, 0], "sham": w["drug"] + effect[:, 1]}
    (loss,) = losses(["w"], 0.75, 2)
    levels, differences = level_table(posterior, PASSED), difference_table(posterior, PASSED)
    assert list(levels.index.get_level_values("value").unique()) == [
        "theta w", "loss of a weight in a trial (%)",
    ]  # fmt: skip
    for group, drawn in w.items():
        assert levels.loc[("theta w", group), "median"] == pytest.approx(np.median(drawn))
        assert levels.loc[("theta w", group), "animals"] == GROUPS.count(group)
        lost = 100 * loss.of(drawn[:, None])
        row = levels.loc[("loss of a weight in a trial (%)", group)]
        assert row["95 %"] == pytest.approx(np.quantile(lost, 0.95))
    row = differences.loc[("theta w", "sham less ovx")]
    assert row["5 %"] == pytest.approx(np.quantile(w["sham"] - w["ovx"], 0.05))
    assert row["P(> 0)"] == pytest.approx((w["sham"] > w["ovx"]).mean())
    assert len(differences) == 6
    assert " The population is that of animals at the first level of every factor." in (
        forgetting_sentence(posterior, Verdict((), {}, ""))
    )
    assert sentence(posterior, PASSED).startswith(
        "No group differs from another with probability over "
    )
    posterior.posterior["effect"] = posterior.posterior["effect"] + np.array([9.0, 19.0])
    said = sentence(posterior, PASSED)
    assert said.startswith(
        "Of 3 differences of groups 3 are more than 95% probable: theta w is higher in "
    )
    assert said.count(" with probability ") == 3
    assert "loss" not in said  # the same differences once more


def test_beside_an_age_groups_are_told_at_its_mean():
    """Thirty animals of which no two are alike, with an effect of group and one of age."""
    records = [
        Record(
            f"{a}", np.array([0, 1, a % 2]), np.array([1.0, 0.0, 1.0]),
            covariates={"group": ("control", "patient")[a % 2], "age": 25.5 + a},
        )
        for a in range(30)
    ]  # fmt: skip
    recorded = from_animals(records, ["A", "B"], "made")
    posterior = stored(ModelSpec("m", ("x r", "w"), by={"w": "group + center(age)"}), recorded)
    effect = posterior.posterior["effect"]
    effect[:] = np.array([-0.2, 0.01]) + 0.001 * effect
    found = level_table(posterior, PASSED).loc["theta w"]
    assert list(found.index) == ["control", "patient"]
    population = float(posterior.posterior["theta_population"][..., 1].median())
    np.testing.assert_allclose(found["median"], [population, population - 0.2], atol=0.003)
    said = sentence(posterior, PASSED)
    assert said.startswith(
        "The one difference of groups is more than 95% probable: theta w is lower in patient than in "
        "control"
    )
    assert said.endswith("Groups are compared with age at its mean of 40.")
    # Of codes of groups there is no mean, and they are too many.
    of_codes = stored(ModelSpec("m", ("x r", "w"), by={"w": "C(age)"}), recorded)
    assert level_table(of_codes, PASSED).empty


def test_groups_that_cannot_differ_are_no_difference():
    posterior = stored(ModelSpec("m", ("x r", "w"), by={"w": "group", "x r": "age"}))
    found = difference_table(posterior, PASSED)
    both = found[["median", "5 %", "95 %"]]
    assert (both != 0.0).any(axis=1).all()
    names = level_table(posterior, PASSED).loc["theta w"].index
    assert 0 < len(found.loc["theta w"]) < len(names) * (len(names) - 1) // 2
    n = len(found.drop("loss of a weight in a trial (%)", level="value"))
    assert f" {n} differences" in sentence(posterior, PASSED)


def test_of_a_number_it_is_said_that_groups_lie_on_one_line():
    def said(formula):
        posterior = stored(ModelSpec("m", ("x r", "w"), by={"w": formula}))
        return posterior, sentence(posterior, PASSED)

    posterior, slope = said("age")
    assert slope.endswith(
        "age is a number, with one slope, so that what holds of two groups holds of all; where it is "
        "a code of groups, C(age) gives each a value of its own."
    )
    for formula in ("C( age )", "group", "age + group", "age * group", "age + I(age**2)"):
        assert "number" not in said(formula)[1]
    assert "age is a number" in said("center( age )")[1]
    names = list(dict.fromkeys(level_table(posterior, PASSED).index.get_level_values("group")))
    assert names == [f"age {value:g}" for value in sorted(set(AGES))]
    marked = sentence(posterior, Verdict(("few draws",), {}, "", grave=False))
    assert marked.startswith("m (this posterior is imprecise by its diagnostics): No group")


def test_covariates_come_back_from_every_file(tmp_path):
    recorded = sessions()
    write(recorded, tmp_path / "s.nc")
    write_table(recorded, tmp_path / "s.csv")
    for again in (read(tmp_path / "s.nc"), read(tmp_path / "s.csv")):
        assert dict(again.covariates) == dict(recorded.covariates)
        assert data_hash(again) == data_hash(recorded)
    few = select(recorded, ["animal3", "animal0"])
    assert few.covariates == {"group": ("drug", "sham"), "age": (8.0, 3.0)}


FORMULAS = {
    "sex": 'm: the formula "sex" of "w" names "sex", which is no column that has one value for each '
    "animal and not the same for all; there are: group, age.",
    "1": 'm: the formula "1" of "w" has no column but the constant; name a covariate in it.',
    "I(age - age)": 'm: the formula "I(age - age)" of "w" has a column that is the same in all animals: '
    "I(age - age).",
    "0 + group": 'm: the formula "0 + group" of "w" takes out the constant, which is the population '
    "value; leave it in.",
    "C(group, levels=['sham'])": 'm: the formula "C(group, levels=[\'sham\'])" of "w" cannot be '
    "computed (Data has categories outside of the nominated levels (or t...).",
    "log(age - 3)": 'm: the formula "log(age - 3)" of "w" gives animal animal0 no finite number.',
    "log(age - 3.5)": 'm: the formula "log(age - 3.5)" of "w" gives animal animal0 no finite number.',
}


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_bad_formula_is_refused_in_one_sentence(formula):
    with pytest.raises(ModelError) as error:
        build_model(ModelSpec("m", ("x r", "w"), by={"w": formula}), sessions())
    assert str(error.value) == FORMULAS[formula]


@pytest.mark.parametrize("name", ["center", "C", "log"])
def test_a_column_may_be_called_as_a_function_is(name):
    own = replace(sessions(), covariates={name: ("x", "y", "", "x")})
    with pytest.raises(ModelError) as error:
        build_model(ModelSpec("m", ("x r", "w"), by={"w": name}), own)
    assert str(error.value) == (
        f'm: the formula "{name}" of "w" needs "{name}", and animal animal2 has none.'
    )
    whole = replace(sessions(), covariates={name: ("x", "y", "y", "x")})
    model = build_model(ModelSpec("m", ("x r", "w"), by={"w": name}), whole)
    np.testing.assert_array_equal(model.effects.covariates, [[0], [1], [1], [0]])


def test_what_cannot_have_effects_is_refused_in_one_sentence():
    with pytest.raises(ModelError) as error:
        build_model(ModelSpec("m", ("w",), by={"habit": "group"}), sessions())
    assert str(error.value) == 'm: "by" names "habit", which is none of w, preference.'
    with pytest.raises(ModelError) as error:
        build_model(ModelSpec("m", ("w",), by={"w": "((group"}), sessions())
    assert str(error.value).startswith('m: the formula "((group" of "w" cannot be read (')
    for code in (
        "{__import__('os').getcwd()}",
        "age.__class__",
        "open('x')",
        "I((lambda: age)())",
        "a ~ b",
    ):
        with pytest.raises(ModelError, match=r'^m: the formula ".*" of "w" cannot be read \('):
            build_model(ModelSpec("m", ("w",), by={"w": code}), sessions())
    centred = build_model(ModelSpec("m", ("w",), by={"w": "center(age)"}), sessions())
    np.testing.assert_allclose(centred.effects.covariates[:, 0], np.array(AGES) - np.mean(AGES))
    contrasts = ModelSpec("m", ("w",), by={"w": "C(group, contr.sum)"})
    assert build_model(contrasts, sessions()).effects.covariates.shape == (4, 2)
    with pytest.raises(ModelError, match=r'^m: "by" needs a population of animals; use hierarchy'):
        parse_spec({"terms": ["w"], "name": "m", "hierarchy": "none", "by": {"w": "group"}}, "m")
    with pytest.raises(ModelError, match=r'^forgetting-by-group: "by" needs a population of '):
        with_formula(replace(read_spec("forgetting"), hierarchy="none"), "group")
    missing = sessions().covariates | {"age": (3.0, float("nan"), 4.0, 8.0)}
    with pytest.raises(ModelError) as error:
        build_model(SPEC, replace(sessions(), covariates=missing))
    assert str(error.value) == (
        'm: the formula "age" of "x r" needs "age", and animal animal1 has none.'
    )


def test_groups_may_differ_in_a_parameter_of_the_choice_alone():
    by_lapse = replace(read_spec("q-learning"), lapse_scale=1.0, by={"lapse": "group"})
    found = level_table(stored(by_lapse), PASSED)
    assert list(found.index.get_level_values("value").unique()) == ["lapse"]


def test_spreads_are_told_by_group():
    posterior = stored(replace(SPEC, spread_ratio_scale=0.5, by={"w": "group"}))
    ratio = posterior.posterior["effect"].sel(column="log spread of w by group ovx")
    own = level_table(posterior, PASSED)["median"]["spread of w"]
    assert own["drug"] == 1.0
    assert own["ovx"] == pytest.approx(float(np.median(np.exp(ratio))), rel=1e-9)
    told = difference_table(posterior, PASSED).loc[("spread of w", "ovx less drug")]
    assert told["P(> 0)"] == pytest.approx(float((ratio > 0).mean()))


def test_without_the_only_animal_of_a_group_the_prior_is_the_same():
    """Of the four animals one is ovx, and one is of the first level."""
    spec = ModelSpec("m", ("x r", "w"), by={"w": "group"}, prior="horseshoe", expected_terms=1.0)
    model = build_model(spec, sessions())
    for a in (1, 3):
        others = of_others(model, sessions(), a)
        kept = np.delete(np.arange(4), a)
        np.testing.assert_array_equal(others.effects.covariates, model.effects.covariates[kept])
        assert others.groups is model.groups
        assert others.sessions.animals == tuple(np.array(sessions().animals)[kept])
        assert latent_sites(others).shapes["effect"] == (2,)


def test_terms_are_weighed_without_covariates():
    with pytest.raises(ModelError) as error:
        candidate_model(sessions(), SPEC)
    assert str(error.value) == 'm: terms are weighed without covariates; leave out "by".'


def test_simulated_animals_are_in_two_groups_by_each_covariate():
    spec = ModelSpec("m", ("w",), by={"w": "drug + sex"})
    model = template(spec, 6, TASK)
    np.testing.assert_array_equal(model.effects.covariates[:, 0], [0, 1, 0, 1, 0, 1])
    np.testing.assert_array_equal(model.effects.covariates[:, 1], [0, 0, 1, 1, 0, 0])
    ranked = [one.name for one in sbc.quantities(model) if one.kind == "effect"]
    assert ranked == ["w by drug 2", "w by sex 2"]
    truth = draw_truth(jax.random.PRNGKey(0), model)
    middle = truth["theta_population"] + model.effects.covariates @ truth["effect"][:, None]
    assert np.std(truth["theta"] - middle) < 3 * float(truth["theta_spread"][0])


def test_a_formula_for_a_whole_rule_makes_a_model_of_another_name():
    spec = with_formula(ModelSpec("m", ("x r", "w")), "group + age")
    assert (spec.name, spec.by) == ("m-by-group-age", {"x r": "group + age", "w": "group + age"})
    both = with_formula(ModelSpec("m", ("w",), habit_scale=1.0, by={"habit": "age"}), "group")
    assert both.by == {"habit": "age", "w": "group"}
    beside = with_formula(ModelSpec("m", ("x r", "w"), by={"w": "age"}), "group")
    assert beside.by == {"x r": "group", "w": "age + group"}
    same = with_formula(ModelSpec("m", ("w",), by={"w": "group"}), "group")
    assert same.by == {"w": "group"}
    with pytest.raises(ModelError, match=r'^m: has no rule that could differ by "group"\.$'):
        with_formula(ModelSpec("m", ()), "group")


def test_a_guide_and_the_mode_know_effects():
    """Coins in two groups: the guide against a grid, within .15 posterior standard deviations; the
    slope of the density is zero at the mode."""
    rng = np.random.default_rng(3)
    groups = [coins.records(rng, 6, 80, mean, 0.4) for mean in (0.6, -0.9)]
    spec = ModelSpec("coins", terms=(), by={"preference": "group"})
    model = build_model(spec, coins.grouped(groups))
    values, p, _ = coins.two_groups(*groups)
    exact = {name: float(x @ p) for name, x in values.items()}
    sd = {name: float(np.sqrt((x - exact[name]) ** 2 @ p)) for name, x in values.items()}
    draws, _ = svi.fit(jax.random.PRNGKey(0), model, svi.Settings(steps=1500, draws=2000))
    found = {"mean": draws["preference_population"], "effect": draws["effect"][..., 0]}
    for name, drawn in found.items():
        assert abs(drawn.mean() - exact[name]) < 0.15 * sd[name], name
        assert drawn.std() == pytest.approx(sd[name], rel=0.15)
    point, info = mode.fit(jax.random.PRNGKey(1), model, mode.Settings(epochs=200, starts=2))
    assert float(info.gradient_norm) < 1e-4
    assert float(point["effect"][0]) < -0.8
