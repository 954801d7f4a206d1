# SPDX-License-Identifier: Apache-2.0
"""GLib's default main context, the only one that python3-dbus can be driven by.

Everything of libdbus happens in whichever thread iterates it.
"""

from __future__ import annotations

import atexit
import threading
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, Callable, TypeVar

from gi.repository import GLib

from ._errors import Timeout

T = TypeVar("T")


def post(call: Callable[[], Any]) -> None:
    """Call something in the thread of the main context, soon."""

    def once() -> bool:
        call()
        return False

    GLib.idle_add(once, priority=GLib.PRIORITY_DEFAULT)


def wait(future: "Future[T]", seconds: float, what: str) -> T:
    """Wait for a future, and iterate the main context meanwhile when nobody else does.

    Raises Timeout after so many seconds.
    """
    context = GLib.MainContext.default()
    if context.acquire():  # ours already, or nobody's: then nothing would ever come without us
        try:
            _iterate(context, future, seconds)
        finally:
            context.release()
        seconds = 0
    try:
        return future.result(seconds)
    except FutureTimeout as error:
        if future.done():
            raise
        raise Timeout(f"{what}: no answer in time") from error


def _iterate(context: Any, future: "Future[T]", seconds: float) -> None:
    over = threading.Event()

    def end() -> bool:
        over.set()
        return False

    timer = GLib.timeout_add(max(1, int(seconds * 1000)), end)
    future.add_done_callback(lambda _: context.wakeup())
    while not future.done() and not over.is_set():
        context.iteration(True)
    if not over.is_set():
        GLib.source_remove(timer)


class Pump:
    """A thread that iterates the main context as long as somebody uses it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._loop: Any = None
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Start the thread with its first user."""
        with self._lock:
            self._users += 1
            if self._thread is None:
                self._loop = GLib.MainLoop()
                self._thread = threading.Thread(target=self._loop.run, name="cssc-bus", daemon=True)
                self._thread.start()

    def release(self) -> None:
        """End the thread with its last user."""
        with self._lock:
            self._users -= 1
            if self._users > 0 or self._thread is None:
                return
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        post(loop.quit)  # a loop that has not begun to run would not hear quit()
        if thread is not threading.current_thread():
            thread.join(10)

    def end(self) -> None:
        """End the thread whoever uses it: the interpreter is going down."""
        with self._lock:
            self._users = min(self._users, 1)
        if self._users:
            self.release()


PUMP = Pump()
atexit.register(PUMP.end)
