#include <byteswap.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "target/linux-ptrace/diagnose.h"

/* As deep as the kernel follows #! lines (BINPRM_MAX_RECURSION). */
#define MAX_INTERPRETERS 5

/* One file on the way from the program to its last interpreter. */
struct launch {
	const char *program;
	const char *file; /* program, or what it needs */
	int depth;
	int errnum;
	struct err *e;
};

__attribute__((format(printf, 2, 3))) static bool say(const struct launch *l,
						      const char *fmt, ...)
{
	char why[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	err_set(l->e, 0, "cannot start %.60s: %s%s", l->program,
		l->depth ? "its interpreter " : "", why);
	return true;
}

/* The program itself has been named when its fault is told. */
static const char *named(const struct launch *l)
{
	return l->depth ? l->file : "it";
}

static bool parent_explain(const struct launch *l, char *dir)
{
	struct stat st;

	if (!stat(dir, &st)) {
		if (!S_ISDIR(st.st_mode))
			return say(l,
				   "%s cannot be there: %s is not a "
				   "directory",
				   named(l), dir);
		if (faccessat(AT_FDCWD, dir, X_OK, AT_EACCESS))
			return say(l,
				   "%s cannot be reached: no permission "
				   "to search the directory %s (mode %o, "
				   "owner %u)",
				   named(l), dir, st.st_mode & 07777,
				   st.st_uid);
	} else if (errno == ENOENT) {
		return say(l, "%s cannot be there: there is no directory %s",
			   named(l), dir);
	}
	return false;
}

static bool parents_explain(const struct launch *l)
{
	char *path = xstrdup(l->file);
	bool said = false;

	for (char *p = path + 1; *path && !said && (p = strchr(p, '/')); p++) {
		*p = 0;
		said = parent_explain(l, path);
		*p = '/';
	}
	free(path);
	return said;
}

static bool missing_explain(const struct launch *l)
{
	char to[200];
	ssize_t n;

	if (errno == ELOOP)
		return say(l,
			   "%s is a symbolic link that leads back to "
			   "itself",
			   named(l));
	n = readlink(l->file, to, sizeof(to));
	if (n > 0)
		return say(l,
			   "%s is a symbolic link to %.*s, which does not "
			   "exist",
			   named(l), (int)n, to);
	if (errno != ENOENT && errno != EINVAL)
		return say(l, "%s cannot be looked at: %s", named(l),
			   strerror(errno));
	return say(l, "%s does not exist", named(l));
}

static bool mode_explain(const struct launch *l, const struct stat *st)
{
	struct statvfs fs;

	if (S_ISDIR(st->st_mode))
		return say(l, "%s is a directory", named(l));
	if (!S_ISREG(st->st_mode))
		return say(l, "%s is not a regular file", named(l));
	if (!(st->st_mode & 0111))
		return say(l,
			   "%s is not executable (Cannot exec: Permission "
			   "denied): chmod +x %s",
			   named(l), l->file);
	if (!statvfs(l->file, &fs) && fs.f_flag & ST_NOEXEC)
		return say(l,
			   "%s is on a file system that is mounted noexec: "
			   "copy it elsewhere",
			   named(l));
	if (faccessat(AT_FDCWD, l->file, X_OK, AT_EACCESS))
		return say(l,
			   "%s may not be executed by user %u (mode %o, "
			   "owner %u)",
			   named(l), geteuid(), st->st_mode & 07777,
			   st->st_uid);
	return false;
}

static bool file_explain(const struct launch *l);

/* PT_INTERP's or the #! line's file. */
static bool interpreter_explain(const struct launch *l, const char *name)
{
	struct launch next = *l;

	next.file = name;
	if (++next.depth > MAX_INTERPRETERS)
		return say(l,
			   "%s has an interpreter that has one, and so on, "
			   "more than %d deep",
			   named(l), MAX_INTERPRETERS);
	return file_explain(&next);
}

static bool script_explain(const struct launch *l, char *line)
{
	char *end = line + strcspn(line, "\n");
	bool dos = end > line && end[-1] == '\r';

	*end = 0;
	line += strspn(line, " \t");
	line[strcspn(line, " \t")] = 0;
	if (!*line)
		return say(l, "%s has an empty #! line", named(l));
	if (dos && access(line, F_OK) && line[strlen(line) - 1] == '\r') {
		line[strlen(line) - 1] = 0;
		return say(l,
			   "%s has a #! line that ends in a carriage "
			   "return, so that %s is not found: dos2unix %s",
			   named(l), line, l->file);
	}
	return interpreter_explain(l, line);
}

static const struct {
	unsigned machine;
	const char *name;
} machines[] = {
	{ EM_386, "i386" },
	{ EM_X86_64, "x86-64" },
	{ EM_ARM, "arm" },
	{ EM_AARCH64, "aarch64" },
	{ EM_RISCV, "riscv" },
	{ EM_PPC64, "ppc64" },
	{ EM_S390, "s390" },
	{ EM_MIPS, "mips" },
	{ EM_LOONGARCH, "loongarch" },
	{ EM_PPC, "ppc" },
};

static const char *machine_name(unsigned machine)
{
	for (size_t i = 0; i < ARRAY_SIZE(machines); i++)
		if (machines[i].machine == machine)
			return machines[i].name;
	return "another machine";
}

/* The fields up to e_version lie alike in both classes. */
static unsigned machine_ours(void)
{
	Elf64_Ehdr h = { 0 };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && read(fd, &h, sizeof(h)) < (ssize_t)sizeof(h))
		h.e_machine = 0;
	close(fd);
	return h.e_machine;
}

/* PT_INTERP's name; false when there is none. */
static bool elf_interpreter(int fd, const Elf64_Ehdr *h, char *out, size_t size)
{
	bool wide = h->e_ident[EI_CLASS] == ELFCLASS64;
	const Elf32_Ehdr *h32 = (const Elf32_Ehdr *)h;
	uint64_t at = wide ? h->e_phoff : h32->e_phoff;
	unsigned n = wide ? h->e_phnum : h32->e_phnum;
	ssize_t len;

	for (; n--; at += wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) {
		union {
			Elf64_Phdr wide;
			Elf32_Phdr narrow;
		} p = { 0 };

		if (pread(fd, &p, sizeof(p), at) <= 0)
			return false;
		if (p.wide.p_type != PT_INTERP)
			continue;
		at = wide ? p.wide.p_offset : p.narrow.p_offset;
		len = pread(fd, out, size - 1, at);
		out[len > 0 ? len : 0] = 0;
		return len > 0;
	}
	return false;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define DATA_OURS ELFDATA2LSB
#else
#define DATA_OURS ELFDATA2MSB
#endif

/* The kernel says ENOEXEC to a foreign machine, and has looked for no
 * interpreter then. */
static bool elf_explain(const struct launch *l, int fd, const Elf64_Ehdr *h)
{
	bool swapped = h->e_ident[EI_DATA] != DATA_OURS;
	unsigned type = swapped ? bswap_16(h->e_type) : h->e_type;
	unsigned machine = swapped ? bswap_16(h->e_machine) : h->e_machine;
	unsigned ours = machine_ours();
	char interp[PATH_MAX];

	if (type != ET_EXEC && type != ET_DYN)
		return say(l,
			   "%s is an ELF file but not a program (an object "
			   "file or a core dump)",
			   named(l));
	if (l->errnum == ENOEXEC && machine != ours)
		return say(l,
			   "%s is a program for %s, which this kernel for "
			   "%s does not run",
			   named(l), machine_name(machine), machine_name(ours));
	return !swapped && elf_interpreter(fd, h, interp, sizeof(interp)) &&
	       interpreter_explain(l, interp);
}

static bool contents_explain(const struct launch *l, int fd)
{
	union {
		Elf64_Ehdr elf;
		char text[257];
	} head = { 0 };
	ssize_t n = read(fd, &head, sizeof(head) - 1);

	if (n == 0)
		return say(l, "%s is empty", named(l));
	if (n > 2 && head.text[0] == '#' && head.text[1] == '!')
		return script_explain(l, head.text + 2);
	if (n < (ssize_t)sizeof(Elf32_Ehdr) ||
	    memcmp(head.elf.e_ident, ELFMAG, SELFMAG))
		return say(l,
			   "%s is neither an ELF program nor a script "
			   "with a #! line",
			   named(l));
	return elf_explain(l, fd, &head.elf);
}

static bool file_explain(const struct launch *l)
{
	struct stat st;
	bool said;
	int fd;

	if (parents_explain(l))
		return true;
	if (stat(l->file, &st))
		return missing_explain(l);
	if (mode_explain(l, &st))
		return true;
	fd = open(l->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	said = contents_explain(l, fd);
	close(fd);
	return said;
}

/* Where execvp() would find it; NULL if nowhere. The caller's to free. */
static char *path_search(const char *name)
{
	const char *dirs = getenv("PATH"), *end = NULL;
	struct stat st;
	char *file;

	for (dirs = dirs ? dirs : "/bin:/usr/bin"; dirs; dirs = end) {
		end = strchrnul(dirs, ':');
		file = xasprintf("%.*s%s%s", (int)(end - dirs), dirs,
				 end > dirs ? "/" : "", name);
		if (!stat(file, &st) && S_ISREG(st.st_mode))
			return file;
		free(file);
		end = *end ? end + 1 : NULL;
	}
	return NULL;
}

static const struct {
	int err;
	const char *why;
} others[] = {
	{ E2BIG, "it has arguments and environment beyond the kernel's limit" },
	{ ETXTBSY, "it is open for writing: end what is writing it" },
	{ EAGAIN, "it would be one process too many for its user (ulimit -u)" },
	{ ENOMEM, "it needs more memory than there is" },
	{ EMFILE, "it needs more files than may be open (ulimit -n)" },
};

int diagnose_launch(const char *path, int errnum, struct err *e)
{
	struct launch l = {
		.program = path, .file = path, .errnum = errnum, .e = e
	};
	char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (others[i].err == errnum) {
			say(&l, "%s", others[i].why);
			return -errnum;
		}
	if (!strchr(path, '/')) {
		found = path_search(path);
		if (!found) {
			say(&l, "it is in no directory of PATH%s",
			    access(path, F_OK) ? ""
					       : ", but here: put ./ before");
			return -errnum;
		}
		l.file = found;
	}
	if (!file_explain(&l))
		say(&l, "it cannot be executed: %s", strerror(errnum));
	free(found);
	return -errnum;
}
