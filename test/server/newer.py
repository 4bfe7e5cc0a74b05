#!/usr/bin/env python3
"""What gdb 14 to 18 say and ask, where gdb 13 cannot be the client."""
import os

from extended_client import Extended, arguments
from rsp import FEATURES, Session, case, check, equal, inferior, main

NEWER = "gdbserver 13 does not know it"


def hexed(text):
    return text.encode().hex()


class Newer(Extended):
    def __init__(self, *options, features):
        super().__init__(*options, features=FEATURES + ";" + features)


# --- arguments --------------------------------------------------------------

@case(peer=NEWER)
def one_string_of_arguments():
    """The shell makes words of it: single-inf-arg."""
    with Newer(features="single-inf-arg+") as s:
        check("single-inf-arg+" in s.supported, "not said back")
        run = "vRun;%s;" % hexed(inferior("signalling"))
        s.started(run + hexed("""'a b' "c\\"d" `echo e f` $((1+1)) ~ \\\\ ''"""))
        equal(arguments(s.pid), ["a b", 'c"d', "e", "f", "2",
                                 os.path.expanduser("~"), "\\", ""], "words")
        equal(s.packet("qExecAndArgs"), "S;%s;%s;" % (hexed(inferior("signalling")), hexed(
            """'a b' "c\\"d" `echo e f` $((1+1)) ~ \\\\ ''""")), "told back")
        s.started("vRun;;")
        equal(arguments(s.pid), [], "none")
        s.started(run)
        equal(arguments(s.pid), [], "none at all")
        check(s.packet(run + hexed("'a"))[0] == "E", "half a quote")
        check(s.packet(run + "61;62")[0] == "E", "two strings")


@case(peer=NEWER)
def one_string_without_a_shell():
    """Quotes mean the same, and nothing else does anything."""
    with Newer(features="single-inf-arg+") as s:
        equal(s.packet("QStartupWithShell:0"), "OK", "QStartupWithShell")
        s.started("vRun;%s;%s" % (
            hexed(inferior("signalling")),
            hexed("""'a b'  "c\\"d\\e"\t`echo` $HOME \\  x''y""")))
        equal(arguments(s.pid), ["a b", 'c"d\\e', "`echo`", "$HOME", " ",
                                 "xy"], "words")


@case(peer=NEWER)
def not_said_back_to_who_did_not_say_it():
    with Newer(features="multi-wp-addr+") as s:
        for word in "single-inf-arg", "multi-wp-addr", "error-message":
            check(word not in s.supported, word, "in", s.supported)


@case(peer=NEWER)
def what_the_server_was_started_with():
    with Session("signalling", "exit", "a b", "$x", "") as s:
        equal(s.packet("qExecAndArgs"), "S;%s;%s;" % (
            hexed(s.path), hexed("exit 'a b' '$x' ''")), "program")
    with Newer(features="single-inf-arg+") as s:
        equal(s.packet("qExecAndArgs"), "U", "no program")


@case(peer=NEWER)
def arguments_that_are_not_escaped():
    with Session("signalling", "exit", "$((1+2))",
                 options=["--no-escape-args"]) as s:
        equal(arguments(s.pid), ["exit", "3"], "words")
        equal(s.packet("qExecAndArgs"), "S;%s;%s;" % (
            hexed(s.path), hexed("exit $((1+2))")), "told back")


# --- watchpoints ------------------------------------------------------------

def wide(features):
    with Session("watching", "wide", features=features) as s:
        s.run_to("begin")
        area = s.addr("area")
        for i in range(2):
            s.point(2, area + 8 * i, 8)
        s.point(4, area + 4, 1)
        return area, s.cont()


@case
def one_of_several_watchpoints():
    """Of an instruction that writes to three: who expects one is told one."""
    area, stop = wide(FEATURES)
    equal(stop.text.count("watch:"), 1, stop)
    check(area <= int(stop.fields["watch"], 16) < area + 16, stop)


@case(peer=NEWER)
def all_of_several_watchpoints():
    area, stop = wide(FEATURES + ";multi-wp-addr+")
    told = [(key, int(value, 16) - area) for key, _, value in (
        part.partition(":") for part in stop.text[3:].split(";"))
        if key.endswith("watch")]
    equal(sorted(told), [("awatch", 4), ("watch", 0), ("watch", 8)], stop)


# --- errors -----------------------------------------------------------------

@case
def errors_of_old_are_numbers():
    """m and qRcmd answered with E.text are misread by gdb up to 15."""
    with Session("signalling", "exit", "7") as s:
        for text in "m0,8", "qRcmd," + hexed("no such thing"):
            s.send(text)
            reply = "O"
            while reply[0] == "O" and reply != "OK":
                reply = s.receive(5).decode("latin-1")
            check(reply == "OK" or (len(reply) == 3 and reply[0] == "E"),
                  text, "answers", reply)


@case(peer=NEWER)
def errors_are_text_for_who_reads_it():
    with Session("signalling", "exit", "7",
                 features=FEATURES + ";error-message+") as s:
        check("error-message+" in s.supported, "not said back")
        for text in "m0,8", "x0,8", "qRcmd," + hexed("no such thing"):
            s.send(text)
            reply = "O"
            while reply[0] == "O" and reply != "OK":
                reply = s.receive(5).decode("latin-1")
            check(reply.startswith("E."), text, "answers", reply)


if __name__ == "__main__":
    raise SystemExit(main())
