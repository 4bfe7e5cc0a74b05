/* After the psABI, 3.2.2 and 3.2.3. */
#include "translate/x86_64/frame.h"

#include <errno.h>
#include <string.h>

#include "target/target.h"
#include "translate/trap.h"
#include "translate/x86_64/rewind.h"

#define RED_ZONE       128
#define FLAG_DIRECTION 0x400u

int frame_write(struct translator *tr, struct thread *low,
		const struct run_call *call, uint64_t back)
{
	static const uint8_t order[RUN_ARGS_MAX] = {
		IMAGE_RDI, IMAGE_RSI, IMAGE_RDX,
		IMAGE_RCX, IMAGE_R8,  IMAGE_R8 + 1,
	};
	uint8_t *image = follow_image(tr, low, true);
	uint64_t stack;

	if (!image)
		return -EFAULT;
	stack = ((*image_reg(image, IMAGE_RSP) - RED_ZONE) & -16) - 8;
	if (target_write(tr->lower, low->proc, stack, &back, 8) != 8)
		return -EFAULT;
	for (unsigned i = 0; i < call->n_args; i++)
		*image_reg(image, order[i]) = call->args[i];
	*image_reg(image, IMAGE_RAX) = 0; /* no vector registers are used */
	*image_reg(image, IMAGE_RSP) = stack;
	*image_reg(image, IMAGE_RIP) = call->function;
	*image_flags(image) &= ~(FLAG_DIRECTION | FLAG_STEPS);
	/* Of a call that it was in nothing is made again now. */
	*follow_special(low, tr->orig_rax) = (uint64_t)-1;
	return 0;
}

uint64_t frame_value(const uint8_t *regs)
{
	uint64_t v = 0;

	if (regs)
		memcpy(&v, regs + 8 * IMAGE_RAX, sizeof(v));
	return v;
}
