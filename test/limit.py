#!/usr/bin/env python3
"""Run one command and leave nothing of it behind.

usage: limit.py [--strict] SECONDS OUTPUT COMMAND [ARG...]

Writes what the command prints to the file OUTPUT.  This process is the
"subreaper" of all that the command starts, so that at its end, or at the time
limit, exactly its processes are ended, by pid, however they detached.

exit status: the command's own, 128+N when signal N ended it, 124 at the time
limit; with --strict also 125 when the command ended well but left processes
behind that a second later were still there.
"""
import ctypes
import os
import signal
import sys
import time

PR_SET_CHILD_SUBREAPER = 36


def stat_of(pid):
    """(parent, state, name) or None."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as f:
            text = f.read().decode(errors="replace")
    except OSError:
        return None
    left, right = text.index("("), text.rindex(")")
    rest = text[right + 2:].split()
    return int(rest[1]), rest[0], text[left + 1:right]


def descendants(root):
    """Living descendants of root: [(pid, name)]."""
    kids = {}
    for entry in os.listdir("/proc"):
        st = stat_of(int(entry)) if entry.isdigit() else None
        if st and st[1] not in "ZX":
            kids.setdefault(st[0], []).append((int(entry), st[2]))
    out, todo = [], [root]
    while todo:
        for kid in kids.get(todo.pop(), ()):
            out.append(kid)
            todo.append(kid[0])
    return out


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def end_all(me):
    for _ in range(100):
        left = descendants(me)
        if not left:
            break
        for pid, _ in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        time.sleep(0.02)
        reap()
    reap()


def start(argv, out):
    pid = os.fork()
    if pid:
        return pid
    try:
        for sig in (signal.SIGTERM, signal.SIGINT):
            signal.signal(sig, signal.SIG_DFL)
        os.setsid()
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.execvp(argv[0], argv)
    except OSError as e:
        os.write(2, ("%s: %s\n" % (argv[0], e.strerror)).encode())
    os._exit(127)


def wait_limited(pid, limit, asked):
    """Wait status, or None at the limit (a polite SIGTERM 5 s before SIGKILL,
    for what closes its files on it)."""
    end, late = time.monotonic() + limit, False
    while True:
        done, status = os.waitpid(-1, os.WNOHANG)
        if done == pid:
            return None if late else status
        if done:
            continue
        now = time.monotonic()
        if not late and (now >= end or asked):
            late, end = True, now + 5
            os.kill(pid, signal.SIGTERM)
        elif late and now >= end:
            return None
        time.sleep(0.005)


def left_behind(me):
    for _ in range(50):
        left = descendants(me)
        if not left:
            return []
        time.sleep(0.02)
        reap()
    return left


def run(argv, limit, output, strict):
    asked = []
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: asked.append(1))
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    me = os.getpid()
    with open(output, "wb", buffering=0) as out:
        status = wait_limited(start(argv, out.fileno()), limit, asked)
        if status is None:
            out.write(b"\n-- time limit of %g s\n" % limit)
        left = left_behind(me) if strict and status is not None else []
        for pid, name in left:
            out.write(b"\n-- left behind: %d %s\n" % (pid, name.encode()))
    end_all(me)
    if status is None:
        return 124
    code = os.waitstatus_to_exitcode(status)
    code = code if code >= 0 else 128 - code
    return 125 if left and code == 0 else code


def main():
    args = sys.argv[1:]
    strict = bool(args) and args[0] == "--strict"
    args = args[strict:]
    if len(args) < 3:
        sys.exit(__doc__)
    sys.exit(run(args[2:], float(args[0]), args[1], strict))


if __name__ == "__main__":
    main()
