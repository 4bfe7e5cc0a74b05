/*
 * An ELF object as it lies in a debuggee's memory: its program headers,
 * dynamic section and exported symbols. Only memory and the aux vector are
 * read, never a file: it works for deleted files, in containers, and over
 * any target. Nothing that is read is trusted; every walk is bounded.
 *
 * Sources: the System V gABI, chapters 4 and 5; the GNU hash section as
 * binutils and glibc agree on it; getauxval(3).
 */
#ifndef SERVER_ELF_H
#define SERVER_ELF_H

#include <stddef.h>
#include <stdint.h>

struct process;
struct target;

struct elf_image {
	struct target *t;  /* borrowed */
	struct process *p; /* borrowed */
	unsigned word;	   /* bytes of an address: 8 or 4 */
	uint64_t bias;	   /* added to every address of the file */
	uint64_t dynamic;  /* where PT_DYNAMIC lies; 0: there is none */
	uint64_t dynamic_size;
	struct elf_tls {
		uint64_t vaddr; /* of the file, without bias */
		uint64_t filesz, memsz, align;
	} tls; /* PT_TLS; memsz 0: there is none */
};

/*
 * All of these return -EFAULT where memory cannot be read, -ENOEXEC where
 * what is there is not an ELF object of the process's word size, and -ENOENT
 * where what is asked for does not exist.
 */

/* What the kernel started: the program, or a dynamic linker run by hand.
 * -ENOTSUP when the target has no aux vector to offer. */
int elf_image_main(struct target *t, struct process *p, struct elf_image *out);

/* The dynamic linker; for a program that has no interpreter, itself. */
int elf_image_linker(struct target *t, struct process *p,
		     struct elf_image *out);

/* A loaded object, by what its link map says of it, when its ELF header lies
 * at l_addr: so it does if the file's addresses begin with 0. */
int elf_image_loaded(struct target *t, struct process *p, uint64_t l_addr,
		     uint64_t l_ld, struct elf_image *out);

/*
 * The same for the others (non-PIE programs, prelinked libraries): there the
 * header is some pages below the dynamic section. Thousands of reads in the
 * worst case; not for every entry of a list.
 */
int elf_image_search(struct target *t, struct process *p, uint64_t l_addr,
		     uint64_t l_ld, struct elf_image *out);

/* The value of the first dynamic entry with this tag, as it is stored. */
int elf_dynamic_find(const struct elf_image *img, uint64_t tag,
		     uint64_t *value);
/* ... and the address of that value. */
int elf_dynamic_place(const struct elf_image *img, uint64_t tag, uint64_t *at);

/* Where a symbol that the object defines and exports lies. */
int elf_symbol_find(const struct elf_image *img, const char *name,
		    uint64_t *addr);

/* n (at most ELF_WORDS_MAX) words of the process's size, widened. */
#define ELF_WORDS_MAX 64
int elf_words_read(struct target *t, struct process *p, uint64_t addr,
		   uint64_t *out, size_t n);

/* addr + by, wrapped as the process's addresses wrap. */
uint64_t elf_addr_add(const struct process *p, uint64_t addr, uint64_t by);

#endif
