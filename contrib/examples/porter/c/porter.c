/* SPDX-License-Identifier: Apache-2.0 */
/* The porter in C. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cssc.h>
#include <systemd/sd-daemon.h>

#define PATH_SIZE 4096
#define REASON_SIZE 512

/* The files: the door, its next state, the note that keeps it closed, and what was done. */
static char door[PATH_SIZE], next_door[PATH_SIZE], note[PATH_SIZE], story[PATH_SIZE];

static const char *const sequences[] = {"", "init", "shut", "promote", "demote", "disqualify", "qualify"};
static const char *const roles[] = {"unknown", "master", "vice", "spare", "offline", "none"};

__attribute__((format(printf, 1, 2))) static int tell(const char *format, ...)
{
    FILE *file = fopen(story, "a");
    va_list arguments;

    if (file == NULL) {
        return -1;
    }
    va_start(arguments, format);
    (void)vfprintf(file, format, arguments);
    va_end(arguments);
    (void)fputc('\n', file);
    return fclose(file);
}

/* The door appears with the term in it, or not at all. */
static int open_door(uint64_t term)
{
    FILE *file = fopen(next_door, "w");

    if (file == NULL) {
        return -1;
    }
    (void)fprintf(file, "term %llu\n", (unsigned long long)term);
    if (fclose(file) != 0) {
        return -1;
    }
    return rename(next_door, door);
}

/* Does what a level asks for. It may be asked twice for one level of one term, and nothing is
   different then. On failure the reason is filled in. */
static int work(const cssc_callparam_t *call, char reason[REASON_SIZE])
{
    int beginning = call->sequence == CSSC_INIT || call->sequence == CSSC_PROMOTE;
    int result = 0;
    FILE *file;

    if (beginning && call->level == 0) {
        file = fopen(note, "r");
        if (file == NULL && errno == ENOENT) {
            return 0;
        }
        if (file != NULL) {
            if (fgets(reason, REASON_SIZE, file) != NULL) {
                reason[strcspn(reason, "\n")] = '\0';
            }
            (void)fclose(file);
            return -1;
        }
        result = -1;
    } else if (beginning && call->node_info->role == CSSC_ROLE_MASTER) {
        result = open_door(call->node_info->term);
    } else if (!beginning && unlink(door) != 0 && errno != ENOENT) {
        result = -1;
    }
    if (result != 0) {
        (void)snprintf(reason, REASON_SIZE, "%s", strerror(errno));
    }
    return result;
}

/* Called by cssc_dispatch() when a level is reached. What takes longer would go on in another
   thread, which says cssc_done() then. */
static void level(const cssc_callparam_t *call, cssc_call_tag_t tag)
{
    char reason[REASON_SIZE] = "", number[16] = "last";
    cssc_error_t answered;
    int failed;

    if (call->level != CSSC_LAST_LEVEL) {
        (void)snprintf(number, sizeof number, "%d", call->level);
    }
    failed = work(call, reason);
    if (tell("%s %s %s %llu %s%s", sequences[call->sequence], number, roles[call->node_info->role],
             (unsigned long long)call->node_info->term, failed ? "failed: " : "done", reason) != 0 && !failed) {
        (void)snprintf(reason, sizeof reason, "write the story: %s", strerror(errno));
        failed = 1;
    }
    answered = failed ? cssc_fail(tag, reason) : cssc_done(tag, CSSC_STATUS_DONE);
    if (answered != CSSC_OK && answered != CSSC_ESRCH) { /* ESRCH: nobody waits any more */
        (void)fprintf(stderr, "porter-c: answer: %s\n", cssc_error_text());
    }
}

static int register_all(const char *component)
{
    static const struct {
        cssc_sequence_t sequence;
        int level;
    } levels[] = {
        {CSSC_INIT, 0},    {CSSC_INIT, CSSC_LAST_LEVEL},
        {CSSC_PROMOTE, 0}, {CSSC_PROMOTE, CSSC_LAST_LEVEL},
        {CSSC_DEMOTE, 0},  {CSSC_SHUT, 0},
    };
    cssc_regparam_t wanted;
    size_t i;

    for (i = 0; i < sizeof levels / sizeof *levels; i++) {
        memset(&wanted, 0, sizeof wanted);
        wanted.component_name = component;
        wanted.callback_func = level;
        wanted.sequence = levels[i].sequence;
        wanted.level = levels[i].level;
        if (cssc_register(&wanted) != CSSC_OK) {
            (void)fprintf(stderr, "porter-c: %s\n", cssc_error_text());
            return -1;
        }
    }
    return 0;
}

/* A porter that was started again finds out itself what the node is: levels that are behind it
   do not come back. Nobody is ready while a promote or demote runs, and their levels will come;
   they wait until cssc_dispatch(). */
static int catch_up(void)
{
    cssc_node_info_t here;
    cssc_master_t master;
    cssc_error_t error = cssc_master_ready(&master);

    if (error == CSSC_EAGAIN) {
        return 0;
    }
    if (error != CSSC_OK || cssc_node_info(&here) != CSSC_OK) {
        (void)fprintf(stderr, "porter-c: %s\n", cssc_error_text());
        return -1;
    }
    if (strcmp(master.node, here.node) != 0) {
        return 0;
    }
    if (open_door(master.term) != 0 || tell("start master %llu done", (unsigned long long)master.term) != 0) {
        perror("porter-c: open");
        return -1;
    }
    return 0;
}

static void place(char path[PATH_SIZE], const char *folder, const char *name)
{
    const char *where = getenv(folder);

    (void)snprintf(path, PATH_SIZE, "%s/%s", where == NULL ? "." : where, name);
}

int main(int argc, char **argv)
{
    struct pollfd watched[2] = {{.fd = -1, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    sigset_t end;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: porter-c COMPONENT\n");
        return 2;
    }
    place(door, "RUNTIME_DIRECTORY", "open");
    place(next_door, "RUNTIME_DIRECTORY", "open.new");
    place(note, "CONFIGURATION_DIRECTORY", "closed");
    place(story, "STATE_DIRECTORY", "story");
    (void)sigemptyset(&end);
    (void)sigaddset(&end, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &end, NULL);
    watched[0].fd = signalfd(-1, &end, SFD_CLOEXEC);
    if (watched[0].fd < 0 || register_all(argv[1]) != 0 || catch_up() != 0) {
        return 1;
    }
    if (cssc_fd(&watched[1].fd) != CSSC_OK) {
        (void)fprintf(stderr, "porter-c: %s\n", cssc_error_text());
        return 1;
    }
    (void)sd_notify(0, "READY=1");
    while (poll(watched, 2, -1) >= 0 || errno == EINTR) {
        if (watched[0].revents != 0) {
            break;
        }
        (void)cssc_dispatch(watched[1].fd);
    }
    cssc_close();
    return 0;
}
