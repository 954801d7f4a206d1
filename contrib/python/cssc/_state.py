# SPDX-License-Identifier: Apache-2.0
"""What a client keeps: its connection, registrations, invocations and answers.

Everything here is guarded by the client's lock unless it says otherwise.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Callable

from ._bus import Bus
from ._words import Event, Info, Invocation, Policy, Role, Sequence

Callback = Callable[[Invocation], Any]

# component, sequence, level
Key = tuple[str, str, int]

# Bound of the spent tags that are remembered.
MAX_SPENT = 4096
MAX_MESSAGE = 1024


@dataclass(eq=False)
class Link:
    """One connection. It is lost once and for all; then the client makes another."""

    lost: bool = False
    # Who owns the agent's name; empty when nobody does.
    owner: str = ""
    # The owner whose view and ours are the same.
    settled: str = ""
    # The owner to whom SubscribeCancellation was said.
    subscribed_to: str = ""
    events_matched: bool = False
    # Set when it is made, before anything comes in.
    bus: Bus = field(init=False)


@dataclass(eq=False)
class Registered:
    """A registration that shall exist until it is taken back."""

    key: Key
    callback: Callback
    options: dict[str, Any]
    # The connection on which the agent has acknowledged it, None before.
    link: Link | None = None
    path: str = ""
    leaving: bool = False
    # The agent that has taken it before and does not take it now.
    refused_by: str = ""
    # Ends with the first word of the agent; left, when it is taken back.
    acknowledged: "Future[None]" = field(default_factory=Future)
    left: "Future[None]" = field(default_factory=Future)


@dataclass(eq=False)
class Opened:
    """An invocation that was taken and is not answered."""

    key: Key
    link: Link
    owner: str
    invocation: Invocation
    answering: bool = False


@dataclass(eq=False)
class Answer:
    """An answer on its way."""

    tag: int
    reason: str | None
    opened: Opened
    # A reply was lost: then "no such invocation" means that the answer had arrived.
    lost: bool = False
    future: "Future[None]" = field(default_factory=Future)


@dataclass(eq=False)
class Subscription:
    """A wish for events."""

    callback: Callable[[Event], Any]
    names: frozenset[str]
    started: "Future[None]" = field(default_factory=Future)


class Spent:
    """The last tags that were answered or became void, so that none is delivered again."""

    def __init__(self) -> None:
        self._tags: OrderedDict[int, None] = OrderedDict()

    def __contains__(self, tag: int) -> bool:
        return tag in self._tags

    def add(self, tag: int) -> None:
        """Remember a tag, and forget the oldest one when there are too many."""
        self._tags[tag] = None
        if len(self._tags) > MAX_SPENT:
            self._tags.popitem(last=False)


def read_invocation(row: tuple[Any, ...], answer: Callable[[int, str | None], "Future[None]"]) -> Invocation | None:
    """Read tag, component, sequence, level, flags and info; None when they are not that."""
    try:
        tag, component, sequence, level, flags, info = row
        return Invocation(
            tag=int(tag),
            component=component,
            sequence=Sequence(sequence),
            level=int(level),
            noboot=bool(flags & 1),
            resume=bool(info.get("resume", False)),
            cookie=int(info.get("cookie", 0)),
            info=Info(
                node=str(info.get("node", "")),
                cluster=str(info.get("cluster", "")),
                state=str(info.get("state", "")),
                role=Role(info.get("role", "")),
                term=int(info.get("term", 0)),
                master=str(info.get("master", "")),
                vice=str(info.get("vice", "")),
            ),
            _answer=answer,
        )
    except (AttributeError, TypeError, ValueError):
        return None


def message_of(reason: str) -> str:
    """A reason as the interface takes it: printable, at most MAX_MESSAGE bytes, cut between letters."""
    text = "".join(letter if letter.isprintable() else " " for letter in reason).strip() or "no reason given"
    if len(text.encode("utf-8", "replace")) <= MAX_MESSAGE:
        return text.encode("utf-8", "replace").decode()
    cut = text.encode("utf-8", "replace")[: MAX_MESSAGE - len("…".encode())]
    return cut.decode("utf-8", "ignore") + "…"


def options_of(cookie: int, timeout: float | None, on_failure: Policy | str | None) -> dict[str, Any]:
    """The options of a registration; raises ValueError for what no agent would take."""
    options: dict[str, Any] = {}
    if not 0 <= cookie < 1 << 64:
        raise ValueError(f"cookie {cookie}: want 0 to 2**64-1")
    if cookie:
        options["cookie"] = cookie
    if timeout is not None:
        if not 0 < timeout <= 86400:
            raise ValueError(f"timeout {timeout}: want seconds, more than 0 and at most 86400")
        options["timeout-usec"] = max(1, round(timeout * 1_000_000))
    if on_failure is not None:
        options["on-failure"] = str(Policy(on_failure))
    return options
