"""Cases of the system: files, system calls, signals, forks, execs, size."""
import contextlib
import os
import re
import subprocess
import tempfile

from cases import case
from cases_threads import rss_kb, server_pid
from rsp import RspError, Stop, now, split_tid, unescape, unrle
from server import SYM


@case
def vfile(c):
    """vFile:open + pread of a 100 MB file"""
    size = 100_000_000
    with tempfile.NamedTemporaryFile(prefix="rspbench") as f:
        blk = os.urandom(1 << 20)
        left = size
        while left > 0:
            f.write(blk[:left])
            left -= len(blk)
        f.flush()
        with c.session("pause") as s:
            s.conn.cmd("vFile:setfs:0")
            r = s.conn.cmd("vFile:open:%s,0,0" % f.name.encode().hex())
            if r[:1] != b"F" or r[:2] == b"F-":
                return c.none("vfile-read", "MB/s", "vFile:open -> %r" % r, "high")
            fd = int(r[1:].split(b",")[0], 16)
            ps = min(s.packet_size, c.opt.max_chunk)
            want, off = ps - 32, 0
            check, s.conn.check = s.conn.check, False
            with c.lock():
                t = now()
                while off < size:
                    r = s.conn.rt(b"$vFile:pread:%x,%x,%x#%02x" % (fd, want, off, sum(
                        b"vFile:pread:%x,%x,%x" % (fd, want, off)) & 255))
                    semi = r.find(b";", 0, 24)
                    if r[:1] != b"F" or semi < 0:
                        raise RspError("pread -> %r" % r[:40])
                    n = int(r[1:semi], 16)
                    if n == 0:
                        break
                    if off == 0 and not s.server.null and unescape(unrle(r[semi + 1:])) != (blk * 2)[:n]:
                        raise RspError("pread: wrong data")
                    off += n
                    if now() - t > c.opt.budget:
                        break
                t = now() - t
            s.conn.check = check
            s.conn.cmd("vFile:close:%x" % fd)
            c.emit("vfile-read", off / t / 1e6, "MB/s", off, "high", chunk=want)


@case
def syscalls(c):
    """QCatchSyscalls stops in a getppid loop (entry and return each stop)"""
    n = c.opt.scale(4000)
    with c.session("syscalls", 1 << 40) as s:
        if s.dialect == "lldb":
            return c.none("catch-syscall", "stops/s", "lldb does not ask for it", "high")
        if s.features.get("QCatchSyscalls") != "+":
            return c.none("catch-syscall", "stops/s", "QCatchSyscalls not offered", "high")
        s.conn.ok("QCatchSyscalls:1;6e")
        r = s.cont()
        if not any(k.startswith("syscall") for k in r.kv):
            raise RspError("catch -> %r" % r.text)
        k, res = s.vcont("c"), s.conn.resume
        with c.lock():
            t = now()
            for i in range(n):
                res(k)
            t = now() - t
        c.emit("catch-syscall", n / t, "stops/s", n, "high", us=t / n * 1e6)
    # syscalls that are not caught, while another number is
    n = c.opt.scale(20000)
    with c.session("syscalls", n) as s:
        s.conn.ok("QCatchSyscalls:1;aa")
        s.conn.ok("Z0,%x,1" % SYM["finish"])
        with c.lock():
            t = now()
            st = s.cont()
            t = now() - t
        if s.pc(st) != SYM["finish"]:
            raise RspError("skip -> %r" % st.text)
        c.emit("catch-syscall-skip", n / t, "syscalls/s", n, "high", us=t / n * 1e6)


@case
def signals(c):
    """SIGUSR1 in a loop: passed silently by QPassSignals; and reported, vCont;C"""
    n = c.opt.scale(20000)
    sig = 10 if c.server.dialect == "lldb" else 30
    with c.session("signals", n) as s:
        r = s.conn.cmd("QPassSignals:e;10;14;17;1a;1b;1c;1e;21;24;25;2c;4c;97"
                       if sig == 30 else "QPassSignals:%02x" % sig)
        if r != b"OK" or s.server.null:
            c.none("signal-pass", "signals/s", "QPassSignals -> %r" % r, "high")
        else:
            s.conn.ok("Z0,%x,1" % SYM["finish"])
            with c.lock():
                t = now()
                st = s.cont()
                t = now() - t
            if s.pc(st) != SYM["finish"] or s.u64("sigcount") != n:
                raise RspError("signals: %r" % st.text)
            c.emit("signal-pass", n / t, "signals/s", n, "high", us=t / n * 1e6)
    n = c.opt.scale(3000)
    with c.session("signals", 1 << 40) as s:
        st = s.cont()
        if st.sig not in (10, 30):
            return c.none("signal-stop", "stops/s", "-> %r" % st.text[:60], "high")
        k, res = s.vcont("C%02x" % st.sig, st.thread or None, None), s.conn.resume
        with c.lock():
            t = now()
            for i in range(n):
                res(k)
                if i & 63 == 0 and now() - t > c.opt.budget:
                    break
            t = now() - t
        got = s.u64("sigcount") if not s.server.null else i + 1
        if abs(got - (i + 1)) > 1:
            raise RspError("signals delivered %d, stops %d" % (got, i + 1))
        c.emit("signal-stop", (i + 1) / t, "stops/s", i + 1, "high", us=t / (i + 1) * 1e6)


def fork_loop(c, name, mode, n, events):
    """events: stop key prefix.  Detach each child (gdb's default) and continue."""
    with c.session(mode, n) as s:
        feat = "vfork-events" if mode == "vforks" else "fork-events"
        if s.features.get(feat) != "+" or s.server.null:
            return c.none(name, "events/s", "%s not offered" % feat, "high")
        s.conn.ok("Z0,%x,1" % SYM["finish"])
        k, ev, stops = s.vcont("c"), 0, 0
        go = k
        with c.lock():
            t = now()
            while True:
                r = s.conn.resume(go)
                stops, go = stops + 1, k
                st = Stop(r)
                child = st.kv.get("fork") or st.kv.get("vfork")
                if child:
                    ev += 1
                    pid = split_tid(child.decode())[0]
                    if st.kv.get("fork"):
                        # gdb lifts breakpoints from the child before it detaches
                        pass
                    s.conn.ok("D;%x" % pid)
                elif "vforkdone" in st.kv or st.kv.get("reason") == b"vforkdone":
                    pass
                elif st.kind in "WX" or s.pc(st) == SYM["finish"]:
                    break
                elif st.kind == "T" and st.sig in (17, 20):
                    go = s.vcont("C%02x" % st.sig)     # SIGCHLD goes on
                else:
                    raise RspError("%s: %r" % (name, [k for k in st.kv.items() if len(k[0]) > 2]))
                if now() - t > 10 * c.opt.budget:
                    break
            t = now() - t
        if ev == 0:
            return c.none(name, "events/s", "no events", "high")
        c.emit(name, ev / t, "events/s", ev, "high", us=t / ev * 1e6, stops=stops)


@case
def fork(c):
    """fork events: T05fork, D;child, vCont;c"""
    fork_loop(c, "fork", "forks", c.opt.scale(1000), "fork")


@case
def vfork(c):
    """vfork events: T05vfork, D;child, vCont;c, T05vforkdone, vCont;c"""
    fork_loop(c, "vfork", "vforks", c.opt.scale(500), "vfork")


@case
def fork_both(c):
    """fork events with both processes kept: vCont;c resumes both, children exit"""
    n = c.opt.scale(1000)
    with c.session("forks", n) as s:
        if s.dialect == "lldb":
            return c.none("fork-both", "events/s", "lldb resumes one process", "high")
        if s.features.get("fork-events") != "+" or s.server.null:
            return c.none("fork-both", "events/s", "fork-events not offered", "high")
        s.conn.cmd("QPassSignals:14")
        k, ev, exits, stops = s.vcont("c"), 0, 0, 0
        main = b"%x" % s.pid
        with c.lock():
            t = now()
            while True:
                st = Stop(s.conn.resume(k))
                stops += 1
                if st.kv.get("fork"):
                    ev += 1
                elif st.kind in "WX":
                    if st.kv.get("process") in (None, main):
                        break
                    exits += 1
                else:
                    raise RspError("fork-both: %r" % st.text[:200])
                if now() - t > 10 * c.opt.budget:
                    break
            t = now() - t
        c.emit("fork-both", ev / t, "events/s", ev, "high", us=t / max(ev, 1) * 1e6, exits=exits, stops=stops)


@case
def execs(c):
    """exec events"""
    n = c.opt.scale(200)
    with c.session("execs", n) as s:
        st = s.cont()
        if not ("exec" in st.kv or st.kv.get("reason") == b"exec"):
            return c.none("exec", "events/s", "no exec stop: %r" % st.text[:40], "high")
        k, ev = s.vcont("c"), 1
        with c.lock():
            t = now()
            while True:
                st = Stop(s.conn.resume(k))
                if st.kind in "WX":
                    break
                if not ("exec" in st.kv or st.kv.get("reason") == b"exec"):
                    raise RspError("exec: %r" % st.text[:100])
                ev += 1
            t = now() - t
        c.emit("exec", (ev - 1) / t, "events/s", ev, "high", us=t / max(ev - 1, 1) * 1e6)


@case
def memory(c):
    """server footprint: RSS at the first stop, size of the executable and its libraries"""
    with c.session("pause") as s:
        for _ in range(50):
            s.conn.rt(s.g_packet())
        c.emit("rss-idle", rss_kb(server_pid(s)), "kB", 1, "low")
    exe = c.server.exe()
    if exe:
        exe = os.path.realpath(exe)
        libs = 0
        r = subprocess.run(["ldd", exe], capture_output=True, text=True)
        for m in re.finditer(r"=> (\S+)", r.stdout):
            with contextlib.suppress(OSError):
                libs += os.path.getsize(os.path.realpath(m[1]))
        c.emit("binary-size", os.path.getsize(exe) / 1024, "kB", 1, "low", libs_kB=libs // 1024)
