/* SPDX-License-Identifier: Apache-2.0 */
/* The one context of a process, its lock, and the ends of its life. */

#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

static struct cssc context = {.wait_msec = WAIT_DEFAULT, .poke = -1, .pause = RETRY_FIRST};
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The process that uses the library, 0 before the first call. What a forked child inherits is
   the parent's: it must not even wait for the lock, which a thread of the parent may have held. */
static pid_t owner_process;

void context_lock(void) { (void)pthread_mutex_lock(&lock); }

void context_unlock(void) { (void)pthread_mutex_unlock(&lock); }

/* Enters the library: takes the lock and makes the event loop when there is none. */
cssc_error_t begin(struct cssc **out)
{
    struct cssc *c = &context;
    pid_t process = __atomic_load_n(&owner_process, __ATOMIC_RELAXED);
    int r;

    set_text("");
    if (process != 0 && process != getpid()) {
        return fail(CSSC_EACCES, "this process was forked from the one that uses libcssc; execute a program, or register there");
    }
    context_lock();
    if (c->event == NULL) {
        r = loop_open(c);
        if (r < 0) {
            context_unlock();
            return fail(CSSC_ENOTSUP, "make an event loop: %s", strerror(-r));
        }
        __atomic_store_n(&owner_process, getpid(), __ATOMIC_RELAXED);
    }
    *out = c;
    return CSSC_OK;
}

/* Leaves the library: begins what is missing, and makes the descriptor tell the truth. */
cssc_error_t finish(struct cssc *c, cssc_error_t error)
{
    if (c->event != NULL) {
        attend(c);
        loop_settle(c);
    }
    context_unlock();
    return error;
}

PUBLIC cssc_error_t cssc_set_wait(int milliseconds)
{
    struct cssc *c;
    cssc_error_t error;

    if (milliseconds < 0) {
        set_text("");
        return fail(CSSC_EINVAL, "wait for the agent: %d ms is negative", milliseconds);
    }
    error = begin(&c);
    if (error != CSSC_OK) {
        return error;
    }
    c->wait_msec = milliseconds;
    return finish(c, CSSC_OK);
}

PUBLIC void cssc_close(void)
{
    struct cssc *c = &context;
    pid_t process = __atomic_load_n(&owner_process, __ATOMIC_RELAXED);
    uint64_t generation;
    bool dispatching;

    if (process != getpid()) {
        return;
    }
    context_lock();
    registrations_free(c);
    link_drop(c, true);
    operations_free(c);
    deliveries_free(c);
    loop_close(c);
    generation = c->generation + 1;
    dispatching = c->dispatching;
    memset(c, 0, sizeof *c);
    c->generation = generation;
    c->dispatching = dispatching; /* its thread will see the new generation */
    c->wait_msec = WAIT_DEFAULT;
    c->poke = -1;
    c->pause = RETRY_FIRST;
    __atomic_store_n(&owner_process, 0, __ATOMIC_RELAXED);
    context_unlock();
}
