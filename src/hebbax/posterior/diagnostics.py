"""Whether a posterior can be trusted: one verdict (`hebbax.posterior.verdict`), with its reasons.

Thresholds: rank-normalised R-hat and bulk / tail ESS of Vehtari et al. (2021), E-BFMI of
Betancourt (2016); for a variational fit the Pareto k-hat of Yao et al. (2018). A variational fit
that fails is no posterior, and is not called one.

Each limit has a second one behind it. Between the two a posterior is imprecise, beyond the second
it FAILED.
"""

import json
from collections.abc import Callable, Sequence
from functools import wraps
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
import xarray as xr

from hebbax.inference.convergence import MIN_CHAINS, MIN_DRAWS
from hebbax.inference.pseudo_marginal import Settings
from hebbax.model.priors import Shrinking
from hebbax.posterior import measures, remedies
from hebbax.posterior.learning import sampled
from hebbax.posterior.stored import check_groups
from hebbax.posterior.verdict import Verdict, marked

MAX_R_HAT = 1.01
MAX_R_HAT_SHORT = 1.05
"""Few draws of a chain make R-hat scatter by more than `MAX_R_HAT`, which a reported fit must
reach: what is asked of fits that repeat."""

MIN_ESS = 400.0
MIN_ESS_IMPRECISE = 100.0
"""As many leave a standard error of a tenth of the posterior sd in a mean."""

MIN_E_BFMI = 0.3
MAX_DIVERGING = 0.0
MAX_DIVERGING_IMPRECISE = 0.001
"""Of the draws: where so few diverge, what they avoid holds about as little of the posterior."""

MAX_SATURATED_TREES = 0.01
MIN_ACCEPTED = 0.01
MAX_STAY = 0.05
MAX_STAY_IMPRECISE = 0.1
MAX_K_HAT = 0.7
MAX_ELBO_RISE = 0.5
"""Nats by which the ELBO may rise from the third to the last quarter of the steps."""


class Table(Protocol):
    """Makes a table of a posterior's numbers, marked (`marked`) by its ``verdict``, which is made
    where it is not known already."""

    def __call__(self, posterior: xr.DataTree, verdict: Verdict | None = None) -> pd.DataFrame:
        """Return the table of a stored posterior."""


def marks(make: Callable[[xr.DataTree], pd.DataFrame]) -> Table:
    """Return what ``make`` returns of a posterior, as a `Table`. Raises `FitError` also for a
    posterior of which nothing can be said (`admit`)."""

    @wraps(make)
    def table(posterior: xr.DataTree, verdict: Verdict | None = None) -> pd.DataFrame:
        return marked(make(posterior), verdict_of(posterior, verdict))

    return table


def is_variational(posterior: xr.DataTree) -> bool:
    """Return whether a stored fit is a variational one."""
    return posterior.attrs.get("method") == "svi"


def diagnose(posterior: xr.DataTree) -> Verdict:
    """Return the verdict on a stored fit: `k_hat` and the ELBO of a variational one; R-hat, ESS and
    the sampler's statistics of a sampled one, over every variable that was sampled.

    Raises `FitError` where a group is missing, or a number in it is none (`admit`).
    """
    admit(posterior)
    return _variational(posterior) if is_variational(posterior) else _sampled(posterior)


def admit(posterior: xr.DataTree) -> None:
    """Raise `FitError` where nothing can be said of a posterior: a group is missing, or a number in
    it is none. The door of every answer, and cheap; `diagnose` takes most of a second."""
    check_groups(posterior, ("posterior", "sample_stats"), str(posterior.attrs.get("model", "fit")))


def verdict_of(posterior: xr.DataTree, known: Verdict | None) -> Verdict:
    """Return the verdict on a posterior where it is ``known``, else diagnose it; raise `FitError`
    in both cases for one of which nothing can be said."""
    admit(posterior)
    return diagnose(posterior) if known is None else known


def _variational(posterior: xr.DataTree) -> Verdict:
    elbo = np.asarray(posterior.sample_stats["elbo"])
    third, last = np.array_split(elbo, 4)[2:]
    figures = {
        "k_hat": measures.k_hat(posterior),
        "elbo": float(np.mean(posterior.sample_stats["log_weights"])),
        "elbo_rise": float(last.mean() - third.mean()),
        "elbo_rise_se": float(np.sqrt(third.var() / third.size + last.var() / last.size)),
    }
    settled = abs(figures["elbo_rise"]) <= MAX_ELBO_RISE + 2 * figures["elbo_rise_se"]
    checks = [
        Check(
            not figures["k_hat"] <= MAX_K_HAT,
            f"k-hat of its importance weights is {figures['k_hat']:.2f} (at most {MAX_K_HAT}), so "
            "that it misses a part of the posterior that matters",
            remedies.GUIDE,
        ),
        Check(
            not settled,
            f"the ELBO still moved by {figures['elbo_rise']:.1f} nats in the last quarter of the "
            f"steps (at most {MAX_ELBO_RISE}), so that more steps would change it",
            remedies.more_steps(len(elbo)),
        ),
    ]
    failed = [check for check in checks if check.failed]
    measured = (
        f"k-hat {figures['k_hat']:.2f}, ELBO {figures['elbo']:.1f} nats, moved by "
        f"{figures['elbo_rise']:.2f} in the last quarter of the steps"
    )
    return _verdict(failed, figures, measured, variational=True)


def _verdict(
    failed: Sequence["Check"], figures: dict[str, float], measured: str, *, variational: bool
) -> Verdict:
    reasons = tuple(check.reason for check in failed)
    steps = tuple(dict.fromkeys(check.remedy for check in failed))
    grave = any(check.grave for check in failed)
    return Verdict(reasons, figures, measured, variational, steps, grave)


class Check(NamedTuple):
    """Whether something ``failed``, the ``reason`` that says so, what to do about it, and whether
    it is so ``grave`` that nothing may be said."""

    failed: bool
    reason: str
    remedy: str
    grave: bool = True


def _sampled(posterior: xr.DataTree) -> Verdict:
    draws, stats = sampled(posterior.posterior.to_dataset()), posterior.sample_stats
    chains, n_draws = draws.sizes["chain"], draws.sizes["draw"]
    r_hat, ess_bulk, ess_tail = (
        measures.r_hat(draws),
        measures.ess(draws, "bulk"),
        measures.ess(draws, "tail"),
    )
    figures = {
        "r_hat": r_hat[0],
        "ess_bulk": ess_bulk[0],
        "ess_tail": ess_tail[0],
        "draws": float(chains * n_draws),
    }
    few, met = n_draws < MIN_DRAWS, r_hat[0] <= MAX_R_HAT
    warm_up = _longer(posterior)
    checks = [
        Check(chains < MIN_CHAINS, "one chain: R-hat needs two or more", remedies.CHAINS),
        Check(
            few,
            f"{n_draws} draws of a chain: R-hat and ESS need {MIN_DRAWS} or more",
            remedies.DRAWS,
        ),
        Check(
            chains >= MIN_CHAINS and not few and not r_hat[0] <= MAX_R_HAT,
            f"R-hat of {r_hat[1]} is {_beside(r_hat[0], MAX_R_HAT, 3)} (at most {MAX_R_HAT})",
            warm_up,
            grave=not r_hat[0] <= MAX_R_HAT_SHORT,
        ),
        Check(
            not few and not ess_bulk[0] >= MIN_ESS,
            f"bulk ESS of {ess_bulk[1]} is {_beside(ess_bulk[0], MIN_ESS, 0)} "
            f"(at least {MIN_ESS:.0f})",
            _more(n_draws, ess_bulk[0]) if met else warm_up,
            grave=not ess_bulk[0] >= MIN_ESS_IMPRECISE,
        ),
        Check(
            not few and not ess_tail[0] >= MIN_ESS,
            f"tail ESS of {ess_tail[1]} is {_beside(ess_tail[0], MIN_ESS, 0)} "
            f"(at least {MIN_ESS:.0f})",
            _more(n_draws, ess_tail[0]) if met else warm_up,
            grave=not ess_tail[0] >= MIN_ESS_IMPRECISE,
        ),
    ]
    trajectories = "energy" in stats
    own, more, said = (_trajectories if trajectories else _proposals)(posterior)
    measured = (
        f"R-hat at most {figures['r_hat']:.3f}, bulk ESS at least {figures['ess_bulk']:.0f}, tail "
        f"ESS at least {figures['ess_tail']:.0f}, {said}"
    )
    failed = [check for check in [*checks, *more] if check.failed]
    return _verdict(failed, {**figures, **own}, measured, variational=False)


MOST_DIGITS = 9
"""Digits behind the point of a number that looks like its limit, at most."""


def _beside(value: float, limit: float, digits: int) -> str:
    """Return a number with so many digits behind the point, and more where it would look like the
    limit that it misses."""
    while digits < MOST_DIGITS and float(f"{value:.{digits}f}") == limit:
        digits += 1
    return f"{value:.{digits}f}"


def _more(draws: int, effective: float) -> str:
    """Return what to do about too few effective draws of chains that have met."""
    return remedies.more_draws(draws, effective, MIN_ESS) if effective > 0 else remedies.DRAWS


def _longer(posterior: xr.DataTree) -> str:
    """Return what to do about chains that have not met."""
    shrinks = any(str(name).endswith(Shrinking.sites[0]) for name in posterior.posterior.data_vars)
    return remedies.warm_up(_warmup(posterior), shrinks=shrinks)


def _warmup(posterior: xr.DataTree) -> int:
    """Return the iterations of the warm-up, the default ones of a posterior that does not say."""
    settings = json.loads(posterior.attrs.get("settings", "{}"))
    return int(settings.get("warmup", Settings.warmup))


def _trajectories(posterior: xr.DataTree) -> tuple[dict[str, float], list[Check], str]:
    """Return what NUTS says of itself: figures, checks, and the main ones in words."""
    stats = posterior.sample_stats
    diverging, n_draws = float(stats["diverging"].sum()), float(stats["diverging"].size)
    saturated = float(stats["reached_max_treedepth"].mean())
    figures = {
        "diverging": diverging,
        "e_bfmi": measures.e_bfmi(posterior),
        "saturated_trees": saturated,
        "frozen_chains": float(measures.frozen(posterior)),
    }
    checks = [
        Check(
            diverging > MAX_DIVERGING,
            f"{diverging:.0f} of {n_draws:.0f} draws diverged (none allowed)",
            remedies.NO_NUTS,
            grave=diverging > MAX_DIVERGING_IMPRECISE * n_draws,
        ),
        Check(
            not figures["e_bfmi"] >= MIN_E_BFMI,
            f"E-BFMI is {figures['e_bfmi']:.2f} (at least {MIN_E_BFMI})",
            remedies.NO_NUTS,
        ),
        Check(
            saturated > MAX_SATURATED_TREES,
            f"{saturated:.0%} of the trajectories hit the depth limit",
            remedies.NO_NUTS,
            grave=False,  # slow, and what that costs is in the ESS
        ),
        Check(
            figures["frozen_chains"] > 0,
            f"{figures['frozen_chains']:.0f} chains did not move",
            remedies.NO_NUTS,
        ),
    ]
    return figures, checks, f"{diverging:.0f} divergent draws of {n_draws:.0f}"


def _proposals(posterior: xr.DataTree) -> tuple[dict[str, float], list[Check], str]:
    """Return what pseudo-marginal Metropolis says of itself: figures, checks, and the main ones in
    words. What it proposes forgets where a chain is, so that the part that is accepted says how
    often chains do; and an animal that is stuck shows by how long it stays."""
    accepted = float(posterior.sample_stats["acceptance_rate"].mean())
    population = any(str(name).endswith("population") for name in posterior.posterior.data_vars)
    proposed = "populations" if population else "values of animals"
    longest, whose = measures.longest_stay(posterior)
    figures = {"accepted_proposals": accepted, "longest_stay": longest}
    checks = [
        Check(
            not accepted >= MIN_ACCEPTED,
            f"{accepted:.1%} of the proposed {proposed} were accepted (at least "
            f"{MIN_ACCEPTED:.0%}), so that chains hardly forget where they are",
            _longer(posterior),
        ),
        Check(
            not longest <= MAX_STAY,
            f"{whose} kept its values for {longest:.0%} of a chain (at most {MAX_STAY:.0%})",
            remedies.look_at(whose, _warmup(posterior)),
            grave=not longest <= MAX_STAY_IMPRECISE,
        ),
    ]
    return figures, checks, f"{accepted:.0%} of the proposed {proposed} accepted"
