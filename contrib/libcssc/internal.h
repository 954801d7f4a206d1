/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CSSC_INTERNAL_H
#define CSSC_INTERNAL_H

/*
 * How the library is made.
 *
 * There is one struct cssc in a process, guarded by one lock. A public function is entered
 * with begin() and left with finish(); between them it has the lock, and sd-bus and sd-event
 * are used by nobody else. No function of the program is called with the lock held: what it
 * is to be told is queued (deliver.c), and cssc_dispatch() empties the queue.
 *
 * Upkeep is level-triggered: attend() looks at what is missing (a connection, a settled
 * agent, answers that nobody has taken) and begins it, without waiting; it is called after
 * everything that may have changed something, and by a timer after a failure.
 *
 *   loop.c       the one descriptor: sd-event, prepared again by finish()
 *   link.c       the connection, who the agent is, attend()
 *   call.c       calls, and what their errors mean
 *   register.c   registrations; sync.c makes them known to a new agent
 *   invoke.c     invocations that came; done.c answers them
 *   deliver.c    what the program is called with
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "cssc.h"

#define PUBLIC __attribute__((visibility("default")))
#define PRINTF(text, first) __attribute__((format(printf, text, first)))

#define BUS_NAME "org.cssc.Agent1"
#define ROOT_PATH "/org/cssc/Agent1"
#define MANAGER "org.cssc.Agent1.Manager"
#define DRIVER "org.freedesktop.DBus"
#define DRIVER_PATH "/org/freedesktop/DBus"

#define MESSAGE_MAX 1024    /* bytes of a reason; the interface's limit */
#define SPENT_MAX 1024      /* tags, answered or void, that are remembered: none is delivered again */
#define EVENTS_MAX 256      /* events that one cssc_dispatch() takes in */
#define PATH_SIZE 64        /* room for the path of a registration */

#define RETRY_FIRST 50000U   /* microseconds between attempts, doubled up to RETRY_LAST */
#define RETRY_LAST 2000000U
#define REPLY_LIMIT 25000000U /* microseconds that a call waits for its reply */
#define DONE_LIMIT 5000000U   /* the same for an answer, which is repeated anyway */
#define WAIT_DEFAULT 10000    /* milliseconds to wait for an agent that is not there */

/* A registration that shall exist. */
struct registration {
    struct registration *next;
    struct cssc *context;
    char *component;
    cssc_sequence_t sequence;
    int level;
    cssc_callback_t func;
    void *client_data;
    uint64_t timeout_usec;
    cssc_policy_t on_failure;
    bool busy;         /* a thread is in cssc_register() or cssc_unregister() with it */
    bool acknowledged; /* by the agent, on this connection */
    bool expected;     /* in the list that the agent was asked for: it was acknowledged before */
    char path[PATH_SIZE];
    sd_bus_slot *slot; /* the call that makes it known to a new agent, while it is under way */
};

enum invocation_state {
    WAITING,   /* for cssc_dispatch() */
    DELIVERED, /* to the program */
    ANSWERED   /* by the program, and the agent has not taken it yet */
};

/* An invocation that the agent waits for. */
struct invocation {
    struct invocation *next;
    struct cssc *context;
    uintptr_t handle; /* the program's cssc_call_tag_t */
    uint64_t tag;     /* the agent's */
    uint64_t owner;   /* owner_number of the agent that sent it last */
    enum invocation_state state;
    char *component;
    cssc_callback_t func;
    void *client_data;
    cssc_sequence_t sequence;
    int level;
    unsigned int flags;
    cssc_node_info_t info;
    int status; /* what was answered */
    char *message;
    sd_bus_slot *slot; /* the answer, while it is under way again */
};

/* An operation whose result somebody waits for. */
struct operation {
    struct operation *next;
    uint64_t id;
    bool expected; /* in the list that the agent was asked for: it was accepted before */
    bool listed;   /* by the agent, while its list is read */
    cssc_result_func_t func;
    void *client_data;
};

enum delivery_kind { DELIVER_CALLBACK, DELIVER_CANCELED, DELIVER_RESULT };

/* A call of a function of the program. */
struct delivery {
    struct delivery *next;
    enum delivery_kind kind;
    uintptr_t handle; /* of the invocation */
    cssc_sequence_t sequence;
    int level;
    cssc_result_t result;
    cssc_result_func_t func;
    void *client_data;
    char *text;
};

/* Everything the library knows. */
struct cssc {
    uint64_t generation; /* rises with cssc_close() */
    int wait_msec;

    sd_event *event;
    sd_event_source *timer;
    sd_event_source *poke_source;
    int poke; /* an eventfd: readable while something is pending that no descriptor shows */
    bool dispatching;

    sd_bus *bus;
    bool lost;             /* the bus has said goodbye */
    bool was_connected;    /* once in this life */
    bool hold;             /* the timer is armed: no attempt before */
    uint64_t pause;        /* microseconds before the next attempt after a failure */
    char *owner;           /* unique name of the agent, NULL while there is none */
    uint64_t owner_number; /* rises with every change of owner */
    bool subscribed;       /* to cancellation, at this owner */
    bool results_matched;  /* OperationRemoved reaches this connection */

    bool doubt; /* the agent may have a registration that is not in the table */
    bool syncing;
    bool sync_doubt; /* what doubt was when the present sync began */
    bool sync_failed;
    unsigned int outstanding; /* replies that the present sync waits for */
    uint64_t sync_owner;      /* owner_number that it began with */
    uint64_t settled;         /* owner_number that knows everything; 0 = none */

    struct registration *registrations;
    struct invocation *invocations;
    struct operation *operations;
    struct delivery *deliveries;
    struct delivery **deliveries_end;
    cssc_notify_t notify;
    uintptr_t next_handle;
    uint64_t spent[SPENT_MAX];
    size_t spent_next;
};

/* How a call ended. */
struct outcome {
    cssc_error_t error;
    bool passing; /* it may succeed when it is repeated */
};

/* context.c */
cssc_error_t begin(struct cssc **out);
cssc_error_t finish(struct cssc *c, cssc_error_t error);
void context_lock(void);
void context_unlock(void);

/* error.c */
cssc_error_t fail(cssc_error_t error, const char *format, ...) PRINTF(2, 3);
void set_text(const char *text);
struct outcome outcome_of(int r, const sd_bus_error *error);

/* loop.c */
int loop_open(struct cssc *c);
void loop_close(struct cssc *c);
void loop_wake(struct cssc *c);
void loop_settle(struct cssc *c);
void retry_later(struct cssc *c);

/* link.c */
int link_open(struct cssc *c);
void link_drop(struct cssc *c, bool flush);
void attend(struct cssc *c);
bool from_agent(struct cssc *c, sd_bus_message *m);
void match_results(struct cssc *c);

/* call.c */
struct outcome call_connect(struct cssc *c, const char *what);
int new_call(struct cssc *c, const char *method, sd_bus_message **out);
struct outcome call(struct cssc *c, const char *what, sd_bus_message *m, uint64_t limit, sd_bus_message **reply);
struct outcome call_simple(struct cssc *c, const char *what, const char *method, sd_bus_message **reply,
                           const char *types, ...);
int call_later(struct cssc *c, sd_bus_slot **slot, sd_bus_message *m, sd_bus_message_handler_t handler, void *userdata);
cssc_error_t persist(struct cssc *c, struct outcome (*attempt)(struct cssc *c, void *subject), void *subject);

/* register.c */
struct registration *registration_find(struct cssc *c, const char *component, cssc_sequence_t sequence, int level);
int registration_message(struct cssc *c, const struct registration *r, sd_bus_message **out);
void registration_acknowledge(struct registration *r, const char *path);
void registrations_unknown(struct cssc *c);
void registrations_free(struct cssc *c);
struct outcome subscribe(struct cssc *c);

/* sync.c: brings the agent and this process to the same view */
void sync_start(struct cssc *c);
void sync_step(struct cssc *c, bool failed);

/* invoke.c */
void on_callback(struct cssc *c, sd_bus_message *m);
void on_canceled(struct cssc *c, sd_bus_message *m);
int on_pending(struct cssc *c, sd_bus_message *reply);
struct invocation *invocation_find(struct cssc *c, uintptr_t handle);
void invocation_remove(struct cssc *c, struct invocation *i);
void invocations_free(struct cssc *c);
void invocations_withdraw(struct cssc *c, const struct registration *r);

/* done.c */
void answers_send(struct cssc *c);
void remember(struct cssc *c, uint64_t tag);

/* deliver.c */
bool deliver_later(struct cssc *c, const struct delivery *template);
unsigned int deliver(struct cssc *c);
void deliveries_free(struct cssc *c);

/* operation.c */
void on_operation_removed(struct cssc *c, sd_bus_message *m);
void operations_expect(struct cssc *c);
int operations_sync(struct cssc *c, sd_bus_message *reply);
void operations_free(struct cssc *c);

/* info.c */
int info_read(sd_bus_message *m, cssc_node_info_t *info);
void copy_name(char out[CSSC_NAME_SIZE], const char *name);

/* words.c: NULL and 0 for what has no word */
const char *sequence_word(cssc_sequence_t sequence);
cssc_sequence_t sequence_of(const char *word);
const char *policy_word(cssc_policy_t policy);
const char *operation_word(cssc_op_t operation);
cssc_state_t state_of(const char *word);
cssc_role_t role_of(const char *word);

#endif
