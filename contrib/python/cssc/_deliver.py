# SPDX-License-Identifier: Apache-2.0
"""Calls of the author's functions: one after another, in the order of the agent."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any, Callable

from . import _loop

log = logging.getLogger("cssc")

# Bound of the events that wait for a slow callback.
MAX_EVENTS = 1024


class Deliveries:
    """A queue of calls, emptied by a thread of its own or, in a GLib program, by its main loop.

    Safe for use by every thread; put() never blocks. Invocations need no bound here: the agent
    has one open for each registration.
    """

    def __init__(self, in_loop: bool) -> None:
        self._changed = threading.Condition()
        self._queue: deque[tuple[bool, Callable[[], Any]]] = deque()
        self._events = 0
        self._missed = False
        self._closed = False
        self._delivering = False
        self._thread: threading.Thread | None = None
        if not in_loop:
            self._thread = threading.Thread(target=self._run, name="cssc-callbacks", daemon=True)
            self._thread.start()

    def put(self, call: Callable[[], Any]) -> None:
        """Queue a call."""
        self._put(False, call)

    def put_event(self, call: Callable[[], Any], missed: Callable[[], Any]) -> None:
        """Queue the call of an event, or drop it; after a drop, missed is called first."""
        with self._changed:
            if self._events >= MAX_EVENTS:
                self._missed = True
                return
            told, self._missed = self._missed, False
        if told:
            self._put(True, missed)
        self._put(True, call)

    def _put(self, event: bool, call: Callable[[], Any]) -> None:
        with self._changed:
            if self._closed:
                return
            self._queue.append((event, call))
            self._events += event
            self._changed.notify()
        if self._thread is None:
            _loop.post(self._one)

    def _take(self) -> Callable[[], Any] | None:
        if self._closed or not self._queue:
            return None
        event, call = self._queue.popleft()
        self._events -= event
        return call

    def _one(self) -> None:
        """Deliver what waits, in the main loop; not within a callback that waits for something."""
        if self._delivering:
            return
        self._delivering = True
        try:
            while True:
                with self._changed:
                    call = self._take()
                if call is None:
                    return
                _guarded(call)
        finally:
            self._delivering = False

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closed:
                    self._changed.wait()
                call = self._take()
            if call is None:
                return
            _guarded(call)

    def close(self, seconds: float) -> None:
        """Deliver nothing more, and wait for the call that is under way, but not within it."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(seconds)


def _guarded(call: Callable[[], Any]) -> None:
    """An exception of one callback is not the end of the others."""
    try:
        call()
    except BaseException:
        log.exception("a callback of cssc has raised an exception")
