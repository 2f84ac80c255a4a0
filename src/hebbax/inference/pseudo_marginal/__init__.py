"""Pseudo-marginal Metropolis within Gibbs: animals are integrated out, populations proposed."""

from hebbax.inference.pseudo_marginal.sampling import Info, fit
from hebbax.inference.pseudo_marginal.settings import QUICK, Settings

__all__ = ["QUICK", "Info", "Settings", "fit"]
