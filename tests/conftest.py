import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest

from hebbax.data import Record, Sessions, from_animals
from hebbax.runs.compiled import forget_where_many

ANALYSIS = Path(__file__).parents[1] / "analysis"
CHOOSES_EMITTERS = jax.__version_info__ < (0, 11, 1)
"""Whether XLA has two codes for fused loops: later ones have the newer alone, and refuse the flag."""
RECORDINGS = Path(__file__).parents[1] / ".." / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    jax.config.update("jax_enable_x64", True)
    # Compiling takes most of the time: with few optimisations, in one piece, and without XLA's newer
    # code for fused loops, it takes less than half, and one program is compiled once a run, here, in the
    # other workers and in the commands that tests start.
    shared = hasattr(config, "workerinput")
    if not shared:
        own = ["--xla_cpu_parallel_codegen_split_count=1"]
        own += ["--xla_cpu_use_fusion_emitters=false"] if CHOOSES_EMITTERS else []
        os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *own]).strip()
    settings = {
        "jax_disable_most_optimizations": True,
        "jax_persistent_cache_min_compile_time_secs": 0.05,
        "jax_compilation_cache_dir": os.environ["JAX_COMPILATION_CACHE_DIR"]
        if shared
        else tempfile.mkdtemp(prefix="hebbax-tests-"),
    }
    for name, value in settings.items():
        jax.config.update(name, value)
        os.environ[name.upper()] = str(value)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


MANY_MAPS = 15_000


@pytest.fixture(autouse=True)
def _few_programs() -> Iterator[None]:
    """Forget the compiled programs after a test when they are many, sooner than a user's process
    does: two processes of tests share the memory."""
    yield
    forget_where_many(MANY_MAPS)


@pytest.fixture(autouse=True)
def _no_figures() -> Iterator[None]:
    """Close what a test has drawn: Matplotlib warns of more than twenty open figures."""
    yield
    plt.close("all")


@pytest.fixture
def flies() -> Path:
    if not (RECORDINGS / "flies").is_dir():
        pytest.skip("the recordings of the 12 flies are not beside this checkout")
    return (RECORDINGS / "flies").resolve()


@pytest.fixture
def recording() -> Callable[[str], Path]:
    """Return the path of a recording of mice or people, by its place among all recordings."""

    def found(place: str) -> Path:
        if not (RECORDINGS / place).is_file():
            pytest.skip(f"the recording {place} is not beside this checkout")
        return (RECORDINGS / place).resolve()

    return found


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


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """A script of analysis/ as a module, by its name; forgotten after the test."""
    taken = []

    def imported(name: str) -> ModuleType:
        taken.append(name)
        return importlib.import_module(name)

    monkeypatch.syspath_prepend(str(ANALYSIS))
    yield imported
    for name in taken:
        sys.modules.pop(name, None)
