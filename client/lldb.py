# --- lldb --------------------------------------------------------------------
#
# The command `qtrace' of lldb 14 and later, for programs that tracestub serves.

import ast
import shlex
import sys

import lldb


class LldbServer(QTrace):
    """Packets go through a command that prints the reply: it is text, and ends
    at a zero byte, so files come in hex."""

    PIECE = 0x10000

    def __init__(self, debugger):
        super().__init__(self.packet, self.say)
        self.debugger = debugger
        self.shown = 0

    def say(self, text):
        if not sys.stderr.isatty():
            return
        sys.stderr.write("\r%s\r%s" % (" " * self.shown, text))
        sys.stderr.flush()
        self.shown = len(text)

    def packet(self, data):
        process = self.debugger.GetSelectedTarget().GetProcess()
        if process.GetState() in (lldb.eStateExited, lldb.eStateDetached):
            raise QTraceError("the program has ended, and lldb's connection "
                              "with it: save what is wanted before")
        result = lldb.SBCommandReturnObject()
        self.debugger.GetCommandInterpreter().HandleCommand(
            "process plugin packet send " + shlex.quote(data.decode()),
            result)
        text = result.GetOutput() or ""
        _, found, reply = text.partition("response: ")
        if not found:
            raise QTraceError("there is no process that tracestub serves")
        if reply.endswith("\nerror: UNIMPLEMENTED\n"):
            return b""
        return reply[:-1].encode() if reply.endswith("\n") else reply.encode()

    def annex(self, name):
        out = bytearray()
        while True:
            reply = self.verb("read:%s;%x,%x" % (name, len(out), self.PIECE))
            out += bytes.fromhex(reply[1:])
            if reply[0] == "l":
                self.say("")
                return bytes(out)
            self.say("%s: %d KiB" % (name, len(out) >> 10))


def lldb_symbol(target):
    def symbol(pc):
        address = target.ResolveLoadAddress(pc)
        name, start = address.GetFunction().GetName(), \
            address.GetFunction().GetStartAddress()
        if not name:
            name, start = address.GetSymbol().GetName(), \
                address.GetSymbol().GetStartAddress()
        if not name:
            return ""
        offset = pc - start.GetLoadAddress(target)
        return "%s + %d" % (name, offset) if offset else name
    return symbol


def lldb_line(target):
    def line(pc):
        entry = target.ResolveLoadAddress(pc).GetLineEntry()
        return "%s:%d" % (entry.GetFileSpec().GetFilename(), entry.GetLine()) \
            if entry.IsValid() and entry.GetLine() else ""
    return line


# --- expressions: lldb compiles none for servers ------------------------------

REGISTERS = {name: i for i, name in enumerate(
    "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip"
    .split())}
ARGUMENTS = {"arg%d" % (i + 1): name for i, name in enumerate(
    "rdi rsi rdx rcx r8 r9".split())}
BINARY = {ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul",
          ast.Div: "div_signed", ast.FloorDiv: "div_signed",
          ast.Mod: "rem_signed", ast.LShift: "lsh", ast.RShift: "rsh_signed",
          ast.BitAnd: "bit_and", ast.BitOr: "bit_or", ast.BitXor: "bit_xor"}
COMPARE = {ast.Eq: ["equal"], ast.NotEq: ["equal", "log_not"],
           ast.Lt: ["less_signed"], ast.Gt: ["swap", "less_signed"],
           ast.LtE: ["swap", "less_signed", "log_not"],
           ast.GtE: ["less_signed", "log_not"]}


class Compiler:
    """$rdi and other registers, $arg1 to $arg6, numbers, globals, C's
    operators, and loads: u8 u16 u32 u64 s8 s16 s32 s64 (ADDRESS)."""

    def __init__(self, target):
        self.target = target

    def compile(self, text):
        plain = re.sub(r"\$(\w+)", r"REG_\1", text)
        plain = plain.replace("&&", " and ").replace("||", " or ")
        plain = re.sub(r"!(?!=)", " not ", plain)
        try:
            tree = ast.parse(plain.strip(), mode="eval").body
        except SyntaxError:
            raise QTraceError("`%s' is no expression" % text) from None
        return assemble(self.visit(tree) + ["end"])

    def visit(self, e):
        name = "on_" + type(e).__name__
        if not hasattr(self, name):
            raise QTraceError("expressions have no %s here" %
                              type(e).__name__.lower())
        return getattr(self, name)(e)

    @staticmethod
    def on_Constant(e):
        if not isinstance(e.value, int):
            raise QTraceError("`%s' is no integer" % e.value)
        return ["const64 %d" % int(e.value)]

    def on_Name(self, e):
        if e.id.startswith("REG_"):
            name = ARGUMENTS.get(e.id[4:], e.id[4:])
            if name not in REGISTERS:
                raise QTraceError("there is no register %s" % name)
            return ["reg %d" % REGISTERS[name]]
        found = self.target.FindFirstGlobalVariable(e.id)
        size = found.GetByteSize() if found.IsValid() else 0
        if size not in (1, 2, 4, 8):
            raise QTraceError("there is no global variable %s of an integer's "
                              "size; locals are not known here" % e.id)
        return ["const64 %d" % found.GetLoadAddress(), "ref%d" % (8 * size),
                "ext %d" % (8 * size)]

    def on_Call(self, e):
        m = re.fullmatch("([us])(8|16|32|64)", getattr(e.func, "id", ""))
        if not m or len(e.args) != 1:
            raise QTraceError("only u8 to u64 and s8 to s64 can be called, "
                              "with an address")
        return self.visit(e.args[0]) + ["ref" + m[2]] + (
            ["ext " + m[2]] if m[1] == "s" else [])

    def on_BinOp(self, e):
        if type(e.op) not in BINARY:
            raise QTraceError("there is no such operator")
        return self.visit(e.left) + self.visit(e.right) + [BINARY[type(e.op)]]

    def on_UnaryOp(self, e):
        if isinstance(e.op, ast.USub):
            return ["const8 0"] + self.visit(e.operand) + ["sub"]
        if isinstance(e.op, ast.UAdd):
            return self.visit(e.operand)
        return self.visit(e.operand) + [
            "log_not" if isinstance(e.op, ast.Not) else "bit_not"]

    def on_Compare(self, e):
        if len(e.ops) != 1 or type(e.ops[0]) not in COMPARE:
            raise QTraceError("one comparison at a time")
        return self.visit(e.left) + self.visit(e.comparators[0]) + \
            COMPARE[type(e.ops[0])]

    def on_BoolOp(self, e):
        """Both sides are evaluated: neither does anything."""
        out = self.visit(e.values[0]) + ["log_not"]
        for v in e.values[1:]:
            more = self.visit(v) + ["log_not"]
            out += more + ["bit_or" if isinstance(e.op, ast.And)
                           else "bit_and"]
        return out + ["log_not"]


# --- the command --------------------------------------------------------------

PROBES = Probes()


class Session:
    def __init__(self, debugger):
        self.target = debugger.GetSelectedTarget()
        self.server = LldbServer(debugger)
        self.symbol = lldb_symbol(self.target)
        self.line = lldb_line(self.target)

    def namer(self):
        return Namer(self.symbol, self.server.say)

    def blocks_recorded(self):
        return blocks_of(self.server.annex("blocks").decode())

    def address_of(self, location):
        try:
            return int(location, 0)
        except ValueError:
            pass
        for x in self.target.FindFunctions(location):
            start = x.GetFunction().GetStartAddress() \
                if x.GetFunction().IsValid() else x.GetSymbol() \
                .GetStartAddress()
            return start.GetLoadAddress(self.target)
        for x in self.target.FindSymbols(location):
            return x.GetSymbol().GetStartAddress().GetLoadAddress(self.target)
        raise QTraceError("there is no function `%s'; addresses are 0x..." %
                          location)

    def do_follow(self, text):
        self.server.verb("follow:" + follow_arguments(text))
        return ["The program runs translated from now on."]

    def do_unfollow(self, text):
        self.server.verb("unfollow:" + (text or "-1"))
        return ["It runs its original code again."]

    def do_coverage(self, text):
        return coverage_table(self.blocks_recorded(), self.namer(),
                              take_number(text))

    def do_hot(self, text):
        return hot_table(self.blocks_recorded(), self.namer(), self.line,
                         take_number(text))

    def do_calls(self, text):
        limit = take_number(text)
        events, lost = events_of(self.server.annex("events").decode())
        out = calls_table(events, self.namer(), limit)
        if lost:
            out.append("(%d events are lost: follow with a larger buffer)" %
                       lost)
        return out

    def do_blocks(self, text):
        if not text or text.isdigit():
            return listing(self.server.verb("blocks"), self.namer(),
                           take_number(text))
        return self.server.verb("block:%x" % self.address_of(text)
                                ).rstrip("\n").split("\n")

    def do_probe(self, text):
        if not text:
            return values_table(self.server.annex("probes").decode(),
                                PROBES.names, 0)
        if text.split()[0] == "delete":
            self.server.verb("unprobe:%x" % take_number(text[6:], 0))
            return []
        location, expressions, condition = split_probe(text)
        where = self.address_of(location)
        number = PROBES.add(self.server, where, expressions, condition,
                            Compiler(self.target).compile)
        return ["Probe %d at %#x: %s" % (number, where, self.symbol(where))]

    def breakpoint_at(self, location):
        """Where lldb stops for a function: behind its prologue."""
        for x in self.target.FindFunctions(location):
            f, sym = x.GetFunction(), x.GetSymbol()
            of = f if f.IsValid() else sym
            return of.GetStartAddress().GetLoadAddress(self.target) + \
                of.GetPrologueByteSize()
        return self.address_of(location.lstrip("*"))

    def compiler_at(self, _):
        return Compiler(self.target).compile

    def do_condition(self, text):
        return condition(self.server, text, self.breakpoint_at,
                         self.compiler_at)

    def do_logpoint(self, text):
        return logpoint(self.server, text, self.breakpoint_at,
                        self.compiler_at)

    def do_save(self, text):
        return save(self.server, text)


def help_text():
    out = ["qtrace: run the program translated, and see what it does."]
    for name, text in USAGE.items():
        args, _, what = text.partition("\n")
        out.append("  qtrace %s %s\n      %s" % (
            name, args, what.replace("\n", "\n      ")))
    return "\n".join(out)


class QTraceLldb:
    def __init__(self, debugger, _):
        pass

    def __call__(self, debugger, command, exe_ctx, result):
        name, _, rest = command.strip().partition(" ")
        if name in ("", "help"):
            result.AppendMessage(help_text())
            return
        if name not in USAGE:
            result.SetError("qtrace: there is no `%s'; there are %s" % (
                name, ", ".join(USAGE)))
            return
        try:
            run = getattr(Session(debugger), "do_" + name)
            for line in run(rest.strip()) or []:
                result.AppendMessage(line)
        except QTraceError as e:
            result.SetError("qtrace: %s" % e)

    def get_short_help(self):
        return "Run the program translated, and see what it does."

    def get_long_help(self):
        return help_text()


def __lldb_init_module(debugger, _):
    debugger.HandleCommand("command script add -c %s.QTraceLldb qtrace" %
                           __name__)
