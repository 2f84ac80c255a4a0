"""Pictures: units on every axis, colours that survive print and colour blindness."""

from hebbax.figures.likelihood import log_likelihood_contours, profile
from hebbax.figures.style import model_colour, save, use_file_backend

__all__ = ["log_likelihood_contours", "model_colour", "profile", "save", "use_file_backend"]
