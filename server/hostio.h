/*
 * The file service behind the vFile packets (gdb manual, "Host I/O Packets"):
 * the files that one client has open, and operations by name. Names are seen
 * as the process of the last setfs sees them (server/fsview.h).
 *
 * Every function returns >= 0 or a negative errno that is the file's: the
 * packet answers F-1 with fileio_errno() of it, whatever its value. No call
 * waits for a peer: pipes and devices are opened non-blocking.
 */
#ifndef SERVER_HOSTIO_H
#define SERVER_HOSTIO_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* gdb keeps every library's file open. */
#define HOSTIO_MAX_FILES 4096

/* Zero-initialised is ready. Embedded by its owner, who calls hostio_fini().*/
struct hostio {
	pid_t fs_pid; /* whose view names have; 0: ours */
	int *fds;     /* by file number; -1: free */
	size_t n_fds;
};

/* Closes all files and returns to the state of a new connection. */
void hostio_fini(struct hostio *h);

/* pid need not exist yet; 0 is our own view. */
int hostio_setfs(struct hostio *h, pid_t pid);

/*
 * flags and mode are host values, from fileio_open_flags() and
 * fileio_open_mode(). Returns the number that the calls below take as file.
 * -EMFILE beyond HOSTIO_MAX_FILES.
 */
int hostio_open(struct hostio *h, const char *path, int flags, mode_t mode);
int hostio_close(struct hostio *h, int file);

/*
 * Straight into buf, which may be the reply itself. Fills all of len where
 * the file has it, also from /proc files that give a page a call: less is the
 * end of the file, or what came before an error.
 */
ssize_t hostio_pread(struct hostio *h, int file, void *buf, size_t len,
		     uint64_t off);
ssize_t hostio_pwrite(struct hostio *h, int file, const void *buf, size_t len,
		      uint64_t off);

int hostio_fstat(struct hostio *h, int file, struct stat *st);
int hostio_stat(struct hostio *h, const char *path, struct stat *st);
int hostio_lstat(struct hostio *h, const char *path, struct stat *st);

int hostio_unlink(struct hostio *h, const char *path);

/* The link's text, not terminated, cut at size; its length. */
ssize_t hostio_readlink(struct hostio *h, const char *path, char *buf,
			size_t size);

#endif
