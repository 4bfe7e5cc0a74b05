/*
 * Words and the text that a shell makes the same words of (POSIX.1-2017,
 * Shell Command Language, 2.2 Quoting). Pure; nothing is executed.
 *
 * Vectors end with NULL; they and their words are the caller's, to be freed
 * with words_free().
 */
#ifndef BASE_SHELL_H
#define BASE_SHELL_H

#include "base/buf.h"

void words_free(char **words);

/* A word, in quotes where a shell would otherwise see more than a word. */
void shell_put_word(struct buf *b, const char *word);

/* Words with blanks between them; the text is the caller's to free(). */
char *shell_join(char *const *words);

/*
 * What a shell splits text into when it expands nothing: only blanks and
 * quotes mean something. NULL when a quote is not closed.
 */
char **shell_split(const char *text);

/*
 * The text of words that were split without regard to backquotes, as gdb
 * splits what its user typed: `cmd arg` has become the words "`cmd" and
 * "arg`". Backquotes enclose a command again, everything else is literal. A
 * word with a blank in it was in quotes of another kind, so its backquotes
 * are literal too. NULL where no command is enclosed; else for free().
 */
char *shell_join_backquoted(char *const *words);

#endif
