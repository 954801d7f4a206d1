/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLAYER_H
#define PLAYER_H

#include <stdbool.h>

#include "cssc.h"

/* What a callback does when it is called. */
enum manner { HOLD, ANSWER, REFUSE, THREAD };

/* player.c */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_info(void);
void say_result(const char *what, cssc_error_t error);
void on_callback(const cssc_callparam_t *args, cssc_call_tag_t tag);
void on_canceled(cssc_sequence_t sequence, int last_level);
void on_result(cssc_result_t result, void *client_data);
const char *code_word(cssc_error_t error);
cssc_sequence_t sequence_number(const char *word);
extern bool polling; /* whether the main loop looks at the descriptor */

/* commands.c */
bool obey(char *line); /* false: the end */

#endif
