"""What one run compiled the next one takes from disk, where the user wants it; and no process holds
more of it than the system lets it."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import pytest

from hebbax.runs.compiled import MAPS, forget_where_many

PROGRAM = """
import sys
import jax
from hebbax.runs import compiled
compiled.LEAST_SECONDS = 0.0
compiled.keep_compiled()
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event))
jax.jit(lambda x: x * 2.0 + 1.0)(3.0)
print(jax.config.jax_compilation_cache_dir)
print(sum(event.endswith("cache_hits") for event in hits))
"""


def run(home, **variables):
    """Run a program that compiles; return the folder of its cache and whether it was used."""
    mine = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
    own = {name: value for name, value in os.environ.items() if name not in mine}
    own |= {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), **variables}
    made = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=own, capture_output=True, text=True, check=True
    )
    folder, hits = made.stdout.split()
    return folder, int(hits) > 0


@pytest.mark.skipif(sys.platform != "linux", reason="the cache folder of Linux")
def test_a_second_run_compiles_nothing_again(tmp_path):
    folder, used = run(tmp_path)
    assert folder.startswith(f"{tmp_path}/cache/hebbax/compiled-")
    assert not used
    assert run(tmp_path) == (folder, True)


def test_the_variables_of_jax_move_it_and_turn_it_off(tmp_path):
    elsewhere = str(tmp_path / "elsewhere")
    assert run(tmp_path, JAX_COMPILATION_CACHE_DIR=elsewhere)[0] == elsewhere
    off = {"JAX_ENABLE_COMPILATION_CACHE": "0"}
    run(tmp_path, **off)
    assert not run(tmp_path, **off)[1]
    assert not (tmp_path / "cache").exists() or not list((tmp_path / "cache").rglob("*-cache"))


def test_where_no_folder_can_be_made_nothing_is_kept(tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert run(tmp_path) == ("None", False)


PROGRAMS = 40


def n_maps() -> int:
    return MAPS.read_bytes().count(b"\n")


@pytest.mark.skipif(not MAPS.exists(), reason="only Linux says how many maps a process holds")
def test_programs_give_their_maps_of_memory_back_where_they_are_many() -> None:
    forget_where_many(0)
    before = n_maps()
    programs = [jax.jit(lambda x, k=k: jnp.sin(k * x)) for k in range(PROGRAMS)]
    for program in programs:
        program(1.0)
    held = n_maps()
    assert held >= before + PROGRAMS
    forget_where_many(2 * held)
    assert n_maps() >= before + PROGRAMS
    forget_where_many(held // 2)
    assert n_maps() <= held - PROGRAMS
    assert float(programs[3](1.0)) == pytest.approx(0.1411, abs=1e-4)
