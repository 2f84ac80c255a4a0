"""The learning model that a Taylor rule without constraints is, read from its coefficients.

With the softmax readout and the reward itself, a rule of x r with w, with x w, or with both is

    w_chosen <- w_chosen + alpha (beta R - w_chosen),    w_other <- (1 - loss) w_other,
    alpha = loss of the chosen weight (`hebbax.rule.fading`),    beta = rate theta(x r) / (n alpha),

Q-learning, forgetting Q-learning, or that with two rates (Ito & Doya 2009). Where alpha is not
above zero there is no such model.
"""

from collections.abc import Sequence

import numpy as np

from hebbax.rule.fading import losses

RULES = ({"x r", "w"}, {"x r", "x w"}, {"x r", "w", "x w"})
"""Terms of the rules that are such a model."""

LEARNING_RATE, TEMPERATURE = "learning rate", "inverse temperature"


def equivalent(
    terms: Sequence[str], theta: np.ndarray, rate: float, n_inputs: int
) -> dict[str, np.ndarray]:
    """Return learning rate alpha and inverse temperature beta (in log odds of a reward of 1), each
    ``(...)``, of coefficients ``(..., term)``; beta is missing where alpha is not above zero.
    Nothing for a rule that is no such model."""
    if set(terms) not in RULES:
        return {}
    alpha = losses(terms, rate, n_inputs)[0].of(theta)
    reward = np.asarray(theta)[..., list(terms).index("x r")]
    beta = rate * reward / (n_inputs * np.where(alpha > 0, alpha, np.nan))
    return {LEARNING_RATE: alpha, TEMPERATURE: beta}
