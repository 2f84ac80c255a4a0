"""What recorded trials say to a model that no parameter touches.

The reward signal and the last choice are those of the trials before, in the stretch of an animal's
trials that belong together: a session, or all of them where sessions do not begin anew.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hebbax.data import NO_CHOICE, Sessions
from hebbax.model.spec import ModelSpec
from hebbax.rule.network import Network, drives
from hebbax.rule.reward import reward_signal
from hebbax.rule.taylor import Rule
from hebbax.typing import Array


class Design(NamedTuple):
    """What the recorded trials say that no parameter touches; leading dimension ``animal``.

    ``valid`` (trial,) marks observations, ``accepted`` (trial,) trials with a choice, and
    ``learns`` those in which weights change, None where they do in all, which makes loops over
    trials faster. ``x`` (trial, input) is the accepted stimulus (zero without one), ``signal``
    (trial,) the reward signal, or the reward itself where what is expected has a parameter, and
    ``drive`` the rule's data of both. ``trace`` (trial, stimulus) marks the stimulus chosen last,
    and ``most`` (trial,) is the number of encounters that ended a trial without a choice, infinite
    where it has one. ``begins`` (trial,) marks the first trial of every later session, and
    ``offered`` (trial, stimulus) what was at hand; None where there is but one session, and where
    all was.
    """

    valid: Array
    accepted: Array
    learns: Array | None
    x: Array
    signal: Array
    drive: Any
    trace: Array
    most: Array
    begins: Array | None
    offered: Array | None


def seen(recording: Sessions, spec: ModelSpec) -> np.ndarray:
    """Return ``(animal, trial)`` which trials a model sees: those in which weights change or that
    are observed, and one of every session."""
    if spec.omitted == "decay":
        return recording.session >= 0
    return recording.needed(spec.likelihood)


def design_of_trials(spec: ModelSpec, sessions: Sessions, rule: Rule, network: Network) -> Design:
    """Return the arrays of the trials; the signal is that of the trials with a choice."""
    accepted, recorded = sessions.valid, sessions.session >= 0
    learns = recorded if spec.omitted == "decay" else accepted
    signal = np.zeros(accepted.shape)
    for cells in _stretches(sessions, spec):
        signal[cells] = reward_signal(sessions.rewards[cells], spec.reward, spec.window)
    x = network.stimuli[np.maximum(sessions.choices, 0)] * accepted[..., None]
    most = np.full(accepted.shape, np.inf)
    if sessions.rejections is not None:
        most = np.where(accepted, np.inf, sessions.rejections.sum(axis=-1))
    known = rule.parameters and spec.reward != "exponential"
    anew = spec.between_sessions != "keep" or spec.session_sd_scale > 0.0
    several = sessions.n_sessions > 1 and anew
    last = _last_choices(sessions, spec)
    return Design(
        valid=jnp.asarray(sessions.observed(spec.likelihood)),
        accepted=jnp.asarray(accepted),
        learns=None if (learns == recorded).all() else jnp.asarray(learns),
        x=jnp.asarray(x),
        signal=jnp.asarray(signal),
        drive=jax.vmap(partial(drives, rule))(jnp.asarray(x), jnp.asarray(signal)) if known else (),
        trace=jnp.asarray(last[..., None] == np.arange(sessions.n_stimuli)),
        most=jnp.asarray(most),
        begins=jnp.asarray(sessions.begins) if several else None,
        offered=None if sessions.offered is None else jnp.asarray(sessions.offered),
    )


def _stretches(sessions: Sessions, spec: ModelSpec) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the cells of the choices that follow each other: those of a session where sessions
    begin anew, else those of an animal."""
    several = spec.between_sessions == "reset"
    key = np.where(sessions.valid, sessions.session if several else 0, -1)
    cells = []
    for animal, own in enumerate(key):
        for session in np.unique(own[own >= 0]):
            (trials,) = np.nonzero(own == session)
            cells.append((np.full(trials.shape, animal), trials))
    return cells


def _last_choices(sessions: Sessions, spec: ModelSpec) -> np.ndarray:
    """Return the choice made last before each trial ``(animal, trial)``, `NO_CHOICE` where there
    was none."""
    place = np.where(sessions.valid, np.arange(sessions.max_trials), -1)
    before = np.full(place.shape, -1)
    before[:, 1:] = np.maximum.accumulate(place, axis=1)[:, :-1]
    made, session = (
        np.take_along_axis(values, np.maximum(before, 0), axis=1)
        for values in (sessions.choices, sessions.session)
    )
    forgotten = (spec.between_sessions == "reset") & (session != sessions.session)
    return np.where((before >= 0) & ~forgotten, made, NO_CHOICE)
