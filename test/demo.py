"""What the demo debugs: threads that share some work and sleep a little."""
import threading
import time

sums = []


def worker(lo, hi):
    time.sleep(0.02)
    sums.append(sum(i * i for i in range(lo, hi)))


threads = [threading.Thread(target=worker, args=(n * 250, (n + 1) * 250))
           for n in range(4)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print("sum of squares:", sum(sums))
