#include "base/shell.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define BLANKS " \t\n"

void words_free(char **words)
{
	for (char **w = words; w && *w; w++)
		free(*w);
	free(words);
}

/* --- joining ------------------------------------------------------------- */

/* Single quotes keep everything but themselves. */
static void put_quoted(struct buf *b, const char *text, size_t len)
{
	buf_putc(b, '\'');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\'')
			buf_puts(b, "'\\''");
		else
			buf_putc(b, text[i]);
	}
	buf_putc(b, '\'');
}

static bool is_plain(const char *word)
{
	for (const char *c = word; *c; c++) {
		if (!isalnum((unsigned char)*c) && !strchr("_@%+=:,./-", *c))
			return false;
	}
	return *word;
}

void shell_put_word(struct buf *b, const char *word)
{
	if (is_plain(word))
		buf_puts(b, word);
	else
		put_quoted(b, word, strlen(word));
}

char *shell_join(char *const *words)
{
	struct buf b = { 0 };

	for (; *words; words++) {
		if (b.len)
			buf_putc(&b, ' ');
		shell_put_word(&b, *words);
	}
	return buf_str(&b);
}

/* The pieces of a word between backquotes; *command says on which side of
 * one it begins, and then on which it ends. */
static void put_pieces(struct buf *b, const char *word, bool *command)
{
	const char *end = strchr(word, '`');

	for (; end; end = strchr(word, '`')) {
		if (*command)
			buf_put(b, word, (size_t)(end - word));
		else if (end > word)
			put_quoted(b, word, (size_t)(end - word));
		buf_putc(b, '`');
		*command = !*command;
		word = end + 1;
	}
	if (*command)
		buf_puts(b, word);
	else if (*word)
		put_quoted(b, word, strlen(word));
}

char *shell_join_backquoted(char *const *words)
{
	bool command = false, any = false;
	struct buf b = { 0 };

	for (; *words; words++) {
		if (b.len)
			buf_putc(&b, ' ');
		if (!strchr(*words, '`') && !command) {
			shell_put_word(&b, *words);
		} else if (strpbrk(*words, BLANKS)) {
			shell_put_word(&b, *words);
		} else {
			put_pieces(&b, *words, &command);
			any = true;
		}
	}
	if (any && !command)
		return buf_str(&b);
	buf_fini(&b);
	return NULL;
}

/* --- splitting ----------------------------------------------------------- */

/* In double quotes a backslash is one unless one of these follows. */
static bool is_escape(char next, char quote)
{
	return next && (!quote || strchr("$`\"\\\n", next));
}

/* From inside a word to its end; false when that lies in quotes. */
static bool put_unquoted(struct buf *b, const char **text)
{
	const char *c = *text;
	char quote = 0;

	for (; *c && (quote || !strchr(BLANKS, *c)); c++) {
		if (*c == quote) {
			quote = 0;
		} else if (!quote && (*c == '\'' || *c == '"')) {
			quote = *c;
		} else {
			if (*c == '\\' && quote != '\'' &&
			    is_escape(c[1], quote))
				c++;
			buf_putc(b, *c);
		}
	}
	*text = c;
	return !quote;
}

char **shell_split(const char *text)
{
	char **words = xcalloc(strlen(text) / 2 + 2, sizeof(*words));
	bool closed = true;

	for (size_t n = 0; closed; n++) {
		struct buf b = { 0 };

		text += strspn(text, BLANKS);
		if (!*text)
			return words;
		closed = put_unquoted(&b, &text);
		words[n] = buf_str(&b);
	}
	words_free(words);
	return NULL;
}
