#include "test/code-sweep.h"

#include <elf.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static const char *const everything[] = {
	"/usr/lib/x86_64-linux-gnu",
	"/usr/lib32",
	"/usr/lib/i386-linux-gnu",
	"/usr/libx32",
	"/usr/bin",
	"/usr/sbin",
};

static const char *const sample[] = {
	"/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
	"/usr/lib/x86_64-linux-gnu/libc.so.6",
	"/usr/lib/x86_64-linux-gnu/libm.so.6",
	"/usr/lib/x86_64-linux-gnu/libcrypto.so.3",
	"/usr/lib/x86_64-linux-gnu/libstdc++.so.6",
	"/usr/lib32/libc.so.6",
	"/usr/lib32/libm.so.6",
};

static code_section_fn *found; /* nftw() passes nothing on */
static const char *file;
static unsigned long n_files;

static void sweep(const uint8_t *code, size_t size, uint64_t addr,
		  enum x86_mode mode)
{
	found(&(struct code_section){ .file = file,
				      .code = code,
				      .size = size,
				      .addr = addr,
				      .mode = mode });
}

/* Both classes have the same shape; only the widths differ. */
#define SWEEP_SECTIONS(bits, mode)                                          \
	static void sweep_elf##bits(const uint8_t *map, size_t size)        \
	{                                                                   \
		const Elf##bits##_Ehdr *eh = (const void *)map;             \
		const Elf##bits##_Shdr *sh;                                 \
                                                                            \
		if (size < sizeof(*eh) || eh->e_shoff > size ||             \
		    (size - eh->e_shoff) / sizeof(*sh) < eh->e_shnum)       \
			return;                                             \
		sh = (const void *)(map + eh->e_shoff);                     \
		for (unsigned i = 0; i < eh->e_shnum; i++)                  \
			if (sh[i].sh_type == SHT_PROGBITS &&                \
			    (sh[i].sh_flags & SHF_EXECINSTR) &&             \
			    sh[i].sh_offset < size &&                       \
			    sh[i].sh_size <= size - sh[i].sh_offset)        \
				sweep(map + sh[i].sh_offset, sh[i].sh_size, \
				      sh[i].sh_addr, mode);                 \
	}

SWEEP_SECTIONS(64, X86_MODE_64)
SWEEP_SECTIONS(32, X86_MODE_32)

static void sweep_elf(const uint8_t *map, size_t size)
{
	const Elf32_Ehdr *eh = (const void *)map;

	if (size < sizeof(*eh) || memcmp(map, ELFMAG, SELFMAG))
		return;
	if (eh->e_machine == EM_X86_64 && map[EI_CLASS] == ELFCLASS64)
		sweep_elf64(map, size);
	else if (eh->e_machine == EM_386 && map[EI_CLASS] == ELFCLASS32)
		sweep_elf32(map, size);
	else
		return;
	n_files++;
}

static int sweep_file(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	int fd;
	void *map;

	(void)ftw;
	if (type != FTW_F || !S_ISREG(st->st_mode) || !st->st_size)
		return 0;
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	map = mmap(NULL, st->st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return 0;
	file = path;
	sweep_elf(map, st->st_size);
	munmap(map, st->st_size);
	return 0;
}

/* Folders are walked without following links; a file given is followed. */
static void sweep_path(const char *path)
{
	char *real = realpath(path, NULL);

	if (real)
		nftw(real, sweep_file, 16, FTW_PHYS);
	free(real);
}

unsigned long code_sweep(char **paths, bool quick, code_section_fn *fn)
{
	const char *const *list = quick ? sample : everything;
	size_t n = quick ? ARRAY_SIZE(sample) : ARRAY_SIZE(everything);

	found = fn;
	n_files = 0;
	for (size_t i = 0; paths[i]; i++)
		sweep_path(paths[i]);
	for (size_t i = 0; !paths[0] && i < n; i++)
		sweep_path(list[i]);
	return n_files;
}
