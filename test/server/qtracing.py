"""What the tests of qTrace have in common. Standard library only."""
import re

from rsp import Session, check, equal


def trace(s, text, want="OK"):
    """A verb that is to answer so."""
    reply = s.packet("qTrace:" + text)
    equal(reply, want, text)
    return reply


def refused(s, text, why):
    reply = s.packet("qTrace:" + text)
    check(reply[:2] == "E.", text, "is answered", reply)
    check(re.search(why, reply[2:]), text, "is refused so:", reply)


def followed(name, *args, how="", at="main", **kw):
    """At main, followed."""
    s = Session(name, *args, **kw)
    equal(s.packet("QPassSignals:e;10;14;17;1c"), "OK", "QPassSignals")
    s.run_to(at)
    trace(s, "follow:-1" + how)
    return s


def stats(s):
    return {k: int(v) for k, v in
            re.findall(r"(\w+)=(\d+);", s.packet("qTrace:stats"))}


class Events:
    """The annex of that name: [(kind, depth, from, to)] by thread."""

    def __init__(self, s):
        self.by_tid, self.lost, self.modules = {}, {}, []
        for line in s.xfer("qtrace", "events").decode().splitlines():
            words = line.split()
            if words[:2] == ["#", "module"]:
                self.modules.append((int(words[2]), int(words[3], 16),
                                     int(words[4], 16), words[5]))
            elif words[:2] == ["#", "lost"]:
                self.lost[int(words[2])] = int(words[3])
            else:
                tid, kind, depth, start, to = words
                self.by_tid.setdefault(int(tid), []).append(
                    (kind, int(depth), int(start, 16), int(to, 16)))

    def calls(self, tid, *functions):
        """Of these addresses, in order."""
        return [e[3] for e in self.by_tid.get(tid, [])
                if e[0] == "call" and e[3] in functions]


def xfer_error(s, annex):
    """How the annex is refused."""
    reply = s.packet("qXfer:qtrace:read:%s:0,100" % annex)
    check(reply[:1] == "E", annex, "is answered", reply)
    return reply


class NonStop(Session):
    def connect(self, features):
        super().connect(features)
        equal(self.packet("QNonStop:1"), "OK", "QNonStop")

    def end(self):
        """Of the program; notifications come before it."""
        while True:
            check(self.receive(40, notes=True) is None, "a packet unasked")
            text = self.notes.pop(0)
            while text != "OK":
                if text.lstrip("Stop:")[:1] in "WX":
                    return
                text = self.packet("vStopped")
