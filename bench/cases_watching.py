"""Cases of what is watched while a program runs: tracepoints, and many
watchpoints at once."""
import copy
import os
import shutil
import subprocess

from cases import case
from rsp import RspError, Unsupported, now
from server import SYM, Session

REGISTERS = 1 << 5 | 1 << 4 | 1 << 3     # rdi, rsi, rdx

# Work of all kinds, at times between signals that stop it.
WORK = """
import os, signal, sys, time
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
def work(n):
    seen, text = {}, []
    for i in range(n):
        k = (i * 2654435761) % 1009
        seen[k] = seen.get(k, 0) + i / 3
        text.append("%d:%s" % (k, chr(97 + k % 26)))
        if len(text) == 500:
            text = sorted(text, key=len)[:50] + "".join(text).split(":")[:50]
    return sum(seen.values())
n = int(sys.argv[1])
work(n // 10)
for part in range(3):
    if len(sys.argv) > 2: os.kill(os.getpid(), signal.SIGUSR1)
    t = time.process_time()
    work(n)
    t = time.process_time() - t
print(t)
"""


def fields(s, packet):
    reply = s.conn.cmd(packet).decode("latin-1")
    return dict(x.split(":", 1) for x in reply.split(";") if ":" in x)


def cpu(pids):
    """Seconds that the processes have taken so far, all of their threads."""
    ticks = 0
    for pid in pids:
        with open("/proc/%d/stat" % pid) as f:
            ticks += sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:13])
    return ticks / os.sysconf("SC_CLK_TCK")


@case
def collect(c):
    """tracepoint hits that collect three registers, on a loop of three
    instructions; fast ones where the server has those for any program"""
    with c.session("loop", 1) as s:
        if s.server.null or s.features.get("TracepointSource") != "+":
            return c.none("collect", "hits/s", "no tracepoints", "high")
        fast = s.features.get("qTrace") == "+"
    n = c.opt.scale(20000000 if fast else 20000)
    with c.session("loop", n) as s:
        s.run_to("tight_loop_begin")
        s.conn.ok("Z0,%x,1" % SYM["tight_loop_end"])
        s.conn.ok("QTinit")
        s.conn.ok("QTBuffer:circular:1")
        at = "1:%x" % SYM["tight_loop_begin"]
        s.conn.ok("QTDP:%s:E:0:0%s-" % (at, ":F3" if fast else ""))
        s.conn.ok("QTDP:-%s:R%x" % (at, REGISTERS))
        s.conn.ok("QTStart")
        with c.lock():
            pids = [s.proc.pid, s.pid]
            before = cpu(pids)
            t = now()
            st = s.cont()
            hits = int(fields(s, "qTStatus")["tcreated"], 16)
            t = now() - t
            busy = cpu(pids) - before
        if s.pc(st) != SYM["tight_loop_end"]:
            raise RspError("collect stopped at %r" % st.text)
        if hits not in (n, n - 1):      # the first may have been begun
            raise RspError("collect: %d hits of %d" % (hits, n))
        c.emit("collect", hits / t, "hits/s", hits, "high", us=t / hits * 1e6, fast=fast,
               cpu_us=busy / hits * 1e6)


def python_session(c, *args):
    opt = copy.copy(c.opt)
    opt.target = os.path.realpath(shutil.which("python3"))
    return Session(c.server, ["-S", "-c", WORK, *args], opt)


def to_signal(s):
    st = s.cont()
    if st.kind != "T" or st.sig not in (10, 30):
        raise RspError("no signal: %r" % st.text[:80])


def data_of(pid):
    """What the interpreter's own files have for data: [(begin, end)]"""
    out = []
    with open("/proc/%d/maps" % pid) as f:
        for line in f:
            words = line.split()
            if len(words) > 5 and words[1][:2] == "rw" and "python" in os.path.basename(words[5]):
                out.append(tuple(int(x, 16) for x in words[0].split("-")))
    return out


def watch_many(s, wanted):
    """That many words, none of which the program comes to write."""
    lo, hi = max(data_of(s.pid), key=lambda r: r[1] - r[0])
    step = (hi - lo) // (4 * wanted) & ~7
    spare = iter(range(lo + 64, hi - 8, step))
    for _ in range(wanted):
        r = s.conn.cmd("Z2,%x,8" % next(spare))
        if r != b"OK":
            raise Unsupported("no more watchpoints: %r" % r)
    while True:
        st = s.cont()
        if "watch" not in st.kv:
            return st
        # In which of them it is, it says itself.
        at = int(st.kv["watch"], 16)
        at -= (at - lo - 64) % step
        s.conn.ok("z2,%x,8" % at)
        s.conn.ok("Z2,%x,8" % next(spare))


@case
def watch100(c):
    """python3 with 100 write watchpoints on its data that it does not hit:
    how many times the CPU time of a native run, with the server's"""
    n = c.opt.scale(1000000)
    if c.server.null:
        return c.none("watch100", "times", "no program", "low")
    native = float(subprocess.check_output([os.path.realpath(shutil.which("python3")), "-S", "-c", WORK, str(n)]))
    with python_session(c, str(n), "stop") as s:
        s.conn.ok("QPassSignals:")
        to_signal(s)
        try:
            watch_many(s, 100)
        except Unsupported as e:
            return c.none("watch100", "times", e, "low")
        pids = [s.proc.pid, s.pid]
        with c.lock():
            before = cpu(pids)
            to_signal(s)
            t = cpu(pids) - before
        c.emit("watch100", t / native, "times", 1, "low", native=native, watched=t)
