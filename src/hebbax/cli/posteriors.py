"""Stored posteriors that a command is given: each once, under names that tell them apart."""

from collections.abc import Sequence
from pathlib import Path

from hebbax.errors import HebbaxError
from hebbax.posterior import inference_data as posterior
from hebbax.posterior.inference_data import Posterior


def read_posteriors(paths: Sequence[Path]) -> dict[str, Posterior]:
    """Return posteriors by the name that each is shown under; raise `HebbaxError` for a file that
    is given twice, or that is none of hebbax's."""
    fits = [posterior.read(path) for path in paths]
    for k, path in enumerate(paths):
        if any(path.samefile(other) for other in paths[:k]):
            raise HebbaxError(f"{path}: given twice; each posterior may stand once.")
    return dict(zip(distinct_names(paths), fits, strict=True))


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return the name of each of different files without its ending, and before it as many folders
    as tell it from the others; the path of one that only its ending tells from another."""
    parts = [path.absolute().with_suffix("").parts for path in paths]
    longest = max(map(len, parts), default=0)
    names = []
    for path, own in zip(paths, parts, strict=True):
        lengths = (n for n in range(1, longest + 1) if [p[-n:] for p in parts].count(own[-n:]) == 1)
        enough = next(lengths, None)
        names.append(str(path) if enough is None else "/".join(own[-enough:]))
    return names
