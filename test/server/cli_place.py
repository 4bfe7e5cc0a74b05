"""What tests of the command line from outside have in common."""
import argparse
import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import cli_client as rsp

OURS = 125          # exit status of the server's own failures
NOBODY = 65534
ONCE = ["--once"]
TESTS = []


class Skip(Exception):
    pass


def test(fn):
    TESTS.append((fn.__name__.replace("_", "-"), fn))
    return fn


def need(condition, why):
    if not condition:
        raise Skip(why)


def same(got, wanted, what="got"):
    assert got == wanted, "%s %r, not %r" % (what, got, wanted)


def has(text, regex):
    assert re.search(regex, text), "no /%s/ in: %s" % (regex, text)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def be_nobody():
    die_with_parent()
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


class Place:
    """A scratch directory, and what was started there; ended with it."""
    server = None       # its path

    def __init__(self):
        self.tmp = tempfile.TemporaryDirectory(prefix="cli-")
        self.dir = self.tmp.name
        os.chmod(self.dir, 0o755)
        self.started = []

    def end(self):
        # A traced program's end is its tracer's to see first.
        for p in reversed(self.started):
            if p.poll() is None:
                p.kill()
            p.wait(rsp.TIMEOUT)
        self.tmp.cleanup()

    def path(self, name, text=None, mode=0o644):
        path = os.path.join(self.dir, name)
        if text is not None:
            with open(path, "w", encoding="ascii") as f:
                f.write(text)
            os.chmod(path, mode)
        return path

    def run(self, *args, env=None, **how):
        """To its end: (status, stdout, stderr)."""
        p = subprocess.run([self.server, *args], cwd=self.dir, env=env,
                           text=True, stdin=subprocess.DEVNULL, capture_output=True,
                           timeout=rsp.TIMEOUT, check=False,
                           **{"preexec_fn": die_with_parent, **how})
        return p.returncode, p.stdout, p.stderr

    def spawn(self, argv, **how):
        how.setdefault("preexec_fn", die_with_parent)
        p = subprocess.Popen(argv, cwd=self.dir, **how)
        self.started.append(p)
        return p

    def serve(self, *rest, options=(), comm=":0", **how):
        """Listening: the process has .port and .said() added."""
        name = self.path("stderr-%d" % len(self.started))
        with open(name, "wb") as err:
            p = self.spawn([self.server, *options, comm, *rest],
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=err, **how)
        p.said = lambda: open(name, encoding="utf-8").read()
        until = time.monotonic() + rsp.TIMEOUT
        while "Listening on" not in p.said():
            assert p.poll() is None, "ended: " + p.said()
            assert time.monotonic() < until, "silent: " + p.said()
            time.sleep(0.01)
        port = re.search(r"^Listening on port (\d+)$", p.said(), re.M)
        p.port = int(port.group(1)) if port else 0
        return p

    def client(self, p, host="127.0.0.1"):
        return rsp.dial((host, p.port))

    def wait(self, p, status):
        same(p.wait(rsp.TIMEOUT), status, "exit status")
        return p.stdout.read().decode() if p.stdout else ""

    def sleeper(self, **how):
        return self.spawn(["sleep", "100"], **how)


def until_said(p, regex):
    end = time.monotonic() + rsp.TIMEOUT
    while not re.search(regex, p.said()):
        assert time.monotonic() < end, "no /%s/ in: %s" % (regex, p.said())
        time.sleep(0.01)


def one_line(place, regex, *args, **how):
    """Our own failure: one line that says why, and status 125."""
    status, out, err = place.run(*args, **how)
    same(status, OURS, "status")
    same(out, "", "on stdout")
    same(len(err.splitlines()), 1, "lines of %r:" % err)
    has(err, "^tracestub: .*" + regex)


def main():
    p = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    p.add_argument("--server", default="build/rel/tracestub")
    p.add_argument("--inferiors", help="not used here")
    p.add_argument("names", nargs="*", help="default: all")
    options = p.parse_args()
    Place.server = os.path.abspath(options.server)
    failed = 0
    for name, fn in TESTS:
        if options.names and name not in options.names:
            continue
        place = Place()
        try:
            fn(place)
            print("ok", name)
        except Skip as why:
            print("skip %s: %s" % (name, why))
        except Exception as e:  # whatever it is, the others go on
            failed += 1
            print("FAIL %s: %s: %s" % (name, type(e).__name__, e))
            traceback.print_exc()
        finally:
            place.end()
        sys.stdout.flush()
    sys.exit(failed > 0)
