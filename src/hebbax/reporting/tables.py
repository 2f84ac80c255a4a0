"""Tables of a study: populations and how far animals lie apart, the truth of a simulated cohort,
deviance explained.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from hebbax.check.comparison import deviances, explained
from hebbax.posterior import forgetting, summary
from hebbax.posterior.verdict import Verdict, marked
from hebbax.rule.fading import PERCENT
from hebbax.simulation.cohort import Cohort

REFERENCE = "no-learning"
"""Model against which the deviance explained is given, where it is among those fitted."""


def population_table(posterior: xr.DataTree, verdict: Verdict | None = None) -> pd.DataFrame:
    """Return the population values of a posterior and how far animals lie apart in each."""
    table = summary.population_table(posterior, verdict)
    spread = summary.between_animals(posterior).reindex(table.index)
    table.insert(len(table.columns) - 1, spread.name, spread)
    return table


def truth_table(posterior: xr.DataTree, cohort: Cohort, verdict: Verdict) -> pd.DataFrame:
    """Return the population values a simulated cohort was drawn from, and what its weights lose in
    a trial, beside their posterior, and its verdict."""
    truth = {f"theta {term}": value for term, value in cohort.population.items()}
    truth["preference"] = cohort.preference[0]
    terms = posterior.posterior["term"].to_numpy()
    coefficients = np.array([cohort.population[str(term)] for term in terms])
    lost = {}
    for each in forgetting.forgetting(posterior):
        name = f"loss of {each.loss.weight} (%)"
        truth[name] = PERCENT * float(each.loss.of(coefficients))
        lost[name] = summary.row_of(PERCENT * np.asarray(each.population))
    table = pd.concat(
        [
            summary.population_table(posterior, verdict),
            marked(pd.DataFrame.from_dict(lost, orient="index"), verdict),
        ]
    )
    table.insert(0, "truth", [truth[name] for name in table.index])
    inside = (table["5 %"] <= table["truth"]) & (table["truth"] <= table["95 %"])
    words = ["yes" if covered else "no" for covered in inside]
    table.insert(len(table.columns) - 1, "in the 90 % interval", words)
    return table


def deviance_table(
    fitted: Mapping[str, xr.DataTree], verdicts: Mapping[str, Verdict]
) -> pd.DataFrame:
    """Return the deviance explained of each animal, in-sample, a column a model: against chance,
    and where `REFERENCE` is among the models against it. A model that failed is called so."""
    called = {name: verdict.called(name) for name, verdict in verdicts.items()}
    found = {name: deviances(posterior) for name, posterior in fitted.items()}
    columns = {}
    for name, own in found.items():
        columns[f"{called[name]}, against chance"] = explained(own["model"], own["chance"])
        if name != REFERENCE and REFERENCE in found:
            against = explained(own["model"], found[REFERENCE]["model"])
            columns[f"{called[name]}, against {called[REFERENCE]}"] = against
    return pd.DataFrame(columns)
