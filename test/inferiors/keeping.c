/*
 * keeping [jump]: a function returns carry, as no compiler's do, to a place whose
 * low 16 bits are those of another that returns come to, where flags are dead;
 * or it pushes where it returns to. Ends with 0 if carry was set.
 */
long returns_carry(void), jumps_with_carry(void);

__asm__(".text\n"
	"	.p2align 4\n"
	"	.globl returns_carry\n"
	"returns_carry:\n"
	"	push %rbx\n"
	"	jmp 3f\n"
	/* Three returns to where flags are dead, and one with carry. */
	"	.globl carry_made\n"
	"carry_made:\n"
	"	mov $3, %ebx\n"
	"1:	call 2f\n"
	"dead:	xor %eax, %eax\n"
	"	dec %ebx\n"
	"	jnz 1b\n"
	"	stc\n"
	"2:	ret\n"
	"	.globl jumps_with_carry\n"
	"jumps_with_carry:\n"
	"	push %rbx\n"
	"	mov $3, %ebx\n"
	"5:	call 2b\n"
	"also:	xor %eax, %eax\n"
	"	dec %ebx\n"
	"	jnz 5b\n"
	"	lea 4f(%rip), %rax\n"
	"	push %rax\n"
	"	stc\n"
	"	ret\n"
	"	.org dead + 0x10000 - 5\n"
	"3:	call carry_made\n"
	"	setc %al\n"
	"	movzx %al, %eax\n"
	"	pop %rbx\n"
	"	ret\n"
	"	.org also + 0x10000\n"
	"4:\n"
	"	setc %al\n"
	"	movzx %al, %eax\n"
	"	pop %rbx\n"
	"	ret\n");

int main(int argc, char **argv)
{
	(void)argv;
	return (argc > 1 ? jumps_with_carry() : returns_carry()) != 1;
}
