#!/usr/bin/env python3
"""The rest of what lldb asks `tracestub gdbserver' for: of this machine, of
programs to come, of libraries, forks, and when it goes for good."""
import grp
import os
import re
import signal
import struct
import subprocess
import tempfile

from lldb_client import LLDB, Client, pairs, registers, text
from rsp import (PATIENCE, Elf, case, check, equal, inferior, main, task_state,
                 until)
from wire import frame

OURS = "gdbserver is not lldb's server"
EVENTS = LLDB + ";vfork-events+"


def launch(c, *words):
    """By A; the process."""
    equal(c.ask("A" + ",".join("%d,%d,%s" % (len(text(w)), i, text(w))
                               for i, w in enumerate(words))), "OK", "A")
    return int(pairs(c.ask("qProcessInfo"))["pid"], 16)


def gone(pid):
    return task_state(pid) in ("", "Z", "X")


def stop_pairs(reply):
    check(reply[:1] == "T", reply)
    return pairs(reply[3:])


@case(peer=OURS)
def the_machine():
    with Client() as c:
        info, u = pairs(c.ask("qHostInfo")), os.uname()
        for key, want in (("triple", "x86_64-pc-linux-gnu"),
                          ("hostname", u.nodename), ("os_build", u.release),
                          ("os_kernel", u.version)):
            equal(bytes.fromhex(info[key]).decode(), want, key)
        equal([info["ptrsize"], info["endian"],
               info["watchpoint_exceptions_received"]],
              ["8", "little", "after"], "plain values")
        equal(c.ask("qWatchpointSupportInfo:"), "num:4;", "watchpoints")
        equal(c.ask("qGroupName:0"), text(grp.getgrgid(0).gr_name), "a group")
        check(c.ask("qGroupName:999999999").startswith("E"), "no group")
        check(c.ask("qGroupName:x").startswith("E"), "no number")
        equal(c.ask("qEcho:a}\3}\x0ab"), "qEcho:a#*b", "what is escaped")
        check(c.ask("QRestoreRegisterState:").startswith("E"), "no number")


@case(peer=OURS)
def processes_one_after_another():
    with tempfile.TemporaryDirectory() as tmp:
        name = "listed-%d" % os.getpid()
        os.symlink("/bin/sleep", tmp + "/" + name)
        programs = [subprocess.Popen(["/bin/sleep", "100"],
                                     executable="/bin/sleep")
                    for _ in range(3)]
        try:
            with Client() as c:
                reply = c.ask("qfProcessInfo:name:%s;name_match:equals;"
                              "parent_pid:%d;" % (text("sleep"), os.getpid()))
                found = []
                while reply[:1] != "E":
                    found.append(int(pairs(reply)["pid"]))
                    reply = c.ask("qsProcessInfo")
                check(set(p.pid for p in programs) <= set(found), found)
                check(c.ask("qsProcessInfo").startswith("E"), "behind the end")
        finally:
            for p in programs:
                p.kill()
                p.wait()


@case(peer=OURS)
def standard_input_and_error_are_files():
    with Client() as c, tempfile.TemporaryDirectory() as tmp:
        with open(tmp + "/in", "w", encoding="utf-8") as f:
            f.write("a line\n")
        for name, path in (("QSetSTDIN", "in"), ("QSetSTDERR", "err")):
            equal(c.ask(name + ":" + text(tmp + "/" + path)), "OK", name)
        equal(c.ask("QLaunchArch:x86_64-pc-linux"), "OK", "QLaunchArch")
        check(c.ask("QLaunchArch:arm64").startswith("E"), "another machine")
        launch(c, "/bin/sh", "-c", "read x; echo $x >&2; echo out")
        reply = c.resume()
        check(reply.startswith("W00"), reply)
        with open(tmp + "/err", encoding="utf-8") as f:
            equal(f.read(), "a line\n", "standard error")
        equal(c.output, b"out\r\n", "standard output")


@case(peer=OURS)
def attach_to_what_is_there_or_comes():
    with tempfile.TemporaryDirectory() as tmp:
        name = "either-%d" % os.getpid()
        path = tmp + "/" + name
        with open("/bin/sleep", "rb") as f, open(path, "wb") as g:
            g.write(f.read())
        os.chmod(path, 0o755)
        with Client() as c:
            equal(c.ask("qVAttachOrWaitSupported"), "OK", "it is known")
            c.sock.sendall(frame("vAttachOrWait;" + text(name)))
            with subprocess.Popen([path, "100"]) as p:
                try:
                    stop = c.raw()
                    check("thread:p%x." % p.pid in stop, stop)
                    equal(c.ask("D"), "OK", "D")
                    with Client() as d:
                        stop = d.ask("vAttachOrWait;" + text(name))
                        check("thread:p%x." % p.pid in stop, stop)
                        equal(d.ask("D"), "OK", "D")
                finally:
                    p.kill()


def when_the_client_goes(said, attached):
    """Does the program live on?"""
    with tempfile.TemporaryDirectory() as tmp:
        p = subprocess.Popen(["/bin/sleep", "100"]) if attached else None
        try:
            with Client() as c:
                if said is not None:
                    equal(c.ask("QSetDetachOnError:%d" % said), "OK", "said")
                if p:
                    pid = p.pid
                    check(c.ask("vAttach;%x" % pid).startswith("T"), "attach")
                else:
                    # Files, as the terminal goes with the server.
                    for n, name in enumerate(("STDIN", "STDOUT", "STDERR")):
                        c.ask("QSet%s:%s" % (name, text(
                            "/dev/null" if n == 0 else tmp + "/out")))
                    pid = launch(c, "/bin/sleep", "100")
            lives = not gone(pid)
            if lives:
                check(until(lambda: task_state(pid) == "S"), "it stands still: " + str(task_state(pid)))
                os.kill(pid, signal.SIGKILL)
            return lives
        finally:
            if p:
                p.kill()
                p.wait()


@case(peer=OURS)
def what_becomes_of_programs_is_said_before():
    for said, attached, lives in ((None, False, False), (None, True, True),
                                  (1, False, True), (1, True, True),
                                  (0, False, False), (0, True, False)):
        equal(when_the_client_goes(said, attached), lives,
              "said %s, attached to %s" % (said, attached))


@case(peer=OURS)
def a_server_that_is_ended_says_by_what():
    for sig in signal.SIGTERM, signal.SIGINT, signal.SIGHUP:
        with Client(inferior("calls")) as c:
            pid = int(pairs(c.ask("qProcessInfo"))["pid"], 16)
            c.server.send_signal(sig)
            equal(c.server.wait(PATIENCE), -sig, "its status")
            check(until(lambda: gone(pid)), "the program is left")


@case(peer=OURS)
def libraries_and_where_they_are_listed():
    with Client(inferior("calls")) as c:
        equal(c.ask("x0,0"), "OK", "x is there")
        at = int(c.ask("qShlibInfoAddr"), 16)
        equal(c.ask("x%x,8" % at), "\0" * 8, "before the linker has run")
        # A call of its main program's is enough: the linker has run then.
        base = int(c.ask("qFileLoadAddress:" + text(os.path.realpath(
            inferior("calls")))), 16)
        equal(c.ask("Z0,%x,1" % (base + Elf(inferior("calls")).symbols["main"])
                    ), "OK", "Z0")
        check(c.resume().startswith("T05"), "main")
        debug = struct.unpack("<Q", c.ask("x%x,8" % at).encode("latin-1"))[0]
        main_map = struct.unpack("<Q", c.ask("x%x,8" % (debug + 8)).encode(
            "latin-1"))[0]
        second = struct.unpack("<Q", c.ask("x%x,8" % (main_map + 24)).encode(
            "latin-1"))[0]
        listed = c.ask("qXfer:libraries-svr4:read::0,ffff")
        equal(int(re.search(r'lm="0x([0-9a-f]+)"', listed)[1], 16), second,
              "the first that is no program")
        libc = re.search(r'library name="([^"]*libc\.so[^"]*)" lm="[^"]*" '
                         r'l_addr="0x([0-9a-f]+)"', listed)
        equal(int(c.ask("qFileLoadAddress:" + text(os.path.realpath(libc[1]))),
                  16), int(libc[2], 16), "qFileLoadAddress")
        check(c.ask("qFileLoadAddress:" + text("/none")).startswith("E"),
              "no such file")


@case(peer=OURS)
def a_static_program_has_no_such_list():
    with Client(inferior("calls-static")) as c:
        check(c.ask("qShlibInfoAddr").startswith("E"), "there is one")


@case(peer=OURS)
def siginfo_of_a_fault():
    with Client(inferior("crashing"), "null") as c:
        check(c.resume().startswith("T0b"), "SIGSEGV")
        info = c.ask("qXfer:siginfo:read::0,fff")
        check(info[:1] in "lm", info)
        number, _, code, _, where = struct.unpack_from(
            "<iiiiQ", info[1:].encode("latin-1"))
        equal((number, code, where), (signal.SIGSEGV, 1, 0x10), "siginfo")


@case(peer=OURS)
def forks_are_told_and_followed():
    """The child first, which goes; then the other way round."""
    for name, mode in (("fork", []), ("vfork", ["vfork"])):
        with Client(inferior("fork"), *mode, "1", features=EVENTS) as c:
            equal(c.ask("QPassSignals:%x" % signal.SIGCHLD), "OK", "SIGCHLD")
            parent = int(pairs(c.ask("qProcessInfo"))["pid"], 16)
            told = stop_pairs(c.resume())
            equal(told["reason"], name, "reason")
            child = re.fullmatch(r"p([0-9a-f]+)\.([0-9a-f]+)", told[name])
            check(child and int(child[1], 16) != parent, told)
            equal(c.ask("D;" + child[1]), "OK", "the child goes")
            told = c.resume("vCont;c:p%x.-1" % parent)
            if name == "vfork":
                equal(stop_pairs(told)["reason"], "vforkdone", "then")
                told = c.resume("vCont;c:p%x.-1" % parent)
            equal(told[:3], "W01", "one child ended well")
        with Client(inferior("fork"), *mode, "1", features=EVENTS) as c:
            equal(c.ask("QPassSignals:%x" % signal.SIGCHLD), "OK", "SIGCHLD")
            parent = int(pairs(c.ask("qProcessInfo"))["pid"], 16)
            child = stop_pairs(c.resume())[name].split(".")[0]
            equal(c.ask("D;%x" % parent), "OK", "the parent goes")
            equal(c.ask("Hg%s.-1" % child), "OK", "Hg")
            told = c.resume("vCont;c:%s.-1" % child)
            equal(told[:3], "W07", "the child's end")


@case(peer=OURS)
def threads_are_those_of_the_stop():
    """... whatever process is selected."""
    with Client(inferior("forking"), "vfork-threads", features=EVENTS) as c:
        told = stop_pairs(c.resume())
        equal(told["reason"], "vfork", "reason")
        equal(len(told["threads"].split(",")), 2, "threads")
        equal(c.ask("Hg" + told["vfork"]), "OK", "the child")
        again = stop_pairs(c.ask("qThreadStopInfo" +
                                 told["thread"].split(".")[1]))
        equal(again["jstopinfo"], told["jstopinfo"], "jstopinfo")


@case(peer=OURS)
def an_i386_program_is_given_memory():
    with Client(inferior("calls-i386")) as c:
        n = registers(c)["eip"][0]
        was = c.ask("p%x" % n)
        at = c.ask("_M3000,rwx")
        check(0 < int(at, 16) < 1 << 32, at)
        region = pairs(c.ask("qMemoryRegionInfo:" + at))
        equal(region["permissions"], "rwx", "permissions")
        equal(c.ask("M%s,4:deadbeef" % at), "OK", "M")
        equal(c.ask("m%s,4" % at), "deadbeef", "m")
        equal(c.ask("_m" + at), "OK", "_m")
        check(c.ask("_m" + at).startswith("E"), "twice")
        check(c.ask("_Mffffffff,r").startswith("E0c"), "too much")
        equal(c.ask("p%x" % n), was, "where it stands")
        check(c.resume().startswith("W00"), "it goes on")


@case(peer=OURS)
def what_was_allocated_goes_with_its_program():
    with Client(inferior("exec"), "self") as c:
        at = c.ask("_M1000,rw")
        check(int(at, 16), at)
        check("reason:exec;" in c.resume(), "it execs")
        check(c.ask("_m" + at).startswith("E"), "of the former program")
        # What lies there now is another program's, and is not to be unmapped
        # by what was kept of the former.
        again = c.ask("_M1000,rw")
        equal(c.ask("_m" + again), "OK", "its own")
        check(c.ask("_m" + again).startswith("E"), "twice")
        check(c.resume().startswith("W00"), "it goes on")


def run_at(c, at):
    equal(c.ask("P%x=%s" % (registers(c)["rip"][0],
                            int(at, 16).to_bytes(8, "little").hex())), "OK",
          "P")
    return c.resume()


@case(peer=OURS)
def code_that_was_freed_is_not_executed():
    for followed in False, True:
        with Client(inferior("calls")) as c:
            if followed:
                equal(c.ask("qTrace:follow:-1"), "OK", "qTrace")
            at = c.ask("_M1000,rwx")
            equal(c.ask("M%s,4:909090cc" % at), "OK", "M")
            check(run_at(c, at).startswith("T05"), "while it is there")
            equal(c.ask("_m" + at), "OK", "_m")
            told = run_at(c, at)
            check(told.startswith("T0b"), followed, told)


if __name__ == "__main__":
    raise SystemExit(main())
