"""Pictures: units on every axis, colours that survive print and colour blindness."""

from hebbax.figures.activity import intervals, recovery
from hebbax.figures.calibration import calibration
from hebbax.figures.chains import pairs, sampler
from hebbax.figures.coefficients import coefficients
from hebbax.figures.comparison import comparison
from hebbax.figures.designs import designs
from hebbax.figures.fading import Animals, fading
from hebbax.figures.heldout import held_out
from hebbax.figures.identifiability import identifiability
from hebbax.figures.inclusion import inclusion, projection, variants
from hebbax.figures.latents import session
from hebbax.figures.levels import groups
from hebbax.figures.likelihood import log_likelihood_contours, profile
from hebbax.figures.model_recovery import model_recovery, reliability
from hebbax.figures.posterior import forest, forgetting_term
from hebbax.figures.predictive import checks, choice_curves, predictive
from hebbax.figures.prior import prior_choices
from hebbax.figures.rules import (
    across_priors,
    change_curves,
    interval_by_seed,
    rule_table,
    sweep,
    valley,
)
from hebbax.figures.style import model_colour, publish, save, use_file_backend

__all__ = [
    "Animals",
    "across_priors",
    "calibration",
    "change_curves",
    "checks",
    "choice_curves",
    "coefficients",
    "comparison",
    "designs",
    "fading",
    "forest",
    "forgetting_term",
    "groups",
    "held_out",
    "identifiability",
    "inclusion",
    "interval_by_seed",
    "intervals",
    "log_likelihood_contours",
    "model_colour",
    "model_recovery",
    "pairs",
    "predictive",
    "prior_choices",
    "profile",
    "projection",
    "publish",
    "recovery",
    "reliability",
    "rule_table",
    "sampler",
    "save",
    "session",
    "sweep",
    "use_file_backend",
    "valley",
    "variants",
]
