"""Latents of every trial: what a posterior says an animal had in mind before and in it.

    w_tk, E_t               before the trial: weights, and the expected reward where there is one
    r_t = R_t - E_t         the reward signal; R_t itself where nothing is expected
    w_t+1,k - w_tk          in the trial, of the chosen stimulus k: what was learned of it
    P_t(k), log mean P_t    among what was offered; of what was chosen

Each is computed from the recorded past under every draw, and told by the mean over draws and the
ends of the 90 % interval. These are the regressors of recordings of the brain (docs/latents.md).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from hebbax.data import select
from hebbax.errors import DataError, FitError
from hebbax.model.choices import Model, build_model
from hebbax.model.trials import Design
from hebbax.posterior.diagnostics import verdict_of
from hebbax.posterior.inference_data import drawn_values, numbers_of, sessions_of, spec_of
from hebbax.posterior.summary import INTERVAL
from hebbax.posterior.verdict import Verdict
from hebbax.rule.network import free_step
from hebbax.typing import Array, Parameters

DRAWS = 400
"""Draws of a posterior that are gone through; quantiles need all of them at a time."""

BATCH = 50
"""Draws that are computed side by side."""

STATISTICS = ("mean", "5 %", "95 %")
"""What is told of a latent: the mean over draws, and the ends of its 90 % interval."""


@dataclass(frozen=True)
class Told:
    """How a latent is called: its ``column`` in a table, with the stimulus in its place where there
    is one each; ``name`` and ``units`` in words."""

    column: str
    name: str
    units: str


LATENTS = {
    "weight": Told("weight of {}", "weight before the trial", "1"),
    "expected_reward": Told(
        "expected reward E[R]", "expected reward E[R] before the trial", "units of reward"
    ),
    "signal": Told("reward signal r", "reward signal r", "units of reward"),
    "change": Told("change of the chosen weight", "change of the chosen weight in the trial", "1"),
    "probability": Told("P({})", "probability that a choice is of the stimulus", "1"),
    "log_probability": Told(
        "log P of the choice", "logarithm of the mean probability of what was chosen", "nats"
    ),
}
"""Every latent by its name in the data set, in the order of the columns of a table."""

WEIGHTS = ("weight", "change")
"""Those in units of a weight, which under the readout "softmax" are log odds."""


def latents(
    posterior: xr.DataTree,
    draws: int = DRAWS,
    animals: Sequence[str] | None = None,
    *,
    verdict: Verdict | None = None,
) -> xr.Dataset:
    """Return the latents of every trial that a stored posterior saw, animal by animal.

    Args:
        posterior: the stored posterior.
        draws: how many of its draws are gone through, evenly spaced; all where it has fewer.
        animals: of which animals, in this order; of all by default.
        verdict: what the diagnostics say of the posterior, made where it is not known.

    Returns:
        `LATENTS` along ``trial``, ``stimulus`` and ``statistic`` (`STATISTICS`); what is the same
        under every draw has no ``statistic``. Coordinates of a trial are ``animal``, ``session``
        (from 1, of those that the model saw), ``trial`` (number in the recording of the animal,
        from 1), ``choice`` (empty without one), ``reward`` and ``forced``. Without a choice
        ``signal``, ``change`` and ``log_probability`` are missing. The attribute ``diagnostics``
        is the verdict in a word.

    Raises:
        FitError: nothing can be said of the posterior, or ``draws`` is below 1.
        DataError: an animal is not in it, or given twice.
    """
    if draws < 1:
        raise FitError(f"{draws} draws asked for; latents need 1 or more.")
    verdict = verdict_of(posterior, verdict)
    sessions = sessions_of(posterior)
    chosen = sessions.animals if animals is None else select(sessions, animals).animals
    # Of all animals: what a covariate means may hang on the others.
    model = build_model(spec_of(posterior), sessions)
    size = min(draws, posterior.posterior["chain"].size * posterior.posterior["draw"].size)
    values = drawn_values(posterior, model, size)
    follow = jax.jit(partial(_followed, model))
    numbers = numbers_of(posterior)
    each = []
    for row in map(sessions.animals.index, chosen):
        design = jax.tree.map(lambda leaf, row=row: leaf[row], model.design)
        drawn = follow({name: value[:, row] for name, value in values.items()}, design)
        each.append(_animal(model, row, numbers[row], drawn))
    found = _described(xr.concat(each, dim="trial", join="override"), model)
    return found.assign_attrs(draws=size, diagnostics=verdict.word)


def table(found: xr.Dataset) -> pd.DataFrame:
    """Return latents as one row a trial, columns called in words by the stimuli of the data, and
    last the grade of the posterior.

    Raises `FitError` where two columns would have one name.
    """
    columns = {
        name: found[name].to_numpy()
        for name in ("animal", "session", "trial", "choice", "reward", "forced")
    }
    for called, values in (
        one for name in LATENTS if name in found for one in _columns(found[name])
    ):
        if called in columns:
            raise FitError(
                f'{found.attrs["data"]}: two columns would be called "{called}"; rename one of the '
                "alternatives."
            )
        columns[called] = values
    return pd.DataFrame(columns).assign(diagnostics=found.attrs["diagnostics"])


def _columns(latent: xr.DataArray) -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and values ``(trial,)`` of each column of a latent."""
    each = latent["stimulus"].to_numpy() if "stimulus" in latent.dims else [None]
    for stimulus in each:
        own = latent if stimulus is None else latent.sel(stimulus=stimulus)
        called = LATENTS[str(latent.name)].column.format(stimulus)
        if "statistic" not in own.dims:
            yield called, own.to_numpy()
            continue
        for statistic in STATISTICS:
            ending = "" if statistic == "mean" else f", {statistic}"
            yield f"{called}{ending}", own.sel(statistic=statistic).to_numpy()


def of_animal(found: xr.Dataset, name: str) -> xr.Dataset:
    """Return the latents of one animal; raise `DataError` where it is not among them."""
    own = found["animal"].to_numpy() == name
    if not own.any():
        names = ", ".join(dict.fromkeys(found["animal"].to_numpy()))
        raise DataError(f"{found.attrs['data']}: no animal {name}; there are {names}.")
    return found.isel(trial=own)


def typical_animal(posterior: xr.DataTree) -> str:
    """Return the name of the animal with the median number of trials."""
    sizes = [len(own) for own in numbers_of(posterior)]
    middle = np.argsort(sizes, kind="stable")[(len(sizes) - 1) // 2]
    return str(posterior.posterior["animal"].to_numpy()[middle])


def _followed(model: Model, values: Parameters, design: Design) -> dict[str, Array]:
    """Return the latents of one animal's trials under its values ``(sample, ...)``: each ``(sample,
    trial)``, weights and log probabilities ``(sample, trial, stimulus)``."""

    def one(values: Parameters) -> dict[str, Array]:
        own = model.animal(values)
        weights, expected = model.animal_weights(own, design), model.animal_expected(own, design)
        offer, accept = model.kind.attraction(*model.animal_readout(own, weights, design))
        out = {"weight": weights[..., 0], "log_p": jax.nn.log_softmax(offer + accept)}
        signal = design.signal
        if expected is not None:
            signal = signal - expected
            out |= {"expected_reward": expected, "signal": signal}
        if model.rule.parameters:
            step = free_step(model.rule, model.network, own.theta)
            moved = jax.vmap(step)(weights, design.x, signal) - weights
            out["change"] = jnp.where(design.x > 0, moved[..., 0], 0.0).sum(-1)
        return out

    return jax.lax.map(one, values, batch_size=BATCH)


def _described(found: xr.Dataset, model: Model) -> xr.Dataset:
    """Return latents with what they are called, and of what they are."""
    weights = "log odds" if model.spec.readout == "softmax" else "1"
    for name, told in LATENTS.items():
        if name in found:
            units = weights if name in WEIGHTS else told.units
            found[name].attrs = {"long_name": told.name, "units": units}
    return found.assign_attrs(model=model.spec.name, data=model.sessions.source)


def _animal(model: Model, row: int, numbers: np.ndarray, drawn: Mapping[str, Array]) -> xr.Dataset:
    """Return the latents of one animal, of what was ``drawn`` of it under every draw."""
    sessions, n = model.sessions, int(model.sessions.n_trials[row])
    choices, rewards = sessions.choices[row, :n], sessions.rewards[row, :n]
    made, forced = choices >= 0, ~sessions.free[row, :n] & (choices >= 0)
    samples = {name: np.asarray(values)[:, :n] for name, values in drawn.items()}
    log_p = samples.pop("log_p")
    chosen = np.take_along_axis(log_p, np.maximum(choices, 0)[None, :, None], axis=2)[..., 0]
    shown = True if sessions.offered is None else sessions.offered[row, :n]
    samples["probability"] = np.where(shown, np.exp(log_p), 0.0)
    told = {name: _told(values) for name, values in samples.items()}
    signal = np.array(model.design.signal[row, :n])
    if "signal" not in told:
        told["signal"] = signal
        if model.spec.reward == "expected":
            told["expected_reward"] = np.where(made, rewards - signal, np.nan)
    told["log_probability"] = logsumexp(chosen, axis=0) - np.log(len(chosen))
    for name in told.keys() & {"signal", "change", "log_probability"}:
        told[name][~made] = np.nan
    names = np.array([*sessions.stimuli, ""], dtype=object)
    return xr.Dataset(
        {name: (_dims(told[name], name), told[name]) for name in LATENTS if name in told},
        {
            "animal": ("trial", np.full(n, sessions.animals[row], dtype=object)),
            "session": ("trial", sessions.session[row, :n] + 1),
            "trial": ("trial", numbers),
            "choice": ("trial", names[choices]),
            "reward": ("trial", np.where(made, rewards, np.nan)),
            "forced": ("trial", forced),
            "stimulus": list(sessions.stimuli),
            "statistic": list(STATISTICS),
        },
    )


def _told(values: np.ndarray) -> np.ndarray:
    """Return `STATISTICS` ``(trial, ..., statistic)`` of values under every draw ``(sample, trial,
    ...)``."""
    return np.stack([values.mean(0), *np.quantile(values, INTERVAL, axis=0)], axis=-1)


def _dims(values: np.ndarray, name: str) -> tuple[str, ...]:
    stimulus = ("stimulus",) if name in ("weight", "probability") else ()
    return ("trial", *stimulus, "statistic")[: values.ndim]
