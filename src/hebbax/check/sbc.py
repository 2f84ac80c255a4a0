"""Simulation-based calibration: is the posterior right on average over what the prior says?

Draw a truth from the prior, simulate the choices, sample the posterior, and count the draws below
the truth: were the sampler exact, that rank would be uniform whatever the model and the design
(Talts et al. 2018), for every quantity, the log likelihood included (Modrak et al. 2023).

Draws are thinned to ``ranked`` of all, evenly, before a truth is ranked among them: dependent draws
would make ranks pile up at both ends.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from hebbax.check import calibration, repeated_fits
from hebbax.check.prior_predictive import Lived, generator, recorded, template
from hebbax.errors import HebbaxError, ModelError
from hebbax.inference import pseudo_marginal
from hebbax.inference.convergence import convergence
from hebbax.inference.density import log_likelihood
from hebbax.model.choices import Model, build_model
from hebbax.model.effects import NAME as EFFECT
from hebbax.model.priors import Shrinking
from hebbax.model.spec import ModelSpec
from hebbax.model.trials import Design
from hebbax.posterior import diagnostics
from hebbax.runs import files, workers
from hebbax.runs.ledger import Ledger
from hebbax.runs.names import file_name
from hebbax.simulation.environment import TASK, Task
from hebbax.typing import Array, Key, Parameters, Progress, silent

LIKELIHOOD = "log likelihood"


@dataclass(frozen=True)
class Settings:
    """The experiment that is simulated, and how each is fitted.

    Attributes:
        animals: animals of a cohort.
        task: trials, blocks, reward probabilities of the first block, baiting.
        ranked: draws, evenly spaced over all chains, that a truth is ranked among.
        seed: random seed; simulation k has a key of its own, whoever works on it and when.
        sampler: see `hebbax.check.repeated_fits.SETTINGS`.
    """

    animals: int = 12
    task: Task = TASK
    ranked: int = 30
    seed: int = 0
    sampler: pseudo_marginal.Settings = repeated_fits.SETTINGS


class Quantity(NamedTuple):
    """One number that is ranked: its ``name`` and ``kind``, and its place in the values of a
    site; animals are exchangeable, so the first stands for all."""

    name: str
    kind: str
    site: str
    place: tuple[int, ...]


class Calibrated(NamedTuple):
    """The answer: the ``ranks`` and ``fits`` of all simulations (one row a simulation and quantity,
    and one a simulation), and the ``summary`` of the ranks."""

    ranks: pd.DataFrame
    fits: pd.DataFrame
    summary: calibration.Ranked

    @property
    def sentence(self) -> str:
        """The answer in words, failed fits counted in."""
        failed = self.fits["failed"].dropna()
        fits = f"All {len(self.fits)} fits passed their diagnostics."
        if len(failed):
            reasons = failed.str.split("; ").explode().value_counts()
            why = ", ".join(f"{reason} {n}" for reason, n in reasons.items())
            fits = (
                f"{len(failed)} of {len(self.fits)} fits failed their diagnostics ({why}); they "
                "are counted in."
            )
        return f"{self.summary.sentence} {fits}"


class Simulated(NamedTuple):
    """One simulation: a row for each quantity, and one of what the sampler says of itself."""

    ranks: list[dict[str, Any]]
    fit: list[dict[str, Any]]


@dataclass(frozen=True)
class Program:
    """A model with its simulator and fit: ``live(key)``, and ``fit(key, design, observed,
    truth)`` which returns the truth (quantity,), the draws (chain, draw, quantity), and the part of
    the proposals that was accepted."""

    model: Model
    quantities: tuple[Quantity, ...]
    live: Callable[[Key], Lived]
    fit: Callable[[Key, Design, Array, Parameters], tuple[Array, Array, float]]


def quantities(model: Model) -> tuple[Quantity, ...]:
    """Return what is ranked beside the log likelihood: population values, effects of covariates,
    spreads, the first animal's values, and the scales of a horseshoe."""
    found = [
        Quantity(effect.label, "effect", EFFECT, (e,))
        for e, effect in enumerate(model.effects.each)
    ]
    for group in model.groups:
        parts = ("population", "spread") if group.population else ()
        kinds = {part: f"{group.name}_{part}" for part in parts}
        if isinstance(group.prior, Shrinking):
            whole, kinds["scale"] = group.scale_sites
            found.append(Quantity("global scale", "scale", whole, ()))
        for kind, site in {**kinds, "animal": group.name}.items():
            for index in np.ndindex(group.shape):
                name = _member(model, group.name, index)
                words = {"population": name, "animal": f"{name} of an animal"}
                label = words.get(kind, f"{'local ' if kind == 'scale' else ''}{kind} of {name}")
                place = (0, *index) if kind == "animal" else index
                found.append(Quantity(label, kind, site, place))
    return tuple(found)


def _member(model: Model, group: str, index: tuple[int, ...]) -> str:
    if group == "theta":
        return model.rule.parameters[index[0]]
    words = group.replace("_", " ")
    return f"{words} {index[0] + 1}" if index else words


def values_of(model: Model, ranked: tuple[Quantity, ...], values: Parameters) -> Array:
    """Return the quantities and the log likelihood ``(quantity,)`` of one draw of all sites."""
    each = [values[quantity.site][quantity.place] for quantity in ranked]
    own = {group.name: values[group.name] for group in model.groups}
    return jnp.stack([*each, log_likelihood(model, own).sum()])


def _with(truth: Parameters, values: Mapping[str, np.ndarray]) -> Parameters:
    """Return draws by site ``(chain, draw, ...)`` with the truth as one more, the last, of each
    chain: one compiled program looks at both."""
    chains = len(next(iter(values.values())))
    return {
        name: jnp.concatenate(
            [values[name], jnp.broadcast_to(own, (chains, 1, *jnp.shape(own)))], 1
        )
        for name, own in truth.items()
    }


@lru_cache(maxsize=4)
def program(spec: ModelSpec, settings: Settings) -> Program:
    """Return the simulator and fit of a model; data sets are arguments of what is compiled, so that
    one program serves all."""
    model = template(spec, settings.animals, settings.task)
    ranked = quantities(model)

    look = repeated_fits.looking(model, lambda own, values: values_of(own, ranked, values))

    def fit(
        key: Key, design: Design, observed: Array, truth: Parameters
    ) -> tuple[Array, Array, float]:
        fitted = model.recorded(design, observed)
        values, info = pseudo_marginal.fit(key, fitted, settings.sampler)
        looked = look(design, observed, _with(truth, values))
        return looked[0, -1], looked[:, :-1], float(info.acceptance_rate.mean())

    return Program(model, ranked, generator(model, settings.task), fit)


def check(settings: Settings) -> None:
    """Raise `ModelError` for settings under which nothing can be ranked."""
    draws = settings.sampler.chains * settings.sampler.draws
    if draws < settings.ranked:
        raise ModelError(
            f"a truth is ranked among {settings.ranked} draws, and {draws} are made; ask for more."
        )


def paths(folder: Path, model: str) -> tuple[Path, Path]:
    """Return where the ranks and the fits of a model's simulations lie in a folder."""
    name = f"calibrate_{file_name(model)}"
    return folder / f"{name}.csv", folder / f"{name}_fits.csv"


def calibrate(
    spec: ModelSpec,
    settings: Settings,
    simulations: int,
    folder: Path,
    staff: workers.Workers | None = None,
    progress: Progress = silent,
    *,
    anew: bool = False,
) -> Calibrated:
    """Return what ``simulations`` of a model say, taking those that are in the folder from there,
    if not ``anew``.

    Written are ``calibrate_<model>.csv`` and ``calibrate_<model>_fits.csv`` (`Calibrated`), each
    simulation as soon as it is finished, and in the end ``calibrate_<model>_summary.csv``. Raises
    `HebbaxError` where those there were made with other settings.
    """
    check(settings)
    made_of, key = (spec, settings), ("simulation",)
    ledgers = [Ledger(p, key, made_of, anew=anew) for p in paths(folder, spec.name)]
    work = partial(simulate, spec, settings)
    workers.fill(ledgers, "simulation", simulations, work, staff or workers.Workers(), progress)
    ranks, fits = (ledger.arrange().query(f"simulation < {simulations}") for ledger in ledgers)
    summary = calibration.ranked(ranks, settings.ranked)
    table = {f"calibrate_{file_name(spec.name)}_summary": summary.table}
    files.write_tables(table, folder, HebbaxError, index_label="quantity", float_format="%.6g")
    return Calibrated(ranks, fits, summary)


def simulate(spec: ModelSpec, settings: Settings, simulation: int) -> Simulated:
    """Return the rows of one simulation, numbered from 0."""
    compiled = program(spec, settings)
    key = jax.random.fold_in(jax.random.PRNGKey(settings.seed), simulation)
    live_key, fit_key = jax.random.split(key)
    lived = jax.device_get(compiled.live(live_key))
    model = build_model(spec, recorded(lived.session, settings.task, spec))
    made = compiled.fit(fit_key, model.design, jnp.asarray(model.observed), lived.truth)
    truth, draws, accepted = jax.device_get(made)
    names = [*compiled.quantities, Quantity(LIKELIHOOD, "likelihood", "", ())]
    kept = thinned(draws, settings.ranked)
    rows = [
        {
            "simulation": simulation,
            "quantity": quantity.name,
            "kind": quantity.kind,
            "truth": float(truth[q]),
            "mean": float(draws[..., q].mean()),
            "sd": float(draws[..., q].std()),
            "rank": int((kept[:, q] < truth[q]).sum()),
            "below": float((draws[..., q] < truth[q]).mean()),
        }
        for q, quantity in enumerate(names)
    ]
    sampler = {**convergence(draws), "accepted": accepted}
    failed = "; ".join(reasons(sampler, settings))
    fit = {"simulation": simulation, **sampler, "failed": failed}
    return Simulated(rows, [fit])


def thinned(draws: np.ndarray, n: int) -> np.ndarray:
    """Return n of the draws (chain, draw, quantity), evenly spaced over all chains ``(n,
    quantity)``."""
    flat = draws.reshape(-1, draws.shape[-1])
    return flat[np.arange(1, n + 1) * len(flat) // n - 1]


def reasons(sampler: dict[str, float], settings: Settings) -> list[str]:
    """Return what failed of a fit: R-hat, too few effective draws to rank among, proposals."""
    out = []
    if not sampler["r_hat"] <= diagnostics.MAX_R_HAT_SHORT:
        out.append("R-hat")
    if not sampler["ess"] >= settings.ranked:
        out.append("ESS")
    if not sampler["accepted"] >= diagnostics.MIN_ACCEPTED:
        out.append("proposals")
    return out
