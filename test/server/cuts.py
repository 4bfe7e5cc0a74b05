#!/usr/bin/env python3
"""Clients that vanish. At every packet boundary of a session of gdb, recorded
here with the gdb there is or else scripted, and at more places, the connection
is cut; the client is killed as well. A program that was attached to runs on
unharmed, no breakpoint in its memory; one that was launched stays for the next
client, or ends with the server under --once."""
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import steady

SCRIPT = """set confirm off
set pagination off
set height 0
target remote %s
break f_push
break f_write if n == -1
break f_call
continue
bt
info threads
p/x $_siginfo
stepi
next
watch watched
continue
delete
break f_jump
continue
x/8i $pc
detach
"""


# --- a session to play -------------------------------------------------------

class Tap:
    """Between a client and the server's socket: what the client says, in
    pieces that end with a packet, each with the replies it waited for."""

    def __init__(self, path, to):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.to = to
        self.said = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        client, _ = self.listener.accept()
        server = socket.socket(socket.AF_UNIX)
        server.connect(self.to)
        back = threading.Thread(target=self.copy, daemon=True,
                                args=(server, client, None))
        back.start()
        self.copy(client, server, self.said)

    @staticmethod
    def copy(a, b, said):
        with contextlib.suppress(OSError):
            while True:
                data = a.recv(65536)
                if not data:
                    break
                if said is not None:
                    said.append(data)
                b.sendall(data)
        with contextlib.suppress(OSError):
            b.shutdown(socket.SHUT_WR)


def packets_of(data):
    """The payloads of a stream, and None for each 0x03."""
    out, at = [], 0
    while at < len(data):
        if data[at] == 3:
            out.append(None)
        if data[at:at + 1] == b"$":
            end = data.index(b"#", at)
            out.append(data[at + 1:end].decode("latin-1"))
            at = end + 2
        at += 1
    return out


def record(opt, s):
    """A real session's packets; its breakpoints are of this very process, so
    it can be played only while that lives."""
    server = steady.Server(opt.server, "--attach", "COMM", str(s.pid))
    with tempfile.TemporaryDirectory(prefix="tracestub.") as d:
        tap = Tap(os.path.join(d, "t"), server.path)
        script = os.path.join(d, "gdb")
        with open(script, "w") as f:
            f.write(SCRIPT % os.path.join(d, "t"))
        gdb = steady.spawn(["gdb", "-nx", "-batch", "-x", script,
                            os.path.abspath(s.argv[0])],
                           stdin=subprocess.DEVNULL, cwd=d,
                           stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            gdb.wait(40)
        steady.end(gdb)
        tap.thread.join(2)
    server.close()
    return [p and p.replace(",100000,", ",1000,")
            for p in packets_of(b"".join(tap.said))]


def scripted(s):
    at = ["%x" % f for f in s.functions]
    out = ["qSupported:multiprocess+;swbreak+;hwbreak+", "QStartNoAckMode",
           "Hg0", "?", "g", "qXfer:threads:read::0,1000"]
    out += ["Z0,%s,1" % f for f in at[:5]]
    out += ["Z0,%s,1%s" % (f, steady.FALSE) for f in at[5:]]
    out += ["vCont;c", "g", "m%s,20" % at[1]]
    out += ["z0,%s,1" % f for f in at]
    out += ["vCont;s:p%x.%x" % (s.pid, s.pid)] * 3
    out += ["Z0,%s,1" % f for f in at]
    out += ["vCont;c:p%x.%x" % (s.pid, s.pid), "Z2,%x,8" % s.watch]
    out += ["vCont;c", "z2,%x,8" % s.watch, "vCont;c"]
    out += ["vCont;r%s,%s:p%x.%x;c" % (at[0], at[9], s.pid, s.pid), "D"]
    return out


# --- playing and cutting -----------------------------------------------------

WAITS_LONG = ("vCont;", "c", "s", "C", "S")


def play(c, packets, whole):
    """All of packets, the last of them without waiting for its reply unless
    whole."""
    for i, p in enumerate(packets):
        if p is None:
            c.raw(b"\x03")
            continue
        c.send(p)
        if i == len(packets) - 1 and not whole:
            return
        c.receive()
        if p == "QStartNoAckMode":
            c.acks = False


def cut_attached(opt, s, packets, whole, how):
    server = steady.Server(opt.server, "--attach", "COMM", str(s.pid))
    try:
        c = server.connect()
        with contextlib.suppress(steady.Gone):
            play(c, packets, whole)
        how(c)
        why = unharmed(s)
        if why:
            return why
        if server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(steady.TIMEOUT)
        return s.trouble()
    except steady.Late:
        return "no reply"
    except subprocess.TimeoutExpired:
        return "SIGTERM does not end the server"
    finally:
        server.close()


def unharmed(s):
    """It runs, clean, though the server still traces it."""
    if not s.runs():
        return "stands still, or ended: %s" % s.process.poll()
    if not steady.wait_until(lambda: s.ended() or
                             not steady.changed_text(s.pid)):
        return "breakpoints left at " + " ".join(
            map(hex, steady.changed_text(s.pid)))
    return None


def reset(c):
    """As a client's kernel does when the client is killed."""
    c.close()


def half_packet(c):
    with contextlib.suppress(steady.Gone):
        c.raw(b"$vCont;c:p1.")
    c.close()


def boundaries(opt, packets):
    """How many packets come before each cut: all there are, or without --all
    those that change something and some of the others."""
    quiet = ("m", "vFile", "qXfer", "qSymbol")
    return [n for n in range(len(packets) + 1)
            if opt.all or n % 25 == 0 or n == len(packets) or
            not (packets[n - 1] or "").startswith(quiet)]


def cut_everywhere(opt, cases, name, s, packets):
    why = []
    for n in boundaries(opt, packets):
        for whole in (True, False):
            bad = cut_attached(opt, s, packets[:n], whole, reset)
            if bad:
                why.append("after %d (%s): %s" % (n, packets[n - 1][:40],
                                                  bad))
            if s.ended():
                break
        if s.ended():
            break
    cases.check("%s (%d packets)" % (name, len(packets)), "; ".join(why[:5]))


# --- clients that are killed, in the thick of it -----------------------------

CLIENT = """
import sys, time
sys.path.insert(0, %r)
import steady
c = steady.Client(sys.argv[1])
c.begin()
for p in sys.argv[2:]:
    c.ask(p)
print("ready", flush=True)
while True:
    try:
        c.ask("vCont;c", 60)
    except steady.Late:
        pass
"""


def kill_client(opt, s, packets, seconds):
    server = steady.Server(opt.server, "--attach", "COMM", str(s.pid))
    try:
        client = steady.spawn([sys.executable, "-c", CLIENT % steady.HERE,
                               server.path] + packets,
                              stdout=subprocess.PIPE)
        with client.stdout:
            client.stdout.readline()
        time.sleep(seconds)
        running = client.poll() is None
        steady.end(client)
        if not running:
            return "the client ended by itself"
        return unharmed(s)
    finally:
        server.close()
        steady.wait_until(lambda: steady.status(s.pid, "TracerPid") == "0")


def kill_clients(opt, cases):
    for name, interval, n_threads, what, code in (
            ("step-over", 0, 1, "", steady.FALSE),
            ("step-over-threads", 0, 4, "", steady.FALSE),
            ("step-over-signals", 0, 2, "signals", steady.FALSE),
            ("step-over-vforks", 1000, 1, "vfork", steady.FALSE),
            ("stops-threads", 100, 4, "", "")):
        s = steady.Steady(opt.inferiors, interval, n_threads, what)
        packets = ["Z0,%x,1%s" % (f, code) for f in s.functions]
        why = None
        for i in range(3):
            why = why or kill_client(opt, s, packets, 0.2 + 0.03 * i)
        cases.check("kill-client-" + name, why or s.trouble())
        s.close()


# --- launched programs -------------------------------------------------------

def launched(opt, once):
    s = steady.Steady(opt.inferiors, 1000, 1, start=False)
    args = ["--once"] if once else []
    server = steady.Server(opt.server, *args, "COMM", *s.argv)
    try:
        c = server.connect()
        c.begin()
        pid = int(c.ask("qC").split("p")[1].split(".")[0], 16)
        c.close()
        if once:
            if not steady.wait_until(lambda: not steady.alive(pid)):
                return "it lives on"
            return None if steady.wait_until(
                lambda: server.process.poll() is not None) else \
                "the server stays"
        time.sleep(0.1)
        if not steady.alive(pid) or steady.status(pid, "State")[0] != "t":
            return "state " + str(steady.status(pid, "State"))
        c = server.connect()
        if not c.begin().startswith("T05"):
            return "the next client is not told of it"
        c.send("vCont;c")
        s.pid = pid
        s.open()
        c.close()
        was = s.count
        if not steady.wait_until(lambda: s.count > was + 1):
            return "it was running and stands still"
        c = server.connect()
        if not c.begin().startswith("T"):
            return "a client cannot come while it runs"
        c.send("k")
        return None if steady.wait_until(lambda: not steady.alive(pid)) \
            else "not killed"
    finally:
        server.close()
        s.close()


def main():
    ap = steady.arguments(__doc__.splitlines()[0])
    ap.add_argument("--all", action="store_true", help="cut everywhere")
    opt = ap.parse_args()
    steady.prepare(opt)
    cases = steady.Cases()
    cases.check("cut-launched", launched(opt, False))
    cases.check("cut-launched-once", launched(opt, True))
    s = steady.Steady(opt.inferiors, 1000, 2)
    cut_everywhere(opt, cases, "cut-scripted", s, scripted(s))
    for p in (["?"], scripted(s)[:12]):
        cases.check("cut-in-packet", cut_attached(opt, s, p, True,
                                                  half_packet))
    if shutil.which("gdb"):
        cut_everywhere(opt, cases, "cut-gdb", s, record(opt, s))
    s.close()
    kill_clients(opt, cases)
    sys.exit(cases.exit_status())


if __name__ == "__main__":
    main()
