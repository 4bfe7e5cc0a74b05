"""Servers under test: how they are started, a session with one, and what is
left of it ended by pid."""
import contextlib
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess

from rsp import (Conn, RspError, Stop, Unsupported, frame, now, split_tid,
                 unrle)

HERE = os.path.dirname(os.path.abspath(__file__))
# where make puts the debuggee and the null server
BUILT = os.environ.get("BENCH_BUILT", HERE)

SYM = {}        # symbols of the debuggee, filled by the main program

PRESETS = {
    "gdbserver": dict(launch="gdbserver --once 127.0.0.1:{port} {prog}",
                      attach="gdbserver --once 127.0.0.1:{port} --attach {pid}", dialect="gdb"),
    "lldb-server": dict(launch="{lldb-server} gdbserver 127.0.0.1:{port} -- {prog}",
                        attach="{lldb-server} gdbserver 127.0.0.1:{port} --attach {pid}", dialect="lldb"),
    "qemu": dict(launch="qemu-x86_64 -g {port} {prog}", attach=None, dialect="gdb"),
    "nullstub": dict(launch=shlex.quote(os.path.join(BUILT, "nullstub")) + " {port}",
                     attach=None, dialect="gdb", null=True),
}


class Server:
    def __init__(self, spec, dialect=None):
        """spec: preset name, or [NAME=]LAUNCH[ ;; ATTACH] with {port}, {prog}, {pid}."""
        self.null = False
        if spec in PRESETS:
            p = PRESETS[spec]
            self.name, self.launch, self.attach = spec, p["launch"], p["attach"]
            self.dialect, self.null = p["dialect"], p.get("null", False)
            if spec == "lldb-server":
                exe = next((e for e in ["lldb-server"] + ["lldb-server-%d" % v for v in range(30, 13, -1)]
                            if shutil.which(e)), "lldb-server")
                self.launch = self.launch.replace("{lldb-server}", exe)
                self.attach = self.attach.replace("{lldb-server}", exe)
        else:
            m = re.match(r"([A-Za-z][\w.+-]*)=(.*)", spec, re.S)
            self.name, spec = (m[1], m[2]) if m else (None, spec)
            parts = spec.split(";;")
            self.launch = parts[0].strip()
            self.attach = parts[1].strip() if len(parts) > 1 else None
            self.name = self.name or os.path.basename(shlex.split(self.launch)[0])
            self.dialect = "gdb"
        self.dialect = dialect or self.dialect

    def exe(self):
        a = [x for x in shlex.split(self.launch) if "=" not in x]
        return shutil.which(a[0])


@contextlib.contextmanager
def affinity(cpus):
    """Start children under another affinity than our own."""
    old = os.sched_getaffinity(0)
    if cpus:
        os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, old)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children(pid):
    out = []
    with contextlib.suppress(OSError):
        for t in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, t)) as f:
                out += [int(x) for x in f.read().split()]
    return out


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def starttime(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[19]
    except OSError:
        return None


GDB_FEATURES = ("qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;fork-events+;vfork-events+;"
                "exec-events+;vContSupported+;QThreadEvents+;QThreadOptions+;no-resumed+;"
                "memory-tagging+;xmlRegisters=i386;error-message+;binary-upload+")
LLDB_FEATURES = "qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+;fork-events+;vfork-events+"


class Session:
    """A server process, its debuggee, and a connection past the handshake."""

    def __init__(self, server, args, opt, attach=None, dialect=None):
        self.server, self.opt = server, opt
        self.pids = {}            # pid -> starttime of processes we caused to exist
        self.conn = None
        self.proc = None
        self.first = None
        port = free_port()
        prog = " ".join([shlex.quote(opt.target)] + [shlex.quote(str(a)) for a in args])
        tmpl = server.attach if attach else server.launch
        if not tmpl:
            raise Unsupported("no attach")
        cmdline = tmpl.replace("{port}", str(port)).replace("{prog}", prog).replace("{pid}", str(attach))
        pin = opt.pin
        argv = shlex.split(cmdline)
        with affinity({opt.core0} if pin in ("same", "all", "split") else None):
            self.t0 = now()
            self.proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL,
                                         stderr=None if opt.verbose else subprocess.DEVNULL,
                                         start_new_session=True)
        try:
            self.conn = Conn(port, opt.timeout)
            self.t_connect = now() - self.t0
            self.handshake(dialect or server.dialect)
            self.t_stop = now() - self.t0
            self.note_children()
            if pin == "split":
                for p in self.inferiors():
                    for t in os.listdir("/proc/%d/task" % p):
                        with contextlib.suppress(OSError):
                            os.sched_setaffinity(int(t), {opt.core1})
        except BaseException:
            self.kill()
            raise

    def inferiors(self):
        out = set(children(self.proc.pid))
        if self.pid:
            out.add(self.pid)
        return out

    def note_children(self):
        for p in self.inferiors():
            st = starttime(p)
            if st:
                self.pids[p] = st

    def handshake(self, dialect):
        c = self.conn
        self.dialect = dialect
        c.raw(b"+")
        if dialect == "lldb":
            if c.cmd("QStartNoAckMode") == b"OK":
                c.ack = False
                c.raw(b"+")
            sup = c.cmd(LLDB_FEATURES)
            self.suffix = c.cmd("QThreadSuffixSupported") == b"OK"
            c.cmd("QListThreadsInStopReply")
            c.cmd("QEnableErrorStrings")
        else:
            sup = c.cmd(GDB_FEATURES)
            self.suffix = False
            if b"QStartNoAckMode+" in sup:
                if c.cmd("QStartNoAckMode") == b"OK":
                    c.ack = False
                    c.raw(b"+")
            if not self.server.null:
                c.cmd("Hgp0.0" if b"multiprocess+" in sup else "Hg0")
                if b"qXfer:features:read+" in sup:
                    c.cmd("qXfer:features:read:target.xml:0,ffb")
        self.features = {}
        for f in sup.decode("latin-1").split(";"):
            m = re.match(r"([^=]+?)(?:=(.*)|([+\-?]))$", f)
            if m:
                self.features[m[1]] = m[2] if m[2] is not None else m[3]
        self.packet_size = int(self.features.get("PacketSize", "400"), 16)
        self.mp = self.features.get("multiprocess") == "+"
        self.first = Stop(c.cmd("?"))
        if self.first.kind not in "TS":
            raise RspError("no first stop: %r" % self.first.text[:60])
        self.tid = self.first.thread
        if not self.tid:
            r = c.cmd("qC")
            self.tid = r[2:].decode() if r[:2] == b"QC" else "1"
        self.pid = split_tid(self.tid)[0] or split_tid(self.tid)[1]
        if self.server.null:
            self.pid = None

    # -- helpers ----------------------------------------------------------
    def vcont(self, action, tid=None, rest=None):
        p = "vCont;%s" % action
        if tid:
            p += ":" + tid
        if rest:
            p += ";" + rest
        return frame(p)

    def g_packet(self, tid=None):
        tid = tid or self.tid
        if self.suffix:
            return frame("g;thread:%x;" % split_tid(tid)[1])
        return frame("g")

    def p_packet(self, reg, tid=None):
        tid = tid or self.tid
        if self.suffix:
            return frame("p%x;thread:%x;" % (reg, split_tid(tid)[1]))
        return frame("p%x" % reg)

    def pc(self, stop):
        if stop.pc is not None:
            return stop.pc
        r = unrle(self.conn.rt(self.g_packet(stop.thread or None)))
        return int.from_bytes(bytes.fromhex(r[256:272].decode()), "little")

    def reg(self, n):
        r = unrle(self.conn.rt(self.g_packet()))
        return int.from_bytes(bytes.fromhex(r[16 * n:16 * n + 16].decode()), "little")

    def cont(self):
        return Stop(self.conn.resume(self.vcont("c")))

    def run_to(self, sym):
        """Plant a breakpoint, run to it, remove it."""
        a = SYM[sym]
        if self.server.null:
            return self.first
        self.conn.ok("Z0,%x,1" % a)
        st = self.cont()
        if st.kind != "T" or (st.pc is not None and st.pc != a):
            raise RspError("run_to %s: %r" % (sym, st.text[:200]))
        self.conn.ok("z0,%x,1" % a)
        if st.thread:
            self.tid = st.thread
        return st

    def read(self, addr, n):
        return bytes.fromhex(self.conn.cmd("m%x,%x" % (addr, n)).decode())

    def u64(self, sym):
        return int.from_bytes(self.read(SYM[sym], 8), "little")

    def kill(self):
        self_pids = dict(self.pids)
        if self.proc:
            for p in children(self.proc.pid):
                self_pids.setdefault(p, starttime(p))
        if self.conn:
            with contextlib.suppress(Exception):
                self.conn.sock.settimeout(3)
                self.conn.raw(frame("vKill;%x" % self.pid) if self.mp and self.pid else frame("k"))
                self.conn.recv_raw()
            self.conn.close()
        if self.proc:
            try:
                self.proc.wait(1 if self.conn else 0.1)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        for p, st in self_pids.items():
            if st and starttime(p) == st and alive(p):
                with contextlib.suppress(OSError):
                    os.kill(p, signal.SIGKILL)

    def __enter__(self):
        return self

    def __exit__(self, *a):
        self.kill()
