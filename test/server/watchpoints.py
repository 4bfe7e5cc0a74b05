#!/usr/bin/env python3
"""Watchpoints beyond the debug registers stop where those do: the same program
is run with either, and the hardware is the oracle."""
import resource
import time

from rsp import (OPTIONS, PATIENCE, Session, Skip, case, check, equal, machine,
                 main)

KINDS = {2: "watch", 3: "rwatch", 4: "awatch"}
STOPS_MOST = 20000


def stats(s):
    return dict(x.split("=") for x in s.packet("qTrace:stats").split(";")
                if "=" in x)


def use_up_registers(s):
    """Four that nobody touches."""
    for i in range(4):
        s.point(2, s.addr("marks") + 0x100000 + 8 * i, 8)


def stops(mode, kind, software, size=8, most=STOPS_MOST):
    """[(pc, thread's order, what is there)] and the program's output."""
    if not software and not machine.debug_registers():
        raise Skip(machine.NO_DEBUG_REGISTERS)
    with Session("touching", mode) as s:
        s.run_to("begin")
        if software:
            use_up_registers(s)
        place = s.addr("area") + 512
        s.point(kind, place, size)
        out, tids = [], {}
        while True:
            stop = s.cont()
            if stop.kind in "WX":
                break
            check(KINDS[kind] in stop.fields, mode, stop)
            at = int(stop.fields[KINDS[kind]], 16)
            check(place <= at < place + size, "%#x" % at)
            tids.setdefault(stop.tid, len(tids))
            out.append((s.pc(), tids[stop.tid], s.read(place, size)))
            check(len(out) < most, "no end")
        equal((stop.kind, stop.number), ("W", 0), "end")
        if software:
            check(int(stats(s)["watch_hits"]) == len(out), "by code")
        return out, s.printed()


def same(mode, kind, size=8):
    hard, printed = stops(mode, kind, False, size)
    soft, also = stops(mode, kind, True, size)
    equal(also, printed, "output")
    for i, (h, g) in enumerate(zip(hard, soft)):
        equal(("%#x" % g[0], g[2].hex()), ("%#x" % h[0], h[2].hex()),
              "%s: stop %d" % (mode, i))
    equal(len(soft), len(hard), mode)
    check(len(hard) > 10, len(hard))


@case(peer="it has four", seconds=120)
def all_that_writes():
    same("writes", 2)


@case(peer="it has four", seconds=60)
def small_ones():
    same("writes", 2, 1)


@case(peer="it has four", seconds=120)
def all_that_reads():
    same("reads", 4)


@case(peer="it has four", seconds=120)
def by_the_stack():
    same("stacks", 2)
    if not OPTIONS.follow:
        same("stacks", 4)
        return
    # What is followed reads but the lower half of where it returns to.
    hard, printed = stops("stacks", 4, False)
    soft, also = stops("stacks", 4, True)
    equal(also, printed, "output")
    left = iter(soft)
    check(all(any(h == g for g in left) for h in hard), "stops")
    check(len(hard) >= len(soft) - 4, len(hard), len(soft))


@case(peer="it has four", seconds=120)
def by_segments():
    same("segments", 2)
    same("segments", 4)


@case(peer="it has four", seconds=120)
def what_is_scattered_and_gathered():
    same("elements", 2)
    same("elements", 4)


def changes(all_stops):
    """Those that have changed what is there."""
    before, out = None, []
    for pc, _, there in all_stops:
        if there != before:
            out.append(("%#x" % pc, there.hex()))
        before = there
    return out


@case(peer="it has four", seconds=120)
def what_a_mask_leaves_out():
    """The processor tells of it, too: not always, and not to be relied on."""
    for mode in "masks", "states":
        hard, soft = (changes(stops(mode, 2, x)[0]) for x in (False, True))
        for h, g in zip(hard, soft):
            equal(g, h, mode)
        equal(len(soft), len(hard), mode)
        check(len(soft) > 10, mode, len(soft))


@case(peer="it has four", seconds=120)
def scans():
    """As far as they come, and no further. The processor may stop in their
    midst, after each turn."""
    hard = [x[0] for x in stops("scans", 4, False)[0]]
    soft = [x[0] for x in stops("scans", 4, True)[0]]
    ends = {x + 2 for x in hard} & set(soft)
    once = []
    for pc in (x + 2 if x + 2 in ends else x for x in hard):
        if pc not in ends or once[-1:] != [pc]:
            once.append(pc)
    for i, (h, g) in enumerate(zip(once, soft)):
        equal("%#x" % g, "%#x" % h, "stop %d" % i)
    equal(len(soft), len(once), "stops")
    check(len(ends) == 3, "ends", len(ends))


@case(peer="it has four")
def what_calls_write_is_not_seen():
    """... nor do the registers see it; what comes then is."""
    for software in False, True:
        with Session("touching", "calls") as s:
            s.run_to("begin")
            if software:
                use_up_registers(s)
            place = s.addr("area") + 512
            s.point(2, place, 8)
            s.step()
            s.point(0, "begin")
            s.at("begin", s.cont())
            equal(s.read(place, 8), b"written\0", "what was read")
            s.clear(0, "begin")
            check("watch" in s.cont().fields, "the next")
            equal(s.read(place, 8), b"wRitten\0", "what was written")


@case(peer="it has four")
def those_that_are_met_no_more_are_said():
    """It was let go of, and cannot be followed again."""
    with Session("touching", "apart") as s:
        s.run_to("begin")
        use_up_registers(s)
        s.point(2, s.addr("area") + 512, 8)
        equal(s.packet("qTrace:unfollow"), "OK", "unfollow")
        room = resource.prlimit(s.pid, resource.RLIMIT_AS)
        resource.prlimit(s.pid, resource.RLIMIT_AS, (1 << 20, room[1]))
        s.start()
        said = s.receive(PATIENCE)
        equal(said[:1], b"O", "it says")
        check(b"runs without its watchpoints" in
              bytes.fromhex(said[1:].decode()), said)


@case(peer="it has four")
def excluded_code_is_checked_too():
    for how in "", ";transparent=1":
        with Session("touching", "apart") as s:
            s.run_to("begin")
            use_up_registers(s)
            leaf = s.addr("leaf_writes")
            s.point(2, s.addr("area") + 512, 8)
            equal(s.packet("qTrace:follow"), "OK", "follow") \
                if not OPTIONS.follow else None
            equal(s.packet("qTrace:exclude:%x,%x%s" % (leaf, 8, how)), "OK",
                  "exclude")
            for i in range(1, 21):
                check("watch" in s.cont().fields, how, i)
                equal(s.read(s.addr("area") + 512, 1)[0], i, "written")
            equal(s.finish().number, 0, "end")


@case(peer="it has four")
def excluded_code_that_runs_already():
    for how in "", ";transparent=1":
        with Session("touching", "busy") as s:
            s.run_to("begin")
            if not OPTIONS.follow:
                equal(s.packet("qTrace:follow"), "OK", "follow")
            busy, size = s.addr("busy"), s.elf.sizes["busy"]
            equal(s.packet("qTrace:exclude:%x,%x%s" % (busy, size, how)),
                  "OK", "exclude")
            check(s.run_until(lambda: busy <= s.pc() < busy + size, 10, 0.001),
                  "it does not run")
            use_up_registers(s)
            s.point(2, s.addr("area") + 520, 1)
            check("watch" in s.cont().fields, how)


@case(peer="it has four")
def a_child_has_those_that_are_set_in_it():
    """As with the registers: the parent's stay the parent's."""
    features = "multiprocess+;swbreak+;fork-events+;vContSupported+"
    for software in False, True:
        for own in False, True:
            with Session("touching", "forks", features=features) as s:
                s.run_to("begin")
                if software:
                    use_up_registers(s)
                place = s.addr("area") + 512
                s.point(2, place, 8)
                stop = s.cont()
                child = stop.fields["fork"]
                if own:
                    s.packet("Hg" + child)
                    if software:
                        use_up_registers(s)
                    s.point(2, place, 8)
                values = []
                for _ in range(4):
                    stop = s.cont()
                    if "watch" not in stop.fields:
                        continue
                    s.packet("Hg" + stop.fields["thread"])
                    values.append(s.read(place, 1)[0])
                    if values[-1] == 78:
                        break
                equal(values, [77, 78] if own else [78],
                      "by code" if software else "by registers")


@case(peer="it has four")
def strings():
    """With a prefix they stop at their end: not in their midst."""
    for size in 8, 1:
        hard = [x[2] for x in stops("strings", 2, False, size)[0]]
        soft = [x[2] for x in stops("strings", 2, True, size)[0]]
        check(soft and len(soft) <= len(hard), len(soft), len(hard))
        left = iter(hard)
        check(all(any(g == h for h in left) for g in soft),
              "what was there")


@case(peer="it has four")
def threads():
    soft, printed = stops("threads", 2, True)
    equal(len(soft), 60, "each")
    equal(int.from_bytes(soft[-1][2], "little"), 120, "all")
    equal(stops("threads", 2, False)[1], printed, "output")


@case(peer="it has four")
def steps_meet_them_too():
    with Session("touching", "writes") as s:
        s.run_to("begin")
        use_up_registers(s)
        place = s.addr("area") + 512
        s.point(2, place, 8)
        first = s.cont()
        check("watch" in first.fields, first)
        n = 0
        for _ in range(60):
            n += "watch" in s.step().fields
        check(n >= 5, n)
        pc = s.pc()
        s.start("vCont;r%x,%x:%s;c" % (pc - 64, pc + 64, s.name(s.tid())))
        stop = s.wait()
        check("watch" in stop.fields or not pc - 64 <= s.pc() < pc + 64, stop)


@case(peer="it has four")
def a_hundred():
    with Session("touching", "writes") as s:
        s.run_to("begin")
        area = s.addr("area")
        for i in range(100):
            s.point(2, area + 256 + 4 * i, 4)
        n = 0
        while s.cont().kind == "T":
            n += 1
            if n == 40:
                # As gdb does at each stop.
                for i in range(100):
                    s.clear(2, area + 256 + 4 * i, 4)
                for i in range(100):
                    s.point(2, area + 256 + 4 * i, 4)
            if n == 200:
                for i in range(100):
                    s.clear(2, area + 256 + 4 * i, 4)
        equal(n, 200, "stops")


@case(peer="it has four")
def large_ones():
    with Session("touching", "writes") as s:
        s.run_to("begin")
        s.point(2, s.addr("area") + 3, 1000)
        stop = s.cont()
        check("watch" in stop.fields, stop)


@case(peer="it has four", seconds=60)
def what_collects_there_collects_once():
    """... however often its thread is stopped while it looks for what is
    watched, which here takes most of its time."""
    collects_once("near", 3000000)
    collects_once("bits", 40000)


def collects_once(mode, times):
    with Session("touching", mode) as s:
        s.run_to("begin")
        place = s.addr("area") + 512
        store = s.addr("near_store" if mode == "near" else "near_bits")
        use_up_registers(s)
        for i in range(200):
            s.point(2, place + 16 + (i << 19), 4)
        for text in ("QTinit", "QTBuffer:circular:1",
                     "QTDP:1:%x:E:0:0:F5-" % store, "QTDP:-1:%x:R7" % store,
                     "QTStart"):
            equal(s.packet(text), "OK", text)
        s.step()
        s.point(0, "begin")
        n = 0
        while not n or "swbreak" not in stop.fields:
            s.start()
            time.sleep(0.002)
            stop, n = s.interrupt(), n + 1
        check(n > 20, "interrupts", n)
        created = s.packet("qTStatus").split("tcreated:")[1].split(";")[0]
        equal(int(created, 16), times, mode)


@case(peer="it has four")
def where_nothing_is():
    """A null pointer that is watched, as gdb does: it costs nothing."""
    with Session("touching", "writes") as s:
        s.run_to("begin")
        use_up_registers(s)
        s.point(2, 0, 4)
        equal(s.finish().number, 0, "end")


@case(peer="it has four")
def let_go_of_when_they_have_gone():
    if OPTIONS.follow:
        raise Skip("it is followed anyway")
    with Session("touching", "writes") as s:
        s.run_to("begin")
        s.point(2, s.addr("area") + 3, 1000)
        s.cont()
        s.clear(2, s.addr("area") + 3, 1000)
        with open("/proc/%d/maps" % s.pid) as f:
            check("tracestub" in f.read(), "no cache")
        s.step()
        with open("/proc/%d/maps" % s.pid) as f:
            check("tracestub" not in f.read(), "a cache is left")
        equal(s.finish().number, 0, "end")


if __name__ == "__main__":
    raise SystemExit(main())
