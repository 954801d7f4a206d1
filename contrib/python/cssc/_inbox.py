# SPDX-License-Identifier: Apache-2.0
"""What a client knows, and how that changes with what comes in from the bus.

Signals are taken in the thread of the main context, in the order of the wire.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import Any, Callable

from ._bus import BUS_NAME, DRIVER, MANAGER, plain
from ._deliver import Deliveries
from ._errors import Closed, NoSuchInvocation
from ._state import Answer, Key, Link, Opened, Registered, Spent, Subscription, read_invocation
from ._words import LATER, SIGNALS, Event, Invocation, Sequence

log = logging.getLogger("cssc")

# The first pause between attempts, in seconds; the longest is the keeper's.
RETRY_FIRST = 0.05


class Inbox:
    """The state, and who takes what comes in. Safe for use by every thread."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        # Guards everything; it is never held over a wait for the bus.
        self._changed = threading.Condition(threading.RLock())
        self._link = Link(lost=True)
        self._closed = False
        self._registrations: dict[Key, Registered] = {}
        self._open: dict[int, Opened] = {}
        self._spent = Spent()
        self._answers: deque[Answer] = deque()
        self._subscriptions: list[Subscription] = []
        self._canceled: Callable[[Sequence, int], Any] | None = None
        self._pause = RETRY_FIRST
        self._retry_at = 0.0

    def answer(self, tag: int, reason: str | None) -> "Future[None]":
        """Answer an invocation, None for success."""
        with self._changed:
            opened = self._open.get(tag)
            if self._closed or opened is None or opened.answering:
                refused: Future[None] = Future()
                refused.set_exception(
                    Closed("the client is closed") if self._closed
                    else NoSuchInvocation(f"answer invocation {tag}: it is answered already, or void")
                )
                return refused
            opened.answering = True
            answer = Answer(tag, reason, opened)
            self._answers.append(answer)
            self._wake()
            return answer.future

    def _wake(self) -> None:
        """Something has changed: look again at once. The lock is held."""
        self._retry_at, self._pause = 0.0, RETRY_FIRST
        self._changed.notify_all()

    def _received(self, link: Link, message: Any) -> None:
        if message is None:
            with self._changed:
                link.lost = True
                for tag, opened in list(self._open.items()):
                    if opened.link is link and not opened.answering:
                        self._void(tag)  # the agent has seen us vanish
                self._owner_is(link, "")
            return
        sender, member = str(message.get_sender()), str(message.get_member())
        interface, path = str(message.get_interface()), str(message.get_path())
        if sender == DRIVER:
            if interface == DRIVER and member == "NameOwnerChanged":
                name, _, owner = (str(one) for one in message.get_args_list())
                if name == BUS_NAME:
                    self._owner_is(link, owner)
            return
        with self._changed:
            # What does not come from the owner of the agent's name is a forgery.
            if sender != link.owner or self._closed:
                return
            arguments = [plain(one) for one in message.get_args_list()]
            if interface == MANAGER and member == "Callback":
                if message.get_signature() == "tossita{sv}":
                    tag, _, *rest = arguments
                    self._take(link, (tag, *rest))
            elif interface == MANAGER and member == "SequenceCanceled":
                if message.get_signature() == "sia{sv}":
                    self._take_canceled(arguments[0], arguments[1])
            elif interface == MANAGER and len(SIGNALS.get(member, ())) == len(arguments) > 0:
                self._publish(Event(member, dict(zip(SIGNALS[member], arguments))))
            elif interface == "org.freedesktop.DBus.Properties" and len(arguments) == 3:
                fields = {"path": path, "interface": arguments[0], "changed": arguments[1]}
                self._publish(Event("PropertiesChanged", fields))

    def _owner_is(self, link: Link, owner: str) -> None:
        with self._changed:
            was, link.owner = link.owner, owner
            if was and was != owner:
                self._publish(Event("AgentLost", {}))
            if owner and was != owner:
                self._publish(Event("AgentFound", {}))
            self._wake()

    def _publish(self, event: Event) -> None:
        for one in self._subscriptions:
            if not one.names or event.name in one.names or event.name == "Missed":
                self._deliveries.put_event(partial(one.callback, event), partial(one.callback, Event("Missed", {})))

    def _take(self, link: Link, row: tuple[Any, ...]) -> None:
        """Queue an invocation for its callback, once for each tag. The lock is held."""
        invocation = read_invocation(row, self.answer)
        if invocation is None:
            return
        key = (invocation.component, str(invocation.sequence), invocation.level)
        registered = self._registrations.get(key)
        if registered is None or invocation.tag in self._spent:
            return
        known = self._open.get(invocation.tag)
        if known is not None:
            known.link, known.owner = link, link.owner
            return
        for tag, older in list(self._open.items()):
            if older.key == key and not older.answering:
                self._spend(tag)  # replaced: the agent waits for this one only
        self._open[invocation.tag] = Opened(key, link, link.owner, invocation)
        self._deliveries.put(partial(_perform, registered.callback, invocation))

    def _take_canceled(self, word: str, last_level: int) -> None:
        for tag, opened in list(self._open.items()):
            if opened.key[1] == word and not opened.answering:
                self._spend(tag)
        canceled = self._canceled
        if canceled is not None and word in set(Sequence):
            self._deliveries.put(partial(canceled, Sequence(word), last_level))

    def _spend(self, tag: int) -> None:
        """The agent has done with an invocation: a list that is older may have it still. The lock is held."""
        self._void(tag)
        self._spent.add(tag)

    def _void(self, tag: int) -> None:
        """Nobody waits for an invocation any more. The lock is held."""
        self._open.pop(tag).invocation.void.set()


def _perform(callback: Callable[[Invocation], Any], invocation: Invocation) -> None:
    """Call the author's function, and answer by how it ends."""
    if invocation.void.is_set():
        return
    try:
        result = callback(invocation)
    except Exception as error:
        log.exception("%s at %s %s has failed", invocation.component, invocation.sequence, invocation.level_word)
        invocation.fail(str(error) or type(error).__name__)
    except BaseException as error:
        invocation.fail(type(error).__name__)
        raise
    else:
        if result is not LATER:
            invocation.done()
