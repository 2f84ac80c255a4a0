"""Work that comes in numbered parts: in this process, on workers of this machine, or on a cluster.

Several workers are dask.distributed's, an optional dependency; nothing of them is made here. A part
whose worker died is given to another. A cluster that fails for good ends in one sentence within
`Limits`, and the parts that were finished are in their ledgers.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import jax

from hebbax.errors import HebbaxError
from hebbax.runs.compiled import keep_compiled
from hebbax.runs.ledger import Ledger
from hebbax.typing import Progress

Result = TypeVar("Result")


KEPT = "What was finished is kept: the same command goes on with the rest."


@dataclass(frozen=True)
class Limits:
    """How long a cluster may leave one waiting, in seconds, before it is called failed.

    ``connect``: until a scheduler has answered. ``workers``: without any worker, at the beginning
    or later. A part of the work has no limit; a part whose worker dies is given to another, four
    times in all (``distributed.scheduler.allowed-failures`` of Dask's configuration).
    """

    connect: float = 30.0
    workers: float = 60.0


@dataclass(frozen=True)
class Workers:
    """Who does the work: this process (``number`` 1, no ``scheduler``), a `LocalCluster` of
    ``number`` processes, or the workers of a Dask scheduler at an address; and the ``limits`` of
    patience with them."""

    number: int = 1
    scheduler: str | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def name(self) -> str:
        """The option that asks for them."""
        if self.scheduler is None:
            return f"--workers {self.number}"
        return f"--scheduler {self.scheduler}"

    @property
    def distributed(self) -> bool:
        """Whether Dask is needed."""
        return self.number > 1 or self.scheduler is not None


def check(workers: Workers) -> None:
    """Raise `HebbaxError` where there can be no such workers."""
    if workers.number < 1:
        raise HebbaxError(f"--workers {workers.number}: must be 1 or more.")
    if workers.number > 1 and workers.scheduler is not None:
        raise HebbaxError(
            f"--workers {workers.number}: a scheduler brings its own workers; give --workers or "
            "--scheduler."
        )
    if workers.distributed:
        _distributed()


def fill(
    ledgers: Sequence[Ledger],
    key: str,
    n: int,
    work: Callable[[int], Sequence[Iterable[Mapping[str, Any]]]],
    workers: Workers,
    progress: Progress,
) -> None:
    """Add the rows of parts 0 to ``n`` - 1 that are not in all ledgers yet, each as soon as it is
    there.

    ``work`` returns what each of the ledgers gets of a part, and ``key`` is the column that numbers
    parts there. The process that asks is the only one that writes.
    """
    missing = [k for k in range(n) if not all(ledger.done(**{key: k}) for ledger in ledgers)]
    progress(key, n - len(missing), n)
    for done, (part, tables) in enumerate(each(work, missing, workers), n - len(missing) + 1):
        for ledger, rows in zip(ledgers, tables, strict=True):
            if not ledger.done(**{key: part}):
                ledger.add(rows)
        progress(key, done, n)


def each(
    work: Callable[[int], Result], parts: Iterable[int], workers: Workers
) -> Iterator[tuple[int, Result]]:
    """Yield each part with its result as soon as it is there, in any order.

    ``work`` must be known by name wherever it is done (a function of a module, or a partial one).
    Raises `HebbaxError` where the cluster fails: no scheduler, none that stays, no worker, a part
    that ends every worker. What was yielded before stays with whoever took it.
    """
    parts = list(parts)
    if not workers.distributed:
        yield from ((part, work(part)) for part in parts)
        return
    distributed = _distributed()
    with _client(distributed, workers) as client:
        there = partial(_as_here, bool(jax.config.read("jax_enable_x64")), work)
        numbers = dict(zip(client.map(there, parts, pure=False), parts, strict=True))
        while numbers:
            for future in _finished(distributed, client, list(numbers), workers):
                yield numbers[future], _result(distributed, future, numbers[future], workers)
                del numbers[future]


def _as_here(double: bool, work: Callable[[int], Result], part: int) -> Result:
    """Return the result of a part on a worker, in the precision of the process that asked, and with
    the programs that were compiled there before."""
    jax.config.update("jax_enable_x64", double)
    keep_compiled()
    return work(part)


def _finished(distributed: Any, client: Any, futures: list[Any], workers: Workers) -> list[Any]:
    """Return the futures that are finished, one at least; a part may take as long as it takes."""
    while True:
        _require_workers(distributed, client, workers)
        try:
            return list(
                distributed.wait(
                    futures, workers.limits.workers, return_when="FIRST_COMPLETED"
                ).done
            )
        except distributed.TimeoutError:
            continue
        except CancelledError as problem:
            raise _lost(workers) from problem


def _require_workers(distributed: Any, client: Any, workers: Workers) -> None:
    """Raise `HebbaxError` where the scheduler has no worker, and none comes in time."""
    limit = workers.limits.workers
    try:
        client.wait_for_workers(1, timeout=limit)
    except distributed.TimeoutError as problem:
        raise HebbaxError(
            f"{workers.name}: the scheduler has had no worker for {limit:g} s; start some "
            f"(dask worker ADDRESS). {KEPT}"
        ) from problem
    except (OSError, RuntimeError, ValueError, CancelledError) as problem:
        raise _lost(workers) from problem


def _result(distributed: Any, future: Any, part: int, workers: Workers) -> Any:
    try:
        problem = future.exception(timeout=workers.limits.connect)
        if problem is None:
            return future.result(timeout=workers.limits.connect)
    except (OSError, CancelledError) as lost:
        raise _lost(workers) from lost
    if isinstance(problem, distributed.KilledWorker):
        raise HebbaxError(
            f"{workers.name}: part {part} ended every worker that took it, "
            f"{problem.allowed_failures + 1} of them; their memory may be too small. {KEPT}"
        ) from problem
    if isinstance(problem, ImportError) or "deserialization of the task" in str(problem):
        raise HebbaxError(
            f"{workers.name}: the cluster cannot read the work; its scheduler and workers need the "
            f"packages of this process, hebbax among them. {KEPT}"
        ) from problem
    raise problem


def _lost(workers: Workers) -> HebbaxError:
    return HebbaxError(f"{workers.name}: the scheduler was lost. {KEPT}")


@contextmanager
def _client(distributed: Any, workers: Workers) -> Iterator[Any]:
    with _quiet(), ExitStack() as opened:
        if workers.scheduler is None:
            address = opened.enter_context(_local(distributed, workers))
        else:
            address = workers.scheduler
        yield opened.enter_context(_connected(distributed, address, workers))


@contextmanager
def _local(distributed: Any, workers: Workers) -> Iterator[Any]:
    """Yield a cluster of processes of this machine."""
    try:
        cluster = distributed.LocalCluster(
            n_workers=workers.number,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        )
    except (OSError, RuntimeError, distributed.TimeoutError) as problem:
        raise HebbaxError(
            f"{workers.name}: the processes could not be started ({problem}). {KEPT}"
        ) from problem
    try:
        yield cluster
    finally:
        # Of a worker that died Dask may hear twice, or before it heard that there is one: it then
        # fails on the news as the cluster closes, the last thing that it does.
        with suppress(KeyError):
            cluster.close()


def _connected(distributed: Any, address: Any, workers: Workers) -> Any:
    """Return a client of a scheduler; raise `HebbaxError` where none answers in time."""
    limit = workers.limits.connect
    try:
        if workers.scheduler is not None:
            with ThreadPoolExecutor(1) as thread:  # a notebook has a loop of its own in this one
                thread.submit(asyncio.run, _greet(distributed, address, limit)).result()
        return distributed.Client(address, timeout=limit)
    except Exception as problem:  # Whatever lives there may answer anything.
        raise HebbaxError(
            f"{workers.name}: no Dask scheduler answers there within {limit:g} s; give an address "
            "such as tcp://host:8786 (one that speaks TLS is tls://host:8786, and needs its "
            "certificates in the configuration of Dask)."
        ) from problem


async def _greet(distributed: Any, address: str, limit: float) -> None:
    """Shake hands with a scheduler: Dask itself waits for ever where nobody answers a greeting."""
    secrets = distributed.Security().get_connection_args("client")
    comm = await asyncio.wait_for(distributed.comm.connect(address, limit, **secrets), limit)
    comm.abort()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Dask logs of lost workers off the terminal: it becomes a sentence."""
    log = logging.getLogger("distributed")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _distributed() -> Any:
    """Return the module dask.distributed; raise `HebbaxError` where it is not installed."""
    try:
        import distributed
    except ImportError as problem:
        raise HebbaxError(
            "several workers need dask.distributed: python -m pip install 'hebbax[cluster]'."
        ) from problem
    return distributed
