#include "server/lldb-options.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

void lldb_print_options(const struct lldb_option *options, size_t n)
{
	for (const struct lldb_option *d = options; d < options + n; d++) {
		if (d->help)
			printf("  --%s%s%s\n\t%s\n", d->name,
			       d->arg_name ? "=" : "",
			       d->arg_name ? d->arg_name : "", d->help);
	}
}

static const struct lldb_option *find_option(const struct lldb_option *options,
					     size_t n, const char *word,
					     size_t len)
{
	size_t dashes = 1 + (word[1] == '-');

	for (size_t i = 0; i < n; i++) {
		size_t has = strlen(options[i].name);

		/* One dash before one letter, two before a word. */
		if (has == len - dashes && (has > 1) == (dashes > 1) &&
		    !memcmp(options[i].name, word + dashes, has))
			return &options[i];
	}
	return NULL;
}

int lldb_take_option(const struct lldb_option *options, size_t n, void *into,
		     char ***argv)
{
	const char *word = *(*argv)++, *value = strchr(word, '=');
	size_t len = value ? (size_t)(value - word) : strlen(word);
	const struct lldb_option *d = find_option(options, n, word, len);
	char *field = (char *)into + (d ? d->at : 0);

	if (!d || (value && !d->arg_name)) {
		fprintf(stderr, "error: unknown argument '%s'\n", word);
		return -EINVAL;
	}
	if (!d->arg_name) {
		*(bool *)field = true;
		return 0;
	}
	value = value ? value + 1 : **argv;
	if (!value) {
		fprintf(stderr, "error: %s: missing argument\n", word);
		return -EINVAL;
	}
	*argv += word[len] != '=';
	memcpy(field, &value, sizeof(value));
	return 0;
}

char *lldb_comm(const char *text)
{
	static const char *const schemes[] = { "listen://", "connect://",
					       "tcp://", "accept://" };

	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		if (!strncmp(text, schemes[i], strlen(schemes[i])))
			text += strlen(schemes[i]);
	}
	/* Brackets around an IPv4 address are a URL's here. */
	if (*text == '[' && strcspn(text, "]") < strcspn(text, ":"))
		return xasprintf("%.*s%s", (int)strcspn(text, "]") - 1,
				 text + 1, text + strcspn(text, "]") + 1);
	if (!strncmp(text, "serial://", 9))
		return xstrndup(text + 9, strcspn(text + 9, "?"));
	if (!strncmp(text, "unix://", 7))
		return xasprintf("unix:%s", text + 7);
	if (!strncmp(text, "unix-connect://", 15))
		return xasprintf("unix:%s", text + 15);
	if (!text[strspn(text, "0123456789")])
		return xasprintf(":%s", text);
	return xstrdup(text);
}

int lldb_open_log(const char *file, const char *channels, struct err *e)
{
	FILE *f;

	if (channels)
		log_select(!strcmp(channels, "gdb-remote packets") ? "remote"
								   : "all");
	if (!file || !*file)
		return 0;
	f = fopen(file, "we");
	if (!f)
		return err_set(e, -errno, "cannot write --log-file %s: %s",
			       file, strerror(errno));
	log_stream(f);
	return 0;
}
