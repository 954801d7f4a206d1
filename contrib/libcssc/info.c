/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of a node, and the questions that change nothing. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

void copy_name(char out[CSSC_NAME_SIZE], const char *name) { (void)snprintf(out, CSSC_NAME_SIZE, "%s", name); }

/* Notes one text of a node; a key that is not known is of a newer agent. */
static void take_text(cssc_node_info_t *info, const char *key, const char *value)
{
    if (strcasecmp(key, "node") == 0) {
        copy_name(info->node, value);
    } else if (strcasecmp(key, "cluster") == 0) {
        copy_name(info->cluster, value);
    } else if (strcasecmp(key, "master") == 0) {
        copy_name(info->master, value);
    } else if (strcasecmp(key, "vice") == 0) {
        copy_name(info->vice, value);
    } else if (strcasecmp(key, "state") == 0) {
        info->state = state_of(value);
    } else if (strcasecmp(key, "role") == 0) {
        info->role = role_of(value);
    }
}

/* Reads an a{sv}: the info of an invocation, whose keys are written small, or the
   properties of the Manager, whose names begin large. */
int info_read(sd_bus_message *m, cssc_node_info_t *info)
{
    const char *key, *contents, *text;
    uint64_t number;
    int r;

    memset(info, 0, sizeof *info);
    r = sd_bus_message_enter_container(m, 'a', "{sv}");
    while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        r = sd_bus_message_read(m, "s", &key);
        if (r >= 0) {
            r = sd_bus_message_peek_type(m, NULL, &contents);
        }
        if (r >= 0 && strcmp(contents, "s") == 0) {
            r = sd_bus_message_read(m, "v", "s", &text);
            if (r >= 0) {
                take_text(info, key, text);
            }
        } else if (r >= 0 && strcmp(contents, "t") == 0) {
            r = sd_bus_message_read(m, "v", "t", &number);
            if (r >= 0 && strcasecmp(key, "term") == 0) {
                info->term = number;
            }
        } else if (r >= 0) {
            r = sd_bus_message_skip(m, "v");
        }
        if (r >= 0) {
            r = sd_bus_message_exit_container(m);
        }
    }
    return r < 0 ? r : sd_bus_message_exit_container(m);
}

PUBLIC cssc_error_t cssc_master_ready(cssc_master_t *master_out)
{
    sd_bus_message *reply = NULL;
    cssc_error_t error;
    struct cssc *c;
    const char *node;
    uint64_t term;

    if (master_out == NULL) {
        set_text("");
        return fail(CSSC_EINVAL, "master ready: no place to put it");
    }
    error = begin(&c);
    if (error != CSSC_OK) {
        return error;
    }
    error = call_simple(c, "master ready", "MasterReady", &reply, "").error;
    if (error == CSSC_OK) {
        if (sd_bus_message_read(reply, "st", &node, &term) > 0) {
            copy_name(master_out->node, node);
            master_out->term = term;
        } else {
            error = fail(CSSC_ENOTSUP, "master ready: the agent answers in another way: is it of another version?");
        }
    }
    sd_bus_message_unref(reply);
    return finish(c, error);
}

/* The Manager's properties. */
static struct outcome properties(struct cssc *c, sd_bus_message **reply)
{
    sd_bus_message *m = NULL;
    struct outcome outcome;
    int r;

    outcome = call_connect(c, "node info");
    if (outcome.error != CSSC_OK) {
        return outcome;
    }
    r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, ROOT_PATH, "org.freedesktop.DBus.Properties", "GetAll");
    if (r >= 0) {
        r = sd_bus_message_set_auto_start(m, 0);
    }
    if (r >= 0) {
        r = sd_bus_message_append(m, "s", MANAGER);
    }
    if (r < 0) {
        outcome = (struct outcome){fail(CSSC_ENOTSUP, "node info: %s", strerror(-r)), false};
    } else {
        outcome = call(c, "node info", m, REPLY_LIMIT, reply);
    }
    sd_bus_message_unref(m);
    return outcome;
}

PUBLIC cssc_error_t cssc_node_info(cssc_node_info_t *info_out)
{
    sd_bus_message *reply = NULL;
    cssc_node_info_t info;
    cssc_error_t error;
    struct cssc *c;

    if (info_out == NULL) {
        set_text("");
        return fail(CSSC_EINVAL, "node info: no place to put it");
    }
    error = begin(&c);
    if (error != CSSC_OK) {
        return error;
    }
    error = properties(c, &reply).error;
    if (error == CSSC_OK) {
        if (info_read(reply, &info) >= 0) {
            *info_out = info;
        } else {
            error = fail(CSSC_ENOTSUP, "node info: the agent answers in another way: is it of another version?");
        }
    }
    sd_bus_message_unref(reply);
    return finish(c, error);
}

/* Reads the variant of a configuration value into a buffer. */
static cssc_error_t conf_text(struct cssc *c, const char *key, char *buffer, int size)
{
    sd_bus_message *reply = NULL;
    cssc_error_t error;
    const char *text;
    size_t length;

    error = call_simple(c, "get config", "GetConfig", &reply, "s", key).error;
    if (error == CSSC_OK) {
        if (sd_bus_message_read(reply, "v", "s", &text) <= 0) {
            error = fail(CSSC_ENOTSUP, "get config %s: the agent answers in another way: is it of another version?", key);
        } else {
            length = strlen(text);
            if (length >= (size_t)size) {
                error = fail(CSSC_E2BIG, "get config %s: the value needs %zu bytes, the buffer has %d", key, length + 1, size);
            } else {
                memcpy(buffer, text, length + 1);
            }
        }
    }
    sd_bus_message_unref(reply);
    return error;
}

static cssc_error_t conf_levels(struct cssc *c, cssc_sequence_t sequence, int *level)
{
    sd_bus_message *reply = NULL;
    cssc_error_t error;
    char key[32];
    int number;

    (void)snprintf(key, sizeof key, "levels.%s", sequence_word(sequence));
    error = call_simple(c, "get config", "GetConfig", &reply, "s", key).error;
    if (error == CSSC_OK) {
        if (sd_bus_message_read(reply, "v", "i", &number) > 0) {
            *level = number;
        } else {
            error = fail(CSSC_ENOTSUP, "get config %s: the agent answers in another way: is it of another version?", key);
        }
    }
    sd_bus_message_unref(reply);
    return error;
}

static const char *conf_key(cssc_conf_t tag)
{
    switch (tag) {
    case CSSC_CONF_CHANNEL:
        return "channel";
    case CSSC_CONF_EVT_MASTER_READY:
        return "event.master-ready";
    case CSSC_CONF_EVT_DISQUALIFY:
        return "event.disqualified";
    case CSSC_CONF_EVT_QUALIFY:
        return "event.qualified";
    case CSSC_CONF_LEVELS:
        break;
    }
    return NULL;
}

PUBLIC cssc_error_t cssc_conf_get(cssc_conf_t tag, ...)
{
    const char *key = conf_key(tag);
    cssc_sequence_t sequence = CSSC_INIT;
    int *level = NULL;
    char *buffer = NULL;
    int size = 0;
    va_list arguments;
    cssc_error_t error;
    struct cssc *c;

    set_text("");
    va_start(arguments, tag);
    if (key != NULL) {
        buffer = va_arg(arguments, char *);
        size = va_arg(arguments, int);
    } else if (tag == CSSC_CONF_LEVELS) {
        sequence = va_arg(arguments, cssc_sequence_t);
        level = va_arg(arguments, int *);
    }
    va_end(arguments);
    if (key == NULL && tag != CSSC_CONF_LEVELS) {
        return fail(CSSC_EINVAL, "get config: unknown tag %d", (int)tag);
    }
    if (key != NULL && (buffer == NULL || size <= 0)) {
        return fail(CSSC_EINVAL, "get config %s: no buffer", key);
    }
    if (key == NULL && (level == NULL || sequence_word(sequence) == NULL)) {
        return fail(CSSC_EINVAL, "get config: unknown sequence %d, or no place for its levels", (int)sequence);
    }
    error = begin(&c);
    if (error != CSSC_OK) {
        return error;
    }
    error = key != NULL ? conf_text(c, key, buffer, size) : conf_levels(c, sequence, level);
    return finish(c, error);
}
