/* SPDX-License-Identifier: Apache-2.0 */
/* What the program is called with, in order, and with the lock given back. */

#include <stdlib.h>

#include "internal.h"

/* Queues a copy; false when there is no memory. Takes the text over in any case. */
bool deliver_later(struct cssc *c, const struct delivery *template)
{
    struct delivery *d = malloc(sizeof *d);

    if (d == NULL) {
        free(template->text);
        return false;
    }
    *d = *template;
    d->next = NULL;
    if (c->deliveries == NULL) {
        c->deliveries_end = &c->deliveries;
    }
    *c->deliveries_end = d;
    c->deliveries_end = &d->next;
    return true;
}

static struct delivery *pop(struct cssc *c)
{
    struct delivery *d = c->deliveries;

    if (d != NULL) {
        c->deliveries = d->next;
    }
    return d;
}

void deliveries_free(struct cssc *c)
{
    struct delivery *d;

    while ((d = pop(c)) != NULL) {
        free(d->text);
        free(d);
    }
}

/* Calls a callback, unless its invocation is void meanwhile. */
static bool call_back(struct cssc *c, uintptr_t handle)
{
    struct invocation *i = invocation_find(c, handle);
    cssc_callparam_t args;
    cssc_node_info_t info;
    cssc_callback_t func;

    if (i == NULL || i->state != WAITING) {
        return false;
    }
    i->state = DELIVERED;
    func = i->func;
    info = i->info;
    args = (cssc_callparam_t){
        .sequence = i->sequence, .level = i->level, .flags = i->flags, .client_data = i->client_data, .node_info = &info};
    context_unlock();
    func(&args, (cssc_call_tag_t)handle); /* NOLINT(performance-no-int-to-ptr) */
    context_lock();
    return true;
}

static bool call_notify(struct cssc *c, const struct delivery *d)
{
    cssc_notify_t notify = c->notify;

    if (notify == NULL) {
        return false;
    }
    context_unlock();
    notify(d->sequence, d->level);
    context_lock();
    return true;
}

static bool call_result(const struct delivery *d)
{
    context_unlock();
    set_text(d->text != NULL ? d->text : "");
    d->func(d->result, d->client_data);
    context_lock();
    return true;
}

/* Empties the queue and returns how many functions were called. One of them may close the
   library: then nothing more is called. */
unsigned int deliver(struct cssc *c)
{
    uint64_t generation = c->generation;
    unsigned int called = 0;
    struct delivery *d;
    bool did = false;

    while (c->generation == generation && (d = pop(c)) != NULL) {
        switch (d->kind) {
        case DELIVER_CALLBACK:
            did = call_back(c, d->handle);
            break;
        case DELIVER_CANCELED:
            did = call_notify(c, d);
            break;
        case DELIVER_RESULT:
            did = call_result(d);
            break;
        }
        called += did ? 1U : 0U;
        free(d->text);
        free(d);
    }
    return called;
}
