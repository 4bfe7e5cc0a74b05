/* Sets of system calls: numbers in any order, shared and freed once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "target/syscalls.h"

static void a_list_has_its_numbers(void **state)
{
	const uint32_t numbers[] = { 7, 0xffffffff, 0, 7, 0x40000000 };
	struct syscall_set *s = syscall_set_new(numbers, 5);

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_true(syscall_set_has(s, numbers[i]));
	assert_false(syscall_set_has(s, 1));
	assert_false(syscall_set_has(s, 8));
	assert_false(syscall_set_has(s, 0xfffffffe));
	syscall_set_unref(s);
}

static void all_and_none(void **state)
{
	struct syscall_set *all = syscall_set_new(NULL, 0);
	const uint32_t nothing = 0;
	struct syscall_set *empty = syscall_set_new(&nothing, 0);

	(void)state;
	assert_true(syscall_set_has(all, 0));
	assert_true(syscall_set_has(all, 0xffffffff));
	assert_false(syscall_set_has(empty, 0));
	assert_false(syscall_set_has(NULL, 0));
	syscall_set_unref(all);
	syscall_set_unref(empty);
}

static void the_last_one_frees_it(void **state)
{
	const uint32_t one = 1;
	struct syscall_set *s = syscall_set_new(&one, 1);

	(void)state;
	assert_ptr_equal(syscall_set_ref(s), s);
	syscall_set_unref(s);
	assert_true(syscall_set_has(s, 1));
	syscall_set_unref(s);
	assert_null(syscall_set_ref(NULL));
	syscall_set_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_has_its_numbers),
		cmocka_unit_test(all_and_none),
		cmocka_unit_test(the_last_one_frees_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
