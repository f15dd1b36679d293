"""What is asked of topics and groups, and done to topics, in Kafka's own words:
of one broker, by the oldest versions that it takes
(https://kafka.apache.org/protocol.html)."""

import itertools
import socket
import struct

COMMITTED, DELETE, DELETE_RECORDS = (9, 1), (20, 1), (21, 0)  # key, version
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


def ask(bootstrap, api, body, patience_s=2 * PATIENCE_MS / 1000):
    """The answer behind its number."""
    host, _, port = bootstrap.rpartition(":")
    request = struct.pack(">hhi", *api, next(numbers)) + text("storm") + body
    try:
        with socket.create_connection((host, int(port)),
                                      patience_s) as link:
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


def committed(bootstrap, group, topic, partitions, patience_s):
    """By partition, the group's offset; without those that have none."""
    answer = ask(bootstrap, COMMITTED, text(group) + array(
        text(topic) + array(*(struct.pack(">i", p) for p in partitions))),
        patience_s)
    # One topic, its name, and then the partitions.
    return offsets_of(answer[4 + len(text(topic)):])


def offsets_of(answer):
    """Of an array of number, offset, nullable text and error."""
    count, = struct.unpack_from(">i", answer)
    found, at = {}, 4
    for _ in range(count):
        partition, offset, size = struct.unpack_from(">iqh", answer, at)
        at += 14 + max(size, 0)
        code, = struct.unpack_from(">h", answer, at)
        at += 2
        if code:
            raise Refused(f"the broker answers with error {code}")
        if offset >= 0:
            found[partition] = offset
    return found
