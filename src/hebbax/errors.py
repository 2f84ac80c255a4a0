"""Errors that speak to an experimentalist: one sentence, what was given, what is allowed."""


class HebbaxError(ValueError):
    """Anything a user can put right; the command line prints it and exits with 2."""


class DataError(HebbaxError):
    """The recorded trials cannot be used as they are."""


class ModelError(HebbaxError):
    """A declared model cannot be read, or does not fit the data it is given."""


class FitError(HebbaxError):
    """A fit cannot start, go on, or be stored."""


class SinglePrecisionWarning(UserWarning):
    """JAX computes in single precision, because nobody asked for double."""
