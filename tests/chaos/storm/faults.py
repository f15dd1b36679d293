"""The faults of a storm. Each has a moment when it begins and one when it ends;
in between `step` is called a few times a second. All run in one thread, which
is the one that started the servers.

`CATALOG` has them by name; `why_not` says why a machine cannot do one.
"""

import os
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import network  # noqa: E402
from fault import GROUND, NODES, Fault  # noqa: E402
from faults_beside import (Breaker, Partitions, Recreated,  # noqa: E402
                           Retention)
from faults_pg import (Backends, Connections, Ddl, Disk,  # noqa: E402
                       Doubt, Failover, Locked, MaxConnections, PgAsync,
                       PgCrash, PgRestart, WalDisk)
from laboratory import CLOCK  # noqa: E402

WAITS = "libmillrace-c11-threads.so"  # tests/support/c11_threads.cpp
IDLE_CONNECTIONS = 100


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
    track, longest_s, number = NODES, 30, 2
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
        self.patience = self.chance.uniform(2, 8)
        self.storm.restart(self.name)
        return self.name

    def step(self):
        if not self.back and time.monotonic() > self.since + self.patience:
            self.frozen.send_signal(signal.SIGCONT)
            self.back = True

    def end(self):
        self.undo()

    def undo(self):
        """Nobody else knows of it."""
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
        if not (storm.world.bin / WAITS).exists():
            return f"{WAITS} is not beside the programs"

    def begin(self):
        self.name = self.node()
        off = self.chance.choice(("+1h", "-1h"))
        self.world.kill_node(self.name)
        self.storm.restart(self.name, {
            "LD_PRELOAD": f"{self.world.bin / WAITS}:{CLOCK[0]}",
            "FAKETIME": off,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
            "ASAN_OPTIONS": "verify_asan_link_order=0:"
            + self.world.environment()["ASAN_OPTIONS"]})
        return f"{self.name} {off}"

    def end(self):
        self.world.kill_node(self.name)
        self.storm.restart(self.name)


# -- Kafka ------------------------------------------------------------------------

class Broker(Fault):
    weight, longest_s, number, about = 1, 2, 16, "the broker is killed"
    mode = "kill"

    def begin(self):
        self.storm.servers.stop("kafka", mode=self.mode)

    def end(self):
        self.storm.start_server("kafka")

    def undo(self):
        self.end()


class BrokerRestart(Broker):
    about, mode = "the broker restarts in order", "fast"


class SlowBroker(Fault):
    weight, number = 2, 16
    about = "the broker answers by fits and starts (SIGSTOP)"
    still_s, moving_s = (.3, 2), (.05, .5)  # the longer one costs its lease

    def begin(self):
        self.pid = self.storm.servers.status()["servers"]["kafka"]["pid"]
        self.stands, self.until = False, 0

    def step(self):
        if time.monotonic() < self.until:
            return
        self.stands = not self.stands
        os.kill(self.pid, signal.SIGSTOP if self.stands else signal.SIGCONT)
        self.until = time.monotonic() + self.chance.uniform(
            *(self.still_s if self.stands else self.moving_s))

    def end(self):
        os.kill(self.pid, signal.SIGCONT)

    def undo(self):
        if hasattr(self, "pid"):
            self.end()


# -- the network ------------------------------------------------------------------

class Network(Fault):
    ways, weight, longest_s = ("cut",), 2, 30

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
    longest_s = 45

    @classmethod
    def why_not(cls, storm):
        if storm.world.topology == "alone":
            return "there is one node"
        return storm.why_no_network

    def victims(self):
        return list(self.world.ports.values()), ""


class Garbage(Fault):
    number = 21
    about = "garbage and idle connections on the nodes' own ports"

    @classmethod
    def why_not(cls, storm):
        if storm.world.topology == "alone":
            return "a node alone has no port for others"

    def begin(self):
        self.idle = []
        for port in self.world.ports.values():
            for _ in range(IDLE_CONNECTIONS):
                self.speak(port, b"", keep=True)
        return f"{len(self.idle)} idle connections"

    def speak(self, port, words, keep=False):
        try:
            link = socket.create_connection(("127.0.0.1", port), 1)
            link.sendall(words)
        except OSError:
            return  # the node is away, or refuses
        if keep:
            self.idle.append(link)
        else:
            link.close()

    def step(self):
        port = self.chance.choice(list(self.world.ports.values()))
        self.speak(port, self.chance.choice((
            self.chance.randbytes(self.chance.randrange(1, 4096)),
            b"\xff" * 64,  # a frame of four gigabytes
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")))

    def end(self):
        for link in self.idle:
            link.close()

    def undo(self):
        self.end()


class Redis(Fault):
    number, about = 18, "Redis down, slow, flushed"

    @classmethod
    def why_not(cls, storm):
        return "no node uses Redis"


CATALOG = {
    "kill": Kill, "freeze": Freeze, "zombie": Zombie, "rebalance": Storm,
    "clock": Clock, "backends": Backends, "pg-crash": PgCrash,
    "pg-restart": PgRestart, "pg-async": PgAsync, "failover": Failover,
    "locked": Locked, "connections": Connections,
    "max-connections": MaxConnections, "disk": Disk, "wal-disk": WalDisk,
    "ddl": Ddl, "partitions": Partitions, "doubt": Doubt, "broker": Broker,
    "broker-restart": BrokerRestart, "slow-broker": SlowBroker,
    "net-pg": NetPg, "net-pg-bad": NetPgBad, "net-kafka": NetKafka,
    "net-kafka-bad": NetKafkaBad, "net-peers": NetPeers,
    "garbage": Garbage, "redis": Redis, "breaker": Breaker,
    "recreated": Recreated, "retention": Retention,
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
