"""Whether a posterior can be trusted: one verdict, with reasons in words.

Thresholds: rank-normalised R-hat and bulk / tail ESS of Vehtari et al. (2021), E-BFMI of
Betancourt (2016); for a variational fit the Pareto k-hat of Yao et al. (2018). A variational fit
that fails is no posterior, and is not called one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Protocol

import arviz as az
import numpy as np
import pandas as pd
import xarray as xr

from hebbax.inference.convergence import MIN_CHAINS, MIN_DRAWS
from hebbax.posterior.learning import sampled
from hebbax.posterior.stored import check_groups

MAX_R_HAT = 1.01
MAX_R_HAT_SHORT = 1.05
"""Few draws of a chain make R-hat scatter by more than `MAX_R_HAT`, which a reported fit must
reach: what is asked of fits that repeat."""

MIN_ESS = 400.0
MIN_E_BFMI = 0.3
MAX_DIVERGING = 0.0
MAX_SATURATED_TREES = 0.01
MIN_ACCEPTED = 0.01
MAX_STAY = 0.05
MAX_K_HAT = 0.7
EQUAL = 0.999
"""Weights are as good as equal where so large a part of the draws is effective."""

MAX_ELBO_RISE = 0.5
"""Nats by which the ELBO may rise from the third to the last quarter of the steps."""


@dataclass(frozen=True)
class Verdict:
    """What the diagnostics say of one posterior.

    ``reasons`` lists what failed, in words; it is empty where everything passed. ``figures`` holds
    the numbers behind it, and ``measured`` says the main ones. ``variational`` is whether a guide
    was fitted instead of chains sampled.
    """

    reasons: tuple[str, ...]
    figures: dict[str, float]
    measured: str
    variational: bool = False

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.reasons

    @property
    def word(self) -> str:
        """The verdict in a word, for a table."""
        return "passed" if self.passed else "FAILED"

    @property
    def mark(self) -> str:
        """What stands behind the caption of a table of a posterior that failed, else nothing."""
        return "" if self.passed else " (this posterior FAILED its diagnostics)"

    def called(self, name: str, joined: str = " ") -> str:
        """Return the name of a model, marked where its posterior failed."""
        return name if self.passed else f"{name}{joined}(FAILED its diagnostics)"

    @property
    def brief(self) -> str:
        """The verdict in a cell of a table: passed, or what failed."""
        return "; ".join(self.reasons) or "passed"

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.passed:
            kind = "variational posterior" if self.variational else "posterior"
            return f"The {kind} passed its diagnostics: {self.measured}."
        failed = (
            "variational approximation FAILED its diagnostics and cannot be called a posterior"
            if self.variational
            else "posterior FAILED its diagnostics and must not be summarised as it is"
        )
        return f"The {failed}: {'; '.join(self.reasons)}."


def marked(table: pd.DataFrame, verdict: Verdict) -> pd.DataFrame:
    """Return a table of a posterior's numbers with a last column ``diagnostics``: whether it passed
    or FAILED."""
    return table.assign(diagnostics=verdict.word)


class Table(Protocol):
    """Makes a table of a posterior's numbers, marked (`marked`) by its ``verdict``, which is made
    where it is not known already."""

    def __call__(self, posterior: az.InferenceData, verdict: Verdict | None = None) -> pd.DataFrame:
        """Return the table of a stored posterior."""


def marks(make: Callable[[az.InferenceData], pd.DataFrame]) -> Table:
    """Return what ``make`` returns of a posterior, as a `Table`. Raises `FitError` also for a
    posterior of which nothing can be said (`admit`)."""

    @wraps(make)
    def table(posterior: az.InferenceData, verdict: Verdict | None = None) -> pd.DataFrame:
        return marked(make(posterior), verdict_of(posterior, verdict))

    return table


def is_variational(posterior: az.InferenceData) -> bool:
    """Return whether a stored fit is a variational one."""
    return posterior.attrs.get("method") == "svi"


def diagnose(posterior: az.InferenceData) -> Verdict:
    """Return the verdict on a stored fit: `k_hat` and the ELBO of a variational one; R-hat, ESS and
    the sampler's statistics of a sampled one, over every variable that was sampled.

    Raises `FitError` where a group is missing, or a number in it is none (`admit`).
    """
    admit(posterior)
    return _variational(posterior) if is_variational(posterior) else _sampled(posterior)


def admit(posterior: az.InferenceData) -> None:
    """Raise `FitError` where nothing can be said of a posterior: a group is missing, or a number in
    it is none. The door of every answer, and cheap; `diagnose` takes most of a second."""
    check_groups(posterior, ("posterior", "sample_stats"), str(posterior.attrs.get("model", "fit")))


def verdict_of(posterior: az.InferenceData, known: Verdict | None) -> Verdict:
    """Return the verdict on a posterior where it is ``known``, else diagnose it; raise `FitError`
    in both cases for one of which nothing can be said."""
    admit(posterior)
    return diagnose(posterior) if known is None else known


def k_hat(posterior: az.InferenceData) -> float:
    """Return the Pareto shape of the importance weights p / q of a variational fit's draws.

    Up to 0.7 the guide q is near enough to the posterior p for its draws to stand for it; infinite
    where a weight is not finite, and zero where all are as good as equal: the shape of their tail
    is then that of what is left of the guide's error, however small.
    """
    log_weights = np.ravel(posterior.sample_stats["log_weights"])
    if not np.isfinite(log_weights).all():
        return float("inf")
    weights = np.exp(log_weights - log_weights.max())
    if weights.mean() ** 2 > EQUAL * (weights**2).mean():
        return 0.0
    return float(az.psislw(log_weights - log_weights.max())[1])


def e_bfmi(posterior: az.InferenceData) -> float:
    """Return the least E-BFMI over chains: how far fresh momenta carry the energy, against how far
    it varies (Betancourt 2016),

        E-BFMI = sum_n (E_n - E_(n-1))^2 / sum_n (E_n - mean E)^2,

    E_n the energy at the end of trajectory n.
    """
    energy = np.asarray(posterior.sample_stats["energy"])
    varied = energy - energy.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):  # of energies that do not vary: missing, which fails
        return float(((np.diff(energy, axis=1) ** 2).sum(axis=1) / (varied**2).sum(axis=1)).min())


def _r_hat(draws: xr.Dataset) -> tuple[float, str]:
    """Return the worst R-hat and whose it is; missing where there is nothing to compare."""
    enough = draws.sizes["chain"] >= MIN_CHAINS and draws.sizes["draw"] >= MIN_DRAWS
    return _extreme(az.rhat(draws), np.max) if enough else (float("nan"), "")


def _ess(draws: xr.Dataset, method: str) -> tuple[float, str]:
    """Return the least effective number of draws and whose it is; missing for too few draws."""
    enough = draws.sizes["draw"] >= MIN_DRAWS
    return _extreme(az.ess(draws, method=method), np.min) if enough else (float("nan"), "")


def _variational(posterior: az.InferenceData) -> Verdict:
    elbo = np.asarray(posterior.sample_stats["elbo"])
    third, last = np.array_split(elbo, 4)[2:]
    figures = {
        "k_hat": k_hat(posterior),
        "elbo": float(np.mean(posterior.sample_stats["log_weights"])),
        "elbo_rise": float(last.mean() - third.mean()),
        "elbo_rise_se": float(np.sqrt(third.var() / third.size + last.var() / last.size)),
    }
    settled = abs(figures["elbo_rise"]) <= MAX_ELBO_RISE + 2 * figures["elbo_rise_se"]
    checks = [
        (
            not figures["k_hat"] <= MAX_K_HAT,
            f"k-hat of its importance weights is {figures['k_hat']:.2f} (at most {MAX_K_HAT}), so "
            "that it misses a part of the posterior that matters",
        ),
        (
            not settled,
            f"the ELBO still moved by {figures['elbo_rise']:.1f} nats in the last quarter of the "
            f"steps (at most {MAX_ELBO_RISE}), so that more steps would change it",
        ),
    ]
    reasons = tuple(reason for failed, reason in checks if failed)
    measured = (
        f"k-hat {figures['k_hat']:.2f}, ELBO {figures['elbo']:.1f} nats, moved by "
        f"{figures['elbo_rise']:.2f} in the last quarter of the steps"
    )
    return Verdict(reasons, figures, measured, variational=True)


Check = tuple[bool, str]
"""Whether something failed, and the sentence that says so."""


def _sampled(posterior: az.InferenceData) -> Verdict:
    draws, stats = sampled(posterior.posterior), posterior.sample_stats
    chains, n_draws = draws.sizes["chain"], draws.sizes["draw"]
    r_hat, ess_bulk, ess_tail = _r_hat(draws), _ess(draws, "bulk"), _ess(draws, "tail")
    figures = {
        "r_hat": r_hat[0],
        "ess_bulk": ess_bulk[0],
        "ess_tail": ess_tail[0],
        "draws": float(chains * n_draws),
    }
    few = n_draws < MIN_DRAWS
    checks = [
        (chains < MIN_CHAINS, "one chain: R-hat needs two or more"),
        (few, f"{n_draws} draws of a chain: R-hat and ESS need {MIN_DRAWS} or more"),
        (
            chains >= MIN_CHAINS and not few and not r_hat[0] <= MAX_R_HAT,
            f"R-hat of {r_hat[1]} is {r_hat[0]:.3f} (at most {MAX_R_HAT})",
        ),
        (
            not few and not ess_bulk[0] >= MIN_ESS,
            f"bulk ESS of {ess_bulk[1]} is {ess_bulk[0]:.0f} (at least {MIN_ESS:.0f})",
        ),
        (
            not few and not ess_tail[0] >= MIN_ESS,
            f"tail ESS of {ess_tail[1]} is {ess_tail[0]:.0f} (at least {MIN_ESS:.0f})",
        ),
    ]
    trajectories = "energy" in stats
    own, more, said = (_trajectories if trajectories else _proposals)(posterior)
    measured = (
        f"R-hat at most {figures['r_hat']:.3f}, bulk ESS at least {figures['ess_bulk']:.0f}, tail "
        f"ESS at least {figures['ess_tail']:.0f}, {said}"
    )
    reasons = tuple(reason for failed, reason in [*checks, *more] if failed)
    return Verdict(reasons, {**figures, **own}, measured)


def _trajectories(posterior: az.InferenceData) -> tuple[dict[str, float], list[Check], str]:
    """Return what NUTS says of itself: figures, checks, and the main ones in words."""
    stats = posterior.sample_stats
    diverging, n_draws = float(stats["diverging"].sum()), float(stats["diverging"].size)
    saturated = float(stats["reached_max_treedepth"].mean())
    figures = {
        "diverging": diverging,
        "e_bfmi": e_bfmi(posterior),
        "saturated_trees": saturated,
        "frozen_chains": float(_frozen(posterior)),
    }
    checks = [
        (
            diverging > MAX_DIVERGING,
            f"{diverging:.0f} of {n_draws:.0f} draws diverged (none allowed)",
        ),
        (
            not figures["e_bfmi"] >= MIN_E_BFMI,
            f"E-BFMI is {figures['e_bfmi']:.2f} (at least {MIN_E_BFMI})",
        ),
        (
            saturated > MAX_SATURATED_TREES,
            f"{saturated:.0%} of the trajectories hit the depth limit",
        ),
        (figures["frozen_chains"] > 0, f"{figures['frozen_chains']:.0f} chains did not move"),
    ]
    return figures, checks, f"{diverging:.0f} divergent draws of {n_draws:.0f}"


def _proposals(posterior: az.InferenceData) -> tuple[dict[str, float], list[Check], str]:
    """Return what pseudo-marginal Metropolis says of itself: figures, checks, and the main ones in
    words. What it proposes forgets where a chain is, so that the part that is accepted says how
    often chains do; and an animal that is stuck shows by how long it stays."""
    accepted = float(posterior.sample_stats["acceptance_rate"].mean())
    population = any(str(name).endswith("population") for name in posterior.posterior.data_vars)
    proposed = "populations" if population else "values of animals"
    longest, whose = _longest_stay(posterior)
    figures = {"accepted_proposals": accepted, "longest_stay": longest}
    checks = [
        (
            not accepted >= MIN_ACCEPTED,
            f"{accepted:.1%} of the proposed {proposed} were accepted (at least "
            f"{MIN_ACCEPTED:.0%}), so that chains hardly forget where they are",
        ),
        (
            not longest <= MAX_STAY,
            f"{whose} kept its values for {longest:.0%} of a chain (at most {MAX_STAY:.0%})",
        ),
    ]
    return figures, checks, f"{accepted:.0%} of the proposed {proposed} accepted"


def _longest_stay(posterior: az.InferenceData) -> tuple[float, str]:
    """Return the largest part of a chain for which an animal kept its values, and its name."""
    name = next(str(n) for n, v in posterior.posterior.data_vars.items() if "animal" in v.dims)
    values = posterior.posterior[name].transpose("chain", "draw", "animal", ...)
    array = np.asarray(values).reshape(*values.shape[:3], -1)
    moved = (np.diff(array, axis=1) != 0.0).any(-1)
    longest = np.zeros(array.shape[2], int)
    for animal in range(array.shape[2]):
        for chain in moved[:, :, animal]:
            ends = np.flatnonzero(np.concatenate([[True], chain, [True]]))
            longest[animal] = max(longest[animal], int(np.diff(ends).max()))
    worst = int(longest.argmax())
    return float(longest[worst] / array.shape[1]), str(values["animal"].values[worst])


def _extreme(dataset: object, reduce: Callable[[np.ndarray], float]) -> tuple[float, str]:
    """Return the worst value and the variable it belongs to; a missing value is the worst."""
    values = {name: np.ravel(v) for name, v in dataset.data_vars.items()}  # type: ignore[attr-defined]
    broken = [name for name, v in values.items() if not np.isfinite(v).all()]
    if broken:
        return float("nan"), broken[0]
    worst = {name: float(reduce(v)) for name, v in values.items() if v.size}
    name = (max if reduce is np.max else min)(worst, key=worst.__getitem__)
    return worst[name], name


def _frozen(posterior: az.InferenceData) -> int:
    """Return the number of chains in which nearly every draw repeats another."""
    lp = np.asarray(posterior.sample_stats["lp"])
    return sum(
        len(np.unique(chain)) < 0.1 * len(chain) or not np.isfinite(chain).all() for chain in lp
    )
