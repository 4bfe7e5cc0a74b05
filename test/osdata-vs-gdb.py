#!/usr/bin/env python3
"""The tables of `info os` through a server against gdb's own, cell by cell.

    test/osdata-vs-gdb.py build/rel/tracestub      (or: gdbserver)

The server is run as `SERVER --multi -`. Exit status 1 names the rows that
differ every time, 77 means that gdb is missing.
"""
import re
import shutil
import subprocess
import sys

TYPES = ("types cpus files modules msg procgroups processes semaphores shm "
         "sockets threads").split()
ATTEMPTS = 12
CPU_COLUMNS = {"core", "cores"}  # change from one look to the next


def gdb_tables(commands):
    args = ["gdb", "-nx", "-batch", "-iex",
            "maintenance set internal-error corefile no"]
    for c in commands + [f'interpreter-exec mi "-info-os {t}"' for t in TYPES]:
        args += ["-ex", c]
    out = subprocess.run(args, stdin=subprocess.DEVNULL, check=True,
                         capture_output=True, text=True, errors="replace")
    found = [l for l in out.stdout.splitlines() if l.startswith("^done,OSData")]
    if len(found) != len(TYPES):
        sys.exit(f"gdb gave {len(found)} tables: {out.stdout}{out.stderr}")
    return dict(zip(TYPES, map(table_parse, found)))


def table_parse(line):
    """Columns, and rows as tuples."""
    text = r'"((?:[^"\\]|\\.)*)"'
    head, _, body = line.partition(",body=[")
    columns = re.findall("colhdr=" + text, head)
    cells = re.findall("col[0-9]+=" + text, body)
    n = max(len(columns), 1)
    return columns, [tuple(c.strip() for c in cells[i:i + n])
                     for i in range(0, len(cells), n)]


def as_gdb(name, column, cell):
    """What gdb itself makes of a name with a blank, an id without name."""
    if column in ("user", "group", "creator user", "creator group"):
        return "" if cell.isdigit() else cell
    is_line = column == "command line" or name == "processes"
    if "command" in column and " " in cell:
        if cell.startswith("[") and is_line:
            return cell.split(" ")[0][:-1] + "]"
        if not is_line:
            return cell.split(" ")[0][:-1]
    return cell


def keys(name, table):
    columns, rows = table
    out = set()
    for row in rows:
        if any("kworker/" in cell for cell in row):
            continue
        out.add(tuple(as_gdb(name, c, cell) for c, cell in zip(columns, row)
                      if c not in CPU_COLUMNS))
    return out


def differences(server):
    """Rows that stay, and are not in the server's table; and the reverse,
    but for processes that came with the server."""
    before = gdb_tables([])
    remote = gdb_tables([f"target extended-remote | {server} --multi -"])
    after = gdb_tables([])
    bad = set()
    for t in TYPES:
        if remote[t][0] != before[t][0]:
            bad.add((t, "columns", tuple(remote[t][0])))
        ours, a, b = (keys(t, x[t]) for x in (remote, before, after))
        known = {row[0] for row in a & b}
        bad |= {(t, "missing", row) for row in (a & b) - ours}
        bad |= {(t, "extra", row) for row in ours - (a | b)
                if row[0] in known}
    return bad


def main():
    if not shutil.which("gdb"):
        print("no gdb")
        return 77
    server = " ".join(sys.argv[1:])
    bad = differences(server)
    for _ in range(ATTEMPTS - 1):
        if not bad:
            break
        bad &= differences(server)
    for row in sorted(bad):
        print(*row)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
