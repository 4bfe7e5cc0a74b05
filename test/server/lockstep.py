#!/usr/bin/env python3
"""Two servers side by side, of which one runs the program translated: what a
client asks of both has the same answer. Steps, breakpoints of both kinds,
watchpoints, ranges, registers and memory that are written, at random.

More of it: COUNT=1000 in the environment, and SEED to have one again. NATIVE=1
has neither translate: are the tests themselves right? MODE=count follows in that
one. PROGRAM="tr_edge" is one of test/inferiors with its arguments, for the case
any_program: one that calls tr_wanted(). Some cannot be compared: those that have
timers or threads, print their id, or look whether SIGTRAP is ignored, which a
breakpoint takes away.
"""
import os
import random
import re
import struct
import subprocess
import tempfile

from rsp import Session, Skip, case, check, equal, main

COUNT = int(os.environ.get("COUNT", "0")) or 60
SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 1 << 30)
MODE = os.environ.get("MODE")
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


def disassembled(code, pc):
    """The first instruction of that code, if there is an objdump."""
    with tempfile.NamedTemporaryFile() as f:
        f.write(code)
        f.flush()
        try:
            text = subprocess.run(
                ["objdump", "-D", "-b", "binary", "-m", "i386:x86-64",
                 "--adjust-vma=%#x" % pc, f.name], text=True,
                capture_output=True).stdout
        except OSError:
            text = ""
    lines = [line.split("\t", 1) for line in text.splitlines()
             if line.lstrip().startswith("%x:" % pc)]
    return lines[0][1].replace("\t", " ") if lines else code.hex()


class Both:
    """The session of either server; plain is not translated."""

    def __init__(self, folder, name, *args):
        self.random = random.Random(SEED)
        self.name = " ".join((name, *args))
        self.log = []
        self.pc = None          # before the last action
        self.over = os.path.join(folder, "over")
        os.environ["TR_UNTIL"] = self.over
        self.plain = Session(name, *args)
        try:
            self.other = Session(name, *args, options=[
                "--follow"] if not os.environ.get("NATIVE") else [])
        except BaseException:
            self.plain.close()
            raise
        self.layout = list(self.registers_of(
            self.plain.xfer("features", "target.xml").decode()))
        self.where = []         # own instructions that were seen
        self.ended = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.plain.close()
        self.other.close()

    # --- what is said of a difference

    def place(self, pc):
        """Its symbol, and the instruction there."""
        base = self.plain.addr("main") - self.plain.elf.symbols["main"]
        known = [(base + at, name)
                 for name, at in self.plain.elf.symbols.items()
                 if at and base + at <= pc]
        at, name = max(known, default=(0, "?"))
        try:
            code = disassembled(self.plain.read(pc, 15), pc)
        except Exception:       # it cannot be read, or it is gone
            code = "?"
        return "%#x (%s+%#x): %s" % (pc, name, pc - at, code)

    def story(self, what):
        hints = os.environ.get("TRACESTUB_HINTS")
        again = "SEED=%d COUNT=%d PROGRAM='%s' %stest/server/lockstep.py " \
            "--server ... --inferiors ... any_program" % (
                SEED, COUNT, self.name,
                ("TRACESTUB_HINTS=%s " % hints if hints else "") +
                ("MODE=%s " % MODE if MODE else ""))
        lines = [what]
        if self.pc is not None:
            lines.append("from " + self.place(self.pc))
        lines += ["after " + " ".join(str(a) if isinstance(a, str) else hex(a)
                                      if isinstance(a, int) else repr(a)
                                      for a in entry)
                  for entry in self.log[-6:]]
        return "\n    ".join(lines + ["again: " + again])

    def equal(self, two, one, what):
        if two != one:
            raise AssertionError(self.story(
                "%s: natively %s, followed %s" % (what, one, two)))

    def each(self, what, *args):
        self.log = self.log[-20:] + [(what, *args)]
        out = []
        for s in self.plain, self.other:
            try:
                out.append(getattr(s, what)(*args))
            except Exception as e:
                raise type(e)(self.story("%s: %s" % (
                    "natively" if s is self.plain else "followed", e)))
        return out

    def same(self, what, *args):
        one, two = self.each(what, *args)
        self.equal(two, one, what)
        return one

    def run(self, what, *args):
        """Until they stop; False: they have ended, and alike."""
        one, two = self.each(what, *args)
        self.equal((two.kind, two.number), (one.kind, one.number), "the stop")
        for key in REASONS:
            self.equal(two.fields.get(key), one.fields.get(key), key)
        if one.kind != "T":
            self.ended = True
            return False
        self.look()
        return True

    # --- what they are at

    @staticmethod
    def registers_of(description):
        """Their names, and where they are in the g packet's text."""
        at = 0
        for name, bits in re.findall(r'<reg name="(\w+)" bitsize="(\d+)"',
                                     description):
            yield name, at, at + int(bits) // 4
            at += int(bits) // 4

    def registers(self, s):
        text = s.all_regs()
        out = {}
        for name, lo, hi in self.layout:
            value = text[lo:hi]
            out[name] = value if "x" in value else int.from_bytes(
                bytes.fromhex(value), "little")
            if out[name] == s.pid:
                out[name] = "its id"
        out["eflags"] &= ~STATUS_FLAGS
        return out

    def look(self):
        one, two = self.registers(self.plain), self.registers(self.other)
        names = [n for n in one if self.is_own(one["rip"]) or
                 n in ("rip", "rsp")]
        unlike = ["%s: natively %s, followed %s" % (
            n, *(v if isinstance(v, str) else hex(v)
                 for v in (one[n], two[n]))) for n in names if one[n] != two[n]]
        if unlike:
            raise AssertionError(self.story("\n    ".join(unlike)))
        self.pc = one["rip"]
        if not self.is_own(self.pc):
            return
        self.same_memory(one["rsp"], 256)
        if self.pc not in self.where:
            self.where.append(self.pc)

    def same_memory(self, where, size):
        one, two = self.each("read", where, size)
        # Of either its own id: what has the one by chance has the other, too.
        mine, its = word(self.plain.pid), word(self.other.pid)
        for i in range(size - 3):
            if (one[i:i + 4], two[i:i + 4]) == (mine, its):
                one = one[:i] + bytes(4) + one[i + 4:]
                two = two[:i] + bytes(4) + two[i + 4:]
        at = next((i for i in range(size) if two[i:i + 1] != one[i:i + 1]), 0)
        self.equal(two[at:at + 16].hex(), one[at:at + 16].hex(),
                   "memory at %#x" % (where + at))
        return one

    def is_own(self, pc):
        return self.lo <= pc < self.hi

    def begin(self, at="main"):
        for s in self.plain, self.other:
            not_random(s)
        if MODE:
            for verb in "unfollow:-1", "follow:-1;mode=" + MODE:
                equal(self.other.packet("qTrace:" + verb), "OK", verb)
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

    def watch_and_break(self):
        """Both at once, steps and continues among each other."""
        where = self.random.choice(self.where)
        if where in (self.plain.pc(), self.fence):
            return
        at = (self.plain.reg("rsp") & ~7) + 8 * self.random.randrange(-6, 12)
        kind = self.random.choice((2, 2, 4))
        self.each("point", kind, at, 8)
        self.each("point", 1, where)
        for _ in range(self.random.randrange(1, 7)):
            steps = self.plain.pc() != self.fence and \
                self.random.random() < .3
            if not (self.run("step") if steps else self.cont()):
                return
        self.each("clear", 1, where)
        self.each("clear", kind, at, 8)

    def go(self, count, both):
        weights = ((self.steps, 6), (self.breakpoint, 5), (self.watch, 4),
                   (self.range_step, 3), (self.write_register, 2),
                   (self.write_memory, 2), (self.condition, 2))
        if both:
            weights += (self.watch_and_break, 8),
        for _ in range(count):
            self.random.choices([w[0] for w in weights],
                                [w[1] for w in weights])[0]()
            if self.ended:
                break
        open(self.over, "w").close()
        if not self.ended:
            self.each("clear", 0, self.fence)
            self.each("packet", "QPassSignals:" + ";".join(
                "%x" % i for i in range(1, 150)))
            self.each("cont", 60)
        one, two = (re.sub(r"0x[0-9a-f]+", "", s.printed())
                    for s in (self.plain, self.other))
        self.equal(two, one, "they print")


def of(name, *args, count=COUNT, both=False):
    print("SEED=%d" % SEED)
    with tempfile.TemporaryDirectory() as folder, \
            Both(folder, name, *args) as b:
        b.begin()
        check(b.where, "not at main")
        b.go(count, both)


@case(peer="it does not translate", seconds=SECONDS)
def any_program():
    if "PROGRAM" not in os.environ:
        raise Skip("of which PROGRAM?")
    of(*os.environ["PROGRAM"].split())


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
def watchpoints_and_breakpoints_at_once():
    of("tr_riprel", both=True)


@case(peer="it does not translate", seconds=SECONDS)
def signals_and_handlers():
    of("tr_signal", "nested", "stacks")


if __name__ == "__main__":
    raise SystemExit(main())
