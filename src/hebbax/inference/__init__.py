"""Inference: `map`, `svi` and `nuts`, each with `Settings`, `Info` and `fit`."""
