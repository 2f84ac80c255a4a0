"""Names of animals and alternatives, held to the laws of names where data come in."""

from collections.abc import Sequence

from hebbax.errors import DataError
from hebbax.validation.names import flaw
from hebbax.validation.quoting import plain


def check_names(names: Sequence[str], kind: str, source: str) -> None:
    """Raise `DataError` for the first name that cannot be stored, or stands twice.

    ``kind`` is what is named: "animal" or "stimulus".
    """
    seen = set()
    for name in names:
        check_name(name, kind, source)
        if name in seen:
            raise DataError(f"{source}, {kind} {name}: given twice; each needs a name of its own.")
        seen.add(name)


def check_name(name: str, kind: str, source: str) -> None:
    """Raise `DataError` where a name cannot be stored and read back."""
    if not isinstance(name, str):
        raise DataError(f"{source}, {kind}: {type(name).__name__} given; a name is text.")
    if broken := flaw(name):
        shown = f' "{plain(name)}"' if name else ""
        raise DataError(f"{source}, {kind}{shown}: {broken.found}")
