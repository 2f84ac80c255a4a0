"""Which models are compared where none is named: those that make the question of fading fair.

An animal that forgets nothing is easily taken for one that forgets, where the rule it follows is
not among the models: one whose chosen weights alone fade, as in a delta rule, or one that repeats
its choices. So each way of fading stands beside no fading and no learning, each with a choice
kernel and without; and where stimuli are at hand and not met one by one, both readouts are
compared.
"""

from hebbax.data import Sessions

KERNEL = "-kernel"
"""What the name of a model ends with that has a choice kernel beside another one's rule."""

ACCEPTED = ("reward", "chosen-forgetting", "forgetting")
"""Rules of animals that accept or reject what they meet."""

CHOSEN = ("q-learning", "forgetting-q")
"""Rules of animals that choose one of several alternatives, all at hand."""


def default_models(sessions: Sessions) -> tuple[str, ...]:
    """Return the names of the declared models to compare on recorded sessions: those of encounters
    where encounters were recorded, else those of alternatives too."""
    rules = ACCEPTED if sessions.rejections is not None else ACCEPTED + CHOSEN
    return ("no-learning", *rules, *(f"{rule}{KERNEL}" for rule in rules))
