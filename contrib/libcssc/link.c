/* SPDX-License-Identifier: Apache-2.0 */
/* The connection to the bus, who owns the agent's name, and upkeep. */

#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define OWNER_MATCH \
    "type='signal',sender='" DRIVER "',path='" DRIVER_PATH "',interface='" DRIVER "',member='NameOwnerChanged',arg0='" BUS_NAME "'"
#define RESULT_MATCH \
    "type='signal',sender='" BUS_NAME "',path='" ROOT_PATH "',interface='" MANAGER "',member='OperationRemoved'"

/* Whether a message is from whoever owns the agent's name. Anybody may send a signal that
   looks like the agent's. */
bool from_agent(struct cssc *c, sd_bus_message *m)
{
    const char *sender = sd_bus_message_get_sender(m);

    return c->owner != NULL && sender != NULL && strcmp(sender, c->owner) == 0;
}

static void set_owner(struct cssc *c, const char *name)
{
    char *copy = NULL;

    if (c->owner != NULL && strcmp(c->owner, name) == 0) {
        return;
    }
    if (*name != '\0') {
        copy = strdup(name);
        if (copy == NULL) {
            c->lost = true; /* begin again with the connection */
        }
    }
    free(c->owner);
    c->owner = copy;
    c->owner_number++;
    c->subscribed = false;
    c->hold = false;
    c->pause = RETRY_FIRST;
    attend(c);
}

static void on_owner_changed(struct cssc *c, sd_bus_message *m)
{
    const char *name, *former, *owner;

    if (sd_bus_message_read(m, "sss", &name, &former, &owner) > 0 && strcmp(name, BUS_NAME) == 0) {
        set_owner(c, owner);
    }
}

/* The answer to GetNameOwner; an error says that nobody owns it. */
static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct cssc *c = userdata;
    const char *owner = "";

    (void)error;
    if (sd_bus_message_is_method_error(m, NULL) > 0) {
        if (sd_bus_message_is_method_error(m, "org.freedesktop.DBus.Error.NameHasNoOwner") <= 0) {
            c->lost = true;
        }
        return 0;
    }
    if (sd_bus_message_read(m, "s", &owner) > 0) {
        set_owner(c, owner);
    }
    return 0;
}

/* Without the match for the owner a restart of the agent would not be noticed. */
static int on_match(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct cssc *c = userdata;

    (void)error;
    if (sd_bus_message_is_method_error(m, NULL) > 0) {
        c->lost = true;
    }
    return 0;
}

/* Sees every message but replies. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
    struct cssc *c = userdata;
    const char *sender = sd_bus_message_get_sender(m);

    (void)error;
    if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Local", "Disconnected") > 0) {
        c->lost = true;
    } else if (sd_bus_message_is_signal(m, DRIVER, "NameOwnerChanged") > 0) {
        if (sender != NULL && strcmp(sender, DRIVER) == 0) {
            on_owner_changed(c, m);
        }
    } else if (from_agent(c, m)) {
        if (sd_bus_message_is_signal(m, MANAGER, "Callback") > 0) {
            on_callback(c, m);
        } else if (sd_bus_message_is_signal(m, MANAGER, "SequenceCanceled") > 0) {
            on_canceled(c, m);
        } else if (sd_bus_message_is_signal(m, MANAGER, "OperationRemoved") > 0) {
            on_operation_removed(c, m);
        }
    }
    return 0;
}

static int add_match(struct cssc *c, const char *rule)
{
    return sd_bus_call_method_async(c->bus, NULL, DRIVER, DRIVER_PATH, DRIVER, "AddMatch", on_match, c, "s", rule);
}

/* Asks for the ends of operations, behind whatever was sent before. */
void match_results(struct cssc *c)
{
    if (c->bus != NULL && !c->results_matched && add_match(c, RESULT_MATCH) >= 0) {
        c->results_matched = true;
    }
}

/* Begins a connection; its first messages wait in it until it stands. */
int link_open(struct cssc *c)
{
    int r;

    r = sd_bus_open_system(&c->bus);
    if (r < 0) {
        c->bus = NULL;
        return r;
    }
    c->lost = false;
    r = sd_bus_attach_event(c->bus, c->event, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0) {
        r = sd_bus_add_filter(c->bus, NULL, on_message, c);
    }
    if (r >= 0) {
        r = add_match(c, OWNER_MATCH);
    }
    if (r >= 0) {
        r = sd_bus_call_method_async(c->bus, NULL, DRIVER, DRIVER_PATH, DRIVER, "GetNameOwner", on_owner, c, "s", BUS_NAME);
    }
    if (r < 0) {
        link_drop(c, false);
        return r;
    }
    if (c->operations != NULL) {
        match_results(c);
    }
    return 0;
}

/* Ends a connection. The agent forgets what was registered over it, and its invocations
   are void: the agent asks for them again when they are registered again. */
void link_drop(struct cssc *c, bool flush)
{
    invocations_free(c);
    registrations_unknown(c);
    if (c->bus != NULL) {
        c->bus = flush ? sd_bus_flush_close_unref(c->bus) : sd_bus_close_unref(c->bus);
    }
    free(c->owner);
    c->owner = NULL;
    c->owner_number++;
    c->lost = false;
    c->subscribed = false;
    c->results_matched = false;
    c->doubt = false;
    c->syncing = false;
    c->settled = 0;
}

/* Whether there is anything to keep over a restart of the agent or of the bus, or to send. */
static bool wanted(const struct cssc *c)
{
    return c->registrations != NULL || c->invocations != NULL || c->notify != NULL || c->operations != NULL || c->doubt;
}

/* Begins what is missing. Never waits. */
void attend(struct cssc *c)
{
    if (c->bus != NULL && (c->lost || sd_bus_is_open(c->bus) <= 0)) {
        /* Not from within a handler of this connection: the timer comes back. */
        if (sd_event_get_state(c->event) != SD_EVENT_RUNNING) {
            link_drop(c, false);
        }
        retry_later(c);
        return;
    }
    if (c->hold || !wanted(c)) {
        return;
    }
    if (c->bus == NULL && link_open(c) < 0) {
        retry_later(c);
        return;
    }
    if (c->owner == NULL) {
        return;
    }
    if (c->settled != c->owner_number && !c->syncing) {
        sync_start(c);
    }
    answers_send(c);
}
