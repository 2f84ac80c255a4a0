r"""The log likelihood of ONE animal at one set of values, to second order where that is asked for.

    log p(y | phi) = sum_t log P(y_t | logits_t, offset_t),    w_t+1 = bounded(w_t + g / n_inputs)

It is the model of `hebbax.model.choices`, written over single weights: `jax.vmap` over values then
makes each a contiguous row of numbers, and in single precision a row of 240 trials takes 1.5
microseconds on one core, a fifth of what the same takes as arrays of stimuli. Trials are summed in
double, and the error is below 5e-3 nats for 100 000 of them. Slope and Fisher information are
carried forward through the trials beside the weights:

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
from hebbax.model.choice_model import ChoiceModel
from hebbax.model.choices import Model
from hebbax.model.likelihood import Kind
from hebbax.model.session_preference import SessionFilter
from hebbax.rule.memory import resumed, towards
from hebbax.rule.network import Network
from hebbax.rule.taylor import Rule
from hebbax.typing import Array, Numbers

SINGLE = jnp.float32

COMPILER = (
    {}
    if jax.config.read("jax_disable_most_optimizations")
    else {"xla_backend_optimization_level": 1}
)
"""Options of the compiler: a block of `forgetting` compiles in two thirds of the time, and runs as
fast. Where JAX is asked to compile fast, it compiles as fast as it can."""


@dataclass(frozen=True)
class Frame:
    """What a compiled program depends on: rule, network, the model of ``choices``, the ``groups``
    of an animal's values, name and number of members each, and whether animals lie around a
    ``population``."""

    rule: Rule
    network: Network
    choices: ChoiceModel
    groups: tuple[tuple[str, int], ...]
    population: bool

    @property
    def kind(self) -> Kind:
        """The likelihood."""
        return self.choices.kind

    @property
    def n_members(self) -> int:
        """Number of values of an animal."""
        return sum(size for _, size in self.groups)


class Trials(NamedTuple):
    """The recorded trials (`hebbax.model.choices.Design`), leading dimensions ``(animal, trial)``;
    ``value`` is what was observed."""

    drive: Any
    signal: Array
    x: Array
    accepted: Array
    learns: Array | None
    begins: Array | None
    trace: Array
    offered: Array | None
    value: Array


class State(NamedTuple):
    """What an animal goes into a trial with: the weight of each input, and of its memory what has a
    rate of its own, the ``expected`` reward and the ``trace`` of choices of each stimulus; and the
    ``filtered`` preference of the session, where it varies."""

    weights: list[Array]
    expected: Array | None
    trace: list[Array] | None
    filtered: SessionFilter | None


def frame_of(model: Model) -> Frame:
    """Return what a program for a model depends on."""
    groups = tuple((group.name, group.scales.size) for group in model.groups)
    return Frame(model.rule, model.network, model.choice_model, groups, model.spec.population)


def trials_of(model: Model) -> Trials:
    """Return the recorded trials of a model, in single precision."""
    design = model.design
    shared = {field: getattr(design, field) for field in Trials._fields if field != "value"}
    trials = Trials(**shared, value=padded_observed(model))
    return jax.tree.map(_single, trials)


def _single(leaf: Array) -> Array:
    return leaf.astype(SINGLE) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


@partial(jax.jit, static_argnums=0, inline=True)
def log_likelihood(frame: Frame, trials: Trials, phi: Array) -> Array:
    """Return log p(trials | phi) of one animal with values ``phi`` (member,), in nats; -inf where
    it is no number."""
    values = _values(frame, phi.astype(SINGLE))

    def step(carry: tuple[State, Array], trial: Trials) -> tuple[tuple[State, Array], None]:
        state, total = carry
        state, logits, offset = _trial(frame, values, state, trial)
        log_p = frame.kind(logits, offset).log_prob(trial.value)
        return (state, total + log_p.astype(total.dtype)), None

    total = jax.lax.scan(step, (_start(frame, values), jnp.zeros(())), trials)[0][1]
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


@partial(jax.jit, static_argnums=0, inline=True)
def expansion(frame: Frame, trials: Trials, phi: Array) -> Expansion:
    """Return value, slope ``(member,)`` and Fisher information ``(member, member)`` of one animal's
    log likelihood at ``phi`` (member,); -inf and zeros where one of them is no number."""
    phi = phi.astype(SINGLE)
    n = frame.n_members
    directions = jnp.eye(n, dtype=SINGLE)

    def before(phi: Array) -> tuple[Values, State]:
        values = _values(frame, phi)
        return values, _start(frame, values)

    (values, start), (d_values, moved) = jax.vmap(
        lambda direction: jax.jvp(before, (phi,), (direction,)), out_axes=(None, 0)
    )(directions)

    def step(carry: Any, trial: Trials) -> tuple[Any, None]:
        state, moved, value, slope, information = carry

        def along(d_values: Values, change: Any) -> tuple[Any, Any]:
            def one(values: Values, state: State) -> Any:
                return _trial(frame, values, state, trial)

            return jax.jvp(one, (values, state), (d_values, change))

        (after, logits, offset), (moved, d_logits, d_offset) = jax.vmap(along, out_axes=(None, 0))(
            d_values, moved
        )
        kind = frame.kind(logits, offset)
        for part in kind.parts(kind.counts(trial.value), d_logits, d_offset):
            slope = slope + part.change * part.slope
            information = information + part.change[:, None] * part.change
        value = value + kind.log_prob(trial.value).astype(value.dtype)
        return (after, moved, value, slope, information), None

    zeros = jnp.zeros(()), jnp.zeros(n, SINGLE), jnp.zeros((n, n), SINGLE)
    *_, value, slope, information = jax.lax.scan(step, (start, moved, *zeros), trials)[0]
    fine = jnp.isfinite(value) & jnp.isfinite(slope).all() & jnp.isfinite(information).all()
    return Expansion(
        jnp.where(fine, value, -jnp.inf),
        jnp.where(fine, slope, 0.0),
        jnp.where(fine, information, 0.0),
    )


Values = dict[str, Numbers]
"""Values of one animal by group, one number each."""


def _values(frame: Frame, phi: Array) -> Values:
    """Return the members of each group, one number each; of the rule its coefficients."""
    out: Values = {}
    first = 0
    for name, size in frame.groups:
        out[name] = [phi[first + j] for j in range(size)]
        first += size
    if frame.rule.parameters:
        out["theta"] = list(frame.rule.coefficients(_stacked(out["theta"])))
    return out


def _stacked(values: Numbers) -> Array:
    return jnp.stack([jnp.asarray(one) for one in values])


def _start(frame: Frame, values: Values) -> State:
    """Return the state before the first trial."""
    choices, n = frame.choices, frame.network.n_inputs
    rates = choices.rates(values)
    zero = jnp.zeros((), SINGLE)
    return State(
        [weight.astype(SINGLE) for weight in choices.initial_weights(values, n)],
        None if rates.expected is None else zero + choices.start,
        None if rates.trace is None else [zero] * len(frame.network.stimuli),
        choices.session_filter(values),
    )


def _trial(frame: Frame, values: Values, state: State, trial: Trials) -> tuple[State, Array, Array]:
    """Return the state after a trial, and its logits of acceptance and offsets (stimulus,)."""
    network = frame.network
    if trial.begins is not None:
        kept, filtered = frame.choices.rates(values).kept, state.filtered
        left = jax.tree.map(lambda at, m: resumed(at, kept, m), _start(frame, values), state)
        left = left._replace(filtered=None if filtered is None else filtered.anew())
        state = jax.tree.map(partial(jnp.where, trial.begins), left, state)
    rates = network.readout.rates(np.asarray(network.stimuli))
    drives = (
        sum(float(r) * w for r, w in zip(row, state.weights, strict=True) if r) for row in rates
    )
    logits = [network.readout.logit(drive) for drive in drives]
    trace = list(trial.trace) if state.trace is None else state.trace
    offered = None if trial.offered is None else list(trial.offered)
    said = frame.choices.readout(values, logits, trace, offered, state.filtered)
    logit, offset = (leaf.astype(SINGLE) for leaf in said)
    after = _after(frame, values, state, trial)
    if state.filtered is not None:
        filtered = frame.choices.updated(values, logits, trace, state.filtered, trial.value)
        after = after._replace(filtered=filtered)
    return after, logit, offset


def _after(frame: Frame, values: Values, state: State, trial: Trials) -> State:
    """Return the state after a trial."""
    rates, expected, trace = frame.choices.rates(values), state.expected, state.trace
    drive = trial.drive
    if expected is not None and rates.expected is not None:
        signal = jnp.where(trial.accepted, trial.signal - expected, 0.0)
        drive = jax.vmap(frame.rule.drive, in_axes=(0, None))(trial.x, signal)
        next_expected = towards(trial.signal, rates.expected, expected)
        expected = jnp.where(trial.accepted, next_expected, expected)
    if trace is not None and rates.trace is not None:
        chosen = [(x > 0).astype(SINGLE) for x in trial.x]
        followed = [towards(c, rates.trace, past) for c, past in zip(chosen, trace, strict=True)]
        trace = [jnp.where(trial.accepted, a, b) for a, b in zip(followed, trace, strict=True)]
    weights = _learnt(frame, values.get("theta", []), state.weights, trial, drive)
    return State(weights, expected, trace, state.filtered)


def _learnt(
    frame: Frame, theta: Numbers, weights: list[Array], trial: Trials, drive: Any
) -> list[Array]:
    """Return the weight of each input after one trial, changed where the trial teaches."""
    rule, network = frame.rule, frame.network
    if not rule.parameters:
        return weights
    coefficients, post = _stacked(theta), jnp.zeros((), SINGLE)
    if rule.uses_post:
        post = jnp.tanh(sum((trial.x[i] * w for i, w in enumerate(weights)), post))
    after = []
    for i, weight in enumerate(weights):
        own = jax.tree.map(lambda leaf, i=i: leaf[i], drive)
        change = rule.change(coefficients, rule.hoist(coefficients, own), post, weight)
        new = network.readout.bounded(weight + change / network.n_inputs)
        after.append(new if trial.learns is None else jnp.where(trial.learns, new, weight))
    return after
