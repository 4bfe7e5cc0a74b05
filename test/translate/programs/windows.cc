/* C++ exceptions as Windows unwinds them. */
#include <cstdio>
#include <stdexcept>

static int deep(int n)
{
	if (n == 0)
		throw std::runtime_error("bottom");
	return deep(n - 1) + 1;
}

int main()
{
	int caught = 0;

	for (int i = 0; i < 500; i++) {
		try {
			deep(i % 20);
		} catch (const std::exception &e) {
			caught += e.what()[0] == 'b';
		}
	}
	printf("%d\n", caught);
	return 0;
}
