/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of the player, one a line: a word, and arguments separated by spaces. The
   answer begins with the same word. */

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "player.h"

static enum manner manners[] = {HOLD, ANSWER, REFUSE, THREAD};

static enum manner *manner_of(const char *word)
{
    static const char *const words[] = {"hold", "answer", "refuse", "thread"};
    size_t index;

    for (index = 0; index < 4; index++) {
        if (strcmp(words[index], word) == 0) {
            return &manners[index];
        }
    }
    return &manners[0];
}

/* register COMPONENT SEQUENCE LEVEL MANNER [TIMEOUT-USEC] */
static void do_register(char **argv)
{
    cssc_regparam_t args;

    memset(&args, 0, sizeof args);
    args.component_name = strcmp(argv[1], "-") == 0 ? "" : argv[1];
    args.callback_func = strcmp(argv[4], "null") == 0 ? NULL : on_callback;
    args.sequence = sequence_number(argv[2]);
    args.level = atoi(argv[3]);
    args.client_data = manner_of(argv[4]);
    args.timeout_usec = argv[5] != NULL ? strtoull(argv[5], NULL, 10) : 0;
    args.on_failure = argv[5] != NULL && argv[6] != NULL ? (cssc_policy_t)atoi(argv[6]) : CSSC_POLICY_CONFIGURED;
    say_result("register", cssc_register(&args));
}

static cssc_call_tag_t tag_of(const char *text)
{
    void *tag = NULL;

    (void)sscanf(text, "%p", &tag);
    return tag;
}

/* operation NAME-OF-THE-REQUEST OPERATION NODE FLAGS [TO] */
static void do_operation(char **argv)
{
    static char names[16][32];
    static unsigned int next;
    cssc_opparam_t args;

    (void)snprintf(names[next % 16], sizeof names[0], "%s", argv[1]);
    memset(&args, 0, sizeof args);
    args.operation = (cssc_op_t)atoi(argv[2]);
    args.node_id = strcmp(argv[3], "-") == 0 ? NULL : argv[3];
    args.flags = (unsigned int)atoi(argv[4]);
    args.to = argv[5];
    args.reason = "the test says so";
    args.result_func = on_result;
    args.client_data = names[next++ % 16];
    say_result("operation", cssc_op_request(&args));
}

static void do_conf(char **argv)
{
    char buffer[512] = "";
    int size = atoi(argv[2]), level = 0;
    cssc_error_t error;

    if (strcmp(argv[1], "levels") == 0) {
        error = cssc_conf_get(CSSC_CONF_LEVELS, sequence_number(argv[2]), &level);
        (void)snprintf(buffer, sizeof buffer, "%d", level);
    } else {
        error = cssc_conf_get((cssc_conf_t)atoi(argv[1]), buffer, size);
    }
    if (error == CSSC_OK) {
        say("conf OK %s", buffer);
    } else {
        say_result("conf", error);
    }
}

static void do_master(void)
{
    cssc_master_t master;
    cssc_error_t error = cssc_master_ready(&master);

    if (error == CSSC_OK) {
        say("master OK %s %llu", master.node, (unsigned long long)master.term);
    } else {
        say_result("master", error);
    }
}

/* What each function says to arguments that are missing. */
static void do_nulls(void)
{
    say_result("register", cssc_register(NULL));
    say_result("unregister", cssc_unregister(NULL, CSSC_INIT, 0));
    say_result("notify", cssc_notify_registration(NULL));
    say_result("fd", cssc_fd(NULL));
    say_result("operation", cssc_op_request(NULL));
    say_result("master", cssc_master_ready(NULL));
    say_result("info", cssc_node_info(NULL));
    say_result("conf", cssc_conf_get(CSSC_CONF_CHANNEL, (char *)NULL, 10));
    say_result("conf", cssc_conf_get(CSSC_CONF_LEVELS, CSSC_INIT, (int *)NULL));
    say_result("conf", cssc_conf_get((cssc_conf_t)99));
    say_result("wait", cssc_set_wait(-1));
    say("nulls end");
}

/* What each function says to good arguments where none can succeed. */
static void say_all(const char *prefix, cssc_call_tag_t tag)
{
    const cssc_regparam_t registration = {
        .component_name = "all", .callback_func = on_callback, .sequence = CSSC_INIT, .client_data = &manners[0]};
    const cssc_opparam_t operation = {.operation = CSSC_OP_QUALIFY};
    cssc_node_info_t info;
    cssc_master_t master;
    char buffer[256], word[64];
    int fd = -7;

#define SAY(name, call) ((void)snprintf(word, sizeof word, "%s%s", prefix, name), say_result(word, call))
    SAY("register", cssc_register(&registration));
    SAY("unregister", cssc_unregister("all", CSSC_INIT, 0));
    SAY("done", cssc_done(tag, CSSC_STATUS_DONE));
    SAY("fail", cssc_fail(tag, "why"));
    SAY("notify", cssc_notify_registration(on_canceled));
    SAY("fd", cssc_fd(&fd));
    SAY("dispatch", cssc_dispatch(fd));
    SAY("operation", cssc_op_request(&operation));
    SAY("master", cssc_master_ready(&master));
    SAY("info", cssc_node_info(&info));
    SAY("conf", cssc_conf_get(CSSC_CONF_CHANNEL, buffer, (int)sizeof buffer));
    SAY("wait", cssc_set_wait(1000));
    if (fd == -7) {
        say("%send", prefix);
    }
#undef SAY
}

/* Another process than the one that registered. */
static void do_fork(const char *tag)
{
    pid_t child = fork();

    if (child == 0) {
        say_all("child ", tag_of(tag));
        _exit(0);
    }
    (void)waitpid(child, NULL, 0);
}

/* A process without descriptors for an event loop, before it has one. */
static void do_exhaust(void)
{
    int taken[4096], count = 0, fd;

    while (count < 4096 && (fd = dup(STDERR_FILENO)) >= 0) {
        taken[count++] = fd;
    }
    say_all("", NULL);
    while (count > 0) {
        (void)close(taken[--count]);
    }
}

/* Whether the descriptor is readable within so many milliseconds. */
static void do_readable(int limit)
{
    struct pollfd watched = {.events = POLLIN};

    (void)cssc_fd(&watched.fd);
    say("readable %d", poll(&watched, 1, limit));
}

static void do_dispatch(const char *which)
{
    int fd = -1;

    (void)cssc_fd(&fd);
    say_result("dispatch", cssc_dispatch(which == NULL ? fd : atoi(which)));
}

static void do_fd(void)
{
    int fd = -7;
    cssc_error_t error = cssc_fd(&fd);

    say("fd %s %s", code_word(error), fd >= 0 ? "open" : "unchanged");
}

static bool more(char **argv)
{
    const char *word = argv[0];

    if (strcmp(word, "conf") == 0) {
        do_conf(argv);
    } else if (strcmp(word, "master") == 0) {
        do_master();
    } else if (strcmp(word, "info") == 0) {
        say_info();
    } else if (strcmp(word, "nulls") == 0) {
        do_nulls();
    } else if (strcmp(word, "fork") == 0) {
        do_fork(argv[1]);
    } else if (strcmp(word, "exhaust") == 0) {
        do_exhaust();
    } else if (strcmp(word, "readable") == 0) {
        do_readable(atoi(argv[1]));
    } else if (strcmp(word, "dispatch") == 0) {
        do_dispatch(argv[1]);
    } else if (strcmp(word, "fd") == 0) {
        do_fd();
    } else if (strcmp(word, "poll") == 0) {
        polling = strcmp(argv[1], "on") == 0;
        say("poll OK");
    } else if (strcmp(word, "wait") == 0) {
        say_result("wait", cssc_set_wait(atoi(argv[1])));
    } else if (strcmp(word, "close") == 0) {
        cssc_close();
        say("close OK");
    } else {
        return false;
    }
    return true;
}

bool obey(char *line)
{
    char *argv[10] = {NULL}, *next = line;
    size_t count;

    for (count = 0; count < 9 && next != NULL; count++) {
        argv[count] = strsep(&next, " ");
    }
    if (strcmp(argv[0], "register") == 0) {
        do_register(argv);
    } else if (strcmp(argv[0], "unregister") == 0) {
        say_result("unregister", cssc_unregister(argv[1], sequence_number(argv[2]), atoi(argv[3])));
    } else if (strcmp(argv[0], "done") == 0) {
        say_result("done", cssc_done(tag_of(argv[1]), atoi(argv[2])));
    } else if (strcmp(argv[0], "fail") == 0) {
        say_result("fail", cssc_fail(tag_of(argv[1]), argv[2]));
    } else if (strcmp(argv[0], "notify") == 0) {
        say_result("notify", cssc_notify_registration(on_canceled));
    } else if (strcmp(argv[0], "operation") == 0) {
        do_operation(argv);
    } else if (strcmp(argv[0], "quit") == 0) {
        return false;
    } else if (!more(argv)) {
        say("unknown %s", argv[0]);
    }
    return true;
}
