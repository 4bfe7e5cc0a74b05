/* A sequence of lines ends behind stops(), with a row that covers nothing; what
 * lies up to goes() has no line. */
int sink;

__attribute__((noinline, section(".text.a"))) void stops(int a)
{
	sink = a;
	sink++;
#line 600
	__builtin_unreachable();
}

__attribute__((noinline, section(".text.b"), aligned(64))) int goes(int a)
{
#line 700
	return a + sink;
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 100)
		stops(argc);
	return goes(argc);
}
