"""Parts of work are done wherever there are workers, and a killed one loses nothing."""

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from hebbax.errors import HebbaxError
from hebbax.ledger import Ledger, read
from hebbax.workers import Workers, check, each, fill


def square(part: int) -> int:
    return part**2


def dies_once(folder: Path, part: int) -> list[list[dict[str, float]]]:
    """Kill the worker that does part 1 the first time."""
    mark = folder / "died"
    if part == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return [[{"part": part, "value": part / 3}]]


def test_in_one_process_parts_come_in_their_order():
    assert list(each(square, [3, 1], Workers())) == [(3, 9), (1, 1)]


def test_what_is_there_is_not_done_again(tmp_path):
    ledger = Ledger(tmp_path / "parts.csv", ("part",), 0)
    ledger.add([{"part": 1, "value": 7.0}])
    done, told = [], []

    def work(part: int) -> list[list[dict[str, float]]]:
        done.append(part)
        return [[{"part": part, "value": 0.1}]]

    fill([ledger], "part", 3, work, Workers(), lambda *said: told.append(said))
    assert done == [0, 2]
    assert ledger.arrange().to_dict("list") == {"part": [0, 1, 2], "value": [0.1, 7.0, 0.1]}
    assert told == [("part", 1, 3), ("part", 2, 3), ("part", 3, 3)]


def test_two_workers_of_which_one_is_killed_do_all_of_it(tmp_path):
    ledger = Ledger(tmp_path / "parts.csv", ("part",), 0)
    work = partial(dies_once, tmp_path)
    fill([ledger], "part", 6, work, Workers(2), lambda *said: None)
    assert (tmp_path / "died").exists()
    ledger.arrange()
    assert read(tmp_path / "parts.csv")["value"].tolist() == pytest.approx(
        [k / 3 for k in range(6)], rel=1e-5
    )


@pytest.mark.parametrize(
    ("workers", "sentence"),
    [
        (Workers(0), "--workers 0: must be 1 or more."),
        (
            Workers(2, "tcp://host:8786"),
            "--workers 2: a scheduler brings its own workers; give --workers or --scheduler.",
        ),
    ],
)
def test_what_workers_cannot_be(workers, sentence):
    with pytest.raises(HebbaxError) as caught:
        check(workers)
    assert str(caught.value) == sentence


def test_a_scheduler_that_does_not_answer_is_named():
    with pytest.raises(HebbaxError) as caught:
        list(each(square, [1], Workers(scheduler="nowhere")))
    assert str(caught.value) == (
        "--scheduler nowhere: no Dask scheduler answers there; give an address such as "
        "tcp://host:8786."
    )


def test_without_dask_one_process_is_left(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    check(Workers())
    with pytest.raises(HebbaxError) as caught:
        check(Workers(2))
    assert str(caught.value) == (
        "several workers need dask.distributed: python -m pip install 'hebbax[cluster]'."
    )
