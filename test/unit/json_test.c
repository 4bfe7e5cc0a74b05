/* Strings of JSON, as they are written: base/json.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <json-c/json.h>

#include "base/json.h"

static void expect(const char *text, const char *written)
{
	struct buf b = { 0 };

	json_text(&b, text);
	assert_string_equal(buf_str(&b), written);
	buf_fini(&b);
}

static void what_must_be_escaped_is(void **state)
{
	(void)state;
	expect("", "\"\"");
	expect("a\"b\\c/", "\"a\\\"b\\\\c/\"");
	expect("\x01\t\n\x1f \x7f", "\"\\u0001\\u0009\\u000a\\u001f \\u007f\"");
	expect("</script>", "\"\\u003c/script>\"");
	expect("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xaa",
	       "\"\xe2\x80\xa7\\u2028\\u2029\xe2\x80\xaa\"");
}

static void characters_stay(void **state)
{
	(void)state;
	expect("gr\xc3\xb6\xc3\x9f"
	       "e",
	       "\"gr\xc3\xb6\xc3\x9f"
	       "e\"");
	expect("\xc2\x80\xdf\xbf", "\"\xc2\x80\xdf\xbf\"");
	expect("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80",
	       "\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\"");
	expect("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
	       "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"");
}

static void other_bytes_become_characters(void **state)
{
	(void)state;
	expect("\xff\x80", "\"\\u00ff\\u0080\"");
	/* Cut, at the end and before a character. */
	expect("\xe2\x82", "\"\\u00e2\\u0082\"");
	expect("\xf0\x9f\x98z", "\"\\u00f0\\u009f\\u0098z\"");
	/* Longer than need be, half of a pair, behind the last. */
	expect("\xc0\x80", "\"\\u00c0\\u0080\"");
	expect("\xe0\x80\x80", "\"\\u00e0\\u0080\\u0080\"");
	expect("\xed\xa0\x80", "\"\\u00ed\\u00a0\\u0080\"");
	expect("\xf0\x8f\xbf\xbf", "\"\\u00f0\\u008f\\u00bf\\u00bf\"");
	expect("\xf4\x90\x80\x80", "\"\\u00f4\\u0090\\u0080\\u0080\"");
}

/* By a reader that is not ours and takes no byte that is not UTF-8. */
static void any_bytes_make_a_document(void **state)
{
	struct json_tokener *tok = json_tokener_new();
	struct buf b = { 0 };
	json_object *o;
	char text[9];

	(void)state;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT |
					    JSON_TOKENER_VALIDATE_UTF8);
	srandom(1);
	for (int i = 0; i < 20000; i++) {
		for (size_t k = 0; k < sizeof(text) - 1; k++)
			text[k] = (char)(random() % 4 ? 0x80 | random()
						      : random());
		text[random() % (long)sizeof(text)] = '\0';
		text[sizeof(text) - 1] = '\0';
		buf_reset(&b);
		json_text(&b, text);
		json_tokener_reset(tok);
		o = json_tokener_parse_ex(tok, buf_str(&b), (int)b.len + 1);
		assert_non_null(o);
		json_object_put(o);
	}
	json_tokener_free(tok);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_must_be_escaped_is),
		cmocka_unit_test(characters_stay),
		cmocka_unit_test(other_bytes_become_characters),
		cmocka_unit_test(any_bytes_make_a_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
