"""Faults of PostgreSQL and of the way to it."""

import socket
import struct
import time
from urllib.parse import urlsplit

from fault import Fault
from model import TENANTS

MOST_CONNECTIONS = 1000
READY, REFUSED = b"Z", b"E"  # of PostgreSQL's messages


def fill(place):
    """The disk of that file, to its last byte."""
    try:
        with open(place, "wb", buffering=0) as out:
            while True:
                out.write(bytes(1 << 20))
    except OSError:
        pass


def startup(url, role):
    """A connection of that role, or nothing where none is to be had. Nobody
    asks for a password here."""
    where = urlsplit(url)
    words = f"user\0{role}\0database\0{where.path[1:]}\0\0".encode()
    try:
        link = socket.create_connection((where.hostname, where.port), 10)
    except OSError:
        return None
    try:
        link.sendall(struct.pack(">II", len(words) + 8, 196608) + words)
        with link.makefile("rb") as answer:
            # It lets one in before it looks whether there is a place.
            while head := answer.read(5):
                if head[:1] == READY:
                    return link
                if head[:1] == REFUSED:
                    break
                answer.read(int.from_bytes(head[1:], "big") - 4)
    except OSError:
        pass
    link.close()
    return None


class Backends(Fault):
    number, about = 9, "backends of nodes are ended at random"

    def begin(self):
        self.ended = 0

    def step(self):
        if self.chance.random() < .5:
            self.storm.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE usename = '{self.world.role}' AND random() < .3")


class PgCrash(Fault):
    weight, longest_s, number, about = 2, 2, 9, "pg_ctl -m immediate"
    mode = "immediate"

    def begin(self):
        self.storm.stop_pg(self.mode)

    def end(self):
        self.storm.start_pg()

    def undo(self):
        self.end()


class PgRestart(PgCrash):
    about, mode = "pg_ctl -m fast", "fast"


class PgAsync(PgCrash):
    weight, number = 1, 11
    about = "synchronous_commit = off for a while, then a crash"

    def begin(self):
        self.storm.sql(f"ALTER ROLE {self.world.role} SET "
                       "synchronous_commit = off")
        self.storm.sql("SELECT pg_terminate_backend(pid) FROM "
                       "pg_stat_activity WHERE usename = "
                       f"'{self.world.role}'")
        time.sleep(1)
        self.storm.stop_pg("immediate")

    def end(self):
        self.storm.start_pg()
        self.storm.sql(f"ALTER ROLE {self.world.role} RESET "
                       "synchronous_commit", patience_s=30)


class Failover(Fault):
    weight, longest_s, number = 1, 3, 10
    about = "the standby misses the last commits and is promoted"

    def begin(self):
        self.spare = self.storm.new_spare()
        self.spare.cut_off()

    def end(self):
        self.storm.stop_pg("kill")
        self.spare.promote()
        self.world.follow(self.spare)


class Locked(Fault):
    longest_s, spares = 60, ("big",)
    number, about = 13, "all tables of the smaller tenant are locked"

    def begin(self):
        self.held = self.world.session(
            "BEGIN", "SET deadlock_timeout = '60s'", "SET lock_timeout = '5s'",
            "LOCK TABLE " + ", ".join(
                f"tenant_small.{x}" for x in ("trace", "ticks", "entities"))
            + " IN EXCLUSIVE MODE")
        self.held.__enter__()

    def end(self):
        self.held.__exit__(None, None, None)


class Connections(Fault):
    longest_s = 30
    number, about = 14, "the role may have one connection, or none"

    def begin(self):
        limit = self.chance.randrange(2)
        self.storm.sql(f"ALTER ROLE {self.world.role} CONNECTION LIMIT "
                       f"{limit}")
        self.storm.sql("SELECT pg_terminate_backend(pid) FROM "
                       "pg_stat_activity WHERE usename = "
                       f"'{self.world.role}'")
        return str(limit)

    def end(self):
        self.storm.sql(f"ALTER ROLE {self.world.role} CONNECTION LIMIT -1",
                       patience_s=30)

    def undo(self):
        self.end()


class MaxConnections(Fault):
    number, about = 14, "the server has no connection left"

    def begin(self):
        self.held = []
        self.world.query("DO $$ BEGIN CREATE ROLE filler LOGIN; EXCEPTION "
                         "WHEN duplicate_object THEN NULL; END $$")
        self.step()
        # Those that nodes have go, and whoever comes first gets them.
        self.storm.sql("SELECT pg_terminate_backend(pid) FROM "
                       "pg_stat_activity WHERE usename = "
                       f"'{self.world.role}'")
        self.step()
        return f"{len(self.held)} held"

    def step(self):
        while len(self.held) < MOST_CONNECTIONS:
            link = startup(self.world.server_url, "filler")
            if link is None:
                return
            self.held.append(link)

    def end(self):
        for link in self.held:
            link.close()

    def undo(self):
        self.end()


class Ddl(Fault):
    number = 22
    about = "a table changes under load, and a change fails half way"

    def begin(self):
        tenant = self.chance.choice(list(TENANTS))
        self.table = f"tenant_{tenant}.ticks"
        try:
            self.world.query(f"SET lock_timeout = '5s'; ALTER TABLE "
                             f"{self.table} ADD COLUMN half int; SELECT 1 / 0")
        except RuntimeError as error:
            if "division by zero" not in str(error):
                raise
        self.world.query(f"SET lock_timeout = '5s'; ALTER TABLE {self.table} "
                         "ADD COLUMN fresh int, ALTER COLUMN note TYPE "
                         f"varchar; CREATE INDEX fresh ON {self.table} "
                         "(fresh)")
        return self.table

    def end(self):
        self.storm.sql(f"SET lock_timeout = '5s'; ALTER TABLE {self.table} "
                       "DROP COLUMN IF EXISTS fresh, ALTER COLUMN note TYPE "
                       "text", patience_s=30)


class Disk(Fault):
    longest_s, spares = 30, ("big",)
    number, about = 12, "the disk of the smaller tenant is full"

    @classmethod
    def why_not(cls, storm):
        return storm.why_no_disk

    def begin(self):
        if self.world.primary:
            raise RuntimeError("it stayed behind at the failover")
        fill(self.storm.disk / "stuff")
        return "full"

    def end(self):
        (self.storm.disk / "stuff").unlink(missing_ok=True)


class WalDisk(Fault):
    weight, number, about = 1, 12, "the disk of PostgreSQL's log is full"

    @classmethod
    def why_not(cls, storm):
        return storm.why_no_wal_disk

    def begin(self):
        if self.world.primary:
            raise RuntimeError("it stayed behind at the failover")
        fill(self.storm.wal_disk / "stuff")
        return "full"

    def step(self):
        # Until the next segment has no place. PostgreSQL ends then.
        self.storm.sql("SELECT pg_logical_emit_message(false, 'storm', "
                       "repeat('x', 4 << 20))")

    def end(self):
        (self.storm.wal_disk / "stuff").unlink(missing_ok=True)
        self.storm.start_pg()

    def undo(self):
        self.end()


class Doubt(Fault):
    number, about = 8, "commits in doubt: lost, unanswered, half-open"

    def begin(self):
        how = self.chance.choice(("lost", "unanswered", "half-open"))
        for proxy in self.world.proxies.values():
            proxy.how, proxy.every = how, self.chance.randrange(2, 8)
        return how

    def end(self):
        for proxy in self.world.proxies.values():
            proxy.every = 0
