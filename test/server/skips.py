"""What is not tested here, and why: cases, and forms of them."""
from collections import Counter

LEFT_OUT = {}       # of the running case: which of its programs, and why


class Skip(Exception):
    pass


class Skipped:
    """All of a run."""

    def __init__(self):
        self.why = {}

    def take(self, name, result, why):
        if result == "skip":
            self.why.setdefault(why, Counter())[name] = 0
        else:
            for form, why in LEFT_OUT.items():
                self.why.setdefault(why, Counter())[form] += 1

    def show(self):
        """A line for each reason, which test/run.py shows too."""
        for why, what in self.why.items():
            print("left out: %s (%s)" % (", ".join(
                "%s of %d case%s" % (name, n, "s"[:n - 1]) if n else name
                for name, n in what.items()), why))
