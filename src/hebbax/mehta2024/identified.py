r"""Which combinations of coefficients recordings identify, by the names of their terms.

With the information F of the recordings and one prior scale tau of all coefficients,

    tau^2 F = V diag(lambda) V^T,    c_k = sum_j V_jk theta_j

the combination c_k has the prior variance tau^2 and, were all Gaussian, the posterior variance
tau^2 / (1 + lambda_k): recordings identify it where lambda_k is over one. Of terms that stand in
for each other, x r + 0.8 x^2 r say, the sum is then known and the difference is the prior's.
"""

import numpy as np

LEAST = 0.2
"""Parts of a combination smaller than that, of its largest, are not named."""


def combinations(information: np.ndarray, tau: float) -> np.ndarray:
    """Return the identified combinations ``(combination, parameter)``, unit vectors, the best known
    first, of ``information`` (parameter, parameter) and a prior scale."""
    sizes, vectors = np.linalg.eigh(tau**2 * np.asarray(information))
    return vectors[:, sizes > 1.0].T[::-1]


def named(terms: tuple[str, ...], combination: np.ndarray) -> str:
    """Return a combination in words, its largest part first and one.

    >>> named(("x r", "y"), np.array([-0.5, 0.4]))
    'x r - 0.8 y'
    """
    order = np.argsort(-np.abs(combination), kind="stable")
    parts = combination[order] / combination[order[0]]
    words = [terms[order[0]]]
    for j, part in zip(order[1:], parts[1:], strict=True):
        if abs(part) >= LEAST:
            words.append(f"{'-' if part < 0 else '+'} {abs(part):.2g} {terms[j]}")
    return " ".join(words)
