#!/usr/bin/env python3
"""Run one lldb script as its user would, with tracestub in lldb-server's place
(LLDB_DEBUGSERVER_PATH), in every lldb that there is, and judge what it printed.

usage: lldb-script.py [--server CMD] [--inferiors DIR] [--lldb LLDB] [--show]
                      NAME.lldb

Comments at the script's head say how:

  # inferior: NAME [ARG...]   a program of test/inferiors/BUILD; `run' starts it
                              with these arguments
  # lldb: VERSION             no older one can do what is in it

NAME.expect, a line a pattern: regular expressions that match lines of lldb's
output in this order; "not: RE" must match no line; "#" comments. $tmp in a
script is a folder of its own.
exit status: 0 good, 77 skipped (the last line says why), else failed.
"""
import argparse
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

LIMIT = 100     # seconds for an lldb to come to the script's end


def lldbs():
    found = sorted(glob.glob("/usr/bin/lldb-[0-9][0-9]"))
    return found or [p for p in [shutil.which("lldb")] if p]


def version(lldb):
    said = subprocess.run([lldb, "--version"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, check=False).stdout
    found = re.search(rb"lldb version (\d+)", said)
    return int(found[1]) if found else 0


def environment(lldb, server):
    """Debian's package of 14 does not find its own modules, and takes another
    Python's if that is first on the path."""
    number = re.sub(r"\D", "", os.path.basename(os.path.realpath(lldb)))
    where = glob.glob("/usr/lib/llvm-%s/lib/python3*/*-packages/lldb/"
                      "__init__.py" % (number or "*"))
    path = [os.path.dirname(os.path.dirname(p)) for p in where]
    return dict(os.environ, PYTHONPATH=":".join(path), PATH="/usr/bin:/bin",
                LLDB_DEBUGSERVER_PATH=os.path.abspath(server))


def head(path):
    """The comments that say how; and the commands."""
    settings, commands = {}, []
    with open(path, encoding="utf-8") as f:
        for line in f:
            found = re.match(r"# (\w+): (.*)", line)
            if found:
                settings[found[1]] = found[2]
            elif not line.startswith("#"):
                commands.append(line.rstrip("\n"))
    return settings, commands


def wrapper(server, tmp):
    """The server, whose starts are counted: had lldb taken its own, nothing
    would show it."""
    path, starts = os.path.join(tmp, "server"), os.path.join(tmp, "starts")
    with open(path, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\necho \"$1\" >>'%s'\nexec %s \"$@\"\n" % (
            starts, shlex.quote(os.path.abspath(server))))
    os.chmod(path, 0o755)
    return path, starts


def run(lldb, options, settings, commands, tmp):
    program, *args = shlex.split(settings["inferior"])
    script = os.path.join(tmp, "commands")
    with open(script, "w", encoding="utf-8") as f:
        f.write("settings set use-color false\n")
        f.write("settings set auto-confirm true\n")
        f.write("\n".join(commands).replace("$tmp", tmp) + "\n")
    server, starts = wrapper(options.server, tmp)
    # What -b stops at, a crash, is what some scripts are about.
    out = subprocess.run(
        [lldb, "--no-lldbinit", "-b", "-s", script, "-k", "quit 1", "--",
         os.path.join(os.path.abspath(options.inferiors), program), *args],
        env=environment(lldb, server), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT,
        check=False).stdout.decode(errors="replace")
    return out, os.path.exists(starts)


def judge(expect, out):
    """What is missing of it, or there and should not be."""
    lines = out.splitlines()
    at = 0
    with open(expect, encoding="utf-8") as f:
        for pattern in f.read().splitlines():
            if not pattern or pattern.startswith("#"):
                continue
            if pattern.startswith("not: "):
                if any(re.search(pattern[5:], x) for x in lines):
                    return "is there: " + pattern[5:]
                continue
            while at < len(lines) and not re.search(pattern, lines[at]):
                at += 1
            if at == len(lines):
                return "is missing: " + pattern
            at += 1
    return None


def main():
    p = argparse.ArgumentParser(usage=__doc__)
    p.add_argument("--server", default="build/rel/tracestub")
    p.add_argument("--inferiors", default="build/rel/test/inferiors")
    p.add_argument("--lldb")
    p.add_argument("--show", action="store_true")
    p.add_argument("script")
    options = p.parse_args()
    settings, commands = head(options.script)
    least = int(settings.get("lldb", "0"))
    found = [options.lldb] if options.lldb else lldbs()
    found = [p for p in found if not least or version(p) >= least]
    path = os.path.join(options.inferiors, settings["inferior"].split()[0])
    if not found or not os.path.exists(path):
        print("no lldb here" if not found and not least else
              "no lldb from %d on here" % least if not found else
              "%s is not built here" % path)
        return 77
    for lldb in found:
        with tempfile.TemporaryDirectory(prefix="tracestub-test.") as tmp:
            out, started = run(lldb, options, settings, commands, tmp)
        why = judge(os.path.splitext(options.script)[0] + ".expect", out)
        if not started:
            why = "it did not start the server it was given"
        if why or options.show:
            print(out)
        if why:
            print("%s: %s" % (lldb, why))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
