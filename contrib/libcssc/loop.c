/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one descriptor. sd_event_get_fd() is an epoll descriptor that tells the truth only
 * while the loop is prepared: timers are armed, and what sd-bus has read already and not
 * processed counts as a timer that is due. So every function leaves the loop prepared, and
 * when something is pending at that moment, which the epoll descriptor does not show, an
 * eventfd in it is made readable.
 */

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

/* Handlers never return errors: sd-event would switch them off. */
static int on_poke(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
    uint64_t count;

    (void)source, (void)events, (void)userdata;
    (void)!read(fd, &count, sizeof count);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata)
{
    struct cssc *c = userdata;

    (void)source, (void)usec;
    c->hold = false;
    attend(c);
    return 0;
}

int loop_open(struct cssc *c)
{
    int r;

    r = sd_event_new(&c->event);
    if (r < 0) {
        return r;
    }
    c->poke = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r = c->poke < 0 ? -errno : 0;
    if (r >= 0) {
        r = sd_event_add_io(c->event, &c->poke_source, c->poke, EPOLLIN, on_poke, c);
    }
    if (r >= 0) {
        r = sd_event_add_time(c->event, &c->timer, CLOCK_MONOTONIC, UINT64_MAX, 0, on_timer, c);
    }
    if (r >= 0) {
        r = sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
    }
    if (r < 0) {
        loop_close(c);
    }
    return r;
}

void loop_close(struct cssc *c)
{
    c->timer = sd_event_source_disable_unref(c->timer);
    c->poke_source = sd_event_source_disable_unref(c->poke_source);
    c->event = sd_event_unref(c->event);
    if (c->poke >= 0) {
        (void)close(c->poke);
        c->poke = -1;
    }
}

/* Makes the descriptor readable. */
void loop_wake(struct cssc *c)
{
    uint64_t one = 1;

    (void)!write(c->poke, &one, sizeof one);
}

/* Prepares the loop, so that its descriptor alone says when to come back. */
void loop_settle(struct cssc *c)
{
    /* Something may have been armed since: what was prepared is no longer the truth. */
    if (sd_event_get_state(c->event) == SD_EVENT_ARMED) {
        (void)sd_event_wait(c->event, 0);
    }
    if (sd_event_get_state(c->event) == SD_EVENT_INITIAL) {
        (void)sd_event_prepare(c->event);
    }
    if (sd_event_get_state(c->event) == SD_EVENT_PENDING || c->deliveries != NULL) {
        loop_wake(c);
    }
}

/* Takes in what has arrived, at most EVENTS_MAX events, and never waits. */
static int take_in(struct cssc *c)
{
    unsigned int count;
    int r;

    for (count = 0; count < EVENTS_MAX; count++) {
        r = 0;
        if (sd_event_get_state(c->event) == SD_EVENT_INITIAL) {
            r = sd_event_prepare(c->event);
        }
        if (r >= 0 && sd_event_get_state(c->event) == SD_EVENT_ARMED) {
            r = sd_event_wait(c->event, 0);
        }
        if (r < 0) {
            return r;
        }
        if (sd_event_get_state(c->event) != SD_EVENT_PENDING) {
            return 0;
        }
        r = sd_event_dispatch(c->event);
        if (r < 0) {
            return r;
        }
    }
    loop_wake(c);
    return 0;
}

/* Asks for attend() after a pause that grows with every failure. */
void retry_later(struct cssc *c)
{
    if (c->hold) {
        return;
    }
    c->hold = true;
    (void)sd_event_source_set_time_relative(c->timer, c->pause);
    (void)sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
    c->pause = c->pause * 2 < RETRY_LAST ? c->pause * 2 : RETRY_LAST;
}

PUBLIC cssc_error_t cssc_fd(int *fd_out)
{
    struct cssc *c;
    cssc_error_t error;

    if (fd_out == NULL) {
        set_text("");
        return fail(CSSC_EINVAL, "descriptor: no place to put it");
    }
    error = begin(&c);
    if (error != CSSC_OK) {
        return error;
    }
    *fd_out = sd_event_get_fd(c->event);
    return finish(c, CSSC_OK);
}

PUBLIC cssc_error_t cssc_dispatch(int fd)
{
    struct cssc *c;
    unsigned int called = 0;
    uint64_t generation;
    cssc_error_t error;
    int r;

    error = begin(&c);
    if (error != CSSC_OK) {
        return error;
    }
    if (fd < 0 || fd != sd_event_get_fd(c->event)) {
        return finish(c, fail(CSSC_EBADF, "dispatch: %d is not the descriptor of cssc_fd()", fd));
    }
    if (c->dispatching) {
        return finish(c, fail(CSSC_ENOMSG, "dispatch: messages are being dispatched already"));
    }
    c->dispatching = true;
    generation = c->generation;
    r = take_in(c);
    if (r >= 0) {
        called = deliver(c);
    }
    c->dispatching = false;
    if (c->generation != generation) {
        return finish(c, CSSC_OK); /* one of the functions has closed the library */
    }
    if (r < 0) {
        return finish(c, fail(CSSC_ENOTSUP, "dispatch: the event loop fails with error %d", -r));
    }
    return finish(c, called > 0 ? CSSC_OK : fail(CSSC_ENOMSG, "dispatch: no message has arrived"));
}
