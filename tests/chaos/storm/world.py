"""The world of a storm: configuration, tables, and nodes of one of three
topologies. Each node has a way of its own to PostgreSQL (a proxy), so that it
can be cut off alone and so that the server may be another one tomorrow."""

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import side  # noqa: E402
from certificates import certify, tls  # noqa: E402
from events import PARTITIONS, Feed  # noqa: E402
from laboratory import (FREED, LINGER, Laboratory, free_ports,  # noqa: E402
                        table)
from model import LANES, PIPELINE, TENANTS  # noqa: E402
from pg_proxy import PgProxy  # noqa: E402

# Of a node at most: for each of the tenants and `_unrouted` as many as its
# configuration says, two for questions, and those beyond `max_sessions`
# (docs/operations.md). One node more is about to go.
SESSIONS = 3 * 2 + 2 + 5
HISTORY = Path(__file__).with_name("history.sql").read_text()
TRIES = 20  # to note what changes, beside nodes that write
TOPOLOGIES = ("alone", "static", "group")

MEMORY_MIB = 256
CONFIG = """
[node]
name = "{node}"
memory_bytes = "%dMiB"
[node.admin]
port = 0
[postgresql]
url = {{ env = "LAB_PG_URL" }}
sessions = 2
connect_timeout = "5s"
lock_timeout = "2s"
statement_timeout = "20s"
tcp_user_timeout = "10s"
idle_in_transaction_timeout = "15s"
[kafka]
bootstrap = "{kafka}"
metadata_interval = "5s"
{kafka_more}
[waiting]
retry_max = "2s"
[[tenant]]
name = "big"
[[tenant]]
name = "small"
[pipeline.storm]
topics = ["{topic}"]
lanes = {lanes}
tenant = "header('tenant')"
event_type = "header('event-type')"
[pipeline.storm.limits]
floor_interval = "{floor}s"
resync = "4s"

[[pipeline.storm.event]]
name = "tick"
route = "@key"
[[pipeline.storm.event.write]]
table = "ticks"
columns = {{ id = "@key", n = "required(.n)", price = ".price", at = ".at", \
note = ".note", p = "@partition", o = "@offset" }}

[[pipeline.storm.event]]
name = "put"
route = "@key"
[[pipeline.storm.event.write]]
table = "entities"
kind = "upsert"
key = ["id"]
columns = {{ id = "@key", name = ".name", amount = ".amount" }}

[[pipeline.storm.event]]
name = "change"
route = "@key"
[[pipeline.storm.event.write]]
table = "entities"
kind = "update"
key = ["id"]
columns = {{ id = "@key", note = ".note" }}

[[pipeline.storm.event]]
name = "remove"
types = ["remove", "gone"]
route = "@key"
[[pipeline.storm.event.write]]
table = "entities"
kind = "delete"
key = ["id"]
columns = {{ id = "@key" }}
[[pipeline.storm.event.write]]
table = "entities"
kind = "delete"
on = "tombstone"
key = ["id"]
columns = {{ id = "@key" }}

[[pipeline.storm.event]]
name = "order"
route = "@key"
[[pipeline.storm.event.write]]
table = "legs"
each = "leg in .legs"
when = "leg.live"
columns = {{ id = "@key", i = "index(leg)", price = "leg.price", \
side = "leg.side", p = "@partition", o = "@offset" }}

[[pipeline.storm.event]]
name = "price"
route = "@key"
[[pipeline.storm.event.write]]
table = "prices"
kind = "upsert"
key = ["id"]
only_if_newer = "version"
columns = {{ id = "@key", version = "required(.version)", price = ".price" }}

[[pipeline.storm.event]]
name = "quiet"
route = "@key"
[[pipeline.storm.event.write]]
table = "ticks"
when = "not .silent"
columns = {{ id = "@key", n = "0", p = "@partition", o = "@offset" }}

[[pipeline.storm.event]]
name = "trace"
every = true
[[pipeline.storm.event.write]]
table = "trace"
when = "not .silent"
columns = {{ kind = "@type", topic = "@topic", p = "@partition", \
o = "@offset" }}
[[pipeline.storm.event.write]]
table = "trace"
on = "tombstone"
columns = {{ kind = "@type", topic = "@topic", p = "@partition", \
o = "@offset" }}
{more}
""" % MEMORY_MIB

# The claim tells `trace` who writes; no unique index, which would refuse what
# the checker shall find.
TENANT_TABLES = """
CREATE SCHEMA tenant_{tenant};
SET search_path = tenant_{tenant};
CREATE TABLE trace (
  kind text NOT NULL, topic text NOT NULL, p int NOT NULL, o bigint NOT NULL,
  lane text NOT NULL DEFAULT current_setting('millrace.lane'),
  seq bigint NOT NULL DEFAULT current_setting('millrace.seq')::bigint,
  epoch bigint NOT NULL DEFAULT current_setting('millrace.epoch')::bigint);
CREATE INDEX ON trace (p, o);
CREATE TABLE ticks (
  id text NOT NULL, n bigint NOT NULL CHECK (n >= 0), price numeric,
  at timestamptz, note text, p int NOT NULL, o bigint NOT NULL);
CREATE TABLE entities (
  id text PRIMARY KEY, name text, amount numeric, note text);
CREATE TABLE prices (id text PRIMARY KEY, version bigint, price numeric);
CREATE TABLE legs (
  id text NOT NULL, i int NOT NULL, price numeric, side text,
  p int NOT NULL, o bigint NOT NULL);
"""

def port_of(url):
    return urlsplit(url).port


class World(Laboratory):
    def __init__(self, bin_folder, servers, name, *, topology, nodes,
                 sides=(), floor_s=1):
        """`sides`: pipelines beside it, of side.py. `floor_s`: how often a
        partition's floor is moved."""
        super().__init__(bin_folder, servers, name, lanes=LANES,
                         config=CONFIG + side.config(sides))
        self.sides = list(sides)
        self.topic = "storm"
        self.topology = topology
        self.floor_s = floor_s
        self.lock = threading.RLock()  # nodes come and go in two tracks
        self.started = []  # (node, when), of every start
        names = ["one", "two", "three"][:1 if topology == "alone" else nodes]
        self.proxies = {x: PgProxy(port_of(self.server_url), None, 0)
                        for x in names}
        self.ports = dict(zip(names, free_ports(len(names))))
        self.due = self.directory / "due.json"  # see check.py
        self.defect = {}  # of the nodes: see bugs.py
        self.primary = None  # after a failover: the server in its place
        if topology != "alone":
            self.more = table(*((x, self.ports[x], "") for x in names))
            # Without, CAF takes whatever length a stranger names.
            if shutil.which("openssl"):
                certify(self.directory, "storm")
                self.more += tls(self.directory, "storm")
        if topology == "group":
            self.kafka_more = ('group = "storm"\n[kafka.properties]\n'
                               '"session.timeout.ms" = 6000\n')

    @property
    def group(self):
        """By whose name nodes commit to Kafka."""
        return ("storm-" if self.topology == "group" else "millrace-") \
            + PIPELINE

    @property
    def names(self):
        return list(self.proxies)

    # -- PostgreSQL -----------------------------------------------------------

    def make_tables(self, before):
        """`before`: statements ahead of a tenant's."""
        for tenant in TENANTS:
            self.query((before.get(tenant, "") + TENANT_TABLES).format(
                tenant=tenant), url=self.node_url)
        for name in self.sides:
            self.query(side.table(name), url=self.node_url)

    def note_history(self):
        self.wait_until(lambda: self.count("millrace.lane") > 0, 60,
                        "the lanes' rows")
        # Its locks and those of a node that writes may be in each other's way.
        for left in reversed(range(TRIES)):
            try:
                self.query(HISTORY)
                return
            except RuntimeError as problem:
                if not left or "deadlock detected" not in str(problem):
                    raise

    def count(self, what):
        try:
            return int(self.query(f"SELECT count(*) FROM {what}")[0])
        except (RuntimeError, IndexError, subprocess.TimeoutExpired):
            return 0

    def follow(self, server):
        """From here on this server is the one."""
        self.primary = server
        port = port_of(server.url)
        self.admin_url = self.url(self.admin_url, port=port)
        self.node_url = self.url(self.node_url, port=port)
        self.server_url = self.url(self.server_url, port=port)
        for proxy in self.proxies.values():
            proxy.server_port = port
        self.tell_checker()

    def tell_checker(self):
        place = self.directory / "database"
        place.with_suffix(".new").write_text(self.admin_url)
        place.with_suffix(".new").rename(place)

    # -- nodes ----------------------------------------------------------------

    def start(self, name, environment=None):
        with self.lock:
            config = self.directory / "storm.toml"
            config.write_text(self.config.format(
                node="one", kafka=self.kafka, kafka_more=self.kafka_more,
                topic=self.topic, lanes=self.lanes, more=self.more,
                floor=self.floor_s))
            self.started.append((name, time.time()))
            self.nodes[name] = self.spawn(
                name, "millrace", "node", config, "--name", name,
                "--port-file", self.directory / f"{name}.port",
                environment={"LAB_PG_URL": self.url(
                    self.node_url, port=self.proxies[name].port),
                    **self.defect, **(environment or {})})
            return self.nodes[name]

    def environment(self):
        """What is freed is to be free, also in a sanitized build."""
        return FREED

    def ended(self):
        """Nodes that ended by themselves, which none may."""
        with self.lock:
            return {name: node.returncode for name, node in self.nodes.items()
                    if node.poll() is not None}

    # -- records --------------------------------------------------------------

    def open_topic(self):
        """A topic without anything to write."""
        feed = Feed(0)
        nothing = feed.quiet(feed.entities["big"][0])
        done = subprocess.run(
            [str(self.bin / "millrace"), "produce", self.topic, "-",
             "--recorded", "--bootstrap", self.kafka, "--partitions",
             str(PARTITIONS), "--quiet"], input=nothing + "\n",
            text=True, capture_output=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        for name in self.sides:
            side.feed(self, name, *side.good(0))

    def open_feed(self):
        with open(self.directory / "feed.log", "ab") as log:
            return subprocess.Popen(
                [str(self.bin / "millrace"), "produce", self.topic, "-",
                 "--recorded", "--bootstrap", self.kafka, "--partitions",
                 str(PARTITIONS), "-X", LINGER, "-X",
                 "enable.idempotence=true", "-X", "message.timeout.ms=0",
                 "--timeout", "600s", "--quiet"],
                stdin=subprocess.PIPE, stdout=log, stderr=log, text=True)

    def describe(self):
        """For the checker."""
        return json.dumps({"kafka": self.kafka, "topic": self.topic,
                           "group": self.group, "role": self.role,
                           "sessions": SESSIONS * (len(self.names) + 1),
                           "due": str(self.due),
                           "database": str(self.directory / "database")})
