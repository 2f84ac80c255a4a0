"""What the prior of a model expects of choices, before any were recorded.

Each draw of the prior is one animal (`hebbax.check.prior_predictive`), a cohort of its own, that
lives through a task with what was drawn. A prior is bad where its animals do what no animal does:
choose one stimulus for ever because their weights ran away, or never learn anything.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from hebbax.check.behaviour import choice_curve
from hebbax.check.prior_predictive import generator, template
from hebbax.check.trials import Trials, only_best
from hebbax.errors import HebbaxError
from hebbax.model.priors import Shrinking
from hebbax.model.spec import ModelSpec
from hebbax.runs import files
from hebbax.runs.names import file_name
from hebbax.simulation.environment import TASK, Task
from hebbax.typing import Key
from hebbax.validation.keys import words

LAST = 40
"""An animal whose choices in so many last trials are one and the same is called stuck."""

LEVELS = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class PriorChoices:
    """What animals drawn from a prior did.

    Attributes:
        model: name of the model.
        task: what they lived through.
        curves: ``(draw, trial)`` moving average of choices of B, the second stimulus.
        better: ``(draw,)`` fraction of choices of the stimulus more often rewarded, of trials in
            which one is; None where none is in any.
        stuck: ``(draw,)`` whether the last `LAST` choices were one and the same.
        effective: ``(draw,)`` effective number of terms (`hebbax.model.sparsity`), None where the
            prior has none.
    """

    model: str
    task: Task
    curves: np.ndarray
    better: np.ndarray | None
    stuck: np.ndarray
    effective: np.ndarray | None

    @property
    def sentence(self) -> str:
        """What the prior expects, in words."""
        out = (
            f"{self.model}: animals of the prior {self._right}{self.stuck.mean():.0%} end on one "
            f"stimulus for good, in a task of {self.task.words}."
        )
        if self.effective is None:
            return out
        low, middle, high = np.quantile(self.effective, LEVELS)
        return (
            f"{out} Effective number of terms: {middle:.1f} ({low:.1f} to {high:.1f}). The prior "
            f"is that of a recording of {self.task.trials} choices: of more of them coefficients "
            "are smaller."
        )

    @property
    def _right(self) -> str:
        if self.better is None:
            return "find no stimulus better than another, and "
        low, middle, high = np.quantile(self.better, LEVELS)
        return (
            f"choose the better stimulus in {middle:.0%} of the trials (90 % of them in {low:.0%} "
            f"to {high:.0%}), and "
        )


def prior_choices(key: Key, spec: ModelSpec, draws: int, task: Task = TASK) -> PriorChoices:
    """Return what ``draws`` animals of the prior of a model do in a task; where it has effects of
    covariates, animals of which every effect is zero.

    Raises `ModelError` where the prior scales are to come from choices, of which there are none.
    """
    key = words(key)
    model = template(replace(spec, by={}), 1, task)
    lived = jax.jit(jax.vmap(generator(model, task)))(jax.random.split(key, draws))
    made = lived.session
    choices, rewards = np.asarray(made.choices)[:, 0], np.asarray(made.rewards)[:, 0]
    best = only_best(task.chances)
    trials = Trials(
        choices,
        choices,
        rewards,
        task.block,
        task.session,
        np.ones((task.trials, len(task.rewards)), dtype=bool),
        np.arange(1, task.trials + 1),
        best[np.searchsorted(task.block, np.arange(task.blocks))],
    )
    theta = model.groups[0]
    effective = None
    if isinstance(theta.prior, Shrinking):
        counted = jax.vmap(theta.prior.effective_terms)(*theta.own_scales(lived.truth))
        effective = np.asarray(counted)
    end = choices[:, -LAST:]
    return PriorChoices(
        spec.name,
        task,
        choice_curve(trials),
        (choices == best)[:, best >= 0].mean(1) if (best >= 0).any() else None,
        (end == end[:, :1]).all(1),
        effective,
    )


def write_table(expected: PriorChoices, folder: Path) -> None:
    """Write ``prior_<model>.csv``: one row a trial, quantiles of the fraction of choices of B."""
    low, middle, high = np.quantile(expected.curves, LEVELS, axis=0)
    table = pd.DataFrame({"5 %": low, "50 %": middle, "95 %": high})
    table.index = pd.RangeIndex(1, len(table) + 1, name="trial")
    files.write_tables({f"prior_{file_name(expected.model)}": table}, folder, HebbaxError)
