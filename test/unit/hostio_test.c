/* The file service, compared with plain system calls. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/fileio.h"
#include "server/hostio.h"
#include "test/unit/folder.h"

static void file_put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* The numbers are the manual's, chapter "Errno Values". */
static void errno_numbers(void **state)
{
	(void)state;
	assert_int_equal(fileio_errno(ENOENT), 2);
	assert_int_equal(fileio_errno(-ENOENT), 2);
	assert_int_equal(fileio_errno(-ENAMETOOLONG), 91);
	assert_int_equal(fileio_errno(-ENOSYS), 88);
	assert_int_equal(fileio_errno(-ELOOP), 9999);
	assert_int_equal(fileio_errno(-EOPNOTSUPP), 9999);
}

static void open_flag_numbers(void **state)
{
	(void)state;
	assert_int_equal(fileio_open_flags(0), O_RDONLY);
	assert_int_equal(fileio_open_flags(0x602), O_RDWR | O_CREAT | O_TRUNC);
	assert_int_equal(fileio_open_flags(0xa09),
			 O_WRONLY | O_CREAT | O_EXCL | O_APPEND);
	assert_int_equal(fileio_open_flags(3), -EINVAL);
	assert_int_equal(fileio_open_flags(0x40), -EINVAL);
	assert_int_equal(fileio_open_flags(0x80000000u), -EINVAL);
	assert_int_equal(fileio_open_mode(0100644), 0644);
	assert_int_equal(fileio_open_mode(04755), -EINVAL);
}

/* Layout by hand from the manual's table. */
static void stat_layout(void **state)
{
	struct stat st = {
		.st_dev = 0x01020304,
		.st_ino = 0x1122334455667788,
		.st_mode = S_IFREG | 04755,
		.st_size = 0x123456789a,
		.st_blksize = 4096,
		.st_blocks = 3,
		.st_ctime = 0x5f000001,
	};
	struct fio_stat out;
	const uint8_t *b = (const uint8_t *)&out;

	(void)state;
	fileio_stat(&out, &st);
	assert_memory_equal(b, "\1\2\3\4\x55\x66\x77\x88\0\0\x81\xed", 12);
	assert_memory_equal(b + 28, "\0\0\0\x12\x34\x56\x78\x9a", 8);
	assert_memory_equal(b + 36, "\0\0\0\0\0\0\x10\0", 8);
	assert_memory_equal(b + 44, "\0\0\0\0\0\0\0\3", 8);
	assert_memory_equal(b + 60, "\x5f\0\0\1", 4);
	st.st_mode = S_IFSOCK | 0600;
	fileio_stat(&out, &st);
	assert_memory_equal(out.mode, "\0\0\1\x80", 4);
}

static void read_and_write(void **state)
{
	struct hostio h = { 0 };
	struct stat st;
	char buf[32];
	int f;

	(void)state;
	f = hostio_open(&h, at("rw"), O_RDWR | O_CREAT | O_EXCL, 0640);
	assert_true(f >= 0);
	assert_int_equal(hostio_open(&h, at("rw"), O_CREAT | O_EXCL, 0640),
			 -EEXIST);
	assert_int_equal(hostio_pwrite(&h, f, "hello world", 11, 0), 11);
	assert_int_equal(hostio_pwrite(&h, f, "W", 1, 6), 1);
	assert_int_equal(hostio_pread(&h, f, buf, sizeof(buf), 6), 5);
	assert_memory_equal(buf, "World", 5);
	assert_int_equal(hostio_pread(&h, f, buf, sizeof(buf), 11), 0);
	assert_int_equal(hostio_pread(&h, f, buf, 1, UINT64_MAX), -EINVAL);
	assert_int_equal(hostio_fstat(&h, f, &st), 0);
	assert_int_equal(st.st_size, 11);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(hostio_close(&h, f), 0);
	assert_int_equal(hostio_close(&h, f), -EBADF);
	assert_int_equal(hostio_pread(&h, f, buf, 1, 0), -EBADF);
	assert_int_equal(hostio_pread(&h, -1, buf, 1, 0), -EBADF);
	assert_int_equal(hostio_pread(&h, 1 << 30, buf, 1, 0), -EBADF);
	hostio_fini(&h);
}

static void only_own_descriptors(void **state)
{
	struct hostio h = { 0 };
	int f[3];

	(void)state;
	assert_int_equal(hostio_close(&h, 0), -EBADF);
	for (size_t i = 0; i < ARRAY_SIZE(f); i++)
		f[i] = hostio_open(&h, "/dev/null", O_RDONLY, 0);
	assert_int_equal(hostio_close(&h, f[1]), 0);
	assert_int_equal(hostio_open(&h, "/", O_RDONLY, 0), f[1]);
	assert_true(fcntl(h.fds[f[1]], F_GETFD) & FD_CLOEXEC);
	hostio_fini(&h);
	assert_int_equal(hostio_close(&h, f[1]), -EBADF);
}

static int lowest_free_fd(void)
{
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	close(fd);
	return fd;
}

static void descriptors_run_out(void **state)
{
	struct rlimit all, few;
	struct hostio h = { 0 };
	int f, before = lowest_free_fd();

	(void)state;
	getrlimit(RLIMIT_NOFILE, &all);
	few = all;
	few.rlim_cur = before + 20;
	setrlimit(RLIMIT_NOFILE, &few);
	do
		f = hostio_open(&h, "/dev/null", O_RDONLY, 0);
	while (f >= 0);
	setrlimit(RLIMIT_NOFILE, &all);
	assert_int_equal(f, -EMFILE);
	assert_in_range(h.n_fds, 1, 20);
	hostio_fini(&h);
	assert_int_equal(lowest_free_fd(), before);
}

static void table_is_bounded(void **state)
{
	struct rlimit all, many;
	struct hostio h = { 0 };
	int f, before = lowest_free_fd();

	(void)state;
	getrlimit(RLIMIT_NOFILE, &all);
	many = all;
	many.rlim_cur = HOSTIO_MAX_FILES + 100;
	if (many.rlim_max < many.rlim_cur || setrlimit(RLIMIT_NOFILE, &many)) {
		print_message("descriptor limit too low\n");
		skip();
	}
	do
		f = hostio_open(&h, "/dev/null", O_RDONLY, 0);
	while (f >= 0);
	assert_int_equal(f, -EMFILE);
	assert_int_equal(h.n_fds, HOSTIO_MAX_FILES);
	hostio_fini(&h);
	setrlimit(RLIMIT_NOFILE, &all);
	assert_int_equal(lowest_free_fd(), before);
}

static void pipe_does_not_block(void **state)
{
	struct hostio h = { 0 };
	char c;
	int f;

	(void)state;
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	f = hostio_open(&h, at("fifo"), O_RDONLY, 0);
	assert_true(f >= 0);
	assert_int_equal(hostio_pread(&h, f, &c, 1, 0), -ESPIPE);
	assert_int_equal(hostio_open(&h, at("fifo"), O_WRONLY, 0), 1);
	hostio_fini(&h);
	assert_int_equal(hostio_open(&h, at("fifo"), O_WRONLY, 0), -ENXIO);
	hostio_fini(&h);
}

static size_t slurp(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n = fread(buf, 1, size, f);

	fclose(f);
	return n;
}

/* The kernel gives such a file in pieces of a page at most. */
static void proc_files_come_whole(void **state)
{
	static char want[1 << 20], got[1 << 20];
	struct hostio h = { 0 };
	size_t n, off = 0;
	int f;

	(void)state;
	n = slurp("/proc/kallsyms", want, sizeof(want));
	f = hostio_open(&h, "/proc/kallsyms", O_RDONLY, 0);
	assert_true(f >= 0);
	assert_true(n > 100000);
	assert_int_equal(hostio_pread(&h, f, got, sizeof(got), 0), n);
	assert_memory_equal(got, want, n);
	memset(got, 0, n);
	while (n - off >= 5000) {
		assert_int_equal(hostio_pread(&h, f, got + off, 5000, off),
				 5000);
		off += 5000;
	}
	assert_memory_equal(got, want, off);
	hostio_fini(&h);
}

static void names(void **state)
{
	struct hostio h = { 0 };
	struct stat st, want;
	char buf[128];

	(void)state;
	file_put(at("target"), "123");
	assert_int_equal(symlink(at("target"), at("link")), 0);
	assert_int_equal(hostio_stat(&h, at("link"), &st), 0);
	assert_int_equal(stat(at("target"), &want), 0);
	assert_memory_equal(&st, &want, sizeof(st));
	assert_int_equal(hostio_lstat(&h, at("link"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(hostio_stat(&h, at("none"), &st), -ENOENT);
	assert_int_equal(hostio_readlink(&h, at("link"), buf, sizeof(buf)),
			 strlen(at("target")));
	assert_memory_equal(buf, at("target"), strlen(at("target")));
	assert_int_equal(hostio_readlink(&h, at("link"), buf, 3), 3);
	assert_int_equal(hostio_readlink(&h, at("target"), buf, 3), -EINVAL);
	assert_int_equal(hostio_unlink(&h, at("link")), 0);
	assert_int_equal(hostio_unlink(&h, at("link")), -ENOENT);
	assert_int_equal(access(at("target"), F_OK), 0);
	assert_int_equal(hostio_unlink(&h, tmp), -EISDIR);
	assert_int_equal(hostio_unlink(&h, ""), -ENOENT);
	assert_int_equal(hostio_setfs(&h, -1), -EINVAL);
	hostio_fini(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errno_numbers),
		cmocka_unit_test(open_flag_numbers),
		cmocka_unit_test(stat_layout),
		cmocka_unit_test(read_and_write),
		cmocka_unit_test(only_own_descriptors),
		cmocka_unit_test(descriptors_run_out),
		cmocka_unit_test(table_is_bounded),
		cmocka_unit_test(pipe_does_not_block),
		cmocka_unit_test(proc_files_come_whole),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, folder_make, folder_drop);
}
