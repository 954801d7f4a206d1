/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that takes part, played from outside: it obeys the commands on its standard
 * input (commands.c), and says on its standard output what came of them and what the library
 * called. It waits with poll(2) for its input and for the one descriptor of the library,
 * and for nothing else.
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "player.h"

bool polling = true;

/* Whether the library was called: before that there is nothing to wait for. */
static bool began;

static pthread_mutex_t saying = PTHREAD_MUTEX_INITIALIZER;

static const char *const codes[] = {"OK",     "EALREADY", "EACCES", "EINVAL", "ENOENT", "ESRCH",
                                    "EAGAIN", "EBADF",    "ENOMSG", "E2BIG",  "ENOTSUP"};
static const char *const sequences[] = {"", "init", "shut", "promote", "demote", "disqualify", "qualify"};
static const char *const states[] = {"unknown", "down", "joining", "initializing", "up", "shutting-down", "leaving"};
static const char *const roles[] = {"unknown", "master", "vice", "spare", "offline", "none"};
static const char *const results[] = {"COMPLETED", "FAILED", "UNKNOWN"};

const char *code_word(cssc_error_t error) { return codes[error]; }

cssc_sequence_t sequence_number(const char *word)
{
    unsigned int number;

    for (number = 1; number < sizeof sequences / sizeof *sequences; number++) {
        if (strcmp(sequences[number], word) == 0) {
            return (cssc_sequence_t)number;
        }
    }
    return (cssc_sequence_t)atoi(word);
}

/* One line, whole, whichever thread says it. */
void say(const char *format, ...)
{
    va_list arguments;

    (void)pthread_mutex_lock(&saying);
    va_start(arguments, format);
    (void)vprintf(format, arguments);
    va_end(arguments);
    (void)putchar('\n');
    (void)fflush(stdout);
    (void)pthread_mutex_unlock(&saying);
}

void say_result(const char *what, cssc_error_t error)
{
    if (error == CSSC_OK) {
        say("%s OK", what);
    } else {
        say("%s %s %s", what, code_word(error), cssc_error_text());
    }
}

static void *answer_later(void *tag)
{
    cssc_error_t error = cssc_done(tag, CSSC_STATUS_DONE);

    say_result("answered", error);
    return NULL;
}

void on_callback(const cssc_callparam_t *args, cssc_call_tag_t tag)
{
    const enum manner *manner = args->client_data;
    const cssc_node_info_t *info = args->node_info;
    pthread_t thread;

    say("callback %p %s %d flags=%u node=%s cluster=%s state=%s role=%s term=%llu master=%s vice=%s", tag,
        sequences[args->sequence], args->level, args->flags, info->node, info->cluster, states[info->state], roles[info->role],
        (unsigned long long)info->term, info->master, info->vice);
    switch (*manner) {
    case HOLD:
        break;
    case ANSWER:
        say_result("answered", cssc_done(tag, CSSC_STATUS_DONE));
        break;
    case REFUSE:
        say_result("answered", cssc_done(tag, CSSC_STATUS_ERROR));
        break;
    case THREAD:
        if (pthread_create(&thread, NULL, answer_later, tag) == 0) {
            (void)pthread_detach(thread);
        }
        break;
    }
}

void on_canceled(cssc_sequence_t sequence, int last_level) { say("canceled %s %d", sequences[sequence], last_level); }

void on_result(cssc_result_t result, void *client_data)
{
    say("result %s %s %s", (const char *)client_data, results[result], cssc_error_text());
}

/* What the agent says of this node. */
void say_info(void)
{
    cssc_node_info_t info;
    cssc_error_t error = cssc_node_info(&info);

    if (error != CSSC_OK) {
        say_result("info", error);
        return;
    }
    say("info OK node=%s cluster=%s state=%s role=%s term=%llu master=%s vice=%s", info.node, info.cluster, states[info.state],
        roles[info.role], (unsigned long long)info.term, info.master, info.vice);
}

/* Reads commands, as whole lines; false at the end. */
static bool read_commands(void)
{
    static char buffer[4096];
    static size_t used;
    ssize_t count = read(STDIN_FILENO, buffer + used, sizeof buffer - used - 1);
    char *line = buffer, *end;

    if (count <= 0) {
        return false;
    }
    used += (size_t)count;
    buffer[used] = '\0';
    while ((end = strchr(line, '\n')) != NULL) {
        *end = '\0';
        if (!obey(line)) {
            return false;
        }
        line = end + 1;
    }
    used -= (size_t)(line - buffer);
    memmove(buffer, line, used + 1);
    return true;
}

int main(void)
{
    struct pollfd watched[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
    cssc_error_t error;
    int fd = -1;

    for (;;) {
        watched[1].fd = polling && began && cssc_fd(&fd) == CSSC_OK ? fd : -1;
        if (poll(watched, 2, -1) < 0 && errno != EINTR) {
            return 1;
        }
        if (watched[1].revents != 0) {
            error = cssc_dispatch(fd);
            if (error != CSSC_OK && error != CSSC_ENOMSG) {
                say_result("dispatch", error);
            }
        }
        began = began || watched[0].revents != 0;
        if (watched[0].revents != 0 && !read_commands()) {
            cssc_close();
            return 0;
        }
    }
}
