"""What a study was told of its checks, kept so that its report can be written anew as it was.

Blocks, baiting and the seed of the checks belong to no posterior: ``study.json`` holds them.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import pydantic

from hebbax.errors import FitError
from hebbax.runs import records
from hebbax.simulation.environment import AskedBaiting
from hebbax.validation import limits, schema

FILE = "study.json"
"""Name of the file in a results folder."""

FILE_VERSION = 2

BAITING = get_args(AskedBaiting)


@dataclass(frozen=True)
class Told:
    """Trials of a block, None where the recording has its own; whether rewards are baited; the
    random seed of the checks."""

    trials_per_block: int | None = None
    baiting: AskedBaiting = "auto"
    seed: int = 0


class _Stored(pydantic.BaseModel):
    model_config = schema.STRICT

    version: Literal[2] = pydantic.Field(description=f"{FILE_VERSION}, as this hebbax writes it")
    trials_per_block: int | None = pydantic.Field(
        ge=1,
        le=limits.MAX_TRIALS,
        description=f"a whole number of trials from 1 to {limits.MAX_TRIALS}, or null",
    )
    baiting: Literal["auto", "baited", "independent"] = schema.choice(BAITING)
    seed: int = pydantic.Field(
        ge=0, le=limits.MAX_SEED, description=f"a whole number from 0 to {limits.MAX_SEED}"
    )


def write(told: Told, folder: Path) -> None:
    """Write ``study.json``, in place of that of an earlier study."""
    records.write({"version": FILE_VERSION, **asdict(told)}, folder / FILE, FitError)


def read(folder: Path) -> Told:
    """Return what the study in a folder was told; of posteriors without one, that nothing was.

    Raises `FitError` for a file that may not be read, or is none of hebbax's.
    """
    path = folder / FILE
    if not path.exists():
        return Told()
    held = records.read(
        path,
        FitError,
        f"{FILE}: not readable as what `hebbax run` wrote; remove it, and give "
        "--trials-per-block, --baiting and --seed again.",
    )
    schema.check(_Stored, held, FILE, FitError)
    return Told(held["trials_per_block"], held["baiting"], held["seed"])
