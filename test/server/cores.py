"""Core files as a test looks at them: segments, notes, and what debuggers say
of them."""
import difflib
import glob
import os
import re
import resource
import shutil
import struct
import subprocess
import tempfile

from rsp import OPTIONS, Skip, check, equal, inferior

NOTES = {1: "PRSTATUS", 2: "FPREGSET", 3: "PRPSINFO", 6: "AUXV",
         0x53494749: "SIGINFO", 0x46494c45: "FILE", 0x46e62b7f: "PRXFPREG",
         0x200: "386_TLS", 0x202: "X86_XSTATE", 0x205: "X86_XSAVE_LAYOUT"}


class Room:
    """A directory, and to be in it."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="cores.")
        self.was = os.getcwd()
        OPTIONS.server = os.path.abspath(OPTIONS.server)
        os.chdir(self.path)
        return self

    def __exit__(self, *_):
        os.chdir(self.was)
        shutil.rmtree(self.path)

    def only(self, pattern="core.*"):
        found = glob.glob(os.path.join(self.path, pattern))
        equal(len(found), 1, "files %s" % found)
        return found[0]

    def none(self):
        equal(os.listdir(self.path), [], "files")


def served(name, *args, options=(), limit=None):
    """Runs a program under the server without a client: its status, what the
    server says."""
    def prepare():
        # One processor: what a thread notes of it stays the same.
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        for what, value in limit or ():
            resource.setrlimit(what, (value, value))
    done = subprocess.run(
        [OPTIONS.server, "--no-wait", "--once", "--core-on-crash", ".",
         *options, ":0", shutil.which(name) or inferior(name), *args],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, preexec_fn=prepare, timeout=60,
        env={**os.environ, "ASAN_OPTIONS": "disable_coredump=0"})
    said = done.stderr.decode(errors="replace")
    check("Sanitizer" not in said and "runtime error" not in said, said)
    return done.returncode, said


def deaths(said):
    return [l for l in said.splitlines() if " dies of " in l]


def save(s, args, seconds=20):
    """monitor gcore: the text, and the final reply."""
    s.send("qRcmd," + ("gcore " + args).strip().encode().hex())
    text = ""
    while True:
        reply = s.receive(seconds).decode()
        if reply[:1] != "O" or reply == "OK":
            return text, reply
        text += bytes.fromhex(reply[1:]).decode()


class Core:
    def __init__(self, path):
        self.path = path
        self.file = open(path, "rb")
        head = self.file.read(64)
        self.word = 8 if head[4] == 2 else 4
        layout = "<HHIQQQIHHHHHH" if self.word == 8 else "<HHIIIIIHHHHHH"
        (self.type, self.machine, _, _, phoff, _, _, _, size, n, _, _, _) = \
            struct.unpack_from(layout, head, 16)
        self.segments, self.notes = {}, []
        for i in range(n):
            self.file.seek(phoff + i * size)
            self.take(self.file.read(size))

    def close(self):
        self.file.close()

    def take(self, row):
        if self.word == 8:
            kind, flags, at, addr, _, filesz, memsz, _ = struct.unpack(
                "<IIQQQQQQ", row)
        else:
            kind, at, addr, _, filesz, memsz, flags, _ = struct.unpack(
                "<IIIIIIII", row)
        if kind == 4:
            self.take_notes(self.at(at, filesz))
        else:
            self.segments[addr] = (memsz, filesz, flags, at)

    def take_notes(self, data):
        at = 0
        while at < len(data):
            n, size, kind = struct.unpack_from("<III", data, at)
            at += 12 + (n + 3) // 4 * 4
            self.notes.append((NOTES.get(kind, hex(kind)), data[at:at + size]))
            at += (size + 3) // 4 * 4

    def note(self, name):
        return [d for n, d in self.notes if n == name]

    def places(self):
        """Where the parts of the extended state are, by their numbers."""
        rows = struct.iter_unpack("<IIII", b"".join(
            self.note("X86_XSAVE_LAYOUT")))
        return {number: offset for number, _, offset, _ in rows}

    def at(self, offset, size):
        self.file.seek(offset)
        return self.file.read(size)

    def memory(self, addr, size):
        for lo, (memsz, filesz, _, at) in self.segments.items():
            if lo <= addr and addr + size <= lo + filesz:
                return self.at(at + addr - lo, size)
        return None

    def contents(self, addr):
        _, filesz, _, at = self.segments[addr]
        return self.at(at, filesz)


def is_zero(data):
    return data.count(0) == len(data)


def run(*command, **kw):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, **kw)
    except FileNotFoundError:
        raise Skip("no %s here" % command[0])
    return done.stdout.decode(errors="replace")


def gdb(program, core, commands, before=()):
    """What it says to each command, of a core or (core None) of what `before'
    has brought it to. A mark goes before each."""
    words = ["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off",
             "-iex", "set sysroot",
             "-iex", "set width 0", "-iex", "set height 0", program]
    if core:
        words += ["-ex", "core-file " + core]
    for c in before:
        words += ["-ex", c]
    for c in commands:
        words += ["-ex", "echo \\n@@ " + c.replace("$", "\\$") + "\\n",
                  "-ex", c]
    text = run(*words)
    parts = re.split(r"^@@ (.*)\n", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2])), parts[0]


def lldb(program, core, commands):
    words = ["lldb", "-b", "-o", "target create %s -c %s" % (program, core)]
    for c in commands:
        words += ["-o", c]
    text = run(*words)
    # Debian's lldb 14 misses a Python module, and says so at each command.
    text = text[text.index("(lldb) "):] if "(lldb) " in text else text
    return re.sub(r"Traceback .*?\n(?:  .*\n)*\w*Error: .*\n", "", text)


def kernel_writes_cores():
    with open("/proc/sys/kernel/core_pattern") as f:
        if f.read().strip() != "core":
            raise Skip("core_pattern is not \"core\" here")
    with open("/proc/sys/kernel/core_uses_pid") as f:
        return "core.%d" if f.read().strip() == "1" else "core"


def gdb_session(server, program, args, before, commands, peer=True):
    """A stop, what gdb says of it, and two cores of it: gdb's and ours."""
    remote = "target remote | %s %s - %s %s" % (
        server, "--no-startup-with-shell", program, " ".join(args))
    live, log = gdb(program, None, commands + ["kill"],
                    before=[remote, *before, *(["gcore by-gdb"] if peer
                                               else []),
                            "monitor gcore by-us"])
    check("Saved corefile by-us (" in log, log)
    live.pop("kill")
    return live


def neutral(text):
    """Without what differs between a live target and a core for gdb's own
    reasons: how threads are called, warnings, where they are kept."""
    text = re.sub(r"^warning: .*\n", "", text, flags=re.M)
    text = re.sub(r'"[^"\n]*" (?=0x|\S+ \()', "", text)
    text = re.sub(r"Thread (?:0x\w+ \(LWP (\d+)\)|\d+\.(\d+))(?: \"[^\"]*\")?",
                  lambda m: "LWP %s" % (m.group(1) or m.group(2)), text)
    text = re.sub(r"\s*\((?:Exiting|running)\)", "", text)
    return re.sub(r"[ \t]+", " ", text).strip()


def by_lwp(text):
    """Parts of `thread apply all', by thread: numbers are each debugger's."""
    parts = re.split(r"^Thread \d+ \((.*)\):\n", text, flags=re.M)
    return dict(zip(parts[1::2], (p.strip() for p in parts[2::2])))


def misread(path):
    """The registers that this gdb finds in no such core, whoever wrote it:
    before 14 it refuses an extended state that is laid out otherwise than
    with MPX, as AMD's is."""
    core = Core(path)
    opmasks, word = core.places().get(5, 1088), core.word
    core.close()
    major = int(re.search(r"(\d+)\.\d", run("gdb", "--version")).group(1))
    if major >= 14 or opmasks == 1088:
        return r"(?!)"
    names = r"k[0-7]|ymm\d+h?|[xz]mm(?:1[6-9]|2\d|3[01])|zmm\d+h?"
    if word == 4:
        names += r"|st[0-7]|f(?:ctrl|stat|tag|iseg|ioff|oseg|ooff|op)" \
                 r"|mxcsr|x?mm\d+"
    return r"^(?:%s) .*\n?" % names


def same(a, b, what, core="by-us"):
    """Of a stop, of which that is a core."""
    unread = re.compile(misread(core), flags=re.M)
    for command, said in a.items():
        x, y = (unread.sub("", neutral(t)) for t in (said, b[command]))
        if command == "info threads":
            x, y = (sorted(re.findall(r"LWP \d+", t)) for t in (x, y))
        elif command.startswith("thread apply"):
            x, y = by_lwp(x), by_lwp(y)
            check(x, "no threads")
        compare = equal_text if isinstance(x, str) else equal
        compare(y, x, "%s: %s" % (what, command))


def equal_text(got, want, what):
    diff = list(difflib.unified_diff(want.splitlines(), got.splitlines(),
                                     lineterm="", n=0))
    check(not diff, what, "\n".join(diff)[:2000])
