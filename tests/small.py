"""A small model of five terms, short runs of the sampler, and how users have it compiled."""

from conftest import CHOOSES_EMITTERS, random_sessions

from hebbax.inference import pseudo_marginal
from hebbax.inference.pseudo_marginal.pilot import Settings as PilotSettings
from hebbax.model.choices import build_model
from hebbax.model.spec import ModelSpec

FIVE = ("1", "r", "x", "x r", "w")
SMALL = pseudo_marginal.Settings(
    chains=2,
    warmup=26,
    draws=40,
    points=8,
    most_thinning=1,
    evidence=0,
    pilot=PilotSettings(particles=32, points=8, rounds=2),
)
AS_USERS_HAVE_IT = {
    **({"xla_cpu_use_fusion_emitters": True} if CHOOSES_EMITTERS else {}),
    "xla_backend_optimization_level": 1,
    "xla_llvm_disable_expensive_passes": False,
}
"""Options of `jax.jit` that undo those of the tests: XLA once took wrong numbers where it fused
loops (decision 72)."""


def five_terms(seed=0, lengths=(30, 41, 17), **changes):
    """Return a model of three animals and five terms, or what ``changes`` make of it."""
    spec = ModelSpec("five", **{"terms": FIVE, **changes})
    return build_model(spec, random_sessions(seed, lengths=lengths))
