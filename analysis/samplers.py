"""One posterior by three samplers, for `benchmark.py`: hebbax, plain NumPyro and Stan.

Each returns `Sampled`, with the variables ``population`` (member,) and ``value`` (animal, member);
members are x r, w and the preference.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import jax
import numpy as np
import plain
import xarray as xr
from arviz_base import from_dict, from_pystan
from arviz_stats import mcse
from numpyro.infer import MCMC, NUTS

from hebbax.errors import HebbaxError
from hebbax.inference import pseudo_marginal
from hebbax.inference.density import potential
from hebbax.model.choices import Model
from hebbax.posterior.diagnostics import diagnose

Row = dict[str, Any]

TERMS = ("x r", "w")
"""The members of the population that are coefficients of the rule."""

CHAINS, MAX_DEPTH = 4, 10
"""Chains, and the tree depth that is the default of Stan and NumPyro."""


@dataclass(frozen=True)
class Sampled:
    """A posterior after ``warmup`` iterations a chain, and the seconds it took: those of warm-up
    and sampling, and those of compiling."""

    posterior: xr.DataTree
    warmup: int
    seconds: float
    compiling: float


def by_hebbax(model: Model, settings: pseudo_marginal.Settings) -> Sampled:
    """Sample by hebbax's default method; the seconds include the search for the starts."""
    with compile_time() as compiling:
        begin = perf_counter()
        draws, info = pseudo_marginal.fit(jax.random.PRNGKey(2), model, settings)
        seconds = perf_counter() - begin
    population = [draws["theta_population"], draws["preference_population"][..., None]]
    values = [draws["theta"], draws["preference"][..., None]]
    drawn = {"population": np.concatenate(population, -1), "value": np.concatenate(values, -1)}
    posterior = from_dict(
        {"posterior": drawn, "sample_stats": info.statistics},
        dims={"value": ["animal", "member"]},
        attrs={"/": {"method": "pseudo-marginal"}},
    )
    return Sampled(posterior, settings.warmup, seconds - sum(compiling), sum(compiling))


def by_numpyro(data: plain.Data, warmup: int, draws: int) -> Sampled:
    """Sample the plain model by NumPyro's NUTS as it comes, four vectorised chains."""
    sampler = MCMC(
        NUTS(plain.numpyro_model),
        num_warmup=warmup,
        num_samples=draws,
        num_chains=CHAINS,
        chain_method="vectorized",
    )
    fields = ("diverging", "num_steps", "energy", "potential_energy")
    with compile_time() as compiling:
        begin = perf_counter()
        sampler.run(jax.random.PRNGKey(3), data, extra_fields=fields)
        stats = jax.device_get(sampler.get_extra_fields(group_by_chain=True))
        seconds = perf_counter() - begin
    drawn = sampler.get_samples(group_by_chain=True)
    said = {
        "diverging": stats["diverging"],
        "n_steps": stats["num_steps"],
        "energy": stats["energy"],
        "lp": -stats["potential_energy"],
        "reached_max_treedepth": stats["num_steps"] >= 2**MAX_DEPTH - 1,
    }
    values = {name: np.asarray(drawn[name]) for name in ("population", "value")}
    posterior = from_dict(
        {"posterior": values, "sample_stats": said}, attrs={"/": {"method": "nuts"}}
    )
    return Sampled(posterior, warmup, seconds - sum(compiling), sum(compiling))


def by_stan(model: Model, data: plain.Data, iterations: int) -> Sampled:
    """Sample ``forgetting.stan`` by Stan with its defaults, after its density was checked.

    Chains start near no plasticity: from Stan's own starts, uniform within 2 on the unconstrained
    scale, the weights explode and 200 iterations of warm-up do not bring them back (R-hat 4.4).
    """
    import stan  # an extra, not on every machine

    begin = perf_counter()
    recorded = data.choices >= 0
    built = stan.build(
        (Path(__file__).parent / "stan" / "forgetting.stan").read_text(encoding="utf-8"),
        data={
            "n_animals": len(recorded),
            "max_trials": recorded.shape[1],
            "n_trials": recorded.sum(1).tolist(),
            "choice": np.maximum(data.choices, 0).tolist(),
            "signal": data.signal.tolist(),
            "scale": plain.SCALES.tolist(),
        },
        random_seed=4,
    )
    compiling = perf_counter() - begin
    check_density(built, model)
    begin = perf_counter()
    rng = np.random.default_rng(6)
    starts = [
        {
            "population": 0.1 * rng.normal(size=3) * plain.SCALES,
            "spread": 0.25 * plain.SCALES,
            "deviation": 0.1 * rng.normal(size=(len(recorded), 3)),
        }
        for _ in range(CHAINS)
    ]
    fit = built.sample(
        num_chains=CHAINS, num_warmup=iterations, num_samples=iterations, init=starts
    )
    seconds = perf_counter() - begin
    posterior = from_pystan(fit)
    posterior.attrs["method"] = "nuts"
    stats = posterior.sample_stats
    stats["reached_max_treedepth"] = stats["tree_depth"] >= MAX_DEPTH
    return Sampled(posterior, iterations, seconds, compiling)


def check_density(built: object, model: Model) -> None:
    """Raise `HebbaxError` unless Stan's log density is hebbax's, up to one constant."""
    n = model.sessions.n_animals
    points = 0.3 * np.random.default_rng(5).normal(size=(6, 6 + 3 * n)) - [
        [0, 0, 0, 2, 3, 1] + 3 * n * [0]
    ]
    differences = []
    for point in points:
        population, spread, offset = point[:3], point[3:6], point[6:].reshape(n, 3)
        sites = {}
        for end, value in (("population", population), ("spread", spread), ("offset", offset)):
            sites |= {f"theta_{end}": value[..., :2], f"preference_{end}": value[..., 2]}
        theirs = built.log_prob(point.tolist())
        differences.append(theirs + float(potential(model, sites)))
    if not np.ptp(differences) < 1e-7:
        raise HebbaxError(f"Stan and hebbax state different densities: {differences}.")


@contextmanager
def compile_time() -> Iterator[list[float]]:
    """Give a list that fills with the seconds JAX spends on tracing and compiling."""
    spent: list[float] = []

    def listen(event: str, seconds: float, **_: object) -> None:
        if event.startswith("/jax/core/compile/"):
            spent.append(seconds)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield spent
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def row(model: Model, sampled: Sampled) -> Row:
    """Return what is said of one sampler: cost, effective draws, posterior, verdict."""
    posterior = sampled.posterior
    verdict = diagnose(posterior)
    effective = verdict.figures["ess_bulk"]
    steps = posterior.sample_stats.get("n_steps")
    theta = posterior.posterior["population"]
    error = mcse(theta)
    return {
        "warm-up": sampled.warmup,
        "draws": verdict.figures["draws"],
        "seconds": sampled.seconds,
        "compiling (s)": sampled.compiling,
        "bulk ESS": effective,
        "ESS per s": effective / sampled.seconds,
        "ESS per 1000 gradients": None if steps is None else 1e3 * effective / float(steps.sum()),
        "divergent": verdict.figures.get("diverging"),
        "R-hat": verdict.figures["r_hat"],
        **{
            f"{term} ({what})": float(values[..., j].mean())
            for j, term in enumerate(TERMS)
            for what, values in (("mean", theta), ("MC error", error))
        },
        "verdict": verdict.word
        if verdict.passed
        else f"{verdict.word}: {'; '.join(verdict.reasons)}",
    }


def compared(one: Row, ours: Row) -> Row:
    """Return the row with hebbax's effective draws in the same time, and differences in MC errors.

    Only posteriors that passed can be expected to agree.
    """
    out = one | {"hebbax's ESS per s, times this": ours["ESS per s"] / one["ESS per s"]}
    for term in TERMS:
        apart = one[f"{term} (mean)"] - ours[f"{term} (mean)"]
        error = np.hypot(one[f"{term} (MC error)"], ours[f"{term} (MC error)"])
        out[f"{term} (MC errors from hebbax)"] = apart / error
    return out
