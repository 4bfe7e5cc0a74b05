/* Words and command lines; /bin/sh is who says what they mean. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/shell.h"

#define WORDS(...)                           \
	(char *const *)(const char *const[]) \
	{                                    \
		__VA_ARGS__, NULL            \
	}

/* What the shell makes of text: words, each ended by a zero byte. */
static struct buf ask_shell(const char *text)
{
	char *script =
		xasprintf("for w in %s; do printf '%%s\\0' \"$w\"; done", text);
	struct buf command = { 0 }, out = { 0 };
	FILE *f;
	int c;

	buf_puts(&command, "set -f; ");
	buf_puts(&command, script);
	setenv("SCRIPT", buf_str(&command), 1);
	f = popen("exec /bin/sh -c \"$SCRIPT\"", "r");
	assert_non_null(f);
	while ((c = getc(f)) != EOF)
		buf_putc(&out, (char)c);
	assert_int_equal(pclose(f), 0);
	free(script);
	buf_fini(&command);
	return out;
}

static void assert_words(char *const *words, const struct buf *said)
{
	size_t at = 0;

	for (; *words; words++) {
		assert_true(at < said->len);
		assert_string_equal(*words, said->data + at);
		at += strlen(*words) + 1;
	}
	assert_int_equal(at, said->len);
}

static void assert_same(char *const *words, const char *text)
{
	struct buf said = ask_shell(text);

	assert_words(words, &said);
	buf_fini(&said);
}

static void test_join(void **state)
{
	char *const *words = WORDS("plain", "", "a b", "it's", "\"", "$HOME",
				   "`id`", "\\", "a\nb", "*", "~", "#", "&&",
				   "-x", "a=b", "!", "\t", "''", "\303\244");
	char *text = shell_join(words);

	(void)state;
	assert_same(words, text);
	free(text);
}

static void test_join_random(void **state)
{
	static const char from[] = "ab '\"\\$`*?[]{}()<>|&;!#~\n\t=-";
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 60; round++) {
		char word[8][12], *words[9] = { NULL }, *text, **back;

		for (int i = 0; i < 8; i++) {
			for (int k = 0; k < 11; k++) {
				seed = seed * 1103515245 + 12345;
				word[i][k] = from[seed / 65536 % sizeof(from)];
			}
			word[i][11] = '\0';
			words[i] = word[i];
		}
		text = shell_join(words);
		assert_same(words, text);
		back = shell_split(text);
		for (int i = 0; i < 8; i++)
			assert_string_equal(back[i], words[i]);
		assert_null(back[8]);
		words_free(back);
		free(text);
	}
}

static void test_split(void **state)
{
	static const char *const texts[] = {
		"",
		"a",
		"  a  b\tc ",
		"'a b' c",
		"\"a b\"c'd e'",
		"a\\ b",
		"'' \"\" ''''",
		"\"a\\\"b\\\\c\\d\"",
		"'\\'",
		"a'b'\"c\"d\\e",
		"\\'a\\\"",
		"a\\\\",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char **words = shell_split(texts[i]);

		assert_non_null(words);
		assert_same(words, texts[i]);
		words_free(words);
	}
}

static void test_split_open(void **state)
{
	static const char *const texts[] = { "'", "a 'b", "\"a", "\"a\\\"",
					     "'a' \"b'" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		assert_null(shell_split(texts[i]));
}

static void backquoted(char *const *words, char *const *means)
{
	char *text = shell_join_backquoted(words);

	assert_non_null(text);
	assert_same(means, text);
	free(text);
}

static void test_backquotes(void **state)
{
	(void)state;
	backquoted(WORDS("`echo", "8`"), WORDS("8"));
	backquoted(WORDS("a*$x", "p`echo", "1`$q", "b c"),
		   WORDS("a*$x", "p1$q", "b c"));
	backquoted(WORDS("`echo`", "`echo", "a b", "`x"), WORDS("a", "bx"));
	backquoted(WORDS("`echo`'`echo`", "x"), WORDS("'", "x"));
}

static void test_no_backquotes(void **state)
{
	(void)state;
	assert_null(shell_join_backquoted((char *[]){ NULL }));
	assert_null(shell_join_backquoted(WORDS("a", "b")));
	assert_null(shell_join_backquoted(WORDS("`a", "b")));
	assert_null(shell_join_backquoted(WORDS("in `a` b")));
	assert_null(shell_join_backquoted(WORDS("`a`", "`")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_join_random),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_split_open),
		cmocka_unit_test(test_backquotes),
		cmocka_unit_test(test_no_backquotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
