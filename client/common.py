"""qTrace for debuggers' scripts: what gdb's and lldb's have in common.

`make` puts it before client/gdb.py and client/lldb.py: one file each, that
needs nothing beside it. Python 3, standard library only. doc/qtrace.md has the
protocol.
"""
import re


class QTraceError(Exception):
    """What the server or the user is to be told, in a line."""


class QTrace:
    """The server. send: a packet's payload to the reply's, both bytes; it may
    raise QTraceError."""

    PIECE = 0x3c00      # of a document, so that escapes fit gdb's packets

    def __init__(self, send, progress=None):
        self.send = send
        self.progress = progress or (lambda text: None)

    @staticmethod
    def unescape(data):
        if b"}" not in data:
            return data
        out, at = bytearray(), 0
        while at < len(data):
            if data[at] == 0x7d and at + 1 < len(data):
                at += 1
                out.append(data[at] ^ 0x20)
            else:
                out.append(data[at])
            at += 1
        return bytes(out)

    @staticmethod
    def escape(data):
        return re.sub(rb"[#$}]", lambda m: bytes([0x7d, m[0][0] ^ 0x20]), data)

    def verb(self, text):
        reply = self.unescape(self.send(
            self.escape(("qTrace:" + text).encode())))
        reply = reply.decode("utf-8", "replace")
        if not reply:
            raise QTraceError("the server has no qTrace:" +
                              text.partition(":")[0])
        if reply.startswith("E."):
            raise QTraceError(reply[2:])
        m = re.fullmatch("E[0-9a-f]{2};((?:[0-9a-f]{2})+)", reply)
        if m:       # to lldb, which has asked for texts of errors
            raise QTraceError(bytes.fromhex(m[1]).decode("utf-8", "replace"))
        if re.fullmatch("E[0-9a-f]{2}", reply):
            raise QTraceError("the server says error " + reply[1:])
        return reply

    def annex(self, name):
        out = bytearray()
        while True:
            reply = self.send(b"qXfer:qtrace:read:%s:%x,%x" % (
                name.encode(), len(out), self.PIECE))
            if reply[:1] not in (b"l", b"m"):
                raise QTraceError(reply[2:].decode("utf-8", "replace")
                                  if reply[:2] == b"E." else
                                  "%s cannot be read; is something recorded? "
                                  "(%s)" % (name, reply.decode() or "none"))
            out += self.unescape(reply[1:])
            if reply[:1] == b"l":
                self.progress("")
                return bytes(out)
            self.progress("%s: %d KiB" % (name, len(out) >> 10))

    def features(self):
        return dict(x.split("=", 1)
                    for x in self.verb("features").split(";") if "=" in x)


# --- what was recorded -------------------------------------------------------

class Block:
    """That ran: of the annex `blocks`."""

    def __init__(self, line):
        count, instructions, size, pc, where = line.split(None, 4)
        self.count, self.instructions = int(count), int(instructions)
        self.size, self.pc = int(size), int(pc, 16)
        self.module, _, self.offset = where.rpartition("+")


def blocks_of(text):
    return [Block(x) for x in text.splitlines() if x[:1] != "#"]


class Event:
    __slots__ = ("tid", "kind", "depth", "start", "to")

    def __init__(self, line):
        tid, self.kind, depth, start, to = line.split()
        self.tid, self.depth = int(tid), int(depth)
        self.start, self.to = int(start, 16), int(to, 16)


def events_of(text):
    """The events, and how many more there were."""
    lost, out = 0, []
    for line in text.splitlines():
        if line.startswith("# lost "):
            lost += int(line.split()[3])
        elif line[:1] != "#":
            out.append(Event(line))
    return out, lost


def rules_of(text):
    """[{id, what, hits, failed}]"""
    out = []
    for part in text.split(";"):
        m = re.fullmatch(r"id=([0-9a-f]+),(.*),hits=([0-9a-f]+),"
                         r"failed=([0-9a-f]+)", part)
        if m:
            out.append({"id": int(m[1], 16), "what": m[2],
                        "hits": int(m[3], 16), "failed": int(m[4], 16)})
    return out


# --- tables ------------------------------------------------------------------

def table(heads, rows, limit=None):
    """Lines of columns; numbers to the right. A limit of 0 is none."""
    left_out = len(rows) - limit if limit and len(rows) > limit else 0
    rows = rows[:limit] if left_out else rows
    cells = [list(heads)] + [[str(c) for c in r] for r in rows]
    widths = [max(len(r[i]) for r in cells) for i in range(len(heads))]
    right = [bool(rows) and all(not isinstance(r[i], str) or
                                r[i].endswith("%") for r in rows)
             for i in range(len(heads))]
    out = ["  ".join(c.rjust(w) if r else c.ljust(w)
                     for c, w, r in zip(line, widths, right)).rstrip()
           for line in cells]
    if left_out:
        out.append("(%d more; a number says how many are shown)" % left_out)
    return out


def basename(path):
    return path.rpartition("/")[2]


def function_name(symbol):
    """Without what follows it: "leaf + 4" is leaf."""
    return symbol.partition(" + ")[0]


class Namer:
    """symbol(pc): "name + offset" or "", of the debugger's."""

    def __init__(self, symbol, progress=None):
        self.symbol = symbol
        self.progress = progress or (lambda text: None)
        self.known = {}

    def name(self, pc, otherwise=""):
        if pc not in self.known:
            self.known[pc] = self.symbol(pc)
            if len(self.known) % 1000 == 0:
                self.progress("%d symbols" % len(self.known))
        return self.known[pc] or otherwise or "%#x" % pc

    def block(self, b):
        return self.name(b.pc, "%s+%s" % (basename(b.module), b.offset))

    def function(self, b):
        name = self.known.get(b.pc)
        name = self.block(b) if name is None else name
        return function_name(name) if name else "?"


def coverage_table(blocks, namer, limit):
    """By function, most covered first."""
    found = {}
    for b in blocks:
        name = function_name(namer.name(b.pc, "?"))
        n = found.setdefault((basename(b.module), name), [0, 0, 0])
        n[0] += 1
        n[1] += b.size
        n[2] += b.instructions
    rows = [(n[0], n[1], n[2], name, module)
            for (module, name), n in found.items()]
    rows.sort(key=lambda r: (-r[1], r[3]))
    return table(("blocks", "bytes", "instructions", "function", "module"),
                 rows, limit)


def hot_table(blocks, namer, line, limit):
    """By instructions executed. line(pc): "file:1" or ""."""
    total = sum(b.count * b.instructions for b in blocks) or 1
    hot = sorted(blocks, key=lambda b: -b.count * b.instructions)
    shown = hot[:limit] if limit else hot
    rows = [("%.1f%%" % (100 * b.count * b.instructions / total), b.count,
             b.instructions, "%#x" % b.pc, namer.block(b), line(b.pc))
            for b in shown]
    return table(("share", "count", "instructions", "address", "where",
                  "line"), rows) + (
        ["(%d more)" % (len(hot) - len(shown))] if len(hot) > len(shown)
        else [])


def calls_table(events, namer, limit):
    """By callee and caller."""
    found = {}
    for e in events:
        if e.kind == "call":
            key = function_name(namer.name(e.to)), \
                function_name(namer.name(e.start))
            found[key] = found.get(key, 0) + 1
    rows = [(n, callee, caller) for (callee, caller), n in found.items()]
    rows.sort(key=lambda r: (-r[0], r[1], r[2]))
    return table(("calls", "function", "called by"), rows, limit)


def listing(text, namer, limit):
    """Of the verb `blocks`."""
    rows = []
    for part in text.split(";"):
        w = part.split(",")
        if len(w) == 4:
            pc = int(w[0], 16)
            rows.append((int(w[3], 16), int(w[2], 16), int(w[1], 16),
                         w[0], namer.name(pc)))
    rows.sort(key=lambda r: (-r[0], r[3]))
    return table(("hits", "instructions", "bytes", "address", "where"), rows,
                 limit)


def values_table(text, names, limit):
    """Of the annex `probes`. names: {id: [expression]}."""
    out, lost = [], 0
    by_rule = {}
    for line in text.splitlines():
        if line.startswith("# lost "):
            lost = int(line.split()[2])
        elif line[:1] != "#":
            w = line.split()
            by_rule.setdefault(int(w[0], 16), []).append(
                (int(w[1]), *[signed(v) for v in w[3:]]))
    for rule, rows in sorted(by_rule.items()):
        n = max(len(r) for r in rows) - 1
        heads = names.get(rule) or ["value %d" % i for i in range(1, n + 1)]
        out.append("probe %d, %d times:" % (rule, len(rows)))
        out += table(["thread"] + heads[:n], rows, limit)
    if lost:
        out.append("(%d more are lost: follow with a larger buffer)" % lost)
    return out or ["nothing was collected"]


def signed(text):
    if text == "?":
        return text
    v = int(text, 16)
    return v - (1 << 64) if v >> 63 else v


# --- the command's words -----------------------------------------------------

USAGE = {
    "follow": "[none|coverage|count|trace|flow] [KEY=VALUE]...\n"
              "Run the program translated from its next resume on, and record "
              "that (count).\nKEY: events, buffer, full; see doc/qtrace.md.",
    "unfollow": "\nRun its original code again.",
    "coverage": "[N]\nFunctions that ran, with how much of them did.",
    "calls": "[N]\nWho called whom, how often. After `qtrace follow trace'.",
    "hot": "[N]\nBlocks by how many instructions were executed there.",
    "blocks": "[LOCATION | N]\nBlocks that were translated; or one, with what "
              "has become of it.",
    "probe": "LOCATION [EXPRESSION, ...] [if CONDITION]\n"
             "Collect the values each time that a thread comes there, without "
             "stopping.\nWithout arguments: what was collected. "
             "`probe delete N' ends one.",
    "condition": "LOCATION [if CONDITION] [streq EXPRESSION \"TEXT\"] "
                 "[thread TID|NAME] [ignore N] [every N]\n"
                 "What has to hold, too, where breakpoints at LOCATION stop; "
                 "while the program runs\nnobody is asked. Without arguments: "
                 "which there are, with their hits.\n"
                 "`condition delete [N]' ends one, or all.",
    "logpoint": "LOCATION \"FORMAT\" [EXPRESSION, ...] [if CONDITION]\n"
                "Print that each time that a thread comes there, without "
                "stopping.\nWithout arguments: which there are. "
                "`logpoint delete [N]' ends one, or all.",
    "save": "ANNEX FILE\nWrite what was recorded to a file: coverage.drcov, "
            "events, ...",
}
MODES = ("none", "coverage", "count", "trace", "flow")
DEFAULT_ROWS = 20


def take_number(text, default=DEFAULT_ROWS):
    text = text.strip()
    if not text:
        return default
    if not text.isdigit():
        raise QTraceError("how many? `%s' is no number" % text)
    return int(text)


def follow_arguments(text):
    """Of the command, to those of the verb."""
    mode, rest = "count", []
    for word in text.split():
        if word in MODES:
            mode = word
        elif "=" in word:
            rest.append(word)
        else:
            raise QTraceError("`%s' is neither a mode (%s) nor KEY=VALUE" % (
                word, ", ".join(MODES)))
    if any(w.startswith("events=") for w in rest):
        mode = "trace"
    return ";".join(["-1", "mode=" + mode] + rest)


# --- agent expressions -------------------------------------------------------

# name: (code, bytes of its operand), as gdb's manual has them
AGENT_OPS = {
    "add": (0x02, 0), "sub": (0x03, 0), "mul": (0x04, 0),
    "div_signed": (0x05, 0), "div_unsigned": (0x06, 0),
    "rem_signed": (0x07, 0), "rem_unsigned": (0x08, 0), "lsh": (0x09, 0),
    "rsh_signed": (0x0a, 0), "rsh_unsigned": (0x0b, 0),
    "log_not": (0x0e, 0), "bit_and": (0x0f, 0), "bit_or": (0x10, 0),
    "bit_xor": (0x11, 0), "bit_not": (0x12, 0), "equal": (0x13, 0),
    "less_signed": (0x14, 0), "less_unsigned": (0x15, 0), "ext": (0x16, 1),
    "ref8": (0x17, 0), "ref16": (0x18, 0), "ref32": (0x19, 0),
    "ref64": (0x1a, 0), "if_goto": (0x20, 2), "goto": (0x21, 2),
    "const8": (0x22, 1), "const16": (0x23, 2), "const32": (0x24, 4),
    "const64": (0x25, 8), "reg": (0x26, 2), "end": (0x27, 0),
    "dup": (0x28, 0), "pop": (0x29, 0), "zero_ext": (0x2a, 1),
    "swap": (0x2b, 0), "pick": (0x32, 1), "rot": (0x33, 0),
}


def assemble(lines):
    """["reg 6", "end"] to X<len>,<bytes>."""
    out = b""
    for line in lines:
        name, *operand = line.split()
        if name not in AGENT_OPS:
            raise QTraceError("such an expression cannot be evaluated while "
                              "the program runs (%s)" % name)
        code, size = AGENT_OPS[name]
        out += bytes([code])
        if size:
            value = int(operand[0], 0) & (1 << 8 * size) - 1
            out += value.to_bytes(size, "big")
    return "X%x,%s" % (len(out), out.hex())


def save(server, text):
    """What is behind ANNEX FILE, in that file."""
    annex, _, path = text.partition(" ")
    if not path.strip():
        raise QTraceError("what, and where? qtrace save ANNEX FILE")
    data = server.annex(annex)
    try:
        with open(path.strip(), "wb") as f:
            f.write(data)
    except OSError as e:
        raise QTraceError(str(e)) from e
    return ["%d bytes written to %s" % (len(data), path.strip())]


def split_top(text, comma=","):
    """At commas that are within no brackets."""
    out, depth, last = [], 0, 0
    for i, c in enumerate(text):
        depth += (c in "([{") - (c in ")]}")
        if c == comma and depth == 0:
            out.append(text[last:i].strip())
            last = i + 1
    return [x for x in out + [text[last:].strip()] if x]


def split_probe(text):
    """"LOCATION [EXPR, ...] [if COND]" to (location, [expr], cond or "")."""
    text, _, condition = (" " + text + " ").partition(" if ")
    location, _, rest = text.strip().partition(" ")
    if not location:
        raise QTraceError("where? qtrace probe LOCATION [EXPRESSION, ...]")
    return location, split_top(rest), condition.strip()


# --- conditions and logpoints ------------------------------------------------

CLAUSES = "if", "streq", "thread", "ignore", "every"


def tokens(text):
    """(begin, end, depth) of words, and of strings as wholes."""
    depth = 0
    for m in re.finditer(r'"(?:\\.|[^"\\])*"|\'[^\']*\'|\w+|\S', text):
        depth += (m[0] in "([{") - (m[0] in ")]}")
        yield m.start(), m.end(), depth


def split_clauses(text):
    """"if a == 1 ignore 3" to [("if", "a == 1"), ("ignore", "3")]."""
    found = [(a, b) for a, b, depth in tokens(text)
             if depth == 0 and text[a:b] in CLAUSES]
    if found and text[:found[0][0]].strip() or text.strip() and not found:
        raise QTraceError("`%s' is none of %s" % (
            text.strip(), ", ".join(CLAUSES)))
    ends = [a for a, _ in found[1:]] + [len(text)]
    return [(text[a:b], text[b:end].strip())
            for (a, b), end in zip(found, ends)]


def server_value(text, compiled):
    """An expression for the server: as the debugger compiles it, or, where it
    cannot, in the server's own language."""
    try:
        return compiled(text), None
    except QTraceError as e:
        return re.sub(r"\$(?=\w)", "", text), e


def split_string(text):
    """`EXPR "text"' to both."""
    m = re.fullmatch(r'(.*?)\s*("(?:\\.|[^"\\])*")', text)
    if not m:
        raise QTraceError("streq EXPRESSION \"TEXT\", and not `%s'" % text)
    return m[1], m[2]


def clause_text(keyword, rest, compiled):
    """Of one, for the server, and why the debugger could not compile it."""
    if keyword == "if":
        value, why = server_value(rest, compiled)
        return "if " + value, why
    if keyword == "streq":
        pointer, string = split_string(rest)
        value, why = server_value(pointer, compiled)
        return "streq %s %s" % (value, string), why
    return "%s %s" % (keyword, rest), None


def ask(server, text, reasons):
    """A refusal of what the debugger has refused is told as that."""
    try:
        reply = server.verb(text)
    except QTraceError as e:
        for why in reasons:
            if why:
                raise QTraceError("%s; %s" % (why, e)) from e
        raise
    return [] if reply == "OK" else reply.rstrip("\n").split("\n")


TYPED = {}      # (verb, number): what the user has said


def as_typed(verb, lines):
    """The server's list, without compiled expressions."""
    return [re.sub(r"^(\d+)  .*", lambda m: "%s  %s" % (
        m[1], TYPED.get((verb, int(m[1])), m[0][len(m[1]) + 2:])), line)
            for line in lines]


def note_typed(verb, lines, text):
    m = re.match(r"\w+ (\d+) at ", lines[0])
    if m:
        TYPED[verb, int(m[1])] = text
    return lines


def list_or_delete(server, verb, text):
    """None: it is neither."""
    if not text:
        return as_typed(verb, ask(server, verb, []))
    if text.split()[0] == "delete":
        return ask(server, "%s:%s" % (verb, text), [])
    return None


def condition(server, text, address_of, compiler_at):
    """address_of(location); compiler_at(location): text to X<len>,<bytes>."""
    done = list_or_delete(server, "condition", text)
    if done is not None:
        return done
    location, _, rest = text.partition(" ")
    where = address_of(location)
    parts = [clause_text(k, r, compiler_at(location))
             for k, r in split_clauses(rest)]
    return note_typed("condition", ask(
        server, "condition:*%#x %s" % (where, " ".join(p for p, _ in parts)),
        [why for _, why in parts]), text)


def logpoint(server, text, address_of, compiler_at):
    """The same."""
    done = list_or_delete(server, "logpoint", text)
    if done is not None:
        return done
    location, _, rest = text.partition(" ")
    m = re.match(r'\s*("(?:\\.|[^"\\])*"),?', rest)
    if not m:
        raise QTraceError("what is to be printed? qtrace logpoint " +
                          USAGE["logpoint"].partition("\n")[0])
    values, _, when = (" " + rest[m.end():] + " ").partition(" if ")
    compiled = compiler_at(location)
    parts = [server_value(v, compiled) for v in split_top(values)]
    line = m[1] + " " + ", ".join(p for p, _ in parts)
    if when.strip():
        parts.append(server_value(when.strip(), compiled))
        line += " if " + parts[-1][0]
    return note_typed("logpoint", ask(
        server, "logpoint:*%#x %s" % (address_of(location), line),
        [why for _, why in parts]), text)


class Probes:
    """What the client knows of its own."""

    def __init__(self):
        self.names = {}

    def add(self, server, address, expressions, condition, compiled):
        """compiled(text) to X<len>,<bytes>."""
        text = "probe:%x" % address
        for e in expressions:
            text += ";" + compiled(e)
        if condition:
            text += ";when=" + compiled(condition)
        number = int(re.fullmatch("id=([0-9a-f]+);", server.verb(text))[1], 16)
        self.names[number] = expressions
        return number
