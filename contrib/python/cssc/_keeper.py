# SPDX-License-Identifier: Apache-2.0
"""The thread that makes true what the author of a service has asked for.

It compares what shall be with what is, and does the next thing that is missing: connect, learn
who the agent is, register, answer. What fails for a reason that may pass is done again after a
pause, or as soon as something changes.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from functools import partial
from typing import Any, Callable, TypeVar

import dbus

from . import _loop
from ._bus import BUS_NAME, CALL_SECONDS, DRIVER, ROOT_PATH, Bus
from ._deliver import Deliveries
from ._errors import PASSING, AlreadyRegistered, Closed, Error, NoAgent, NoBus, NoSuchInvocation, NoSuchRegistration, Timeout
from ._inbox import RETRY_FIRST, Inbox, log
from ._state import Answer, Key, Link, Registered, Subscription, message_of
from ._words import Sequence, level_word

T = TypeVar("T")

# The longest pause between attempts, in seconds.
RETRY_LAST = 2.0
# How long the end of the connection is waited for, in seconds.
FAREWELL = 10.0


class Keeper(Inbox):
    """The part of a client that works by itself. Safe for use by every thread."""

    def __init__(self, address: str | None, deliveries: Deliveries) -> None:
        super().__init__(deliveries)
        self._address = address
        # The newest connection, also while it is being made.
        self._bus: Bus | None = None
        # Ends with the first attempt to connect.
        self.connected: Future[None] = Future()
        self._thread = threading.Thread(target=self._keep, name="cssc-keeper", daemon=True)
        self._thread.start()

    # ---- what the client asks for

    def add(self, registered: Registered) -> None:
        """Keep a registration from now on."""
        with self._changed:
            self._living()
            if registered.key in self._registrations:
                raise AlreadyRegistered(f"register {_at(registered.key)}: this client has done so already")
            self._registrations[registered.key] = registered
            self._wake()

    def forget(self, registered: Registered) -> None:
        """Give up on a registration that was not acknowledged in time."""
        with self._changed:
            if registered.link is None:
                self._registrations.pop(registered.key, None)
            else:
                registered.leaving = True
            self._wake()

    def leave(self, key: Key) -> "Future[None]":
        """Take a registration back."""
        with self._changed:
            self._living()
            registered = self._registrations.get(key)
            if registered is None:
                raise NoSuchRegistration(f"unregister {_at(key)}: this client has not registered it")
            registered.leaving = True
            self._wake()
            return registered.left

    def subscribe(self, subscription: Subscription) -> None:
        """Deliver events from now on."""
        with self._changed:
            self._living()
            self._subscriptions.append(subscription)
            self._wake()

    def unsubscribe(self, subscription: Subscription) -> None:
        """Deliver no more events."""
        with self._changed:
            if subscription in self._subscriptions:
                self._subscriptions.remove(subscription)

    def on_canceled(self, callback: Callable[[Sequence, int], Any] | None) -> None:
        """Say whom to tell of cancellations."""
        with self._changed:
            self._canceled = callback

    def call(self, member: str, signature: str = "", *arguments: Any) -> "Future[list[Any]]":
        """Call the agent now; nothing is repeated."""
        with self._changed:
            self._living()
            if self._link.lost:
                raise NoBus(f"call {member}: the message bus cannot be reached")
            return self._link.bus.call(member, signature, *arguments)

    def close(self) -> None:
        """End everything; idempotent."""
        why = Closed("the client is closed")
        with self._changed:
            if self._closed:
                return
            self._closed = True
            for opened in self._open.values():
                opened.invocation.void.set()
            bus = self._bus
            self._changed.notify_all()
        if bus is not None:
            try:
                _loop.wait(bus.close(why), FAREWELL, "close")
            except Timeout:
                log.warning("the connection is not closed: the GLib main loop is busy")
        if self._thread is not threading.current_thread():
            self._thread.join(FAREWELL)
        with self._changed:
            futures = [self.connected] + [answer.future for answer in self._answers]
            futures += [one.acknowledged for one in self._registrations.values()]
            futures += [one.left for one in self._registrations.values()]
            futures += [one.started for one in self._subscriptions]
            self._open.clear()
        for future in futures:
            if not future.done():
                future.set_exception(why)

    def _living(self) -> None:
        if self._closed:
            raise Closed("the client is closed")

    # ---- the thread

    def _keep(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                step = self._next()
                now = time.monotonic()
                if step is None or now < self._retry_at:
                    self._changed.wait(None if step is None else self._retry_at - now)
                    continue
                # What changes from here on makes this 0, and then there is no pause.
                self._retry_at = now + self._pause
            try:
                step()
            except PASSING as error:
                log.debug("trying again: %s", error)
                with self._changed:
                    if self._retry_at:
                        self._retry_at = time.monotonic() + self._pause
                        self._pause = min(2 * self._pause, RETRY_LAST)
            except Closed:
                return
            except Error as error:
                log.warning("the agent refuses, trying again: %s", error)
                with self._changed:
                    self._retry_at = time.monotonic() + RETRY_LAST
            else:
                with self._changed:
                    self._retry_at, self._pause = 0.0, RETRY_FIRST

    def _next(self) -> Callable[[], None] | None:
        """The next thing that is missing. The lock is held."""
        link = self._link
        if link.lost:
            return self._connect
        if any(not link.events_matched for _ in self._subscriptions):
            return lambda: self._match_events(link)
        if any(not one.started.done() for one in self._subscriptions):
            return self._tell_started
        if not link.owner:
            return self._miss_agent
        if link.settled != link.owner:
            owner = link.owner
            return lambda: self._resync(link, owner)
        for registered in self._registrations.values():
            if registered.leaving:
                return lambda: self._unregister(link, registered)
            if registered.link is not link and registered.refused_by != link.owner:
                return lambda: self._register(link, registered)
        if self._answers:
            answer = self._answers[0]
            return lambda: self._send(link, answer)
        return None

    def _miss_agent(self) -> None:
        """Answers to a lost bus are void, whether there is an agent or not."""
        with self._changed:
            stale = [one for one in self._answers if one.opened.link is not self._link]
        for answer in stale:
            self._settle(answer, NoSuchInvocation(f"answer invocation {answer.tag}: the message bus was restarted"))
        if not stale:
            raise NoAgent("cssc-agent is not running; start cssc-agent.service")

    def _connect(self) -> None:
        link = Link()
        try:
            bus = _ask(Bus.open(self._address, partial(self._received, link)), "connect to the message bus")
        except Error as error:
            _end(self.connected, error)
            raise
        with self._changed:
            if self._closed:
                bus.close(Closed("the client is closed"))
                return
            link.bus = self._bus = bus
        rule = f"type='signal',sender='{DRIVER}',interface='{DRIVER}',member='NameOwnerChanged',arg0='{BUS_NAME}'"
        try:
            _ask(bus.ask_driver("AddMatch", rule), "watch for the agent")
            _ask(self._owner(link, bus), "look for the agent")
        except NoAgent:
            pass
        except Error as error:
            bus.close(error)
            _end(self.connected, error)
            raise
        with self._changed:
            self._link = link
        _end(self.connected, None)

    def _owner(self, link: Link, bus: Bus) -> "Future[list[Any]]":
        """Ask who the agent is. The answer is taken in the thread of the main context, so that
        it is not taken for newer than the news that came behind it."""
        future = bus.ask_driver("GetNameOwner", BUS_NAME)

        def take(answered: "Future[list[Any]]") -> None:
            if not answered.cancelled() and answered.exception() is None:
                self._owner_is(link, str(answered.result()[0]))

        future.add_done_callback(take)
        return future

    def _match_events(self, link: Link) -> None:
        rule = f"type='signal',sender='{BUS_NAME}',path_namespace='{ROOT_PATH}'"
        _ask(link.bus.ask_driver("AddMatch", rule), "subscribe to events")
        with self._changed:
            link.events_matched = True

    def _tell_started(self) -> None:
        with self._changed:
            waiting = [one.started for one in self._subscriptions]
        for future in waiting:
            _end(future, None)

    def _resync(self, link: Link, owner: str) -> None:
        """Bring a new owner of the agent's name and this client to the same view."""
        mine = self._listed(link)
        with self._changed:
            for key, registered in self._registrations.items():
                if key in mine:
                    registered.link, registered.path = link, mine[key]
                elif registered.link is link:
                    registered.link = None
            wanted = [one for one in self._registrations.values() if not one.leaving]
        if wanted or self._canceled is not None:
            self._subscribe_cancellation(link, owner)
        for registered in wanted:
            if registered.link is not link:
                self._register(link, registered)
        rows = _ask(link.bus.call("GetPendingCallbacks"), "ask for open invocations")[0]
        with self._changed:
            if link.owner != owner or self._closed:
                return
            listed = set()
            for tag, component, _, sequence, level, flags, info in rows:
                listed.add(tag)
                self._take(link, (tag, component, sequence, level, flags, info))
            for tag, opened in list(self._open.items()):
                if tag not in listed and not opened.answering and opened.link is link and opened.owner != owner:
                    self._void(tag)
            link.settled = owner

    def _listed(self, link: Link) -> dict[Key, str]:
        """The registrations that the agent has for this connection."""
        rows = _ask(link.bus.call("ListRegistrations", "t", 0), "list registrations")[0]
        return {(row[1], row[2], row[3]): row[8] for row in rows if row[4] == link.bus.name}

    def _subscribe_cancellation(self, link: Link, owner: str) -> None:
        if link.subscribed_to == owner:
            return
        try:
            _ask(link.bus.call("SubscribeCancellation", "t", 0), "subscribe cancellation")
        except AlreadyRegistered:
            pass
        with self._changed:
            link.subscribed_to = owner

    def _register(self, link: Link, registered: Registered) -> None:
        """Register; a refusal is told to whoever waits for the first word of the agent."""
        try:
            self._subscribe_cancellation(link, link.owner)
            path = self._register_now(link, registered)
        except PASSING:
            raise
        except Error as error:
            with self._changed:
                if registered.acknowledged.done():
                    log.error("%s; not registered any more", error)
                    registered.link, registered.refused_by = None, link.owner
                    return
                self._registrations.pop(registered.key, None)
            _end(registered.acknowledged, error)
            return
        with self._changed:
            registered.link, registered.path = link, path
        _end(registered.acknowledged, None)

    def _register_now(self, link: Link, registered: Registered) -> str:
        component, sequence, level = registered.key
        kinds = {"cookie": dbus.UInt64, "timeout-usec": dbus.UInt64, "on-failure": dbus.String}
        options = {name: kinds[name](value, variant_level=1) for name, value in registered.options.items()}
        arguments = (component, sequence, dbus.Int32(level), dbus.Dictionary(options, signature="sv"))
        try:
            call = link.bus.call("RegisterCallback", "ssia{sv}", *arguments)
            return str(_ask(call, f"register {_at(registered.key)}")[0])
        except AlreadyRegistered:
            # Ours when the answer to an earlier attempt was lost.
            mine = self._listed(link)
            if registered.key not in mine:
                raise
            return mine[registered.key]

    def _unregister(self, link: Link, registered: Registered) -> None:
        if registered.link is link:
            try:
                path = dbus.ObjectPath(registered.path)
                _ask(link.bus.call("UnregisterCallback", "o", path), f"unregister {_at(registered.key)}")
            except NoSuchRegistration:
                pass  # the answer to an earlier attempt was lost
        with self._changed:
            self._registrations.pop(registered.key, None)
        _end(registered.left, None)

    def _send(self, link: Link, answer: Answer) -> None:
        error: Error | None = None
        if answer.opened.link is not link:
            error = NoSuchInvocation(f"answer invocation {answer.tag}: the message bus was restarted")
        else:
            status, text = (0, "") if answer.reason is None else (-1, message_of(answer.reason))
            call = link.bus.call("Done", "tis", dbus.UInt64(answer.tag), dbus.Int32(status), text)
            try:
                _ask(call, f"answer invocation {answer.tag}")
            except NoSuchInvocation as refused:
                error = None if answer.lost else refused
            except PASSING:
                answer.lost = True
                raise
            except Error as refused:
                error = refused
        self._settle(answer, error)

    def _settle(self, answer: Answer, error: Error | None) -> None:
        """An answer has come to its end."""
        with self._changed:
            if answer in self._answers:
                self._answers.remove(answer)
            self._open.pop(answer.tag, None)
            self._spent.add(answer.tag)
        if error is not None:
            answer.opened.invocation.void.set()
            log.debug("invocation %d: %s", answer.tag, error)
        _end(answer.future, error)


def _ask(future: "Future[T]", what: str) -> T:
    """Wait in the keeper's thread, for an answer that comes by the main context's."""
    try:
        return future.result(CALL_SECONDS + 5)
    except TimeoutError as error:
        raise Timeout(f"{what}: no answer in time; does the GLib main loop run?") from error


def _at(key: Key) -> str:
    return f"{key[0]} at {key[1]} {level_word(key[2])}"


def _end(future: "Future[None]", error: Error | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
