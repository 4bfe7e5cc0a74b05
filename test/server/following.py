"""The program "following", as threads of it are seen at any stop. Standard
library only."""
import os
import random
import re
import subprocess
import time

from rsp import check, equal, inferior, until

COUNT = int(os.environ.get("COUNT", "0"))
SEED = int(os.environ.get("SEED", "0")) or random.randrange(1, 1 << 30)
THREADS = 4
MEMFD = "memfd:tracestub"


# --- the program ------------------------------------------------------------

def native_words():
    return subprocess.run([inferior("following"), str(THREADS), "1"],
                          stdout=subprocess.PIPE, check=True, timeout=60
                          ).stdout.decode().splitlines()[-1]


def boundaries(path):
    """Offsets of all instructions of the program, its PLT too, by objdump;
    empty without it."""
    try:
        text = subprocess.run(["objdump", "-d", path],
                              stdout=subprocess.PIPE, check=True, timeout=60
                              ).stdout.decode()
    except FileNotFoundError:
        return set()
    return {int(m[1], 16) for m in re.finditer(r"^ +([0-9a-f]+):\t", text,
                                               re.M)}


class Range:
    def __init__(self, line):
        words = line.split(None, 5)
        lo, hi = words[0].split("-")
        self.lo, self.hi = int(lo, 16), int(hi, 16)
        self.rights = words[1]
        self.name = words[5].strip() if len(words) > 5 else ""


class Maps:
    def __init__(self, pid):
        with open("/proc/%d/maps" % pid) as f:
            self.ranges = [Range(x) for x in f]

    def find(self, addr):
        for r in self.ranges:
            if r.lo <= addr < r.hi:
                return r
        return None


class Watched:
    """A session, and what is to hold at each of its stops."""

    def __init__(self, s):
        self.walks = True
        self.s = s
        self.starts = boundaries(s.path)
        self.text = s.path
        self.random = random.Random(SEED)
        description = s.xfer("features", "target.xml").decode()
        names = re.findall(r'<reg name="(\w+)" bitsize="(\d+)"', description)
        at, self.at = 0, {}
        for name, bits in names:
            self.at[name] = (at, at + int(bits) // 4)
            at += int(bits) // 4
        check("gs_base" in self.at, "no gs_base in", description[:500])

    def registers(self, tid):
        self.s.select(tid)
        text = self.s.all_regs()
        return {name: int.from_bytes(bytes.fromhex(text[lo:hi]), "little")
                for name, (lo, hi) in self.at.items()
                if hi - lo == 16 or name == "eflags"}

    def workers(self):
        """tid -> outermost frame"""
        size = 40
        data = self.s.read(self.s.addr("workers"), size * THREADS)
        words = [int.from_bytes(data[i:i + 8], "little")
                 for i in range(0, len(data), 8)]
        return {words[i + 4]: words[i + 3]
                for i in range(0, len(words), size // 8)}

    def look(self):
        """Every thread, as it stands."""
        maps = Maps(self.s.pid)
        workers = self.workers()
        tids = self.s.tids()
        for tid in tids:
            self.look_at(tid, maps, workers.get(tid))
        check(set(workers) <= set(tids), "threads", tids, "workers", workers)

    def look_at(self, tid, maps, bottom):
        regs = self.registers(tid)
        what = "thread %x: pc %x sp %x" % (tid, regs["rip"], regs["rsp"])
        code = maps.find(regs["rip"])
        check(code and "x" in code.rights and MEMFD not in code.name,
              what, "no code of the program")
        if code.name == self.text and self.starts:
            check(regs["rip"] - self.base() in self.starts, what,
                  "within an instruction")
        stack = maps.find(regs["rsp"])
        check(stack and stack.rights[:2] == "rw" and MEMFD not in stack.name,
              what, "no stack")
        equal(regs["gs_base"], 0, what + " gs_base")
        if bottom and code.name == self.text and self.walks and \
                not self.has_come_elsewhere(regs, maps):
            self.walk(regs, stack, bottom, what)

    def base(self):
        return self.s.addr("main") - self.s.elf.symbols["main"]

    def has_come_elsewhere(self, regs, maps):
        """It is in the handler, which came into code without frames: to the
        kernel's frame leads the stack pointer or, amid it, the frame's."""
        at, size = self.s.addr("on_alarm"), self.s.elf.sizes["on_alarm"]
        within = regs["rip"] - at
        if not 0 <= within < size:
            return False
        frame = {0: regs["rsp"] + 8, 1: regs["rsp"] + 16,
                 size - 1: regs["rsp"] + 8}.get(within, regs["rbp"] + 16)
        rip = int.from_bytes(self.s.read(frame + 40 + 8 * 16, 8), "little")
        code = maps.find(rip)
        return not code or code.name != self.text

    def walk(self, regs, stack, bottom, what):
        """The frame pointers lead to the thread's start."""
        check(stack.lo <= bottom < stack.hi, what, "another stack")
        data = self.s.read(regs["rsp"], bottom + 16 - regs["rsp"])
        frame, frames = regs["rbp"], 0
        while frame != bottom:
            check(regs["rsp"] <= frame < bottom and frame % 8 == 0, what,
                  "frame %d at %x leads nowhere" % (frames, frame))
            at = frame - regs["rsp"]
            back = int.from_bytes(data[at + 8:at + 16], "little")
            self.check_return(back, what)
            frame = int.from_bytes(data[at:at + 8], "little")
            frames += 1
            check(frames < 100, what, "frames without an end")

    def check_return(self, back, what):
        offset = back - self.base()
        if 0 <= offset < 0x100000:
            check(not self.starts or offset in self.starts, what,
                  "returns to %x" % back)

    def run_a_while(self):
        self.s.start()
        time.sleep(self.random.random() * self.random.choice((.0005, .003)))
        stop = self.s.interrupt()
        check(stop.kind == "T", "not stopped:", stop)

    def end(self):
        """By itself, and right."""
        self.s.set_var("over", 1)
        self.s.finish(60)


def begin(s):
    # SIGALRM is the program's own business
    equal(s.packet("QPassSignals:e;14;17"), "OK", "QPassSignals")
    s.start()
    check(until(lambda: "ready" in s.printed(), 30), "it is not ready")
    s.interrupt()
    return Watched(s)


def count(few):
    return COUNT or few


def followed(s):
    """The threads that are, and those that are not."""
    pairs = re.findall(r"([^.,;]+),(not-)?followed", s.packet("qTrace:threads"))
    return [{int(tid, 16) for tid, no in pairs if no == want}
            for want in ("", "not-")]


class State:
    """What a debugger can leave behind in a process."""

    def __init__(self, pid):
        self.maps = self.text(pid, "maps")
        self.fds = sorted(os.listdir("/proc/%d/fd" % pid))
        self.tasks, self.blocked = {}, []
        for tid in os.listdir("/proc/%d/task" % pid):
            status = self.text(pid, "task/%s/status" % tid)
            words = dict(re.findall(r"^(\w+):\t(.*)$", status, re.M))
            self.tasks[tid] = [words[key] for key in (
                "Cpus_allowed", "TracerPid", "SigIgn", "SigCgt")]
            # but for the handler's, which may run
            blocked = int(words["SigBlk"], 16) & ~(1 << 13)
            self.blocked.append((tid, blocked))

    @staticmethod
    def text(pid, name):
        with open("/proc/%d/%s" % (pid, name)) as f:
            return f.read()

    def compare(self, other):
        equal(other.maps, self.maps, "maps")
        equal(other.fds, self.fds, "descriptors")
        equal(other.tasks, self.tasks, "threads")
