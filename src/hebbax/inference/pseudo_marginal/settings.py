"""Settings of pseudo-marginal Metropolis."""

from dataclasses import dataclass, field

import numpy as np

from hebbax.inference.pseudo_marginal import pilot as pilots

ROUNDS = (1, 3, 7, 13)
"""Ends of the rounds of the warm-up, in thirteenths of it."""


@dataclass(frozen=True)
class Settings:
    """Settings of the sampler, stored with every posterior.

    ``draws`` are kept per chain after ``warmup`` iterations, whose first round is run from
    ``starts`` places for each chain, and counts once. Where an R-hat is above ``r_hat`` or an
    effective size below ``effective`` (of few draws two in five) the draws are one more round of
    the warm-up and all are drawn again; then the chains go on, with one of 2, 4 ... iterations
    kept, up to ``most_thinning``; with 1 they stay as they are.

    At most ``chunk`` iterations run between two reports of progress.

    An animal has ``points`` for each p-hat; an iteration proposes ``proposals`` populations.
    ``block_points`` and ``block_proposals`` hold where a population is so large that it is proposed
    in blocks. Proposals are from ``components`` fitted to the chains' draws, and as many fitted to
    those of the start, with covariances times ``inflation``. ``evidence`` populations give the
    evidence of the model, none of them no evidence.
    """

    chains: int = 4
    warmup: int = 650
    starts: int = 8
    draws: int = 1000
    chunk: int = 50
    points: int = 16
    block_points: int = 32
    proposals: int = 2
    block_proposals: int = 8
    components: int = 5
    inflation: float = 1.2
    r_hat: float = 1.008
    effective: float = 500.0
    most_thinning: int = 8
    evidence: int = 1000
    pilot: pilots.Settings = field(default_factory=pilots.Settings)

    @property
    def rounds(self) -> tuple[int, ...]:
        """Iterations of each round of the warm-up, ``warmup`` in all, and at least one."""
        ends = [round(self.warmup * part / ROUNDS[-1]) for part in ROUNDS]
        return tuple(int(length) for length in np.diff(ends, prepend=0) if length) or (1,)

    @property
    def iterations(self) -> int:
        """Iterations of a chain, warm-up and all, before any thinning."""
        return self.warmup + self.draws


QUICK = Settings(warmup=260, draws=500, effective=400.0, most_thinning=2)
"""Few draws of an easy posterior, for a demonstration in a minute."""
