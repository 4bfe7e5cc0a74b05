"""What tests of tracepoints have in common: a client's packets, and cases that
are of both kinds of them."""
import re

from rsp import Session, case, equal

BETTER = "we are to be better here"


def const(n):
    return "22%02x" % n


def expression(code):
    return "X%x,%s" % (len(code) // 2, code)


RDI_IS = "260005"           # reg 5
TRUE = expression(const(1) + "27")


class Traced(Session):
    """With packets about tracepoints."""
    fast = ""

    def ok(self, text):
        equal(self.packet(text), "OK", text)

    def trace(self, number, where, actions=(), steps=(), ena="E", count=0,
              passes=0, rest=""):
        which = "%x:%x" % (number, self.addr(where))
        parts = list(actions) + ["S" * (not i) + a
                                 for i, a in enumerate(steps)]
        self.ok("QTDP:%s:%s:%x:%x%s%s%s" % (
            which, ena, count, passes, self.fast, rest, "-" if parts else ""))
        for i, part in enumerate(parts):
            self.ok("QTDP:-%s:%s%s" % (which, part,
                                       "-" if i + 1 < len(parts) else ""))

    def tstart(self):
        self.ok("QTStart")

    def status(self):
        text = self.packet("qTStatus")
        fields = dict(f.split(":", 1) for f in text[3:].split(";"))
        return text[:2], fields

    def frames(self):
        return int(self.status()[1]["tframes"], 16)

    def hits(self, number, where):
        reply = self.packet("qTP:%x:%x" % (number, self.addr(where)))
        return int(re.fullmatch("V([0-9a-f]+):[0-9a-f]+", reply)[1], 16)

    def frame(self, what):
        """Its number, and its tracepoint's; or None."""
        reply = self.packet("QTFrame:" + what)
        if reply == "F-1":
            return None
        return tuple(int(n, 16) for n in re.fullmatch("F(.*)T(.*)",
                                                      reply).groups())


def both(function):
    """A case of trap tracepoints, and of fast ones."""
    def fast():
        Traced.fast = ":F5"
        try:
            function()
        finally:
            Traced.fast = ""
    fast.__name__ = function.__name__ + "_fast"
    case(peer="wants a library in the program")(fast)
    return case(function)
