"""Plasticity rules at one synapse, the reward signal that gates them, and their network."""
