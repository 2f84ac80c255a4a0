"""Learning rate and inverse temperature of people in a two-armed bandit: hebbax beside Stan.

The posterior of `q-learning` without a preference for an alternative, by hebbax and by Stan with
the same priors (stan/q_learning.stan), and that of hBayesDM's `bandit2arm_delta`, the same rule
with other links and priors (stan/bandit2arm_delta.stan). One row a posterior, quantity and
statistic: its value and Monte Carlo error, with the R-hat and the effective size of the quantity.

    python analysis/stan_bandit.py [DATA] [--stan] [--quick] --out DIR

DATA are choices among two alternatives, the same number of each person; without it, of simulated
people. ``--stan`` samples with Stan (the extra ``stan``; Python 3.11 and a C++ compiler); without
it the posteriors of Stan are those in results/, where these are of the same choices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import jax
import numpy as np
import pandas as pd
from arviz_base import from_pystan
from arviz_stats import ess, mcse, rhat
from scipy.special import expit, logit, ndtr

import hebbax
from hebbax.cli.console import CONSOLE, print_table, table
from hebbax.cli.folders import prepare_folder
from hebbax.cli.options import out_option
from hebbax.cli.progress import progress
from hebbax.cli.script import FEW_DRAWS, entry, flies_argument, quick_option
from hebbax.data import data_hash
from hebbax.errors import HebbaxError
from hebbax.inference import pseudo_marginal
from hebbax.inference.density import latent_sites, potential
from hebbax.model.choices import Model
from hebbax.posterior.learning import derived
from hebbax.runs.ledger import Ledger, fill, read
from hebbax.simulation.cohort import Cohort, simulate

HERE = Path(__file__).parent
STORED = HERE / "results" / "stan_bandit.csv"

HEBBAX, STAN, PUBLISHED = "hebbax, q-learning", "Stan, q_learning", "Stan, bandit2arm_delta"
"""Posteriors: the first two are one, the third has priors of its own."""

SPEC = replace(hebbax.read_spec("q-learning"), preference_scale=0.001)
"""A preference of a thousandth of a log odds stands for none."""

PRIOR = {
    key: np.array([SPEC.parameters[name][key] for name in ("alpha", "beta")])
    for key in ("median", "scale")
}
"""Medians and scales of the learning rate and the inverse temperature."""

STATISTICS = {
    "mean": (np.mean, {"method": "mean"}),
    "sd": (np.std, {"method": "sd"}),
    **{
        name: (lambda x, p=p: np.quantile(x, p), {"method": "quantile", "prob": p})
        for name, p in {"5 %": 0.05, "median": 0.5, "95 %": 0.95}.items()
    },
}
"""What is told of a quantity, and how ArviZ finds its Monte Carlo error."""

Draws = Mapping[str, np.ndarray]
Row = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """Iterations of each of Stan's four chains, and settings of hebbax's sampler."""

    warmup: int
    draws: int
    hebbax: pseudo_marginal.Settings


FULL = Sizes(1000, 5000, pseudo_marginal.Settings())
QUICK = Sizes(100, 100, FEW_DRAWS)
PEOPLE = Cohort(
    {"alpha": 0.4, "beta": 3.0}, {"alpha": 0.5, "beta": 0.4}, (0.0, 0.0), 20, ((0.3, 0.7),), 100,
    "independent",
)  # fmt: skip


def quantities(mu: np.ndarray, sigma: np.ndarray, values: np.ndarray) -> Draws:
    """Return draws by quantity, from those ``(chain, draw, 2)`` of the population's mean and
    spread on the scale of the links, and of its learning rate and inverse temperature."""
    of = {"mu": mu, "sigma": sigma, "population": values}
    return {
        f"{what} {name}": own[..., k]
        for what, own in of.items()
        for k, name in enumerate(("alpha", "beta"))
    }


def by_hebbax(model: Model, settings: pseudo_marginal.Settings) -> Draws:
    """Return the draws of hebbax's default sampler."""
    draws, _ = pseudo_marginal.fit(jax.random.PRNGKey(0), model, settings)
    values = derived(model, draws)["parameters_population"]
    return quantities(draws["theta_population"], draws["theta_spread"], values)


def by_stan(model: Model, program: str, sizes: Sizes) -> Draws:
    """Return the draws of Stan's default sampler from a program of stan/; that with hebbax's
    priors is held against hebbax's density first."""
    import stan  # an extra, not on every machine

    sessions = model.sessions
    if not sessions.valid.all() or sessions.n_stimuli != 2:
        raise HebbaxError(
            "the Stan programs take two alternatives, and as many choices of one person as of "
            "another."
        )
    data = {
        "n_people": sessions.n_animals,
        "n_trials": sessions.max_trials,
        "choice": (sessions.choices + 1).tolist(),
        "reward": sessions.rewards.tolist(),
    }
    own = program == "q_learning"
    if own:
        data |= {key: values.tolist() for key, values in PRIOR.items()}
    text = (HERE / "stan" / f"{program}.stan").read_text(encoding="utf-8")
    built = stan.build(text, data=data, random_seed=1)
    if own:
        check_density(built, model)
    fit = built.sample(num_chains=4, num_warmup=sizes.warmup, num_samples=sizes.draws)
    posterior = from_pystan(fit).posterior
    mu, sigma = (posterior[name].to_numpy() for name in ("mu", "sigma"))
    links = natural if own else published
    return quantities(mu, sigma, links(mu))


def natural(mu: np.ndarray) -> np.ndarray:
    """Return alpha and beta of a population ``(..., 2)`` under hebbax's links."""
    alpha = expit(logit(PRIOR["median"][0]) + mu[..., 0])
    return np.stack([alpha, PRIOR["median"][1] * np.exp(mu[..., 1])], axis=-1)


def published(mu: np.ndarray) -> np.ndarray:
    """Return A and tau of a population ``(..., 2)`` under the links of hBayesDM, of which Stan's
    approximation is off by less than 0.00014."""
    return ndtr(mu) * [1.0, 5.0]


def check_density(built: Any, model: Model) -> None:
    """Raise `HebbaxError` unless Stan's log density is hebbax's, up to one constant."""
    n, differences = model.sessions.n_animals, []
    shapes = latent_sites(model).shapes
    # Small values: hebbax bounds weights that are over 40, where no choice is in doubt.
    for point in 0.2 * np.random.default_rng(5).normal(size=(6, 4 + 2 * n)):
        sites = {name: np.zeros(shape) for name, shape in shapes.items()}
        # Stan lays a matrix out by columns.
        mu, sigma, z = point[:2], point[2:4], point[4:].reshape(2, n).T
        sites |= {"theta_population": mu, "theta_spread": sigma, "theta_offset": z}
        differences.append(built.log_prob(point.tolist()) + float(potential(model, sites)))
    if not np.ptp(differences) < 1e-6:
        raise HebbaxError(f"Stan and hebbax state different densities: {differences}.")


def told(draws: Draws) -> list[Row]:
    """Return one row a quantity and statistic."""
    return [
        {
            "quantity": quantity,
            "statistic": statistic,
            "value": float(value(own)),
            "error": float(mcse(own, **error)),
            "r_hat": float(rhat(own)),
            "ess": float(ess(own)),
        }
        for quantity, own in draws.items()
        for statistic, (value, error) in STATISTICS.items()
    ]


def with_stored(rows: pd.DataFrame, choices: str) -> pd.DataFrame:
    """Return the rows of some choices, and those in results/ of posteriors that they lack."""
    known = pd.concat([rows, read(STORED)])
    known = known[known["choices"] == choices]
    return known.drop_duplicates(["posterior", "quantity", "statistic"])


def beside(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the values of every posterior side by side, one row a quantity and statistic. Where
    hebbax and Stan have the same priors, ``apart`` is their difference in Monte Carlo errors."""
    index = ["quantity", "statistic"]
    wide = rows.pivot(index=index, columns="posterior", values=["value", "error"])
    wide = wide.reindex(pd.MultiIndex.from_frame(rows[index].drop_duplicates()))
    found = wide["value"].copy()
    if {HEBBAX, STAN} <= set(found):
        error = np.hypot(wide["error"][HEBBAX], wide["error"][STAN])
        found["apart"] = (found[HEBBAX] - found[STAN]) / error
    return found


@click.command("stan_bandit", help=__doc__.split("\n", 1)[0])
@flies_argument
@click.option("--stan", is_flag=True, help="sample with Stan as well")
@quick_option
@out_option
def main(recordings: Path | None, stan: bool, quick: bool, out: Path) -> None:
    if stan and find_spec("stan") is None:
        raise HebbaxError("--stan needs pystan 3: pip install 'hebbax[stan]' (Python 3.11).")
    people = replace(PEOPLE, animals=6, trials_per_block=40) if quick else PEOPLE
    sessions = (
        simulate(jax.random.PRNGKey(0), people, SPEC)[0]
        if recordings is None
        else hebbax.read(recordings)
    )
    model, choices = hebbax.build_model(SPEC, sessions), data_hash(sessions)[:12]
    sizes = QUICK if quick else FULL
    prepare_folder(out)
    ledger = Ledger(out / "stan_bandit.csv", ("choices", "posterior"), (SPEC, sizes))

    def rows(choices: str, posterior: str) -> list[list[Row]]:
        program = posterior.removeprefix("Stan, ")
        drawn = (
            by_hebbax(model, sizes.hebbax)
            if posterior == HEBBAX
            else by_stan(model, program, sizes)
        )
        return [[{"choices": choices, "posterior": posterior, **row} for row in told(drawn)]]

    wanted = (HEBBAX, STAN, PUBLISHED) if stan else (HEBBAX,)
    with progress("sampling") as report:
        cells = {name: {"choices": choices, "posterior": name} for name in wanted}
        fill([ledger], cells, rows, report)
    known = with_stored(ledger.frame, choices)
    print_table(table("quantity, statistic", beside(known)))
    CONSOLE.print(f"{sessions.source}, {sessions.n_animals} people; {ledger.provenance}")


if __name__ == "__main__":
    entry(main)
