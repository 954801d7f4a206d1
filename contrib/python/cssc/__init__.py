# SPDX-License-Identifier: Apache-2.0
"""Take part in the levels of a cluster that cssc coordinates.

    import signal
    import cssc

    def open_doors(call: cssc.Invocation) -> None:
        if call.info.role == cssc.Role.MASTER:
            ...                                  # an exception says failed, and why

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with cssc.Client() as client:
        client.register("porter", cssc.Sequence.INIT, 3, open_doors)
        client.register("porter", cssc.Sequence.PROMOTE, cssc.LAST, open_doors)
        cssc.notify("READY=1")
        signal.sigwait({signal.SIGTERM})

What every service must know: say done when it is done and not when it has begun; bear being
asked twice for one level of one term; send the term along as a fencing token; and look at
status() when started late. contrib/examples/porter is a whole service, doc/tutorial.md the way to
one, org.cssc.Agent1(5) the interface behind this package.

Needs python3-dbus and python3-gi of the distribution, and Python 3.11 or newer. Logs to the
logger "cssc". Times are in seconds.
"""

from ._client import Client, notify
from ._errors import (
    AccessDenied,
    AlreadyRegistered,
    Busy,
    Closed,
    Error,
    InteractiveAuthorizationRequired,
    InvalidArgs,
    LimitsExceeded,
    NoAgent,
    NoBus,
    NoSuchInvocation,
    NoSuchNode,
    NoSuchRegistration,
    NotHeld,
    NotSupported,
    OperationInProgress,
    Refused,
    Timeout,
    TryAgain,
    UnknownCall,
    Unreachable,
)
from ._words import LAST, LATER, Event, Info, Invocation, Policy, Role, Sequence

__all__ = [
    "LAST",
    "LATER",
    "AccessDenied",
    "AlreadyRegistered",
    "Busy",
    "Client",
    "Closed",
    "Error",
    "Event",
    "Info",
    "InteractiveAuthorizationRequired",
    "InvalidArgs",
    "Invocation",
    "LimitsExceeded",
    "NoAgent",
    "NoBus",
    "NoSuchInvocation",
    "NoSuchNode",
    "NoSuchRegistration",
    "NotHeld",
    "NotSupported",
    "OperationInProgress",
    "Policy",
    "Refused",
    "Role",
    "Sequence",
    "Timeout",
    "TryAgain",
    "UnknownCall",
    "Unreachable",
    "notify",
]
