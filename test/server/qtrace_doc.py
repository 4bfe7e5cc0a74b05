#!/usr/bin/env python3
"""The examples of doc/qtrace.md are what the server answers, byte for byte."""
import os
import re

from rsp import FEATURES, Session, case, check, main

DOC = os.path.join(os.path.dirname(__file__), "../../doc/qtrace.md")
OURS = "it does not translate"


def examples():
    """[(line number, [(is sent, text)])]"""
    out, lines = [], None
    with open(DOC, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if line == "```transcript":
                lines = []
                out.append((number, lines))
            elif line == "```":
                lines = None
            elif lines is not None:
                check(line[:2] in ("->", "<-"), "line", number, line)
                lines.append((line[:2] == "->", line[3:]))
    return out


class Words:
    """The document's process and path, and ours."""

    def __init__(self, s):
        self.pairs = [("p4d2.4d2", "p%x.%x" % (s.pid, s.pid)),
                      ("p4d2.", "p%x." % s.pid),
                      ("process:4d2", "process:%x" % s.pid),
                      ("process 1234", "process %d" % s.pid),
                      ("module 1234", "module %d" % s.pid),
                      ("/tmp/squares", s.path)]
        self.pid = s.pid

    def ours(self, text):
        for theirs, mine in self.pairs:
            text = text.replace(theirs, mine)
        text = re.sub(r"(?m)^(l?[0-9a-f]* ?)1234 ", r"\g<1>%d " % self.pid,
                      text)
        return text


def same(want, got):
    """... stands for anything."""
    parts = [re.escape(x) for x in want.split("...")]
    return re.fullmatch(".*".join(parts), got, re.S)


def play(number, lines):
    with Session("squares", features=FEATURES + ";error-message+") as s:
        words, got = Words(s), None
        for sent, text in lines:
            text = words.ours(text.replace("\\n", "\n"))
            if sent:
                check(got is None, "a reply without a line:", got)
                got = s.packet(text)
                continue
            check(got is not None and same(text, got),
                  "the example at line %d\n\twants %r\n\tgot   %r" %
                  (number, text, got))
            got = None


@case(peer=OURS, seconds=60)
def examples_are_what_is_answered():
    all_of_them = examples()
    check(len(all_of_them) > 8, "examples", len(all_of_them))
    for number, lines in all_of_them:
        play(number, lines)


@case(peer=OURS)
def every_verb_and_annex_is_there():
    with open(DOC, encoding="utf-8") as f:
        text = f.read()
    heads = re.findall(r"^### (.*)$", text, re.M)
    known = {re.split(r"[:\[]", word)[0]
             for head in heads for word in head.split(", ")}
    known.add("include")        # told of with exclude
    rows = set(re.findall(r"^\| `([a-z.]+)` \| ", text.partition(
        "## Annexes")[2], re.M))
    with Session("squares") as s:
        reply = s.packet("qTrace:features")
    verbs = re.search("verbs=([^;]*)", reply)[1].split(",")
    check(set(verbs) == known & set(verbs), set(verbs) - known)
    annexes = re.search("annexes=([^;]*)", reply)[1].split(",")
    check(set(annexes) == rows, set(annexes) ^ rows)


if __name__ == "__main__":
    raise SystemExit(main())
