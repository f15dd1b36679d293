"""What is done to topics, in Kafka's own words: to one broker, by the oldest
versions that it takes (https://kafka.apache.org/protocol.html)."""

import itertools
import socket
import struct

DELETE, DELETE_RECORDS = (20, 1), (21, 0)  # key, version
PATIENCE_MS = 20_000
EVERYTHING = -1


class Refused(RuntimeError):
    """The broker did not do it; by Kafka's number of the error."""


def text(x):
    x = x.encode()
    return struct.pack(">h", len(x)) + x


def array(*items):
    return struct.pack(">i", len(items)) + b"".join(items)


numbers = itertools.count(1)


def ask(bootstrap, api, body):
    """The answer behind its number."""
    host, _, port = bootstrap.rpartition(":")
    request = struct.pack(">hhi", *api, next(numbers)) + text("storm") + body
    try:
        with socket.create_connection((host, int(port)),
                                      PATIENCE_MS / 1000) as link:
            link.settimeout(2 * PATIENCE_MS / 1000)
            link.sendall(struct.pack(">i", len(request)) + request)
            size = struct.unpack(">i", exactly(link, 4))[0]
            return exactly(link, size)[4:]
    except OSError as error:
        raise Refused(f"no answer of the broker: {error}") from None


def exactly(link, n):
    parts = bytearray()
    while len(parts) < n:
        part = link.recv(n - len(parts))
        if not part:
            raise ConnectionError("it hung up")
        parts += part
    return bytes(parts)


def accepted(answer, skip):
    """`skip`: bytes before the code of the only item."""
    code, = struct.unpack_from(">h", answer, skip)
    if code:
        raise Refused(f"the broker answers with error {code}")


def delete_topic(bootstrap, name):
    accepted(ask(bootstrap, DELETE, array(text(name))
                 + struct.pack(">i", PATIENCE_MS)), 8 + len(text(name)))


def delete_records(bootstrap, name, partition, below=EVERYTHING):
    """As retention does: the log begins at `below` afterwards."""
    answer = ask(bootstrap, DELETE_RECORDS, array(
        text(name) + array(struct.pack(">iq", partition, below)))
        + struct.pack(">i", PATIENCE_MS))
    # throttle, one topic, its name, one partition, its number, low watermark
    accepted(answer, 8 + len(text(name)) + 4 + 4 + 8)
