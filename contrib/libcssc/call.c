/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the agent: those that wait for the reply, and those that do not. */

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "internal.h"

/* Makes a call of the Manager interface. */
int new_call(struct cssc *c, const char *method, sd_bus_message **out)
{
    int r;

    r = sd_bus_message_new_method_call(c->bus, out, BUS_NAME, ROOT_PATH, MANAGER, method);
    if (r < 0) {
        return r;
    }
    return sd_bus_message_set_auto_start(*out, 0);
}

/* Sends a call and waits for its reply, which may be NULL when it is of no interest. What
   else arrives meanwhile waits for cssc_dispatch(). */
struct outcome call(struct cssc *c, const char *what, sd_bus_message *m, uint64_t limit, sd_bus_message **reply)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    struct outcome outcome = {CSSC_OK, false};
    int r;

    r = sd_bus_call(c->bus, m, limit, &error, reply);
    if (r < 0) {
        outcome = outcome_of(r, &error);
        (void)fail(outcome.error, "%s: %s", what, error.message != NULL ? error.message : strerror(-r));
    } else {
        c->was_connected = true;
    }
    sd_bus_error_free(&error);
    return outcome;
}

/* Connects when there is no connection. */
struct outcome call_connect(struct cssc *c, const char *what)
{
    struct outcome outcome;
    int r;

    if (c->bus != NULL && (c->lost || sd_bus_is_open(c->bus) <= 0)) {
        link_drop(c, false);
    }
    if (c->bus != NULL) {
        return (struct outcome){CSSC_OK, false};
    }
    r = link_open(c);
    if (r >= 0) {
        return (struct outcome){CSSC_OK, false};
    }
    outcome = outcome_of(r, NULL);
    if (!c->was_connected && outcome.passing) {
        outcome = (struct outcome){CSSC_ENOTSUP, false}; /* a machine without a bus, not one that restarts it */
    }
    (void)fail(outcome.error, "%s: message bus not reachable: %s", what, strerror(-r));
    return outcome;
}

/* Calls a method with arguments of basic types. */
struct outcome call_simple(struct cssc *c, const char *what, const char *method, sd_bus_message **reply,
                           const char *types, ...)
{
    sd_bus_message *m = NULL;
    struct outcome outcome;
    va_list arguments;
    int r;

    outcome = call_connect(c, what);
    if (outcome.error != CSSC_OK) {
        return outcome;
    }
    r = new_call(c, method, &m);
    if (r >= 0) {
        va_start(arguments, types);
        r = sd_bus_message_appendv(m, types, arguments);
        va_end(arguments);
    }
    if (r < 0) {
        outcome = outcome_of(r, NULL);
        (void)fail(outcome.error, "%s: %s", what, strerror(-r));
    } else {
        outcome = call(c, what, m, REPLY_LIMIT, reply);
    }
    sd_bus_message_unref(m);
    return outcome;
}

/* Sends a call whose reply goes to a handler. The slot, when one is asked for, must be
   given back before the connection. */
int call_later(struct cssc *c, sd_bus_slot **slot, sd_bus_message *m, sd_bus_message_handler_t handler, void *userdata)
{
    return sd_bus_call_async(c->bus, slot, m, handler, userdata, REPLY_LIMIT);
}

/* Repeats an attempt until it succeeds, fails for a reason that stays, or the time to wait
   for the agent is over. Others may use the library during the pauses. */
cssc_error_t persist(struct cssc *c, struct outcome (*attempt)(struct cssc *c, void *subject), void *subject)
{
    uint64_t waited = 0, pause = RETRY_FIRST, limit = (uint64_t)c->wait_msec * 1000U, generation = c->generation;
    struct timespec nap;
    struct outcome outcome;

    for (;;) {
        outcome = attempt(c, subject);
        if (outcome.error == CSSC_OK || !outcome.passing || waited >= limit) {
            return outcome.error;
        }
        pause = pause < limit - waited ? pause : limit - waited;
        nap = (struct timespec){.tv_sec = (time_t)(pause / 1000000U), .tv_nsec = (long)(pause % 1000000U) * 1000};
        context_unlock();
        (void)nanosleep(&nap, NULL);
        context_lock();
        if (c->generation != generation) {
            return fail(CSSC_EAGAIN, "the library was closed meanwhile");
        }
        waited += pause;
        pause = pause * 2 < RETRY_LAST ? pause * 2 : RETRY_LAST;
    }
}
