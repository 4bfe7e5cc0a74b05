#include "server/lldb-json.h"

#include <json-c/json.h>

#include "base/library.h"
#include "base/mem.h"

static struct {
	__typeof__(json_tokener_new_ex) *json_tokener_new_ex;
	__typeof__(json_tokener_parse_ex) *json_tokener_parse_ex;
	__typeof__(json_tokener_free) *json_tokener_free;
	__typeof__(json_object_put) *json_object_put;
	__typeof__(json_object_is_type) *json_object_is_type;
	__typeof__(json_object_array_length) *json_object_array_length;
	__typeof__(json_object_array_get_idx) *json_object_array_get_idx;
	__typeof__(json_object_object_get_ex) *json_object_object_get_ex;
	__typeof__(json_object_get_string) *json_object_get_string;
} json;

static bool load(void)
{
	static int state;
#define FUNCTION(name)            \
	{                         \
#name, &json.name \
	}
	static const struct library_function all[] = {
		FUNCTION(json_tokener_new_ex),
		FUNCTION(json_tokener_parse_ex),
		FUNCTION(json_tokener_free),
		FUNCTION(json_object_put),
		FUNCTION(json_object_is_type),
		FUNCTION(json_object_array_length),
		FUNCTION(json_object_array_get_idx),
		FUNCTION(json_object_object_get_ex),
		FUNCTION(json_object_get_string),
	};
#undef FUNCTION

	if (!state)
		state = library_load("libjson-c.so.5", all, ARRAY_SIZE(all))
				? 1
				: -1;
	return state > 0;
}

/* Deeper than any packet, and not so deep that text can use up our stack. */
#define DEPTH_MAX 8

/* For the caller to json_object_put(); NULL: no JSON. */
static json_object *parse(const char *text, size_t len)
{
	struct json_tokener *tok = json.json_tokener_new_ex(DEPTH_MAX);
	json_object *o = NULL;

	if (tok && len <= INT32_MAX)
		o = json.json_tokener_parse_ex(tok, text, (int)len);
	if (tok)
		json.json_tokener_free(tok);
	return o;
}

/* NULL: there is no such text in it. */
static const char *text_of(json_object *o, const char *name)
{
	json_object *member;

	if (!json.json_object_is_type(o, json_type_object) ||
	    !json.json_object_object_get_ex(o, name, &member) ||
	    !json.json_object_is_type(member, json_type_string))
		return NULL;
	return json.json_object_get_string(member);
}

int lldb_json_modules(const char *text, size_t len, lldb_module_fn *fn,
		      void *user, struct err *e)
{
	json_object *list;
	size_t n;

	if (!load())
		return -ENOTSUP;
	list = parse(text, len);
	if (!json.json_object_is_type(list, json_type_array)) {
		json.json_object_put(list);
		return err_set(e, -EPROTO, "a list of modules is wanted");
	}
	n = json.json_object_array_length(list);
	for (size_t i = 0; i < n; i++) {
		json_object *o = json.json_object_array_get_idx(list, i);
		const char *file = text_of(o, "file");
		const char *triple = text_of(o, "triple");

		if (file && triple)
			fn(user, file, triple);
	}
	json.json_object_put(list);
	return 0;
}

int lldb_json_requests(const char *text, size_t len, lldb_request_fn *fn,
		       void *user, struct err *e)
{
	json_object *o, *list = NULL;
	size_t n;

	if (!load())
		return -ENOTSUP;
	o = parse(text, len);
	if (json.json_object_is_type(o, json_type_object))
		json.json_object_object_get_ex(o, "breakpoint_requests", &list);
	if (!json.json_object_is_type(list, json_type_array)) {
		json.json_object_put(o);
		return err_set(e, -EPROTO, "breakpoint_requests are wanted");
	}
	n = json.json_object_array_length(list);
	for (size_t i = 0; i < n; i++) {
		json_object *one = json.json_object_array_get_idx(list, i);

		fn(user, json.json_object_is_type(one, json_type_string)
				 ? json.json_object_get_string(one)
				 : "");
	}
	json.json_object_put(o);
	return 0;
}
