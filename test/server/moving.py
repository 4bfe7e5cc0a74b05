"""Where conditions are evaluated, what the server's monitor says, and what comes
before a stop. Standard library only."""
import time

from rsp import Late, Stop, equal

PLACES = "server", "auto", "compiled"


def monitor(s, text):
    s.send("qRcmd," + text.encode().hex())
    said = ""
    while True:
        reply = s.receive(10).decode("latin-1")
        if reply[:1] != "O" or reply == "OK":
            return reply, said
        said += bytes.fromhex(reply[1:]).decode()


def choose(s, place):
    equal(monitor(s, "set conditions " + place)[0], "OK", "set conditions")


def stats(s):
    return dict(x.split("=") for x in s.packet("qTrace:stats").split(";")
                if "=" in x)


def say(s, text):
    """A command that is taken; what it says."""
    reply, said = monitor(s, text)
    equal(reply, "OK", text + ": " + said)
    return said


def told(s, seconds=30, how="vCont;c"):
    """The stop, and what was printed before it."""
    text, end = "", time.monotonic() + seconds
    s.start(how)
    while True:
        reply = s.receive(end - time.monotonic())
        if reply is None:
            raise Late("no stop")
        if reply[:1] != b"O":
            stop = Stop(reply.decode("latin-1"))
            if stop.tid:
                s.select(stop.tid)
            return stop, text
        text += bytes.fromhex(reply[1:].decode()).decode()
