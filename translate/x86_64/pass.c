/*
 * System calls that the server wants to see by their numbers, but not by their
 * arguments. A program whose threads allocate makes hundreds of them: each time
 * that an arena of glibc's grows there is an mprotect(2).
 *
 * For a call whose number the block has put into eax code in the cold stream
 * looks, by rcx alone and without flags, whether what is mapped there, or goes,
 * can be code or a file's: watch.c would do nothing for it then but note that
 * there may be more than is known (TAB_GROWN). All else comes to the stub, as
 * does all of it on processors without BMI2.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "translate/x86_64/compiler.h"
#include "translate/x86_64/window.h"

#define STEP(p, text) (w_mark(&(p)->w, REWIND_RCX, 0), w_code(&(p)->w, text))

struct pass {
	struct writer w;
	uint32_t stub, on;
};

/* On if rcx is 0, else to the stub. */
static void pass_if_0(struct pass *p)
{
	STEP(p, "\xe3\x05");
	w_mark(&p->w, REWIND_RCX, 0);
	w_jmp_at(&p->w, p->stub);
}

static void goes_on(struct pass *p)
{
	w_mark(&p->w, REWIND_RCX, 0);
	w_jmp_at(&p->w, p->on);
}

/* The first argument, which is an int, is not n. */
static void is_not(struct pass *p, int8_t n)
{
	STEP(p, "\x8d\x4f"); /* lea -n(%rdi), %ecx */
	w_num(&p->w, (uint8_t)-n, 1);
	STEP(p, "\xe3\x05");
	goes_on(p);
	w_mark(&p->w, REWIND_RCX, 0);
	w_jmp_at(&p->w, p->stub);
}

/* rcx is an address, shifted. */
static void is_plain_there(struct pass *p)
{
	STEP(p, "\x0f\xb7\xc9");	/* movzwl %cx, %ecx */
	STEP(p, "\x65\x0f\xb6\x89"); /* movzbl %gs:(%rcx), %ecx */
	w_num(&p->w, TAB_MAPPED, 4);
	pass_if_0(p);
}

/* From rdi on, rsi bytes: less than 2 MiB, none of which are interesting. */
static void is_plain(struct pass *p)
{
	STEP(p, "\xb9\x15\x00\x00\x00"); /* mov $21, %ecx */
	STEP(p, "\xc4\xe2\xf3\xf7\xce"); /* shrx %rcx, %rsi, %rcx */
	pass_if_0(p);
	STEP(p, "\xc4\xe3\xfb\xf0\xcf\x15"); /* rorx $21, %rdi, %rcx */
	is_plain_there(p);
	STEP(p, "\x48\x8d\x4c\x37\xff");	 /* lea -1(%rdi,%rsi), %rcx */
	STEP(p, "\xc4\xe3\xfb\xf0\xc9\x15"); /* rorx $21, %rcx, %rcx */
	is_plain_there(p);
}

/* rdx is nothing but PROT_READ and PROT_WRITE, or none. */
static void is_data(struct pass *p)
{
	STEP(p, "\xb9\x02\x00\x00\x00"); /* mov $2, %ecx */
	STEP(p, "\xc4\xe2\xf3\xf7\xca"); /* shrx %rcx, %rdx, %rcx */
	pass_if_0(p);
}

static void has_grown(struct pass *p)
{
	STEP(p, "\x65\xc6\x04\x25"); /* movb $1, %gs:GROWN */
	w_num(&p->w, TAB_GROWN, 4);
	w_num(&p->w, 1, 1);
	goes_on(p);
}

static void pass_range(struct pass *p)
{
	is_plain(p);
	has_grown(p);
}

static void pass_mprotect(struct pass *p)
{
	is_data(p);
	pass_range(p);
}

/* A jump for those whose flags, in r10, are these. */
static uint8_t *has_flags(struct pass *p, uint32_t flags)
{
	STEP(p, "\x49\x8d\x8a"); /* lea -flags(%r10), %rcx */
	w_num(&p->w, -flags, 4);
	w_mark(&p->w, REWIND_RCX, 0);
	return w_short(&p->w, 0xe3);
}

/* Memory of no file, of the thread's choice or the kernel's. */
static void pass_mmap(struct pass *p)
{
	static const uint32_t anywhere[] = {
		MAP_PRIVATE | MAP_ANONYMOUS,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE,
	};
	uint8_t *passes[4], *fixed;

	is_data(p);
	for (unsigned i = 0; i < 4; i++)
		passes[i] = has_flags(p, anywhere[i]);
	fixed = has_flags(p, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
	w_mark(&p->w, REWIND_RCX, 0);
	w_jmp_at(&p->w, p->stub);
	w_lands(&p->w, fixed);
	is_plain(p);
	for (unsigned i = 0; i < 4; i++)
		w_lands(&p->w, passes[i]);
	has_grown(p);
}

static void pass_sigaction(struct pass *p)
{
	is_not(p, SIGTRAP);
}

static void pass_prctl(struct pass *p)
{
	is_not(p, PR_SET_SECCOMP);
}

static const struct {
	uint16_t nr;
	void (*fn)(struct pass *p);
} passes[] = {
	{ SYS_mmap, pass_mmap },
	{ SYS_mprotect, pass_mprotect },
	{ SYS_munmap, pass_range },
	{ SYS_madvise, pass_range },
	{ SYS_rt_sigaction, pass_sigaction },
	{ SYS_prctl, pass_prctl },
};

uint32_t pass_write(const struct writer *w, uint32_t nr, uint32_t stub,
		    uint32_t on)
{
	struct pass p = { .w = w_cold(w), .stub = stub, .on = on };
	uint32_t at = stream_at(p.w.s);

	for (size_t i = 0; i < sizeof(passes) / sizeof(passes[0]); i++) {
		if (passes[i].nr != nr || !emit_has_bmi2())
			continue;
		/* Others may have come by with another number. */
		STEP(&p, "\x48\x8d\x88"); /* lea -nr(%rax), %rcx */
		w_num(&p.w, -nr, 4);
		pass_if_0(&p);
		passes[i].fn(&p);
		return at;
	}
	return 0;
}
