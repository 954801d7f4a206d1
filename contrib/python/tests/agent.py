# SPDX-License-Identifier: Apache-2.0
"""The agent of the tests: the real server of the bus interface, which obeys commands.

dbusapi/python_test.go starts the tests with a private bus and answers on descriptors 3 and 4.
"""

from __future__ import annotations

import os
import queue
import threading
import unittest
from typing import Any

SECONDS = 30.0
"""Bound of every wait; a test that reaches it has failed."""

_lock = threading.Lock()
try:
    _commands, _answers = os.fdopen(3, "w", closefd=False), os.fdopen(4, "r", closefd=False)
except OSError as error:
    raise SystemExit("run these tests by: go test ./dbusapi -run PythonClient") from error


def agent(*words: object) -> str:
    """Let the agent do something, and return what it says."""
    with _lock:
        print(*words, file=_commands, flush=True)
        return _answers.readline().removesuffix("\n")


def take(source: "queue.Queue[Any]", what: str) -> Any:
    """Wait for the next value."""
    try:
        return source.get(timeout=SECONDS)
    except queue.Empty as error:
        raise AssertionError(f"waiting for {what}: nothing came") from error


class Case(unittest.TestCase):
    """A test with the agent as it was at first: nothing registered, nothing failing."""

    def setUp(self) -> None:
        self.addCleanup(self.settle)

    def settle(self) -> None:
        """The clients of the test are closed by now: wait until the agent has noticed."""
        bound = threading.Event()
        for _ in range(600):
            if not agent("registrations"):
                return
            bound.wait(0.05)
        self.fail(f"registrations are left over: {agent('registrations')}")
