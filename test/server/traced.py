"""Files that `tracestub trace` writes, read by the rules of those who read
them. Standard library only."""
import os
import re
import struct
import subprocess
import tempfile

from rsp import OPTIONS, check, equal, inferior

LIMIT = 60


def trace(options, name, *args):
    """(status as a shell has it, stdout, stderr) of an inferior followed."""
    p = subprocess.run(
        [OPTIONS.server, "trace", *options, "--", inferior(name), *args],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT,
        check=False)
    return p.returncode, p.stdout.decode(), p.stderr.decode()


def traced(option, name, *args, status=0, more=()):
    """The bytes of the file that the option names, after the run."""
    with tempfile.TemporaryDirectory(prefix="tracestub-test.") as tmp:
        path = os.path.join(tmp, "file")
        result = trace(["%s=%s" % (option, path), "--disable-randomization",
                        *more], name, *args)
        equal((result[0], result[2]), (status, ""), "status and errors")
        with open(path, "rb") as f:
            return f.read()


# --- drcov -------------------------------------------------------------------

def lighthouse(data):
    """{(path, offset, size)}, as drcov.py of Lighthouse reads it."""
    text, _, blocks = data.partition(b"BB Table: ")
    lines = text.decode().splitlines()
    equal(lines[0], "DRCOV VERSION: 2", "version")
    check(lines[1].startswith("DRCOV FLAVOR: "), "flavor", lines[1])
    version, count = re.match(r"Module Table: version (\d+), count (\d+)$",
                              lines[2]).groups()
    equal(version, "5", "module table")
    columns = [x.strip() for x in lines[3].partition("Columns: ")[2].split(",")]
    equal(columns, ["id", "containing_id", "start", "end", "entry", "offset",
                    "preferred_base", "path"], "columns")
    rows = [dict(zip(columns, (x.strip() for x in line.split(", ", 7))))
            for line in lines[4:]]
    equal(len(rows), int(count), "rows")
    for i, row in enumerate(rows):
        equal(int(row["id"]), i, "id")
        check(int(row["start"], 16) < int(row["end"], 16), row)
    number, _, binary = blocks.partition(b"\n")
    number = int(re.match(rb"(\d+) bbs$", number)[1])
    equal(len(binary), 8 * number, "size of the blocks")
    out = [(rows[module]["path"], start, size)
           for start, size, module in struct.iter_unpack("<IHH", binary)]
    equal(len(set(out)), len(out), "blocks that are there once")
    return set(out)


def bncov(data):
    """bncov's parse.py: the second column is the number of a module."""
    check(data.startswith(b"DRCOV VERSION: 2"), "prefix")
    lines = data.partition(b"BB Table: ")[0].decode().splitlines()[4:]
    for i, line in enumerate(lines):
        equal(int(line.split(",")[1]), i, "containing_id")


def cartographer(data):
    """CoverageFile.java: a short size, an offset that fits 31 bits, hex
    without 0x."""
    text, _, blocks = data.partition(b"BB Table: ")
    for line in text.decode().splitlines()[4:]:
        offset = line.split(",")[5].strip()
        check(re.fullmatch("[0-9a-f]{16}", offset), "offset", offset)
        check(int(offset, 16) < 1 << 31, "offset", offset)
    for _, size, _ in struct.iter_unpack("<IHH", blocks.partition(b"\n")[2]):
        check(0 < size <= 32767, "size", size)


def drcov(data):
    bncov(data)
    cartographer(data)
    return lighthouse(data)


# --- counts ------------------------------------------------------------------

def counts(data):
    """{(path, offset, size): (count, instructions)}, and the file's totals."""
    lines = data.decode().splitlines()
    totals = re.fullmatch(r"# (\d+) blocks and (\d+) instructions were "
                          r"executed\.", lines[0]).groups()
    equal(lines[1], "# count instructions bytes pc module+offset", "columns")
    out, last = {}, None
    for line in lines[2:]:
        count, instructions, size, _, where = line.split(None, 4)
        path, _, offset = where.rpartition("+")
        key = path, int(offset, 16), int(size)
        check(key not in out, "twice:", line)
        check(last is None or int(count) <= last, "order:", line)
        last = int(count)
        out[key] = last, int(instructions)
    return out, tuple(int(x) for x in totals)


# --- events ------------------------------------------------------------------

def events(data):
    """[(tid, kind, depth, from, to)], and {(base, size, path)}."""
    out, modules = [], set()
    for line in data.decode().splitlines():
        if line.startswith("# module "):
            _, _, _, base, size, path = line.split(None, 5)
            modules.add((int(base, 16), int(size, 16), path))
            continue
        tid, kind, depth, start, end = line.split()
        out.append((int(tid), kind, int(depth), int(start, 16), int(end, 16)))
    return out, modules


# --- stepping ----------------------------------------------------------------

def stepped(name, *args):
    """(status, {(path, offset): count} of instructions, where it began) by
    single steps."""
    with tempfile.TemporaryDirectory(prefix="tracestub-test.") as tmp:
        path = os.path.join(tmp, "steps")
        p = subprocess.run([inferior("stepper"), path, inferior(name), *args],
                           stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=LIMIT, check=False)
        with open(path, encoding="utf-8") as f:
            words = [line.split(None, 2) for line in f]
    modules = sorted((int(w[1], 16), w[2].strip())
                     for w in words if w[0] == "m")

    def place(pc):
        base, module = max(m for m in modules if m[0] <= pc)
        return module, pc - base

    out = {place(int(w[1], 16)): int(w[2]) for w in words if w[0] == "i"}
    begin = [place(int(w[1], 16)) for w in words if w[0] == "b"]
    return p.returncode, out, begin[0]
