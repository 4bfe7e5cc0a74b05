#!/usr/bin/env python3
"""Translated code that is saved, and put into the cache by later runs.

usage: saved.py [--server S] [CASE...]

Each run is compared with a native one, whatever was saved.
"""
import os
import random
import shutil
import subprocess
import time

from hints import PROGRAM, check, followed, main

LARGE = 100000  # bytes: some hundred blocks

PROGRAMS = (
    PROGRAM,
    ["python3", "-c", "import json, threading\n"
     "t = [threading.Thread(target=json.dumps, args=([i] * 99,))\n"
     "     for i in range(4)]\n"
     "[x.start() for x in t]; [x.join() for x in t]\n"
     "print(sum(hash(i) for i in range(1000)))"],
    ["sh", "-c", "ls / | sort | md5sum; kill -TERM $$"],
)

CODE = """
#include <stdio.h>
static volatile int n = %d;
int main(void)
{
	int sum = 0;
	for (int i = 0; i < 50; i++)
		sum += i %% %d + n;
	printf("%%d\\n", sum);
	return %d;
}
"""


def saved_files(hints):
    code = os.path.join(hints, "code")
    return [os.path.join(code, f) for f in sorted(os.listdir(code))
            if not f.startswith(".")]


def saved(opt, hints, argv=None, options=(), runs=3):
    """The counters of the last of some runs: hints are learnt by the first, by
    which the second translates what it saves."""
    for _ in range(runs):
        stats = followed(opt, hints, argv, options)
    return stats


def the_third_time(opt, tmp):
    for n, argv in enumerate(PROGRAMS):
        hints = os.path.join(tmp, str(n))
        options = ["--follow-forks"] if argv[0] == "sh" else []
        cold = followed(opt, hints, argv, options)
        check(not cold["blocks_saved"], cold["blocks_saved"])
        warm = saved(opt, hints, argv, options)
        # The hostile build writes half of its operands so that they are not.
        most = 0.3 if "hostile" in opt.server else 0.7
        check(warm["blocks_saved"] > most * warm["blocks"],
              warm["blocks_saved"], warm["blocks"])
        check(warm["stops"] < 0.6 * cold["stops"],
              warm["stops"], cold["stops"])


def grows(opt, tmp):
    """By what another command runs of the same program."""
    one = ["python3", "-c", "print(1)"]
    other = ["python3", "-c", "import json; print(json.loads('[1, 2.5]'))"]
    before = saved(opt, tmp, one)["blocks_saved"]
    size = sum(os.path.getsize(f) for f in saved_files(tmp))
    saved(opt, tmp, other, runs=4)
    check(sum(os.path.getsize(f) for f in saved_files(tmp)) > size)
    check(followed(opt, tmp, one)["blocks_saved"] > before)


def damaged(opt, tmp):
    chance = random.Random(5)
    all_of_it = saved(opt, tmp)["blocks_saved"]
    kept = os.path.join(tmp, "kept")
    shutil.copytree(os.path.join(tmp, "code"), kept)
    # Of small ones the loss is not seen: runs differ by some blocks.
    large = [name for name in sorted(os.listdir(kept))
             if os.path.getsize(os.path.join(kept, name)) > LARGE]
    check(len(large) > 1, "files", large)
    for _ in range(12):
        name = chance.choice(large)
        with open(os.path.join(kept, name), "rb") as f:
            text = bytearray(f.read())
        for _ in range(chance.choice((1, 2, 100))):
            text[chance.randrange(len(text))] ^= 1 << chance.randrange(8)
        if chance.random() < 0.3:
            del text[chance.randrange(len(text)):]
        with open(os.path.join(tmp, "code", name), "wb") as f:
            f.write(text)
        # What is no good is made again.
        check(followed(opt, tmp)["blocks_saved"] < all_of_it, name)
        check(followed(opt, tmp)["blocks_saved"] > 0.9 * all_of_it, name)


def of_nobody_else(opt, tmp):
    check(saved(opt, tmp)["blocks_saved"])
    for name in saved_files(tmp):
        os.chmod(name, 0o622)
    os.chmod(os.path.join(tmp, "code"), 0o500)
    if os.geteuid() == 0:       # ... who may write there all the same
        os.chmod(os.path.join(tmp, "code"), 0o722)
    check(not saved(opt, tmp)["blocks_saved"])


def another_file(opt, tmp):
    """One that has the same name, build ID and size."""
    program, hints = os.path.join(tmp, "program"), os.path.join(tmp, "hints")
    source = os.path.join(tmp, "code.c")

    def put(n):
        with open(source, "w", encoding="ascii") as f:
            f.write(CODE % (n, 3 + n, n))
        subprocess.run(["cc", "-O1", "-static", "-Wl,--build-id=0x123456",
                        "-o", program, source], check=True)
        # What has changed just now might change again.
        time.sleep(3)

    put(1)
    check(saved(opt, hints, [program])["blocks_saved"])
    put(2)
    check(not followed(opt, hints, [program])["blocks_saved"])
    check(saved(opt, hints, [program])["blocks_saved"])


def on_request(opt, tmp):
    """What is recorded is not in it, and nothing is saved where it is off."""
    check(saved(opt, tmp)["blocks_saved"])
    for mode in ("--coverage=/dev/null", "--count=/dev/null"):
        check(not followed(opt, tmp, options=[mode])["blocks_saved"], mode)
    small = followed(opt, tmp, cache="2M")
    check(small["blocks_saved"] <= small["blocks"])
    os.environ["TRACESTUB_CODE"] = "off"
    hints = os.path.join(tmp, "off")
    check(not saved(opt, hints)["blocks_saved"])
    check(not os.path.exists(os.path.join(hints, "code")))
    del os.environ["TRACESTUB_CODE"]


CASES = (the_third_time, grows, damaged, of_nobody_else, another_file,
         on_request)


if __name__ == "__main__":
    main(__doc__, CASES)
