"""What the machine that the tests run on can do: tried, not looked up."""
import ctypes
import functools
import os
import signal

PTRACE_TRACEME, PTRACE_CONT, PTRACE_POKEUSER = 0, 7, 6
U_DEBUGREG = 848        # offsetof(struct user, u_debugreg), sys/user.h
WRITE_8 = 1 | 1 << 16 | 2 << 18         # DR7: SDM vol. 3, 18.2.4
NO_DEBUG_REGISTERS = "the debug registers of this machine do not trap"

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                        ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


@functools.lru_cache(maxsize=None)
def debug_registers():
    """Do they trap? Some virtual machines only keep what is written to them."""
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
