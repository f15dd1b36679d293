"""The demo of the pack pme-online: a day of the exchange beside the ticks, and
its own proof."""

import json
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(TOP / "tests/packs"))

import millrace_demo  # noqa: E402
import pme_fold  # noqa: E402
import pme_rows  # noqa: E402
from millrace_demo import Demo  # noqa: E402
from millrace_panel import Panel, total  # noqa: E402

LEDGER = "pme-ledger"
EVENTS_PER_S = 200
TICKS_PER_S = 500
SCHEMA = "tenant_demo"
BAR = 30

LOOK = f"""SELECT json_build_object(
  'orders', (SELECT json_object_agg(state, n) FROM (SELECT state, count(*) n
    FROM {SCHEMA}.orders GROUP BY state) x),
  'trades', (SELECT json_object_agg(state, n) FROM (SELECT state, count(*) n
    FROM {SCHEMA}.trades GROUP BY state) x),
  'contracts', (SELECT json_object_agg(state, n) FROM (SELECT state, count(*) n
    FROM {SCHEMA}.contracts GROUP BY state) x),
  'interest', (SELECT json_agg(x) FROM (SELECT instrument_code AS code,
    sum(quantity) AS quantity FROM {SCHEMA}.contracts WHERE state = 'O' AND
    side = 'BORR' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5) x),
  'dead', (SELECT json_agg(x) FROM (SELECT left(reason, 60) AS reason,
    count(*) AS n FROM millrace.dead_letter WHERE pipeline = 'pme' GROUP BY 1
    ORDER BY 2 DESC, 1 LIMIT 4) x),
  'logged', (SELECT count(*) FROM {SCHEMA}.event_log),
  'waiting', (SELECT count(*) FROM millrace.waiting))"""


def states(name, found, order):
    found = found or {}
    return f"{name:<11}" + "  ".join(f"{x} {found.get(x, 0):<6}"
                                     for x in order).rstrip()


def chart(interest):
    """Open interest by instrument."""
    interest = interest or []
    most = max((x["quantity"] for x in interest), default=1)
    return [f"{x['code']:<11}"
            + "█" * max(1, round(BAR * x["quantity"] / most))
            + f" {x['quantity']:,}" for x in interest]


class ExchangeDemo(Demo):
    topics = {**Demo.topics, LEDGER: 3}
    pipelines = f"""[pipeline.pme]
pack = "pme-online"
tenant = "'demo'"
topics = ["{LEDGER}"]
# Where a day begins in the middle of a backlog, most events wait for others at
# first: small batches find them sooner.
limits.batch_rows = 50
"""

    def __init__(self, options):
        super().__init__(options)
        self.exchange = None
        self.whole = False
        self.seen = {}
        self.seen_at = 0.0

    # -- pieces ---------------------------------------------------------------

    def ask(self, query):
        done = subprocess.run(
            ["psql", "-XAtq", self.environment["MILLRACE_PG_URL"], "-c", query],
            capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout, parse_float=Decimal)

    def details(self):
        if time.monotonic() - self.seen_at > 1.5:
            self.seen_at = time.monotonic()
            try:
                self.seen = self.ask(LOOK)
            except (subprocess.SubprocessError, ValueError):
                pass  # no tables yet
        seen = self.seen
        if not seen:
            return []
        return [
            states("orders", seen["orders"], "SGOPMAWR"),
            states("trades", seen["trades"], "SEOCR"),
            states("contracts", seen["contracts"], "SEOCRT"),
            f"{'log':<11}{seen['logged']:,} records, {seen['waiting']} wait",
            "open interest, borrowed shares:", *chart(seen["interest"]),
            "dead letters of the exchange:",
            *(f"{x['n']:>7}  {x['reason']}" for x in seen["dead"] or [])]

    def generate(self, events):
        self.day = self.directory / "day.ndjson"
        done = self.run("millrace", "generate", "pme", "--events", events,
                        "--poison", "1%", "--out", self.day,
                        stdout=subprocess.DEVNULL)
        if done.wait() != 0:
            raise SystemExit("`millrace generate pme` failed")

    def feed_exchange(self):
        with open(self.directory / "exchange.log", "ab") as log:
            self.exchange = self.run(
                "millrace", "produce", LEDGER, self.day, "--recorded",
                "--bootstrap", self.environment["MILLRACE_KAFKA"], "--rate",
                EVENTS_PER_S, "--partitions", self.topics[LEDGER], stdout=log,
                stderr=log)

    # -- the course -----------------------------------------------------------

    def play(self):
        lasts = self.options.time or 60.0
        panel = Panel(self.options.plain)
        self.generate(max(100, int(lasts * EVENTS_PER_S)))
        self.produce(rate=TICKS_PER_S, forever=True,
                     limit=None if self.real else
                     millrace_demo.SMALL_REPLAY // 2)
        self.start_node()
        self.feed_exchange()
        began = time.monotonic()

        def over(_):
            return self.exchange.poll() is not None

        self.watch(panel, "the exchange trades", began + lasts / 2, over)
        if not self.options.no_kill and not self.stopping:
            self.kill_node(panel)
        # As long as it takes: the day is to be whole for its proof.
        self.watch(panel, "the exchange trades", began + lasts + 60, over)
        if not self.stopping and self.exchange.poll() != 0:
            raise SystemExit(self.explain("exchange", self.exchange))
        self.whole = not self.stopping
        self.stop(self.exchange, signal.SIGTERM)
        self.catch_up(panel)
        self.wait_for_waiting(panel)

    def wait_for_waiting(self, panel):
        """What waits for its parents is no lag."""
        self.watch(panel, "the last ones wait", time.monotonic() + 60,
                   lambda metrics: total(metrics,
                                         "millrace_waiting_events") == 0)

    def clean_up(self):
        self.stop(self.exchange, signal.SIGTERM)
        super().clean_up()

    # -- the proof ------------------------------------------------------------

    def show_the_end(self):
        """The panel was drawn a while ago."""
        self.seen_at = 0.0
        print("The exchange at the end of its day:")
        for line in self.details():
            print(f"  {line}")

    def prove(self):
        if self.whole:
            self.show_the_end()
        code = super().prove()
        if not self.whole:
            print("The day was not sent to its end: its rows are not compared.")
            return code
        with open(self.day, encoding="utf-8") as file:
            wanted, dead = pme_fold.expected(
                pme_fold.records_of(json.loads(x) for x in file))
        found = {x: pme_rows.normal(x, self.ask(
            "SELECT coalesce(json_agg(to_jsonb(t) - 'id' - 'created_at'), "
            f"'[]') FROM {SCHEMA}.{x} t")) for x in pme_rows.KEYS}
        wrong = pme_rows.differences(found, wanted)
        letters = self.ask("SELECT count(*) FROM millrace.dead_letter "
                           "WHERE pipeline = 'pme'")
        if letters != len(dead):
            wrong.append(f"{letters} dead letters, expected {len(dead)}")
        for line in wrong[:20]:
            print(f"  {line}", file=sys.stderr)
        if wrong:
            return 1
        rows = sum(len(x) for x in wanted.values())
        print(f"The exchange's day: {rows:,} rows of {len(wanted)} tables are "
              "as its rules have them, column by column; "
              f"{len(dead)} dead letters.")
        return code


if __name__ == "__main__":
    sys.exit(millrace_demo.main(ExchangeDemo))
