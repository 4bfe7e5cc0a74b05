#!/usr/bin/env python3
"""Two servers side by side, of which one runs the program translated: what a
client asks of both has the same answer. Steps, breakpoints of both kinds,
watchpoints, ranges, registers and memory that are written, at random.

More of it: COUNT=1000 in the environment, and SEED to have one again. NATIVE=1
has neither translate: are the tests themselves right?
"""
import os
import random
import re
import struct
import tempfile

from rsp import Session, case, check, equal, main

COUNT = int(os.environ.get("COUNT", "0")) or 60
SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 1 << 30)
SECONDS = 60 + COUNT
# Nobody reads these flags in between, or the program went another way.
STATUS_FLAGS = 0x8d5
REASONS = ("watch", "rwatch", "awatch", "swbreak", "hwbreak")


AT_RANDOM = 25


def not_random(s):
    """The kernel's bytes, of which libc makes canaries and the like."""
    for key, value in struct.iter_unpack("<QQ", s.xfer("auxv")):
        if key == AT_RANDOM:
            s.write(value, bytes(range(16)))


def word(value):
    return value.to_bytes(4, "little")


class Both:
    """The session of either server; plain is not translated."""

    def __init__(self, folder, name, *args):
        self.random = random.Random(SEED)
        self.log = []
        self.over = os.path.join(folder, "over")
        os.environ["TR_UNTIL"] = self.over
        self.plain = Session(name, *args)
        try:
            self.other = Session(name, *args, options=[
                "--follow"] if not os.environ.get("NATIVE") else [])
        except BaseException:
            self.plain.close()
            raise
        self.where = []         # own instructions that were seen
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.plain.close()
        self.other.close()

    def each(self, what, *args):
        self.log = self.log[-20:] + [(what, *args)]
        return [getattr(s, what)(*args) for s in (self.plain, self.other)]

    def same(self, what, *args):
        one, two = self.each(what, *args)
        equal(two, one, "SEED=%d after %s" % (SEED, self.log))
        return one

    def run(self, what, *args):
        """Until they stop; False: they have ended, and alike."""
        one, two = self.each(what, *args)
        text = "SEED=%d after %s: %s, %s" % (SEED, self.log, two, one)
        equal((two.kind, two.number), (one.kind, one.number), text)
        for key in REASONS:
            equal(two.fields.get(key), one.fields.get(key), text)
        if one.kind != "T":
            self.ended = True
            return False
        self.look()
        return True

    # --- what they are at

    def registers(self, s):
        text = s.all_regs()
        out = {}
        for name in ("rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 "
                     "r14 r15 rip eflags cs ss ds es fs gs").split():
            lo, hi = s.span(name)
            out[name] = int.from_bytes(bytes.fromhex(text[lo:hi]), "little")
        for name in out:
            if out[name] == s.pid:
                out[name] = "its id"
        out["eflags"] &= ~STATUS_FLAGS
        out["rest"] = text[s.span("gs")[1]:]
        return out

    def look(self):
        one, two = self.registers(self.plain), self.registers(self.other)
        text = "SEED=%d after %s, at %x" % (SEED, self.log, one["rip"])
        equal(hex(two["rip"]), hex(one["rip"]), text)
        equal(hex(two["rsp"]), hex(one["rsp"]), text)
        if not self.is_own(one["rip"]):
            return
        for name in one:
            equal(two[name], one[name], "%s: %s" % (text, name))
        self.same_memory(one["rsp"], 256)
        if one["rip"] not in self.where:
            self.where.append(one["rip"])

    def same_memory(self, where, size):
        one, two = self.each("read", where, size)
        equal(two.replace(word(self.other.pid), bytes(4)),
              one.replace(word(self.plain.pid), bytes(4)),
              "SEED=%d after %s: memory at %x" % (SEED, self.log, where))
        return one

    def is_own(self, pc):
        return self.lo <= pc < self.hi

    def begin(self, at="main"):
        for s in self.plain, self.other:
            not_random(s)
        self.lo = self.plain.addr("_init") & ~0xfff
        self.hi = self.plain.addr("_fini")
        # which is called in each round
        self.fence = self.same("addr", "tr_wanted")
        self.each("point", 0, self.fence)
        self.run_to(self.same("addr", at))

    # --- what can be done with them

    def cont(self):
        """To the fence at the latest."""
        if self.plain.pc() == self.fence:
            self.each("clear", 0, self.fence)
            if not self.run("step"):
                return False
            self.each("point", 0, self.fence)
        return self.run("cont", 60)

    def run_to(self, where, kind=0):
        if where == self.fence:
            return self.cont()
        self.each("point", kind, where)
        running = self.cont()
        if running:
            self.each("clear", kind, where)
        return running

    def steps(self):
        for _ in range(self.random.randrange(1, 25)):
            if not self.run("step"):
                return
            if not self.is_own(self.plain.pc()):
                self.out()
                return

    def out(self):
        """To where the program's own code goes on, as finish would."""
        for _ in range(40):
            sp = self.plain.reg("rsp")
            back = int.from_bytes(self.plain.read(sp, 8), "little")
            if self.is_own(back):
                self.run_to(back, self.random.choice((0, 1)))
                return
            if not self.run("step") or self.is_own(self.plain.pc()):
                return

    def breakpoint(self):
        where = self.random.choice(self.where)
        if where != self.plain.pc():
            self.run_to(where, self.random.choice((0, 0, 1)))

    def watch(self):
        """Of a word around the stack's top, where calls put their returns."""
        sp = self.plain.reg("rsp") & ~7
        where = sp + 8 * self.random.randrange(-6, 12)
        kind = self.random.choice((2, 2, 4))
        self.each("point", kind, where, 8)
        for _ in range(self.random.randrange(1, 5)):
            if not self.cont():
                return
        self.each("clear", kind, where, 8)

    def range_step(self):
        pc = self.plain.pc()
        self.range(pc, pc + self.random.randrange(1, 64))

    def range(self, lo, hi):
        for s in self.plain, self.other:
            s.start("vCont;r%x,%x:%s" % (lo, hi, s.name(s.first.tid)))
        self.log.append(("range", lo, hi))
        self.run("wait", 60)

    def write_register(self):
        """What it has already, or one that nobody reads."""
        name = self.random.choice(("rip", "rbx", "rcx", "rsp", "eflags"))
        value = self.plain.reg(name)
        self.each("set_reg", name, value)
        self.look()

    def write_memory(self):
        where, size = self.random.choice((
            (self.random.choice(self.where) & ~15, 32),
            (self.plain.reg("rsp") - 512, 64)))
        data = self.same_memory(where, size) if self.is_own(where) else \
            bytes(self.random.randrange(256) for _ in range(size))
        self.each("write", where, data)

    def condition(self):
        """False at most hits: evaluated by the server."""
        where = self.random.choice(self.where)
        if where in (self.plain.pc(), self.fence):
            return
        # reg 7 (rsp) & 0xf0 == what it is now: const8, reg, and so on
        value = self.plain.reg("rsp") & 0xf0
        code = "26000722f00f22%02x1327" % value
        self.each("point", 0, where, 1, ";X%x,%s" % (len(code) // 2, code))
        if self.cont():
            self.each("clear", 0, where)

    def go(self, count):
        weights = ((self.steps, 6), (self.breakpoint, 5), (self.watch, 4),
                   (self.range_step, 3), (self.write_register, 2),
                   (self.write_memory, 2), (self.condition, 2))
        for _ in range(count):
            self.random.choices([w[0] for w in weights],
                                [w[1] for w in weights])[0]()
            if self.ended:
                break
        open(self.over, "w").close()
        self.each("clear", 0, self.fence)
        if not self.ended:
            self.each("packet", "QPassSignals:" + ";".join(
                "%x" % i for i in range(1, 150)))
            self.each("cont", 60)
        one, two = (re.sub(r"0x[0-9a-f]+", "", s.printed())
                    for s in (self.plain, self.other))
        equal(two, one, "they print")


def of(name, *args, count=COUNT):
    print("SEED=%d" % SEED)
    with tempfile.TemporaryDirectory() as folder, \
            Both(folder, name, *args) as b:
        b.begin()
        check(b.where, "not at main")
        b.go(count)


@case(peer="it does not translate", seconds=SECONDS)
def branches():
    of("tr_branch")


@case(peer="it does not translate", seconds=SECONDS)
def indirect_branches():
    of("tr_indirect")


@case(peer="it does not translate", seconds=SECONDS)
def operands():
    of("tr_riprel")


@case(peer="it does not translate", seconds=SECONDS)
def signals_and_handlers():
    of("tr_signal", "nested", "stacks")


if __name__ == "__main__":
    raise SystemExit(main())
