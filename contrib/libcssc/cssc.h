/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CSSC_H
#define CSSC_H

/*
 * libcssc: a service's side of cssc, over the system bus.
 *
 * A program registers callbacks for levels of sequences, waits with poll(2) for the
 * descriptor of cssc_fd() to become readable, and calls cssc_dispatch(), which calls its
 * functions; each invocation is answered with cssc_done(). See libcssc(3), and the manual
 * page of each function for what it returns when.
 *
 * Every function may be called from any thread. The functions of the program are called by
 * cssc_dispatch() alone, in its thread, one after another, and may call every function here.
 */

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The level after all that have numbers. */
#define CSSC_LAST_LEVEL (-1)

/** The shutdown is not followed by a reboot. */
#define CSSC_FLAG_NOBOOT 0x001U

/** What cssc_done() reports. */
#define CSSC_STATUS_DONE 0
#define CSSC_STATUS_ERROR (-1)

/** Room for the name of a node or a cluster, the zero at its end included. */
#define CSSC_NAME_SIZE 129

/** What the functions return. The manual page of each says which, and when. */
typedef enum {
    CSSC_OK = 0,       /* done */
    CSSC_EALREADY = 1, /* there is one already */
    CSSC_EACCES = 2,   /* permission denied */
    CSSC_EINVAL = 3,   /* invalid argument */
    CSSC_ENOENT = 4,   /* no such registration */
    CSSC_ESRCH = 5,    /* no such invocation is open */
    CSSC_EAGAIN = 6,   /* not now; the same call may succeed later */
    CSSC_EBADF = 7,    /* not the descriptor of cssc_fd() */
    CSSC_ENOMSG = 8,   /* nothing to read */
    CSSC_E2BIG = 9,    /* the value does not fit into the buffer */
    CSSC_ENOTSUP = 10  /* anything else; cssc_error_text() says what */
} cssc_error_t;

/** The sequences. */
typedef enum {
    CSSC_INIT = 1,       /* the node starts */
    CSSC_SHUT = 2,       /* the node stops */
    CSSC_PROMOTE = 3,    /* the node has become master or vice */
    CSSC_DEMOTE = 4,     /* the node is about to lose its role */
    CSSC_DISQUALIFY = 5, /* the node may hold no role any more */
    CSSC_QUALIFY = 6     /* the node may hold a role again */
} cssc_sequence_t;

/** The lives of a node. */
typedef enum {
    CSSC_STATE_UNKNOWN = 0,
    CSSC_STATE_DOWN = 1,
    CSSC_STATE_JOINING = 2,
    CSSC_STATE_INITIALIZING = 3,
    CSSC_STATE_UP = 4,
    CSSC_STATE_SHUTTING_DOWN = 5,
    CSSC_STATE_LEAVING = 6
} cssc_state_t;

/** The roles of a node. */
typedef enum {
    CSSC_ROLE_UNKNOWN = 0,
    CSSC_ROLE_MASTER = 1,
    CSSC_ROLE_VICE = 2,
    CSSC_ROLE_SPARE = 3,
    CSSC_ROLE_OFFLINE = 4, /* locked */
    CSSC_ROLE_NONE = 5     /* not eligible */
} cssc_role_t;

/** What follows when a callback fails. */
typedef enum {
    CSSC_POLICY_CONFIGURED = 0, /* as configured for the component, level or sequence */
    CSSC_POLICY_HOLD = 1,
    CSSC_POLICY_ABORT = 2,
    CSSC_POLICY_CONTINUE = 3,
    CSSC_POLICY_FENCE = 4
} cssc_policy_t;

/** A node. May be copied; holds no pointers. */
typedef struct {
    char node[CSSC_NAME_SIZE];    /* name of the node */
    char cluster[CSSC_NAME_SIZE]; /* name of the cluster */
    char master[CSSC_NAME_SIZE];  /* name of the master, empty while none is known */
    char vice[CSSC_NAME_SIZE];    /* name of the vice, empty while there is none */
    cssc_state_t state;
    cssc_role_t role;
    uint64_t term; /* number of the mastership; the fencing token */
} cssc_node_info_t;

/** One invocation of one callback; good for its cssc_done(), and never used twice. */
typedef void *cssc_call_tag_t;

/** What a callback is called with; valid until it returns. */
typedef struct {
    cssc_sequence_t sequence;
    int level;          /* 0 and up, or CSSC_LAST_LEVEL */
    unsigned int flags; /* CSSC_FLAG_NOBOOT */
    void *client_data;
    const cssc_node_info_t *node_info; /* this node at the start of the run */
} cssc_callparam_t;

/** A callback; it starts the work, and cssc_done() tells its end. */
typedef void (*cssc_callback_t)(const cssc_callparam_t *call_args, cssc_call_tag_t call_tag);

/** A registration. Zero the whole of it, then set what is needed. */
typedef struct {
    const char *component_name; /* 1 to 128 letters, digits and @._:- */
    cssc_callback_t callback_func;
    cssc_sequence_t sequence;
    int level;             /* 0 and up, or CSSC_LAST_LEVEL */
    void *client_data;     /* handed to the callback */
    uint64_t timeout_usec; /* microseconds for one call, at most a day; 0 = as configured */
    cssc_policy_t on_failure;
} cssc_regparam_t;

/** Called when a sequence was cancelled; its open invocations are void. */
typedef void (*cssc_notify_t)(cssc_sequence_t canceled_sequence, int last_level);

/** The operations. */
typedef enum {
    CSSC_OP_DISQUALIFY = 1, /* the node gives up its role and holds none */
    CSSC_OP_QUALIFY = 2,    /* the node may hold a role again */
    CSSC_OP_SHUTDOWN = 3,   /* the node leaves, and reboots unless CSSC_FLAG_NOBOOT */
    CSSC_OP_SWITCHOVER = 4  /* the master hands its role over */
} cssc_op_t;

/** How an operation ended. */
typedef enum {
    CSSC_RES_COMPLETED = 0,
    CSSC_RES_FAILED = 1, /* failed or cancelled; cssc_error_text() says why */
    CSSC_RES_UNKNOWN = 2 /* the agent was restarted meanwhile and does not know it any more */
} cssc_result_t;

/** Called when an operation has ended. */
typedef void (*cssc_result_func_t)(cssc_result_t result, void *client_data);

/** An operation. Zero the whole of it, then set what is needed. */
typedef struct {
    cssc_op_t operation;
    const char *node_id;            /* NULL or "": this node; of a switchover, the master */
    unsigned int flags;             /* CSSC_FLAG_NOBOOT, of a shutdown */
    cssc_result_func_t result_func; /* NULL: the result is not wanted */
    void *client_data;              /* handed to result_func */
    const char *to;                 /* node that takes over, of a switchover; NULL or "": any */
    const char *reason;             /* for people and records, at most 1024 bytes; may be NULL */
} cssc_opparam_t;

/** The master that is ready for service. */
typedef struct {
    char node[CSSC_NAME_SIZE];
    uint64_t term; /* number of its mastership; the fencing token */
} cssc_master_t;

/** What cssc_conf_get() gets, and what must follow the tag. */
typedef enum {
    CSSC_CONF_CHANNEL = 1,          /* char *buffer, int size */
    CSSC_CONF_EVT_MASTER_READY = 2, /* char *buffer, int size */
    CSSC_CONF_EVT_DISQUALIFY = 3,   /* char *buffer, int size */
    CSSC_CONF_EVT_QUALIFY = 4,      /* char *buffer, int size */
    CSSC_CONF_LEVELS = 5            /* cssc_sequence_t sequence, int *level */
} cssc_conf_t;

/* Taking part in levels. */
cssc_error_t cssc_register(const cssc_regparam_t *reg_args);
cssc_error_t cssc_unregister(const char *component_name, cssc_sequence_t sequence, int level);
cssc_error_t cssc_done(cssc_call_tag_t call_tag, int status);
cssc_error_t cssc_fail(cssc_call_tag_t call_tag, const char *reason);
cssc_error_t cssc_notify_registration(cssc_notify_t notify_func);

/* Receiving. */
cssc_error_t cssc_fd(int *fd_out);
cssc_error_t cssc_dispatch(int fd);

/* Asking. */
cssc_error_t cssc_op_request(const cssc_opparam_t *op_args);
cssc_error_t cssc_master_ready(cssc_master_t *master_out);
cssc_error_t cssc_node_info(cssc_node_info_t *info_out);
cssc_error_t cssc_conf_get(cssc_conf_t tag, ...);

/* The connection. */
cssc_error_t cssc_set_wait(int milliseconds);
void cssc_close(void);

/* Texts for people. */
const char *cssc_strerror(cssc_error_t error);
const char *cssc_error_text(void);

#ifdef __cplusplus
}
#endif

#endif
