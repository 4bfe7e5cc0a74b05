"""Objects, exceptions, generators, regular expressions, threads, numbers."""
import decimal
import hashlib
import itertools
import json
import queue
import re
import signal
import struct
import threading
import zlib


class Point:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y

    def dot(self, other):
        return self.x * other.x + self.y * other.y


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def raised(n):
    total = 0
    for i in range(n):
        try:
            if i % 3:
                raise ValueError(i)
            total += 1
        except ValueError as e:
            total += e.args[0] % 7
        finally:
            total += 2
    return total


def worker(jobs, results):
    while (job := jobs.get()) is not None:
        data = bytes((job * i) & 255 for i in range(2000))
        results.append((job, hashlib.sha256(data).hexdigest()[:8]))


def threads():
    jobs, results = queue.Queue(), []
    ts = [threading.Thread(target=worker, args=(jobs, results))
          for _ in range(4)]
    for t in ts:
        t.start()
    for i in range(80):
        jobs.put(i)
    for _ in ts:
        jobs.put(None)
    for t in ts:
        t.join()
    return zlib.crc32(repr(sorted(results)).encode())


def signals():
    seen = []
    signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    x = 0
    while len(seen) < 20:
        x = (x * 3 + 1) % 1000003
    signal.setitimer(signal.ITIMER_REAL, 0)
    return len(seen) >= 20


points = [Point(i, i % 17) for i in range(500)]
print(fib(20), sum(p.dot(points[p.y]) for _ in range(40) for p in points))
text = json.dumps([{"a": i, "b": str(i), "c": [i, i * 2.5]}
                   for i in range(5000)])
print(len(json.loads(text)), zlib.crc32(zlib.compress(text.encode())))
print(len(re.findall(r"\"b\": \"(\d*7)\"", text)), raised(20000))
print(sorted(str(i * 7919 % 100003) for i in range(20000))[:3])
decimal.getcontext().prec = 60
print(decimal.Decimal(2).sqrt() / 3, 3 ** 500 % 10 ** 30)
print(sum(itertools.islice((a * b for a in itertools.count(1)
                            for b in range(3)), 30000)))
print(struct.unpack("<dQ", struct.pack("<dQ", 1.5, 2 ** 63)))
print(threads(), signals())
