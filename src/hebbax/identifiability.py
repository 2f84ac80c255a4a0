"""What an experiment can say of each candidate term, before anybody samples a posterior.

The candidates that the trials cannot tell apart are merged (`hebbax.redundancy`). Of the others the
hierarchy is fitted quickly (`hebbax.inference.pilot`), and the Fisher information I_a of each
animal's choices there says how well the population values mu would be known:

    cov(mu) = (D^-2 + sum_a (I_a^-1 + S^2)^-1)^-1

with the spreads S between animals of the pilot fit and, as a weak prior, the model's own scales D.
With S = 0 for the coefficients all animals share one rule. Everything but the coefficients
(preference, habit, starting weights) is each animal's own and integrated out.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from scipy.stats import norm

from hebbax.data import Sessions
from hebbax.errors import HebbaxError, ModelError
from hebbax.files import replacing
from hebbax.inference import pilot
from hebbax.inference.coordinates import Factors, population, scales
from hebbax.model import build_model
from hebbax.plasticity import all_terms, parse_term, term_name
from hebbax.redundancy import Redundancy, listed, redundancy
from hebbax.spec import ModelSpec
from hebbax.typing import Array, Key, Progress, silent

FORGETTING = "w"
"""The term that lets every weight decay."""

POWER, LEVEL = 0.80, 0.05
"""Power and two-sided level at which an effect is called detectable."""

DETECTABLE = float(norm.ppf(1.0 - LEVEL / 2.0) + norm.ppf(POWER))
"""An effect of this many standard deviations, 2.80, is detected with `POWER` at `LEVEL`:
z(1 - level / 2) + z(power) = 1.96 + 0.84."""

WORTH_NAMING = 0.3
"""Part of the largest component from which a term is named in a direction."""

DIRECTIONS = 3
"""Weakest directions that are looked at."""


@dataclass(frozen=True)
class Identifiability:
    """What an experiment can say of candidate terms.

    Attributes:
        spec: the model with the terms that were kept.
        redundancy: what was merged.
        terms: one row a kept term, all in 1 / trial: ``estimate``, the pilot fit's population
            value; ``prior sd``; ``spread`` between animals; the expected standard deviation of the
            population value, ``sd``; ``sd, one rule``, were all animals alike; ``sd, others
            known``, were the other terms known; ``detectable``, 2.80 ``sd``, and the same with
            the others known.
        correlation: ``(term, term)`` of the estimates.
        directions: one row a direction, weakest first: by how much each term moves in one standard
            deviation along it, and its ``inflation``, that standard deviation over what it would
            be if the terms were uncorrelated.
        animals, choices: size of the experiment.
        memory: |coefficient of w| x trials of memory: the number of inputs.
    """

    spec: ModelSpec
    redundancy: Redundancy
    terms: pd.DataFrame
    correlation: pd.DataFrame
    directions: pd.DataFrame
    animals: int
    choices: int
    memory: int

    @property
    def sentence(self) -> str:
        """The answer in words."""
        return " ".join([self._rank, *self._forgetting(), self._weakest])

    @property
    def _rank(self) -> str:
        given = len(self.terms) + len(self.redundancy.merged)
        return (
            f"{self.animals} animals and {self.choices} choices can tell apart {len(self.terms)} "
            f"of {given} candidate terms."
        )

    def _forgetting(self) -> list[str]:
        if FORGETTING not in self.terms.index:
            return []
        row = self.terms.loc[FORGETTING]
        free, known = row["detectable"], row["detectable, others known"]
        out = [
            f"The smallest forgetting they could detect is |theta(w)| = {free:.3f} per trial "
            f"({POWER:.0%} power, two-sided {LEVEL:.0%}: {DETECTABLE:.2f} standard deviations of "
            f"{row['sd']:.3f}), a memory of {self.memory / free:.0f} trials; with the other terms "
            f"known it would be {known:.3f}, a memory of {self.memory / known:.0f} trials."
        ]
        others = self.correlation[FORGETTING].drop(FORGETTING)
        if len(others):
            nearest = str(others.abs().idxmax())
            out.append(
                f"The nearest look-alike of w is {nearest}: their estimates correlate by "
                f"{others[nearest]:.2f}."
            )
        return out

    @property
    def _weakest(self) -> str:
        row = self.directions.iloc[0]
        return f"Least is known along {direction(row.drop('inflation'))} (one standard deviation)."


def direction(moves: pd.Series) -> str:
    """Return a direction as a sum of terms, those that move little left out."""
    scale = moves.abs().max()
    named = moves[moves.abs() >= WORTH_NAMING * scale]
    text = " ".join(f"{'-' if v < 0 else '+'} {abs(v):.3f} {k}" for k, v in named.items())
    return text.removeprefix("+ ")


def candidates(spec: ModelSpec, terms: str) -> ModelSpec:
    """Return the model with other candidate terms, under normal priors of a hierarchy of animals.

    ``terms`` is a list separated by commas, ``all`` for the 27 of x, r, w, or ``model`` for those
    of the model. Raises `ModelError` for an unknown term, one given twice, or none.
    """
    if terms == "model":
        names = spec.terms
    elif terms == "all":
        names = all_terms("xrw")
    else:
        names = tuple(term_name(parse_term(name.strip())) for name in terms.split(","))
    for k, name in enumerate(names):
        if name in names[:k]:
            raise ModelError(f'the term "{name}" is given twice; each candidate may stand once.')
    if not names:
        raise ModelError(f"{spec.name}: has no terms; name candidates with --terms.")
    scale = {name: value for name, value in spec.scales.items() if name in names}
    return replace(spec, terms=names, scales=scale, prior="normal", hierarchy="animals")


def identify(
    key: Key, sessions: Sessions, spec: ModelSpec, progress: Progress = silent
) -> Identifiability:
    """Return what the sessions can say of the terms of ``spec`` (see the module).

    Raises `ModelError` where no term can move the log odds of any recorded choice.
    """
    rank_key, pilot_key = jax.random.split(key)
    progress("rank", 0, 2)
    redundant = redundancy(rank_key, build_model(spec, sessions))
    if not redundant.kept:
        raise ModelError(
            f"{sessions.source}: {listed(spec.terms)} cannot move the log odds of any recorded "
            "choice; name other candidates with --terms."
        )
    progress("pilot fit", 1, 2)
    kept = candidates(spec, ",".join(redundant.kept))
    model = build_model(kept, sessions)
    fitted = pilot.best(pilot.fit(pilot_key, model))
    spread, prior = scales(model, fitted.hyper)
    assert prior is not None  # candidates() makes a hierarchy of animals
    location, _ = population(spread, prior, fitted.factors)
    n = len(kept.terms)
    differing = coefficient_covariance(fitted.factors, spread, prior, n)
    alike = coefficient_covariance(fitted.factors, spread.at[:n].set(0.0), prior, n)
    progress("done", 2, 2)
    table = pd.DataFrame(
        {
            "estimate": np.asarray(location[:n]),
            "prior sd": np.asarray(prior[:n]),
            "spread": np.asarray(spread[:n]),
            **_deviations(differing, alike),
        },
        index=pd.Index(kept.terms, name="term"),
    )
    sd = table["sd"].to_numpy()
    return Identifiability(
        kept,
        redundant,
        table,
        pd.DataFrame(differing / np.outer(sd, sd), kept.terms, kept.terms),
        weakest(differing, kept.terms),
        sessions.n_animals,
        sessions.n_observations,
        model.network.n_inputs,
    )


def coefficient_covariance(
    factors: Factors, spread: Array, prior: Array, n_terms: int
) -> np.ndarray:
    """Return the covariance ``(term, term)`` of the population coefficients, everything else
    integrated out; coefficients are the first members of the ``factors``."""
    _, root = population(spread, prior, factors)
    inverse = np.linalg.inv(np.asarray(root))
    return (inverse.T @ inverse)[:n_terms, :n_terms]


def known_otherwise(covariance: np.ndarray) -> np.ndarray:
    """Return the standard deviation of each value ``(term,)`` were the others known."""
    return 1.0 / np.sqrt(np.diagonal(np.linalg.inv(covariance)))


def _deviations(differing: np.ndarray, alike: np.ndarray) -> dict[str, np.ndarray]:
    sd, known = np.sqrt(np.diagonal(differing)), known_otherwise(differing)
    return {
        "sd": sd,
        "sd, one rule": np.sqrt(np.diagonal(alike)),
        "sd, others known": known,
        "detectable": DETECTABLE * sd,
        "detectable, others known": DETECTABLE * known,
    }


def weakest(covariance: np.ndarray, terms: tuple[str, ...]) -> pd.DataFrame:
    """Return the directions least known of information-scaled coefficients.

    With the precision P and z_j = theta_j sqrt(P_jj) they are the eigenvectors v of the scaled
    precision with the smallest eigenvalues l; one standard deviation along one moves theta_j by
    v_j / sqrt(P_jj l), and 1 / sqrt(l) is the inflation.
    """
    precision = np.linalg.inv(covariance)
    size = np.sqrt(np.diagonal(precision))
    values, vectors = np.linalg.eigh(precision / np.outer(size, size))
    some = slice(0, min(DIRECTIONS, len(terms)))
    inflation, vectors = 1.0 / np.sqrt(values[some]), vectors[:, some]
    moves = (vectors * inflation / size[:, None]).T
    lead = np.abs(moves).argmax(axis=1)
    moves *= np.sign(moves[np.arange(len(moves)), lead])[:, None]
    table = pd.DataFrame(moves, columns=list(terms))
    table.insert(0, "inflation", inflation)
    table.index = pd.Index(range(1, len(moves) + 1), name="direction")
    return table


def write_tables(found: Identifiability, folder: Path) -> None:
    """Write identify.csv, identify_correlation.csv, identify_directions.csv and
    identify_merged.csv."""
    merged = [
        {"term": term, "kept": kept, "factor": factor}
        for term, parts in found.redundancy.merged.items()
        for kept, factor in (parts or {"": 0.0}).items()
    ]
    for name, table in {
        "identify": found.terms,
        "identify_correlation": found.correlation.rename_axis("term"),
        "identify_directions": found.directions,
        "identify_merged": pd.DataFrame(merged, columns=["term", "kept", "factor"]).set_index(
            "term"
        ),
    }.items():
        with replacing(folder / f"{name}.csv", HebbaxError) as unfinished:
            table.to_csv(unfinished, float_format="%.6g")
