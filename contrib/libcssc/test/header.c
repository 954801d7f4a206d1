/* SPDX-License-Identifier: Apache-2.0 */
/* Includes the header alone: it needs nothing before it, in C and in C++. */

#include <cssc.h>

static void callback(const cssc_callparam_t *args, cssc_call_tag_t tag)
{
    (void)cssc_done(tag, args->flags == CSSC_FLAG_NOBOOT ? CSSC_STATUS_DONE : CSSC_STATUS_ERROR);
}

int main(void)
{
    cssc_regparam_t args = {"naming", callback, CSSC_INIT, CSSC_LAST_LEVEL, 0, 0, CSSC_POLICY_CONFIGURED};
    int fd;

    return cssc_register(&args) == CSSC_OK && cssc_fd(&fd) == CSSC_OK ? (int)cssc_dispatch(fd) : 1;
}
