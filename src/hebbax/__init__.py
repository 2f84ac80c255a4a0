"""Bayesian inference of synaptic plasticity rules from what animals chose."""
