# SPDX-License-Identifier: Apache-2.0
"""The words of the interface: sequences, levels, roles, and what an invocation says."""

from __future__ import annotations

import enum
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Callable

LAST = -1
"""The level that comes after all others."""


class Sequence(enum.StrEnum):
    """What a node goes through, level by level."""

    INIT = "init"
    SHUT = "shut"
    PROMOTE = "promote"
    DEMOTE = "demote"
    DISQUALIFY = "disqualify"
    QUALIFY = "qualify"


class Role(enum.StrEnum):
    """What a node is in its cluster."""

    MASTER = "master"
    VICE = "vice"
    SPARE = "spare"
    OFFLINE = "offline"
    NONE = "none"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "Role":
        return cls.UNKNOWN


class Policy(enum.StrEnum):
    """What a failure does to the run."""

    HOLD = "hold"
    ABORT = "abort"
    CONTINUE = "continue"
    FENCE = "fence"


class Later(enum.Enum):
    """The type of LATER."""

    LATER = enum.auto()


LATER = Later.LATER
"""What a callback returns that answers later, by done() or fail() of its invocation."""


@dataclass(frozen=True)
class Info:
    """The node as of the start of the run.

    ``term`` rises with every change of master: send it with every message as a fencing token,
    and take nothing of an older one. ``master`` and ``vice`` are empty while there is none.
    """

    node: str
    cluster: str
    state: str
    role: Role
    term: int
    master: str
    vice: str


@dataclass(frozen=True)
class Event:
    """Something that the agent told everybody, a hint: read the status for what is true now.

    ``name`` is that of the signal in org.cssc.Agent1(5), or "PropertiesChanged" (fields path,
    interface, changed), "AgentLost" and "AgentFound" (no fields), or "Missed" when events came
    faster than the callbacks took them.
    """

    name: str
    fields: dict[str, Any]


def level_word(level: int) -> str:
    """The level in the words of the commands: a number or "last"."""
    return "last" if level == LAST else str(level)


@dataclass(frozen=True, eq=False)
class Invocation:
    """One call of one registration. Safe for use by every thread.

    ``noboot`` says that the shutdown is not followed by a reboot, ``resume`` that the agent has
    restarted and asks again for what it asked for before. ``void`` is set when nobody waits for
    the answer any more: the sequence was cancelled, the level is asked for anew, or the client
    was closed. Long work looks at it.
    """

    tag: int
    component: str
    sequence: Sequence
    level: int
    noboot: bool
    resume: bool
    cookie: int
    info: Info
    void: threading.Event = field(default_factory=threading.Event, repr=False)
    _answer: Callable[[int, str | None], "Future[None]"] = field(repr=False, kw_only=True)

    @property
    def level_word(self) -> str:
        """The level as a number or "last"."""
        return level_word(self.level)

    def done(self) -> "Future[None]":
        """Say that the work is done. Never waits.

        The answer is repeated until an agent has taken it, also over a restart of the agent.
        The future tells how it went, for those who want to know: NoSuchInvocation when the
        invocation was void, Closed when the client was closed before.
        """
        return self._answer(self.tag, None)

    def fail(self, reason: str) -> "Future[None]":
        """Say that the work has failed and why, in at most 1024 bytes. Like done() otherwise."""
        return self._answer(self.tag, reason)


# The signals of org.cssc.Agent1.Manager that go to everybody, and their arguments.
SIGNALS: dict[str, tuple[str, ...]] = {
    "MasterReady": ("node", "term", "info"),
    "NodeDisqualified": ("node", "info"),
    "NodeQualified": ("node", "info"),
    "NodeJoined": ("node", "info"),
    "NodeLeft": ("node", "info"),
    "NodeFailed": ("node", "info"),
    "RoleChanged": ("node", "role", "old_role", "term", "info"),
    "SequenceStarted": ("run", "sequence", "cause", "info"),
    "LevelReached": ("run", "sequence", "level", "info"),
    "SequenceFinished": ("run", "sequence", "outcome", "info"),
    "ComponentFailed": ("component", "sequence", "level", "reason", "info"),
    "OperationNew": ("id", "operation_path", "node", "info"),
    "OperationRemoved": ("id", "operation_path", "node", "result", "info"),
}
