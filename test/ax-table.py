"""Writes test/unit/ax_table.inc: what gdb compiles, and what it computes.

    gdb -batch -nx -x test/ax-table.py        (from the top of the tree)

gdb debugs test/ax-table.c under gdbserver and is made to send each expression
as a breakpoint condition, a dprintf or a tracepoint's collection; the bytecode
is taken from the packets. The expected values and texts are those that gdb
finds itself.
"""
import gdb, os, re, subprocess, tempfile

CONDITIONS = """
g_int
g_int == 42
g_int != 42
g_uint
g_uint > 3999999999u
g_uint + g_uint
g_schar
g_schar < 0
g_uchar
g_uchar << 8 | 1
(signed char)g_uchar
g_short * g_ushort
(unsigned short)g_short
g_long
g_long / 7
g_long % 7
g_ulong
g_ulong / 3
g_ulong % 1000
g_ulong >> 60
g_long >> 3
g_ulong << 4
g_ulong < g_int
g_long < g_int
g_int > g_long
g_int <= 42 && g_int >= 42
g_int < 42 || g_int > 42
g_zero ? g_int : g_uint
!g_int
~g_int
-g_uint
-g_long
g_bool
g_bool && !g_zero
g_zero && g_list->next->key
g_colour
g_list->next->name[1] == 119
n == 14 && s[0] == 104
g_bits.a
g_bits.b
g_bits.c
g_bits.d
g_bits.b < 0 && g_bits.a == 5
g_array[1][2]
g_array[n - 14][1] * g_array[1][1]
g_list->key
g_list->next->next->key
g_list->next->next->next == 0
list->next->key + copy.key
copy.name[0]
local
local == n * 3
byte
byte >> 4
(char)byte
n
s[7]
*s
&g_array[1][2] - &g_array[0][0]
(long)&g_int
(char *)&g_list->name - (char *)g_list
*(short *)&g_ulong
sizeof(struct node) + n
$rdi
$rdi == 0x123456789abcdef0
$rsi == s
$rsp > $rbp
$rdi & 0xffffffff
(int)$rdi
(long)$rdi >> 33
$rip == (long)&probe
g_int & 0xf ^ 3 | 0x100
g_min
g_min - 1 > 0
n * n * n * n * n * n * n * n * n
(g_int, n)
g_int == 42 ? n == 14 ? 3 : 4 : 5
""".strip().splitlines()

PRINTFS = r"""
"plain\n"
"100%% \\ \"q\"\ttab\n"
"%d %u %x\n", g_int, g_uint, g_int
"%d %i|%5d|%-5d|%05d|%+d|% d|%.4d\n", g_long, g_int, n, n, n, n, n, n
"%ld %lu %lx %lo\n", g_long, g_ulong, g_ulong, g_ulong
"%lld %llu %llx %#llX\n", g_long, g_ulong, g_ulong, g_ulong
"%hd %hu %zu %zd\n", g_int, g_ushort, g_ulong, g_long
"%c%c%5c|%-3c|\n", s[0], s[1], s[2], s[3]
"%s, %s\n", s, &g_list->name[0]
"%10.3s|%-8s|%.0s|%s\n", s, &second.name[0], s, (char *)0
"%p %p %20p|%-12p|\n", g_list, g_zero, s, s
"%#x %#o %08lx %-#10x|%%|%X\n", n, n, g_long, g_int, g_uint
"bell \a esc \e end\n"
"%s %d %s\n", &second.name[0], second.key, &third.name[0]
"""[1:-1].splitlines()

# as tracepoint actions; what is to be recorded: (address, size) of these
# collected at a tracepoint, and what has to be recorded for it
COLLECTS = [
    ("g_list->next->key", ["g_list", "g_list->next", "g_list->next->key"]),
    ("g_array[n - 14][1]", ["n", "g_array[n - 14][1]"]),
    ("*list->next", ["list", "list->next", "*list->next"]),
    ("s[3] + g_long", ["s", "s[3]", "g_long"]),
    ("g_bits.d", ["*((short *)&g_bits + 3)"]),
    ("$tv * $tv + local", ["local"]),
    ("/s s", ["s", "*s@13"]),
    ("/s5 s", ["s", "*s@5"]),
]

OUT = "test/unit/ax_table.inc"
tmp = tempfile.mkdtemp()
program, log = tmp + "/table", tmp + "/log"
at = 0


def run(command):
    return gdb.execute(command, to_string=True)


def sent(make):
    """The packets that making something sends."""
    global at
    run("maint packet qMark")
    with open(log) as f:
        at = len(f.read())
    make()
    run("maint packet qMark")
    with open(log) as f:
        return re.findall(r"^w \$(.*?)#..", f.read()[at:], re.M)


def code_of(packets, pattern):
    for p in packets:
        m = re.search(pattern, p)
        if m:
            return m[2][:2 * int(m[1], 16)]
    return None


def condition(text):
    packets = sent(lambda: run("break *$pc if " + text))
    run("delete")
    return code_of(packets, r"^Z0,.*;X([0-9a-f]+),([0-9a-f]+)")


def dprintf(text):
    packets = sent(lambda: run("dprintf *$pc," + text))
    run("delete")
    return code_of(packets, r"^Z0,.*;cmds:.,X([0-9a-f]+),([0-9a-f]+)")


def collect(text):
    """As gdb's "actions" reads it: from a file, not from a string."""
    run("trace *$pc")
    text = text.split(" ", 1) if text[0] == "/" else ("", text)
    with open(tmp + "/actions", "w") as f:
        f.write("actions\ncollect%s %s\nend\n" % (text[0], text[1]))
    run("source %s/actions" % tmp)
    packets = sent(lambda: (run("tstart"), run("tstop")))
    run("delete")
    return code_of(packets, r"^QTDP:-.*X([0-9A-Fa-f]+),([0-9a-f]+)")


def value(text):
    v = gdb.parse_and_eval(text)
    if v.type.strip_typedefs().code == gdb.TYPE_CODE_PTR:
        v = v.cast(gdb.lookup_type("long"))
    return int(v)


def literal(text):
    out = ""
    for c in text:
        out += {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\"}.get(
            c, c if " " <= c <= "~" else "\\%03o" % ord(c))
    return '"%s"' % out


def number(v):
    v = (v + (1 << 63)) % (1 << 64) - (1 << 63)
    return "INT64_C(%d)" % v if v != -1 << 63 else "INT64_MIN"


def wrapped(prefix, hexes, width=64):
    """A row's bytecode over as many lines as it takes."""
    parts = [hexes[i:i + width] for i in range(0, len(hexes), width)]
    return "".join('\n\t%s"%s"' % (prefix, p) for p in parts)


def memory(f, name, address, size):
    data = bytes(gdb.selected_inferior().read_memory(address, size))
    f.write("REGION(%s, 0x%x,%s)\n" % (name, address, wrapped("", data.hex())))


def write_table(f):
    f.write("/* Written by test/ax-table.py: gdb %s. Do not edit. */\n\n" %
            gdb.VERSION)
    frame = gdb.selected_frame()
    for i, name in enumerate(
            "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 "
            "rip".split()):
        v = int(frame.read_register(name)) & (1 << 64) - 1
        f.write("REGISTER(%d, 0x%x) /* %s */\n" % (i, v, name))
    f.write("\n")
    data = [value("(long)&" + n) for n in DATA]
    memory(f, "data", min(data), max(data) - min(data) + 8)
    memory(f, "text", value("(long)g_text"), 13)
    rsp = value("(long)$rsp")
    memory(f, "stack", rsp - 128, value("(long)$rbp") + 16 - rsp + 128)
    f.write("\n")
    for text in CONDITIONS:
        code = condition(text)
        if not code:
            print("not compiled: " + text)
            continue
        f.write("VALUE(%s,%s,\n\t%s)\n" % (literal(text), wrapped("", code),
                                         number(value(text))))
    f.write("\n")
    for text, parts in COLLECTS:
        code = collect(text)
        if not code:
            raise gdb.GdbError("not compiled: " + text)
        ranges = ", ".join("{ 0x%x, %d }" % (
            value("(long)&(%s)" % p.split("@")[0]),
            value("sizeof(%s)" % p)) for p in parts)
        f.write("TRACE(%s,%s,\n\t%s)\n" % (literal(text), wrapped("", code),
                                         ranges))
    f.write("\n")
    for text in PRINTFS:
        code = dprintf(text)
        if not code:
            raise gdb.GdbError("not compiled: " + text)
        f.write("PRINT(%s,%s,\n\t%s)\n" % (literal(text), wrapped("", code),
                                         literal(run("printf " + text))))


DATA = ("g_int g_uint g_schar g_uchar g_short g_ushort g_long g_ulong g_bool "
        "g_colour g_bits g_array g_list g_text g_min g_minus_one g_zero first "
        "second third").split()

subprocess.check_call(["gcc", "-g", "-O0", "-static", "-no-pie", "-nostdlib",
                       "-fno-stack-protector", "-o", program,
                       "test/ax-table.c"])
run("set confirm off")
run("set breakpoint always-inserted on")
run("set dprintf-style agent")
run("set remotelogfile " + log)
run("file " + program)
run("target remote | gdbserver --once - " + program)
run("break stopped_here")
run("continue")
run("tvariable $tv = 7")
run("delete")
run("set breakpoint condition-evaluation target")
PC = value("$pc")
with open(OUT, "w") as table:
    write_table(table)
run("kill")
