#!/usr/bin/env python3
"""What a thread, a process, a breakpoint costs when there are many of them.

usage: scale.py [--threads N,...] [--processes N,...] [--points N,...]
                SERVER...        (gdbserver, path to tracestub)

Each line: what was done, for how many, and the microseconds it took for each
of them (or, where it concerns one alone, for that one): flat or falling is
good. Servers are taken in turn for each number.
"""
import argparse
import contextlib
import os
import signal
import statistics
import subprocess
import sys
import time

from rsp import Conn, RspError, elf_symbols, frame, now
from server import free_port

BUILT = os.environ.get("BENCH_BUILT", os.path.dirname(os.path.abspath(__file__)))
TARGET = os.path.join(BUILT, "target")
LIMIT = 120         # seconds of one packet


class Run:
    """A server in extended mode, and a client of it."""

    def __init__(self, server):
        self.name = os.path.basename(server)
        port = free_port()
        self.proc = subprocess.Popen(
            [server, "--once", "--multi", "127.0.0.1:%d" % port],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        self.conn = Conn(port, LIMIT)
        self.conn.raw(b"+")
        self.conn.cmd("qSupported:multiprocess+;swbreak+;xmlRegisters=i386")
        self.conn.cmd("QStartNoAckMode")
        self.conn.raw(b"+")
        self.conn.ack = False
        self.conn.cmd("!")

    def close(self):
        with contextlib.suppress(RspError, OSError):
            self.conn.close()
        try:
            self.proc.wait(20)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()

    def attach(self, pid):
        reply = self.conn.cmd("vAttach;%x" % pid)
        if reply[:1] not in b"TS":
            raise RspError("vAttach: %r" % reply[:60])

    def threads(self):
        out, reply = [], self.conn.cmd("qfThreadInfo")
        while reply[:1] == b"m":
            out += reply[1:].decode().split(",")
            reply = self.conn.cmd("qsThreadInfo")
        return out

    def run_and_stop(self, who=""):
        """Seconds that resuming and ^C took, without a pause between."""
        began = now()
        self.conn.raw(frame("vCont;c" + who))
        time.sleep(0.005)
        paused = now()
        self.conn.raw(b"\x03")
        self.conn.wait_stop()
        return now() - paused + max(paused - began - 0.005, 0)

    def rss_kb(self):
        with open("/proc/%d/status" % self.proc.pid) as f:
            return next(int(line.split()[1]) for line in f
                        if line.startswith("VmRSS"))


def took(what, times=1):
    v = []
    for _ in range(times):
        t = now()
        what()
        v.append(now() - t)
    return statistics.median(v) * 1e6


def show(kind, n, what, name, us, of=1):
    print("%-10s %6d  %-22s %-12s %10.2f us" % (kind, n, what, name, us / of),
          flush=True)


@contextlib.contextmanager
def programs(n, *args):
    """n of them, each waiting."""
    started = []
    try:
        for _ in range(n):
            started.append(subprocess.Popen(
                [TARGET, *args], stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, start_new_session=True))
        for p in started:
            if args[0] == "threads" and p.stdout.readline() != b"ready\n":
                raise RspError("the debuggee did not start")
        yield started
    finally:
        for p in started:
            p.send_signal(signal.SIGKILL)
            p.send_signal(signal.SIGCONT)
        for p in started:
            p.wait()
            p.stdout.close()


def ops_on_threads(run, kind, n):
    all_of_them = run.threads()
    show(kind, n, "list", run.name, took(run.threads, 5), n)
    one = all_of_them[-1]
    run.conn.ok("Hg" + one)
    show(kind, n, "registers of one", run.name, took(
        lambda: run.conn.rt(frame("g")), 50))
    show(kind, n, "resume, stop one", run.name, 1e6 * statistics.median(
        [run.run_and_stop(":" + one) for _ in range(20)]))
    show(kind, n, "resume, stop all", run.name, 1e6 * statistics.median(
        [run.run_and_stop() for _ in range(3)]), n)
    print("%-10s %6d  %-22s %-12s %10.2f kB" % (
        kind, n, "memory of server", run.name, run.rss_kb() / n), flush=True)


def threads(server, n):
    with programs(1, "threads", str(n)) as (p,):
        run = Run(server)
        try:
            show("threads", n, "attach", run.name,
                 took(lambda: run.attach(p.pid)), n)
            ops_on_threads(run, "threads", n)
            show("threads", n, "detach", run.name,
                 took(lambda: run.conn.ok("D;%x" % p.pid)), n)
        finally:
            run.close()


def processes(server, n):
    with programs(n, "pause") as started:
        time.sleep(0.2)
        run = Run(server)
        try:
            show("processes", n, "attach", run.name, took(
                lambda: [run.attach(p.pid) for p in started]), n)
            ops_on_threads(run, "processes", n)
            show("processes", n, "detach", run.name, took(
                lambda: [run.conn.ok("D;%x" % p.pid) for p in started]), n)
        finally:
            run.close()


def points(server, n):
    """In code that is not executed meanwhile."""
    base = elf_symbols(TARGET)["abort"]
    where = [base + i for i in range(n)]
    with programs(1, "pause") as (p,):
        time.sleep(0.05)
        run = Run(server)
        try:
            run.attach(p.pid)
            show("points", n, "set", run.name, took(lambda: [
                run.conn.ok("Z0,%x,1" % a) for a in where]), n)
            read = frame("m%x,400" % base)
            show("points", n, "read 1 KiB over them", run.name,
                 took(lambda: run.conn.rt(read), 50))
            show("points", n, "resume, stop", run.name, 1e6 *
                 statistics.median([run.run_and_stop() for _ in range(20)]))
            show("points", n, "clear", run.name, took(lambda: [
                run.conn.ok("z0,%x,1" % a) for a in where]), n)
            run.conn.ok("D;%x" % p.pid)
        finally:
            run.close()


def numbers(text):
    return [int(n) for n in text.split(",")] if text else []


def main():
    p = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", default="100,1000,10000")
    p.add_argument("--processes", default="10,100,1000")
    p.add_argument("--points", default="100,1000,10000")
    p.add_argument("servers", nargs="+")
    o = p.parse_args()
    for case, many in ((threads, o.threads), (processes, o.processes),
                       (points, o.points)):
        for n in numbers(many):
            for server in o.servers:
                try:
                    case(server, n)
                except (RspError, OSError) as e:
                    print("%-10s %6d  %-22s %-12s %s" % (
                        case.__name__, n, "failed", os.path.basename(server),
                        e), flush=True)


if __name__ == "__main__":
    sys.exit(main())
