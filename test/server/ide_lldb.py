#!/usr/bin/env python3
"""Sessions as editors have them with lldb-dap: the protocol's messages, in the
order that VS Code sends them, with the configurations of doc/ide.md."""
import glob
import os
import shutil

from dap import Dap
from ide import PROGRAM, ROOT, Server, launch_json, line_of
from rsp import OPTIONS, Program, Skip, case, check, equal, inferior, main, \
    task_state, until

OURS = "lldb asks it for what it does not have"


def adapter():
    """The newest of 18 or later: before that it was lldb-vscode."""
    found = sorted(glob.glob(ROOT + "/build/lldb-*/usr/bin/lldb-dap-*") +
                   glob.glob("/usr/bin/lldb-dap-[0-9][0-9]"))
    found += [p for p in [shutil.which("lldb-dap")] if p]
    if not found:
        raise Skip("no lldb-dap here")
    return found[-1]


class Editor(Dap):
    """VS Code: configuration between the events that ask for it."""

    def __init__(self, env=None):
        super().__init__([adapter()], dict(os.environ, **(env or {})))
        self.can = self.ask(
            "initialize", clientID="vscode", adapterID="lldb-dap",
            linesStartAt1=True, columnsStartAt1=True, pathFormat="path",
            supportsVariableType=True, supportsRunInTerminalRequest=False)

    def begin(self, config, lines=(), functions=()):
        """Up to the point where the program stands or runs. lines: the
        arguments of each place, of one source."""
        fields = {k: v for k, v in config.items()
                  if k not in ("name", "type", "request")}
        begun = self.send(config["request"], **fields)
        self.event("initialized")
        self.places(lines)
        self.ask("setFunctionBreakpoints",
                 breakpoints=[dict(name=n) for n in functions])
        self.ask("setExceptionBreakpoints", filters=[])
        self.ask("configurationDone")
        self.response(begun)

    def places(self, lines):
        source = line_of("long r = leaf(i + 1);")[0]
        found = self.ask(
            "setBreakpoints", source={"path": source, "name": "calls.c"},
            lines=[each["line"] for each in lines], breakpoints=list(lines),
            sourceModified=False)["breakpoints"]
        equal(len(found), len(lines), found)
        return found

    def stopped(self, reason):
        body = self.event("stopped")
        equal(body["reason"], reason, body)
        return body["threadId"]

    def frames(self, thread):
        check(thread in [t["id"] for t in self.ask("threads")["threads"]])
        return self.ask("stackTrace", threadId=thread, startFrame=0,
                        levels=20)["stackFrames"]

    def variables(self, frame, scope="Locals"):
        scopes = self.ask("scopes", frameId=frame["id"])["scopes"]
        found = [s for s in scopes if s["name"] == scope]
        equal(len(found), 1, scopes)
        reference = found[0]["variablesReference"]
        return reference, {v["name"]: v for v in self.ask(
            "variables", variablesReference=reference)["variables"]}

    def evaluate(self, frame, expression, context="watch"):
        return self.ask("evaluate", expression=expression,
                        frameId=frame["id"], context=context)["result"]

    def go(self, command, thread, reason):
        self.ask(command, threadId=thread)
        return self.frames(self.stopped(reason))


def names(frames):
    return [f["name"].split("(")[0] for f in frames]


def place(text, **more):
    return dict(more, line=line_of(text)[1])


@case(peer=OURS, seconds=90)
def connects_steps_and_looks():
    with Server(inferior(PROGRAM), "5", "3") as server, Editor() as ide:
        ide.begin(launch_json("tracestub: connect", server.port),
                  [place("long r = leaf(i + 1);")])
        thread = ide.event("stopped")["threadId"]
        frames = ide.go("continue", thread, "breakpoint")
        equal(names(frames)[:3], ["middle", "work", "main"], "frames")
        equal(frames[0]["line"], line_of("long r = leaf(i + 1);")[1], "line")
        _, local = ide.variables(frames[0])
        equal(local["i"]["value"], "0", "a parameter")
        reference, local = ide.variables(frames[2])
        equal(local["n"]["value"], "5", "a local of main's")
        # setVariable, and what it does to the program.
        ide.ask("setVariable", variablesReference=reference, name="n",
                value="2")
        equal(ide.evaluate(frames[2], "n * 3"), "6", "evaluate")
        equal(ide.evaluate(frames[0], "(long)factorial(5)"), "120", "a call")
        _, registers = ide.variables(frames[0], "Registers")
        check(registers, "no registers")
        equal(names(ide.go("stepIn", thread, "step"))[0], "leaf", "step in")
        frames = ide.go("next", thread, "step")
        equal(ide.evaluate(frames[0], "(long)total"), "1", "stepped over")
        equal(names(ide.go("stepOut", thread, "step"))[0], "middle", "out")
        ide.go("continue", thread, "breakpoint")
        ide.places([])
        ide.ask("continue", threadId=thread)
        equal(ide.event("exited")["exitCode"], 3, "its status")
        ide.event("terminated")
        ide.ask("disconnect")


@case(peer=OURS, seconds=90)
def conditions_hit_conditions_and_logpoints():
    with Server(inferior(PROGRAM), "20") as server, Editor() as ide:
        log = place("return r + 1;", logMessage="r is {r} here")
        ide.begin(launch_json("tracestub: launch", server.port), [
            place("long r = middle(i * 10);", condition="i == 7"),
            place("long r = leaf(i + 1);", hitCondition="12"), log],
            functions=["done"])
        thread = ide.event("stopped")["threadId"]
        frames = ide.go("continue", thread, "breakpoint")
        equal(names(frames)[0], "work", "the condition")
        equal(ide.variables(frames[0])[1]["i"]["value"], "7", "i")
        frames = ide.go("continue", thread, "breakpoint")
        equal(names(frames)[0], "middle", "the hit condition")
        equal(ide.variables(frames[0])[1]["i"]["value"], "110", "i")
        # lldb's hit condition is how often to pass by first.
        ide.places([log])
        frames = ide.go("continue", thread, "breakpoint")
        equal(names(frames)[0], "done", "the function")
        said = ide.output()
        for n in range(20):
            check("r is %d here" % (20 * n + 2) in said, n, said)
        ide.ask("continue", threadId=thread)
        equal(ide.event("exited")["exitCode"], 0, "its status")
        ide.ask("disconnect")


@case(peer=OURS, seconds=90)
def starts_its_server_by_itself():
    """"request": "launch" with no commands: lldb starts tracestub."""
    config = {k: v for k, v in launch_json("tracestub: launch", 1).items()
              if k != "launchCommands"}
    server = os.path.abspath(OPTIONS.server)
    with Editor({"LLDB_DEBUGSERVER_PATH": server}) as ide:
        ide.begin(dict(config, args=["4", "9"], env=["A=b"]),
                  [place("total += i;")])
        frames = ide.go("continue", ide.event("stopped")["threadId"],
                        "breakpoint")
        equal(names(frames)[0], "leaf", "where")
        with open("/proc/%d/stat" % ide.event("process")["systemProcessId"],
                  encoding="utf-8") as f:
            parent = f.read().rsplit(")", 1)[1].split()[1]
        equal(os.readlink("/proc/%s/exe" % parent), os.path.realpath(server),
              "its parent")
        ide.places([])
        ide.ask("continue", threadId=ide.ask("threads")["threads"][0]["id"])
        equal(ide.event("exited")["exitCode"], 9, "its status")
        check("total 64 120" in ide.output(), ide.story())
        ide.ask("disconnect")


@case(peer=OURS, seconds=90)
def attaches_pauses_and_detaches():
    with Program("threads", "2", "forever") as program, \
            Editor({"LLDB_DEBUGSERVER_PATH":
                    os.path.abspath(OPTIONS.server)}) as ide:
        equal(program.line(), "ready")
        begun = ide.send("attach", program=program.path, pid=program.pid,
                         stopOnEntry=True)
        ide.event("initialized")
        ide.ask("configurationDone")
        ide.response(begun)
        thread = ide.event("stopped")["threadId"]
        equal(len(ide.ask("threads")["threads"]), 3, "threads")
        # lldb-dap drops a pause that comes before it has said so.
        ide.ask("continue", threadId=thread)
        ide.event("continued")
        ide.ask("pause", threadId=thread)
        ide.event("stopped")
        for each in ide.ask("threads")["threads"]:
            check(ide.frames(each["id"]), "no frames of", each)
        ide.ask("disconnect", terminateDebuggee=False)
        check(until(lambda: task_state(program.pid) == "S"), "it stands")


if __name__ == "__main__":
    raise SystemExit(main())
