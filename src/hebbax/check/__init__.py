"""Whether a model is to be believed: comparison, prediction, calibration, recovery."""
