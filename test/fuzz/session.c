/*
 * Packets of any bytes to the real session over the fake target: a process
 * with two threads, some memory, an aux vector. The input is packets, each
 * ended by a newline; a tab and a byte choose something that happens to the
 * debuggee instead. Files of this host are out of reach.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "rsp/frame.h"
#include "server/session.h"
#include "test/fake.h"
#include "translate/translate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PID 1000

static const char no_files[] =
	"vFile:open,vFile:unlink,vFile:stat,vFile:lstat,vFile:readlink,"
	"vFile:setfs,qXfer:osdata";

static struct fake *debuggee(const struct arch *arch)
{
	const uint64_t auxv[] = { 3, 0x400040, 5, 2, 9, 0x401000, 0, 0 };
	struct fake *f = fake_new(arch);

	fake_process_add(f, PID);
	fake_thread_add(f, PID, PID + 1);
	fake_memory_add(f, PID, 0x400000, NULL, 0x3000);
	fake_auxv_set(f, auxv, sizeof(auxv));
	fake_reg_set(f, PID, "rip", 0x401000);
	return f;
}

static void drop_answers(int fd)
{
	char bytes[4096];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

/* False when the session is over. */
static bool send_packet(struct session *s, int fd, const uint8_t *data,
			size_t len)
{
	struct buf b = { 0 };
	bool goes_on = true;

	frame_encode(&b, '$', data, len);
	for (size_t at = 0; goes_on && at < b.len;) {
		ssize_t n = send(fd, b.data + at, b.len - at,
				 MSG_DONTWAIT | MSG_NOSIGNAL);

		at += n > 0 ? (size_t)n : 0;
		goes_on = session_serve(s) && !s->quit;
		drop_answers(fd);
	}
	buf_fini(&b);
	return goes_on;
}

/* What can happen to the debuggee, each at most as often as it makes sense. */
static const char *const events[] = {
	"arrive 3e8.3e8 401001",
	"arrive 3e8.3e9 401001",
	"stop 3e8.3e8 signal b",
	"stop 3e8.3e9 signal 0",
	"stop 3e8.3e8 step",
	"stop 3e8.3e9 created",
	"stop 3e8.3e8 vfork-done",
	"stop 3e8.3e8 hbreak 401001",
	"stop 3e8.3e8 write 400100",
	"stop 3e8.3e9 read 400100",
	"stop 3e8.3e9 access 400100",
	"stop 3e8.3e8 exec /bin/true",
	"stop 3e8.3e9 thread-exit 7",
	"stop 3e8.3e8 exited 3",
	"stop 3e8.3e8 killed 9",
};

static void play(struct session *s, struct fake *f, int fd,
		 const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size, *next;

	for (; data < end; data = next + 1) {
		next = memchr(data, '\n', (size_t)(end - data));
		if (!next)
			next = end;
		if (*data == '\t' && next - data > 1) {
			fake_script(f, events[data[1] % ARRAY_SIZE(events)]);
			session_events(s, true);
			drop_answers(fd);
		} else if (!send_packet(s, fd, data, (size_t)(next - data))) {
			return;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct xsave_layout sse = { .size = 512 };
	struct arch *arch = arch_x86_64_new(&sse);
	struct fake *f = debuggee(arch);
	FILE *nowhere = fopen("/dev/null", "w");
	struct target *target;
	struct session s;
	struct err e;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		die("no socket pair");
	log_stream(nowhere);
	target = translate_new(fake_target(f));
	session_init(&s, target);
	s.disabled = no_files;
	start_attach(&s, PID, &e);
	session_connect(&s, link_new(fds[0], fds[0]), NULL);
	play(&s, f, fds[1], data, size);
	close(fds[1]);
	session_fini(&s);
	target->ops->free(target);
	arch_free(arch);
	log_select("none");
	log_stream(stderr);
	fclose(nowhere);
	return 0;
}
