"""What tests on the programs `stepping' and `stepping-i386' have in common."""
from rsp import check, equal, forms

BOTH = "stepping", "stepping-i386"


def both(f):
    for name in forms(BOTH):
        try:
            f(name)
        except Exception as e:
            raise type(e)("%s: %s" % (name, e))


def ends_well(s, code=0):
    end = s.finish()
    equal((end.kind, end.number), ("W", code), "end")


def stepped_to(s, label, most=1):
    for _ in range(most):
        stop = s.step()
        check(stop.kind == "T" and stop.number == 5, "step:", stop)
        if s.pc() == s.addr(label):
            return
    equal(hex(s.pc()), hex(s.addr(label)), label)
