#!/usr/bin/env python3
"""Extended-remote: programs run, attached to, killed and run again, several
at once; clients that go and come again, at any moment."""
import os
import signal
import threading
import time

from extended_client import Extended, arguments
from rsp import (PATIENCE, Elf, Program, Stop, case, check, equal, inferior,
                 main, ptid, task_state, until)


def ended(pid):
    return until(lambda: task_state(pid) in ("", "Z"))


# --- programs ---------------------------------------------------------------

@case
def run_and_run_again():
    """An empty name is the last program."""
    with Extended() as s:
        check(s.packet("vRun;")[:1] == "E", "it has no program yet")
        s.run("signalling", "exit", "7")
        check(s.packet("qAttached:%x" % s.pid) == "0", "attached")
        equal(s.finish().number, 7, "status")
        equal(s.pids(), [], "processes")
        s.run("", "exit", "9")
        equal(s.finish().number, 9, "status")


@case
def restart_kills_and_starts():
    with Extended() as s:
        s.run("signalling", "exit", "7")
        was = s.pid
        s.send("R00")
        stop = Stop(s.packet("?"))
        check(ended(was), "the first is still there")
        s.use(ptid(stop.fields["thread"])[0])
        equal(s.finish().number, 7, "status")


@case
def two_programs_at_once():
    """Only the one that is resumed runs; each ends by itself."""
    with Extended() as s:
        s.run("signalling", "exit", "7")
        one = s.pid
        s.run("signalling", "exit", "9")
        two = s.pid
        equal(s.pids(), sorted([one, two]), "processes")
        s.start("vCont;c:p%x.-1" % two)
        end = s.wait()
        equal((end.kind, end.number), ("W", 9), "end of the second")
        check(end.text.endswith("process:%x" % two), "whose end:", end)
        equal(s.pids(), [one], "processes")
        s.use(one)
        equal(s.finish().number, 7, "status of the first")


@case
def schedule_multiple():
    """Both run; when one stops so does the other."""
    with Extended() as s:
        pids = []
        for _ in range(2):
            s.run("signalling", "loop")
            pids.append(s.pid)
            s.point(0, "work")
        for _ in range(4):
            stop = s.cont()
            check("swbreak" in stop.fields, stop)
            for pid in pids:
                check(task_state(pid) == "t", "%d runs" % pid)
            s.use(ptid(stop.fields["thread"])[0])
            s.clear(0, "work")
            s.step()
            s.point(0, "work")
        for pid in pids:
            equal(s.packet("vKill;%x" % pid), "OK", "vKill")
            check(ended(pid), "%d lives on" % pid)


@case
def breakpoint_over_a_trap_of_the_programs():
    """In two programs at one address, as gdb's calls have it."""
    with Extended() as s:
        pids = []
        for _ in range(2):
            s.run("signalling", "loop")
            pids.append(s.pid)
            s.write(s.addr("handled"), b"\xcc")
            s.point(0, "handled")
        for pid in pids:
            s.use(pid)
            s.clear(0, "handled")
            equal(s.read(s.addr("handled"), 1), b"\xcc", "what was there")


@case
def attach_to_several():
    with Program("signalling", "loop") as p, \
            Program("signalling", "loop") as q, Extended() as s:
        p.line(), q.line()
        s.attach(p.pid)
        s.attach(q.pid)
        equal(s.packet("qAttached:%x" % p.pid), "1", "qAttached")
        equal(s.pids(), sorted([p.pid, q.pid]), "processes")
        equal(s.packet("D;%x" % p.pid), "OK", "D")
        check(until(lambda: task_state(p.pid) in "SR"), "it does not run")
        equal(task_state(q.pid), "t", "state of the other")
        equal(s.packet("vKill;%x" % q.pid), "OK", "vKill")
        check(ended(q.pid), "it lives on")
        equal(s.pids(), [], "processes")
        equal(p.proc.poll(), None, "the first has ended")


@case(peer="gdbserver starts nothing after a program that was not there")
def failures_leave_it_ready():
    with Extended() as s:
        for text in ("vAttach;7fffffff", "vKill;7fffffff", "D;7fffffff",
                     "vRun;" + b"/nowhere/prog".hex()):
            check(s.packet(text)[:1] == "E", text)
        s.run("signalling", "exit", "7")
        check(s.packet("vAttach;%x" % s.pid)[:1] == "E", "attached twice")
        equal(s.finish().number, 7, "status")


@case
def started_through_a_wrapper():
    with Extended("--wrapper", "env", "WRAPPED=yes", "--") as s:
        s.run("signalling", "exit", "7")
        with open("/proc/%d/environ" % s.pid, "rb") as f:
            check(b"WRAPPED=yes\0" in f.read(), "not wrapped")
        equal(os.path.basename(os.readlink("/proc/%d/exe" % s.pid)),
              "signalling", "program")
        equal(s.finish().number, 7, "status")


@case(peer="gdbserver's quotes change a ' and a newline")
def arguments_are_literal():
    words = ["", "a b", "$HOME", "*", "'", '"', "\\", ";", "a\nb", "~", "&",
             "it's `not` a command"]
    with Extended() as s:
        s.run("signalling", *words)
        equal(arguments(s.pid), words, "arguments")


@case(peer="gdbserver quotes them all")
def backquotes_are_the_shells():
    """gdb 13 splits `echo a b` at its blanks."""
    with Extended() as s:
        s.run("signalling", "`echo", "exit", "8`")
        equal(arguments(s.pid), ["exit", "8"], "arguments")
        s.run("", "x'`echo", "$((1+1))`y", "$HOME", "`")
        equal(arguments(s.pid), ["x'`echo", "$((1+1))`y", "$HOME", "`"],
              "with one too many")
        equal(s.packet("QStartupWithShell:0"), "OK", "QStartupWithShell")
        s.run("", "`echo", "a`")
        equal(arguments(s.pid), ["`echo", "a`"], "without a shell")


@case
def environment_and_directory():
    with Extended() as s:
        home = os.path.expanduser("~")
        equal(s.packet("QSetWorkingDir:" + b"~/".hex()), "OK", "cwd")
        equal(s.packet("QEnvironmentHexEncoded:" + b"EXT=1".hex()), "OK",
              "environment")
        s.run("signalling", "exit", "7")
        equal(os.readlink("/proc/%d/cwd" % s.pid), home.rstrip("/"), "cwd")
        with open("/proc/%d/environ" % s.pid, "rb") as f:
            check(b"EXT=1\0" in f.read(), "not in the environment")


@case(peer="gdbserver's ^C goes to the group that it started")
def interrupt_reaches_a_new_session():
    with Extended() as s:
        s.run("signalling", "daemon")
        fork = s.cont()
        child = ptid(fork.fields["fork"])[0]
        equal(s.packet("D;%x" % s.pid), "OK", "D")
        s.use(child)
        s.start("vCont;c:p%x.-1" % child)
        check(until(lambda: "ready" in s.printed()), "it did not start")
        equal(os.getsid(child), child, "session")
        stop = s.interrupt()
        equal((stop.number, stop.tid), (2, child), "stop")
        equal(s.packet("vKill;%x" % child), "OK", "vKill")


@case
def stopping_what_has_ended_is_no_error():
    """In non-stop mode, before the client has been told of the end."""
    with Extended() as s:
        equal(s.packet("QNonStop:1"), "OK", "QNonStop")
        s.run("signalling", "exit", "7")
        equal(s.packet("vCont;c:p%x.-1" % s.pid), "OK", "vCont;c")
        check(s.receive(5, notes=True) is None and s.notes, "no notification")
        end = Stop(s.notes[0][len("Stop:"):])
        equal((end.kind, end.number), ("W", 7), "end")
        equal(s.packet("vCont;t:p%x.%x" % (s.pid, s.pid)), "OK", "vCont;t")
        equal(s.packet("vStopped"), "OK", "vStopped")


# --- clients ----------------------------------------------------------------

@case
def next_client_finds_all_as_it_was():
    """Two programs, stopped in different places."""
    with Extended() as s:
        s.run("signalling", "loop")
        one = s.pid
        s.run_to("work")
        at = s.pc()
        s.run("signalling", "exit", "9")
        two, entry = s.pid, s.pc()
        s.use(one)
        s.start("vCont;s:p%x.%x" % (one, one))
        last = s.wait()
        equal(last.tid, one, "who was stepped")
        here = s.pc()
        check(here != at, "it did not step")
        s.go()
        s.come()
        equal(ptid(s.first.fields["thread"]), (one, one), "who stopped last")
        equal(s.first.number, 5, "its signal")
        equal(s.pids(), sorted([one, two]), "processes")
        s.use(one)
        equal(hex(s.pc()), hex(here), "pc of the first")
        s.point(0, "work")
        s.start("vCont;c:p%x.-1" % one)
        s.at("work", s.wait())
        s.clear(0, "work")
        s.use(two)
        equal(hex(s.pc()), hex(entry), "pc of the second")
        s.start("vCont;c:p%x.-1" % two)
        equal(s.wait().number, 9, "status")


@case
def breakpoints_of_a_client_that_went_can_be_set_again():
    with Extended() as s:
        s.run("signalling", "loop")
        s.run_to("work")
        s.point(0, "work")
        s.go()
        s.come()
        s.use(s.pid)
        s.point(0, "work")
        s.step()
        s.at("work", s.cont())


@case(peer="gdbserver leaves them in the program")
def breakpoints_go_with_their_client():
    with Extended() as s:
        s.run("signalling", "loop")
        s.run_to("work")
        s.point(0, "work")
        s.step()
        s.go()
        s.come()
        s.use(s.pid)
        s.start()
        s.quiet(0.1)
        s.interrupt()
        s.set_var("go", 1)
        equal(s.finish().number, 3, "status")


@case(peer="gdbserver lets what was attached to stand still")
def a_stopped_program_is_told_of_beside_one_that_ran():
    """The next client stops what ran on, but hears of what had stopped."""
    with Program("signalling", "loop") as p, Extended() as s:
        p.line()
        s.run("signalling", "loop")
        s.attach(p.pid)
        s.use([pid for pid in s.pids() if pid != p.pid][0])
        s.run_to("work")
        s.go()
        check(until(lambda: task_state(p.pid) in "SR"), "it stands still")
        equal(task_state(s.pid), "t", "state of what was started")
        s.come()
        equal(ptid(s.first.fields["thread"]), (s.pid, s.pid), "who stopped")
        equal(s.first.number, 5, "for what")
        equal(task_state(p.pid), "t", "state of what was attached to")
        s.use(s.pid)
        equal(hex(s.pc()), hex(s.addr("work")), "pc")
        equal(s.packet("D;%x" % p.pid), "OK", "D")
        check(until(lambda: task_state(p.pid) in "SR"), "it does not run")


@case
def many_clients_one_after_another():
    with Extended() as s:
        for i in range(20):
            s.run("signalling", "exit", str(i))
            if i % 2:
                equal(s.finish().number, i, "status")
            else:
                equal(s.packet("vKill;%x" % s.pid), "OK", "vKill")
            s.go()
            s.come()
            equal(s.first.text, "W00", "what the next client is told")


def sessions(p, elf):
    """Packets of a client's life; PID stands for what it started."""
    prog = inferior("signalling").encode().hex()
    loop, leave = b"loop".hex(), b"exit".hex() + ";" + b"3".hex()
    return (
        ["vRun;%s;%s" % (prog, loop), "?", "Hgp%(pid)x.%(pid)x", "g",
         "qfThreadInfo", "qXfer:threads:read::0,1000",
         "Z0,%(work)x,1", "vCont;c", "z0,%(work)x,1", "vCont;s:p%(pid)x.-1",
         "vRun;;%s" % leave, "vCont;c:p%(pid)x.-1", "Z2,%(done)x,4",
         "vCont;c", "R00", "?", "k"],
        ["vAttach;%x" % p.pid, "Hgp%x.0" % p.pid, "g", "vCont;s",
         "vRun;%s;%s" % (prog, loop), "vCont;s:p%x.-1" % p.pid,
         "D;%x" % p.pid, "vAttach;%x" % p.pid, "vKill;%(pid)x", "vCont;c", "D;%x" % p.pid])


def play(s, packets, n, whole):
    """The first n; the last of them without its reply, unless whole."""
    known = {"pid": 0, "work": 0, "done": 0}
    for i, text in enumerate(packets[:n]):
        if "%(" in text and not known["work"]:
            s.use(known["pid"])
            known["work"], known["done"] = s.addr("work"), s.addr("done")
        s.send(text % known if "%(" in text else text)
        if text[0] in "kR" or (i == n - 1 and not whole):
            continue
        reply = s.receive(0.05 if text.startswith("vCont;c") else 5)
        if text.startswith("vRun"):
            stop = Stop(reply.decode())
            known["pid"] = ptid(stop.fields["thread"])[0]
        if reply is None:
            s.interrupt()


def cut(s, p, packets, n, whole):
    """The next client can do anything; nothing of ours is left in p."""
    play(s, packets, n, whole)
    s.go()
    s.come()
    for pid in s.pids():
        if pid != p.pid:
            equal(s.packet("vKill;%x" % pid), "OK", "vKill")
            check(ended(pid), "%d lives on" % pid)
        else:
            equal(s.packet("D;%x" % pid), "OK", "D")
    equal(s.pids(), [], "processes")
    check(until(lambda: task_state(p.pid) in "SR"), "it stands still")
    equal(p.proc.poll(), None, "it has ended")
    s.run("signalling", "exit", "7")
    equal(s.finish().number, 7, "status")


@case(peer="gdbserver crashes when its client goes",
      seconds=60)
def client_goes_at_every_packet():
    with Program("signalling", "loop") as p, Extended() as s:
        p.line()
        s.elf = Elf(inferior("signalling"))
        for packets in sessions(p, s.elf):
            for n in range(len(packets) + 1):
                for whole in (True, False):
                    try:
                        cut(s, p, packets, n, whole)
                    except AssertionError as e:
                        raise AssertionError("after %d (%s): %s" % (
                            n, packets[n - 1][:20], e)) from e


@case
def monitor_exit_ends_it():
    with Extended() as s:
        s.run("signalling", "loop")
        s.send("qRcmd," + b"exit".hex())
        equal(s.server.wait(PATIENCE), 0, "its status")
        check(ended(s.pid), "the program lives on")


@case
def sigterm_ends_it():
    with Program("signalling", "loop") as p, Extended() as s:
        p.line()
        s.attach(p.pid)
        s.run("signalling", "loop")
        s.server.send_signal(signal.SIGTERM)
        s.server.wait(PATIENCE)
        check(ended(s.pid), "the program lives on")
        check(until(lambda: task_state(p.pid) in "SR"), "it stands still")


@case
def interrupt_stops_what_was_begun_last():
    """Of several programs, whichever the client selects to look at them."""
    with Program("signalling", "loop") as p, \
            Program("signalling", "loop") as q, Extended() as s:
        s.run("signalling", "loop")
        for program in p, q, p, q:
            s.attach(program.pid)
            for _ in range(3):
                s.start("vCont;c")
                time.sleep(0.02)
                stop = s.interrupt()
                equal((stop.number, ptid(stop.fields["thread"])[0]),
                      (2, program.pid), "who stops")
            equal(s.packet("D;%x" % program.pid), "OK", "D")


@case
def interrupt_waits_for_steps_of_another():
    """As of a client that takes a thread off a breakpoint before it lets all
    go on."""
    with Program("signalling", "loop") as p, Extended() as s:
        s.run("signalling", "loop")
        runs = s.pid
        s.run_to("work")
        s.attach(p.pid)
        s.use(runs)
        for n in 1, 3, 1, 2:
            for _ in range(n):
                was = s.pc()
                s.sock.sendall(b"\x03")
                stop = s.step(runs)
                equal((stop.number, ptid(stop.fields["thread"])[0]),
                      (5, runs), "who steps")
                check(s.pc() != was, "no step was done")
            s.start("vCont;c")
            stop = s.wait()
            equal((stop.number, ptid(stop.fields["thread"])[0]),
                  (2, p.pid), "who stops")
            s.use(runs)
            s.point(0, "work")
            s.start("vCont;c:p%x.-1" % runs)
            s.wait()
            s.clear(0, "work")


@case(seconds=60)
def interrupt_waits_for_many_stops_of_another():
    """More threads than a ^C waits for steps have met a breakpoint before it,
    and are told first, between runs of all."""
    with Program("signalling", "loop") as p, Extended() as s:
        s.run("counting", "24")
        runs = s.pid
        s.run_to("all_there")
        s.select(max(s.tids()))
        where = s.pc()
        s.attach(p.pid)
        s.use(runs)
        s.point(0, where)
        s.start("vCont;c:p%x.-1" % runs)
        stop = s.wait()
        equal(ptid(stop.fields["thread"])[0], runs, "who meets it")
        s.sock.sendall(b"\x03")
        for _ in range(2000):
            who = ptid(stop.fields["thread"])
            s.clear(0, where)
            equal(s.step(who[1]).number, 5, "a step")
            s.point(0, where)
            s.start("vCont;c")
            stop = s.wait()
            if stop.number == 2:
                break
        equal((stop.number, ptid(stop.fields["thread"])[0]), (2, p.pid),
              "who stops")


@case
def interrupt_ends_with_its_process():
    """One that comes while nothing runs, as from gdb's -exec-interrupt, is not
    for a program that is started after it."""
    with Program("signalling", "loop") as p, Extended() as s:
        s.run("signalling", "exit", "7")
        s.sock.sendall(b"\x03")
        equal(s.packet("vKill;%x" % s.pid), "OK", "vKill")
        s.run("signalling", "exit", "7")
        equal(s.finish().number, 7, "status")
        s.attach(p.pid)
        s.run("signalling", "exit", "9")
        s.sock.sendall(b"\x03")
        equal(s.packet("vKill;%x" % s.pid), "OK", "vKill")
        s.use(p.pid)
        s.run_to("work")


@case(peer="gdbserver's SIGINT waits for the process that stands still")
def interrupt_of_endless_steps():
    """What was begun last stands still: any other stops, in time."""
    with Program("signalling", "loop") as p, Extended() as s:
        s.run("signalling", "loop")
        runs = s.pid
        s.run_to("work")
        s.attach(p.pid)
        s.use(runs)
        s.sock.sendall(b"\x03")
        stops = [s.step(runs).number for _ in range(20)]
        check(2 in stops, "steps go on:", stops)


def step_that_waits(early):
    """Into a call that does not return, another program standing still; it is
    interrupted before it begins, or as it waits."""
    with Program("signalling", "loop") as p, Extended() as s:
        s.run("signalling", "read")
        runs = s.pid
        s.run_to("the_call")
        s.attach(p.pid)
        s.use(runs)
        if early:
            s.sock.sendall(b"\x03")
        s.start("vCont;s:p%x.%x" % (runs, runs))
        if early:
            stop = s.wait()
        else:
            check(until(lambda: task_state(runs) == "S"), "it does not wait")
            stop = s.interrupt()
        equal(ptid(stop.fields["thread"])[0], runs, "who stops")


@case(peer="gdbserver's SIGINT waits for the process that stands still")
def interrupt_of_a_step_that_waits():
    step_that_waits(early=False)


@case(peer="gdbserver's SIGINT waits for the process that stands still")
def interrupt_before_a_step_that_waits():
    """It came between two stops, and the step is seen before it waits."""
    step_that_waits(early=True)


@case(peer="gdbserver stops before it about as often")
def attach_meets_a_waiting_signal():
    """It is what the thread stops for, and reaches it at detach."""
    with Program("jobs", "value") as p, Extended() as s:
        equal(p.line(), "ready 0", "the program")
        flooding = True

        def flood():
            while flooding:
                os.kill(p.pid, signal.SIGUSR1)
        thread = threading.Thread(target=flood)
        thread.start()
        try:
            for _ in range(500):
                stop = s.attach(p.pid)
                if stop.number:
                    break
                equal(s.packet("D;%x" % p.pid), "OK", "D")
        finally:
            flooding = False
            thread.join()
        equal(stop.number, 30, "signal")        # gdb's of SIGUSR1
        equal(s.xfer("siginfo")[0], signal.SIGUSR1, "si_signo")
        s.elf, s.base = Elf(p.path), None
        before = s.var("handled")

        def has_come():
            equal(s.packet("D;%x" % p.pid), "OK", "D")
            s.attach(p.pid)
            return s.var("handled") > before
        check(until(has_come), "it is lost")


if __name__ == "__main__":
    raise SystemExit(main())
