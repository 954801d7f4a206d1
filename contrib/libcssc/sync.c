/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What follows when the agent's name has a new owner: the agent was restarted and has kept
 * the registrations of living connections, or the bus was, and nothing was kept. The agent
 * is asked what it has; what it lacks is registered again, what it has too much is taken
 * back, and the open invocations of both sides are compared. Nothing here waits: each reply
 * is counted by sync_step(), and after a failure everything begins again later.
 */

#include <string.h>

#include "internal.h"

/* Counts a reply. */
void sync_step(struct cssc *c, bool failed)
{
    c->sync_failed = c->sync_failed || failed;
    if (--c->outstanding > 0) {
        return;
    }
    c->syncing = false;
    if (c->sync_failed || c->sync_owner != c->owner_number) {
        c->settled = 0;
        c->doubt = c->doubt || c->sync_doubt;
        retry_later(c);
        return;
    }
    c->settled = c->sync_owner;
    c->pause = RETRY_FIRST;
    if (c->doubt) { /* it came after the agent was asked */
        c->settled = 0;
        retry_later(c);
    }
    c->was_connected = true;
}

static bool is_error(sd_bus_message *m) { return sd_bus_message_is_method_error(m, NULL) > 0; }

static bool already(sd_bus_message *m)
{
    return sd_bus_message_is_method_error(m, "org.cssc.Agent1.Error.AlreadyRegistered") > 0;
}

/* Sends a call and counts its reply in advance. */
static void send(struct cssc *c, sd_bus_slot **slot, sd_bus_message *m, sd_bus_message_handler_t handler, void *userdata)
{
    c->outstanding++;
    if (m == NULL || call_later(c, slot, m, handler, userdata) < 0) {
        sync_step(c, true);
    }
}

static void send_method(struct cssc *c, const char *method, bool flags, sd_bus_message_handler_t handler)
{
    sd_bus_message *m = NULL;
    int r;

    r = new_call(c, method, &m);
    if (r >= 0 && flags) {
        r = sd_bus_message_append(m, "t", (uint64_t)0);
    }
    send(c, NULL, r < 0 ? NULL : m, handler, c);
    sd_bus_message_unref(m);
}

static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct cssc *c = userdata;

    (void)error;
    if (c->syncing) {
        c->subscribed = !is_error(m) || already(m);
        sync_step(c, !c->subscribed);
    }
    return 0;
}

static int on_registered(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct registration *r = userdata;
    const char *path;

    (void)error;
    r->slot = sd_bus_slot_unref(r->slot);
    if (!is_error(m) && sd_bus_message_read(m, "o", &path) > 0) {
        registration_acknowledge(r, path);
    }
    if (r->context->syncing) {
        /* Already registered, by us or by somebody else: the next list tells. */
        sync_step(r->context, !r->acknowledged);
    }
    return 0;
}

static int on_operations(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct cssc *c = userdata;

    (void)error;
    if (c->syncing) {
        sync_step(c, is_error(m) || operations_sync(c, m) < 0);
    }
    return 0;
}

static int on_pending_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct cssc *c = userdata;

    (void)error;
    if (c->syncing) {
        sync_step(c, is_error(m) || c->sync_owner != c->owner_number || on_pending(c, m) < 0);
    }
    return 0;
}

/* Takes back what the agent has of us and the table does not. */
static void withdraw(struct cssc *c, const char *path)
{
    sd_bus_message *m = NULL;

    if (new_call(c, "UnregisterCallback", &m) >= 0 && sd_bus_message_append(m, "o", path) >= 0 &&
        sd_bus_message_set_expect_reply(m, 0) >= 0) {
        (void)sd_bus_send(c->bus, m, NULL);
    }
    sd_bus_message_unref(m);
}

/* Compares the agent's list with the table. */
static int compare(struct cssc *c, sd_bus_message *list)
{
    const char *component, *sequence, *client, *unit, *policy, *path, *self;
    struct registration *r;
    uint64_t number, limit;
    int level, e;

    e = sd_bus_get_unique_name(c->bus, &self);
    if (e >= 0) {
        e = sd_bus_message_enter_container(list, 'a', "(tssisstso)");
    }
    if (e < 0) {
        return e;
    }
    for (r = c->registrations; r != NULL; r = r->next) {
        r->acknowledged = r->acknowledged && (r->busy || !r->expected);
    }
    while ((e = sd_bus_message_read(list, "(tssisstso)", &number, &component, &sequence, &level, &client, &unit, &limit,
                                    &policy, &path)) > 0) {
        if (strcmp(client, self) != 0) {
            continue;
        }
        r = registration_find(c, component, sequence_of(sequence), level);
        if (r == NULL) {
            withdraw(c, path);
        } else if (!r->acknowledged) {
            registration_acknowledge(r, path);
        }
    }
    return e;
}

static void register_missing(struct cssc *c)
{
    struct registration *r;
    sd_bus_message *m;
    int e;

    for (r = c->registrations; r != NULL; r = r->next) {
        if (r->acknowledged || r->busy || r->slot != NULL) {
            continue;
        }
        m = NULL;
        e = registration_message(c, r, &m);
        send(c, &r->slot, e < 0 ? NULL : m, on_registered, r);
        sd_bus_message_unref(m);
    }
}

static int on_list(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct cssc *c = userdata;

    (void)error;
    if (!c->syncing) {
        return 0;
    }
    if (is_error(m) || c->sync_owner != c->owner_number || compare(c, m) < 0) {
        sync_step(c, true);
        return 0;
    }
    if (!c->subscribed) {
        send_method(c, "SubscribeCancellation", true, on_subscribed);
    }
    register_missing(c);
    if (c->operations != NULL) {
        match_results(c);
        operations_expect(c);
        send_method(c, "ListOperations", true, on_operations);
    }
    send_method(c, "GetPendingCallbacks", false, on_pending_reply);
    sync_step(c, false);
    return 0;
}

void sync_start(struct cssc *c)
{
    struct registration *r;

    for (r = c->registrations; r != NULL; r = r->next) {
        r->expected = true;
    }
    c->syncing = true;
    c->sync_doubt = c->doubt;
    c->doubt = false;
    c->sync_failed = false;
    c->sync_owner = c->owner_number;
    c->outstanding = 1; /* this function */
    send_method(c, "ListRegistrations", true, on_list);
    sync_step(c, false);
}
