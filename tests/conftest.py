import os
import shutil
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest

from hebbax.data import Record, Sessions, from_animals

FLIES = Path(__file__).parents[1] / ".." / "shared" / "data" / "flies"


def pytest_configure() -> None:
    jax.config.update("jax_enable_x64", True)
    # One program is compiled once a run, here and in the commands that tests start.
    with_cache = {
        "jax_compilation_cache_dir": tempfile.mkdtemp(prefix="hebbax-tests-"),
        "jax_persistent_cache_min_compile_time_secs": 0.3,
    }
    for name, value in with_cache.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)


def pytest_unconfigure() -> None:
    shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


@pytest.fixture
def flies() -> Path:
    if not FLIES.is_dir():
        pytest.skip("the recordings of the 12 flies are not beside this checkout")
    return FLIES.resolve()


def random_sessions(seed: int, n_stimuli: int = 2, lengths: tuple[int, ...] = (9, 14)) -> Sessions:
    """Random choices and rewards, ragged, with omitted trials and rejections."""
    rng = np.random.default_rng(seed)
    records = []
    for animal, n in enumerate(lengths):
        choices = rng.integers(0, n_stimuli, n)
        choices[rng.choice(n, 2, replace=False)] = -1
        rewards = np.where(choices >= 0, rng.integers(0, 2, n), np.nan)
        rejections = rng.integers(0, 3, (n, n_stimuli))
        records.append(Record(f"animal{animal}", choices, rewards, rejections=rejections))
    return from_animals(records, [f"odour{k}" for k in range(n_stimuli)], "random")
