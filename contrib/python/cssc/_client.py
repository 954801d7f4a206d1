# SPDX-License-Identifier: Apache-2.0
"""The client: what the author of a service uses."""

from __future__ import annotations

import json
import os
import socket
import time
from concurrent.futures import Future
from typing import Any, Callable

import dbus

from . import _loop
from ._bus import CALL_SECONDS
from ._deliver import Deliveries
from ._errors import PASSING, Closed, Error, NoBus, Timeout
from ._inbox import log
from ._keeper import Keeper
from ._state import Callback, Key, Registered, Subscription, options_of
from ._words import Event, Policy, Sequence

# How long connecting, registering and the end of a callback are waited for, in seconds.
PATIENCE = 30.0

_OPERATION_PATH = "/org/cssc/Agent1/operation/"


class Client:
    """A connection to the agent of this node, for a service that takes part in levels.

    It connects again by itself when the bus was lost, and registers again whatever was
    registered, over a restart of the agent and of the bus.

    *Threads.* Every method may be called from every thread. Callbacks are called one after
    another, in the order of the agent: in a thread of the client's own; or, with ``glib=True``,
    in the program's own GLib main loop. A callback of a thread may take its time, but those that
    come behind it wait; one in a main loop must not.

    *Waiting.* A method that waits says for how long. In the thread of the main loop it iterates
    the loop meanwhile, so that other things of the program go on; callbacks of this client wait.

    *Not promised.* A callback may be called again for the same level of the same term, under
    another tag: after a restart of the bus, and when a failed level is tried again. So its work
    must be idempotent by (term, sequence, level). Levels that are behind the node do not come
    back for a service that starts late: see status().
    """

    def __init__(self, *, address: str | None = None, glib: bool = False) -> None:
        """Reach the bus, or raise NoBus. The agent need not be there.

        ``address`` is a D-Bus address, None for $DBUS_SYSTEM_BUS_ADDRESS or the system bus.
        ``glib`` says that this program runs GLib's default main loop itself. Without it a
        thread does, shared by all clients of the process; the program must not do so as well.
        Connecting, also anew after a loss, holds the loop up until the bus has said hello.
        """
        self._glib = glib
        if not glib:
            _loop.PUMP.acquire()
        self._deliveries = Deliveries(in_loop=glib)
        self._keeper = Keeper(address, self._deliveries)
        self._closed = False
        try:
            _loop.wait(self._keeper.connected, PATIENCE, "connect to the message bus")
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the connection, and with it the registrations. Idempotent.

        Invocations become void; a callback that runs is waited for, at most 30 seconds. An
        answer that is still on its way is lost: wait for its future first.
        """
        if self._closed:
            return
        self._closed = True
        self._keeper.close()
        self._deliveries.close(PATIENCE)
        if not self._glib:
            _loop.PUMP.release()

    # ---- levels

    def register(
        self,
        component: str,
        sequence: Sequence | str,
        level: int,
        callback: Callback,
        *,
        cookie: int = 0,
        timeout: float | None = None,
        on_failure: Policy | str | None = None,
        wait: float = PATIENCE,
    ) -> None:
        """Ask to be called at one level of one sequence (LAST for the last one).

        ``component`` is the name that people see, the same on every node. The callback gets an
        Invocation. When it returns, the work is done; when it raises an exception, it has
        failed, and the exception's text is the reason that people read. A callback that returns
        LATER answers by the invocation's done() or fail() instead, from any thread.

        ``cookie`` comes back in every invocation. ``timeout``, in seconds, and ``on_failure``
        override what is configured. The agent may call before this method returns.

        Returns when the agent has acknowledged, and raises what it refuses by: InvalidArgs,
        AlreadyRegistered, AccessDenied, LimitsExceeded. While there is no agent it waits, at
        most ``wait`` seconds, and raises Timeout then, and nothing is registered. With 0 it
        returns at once; a refusal is in the log then.
        """
        options = options_of(cookie, timeout, on_failure)
        registered = Registered(self._key(component, sequence, level), callback, options)
        self._keeper.add(registered)
        if wait <= 0:
            registered.acknowledged.add_done_callback(_log_refusal)
            return
        try:
            _loop.wait(registered.acknowledged, wait, f"register {component} at {sequence} {level}")
        except Timeout:
            self._keeper.forget(registered)
            raise

    def unregister(self, component: str, sequence: Sequence | str, level: int, *, wait: float = PATIENCE) -> None:
        """Take a registration back. Raises NoSuchRegistration, and Timeout after ``wait`` seconds;
        it is taken back as soon as possible all the same."""
        left = self._keeper.leave(self._key(component, sequence, level))
        _loop.wait(left, wait, f"unregister {component} at {sequence} {level}")

    @staticmethod
    def _key(component: str, sequence: Sequence | str, level: int) -> Key:
        if not -1 <= level < 1 << 31:
            raise ValueError(f"level {level}: want 0, 1, … or LAST")
        return component, str(Sequence(sequence)), level

    def on_canceled(self, callback: Callable[[Sequence, int], Any] | None) -> None:
        """Call a function, in turn with the others, when a sequence was cancelled; the invocations
        of that sequence are void by then. It gets the level at which callbacks were invoked last.
        Only a client that has registered something hears of it."""
        self._keeper.on_canceled(callback)

    def subscribe(self, callback: Callable[[Event], Any], *names: str, wait: float = PATIENCE) -> Callable[[], None]:
        """Call a function with every event, or with those of these names and with "Missed".

        Returns when the subscription has begun, or raises Timeout after ``wait`` seconds. It
        lasts, over restarts of agent and bus, until the function that is returned is called.
        """
        subscription = Subscription(callback, frozenset(names))
        self._keeper.subscribe(subscription)

        def end() -> None:
            self._keeper.unsubscribe(subscription)

        try:
            _loop.wait(subscription.started, wait, "subscribe to events")
        except Error:
            end()
            raise
        return end

    # ---- questions

    def _ask(self, member: str, signature: str = "", *arguments: Any, wait: float = CALL_SECONDS) -> list[Any]:
        return _loop.wait(self._keeper.call(member, signature, *arguments), wait, member)

    def master_ready(self) -> tuple[str, int]:
        """The master that is ready for service and its term; raises TryAgain while there is none.

        This and the other questions raise NoAgent, NoBus and Timeout, and wait 23 seconds at
        most. Nothing is repeated.
        """
        node, term = self._ask("MasterReady")
        return node, term

    def config(self, key: str) -> Any:
        """One configuration value, for instance "levels.init", the highest numbered level of
        init. Raises InvalidArgs for a key that does not exist."""
        return self._ask("GetConfig", "s", key)[0]

    def status(self) -> dict[str, Any]:
        """Everything that "cssc status --json" tells, from one moment.

        A service that starts late reads here what its node is: ``role``, ``term``, ``ready``
        (init is complete), and ``run``, the run in progress; the levels of that one still come.
        """
        found: dict[str, Any] = json.loads(self._ask("GetStatus", "t", 0)[0])
        return found

    # ---- operations

    def request_operation(
        self,
        operation: str,
        node: str = "",
        *,
        mode: str = "",
        to: str = "",
        reason: str = "",
        force: bool = False,
    ) -> int:
        """Ask for an operation, and return its number when it was accepted; it runs on then.

        ``operation`` is disqualify (lock), qualify (unlock), shutdown, switchover, start, or for
        all nodes cluster-shutdown, rolling-reboot. ``node`` is empty for this node, and for the
        master. ``mode`` (reboot, poweroff, halt, noboot, standalone) is for shutdown, ``to``, the
        next master, for switchover. Raises OperationInProgress, Refused, NoSuchNode, Unreachable,
        AccessDenied, InvalidArgs.
        """
        options: dict[str, Any] = {}
        for name, text in (("mode", mode), ("to", to), ("reason", reason)):
            if text:
                options[name] = dbus.String(text, variant_level=1)
        if force:
            options["force"] = dbus.Boolean(True, variant_level=1)
        flags = dbus.UInt64(1 if mode == "noboot" else 0)
        path = self._ask("RequestOperation", "ssta{sv}", operation, node, flags, dbus.Dictionary(options, signature="sv"))[0]
        return int(str(path).removeprefix(_OPERATION_PATH))

    def wait_operation(self, number: int, timeout: float) -> dict[str, Any]:
        """Wait until an operation has ended, at most ``timeout`` seconds, and return it as
        status() lists it: ``result`` is done, failed or canceled, ``error`` says why.

        Waits over a restart of the agent. Raises Timeout; and NoBus when the bus is lost, which
        is how the end of a node looks.
        """
        ends_at = time.monotonic() + timeout
        news: list[Future[None]] = []

        def look(_: Event) -> None:
            if news and not news[0].done():
                news[0].set_result(None)

        end = self.subscribe(look, "OperationRemoved", "AgentFound", wait=timeout)
        try:
            while True:
                news[:] = [Future()]
                found = self._operation(number)
                if found is not None and found.get("result") != "running":
                    return found
                left = ends_at - time.monotonic()
                if left <= 0:
                    raise Timeout(f"wait for operation {number}: it has not ended in {timeout} s")
                try:
                    _loop.wait(news[0], min(left, 1.0), "wait for news")
                except Timeout:
                    pass  # events are hints; look again
        finally:
            end()

    def _operation(self, number: int) -> dict[str, Any] | None:
        try:
            operations = self.status().get("operations") or []
        except NoBus:
            raise
        except PASSING:
            return None
        for one in operations:
            if one.get("id") == number:
                found: dict[str, Any] = one
                return found
        raise Error(f"wait for operation {number}: the agent does not know it any more")


def _log_refusal(acknowledged: "Future[None]") -> None:
    error = acknowledged.exception()
    if error is not None and not isinstance(error, Closed):
        log.error("%s", error)


def notify(state: str = "READY=1") -> bool:
    """Tell systemd of the state of this service, as sd_notify(3) does: for units of Type=notify.

    A level that starts such a unit waits until it is ready: say so when everything is
    registered. False when nobody wants to know; raises OSError.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
        to.connect("\0" + address[1:] if address.startswith("@") else address)
        to.sendall(state.encode())
    return True
