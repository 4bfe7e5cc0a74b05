"""Files that `tracestub trace` and `report` write, read by the rules of those
who read them: their own programs where there are some, else what their source
or their specification says. Standard library only."""
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile

from rsp import OPTIONS, Skip, check, equal, inferior

LIMIT = 60


def run(command, status=0, **more):
    """(stdout, stderr) of a command that ends so; bytes."""
    p = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=LIMIT, check=False, **more)
    equal(p.returncode, status, "%s: %s" % (
        command[0], p.stderr.decode("utf-8", "replace")[-300:]))
    return p.stdout, p.stderr


def needs(*programs):
    for name in programs:
        if not shutil.which(name):
            raise Skip("no %s here" % name)


class Files:
    """A folder for a case, and what is made in it."""

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="tracestub-test.")
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def trace(self, options, program, *args, status=3):
        """Options NAME=FILE get the folder, NAME=None are alone; the program's
        output and ours."""
        mine = ["--%s=%s" % (k, self.path(v)) if v else "--" + k
                for k, v in options.items()]
        return run([OPTIONS.server, "trace", *mine, "--", inferior(program),
                    *args], status)

    def report(self, name, file, *more, status=0):
        return run([OPTIONS.server, "report", self.path(file),
                    "--format=" + name, *more], status)[0]


# --- callgrind ---------------------------------------------------------------

def callgrind(text):
    """{function: [own, inclusive]}, {(caller, callee): [calls, cost]}, the total
    and {object: functions}, after the format's specification."""
    names, costs, calls, own = {}, {}, {}, 0
    objects, obj = {}, None
    function = callee = count = None
    head = text.split("\n", 1)[0]
    equal(head, "# callgrind format", "the first line")

    def name(kind, value):
        m = re.fullmatch(r"\((\d+)\)(?: (.*))?", value)
        key = {"fi": "fl", "fe": "fl"}.get(kind[-2:], kind[-2:]), m[1]
        if m[2]:
            check(key not in names, "a name is given twice", value)
            names[key] = m[2]
        return names[key]

    for line in text.splitlines()[1:]:
        m = re.fullmatch(r"(c?(?:ob|fl|fi|fe|fn))=(.*)", line)
        if m:
            value = name(m[1], m[2])
            if m[1] == "ob":
                obj = value
            elif m[1] == "fn":
                function = value
                costs.setdefault(function, [0, 0])
                objects.setdefault(obj, set()).add(function)
            elif m[1] == "cfn":
                callee = value
        elif line.startswith("calls="):
            count = int(line[6:].split()[0])
        elif re.match(r"(0x|\d|\+|-|\*)", line):
            cost = int(line.split()[2])
            if count is None:
                costs[function][0] += cost
                costs[function][1] += cost
                own += cost
            else:
                costs[function][1] += cost
                edge = calls.setdefault((function, callee), [0, 0])
                edge[0] += count
                edge[1] += cost
                count = None
    total = int(re.search(r"^totals: (\d+)", text, re.M)[1])
    check(count is None, "a call without a cost")
    equal(own, total, "sum of costs")
    return costs, calls, total, objects


def annotate(path, *more):
    """{function: cost} of one object, as callgrind_annotate has it."""
    needs("callgrind_annotate")
    out = run(["callgrind_annotate", "--auto=no", "--show-percs=no",
               "--threshold=100", *more, path])[0].decode()
    found = {}
    for m in re.finditer(r"^ *([\d,]+) +\S*?:(\S+) \[(.*)\]", out, re.M):
        found.setdefault(m[3], {})[m[2]] = int(m[1].replace(",", ""))
    return found


# --- folded stacks -----------------------------------------------------------

def folded(data):
    """{stack: weight}, by flamegraph.pl's rule for a line."""
    stacks = {}
    for line in data.decode().splitlines():
        m = re.fullmatch(r"(.*)\s+?(\d+(?:\.\d*)?)", line)
        check(m, "flamegraph.pl takes no", line)
        key = tuple(m[1].split(";"))
        check(key not in stacks and all(key), "a stack", line)
        stacks[key] = int(m[2])
    return stacks


# --- lcov --------------------------------------------------------------------

def lcov(data):
    """{file: ({line: count}, {function: (line, count)})}, after geninfo(1)."""
    files, current = {}, None
    for line in data.decode().splitlines():
        key, _, value = line.partition(":")
        if key == "SF":
            check(current is None, "a record in a record")
            current = value, {}, {}, {}
        elif key == "FN":
            where, function = value.split(",", 1)
            current[2][function] = int(where)
        elif key == "FNDA":
            count, function = value.split(",", 1)
            check(function in current[2], "no FN of", function)
            current[3][function] = current[2][function], int(count)
        elif key == "DA":
            where, count = value.split(",")
            check(int(count) >= 0, line)
            current[1][int(where)] = int(count)
        elif key in ("LF", "LH"):
            of = [c for c in current[1].values() if key == "LF" or c]
            equal(len(of), int(value), key)
        elif line == "end_of_record":
            check(current[0] not in files, "a file twice", current[0])
            files[current[0]] = current[1], current[3]
            current = None
        else:
            check(key in ("TN", "FNF", "FNH"), "unknown", line)
    check(current is None, "a record has no end")
    return files


# --- timelines ---------------------------------------------------------------

def calls_of(events):
    """{function: calls}, of (thread, phase, time, name) in order: each thread's
    times do not go back, and what begins ends, the innermost first."""
    stacks, times, calls = {}, {}, {}
    for thread, phase, when, name in events:
        check(when >= times.get(thread, 0), "time goes back", when)
        times[thread] = when
        stack = stacks.setdefault(thread, [])
        if phase == "B":
            stack.append(name)
            calls[name] = calls.get(name, 0) + 1
        else:
            check(stack, "an end without a begin")
            begun = stack.pop()
            check(name in (None, begun), "another one ends", name, begun)
    check(not any(stacks.values()), "calls have no end", stacks)
    return calls, len(stacks)


def perfetto(data):
    """As Perfetto's importer of the Trace Event Format wants it."""
    document = json.loads(data)
    equal(set(document), {"displayTimeUnit", "traceEvents"}, "keys")
    events = []
    for e in document["traceEvents"]:
        check(e["ph"] in ("B", "E", "M"), "phase", e)
        check(isinstance(e["pid"], int) and isinstance(e["tid"], int), e)
        if e["ph"] == "M":
            check(e["name"] in ("process_name", "thread_name"), e)
            check(isinstance(e["args"]["name"], str), e)
            continue
        check(isinstance(e["ts"], (int, float)), e)
        check(e["ph"] == "E" or isinstance(e["name"], str), e)
        events.append((e["tid"], e["ph"], e["ts"], e.get("name")))
    return calls_of(events)


def fxt(data):
    """After Fuchsia's "Trace format": records of words of 64 bits."""
    words = [w for (w,) in struct.iter_unpack("<Q", data)]
    equal(words[0], 0x0016547846040010, "the magic record")
    strings, threads, events = {}, {}, []

    def bits(word, low, high):
        return word >> low & ((1 << (high - low + 1)) - 1)

    def text(at, size):
        raw = struct.pack("<%dQ" % ((size + 7) // 8),
                          *words[at:at + (size + 7) // 8])
        check(not raw[size:].strip(b"\0"), "padding is not zero")
        return raw[:size].decode()

    def string(reference, at):
        """The string, and where what follows begins."""
        if reference & 0x8000:
            size = reference & 0x7fff
            return text(at, size), at + (size + 7) // 8
        return strings[reference] if reference else "", at

    at, ticks = 0, None
    while at < len(words):
        head = words[at]
        kind, size = bits(head, 0, 3), bits(head, 4, 15)
        check(size and at + size <= len(words), "a record's size", size)
        if kind == 1:
            ticks = words[at + 1]
        elif kind == 2:
            strings[bits(head, 16, 30)] = text(at + 1, bits(head, 32, 46))
            equal(size, 1 + (bits(head, 32, 46) + 7) // 8, "string's size")
        elif kind == 3:
            threads[bits(head, 16, 23)] = words[at + 1], words[at + 2]
        elif kind == 4:
            check(ticks == 1000000000, "no initialization record")
            begins = {2: "B", 3: "E"}[bits(head, 16, 19)]
            equal(bits(head, 20, 23), 0, "arguments")
            thread, rest = bits(head, 24, 31), at + 2
            who = threads[thread] if thread else words[rest:rest + 2]
            rest += 0 if thread else 2
            _, rest = string(bits(head, 32, 47), rest)
            name, rest = string(bits(head, 48, 63), rest)
            equal(rest, at + size, "an event's size")
            events.append((tuple(who)[1], begins, words[at + 1], name))
        elif kind == 7:
            check(bits(head, 16, 23) in (1, 2), "kind of object")
            name, rest = string(bits(head, 24, 39), at + 2)
            check(name, "an object without a name")
            for _ in range(bits(head, 40, 43)):
                equal(bits(words[rest], 0, 3), 8, "an argument of a koid")
                equal(strings[bits(words[rest], 16, 31)], "process", "its name")
                rest += bits(words[rest], 4, 15)
            equal(rest, at + size, "an object's size")
        else:
            equal(kind, 0, "kind of a record")
        at += size
    return calls_of(events)


# --- drcov -------------------------------------------------------------------

def drcov3(data):
    """{(path, offset from the module, size)}: as DynamoRIO's own reader, offsets
    count from the row's start, and the first row of a module contains it."""
    head, _, blocks = data.partition(b"BB Table: ")
    lines = head.decode().splitlines()
    equal(lines[:2], ["DRCOV VERSION: 3", "DRCOV FLAVOR: drcov-64"], "head")
    m = re.fullmatch(r"Module Table: version 5, count (\d+)", lines[2])
    rows = []
    for line in lines[4:]:
        c = [x.strip() for x in line.split(",", 7)]
        rows.append((int(c[1]), int(c[2], 16), int(c[3], 16), int(c[5], 16),
                     c[7]))
        equal(int(c[0]), len(rows) - 1, "id")
        check(re.fullmatch("[0-9a-f]{16}", c[5]), "offset", c[5])
    equal(len(rows), int(m[1]), "rows")
    number, _, binary = blocks.partition(b"\n")
    equal(len(binary), 8 * int(number.split()[0]), "size of the blocks")
    out = set()
    for start, size, row in struct.iter_unpack("<IHH", binary):
        module, begin, end, _, path = rows[row]
        check(begin + start + size <= end, "a block behind its segment")
        out.add((path, begin + start - rows[module][1], size))
    return out
