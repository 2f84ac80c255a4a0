"""Which terms are in a rule, and the command that says it."""

import itertools
from dataclasses import replace

import jax
import made
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from command import run
from conftest import random_sessions
from scipy.special import expit, logsumexp, softmax

from hebbax.cli.terms import candidates, told_of
from hebbax.data import write_table
from hebbax.errors import FitError, ModelError
from hebbax.inference import checkpoint, pseudo_marginal
from hebbax.inference.density import fisher_information
from hebbax.model.choices import build_model
from hebbax.model.declared import read_spec
from hebbax.model.spec import ModelSpec
from hebbax.posterior import fits, inference_data
from hebbax.simulation.cohort import QUICK, simulate
from hebbax.submodels import laplace
from hebbax.submodels.climbs import Climb, log_evidence
from hebbax.submodels.scaling import LEAST, MAX_SCALE, candidate_model, typical, widest
from hebbax.submodels.search import Breadth, search
from hebbax.terms import answer, weighing
from hebbax.terms.inclusion import SETTLED, Inclusion, Settings
from hebbax.terms.projection import of_posterior, project
from hebbax.terms.readout import (
    in_symbols,
    joint,
    named_rules,
    pair_table,
    sensitive,
    sentences,
    submodel_table,
    term_table,
)
from hebbax.terms.weighing import weigh

CANDIDATES = ("x r", "w", "x", "r w")


@pytest.fixture(scope="module")
def sessions():
    return simulate(jax.random.PRNGKey(1), QUICK, ModelSpec("forgetting", ("x r", "w")))[0]


@pytest.fixture(scope="module")
def weighed(sessions):
    return weigh(sessions, ModelSpec("candidates", CANDIDATES))


def test_the_terms_that_made_the_choices_are_found(weighed):
    assert submodel_table(weighed).index[0] == "x r, w"
    table = term_table(weighed, 0.75, 2)
    np.testing.assert_allclose(table["loss (%)"]["w"], -50.0 * table["median"]["w"])
    np.testing.assert_allclose(table["loss, 95 %"]["w"], -50.0 * table["5 %"]["w"])
    assert table.index[table["loss (%)"].notna()].tolist() == ["w"]
    assert table.loc["x r", "verdict"] == "in"
    assert table.loc["x r", "5 %"] < 0.35 < table.loc["x r", "95 %"]
    assert table.loc["w", "5 %"] < -0.06 < table.loc["w", "95 %"]
    assert weighed.everything
    assert weighed.unsettled_scales == 0.0
    assert len(weighed.included) == 16


def information_at(sessions, phis):
    """Information that a choice carries of each candidate on average (sub-model, term), one at a
    time, at values of the animals."""
    model = candidate_model(sessions, ModelSpec("candidates", CANDIDATES))
    all_choices = [np.asarray(fisher_information(model, phi)).sum(0) for phi in phis]
    each = np.array([np.diagonal(one)[: len(CANDIDATES)] for one in all_choices])
    return each / sessions.n_choices


def test_scales_are_those_of_the_submodels_that_they_give(sessions, weighed):
    effect = next(iter(weighed.by_effect))
    log_information = np.log(np.maximum(information_at(sessions, weighed.phi), LEAST))
    told = np.exp(weighed.weights(effect=effect) @ log_information)
    expected = np.minimum(effect / np.sqrt(told), MAX_SCALE)
    np.testing.assert_allclose(weighed.scales, expected, rtol=2 * SETTLED)


def test_the_order_of_the_candidates_changes_nothing(sessions, weighed):
    turned = weigh(sessions, ModelSpec("candidates", CANDIDATES[::-1]), Settings(checked=0))
    assert turned.terms == CANDIDATES[::-1]
    np.testing.assert_allclose(turned.scales[::-1], weighed.scales, rtol=2 * SETTLED)
    np.testing.assert_allclose(turned.probability()[::-1], weighed.probability(), atol=0.01)


def test_what_a_choice_tells_is_a_mean_over_submodels_by_their_probability(sessions, weighed):
    model = candidate_model(sessions, ModelSpec("candidates", CANDIDATES))
    codes = (1, 3, 7)
    solved = Climb(model, np.append(weighed.scales, 1.0), laplace.Settings()).grown([0, *codes])
    known = {code: solved[code] for code in codes}
    probability = np.array([0.3, 0.5, 0.2])
    log_prior = np.log(probability) - [log_evidence(known[code]) for code in codes]
    found = typical(model, known, log_prior, batch=2)
    each = information_at(sessions, [known[code].phi for code in codes])
    expected = np.exp(probability @ np.log(each))
    np.testing.assert_allclose(found.per_choice, expected, rtol=1e-9)
    assert found.code == 3
    # Where every weight stays at zero, choices carry no information of its decay.
    nothing = typical(model, {0: solved[0]}, np.zeros(1), batch=2)
    assert nothing.per_choice[CANDIDATES.index("w")] == pytest.approx(LEAST)


def test_scales_may_be_declared_and_the_number_of_terms_limited(sessions):
    scales = {"x r": 0.3, "w": 0.1, "x": 0.1, "r w": 0.5}
    settings = Settings(scaling="declared", most=2, effects=(1.0,), checked=0)
    found = weigh(sessions, ModelSpec("candidates", CANDIDATES, scales=scales), settings)
    assert dict(zip(found.terms, found.scales, strict=True)) == scales
    assert sorted(found.included.sum(1)) == [0] + [1] * 4 + [2] * 6
    assert found.everything
    assert found.terms_of(int(found.weights().argmax())) == ("x r", "w")


def made_up(*log_evidence):
    """Four sub-models of a and b under each effect, and a third term that no evidence speaks of."""
    included = np.array(list(itertools.product([False, True], repeat=3)))
    values = [np.array([of[a, b] for a, b, _ in included.astype(int)]) for of in log_evidence]
    effects = (0.3, 1.0, 3.0)[: len(values)]
    return Inclusion(
        terms=("x r", "w", "x w"),
        scales=np.ones(3),
        included=included,
        population=np.where(included, 0.5, 0.0),
        covariance=np.einsum("ki,ij->kij", included, 0.01 * np.eye(3)),
        by_effect=dict(zip(effects, values, strict=True)),
        phi=np.zeros((8, 1, 4)),
        animals_part=np.full((8, 2), np.nan),
        unsettled=np.zeros(8),
        settings=Settings(effects=effects),
    )


def test_probabilities_are_those_of_bayes():
    one = made_up(np.array([[0.0, 0.0], [2.0, 2.0]]))
    assert one.probability() == pytest.approx([expit(2.0), 0.5, 0.5])
    assert one.probability(one.weights(0.2)) == pytest.approx([expit(2 - np.log(4)), 0.2, 0.2])
    assert pair_table(one).loc["x r", "w"] == pytest.approx(1 - 0.5 * expit(-2.0))
    assert sensitive(one) == ["x r"]


def test_sub_models_whose_probabilities_vanish_are_still_in_order():
    one = made_up(np.array([[-1601.0, -1600.0], [-946.0, 0.0]]))
    table = submodel_table(one)
    assert (table["P"].iloc[2:] == 0.0).all()
    assert list(table.index) == [
        "x r, w", "x r, w, x w", "x r", "x r, x w", "w", "w, x w", "no term", "x w"
    ]  # fmt: skip
    # Where few terms are likely beforehand two cost more than a nat of evidence, far down as well.
    few = replace(one, settings=replace(one.settings, inclusion=0.2))
    assert list(submodel_table(few).index[-2:]) == ["x w", "w, x w"]


def test_effects_are_mixed_by_what_the_choices_say_of_each():
    tables = np.array([[0.0, 0.0], [2.0, 2.0]]), np.array([[1.0, 4.0], [1.0, 1.0]])
    mixed = made_up(*tables, np.full((2, 2), -9.0))
    total = np.array([logsumexp(table) for table in (*tables, np.full((2, 2), -9.0))])
    p = softmax(total)
    assert mixed.effects() == pytest.approx(dict(zip((0.3, 1.0, 3.0), p, strict=True)))
    each = [made_up(table).probability() for table in tables]
    np.testing.assert_allclose(mixed.probability(mixed.weights(effect=1.0)), each[1])
    np.testing.assert_allclose(mixed.probability(), [*p[:2], p[2]] @ np.array([*each, [0.5] * 3]))
    assert set(mixed.under_other_priors()) == {
        ("effect", 0.3), ("effect", 1.0), ("prior", 0.2), ("prior", 0.8)
    }  # fmt: skip
    said = (
        f"Effect, in units of what a choice can tell: 0.3 ({p[0]:.2f}), 1 ({p[1]:.2f}), 3 (0.00)."
    )
    assert said in sentences(mixed)


def test_scales_that_did_not_settle_are_said():
    one = made_up(np.array([[0.0, 0.0], [2.0, 2.0]]))
    said = (
        "The scales of the prior did not settle: the last time, one still moved by 7%. "
        "What hangs on them is not exact."
    )
    assert said in sentences(replace(one, unsettled_scales=0.07))
    assert not any("settle" in line for line in sentences(one))


def test_the_animals_part_of_the_error_is_called_no_correction():
    one = made_up(np.array([[0.0, 0.0], [2.0, 2.0]]))
    part = np.full((8, 2), np.nan)
    part[:2] = [[-0.22, 0.01], [0.31, 0.02]]
    said = sentences(replace(one, animals_part=part))
    assert (
        "With population and spreads held at their mode, importance sampling of each animal moves "
        "the log evidence of the 2 leading sub-models by -0.2 to +0.3 nats; how wrong it is about "
        "population and spreads, this does not see."
    ) in said
    table = submodel_table(replace(one, animals_part=part))
    assert table["animals' part of the error"].dropna().tolist() == pytest.approx([-0.22, 0.31])
    assert not any("correction" in name for name in (*table.columns, *said))


def test_an_effect_that_the_sessions_exclude_is_left_out(sessions):
    settings = Settings(effects=(0.001, 1.0), checked=0)
    found = weigh(sessions, ModelSpec("candidates", ("x r",)), settings)
    assert list(found.by_effect) == [1.0]
    assert found.effects() == {1.0: 1.0}
    alone = weigh(sessions, ModelSpec("candidates", ("x r",)), replace(settings, effects=(1.0,)))
    np.testing.assert_allclose(found.log_evidence, alone.log_evidence - np.log(2), atol=1e-6)


def test_what_cannot_be_told_apart_is_said_jointly():
    either = made_up(np.array([[-20.0, 0.0], [0.0, -20.0]]))
    assert joint(either)[0] == (("x r", "w"), pytest.approx(1.0))
    assert sentences(either)[:2] == [
        "The data cannot tell of: x r (0.50), w (0.50), x w (0.50).",
        "At least one of x r and w is in the rule (probability 1.00), and the data cannot tell "
        "which.",
    ]


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        (
            ModelSpec("no-learning", ()),
            "no-learning: has no terms to choose from; name some with --terms.",
        ),
        (
            ModelSpec("alone", ("w",), hierarchy="none"),
            'alone: terms are weighed in a population of animals; use hierarchy = "animals".',
        ),
    ],
)
def test_what_cannot_be_weighed_is_refused(sessions, spec, sentence):
    with pytest.raises(ModelError) as caught:
        weigh(sessions, spec)
    assert str(caught.value) == sentence


def test_the_projection_stops_at_the_terms_that_made_the_choices(sessions, weighed):
    spec = ModelSpec("candidates", CANDIDATES)
    projected = project(sessions, spec, weighed)
    assert set(projected.smallest) == {"x r", "w"}
    table = projected.table
    assert table["divergence"].iloc[0] > 10 * table["divergence"].iloc[2]
    assert table["divergence"].iloc[-1] < 1.0
    assert (table["divergence"] > -1e-9).all()
    assert projected.sentence.startswith(
        "The smallest rule that predicts as well as all candidates together has "
    )


def test_the_choices_a_posterior_predicts_are_the_mean_over_its_draws(sessions):
    model = candidate_model(sessions, ModelSpec("candidates", CANDIDATES))
    n, rng = sessions.n_animals, np.random.default_rng(0)
    values = {
        "theta": 0.1 * rng.normal(size=(2, 3, n, len(CANDIDATES))),
        "preference": rng.normal(size=(2, 3, n)),
    }
    found = of_posterior(made.tree(posterior=values), model)
    each = [
        np.asarray(model.padded_distribution({k: v[c, d] for k, v in values.items()}).probs)
        for c in range(2)
        for d in range(3)
    ]
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-12)


def test_only_choices_are_projected(sessions, weighed):
    spec = ModelSpec("candidates", CANDIDATES, likelihood="encounter")
    with pytest.raises(ModelError) as caught:
        project(sessions, spec, weighed)
    assert str(caught.value) == "candidates: only the choice likelihood is projected."


def test_a_rule_is_written_in_symbols():
    one = made_up(np.zeros((2, 2)))
    one.population[:, 1] *= -1
    assert in_symbols(one, ("x r", "w")) == "dw = 0.50 [0.34, 0.66] x r - 0.50 [0.34, 0.66] w"
    assert in_symbols(one, ()) == "dw = 0"


def test_a_rule_that_no_search_weighed_is_not_said_to_be_none():
    one = made_up(np.zeros((2, 2)))
    some = replace(one, included=one.included[:4], population=one.population[:4])
    assert in_symbols(some, ("x r", "w")) == "dw of x r, w, which the search did not weigh"
    some = replace(some, by_effect={e: v[:4] for e, v in one.by_effect.items()})
    rules = named_rules(some)
    assert np.isnan(rules.loc["forgetting", "log evidence"])
    assert rules.loc["forgetting", "note"] == "not among the sub-models that the search weighed"


@pytest.mark.parametrize("terms", [(), ("1",), ("w",), ("1", "x r"), ("x^2 r", "w")])
def test_a_sub_model_has_a_name_that_can_be_stored_and_read_again(terms):
    spec = ModelSpec("candidates", ("1", "w", "x r", "x^2 r"))
    own = weighing.sub_model(spec, dict.fromkeys(terms, 1.0))
    assert weighing.terms_named(own.name) == terms == own.terms


def test_covariates_are_refused_wherever_they_stand(sessions):
    for by in ({"w": "group"}, {"preference": "group"}):
        spec = ModelSpec("m", ("x r", "w"), by=by).with_terms(("x r", "w"))
        with pytest.raises(ModelError) as caught:
            candidate_model(sessions, spec)
        assert str(caught.value) == 'm: terms are weighed without covariates; leave out "by".'


def test_no_prior_is_wider_than_the_weights_of_a_readout_allow(sessions):
    readouts = {"accept": 2.0, "softmax": 5.0}
    for readout, most in readouts.items():
        model = build_model(ModelSpec("m", ("x r",), readout=readout), sessions)
        assert widest(model) == most


def test_named_rules_are_weighed_where_they_are_among_the_candidates():
    rules = named_rules(made_up(np.array([[0.0, 0.0], [2.0, 2.0]])))
    assert rules.loc["forgetting", "log evidence"] == 0.0
    assert rules.loc["forgetting", "P"] == pytest.approx(0.25 * expit(2.0))
    assert rules.loc["habit", "note"] == "x not among the candidates"


def test_a_search_finds_the_best_of_all_and_says_what_it_visited(sessions, weighed):
    model = candidate_model(sessions, ModelSpec("candidates", CANDIDATES))
    scales = np.append(weighed.scales, 1.0)
    known = search(Climb(model, scales, laplace.Settings()), Breadth(leading=1))
    best = max(known, key=lambda code: log_evidence(known[code]))
    assert best == 0b0011
    assert 5 <= len(known) < 16
    assert len(search(Climb(model, scales, laplace.Settings()), Breadth(visits=3))) == 3
    part = replace(weighed, everything=False)
    assert any("those a search visited; what it missed" in line for line in sentences(part))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, sessions):
    folder = tmp_path_factory.mktemp("terms")
    write_table(sessions, folder / "flies.csv")
    return folder


def test_the_command_writes_tables_and_pictures_and_keeps_what_was_there(folder):
    command = ("terms", folder / "flies.csv", "--terms", "x r, w", "--out", folder / "out")
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "In the rule: x r (1.00)" in done.stdout
    table = pd.read_csv(folder / "out" / "terms.csv", index_col="term")
    assert list(table.index) == ["x r", "w"]
    assert {path.name for path in (folder / "out").iterdir()} >= {
        "terms.csv", "terms_pairs.csv", "terms_submodels.csv", "terms.png",
        "terms_rules.csv", "terms_projection.csv", "terms projection.png",
    }  # fmt: skip
    again = run(*command)
    assert again.returncode == 2
    assert again.stderr == (
        f"hebbax: {folder / 'out' / 'terms projection.png'}: exists already; --force replaces it.\n"
    )


# What refuses, goes on and fails around it has quick tests below.
@pytest.mark.slow
def test_leading_submodels_are_confirmed_by_sampling(folder):
    out = folder / "confirmed"
    done = run("terms", folder / "flies.csv", "--terms", "x r", "--confirm", "1", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "x r: one step ahead it " in done.stdout.replace("\n", " ")
    assert (out / "check_x r.csv").exists()
    confirmed = pd.read_csv(out / "terms_confirmed.csv", index_col="sub-model")
    assert list(confirmed.index) == ["x r"]
    assert confirmed["P"].item() > 0.99
    posterior = xr.open_datatree(out / "x r.nc")["posterior"]
    table = pd.read_csv(out / "terms.csv", index_col="term")
    sampled = float(posterior["theta_population"].mean())
    assert table.loc["x r", "5 %"] < sampled < table.loc["x r", "95 %"]
    check_that_the_same_command_goes_on(folder, out)


def check_that_the_same_command_goes_on(folder, out):
    """What a kill leaves behind is gone on from; what is of something else is refused before the
    weighing."""
    command = ("terms", folder / "flies.csv", "--terms", "x r", "--confirm", "1", "--out", out)
    kept = {path.name: path.read_bytes() for path in out.iterdir()}
    for extra, sentence in {
        (
            "--seed",
            "1",
        ): "x r.nc: a finished fit with seed 0, and 1 is asked for; ask for the same, "
        "use --force to fit it again, or give another --out.",
        ("--prior", "0.4"): f"{out / 'terms.json'}: an answer with inclusion 0.5, and 0.4 is asked "
        "for; ask for the same, use --force to replace it, or give another --out.",
        ("--confirm", "0"): f"{out / 'terms projection.png'}: exists already; --force replaces it.",
    }.items():
        done = run(*command, *extra)
        assert (done.returncode, done.stderr) == (2, f"hebbax: {sentence}\n")
        assert "In the rule" not in done.stdout
    assert {path.name: path.read_bytes() for path in out.iterdir()} == kept
    for name in ("terms_confirmed.csv", "terms_projection.csv", "terms.png"):
        (out / name).unlink()
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "x r.nc is finished, and taken as it is." in done.stdout
    tables = [name for name in kept if name.endswith((".csv", ".nc", ".json"))]
    assert len(tables) == 11
    assert {name: (out / name).read_bytes() for name in tables} == {n: kept[n] for n in tables}


@pytest.fixture(scope="module")
def plain():
    return made.posterior(ModelSpec("no term", ()))


def test_a_comparison_that_fails_leaves_a_sentence_in_its_place(tmp_path, capsys, plain):
    broken = plain.copy(deep=True)
    broken.log_likelihood["choice"][0, 0, 0] = np.nan
    evidence = pd.DataFrame({"P": [0.6, 0.4]})
    told_of({"no term": plain, "x r": broken}, evidence, tmp_path)
    said = capsys.readouterr().out.replace("\n", " ")
    assert "The comparison could not be made (x r, choice in log_likelihood, chain 0, " in said
    assert [path.name for path in tmp_path.iterdir()] == ["problems.txt"]


@pytest.mark.parametrize("name", ["no term.nc", "x r.state.npz"])
def test_a_fit_of_something_else_is_refused_before_the_weighing(tmp_path, folder, plain, name):
    out = tmp_path / "out"
    out.mkdir()
    path = out / name
    if name == "no term.nc":
        inference_data.write(plain, path)
        what = "a finished fit of other data; ask for the same, use --force to fit it again"
    else:
        model = build_model(ModelSpec("x r", ("x r",)), random_sessions(4))
        fit = checkpoint.fit_identity(made.KEY, model, pseudo_marginal.Settings())
        checkpoint.save(path, fit, {}, [], 5)
        what = "an unfinished fit of other data; ask for the same, use --force to start anew"
    before = path.read_bytes()
    command = ("terms", folder / "flies.csv", "--terms", "x r, w", "--confirm", "1")
    done = run(*command, "--out", out)
    assert (done.returncode, done.stderr) == (
        2, f"hebbax: {name}: {what}, or give another --out.\n",
    )  # fmt: skip
    assert "In the rule" not in done.stdout
    assert (path.read_bytes(), list(out.iterdir())) == (before, [path])


def test_fits_of_no_candidate_are_in_nobodys_way(tmp_path, sessions):
    for name in ("w", "w + x r", "x r + r", "report"):
        (tmp_path / f"{name}.nc").write_bytes(b"of others")
    spec = ModelSpec("candidates", ("x r", "w"))
    with pytest.raises(FitError, match=r"^w\.nc: not a readable posterior"):
        answer.check_fits(sessions, spec, tmp_path, 0, pseudo_marginal.Settings())
    (tmp_path / "w.nc").unlink()
    answer.check_fits(sessions, spec, tmp_path, 0, pseudo_marginal.Settings())


def test_the_scales_of_a_sub_model_are_compared_when_they_are_known(tmp_path, sessions):
    """Before the weighing any scales may be right, after it those that it found."""
    settings = pseudo_marginal.Settings()
    candidates = ModelSpec("candidates", ("x r", "w"), scaling="information")
    own = weighing.sub_model(candidates, {"x r": 0.3})
    assert (own.name, own.scaling) == ("x r", "declared")
    model = build_model(own, sessions)
    fit = checkpoint.fit_identity(fits.random_keys(0)[0], model, settings)
    checkpoint.save(fits.state_path(tmp_path, "x r"), fit, {}, [], 5)
    answer.check_fits(sessions, candidates, tmp_path, 0, settings)
    (found,) = fits.prepare(sessions, [own], tmp_path, 0, settings, anew=False)
    assert found.sentence.startswith("x r.state.npz goes on after 5 of")
    other = weighing.sub_model(candidates, {"x r": 0.4})
    with pytest.raises(FitError) as error:
        fits.prepare(sessions, [other], tmp_path, 0, settings, anew=False)
    assert 'with scales {"x r": 0.3}, and {"x r": 0.4} is asked for;' in str(error.value)
    with pytest.raises(FitError, match="with another random seed"):
        answer.check_fits(sessions, candidates, tmp_path, 1, settings)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--prior", "1"), "--prior 1: must be a number from 1e-06 to 0.999999."),
        (("--confirm", "-1"), "--confirm -1: must be a whole number from 0 to 100."),
        (("--effect", "-2"), "--effect -2: must be a number from 0.001 to 100."),
        (("--effect", "0.3,1,0.3"), "--effect 0.3,1,0.3: each effect may stand once."),
        (("--terms", "w, w"), 'the term "w" is given twice; each term may stand once.'),
        (
            ("--terms", "z"),
            'unknown term "z": a term is "1" or factors x, y, r, w with exponents up to 2, such as '
            '"x r" or "x^2 r w".',
        ),
    ],
)
def test_a_problem_is_one_sentence(folder, options, sentence):
    done = run("terms", folder / "flies.csv", *options, "--out", folder / "bad")
    assert done.returncode == 2
    assert done.stderr == f"hebbax: {sentence}\n"
    assert not (folder / "bad").exists()


def test_a_learning_model_is_weighed_by_its_terms_and_not_by_its_parameters():
    found = candidates(read_spec("q-learning"), ())
    assert found.members == found.terms == ("x r", "x w")
