r"""The log likelihood of ONE animal at one set of values, to second order where that is asked for.

    log p(y | phi) = sum_t log P(y_t | logits_t, offset_t),    w_t+1 = bounded(w_t + g / n_inputs)

It is the model of `hebbax.model.choices`, written over single weights: `jax.vmap` over values then
makes each a contiguous row of numbers, and in single precision a row of 240 trials takes 1.5
microseconds on one core, a fifth of what the same takes as arrays of stimuli. The error is below
2e-3 nats. Slope and Fisher information are carried forward through the trials beside the weights:

    dw_t+1 / dphi = d step / dphi + (d step / dw) dw_t / dphi.

What the program depends on is in `Frame` and static; the trials are arguments, so that one program
serves every recording of a shape.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap

from hebbax.inference.density import Expansion, padded_observed
from hebbax.model.choice_parameters import Trial, initial_weights, offsets
from hebbax.model.choices import Model
from hebbax.model.likelihood import Kind
from hebbax.rule.network import Network
from hebbax.rule.taylor import Rule
from hebbax.typing import Array

SINGLE = jnp.float32

COMPILER = {"xla_backend_optimization_level": 1}
"""Options of the compiler: a block of `forgetting` compiles in two thirds of the time, and runs as
fast."""


@dataclass(frozen=True)
class Frame:
    """What a compiled program depends on: rule, network, ``kind`` of likelihood, the
    ``groups`` of an animal's values, name and number of members each, and whether animals lie
    around a ``population``."""

    rule: Rule
    network: Network
    kind: Kind
    groups: tuple[tuple[str, int], ...]
    population: bool

    @property
    def n_members(self) -> int:
        """Number of values of an animal."""
        return sum(size for _, size in self.groups)


class Trials(NamedTuple):
    """The recorded trials; leading dimensions ``(animal, trial)``, the rule's ``drive`` and the
    accepted stimulus ``x`` by input, ``value`` what was observed, ``repeat`` by stimulus."""

    drive: Any
    x: Array
    accepted: Array
    repeat: Array
    value: Array


def frame_of(model: Model) -> Frame:
    """Return what a program for a model depends on."""
    groups = tuple((group.name, group.scales.size) for group in model.groups)
    spec = model.spec
    return Frame(model.rule, model.network, spec.kind, groups, spec.population)


def trials_of(model: Model) -> Trials:
    """Return the recorded trials of a model, in single precision."""
    design = model.design
    trials = Trials(design.drive, design.x, design.accepted, design.repeat, padded_observed(model))
    return jax.tree.map(_single, trials)


def _single(leaf: Array) -> Array:
    return leaf.astype(SINGLE) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def log_likelihood(frame: Frame, trials: Trials, phi: Array) -> Array:
    """Return log p(trials | phi) of one animal with values ``phi`` (member,), in nats; -inf where
    it is no number."""
    values = _values(frame, phi.astype(SINGLE))

    def step(carry: tuple[Any, Array], trial: Trials) -> tuple[tuple[Any, Array], None]:
        weights, total = carry
        weights, logits, offset = _trial(frame, values, weights, trial)
        return (
            weights,
            total + frame.kind(logits, offset).log_prob(trial.value),
        ), None

    total = jax.lax.scan(step, (_start(frame, values), jnp.zeros((), SINGLE)), trials)[0][1]
    return jnp.where(jnp.isfinite(total), total, -jnp.inf)


@cache
def log_likelihoods(frame: Frame) -> Callable[[Trials, Array], Array]:
    """Return the log likelihood of one animal at many values, ``(trials, (point, member)) ->
    (point,)``.

    Under `jax.vmap` over animals and then over chains the points of all chains are computed as
    more points of each animal: rows of numbers are fast where they are long.
    """

    def one_animal(trials: Trials, phi: Array) -> Array:
        return jax.vmap(partial(log_likelihood, frame, trials))(phi)

    @custom_vmap
    def animals(trials: Trials, phi: Array) -> Array:
        return jax.vmap(one_animal)(trials, phi)

    @animals.def_vmap
    def _(size: int, batched: list[Any], trials: Trials, phi: Array) -> tuple[Array, bool]:
        if any(jax.tree.leaves(batched[0])):  # cohorts of their own
            axes = jax.tree.map(lambda own: 0 if own else None, batched)
            return jax.vmap(jax.vmap(one_animal), in_axes=tuple(axes))(trials, phi), True
        n_animals, n_points, n_members = phi.shape[1:]
        rows = jnp.swapaxes(phi, 0, 1).reshape(n_animals, size * n_points, n_members)
        values = animals(trials, rows).reshape(n_animals, size, n_points)
        return jnp.swapaxes(values, 0, 1), True

    @custom_vmap
    def points(trials: Trials, phi: Array) -> Array:
        return one_animal(trials, phi)

    @points.def_vmap
    def _(size: int, batched: list[Any], trials: Trials, phi: Array) -> tuple[Array, bool]:
        def whole(leaf: Array, own: bool) -> Array:
            return leaf if own else jnp.broadcast_to(leaf, (size, *leaf.shape))

        return animals(jax.tree.map(whole, trials, batched[0]), whole(phi, batched[1])), True

    return points


def expansion(frame: Frame, trials: Trials, phi: Array) -> Expansion:
    """Return value, slope ``(member,)`` and Fisher information ``(member, member)`` of one animal's
    log likelihood at ``phi`` (member,); -inf and zeros where one of them is no number."""
    phi = phi.astype(SINGLE)
    n = frame.n_members
    directions = jnp.eye(n, dtype=SINGLE)
    start, moved = jax.vmap(
        lambda direction: jax.jvp(
            lambda phi: _start(frame, _values(frame, phi)), (phi,), (direction,)
        ),
        out_axes=(None, 0),
    )(directions)

    def step(carry: Any, trial: Trials) -> tuple[Any, None]:
        weights, moved, value, slope, information = carry

        def along(direction: Array, change: Any) -> tuple[Any, Any]:
            def one(phi: Array, weights: list[Array]) -> Any:
                return _trial(frame, _values(frame, phi), weights, trial)

            return jax.jvp(one, (phi, weights), (direction, change))

        (after, logits, offset), (moved, d_logits, d_offset) = jax.vmap(along, out_axes=(None, 0))(
            directions, moved
        )
        kind = frame.kind(logits, offset)
        for part in kind.parts(kind.counts(trial.value), d_logits, d_offset):
            slope = slope + part.change * part.slope
            information = information + part.change[:, None] * part.change
        value = value + kind.log_prob(trial.value)
        return (after, moved, value, slope, information), None

    zeros = jnp.zeros((), SINGLE), jnp.zeros(n, SINGLE), jnp.zeros((n, n), SINGLE)
    *_, value, slope, information = jax.lax.scan(step, (start, moved, *zeros), trials)[0]
    fine = jnp.isfinite(value) & jnp.isfinite(slope).all() & jnp.isfinite(information).all()
    return Expansion(
        jnp.where(fine, value, -jnp.inf),
        jnp.where(fine, slope, 0.0),
        jnp.where(fine, information, 0.0),
    )


Values = dict[str, list[Array]]
"""Values of one animal by group, one number each."""


def _values(frame: Frame, phi: Array) -> Values:
    """Return the members of each group, one number each."""
    out, first = {}, 0
    for name, size in frame.groups:
        out[name] = [phi[first + j] for j in range(size)]
        first += size
    return out


def _start(frame: Frame, values: Values) -> list[Array]:
    """Return the weight of each input before the first trial."""
    return [weight.astype(SINGLE) for weight in initial_weights(values, frame.network.n_inputs)]


def _trial(
    frame: Frame, values: Values, weights: list[Array], trial: Trials
) -> tuple[list[Array], Array, Array]:
    """Return the weights after a trial, and its logits of acceptance and offsets (stimulus,)."""
    network = frame.network
    rates = network.readout.rates(np.asarray(network.stimuli))
    drives = (sum(float(r) * w for r, w in zip(row, weights, strict=True) if r) for row in rates)
    logits = [network.readout.logit(drive) for drive in drives]
    after = _learnt(frame, values.get("theta", []), weights, trial)
    offset = offsets(values, Trial(frame.kind, list(trial.repeat), logits))
    return after, jnp.stack(logits), jnp.stack([jnp.asarray(each, SINGLE) for each in offset])


def _learnt(frame: Frame, theta: list[Array], weights: list[Array], trial: Trials) -> list[Array]:
    """Return the weight of each input after one trial; without an acceptance nothing is learnt."""
    rule, network = frame.rule, frame.network
    if not rule.parameters:
        return weights
    coefficients, post = jnp.stack(theta), jnp.zeros((), SINGLE)
    if rule.uses_post:
        post = jnp.tanh(sum((trial.x[i] * w for i, w in enumerate(weights)), post))
    after = []
    for i, weight in enumerate(weights):
        drive = jax.tree.map(lambda leaf, i=i: leaf[i], trial.drive)
        change = rule.change(coefficients, rule.hoist(coefficients, drive), post, weight)
        new = network.readout.bounded(weight + change / network.n_inputs)
        after.append(jnp.where(trial.accepted, new, weight))
    return after
