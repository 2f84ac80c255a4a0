"""Parts of work are done wherever there are workers, and a killed one loses nothing."""

import os
import re
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import dask
import pytest
from distributed import Client, LocalCluster
from distributed.utils import open_port

from hebbax.errors import HebbaxError
from hebbax.runs.ledger import Ledger, read
from hebbax.runs.workers import Limits, Workers, check, each, fill


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


QUICK = Limits(connect=1.5, workers=1.5)
KEPT = "What was finished is kept: the same command goes on with the rest."
NO_ANSWER = (
    "--scheduler {0}: no Dask scheduler answers there within 1.5 s; give an address such as "
    "tcp://host:8786 (one that speaks TLS is tls://host:8786, and needs its certificates in the "
    "configuration of Dask)."
)


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """A TCP server of another language: it answers every connection with these bytes."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if answer:
                self.request.sendall(answer)
            done.wait(30)

    done = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{listening.server_address[1]}"
        done.set()
        listening.shutdown()


def refused(scheduler: str) -> str:
    with pytest.raises(HebbaxError) as caught:
        list(each(square, [1], Workers(scheduler=scheduler, limits=QUICK)))
    return str(caught.value)


@pytest.mark.parametrize("address", ["nowhere", "tcp://127.0.0.1:1", "udp://127.0.0.1:1"])
def test_a_scheduler_that_does_not_answer_is_named(address):
    assert refused(address) == NO_ANSWER.format(address)


@pytest.mark.parametrize(
    "answer",
    [b"\x15\x03\x03\x00\x02\x02\x28", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9, b""],
    ids=["TLS alert", "HTTP", "silence"],
)
@pytest.mark.parametrize("protocol", ["tcp", "tls"])
def test_what_is_no_scheduler_or_speaks_tls_is_named(answer, protocol):
    with server(answer) as place:
        assert refused(f"{protocol}://{place}") == NO_ANSWER.format(f"{protocol}://{place}")


def logged(folder: Path, part: int) -> list[list[dict[str, float]]]:
    """Return part 0; let every other part kill what it finds in ``folder/victim`` as soon as part 0
    is in the ledger, or itself where nothing is named there."""
    if part > 0:
        while not (folder / "parts.csv").exists():
            time.sleep(0.01)
        victim = folder / "victim"
        os.kill(int(victim.read_text()) if victim.exists() else os.getpid(), signal.SIGKILL)
        time.sleep(60)
    return [[{"part": part, "value": part + 0.5}]]


def fails(folder: Path, workers: Workers) -> str:
    """Return the sentence in which the work of three parts ends; part 0 is kept, and found."""
    ledger = Ledger(folder / "parts.csv", ("part",), 0)
    with pytest.raises(HebbaxError) as caught:
        fill([ledger], "part", 3, partial(logged, folder), workers, lambda *said: None)
    assert read(folder / "parts.csv").to_dict("list") == {"part": [0], "value": [0.5]}
    again = Ledger(folder / "parts.csv", ("part",), 0)
    whole = lambda part: [[{"part": part, "value": part + 0.5}]]  # noqa: E731
    fill([again], "part", 3, whole, Workers(), lambda *said: None)
    assert again.arrange()["value"].tolist() == [0.5, 1.5, 2.5]
    return str(caught.value)


@pytest.mark.parametrize("killed", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_part_that_kills_its_workers_is_named_and_the_others_are_kept(tmp_path, killed):
    """Four by default: each is a process that is started anew."""
    with dask.config.set({"distributed.scheduler.allowed-failures": killed - 1}):
        said = fails(tmp_path, Workers(2))
    assert re.fullmatch(
        rf"--workers 2: part [12] ended every worker that took it, {killed} of them; their memory "
        rf"may be too small\. {re.escape(KEPT)}",
        said,
    )


def test_four_workers_may_die_of_a_part():
    assert dask.config.get("distributed.scheduler.allowed-failures") == 3


@contextmanager
def process(*command: str) -> Iterator[subprocess.Popen]:
    started = subprocess.Popen(
        [sys.executable, "-m", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, subprocess.Popen, subprocess.Popen]]:
    """A scheduler and one worker, each a process of its own that nobody starts again."""
    address = f"tcp://127.0.0.1:{open_port()}"
    alone = ("--no-dashboard", "--host", "127.0.0.1")
    with (
        process("distributed.cli.dask_scheduler", *alone, "--port", address.split(":")[-1]) as head,
        process(
            "distributed.cli.dask_worker", address, *alone, "--no-nanny", "--nthreads", "1",
            "--local-directory", str(folder / "scratch"), "--name", "only",
        ) as hand,
    ):  # fmt: skip
        with Client(address, timeout=60) as client:
            client.wait_for_workers(1, timeout=60)
        yield address, head, hand


def test_a_scheduler_that_is_lost_is_named_and_what_is_finished_is_kept(tmp_path):
    with cluster(tmp_path) as (address, head, _):
        (tmp_path / "victim").write_text(str(head.pid))
        said = fails(tmp_path, Workers(scheduler=address, limits=Limits(20.0, 20.0)))
    assert said == f"--scheduler {address}: the scheduler was lost. {KEPT}"


def test_a_scheduler_whose_last_worker_is_gone_is_named_and_what_is_finished_is_kept(tmp_path):
    limits = Limits(20.0, 2.0)
    with cluster(tmp_path) as (address, _, hand):
        said = fails(tmp_path, Workers(scheduler=address, limits=limits))
        assert hand.wait(10) == -signal.SIGKILL
    assert said == (
        f"--scheduler {address}: the scheduler has had no worker for 2 s; start some (dask worker "
        f"ADDRESS). {KEPT}"
    )


def test_a_scheduler_without_workers_is_named():
    with LocalCluster(
        n_workers=0, processes=False, protocol="tcp", dashboard_address=None, silence_logs=50
    ) as empty:
        address = empty.scheduler_address
        assert refused(address) == (
            f"--scheduler {address}: the scheduler has had no worker for 1.5 s; start some (dask "
            f"worker ADDRESS). {KEPT}"
        )


def test_without_dask_one_process_is_left(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    check(Workers())
    with pytest.raises(HebbaxError) as caught:
        check(Workers(2))
    assert str(caught.value) == (
        "several workers need dask.distributed: python -m pip install 'hebbax[cluster]'."
    )
