/* tr_near: near branches with the prefix 66, which processors of AMD heed also
 * in 64-bit mode: the address is cut to 16 bits, and the stack's words have 2
 * bytes. Those of Intel go where it goes without. Either way it is what happens
 * natively. The pieces run from a copy at CODE; so that an address that is cut
 * leads to the same piece once more, LOW is another. */
#include "tr_fault.h"
#include <sys/mman.h>

#define CODE ((char *)0x100000052000)
#define LOW  ((char *)0x2000)
#define SIZE 4096ul

/* Each ends with 7 in eax, wherever it goes on. 66 e8 is the longer one. */
/* clang-format off */
PIECE(near_begin, "");
PIECE(jmp8, "	.byte 0x66,0xeb,2\n	ud2\n	mov $7,%eax");
PIECE(jmp32, "	.byte 0x66,0xe9,2,0,0,0\n	nop\n	nop\n	mov $7,%eax");
PIECE(jcc8, "	stc\n	.byte 0x66,0x72,2\n	ud2\n	mov $7,%eax");
PIECE(jcc8_not, "	clc\n	.byte 0x66,0x72,0x20\n	mov $7,%eax");
PIECE(loop8, "	mov $4,%ecx\n1:	.byte 0x66,0xe2,0\n	loop 1b\n"
	     "	mov $7,%eax");
PIECE(jrcxz8, "	xor %ecx,%ecx\n	.byte 0x66,0xe3,2\n	ud2\n"
	      "	mov $7,%eax");
PIECE(call32, "	mov %rsp,%rbx\n	.byte 0x66,0xe8,2,0,0,0\n	nop\n	nop\n"
	      "	mov %rbx,%rsp\n	mov $7,%eax");
PIECE(call_reg, "	mov %rsp,%rbx\n	lea 1f(%rip),%rax\n"
		"	.byte 0x66,0xff,0xd0\n	ud2\n"
		"1:	mov %rbx,%rsp\n	mov $7,%eax");
PIECE(call_mem, "	mov %rsp,%rbx\n	lea 1f(%rip),%rax\n	push %rax\n"
		"	.byte 0x66,0xff,0x14,0x24\n	ud2\n"
		"1:	mov %rbx,%rsp\n	mov $7,%eax");
PIECE(jmp_reg, "	lea 1f(%rip),%rax\n	.byte 0x66,0xff,0xe0\n"
	       "	ud2\n1:	mov $7,%eax");
PIECE(jmp_mem, "	jmp 3f\n1:	.quad 2f - near_begin + 0x100000052000\n"
	       "2:	mov $7,%eax\n	ret\n"
	       "3:	.byte 0x66,0xff,0x25\n	.long 1b - 4f\n4:	ud2");
PIECE(ret, "	mov %rsp,%rbx\n	lea 1f(%rip),%rax\n	push %rax\n"
	   "	.byte 0x66,0xc3\n	ud2\n"
	   "1:	mov %rbx,%rsp\n	mov $7,%eax");
PIECE(ret_many, "	mov %rsp,%rbx\n	push %rax\n	lea 1f(%rip),%rax\n"
		"	push %rax\n	.byte 0x66,0xc2,8,0\n	ud2\n"
		"1:	mov %rbx,%rsp\n	mov $7,%eax");
/* REX.W goes before it, as in calls of __tls_get_addr(). */
PIECE(wide_call, "	mov %rsp,%rbx\n	.byte 0x66,0x66,0x48,0xe8,0,0,0,0\n"
		 "	mov %rbx,%rsp\n	mov $7,%eax");
PIECE(wide_ret, "	lea 1f(%rip),%rax\n	push %rax\n"
		"	.byte 0x66,0x48,0xc3\n	ud2\n1:	mov $7,%eax");
PIECE(near_end, "");
/* clang-format on */

#define R(n)          \
	{             \
#n, n \
	}
static const struct row {
	const char *name;
	char *piece;
} rows[] = {
	R(jmp8),    R(jmp32),  R(jcc8),	    R(jcc8_not),  R(loop8),
	R(jrcxz8),  R(call32), R(call_reg), R(call_mem),  R(jmp_reg),
	R(jmp_mem), R(ret),    R(ret_many), R(wide_call), R(wide_ret),
};

static int copy_to(char *to)
{
	void *p =
		mmap(to, SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != to)
		return 0;
	memcpy(to, near_begin, (size_t)(near_end - near_begin));
	mprotect(to, SIZE, PROT_READ | PROT_EXEC);
	return 1;
}

static void run(const struct row *row, unsigned long flags)
{
	char *piece = CODE + (row->piece - near_begin);
	struct tr_regs r;

	tr_fill(&r);
	r.flags |= flags;
	tr_run_fault(&r, piece);
	EXPECT(r.rsp, tr_stack);
	if (!tr_seen.count) {
		EXPECT(r.rax, 7);
		say("%s: flags %lx", row->name, r.flags & TR_FLAGS);
		return;
	}
	say("%s: %s at %u, %d, of %#lx; stack %ld, %lx; flags %lx", row->name,
	    tr_signal_name(tr_seen.signo),
	    (unsigned short)(tr_seen.rip - (unsigned long)piece),
	    tr_seen.rip == tr_seen.addr, tr_seen.rip >> 16,
	    (long)(tr_seen.regs.rsp - tr_stack), tr_seen.top & 0xfff,
	    tr_seen.regs.flags & TR_FLAGS);
}

static void run_all(void)
{
	if (!copy_to(CODE))
		say("no room for it");
	tr_catch_faults();
	tr_look_at_stack = 1;
	for (size_t i = 0; i < ARRAY_SIZE(rows) * 6; i++)
		run(&rows[i / 6], i & 1 ? TR_STATUS : 0);
}

static void escape(void)
{
	run_all();
}

static void low(void)
{
	if (copy_to(LOW))
		run_all();
	else
		say("nothing may be mapped there");
}

int main(int argc, char **argv)
{
	static const struct tr_case cases[] = {
		{ "escape", escape },
		{ "low", low },
	};

	return tr_main(argc, argv, cases, ARRAY_SIZE(cases));
}
