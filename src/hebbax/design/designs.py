"""Designs of an experiment, ranked by how well they tell forgetting from its look-alikes.

For each task (trials, blocks, reward probabilities, baiting) animals with a known rule live through
it. The Fisher information of their choices at their own, true values, averaged over animals, times
the number of animals says how well the population's coefficient of w would be known with all
candidate terms free (`hebbax.design.information`): its standard deviation sd, and what the choices,
without the prior's help, would show of the true theta(w) (`hebbax.design.detection`).
"""

import itertools
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from hebbax.design.detection import POWER, detectable, nats, power
from hebbax.design.identifiability import FORGETTING
from hebbax.design.information import covariance_of, known_otherwise
from hebbax.design.redundancy import listed
from hebbax.design.rehearsal import Population, Rehearsal, Rehearsals
from hebbax.errors import HebbaxError, ModelError
from hebbax.model.spec import ModelSpec
from hebbax.rule.fading import PERCENT, percent
from hebbax.rule.taylor import coefficients, parse_rule
from hebbax.runs import files
from hebbax.runs.ledger import provenance
from hebbax.simulation.environment import Baiting, Task, shown
from hebbax.typing import Progress, silent
from hebbax.validation.limits import MAX_DESIGNS, MAX_STIMULI
from hebbax.validation.quoting import plain

FACTORS = ("animals", "trials", "blocks", "rewards", "baiting")
"""What distinguishes designs: the columns that name one."""

RESAMPLES = 200
"""Resamples of the simulated animals behind the error of a standard deviation."""


@dataclass(frozen=True)
class Settings:
    """The designs that are compared, and the animals they are tried on.

    Attributes:
        rule: the true rule of the population, in words.
        differing: spread of each coefficient between animals, as a part of its size.
        preference: spread of the innate preference between animals, in log odds.
        animals: numbers of animals.
        trials: numbers of trials of an animal.
        blocks: numbers of blocks; contingencies move to the next stimulus from block to block.
        rewards: probabilities of arming a reward, a stimulus each, in the first block.
        baiting: whether an armed reward waits.
        simulated: animals that are simulated of each task.
        seed: random seed.
    """

    rule: str = "0.35 x r - 0.06 w"
    differing: float = 0.3
    preference: float = 0.4
    animals: tuple[int, ...] = (6, 12, 24)
    trials: tuple[int, ...] = (120, 240)
    blocks: tuple[int, ...] = (1, 3, 6)
    rewards: tuple[tuple[float, ...], ...] = ((0.2, 0.8), (0.1, 0.4), (0.5, 1.0))
    baiting: tuple[Baiting, ...] = ("baited", "independent")
    simulated: int = 48
    seed: int = 0

    @property
    def truth(self) -> float:
        """The true population coefficient of w."""
        return parse_rule(self.rule)[FORGETTING]

    def loss(self, size: float) -> float:
        """Return what a weight loses in a trial, in per cent, by a coefficient of w below zero by
        ``size``."""
        # No x in it: the rate of a stimulus does not matter.
        return float(percent(FORGETTING, size, 1.0, len(self.rewards[0])))


@dataclass(frozen=True)
class Designs:
    """A grid of designs.

    Attributes:
        settings: the grid and the simulated animals.
        spec: the model whose terms are free.
        table: one row a design, best first: `FACTORS`; ``rewarded``, the fraction of choices;
            ``sd`` of the population's coefficient of w and its Monte Carlo ``error``; ``others
            known``, the sd were the other terms known; ``detectable``, the smallest forgetting that
            the choices would show, infinite where they would show none; ``loss, sd (%)`` and
            ``loss, detectable (%)``, the same two as what a weight loses in a trial; ``power`` and
            ``nats`` at the true coefficient.
        effects: one row a level of a factor: ``sd`` and ``loss, sd (%)``, geometric means over
            designs.
    """

    settings: Settings
    spec: ModelSpec
    table: pd.DataFrame
    effects: pd.DataFrame

    @property
    def prior(self) -> float:
        """Standard deviation of the population's coefficient of w before any choice."""
        return self.spec.scale(FORGETTING)

    @property
    def sentence(self) -> str:
        """The answer in words."""
        best, worst, truth = self.table.iloc[0], self.table.iloc[-1], self.settings.truth
        enough = self.table[self.table["detectable"] <= -truth]
        others = [term for term in self.spec.terms if term != FORGETTING]
        alone = len(self.table) == 1
        which = f"Of {len(self.table)} designs the best is {described(best)}: there"
        which = f"By {described(best)}" if alone else which
        said = (
            f"{which} what a weight loses in a trial would be known to "
            f"{self._percent(best['sd'])} (Monte Carlo error "
            f"{self._percent(best['error'])}; {self._percent(self.prior)} before any choice) with "
            f"{listed(others) if others else 'no other term'} free, and a loss of "
            f"{self._percent(-truth)}, theta(w) = {truth:g}, found with {best['power']:.0%} power"
        )
        if alone:
            return f"{said}."
        out = [
            f"{said}; in the worst, {described(worst)}, to {self._percent(worst['sd'])} "
            f"({worst['power']:.0%})."
        ]
        if len(enough):
            cost = (enough["animals"] * enough["trials"]).sort_values(kind="stable")
            out.append(
                f"The smallest with {POWER:.0%} power is {described(enough.loc[cost.index[0]])}."
            )
        else:
            out.append(f"None of them reaches {POWER:.0%} power.")
        return " ".join([*out, *self._matters()])

    def _percent(self, coefficient: float) -> str:
        """Return the loss in a trial that a coefficient of w of this size stands for."""
        return f"{self.settings.loss(coefficient):.2f} %"

    def _matters(self) -> list[str]:
        by_factor = self.effects.groupby("factor", sort=False)["sd"]
        ratio = (by_factor.max() / by_factor.min()).sort_values(ascending=False)
        ratio = ratio[by_factor.size() > 1]
        if ratio.empty:
            return []
        listing = ", ".join(f"{name} {value:.2f}" for name, value in ratio.items())
        return [
            "From the best to the worst level of each factor the standard deviation grows by a "
            f"factor: {listing}."
        ]


def described(row: pd.Series) -> str:
    """Return a design in words."""
    animals, blocks = (
        f"{row[name]} {name if row[name] > 1 else name[:-1]}" for name in ("animals", "blocks")
    )
    rewards = f"{row['baiting']} rewards {row['rewards']}"
    return f"{animals} with {row['trials']} trials in {blocks}, {rewards}"


def check(settings: Settings, spec: ModelSpec) -> np.ndarray:
    """Return the true coefficients ``(term,)``; raise `HebbaxError` for settings that are none."""
    if not spec.kind.relative:
        raise ModelError(f"{spec.name}: designs are ranked for the choice likelihood.")
    truth = coefficients(spec.terms, parse_rule(settings.rule))
    if FORGETTING not in spec.terms or not truth[spec.terms.index(FORGETTING)] < 0.0:
        raise ModelError(
            f'the rule "{plain(settings.rule)}" does not forget; give w a coefficient below zero, '
            f'as in "{Settings.rule}".'
        )
    for name, least in (("animals", 1), ("trials", 2), ("blocks", 1)):
        values = getattr(settings, name)
        if not values or min(values) < least:
            given = ", ".join(map(str, values)) or "none"
            raise HebbaxError(f"--{name}: {given} given; {least} or more is allowed.")
    if max(settings.blocks) > min(settings.trials):
        raise HebbaxError(
            f"--blocks: {max(settings.blocks)} blocks do not fit into {min(settings.trials)} "
            "trials."
        )
    if settings.simulated < 2:
        raise HebbaxError(f"--simulated: {settings.simulated} given; 2 or more is allowed.")
    check_rewards(settings.rewards)
    if (loss := settings.loss(-settings.truth)) >= PERCENT:
        raise ModelError(
            f'by the rule "{plain(settings.rule)}" a weight loses {loss:g} % of itself in a trial; '
            "less than 100 % is allowed."
        )
    factors = (getattr(settings, name) for name in FACTORS)
    if (designs := math.prod(map(len, factors))) > MAX_DESIGNS:
        raise HebbaxError(f"{designs} designs are asked for; at most {MAX_DESIGNS} are ranked.")
    for name in FACTORS:
        levels = getattr(settings, name)
        if len(set(levels)) < len(levels):
            raise HebbaxError(f"--{name}: gives a level twice; each may stand once.")
    return truth


def check_rewards(rewards: tuple[tuple[float, ...], ...]) -> None:
    """Raise `HebbaxError` for what are no reward probabilities of designs to compare."""
    for chances in rewards:
        if len(chances) > MAX_STIMULI:
            raise HebbaxError(
                f"--rewards: {len(chances)} probabilities given; at most {MAX_STIMULI} stimuli are "
                "allowed."
            )
        if len(chances) < 2 or not all(0.0 <= chance <= 1.0 for chance in chances):
            raise HebbaxError(
                f"--rewards: {shown(chances)} given; a probability between 0 and 1 for each of 2 "
                "or more stimuli is allowed, as in 0.2/0.8."
            )
    if len({len(chances) for chances in rewards}) > 1:
        raise HebbaxError("--rewards: designs are compared with equally many stimuli.")


def parse_rewards(text: str) -> tuple[float, ...]:
    """Return the reward probabilities that were written as `shown` writes them."""
    try:
        return tuple(float(part) for part in text.split("/"))
    except ValueError:
        raise HebbaxError(
            f'--rewards: "{plain(text)}" given; probabilities with a slash between them are '
            "allowed, as in 0.2/0.8."
        ) from None


def rank(spec: ModelSpec, settings: Settings, progress: Progress = silent) -> Designs:
    """Return the designs of a grid, best first; ``spec`` declares the free terms.

    Raises `HebbaxError` for settings that are none.
    """
    truth = check(settings, spec)
    grid = settings.trials, settings.blocks, settings.rewards, settings.baiting
    tasks = [Task(*each) for each in itertools.product(*grid)]
    population = Population(truth, settings.differing, settings.preference)
    rehearsals = Rehearsals(
        jax.random.PRNGKey(settings.seed),
        spec,
        population,
        settings.simulated,
        len(settings.rewards[0]),
    )
    rows: list[dict[str, object]] = []
    for done, task in enumerate(tasks):
        progress(f"{task.trials} trials in {task.blocks} blocks", done, len(tasks))
        rows += _rows(settings, spec, task, rehearsals.of(task))
    progress("done", len(tasks), len(tasks))
    table = pd.DataFrame(rows).sort_values("sd", kind="stable", ignore_index=True)
    return Designs(settings, spec, table, effects(table))


def _rows(
    settings: Settings, spec: ModelSpec, task: Task, known: Rehearsal
) -> list[dict[str, object]]:
    """Return the rows of one task, one a number of animals."""
    terms, place = spec.terms, spec.terms.index(FORGETTING)
    prior, loss = float(known.prior[place]), -settings.truth
    rng, tried = np.random.default_rng(settings.seed), len(known.shares)
    drawn = rng.multinomial(tried, np.full(tried, 1.0 / tried), RESAMPLES) / tried
    means = np.einsum("ra,aij->rij", drawn, known.shares)
    rows: list[dict[str, object]] = []
    for n in settings.animals:
        covariance = covariance_of(n * known.shares.mean(0), known.prior, len(terms))
        sd = float(np.sqrt(covariance[place, place]))
        again = [covariance_of(n * mean, known.prior, len(terms))[place, place] for mean in means]
        rows.append(
            {
                "animals": n,
                "trials": task.trials,
                "blocks": task.blocks,
                "rewards": shown(task.rewards),
                "baiting": task.baiting,
                "rewarded": known.rewarded,
                "sd": sd,
                "error": float(np.std(np.sqrt(again))),
                "others known": float(known_otherwise(covariance)[place]),
                "detectable": (least := float(detectable(sd, prior, PERCENT / settings.loss(1.0)))),
                "loss, sd (%)": settings.loss(sd),
                "loss, detectable (%)": settings.loss(least),
                "power": float(power(loss, sd, prior)),
                "nats": float(nats(loss, sd, prior)),
            }
        )
    return rows


def effects(table: pd.DataFrame) -> pd.DataFrame:
    """Return the geometric mean sd of the designs at each level of each factor."""
    rows = [
        {
            "factor": factor,
            "level": str(level),
            **{name: float(np.exp(np.log(group[name]).mean())) for name in ("sd", "loss, sd (%)")},
        }
        for factor in FACTORS
        for level, group in table.groupby(factor, sort=factor != "rewards")
    ]
    return pd.DataFrame(rows)


def write_tables(found: Designs, folder: Path) -> None:
    """Write design.csv, design_effects.csv, and design.json with every setting."""
    tables = {"design": found.table, "design_effects": found.effects}
    files.write_tables(tables, folder, HebbaxError, index=False, float_format="%.6g")
    record = {
        "made with": provenance((found.settings, found.spec)),
        "settings": asdict(found.settings),
        "model": {**asdict(found.spec), "text": ""},
    }
    with files.replacing(folder / "design.json", HebbaxError) as unfinished:
        unfinished.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
