"""A client of the debug adapter protocol, as an editor has one: requests and
their responses, events in between (microsoft.github.io/debug-adapter-protocol,
"Specification")."""
import json
import os
import re
import select
import subprocess
import time


class DapError(Exception):
    pass


class Dap:
    """An adapter over its standard input and output."""

    def __init__(self, command, env=None):
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=env)
        self.data = b""
        self.events = []        # not taken yet
        self.responses = {}     # by the request's number, likewise
        self.log = []
        self.seq = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def message(self, seconds):
        end = time.monotonic() + seconds
        while True:
            head = re.match(rb"Content-Length: (\d+)\r\n\r\n", self.data)
            size = int(head[1]) if head else 0
            if head and len(self.data) >= head.end() + size:
                body = self.data[head.end():head.end() + size]
                self.data = self.data[head.end() + size:]
                self.log.append("<- " + body.decode())
                return json.loads(body)
            left = max(0, end - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError("nothing in %g s; so far:\n%s" % (
                    seconds, self.story()))
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise EOFError("the adapter has gone:\n" + self.story())
            self.data += more

    def story(self):
        return "\n".join(line[:400] for line in self.log[-30:])

    def send(self, command, **arguments):
        self.seq += 1
        text = json.dumps({"seq": self.seq, "type": "request",
                           "command": command, "arguments": arguments})
        self.log.append("-> " + text)
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (
            len(text), text.encode()))
        self.process.stdin.flush()
        return self.seq

    def put_by(self, message):
        if message["type"] == "event":
            self.events.append(message)
        elif message["type"] == "response":
            self.responses[message["request_seq"]] = message

    def response(self, seq, seconds=30):
        """The body of the response to that request."""
        while seq not in self.responses:
            self.put_by(self.message(seconds))
        message = self.responses.pop(seq)
        if not message["success"]:
            raise DapError("%s\n%s" % (message, self.story()))
        return message.get("body") or {}

    def ask(self, command, seconds=30, **arguments):
        return self.response(self.send(command, **arguments), seconds)

    def event(self, name, seconds=30):
        """The body of the next event of that name."""
        while True:
            for i, event in enumerate(self.events):
                if event["event"] == name:
                    del self.events[i]
                    return event.get("body") or {}
            self.put_by(self.message(seconds))

    def output(self):
        """What came as output so far; it is taken."""
        out = [e["body"]["output"] for e in self.events
               if e["event"] == "output"]
        self.events = [e for e in self.events if e["event"] != "output"]
        return "".join(out)
