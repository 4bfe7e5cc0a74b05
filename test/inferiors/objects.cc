// objects [N]: shapes in a vector, by virtual calls, with a string and an
// exception for each; what debuggers of C++ are asked about.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

struct shape {
	virtual ~shape() = default;
	virtual double area() const = 0;
	std::string name;
};

struct square : shape {
	explicit square(double side) : side(side) { name = "square"; }
	double area() const override { return side * side; }
	double side;
};

struct disc : shape {
	explicit disc(double r) : r(r) { name = "disc"; }
	double area() const override { return 3 * r * r; }
	double r;
};

template <typename T> __attribute__((noinline)) T twice(T v)
{
	return v + v;
}

double total;

__attribute__((noinline)) void add(const shape &s, int i)
{
	if (i == 13)
		throw std::runtime_error(s.name);
	total += s.area();
}

__attribute__((noinline)) void done(int caught)
{
	std::printf("total %.0f caught %d\n", total, caught);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? std::atoi(argv[1]) : 20, caught = 0;
	std::vector<std::unique_ptr<shape>> shapes;

	for (int i = 0; i < n; i++) {
		if (i % 2)
			shapes.push_back(std::make_unique<square>(i));
		else
			shapes.push_back(std::make_unique<disc>(i));
	}
	for (int i = 0; i < n; i++) {
		try {
			add(*shapes[i], i);
		} catch (const std::exception &) {
			caught++;
		}
	}
	total += twice(n);
	done(caught);
	return 0;
}
