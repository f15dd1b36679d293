"""A node that writes the exchange's tables, for the tests of the pack: topics of
three partitions, a node over them, and records that are sent as a day has them.
"""

import base64
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from urllib.request import urlopen

import support

CONFIG = """
[node]
name = "exchange"
[node.admin]
port = 0
[postgresql]
url = {{ env = "PME_URL" }}
[kafka]
bootstrap = "{kafka}"
[[tenant]]
name = "north"
[[tenant]]
name = "south"
[[tenant]]
name = "east"
"""

# A tenant and its topic.
PIPELINE = """
[pipeline.{name}]
pack = "pme-online"
topics = ["{topic}"]
tenant = "'{name}'"
max_reject_ratio = 1
{start}
"""


def text_of(body):
    """As Go's encoder writes it, decimals digit by digit."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False,
                      default=lambda x: f"@@{x}@@" if isinstance(x, Decimal)
                      else str(x))
    return re.sub(r'"@@([^@]*)@@"', r"\1", text)


def record(event, value=None, headers=None):
    """A line for `millrace produce --recorded`. `value`: other bytes than the
    event's body; `headers`: others than its type."""
    raw = text_of(event.body).encode() if value is None else value
    return {"partition": event.partition, "timestamp": event.time_ms,
            "headers": [["event-type", event.kind]] if headers is None
            else headers,
            "key_b64": base64.b64encode(b"ledgerpoint").decode(),
            "value_b64": base64.b64encode(raw).decode()}


class Exchange:
    """Some tenants, each with a topic, and one node."""

    tenants = ("north", "south", "east")

    def __init__(self, folder_of_programs):
        self.program = str(Path(folder_of_programs) / "millrace")
        self.name = f"pme_node_{os.getpid()}"
        self.kafka = os.environ["MILLRACE_KAFKA"]
        self.scratch = tempfile.TemporaryDirectory()
        self.folder = Path(self.scratch.name)
        self.sent = dict.fromkeys(self.tenants, 0)
        self.ends = {x: [0, 0, 0] for x in self.tenants}
        self.begins = {}
        self.process = None
        self.sessions = []
        self.server = support.Session("postgres")
        self.server.run(f"CREATE DATABASE {self.name}")
        self.environment = {
            **os.environ, "PME_URL": support.with_database(self.name),
            "MILLRACE_PACK_DIR": str(support.TOP / "config/packs")}
        self.config = self.folder / "exchange.toml"

    def topic(self, tenant):
        return f"{self.name}.{tenant}"

    def begin_here(self, tenant):
        """What has been sent so far is somebody else's."""
        self.begins[tenant] = list(self.ends[tenant])
        self.sent[tenant] = 0

    def start_of(self, tenant):
        offsets = [f"{self.topic(tenant)}/{partition}={offset}" for
                   partition, offset in enumerate(self.begins.get(tenant, []))]
        return f"start_offsets = {json.dumps(offsets)}" if offsets else ""

    def write_config(self):
        self.config.write_text(CONFIG.format(kafka=self.kafka) + "".join(
            PIPELINE.format(name=x, topic=self.topic(x),
                            start=self.start_of(x)) for x in self.tenants))

    def run(self, *words, **environment):
        return subprocess.run(
            [self.program, *map(str, words)], capture_output=True, text=True,
            env={**self.environment, **environment}, check=False, timeout=60)

    def feed(self, tenant, records):
        file = self.folder / "records.ndjson"
        file.write_text("".join(json.dumps(x) + "\n" for x in records))
        done = self.run("produce", self.topic(tenant), file, "--recorded",
                        "--bootstrap", self.kafka, "--partitions", 3,
                        "--quiet")
        assert done.returncode == 0, done.stderr
        self.sent[tenant] += len(records)
        for x in records:
            self.ends[tenant][x["partition"]] += 1

    # -- the node -------------------------------------------------------------

    def start(self):
        self.write_config()
        with open(self.folder / "node.log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "node", str(self.config), "--port-file",
                 str(self.folder / "port")], env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()
        (self.folder / "port").unlink(missing_ok=True)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert code == 0, f"the node ended with {code}: {self.log()}"

    def log(self):
        return (self.folder / "node.log").read_text()[-4000:]

    def page(self, path):
        port = (self.folder / "port").read_text().strip()
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()

    def metric(self, name, **labels):
        """The sum of the time series of that name with these labels."""
        total = 0
        for found, value in re.findall(rf"^{name}\{{(.*)\}} (\S+)$",
                                       self.page("/metrics")[1], re.M):
            if labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"',
                                                 found)).items():
                total += float(value)
        return total

    def until(self, done, what):
        end = time.monotonic() + 90
        while not done():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < end, f"waited in vain: {what}"
            time.sleep(.05)

    def settled(self, waiting=0):
        """Waits until every record is in the log, which is made with whatever
        became of it, and as many events wait as the test expects."""
        def logged(tenant):
            try:
                return self.value(
                    f"SELECT count(*) FROM tenant_{tenant}.event_log")
            except support.SqlError:
                return -1  # no table yet

        self.until(lambda: all(logged(x) >= self.sent[x]
                               for x in self.tenants), "all records")
        self.until(lambda: self.value("SELECT count(*) FROM millrace.waiting")
                   == waiting, "events that wait")

    # -- the database ---------------------------------------------------------

    def session(self, tenant):
        result = support.Session(self.name, f"tenant_{tenant}")
        self.sessions.append(result)
        return result

    def value(self, query):
        if not self.sessions:
            self.session("north")
        return self.sessions[0].value(query)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for session in self.sessions:
            session.close()
        self.server.run(f"DROP DATABASE {self.name} WITH (FORCE)")
        self.server.close()
        self.scratch.cleanup()
