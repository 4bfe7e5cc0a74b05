"""A client of the GDB remote serial protocol: framing, one connection, stop
replies, and the symbols of the debuggee.  Standard library only."""
import contextlib
import re
import socket
import struct
import time

now = time.perf_counter


class RspError(Exception):
    pass


class Unsupported(Exception):
    pass


def frame(p):
    if isinstance(p, str):
        p = p.encode("latin-1")
    return b"$%s#%02x" % (p, sum(p) & 255)


def escape(data):
    return (data.replace(b"}", b"}\x5d").replace(b"#", b"}\x03")
            .replace(b"$", b"}\x04").replace(b"*", b"}\x0a"))


def unescape(b):
    if b"}" not in b:
        return b
    out, i = bytearray(), 0
    while True:
        j = b.find(b"}", i)
        if j < 0 or j + 1 >= len(b):
            out += b[i:]
            return bytes(out)
        out += b[i:j]
        out.append(b[j + 1] ^ 0x20)
        i = j + 2


def unrle(b):
    if b"*" not in b:
        return b
    out, i = bytearray(), 0
    while True:
        j = b.find(b"*", i)
        if j < 0:
            out += b[i:]
            return bytes(out)
        out += b[i:j]
        if not out or j + 1 >= len(b):
            raise RspError("bad run length")
        out += bytes([out[-1]]) * (b[j + 1] - 29)
        i = j + 2


class Conn:
    """One RSP connection.  Payloads are bytes; replies come back RLE-expanded
    (and, for binary replies, unescaped by the caller)."""

    def __init__(self, port, timeout, pid=None):
        deadline = now() + timeout
        while True:
            s = socket.socket()
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                s.connect(("127.0.0.1", port))
                break
            except OSError:
                s.close()
                if now() > deadline:
                    raise RspError("server does not listen")
                time.sleep(0.0003)
        s.settimeout(timeout)
        self.sock, self.buf, self.ack = s, b"", True
        self.check = True          # verify checksums
        self.notes = []            # %notifications seen
        self.console = 0           # bytes of 'O' output seen
        self.bytes_in = 0
        self.room = bytearray(1 << 18)

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()

    def raw(self, data):
        self.sock.sendall(data)

    def recv_raw(self):
        """Next packet body, undecoded.  Skips acks and notifications."""
        buf, scan = self.buf, 0
        while True:
            if buf:
                c = buf[0]
                if c == 0x2b or c == 0x2d:          # + -
                    if c == 0x2d:
                        raise RspError("server sent NAK")
                    buf = buf[1:]
                    scan = 0
                    continue
                if c != 0x24 and c != 0x25:
                    raise RspError("junk before packet: %r" % buf[:40])
                h = buf.find(b"#", scan or 1)
                if h >= 0 and len(buf) >= h + 3:
                    body = buf[1:h]
                    if self.check and (sum(body) & 255) != int(buf[h + 1:h + 3], 16):
                        raise RspError("bad checksum")
                    self.buf = buf[h + 3:]
                    if c == 0x25:
                        self.notes.append(body)
                        buf, scan = self.buf, 0
                        continue
                    if self.ack:
                        self.sock.sendall(b"+")
                    return body
                scan = h if h >= 0 else len(buf)
            chunk = self.sock.recv(1 << 18)
            if not chunk:
                raise RspError("server closed the connection")
            self.bytes_in += len(chunk)
            buf = buf + chunk if buf else chunk

    def cmd(self, p):
        self.sock.sendall(frame(p))
        return unrle(self.recv_raw())

    def rt(self, framed):
        """Round trip of an already framed packet, reply undecoded."""
        self.sock.sendall(framed)
        return self.recv_raw()

    def rt_bulk(self, framed):
        """Round trip of which no more is wanted than that the reply has come:
        to keep a megabyte costs Python more than servers take for it."""
        self.sock.sendall(framed)
        left = None
        while left != 0:
            n = self.sock.recv_into(self.room, left or len(self.room))
            if not n:
                raise RspError("server closed the connection")
            self.bytes_in += n
            at = self.room.find(b"#", 0, n) if left is None else None
            if left is not None:
                left -= n
            elif at >= 0:
                left = 3 - (n - at)
        if self.ack:
            self.sock.sendall(b"+")

    def ok(self, p):
        r = self.cmd(p)
        if r == b"":
            raise Unsupported("%s unsupported" % str(p)[:40])
        if r != b"OK":
            raise RspError("%r -> %r" % (p, r[:80]))

    def wait_stop(self):
        while True:
            r = unrle(self.recv_raw())
            if r[:1] == b"O" and r != b"OK":
                self.console += 1
                continue
            return r

    def resume(self, framed):
        self.sock.sendall(framed)
        return self.wait_stop()


class Stop:
    def __init__(self, r):
        self.text, self.kind = r, chr(r[0]) if r else "?"
        m = re.match(rb"[TSWX]([0-9a-f]{1,2})", r)
        self.sig = int(m[1], 16) if m else None
        self.kv = {}
        if self.kind in "T":
            for f in r[3:].split(b";"):
                if b":" in f:
                    k, v = f.split(b":", 1)
                    self.kv[k.decode("latin-1")] = v
        elif self.kind in "WX":
            m = re.search(rb"process:([0-9a-f]+)", r)
            if m:
                self.kv["process"] = m[1]

    @property
    def thread(self):
        return self.kv.get("thread", b"").decode()

    @property
    def pc(self):
        for k in ("10", "0010"):
            if k in self.kv:
                return int.from_bytes(bytes.fromhex(self.kv[k].decode()), "little")
        return None


def split_tid(t):
    """'p12.34' or '34' -> (pid or None, tid)"""
    if t.startswith("p"):
        a, b = t[1:].split(".")
        return int(a, 16), int(b, 16)
    return None, int(t, 16)


def elf_symbols(path):
    d = open(path, "rb").read()
    shoff, = struct.unpack_from("<Q", d, 0x28)
    shentsize, shnum = struct.unpack_from("<HH", d, 0x3a)
    sh = [struct.unpack_from("<IIQQQQIIQQ", d, shoff + i * shentsize) for i in range(shnum)]
    out = {}
    for s in sh:
        if s[1] != 2:
            continue
        stroff = sh[s[6]][4]
        for o in range(s[4], s[4] + s[5], 24):
            name, _i, _o, _x, value, _sz = struct.unpack_from("<IBBHQQ", d, o)
            if name:
                e = d.index(b"\0", stroff + name)
                out[d[stroff + name:e].decode("latin-1")] = value
    return out
