#!/usr/bin/env python3
"""What lldb asks for, packet by packet, of `tracestub gdbserver'."""
import hashlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import tempfile

from lldb_client import Client, asked, pairs, registers, text
from rsp import OPTIONS, PATIENCE, Session, case, check, equal, inferior, main
from wire import frame

OURS = "gdbserver is not lldb's server"


@case(peer=OURS)
def a_program_runs_and_its_output_comes():
    with Client(inferior("calls"), "2", "7") as c:
        stop = c.ask("?")
        check(stop.startswith("T13thread:p"), stop)
        check("reason:signal;" in stop and "thread-pcs:" in stop, stop)
        reply = c.resume()
        check(reply.startswith("W07"), reply)
        check(c.output.startswith(b"total ") and c.output.endswith(b"\r\n"),
              c.output)
    equal(c.server.returncode, 0, "the server's status")


@case(peer=OURS)
def features_are_the_clients():
    with Client(inferior("calls")) as c:
        for want in ("native-signals+", "QThreadSuffixSupported+", "qEcho+",
                     "MultiMemRead+", "jMultiBreakpoint+"):
            check(want in c.supported, want, "is not in", c.supported)
    with Client(inferior("calls"), features="qSupported:multiprocess+",
                plain=True) as c:
        check("MultiMemRead" not in c.supported, c.supported)
        check("qTrace" not in c.supported, c.supported)
    with Session("calls") as s:
        check("native-signals" not in s.supported, s.supported)
        check("QThreadSuffix" not in s.supported, s.supported)


@case(peer=OURS)
def gdb_is_known_too():
    with Client(inferior("calls"), plain=True, features="qSupported:"
                "multiprocess+;xmlRegisters=i386;qRelocInsn+") as c:
        check(c.ask("?").startswith("T05"), "gdb's stop reply")
        check("org.gnu.gdb" in c.ask("qXfer:features:read:target.xml:0,fff"),
              "gdb's registers")


@case(peer=OURS)
def registers_are_whole_and_in_parts():
    with Client(inferior("regs")) as c:
        regs = registers(c)
        for name, size in (("rax", 8), ("eax", 4), ("ah", 1), ("rflags", 8),
                           ("cs", 8), ("st0", 10), ("mm0", 8), ("xmm15", 16)):
            n, width = regs[name]
            equal(width, size, name)
            equal(len(c.ask("p%x" % n)), 2 * size, name)
        n = regs["rax"][0]
        equal(c.ask("P%x=8877665544332211" % n), "OK", "P")
        for name, want in (("eax", "88776655"), ("ax", "8877"), ("al", "88"),
                           ("ah", "77")):
            equal(c.ask("p%x" % regs[name][0]), want, name)
        equal(c.ask("P%x=00" % regs["ah"][0]), "OK", "P ah")
        equal(c.ask("p%x" % n), "8800665544332211", "rax")
        equal(c.ask("p%x" % max(n for n, _ in regs.values()))[:1] == "E",
              False, "the last")
        equal(c.ask("p3ff")[:1], "E", "none such")
        if "ymm3" in regs:
            equal(c.ask("P%x=%s" % (regs["ymm3"][0], bytes(range(32)).hex())),
                  "OK", "P ymm3")
            equal(c.ask("p%x" % regs["xmm3"][0]), bytes(range(16)).hex(),
                  "xmm3")


@case(peer=OURS)
def states_are_kept_and_put_back():
    with Client(inferior("calls")) as c:
        tid = c.ask("qC")[2:].split(".")[1]
        rbx = registers(c)["rbx"][0]
        was = c.ask("p%x;thread:%s;" % (rbx, tid))
        number = c.ask("QSaveRegisterState;thread:%s;" % tid)
        equal(c.ask("P%x=0102030405060708;thread:%s;" % (rbx, tid)), "OK", "P")
        equal(c.ask("p%x" % rbx), "0102030405060708", "changed")
        equal(c.ask("QRestoreRegisterState:%s;thread:%s;" % (number, tid)),
              "OK", "put back")
        equal(c.ask("p%x" % rbx), was, "as before")
        check(c.ask("QRestoreRegisterState:%s" % number).startswith("E"),
              "twice")
        reply = c.ask("p0;thread:1;")
        check(re.match(r"E..;[0-9a-f]+$", reply), reply)


@case(peer=OURS)
def memory_is_allocated_and_described():
    with Client(inferior("calls")) as c:
        at = c.ask("_M3000,rwx")
        region = pairs(c.ask("qMemoryRegionInfo:" + at))
        equal(region["permissions"], "rwx", "permissions")
        check(int(region["size"], 16) >= 0x3000, region)
        equal(c.ask("M%s,4:deadbeef" % at), "OK", "M")
        equal(c.ask("MultiMemRead:ranges:%s,2,0,4,%s,1;" % (at, at)),
              "2,0,1;\xde\xad\xde", "MultiMemRead")
        equal(c.ask("x0,0"), "OK", "x is there")
        equal(c.ask("x%s,4" % at), "\xde\xad\xbe\xef", "x")
        equal(c.ask("_m" + at), "OK", "_m")
        check(c.ask("_m" + at).startswith("E"), "twice")
        check("permissions" not in c.ask("qMemoryRegionInfo:0"), "a hole")
        check(c.resume().startswith("W00"), "it goes on")


@case(peer=OURS)
def breakpoints_many_at_once():
    with Client(inferior("calls")) as c:
        pc = "%x" % int.from_bytes(bytes.fromhex(
            c.ask("p%x" % registers(c)["rip"][0])), "little")
        requests = ["Z0,%s,1" % pc, "z0,1,1", "z0,%s,1" % pc]
        reply = json.loads(c.ask(asked(
            "jMultiBreakpoint", {"breakpoint_requests": requests})))["results"]
        equal([reply[0], reply[1][:1], reply[2]], ["OK", "E", "OK"], "results")
        check(c.ask("jMultiBreakpoint:[]").startswith("E"), "no object")


@case(peer=OURS)
def threads_say_why_they_stopped():
    with Client(inferior("crashing"), "null") as c:
        stop = c.resume()
        check(stop.startswith("T0b"), stop)
        threads = json.loads(c.ask("jThreadsInfo"))
        equal(len(threads), 4, "threads")
        first = [t for t in threads if "reason" in t]
        equal(len(first), 1, "with a reason")
        equal(first[0]["description"], "signal SIGSEGV: address not mapped to "
              "object (fault address: 0x10)", "description")
        brief = re.search(r"jstopinfo:([0-9a-f]+);", stop)
        equal([t["tid"] for t in json.loads(bytes.fromhex(brief[1]))],
              [first[0]["tid"]], "jstopinfo: those with a reason")
        other = [t["tid"] for t in threads if "reason" not in t][0]
        check(c.ask("qThreadStopInfo%x" % other).startswith("T00"), "another")
        check(c.resume("k").startswith("X09"), "k")


def check_name(stop):
    """As /proc has it; returns it."""
    info = pairs(stop[3:])
    pid, tid = (int(x, 16) for x in info["thread"][1:].split("."))
    with open("/proc/%d/task/%d/comm" % (pid, tid), encoding="ascii") as f:
        name = f.read().rstrip("\n")
    equal(info["name"], name, "name")
    return name


@case(peer=OURS)
def names_change_as_threads_step():
    with Client(inferior("named")) as c:
        stop = c.resume()
        step = "vCont;s:" + pairs(stop[3:])["thread"]
        names = [check_name(stop)]
        while "reason:trace;" in stop or len(names) == 1:
            stop = c.resume(step)
            names.append(check_name(stop))
        equal(names, ["named"] * 2 + ["renamed"] * (len(names) - 2), "alone")
        stop = c.resume()
        names = set()
        while len(names) < 3:
            names.add(check_name(c.resume(step + ";c")))
        check(c.resume("k").startswith("X09"), "k")


@case(peer=OURS)
def programs_are_launched_and_told_of():
    with Client() as c, tempfile.TemporaryDirectory() as tmp:
        equal(c.ask("QSetSTDOUT:" + text(tmp + "/out")), "OK", "QSetSTDOUT")
        equal(c.ask("QEnvironment:TOLD=plainly"), "OK", "QEnvironment")
        equal(c.ask("QSetDisableASLR:1"), "OK", "QSetDisableASLR")
        equal(c.ask("QSetWorkingDir:" + text(tmp)), "OK", "QSetWorkingDir")
        equal(bytes.fromhex(c.ask("qGetWorkingDir")).decode(), tmp, "the same")
        words = ["/usr/bin/env"]
        equal(c.ask("A" + ",".join("%d,%d,%s" % (len(text(w)), i, text(w))
                                   for i, w in enumerate(words))), "OK", "A")
        equal(c.ask("qLaunchSuccess"), "OK", "qLaunchSuccess")
        info = pairs(c.ask("qProcessInfo"))
        equal(bytes.fromhex(info["triple"]), b"x86_64-pc-linux-gnu", "triple")
        check(c.resume().startswith("W00"), "its end")
        with open(tmp + "/out", encoding="utf-8") as f:
            check("TOLD=plainly\n" in f.read(), "its environment")
        reply = c.ask("vRun;" + text("/nonexistent"))
        check(reply.startswith("E"), reply)
        check(b"execve failed" in bytes.fromhex(reply.partition(";")[2]), reply)


@case(peer=OURS)
def input_goes_to_the_programs_terminal():
    with Client("/bin/cat") as c:
        c.sock.sendall(frame("vCont;c"))
        equal(c.ask("I" + text("said\n")), "OK", "I")
        while len(c.output) < 12:
            c.output += bytes.fromhex(c.raw()[1:])
        equal(c.output, b"said\r\nsaid\r\n", "what comes back")
        c.sock.sendall(b"\x03")
        reply = c.stop()
        check(reply.startswith("T13"), reply)


@case(peer=OURS)
def attach_by_name():
    with tempfile.TemporaryDirectory() as tmp:
        name = "named-%d" % os.getpid()
        os.symlink("/bin/sleep", tmp + "/link")
        with open("/bin/sleep", "rb") as f, open(tmp + "/" + name, "wb") as g:
            g.write(f.read())
        os.chmod(tmp + "/" + name, 0o755)
        with subprocess.Popen([tmp + "/" + name, "100"]) as p:
            try:
                with Client() as c:
                    stop = c.ask("vAttachName;" + text(name))
                    check(stop.startswith("T13"), stop)
                    equal(int(pairs(c.ask("qProcessInfo"))["pid"], 16), p.pid,
                          "pid")
                    equal(c.ask("D"), "OK", "D")
                with Client() as c:
                    c.sock.sendall(frame("vAttachWait;" + text(name)))
                    others = []
                    # The first may be there before the server looks.
                    while not select.select([c.sock], [], [], 0.2)[0]:
                        others.append(subprocess.Popen([tmp + "/" + name,
                                                        "99"]))
                    stop = c.raw()
                    equal([q for q in others if "thread:p%x." % q.pid in stop
                           ] != [], True, stop)
                    for q in others:
                        q.kill()
                        q.wait()
            finally:
                p.kill()


@case(peer=OURS)
def files_by_name():
    with Client() as c, tempfile.NamedTemporaryFile() as f:
        data = os.urandom(100000)
        f.write(data)
        f.flush()
        path = text(f.name)
        equal(int(c.ask("vFile:size:" + path)[1:], 16), len(data), "size")
        equal(c.ask("vFile:exists:" + path), "F,1", "exists")
        equal(c.ask("vFile:exists:" + text("/none")), "F,0", "exists not")
        equal(c.ask("vFile:mode:" + path), "F180", "mode")
        equal(c.ask("vFile:mode:" + text("/none")), "F-1,2", "no mode")
        digest = hashlib.md5(data).digest()
        equal(c.ask("vFile:MD5:" + path), "F," + digest[7::-1].hex() +
              digest[:7:-1].hex(), "MD5")
        equal(c.ask("vFile:symlink:%s,%s" % (path, text(f.name + ".l"))),
              "F0,0", "symlink")
        equal(os.readlink(f.name + ".l"), f.name, "the link")
        os.unlink(f.name + ".l")


@case(peer=OURS)
def modules_and_processes():
    with Client(inferior("calls")) as c:
        path, triple = inferior("calls"), "x86_64-pc-linux-gnu"
        one = pairs(c.ask("qModuleInfo:%s;%s" % (text(path), text(triple))))
        equal(int(one["file_size"], 16), os.path.getsize(path), "size")
        reply = c.ask(asked("jModulesInfo", [
            {"file": path, "triple": triple},
            {"file": "/none", "triple": triple}]))
        check(reply[:1] == "[", reply)
        many = json.loads(reply)
        equal(len(many), 1, "modules")
        equal(many[0]["uuid"], bytes.fromhex(one["uuid"]).decode(), "uuid")
        pid = int(pairs(c.ask("qProcessInfo"))["pid"], 16)
        equal(pairs(c.ask("qProcessInfoPID:%d" % pid))["name"], text(
            os.path.realpath(path)), "name")
        check(c.ask("qfProcessInfo:name:%s;name_match:equals;"
                    % text("no such program")).startswith("E"), "none")
        listed = c.ask("qfProcessInfo:all_users:1;")
        check("pid:" in listed, listed)
        equal(c.ask("qUserName:0"), text("root"), "qUserName")


@case(peer=OURS)
def the_port_is_told_by_a_pipe():
    read, write = os.pipe()
    with subprocess.Popen(
            [OPTIONS.server, "g", "--pipe", str(write), "--setsid",
             "localhost:0", "--", inferior("calls")], pass_fds=[write],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        os.close(write)
        with os.fdopen(read, "rb") as f:
            told = f.read()
        check(told.endswith(b"\0"), told)
        with socket.create_connection(("127.0.0.1", int(told[:-1]))) as sock:
            sock.sendall(frame("?"))
            check(sock.recv(100).startswith(b"+$T13"), "its stop")
            equal(os.getsid(server.pid), server.pid, "its session")
        server.wait(PATIENCE)


@case(peer=OURS)
def it_calls_who_listens():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(1)
        with subprocess.Popen(
                [OPTIONS.server, "gdbserver", "--reverse-connect",
                 "[127.0.0.1]:%d" % s.getsockname()[1]],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            c, _ = s.accept()
            c.sendall(frame("qLaunchSuccess"))
            check(c.recv(100).startswith(b"+$OK"), "a reply")
            c.close()
            equal(server.wait(PATIENCE), 0, "its status")


@case(peer=OURS)
def mistakes_on_the_command_line():
    for words, want in (([], "no connection arguments"),
                        (["--nonsense", ":0"], "unknown argument"),
                        (["--fd"], "missing argument"),
                        (["--fd=999"], "no open descriptor"),
                        (["--attach=no such name", "localhost:0"],
                         "no process is named")):
        p = subprocess.run([OPTIONS.server, "gdbserver", *words],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=20, check=False)
        equal(p.returncode, 1, words)
        check(want.encode() in p.stdout, words, p.stdout)


@case(peer=OURS)
def stops_of_a_process_in_non_stop_mode():
    with Client(inferior("threads"), "3", plain=True) as c:
        equal(c.ask("QNonStop:1"), "OK", "QNonStop")
        equal(c.ask("vCont;c"), "OK", "vCont;c")
        check(c.ask("c") == "E37", "it runs already")
        told = None
        while not told or not told.startswith("Stop:W00"):
            told = c.raw()
            if told.startswith("Stdio:O"):
                c.output += bytes.fromhex(told[7:])
        while (reply := c.ask("vStdio")) != "OK":
            c.output += bytes.fromhex(reply[1:])
        equal(c.output, b"ready\r\nhits 7\r\n", "its output")
        equal(c.ask("vStopped"), "OK", "vStopped")


@case(peer=OURS)
def numbers_of_signals_are_the_hosts():
    with Client(inferior("signals"), plain=True) as c:
        equal(c.ask("QPassSignals:%x" % signal.SIGALRM), "OK", "QPassSignals")
        seen = set()
        reply = c.resume()
        while reply[:1] == "T" and len(seen) < 100:
            number = int(reply[1:3], 16)
            seen.add(number)
            reply = c.resume("vCont;C%02x" % number)
        check(signal.SIGUSR1 in seen or signal.SIGUSR2 in seen, seen)
        check(signal.SIGALRM not in seen, seen)


if __name__ == "__main__":
    raise SystemExit(main())
