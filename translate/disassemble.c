#include "translate/disassemble.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/x86_64/decode.h"
#include "base/mem.h"
#include "translate/capstone.h"

struct disassembler {
	const struct capstone *cs; /* NULL: it is not there, and knows none */
	csh handle;
	cs_insn *room;
};

struct disassembler *disassembler_new(void)
{
	struct disassembler *d = xcalloc(1, sizeof(*d));
	const struct capstone *cs = capstone();

	if (!cs)
		return d;
	if (cs->cs_open(CS_ARCH_X86, CS_MODE_64, &d->handle) != CS_ERR_OK)
		abort();
	cs->cs_option(d->handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
	cs->cs_option(d->handle, CS_OPT_DETAIL, CS_OPT_ON);
	d->room = cs->cs_malloc(d->handle);
	d->cs = cs;
	return d;
}

void disassembler_free(struct disassembler *d)
{
	if (d && d->cs) {
		d->cs->cs_free(d->room, 1);
		d->cs->cs_close(&d->handle);
	}
	free(d);
}

static void describe(const struct disassembler *d, struct disassembled *out)
{
	const cs_insn *i = d->room;
	const char *name = d->cs->cs_insn_name(d->handle, i->id);

	out->length = i->size;
	snprintf(out->mnemonic, sizeof(out->mnemonic), "%s",
		 name ? name : i->mnemonic);
	snprintf(out->text, sizeof(out->text), "%s%s%s", i->mnemonic,
		 *i->op_str ? " " : "", i->op_str);
	out->n_groups = i->detail->groups_count;
	if (out->n_groups > sizeof(out->groups))
		out->n_groups = sizeof(out->groups);
	memcpy(out->groups, i->detail->groups, out->n_groups);
}

void disassemble(struct disassembler *d, const uint8_t *code, size_t n,
		 uint64_t addr, struct disassembled *out)
{
	struct x86_instr in;
	int length;

	*out = (struct disassembled){ .length = 1, .text = "(bad)" };
	length = x86_decode(code, n, X86_MODE_64, &in);
	if (d->cs &&
	    d->cs->cs_disasm_iter(d->handle, &code, &n, &addr, d->room))
		describe(d, out);
	/* The processor's length is ours. */
	if (length > 0)
		out->length = (unsigned)length;
}

bool disassembled_is(const struct disassembler *d,
		     const struct disassembled *in, const char *group)
{
	for (unsigned i = 0; i < in->n_groups; i++) {
		const char *name =
			d->cs->cs_group_name(d->handle, in->groups[i]);

		if (name && !strcmp(name, group))
			return true;
	}
	return false;
}

/* Groups are a byte. */
bool disassembler_has_group(const struct disassembler *d, const char *group)
{
	for (unsigned i = 1; d->cs && i < 256; i++) {
		const char *name = d->cs->cs_group_name(d->handle, i);

		if (name && !strcmp(name, group))
			return true;
	}
	return false;
}

bool disassembler_has_mnemonic(const struct disassembler *d,
			       const char *mnemonic)
{
	for (unsigned i = 1; d->cs && i < X86_INS_ENDING; i++) {
		const char *name = d->cs->cs_insn_name(d->handle, i);

		if (name && !strcmp(name, mnemonic))
			return true;
	}
	return false;
}
