"""Sourced before every script: settings, and commands made for tests."""
import os
import threading
import time

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


def is_asleep(pid):
    """Is it blocked in a call, and was a moment ago? No stop is like that."""
    def state():
        with open("/proc/%d/stat" % pid, encoding="latin-1") as f:
            return f.read().rpartition(")")[2].split()[0]

    def asleep():
        try:
            return state() == "S"
        except OSError:
            return False

    if not asleep():
        return False
    time.sleep(0.02)
    return asleep()


class Asleep(gdb.Command):
    """asleep COMMAND: runs it once the program that runs then is blocked."""

    def __init__(self):
        super().__init__("asleep", gdb.COMMAND_USER)

    def invoke(self, arg, from_tty):
        pid = gdb.selected_inferior().pid

        def run():
            while not is_asleep(pid):
                time.sleep(0.01)
            gdb.post_event(lambda: gdb.execute(arg))

        threading.Thread(target=run, daemon=True).start()


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


for command in (Try, Asleep, Silently, NeedFeature):
    command()
