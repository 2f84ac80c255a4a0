"""Inference: `map` and `nuts`, each with `Settings`, `Info` and `fit`."""
