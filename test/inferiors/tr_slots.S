/*
 * Returns whose addresses have the same low 16 bits: where one leads to nobody
 * wants flags, and where the other does somebody wants the carry. Exits 0 when
 * that comes along each time.
 */
	.globl	main
	.text
	.p2align 16
main:
	push	%rbx
	mov	$200000, %ebx
	jmp	one
	.p2align 16
one:
	.skip	12, 0x90
	call	dead
	xor	%eax, %eax
	jmp	two
	.p2align 16
two:
	.skip	12, 0x90
	call	carry
	jnc	bad
	dec	%ebx
	jnz	one
	xor	%eax, %eax
	pop	%rbx
	ret
bad:
	mov	$1, %eax
	pop	%rbx
	ret
dead:
	ret
carry:
	stc
	ret
	.section .note.GNU-stack, "", @progbits
