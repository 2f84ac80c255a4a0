"""How large things may be: checked before anything of that size is made, and said where it is not
met. Every bound lies far above an experiment and below what a machine of today cannot hold.
"""

MAX_NAME = 100
"""Characters in the name of a model, a term, an animal or an alternative."""

MAX_NAME_BYTES = 200
"""Bytes of a model's name in UTF-8: file names carry it, and have room for 255."""

MAX_REASON = 1000
"""Characters in the line that says why a model exists."""

MAX_MODEL_FILE = 100_000
"""Bytes of a model file."""

MAX_TERMS = 100
"""Terms of a model; there are 81 Taylor terms with exponents up to 2."""

MAX_RULE = 1000
"""Characters of a rule in words."""

MAX_COEFFICIENT = 5.0
"""Size of a coefficient of a simulated rule, per trial: weights are bounded at 5."""

MAX_WINDOW = 1000
"""Past rewards that an expectation averages; a free run carries them for every animal and draw."""

MAX_SEED = 2**32 - 1
"""Largest random seed: JAX takes it in single and in double precision, and so does NumPy."""

MAX_ANIMALS = 10_000
"""Animals of a simulated cohort."""

MAX_TRIALS = 100_000
"""Trials of one simulated animal."""

MAX_CHOICES = 1_000_000
"""Choices of a simulated cohort, over all animals."""

MAX_STIMULI = 50
"""Alternatives of a simulated task."""

MAX_CHAINS = 100
"""Chains of a fit."""

MIN_DRAWS = 4
"""Draws of a chain that are kept: R-hat and the effective sample size take 4 or more."""

MAX_DRAWS = 100_000
"""Draws of a chain, or iterations of its warm-up."""

MAX_STEPS = 1_000_000
"""Steps of an optimiser."""

MAX_STORED = 10_000_000_000
"""Bytes of a stored posterior before it is compressed; what is made and what is read."""

MAX_PREDICTED = 500_000_000
"""Probabilities that a predictive check computes: replicates x animals x longest session x
alternatives."""

MAX_SUBMODELS = 100
"""Sub-models of an answer that are sampled to confirm it."""

MAX_SIMULATIONS = 100_000
"""Simulated data sets of a calibration."""

MAX_REPLICATES = 10_000
"""Predicted data sets of a check, or animals drawn from a prior."""

MAX_DESIGNS = 10_000
"""Designs of an experiment in one ranking."""

MAX_WORKERS = 1000
"""Processes that share the work of a calibration."""
