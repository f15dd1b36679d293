"""The records of a topic as they come, from the program `millrace-log`, which
shares no code with the ingest path."""

import subprocess
import threading


class RawLog:
    """Hands each record over: take(partition, offset, key, headers, value).
    `ends`: by partition, the offset below which all was handed over; `rounds`:
    how often the broker has told the partition's end."""

    def __init__(self, program, kafka, topic, log, environment=None):
        self.ends = {}
        self.rounds = {}
        self.closed = False
        self.records = 0
        self.failure = None
        self.process = subprocess.Popen(
            [program, "--kafka", kafka, "--topic", topic, "--follow"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
            env=environment)

    def start(self, take, lock):
        """Reads in a thread of its own; `lock` is held for each record."""
        threading.Thread(target=self.run, args=(take, lock),
                         daemon=True).start()

    def run(self, take, lock):
        try:
            stream = self.process.stdout
            while head := stream.read(12):
                partition = int.from_bytes(head[:4], "big", signed=True)
                offset = int.from_bytes(head[4:], "big")
                if partition < 0:
                    self.ends[-1 - partition] = offset
                    self.rounds[-1 - partition] = self.rounds.get(
                        -1 - partition, 0) + 1
                    continue
                parts = [self.part(stream) for _ in range(3)]
                with lock:
                    take(partition, offset, parts[0], parts[1] or b"",
                         parts[2])
                self.records += 1
                self.ends[partition] = offset + 1
            if not self.closed:
                self.failure = "millrace-log ended"
        except Exception as error:  # the main thread tells it
            self.failure = repr(error)

    @staticmethod
    def part(stream):
        size = int.from_bytes(stream.read(4), "big", signed=True)
        return None if size < 0 else stream.read(size)

    def close(self):
        self.closed = True
        self.process.kill()
        self.process.wait()
