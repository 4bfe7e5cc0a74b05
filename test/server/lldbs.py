"""The lldbs of this machine, or the one that LLDB names."""
import glob
import os
import re
import shutil

from rsp import Skip


def lldbs():
    if os.environ.get("LLDB"):
        return [os.environ["LLDB"]]
    found = sorted(glob.glob("/usr/bin/lldb-[0-9][0-9]"))
    found += [p for p in [shutil.which("lldb")] if p and not found]
    if not found:
        raise Skip("no lldb here")
    return found


def environment(lldb):
    """Debian's package of 14 does not find its own modules, and takes another
    Python's if that is first on the path."""
    version = re.sub(r"\D", "", os.path.basename(os.path.realpath(lldb)))
    where = glob.glob("/usr/lib/llvm-%s/lib/python3*/*-packages/lldb/"
                      "__init__.py" % (version or "*"))
    path = [os.path.dirname(os.path.dirname(p)) for p in where]
    return dict(os.environ, PYTHONPATH=":".join(path), PATH="/usr/bin:/bin")
