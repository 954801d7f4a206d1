/* SPDX-License-Identifier: Apache-2.0 */
/* Operations, and the results that somebody waits for. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define OPERATION_PATH ROOT_PATH "/operation/%" SCNu64

void operations_free(struct cssc *c)
{
    struct operation *o;

    while ((o = c->operations) != NULL) {
        c->operations = o->next;
        free(o);
    }
}

/* Queues the result of an operation and forgets it. Without memory it is told later. */
static void end(struct cssc *c, struct operation **at, cssc_result_t result, const char *text)
{
    struct operation *o = *at;
    struct delivery d = {.kind = DELIVER_RESULT, .result = result, .func = o->func, .client_data = o->client_data};

    d.text = *text != '\0' ? strdup(text) : NULL;
    if (!deliver_later(c, &d)) {
        c->settled = 0;
        retry_later(c);
        return;
    }
    *at = o->next;
    free(o);
}

static struct operation **find(struct cssc *c, uint64_t id)
{
    struct operation **at;

    for (at = &c->operations; *at != NULL && (*at)->id != id; at = &(*at)->next) {
    }
    return at;
}

static cssc_result_t result_of(const char *word)
{
    return strcmp(word, "done") == 0 ? CSSC_RES_COMPLETED : CSSC_RES_FAILED;
}

/* The value of "error" in the options at the end of a signal, or fallback. */
static const char *reason_in(sd_bus_message *m, const char *fallback)
{
    const char *key, *contents, *text, *reason = fallback;

    if (sd_bus_message_enter_container(m, 'a', "{sv}") <= 0) {
        return reason;
    }
    while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
        if (sd_bus_message_read(m, "s", &key) <= 0 || sd_bus_message_peek_type(m, NULL, &contents) < 0) {
            return reason;
        }
        if (strcmp(key, "error") == 0 && strcmp(contents, "s") == 0) {
            if (sd_bus_message_read(m, "v", "s", &text) > 0 && *text != '\0') {
                reason = text;
            }
        } else if (sd_bus_message_skip(m, "v") < 0) {
            return reason;
        }
        if (sd_bus_message_exit_container(m) < 0) {
            return reason;
        }
    }
    return reason;
}

/* The signal OperationRemoved. */
void on_operation_removed(struct cssc *c, sd_bus_message *m)
{
    const char *path, *node, *word;
    struct operation **at;
    cssc_result_t result;
    uint64_t id;

    if (sd_bus_message_read(m, "toss", &id, &path, &node, &word) <= 0) {
        return;
    }
    at = find(c, id);
    if (*at == NULL) {
        return;
    }
    result = result_of(word);
    end(c, at, result, result == CSSC_RES_COMPLETED ? "" : reason_in(m, word));
}

/* What is known of the operations that are listed; those that are not listed are lost. */
static int mark_listed(struct cssc *c, sd_bus_message *reply)
{
    const char *kind, *node, *by, *step, *word, *path;
    struct operation **at;
    uint64_t id, started;
    int r;

    r = sd_bus_message_enter_container(reply, 'a', "(tsssssto)");
    while (r >= 0 &&
           (r = sd_bus_message_read(reply, "(tsssssto)", &id, &kind, &node, &by, &step, &word, &started, &path)) > 0) {
        at = find(c, id);
        if (*at == NULL) {
            continue;
        }
        (*at)->listed = true;
        if (strcmp(word, "running") != 0) {
            end(c, at, result_of(word), strcmp(word, "done") == 0 ? "" : step);
        }
    }
    return r;
}

/* Before the agent is asked for its list: one that is accepted later may miss in it. */
void operations_expect(struct cssc *c)
{
    struct operation *o;

    for (o = c->operations; o != NULL; o = o->next) {
        o->expected = true;
        o->listed = false;
    }
}

/* The reply to ListOperations, after the agent or the bus was restarted. */
int operations_sync(struct cssc *c, sd_bus_message *reply)
{
    struct operation *o, *next;
    int r;

    r = mark_listed(c, reply);
    if (r < 0) {
        return r;
    }
    for (o = c->operations; o != NULL; o = next) {
        next = o->next;
        if (o->expected && !o->listed) {
            end(c, find(c, o->id), CSSC_RES_UNKNOWN, "the agent was restarted and does not know the operation any more");
        }
    }
    return 0;
}

static cssc_error_t check(const cssc_opparam_t *args)
{
    set_text("");
    if (args == NULL) {
        return fail(CSSC_EINVAL, "request operation: no arguments");
    }
    if (operation_word(args->operation) == NULL) {
        return fail(CSSC_EINVAL, "request operation: unknown operation %d", (int)args->operation);
    }
    if ((args->flags & ~CSSC_FLAG_NOBOOT) != 0) {
        return fail(CSSC_EINVAL, "request %s: unknown flag 0x%x", operation_word(args->operation), args->flags);
    }
    return CSSC_OK;
}

static int request_message(struct cssc *c, const cssc_opparam_t *args, sd_bus_message **out)
{
    int r;

    r = new_call(c, "RequestOperation", out);
    if (r >= 0) {
        r = sd_bus_message_append(*out, "sst", operation_word(args->operation), args->node_id != NULL ? args->node_id : "",
                                  (uint64_t)args->flags);
    }
    if (r >= 0) {
        r = sd_bus_message_open_container(*out, 'a', "{sv}");
    }
    if (r >= 0 && args->to != NULL && *args->to != '\0') {
        r = sd_bus_message_append(*out, "{sv}", "to", "s", args->to);
    }
    if (r >= 0 && args->reason != NULL && *args->reason != '\0') {
        r = sd_bus_message_append(*out, "{sv}", "reason", "s", args->reason);
    }
    if (r >= 0) {
        r = sd_bus_message_close_container(*out);
    }
    return r;
}

/* Notes who waits for the result of an accepted operation. Its end may have been told
   already, but not been looked at. */
static cssc_error_t await_result(struct cssc *c, sd_bus_message *reply, const cssc_opparam_t *args, struct operation *o)
{
    const char *path;

    if (sd_bus_message_read(reply, "o", &path) <= 0 || sscanf(path, OPERATION_PATH, &o->id) != 1) {
        free(o);
        return fail(CSSC_ENOTSUP, "request operation: the agent answers in another way: is it of another version?");
    }
    o->func = args->result_func;
    o->client_data = args->client_data;
    o->next = c->operations;
    c->operations = o;
    return CSSC_OK;
}

/* Without a repetition: a second request would be a second operation. */
static cssc_error_t request(struct cssc *c, const cssc_opparam_t *args, struct operation *o)
{
    sd_bus_message *m = NULL, *reply = NULL;
    struct outcome outcome;
    int r;

    outcome = call_connect(c, "request operation");
    if (outcome.error != CSSC_OK) {
        free(o);
        return outcome.error;
    }
    if (o != NULL) {
        match_results(c);
    }
    r = request_message(c, args, &m);
    if (r < 0) {
        outcome = (struct outcome){fail(CSSC_EINVAL, "request operation: %s", strerror(-r)), false};
    } else {
        outcome = call(c, "request operation", m, REPLY_LIMIT, &reply);
    }
    if (outcome.error != CSSC_OK) {
        free(o);
    } else if (o != NULL) {
        outcome.error = await_result(c, reply, args, o);
    }
    sd_bus_message_unref(m);
    sd_bus_message_unref(reply);
    return outcome.error;
}

PUBLIC cssc_error_t cssc_op_request(const cssc_opparam_t *op_args)
{
    struct operation *o = NULL;
    struct cssc *c;
    cssc_error_t error;

    error = check(op_args);
    if (error == CSSC_OK) {
        error = begin(&c);
    }
    if (error != CSSC_OK) {
        return error;
    }
    if (op_args->result_func != NULL) {
        o = calloc(1, sizeof *o);
        if (o == NULL) {
            return finish(c, fail(CSSC_ENOTSUP, "request operation: out of memory"));
        }
    }
    return finish(c, request(c, op_args, o));
}
