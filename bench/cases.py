"""What a measurement is: its context, and the registry of cases."""
import contextlib
import fcntl
import json
import os

from server import Session

class Ctx:
    def __init__(self, server, opt):
        self.server, self.opt, self.out = server, opt, []
        self.case = None

    def session(self, *args, **kw):
        return Session(self.server, args, self.opt, **kw)

    def emit(self, name, value, unit, n, better, **kw):
        d = dict(case=name, server=self.server.name, pin=self.opt.pin,
                 value=None if value is None else float("%.5g" % value), unit=unit, n=n, better=better)
        d.update({k: (float("%.5g" % v) if isinstance(v, float) else v) for k, v in kw.items()})
        d["load"] = round(os.getloadavg()[0], 2)     # >1 or so: something else was running
        self.out.append(d)
        print(json.dumps(d), flush=True)

    def none(self, name, unit, note, better="-"):
        self.emit(name, None, unit, 0, better, note=str(note)[:400])

    def lock(self):
        return locked(self.opt.lock if self.opt.lock_scope == "part" else None)


@contextlib.contextmanager
def locked(path):
    if not path:
        yield
        return
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def pct(v, q):
    v = sorted(v)
    return v[min(len(v) - 1, int(q * len(v)))]


CASES = {}


def case(fn):
    CASES[fn.__name__.replace("_", "-")] = fn
    return fn
