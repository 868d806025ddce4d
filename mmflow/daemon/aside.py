"""Something that takes a while, done in a thread of its own, so that the loop goes round meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Generic, TypeVar

from mmflow.clock import Clock

T = TypeVar("T")


class Aside(Generic[T]):
    """Does ``work`` when it is told to, once at a time, and calls ``wake`` when it is done."""

    def __init__(self, work: Callable[[], T], wake: Callable[[], None], clock: Clock, name: str) -> None:
        self._work, self._wake, self._clock, self._name = work, wake, clock, name
        self._future: Future[T] | None = None
        self._began = 0.0

    @property
    def busy(self) -> bool:
        """Tell whether it was told to begin, and :meth:`take` has not given yet what came of it."""
        return self._future is not None

    @property
    def seconds(self) -> float:
        """Give how long it has been busy, 0 when it is not."""
        return self._clock.monotonic() - self._began if self.busy else 0.0

    def begin(self) -> None:
        """Begin; not while it is busy. Where no thread can be started it raises :class:`RuntimeError`, and is not."""
        future = Future[T]()
        threading.Thread(target=self._run, args=(future,), name=self._name, daemon=True).start()
        self._began, self._future = self._clock.monotonic(), future

    def take(self) -> T | None:
        """Give what came of it, once; None as long as that is not known. Raises what the work has raised."""
        future = self._future
        if future is None or not future.done():
            return None
        self._future = None
        return future.result()

    def wait(self, seconds: float) -> None:
        """Wait until it is done, and no longer than that."""
        if self._future:
            wait([self._future], timeout=seconds)

    def _run(self, future: Future[T]) -> None:
        try:
            future.set_result(self._work())
        except BaseException as error:  # noqa: BLE001  whoever takes it raises it
            future.set_exception(error)
        self._wake()
