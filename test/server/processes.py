"""What a client can see of other processes and send them, and waiting."""
import ctypes
import time

PATIENCE = 30   # of who waits for what comes at once where nobody else works


def task_state(pid, tid=None):
    try:
        with open("/proc/%d/task/%d/stat" % (pid, tid or pid)) as f:
            return f.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def status_field(pid, key):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith(key + ":"):
                return line.split(":", 1)[1].strip()
    return None


def tgkill(pid, tid, signo):
    """Sends it to one thread. False: there is none."""
    return ctypes.CDLL(None).syscall(234, pid, tid, signo) == 0  # SYS_tgkill


def until(what, seconds=PATIENCE):
    """Polls for something that another process brings about."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
