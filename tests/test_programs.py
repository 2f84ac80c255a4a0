"""Compiled programs are forgotten before a process holds more of them than the system lets it."""

import jax
import jax.numpy as jnp
import pytest

from hebbax.runs.programs import MAPS, forget_where_many

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
