/* SPDX-License-Identifier: Apache-2.0 */
/* Invocations: those that came, and what makes them void. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

/* What the agent says of an invocation; the texts belong to the message. */
struct announced {
    uint64_t tag;
    const char *component;
    cssc_sequence_t sequence;
    int level;
    uint64_t flags;
    cssc_node_info_t info;
};

struct invocation *invocation_find(struct cssc *c, uintptr_t handle)
{
    struct invocation *i;

    for (i = c->invocations; i != NULL && i->handle != handle; i = i->next) {
    }
    return i;
}

static struct invocation *find_tag(struct cssc *c, uint64_t tag)
{
    struct invocation *i;

    for (i = c->invocations; i != NULL && i->tag != tag; i = i->next) {
    }
    return i;
}

/* Forgets an invocation; one that waits is not delivered any more. */
void invocation_remove(struct cssc *c, struct invocation *gone)
{
    struct invocation **at;

    for (at = &c->invocations; *at != NULL && *at != gone; at = &(*at)->next) {
    }
    if (*at == NULL) {
        return;
    }
    *at = gone->next;
    sd_bus_slot_unref(gone->slot);
    free(gone->component);
    free(gone->message);
    free(gone);
}

void invocations_free(struct cssc *c)
{
    while (c->invocations != NULL) {
        invocation_remove(c, c->invocations);
    }
}

static bool spent_before(const struct cssc *c, uint64_t tag)
{
    size_t index;

    for (index = 0; index < SPENT_MAX; index++) {
        if (c->spent[index] == tag && tag != 0) {
            return true;
        }
    }
    return false;
}

/* A newer invocation of the same registration makes an older one void. */
static void replace_older(struct cssc *c, const struct registration *r)
{
    struct invocation *i, *next;

    for (i = c->invocations; i != NULL; i = next) {
        next = i->next;
        if (i->state != ANSWERED && i->sequence == r->sequence && i->level == r->level && strcmp(i->component, r->component) == 0) {
            remember(c, i->tag);
            invocation_remove(c, i);
        }
    }
}

/* Answers for a registration that was taken back: it takes part no more. attend() sends it, and
   the tag is remembered like any other: a list that is older than the answer may still come. */
static void answer_for_nobody(struct invocation *i)
{
    i->state = ANSWERED;
    i->status = CSSC_STATUS_DONE;
}

/* Makes an invocation, of no registration when that was taken back. */
static struct invocation *invocation_new(struct cssc *c, const struct announced *a, const struct registration *r)
{
    struct invocation *i = calloc(1, sizeof *i);

    if (i == NULL) {
        return NULL;
    }
    i->component = strdup(a->component);
    if (i->component == NULL) {
        free(i);
        return NULL;
    }
    i->context = c;
    i->handle = ++c->next_handle;
    if (i->handle == 0) { /* NULL is no tag */
        i->handle = ++c->next_handle;
    }
    i->tag = a->tag;
    i->owner = c->owner_number;
    i->func = r != NULL ? r->func : NULL;
    i->client_data = r != NULL ? r->client_data : NULL;
    i->sequence = a->sequence;
    i->level = a->level;
    i->flags = (unsigned int)(a->flags & CSSC_FLAG_NOBOOT);
    i->info = a->info;
    return i;
}

/* Queues an invocation, once for each tag. */
static int take(struct cssc *c, const struct announced *a)
{
    struct registration *r = registration_find(c, a->component, a->sequence, a->level);
    struct invocation *i = find_tag(c, a->tag);

    if (i != NULL) {
        i->owner = c->owner_number; /* sent again by a restarted agent */
        return 0;
    }
    if (spent_before(c, a->tag)) {
        return 0;
    }
    if (r != NULL) {
        replace_older(c, r);
    }
    i = invocation_new(c, a, r);
    if (i == NULL) {
        return -ENOMEM;
    }
    if (r == NULL) {
        answer_for_nobody(i);
    } else if (!deliver_later(c, &(struct delivery){.kind = DELIVER_CALLBACK, .handle = i->handle})) {
        free(i->component);
        free(i);
        return -ENOMEM;
    }
    i->next = c->invocations;
    c->invocations = i;
    return 0;
}

/* The signal Callback. One that is not of its form is ignored. */
void on_callback(struct cssc *c, sd_bus_message *m)
{
    struct announced a;
    const char *registration, *sequence;

    if (sd_bus_message_read(m, "tossit", &a.tag, &registration, &a.component, &sequence, &a.level, &a.flags) <= 0 ||
        info_read(m, &a.info) < 0) {
        return;
    }
    a.sequence = sequence_of(sequence);
    if (take(c, &a) < 0) {
        c->settled = 0; /* no memory: the list of the open ones has it too */
        retry_later(c);
    }
}

/* The signal SequenceCanceled: the open invocations of the sequence are void. */
void on_canceled(struct cssc *c, sd_bus_message *m)
{
    struct invocation *i, *next;
    cssc_sequence_t sequence;
    const char *word;
    int last;

    if (sd_bus_message_read(m, "si", &word, &last) <= 0) {
        return;
    }
    sequence = sequence_of(word);
    if (sequence_word(sequence) == NULL) {
        return;
    }
    for (i = c->invocations; i != NULL; i = next) {
        next = i->next;
        if (i->sequence == sequence) {
            remember(c, i->tag); /* a list that is older may have it still */
            invocation_remove(c, i);
        }
    }
    if (c->notify != NULL) {
        (void)deliver_later(c, &(struct delivery){.kind = DELIVER_CANCELED, .sequence = sequence, .level = last});
    }
}

/* Forgets those that another agent sent and that this one does not know. */
static void forget_unlisted(struct cssc *c)
{
    struct invocation *i, *next;

    for (i = c->invocations; i != NULL; i = next) {
        next = i->next;
        if (i->owner != c->owner_number && i->state != ANSWERED) {
            invocation_remove(c, i);
        }
    }
}

/* The reply to GetPendingCallbacks: takes what was missed, forgets what is void. */
int on_pending(struct cssc *c, sd_bus_message *reply)
{
    const char *registration, *sequence;
    struct announced a;
    int r;

    r = sd_bus_message_enter_container(reply, 'a', "(tsosita{sv})");
    while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', "tsosita{sv}")) > 0) {
        r = sd_bus_message_read(reply, "tsosit", &a.tag, &a.component, &registration, &sequence, &a.level, &a.flags);
        if (r >= 0) {
            r = info_read(reply, &a.info);
        }
        if (r >= 0) {
            r = sd_bus_message_exit_container(reply);
        }
        if (r >= 0) {
            a.sequence = sequence_of(sequence);
            r = take(c, &a);
        }
    }
    if (r >= 0) {
        forget_unlisted(c);
    }
    return r;
}

/* Answers what was asked of a registration that is taken back and not delivered yet. */
void invocations_withdraw(struct cssc *c, const struct registration *r)
{
    struct invocation *i;

    for (i = c->invocations; i != NULL; i = i->next) {
        if (i->state == WAITING && i->sequence == r->sequence && i->level == r->level && strcmp(i->component, r->component) == 0) {
            answer_for_nobody(i);
        }
    }
}
