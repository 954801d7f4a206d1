/* SPDX-License-Identifier: Apache-2.0 */
/* Registrations: the table, and the calls that change it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

struct registration *registration_find(struct cssc *c, const char *component, cssc_sequence_t sequence, int level)
{
    struct registration *r;

    for (r = c->registrations; r != NULL; r = r->next) {
        if (r->sequence == sequence && r->level == level && strcmp(r->component, component) == 0) {
            return r;
        }
    }
    return NULL;
}

static void release_slot(struct cssc *c, struct registration *r)
{
    if (r->slot != NULL) {
        r->slot = sd_bus_slot_unref(r->slot);
        if (c->syncing) {
            sync_step(c, true);
        }
    }
}

static void registration_remove(struct cssc *c, struct registration *gone)
{
    struct registration **at;

    for (at = &c->registrations; *at != NULL; at = &(*at)->next) {
        if (*at == gone) {
            *at = gone->next;
            release_slot(c, gone);
            free(gone->component);
            free(gone);
            return;
        }
    }
}

void registrations_free(struct cssc *c)
{
    while (c->registrations != NULL) {
        registration_remove(c, c->registrations);
    }
}

/* No agent knows of them any more. */
void registrations_unknown(struct cssc *c)
{
    struct registration *r;

    c->syncing = false;
    for (r = c->registrations; r != NULL; r = r->next) {
        r->acknowledged = false;
        release_slot(c, r);
    }
}

void registration_acknowledge(struct registration *r, const char *path)
{
    r->acknowledged = true;
    (void)snprintf(r->path, sizeof r->path, "%s", path);
}

/* The call that makes a registration. */
int registration_message(struct cssc *c, const struct registration *r, sd_bus_message **out)
{
    int e;

    e = new_call(c, "RegisterCallback", out);
    if (e >= 0) {
        e = sd_bus_message_append(*out, "ssi", r->component, sequence_word(r->sequence), r->level);
    }
    if (e >= 0) {
        e = sd_bus_message_open_container(*out, 'a', "{sv}");
    }
    if (e >= 0 && r->timeout_usec != 0) {
        e = sd_bus_message_append(*out, "{sv}", "timeout-usec", "t", r->timeout_usec);
    }
    if (e >= 0 && r->on_failure != CSSC_POLICY_CONFIGURED) {
        e = sd_bus_message_append(*out, "{sv}", "on-failure", "s", policy_word(r->on_failure));
    }
    if (e >= 0) {
        e = sd_bus_message_close_container(*out);
    }
    return e;
}

/* Asks the agent for SequenceCanceled, once for each agent and connection. */
struct outcome subscribe(struct cssc *c)
{
    struct outcome outcome = {CSSC_OK, false};

    if (c->subscribed) {
        return outcome;
    }
    outcome = call_simple(c, "subscribe to cancellation", "SubscribeCancellation", NULL, "t", (uint64_t)0);
    if (outcome.error == CSSC_EALREADY) {
        outcome = (struct outcome){CSSC_OK, false};
    }
    c->subscribed = outcome.error == CSSC_OK;
    return outcome;
}

/* Whether the agent has this registration from this connection: then the reply to an
   earlier attempt was lost. */
static struct outcome registered_by_us(struct cssc *c, struct registration *r, bool *found)
{
    const char *component, *sequence, *client, *unit, *policy, *path, *self;
    sd_bus_message *reply = NULL;
    struct outcome outcome;
    uint64_t number, limit;
    int level;

    *found = false;
    outcome = call_simple(c, "list registrations", "ListRegistrations", &reply, "t", (uint64_t)0);
    if (outcome.error != CSSC_OK || sd_bus_get_unique_name(c->bus, &self) < 0) {
        return outcome;
    }
    if (sd_bus_message_enter_container(reply, 'a', "(tssisstso)") > 0) {
        while (sd_bus_message_read(reply, "(tssisstso)", &number, &component, &sequence, &level, &client, &unit, &limit,
                                   &policy, &path) > 0) {
            if (strcmp(client, self) == 0 && strcmp(component, r->component) == 0 &&
                sequence_of(sequence) == r->sequence && level == r->level) {
                registration_acknowledge(r, path);
                *found = true;
            }
        }
    }
    sd_bus_message_unref(reply);
    return outcome;
}

/* One attempt to register. */
static struct outcome attempt_register(struct cssc *c, void *subject)
{
    struct registration *r = subject;
    sd_bus_message *m = NULL, *reply = NULL;
    struct outcome outcome, listed;
    const char *path = "";
    bool found;
    int e;

    outcome = subscribe(c);
    if (outcome.error != CSSC_OK || r->acknowledged) {
        return outcome; /* cssc_dispatch() in another thread may have been first */
    }
    e = registration_message(c, r, &m);
    if (e < 0) {
        outcome = (struct outcome){fail(CSSC_ENOTSUP, "register %s: %s", r->component, strerror(-e)), false};
    } else {
        outcome = call(c, "register callback", m, REPLY_LIMIT, &reply);
    }
    if (outcome.error == CSSC_OK) {
        (void)sd_bus_message_read(reply, "o", &path);
        registration_acknowledge(r, path);
    } else if (outcome.error == CSSC_EALREADY) {
        listed = registered_by_us(c, r, &found);
        if (listed.error != CSSC_OK || found) {
            outcome = listed;
        }
    }
    sd_bus_message_unref(m);
    sd_bus_message_unref(reply);
    return outcome;
}

static cssc_error_t check(const cssc_regparam_t *args)
{
    set_text("");
    if (args == NULL) {
        return fail(CSSC_EINVAL, "register: no arguments");
    }
    if (args->component_name == NULL || *args->component_name == '\0') {
        return fail(CSSC_EINVAL, "register: no component name");
    }
    if (args->callback_func == NULL) {
        return fail(CSSC_EINVAL, "register %s: no function to call", args->component_name);
    }
    if (sequence_word(args->sequence) == NULL) {
        return fail(CSSC_EINVAL, "register %s: unknown sequence %d", args->component_name, (int)args->sequence);
    }
    if (args->level < CSSC_LAST_LEVEL) {
        return fail(CSSC_EINVAL, "register %s: level %d, want 0 and up, or CSSC_LAST_LEVEL", args->component_name, args->level);
    }
    if (args->on_failure != CSSC_POLICY_CONFIGURED && policy_word(args->on_failure) == NULL) {
        return fail(CSSC_EINVAL, "register %s: unknown policy %d", args->component_name, (int)args->on_failure);
    }
    return CSSC_OK;
}

/* Puts a registration into the table before the call: the first invocation may overtake the
   reply. NULL when there is no memory. */
static struct registration *registration_add(struct cssc *c, const cssc_regparam_t *args)
{
    struct registration *r = calloc(1, sizeof *r);

    if (r == NULL) {
        return NULL;
    }
    r->component = strdup(args->component_name);
    if (r->component == NULL) {
        free(r);
        return NULL;
    }
    r->context = c;
    r->busy = true;
    r->sequence = args->sequence;
    r->level = args->level;
    r->func = args->callback_func;
    r->client_data = args->client_data;
    r->timeout_usec = args->timeout_usec;
    r->on_failure = args->on_failure;
    r->next = c->registrations;
    c->registrations = r;
    return r;
}

PUBLIC cssc_error_t cssc_register(const cssc_regparam_t *reg_args)
{
    struct registration *r;
    uint64_t generation;
    struct cssc *c;
    cssc_error_t error;

    error = check(reg_args);
    if (error == CSSC_OK) {
        error = begin(&c);
    }
    if (error != CSSC_OK) {
        return error;
    }
    if (registration_find(c, reg_args->component_name, reg_args->sequence, reg_args->level) != NULL) {
        return finish(c, fail(CSSC_EALREADY, "register %s: this process has registered it at that level already", reg_args->component_name));
    }
    r = registration_add(c, reg_args);
    if (r == NULL) {
        return finish(c, fail(CSSC_ENOTSUP, "register %s: out of memory", reg_args->component_name));
    }
    generation = c->generation;
    error = persist(c, attempt_register, r);
    if (c->generation != generation) {
        return finish(c, error);
    }
    r->busy = false;
    if (error != CSSC_OK) {
        registration_remove(c, r);
        c->doubt = c->doubt || error == CSSC_EAGAIN; /* an agent that took it and could not say so is told */
        c->settled = c->doubt ? 0 : c->settled;
    }
    return finish(c, error);
}

/* One attempt to take a registration back. */
static struct outcome attempt_unregister(struct cssc *c, void *subject)
{
    struct registration *r = subject;
    struct outcome outcome;

    if (!r->acknowledged) {
        return (struct outcome){CSSC_OK, false}; /* a lost connection took it along */
    }
    outcome = call_simple(c, "unregister callback", "UnregisterCallback", NULL, "o", r->path);
    if (outcome.error == CSSC_ENOENT) {
        outcome = (struct outcome){CSSC_OK, false};
    }
    return outcome;
}

PUBLIC cssc_error_t cssc_unregister(const char *component_name, cssc_sequence_t sequence, int level)
{
    struct registration *r;
    uint64_t generation;
    struct cssc *c;
    cssc_error_t error;

    if (component_name == NULL) {
        set_text("");
        return fail(CSSC_EINVAL, "unregister: no component name");
    }
    error = begin(&c);
    if (error != CSSC_OK) {
        return error;
    }
    r = registration_find(c, component_name, sequence, level);
    if (r == NULL || r->busy) {
        return finish(c, fail(CSSC_ENOENT, "unregister %s: this process has not registered it there", component_name));
    }
    generation = c->generation;
    r->busy = true;
    error = persist(c, attempt_unregister, r);
    if (c->generation != generation) {
        return finish(c, error);
    }
    r->busy = false;
    if (error == CSSC_OK) {
        c->doubt = c->doubt || !r->acknowledged; /* it may just be on its way to the agent */
        c->settled = c->doubt ? 0 : c->settled;
        invocations_withdraw(c, r);
        registration_remove(c, r);
    }
    return finish(c, error);
}

static struct outcome attempt_subscribe(struct cssc *c, void *subject)
{
    (void)subject;
    return subscribe(c);
}

PUBLIC cssc_error_t cssc_notify_registration(cssc_notify_t notify_func)
{
    uint64_t generation;
    struct cssc *c;
    cssc_error_t error;

    if (notify_func == NULL) {
        set_text("");
        return fail(CSSC_EINVAL, "notification of cancellation: no function to call");
    }
    error = begin(&c);
    if (error != CSSC_OK) {
        return error;
    }
    if (c->notify != NULL) {
        return finish(c, fail(CSSC_EALREADY, "notification of cancellation: this process has a function for it already"));
    }
    c->notify = notify_func;
    generation = c->generation;
    error = persist(c, attempt_subscribe, NULL);
    if (error != CSSC_OK && c->generation == generation) {
        c->notify = NULL;
    }
    return finish(c, error);
}
