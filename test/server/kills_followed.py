#!/usr/bin/env python3
"""kill -9 of the server while it follows a program's threads: the program goes
on in its original code, and ends as it should.

Of each kind of test/inferiors/followed.c so many kills (--count), each once
the program has done some rounds while it was followed. It is asked to end
after every few of them, and must do so with status 7 and no wrong result.

At least 99 of 100 must survive (--least), but of code that changes: it comes to
the server by traps, and one that was not waited for when it dies is deadly. See
target/linux-ptrace/guardian.h. An attach takes away what servers that were
killed have left.
"""
import collections
import mmap
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time

import steady

# Rounds to warm up, and how many of 100 must survive if not --least.
KINDS = {
    "calls": (20, None),
    "syscalls": (10, None),
    "threads": (20, None),
    "births": (10, None),
    "signals": (20, None),
    "queued": (10, None),
    "forks": (5, None),
    "maps": (2, None),
    "code": (3, 80),
}
KILLS_EACH = 40     # then another process
MORE = 4            # times as many kills where some of a few go wrong
CACHES_MOST = 6     # files: a server has one for each region


class Followed:
    def __init__(self, inferiors, kind):
        self.kind, self.kills = kind, 0
        self.file = tempfile.NamedTemporaryFile(prefix="tracestub.")
        self.file.truncate(4096)
        self.map = mmap.mmap(self.file.fileno(), 4096)
        self.process = steady.spawn(
            [os.path.join(inferiors, "followed"), kind, self.file.name],
            stdin=subprocess.DEVNULL)
        self.pid = self.process.pid
        self.go_on(1)

    def word(self, n):
        return struct.unpack_from("<Q", self.map, 8 * n)[0]

    def ended(self):
        return self.process.poll() is not None

    def go_on(self, rounds):
        """It does so many more."""
        until = self.word(0) + rounds
        return steady.wait_until(
            lambda: self.ended() or self.word(0) >= until, 60) \
            and not self.ended()

    def trouble(self):
        """What is wrong with it after a kill, or None."""
        if not self.go_on(3):
            if self.ended():
                return "ended with %d" % self.process.returncode
            return "stands still: " + str(steady.status(self.pid, "State"))
        if not steady.wait_until(
                lambda: steady.status(self.pid, "TracerPid") == "0", 2):
            return "still traced"
        if self.word(1):
            return "%d wrong results" % self.word(1)
        return None

    def finish(self):
        """What is wrong with its end, or None."""
        struct.pack_into("<Q", self.map, 16, 1)
        if not steady.wait_until(self.ended):
            return "does not end"
        if self.process.returncode != 7:
            return "ended with %d at last" % self.process.returncode
        return "wrong results at last" if self.word(1) else None

    def close(self):
        steady.end(self.process)
        self.file.close()


def caches(s):
    """Which there are: the files that are mapped."""
    return {line.split()[4] for line in steady.maps(s.pid).splitlines()
            if "memfd:tracestub-code" in line}


def follow(opt, s):
    """A server that follows it. One that comes while it waits for its vfork
    child is refused."""
    before = caches(s)
    for _ in range(5):
        server = steady.spawn([opt.server, "trace", "--pid", str(s.pid)],
                              stdin=subprocess.DEVNULL, stdout=opt.log,
                              stderr=opt.log)
        steady.wait_until(
            lambda: server.poll() is not None or s.ended() or
            caches(s) - before)
        if server.poll() != 125:
            break
    return server


def one_kill(opt, s, rng):
    """What is wrong afterwards, or None; and of the test itself."""
    server = follow(opt, s)
    s.go_on(int(KINDS[s.kind][0] * opt.warm))
    time.sleep(rng.random() * 0.05)
    guardian = steady.children(server.pid)
    crowded = len(caches(s)) > CACHES_MOST
    early = "the server has ended with %s" % server.returncode if server.poll() is not None else \
        "ended with %d while followed" % s.process.returncode \
        if s.ended() else \
        "caches of earlier servers stay" if crowded else None
    server.send_signal(signal.SIGKILL)
    server.wait()
    why = None if early else s.trouble()
    if not steady.wait_until(lambda: not any(map(steady.alive, guardian))):
        early = "the guardian stays"
    return why, early


def kill_often(opt, kind, count, rng):
    """(how many do not survive, what else is wrong)."""
    lost, errors, s = [], [], None
    for n in range(count):
        s = s or Followed(opt.inferiors, kind)
        why, bad = one_kill(opt, s, rng)
        s.kills += 1
        if not why and not bad and (s.kills == KILLS_EACH or
                                    n == count - 1):
            why = s.finish()
            s.close()
            s = None
        if why or bad:
            errors += [bad] if bad else []
            lost += [why] if why else []
            s and s.close()
            s = None
    print("     %s: %d kills, %.1f %% survive%s" % (
        kind, count, 100 - 100 * len(lost) / count,
        "".join("; %d %s" % (n, why) for why, n in
                collections.Counter(lost).items())), flush=True)
    return len(lost), errors


def share_of(opt, kind, least):
    """(how many of 100 survive, errors). Few kills that go wrong are no share:
    the same is wanted of more of them then."""
    rng = random.Random(opt.seed)
    lost, errors = kill_often(opt, kind, opt.count, rng)
    share = 100 - 100 * lost / opt.count
    if share >= least or errors:
        return share, errors
    more, errors = kill_often(opt, kind, MORE * opt.count, rng)
    return 100 - 100 * (lost + more) / (opt.count * (1 + MORE)), errors


def main():
    ap = steady.arguments(__doc__.splitlines()[0])
    ap.add_argument("--count", type=int, default=20)
    ap.add_argument("--least", type=float, default=99.0)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--warm", type=float, default=1.0, metavar="FACTOR")
    ap.add_argument("--kind", action="append", choices=list(KINDS))
    ap.add_argument("--log", type=lambda f: open(f, "a"),
                    default=subprocess.DEVNULL)
    opt = ap.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: exit(143))
    cases = steady.Cases()
    for kind in opt.kind or KINDS:
        # of few kills one may go wrong
        least = KINDS[kind][1] or min(opt.least, 100 - 100 / opt.count)
        share, errors = share_of(opt, kind, least)
        why = "; ".join(sorted(set(errors)))
        if share < least:
            why += " only %.1f %% survive" % share
        cases.check("kill-followed-" + kind, why)
    sys.exit(cases.exit_status())


if __name__ == "__main__":
    main()
