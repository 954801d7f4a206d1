/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the bus interface for the numbers of cssc.h. */

#include <string.h>

#include "internal.h"

#define COUNT(words) (sizeof(words) / sizeof *(words))

static const char *const sequences[] = {
    [CSSC_INIT] = "init",     [CSSC_SHUT] = "shut",
    [CSSC_PROMOTE] = "promote", [CSSC_DEMOTE] = "demote",
    [CSSC_DISQUALIFY] = "disqualify", [CSSC_QUALIFY] = "qualify",
};

static const char *const policies[] = {
    [CSSC_POLICY_HOLD] = "hold",
    [CSSC_POLICY_ABORT] = "abort",
    [CSSC_POLICY_CONTINUE] = "continue",
    [CSSC_POLICY_FENCE] = "fence",
};

static const char *const operations[] = {
    [CSSC_OP_DISQUALIFY] = "disqualify",
    [CSSC_OP_QUALIFY] = "qualify",
    [CSSC_OP_SHUTDOWN] = "shutdown",
    [CSSC_OP_SWITCHOVER] = "switchover",
};

static const char *const states[] = {
    [CSSC_STATE_DOWN] = "down", [CSSC_STATE_JOINING] = "joining", [CSSC_STATE_INITIALIZING] = "initializing",
    [CSSC_STATE_UP] = "up",     [CSSC_STATE_SHUTTING_DOWN] = "shutting-down", [CSSC_STATE_LEAVING] = "leaving",
};

static const char *const roles[] = {
    [CSSC_ROLE_MASTER] = "master",   [CSSC_ROLE_VICE] = "vice", [CSSC_ROLE_SPARE] = "spare",
    [CSSC_ROLE_OFFLINE] = "offline", [CSSC_ROLE_NONE] = "none",
};

static const char *word_of(const char *const *words, size_t count, unsigned int number)
{
    return number < count ? words[number] : NULL;
}

static unsigned int number_of(const char *const *words, unsigned int count, const char *word)
{
    unsigned int number;

    for (number = 1; number < count; number++) {
        if (strcmp(words[number], word) == 0) {
            return number;
        }
    }
    return 0;
}

const char *sequence_word(cssc_sequence_t sequence) { return word_of(sequences, COUNT(sequences), (unsigned int)sequence); }

cssc_sequence_t sequence_of(const char *word) { return (cssc_sequence_t)number_of(sequences, COUNT(sequences), word); }

const char *policy_word(cssc_policy_t policy) { return word_of(policies, COUNT(policies), (unsigned int)policy); }

const char *operation_word(cssc_op_t operation) { return word_of(operations, COUNT(operations), (unsigned int)operation); }

cssc_state_t state_of(const char *word) { return (cssc_state_t)number_of(states, COUNT(states), word); }

cssc_role_t role_of(const char *word) { return (cssc_role_t)number_of(roles, COUNT(roles), word); }
