"""The faults of a storm. Each has a moment when it begins and one when it ends;
in between `step` is called a few times a second. All run in one thread, which
is the one that started the servers.

`CATALOG` has them by name; `why_not` says why a machine cannot do one.
"""

import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import network
from spare import Spare

CLOCK = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
NODES, GROUND = "nodes", "ground"  # the two tracks


class Fault:
    track = GROUND
    weight = 3
    longest_s = 10
    number = 0  # of the matrix in the design
    about = ""

    def __init__(self, storm, seed):
        self.storm = storm
        self.world = storm.world
        self.chance = random.Random(seed)

    @classmethod
    def why_not(cls, storm):
        """Why it cannot be made here, or nothing."""

    def begin(self):
        """What was done, in words."""

    def step(self):
        pass

    def end(self):
        pass

    def node(self):
        return self.chance.choice(self.world.names)


# -- nodes ----------------------------------------------------------------------

class Kill(Fault):
    track, weight, longest_s, number = NODES, 10, 3, 1
    about = "kill -9 of a node, and a new start"

    def begin(self):
        self.name = self.node()
        self.world.kill_node(self.name)
        return self.name

    def end(self):
        self.storm.restart(self.name)


class Freeze(Fault):
    track, number = NODES, 2
    about = "a node stands still (SIGSTOP)"

    def begin(self):
        self.name = self.node()
        self.world.nodes[self.name].send_signal(signal.SIGSTOP)
        return self.name

    def end(self):
        self.world.nodes[self.name].send_signal(signal.SIGCONT)


class Zombie(Fault):
    track, number = NODES, 3
    about = "a node stands still, another one takes its place, it comes back"

    @classmethod
    def why_not(cls, storm):
        if storm.world.topology != "alone":
            return "nodes of a cluster have one port and name each"

    def begin(self):
        self.name = self.node()
        self.frozen = self.world.nodes.pop(self.name)
        self.frozen.send_signal(signal.SIGSTOP)
        self.back = False
        self.since = time.monotonic()
        self.patience = self.chance.uniform(.2, .8) * self.longest_s
        self.storm.restart(self.name)
        return self.name

    def step(self):
        if not self.back and time.monotonic() > self.since + self.patience:
            self.frozen.send_signal(signal.SIGCONT)
            self.back = True

    def end(self):
        self.frozen.send_signal(signal.SIGCONT)
        self.frozen.kill()
        self.frozen.wait()


class Storm(Fault):
    track, weight, longest_s, number = NODES, 1, 12, 15
    about = "nodes leave and join every three seconds"

    @classmethod
    def why_not(cls, storm):
        if storm.world.topology == "alone":
            return "there is one node"

    def begin(self):
        self.next = 0

    def step(self):
        if time.monotonic() < self.next:
            return
        self.next = time.monotonic() + 3
        name = self.node()
        self.world.kill_node(name)
        self.storm.restart(name)

    def end(self):
        pass


class Clock(Fault):
    track, weight, number = NODES, 1, 20
    about = "a node's clock is an hour off (libfaketime)"

    @classmethod
    def why_not(cls, storm):
        if not CLOCK:
            return "libfaketime is not installed"

    def begin(self):
        self.name = self.node()
        off = self.chance.choice(("+1h", "-1h"))
        self.world.kill_node(self.name)
        self.storm.restart(self.name, {
            "LD_PRELOAD": str(CLOCK[0]), "FAKETIME": off,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0"})
        return f"{self.name} {off}"

    def end(self):
        self.world.kill_node(self.name)
        self.storm.restart(self.name)


# -- PostgreSQL -------------------------------------------------------------------

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
        self.spare = Spare(self.world, self.storm.next_spare())
        self.spare.cut_off()

    def end(self):
        self.storm.stop_pg("kill")
        self.spare.promote()
        self.world.follow(self.spare)


class Locked(Fault):
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


class Disk(Fault):
    number, about = 12, "the disk of the smaller tenant is full"

    @classmethod
    def why_not(cls, storm):
        return storm.why_no_disk

    def begin(self):
        if self.world.primary:
            raise RuntimeError("it stayed behind at the failover")
        self.stuff = self.storm.disk / "stuff"
        try:
            with open(self.stuff, "wb", buffering=0) as out:
                while True:
                    out.write(bytes(1 << 20))
        except OSError:
            return "full"

    def end(self):
        (self.storm.disk / "stuff").unlink(missing_ok=True)


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


# -- Kafka ------------------------------------------------------------------------

class Broker(Fault):
    weight, longest_s, number, about = 1, 2, 16, "the broker is killed"
    mode = "kill"

    def begin(self):
        self.storm.servers.stop("kafka", mode=self.mode)

    def end(self):
        self.storm.start_server("kafka")


class BrokerRestart(Broker):
    about, mode = "the broker restarts in order", "fast"


# -- the network ------------------------------------------------------------------

class Network(Fault):
    ways, weight = ("cut",), 2

    @classmethod
    def why_not(cls, storm):
        return storm.why_no_network

    def begin(self):
        way = self.chance.choice(self.ways)
        ports, what = self.victims()
        network.injure(way, *ports)
        return f"{way} {what}"

    def end(self):
        network.heal()


class NetPg(Network):
    number, about = 6, "a node and PostgreSQL: cut, one way, resets"
    ways = ("cut", "one-way", "reset")

    def victims(self):
        name = self.node()
        return [self.world.proxies[name].port], name


class NetPgBad(NetPg):
    number, about = 7, "a node and PostgreSQL: 30 % loss, 64 kbit/s"
    ways = ("loss", "slow")


class NetKafka(Network):
    number, about = 6, "Kafka and all: cut, one way, resets"
    ways = ("cut", "one-way", "reset")

    def victims(self):
        return [int(self.world.kafka.rsplit(":", 1)[1])], ""


class NetKafkaBad(NetKafka):
    weight, number, about = 1, 7, "Kafka and all: 30 % loss, 64 kbit/s"
    ways = ("loss", "slow")


class NetPeers(Network):
    number, about = 5, "nodes: cut from each other, one way, loss, slow"
    ways = ("cut", "one-way", "reset", "loss", "slow")
    longest_s = 40

    @classmethod
    def why_not(cls, storm):
        if storm.world.topology == "alone":
            return "there is one node"
        return storm.why_no_network

    def victims(self):
        return list(self.world.ports.values()), ""


CATALOG = {
    "kill": Kill, "freeze": Freeze, "zombie": Zombie, "rebalance": Storm,
    "clock": Clock, "backends": Backends, "pg-crash": PgCrash,
    "pg-restart": PgRestart, "pg-async": PgAsync, "failover": Failover,
    "locked": Locked, "connections": Connections, "disk": Disk,
    "doubt": Doubt, "broker": Broker, "broker-restart": BrokerRestart,
    "net-pg": NetPg, "net-pg-bad": NetPgBad, "net-kafka": NetKafka,
    "net-kafka-bad": NetKafkaBad, "net-peers": NetPeers,
}


@dataclass
class Choice:
    """The faults of a run, and why others are not in it."""
    tracks: list
    skipped: dict


def choose(storm, names):
    tracks, skipped = {NODES: {}, GROUND: {}}, {}
    for name in names:
        kind = CATALOG[name]
        why = kind.why_not(storm)
        if why:
            skipped[name] = why
        else:
            tracks[kind.track][name] = (kind.weight, kind.longest_s)
    return Choice(list(tracks.values()), skipped)
