"""A place for black-box tests: private servers, a database and a topic of the
recorded ticks, any number of nodes, and the checker.

    with Laboratory(bin_folder, "name") as lab:
        lab.produce(20_000)
        node = lab.start_node("one")
        lab.check()
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import urlopen

sys.dont_write_bytecode = True
TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "deploy" / "lib"))

import millrace_kinds  # noqa: E402
import millrace_servers  # noqa: E402

FEED = TOP / "deploy/data/ticks-2026-01-19.ndjson.xz"
PACK = TOP / "config/packs/ticks.toml"
PARTITIONS = 4
# libfaketime, where it is installed.
CLOCK = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
BUSY = 4  # times slower, at worst, than a machine that does nothing else
LOOK_S = .15  # a look is a process and a session, most of the time
# With less the client spins while it waits for records to come.
LINGER = "linger.ms=50"

# The kernel ends it, frozen or not, when the thread that started it is gone,
# however that came about: only the main one starts any.
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")

# Beside `node.memory_bytes` a node has this (docs/operations.md), and a
# sanitized build shadow memory, red zones and unoptimised code. The thread
# sanitizer has several words for each one that is touched.
OVERHEAD_MIB = 160
SANITIZED_FACTORS = {"address": 1.5, "thread": 10}
FREED = {"ASAN_OPTIONS": "quarantine_size_mb=1:"
         "allocator_release_to_os_interval_ms=500"}

CONFIG = """
[node]
name = "{node}"
[node.admin]
port = 0
[postgresql]
url = {{ env = "LAB_PG_URL" }}
[kafka]
bootstrap = "{kafka}"
{kafka_more}
[[tenant]]
name = "demo"
[pipeline.ticks]
pack = "ticks"
tenant = "'demo'"
topics = ["{topic}"]
lanes = {lanes}
{more}
"""


class Standby(millrace_kinds.Postgres):
    """A hot standby of the set's PostgreSQL, in this process's hands."""

    def __init__(self, primary_url, home, options=()):
        super().__init__(home, {})
        self.primary_url = primary_url
        self.options = options  # more ones of pg_basebackup
        self.home.mkdir()
        if self.user:
            os.chown(self.home, self.user.pw_uid, self.user.pw_gid)
        try:
            # Like the keeper, step by step.
            for _ in self.prepare():
                time.sleep(.05)
            for _ in self.start():
                time.sleep(.05)
        except BaseException:  # a signal as well
            self.down()
            raise

    def prepare(self):
        yield from self.run(
            [self.bin / "pg_basebackup", "-d", self.primary_url, "-D",
             self.data, "-R", "-X", "stream", "-c", "fast", *self.options],
            user=self.user)
        with open(self.data / "postgresql.auto.conf", "a") as conf:
            conf.write(f"port = {self.port.number}\n"
                       "unix_socket_directories = ''\n")

    def ready(self):
        lines = (self.data / "postmaster.pid").read_text().splitlines() \
            if (self.data / "postmaster.pid").exists() else []
        return (len(lines) > 7 and lines[0] == str(self.process.pid)
                and lines[7].strip() in ("ready", "standby"))

    def down(self):
        for _ in self.stop("immediate"):
            time.sleep(.05)
        self.clean()


def memory_bound_mib(program, configured_mib):
    """What a node may have at most, where it frees what it can (FREED)."""
    words = subprocess.run([program, "version"], capture_output=True,
                           text=True, check=True).stdout
    return (configured_mib + OVERHEAD_MIB) * max(
        (factor for name, factor in SANITIZED_FACTORS.items() if name in words),
        default=1)


def free_ports(n):
    """Free a moment ago; a node tries again when one is taken."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [x.getsockname()[1] for x in sockets]
    for x in sockets:
        x.close()
    return ports


def table(*nodes):
    """The static table of (name, port, settings)."""
    return "".join(f"""
[[cluster.static]]
node = "{name}"
address = "127.0.0.1:{port}"
{settings}
""" for name, port, settings in nodes)


class Laboratory:
    """One database, one topic. Its role owns the database and is not a
    superuser, so that limits hold for it."""

    def __init__(self, bin_folder, servers, name, *, lanes=2, more="",
                 config=CONFIG):
        self.bin = Path(bin_folder)
        self.config = config
        self.kafka_more = ""
        self.produce_more = []
        self.servers = servers
        self.name = name
        self.lanes = lanes
        self.more = more
        self.topic = f"ticks-{name}"
        self.directory = Path(servers.directory) / f"lab-{name}"
        self.directory.mkdir()
        self.kafka = servers.environment["MILLRACE_KAFKA"]
        self.server_url = servers.environment["MILLRACE_PG_URL"]
        self.role = f"ingest_{name}"
        self.admin_url = self.url(self.server_url, database=name)
        self.node_url = self.url(self.server_url, user=self.role,
                                 database=name)
        self.query(f"CREATE ROLE {self.role} LOGIN IN ROLE pg_signal_backend",
                   url=self.server_url)
        self.query(f"CREATE DATABASE {name} OWNER {self.role}",
                   url=self.server_url)
        self.nodes = {}
        self.producer = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.close(failed=kind is not None)

    @staticmethod
    def url(base, *, user=None, database=None, port=None):
        parts = urlsplit(base)
        return urlunsplit((
            parts.scheme,
            f"{user or parts.username}@{parts.hostname}:{port or parts.port}",
            "/" + (database or parts.path.lstrip("/")), "", ""))

    # -- processes ------------------------------------------------------------

    def environment(self):
        """Variables that its programs get beside the caller's."""
        return {}

    def spawn(self, log_name, *words, environment=None):
        with open(self.directory / f"{log_name}.log", "ab") as log:
            return subprocess.Popen(
                [*ENDS_WITH_US, str(self.bin / words[0]),
                 *map(str, words[1:])],
                env={**os.environ, **self.environment(),
                     "LAB_PG_URL": self.node_url, **(environment or {})},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def tell(self, *words, patience_s=60):
        """What a command prints, which must succeed."""
        done = subprocess.run(
            [str(self.bin / words[0]), *map(str, words[1:])],
            env={**os.environ, **self.environment(),
                 "LAB_PG_URL": self.node_url},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=BUSY * patience_s)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start_node(self, name):
        config = self.directory / f"{name}.toml"
        config.write_text(self.config.format(
            node=name, kafka=self.kafka,
            kafka_more=self.kafka_more, topic=self.topic, lanes=self.lanes,
            more=self.more))
        node = self.spawn(name, "millrace", "node", config,
                          "--port-file", self.directory / f"{name}.port")
        self.nodes[name] = node
        return node

    def start_peer(self, name):
        """A node of a cluster: all have one file and each its own name."""
        config = self.directory / "shared.toml"
        config.write_text(self.config.format(
            node="nobody", kafka=self.kafka,
            kafka_more=self.kafka_more, topic=self.topic,
            lanes=self.lanes, more=self.more))
        node = self.spawn(name, "millrace", "node", config, "--name", name,
                          "--port-file", self.directory / f"{name}.port")
        self.nodes[name] = node
        return node

    def log_of(self, name):
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def admin(self, name, path):
        """A page of the node, or nothing while there is none."""
        try:
            address = (self.directory / f"{name}.port").read_text().strip()
            if ":" not in address:
                address = f"127.0.0.1:{address}"
            with urlopen(f"http://{address}{path}", timeout=5) as answer:
                return answer.read().decode()
        except HTTPError as answer:
            return answer.read().decode()
        except OSError:
            return ""

    def kill_node(self, name):
        node = self.nodes.pop(name)
        node.kill()
        node.wait()

    def end_nodes(self):
        """An orderly stop of all, which must succeed."""
        for name in list(self.nodes):
            node = self.nodes.pop(name)
            node.send_signal(signal.SIGCONT)
            node.terminate()
            code = node.wait(BUSY * 60)
            assert code == 0, f"node {name} ended with exit code {code}"

    def produce(self, records, *, rate=None, wait=True):
        words = ["millrace", "produce", self.topic, FEED, "--bootstrap",
                 self.kafka, "--key", "symbol", "--partitions", PARTITIONS,
                 "--limit", records, "-X", LINGER, "--timeout", "180s"]
        words += self.produce_more
        if rate:
            words += ["--rate", rate]
        if records > 286_231:
            words += ["--repeat", "forever"]
        self.producer = self.spawn("produce", *words)
        if wait:
            self.finish_producing()

    def finish_producing(self, patience_s=120):
        code = self.producer.wait(BUSY * patience_s)
        self.producer = None
        assert code == 0, f"millrace produce ended with exit code {code}"

    # -- PostgreSQL -----------------------------------------------------------

    def query(self, sql, *, url=None, patience_s=60):
        """Lines of the answer, fields parted by '|'."""
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql,
             url or self.admin_url], capture_output=True, text=True,
            timeout=BUSY * patience_s)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.splitlines()

    @contextlib.contextmanager
    def session(self, *statements):
        """A session that has executed these, and ends with the block."""
        process = subprocess.Popen(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.admin_url],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        try:
            for statement in statements:
                process.stdin.write(statement + ";\n")
            process.stdin.write("\\echo ready\n")
            process.stdin.flush()
            readable, _, _ = select.select([process.stdout], [], [],
                                           BUSY * 30)
            assert readable, f"no answer to {statements}"
            while process.stdout.readline().strip() != "ready":
                assert process.poll() is None, process.stderr.read()
            yield process
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()
            process.stderr.close()

    def rows(self):
        try:
            return int(self.query("SELECT count(*) FROM tenant_demo.ticks")[0])
        except (RuntimeError, IndexError, subprocess.TimeoutExpired):
            return 0  # no table yet, or PostgreSQL is on its way back

    # -- waiting and proof ----------------------------------------------------

    def wait_until(self, done, patience_s, what):
        """What `done` returns, once that is true. On a machine that does
        nothing else it is so within `patience_s`."""
        end = time.monotonic() + BUSY * patience_s
        while not (result := done()):
            for name, node in self.nodes.items():
                assert node.poll() is None, \
                    f"node {name} ended by itself: {node.returncode}"
            assert time.monotonic() < end, f"waited in vain: {what}"
            time.sleep(LOOK_S)
        return result

    def wait_for_rows(self, n, patience_s=90):
        self.wait_until(lambda: self.rows() >= n, patience_s, f"{n} rows")

    def check(self, patience_s=90):
        """Every record is there exactly once, by a program that shares no
        code with the ingest path."""
        done = subprocess.run(
            [str(self.bin / "millrace-check"), "--kafka", self.kafka,
             "--topic", self.topic, "--pg", self.admin_url, "--schema",
             "tenant_demo", "--pack", str(PACK), "--quiet", "--wait",
             str(BUSY * patience_s)], capture_output=True, text=True,
            timeout=BUSY * patience_s + 120)
        assert done.returncode == 0, done.stdout + done.stderr

    def close(self, failed=False):
        for process in (self.producer, *self.nodes.values()):
            if process and process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait()
        if failed:
            for log in sorted(self.directory.glob("*.log")):
                lines = log.read_text(errors="replace").splitlines()
                print(f"--- the end of {log.name}", *lines[-25:], sep="\n")
        self.nodes = {}


def up(name, **options):
    """Servers that end with this process."""
    return millrace_servers.up(f"{name}-{os.getpid()}", only=["pg", "kafka"],
                               kafka="real", owner=os.getpid(), **options)
