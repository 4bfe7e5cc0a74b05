import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;

/** Allocation, virtual calls, null checks, exceptions, threads, text. */
public class Work {
    interface Shape { int area(); }
    record Box(int a, int b) implements Shape { public int area() { return a * b; } }
    record Ball(int r) implements Shape { public int area() { return 3 * r * r; } }
    static class Node { Node next; int[] data = new int[20]; int n; Node(Node next, int n) { this.next = next; this.n = n; } }

    static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

    static long shapes() {
        List<Shape> list = new ArrayList<>();
        long sum = 0;
        for (int i = 0; i < 3000; i++) list.add(i % 3 == 0 ? new Ball(i) : new Box(i, i % 7));
        for (int r = 0; r < 100; r++) for (Shape s : list) sum += s.area() ^ r;
        return sum;
    }

    static int nulls() {
        int caught = 0;
        Node[] nodes = new Node[100];
        for (int i = 0; i < 100; i += 2) nodes[i] = new Node(null, i);
        for (int i = 0; i < 40000; i++) {
            try { caught += nodes[i % 100].n > 1000 ? 1 : 0; } catch (NullPointerException e) { caught++; }
        }
        return caught;
    }

    static long garbage() {
        Node keep = null;
        long sum = 0;
        for (int i = 0; i < 400000; i++) {
            Node n = new Node(i % 50 == 0 ? keep : null, i);
            if (i % 50 == 0) keep = n;
            if (i % 20000 == 0) keep = null;
            sum += n.data.length + (n.next == null ? 0 : n.next.n);
        }
        return sum;
    }

    static int deep(int n) { return deep(n + 1) + 1; }

    static int overflows() {
        int n = 0;
        for (int i = 0; i < 5; i++) { try { deep(0); } catch (StackOverflowError e) { n++; } }
        return n;
    }

    static long threads() throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        ConcurrentHashMap<Integer, Long> map = new ConcurrentHashMap<>();
        List<Future<Integer>> results = new ArrayList<>();
        long sum = 0;
        for (int i = 0; i < 24; i++) {
            int k = i;
            results.add(pool.submit(() -> { map.merge(k % 5, (long) k, Long::sum); return fib(18 + k % 6); }));
        }
        for (Future<Integer> f : results) sum += f.get();
        pool.shutdown();
        return sum + map.values().stream().mapToLong(x -> x).sum();
    }

    static int text() {
        StringBuilder s = new StringBuilder();
        for (int i = 0; i < 10000; i++) s.append("k").append(i * 7919 % 1009).append(' ');
        Matcher m = Pattern.compile("k(\\d+)7 ").matcher(s);
        int n = 0;
        while (m.find()) n += m.group(1).length();
        return n + String.format("%08.3f|%s", Math.sqrt(2), new TreeMap<>(Map.of("b", 1, "a", 2))).hashCode();
    }

    public static void main(String[] args) throws Exception {
        for (int i = 0; i < 3; i++) System.out.println(fib(24) + " " + shapes() + " " + nulls());
        System.out.println(garbage() + " " + overflows() + " " + threads() + " " + text());
        Process p = new ProcessBuilder("sh", "-c", "echo from a child; exit 3").start();
        System.out.println(new String(p.getInputStream().readAllBytes()).trim() + " " + p.waitFor());
        System.exit(args.length);
    }
}
