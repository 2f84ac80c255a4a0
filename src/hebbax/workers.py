"""Work that comes in numbered parts: in this process, on workers of this machine, or on a cluster.

Several workers are dask.distributed's, an optional dependency; nothing of them is made here. A part
whose worker died is given to another.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import jax

from hebbax.errors import HebbaxError
from hebbax.ledger import Ledger
from hebbax.typing import Progress

Result = TypeVar("Result")


@dataclass(frozen=True)
class Workers:
    """Who does the work: this process (``number`` 1, no ``scheduler``), a `LocalCluster` of
    ``number`` processes, or the workers of a Dask scheduler at an address."""

    number: int = 1
    scheduler: str | None = None

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
    Raises `HebbaxError` where a scheduler does not answer.
    """
    parts = list(parts)
    if not workers.distributed:
        yield from ((part, work(part)) for part in parts)
        return
    distributed = _distributed()
    with _client(distributed, workers) as client:
        there = partial(_as_here, bool(jax.config.read("jax_enable_x64")), work)
        futures = client.map(there, parts, pure=False)
        numbers = dict(zip([future.key for future in futures], parts, strict=True))
        for future in distributed.as_completed(futures):
            yield numbers[future.key], future.result()
            future.release()


def _as_here(double: bool, work: Callable[[int], Result], part: int) -> Result:
    """Return the result of a part on a worker, in the precision of the process that asked."""
    jax.config.update("jax_enable_x64", double)
    return work(part)


@contextmanager
def _client(distributed: Any, workers: Workers) -> Iterator[Any]:
    if workers.scheduler is None:
        local = distributed.LocalCluster(
            n_workers=workers.number, threads_per_worker=1, dashboard_address=None
        )
        with local, distributed.Client(local) as client:
            yield client
        return
    try:
        client = distributed.Client(workers.scheduler)
    except (OSError, ValueError) as problem:
        raise HebbaxError(
            f"--scheduler {workers.scheduler}: no Dask scheduler answers there; give an address "
            "such as tcp://host:8786."
        ) from problem
    with client:
        yield client


def _distributed() -> Any:
    """Return the module dask.distributed; raise `HebbaxError` where it is not installed."""
    try:
        import distributed
    except ImportError as problem:
        raise HebbaxError(
            "several workers need dask.distributed: python -m pip install 'hebbax[cluster]'."
        ) from problem
    return distributed
