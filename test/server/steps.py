#!/usr/bin/env python3
"""Many steps, which slots make and not the trap flag (target/linux-ptrace/
step.h), as far as the machine is one that this is quicker on."""
from rsp import Program, Session, case, check, equal, main, task_state

PROGRAM = "manysteps"
EXIT = 7


def has_hypervisor():
    with open("/proc/cpuinfo", encoding="ascii") as f:
        flags = next(line for line in f if line.startswith("flags"))
    return " hypervisor " in flags


def maps(s):
    with open("/proc/%d/maps" % s.pid, encoding="ascii") as f:
        return f.readlines()


def is_region(line):
    """A mapping that is nobody's: slots are in such."""
    return " r-xp " in line and line.split()[4] == "0" and "[" not in line


def regions(s):
    return [line for line in maps(s) if is_region(line)]


def by_flag(s):
    """A debug register that was ever set has the processor make steps."""
    s.point(2, "word", 8)
    s.clear(2, "word", 8)


def trace(s, most=100000):
    """The registers at each instruction, to the end or of so many."""
    seen = [s.packet("g")]
    stop = s.step()
    while stop.kind == "T" and len(seen) < most:
        equal(stop.number, 5, "a step")
        seen.append(s.packet("g"))
        stop = s.step()
    if stop.kind != "T":
        equal((stop.kind, stop.number), ("W", EXIT), "its end")
    return seen


@case(peer=False, seconds=120)
def slots_do_what_the_flag_does():
    with Session(PROGRAM) as s:
        by_flag(s)
        want = trace(s)
    with Session(PROGRAM) as s:
        got = trace(s, 100)
        # Slow ones are the processor's: as many as it takes.
        while has_hypervisor() and not regions(s) and len(got) < 2000:
            got += trace(s, 100)
        equal(len(regions(s)), int(has_hypervisor()), "regions of slots")
        got += trace(s)
    check(len(want) > 2000, "only %d steps" % len(want))
    for i, (a, b) in enumerate(zip(want, got)):
        check(a == b, "step %d: registers are not those" % i)
    equal(len(got), len(want), "steps")


@case(peer=False)
def ranges_end_where_steps_do():
    with Session(PROGRAM) as s:
        by_flag(s)
        seen = trace(s)
    with Session(PROGRAM) as s:
        at = s.pc()
        for _ in range(20):
            s.step()
        s.start("vCont;r%x,%x:%s" % (at, s.addr("function"), s.name(s.tid())))
        s.at("function", s.wait())
        check(s.packet("g") in seen, "registers of no step")


@case(peer=False)
def breakpoints_are_met_amid_steps():
    with Session(PROGRAM) as s:
        for _ in range(200):
            s.step()
        s.point(0, "odd")
        for _ in range(100):
            stop = s.step()
            if s.pc() == s.addr("odd"):
                break
        equal(stop.number, 5, "a step to the breakpoint")
        s.at("odd", s.step())
        s.clear(0, "odd")
        check(s.step().number == 5 and s.pc() != s.addr("odd"), "off it")
        s.run_to("even")
        end = s.finish()
        equal((end.kind, end.number), ("W", EXIT), "end")


@case(peer=False)
def libraries_are_where_they_would_be():
    """They are loaded after the first steps."""
    def at_main(steps):
        with Session("calls") as s:
            for _ in range(steps):
                s.step()
            s.run_to("main")
            return [x for x in maps(s) if not is_region(x)]
    equal(at_main(500), at_main(0), "mappings")


@case(peer=False)
def programs_are_left_as_they_were():
    with Program(PROGRAM, "forever") as p:
        for n in range(10):
            with Session(attach=p.pid) as s:
                for _ in range(150 + 7 * n):
                    equal(s.step().number, 5, "a step")
                equal(s.packet("D;%x" % p.pid), "OK", "D")
                equal(regions(s), [], "slots")
            check(task_state(p.pid) in "RS", "it is", task_state(p.pid))
            equal(p.proc.poll(), None, "its end")


if __name__ == "__main__":
    main()
