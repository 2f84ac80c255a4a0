"""Whether a posterior can be trusted: one verdict, with reasons in words.

Thresholds: rank-normalised R-hat and bulk / tail ESS of Vehtari et al. (2021), E-BFMI of
Betancourt (2016); for a variational fit the Pareto k-hat of Yao et al. (2018). A variational fit
that fails is no posterior, and is not called one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import arviz as az
import numpy as np

MAX_R_HAT = 1.01
MAX_R_HAT_SHORT = 1.05
"""Few draws of a chain make R-hat scatter by more than `MAX_R_HAT`, which a reported fit must
reach: what is asked of fits that repeat."""

MIN_ESS = 400.0
MIN_E_BFMI = 0.3
MAX_DIVERGING = 0.0
MAX_SATURATED_TREES = 0.01
MAX_K_HAT = 0.7
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


def is_variational(posterior: az.InferenceData) -> bool:
    """Return whether a stored fit is a variational one."""
    return posterior.attrs.get("method") == "svi"


def diagnose(posterior: az.InferenceData) -> Verdict:
    """Return the verdict on a stored fit: `k_hat` and the ELBO of a variational one; R-hat, ESS and
    the sampler's statistics of a sampled one, over every variable in it."""
    return _variational(posterior) if is_variational(posterior) else _sampled(posterior)


def k_hat(posterior: az.InferenceData) -> float:
    """Return the Pareto shape of the importance weights p / q of a variational fit's draws.

    Up to 0.7 the guide q is near enough to the posterior p for its draws to stand for it; infinite
    where a weight is not finite.
    """
    log_weights = np.ravel(posterior.sample_stats["log_weights"])
    if not np.isfinite(log_weights).all():
        return float("inf")
    return float(az.psislw(log_weights - log_weights.max())[1])


def convergence(draws: np.ndarray) -> dict[str, float]:
    """Return the worst ``r_hat`` and least bulk ``ess`` over the values of ``draws``
    (chain, draw, value), for a sampler whose draws are not stored as a posterior."""
    stored = az.convert_to_dataset({"value": draws})
    return {
        "r_hat": _extreme(az.rhat(stored), np.max)[0],
        "ess": _extreme(az.ess(stored, method="bulk"), np.min)[0],
    }


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


def _sampled(posterior: az.InferenceData) -> Verdict:
    draws, stats = posterior.posterior, posterior.sample_stats
    r_hat, ess_bulk, ess_tail = (
        _extreme(az.rhat(draws), np.max),
        _extreme(az.ess(draws, method="bulk"), np.min),
        _extreme(az.ess(draws, method="tail"), np.min),
    )
    figures = {
        "r_hat": r_hat[0],
        "ess_bulk": ess_bulk[0],
        "ess_tail": ess_tail[0],
        "diverging": float(stats["diverging"].sum()),
        "draws": float(stats["diverging"].size),
        "e_bfmi": float(np.min(az.bfmi(posterior))),
        "saturated_trees": float(stats["reached_max_treedepth"].mean()),
        "frozen_chains": float(_frozen(posterior)),
    }
    checks = [
        (not r_hat[0] <= MAX_R_HAT, f"R-hat of {r_hat[1]} is {r_hat[0]:.3f} (at most {MAX_R_HAT})"),
        (
            not ess_bulk[0] >= MIN_ESS,
            f"bulk ESS of {ess_bulk[1]} is {ess_bulk[0]:.0f} (at least {MIN_ESS:.0f})",
        ),
        (
            not ess_tail[0] >= MIN_ESS,
            f"tail ESS of {ess_tail[1]} is {ess_tail[0]:.0f} (at least {MIN_ESS:.0f})",
        ),
        (
            figures["diverging"] > MAX_DIVERGING,
            f"{figures['diverging']:.0f} of {figures['draws']:.0f} draws diverged (none allowed)",
        ),
        (
            not figures["e_bfmi"] >= MIN_E_BFMI,
            f"E-BFMI is {figures['e_bfmi']:.2f} (at least {MIN_E_BFMI})",
        ),
        (
            figures["saturated_trees"] > MAX_SATURATED_TREES,
            f"{figures['saturated_trees']:.0%} of the trajectories hit the depth limit",
        ),
        (figures["frozen_chains"] > 0, f"{figures['frozen_chains']:.0f} chains did not move"),
    ]
    measured = (
        f"R-hat at most {figures['r_hat']:.3f}, bulk ESS at least {figures['ess_bulk']:.0f}, tail "
        f"ESS at least {figures['ess_tail']:.0f}, {figures['diverging']:.0f} divergent draws of "
        f"{figures['draws']:.0f}"
    )
    return Verdict(tuple(reason for failed, reason in checks if failed), figures, measured)


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
