"""Nodes from outside: their memory, and what they say of halts."""

import re
from pathlib import Path

HALT = re.compile(rb" ERROR (?:lane-halted lane|partition-halted pipeline)"
                  rb"=(\w+)[/ ][^\n]*")


def peak_bytes(pid):
    """Of its memory, also of a moment between two looks."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    return 0


class HaltWatch:
    """22: one that is gone with the next start was one, and not each is in the
    tables. Of one pipeline, by its nodes' logs."""

    def __init__(self, pipeline):
        self.pipeline = pipeline.encode()
        self.read = {}  # by log: bytes that were looked at

    def look(self, log):
        """Halts that have come since, a line each."""
        if not log.exists():
            return []
        with open(log, "rb") as text:
            text.seek(self.read.get(log, 0))
            news = text.read()
        whole = news[:news.rfind(b"\n") + 1]
        self.read[log] = self.read.get(log, 0) + len(whole)
        return [x.group().strip().decode(errors="replace")
                for x in HALT.finditer(whole) if x.group(1) == self.pipeline]
