"""Inference: `pseudo_marginal`, `nuts`, `svi` and `map`, each with `Settings`, `Info` and `fit`."""
