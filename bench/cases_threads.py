"""Cases on a process with a thousand threads."""
import re
import socket
import statistics
import subprocess
import time

from cases import case
from rsp import RspError, Stop, Unsupported, frame, now, split_tid, unescape
from server import SYM, affinity


def list_threads(s):
    out = []
    r = s.conn.cmd("qfThreadInfo")
    while r[:1] == b"m":
        out += r[1:].split(b",")
        r = s.conn.cmd("qsThreadInfo")
    return out


def xfer(s, obj, annex=""):
    out, chunk = [], min(s.packet_size, 1 << 17) - 16
    off = 0
    while True:
        r = s.conn.cmd("qXfer:%s:read:%s:%x,%x" % (obj, annex, off, chunk))
        if r[:1] not in b"lm" or not r:
            raise Unsupported("qXfer:%s -> %r" % (obj, r[:20]))
        d = unescape(r[1:])
        out.append(d)
        off += len(d)
        if r[:1] == b"l":
            return b"".join(out)


def start_threads(opt, n, mode="threads"):
    argv = [opt.target, mode, str(n)]
    with affinity({"same": {opt.core0}, "all": {opt.core0}, "split": {opt.core1}}.get(opt.pin)):
        p = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, start_new_session=True)
    if p.stdout.readline() != b"ready\n":
        p.kill()
        raise RspError("target did not start")
    return p


def thread_ops(c, s, N, tag):
    n = c.opt.scale(20)
    v = []
    with c.lock():
        for _ in range(n):
            t = now()
            L = list_threads(s)
            v.append(now() - t)
    c.emit("thread-list" + tag, statistics.median(v) * 1e3, "ms", len(L), "low")
    for name, get in (("thread-xml", lambda: xfer(s, "threads")), ("thread-json", lambda: s.conn.cmd("jThreadsInfo"))):
        try:
            v = []
            with c.lock():
                for _ in range(max(3, n // 4)):
                    t = now()
                    r = get()
                    v.append(now() - t)
                    if not r:
                        raise Unsupported("empty")
            c.emit(name + tag, statistics.median(v) * 1e3, "ms", len(r), "low")
        except Unsupported as e:
            c.none(name + tag, "ms", e, "low")
    # one thread steps, the others stay stopped
    pk, v = s.vcont("s", s.tid), []
    with c.lock():
        s.conn.resume(pk)
        t0 = now()
        for i in range(c.opt.scale(200)):
            t = now()
            s.conn.resume(pk)
            v.append(now() - t)
            if now() - t0 > c.opt.budget:
                break
    c.emit("thread-step" + tag, statistics.median(v) * 1e6, "us", len(v), "low")
    # one thread steps, the others run: resume all + stop all inside the server
    pk, v = s.vcont("s", s.tid, "c"), []
    with c.lock():
        t0 = now()
        for i in range(c.opt.scale(20)):
            t = now()
            r = s.conn.resume(pk)
            v.append(now() - t)
            if now() - t0 > c.opt.budget:
                break
    c.emit("thread-step-all" + tag, statistics.median(v) * 1e3, "ms", len(v), "low")
    # breakpoint hit by one thread while the others run (resume all, stop all, reply)
    s.conn.ok("Z0,%x,1" % SYM["hot"])
    r = s.conn.resume(s.vcont("c"))
    st = Stop(r)
    if s.pc(st) != SYM["hot"]:
        raise RspError("thread bp: %r" % r[:100])
    z, Z, k = frame("z0,%x,1" % SYM["hot"]), frame("Z0,%x,1" % SYM["hot"]), s.vcont("c")
    sp, v = s.vcont("s", st.thread), []
    with c.lock():
        t0 = now()
        for i in range(c.opt.scale(20)):
            t = now()
            s.conn.rt(z)
            s.conn.resume(sp)
            s.conn.rt(Z)
            s.conn.resume(k)
            v.append(now() - t)
            if now() - t0 > c.opt.budget:
                break
    s.conn.ok("z0,%x,1" % SYM["hot"])
    c.emit("thread-swbreak" + tag, statistics.median(v) * 1e3, "ms", len(v), "low")
    # continue, ^C 5 ms later
    cyc, lat = [], []
    with c.lock():
        t0 = now()
        for i in range(c.opt.scale(20)):
            t = now()
            s.conn.raw(s.vcont("c"))
            time.sleep(0.005)
            t1 = now()
            s.conn.raw(b"\x03")
            try:
                r = s.conn.wait_stop()
            except (TimeoutError, socket.timeout):
                c.none("thread-interrupt" + tag, "ms", "no stop after ^C", "low")
                return
            cyc.append(now() - t)
            lat.append(now() - t1)
            if now() - t0 > c.opt.budget:
                break
    if r[:1] not in b"TS":
        raise RspError("^C -> %r" % r[:60])
    c.emit("thread-interrupt" + tag, statistics.median(lat) * 1e3, "ms", len(lat), "low",
           cycle_ms=statistics.median(cyc) * 1e3)


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


def server_pid(s):
    """The process that is the server: our child."""
    return s.proc.pid


@case
def threads(c):
    """a process with N parked threads: attach, list, step, breakpoint, interrupt"""
    N = c.opt.threads
    try:
        if not c.server.attach:
            raise Unsupported("no attach")
        p = start_threads(c.opt, N)
        try:
            with c.lock():
                s = c.session(attach=p.pid)
            with s:
                c.emit("thread-attach", s.t_stop * 1e3, "ms", N, "low", tcp_connect_ms=s.t_connect * 1e3)
                L = list_threads(s)
                if len(L) != N + 1:
                    raise RspError("attach: %d of %d threads" % (len(L), N + 1))
                c.emit("rss-threads", rss_kb(server_pid(s)), "kB", N, "low")
                main = [t.decode() for t in L if split_tid(t.decode())[1] == p.pid]
                s.tid = main[0]
                thread_ops(c, s, N, "")
        finally:
            p.kill()
            p.wait()
    except Unsupported as e:
        c.none("thread-attach", "ms", e, "low")
        with c.session("threads", N) as s:
            s.run_to("marker")
            c.emit("rss-threads", rss_kb(server_pid(s)), "kB", N, "low", note="launched")
            thread_ops(c, s, N, "")


@case
def thread_create(c):
    """run a program that creates N threads, under the server, to a breakpoint after"""
    N = c.opt.threads
    with c.session("threads", N) as s:
        s.conn.ok("Z0,%x,1" % SYM["marker"])
        with c.lock():
            t = now()
            st = s.cont()
            t = now() - t
        if s.pc(st) != SYM["marker"]:
            raise RspError("thread-create: %r" % st.text[:100])
        c.emit("thread-create", N / t, "threads/s", N, "high", ms=t * 1e3)
