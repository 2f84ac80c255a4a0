"""Progress on the terminal: a bar for each thing that takes long, and lines where there is none.

JAX says through its monitoring when it compiles, which may take a minute in which nothing else is
told.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import click
from jax import monitoring
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from hebbax.cli.console import CONSOLE
from hebbax.typing import Progress as Tell

EVERY = 10.0
"""Seconds between two lines of progress where there is no terminal."""

BEGINS = "/jax/compilation_cache/compile_requests_use_cache"
ENDS = "/jax/core/compile/backend_compile_duration"
"""Events of JAX: a program is asked for; it was compiled, or found among those compiled before."""


class Compiler:
    """How many programs are being compiled, ``busy``, as JAX tells; none where its cache is off."""

    def __init__(self) -> None:
        self.busy = 0

    def begun(self, event: str, **_: object) -> None:
        """Count a program that is asked for."""
        if event == BEGINS:
            self.busy += 1

    def ended(self, event: str, duration_secs: float, **_: object) -> None:
        """Count it out when it is there."""
        if event == ENDS:
            self.busy = max(0, self.busy - 1)

    def __str__(self) -> str:
        return " (compiling)" if self.busy else ""


@cache
def compiler() -> Compiler:
    """Return what listens to JAX in this process."""
    one = Compiler()
    monitoring.register_event_listener(one.begun)
    monitoring.register_event_duration_secs_listener(one.ended)
    return one


@contextmanager
def progress(name: str) -> Iterator[Tell]:
    """Give one progress bar."""
    with bars() as add:
        yield add(name)


@contextmanager
def bars() -> Iterator[Callable[[str], Tell]]:
    """Give a progress bar for each name that is asked for; without a terminal lines on standard
    error, now and then."""
    if not CONSOLE.is_terminal:
        with lines() as add:
            yield add
        return
    columns = (
        _Doing(),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=CONSOLE) as bar:

        def add(name: str) -> Tell:
            task: list[TaskID] = []

            def tell(doing: str, done: int, total: int) -> None:
                # A bar begins with the first word of it: what is taken as it is shows none.
                if not task:
                    task.append(bar.add_task(name, total=total))
                described = f"{name}: {doing}"
                bar.update(task[0], description=described, completed=done, total=total)

            return tell

        yield add


class _Doing(ProgressColumn):
    """What is done, and whether that is being compiled."""

    def render(self, task: Task) -> Text:
        """Return the text in front of a bar."""
        return Text(f"{task.description}{'' if task.finished else compiler()}")


class Lines:
    """Progress in lines on standard error: at each beat what was told last."""

    def __init__(self) -> None:
        self.last: Callable[[], str] | None = None

    def add(self, name: str) -> Tell:
        """Return what is told the progress of something with a name."""
        began: list[float] = []

        def tell(doing: str, done: int, total: int) -> None:
            def line() -> str:
                passed = f"{(time.monotonic() - began[0]) / 60:.1f} min"
                return f"{name}: {doing}, {done} of {total}, {passed}{compiler()}"

            if not began:
                began.append(time.monotonic())
            self.last = line if done < total else None

        return tell

    def beat(self) -> None:
        """Say how far it is, where something is under way."""
        last = self.last  # of another thread, which goes on meanwhile
        if last is not None:
            click.echo(last(), err=True)


@contextmanager
def lines() -> Iterator[Callable[[str], Tell]]:
    """Give what says progress in lines, also while nothing is told."""
    compiler()
    said, ended = Lines(), threading.Event()

    def beats() -> None:
        while not ended.wait(EVERY):
            said.beat()

    thread = threading.Thread(target=beats, daemon=True)
    thread.start()
    try:
        yield said.add
    finally:
        ended.set()
        thread.join()
