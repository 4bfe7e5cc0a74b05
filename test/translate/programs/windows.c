/* A Windows program: threads, faults that a handler mends, and those that
 * structured exception handling would see. Its %gs is its own. */
#include <stdio.h>
#include <windows.h>

static volatile LONG total;
static int faults;

static DWORD WINAPI work(void *arg)
{
	for (int i = 0; i < 20000; i++)
		InterlockedExchangeAdd(&total, (LONG)(INT_PTR)arg);
	return 7;
}

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *e)
{
	if (e->ExceptionRecord->ExceptionCode != EXCEPTION_ACCESS_VIOLATION)
		return EXCEPTION_CONTINUE_SEARCH;
	faults++;
	e->ContextRecord->Rip += 2;
	return EXCEPTION_CONTINUE_EXECUTION;
}

/* mov (%rcx),%eax, which has two bytes */
static void read_nothing(void)
{
	__asm__ volatile("xor %%ecx,%%ecx\n.byte 0x8b,0x01" ::: "rax", "rcx");
}

int main(void)
{
	HANDLE threads[4];
	DWORD status, sum = 0;

	AddVectoredExceptionHandler(1, on_exception);
	for (INT_PTR i = 0; i < 4; i++)
		threads[i] =
			CreateThread(NULL, 0, work, (void *)(i + 1), 0, NULL);
	WaitForMultipleObjects(4, threads, TRUE, INFINITE);
	for (int i = 0; i < 4; i++)
		sum += GetExitCodeThread(threads[i], &status) ? status : 0;
	for (int i = 0; i < 100; i++)
		read_nothing();
	printf("%ld %lu %d\n", (long)total, (unsigned long)sum, faults);
	return 3;
}
