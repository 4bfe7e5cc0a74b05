"""What tests of caught system calls have in common."""
from rsp import equal, forms

EVENTS = ("multiprocess+;swbreak+;hwbreak+;fork-events+;vfork-events+;"
          "exec-events+;vContSupported+;no-resumed+;xmlRegisters=i386")

# getppid write execve exit_group rt_sigreturn read, by word size
CALLS = {
    8: {"getppid": 110, "write": 1, "execve": 59, "exit_group": 231,
        "rt_sigreturn": 15, "read": 0, "getpid": 39, "munmap": 11},
    4: {"getppid": 64, "write": 4, "execve": 11, "exit_group": 252,
        "rt_sigreturn": 173, "read": 3, "getpid": 20, "munmap": 91},
}


# Instructions that make calls: how far behind them they come back. Those of
# the 32-bit vDSO, sysenter or (AMD) syscall, do behind the int $0x80 that
# follows them.
INSNS = {b"\x0f\x05": 2, b"\xcd\x80": 2, b"\x0f\x34\xcd\x80": 4,
         b"\x0f\x05\xcd\x80": 4}


def both(f):
    for name in forms(("catching", "catching-i386")):
        f(name)


def number(s, name):
    return CALLS[s.elf.word][name]


def catch(s, *names):
    """The calls of these names; all without."""
    numbers = "".join(";%x" % number(s, n) for n in names)
    equal(s.packet("QCatchSyscalls:1" + numbers), "OK", "QCatchSyscalls")


def catch_none(s):
    equal(s.packet("QCatchSyscalls:0"), "OK", "QCatchSyscalls:0")


def told(stop):
    """("entry" or "return", number), or the stop's text."""
    for kind in "entry", "return":
        if "syscall_" + kind in stop.fields:
            equal(stop.number, 5, "signal of %s" % stop)
            return kind, int(stop.fields["syscall_" + kind], 16)
    return stop.text


def pair(s, name, first=None):
    """Entry and return of a call; the return's result."""
    n = number(s, name)
    equal(told(first or s.cont()), ("entry", n), name)
    equal(told(s.cont()), ("return", n), name)
    return s.reg("rax" if s.elf.word == 8 else "eax")


def ends_well(s, stop=None):
    stop = stop or s.cont()
    equal((stop.kind, stop.number), ("W", 0), "end " + s.said().decode())
