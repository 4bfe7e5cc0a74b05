#!/usr/bin/env python3
"""What this machine does, found out by trying it: a kernel for x86-64 may execute
no i386 programs, and have no int $0x80; a virtual machine may have debug
registers that only keep what is written to them.

usage: machine.py PROGRAM [ARG...]

Executes it. Where it is an i386 program, and the kernel executes none, the exit
status is 77, and what is printed says so.
"""
import ctypes
import errno
import functools
import os
import signal
import subprocess
import sys

NO_I386 = "this kernel executes no i386 programs"
NO_INT80 = "this kernel has no int $0x80 for x86-64 programs"
NO_DEBUG_REGISTERS = "the debug registers of this machine do not trap"

PTRACE_TRACEME, PTRACE_CONT, PTRACE_POKEUSER = 0, 7, 6
U_DEBUGREG = 848        # offsetof(struct user, u_debugreg), sys/user.h
WRITE_8 = 1 | 1 << 16 | 2 << 18         # DR7: SDM vol. 3, 18.2.4

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                        ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def is_i386(path):
    """By its ELF header: of 32 bits, EM_386."""
    with open(path, "rb") as f:
        head = f.read(20)
    return head[:5] == b"\x7fELF\1" and head[18:] == b"\3\0"


def is_refused(error, path):
    """Of an execve that failed: for no other reason than what it is."""
    return error.errno == errno.ENOEXEC and is_i386(path)


@functools.lru_cache(None)
def executes_i386(inferiors):
    """False only where execve says so: what else is wrong with i386 programs
    is for the tests to fail of."""
    probe = os.path.join(inferiors, "probe-i386")
    try:
        subprocess.call([probe])
    except OSError as e:
        return not is_refused(e, probe)
    return True


@functools.lru_cache(None)
def has_int80(inferiors):
    probe = os.path.join(inferiors, "probe-int80")
    return subprocess.call([probe]) != -signal.SIGSEGV


@functools.lru_cache(None)
def debug_registers():
    """Do they trap?"""
    cell = ctypes.c_uint64()
    child = os.fork()
    if child == 0:
        libc.ptrace(PTRACE_TRACEME, 0, None, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        cell.value = 1
        os._exit(0)
    os.waitpid(child, 0)
    for n, value in ((0, ctypes.addressof(cell)), (7, WRITE_8)):
        if libc.ptrace(PTRACE_POKEUSER, child, U_DEBUGREG + 8 * n, value):
            raise OSError(ctypes.get_errno(), "PTRACE_POKEUSER")
    libc.ptrace(PTRACE_CONT, child, None, None)
    status = os.waitpid(child, 0)[1]
    if not os.WIFSTOPPED(status):
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return os.WSTOPSIG(status) == signal.SIGTRAP


def why_not(path, inferiors):
    """Why the program cannot be executed here, or None."""
    if is_i386(path) and not executes_i386(inferiors):
        return NO_I386
    return None


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        os.execv(sys.argv[1], sys.argv[1:])
    except OSError as e:
        if not is_refused(e, sys.argv[1]):
            raise
        print(NO_I386)
        sys.exit(77)


if __name__ == "__main__":
    main()
