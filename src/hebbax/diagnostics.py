"""Whether a posterior can be trusted: one verdict, with reasons in words.

Thresholds: rank-normalised R-hat and bulk / tail ESS of Vehtari et al. (2021), E-BFMI of
Betancourt (2016).
"""

from collections.abc import Callable
from dataclasses import dataclass

import arviz as az
import numpy as np

MAX_R_HAT = 1.01
MIN_ESS = 400.0
MIN_E_BFMI = 0.3
MAX_DIVERGING = 0.0
MAX_SATURATED_TREES = 0.01


@dataclass(frozen=True)
class Verdict:
    """What the diagnostics say of one posterior.

    ``reasons`` lists what failed, in words; it is empty where everything passed. ``figures`` holds
    the numbers behind it.
    """

    reasons: tuple[str, ...]
    figures: dict[str, float]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.reasons

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        f = self.figures
        measured = (
            f"R-hat at most {f['r_hat']:.3f}, bulk ESS at least {f['ess_bulk']:.0f}, tail ESS at "
            f"least {f['ess_tail']:.0f}, {f['diverging']:.0f} divergent draws of {f['draws']:.0f}"
        )
        if self.passed:
            return f"The posterior passed its diagnostics: {measured}."
        return (
            f"The posterior FAILED its diagnostics and must not be summarised as it is: "
            f"{'; '.join(self.reasons)}."
        )


def diagnose(posterior: az.InferenceData) -> Verdict:
    """Return the verdict on a sampled posterior, over every variable in it."""
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
        (r_hat[0] > MAX_R_HAT, f"R-hat of {r_hat[1]} is {r_hat[0]:.3f} (at most {MAX_R_HAT})"),
        (
            ess_bulk[0] < MIN_ESS,
            f"bulk ESS of {ess_bulk[1]} is {ess_bulk[0]:.0f} (at least {MIN_ESS:.0f})",
        ),
        (
            ess_tail[0] < MIN_ESS,
            f"tail ESS of {ess_tail[1]} is {ess_tail[0]:.0f} (at least {MIN_ESS:.0f})",
        ),
        (
            figures["diverging"] > MAX_DIVERGING,
            f"{figures['diverging']:.0f} of {figures['draws']:.0f} draws diverged (none allowed)",
        ),
        (
            figures["e_bfmi"] < MIN_E_BFMI,
            f"E-BFMI is {figures['e_bfmi']:.2f} (at least {MIN_E_BFMI})",
        ),
        (
            figures["saturated_trees"] > MAX_SATURATED_TREES,
            f"{figures['saturated_trees']:.0%} of the trajectories hit the depth limit",
        ),
        (figures["frozen_chains"] > 0, f"{figures['frozen_chains']:.0f} chains did not move"),
    ]
    return Verdict(tuple(reason for failed, reason in checks if failed), figures)


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
