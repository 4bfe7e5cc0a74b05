/* QCatchSyscalls: system calls that stop the program. */
#include "base/err.h"
#include "server/packet.h"
#include "server/session.h"
#include "target/syscalls.h"

/* ;NUMBER... in hex; a set of one reference, or NULL. */
static struct syscall_set *take_numbers(struct session *s, struct args *a)
{
	size_t n = 0, max = args_left(a) / 2;
	uint32_t *numbers;
	uint64_t number;

	if (take_end(a))
		return syscall_set_new(NULL, 0);
	buf_reset(&s->scratch);
	numbers = (void *)buf_reserve(&s->scratch, max * sizeof(*numbers));
	while (!take_end(a)) {
		if (!take_char(a, ';') || !take_hex_max(a, UINT32_MAX, &number))
			return NULL;
		numbers[n++] = (uint32_t)number;
	}
	return syscall_set_new(numbers, n);
}

/* For the process of Hg; what it forks and execs keeps them. */
int pk_catch_syscalls(struct session *s, struct args *a, struct buf *out)
{
	const struct target_syscall_ops *ops = s->target->ops->syscall;
	struct syscall_set *set = NULL;
	int r;

	if (!ops)
		return -ENOTSUP;
	if (take_char(a, '1')) {
		set = take_numbers(s, a);
		if (!set)
			return -EPROTO;
	} else if (!take_char(a, '0') || !take_end(a)) {
		return -EPROTO;
	}
	r = ops->catch(s->target, session_process(s), set);
	if (r < 0)
		return r;
	buf_puts(out, "OK");
	return REPLY_NOW;
}
