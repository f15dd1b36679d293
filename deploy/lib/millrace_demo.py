"""The demo's course: servers, node, replay, a kill on the way, the proof."""

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import millrace_servers  # noqa: E402
from millrace_panel import Panel, read_metrics  # noqa: E402

TOP = Path(__file__).resolve().parents[2]
FEED = TOP / "deploy/data/ticks-2026-01-19.ndjson.xz"
TOPIC = "ticks"
PARTITIONS = 4
SMALL_REPLAY = 60_000  # all that the embedded broker can hold


def duration(text):
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not match:
        raise argparse.ArgumentTypeError(
            f"found '{text}', expected a duration such as 30s or 2m")
    return float(match[1]) * {"ms": .001, "s": 1, "m": 60, "h": 3600}[match[2]]


def positive(text):
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value <= 0:
        raise argparse.ArgumentTypeError(
            f"found '{text}', expected a whole number above 0")
    return value


def arguments():
    parser = argparse.ArgumentParser(prog="deploy/demo", add_help=False)
    parser.add_argument("--for", dest="time", type=duration)
    parser.add_argument("--rate", type=positive, default=10_000)
    parser.add_argument("--calm", type=duration, default=8.0)
    parser.add_argument("--max-rows", type=positive, default=10_000_000)
    parser.add_argument("--kafka", choices=("auto", "real", "embedded"),
                        default="auto")
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--check-only", action="store_true")
    parser.add_argument("--build", type=Path)
    return parser.parse_args()


class Demo:
    topics = {TOPIC: PARTITIONS}

    # What else the node's configuration says.
    pipelines = ""

    def __init__(self, options):
        self.options = options
        self.bin = options.build.resolve() / "bin"
        self.servers = None
        self.node = None
        self.producer = None
        self.port = None
        self.port_file = None
        self.stopping = False
        self.psql = None
        self.counts = {}
        self.counted = 0.0

    # -- pieces ---------------------------------------------------------------

    def start_servers(self):
        self.servers = millrace_servers.up(
            f"demo-{os.getpid()}", only=["pg", "kafka"],
            kafka=self.options.kafka,
            embedded=str(self.bin / "millrace-embedded-broker"),
            topics=[f"{name}:{count}" for name, count in self.topics.items()],
            owner=None if self.options.keep else os.getpid())
        self.environment = self.servers.environment
        self.real = self.environment.get("MILLRACE_KAFKA_KIND") == "kafka"
        self.directory = Path(self.servers.directory)
        self.port_file = self.directory / "admin.port"
        self.config = self.directory / "demo.toml"
        self.config.write_text(f"""# Written by deploy/demo.
[node]
name = "demo"
[node.admin]
port = 0
[postgresql]
url = {{ env = "MILLRACE_PG_URL" }}
[kafka]
bootstrap = "{self.environment['MILLRACE_KAFKA']}"
[[tenant]]
name = "demo"
[pipeline.ticks]
pack = "ticks"
tenant = "'demo'"
topics = ["{TOPIC}"]
{self.pipelines}""")

    def run(self, *words, **more):
        return subprocess.Popen(
            [str(self.bin / words[0]), *map(str, words[1:])],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL, start_new_session=True, **more)

    def start_node(self):
        self.port_file.unlink(missing_ok=True)
        self.port = None
        with open(self.directory / "node.log", "ab") as log:
            self.node = self.run("millrace", "node", self.config,
                                 "--port-file", self.port_file,
                                 stdout=log, stderr=log)

    def node_port(self):
        if self.port is None and self.port_file.exists():
            text = self.port_file.read_text().strip()
            self.port = int(text) if text else None
        return self.port

    def produce(self, *, rate=None, limit=None, forever=False):
        words = ["millrace", "produce", TOPIC, FEED, "--bootstrap",
                 self.environment["MILLRACE_KAFKA"], "--key", "symbol",
                 "--partitions", PARTITIONS]
        if rate:
            words += ["--rate", rate]
        if limit:
            words += ["--limit", limit]
        if forever:
            words += ["--repeat", "forever"]
        self.stop_producer()
        with open(self.directory / "produce.log", "ab") as log:
            self.producer = self.run(*words, stdout=log, stderr=log)

    def stop_producer(self):
        self.stop(self.producer, signal.SIGTERM)
        self.producer = None

    @staticmethod
    def stop(process, sign, patience=15):
        if process is None or process.poll() is not None:
            return
        process.send_signal(sign)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def count(self):
        """Rows per table as the server's statistics have them; about a second
        old, and free."""
        if time.monotonic() - self.counted > 1.5:
            self.counted = time.monotonic()
            query = ("SELECT coalesce(sum(n_tup_ins), 0) FROM "
                     "pg_stat_user_tables WHERE schemaname = 'tenant_demo' "
                     "AND relname LIKE 'ticks%'; SELECT coalesce(sum("
                     "n_tup_ins), 0) FROM pg_stat_user_tables WHERE "
                     "schemaname = 'millrace' AND relname = 'dead_letter'")
            try:
                result = subprocess.run(
                    ["psql", "-XAtq", self.environment["MILLRACE_PG_URL"],
                     "-c", query], capture_output=True, text=True, timeout=5)
                numbers = [int(x) for x in result.stdout.split()]
                self.counts = dict(zip(("tenant_demo.ticks",
                                        "millrace.dead_letter"), numbers))
            except (subprocess.SubprocessError, ValueError):
                pass
        return self.counts

    def details(self):
        """Lines below the table."""
        return []

    # -- the course -----------------------------------------------------------

    def watch(self, panel, phase, until, done=lambda metrics: False):
        while time.monotonic() < until and not self.stopping:
            if self.node.poll() is not None:
                raise SystemExit(self.explain("node", self.node))
            if self.producer and self.producer.poll():
                raise SystemExit(self.explain("produce", self.producer))
            port = self.node_port()
            metrics = read_metrics(port) if port else None
            panel.look(phase, metrics, self.count(), self.details())
            if metrics and done(metrics):
                return True
            time.sleep(.5)
        return False

    def explain(self, name, process):
        tail = (self.directory / f"{name}.log").read_text().splitlines()[-12:]
        return (f"`millrace {name}` ended with exit code "
                f"{process.returncode}; the end of its log:\n  "
                + "\n  ".join(tail))

    def kill_node(self, panel):
        panel.note(f"kill -9 of the node (pid {self.node.pid})")
        self.node.kill()
        self.node.wait()
        for _ in range(2):
            panel.look("killed", None, self.count())
            time.sleep(.5)
        self.start_node()
        panel.note(f"started again (pid {self.node.pid})")

    def play(self):
        options = self.options
        panel = Panel(options.plain)
        began = time.monotonic()
        end = began + options.time if options.time else float("inf")
        self.produce(rate=options.rate, forever=True,
                     limit=None if self.real else SMALL_REPLAY // 2)
        self.start_node()
        calm = min(options.calm, (options.time or 60) / 3)
        self.watch(panel, f"{options.rate:,} a second", began + calm)
        if self.stopping:
            return
        panel.note("burst: as fast as Kafka takes it")
        self.produce(forever=True, limit=options.max_rows if self.real
                     else SMALL_REPLAY // 2)
        rest = end - time.monotonic()
        self.watch(panel, "burst", time.monotonic()
                   + (min(rest / 2, 15) if options.time else 10))
        if not options.no_kill and not self.stopping:
            self.kill_node(panel)
        self.watch(panel, "burst", end,
                   lambda metrics: self.producer.poll() is not None)
        if not self.stopping and time.monotonic() < end and self.real:
            panel.note("burst is over; on at the first rate")
            self.produce(rate=options.rate, forever=True)
            self.watch(panel, f"{options.rate:,} a second", end)
        self.catch_up(panel)

    def lacks_nothing(self, metrics):
        """A node that has just started does not know of all partitions yet."""
        lags = metrics.get("millrace_lag_messages", [])
        return (len(lags) == sum(self.topics.values())
                and not any(lag for _, lag in lags))

    def catch_up(self, panel):
        self.stop_producer()
        self.stopping = False
        panel.note("no more records; waiting until all are in PostgreSQL")
        caught_up = self.watch(
            panel, "catching up", time.monotonic() + 300, self.lacks_nothing)
        if not caught_up and not self.stopping:
            raise SystemExit("the node did not catch up within five minutes; "
                             f"see {self.directory}/node.log")
        if panel.peak:
            print(f"Highest rate seen: {panel.peak:,.0f} rows/s.")

    def prove(self):
        print("Proof: an independent program reads Kafka and PostgreSQL and "
              "compares every record.", flush=True)
        check = self.run("millrace-check", "--topic", TOPIC,
                         "--kafka", self.environment["MILLRACE_KAFKA"],
                         "--pg", self.environment["MILLRACE_PG_URL"],
                         "--schema", "tenant_demo", "--pipeline", "ticks",
                         "--pack", TOP / "config/packs/ticks.toml",
                         "--wait", 30, "--quiet")
        return check.wait()

    def clean_up(self):
        self.stop_producer()
        if self.options.keep:
            print(f"Kept: node {self.node and self.node.pid}, servers "
                  f"'{self.servers.name}' (deploy/dev-servers env --name "
                  f"{self.servers.name})")
            return
        self.stop(self.node, signal.SIGTERM)
        if self.servers:
            self.servers.down()


def main(kind=Demo):
    options = arguments()
    if options.check_only:
        return 0
    demo = kind(options)

    def on_interrupt(*_):
        if demo.stopping:
            raise KeyboardInterrupt
        demo.stopping = True

    signal.signal(signal.SIGINT, on_interrupt)
    signal.signal(signal.SIGTERM, on_interrupt)
    code = 1
    try:
        print("  starting PostgreSQL and Kafka", flush=True)
        demo.start_servers()
        if not demo.real:
            print("  without Apache Kafka: the embedded broker stands in, "
                  "with a smaller replay")
        print(f"  admin pages: http://127.0.0.1:PORT/ with the port in "
              f"{demo.port_file}", flush=True)
        demo.play()
        code = demo.prove()
    except millrace_servers.ServerError as error:
        print(f"deploy/demo: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("\ndeploy/demo: interrupted twice; no proof", file=sys.stderr)
        code = 130
    finally:
        demo.clean_up()
    if code == 0:
        print("Next: README.md, 'Your own Kafka and PostgreSQL', or "
              "bench/run throughput for figures.")
    else:
        print("deploy/demo: the proof failed; run it again with --keep to "
              "look into servers and node", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
