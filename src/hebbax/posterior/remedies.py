"""What to do about a diagnostic that failed: the next step, by its reason.

The steps are those that an experimentalist can take: an option of `hebbax fit`, or another model.
The page docs/troubleshooting.md has them by symptom.
"""

import numpy as np

CHAINS = "fit with more chains: `--chains 4 --force`"
DRAWS = "fit with more draws: `--draws 1000 --force`"
NO_NUTS = "fit with the default method, which integrates the animals out, in place of NUTS"
GUIDE = "sample with the default method"

MARGIN = 1.2
"""So many times as many draws as would be just enough."""


LONGER = 4
"""So many times as long a warm-up is asked for."""


def warm_up(before: int, *, shrinks: bool = False) -> str:
    """Return that the chains, which had a warm-up of so many iterations, have not met; and of
    a prior that ``shrinks``, which leaves most terms out, how open rules are weighed."""
    open_rules = (
        "`hebbax terms` with the same `--model` says how probable each is, by its evidence"
        if shrinks
        else "fewer terms or narrower priors tell more"
    )
    return (
        f"the chains have not met: fit again with a longer warm-up (`--warmup {LONGER * before} "
        "--force`); if they still do not meet, the choices leave several rules open, and "
        f"{open_rules}"
    )


def more_draws(draws: int, effective: float, wanted: float) -> str:
    """Return how many draws of a chain, in hundreds, would have the effective number that is
    ``wanted``, of chains that have met."""
    enough = int(np.ceil(MARGIN * draws * wanted / effective / 100.0)) * 100
    return f"fit with more draws: `--draws {enough} --force`"


def more_steps(steps: int) -> str:
    """Return that the climb of a guide should have more steps."""
    return f"climb longer: `--steps {2 * steps} --force`"


def look_at(animal: str, before: int) -> str:
    """Return what to do about an animal that hardly moved."""
    return (
        f"look at the choices of {animal} (`hebbax latents`): an animal of another kind may need a "
        "lapse or a habit in the model; else a longer warm-up "
        f"(`--warmup {LONGER * before} --force`)"
    )
