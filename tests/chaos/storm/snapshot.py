"""Questions to PostgreSQL, by psql, several of them in one snapshot."""

import os
import select
import subprocess
import time

END = "~~~ end of the answer ~~~"
PATIENCE_S = 120
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Unanswered(Exception):
    """The server is away, or somebody ended the session."""


def field(text):
    """A field of COPY's text format."""
    if text == r"\N":
        return None
    if "\\" not in text:
        return text
    out, at = [], 0
    while at < len(text):
        c = text[at]
        if c == "\\":
            at += 1
            c = ESCAPES.get(text[at], text[at])
        out.append(c)
        at += 1
    return "".join(out)


def bytes_of(text):
    return None if text is None else bytes.fromhex(text[2:])


class Session:
    def __init__(self, url):
        self.process = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PGCONNECT_TIMEOUT": "5",
                 "PGAPPNAME": "storm checker"})
        self.kept = b""
        self.say("SET timezone = 'UTC'; SET bytea_output = 'hex'; "
                 "SET client_encoding = 'UTF8'; "
                 "SET transaction_timeout = '300s'")

    def say(self, sql, patience_s=PATIENCE_S):
        """Its lines."""
        try:
            self.process.stdin.write(
                f"{sql};\n\\echo {END}\n".encode())
            self.process.stdin.flush()
        except OSError:
            raise Unanswered(self.complaint()) from None
        end = time.monotonic() + patience_s
        mark = (END + "\n").encode()
        while not self.kept.endswith(mark):
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [],
                                              left)[0]:
                raise Unanswered(f"no answer within {patience_s} s")
            part = os.read(self.process.stdout.fileno(), 1 << 20)
            if not part:
                raise Unanswered(self.complaint())
            self.kept += part
        text, self.kept = self.kept[:-len(mark)].decode(), b""
        return text.split("\n")[:-1]

    def complaint(self):
        try:
            self.process.wait(5)
            return self.process.stderr.read().decode().strip()
        except subprocess.TimeoutExpired:
            return "psql stopped answering"

    def rows(self, select_, **options):
        """Rows of a SELECT; NULL is None, all else is text."""
        return [[field(x) for x in line.split("\t")] for line in self.say(
            f"COPY ({select_}) TO STDOUT", **options)]

    def begin(self):
        self.say("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self.say("SELECT 1")

    def end(self):
        self.say("COMMIT")

    def close(self):
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout,
                       self.process.stderr):
            try:
                stream.close()
            except OSError:
                pass
