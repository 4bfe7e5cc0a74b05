# squares: the program of doc/qtrace.md's examples. It is all here, so that
# every byte and address of theirs is the same wherever it is built; it exits
# with 9 + 4 + 1.
	.text
	.globl	_start, square
	.type	_start, @function
_start:
	mov	$3, %edi
	xor	%ebx, %ebx
next:
	call	square
	add	%eax, %ebx
	dec	%edi
	jnz	next
	mov	%ebx, %edi
	mov	$60, %eax
	syscall
	.size	_start, . - _start

	.type	square, @function
square:
	mov	%edi, %eax
	imul	%edi, %eax
	ret
	.size	square, . - square

	.section .note.GNU-stack, "", @progbits
