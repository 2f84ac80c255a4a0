"""Random keys of both kinds give the same, bit for bit, in every public function that takes one."""

import importlib
import inspect
import pkgutil
from functools import cache

import jax
import jax.numpy as jnp
import made
import numpy as np
import pytest
from conftest import random_sessions
from test_activity import LAYER as PLASTIC
from test_activity import SCALES as ACTIVITY_SCALES
from test_activity import SMALL, small

import hebbax
from hebbax.check import heldout, predictive, prior_choices, prior_predictive, replicates
from hebbax.data import compact
from hebbax.design import identifiability, redundancy, rehearsal
from hebbax.errors import HebbaxError
from hebbax.inference import (
    checkpoint,
    map,
    nuts,
    pseudo_marginal,
    svi,
)
from hebbax.inference import variational as quick
from hebbax.inference.pseudo_marginal.pilot import Settings as PilotSettings
from hebbax.mehta2024 import (
    activity_descent,
    behavioural,
    descent,
    experiment,
    pooled,
    scales,
    scores,
    shrinkage,
    stopped,
    variational,
)
from hebbax.mehta2024 import mode as climb
from hebbax.model import activity
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec
from hebbax.posterior import inference_data as posterior
from hebbax.rule.taylor import TaylorRule
from hebbax.simulation import cohort as simulation
from hebbax.simulation import contingency, environment, recording_task
from hebbax.validation.keys import words

SPEC = ModelSpec("m", ("x r", "w"))
ENCOUNTERS = ModelSpec("m", ("x r", "w"), likelihood="encounter")
TASK = environment.Task(12, 1, (0.2, 0.8), "baited")
LIVED = experiment.Experiment(trials_per_block=4, hidden_units=1, noise=0.0)
RULE, THETA = TaylorRule(("x r", "w")), jnp.array([0.8, -0.05])
POPULATIONS = pseudo_marginal.Settings(
    chains=2,
    warmup=13,
    draws=4,
    points=4,
    most_thinning=1,
    evidence=2,
    pilot=PilotSettings(draws=16, points=4, rounds=1),
)
SAMPLER = nuts.Settings(chains=2, warmup=3, draws=4, chunk=3, max_tree_depth=2, search=POPULATIONS)
SHRUNK = shrinkage.Settings(rounds=1, sweeps=4, block=4, stages=1, places=2, least=1, most=1)


@cache
def model():
    return build_model(SPEC, random_sessions(0))


@cache
def values():
    rng = np.random.default_rng(0)
    return {g.name: rng.normal(size=(1, 5, 2, *g.shape)) / 4 for g in model().groups}


@cache
def known():
    return contingency.estimate(
        compact(random_sessions(0), "choice"), model().sessions.blocks, "baited"
    )


@cache
def stored():
    return posterior.to_inference_data(
        jax.random.PRNGKey(0),
        model(),
        values(),
        made.statistics((1, 5)),
        {"method": "test", "seed": 0, "settings": {}},
    )


def drawn():
    return posterior.drawn_values(stored(), model(), 3)


@cache
def lived():
    return experiment.cohort(jax.random.PRNGKey(1), RULE, THETA, LIVED, size=3)


@cache
def truth():
    return behavioural.simulated(jax.random.PRNGKey(1), {"x r": 1.0}, LIVED, size=3, held_out=1)


@cache
def recorded():
    return pooled.recorded(truth().train, LIVED.network)


def batch():
    return jax.tree.map(lambda leaf: leaf[None], recorded())


def distribution():
    return model().whole_distribution({name: v[0, 0] for name, v in values().items()})


def animal():
    return model().animal({name: value[0, 0, 0] for name, value in values().items()})


def mlp_start():
    return jnp.zeros(len(behavioural.MLP.parameters))


def gaussian():
    return climb.Gaussian(THETA, jnp.eye(2), *[jnp.zeros(())] * 3)


def generated(key):
    where = environment.Environment(TASK.chances)
    return environment.generate(key, RULE, LIVED.network, animal(), where, ENCOUNTERS)


def stored_nuts(key, folder):
    """In pieces, through a file: what is kept on disk is the same too."""
    store = folder / "fit.state.npz"
    draws = nuts.fit(key, model(), SAMPLER, store=store)
    with np.load(store) as state:
        return draws, {name: state[name] for name in state.files}


def rehearsed(key, folder):
    ways = rehearsal.Population(np.array([0.4, -0.1]), 0.3, 0.4)
    return rehearsal.Rehearsals(key, SPEC, ways, 2, 2).of(TASK)


CASES = {
    "simulation.contingency.Contingencies.draw": lambda key, _: known().draw(key, 3),
    "simulation.environment.arm": lambda key, _: environment.arm(
        key, jnp.zeros(2, bool), jnp.full(2, 0.5), "baited"
    ),
    "simulation.environment.generate": lambda key, _: generated(key),
    "simulation.environment.reject": lambda key, _: environment.reject(
        key, jnp.zeros(2), jnp.log(jnp.array([0.2, 0.3]))
    ),
    "mehta2024.experiment.Experiment.start": lambda key, _: LIVED.start(key),
    "mehta2024.experiment.cohort": lambda key, _: experiment.cohort(
        key, RULE, THETA, LIVED, size=2
    ),
    "mehta2024.experiment.live": lambda key, _: experiment.live(key, RULE, THETA, LIVED),
    "mehta2024.experiment.meet": lambda key, _: experiment.meet(
        key, LIVED.network, jnp.zeros((2, 1)), 0.1
    ),
    "check.heldout.published": lambda key, _: heldout.published(
        key, SPEC, random_sessions(0), (0.5, 1.0), stopped.Settings(epochs=2)
    ),
    "design.identifiability.identify": lambda key, _: (
        identifiability.identify(key, random_sessions(0, lengths=(20, 20)), SPEC).terms
    ),
    "mehta2024.activity_descent.fit": lambda key, _: activity_descent.fit(
        key,
        activity.activity_model(small(), PLASTIC, ACTIVITY_SCALES),
        activity_descent.Settings(epochs=1),
    ),
    "mehta2024.descent.fit": lambda key, _: descent.fit(
        key,
        pooled.Pooled(RULE, LIVED.network),
        batch(),
        descent.Settings(epochs=1),
        l1=jnp.zeros(1),
    ),
    "inference.map.fit": lambda key, _: map.fit(
        key, model(), map.Settings(epochs=3, polish=1, starts=2)
    ),
    "inference.nuts.fit": stored_nuts,
    "inference.checkpoint.fit_identity": lambda key, _: [
        np.array(checkpoint.fit_identity(key, model(), SAMPLER)["random_key"])
    ],
    "inference.pseudo_marginal.sampling.fit": lambda key, folder: pseudo_marginal.fit(
        key, model(), POPULATIONS, store=folder / "fit.state.npz"
    ),
    "inference.variational.fit": lambda key, _: quick.fit(key, model()),
    "mehta2024.mode.draws": lambda key, _: climb.draws(key, gaussian(), 3),
    "mehta2024.scales.update": lambda key, _: scales.update(
        key, scales.Prior("horseshoe", 0.5), THETA, jnp.zeros(())
    ),
    "mehta2024.shrinkage.fit": lambda key, _: shrinkage.fit(
        key, pooled.Pooled(RULE, LIVED.network), recorded(), SHRUNK
    ),
    "mehta2024.stopped.fit": lambda key, _: stopped.fit(key, model(), stopped.Settings(epochs=2)),
    "mehta2024.stopped.path": lambda key, _: stopped.path(
        key, model(), (0.0, 0.1), stopped.Settings(epochs=2)
    ),
    "inference.svi.fit": lambda key, _: svi.fit(
        key, model(), svi.Settings(steps=2, chunk=2, particles=2, draws=3)
    ),
    "model.choice_likelihood.Choice.sample": lambda key, _: distribution().sample(key, (2,)),
    "posterior.inference_data.to_inference_data": lambda key, _: [
        np.asarray(v)
        for group in ("posterior_predictive", "prior")
        for v in posterior.to_inference_data(
            key, model(), values(), {}, {"method": "test", "seed": 0, "settings": {}}
        )[group].data_vars.values()
    ],
    "check.predictive.check": lambda key, _: (
        predictive.check(key, stored(), predictive.Settings(replicates=3))
        .table[["observed", "mean", "p"]]
        .to_numpy()
    ),
    "mehta2024.pooled.fresh_run": lambda key, _: pooled.fresh_run(
        key, RULE, THETA, jax.tree.map(lambda leaf: leaf[0], lived()), LIVED
    ),
    "check.prior_choices.prior_choices": lambda key, _: (
        prior_choices.prior_choices(key, SPEC, 3, TASK).curves
    ),
    "check.prior_predictive.draw_truth": lambda key, _: prior_predictive.draw_truth(key, model()),
    "simulation.recording_task.draw_initial": lambda key, _: recording_task.draw_initial(
        key, SMALL
    ),
    "simulation.recording_task.draw_inputs": lambda key, _: recording_task.draw_inputs(
        key, SMALL, 2
    ),
    "simulation.recording_task.record": lambda key, _: (
        recording_task.record(key, PLASTIC, SMALL).activity
    ),
    "design.redundancy.redundancy": lambda key, _: redundancy.redundancy(key, model()).kept,
    "design.rehearsal.Rehearsals.__init__": rehearsed,
    "check.replicates.free_runs": lambda key, _: replicates.free_runs(
        key,
        model(),
        drawn(),
        replicates.RecordedTask(model().sessions, model().sessions.blocks, known(), "independent"),
    ),
    "check.replicates.one_step": lambda key, _: replicates.one_step(key, model(), drawn()),
    "mehta2024.scores.score": lambda key, _: scores.score(
        key, truth(), pooled.Pooled(RULE, LIVED.network), THETA, LIVED
    ),
    "simulation.cohort.simulate": lambda key, _: (
        simulation.simulate(key, simulation.Cohort(animals=2, trials_per_block=4), SPEC)[0].rewards
    ),
    "mehta2024.behavioural.simulated": lambda key, _: behavioural.simulated(
        key, {"x r": 1.0}, LIVED, size=3, held_out=1
    ),
    "mehta2024.behavioural.both_by_hand": lambda key, _: [
        fit.estimate for fits in behavioural.both_by_hand(key, [truth()], LIVED, 1) for fit in fits
    ],
    "mehta2024.behavioural.mlp_modes": lambda key, _: behavioural.mlp_modes(
        key, LIVED, recorded(), mlp_start(), 2
    )[1],
    "mehta2024.behavioural.taylor": lambda key, _: (
        behavioural.taylor(key, LIVED, recorded(), SHRUNK)[0].draws
    ),
    "mehta2024.variational.fit": lambda key, _: variational.fit(
        key,
        pooled.Pooled(RULE, LIVED.network),
        recorded(),
        jnp.ones(2),
        gaussian(),
        variational.Settings(rounds=2, samples=2, weighed=3),
    ),
}

STEPS = (
    "candidates.another_global", "candidates.fresh", "candidates.kept", "candidates.proposed",
    "candidates.same", "chains.run_block", "chains.Setup.evidence", "starts.started",
    "evidence.log_evidence", "gibbs.alone", "gibbs.centred", "marginal.given_its_values",
    "marginal.log_marginal", "marginal.of_new_animal", "mixture.draw", "mixture.draw_block",
    "moves.estimates", "moves.non_centred", "moves.step", "moves.tried", "normals.normals",
    "pilot.pilot", "points.draw_noise", "points.estimate", "points.retained",
    "population.draw_prior", "references.clusters", "references.references", "references.renewed",
    "shrinkage.draw_global",
)  # fmt: skip

INSIDE = {
    **{f"inference.pseudo_marginal.{n}": "a step of pseudo_marginal.sampling.fit" for n in STEPS},
    "posterior.alone.of_each": "pseudo_marginal.sampling.fit hands its key on",
    "posterior.alone.added": "of_each hands its key on",
    "posterior.computed.predict": "to_inference_data hands a key on",
    "posterior.computed.draw_prior": "to_inference_data hands a key on",
    "check.new_animal.refitted": "pseudo_marginal.sampling.fit hands its key on",
    "mehta2024.behavioural.by_hand": "both_by_hand is two of it",
    "mehta2024.behavioural.published": "by_hand hands its key on",
    "mehta2024.scales.walked": "a step of scales.update",
    "mehta2024.placing.at_mode": "a step of shrinkage.fit",
    "mehta2024.quadratic.draw": "a step of shrinkage.fit",
    "mehta2024.quadratic.refresh": "a step of shrinkage.fit",
    "mehta2024.quadratic.proposal": "a step of shrinkage.fit",
    "mehta2024.behavioural.three_ways": "both_by_hand and taylor, one after the other",
    "mehta2024.behavioural.mlp_variational": "inference.variational.fit and inference.pooled.draws",
    "model.blocks.Blocks.sample": "likelihood.Choice.sample of each animal, on keys it has split",
    "model.encounter_likelihood.Encounters.sample": "environment.reject and a categorical draw",
    "submodels.reweighting.animals_part": "weighing makes its key itself",
}
"""Functions that meet no key but one that a case has passed on."""

TRACED = {
    "mehta2024.behavioural.mlp_modes", "simulation.environment.generate", "simulation.environment.reject", "mehta2024.experiment.cohort",
    "mehta2024.experiment.live", "mehta2024.experiment.meet", "mehta2024.descent.fit",
    "mehta2024.mode.draws", "mehta2024.scales.update",
    "mehta2024.variational.fit", "model.choice_likelihood.Choice.sample",
    "mehta2024.pooled.fresh_run", "check.prior_predictive.draw_truth",
}  # fmt: skip
"""Programs of JAX alone: that they take a key is seen where they are traced; they run if slow."""

LONG = TRACED | {
    "mehta2024.behavioural.both_by_hand", "mehta2024.behavioural.simulated", "mehta2024.behavioural.taylor",
    "mehta2024.shrinkage.fit",
    "design.identifiability.identify", "mehta2024.activity_descent.fit", "inference.nuts.fit",
    "inference.pseudo_marginal.sampling.fit",
    "inference.svi.fit",
    "check.prior_choices.prior_choices",
    "design.rehearsal.Rehearsals.__init__", "mehta2024.scores.score",
}  # fmt: skip


def public():
    """Names of all public functions and methods of the package that take a random key."""
    for found in pkgutil.walk_packages(hebbax.__path__, "hebbax."):
        module = importlib.import_module(found.name)
        own = {n: v for n, v in vars(module).items() if not n.startswith("_")}
        for name, value in own.items():
            if getattr(value, "__module__", None) != found.name:
                continue
            each = {name: value}
            if inspect.isclass(value):
                each = {f"{name}.{k}": v for k, v in vars(value).items() if inspect.isfunction(v)}
            for label, function in each.items():
                if callable(function) and not inspect.isclass(function):
                    notes = inspect.get_annotations(inspect.unwrap(function))
                    hidden = label.split(".")[-1].startswith("_") and "__init__" not in label
                    if notes.get("key") is jax.Array and not hidden:
                        yield f"{found.name.removeprefix('hebbax.')}.{label}"


def test_no_public_function_that_takes_a_key_is_left_out():
    assert {*public(), "mehta2024.behavioural.three_ways"} == {
        *CASES,
        *INSIDE,
        "validation.keys.words",
    }


@pytest.mark.parametrize("name", sorted(TRACED))
def test_both_kinds_of_key_are_traced(name):
    for make in (model, values, recorded, lived):  # before anything is traced
        make()
    found = [
        jax.eval_shape(lambda key: CASES[name](key, None), key)
        for key in (jax.random.key(7), jax.random.PRNGKey(7))
    ]
    assert str(found[0]) == str(found[1])


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in CASES],
)
def test_both_kinds_of_key_give_the_same(name, tmp_path):
    results = []
    for kind, key in (("typed", jax.random.key(7)), ("words", jax.random.PRNGKey(7))):
        folder = tmp_path / kind
        folder.mkdir()
        results.append(jax.tree.leaves(CASES[name](key, folder)))
    assert len(results[0]) == len(results[1]) > 0
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


# inference.nuts.fit: tests/test_inference.py stops it with one kind and goes on with the other.


def test_another_key_gives_another_result():
    one, other = (known().draw(jax.random.key(seed), 3) for seed in (7, 8))
    assert (one != other).all()


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (7, "int given in place of a random key; jax.random.key(0) makes one."),
        (
            np.zeros(2),
            "ndarray given in place of a random key; jax.random.key(0) makes one.",
        ),
        (
            jax.random.key(0, impl="rbg"),
            "a random key of rbg was given; give one of threefry2x32, as jax.random.key(0) makes it.",
        ),
    ],
)
def test_what_is_no_key_is_one_sentence(key, sentence):
    for door in (words, lambda given: known().draw(given, 3)):
        with pytest.raises(HebbaxError) as caught:
            door(key)
        assert str(caught.value) == sentence
