"""Declared models: spec, priors, likelihoods, and the NumPyro models made of them."""
