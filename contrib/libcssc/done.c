/* SPDX-License-Identifier: Apache-2.0 */
/* Answers. One that the agent could not take is kept, and repeated by attend() until
   somebody has taken it: then no later loss of a reply does harm. */

#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* The tag is spent: answered, or void. */
void remember(struct cssc *c, uint64_t tag)
{
    c->spent[c->spent_next] = tag;
    c->spent_next = (c->spent_next + 1) % SPENT_MAX;
}

static int answer_message(struct cssc *c, const struct invocation *i, sd_bus_message **out)
{
    int r;

    r = new_call(c, "Done", out);
    if (r < 0) {
        return r;
    }
    return sd_bus_message_append(*out, "tis", i->tag, i->status, i->message != NULL ? i->message : "");
}

/* The reply to an answer that was repeated. Whatever stays is the end of it: taken now,
   taken before, or void; and nobody waits to hear which. */
static int on_answered(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct invocation *i = userdata;
    struct cssc *c = i->context;
    const sd_bus_error *problem = sd_bus_message_get_error(m);

    (void)error;
    i->slot = sd_bus_slot_unref(i->slot);
    if (problem != NULL && outcome_of(0, problem).passing) {
        retry_later(c);
        return 0;
    }
    remember(c, i->tag);
    invocation_remove(c, i);
    return 0;
}

/* Repeats what nobody has taken yet. */
void answers_send(struct cssc *c)
{
    struct invocation *i;
    sd_bus_message *m;

    for (i = c->invocations; i != NULL; i = i->next) {
        if (i->state != ANSWERED || i->slot != NULL) {
            continue;
        }
        m = NULL;
        if (answer_message(c, i, &m) < 0 || call_later(c, &i->slot, m, on_answered, i) < 0) {
            retry_later(c);
        }
        sd_bus_message_unref(m);
    }
}

/* Copies a reason as the interface wants it: no control characters, valid UTF-8 (what is
   not ASCII is the program's affair unless sd-bus refuses it), at most MESSAGE_MAX bytes. */
static char *copy_reason(const char *reason)
{
    size_t length = strnlen(reason, MESSAGE_MAX);
    char *copy, *at;

    /* Not in the middle of a letter. */
    while (length > 0 && reason[length] != '\0' && ((unsigned char)reason[length] & 0xC0U) == 0x80U) {
        length--;
    }
    copy = strndup(reason, length);
    for (at = copy; at != NULL && *at != '\0'; at++) {
        if (((unsigned char)*at < 0x20 && *at != '\n' && *at != '\t') || *at == 0x7f) {
            *at = '?';
        }
    }
    return copy;
}

/* Tries to give an answer; the agent's word on it, or that it is kept. */
static cssc_error_t give(struct cssc *c, struct invocation *i)
{
    sd_bus_message *m = NULL;
    struct outcome outcome;
    int r;

    if (c->bus == NULL || c->lost || sd_bus_is_open(c->bus) <= 0) {
        return CSSC_OK; /* finish() drops the connection, and with it what is void */
    }
    r = answer_message(c, i, &m);
    if (r < 0) {
        i->state = DELIVERED;
        sd_bus_message_unref(m);
        return fail(CSSC_EINVAL, "done: the reason is not UTF-8");
    }
    outcome = call(c, "done", m, DONE_LIMIT, NULL);
    sd_bus_message_unref(m);
    if (outcome.passing) {
        retry_later(c);
        set_text("");
        return CSSC_OK;
    }
    if (outcome.error == CSSC_OK || outcome.error == CSSC_ESRCH) {
        remember(c, i->tag);
        invocation_remove(c, i);
    } else {
        i->state = DELIVERED; /* the program may try again */
    }
    return outcome.error;
}

static cssc_error_t answer(cssc_call_tag_t call_tag, int status, const char *reason)
{
    struct invocation *i;
    struct cssc *c;
    cssc_error_t error;

    error = begin(&c);
    if (error != CSSC_OK) {
        return error;
    }
    i = invocation_find(c, (uintptr_t)call_tag);
    if (i == NULL && c->registrations == NULL) {
        return finish(c, fail(CSSC_ENOENT, "done: this process has registered no callback"));
    }
    if (i == NULL || i->state != DELIVERED) {
        return finish(c, fail(CSSC_ESRCH, "done: no such invocation is open: answered before, cancelled, or void since the agent or the bus was restarted"));
    }
    i->status = status;
    free(i->message);
    i->message = NULL;
    if (reason != NULL) {
        i->message = copy_reason(reason);
        if (i->message == NULL) {
            return finish(c, fail(CSSC_ENOTSUP, "done: out of memory"));
        }
    }
    i->state = ANSWERED;
    return finish(c, give(c, i));
}

PUBLIC cssc_error_t cssc_done(cssc_call_tag_t call_tag, int status)
{
    if (status != CSSC_STATUS_DONE && status != CSSC_STATUS_ERROR) {
        set_text("");
        return fail(CSSC_EINVAL, "done: status %d, want CSSC_STATUS_DONE or CSSC_STATUS_ERROR", status);
    }
    return answer(call_tag, status, NULL);
}

PUBLIC cssc_error_t cssc_fail(cssc_call_tag_t call_tag, const char *reason)
{
    return answer(call_tag, CSSC_STATUS_ERROR, reason);
}
