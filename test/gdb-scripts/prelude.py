"""Sourced before every script: settings, and commands made for tests."""
import os
import threading

import gdb

for setting in ("confirm off", "pagination off", "width 0", "height 0",
                "style enabled off", "debuginfod enabled off",
                "print address on", "python print-stack message",
                "auto-load off", "tcp connect-timeout 10"):
    gdb.execute("set " + setting)
gdb.set_convenience_variable("scratch", os.environ["SCRATCH"])


class Try(gdb.Command):
    """try COMMAND: an error is printed and the script goes on."""

    def __init__(self):
        super().__init__("try", gdb.COMMAND_USER)

    def invoke(self, arg, from_tty):
        try:
            gdb.execute(arg, False)
        except gdb.error as e:
            print("error: %s" % e)


class After(gdb.Command):
    """after SECONDS COMMAND: runs it while the program runs."""

    def __init__(self):
        super().__init__("after", gdb.COMMAND_USER)

    def invoke(self, arg, from_tty):
        seconds, command = arg.split(None, 1)

        def run():
            gdb.post_event(lambda: gdb.execute(command))

        timer = threading.Timer(float(seconds), run)
        timer.daemon = True
        timer.start()


class Silently(gdb.Command):
    """silently COMMAND: without what it prints."""

    def __init__(self):
        super().__init__("silently", gdb.COMMAND_USER)

    def invoke(self, arg, from_tty):
        gdb.execute(arg, False, True)


class NeedFeature(gdb.Command):
    """need-feature NAME: ends the session unless the server offers it."""

    def __init__(self):
        super().__init__("need-feature", gdb.COMMAND_USER)

    def invoke(self, arg, from_tty):
        said = gdb.execute("show remote %s-packet" % arg, False, True)
        if "currently enabled" not in said:
            print("no-feature")
            gdb.execute("kill")
            gdb.execute("quit")


for command in (Try, After, Silently, NeedFeature):
    command()
