r"""Power-scaling sensitivity: how much a posterior hangs on its prior, and on the choices.

    prior^alpha * likelihood    and    prior * likelihood^alpha,    alpha = 1.01 and 1 / 1.01

are posteriors beside the one that was sampled, by importance weights of its draws (PSIS). The
sensitivity of a value is the cumulative Jensen-Shannon distance between its posterior and a scaled
one, over log2 alpha (`arviz_stats.psense`; Kallioinen, Paananen, Bürkner & Vehtari 2023).

The prior is that of the top level (the group ``log_prior``): of population values, spreads and
effects, of a prior that shrinks that of its scales. Animals given the population, and values given
such scales, belong to the model and are not scaled. The likelihood is p(choices of an animal |
population), estimated by p-hat, where the method integrated the animals out, else p(choices |
values of the animals).

A distance is never negative: of a value that has nothing to do with what is scaled the sensitivity
is `NOISE` sd(log p) / sqrt(effective draws) on average.
"""

import warnings
from typing import NamedTuple

import arviz_stats
import pandas as pd
import xarray as xr

from hebbax.model.effects import NAME as EFFECT
from hebbax.posterior import diagnostics, learning
from hebbax.posterior.observed import ANIMALS, BY_ANIMAL
from hebbax.posterior.stored import check_groups
from hebbax.posterior.summary import members

ALPHAS = (1.0 / 1.01, 1.01)
"""Powers of the prior, or of the likelihood."""

LIMIT = 0.05
"""Sensitivity from which a posterior hangs on what was scaled: the threshold of the source."""

NOISE = 0.33
"""Sensitivity of independent draws in units of sd(log p) / sqrt(draws), by simulation."""

DISAGREE = "prior and choices disagree"
STRONG = "strong prior or weak choices"
FEW = "too few draws to tell"
NOTHING = "-"
"""What is said of a value that hangs on its prior and on the choices, on its prior alone, of one of
which a sensitivity may be noise, and of one that does not hang on its prior."""

COLUMNS = ["prior", "likelihood", "diagnosis"]


class Sensitivity(NamedTuple):
    """The sensitivity of a value to one component, and that of a value that has none."""

    found: float
    noise: float

    @property
    def unclear(self) -> bool:
        """Whether it is over the limit, and not over twice the noise."""
        return LIMIT <= self.found < 2.0 * self.noise


def diagnosis(prior: Sensitivity, likelihood: Sensitivity) -> str:
    """Return what the sensitivities of a value to prior and likelihood mean, in words."""
    if prior.found < LIMIT:
        return NOTHING
    if prior.unclear or likelihood.unclear:
        return FEW
    return STRONG if likelihood.found < LIMIT else DISAGREE


@diagnostics.marks
def sensitivity_table(posterior: xr.DataTree) -> pd.DataFrame:
    """Return one row a population value or effect, parameters in natural units: its sensitivity to
    prior and likelihood, and what these mean; empty where the model has no population. Raises
    `FitError` for a posterior without log prior or log likelihood."""
    model = str(posterior.attrs.get("model", "fit"))
    check_groups(posterior, ("posterior", "log_likelihood", "log_prior"), model)
    values = _population(posterior.posterior.to_dataset())
    if not values:
        return pd.DataFrame(columns=COLUMNS)
    scaled = {
        "prior": posterior.log_prior.to_dataset().to_array("site").sum("site"),
        "likelihood": _likelihood(posterior),
    }
    found = {name: _sensitivities(values, name, log_p) for name, log_p in scaled.items()}
    rows = {}
    for label in values:
        prior, choices = found["prior"][label], found["likelihood"][label]
        rows[label] = [prior.found, choices.found, diagnosis(prior, choices)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=COLUMNS)


def sentence(table: pd.DataFrame) -> str:
    """Return which of the values in a `sensitivity_table` hang on their prior; empty where it is.
    What failed its diagnostics is marked in the table."""
    if table.empty:
        return ""
    told = [
        f"{', '.join(f'{label} ({row.prior:.2f})' for label, row in own.iterrows())}: {meaning}"
        for meaning, own in table.groupby("diagnosis", sort=False)
        if meaning != NOTHING
    ]
    if told:
        return f"Sensitive to the prior, by power-scaling ({LIMIT} and more): {'; '.join(told)}."
    label = table["prior"].idxmax()
    most = f"at most {table['prior'].max():.2f}, of {label}, where {LIMIT} is the limit"
    return f"No population value is sensitive to its prior, by power-scaling ({most})."


def _population(draws: xr.Dataset) -> dict[str, xr.DataArray]:
    """Return population values and effects ``(chain, draw)`` by their names; of a learning model
    its parameters, without the coefficients that they make."""
    told = learning.told(draws)
    told.pop(learning.COEFFICIENTS, None)
    sites = {f"{name}{learning.POPULATION}": label for name, label in told.items()} | {EFFECT: ""}
    out: dict[str, xr.DataArray] = {}
    for site, label in sites.items():
        if site in draws:
            out |= members(label, draws[site])
    return out


def _likelihood(posterior: xr.DataTree) -> xr.DataArray:
    """Return the log likelihood of all choices ``(chain, draw)``, of the draws that it is kept
    of."""
    if BY_ANIMAL in posterior.children:
        return posterior[BY_ANIMAL].to_dataset()[ANIMALS].sum("animal")
    each = next(iter(posterior.log_likelihood.data_vars.values()))
    return each.astype(float).sum("observation")


def _sensitivities(
    values: dict[str, xr.DataArray], component: str, log_p: xr.DataArray
) -> dict[str, Sensitivity]:
    """Return the sensitivity of each value to the power of a component, by its name."""
    if not float(log_p.std()) > 0.0:  # to a power of a constant every draw is worth the same
        return dict.fromkeys(values, Sensitivity(0.0, 0.0))
    whole = log_p.to_dataset(name="all")
    # A DataTree takes no name with a slash, which an alternative may have.
    numbered = {f"value {k}": one for k, one in enumerate(values.values())}
    draws = xr.Dataset(numbered).sel(draw=log_p["draw"])
    data = xr.DataTree.from_dict({"posterior": draws, f"log_{component}": whole})
    with warnings.catch_warnings():  # of few draws, of which the verdict speaks
        warnings.simplefilter("ignore", UserWarning)
        found = arviz_stats.psense(data, group=component, alphas=ALPHAS)
    noise = NOISE * float(log_p.std()) / float(arviz_stats.ess(whole)["all"]) ** 0.5
    of = dict(zip(values, numbered, strict=True))
    return {label: Sensitivity(float(found[of[label]]), noise) for label in values}
