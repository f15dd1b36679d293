"""The kinds of server a set can hold: PostgreSQL, Kafka, Redis, and the
embedded broker that stands in for Kafka."""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from millrace_server import (LOOPBACK, STOP_PATIENCE_S, Port, Server,
                             ServerError, libc)

LIB = Path(__file__).resolve().parent


def unprivileged_user():
    """The user PostgreSQL runs as: the caller, unless the caller is root."""
    if os.geteuid() != 0:
        return None
    for name in ("millrace-dev", "postgres"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerError("PostgreSQL refuses to run as root and there is neither "
                      "a user 'postgres' nor 'millrace-dev'; run deploy/setup")


def kafka_version():
    pom = (LIB.parent / "kafka" / "pom.xml").read_text()
    return re.search(r"<artifactId>kafka_[\d.]+</artifactId>\s*"
                     r"<version>([^<]+)</version>", pom)[1]


def cache_directory():
    cache = os.environ.get("MILLRACE_CACHE")
    if cache:
        return Path(cache)
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "millrace"


def kafka_home():
    return cache_directory() / f"kafka-{kafka_version()}"


def why_no_kafka():
    """None when real Kafka can be started here, else the reason."""
    if not (kafka_home() / "complete").exists():
        marker = cache_directory() / "kafka-unavailable"
        if marker.exists():
            return marker.read_text().strip()
        return "Apache Kafka is not in the cache; run deploy/setup"
    if not shutil.which("java"):
        return "there is no java; run deploy/setup"
    return None


class Postgres(Server):
    name = "pg"
    death_signal = signal.SIGQUIT
    signals = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT,
               "kill": signal.SIGKILL}

    def __init__(self, home, settings):
        super().__init__(home, settings)
        self.user = unprivileged_user()
        self.bin = Path(shutil.which(
            "initdb", path="/usr/lib/postgresql/17/bin") or "").parent
        if not (self.bin / "postgres").exists():
            raise ServerError("PostgreSQL 17 is not installed; "
                              "run deploy/setup")
        self.port = Port()
        self.data = self.home / "data"
        self.url = (f"postgresql://millrace@{LOOPBACK}:{self.port.number}"
                    "/millrace")

    def prepare(self):
        if self.user:
            os.chown(self.home, self.user.pw_uid, self.user.pw_gid)
            closed = [p for p in self.home.parents
                      if not p.stat().st_mode & 0o001]
            if closed:
                raise ServerError(f"{closed[-1]} is closed to user "
                                  f"{self.user.pw_name}, whom PostgreSQL runs "
                                  "as; set MILLRACE_STATE to another place")
        yield from self.run([self.bin / "initdb", "-D", self.data, "-U",
                             "millrace", "-A", "trust", "-E", "UTF8",
                             "--locale=C.UTF-8", "--no-sync"], user=self.user)
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{key} = '{value}'\n"
                            for key, value in self.configuration().items())
        create = self.home / "create.sql"
        create.write_text("CREATE DATABASE millrace\n")
        with open(create) as sql:
            yield from self.run([self.bin / "postgres", "--single", "-D",
                                 self.data, "postgres"],
                                user=self.user, stdin=sql)

    def configuration(self):
        preload = Path("/usr/lib/postgresql/17/lib/timescaledb.so").exists()
        sockets = len(str(self.home)) < 85  # the kernel's limit is 107
        return {
            "listen_addresses": LOOPBACK,
            "port": self.port.number,
            "unix_socket_directories": self.home if sockets else "",
            "max_connections": 200,
            "max_locks_per_transaction": 256,
            "shared_buffers": "256MB",
            "max_wal_size": "2GB",
            "fsync": "on",
            "wal_level": "replica",
            "shared_preload_libraries": "timescaledb" if preload else "",
            "timescaledb.telemetry_level": "off",
            # Files in the data directory, so that a kill leaves nothing.
            "dynamic_shared_memory_type": "mmap",
            "log_line_prefix": "%m [%p] %q%a ",
            "timezone": "UTC",
        } | self.settings

    def launch(self):
        # After a kill, the old backends may hold the memory for a moment.
        deadline = time.monotonic() + STOP_PATIENCE_S
        while True:
            begin = self.log.stat().st_size if self.log.exists() else 0
            self.spawn([self.bin / "postgres", "-D", self.data],
                       user=self.user)
            try:
                yield from self.until_ready(self.ready)
                return
            except ServerError:
                said = self.log.read_bytes()[begin:]
                if (b"still in use" not in said
                        or time.monotonic() > deadline):
                    raise
            yield

    def ready(self):
        # The eighth line is what pg_ctl waits for, too.
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return (len(lines) > 7 and lines[0] == str(self.process.pid)
                and lines[7].strip() == "ready")

    def signal_for(self, how):
        return self.signals[how]

    def clean(self):
        remove_shared_memory(self.data)
        self.port.close()

    def address(self):
        return {"url": self.url, "data": str(self.data)}

    def environment(self):
        return {"MILLRACE_PG_URL": self.url}


def remove_shared_memory(data):
    """A killed postmaster leaves a System V segment; its pid file names it."""
    try:
        lines = (Path(data) / "postmaster.pid").read_text().splitlines()
        libc.shmctl(int(lines[6].split()[1]), 0, None)  # IPC_RMID
    except (OSError, IndexError, ValueError):
        pass


class Kafka(Server):
    """A single node in KRaft mode, broker and controller in one."""

    name = "kafka"

    def __init__(self, home, settings):
        super().__init__(home, settings)
        self.ports = [Port(), Port()]
        self.bootstrap = f"{LOOPBACK}:{self.ports[0].number}"
        self.properties = self.home / "server.properties"

    def java(self, main, *arguments):
        return ["java", "-Xmx512m", "-Xms128m", "-XX:+UseSerialGC",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer"
                "=info",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-cp", f"{kafka_home()}/libs/*", main, *arguments]

    def configuration(self):
        broker, controller = (port.number for port in self.ports)
        return {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{LOOPBACK}:{broker},"
                         f"CONTROLLER://{LOOPBACK}:{controller}",
            "log.dirs": self.home / "logs",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,
            # A killed broker may register again once this has passed.
            "broker.session.timeout.ms": 1500,
            "broker.heartbeat.interval.ms": 300,
            "auto.create.topics.enable": "false",
            # Recorded feeds and tests carry old timestamps, which retention
            # by time would delete under the reader.
            "log.retention.ms": -1,
            "message.max.bytes": 16 << 20,
        } | self.settings

    def prepare(self):
        self.properties.write_text("".join(
            f"{key}={value}\n" for key, value in self.configuration().items()))
        cluster = "MillraceDevServersAAAA"  # 16 bytes in base64
        yield from self.run(self.java("kafka.tools.StorageTool", "format",
                                      "-t", cluster, "-c", self.properties))

    def launch(self):
        begin = self.log.stat().st_size
        self.spawn(self.java("kafka.Kafka", self.properties))

        def started():
            return b"Kafka Server started" in self.log.read_bytes()[begin:]

        yield from self.until_ready(started)

    def clean(self):
        for port in self.ports:
            port.close()

    def address(self):
        return {"bootstrap": self.bootstrap, "kind": "kafka"}

    def environment(self):
        return {"MILLRACE_KAFKA": self.bootstrap,
                "MILLRACE_KAFKA_KIND": "kafka"}


class EmbeddedBroker(Server):
    """The mock broker as a program: prints its address, ends with its
    standard input. Keeps nothing on disk, and a new start has a new port."""

    name = "kafka"
    bootstrap = ""

    def launch(self):
        topics = [w for topic in self.settings["topics"]
                  for w in ("--topic", topic)]
        self.spawn([self.settings["program"], *topics], stdin=subprocess.PIPE,
                   stdout=subprocess.PIPE)
        out = self.process.stdout
        os.set_blocking(out.fileno(), False)
        said = b""

        def told():
            nonlocal said
            said += out.read() or b""
            return re.search(rb"^bootstrap=(\S+)\n", said, re.M)

        yield from self.until_ready(told)
        self.bootstrap = told()[1].decode()

    def address(self):
        return {"bootstrap": self.bootstrap, "kind": "embedded"}

    def environment(self):
        return {"MILLRACE_KAFKA": self.bootstrap,
                "MILLRACE_KAFKA_KIND": "embedded"}


class Redis(Server):
    name = "redis"

    def __init__(self, home, settings):
        super().__init__(home, settings)
        if not shutil.which("redis-server"):
            raise ServerError("Redis is not installed; run deploy/setup")
        self.port = Port()
        self.url = f"redis://{LOOPBACK}:{self.port.number}"

    def launch(self):
        options = {"bind": LOOPBACK, "port": self.port.number, "save": "",
                   "appendonly": "no", "dir": self.home} | self.settings
        words = [w for key, value in options.items()
                 for w in (f"--{key}", value)]
        self.spawn(["redis-server", *words])
        yield from self.until_ready(self.ready)

    def ready(self):
        try:
            with socket.create_connection((LOOPBACK, self.port.number),
                                          timeout=1) as link:
                link.sendall(b"PING\r\n")
                return link.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    def clean(self):
        self.port.close()

    def address(self):
        return {"url": self.url}

    def environment(self):
        return {"MILLRACE_REDIS": self.url}
