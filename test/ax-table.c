/*
 * What test/ax-table.py lets gdb look at: one stop with a value of each kind
 * in memory, in registers and on the stack. No libc, so that the whole of its
 * memory is a few hundred bytes.
 */
enum colour { RED, GREEN = 7, BLUE = -3 };

struct node {
	int key;
	char name[8];
	struct node *next;
};

struct bits {
	unsigned a : 3;
	signed b : 5;
	unsigned long long c : 40;
	signed d : 16;
};

static struct node third = { 30, "three", 0 };
static struct node second = { 20, "two", &third };
static struct node first = { -10, "one", &second };

int g_int = 42;
unsigned g_uint = 4000000000u;
signed char g_schar = -100;
unsigned char g_uchar = 200;
short g_short = -30000;
unsigned short g_ushort = 60000;
long g_long = -5000000000l;
unsigned long g_ulong = 0xfedcba9876543210ul;
_Bool g_bool = 1;
enum colour g_colour = BLUE;
struct bits g_bits = { 5, -7, 0x9a12345678, -1234 };
int g_array[2][3] = { { 1, -2, 3 }, { -4, 5, -6 } };
struct node *g_list = &first;
const char *g_text = "hello, world";
long g_min = -0x7fffffffffffffffl - 1;
long g_minus_one = -1;
long g_zero;

static int probe(int n, const char *s, struct node *list)
{
	volatile long local = n * 3;
	volatile unsigned char byte = 0xf0;
	struct node copy = *list->next;

	__asm__ volatile("stopped_here: nop" : : "D"(0x123456789abcdef0),
			 "S"(s));
	return (int)local + byte + copy.key;
}

void _start(void)
{
	int rc = probe(14, g_text, g_list);

	__asm__ volatile("syscall" : : "a"(60), "D"(rc));
	__builtin_unreachable();
}
