#!/usr/bin/env python3
"""Sessions as IDEs have them over gdb's machine interface: the commands, in
the order, that VS Code's cpptools (MIEngine's command factory and launch
sequence), Eclipse CDT (its GDB traces) and CLion send. Configurations are
those of doc/ide.md."""
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

from ide import PROGRAM, Server, blocks, fitted, launch_json, line_of
from mi import Mi, MiError
from rsp import Program, Skip, case, check, equal, inferior, main, \
    task_state, until


def gdb():
    if not shutil.which("gdb"):
        raise Skip("no gdb here")
    return Mi()


# --- VS Code, cpptools --------------------------------------------------------

class Cpptools:
    """MIEngine: one thread and frame is selected before what is of one."""

    def __init__(self, mi, config):
        self.mi, self.config = mi, config
        self.thread = self.frame = 0
        mi.command("-gdb-set mi-async on")
        for setup in config.get("setupCommands", []):
            mi.command(setup["text"])
        mi.command('-interpreter-exec console "set pagination off"')

    def prepare(self):
        if "cwd" in self.config:
            self.mi.command("-environment-cd " + self.config["cwd"])
        self.mi.command("-file-exec-and-symbols " + self.config["program"])
        check("x86-64" in self.mi.console("show architecture"))

    def connect(self):
        kind = "extended-remote" if self.config.get("useExtendedRemote") \
            else "remote"
        self.mi.command("-target-select %s %s" % (
            kind, self.config["miDebuggerServerAddress"]))

    def select(self, thread, frame=None):
        if thread != self.thread:
            self.mi.command("-thread-select %d" % thread)
            self.thread, self.frame = thread, 0
        if frame is not None and frame != self.frame:
            self.mi.command("-stack-select-frame %d" % frame)
            self.frame = frame

    def at_stop(self, record):
        """What it asks at each, to show threads and stack; the frames."""
        self.thread, self.frame = int(record["thread-id"]), 0
        info = self.mi.command("-thread-info")
        check(len(info["threads"]) >= 1, info)
        self.mi.command("-stack-info-depth 1000")
        return self.mi.command("-stack-list-frames 0 1000")["stack"]

    def resume(self, command, reason):
        self.select(self.thread, 0)
        return self.mi.run(command, reason)

    def evaluate(self, expression):
        self.select(self.thread, self.frame)
        made = self.mi.command('-var-create - * "%s"' % expression)
        self.mi.command("-var-show-attributes " + made["name"])
        self.mi.command("-var-delete " + made["name"])
        return made["value"]


def names(frames):
    return [f["func"] for f in frames]


def variables(mi):
    return {v["name"]: v.get("value")
            for v in mi.command("-stack-list-variables 2")["variables"]}


@case(seconds=60)
def vscode_runs():
    with Server(inferior(PROGRAM), "5", "3") as server, gdb() as mi:
        ide = Cpptools(mi, launch_json("tracestub: run", server.port))
        ide.prepare()
        entry = mi.command("-break-insert main")["bkpt"]["number"]
        ide.connect()
        mi.stopped()
        source, line = line_of("long r = leaf(i + 1);")
        place = mi.command("-break-insert -f %s:%d" % (source, line))
        equal(place["bkpt"]["line"], str(line), "where it is set")
        equal(names(ide.at_stop(mi.run("-exec-continue", "breakpoint-hit"))),
              ["main"], "stopAtEntry")
        mi.command("-break-delete " + entry)
        equal(names(ide.at_stop(mi.run("-exec-continue", "breakpoint-hit"))),
              ["middle", "work", "main"], "stack")
        # The window of variables; a watch; setVariable.
        equal(variables(mi)["i"], "0", "a parameter")
        ide.select(1, 2)
        equal(variables(mi)["n"], "5", "a local of main's")
        equal(ide.evaluate("n * 2 + 1"), "11", "evaluate")
        made = mi.command('-var-create - * "n"')
        equal(mi.command('-var-assign %s "2"' % made["name"])["value"], "2")
        args = mi.command("-stack-list-arguments 0 0 2")["stack-args"]
        equal(len(args), 3, args)
        # Step in, over, out.
        equal(ide.resume("-exec-step", "end-stepping-range")["frame"]["func"],
              "leaf", "step in")
        ide.resume("-exec-next", "end-stepping-range")
        equal(ide.evaluate("total"), "1", "after a step over")
        equal(ide.resume("-exec-finish", "function-finished")["frame"]["func"],
              "middle", "step out")
        names_of = mi.command("-data-list-register-names")["register-names"]
        values = mi.command("-data-list-register-values x")["register-values"]
        rip = [v["value"] for v in values
               if names_of[int(v["number"])] == "rip"]
        check(re.match(r"0x[0-9a-f]+$", rip[0]), rip)
        ide.resume("-exec-continue", "breakpoint-hit")
        # n is 2 now: it was the last.
        mi.command("-break-delete " + place["bkpt"]["number"])
        end = mi.run("-exec-continue", "exited")
        equal(end["exit-code"], "03", "its status")
        mi.command("-gdb-exit")
        check(until(lambda: "total -12 120" in server.printed() or
                    "total 12 120" in server.printed()), server.printed())


@case(seconds=60)
def vscode_conditions_hit_counts_and_logpoints():
    with Server(inferior(PROGRAM), "20") as server, gdb() as mi:
        ide = Cpptools(mi, launch_json("tracestub: run", server.port))
        ide.prepare()
        ide.connect()
        mi.stopped()
        source, line = line_of("long r = middle(i * 10);")
        place = mi.command('-break-insert -f -c "i == 7" %s:%d' % (
            source, line))["bkpt"]["number"]
        ide.at_stop(mi.run("-exec-continue", "breakpoint-hit"))
        equal(variables(mi)["i"], "7", "the condition")
        # Another condition, another count: what the editor changes.
        mi.command("-break-condition %s i %% 5 == 0" % place)
        mi.command("-break-after %s 1" % place)
        ide.at_stop(mi.run("-exec-continue", "breakpoint-hit"))
        equal(variables(mi)["i"], "15", "the second from there")
        # A logpoint is a breakpoint that it answers by itself.
        mi.command("-break-delete " + place)
        mi.command("-break-insert -f %s:%d" % (source, line))
        log = []
        for _ in range(3):
            ide.at_stop(mi.run("-exec-continue", "breakpoint-hit"))
            log.append("i is " + ide.evaluate("i"))
        equal(log, ["i is 16", "i is 17", "i is 18"], "log")
        mi.command("-break-delete")
        mi.run("-exec-continue", "exited-normally")


@case(seconds=60)
def vscode_data_and_function_breakpoints():
    with Server(inferior(PROGRAM), "4") as server, gdb() as mi:
        ide = Cpptools(mi, launch_json("tracestub: run", server.port))
        ide.prepare()
        ide.connect()
        mi.stopped()
        place = mi.command("-break-insert -f leaf")["bkpt"]["number"]
        ide.at_stop(mi.run("-exec-continue", "breakpoint-hit"))
        mi.command("-break-disable " + place)
        address = mi.command('-data-evaluate-expression "&total"')["value"]
        address = re.search(r"0x[0-9a-f]+", address)[0]
        mi.command("-break-watch *(double*)(%s)" % address)
        for _ in range(2):
            record = mi.run("-exec-continue", "watchpoint-trigger")
            ide.at_stop(record)
            equal(record["frame"]["func"], "leaf", "where it is written")
        mi.command("kill")
        mi.command("-gdb-exit")


@case(seconds=60)
def vscode_attaches_by_its_list():
    with Program("threads", "2", "forever") as program, \
            Server(options=["--multi"]) as server, gdb() as mi:
        equal(program.line(), "ready")
        config = launch_json("tracestub: attach", server.port)
        # The extension's list: a gdb of its own.
        listed = subprocess.run(
            ["gdb", "-nx", "-ex", "target extended-remote " +
             config["miDebuggerServerAddress"], "-ex", "info os processes",
             "-batch"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=50, check=False).stdout.decode()
        rows = [line.split(None, 2) for line in listed.splitlines()]
        found = [r for r in rows if r and r[0] == str(program.pid)]
        equal(len(found), 1, listed[-300:])
        check("threads 2 forever" in found[0][2], found)
        equal(config["processId"], "${command:pickRemoteProcess}")
        config["program"] = program.path
        ide = Cpptools(mi, config)
        ide.prepare()
        ide.connect()
        mi.command("-target-attach " + found[0][0])
        stop = mi.stopped()
        equal(len(mi.command("-thread-info")["threads"]), 3, "threads")
        source, line = line_of("		usleep(1000);", "threads")
        place = mi.command("-break-insert -f %s:%d" % (source, line))
        stop = mi.run("-exec-continue", "breakpoint-hit")
        equal(names(ide.at_stop(stop))[0], "body", "where")
        mi.command("-break-delete " + place["bkpt"]["number"])
        # Pause: it runs, and is interrupted.
        mi.command("-exec-continue")
        mi.command("-exec-interrupt")
        equal(mi.stopped("signal-received")["signal-name"], "SIGINT", "pause")
        for thread in (1, 2, 3):
            ide.select(thread)
            check(mi.command("-stack-list-frames 0 1000")["stack"])
        mi.command("-target-detach")
        mi.command("-gdb-exit")
        check(until(lambda: task_state(program.pid) == "S"), "it stands")


# --- Eclipse CDT --------------------------------------------------------------

def cdt_starts(mi, non_stop):
    """DSF-GDB's final launch sequence, up to the connection."""
    mi.command("-gdb-version")
    mi.command("-environment-cd /")
    mi.command("-gdb-set breakpoint pending on")
    mi.command("-enable-pretty-printing")
    mi.command("-gdb-set python print-stack none")
    mi.command("-gdb-set print object on")
    mi.command("-gdb-set print sevenbit-strings on")
    mi.command("-gdb-set host-charset UTF-8")
    mi.command("-gdb-set target-charset UTF-8")
    mi.command("-gdb-set target-wide-charset UTF-32")
    mi.command("-gdb-set dprintf-style call")
    features = mi.command("-list-features")["features"]
    check("thread-info" in features, features)
    if non_stop:
        mi.command("-gdb-set mi-async on")
        mi.command("-gdb-set pagination off")
        mi.command("-gdb-set non-stop on")
    mi.command("-gdb-set auto-solib-add on")
    mi.command("-file-exec-and-symbols " + inferior(PROGRAM))
    mi.command("-list-thread-groups")


def cdt_shows(mi, thread):
    """The Debug and the Variables view of a thread that has stopped."""
    groups = mi.command("-list-thread-groups")["groups"]
    equal(len(groups), 1, groups)
    mi.command("-list-thread-groups " + groups[0]["id"])
    mi.command("-thread-info " + thread)
    mi.command("-stack-info-depth --thread %s 11" % thread)
    frames = mi.command("-stack-list-frames --thread %s" % thread)["stack"]
    found = mi.command("-stack-list-arguments --thread %s 0 0 0" % thread)
    check(found["stack-args"], found)
    local = mi.command("-stack-list-locals --thread %s --frame 0 0" % thread)
    for each in local["locals"]:
        name = each if isinstance(each, str) else each["name"]
        made = mi.command("-var-create --thread %s --frame 0 - * %s" % (
            thread, name))
        mi.command("-var-evaluate-expression " + made["name"])
        mi.command("-var-update 1 " + made["name"])
    return names(frames)


@case(seconds=60)
def cdt_runs():
    with Server(inferior(PROGRAM), "3", "4") as server, gdb() as mi:
        cdt_starts(mi, False)
        mi.command("-target-select remote localhost:%d" % server.port)
        mi.stopped()
        mi.command("-break-insert -t -f main")
        mi.command("-list-thread-groups")
        stop = mi.run("-exec-continue", "breakpoint-hit")
        equal(cdt_shows(mi, stop["thread-id"]), ["main"], "stop on startup")
        place = mi.command("-break-insert -f -i 1 work")["bkpt"]["number"]
        stop = mi.run("-exec-continue", "breakpoint-hit")
        equal(cdt_shows(mi, "1"), ["work", "main"], "an ignore count of 1")
        equal(mi.command("-data-evaluate-expression --thread 1 --frame 0 i")
              ["value"], "1", "the second time")
        mi.run("-exec-step --thread 1 1", "end-stepping-range")
        equal(cdt_shows(mi, "1")[0], "middle", "step into")
        mi.run("-exec-next --thread 1 1", "end-stepping-range")
        mi.run("-exec-finish --thread 1 --frame 0", "function-finished")
        mi.run("-exec-step-instruction --thread 1 1", "end-stepping-range")
        # Registers, memory and disassembly views.
        mi.command("-data-list-register-names")
        mi.command("-data-list-register-values --thread 1 --frame 0 x 0 16")
        sp = mi.command('-data-evaluate-expression "$sp"')["value"]
        found = mi.command("-data-read-memory-bytes %s 64" % sp.split()[-1])
        equal(len(found["memory"][0]["contents"]), 128, "memory")
        code = mi.command("-data-disassemble -s $pc -e \"$pc + 20\" -- 3")
        check(code["asm_insns"], code)
        mi.command("-break-delete " + place)
        watch = mi.command("-break-watch total")["wpt"]["number"]
        stop = mi.run("-exec-continue", "watchpoint-trigger")
        equal(stop["wpt"]["exp"], "total", "a watchpoint")
        mi.command("-break-delete " + watch)
        equal(mi.run("-exec-continue", "exited")["exit-code"], "04", "status")
        mi.command("-gdb-exit")


@case(seconds=60)
def cdt_attaches_without_stopping_all():
    with Program("threads", "2", "forever") as program, \
            Server(options=["--multi"]) as server, gdb() as mi:
        equal(program.line(), "ready")
        cdt_starts(mi, True)
        mi.command("-target-select extended-remote localhost:%d" % server.port)
        groups = mi.command("-list-thread-groups --available")["groups"]
        equal([program.path in g.get("description", "") for g in groups
               if g["id"] == str(program.pid)], [True], "the list")
        mi.command("-file-exec-and-symbols " + program.path)
        mi.command("-target-attach --thread-group i1 %d" % program.pid)
        stopped = {mi.stopped()["thread-id"] for _ in range(3)}
        equal(stopped, {"1", "2", "3"}, "what attaching stops")
        mi.command("-list-thread-groups i1")
        # Non-stop: one thread stands, the others go on.
        place = mi.command("-break-insert -f %s:%d" % line_of(
            "		usleep(1000);", "threads"))["bkpt"]["number"]
        for each in stopped:
            mi.command("-exec-continue --thread " + each)
        stop = mi.stopped("breakpoint-hit")
        thread = stop["thread-id"]
        equal(cdt_shows(mi, thread)[0], "body", "where")
        state = {t["id"]: t["state"]
                 for t in mi.command("-thread-info")["threads"]}
        equal(state[thread], "stopped", state)
        equal(state["1"], "running", state)
        mi.command("-break-delete " + place)
        mi.command("-exec-interrupt --thread 1")
        while True:
            stop = mi.stopped()
            if stop["thread-id"] == "1":
                break
        mi.command("-target-detach --thread-group i1")
        mi.command("-gdb-exit")
        check(until(lambda: task_state(program.pid) == "S"), "it stands")


# --- CLion --------------------------------------------------------------------

@case(seconds=60)
def clion_remote_debug():
    with Server(inferior(PROGRAM), "3") as server, gdb() as mi:
        text = [b for b in blocks("xml") if "CLion_Remote" in b][0]
        config = ElementTree.fromstring(fitted(text, server.port)).find(
            "configuration")
        mi.command("-gdb-set mi-async on")
        mi.command("-gdb-set breakpoint pending on")
        mi.command("-gdb-set print elements 300")
        mi.command("-gdb-set auto-load safe-path /")
        mi.console("set sysroot " + config.get("sysroot"))
        mi.command("-file-exec-and-symbols " + config.get("symbolFile"))
        mi.console("target remote " + config.get("remoteCommand"))
        mi.stopped()
        source, line = line_of("total += i;")
        mi.command("-break-insert -f --source %s --line %d" % (source, line))
        stop = mi.run("-exec-continue --all", "breakpoint-hit")
        equal(stop["stopped-threads"], "all")
        mi.command("-thread-info")
        frames = mi.command("-stack-list-frames --thread 1 0 100")["stack"]
        equal(names(frames), ["leaf", "middle", "work", "main"], "frames")
        found = mi.command("-stack-list-variables --thread 1 --frame 1 "
                           "--all-values")["variables"]
        equal({v["name"] for v in found}, {"i", "r"}, "variables")
        made = mi.command('-var-create --thread 1 --frame 3 - * "argv"')
        child = mi.command("-var-list-children --all-values " + made["name"])
        check("calls" in child["children"][0]["value"], child)
        # The console of the Debug window.
        check("leaf" in mi.console("info symbol $pc"))
        check(mi.console("monitor help"), "monitor help says nothing")
        # Stepping; running to the cursor; an expression that calls.
        mi.run("-exec-next --thread 1", "end-stepping-range")
        mi.run("-exec-until %s:%d" % line_of("return r + 1;"),
               "location-reached")
        equal(mi.command('-data-evaluate-expression "factorial(5)"')["value"],
              "120", "a call")
        shown = mi.console("info sharedlibrary")
        check(re.search(r"0x[0-9a-f]+ +0x[0-9a-f]+ +Yes[^\n]*libc\.so", shown),
              shown)
        # Pause, and stop: the program is killed.
        mi.command("-break-delete")
        mi.console("kill")
        try:
            mi.command("-stack-list-frames")
        except MiError:
            pass
        else:
            check(False, "there are frames after kill")
        mi.command("-gdb-exit")


@case(seconds=60)
def clion_with_the_sysroot_of_the_server():
    with Server(inferior(PROGRAM), "3") as server, gdb() as mi:
        mi.command("-gdb-set mi-async on")
        mi.console("set sysroot target:")
        mi.console("target remote localhost:%d" % server.port)
        mi.stopped()
        mi.command("-break-insert -f done")
        stop = mi.run("-exec-continue --all", "breakpoint-hit")
        equal(stop["frame"]["func"], "done", "symbols by the server")
        check("target:/" in mi.console("info sharedlibrary"))
        mi.run("-exec-continue --all", "exited-normally")


if __name__ == "__main__":
    raise SystemExit(main())
