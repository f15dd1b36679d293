"""Stands between a node and PostgreSQL and understands the frames of both, so
that it can injure a commit at an exact point. The sessions are not encrypted.

A flush is one query string with its COMMIT in it, and its data in COPY: the
server commits after the last CopyDone, and says so with the tag COMMIT.
"""

import socket
import struct
import threading

COPY_DONE = b"c"
COMMAND_COMPLETE = b"C"
STARTUP_CODES = (80877103, 80877104)  # SSLRequest, GSSENCRequest


class Session:
    """One connection, as two threads see it."""

    def __init__(self, client, server):
        self.client = client
        self.server = server
        self.pending_commit = False

    def close(self, *sockets):
        for x in sockets or (self.client, self.server):
            try:
                # Wakes the thread that reads it.
                x.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            x.close()


class PgProxy:
    """Injures every `every`th commit of a COPY (0: none), in one of three ways:

    lost       CopyDone does not come through, both connections end: nothing
               was committed, and nobody says so
    unanswered the server commits, its answer does not come through
    half-open  CopyDone does not come through and the node's connection ends,
               but the server's stays: its transaction holds the lane
    """

    def __init__(self, port, how, every=5):
        self.server_port = port
        self.how = how
        self.every = every
        self.commits = 0
        self.injured = 0
        self.kept = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sessions = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(
                    ("127.0.0.1", self.server_port))
            except OSError:  # it is away
                client.close()
                continue
            for x in (client, server):
                x.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            session = Session(client, server)
            self.sessions.append(session)
            for work in (self.from_client, self.from_server):
                threading.Thread(target=self.pump, args=(work, session),
                                 daemon=True).start()

    @staticmethod
    def pump(work, session):
        try:
            work(session)
        except OSError:
            pass

    @staticmethod
    def read(source, n):
        parts = bytearray()
        while len(parts) < n:
            part = source.recv(n - len(parts))
            if not part:
                raise ConnectionError
            parts += part
        return bytes(parts)

    def frame(self, source):
        """Type and all bytes of the next one."""
        head = self.read(source, 5)
        size = struct.unpack(">I", head[1:])[0]
        return head[:1], head + self.read(source, size - 4)

    def is_next_victim(self):
        with self.lock:
            self.commits += 1
            if not self.every or self.commits % self.every:
                return False
            self.injured += 1
            return True

    def from_client(self, session):
        try:
            while True:  # until the startup message, frames have no type
                head = self.read(session.client, 8)
                size, code = struct.unpack(">II", head)
                session.server.sendall(
                    head + self.read(session.client, size - 8))
                if code not in STARTUP_CODES:
                    break
            while True:
                kind, frame = self.frame(session.client)
                if kind == COPY_DONE and self.is_next_victim():
                    if self.how != "unanswered":
                        self.abandon(session)
                        return
                    session.pending_commit = True
                session.server.sendall(frame)
        except ConnectionError:
            session.close(session.server)

    def abandon(self, session):
        if self.how == "half-open":
            self.kept.append(session.server)
            session.close(session.client)
        else:
            session.close()

    def from_server(self, session):
        try:
            # 'S' or 'N' to each request for encryption, then frames.
            while True:
                first = session.server.recv(1, socket.MSG_PEEK)
                if first not in (b"S", b"N"):
                    break
                session.client.sendall(self.read(session.server, 1))
            while True:
                kind, frame = self.frame(session.server)
                if (session.pending_commit and kind == COMMAND_COMPLETE
                        and frame[5:-1] == b"COMMIT"):
                    session.close()
                    return
                session.client.sendall(frame)
        except ConnectionError:
            session.close()

    def still_held(self):
        """Abandoned connections that the server has not ended yet."""
        def is_open(x):
            try:
                x.setblocking(False)
                return x.recv(1 << 16) != b""
            except BlockingIOError:
                return True
            except OSError:
                return False
        self.kept = [x for x in self.kept if is_open(x)]
        return len(self.kept)

    def close(self):
        self.listener.close()
        for session in self.sessions:
            session.close()
