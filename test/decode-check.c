/*
 * The decoder against capstone and objdump, over real code: every executable
 * section of the ELF files given (or all libraries and programs of this
 * machine) is swept linearly, and length, branch kind, branch target and
 * rip-relative displacement must be capstone's. Where capstone knows no
 * answer or another one, objdump decides: the difference is ours unless it
 * agrees with us, or is one of the few (EXCUSE_) in which the processor is
 * known to. Data in code sections is swept too, so that undefined encodings
 * are met as well.
 *
 *	decode-check [--amd] [--quick] [--verbose] [FILE|FOLDER]...
 *
 * As processors of Intel execute it, whatever is here; --amd: as those of AMD.
 * Exits 0 when every difference is explained.
 */
#include <capstone/capstone.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/x86_64/decode.h"
#include "base/mem.h"
#include "test/code-sweep.h"

#define SLOT	  32 /* bytes of a dispute in the file that objdump reads */
#define MAX_BATCH 50000

/*
 * Why capstone 4 and we differ: FAULT_ where objdump is on our side, EXCUSE_
 * where only the manuals are.
 */
enum fault {
	FAULT_EVEX,
	FAULT_OPMASK,
	FAULT_VEX,
	FAULT_XOP,
	FAULT_CET,
	FAULT_NEW,
	FAULT_BOTH_BAD,
	FAULT_OTHER,
	EXCUSE_LOCK,
	EXCUSE_CS,
	EXCUSE_REX,
	EXCUSE_PADLOCK,
	N_FAULTS
};

static const char *const fault_names[] = {
	[FAULT_EVEX] = "EVEX that capstone lacks or misreads",
	[FAULT_OPMASK] = "VEX opmask (kmov, kortest...) that it rejects",
	[FAULT_VEX] = "other VEX",
	[FAULT_XOP] = "XOP",
	[FAULT_CET] = "endbr, rdssp, notrack...",
	[FAULT_NEW] = "other opcodes newer than it",
	[FAULT_BOTH_BAD] = "undefined: it decodes, objdump and we refuse",
	[FAULT_OTHER] = "others",
	[EXCUSE_LOCK] = "lock that the processor refuses (SDM, LOCK)",
	[EXCUSE_CS] = "mov to cs: undefined (SDM, MOV)",
	[EXCUSE_REX] = "a REX before other prefixes, which objdump cuts off",
	[EXCUSE_PADLOCK] = "VIA's rep xsha512, which objdump lacks",
};

struct dispute {
	uint8_t code[X86_INSN_MAX];
	struct x86_instr in;
	int ours, theirs;
	uint64_t addr;
	const char *file;
};

struct check {
	csh cs[2]; /* by enum x86_mode */
	cs_insn *insn;
	struct dispute *batch;
	size_t n_batch;
	const char *file;
	bool verbose;
	unsigned long files, bytes, insns, undecoded, disputes, wrong;
	unsigned long faults[N_FAULTS];
};

static struct check check;

static int32_t read_disp(const uint8_t *p)
{
	int32_t v;

	memcpy(&v, p, 4);
	return v;
}

/* capstone's view of how an instruction passes control. */
static enum x86_kind capstone_kind(const cs_insn *i)
{
	const cs_x86 *x = &i->detail->x86;
	bool direct = x->op_count && x->operands[0].type == X86_OP_IMM;

	switch (i->id) {
	case X86_INS_JMP:
		return direct ? X86_JMP : X86_JMP_IND;
	case X86_INS_CALL:
		return direct ? X86_CALL : X86_CALL_IND;
	case X86_INS_LJMP:
		return X86_JMP_FAR;
	case X86_INS_LCALL:
		return X86_CALL_FAR;
	case X86_INS_RET:
		return X86_RET;
	case X86_INS_RETF:
	case X86_INS_RETFQ:
		return X86_RET_FAR;
	case X86_INS_IRET:
	case X86_INS_IRETD:
	case X86_INS_IRETQ:
		return X86_IRET;
	case X86_INS_LOOP:
	case X86_INS_LOOPE:
	case X86_INS_LOOPNE:
	case X86_INS_JCXZ:
	case X86_INS_JECXZ:
	case X86_INS_JRCXZ:
		return X86_LOOP;
	case X86_INS_SYSCALL:
		return X86_SYSCALL;
	case X86_INS_SYSENTER:
		return X86_SYSENTER;
	case X86_INS_SYSRET:
	case X86_INS_SYSEXIT:
	case X86_INS_RSM:
		return X86_PRIV;
	case X86_INS_INT:
		return x->operands[0].imm == 0x80 ? X86_INT80 : X86_INT;
	case X86_INS_INT1:
	case X86_INS_INTO:
		return X86_INT;
	case X86_INS_INT3:
		return X86_INT3;
	case X86_INS_XBEGIN:
		return X86_XBEGIN;
	case X86_INS_HLT:
		return X86_HLT;
	case X86_INS_UD0:
	case X86_INS_UD2:
	case X86_INS_UD2B:
		return X86_UD;
	}
	return cs_insn_group(check.cs[0], i, CS_GRP_JUMP) ? X86_JCC : X86_PLAIN;
}

static const cs_x86_op *rip_operand(const cs_insn *i)
{
	const cs_x86 *x = &i->detail->x86;

	for (unsigned k = 0; k < x->op_count; k++) {
		const cs_x86_op *op = &x->operands[k];

		if (op->type == X86_OP_MEM && (op->mem.base == X86_REG_RIP ||
					       op->mem.base == X86_REG_EIP))
			return op;
	}
	return NULL;
}

static bool agrees(const struct x86_instr *in, const uint8_t *code,
		   uint64_t addr, const cs_insn *i)
{
	const cs_x86_op *rip = rip_operand(i);

	if (in->length != i->size || in->kind != capstone_kind(i))
		return false;
	if (in->rip_relative != (rip != NULL))
		return false;
	if (rip && read_disp(code + in->disp_at) != rip->mem.disp)
		return false;
	if (x86_is_direct(in) && in->kind != X86_XBEGIN)
		return (uint64_t)i->detail->x86.operands[0].imm ==
		       x86_target(in, addr);
	return true;
}

static enum fault classify(const struct dispute *d)
{
	if (d->ours < 0)
		return FAULT_BOTH_BAD;
	switch (d->in.map) {
	case X86_MAP_EVEX:
		return FAULT_EVEX;
	case X86_MAP_XOP:
		return FAULT_XOP;
	case X86_MAP_VEX:
		if (d->in.vex_map == 1 && ((d->in.opcode & 0xf0) == 0x40 ||
					   (d->in.opcode & 0xf0) == 0x90))
			return FAULT_OPMASK;
		if (d->in.vex_map == 3 && (d->in.opcode & 0xfc) == 0x30)
			return FAULT_OPMASK;
		return FAULT_VEX;
	case X86_MAP_0F:
		if (d->in.opcode == 0x1e || d->in.opcode == 0xae)
			return FAULT_CET;
		return FAULT_NEW;
	case X86_MAP_0F38:
	case X86_MAP_0F3A:
		return FAULT_NEW;
	}
	return FAULT_OTHER;
}

static void report(const struct dispute *d, int objdump, const char *text)
{
	printf("%s %llx:", d->file, (unsigned long long)d->addr);
	for (int k = 0; k < X86_INSN_MAX; k++)
		printf(" %02x", d->code[k]);
	printf("\n\tours %d kind %d, capstone %d, objdump %d %s\n", d->ours,
	       d->ours > 0 ? d->in.kind : 0, d->theirs, objdump, text);
}

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

/* Whether objdump's text is that of an instruction of our kind. */
static bool text_agrees(const struct x86_instr *in, const char *text)
{
	static const char *const branches[] = { "j",	"call", "ret", "loop",
						"int3", "int ", "hlt", "ud" };
	bool branch = false;
	const char *word = text;

	while (starts(word, "bnd ") || starts(word, "notrack ") ||
	       starts(word, "data16 ") || starts(word, "rex") ||
	       starts(word, "addr32 ") || starts(word, "rep") ||
	       starts(word, "fs ") || starts(word, "gs "))
		word += strcspn(word, " ") + 1;
	for (size_t k = 0; k < ARRAY_SIZE(branches); k++)
		branch |= starts(word, branches[k]);
	return branch == (in->kind != X86_PLAIN);
}

/* The EXCUSE_ for objdump's disagreement with us, or N_FAULTS. */
static enum fault excuse(const struct dispute *d, int length, const char *text)
{
	const struct x86_instr *in = &d->in;

	if (length == 1 && starts(text, "rex"))
		return EXCUSE_REX;
	if (d->ours < 0 && (in->prefixes & X86_PFX_LOCK))
		return EXCUSE_LOCK;
	if (d->ours < 0 && in->map == X86_MAP_MAIN && in->opcode == 0x8e)
		return EXCUSE_CS;
	if (d->ours > 0 && in->map == X86_MAP_0F && in->opcode == 0xa6)
		return EXCUSE_PADLOCK;
	return N_FAULTS;
}

/* What objdump says of one dispute: its length, or 0 for (bad). */
static void judge(const struct dispute *d, int length, const char *text)
{
	bool bad = strstr(text, "(bad)") != NULL;
	bool same = bad ? d->ours < 0
			: d->ours == length && text_agrees(&d->in, text);
	enum fault why = same ? classify(d) : excuse(d, length, text);

	if (why != N_FAULTS) {
		check.faults[why]++;
		if (check.verbose)
			report(d, length, text);
		return;
	}
	check.wrong++;
	report(d, bad ? 0 : length, text);
}

/* "  1a0:\t62 f1 7f ...\tvmovdqu8 ...": a line of objdump -D -w. */
static void judge_line(const char *line)
{
	char *end;
	unsigned long at = strtoul(line, &end, 16);
	const char *p, *tab;
	int length = 0;

	if (*end != ':' || end[1] != '\t' || at % SLOT)
		return;
	tab = strchr(end + 2, '\t');
	for (p = end + 2; tab && p + 2 < tab && *p != ' '; p += 3)
		length++;
	if (at / SLOT < check.n_batch)
		judge(&check.batch[at / SLOT], length, tab ? tab + 1 : "(bad)");
}

/* Each dispute stands alone, with nops after it to find the way back. */
static void write_batch(int fd)
{
	for (size_t i = 0; i < check.n_batch; i++) {
		uint8_t slot[SLOT];

		memset(slot, 0x90, SLOT);
		memcpy(slot, check.batch[i].code, X86_INSN_MAX);
		if (write(fd, slot, SLOT) != SLOT)
			exit((perror("write"), 2));
	}
}

static void settle_batch(enum x86_mode mode)
{
	char path[] = "/tmp/decode-check.XXXXXX", command[200], line[400];
	int fd;
	FILE *f;

	if (!check.n_batch)
		return;
	fd = mkstemp(path);
	if (fd < 0)
		exit((perror(path), 2));
	write_batch(fd);
	close(fd);
	snprintf(command, sizeof(command),
		 "objdump -D -w -z -b binary -M %s -m %s %s",
		 x86_vendor == X86_AMD ? "amd64" : "intel64",
		 mode == X86_MODE_64 ? "i386:x86-64" : "i386", path);
	f = popen(command, "r");
	if (!f)
		exit((perror("objdump"), 2));
	while (fgets(line, sizeof(line), f))
		judge_line(line);
	if (pclose(f))
		exit((fprintf(stderr, "objdump failed\n"), 2));
	unlink(path);
	check.n_batch = 0;
}

static void dispute(const struct x86_instr *in, int ours, int theirs,
		    const uint8_t *code, size_t avail, uint64_t addr)
{
	struct dispute *d = &check.batch[check.n_batch++];

	*d = (struct dispute){ .in = *in,
			       .ours = ours,
			       .theirs = theirs,
			       .addr = addr,
			       .file = check.file };
	memset(d->code, 0x90, X86_INSN_MAX);
	memcpy(d->code, code, avail < X86_INSN_MAX ? avail : X86_INSN_MAX);
	check.disputes++;
	if (check.n_batch == MAX_BATCH)
		settle_batch(in->mode);
}

/* One instruction; how far to go on. */
static size_t sweep_one(const uint8_t *code, size_t avail, uint64_t addr,
			enum x86_mode mode)
{
	struct x86_instr in;
	int ours = x86_decode(code, avail, mode, &in), theirs;
	const uint8_t *p = code;
	uint64_t at = addr;
	size_t left = avail < X86_INSN_MAX ? avail : X86_INSN_MAX;

	theirs = cs_disasm_iter(check.cs[mode], &p, &left, &at, check.insn)
			 ? check.insn->size
			 : -1;
	if (ours < 0 && theirs < 0) {
		check.undecoded++;
		return 1;
	}
	check.insns++;
	if (ours != theirs || !agrees(&in, code, addr, check.insn))
		dispute(&in, ours, theirs, code, avail, addr);
	return ours > 0 ? ours : 1;
}

static void sweep(const struct code_section *s)
{
	check.file = s->file;
	check.bytes += s->size;
	for (size_t at = 0; at < s->size;)
		at += sweep_one(s->code + at, s->size - at, s->addr + at,
				s->mode);
	settle_batch(s->mode);
}

static void open_capstone(void)
{
	static const cs_mode modes[] = {
		[X86_MODE_64] = CS_MODE_64, [X86_MODE_32] = CS_MODE_32
	};

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (cs_open(CS_ARCH_X86, modes[i], &check.cs[i]))
			exit((fprintf(stderr, "cannot open capstone\n"), 2));
		cs_option(check.cs[i], CS_OPT_DETAIL, CS_OPT_ON);
	}
	check.insn = cs_malloc(check.cs[0]);
	check.batch = xcalloc(MAX_BATCH, sizeof(*check.batch));
}

static void print_result(void)
{
	printf("%lu files, %lu bytes of code, %lu instructions compared, "
	       "%lu bytes that neither decodes\n",
	       check.files, check.bytes, check.insns, check.undecoded);
	printf("%lu differences from capstone, explained by:\n",
	       check.disputes);
	for (int i = 0; i < N_FAULTS; i++)
		if (check.faults[i])
			printf("%10lu %s\n", check.faults[i], fault_names[i]);
	printf("%lu differences unexplained\n", check.wrong);
}

int main(int argc, char **argv)
{
	bool quick = false;
	int i;

	for (i = 1; i < argc && starts(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--amd"))
			x86_vendor = X86_AMD;
		quick |= !strcmp(argv[i], "--quick");
		check.verbose |= !strcmp(argv[i], "--verbose");
	}
	open_capstone();
	check.files = code_sweep(argv + i, quick, sweep);
	print_result();
	return check.wrong || !check.insns;
}
