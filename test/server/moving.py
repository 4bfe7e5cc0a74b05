"""Where conditions are evaluated, and what the server's monitor says. Standard
library only."""
from rsp import equal

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
