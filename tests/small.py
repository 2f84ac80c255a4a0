"""A small model of five terms, short runs of the sampler, and how users have it compiled."""

from functools import partial

import jax
from conftest import CHOOSES_EMITTERS, random_sessions

from hebbax.inference import pseudo_marginal
from hebbax.inference.pseudo_marginal import chains
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
    pilot=PilotSettings(draws=32, points=8, rounds=2),
)
AS_USERS_HAVE_IT = {
    **({"xla_cpu_use_fusion_emitters": True} if CHOOSES_EMITTERS else {}),
    "xla_backend_optimization_level": 1,
    "xla_llvm_disable_expensive_passes": False,
}
"""Options of `jax.jit` that undo those of the tests: XLA once took wrong numbers where it fused
loops (decision 72)."""


RUNS_LONG = {"xla_backend_optimization_level": 1}
"""The same of a test of thousands of iterations, whose running costs more than its compiling."""


def compile_blocks(monkeypatch, options):
    """Compile blocks of iterations with other options than the tests do."""
    compiled = partial(jax.jit, static_argnums=(1, 2, 3), compiler_options=options)
    monkeypatch.setattr(chains, "run_block", compiled(chains.run_block.__wrapped__))


def five_terms(seed=0, lengths=(30, 41, 17), **changes):
    """Return a model of three animals and five terms, or what ``changes`` make of it."""
    spec = ModelSpec("five", **{"terms": FIVE, **changes})
    return build_model(spec, random_sessions(seed, lengths=lengths))
