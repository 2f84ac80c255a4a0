"""What makes two fits the same (data, model, random seed, settings), and where two of them differ.

A fit is repeated from these alone, so that what lies in a folder of results is taken as it is, or
goes on, exactly where they are the same.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hebbax.model.spec import ModelSpec
from hebbax.runs import differing


def identity(spec: ModelSpec, data: str, settings: Mapping[str, Any], **seed: Any) -> dict:
    """Return what a fit is made of, as JSON holds it; ``data`` is `hebbax.data.data_hash`.

    ``seed`` names the source of its random numbers, as in ``seed=0``. What a model says of itself
    and of the recordings that it is for is no part of it.
    """
    model = comparable(asdict(spec))
    return json.loads(json.dumps({"data": data, **model, **seed, **differing.flat(settings)}))


def comparable(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a declared model bears on its posterior."""
    return {k: v for k, v in spec.items() if k not in ("text", "reason", "rewards")}


def difference(made: Mapping[str, Any], asked: Mapping[str, Any]) -> str | None:
    """Return the first difference between a fit that was made and one that is asked for, in words
    that follow "a fit", or None where there is none."""
    if made.get("data") != asked["data"]:
        return "of other data"
    if made.get("rule") == asked.get("rule") and made.get("source") != asked.get("source"):
        return "by another text of its rule"
    if made.get("random_key") != asked.get("random_key"):
        return "with another random seed"
    if asked.get("scaling") == "information" and _same(made.get("scales"), asked.get("scales")):
        made, asked = ({**one, "scales": None} for one in (made, asked))
    return differing.difference(made, asked)


def _same(made: Mapping[str, float] | None, asked: Mapping[str, float] | None) -> bool:
    """Whether scales that come from the choices are the same: those that are still to be found will
    be, and on another machine their last digits may differ."""
    if not made or not asked:
        return True
    return made.keys() == asked.keys() and all(
        math.isclose(made[term], asked[term], rel_tol=1e-6) for term in made
    )
