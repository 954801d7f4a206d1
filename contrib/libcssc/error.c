/* SPDX-License-Identifier: Apache-2.0 */
/* Errors: the text of the last one, and what those of the bus mean here. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

/* Of the calling thread. */
static _Thread_local char last_text[MESSAGE_MAX];

void set_text(const char *text) { (void)snprintf(last_text, sizeof last_text, "%s", text); }

/* Notes why a call fails, and returns the error. */
cssc_error_t fail(cssc_error_t error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(last_text, sizeof last_text, format, arguments);
    va_end(arguments);
    return error;
}

PUBLIC const char *cssc_error_text(void) { return last_text; }

PUBLIC const char *cssc_strerror(cssc_error_t error)
{
    switch (error) {
    case CSSC_OK:
        return "success";
    case CSSC_EALREADY:
        return "already registered, or in progress";
    case CSSC_EACCES:
        return "permission denied";
    case CSSC_EINVAL:
        return "invalid argument";
    case CSSC_ENOENT:
        return "no such registration";
    case CSSC_ESRCH:
        return "no such invocation";
    case CSSC_EAGAIN:
        return "not available now, try again";
    case CSSC_EBADF:
        return "bad file descriptor";
    case CSSC_ENOMSG:
        return "no message";
    case CSSC_E2BIG:
        return "value too big for the buffer";
    case CSSC_ENOTSUP:
        return "unexpected service error";
    }
    return "unknown error";
}

#define STANDARD "org.freedesktop.DBus.Error."
#define OWN "org.cssc.Agent1.Error."

static const struct {
    const char *name;
    struct outcome outcome;
} names[] = {
    {OWN "AlreadyRegistered", {CSSC_EALREADY, false}},
    {OWN "OperationInProgress", {CSSC_EALREADY, false}},
    {OWN "NoSuchRegistration", {CSSC_ENOENT, false}},
    {OWN "NoSuchInvocation", {CSSC_ESRCH, false}},
    {OWN "NoSuchNode", {CSSC_EINVAL, false}},
    {OWN "Unreachable", {CSSC_EAGAIN, true}},
    {OWN "TryAgain", {CSSC_EAGAIN, true}},
    {OWN "Busy", {CSSC_EAGAIN, true}},
    {STANDARD "InvalidArgs", {CSSC_EINVAL, false}},
    {STANDARD "LimitsExceeded", {CSSC_EINVAL, false}},
    {STANDARD "AccessDenied", {CSSC_EACCES, false}},
    {STANDARD "AuthFailed", {CSSC_EACCES, false}},
    {STANDARD "InteractiveAuthorizationRequired", {CSSC_EACCES, false}},
    {STANDARD "ServiceUnknown", {CSSC_EAGAIN, true}},
    {STANDARD "NameHasNoOwner", {CSSC_EAGAIN, true}},
    {STANDARD "NoReply", {CSSC_EAGAIN, true}},
    {STANDARD "Timeout", {CSSC_EAGAIN, true}},
    {STANDARD "TimedOut", {CSSC_EAGAIN, true}},
    {STANDARD "Disconnected", {CSSC_EAGAIN, true}},
};

/* What a failed call means: by the name of its error, else by the error number. */
struct outcome outcome_of(int r, const sd_bus_error *error)
{
    size_t index;

    if (error != NULL && error->name != NULL) {
        for (index = 0; index < sizeof names / sizeof *names; index++) {
            if (strcmp(error->name, names[index].name) == 0) {
                return names[index].outcome;
            }
        }
    }
    switch (-r) {
    case EACCES:
    case EPERM:
        return (struct outcome){CSSC_EACCES, false};
    case ETIMEDOUT:
    case ECONNRESET:
    case ECONNREFUSED:
    case ENOTCONN:
    case EPIPE:
    case ENOENT:
    case EAGAIN:
        return (struct outcome){CSSC_EAGAIN, true};
    default:
        return (struct outcome){CSSC_ENOTSUP, false};
    }
}
