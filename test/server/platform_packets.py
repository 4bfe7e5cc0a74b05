#!/usr/bin/env python3
"""`tracestub platform': each packet by a client of our own. What lldb makes of
it is platform_lldb.py's."""
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import tempfile
import time

from cli_client import Gone, dial
from platform_client import Platform, gone, hexed, launch
from rsp import (OPTIONS, PATIENCE, case, check, equal, inferior, main,
                 task_state, until)

OURS = "it has no platform"


@case(peer=OURS)
def directories_and_permissions():
    with Platform() as p:
        c = p.dial()
        umask = os.umask(0)
        os.umask(umask)
        for mode, want in ((0o700, 0o700), (0, 0o770)):
            name = p.path("made-%o" % mode)
            equal(c.ask("qPlatform_mkdir:%08x,%s" % (mode, hexed(name))),
                  "F0", "mkdir")
            equal(stat.S_IMODE(os.stat(name).st_mode), want & ~umask, "mode")
        equal(c.ask("qPlatform_mkdir:000001c0," + hexed(name)), "F11",
              "what is there already")
        equal(c.ask("qPlatform_chmod:00000155," + hexed(name)), "F0", "chmod")
        equal(stat.S_IMODE(os.stat(name).st_mode), 0o525, "mode")
        equal(c.ask("qPlatform_chmod:000001c0," + hexed(p.path("no"))), "F2",
              "chmod of nothing")


@case(peer=OURS)
def the_working_directory():
    with Platform("--server", cwd="/") as p:
        c = p.dial()
        equal(c.ask("qGetWorkingDir"), hexed("/"), "at first")
        equal(c.ask("QSetWorkingDir:" + hexed(p.path("no"))), "E02", "nothing")
        equal(c.ask("QSetWorkingDir:" + hexed(p.tmp.name)), "OK", "set")
        equal(c.ask("qGetWorkingDir"), hexed(p.tmp.name), "then")
        equal(c.ask("qPlatform_mkdir:000001c0," + hexed("sub")), "F0", "mkdir")
        check(os.path.isdir(p.path("sub")), "it is made elsewhere")
        equal(p.dial().ask("qGetWorkingDir"), hexed("/"), "another client's")


@case(peer=OURS)
def names_are_completed():
    with Platform() as p:
        c = p.dial()
        os.mkdir(p.path("alpha"))
        for name in ("alps", "beta"):
            with open(p.path(name), "w", encoding="utf-8"):
                pass

        def complete(which, text):
            reply = c.ask("qPathComplete:%d,%s" % (which, hexed(text)))
            equal(reply[:1], "M", reply)
            return sorted(bytes.fromhex(n).decode()
                          for n in reply[1:].split(",") if n)
        equal(complete(0, p.path("al")), [p.path("alpha/"), p.path("alps")])
        equal(complete(1, p.path("")), [p.path("alpha/")])
        equal(complete(0, p.path("x")), [])
        equal(complete(0, p.path("no/x")), [])
        equal(c.ask("QSetWorkingDir:" + hexed(p.tmp.name)), "OK", "set")
        equal(complete(0, "b"), ["beta"])


@case(peer=OURS)
def commands_are_run():
    with Platform() as p:
        c = p.dial()

        def shell(command, rest=",0000000a"):
            reply = c.ask("qPlatform_shell:" + hexed(command) + rest)
            found = re.fullmatch(r"F,(\w{8}),(\w{8}),(.*)", reply, re.S)
            check(found, "qPlatform_shell:", reply)
            return int(found[1], 16), int(found[2], 16), found[3]
        equal(shell("echo out; echo err >&2; exit 4"), (4, 0, "out\nerr\n"))
        equal(shell("printf '}#$*'"), (0, 0, "}#$*"), "binary")
        equal(shell("pwd", ",ffffffff," + hexed(p.tmp.name)),
              (0, 0, p.tmp.name + "\n"), "its directory")
        equal(shell("kill -9 $$"), (0xffffffff, 9, ""), "a signal")
        equal(shell("trap '' TERM; echo $$; sleep 100", ",00000001")[:2],
              (0xffffffff, 0), "no time left")
        pid = int(shell("sleep 100 & echo $!; wait", ",00000001")[2])
        check(until(lambda: gone(pid)), "what it started lives on")
        equal(shell("head -c 3000000 /dev/zero | tr '\\0' x; exit 6")[0], 6,
              "much output")
        status, _, said = shell("sleep 100 & echo $!", ",ffffffff")
        equal((status, gone(int(said))), (0, False), "left behind")
        os.kill(int(said), signal.SIGKILL)
        equal(shell("exec >&- 2>&-; sleep 100", ",00000001")[:2],
              (0xffffffff, 0), "no output, and no time left")
        equal(c.ask("qGetWorkingDir")[:1] != "E", True, "it goes on")
        equal(c.ask("qPlatform_shell:zz"), "E01", "no command")


@case(peer=OURS)
def commands_end_with_who_wants_them():
    for ends in ("client", "platform"):
        with Platform() as p:
            c = p.dial()
            c.send("qPlatform_shell:" + hexed("echo $$ >pid; sleep 100"))
            name = p.path("pid")
            check(until(lambda: os.path.exists(name) and
                        os.path.getsize(name)), "it runs")
            with open(name, encoding="utf-8") as f:
                pid = int(f.read())
            if ends == "client":
                c.close()
            else:
                p.server.send_signal(signal.SIGTERM)
            check(until(lambda: gone(pid)), ends, "its command lives on")


@case(peer=OURS)
def files_by_name():
    with Platform() as p:
        c = p.dial()
        for size in (0, 55, 64, 70000):
            data = bytes(i * 7 & 255 for i in range(size))
            with open(p.path("file"), "wb") as f:
                f.write(data)
            name = hexed(p.path("file"))
            equal(int(c.ask("vFile:size:" + name)[1:], 16), size, "size")
            digest = hashlib.md5(data).digest()
            equal(c.ask("vFile:MD5:" + name),
                  "F," + digest[7::-1].hex() + digest[:7:-1].hex(), "MD5")
        os.chmod(p.path("file"), 0o640)
        equal(c.ask("vFile:mode:" + name), "F1a0", "mode")
        equal(c.ask("vFile:exists:" + name), "F,1", "exists")
        equal(c.ask("vFile:symlink:%s,%s" % (
            hexed("file"), hexed(p.path("link")))), "F0,0", "symlink")
        equal(os.readlink(p.path("link")), "file")
        equal(c.ask("vFile:symlink:%s,%s" % (
            hexed("file"), hexed(p.path("link")))), "F-1,11", "once more")
        none = hexed(p.path("no"))
        equal(c.ask("vFile:size:" + none), "E02", "size of nothing")
        equal(c.ask("vFile:mode:" + none), "F-1,2", "mode of nothing")
        equal(c.ask("vFile:exists:" + none), "F,0", "exists")
        equal(c.ask("vFile:MD5:" + none), "F,x", "MD5 of nothing")
        equal(c.ask("vFile:MD5:" + hexed("/dev/zero")), "F,x", "no end")


@case(peer=OURS)
def files_are_written_with_flags_of_lldb():
    with Platform() as p:
        c = p.dial()
        name = p.path("new")
        file = c.ask("vFile:open:%s,40000601,000001a4" % hexed(name))
        check(re.fullmatch(r"F\d+", file), file)
        equal(c.ask("vFile:pwrite:%s,0,some text" % file[1:]), "F9", "pwrite")
        equal(c.ask("vFile:close:" + file[1:]), "F0", "close")
        with open(name, encoding="utf-8") as f:
            equal(f.read(), "some text")
        os.symlink("new", p.path("link"))
        equal(c.ask("vFile:open:%s,20000000,0" % hexed(p.path("link")))[:3],
              "F-1", "a link that is not to be followed")


@case(peer=OURS)
def programs_that_nobody_debugs():
    with Platform() as p:
        c = p.dial()

        def start(*words):
            return c.ask("A" + ",".join("%d,%d,%s" % (
                2 * len(w), i, hexed(w)) for i, w in enumerate(words)))
        equal(c.ask("qC"), "QC0", "at first")
        equal(start(p.path("no"))[:1], "E", "nothing to start")
        check(re.fullmatch(r"Ecannot run .*/no: No such file.*",
                           c.ask("qLaunchSuccess")), "why")
        equal(c.ask("qC"), "QC0", "after that")
        equal(c.ask("QEnvironment:WORD=of mine"), "OK", "environment")
        equal(c.ask("QSetWorkingDir:" + hexed(p.tmp.name)), "OK", "directory")
        equal(c.ask("QSetSTDOUT:" + hexed(p.path("out"))), "OK", "output")
        equal(start("sh", "-c", "pwd; echo $WORD $1; cat; sleep 100", "x",
                    "an argument"), "OK", "A")
        equal(c.ask("qLaunchSuccess"), "OK")
        pid = int(c.ask("qC")[2:], 16)
        info = c.ask("qProcessInfo")
        check(info.startswith("pid:%x;" % pid) and "ptrsize:8;" in info, info)
        want = p.tmp.name + "\nof mine an argument\n"

        def wrote():
            with open(p.path("out"), encoding="utf-8") as f:
                return f.read() == want
        check(until(wrote), "its output")
        equal(open("/proc/%d/status" % pid, encoding="utf-8").read()
              .split("TracerPid:")[1].split()[0], "0", "its tracer")
        p.clients.remove(c)
        c.close()
        check(not gone(pid), "it went with the connection")
        os.killpg(pid, signal.SIGKILL)


@case(peer=OURS)
def signals_and_what_is_done_with_them():
    with Platform() as p:
        c = p.dial()
        # As it comes: this one is not escaped.
        c.send("jSignalsInfo")
        found = None
        while not found:
            c.more()
            found = re.search(rb"\$(.*)#", c.data, re.S)
        told = json.loads(found[1])
        equal([t["signo"] for t in told], list(range(1, 65)), "numbers")
        names = {t["signo"]: t["name"] for t in told}
        for s in signal.Signals:
            if s not in (signal.SIGRTMIN, signal.SIGRTMAX):
                equal(names[s.value], s.name, s.value)
        equal([names[n] for n in (32, 34, 35, 49, 50, 63, 64)], [
            "SIG32", "SIGRTMIN", "SIGRTMIN+1", "SIGRTMIN+15", "SIGRTMAX-14",
            "SIGRTMAX-1", "SIGRTMAX"], "realtime names")
        by_name = {t["name"]: (t["suppress"], t["stop"], t["notify"])
                   for t in told}
        for name, want in (("SIGSEGV", (False, True, True)),
                           ("SIGINT", (True, True, True)),
                           ("SIGCHLD", (False, False, True)),
                           ("SIGALRM", (False, False, False)),
                           ("SIGRTMIN+3", (False, False, False))):
            equal(by_name[name], want, name)


@case(peer=OURS)
def speed_tests():
    with Platform() as p:
        c = p.dial()
        for n in (0, 1, 100, 100000):
            reply = c.ask("qSpeedTest:response_size:%d;" % n)
            check(re.fullmatch(r"data:[A-Z]{%d};" % n, reply), reply[:50])
        equal(c.ask("qSpeedTest:response_size:9999999999;")[:1], "E", "much")


@case(peer=OURS)
def a_server_for_a_program():
    with Platform() as p:
        c = p.dial()
        equal(c.ask("qQueryGDBServer")[:1], "E", "there is none")
        pid, port, _ = launch(c)
        equal(json.loads(c.ask("qQueryGDBServer")), [{"port": port}])
        s = dial(("127.0.0.1", port))
        p.clients.append(s)
        s.ask("qSupported:multiprocess+")
        reply = s.ask("vRun;" + hexed(inferior("calls")))
        equal(reply[:1], "T", reply)
        equal(c.ask("qQueryGDBServer")[:1], "E", "it has its client")
        # A platform's client that goes leaves programs being debugged alone.
        p.clients.remove(c)
        c.close()
        equal(s.ask("?")[:1], "T", "after that")
        equal(s.run("vCont;c")[:1], "W", "its end")
        p.clients.remove(s)
        s.close()
        check(until(lambda: gone(pid)), "the server stays")


@case(peer=OURS)
def a_program_for_whoever_connects():
    with Platform("--server", program=[inferior("calls"), "2", "7"]) as p:
        for _ in range(2):
            c = p.dial()
            waiting = json.loads(c.ask("qQueryGDBServer"))
            equal(len(waiting), 1, "servers")
            s = dial(("127.0.0.1", waiting[0]["port"]))
            p.clients.append(s)
            s.ask("qSupported:multiprocess+")
            equal(s.ask("?")[:3], "T13", "it stands at its beginning")
            reply = s.run("vCont;c")
            check(reply.startswith("W07"), reply)
    with Platform(program=[p.path("none")]) as p:
        c = p.dial()
        s = dial(("127.0.0.1", json.loads(c.ask("qQueryGDBServer"))[0]["port"]))
        p.clients.append(s)
        equal(s.ask("?"), "E02", "there is no program")


@case(peer=OURS)
def servers_that_nobody_uses_go():
    with Platform() as p:
        c = p.dial()
        first, port, _ = launch(c)
        second, other, _ = launch(c)
        check(port != other, "one port for both")
        check(not gone(first) and not gone(second), "they are not there")
        equal(c.ask("qKillSpawnedProcess:%d" % first), "OK", "kill")
        check(gone(first), "it is still there")
        equal(c.ask("qKillSpawnedProcess:%d" % first)[:1], "E", "once more")
        equal(c.ask("qKillSpawnedProcess:%d" % os.getpid())[:1], "E",
              "a process that is not its own")
        p.clients.remove(c)
        c.close()
        check(until(lambda: gone(second)), "it outlives its client")


@case(peer=OURS)
def a_killed_server_lets_its_program_go():
    with Platform() as p:
        c, program = p.dial(), subprocess.Popen(["sleep", "100"])
        try:
            pid, port, _ = launch(c)
            s = dial(("127.0.0.1", port))
            p.clients.append(s)
            equal(s.ask("vAttach;%x" % program.pid)[:1], "T", "attach")
            equal(c.ask("qKillSpawnedProcess:%d" % pid), "OK", "kill")
            check(gone(pid), "the server is still there")
            equal(program.poll(), None, "the program")
            check(until(lambda: task_state(program.pid) == "S"), "it stands")
        finally:
            program.kill()
            program.wait()


@case(peer=OURS)
def ports_come_from_the_range():
    """These are below those that the kernel gives to whoever asks for any."""
    with Platform("--min-gdbserver-port", "21310", "--max-gdbserver-port",
                  "21312", "--port-offset", "1000") as p:
        c = p.dial()
        ports = [launch(c)[1] for _ in range(3)]
        equal(ports, [22310, 22311, 22312], "ports")
        equal(c.ask("qLaunchGDBServer;host:x;")[:1], "E", "none is left")
        equal(launch(c, "port:21320;")[1], 22320, "what the client wants")
    for options in (("--gdbserver-port", "many"),
                    ("--min-gdbserver-port", "9", "--max-gdbserver-port", "8"),
                    ("--nonsense",), ("--listen",)):
        done = subprocess.run(
            [OPTIONS.server, "platform", "--listen", ":0", *options],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=10,
            check=False)
        equal(done.returncode, 1, options)
        check(done.stderr.startswith(b"error: "), done.stderr)


@case(peer=OURS)
def a_socket_in_the_file_system():
    with tempfile.TemporaryDirectory(prefix="tracestub-test.") as tmp:
        with Platform("--server", listen="unix://%s/sock" % tmp) as p:
            equal(p.where, tmp + "/sock", "the port file")
            c = p.dial()
            _, port, path = launch(c)
            equal(port, 0, "port")
            s = dial(path)
            p.clients.append(s)
            equal(s.ask("vRun;" + hexed(inferior("calls")))[:1], "T", "run")
            # Another client is served all the same: the socket is there yet.
            check(p.dial().ask("qGetWorkingDir"), "a second client")
        check(until(lambda: not os.path.exists(tmp + "/sock")), "socket left")


@case(peer=OURS)
def one_client_or_many():
    with Platform() as p:
        c = p.dial()
        equal(c.ask("QStartNoAckMode"), "OK")
        p.clients.remove(c)
        c.close()
        equal(p.server.wait(PATIENCE), 0, "without --server it ends")
    with Platform("--server") as p:
        clients = [p.dial() for _ in range(3)]
        for c in clients:
            equal(c.ask("vMustReplyEmpty"), "")
        p.server.send_signal(signal.SIGTERM)
        equal(p.server.wait(PATIENCE), 0, "SIGTERM")
        for c in clients:
            try:
                # What was under way when the signal came may be answered.
                while True:
                    c.ask("vMustReplyEmpty")
                    time.sleep(0.01)
            except (Gone, OSError):
                pass


if __name__ == "__main__":
    raise SystemExit(main())
