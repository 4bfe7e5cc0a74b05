#!/usr/bin/env python3
"""A program that runs translated, interrupted at random moments: every thread
has the registers of an original instruction, and a backtrace that comes to
its start. Followed and not followed in turn, at random moments too.

More of it: COUNT=10000 in the environment, and SEED to have one again.
"""
import os
import signal
import threading
import time

from following import (COUNT, MEMFD, SEED, THREADS, State, begin, count,
                       followed, native_words)
from processes import tgkill
from rsp import Program, Session, case, check, equal, main, until

SECONDS = 100 + COUNT
SYS_FUTEX = 202


@case(peer="it does not translate", seconds=SECONDS)
def interrupted_at_random():
    print("SEED=%d" % SEED)
    want = native_words()
    with Session("following", str(THREADS), options=["--follow"]) as s:
        w = begin(s)
        for _ in range(count(300)):
            w.look()
            w.run_a_while()
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


@case(peer="it does not translate", seconds=SECONDS)
def interrupted_in_excluded_code():
    print("SEED=%d" % SEED)
    want = native_words()
    with Session("following", str(THREADS), options=["--follow"]) as s:
        equal(s.packet("qTrace:exclude:module=*"), "OK", "exclude")
        w = begin(s)
        for i in range(count(100)):
            w.look()
            if i % 10 == 9:
                verb = "include" if i % 20 == 9 else "exclude"
                equal(s.packet("qTrace:%s:module=*" % verb), "OK", verb)
            w.run_a_while()
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


@case(peer="it does not translate", seconds=SECONDS)
def followed_and_not_in_turn():
    print("SEED=%d" % SEED)
    want = native_words()
    with Session("following", str(THREADS)) as s:
        w = begin(s)
        for i in range(2 * count(50)):
            verb = "unfollow" if i % 2 else "follow"
            equal(s.packet("qTrace:%s:-1" % verb), "OK", verb)
            w.look()
            w.run_a_while()
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


@case(peer="it does not translate", seconds=SECONDS)
def threads_followed_one_by_one():
    """Each for itself, at random, and those that are stepped between."""
    print("SEED=%d" % SEED)
    want = native_words()
    with Session("following", str(THREADS)) as s:
        w = begin(s)
        for _ in range(count(60)):
            yes, no = followed(s)
            equal(yes | no, set(s.tids()), "threads")
            tid = w.random.choice(sorted(yes | no))
            verb = "unfollow" if tid in yes else "follow"
            equal(s.packet("qTrace:%s:%x" % (verb, tid)), "OK", verb)
            now = followed(s)[0]
            equal(now, yes ^ {tid}, "followed after %s %x" % (verb, tid))
            equal(MEMFD in State(s.pid).maps, bool(now), "a cache")
            w.look()
            w.run_a_while()
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


def to_the_join(s):
    """The first thread runs to the entry of the call that waits for others."""
    equal(s.packet("QCatchSyscalls:1;%x" % SYS_FUTEX), "OK", "catch")
    stop = s.cont()
    equal((stop.tid, int(stop.fields.get("syscall_entry", "0"), 16)),
          (s.pid, SYS_FUTEX), "entry: %s" % stop)
    equal(s.packet("QCatchSyscalls:0"), "OK", "catch none")


def meet_and_pass(s, place):
    """One of the others stops at a breakpoint; the first is not looked at."""
    s.point(0, place)
    check(s.cont().tid != s.pid, "the first thread has come there")
    s.clear(0, place)


@case(peer="it does not translate", seconds=SECONDS)
def followed_at_the_entry_of_a_call():
    """When it is interrupted in that the kernel takes it back to make it again:
    to the program's own call."""
    want = native_words()
    for one_by_one in 3 * (False, True):
        with Session("following", str(THREADS)) as s:
            w = begin(s)
            if one_by_one:
                equal(s.packet("qTrace:follow:%x" % max(s.tids())), "OK", "one")
            to_the_join(s)
            equal(s.packet("qTrace:follow:-1"), "OK", "follow")
            for _ in range(5):
                meet_and_pass(s, "turn")
            w.run_a_while()
            w.look()
            w.end()
            equal(s.printed().splitlines()[-1], want, "it prints")


@case(peer="it does not translate", seconds=SECONDS)
def caught_at_the_entry_of_a_call():
    """The same of a thread that has come there when it was followed."""
    want = native_words()
    with Session("following", str(THREADS), options=["--follow"]) as s:
        w = begin(s)
        for _ in range(10):
            to_the_join(s)
            w.look()
            for _ in range(3):
                meet_and_pass(s, "turn")
            w.look()
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


@case(peer="it does not translate", seconds=SECONDS)
def killed_while_single_threads_are_followed():
    want = native_words()
    with Program("following", str(THREADS)) as p:
        equal(p.line(), "ready")
        for i in range(count(6)):
            with Session(attach=p.pid, path=p.path) as s:
                equal(s.packet("QPassSignals:e;14;17"), "OK", "QPassSignals")
                for tid in s.tids()[i % 2::2]:
                    equal(s.packet("qTrace:follow:%x" % tid), "OK", "follow")
                s.start()
                time.sleep(0.2)
                s.server.kill()
                s.server.wait(30)
            check(until(lambda: all(task[1] == "0" for task in
                                    State(p.pid).tasks.values()), 10),
                  "still traced")
        with Session(attach=p.pid, path=p.path) as s:
            s.set_var("over", 1)
            equal(s.packet("D;%x" % p.pid), "OK", "detach")
        equal(p.line(), want, "it prints")
        equal(p.wait(30), 0, "exit status")


@case(peer="it does not translate", seconds=SECONDS)
def killed_when_it_is_to_be_followed():
    """The end of its first thread is told behind those of the others."""
    for _ in range(10):
        with Program("following", str(THREADS)) as p:
            equal(p.line(), "ready")
            with Session(attach=p.pid, path=p.path) as s:
                os.kill(s.server.pid, signal.SIGSTOP)
                s.send("qTrace:follow:%x" % p.pid)
                os.kill(p.pid, signal.SIGKILL)
                os.kill(s.server.pid, signal.SIGCONT)
                answer = s.receive(10)
                check(answer and answer.startswith(b"E"), answer)


class Signals:
    """Signals for all threads of a process, in a quick succession."""

    def __init__(self, pid, tids):
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.send, args=(pid, tids))

    def send(self, pid, tids):
        while not self.over.wait(.0003):
            for tid in tids:
                tgkill(pid, tid, signal.SIGALRM)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


@case(peer="it does not translate", seconds=SECONDS)
def followed_and_not_with_signals_on_their_way():
    """A signal that a thread was halted with is not taken in the cache."""
    print("SEED=%d" % SEED)
    want = native_words()
    with Session("following", str(THREADS)) as s:
        w = begin(s)
        s.set_var("linger", 100000)
        w.walks = False     # a handler may have come into libc
        with Signals(s.pid, s.tids()):
            for i in range(2 * count(50)):
                verb = "unfollow" if i % 2 else "follow"
                w.run_a_while()
                equal(s.packet("qTrace:%s:-1" % verb), "OK", verb)
                w.look()
        s.set_var("linger", 0)
        w.end()
        equal(s.printed().splitlines()[-1], want, "it prints")


if __name__ == "__main__":
    raise SystemExit(main())
