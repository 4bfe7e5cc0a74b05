"""Cases on one thread: latency, memory, steps, breakpoints, watchpoints."""
import statistics
import struct

from cases import case, pct
from rsp import RspError, Stop, escape, frame, now, unescape, unrle
from server import SYM


@case
def connect(c):
    """server spawn to the reply of '?'"""
    stop, conn = [], []
    n = c.opt.scale(20)
    with c.lock():
        for _ in range(n):
            with c.session("pause") as s:
                stop.append(s.t_stop * 1e3)
                conn.append(s.t_connect * 1e3)
    c.emit("connect", statistics.median(stop), "ms", n, "low", p99=pct(stop, .99),
           tcp_connect_ms=statistics.median(conn))


@case
def latency(c):
    """round trips of g, p, m (8 bytes), qC on a stopped process"""
    with c.session("pause") as s:
        sp = SYM["sink"]
        n = c.opt.scale(4000)
        kinds = [("g", s.g_packet()), ("p", s.p_packet(16)), ("m8", frame("m%x,8" % sp)), ("qC", frame("qC"))]
        with c.lock():
            for name, pk in kinds:
                r = unrle(s.conn.rt(pk))
                if r == b"" or r[:1] == b"E":
                    c.none("rt-" + name, "us", "unsupported: %r" % r)
                    continue
                for _ in range(200):
                    s.conn.rt(pk)
                v = []
                rt = s.conn.rt
                for _ in range(n):
                    t = now()
                    rt(pk)
                    v.append(now() - t)
                c.emit("rt-" + name, pct(v, .5) * 1e6, "us", n, "low", p99=pct(v, .99) * 1e6, bytes=len(r))


def xmode(s):
    if s.features.get("binary-upload") == "+":
        return "b"
    if s.conn.cmd("x0,0") == b"OK":
        return ""
    return None


def bulk(c, s, name, addr, total, chunk, kind, prefix, expect):
    """Sequential reads; the first few replies are decoded and checked."""
    for k in range(3):
        r = unrle(s.conn.cmd("%s%x,%x" % (kind, addr + k * chunk, chunk)))
        got = bytes.fromhex(r.decode()) if kind == "m" else unescape(r)[len(prefix):]
        if not s.server.null and got != expect(k * chunk, len(got)):
            raise RspError("%s: wrong data" % name)
        if k == 0 and kind == "x" and 0 < len(got) < chunk:
            chunk = len(got)              # server returns what fits
        elif len(got) != chunk:
            raise RspError("%s: short read %d of %d" % (name, len(got), chunk))
    reqs = [frame("%s%x,%x" % (kind, addr + o, min(chunk, total - o))) for o in range(0, total - chunk, chunk)]
    b0, done = s.conn.bytes_in, 0
    with c.lock():
        t = now()
        for i, q in enumerate(reqs):
            s.conn.rt_bulk(q)
            if i & 15 == 0 and now() - t > c.opt.budget:
                break
        t = now() - t
        done = (i + 1) * chunk
    c.emit(name, done / t / 1e6, "MB/s", done, "high", chunk=chunk, wire_MBps=(s.conn.bytes_in - b0) / t / 1e6)


def xorshift(nbytes):
    out, s, M = [], 88172645463325252, (1 << 64) - 1
    for _ in range(nbytes // 8):
        s ^= (s << 13) & M
        s ^= s >> 7
        s ^= (s << 17) & M
        out.append(s)
    return struct.pack("<%dQ" % len(out), *out)


@case
def mem_read(c):
    """bulk reads of 64 MiB of heap: half random, half zero bytes"""
    with c.session("heap", c.opt.mb) as s:
        s.run_to("marker")
        base = s.u64("heap_ptr") if not s.server.null else 0
        half = (c.opt.mb << 20) // 2
        ps = min(s.packet_size, c.opt.max_chunk)
        rnd = xorshift(3 * ps + 64)
        mchunk = (ps - 8) // 2
        bulk(c, s, "mem-read-m", base, half, mchunk, "m", b"", lambda o, n: rnd[o:o + n])
        bulk(c, s, "mem-read-m-zero", base + half, half, mchunk, "m", b"", lambda o, n: bytes(n))
        xm = xmode(s)
        if xm is None:
            c.none("mem-read-x", "MB/s", "no binary x", "high")
        else:
            bulk(c, s, "mem-read-x", base, half, ps - 16, "x", xm.encode(), lambda o, n: rnd[o:o + n])
            bulk(c, s, "mem-read-x-zero", base + half, half, ps - 16, "x", xm.encode(), lambda o, n: bytes(n))


@case
def mem_write(c):
    """bulk writes with X (binary), and with M (hex)"""
    with c.session("heap", c.opt.mb) as s:
        s.run_to("marker")
        base = s.u64("heap_ptr") if not s.server.null else 0
        total = (c.opt.mb << 20) // 2
        ps = min(s.packet_size, c.opt.max_chunk)
        rnd = xorshift(ps + 64)
        for kind in "XM":
            name = "mem-write-" + kind
            if kind == "X":
                if s.conn.cmd("X%x,0:" % base) != b"OK":
                    c.none(name, "MB/s", "X unsupported", "high")
                    continue
                n = ps - 64
                while len(escape(rnd[:n])) > ps - 64:
                    n -= 16
                data = escape(rnd[:n])
            else:
                n = (ps - 64) // 2
                data = rnd[:n].hex().encode()
            ds, pk = sum(data), []
            for o in range(0, total - n, n):
                h = b"%c%x,%x:" % (ord(kind), base + o, n)
                pk.append((h, b"#%02x" % ((ds + sum(h)) & 255)))
            with c.lock():
                t = now()
                for i, (h, ck) in enumerate(pk):
                    r = s.conn.rt(b"$" + h + data + ck)
                    if r != b"OK":
                        raise RspError("%s -> %r" % (name, r))
                    if now() - t > c.opt.budget:
                        break
                t = now() - t
            done = (i + 1) * n
            if not s.server.null and s.read(base + i * n, 256) != rnd[:256]:
                raise RspError("write not seen")
            c.emit(name, done / t / 1e6, "MB/s", done, "high", chunk=n)


@case
def step(c):
    """vCont;s round trips; then the same with a g after each (what gdb does)"""
    with c.session("loop", 1 << 40) as s:
        s.run_to("tight_loop")
        n = c.opt.scale(3000)
        pk = s.vcont("s", s.tid)
        gp = s.g_packet()
        res = s.conn.resume
        st = res(pk)
        if st[:1] != b"T":
            raise RspError("step -> %r" % st)
        with c.lock():
            t = now()
            for i in range(n):
                res(pk)
                if i & 63 == 0 and now() - t > c.opt.budget:
                    break
            t = now() - t
            c.emit("step", (i + 1) / t, "steps/s", i + 1, "high", us=t / (i + 1) * 1e6)
            t = now()
            for i in range(n):
                res(pk)
                s.conn.rt(gp)
                if i & 63 == 0 and now() - t > c.opt.budget:
                    break
            t = now() - t
            c.emit("step-g", (i + 1) / t, "steps/s", i + 1, "high", us=t / (i + 1) * 1e6)


@case
def range_step(c):
    """vCont;r over a 3-instruction loop: instructions per second inside the server"""
    iters = c.opt.scale(20000)
    with c.session("loop", iters) as s:
        acts = s.conn.cmd("vCont?")
        if b";r" not in acts or s.server.null:
            return c.none("range-step", "insn/s", "vCont;r unsupported", "high")
        s.run_to("tight_loop_begin")
        pk = s.vcont("r%x,%x" % (SYM["tight_loop_begin"], SYM["tight_loop_end"]), s.tid)
        with c.lock():
            t = now()
            st = Stop(s.conn.resume(pk))
            t = now() - t
        if s.pc(st) != SYM["tight_loop_end"] or (s.dialect == "gdb" and s.reg(0) != iters):
            raise RspError("range step stopped early: %r" % st.text)
        c.emit("range-step", 3 * iters / t, "insn/s", 3 * iters, "high", us=t / (3 * iters) * 1e6)


@case
def swbreak(c):
    """software breakpoint hits the gdb way: stop, z0, vCont;s, Z0, vCont;c"""
    n = c.opt.scale(2000)
    with c.session("calls", 1 << 40) as s:
        s.run_to("hot")
        a = SYM["hot"]
        z, Z, k = frame("z0,%x,1" % a), frame("Z0,%x,1" % a), s.vcont("c")
        sp, res, rt = s.vcont("s", s.tid), s.conn.resume, s.conn.rt
        with c.lock():
            t = now()
            for i in range(n):
                rt(z)
                res(sp)
                rt(Z)
                r = res(k)
                if i & 63 == 0 and now() - t > c.opt.budget:
                    break
            t = now() - t
        st = Stop(r)
        if not s.server.null and s.pc(st) != a:
            raise RspError("lost the breakpoint: %r" % r)
        c.emit("swbreak", (i + 1) / t, "hits/s", i + 1, "high", us=t / (i + 1) * 1e6)


@case
def hwbreak(c):
    """hardware breakpoint (Z1) hits, stepped off the gdb way"""
    n = c.opt.scale(2000)
    with c.session("calls", 1 << 40) as s:
        a = SYM["hot"]
        s.run_to("hot")
        r = s.conn.cmd("Z1,%x,1" % a)
        if r != b"OK" or s.server.null:
            return c.none("hwbreak", "hits/s", "Z1 -> %r" % r, "high")
        z, Z, k = frame("z1,%x,1" % a), frame("Z1,%x,1" % a), s.vcont("c")
        sp, res, rt = s.vcont("s", s.tid), s.conn.resume, s.conn.rt
        with c.lock():
            t = now()
            for i in range(n):
                rt(z)
                res(sp)
                rt(Z)
                r = res(k)
                if i & 63 == 0 and now() - t > c.opt.budget:
                    break
            t = now() - t
        if s.pc(Stop(r)) != a:
            return c.none("hwbreak", "hits/s", "Z1 accepted but not hit", "high")
        c.emit("hwbreak", (i + 1) / t, "hits/s", i + 1, "high", us=t / (i + 1) * 1e6)


def conditions(s, place):
    """Where they are evaluated; other servers know one place."""
    if s.features.get("qTrace") == "+":
        s.conn.ok("qRcmd," + ("set conditions " + place).encode().hex())


def false_conditions(c, name, calls, place):
    with c.session("calls", calls) as s:
        if s.features.get("ConditionalBreakpoints") != "+":
            return c.none(name, "evals/s", "ConditionalBreakpoints not offered", "high")
        conditions(s, place)
        # (rdi == 0x7fffffff): reg 5; const32; equal; end
        expr = "26000524" + "7fffffff" + "1327"
        s.conn.ok("Z0,%x,1" % SYM["finish"])
        s.conn.ok("Z0,%x,1;X%x,%s" % (SYM["hot"], len(expr) // 2, expr))
        with c.lock():
            t = now()
            st = s.cont()
            t = now() - t
        if s.pc(st) != SYM["finish"]:
            raise RspError("%s stopped at %r" % (name, st.text))
        if s.u64("sink") != calls * (calls - 1) // 2:
            raise RspError("%s: wrong count" % name)
        c.emit(name, calls / t, "evals/s", calls, "high", us=t / calls * 1e6)


@case
def condbreak(c):
    """Z0 with a false agent-expression condition, evaluated in the server"""
    false_conditions(c, "condbreak", c.opt.scale(20000), "server")


@case
def condbreak_moved(c):
    """the same where the server may move it into the program: many hits"""
    with c.session("calls", 1) as s:
        moves = s.features.get("qTrace") == "+"
    false_conditions(c, "condbreak-moved", c.opt.scale(20000000 if moves else 20000), "auto")


@case
def watch(c):
    """write watchpoint hits: vCont;c -> stop"""
    n = c.opt.scale(2000)
    with c.session("watch", 1 << 40) as s:
        s.run_to("marker")
        r = s.conn.cmd("Z2,%x,8" % SYM["watched"])
        if r != b"OK" or s.server.null:
            return c.none("watch", "hits/s", "Z2 -> %r" % r, "high")
        k, res = s.vcont("c"), s.conn.resume
        r = res(k)
        w0 = s.u64("watched")
        with c.lock():
            t = now()
            for i in range(n):
                r = res(k)
                if i & 63 == 0 and now() - t > c.opt.budget:
                    break
            t = now() - t
        if s.u64("watched") - w0 != i + 1:
            raise RspError("watch: %d hits, counter moved %d" % (i + 1, s.u64("watched") - w0))
        c.emit("watch", (i + 1) / t, "hits/s", i + 1, "high", us=t / (i + 1) * 1e6, stop=r[:40].decode("latin-1"))
