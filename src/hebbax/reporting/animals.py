"""Tables with one row an animal: its values and what its weights lose, with their intervals."""

import pandas as pd
import xarray as xr

from hebbax.posterior import forgetting, summary
from hebbax.posterior.verdict import Verdict
from hebbax.reporting.cells import joined


def coefficients(posterior: xr.DataTree, verdict: Verdict) -> pd.DataFrame:
    """Return one row an animal and one column a value (`hebbax.posterior.summary.animal_table`)."""
    return _wide(joined(summary.animal_table(posterior, verdict))["median (90 %)"], "value")


def losses(posterior: xr.DataTree, verdict: Verdict) -> pd.DataFrame:
    """Return one row an animal and kind of weight, with its loss and memory, the smallest loss of a
    kind first (`hebbax.posterior.forgetting.animal_losses`)."""
    table = forgetting.animal_losses(posterior, verdict)
    weight = table.index.get_level_values("weight")
    each = [table[weight == one] for one in weight.unique()]
    return pd.concat([one.sort_values("loss in a trial (%)", kind="stable") for one in each])


def _wide(values: pd.Series, level: str) -> pd.DataFrame:
    """Return a series of two levels with one of them as columns, both in their order."""
    columns = values.index.get_level_values(level).unique()
    return pd.DataFrame({name: values.xs(name, level=level) for name in columns})
