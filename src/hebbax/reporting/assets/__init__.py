"""What a page is made of beside its sections: template, style, scripts, words and captions."""

import tomllib
from importlib import resources
from typing import Any


def text(name: str) -> str:
    """Return the text of a file of this folder."""
    return (resources.files(__name__) / name).read_text(encoding="utf-8")


def texts(name: str) -> dict[str, dict[str, Any]]:
    """Return the tables of a TOML file of this folder."""
    return tomllib.loads(text(name))
