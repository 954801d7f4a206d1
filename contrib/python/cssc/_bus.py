# SPDX-License-Identifier: Apache-2.0
"""One connection to the message bus: calls as futures, and what comes in."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import Future
from typing import Any, Callable

import dbus
import dbus.bus
import dbus.lowlevel
from dbus.mainloop.glib import DBusGMainLoop

from . import _loop
from ._errors import Error, NoBus, error_of

BUS_NAME = "org.cssc.Agent1"
ROOT_PATH = "/org/cssc/Agent1"
MANAGER = "org.cssc.Agent1.Manager"
DRIVER = "org.freedesktop.DBus"
DRIVER_PATH = "/org/freedesktop/DBus"

# The agent answers within 20 seconds, be it with Timeout.
CALL_SECONDS = 23.0

log = logging.getLogger("cssc")


def plain(value: Any) -> Any:
    """Take the bus's own types out of a value."""
    if isinstance(value, dbus.Boolean):
        return bool(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, dict):
        return {plain(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(inner) for inner in value)
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return value


class Bus:
    """A connection. ``received`` is called with every signal in the thread of the main context,
    in the order of the wire, and once with None when the connection is lost."""

    @classmethod
    def open(cls, address: str | None, received: Callable[[Any], None]) -> "Future[Bus]":
        """Connect, in the thread of the main context like all that concerns libdbus: a connection
        that is set up beside it crashes. The future may end with NoBus."""
        opened: Future[Bus] = Future()

        def connect() -> None:
            try:
                opened.set_result(cls(address, received))
            except Exception as error:
                opened.set_exception(error)

        _loop.post(connect)
        return opened

    def __init__(self, address: str | None, received: Callable[[Any], None]) -> None:
        """Connect, and wait until the bus has said hello."""
        where = address or os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or "unix:path=/run/dbus/system_bus_socket"
        self._lock = threading.Lock()
        self._pending: set[Future[Any]] = set()
        self._ended: Error | None = None
        self._received = received
        try:
            self._connection = dbus.bus.BusConnection(where, mainloop=DBusGMainLoop())
        except dbus.DBusException as error:
            raise NoBus(f"connect to the message bus at {where}: {error.get_dbus_message()}") from error
        except ValueError as error:
            raise NoBus(f"connect to the message bus at {where}: {error}") from error
        # Else the end of the bus would be the end of the process.
        self._connection.set_exit_on_disconnect(False)
        self._connection.add_message_filter(self._filter)
        self.name = str(self._connection.get_unique_name())

    def _filter(self, _connection: Any, message: Any) -> int:
        """Takes every message, in the thread of the main context; must not raise."""
        try:
            if isinstance(message, dbus.lowlevel.SignalMessage):
                if message.is_signal("org.freedesktop.DBus.Local", "Disconnected"):
                    self._end(NoBus("the message bus has closed the connection"))
                    self._received(None)
                else:
                    self._received(message)
        except Exception:
            log.exception("a message of the bus could not be taken")
        return int(dbus.lowlevel.HANDLER_RESULT_NOT_YET_HANDLED)

    def call(self, member: str, signature: str = "", *arguments: Any) -> "Future[list[Any]]":
        """Call a method of the agent. The future has the answer, or an Error."""
        return self._call(BUS_NAME, ROOT_PATH, MANAGER, member, signature, arguments)

    def ask_driver(self, member: str, *texts: str) -> "Future[list[Any]]":
        """Call a method of the bus itself, whose arguments are texts."""
        return self._call(DRIVER, DRIVER_PATH, DRIVER, member, "s" * len(texts), texts)

    def _call(
        self, destination: str, path: str, interface: str, member: str, signature: str, arguments: tuple[Any, ...]
    ) -> "Future[list[Any]]":
        answer: Future[list[Any]] = Future()
        message = dbus.lowlevel.MethodCallMessage(destination, path, interface, member)
        message.set_auto_start(False)
        if signature:
            message.append(*arguments, signature=signature)
        with self._lock:
            if self._ended is not None:
                answer.set_exception(self._ended)
                return answer
            self._pending.add(answer)

        def send() -> None:
            try:
                self._connection.send_message_with_reply(message, lambda reply: self._settle(answer, reply), CALL_SECONDS)
            except dbus.DBusException as error:
                self._fail(answer, NoBus(f"call {member}: {error.get_dbus_message()}"))

        _loop.post(send)
        return answer

    def _settle(self, answer: "Future[list[Any]]", reply: Any) -> None:
        values = [plain(value) for value in reply.get_args_list()]
        if isinstance(reply, dbus.lowlevel.ErrorMessage):
            text = values[0] if values and isinstance(values[0], str) else ""
            self._fail(answer, error_of(str(reply.get_error_name()), text))
            return
        with self._lock:
            known = answer in self._pending
            self._pending.discard(answer)
        if known:
            answer.set_result(values)

    def _fail(self, answer: "Future[list[Any]]", error: Error) -> None:
        with self._lock:
            known = answer in self._pending
            self._pending.discard(answer)
        if known:
            answer.set_exception(error)

    def _end(self, why: Error) -> None:
        """Fail every call that waits, and every later one."""
        with self._lock:
            self._ended = self._ended or why
            waiting, self._pending = self._pending, set()
        for answer in waiting:
            answer.set_exception(why)

    def close(self, why: Error) -> "Future[None]":
        """End the connection; calls that wait fail with this error. Idempotent. The future ends
        when the thread of the main context has come to it."""
        self._end(why)
        closed: Future[None] = Future()

        def close() -> None:
            self._connection.close()
            closed.set_result(None)

        _loop.post(close)
        return closed
