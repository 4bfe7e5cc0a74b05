import java.util.*;

/** Computes and allocates: collections, strings, matrices, lambdas. */
public class Compute {
	record Item(int key, String text, long weight) {}

	static int seed = 99;

	static int random(int n) {
		seed = seed * 1103515245 + 12345;
		return (seed >>> 9) % n;
	}

	static long collections(int n) {
		Map<String, List<Item>> map = new HashMap<>();
		for (int i = 0; i < n; i++) {
			Item it = new Item(i, "k" + random(500), random(1000));
			map.computeIfAbsent(it.text(), k -> new ArrayList<>()).add(it);
		}
		long sum = 0;
		TreeMap<String, List<Item>> sorted = new TreeMap<>(map);
		for (var e : sorted.entrySet()) {
			e.getValue().sort(Comparator.comparingLong(Item::weight)
				.thenComparingInt(Item::key));
			for (Item it : e.getValue())
				sum = sum * 31 + it.weight() + it.key();
		}
		return sum;
	}

	static double matrix(int n) {
		double[][] a = new double[n][n], b = new double[n][n];
		double sum = 0;
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n; j++) {
				a[i][j] = i + j;
				b[i][j] = i - j;
			}
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n; j++) {
				double s = 0;
				for (int k = 0; k < n; k++)
					s += a[i][k] * b[k][j];
				sum += s;
			}
		return sum;
	}

	static int strings(int n) {
		StringBuilder sb = new StringBuilder();
		for (int i = 0; i < n; i++)
			sb.append(Integer.toString(i * 7, 36)).append(';');
		return Arrays.stream(sb.toString().split(";"))
			.filter(s -> s.length() > 2).mapToInt(String::hashCode)
			.reduce(0, (x, y) -> x * 17 + y);
	}

	public static void main(String[] args) {
		int rounds = Integer.parseInt(args[0]);
		long sum = 0;
		for (int i = 0; i < rounds; i++)
			sum = sum * 7 + collections(20000) + (long)matrix(100) + strings(20000);
		System.out.println(sum);
	}
}
