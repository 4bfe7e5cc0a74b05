# --- gdb ---------------------------------------------------------------------
#
# The command `qtrace' of gdb 13 and later, for programs that tracestub serves.

import gdb


class GdbServer(QTrace):
    def __init__(self):
        super().__init__(self.packet, self.say)
        self.shown = 0

    def say(self, text):
        """One line of a terminal, that goes again."""
        if not gdb.parameter("height") and not self.shown:
            return
        gdb.write("\r%s\r%s" % (" " * self.shown, text))
        gdb.flush()
        self.shown = len(text)

    @staticmethod
    def packet(data):
        connection = gdb.selected_inferior().connection
        if connection is None or not hasattr(connection, "send_packet"):
            raise QTraceError("there is no remote connection; after the "
                              "program's end only `target extended-remote' "
                              "has one")
        return connection.send_packet(data) or b""


def gdb_symbol(pc):
    try:
        text = gdb.execute("info symbol %#x" % pc, to_string=True)
    except gdb.error:
        return ""
    if text.startswith("No symbol"):
        return ""
    return text.partition(" in section ")[0].strip()


def gdb_line(pc):
    sal = gdb.find_pc_line(pc)
    return "%s:%d" % (basename(sal.symtab.filename), sal.line) \
        if sal.symtab and sal.line else ""


def gdb_agent(text, location):
    """gdb's own compiler, and where it thinks that LOCATION is."""
    try:
        out = gdb.execute("maint agent-eval -at %s, %s" % (location, text),
                          to_string=True)
    except gdb.error as e:
        raise QTraceError(str(e)) from e
    lines = re.findall(r"^ *\d+  (.*)$", out, re.M)
    return assemble(lines), int(re.search(r"Scope: (0x[0-9a-f]+)", out)[1], 16)


SERVER, PROBES = GdbServer(), Probes()


class QTraceCommand(gdb.Command):
    """Run the program translated, and see what it does.

Of programs that tracestub serves. `qtrace follow' at any stop, then go on;
`help qtrace' lists what can be asked then."""

    def __init__(self):
        super().__init__("qtrace", gdb.COMMAND_TRACEPOINTS, prefix=True)


class Sub(gdb.Command):
    completion = None

    def __init__(self, name, run):
        args, _, text = USAGE[name].partition("\n")
        self.__doc__ = "%s\nUsage: qtrace %s %s" % (text, name, args)
        self.run = run
        args = [gdb.COMMAND_TRACEPOINTS]
        if name in ("blocks", "probe", "condition", "logpoint"):
            args.append(gdb.COMPLETE_LOCATION)
        super().__init__("qtrace " + name, *args)

    def invoke(self, argument, from_tty):
        try:
            for line in self.run(argument.strip()) or []:
                print(line)
        except QTraceError as e:
            raise gdb.GdbError("qtrace: %s" % e) from None


class SubOf(Sub):
    """With words to complete."""

    def __init__(self, name, run, words):
        self.words = words
        super().__init__(name, run)

    def complete(self, text, word):
        """What gdb replaces begins with word, which an = or . has cut."""
        last = text.rpartition(" ")[2]
        cut = len(last) - len(word or "")
        return [w[cut:] for w in self.words if w.startswith(last)]


def namer():
    return Namer(gdb_symbol, SERVER.say)


def do_follow(text):
    SERVER.verb("follow:" + follow_arguments(text))
    return ["The program runs translated from now on."]


def do_unfollow(text):
    SERVER.verb("unfollow:" + (text or "-1"))
    return ["It runs its original code again."]


def recorded_blocks():
    return blocks_of(SERVER.annex("blocks").decode())


def do_coverage(text):
    return coverage_table(recorded_blocks(), namer(), take_number(text))


def do_hot(text):
    return hot_table(recorded_blocks(), namer(), gdb_line, take_number(text))


def do_calls(text):
    limit = take_number(text)
    events, lost = events_of(SERVER.annex("events").decode())
    out = calls_table(events, namer(), limit)
    if lost:
        out.append("(%d events are lost: follow with a larger buffer)" % lost)
    return out


def address_of(location):
    try:
        value = gdb.parse_and_eval(location)
        if value.type.code == gdb.TYPE_CODE_FUNC:
            value = value.address
        return int(value)
    except gdb.error:
        pass
    try:
        sals = gdb.decode_line(location)[1]
    except gdb.error as e:
        raise QTraceError(str(e)) from e
    if not sals:
        raise QTraceError("there is no `%s'" % location)
    return sals[0].pc


def do_blocks(text):
    if not text or text.isdigit():
        return listing(SERVER.verb("blocks"), namer(), take_number(text))
    return SERVER.verb("block:%x" % address_of(text)).rstrip("\n").split("\n")


def do_probe(text):
    if not text:
        return values_table(SERVER.annex("probes").decode(), PROBES.names, 0)
    if text.split()[0] == "delete":
        SERVER.verb("unprobe:%x" % take_number(text[len("delete"):], 0))
        return []
    location, expressions, condition = split_probe(text)
    where = gdb_agent("1", location)[1]
    number = PROBES.add(SERVER, where, expressions, condition,
                        lambda e: gdb_agent(e, location)[0])
    return ["Probe %d at %#x: %s" % (number, where,
                                     gdb_symbol(where) or location)]


def gdb_address(location):
    return gdb_agent("1", location)[1]


def gdb_compiler(location):
    return lambda text: gdb_agent(text, location)[0]


def do_condition(text):
    return condition(SERVER, text, gdb_address, gdb_compiler)


def do_logpoint(text):
    return logpoint(SERVER, text, gdb_address, gdb_compiler)


def do_save(text):
    return save(SERVER, text)


def annexes():
    try:
        return SERVER.features()["annexes"].split(",")
    except (QTraceError, gdb.error, KeyError):
        return []


class Save(SubOf):
    def complete(self, text, word):
        if " " in text.lstrip():
            return gdb.COMPLETE_FILENAME
        self.words = annexes()
        return super().complete(text, word)


QTraceCommand()
SubOf("follow", do_follow, MODES + (
    "events=call,ret", "events=block", "events=exec", "buffer=", "full=wrap",
    "full=stop"))
Sub("unfollow", do_unfollow)
Sub("coverage", do_coverage)
Sub("calls", do_calls)
Sub("hot", do_hot)
Sub("blocks", do_blocks)
Sub("probe", do_probe)
Sub("condition", do_condition)
Sub("logpoint", do_logpoint)
Save("save", do_save, ())
