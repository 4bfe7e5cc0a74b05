#!/usr/bin/env python3
"""lldb's command `qtrace', in every lldb that there is: the script from the
build, and as the server has it."""
import os
import re
import subprocess
import tempfile

from lldbs import environment, lldbs
from rsp import OPTIONS, Session, case, check, equal, inferior, main, \
    until

OURS = "it does not translate"


def debug(lldb, commands, *args):
    """What it prints on a session with the program."""
    with tempfile.TemporaryDirectory(prefix="tracestub-test.") as tmp:
        with open(tmp + "/errors", "w+", encoding="utf-8") as errors:
            with subprocess.Popen(
                    [OPTIONS.server, "--once", "localhost:0",
                     inferior("calls"), *args], stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=errors) as server:
                try:
                    port = port_of(tmp + "/errors")
                    return run(lldb, ["gdb-remote %s" % port] + commands, tmp)
                finally:
                    server.kill()


def port_of(path):
    found = None

    def listening():
        nonlocal found
        with open(path, encoding="utf-8") as f:
            found = re.search(r"Listening on port (\d+)", f.read())
        return found
    check(until(listening), "the server does not listen")
    return found[1]


def run(lldb, commands, tmp):
    script = tmp + "/commands"
    with open(script, "w", encoding="utf-8") as f:
        f.write("\n".join(commands) + "\n")
    p = subprocess.run([lldb, "--no-lldbinit", "-b", "-s", script,
                        inferior("calls")],
                       env=environment(lldb), stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       timeout=100, check=False)
    return p.stdout.decode(errors="replace")


def script_path():
    """Of the build that the server is of."""
    return os.path.join(os.path.dirname(os.path.abspath(OPTIONS.server)),
                        "client", "tracestub_lldb.py")


@case(peer=OURS, seconds=300)
def tables_values_and_files():
    for lldb in lldbs():
        with tempfile.NamedTemporaryFile(prefix="tracestub-test.") as f:
            out = debug(lldb, [
                "command script import " + script_path(),
                "b main", "continue", "qtrace follow",
                "qtrace probe leaf $arg1, $rdi*2 if $arg1 > 20 && !($rdi==31)",
                "qtrace probe middle $rdi, total",
                "b done", "continue", "qtrace blocks leaf", "qtrace probe",
                "qtrace coverage 1000", "qtrace hot 3",
                "qtrace save coverage.drcov " + f.name,
                "qtrace unfollow", "help qtrace", "qtrace nonsense"], "5")
            data = f.read()
        for want in (
                r"The program runs translated", r"Probe 1 at 0x\w+: leaf$",
                r"^probe 1, 2 times:\nthread +\$arg1 +\$rdi\*2\n"
                r" *\d+ +21 +42\n *\d+ +41 +82$",
                r"^probe 2, 5 times:\nthread +\$rdi +total\n *\d+ +0 +0\n"
                r" *\d+ +10 +1\n *\d+ +20 +12\n",
                r"hits=5;end=return;", r"^[0-9a-f]+ c3 retq$",
                r"^ *\d+ +\d+ +\d+ +leaf +calls$", r"^share +count ",
                r"It runs its original code again", r"qtrace save ANNEX FILE",
                r"error: qtrace: there is no `nonsense'"):
            check(re.search(want, out, re.M), lldb, want, "is not in", out)
        check("Traceback" not in out, out)
        equal(data[:16], b"DRCOV VERSION: 2", "the file")


@case(peer=OURS, seconds=300)
def calls_are_counted():
    for lldb in lldbs():
        out = debug(lldb, [
            "command script import " + script_path(),
            "b main", "continue", "qtrace follow trace", "b done", "continue",
            "qtrace calls 1000", "continue", "qtrace calls"], "5")
        for want in (r"error: qtrace: the program has ended, and lldb's",
                     r"^ *5 +leaf +middle$", r"^ *5 +middle +work$",
                     r"^ *5 +work +main$"):
            check(re.search(want, out, re.M), lldb, want, "is not in", out)


@case(peer=OURS, seconds=300)
def conditions_and_logpoints():
    """leaf is called with 1, 11, ... 41: the same by monitor and by qtrace,
    and wherever it is evaluated."""
    for lldb in lldbs():
        for place in "server", "compiled":
            out = debug(lldb, [
                "command script import " + script_path(),
                "process plugin packet monitor set conditions " + place,
                "b main", "continue", "b leaf", "b done",
                "qtrace condition leaf if $arg1 > 10 ignore 1",
                "qtrace logpoint middle \"middle(%d) #}$ \\\"%c\\\"\\n\" "
                "$arg1, 'x' if $arg1 != 10",
                "continue", "register read rdi", "qtrace condition",
                "qtrace logpoint",
                "process plugin packet monitor condition leaf if *(long *)"
                "(rsp - 8) == *(long *)(rsp - 8) && edi == 41",
                "continue", "register read rdi",
                "process plugin packet monitor condition",
                "qtrace condition delete", "qtrace condition",
                "qtrace logpoint delete", "continue", "help qtrace",
                "qtrace condition leaf if $nosuch == 1"], "5")
            for want in (
                    r"^Condition 1 at 0x\w+$", r"^Logpoint 1 at 0x\w+$",
                    r"rdi = 0x0+15$",
                    r"^1  leaf if \$arg1 > 10 ignore 1\n"
                    r" +at 0x\w+: 2 hits, 1 stops$",
                    r"^1  middle \"middle\(%d\) ",
                    r"rdi = 0x0+29$",
                    r": 1 hits, 1 stops$",
                    r"there is no register nosuch; there is no such register",
                    r"^There are no conditions\.$",
                    r"^ *qtrace condition LOCATION ",
                    r"^ *qtrace logpoint LOCATION "):
                check(re.search(want, out, re.M), lldb, place, want,
                      "is not in", out)
            got = re.findall(r"^middle\((\d+)\) #}\$ \"x\"$", out, re.M)
            equal(got, ["0", "20", "30", "40"], lldb + " " + place)


@case(peer=OURS)
def the_server_has_it_too():
    with Session("calls") as s:
        s.send("qRcmd," + b"lldb-script".hex())
        got = b""
        while (reply := s.receive(5)) != b"OK":
            check(reply[:1] == b"O", "no output", reply)
            got += bytes.fromhex(reply[1:].decode())
    with open(script_path(), "rb") as f:
        equal(got, f.read(), "the script")


if __name__ == "__main__":
    raise SystemExit(main())
