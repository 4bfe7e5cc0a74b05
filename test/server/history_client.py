"""A client that keeps branch history."""
import re

from rsp import Session, check, equal

NOT_THERE = "has no branches to keep without hardware"


class History(Session):
    """A session that keeps branches."""

    def __init__(self, *args, size=None, **kw):
        super().__init__(*args, **kw)
        if size:
            equal(self.packet("Qbtrace-conf:bts:size=0x%x" % size), "OK",
                  "size")

    def record(self, tid=None):
        self.select(tid or self.tid())
        equal(self.packet("Qbtrace:bts"), "OK", "Qbtrace:bts")

    def blocks(self, annex="all"):
        text = self.xfer("btrace", annex).decode()
        check(re.fullmatch(r'<btrace version="1.0">(<block begin="0x[0-9a-f]+"'
                           r' end="0x[0-9a-f]+"/>)*</btrace>', text), text)
        return [(int(b, 16), int(e, 16)) for b, e in re.findall(
            r'begin="0x(\w+)" end="0x(\w+)"', text)]


class Glued:
    """What gdb has: it asks for what is new, and puts that behind the rest."""

    def __init__(self, s):
        self.s, self.blocks, self.whole = s, [(s.pc(), s.pc())], 0

    def read(self):
        reply = self.s.packet("qXfer:btrace:read:delta:0,ffff")
        if reply[:1] == "E":
            equal(reply, "E.Overflow.", "delta")
            self.whole += 1
            self.blocks = self.s.blocks("new")
            return
        new = [(int(b, 16), int(e, 16)) for b, e in re.findall(
            r'begin="0x(\w+)" end="0x(\w+)"', reply)]
        equal(new[-1][0], 0, "the oldest one's begin")
        equal(reply[:1], "l", "all in one piece")
        first, last = self.blocks[0]
        check(new[-1][1] >= last, "ends before the last one did")
        check(all(b for b, _ in new[:-1]), "a begin of 0")
        self.blocks[:1] = new[:-1] + [(first, new[-1][1])]
