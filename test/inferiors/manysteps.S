/*
 * manysteps [FOREVER]: a loop over instructions of all kinds that a step treats
 * in a way of its own. Same registers at each of them in each run; no libc,
 * text that can be written. Ends with 7, and with 8 when registers are not what
 * they should be.
 */
	.globl	_start
_start:
	mov	(%rsp), %rbp		/* argc */
	mov	%rsp, %r14
begin:
	mov	$40, %ebx
	lea	_start(%rip), %r12
turn:
	mov	%bl, patched + 1(%rip)	/* an instruction to come */
	add	%rbx, %rax
	imul	$77, %rax, %rdx
adding:
	adc	%rdx, word(%rip)
added:
	mov	word(%rip), %rcx
	push	%rcx
	push	$-5
	pop	%rsi
	pop	%rdi
	test	$1, %bl
	jz	even
	sub	$3, %rdi
	jmp	odd
even:
	bswap	%rdi
odd:
	call	function
	lea	function(%rip), %r8
	call	*%r8
	lea	after(%rip), %r9
	jmp	*%r9
	ud2
after:
patched:
	mov	$0, %al
	mov	$3, %ecx
again:
	inc	%r10
	loop	again
	jrcxz	empty
	ud2
empty:
	lea	from(%rip), %rsi
	lea	to(%rip), %rdi
	mov	$5, %ecx
copying:
	rep movsb
copied:
	lodsb
	pushf
	orq	$1, (%rsp)
	popf
	setc	%r11b
	movq	%rax, %xmm1
	paddq	%xmm1, %xmm2
	fldcw	unmasked(%rip)
	fld1
x87_store:
	fdivs	zero(%rip)		/* pending: AMD saves it for no other */
x87_save:
	fnstenv	state(%rip)
	mov	state + 12(%rip), %r13d	/* where the last of the x87 was */
	fninit
x87_told:
	movb	$0xf9, rewritten(%rip)	/* stc */
rewritten:
	clc
	sbb	%r9, %rsi
rewrote:
	mov	$24, %eax		/* sched_yield */
	syscall
	lock cmpxchg %rbx, word(%rip)
	cmovne	%rbx, %r13
	.nops	9
	dec	%ebx
	jnz	turn
	cmp	%rsp, %r14
	jne	wrong
	cmp	$1, %rbp
	ja	begin
	mov	$60, %eax
	mov	$7, %edi
	syscall
wrong:
	mov	$60, %eax
	mov	$8, %edi
	syscall

function:
	xchg	%rax, %r15
	ret	$0

	.balign	8
word:	.quad	0x0123456789abcdef
from:	.ascii	"abcdef"
to:	.fill	8
state:	.fill	32
zero:	.float	0
unmasked: .short 0x37b		/* division by 0 */
