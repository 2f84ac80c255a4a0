"""A weighed rule in symbols, and beside the rules that have a name."""

import numpy as np
import pandas as pd

from hebbax.inclusion import Inclusion

NAMED = {
    "reward learning (covariance of odour and reward)": ("x r",),
    "habit": ("x",),
    "reward learning and habit": ("x", "x r"),
    "forgetting": ("x r", "w"),
    "chosen-only forgetting, or the delta rule": ("x r", "x w"),
    "covariance with drift (Rajagopalan)": ("1", "r", "x", "x r"),
    "covariance with drift, and forgetting": ("1", "r", "x", "x r", "w"),
    "Oja": ("x y", "y^2 w"),
}
"""Rules with a name, by their terms. Some have the same terms: choices do not tell their stories
apart."""

NORMAL_95 = 1.6449
"""The 95 % quantile of a standard normal."""


def in_symbols(weighed: Inclusion, terms: tuple[str, ...]) -> str:
    """Return a sub-model as a sum of terms, each with the 90 % interval of its population
    coefficient, before the learning rate 1 / n_inputs.

    A coefficient below zero is written with a minus, and its interval then counts downwards:
    "dw = 0.24 [0.17, 0.31] x r - 0.05 [0.03, 0.07] w" has w between -0.07 and -0.03.
    """
    k = _place(weighed, terms)
    if k is None or not terms:
        return "dw = 0"
    out = ""
    for term in terms:
        j = weighed.terms.index(term)
        mean, sd = weighed.population[k, j], np.sqrt(weighed.covariance[k, j, j])
        size, sign = abs(mean), "-" if mean < 0 else "+"
        low, high = (_rounded(size + side * NORMAL_95 * sd, sd) for side in (-1, 1))
        out += f" {sign} {_rounded(size, sd)} [{low}, {high}] {term}"
    return "dw = " + out.removeprefix(" + ").lstrip()


def _rounded(value: float, sd: float) -> str:
    """Return a number with two digits of its standard deviation."""
    digits = int(np.clip(1 - np.floor(np.log10(max(sd, 1e-6))), 0, 4))
    return f"{value:.{digits}f}"


def named_rules(weighed: Inclusion) -> pd.DataFrame:
    """Return one row a rule of `NAMED`: its terms, its log evidence above the best sub-model's
    (nats; empty where it is no sub-model of the candidates), and its probability."""
    weights, rows = weighed.weights(), {}
    for name, terms in NAMED.items():
        k = _place(weighed, terms)
        missing = [term for term in terms if term not in weighed.terms]
        rows[name] = {
            "terms": ", ".join(terms),
            "log evidence": np.nan
            if k is None
            else weighed.log_evidence[k] - weighed.log_evidence.max(),
            "P": np.nan if k is None else weights[k],
            "note": f"{', '.join(missing)} not among the candidates" if missing else "",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rule")


def _place(weighed: Inclusion, terms: tuple[str, ...]) -> int | None:
    """Return the place of the sub-model of exactly these terms, or None where there is none."""
    if not set(terms) <= set(weighed.terms):
        return None
    wanted = np.isin(weighed.terms, terms)
    (places,) = np.nonzero((weighed.included == wanted).all(1))
    return int(places[0]) if places.size else None
