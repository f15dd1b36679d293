"""What the benchmarks share: servers of their own, a node, and what processes
have used."""

import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "deploy/lib"))

import millrace_servers  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")

# One disk, one writer at a time: room for the log of a run, so that no run
# pays for a checkpoint that another one caused.
PG_SETTINGS = {"shared_buffers": "512MB", "max_wal_size": "8GB",
               "checkpoint_timeout": "30min"}


NOWHERE = "127.0.0.1:9"  # where no broker is wanted


class CannotMeasure(Exception):
    """Says what is missing and how to mend it."""


# -- what a process has used ---------------------------------------------------


def stat_of(pid):
    """(parent, own CPU seconds, with those of children that have ended)."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2:].split()
    own, ended = int(fields[11]) + int(fields[12]), \
        int(fields[13]) + int(fields[14])
    return int(fields[1]), own / TICK, (own + ended) / TICK


def cpu_seconds(root):
    """Of a process and all below it, those that have ended included."""
    parents, used = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                pid = int(entry.name)
                parents[pid], _, used[pid] = stat_of(pid)
            except (OSError, ValueError, IndexError):
                continue
    def below(pid):
        while pid in parents and pid != root:
            pid = parents[pid]
        return pid == root
    return sum(seconds for pid, seconds in used.items() if below(pid))


def machine_seconds():
    """Of all cores: without work, and wanted but given to other machines."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return {"idle": int(fields[4]) / TICK, "stolen": int(fields[8]) / TICK}


def peak_bytes(pid):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


# -- the servers ---------------------------------------------------------------


class Bench:
    programs = ("millrace",)
    servers_wanted = ("pg", "kafka")
    kafka_settings = {}

    def __init__(self, options):
        self.options = options
        self.bin = Path(options.build) / "bin"
        self.against = Path(options.against) / "bin" \
            if options.against else None
        wanted = [self.bin / x for x in self.programs]
        if self.against:
            wanted.append(self.against / "millrace")
        for path in wanted:
            if not path.exists():
                raise CannotMeasure(
                    f"{path} is missing; build it with: cmake "
                    "--preset release && cmake --build build/release")
        self.servers = None
        self.node = None

    def __enter__(self):
        self.servers = millrace_servers.up(
            f"bench-{os.getpid()}", only=list(self.servers_wanted),
            kafka="real",
            owner=None if self.options.keep else os.getpid(),
            settings={x: y for x, y in {"pg": PG_SETTINGS, "kafka":
                                        self.kafka_settings}.items()
                      if x in self.servers_wanted})
        self.environment = self.servers.environment
        self.home = Path(self.servers.directory)
        return self

    def __exit__(self, *_):
        self.stop_node()
        if self.options.keep:
            say(f"servers are left running in {self.home}; end them with: "
                f"deploy/dev-servers down --name {self.servers.name}")
        else:
            self.servers.down()

    def pid(self, server):
        return int((self.home / server / f"{server}.pid").read_text())

    def url(self, database):
        base = self.environment["MILLRACE_PG_URL"]
        return base.rsplit("/", 1)[0] + "/" + database

    def sql(self, database, text):
        done = subprocess.run(
            ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.url(database),
             "-c", text], capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotMeasure(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def play(self, database, paths):
        """Scripts of psql, each in a session of its own, at once."""
        problems = []

        def session(path):
            with open(path, "rb") as script:
                done = subprocess.run(
                    ["psql", "-Xq", "-v", "ON_ERROR_STOP=1",
                     self.url(database)], stdin=script, capture_output=True,
                    check=False)
            if done.returncode:
                problems.append(done.stderr.decode())

        threads = [threading.Thread(target=session, args=(x,)) for x in paths]
        for x in threads:
            x.start()
        for x in threads:
            x.join()
        if problems:
            raise CannotMeasure(f"psql: {problems[0]}")

    def produce(self, topic, file, *more):
        """Sends it; returns what `millrace produce` says of it."""
        done = subprocess.run(
            [str(self.bin / "millrace"), "produce", topic, str(file),
             "--bootstrap", self.environment["MILLRACE_KAFKA"], "--json",
             "--quiet", *map(str, more)],
            text=True, capture_output=True, check=False)
        if done.returncode:
            raise CannotMeasure(f"millrace produce: {done.stderr.strip()}")
        return json.loads(done.stdout)

    # -- the node --------------------------------------------------------------

    def config(self, database, shape, topic):
        """A node that does nothing but this shape."""
        tenants = "".join(f'[[tenant]]\nname = "{x}"\n'
                          for x in shape.tenants)
        text = f"""# Written by bench/run.
[node]
name = "bench"
[node.admin]
port = 0
[postgresql]
url = "{self.url(database)}"
sessions = {self.options.sessions}
max_sessions = {self.options.max_sessions}
max_flushes = {self.options.max_flushes}
auto_migrate = true
[kafka]
bootstrap = "{self.environment.get('MILLRACE_KAFKA', NOWHERE)}"
{tenants}{shape.pipeline(topic)}"""
        if not shape.migrated:
            return text
        folder = self.home / f"set-{shape.name}"
        folder.mkdir(exist_ok=True)
        (folder / "001_tables.sql").write_text(
            f"-- description: what is measured\n\n-- millrace:up\n\n"
            f"{shape.tables()}\n\n-- millrace:down\n\n"
            f"DROP TABLE {shape.table};\n")
        return f"""{text}[[migrations]]
set = "bench"
folder = "{folder}"
"""

    def start_node(self, database, text, programs=None):
        """A node with this configuration; returns its admin port."""
        config = self.home / f"{database}.toml"
        config.write_text(text)
        port_file = self.home / f"{database}.port"
        port_file.unlink(missing_ok=True)
        with open(self.home / f"{database}.log", "wb") as log:
            self.node = subprocess.Popen(
                [str((programs or self.bin) / "millrace"), "node", str(config),
                 "--port-file", str(port_file)],
                env={**os.environ, **self.environment}, stdout=log,
                stderr=log, stdin=subprocess.DEVNULL)
        self.log = self.home / f"{database}.log"
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            self.check_node()
            if port_file.exists() and (text := port_file.read_text().strip()):
                return int(text)
            time.sleep(.01)
        raise CannotMeasure("the node did not tell its port within 30 s")

    def wait_ready(self, port):
        """Every tenant is prepared and every partition read."""
        url = f"http://127.0.0.1:{port}/readyz"
        deadline = time.monotonic() + self.options.timeout
        while time.monotonic() < deadline:
            self.check_node()
            try:
                with urllib.request.urlopen(url, timeout=10) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(.1)
        raise CannotMeasure(f"the node is not ready; see {self.log}")

    def check_node(self):
        if self.node.poll() is not None:
            tail = "\n  ".join(self.log.read_text().splitlines()[-8:])
            raise CannotMeasure(
                f"the node ended with {self.node.returncode}:\n  {tail}")

    def stop_node(self):
        if self.node is None or self.node.poll() is not None:
            return
        self.node.send_signal(signal.SIGTERM)
        try:
            self.node.wait(20)
        except subprocess.TimeoutExpired:
            self.node.kill()
            self.node.wait()

    # -- what to say beside the figures -----------------------------------------

    def circumstances(self):
        version = json.loads(subprocess.run(
            [str(self.bin / "millrace"), "version", "--json"],
            capture_output=True, text=True, check=True).stdout)
        cpu = re.search(r"model name\s*: (.*)",
                        Path("/proc/cpuinfo").read_text())
        memory = re.search(r"MemTotal:\s*(\d+)",
                           Path("/proc/meminfo").read_text())
        return {
            "processor": cpu[1] if cpu else platform.machine(),
            "cores": os.cpu_count(),
            "memory_bytes": int(memory[1]) * 1024,
            "load_before": os.getloadavg()[0],
            "kernel": platform.release(),
            "postgresql": self.sql("postgres", "SHOW server_version"),
            "millrace": version,
            "rows": self.options.rows, "runs": self.options.runs,
            "partitions": self.options.partitions, "lanes": self.options.lanes,
            "sessions": self.options.sessions,
            "max_sessions": self.options.max_sessions,
            "max_flushes": self.options.max_flushes,
            "postgresql_settings": {
                x: self.sql("postgres", f"SHOW {x}") for x in
                [*PG_SETTINGS, "fsync", "synchronous_commit",
                 "full_page_writes"]},
        }


# -- the account ---------------------------------------------------------------


def circumstances_told(where):
    settings = ", ".join(f"{key} {value}" for key, value in
                         where["postgresql_settings"].items())
    print(f"{where['processor']}, {where['cores']} cores, "
          f"{where['memory_bytes'] / 2**30:.0f} GiB, Linux {where['kernel']}, "
          f"load before {where['load_before']:.1f}")
    print(f"PostgreSQL {where['postgresql']}: {settings}")
    print(f"millrace {where['millrace'].get('version', '?')}\n")


def say(text):
    print(text, file=sys.stderr, flush=True)


def median(runs, *path):
    values = []
    for run in runs:
        for key in path:
            run = run[key]
        values.append(run)
    return statistics.median(values)
