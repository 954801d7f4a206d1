# SPDX-License-Identifier: Apache-2.0
"""What can go wrong, by the names that it has on the bus."""

from __future__ import annotations

_OWN = "org.cssc.Agent1.Error."
_STANDARD = "org.freedesktop.DBus.Error."


class Error(Exception):
    """Every error of this package; its text is for a person.

    ``name`` is the D-Bus name of the error, also for one that this version has no class for.
    """

    name = _STANDARD + "Failed"

    def __init__(self, text: str, name: str | None = None) -> None:
        super().__init__(text)
        if name is not None:
            self.name = name


class AlreadyRegistered(Error):
    """The component has this level of this sequence already."""

    name = _OWN + "AlreadyRegistered"


class OperationInProgress(Error):
    """Another operation runs; the text says whose, since when and at which step."""

    name = _OWN + "OperationInProgress"


class NoSuchRegistration(Error):
    """There is no such registration."""

    name = _OWN + "NoSuchRegistration"


class NoSuchInvocation(Error):
    """The invocation is void: answered, cancelled, late, or of a bus that was restarted."""

    name = _OWN + "NoSuchInvocation"


class NoSuchNode(Error):
    """No node of the cluster has that name."""

    name = _OWN + "NoSuchNode"


class Unreachable(Error):
    """The node that was asked for is not heard."""

    name = _OWN + "Unreachable"


class Refused(Error):
    """A precondition does not hold; the text names each, and what to do."""

    name = _OWN + "Refused"


class NotHeld(Error):
    """The sequence is not held at a level."""

    name = _OWN + "NotHeld"


class TryAgain(Error):
    """Not now, for a reason that passes: no master is ready, for instance."""

    name = _OWN + "TryAgain"


class Busy(Error):
    """The agent has too much to do; try again."""

    name = _OWN + "Busy"


class InvalidArgs(Error):
    """An argument is wrong; the text says which and what is allowed."""

    name = _STANDARD + "InvalidArgs"


class LimitsExceeded(Error):
    """A size is beyond what the interface allows."""

    name = _STANDARD + "LimitsExceeded"


class AccessDenied(Error):
    """The caller may not do this; ask as root, or let polkit allow it."""

    name = _STANDARD + "AccessDenied"


class InteractiveAuthorizationRequired(AccessDenied):
    """It would be allowed after a person has authenticated, which this package does not ask for."""

    name = _STANDARD + "InteractiveAuthorizationRequired"


class NotSupported(Error):
    """The agent cannot do this."""

    name = _STANDARD + "NotSupported"


class UnknownCall(Error):
    """The agent is of another version: it has no such method, object or property."""

    name = _STANDARD + "UnknownMethod"


class Timeout(Error):
    """No answer came in time. The request may have been carried out."""

    name = _STANDARD + "Timeout"


class NoAgent(Error):
    """cssc-agent is not running: nobody owns its name on the bus."""

    name = _STANDARD + "ServiceUnknown"


class NoBus(Error):
    """The message bus cannot be reached. Nothing is said about the agent."""

    name = _STANDARD + "Disconnected"


class Closed(Error):
    """The client was closed by its owner."""

    name = "org.cssc.Client.Closed"


_OTHER_NAMES: dict[str, type[Error]] = {
    _STANDARD + "NameHasNoOwner": NoAgent,
    _STANDARD + "NoReply": Timeout,
    _STANDARD + "NoServer": NoBus,
    _STANDARD + "UnknownInterface": UnknownCall,
    _STANDARD + "UnknownObject": UnknownCall,
    _STANDARD + "UnknownProperty": UnknownCall,
}

# Errors that may go away by themselves: a call without side effects, or that may be repeated,
# is worth repeating then.
PASSING = (NoAgent, NoBus, Timeout, Busy, TryAgain)


def _classes(parent: type[Error]) -> list[type[Error]]:
    direct = parent.__subclasses__()
    return direct + [deeper for one in direct for deeper in _classes(one)]


def error_of(name: str, text: str) -> Error:
    """Make the error that a D-Bus name stands for."""
    found = _OTHER_NAMES.get(name)
    for one in _classes(Error):
        if one.name == name:
            found = one
    if found is NoAgent:
        text = "cssc-agent is not running; start cssc-agent.service"
    if found is None:
        return Error(text or name, name)
    return found(text or name, name)
