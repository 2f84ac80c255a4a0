"""Simulated animals: the task they live in, their rewards, and cohorts of them."""
