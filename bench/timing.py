"""How long events take: from the moment at which they were due to be sent to
the one at which another session sees their rows, and from a kill to the first
commit of the next process."""

import base64
import bisect
import json
import signal
import statistics
import subprocess
import threading
import time

from machine import CannotMeasure, machine_seconds, say, stat_of
from millrace_panel import read_metrics, total
from shapes import Quotes
from throughput import TOPIC, Race

WARM_S = 5
# Until the broker's JIT has compiled what it needs, it takes most of a core.
WARM_UP_S, WARM_UP_RATE = 60, 20_000
# More than anybody can do here: what becomes of it is the greatest rate.
FLOOD_S, FLOOD_RATE = 15, 250_000
TICK_S = .001
WATCH_S = .002


class Timed(Quotes):
    """ticks that know when they were due, into one plain table"""

    name = "timed"

    def tables(self):
        return super().tables().replace(
            "bid numeric", "due bigint NOT NULL, appended timestamptz,\n"
            "  bid numeric", 1)

    def pipeline(self, topic):
        return super().pipeline(topic).replace(
            'bid = ".bid"', 'due = ".due", appended = "@timestamp", '
            'bid = ".bid"')


def record(partition, symbol, due_us):
    value = (f'{{"broker_id":"default","symbol":"SYM{symbol:02}","bid":1.08412,'
             f'"ask":1.08432,"spread":0.0002,"bid_size":100,"ask_size":200,'
             f'"timestamp":"2026-01-19T17:21:51.8949576+05:30","lp":"LP-1",'
             f'"due":{due_us}}}')
    return (f'{{"partition":{partition},"timestamp":{due_us // 1000},'
            f'"value_b64":"{base64.b64encode(value.encode()).decode()}"}}\n')


class Clocked(Race):
    # What comes before is the producer's and the broker's.
    kafka_settings = {"log.message.timestamp.type": "LogAppendTime"}

    def __init__(self, options):
        super().__init__(options, Timed(options))

    # -- what is sent, by the clock ----------------------------------------------

    def producer(self, topic):
        return subprocess.Popen(
            [str(self.bin / "millrace"), "produce", topic, "-", "--recorded",
             "--bootstrap", self.environment["MILLRACE_KAFKA"], "--partitions",
             str(self.options.partitions), "--quiet", "--json",
             # A producer that is idempotent or lingers for less than this
             # polls most of a core away in librdkafka.
             "-X", "enable.idempotence=false", "-X", "linger.ms=2",
             "-X", "compression.codec=none"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, producer, rate, seconds, stopped=None):
        """Each record is due at a moment that was fixed before, whatever became
        of those before it: one that is sent too late was late already."""
        begun, sent, self.late = time.time(), 0, 0
        for i in range(1, round(seconds / TICK_S) + 1):
            if stopped and stopped.is_set():
                break
            due = begun + i * TICK_S
            wait = due - time.time()
            if wait > 0:
                time.sleep(wait)
            upto, at = int(i * rate * TICK_S), int(due * 1e6)
            producer.stdin.write("".join(
                record(n % self.options.partitions, n * 7 % 64, at)
                for n in range(sent, upto)))
            producer.stdin.flush()
            sent = upto
            self.late = max(self.late, time.time() - due)
        producer.stdin.close()
        producer.wait()
        if producer.returncode:
            raise CannotMeasure("millrace produce failed")
        return sent

    # -- what another session sees -------------------------------------------------

    def watch(self, database, query, interval):
        """A session that asks again and again; its answers go to a file."""
        path = self.home / f"{database}.seen"
        out = open(path, "wb")
        watcher = subprocess.Popen(
            ["psql", "-XAtq", self.url(database)], stdin=subprocess.PIPE,
            stdout=out, stderr=subprocess.STDOUT)
        watcher.stdin.write(f"{query} \\watch {interval}\n".encode())
        watcher.stdin.flush()
        return watcher, path

    @staticmethod
    def end_watch(watcher):
        watcher.send_signal(signal.SIGINT)
        watcher.stdin.close()
        watcher.wait()

    def wait_rows(self, port, rows):
        end = time.monotonic() + self.options.timeout
        while True:
            self.check_node()
            found = total(read_metrics(port) or {},
                          "millrace_rows_written_total")
            if found >= rows:
                return
            if time.monotonic() > end:
                raise CannotMeasure(f"{found:.0f} of {rows} rows; see "
                                    f"{self.log}")
            time.sleep(.05)

    # -- from due to seen ----------------------------------------------------------

    def latency(self, database, rate, seconds):
        self.sql("postgres", f"CREATE DATABASE {database}")
        topic = f"{TOPIC}_{database}"
        producer = self.producer(topic)
        producer.stdin.write(record(0, 0, 0))  # makes the topic
        producer.stdin.flush()
        port = self.start_node(database,
                               self.config(database, self.shape, topic))
        self.wait_rows(port, 1)
        watcher, path = self.watch(
            database, "SELECT (extract(epoch FROM clock_timestamp()) * "
            "1000000)::bigint, pg_current_snapshot()", WATCH_S)
        cpu, machine = stat_of(self.node.pid)[1], machine_seconds()
        begun = time.monotonic()
        sent = self.send(producer, rate, WARM_S + seconds)
        took = time.monotonic() - begun
        cpu = stat_of(self.node.pid)[1] - cpu
        machine = {key: (value - machine[key]) / took
                   for key, value in machine_seconds().items()}
        self.wait_rows(port, sent + 1)
        whole = time.monotonic() - begun
        time.sleep(.1)
        self.end_watch(watcher)
        self.stop_node()
        result = self.quantiles(database, seen_by(path), sent)
        result |= {"rate": rate, "sent": sent, "seconds": whole, "cpu_share": cpu / took,
                   "cores_idle": machine["idle"],
                   "cores_stolen": machine["stolen"],
                   "sender_late_ms": self.late * 1000}
        return result

    def quantiles(self, database, seen, sent):
        first = int(self.sql(database, "SELECT min(due) FROM "
                             "tenant_demo.quotes WHERE due > 0"))
        rows = self.sql(database, (
            "COPY (SELECT xmin::text::bigint, due, (extract(epoch FROM "
            "appended) * 1000000)::bigint FROM tenant_demo.quotes "
            f"WHERE due > {first + WARM_S * 10**6}) TO STDOUT")).split("\n")
        at = {}
        whole, ours = [], []
        for row in rows:
            xid, due, appended = map(int, row.split("\t"))
            if xid not in at:
                at[xid] = seen(xid)
            whole.append((at[xid] - due) / 1000)
            ours.append((at[xid] - appended) / 1000)
        return {"rows": len(rows), "transactions": len(at),
                "ms": quantiles_of(whole), "from_log_ms": quantiles_of(ours)}

    def latencies(self):
        options = self.options
        say(f"warming up for {WARM_UP_S} s")
        self.latency("warm", WARM_UP_RATE, WARM_UP_S)
        rates = []
        for x in options.rates.split(","):
            if x.endswith("%"):
                say("looking for the greatest rate")
                flood = self.latency("greatest", FLOOD_RATE, FLOOD_S)
                greatest = flood["sent"] / flood["seconds"]
                say(f"  {greatest:,.0f} a second")
                rates.append(int(greatest * float(x[:-1]) / 100))
            else:
                rates.append(int(x))
        runs = []
        for i in range(options.runs):
            for rate in rates:
                run = self.latency(f"latency_{i}_{rate}", rate,
                                   options.seconds)
                say(f"  {rate:,} a second: " + ", ".join(
                    f"{k} {v:.1f} ms" for k, v in run["ms"].items()))
                runs.append(run)
        return runs

    # -- from a kill to the next commit ----------------------------------------------

    def recovery(self, database, topic):
        watcher, path = self.watch(
            database, "SELECT (extract(epoch FROM clock_timestamp()) * "
            "1000000)::bigint, (SELECT sum(epoch) FROM millrace.lane), "
            "(SELECT sum(x) FROM millrace.lane, unnest(next_off) x)", .005)
        time.sleep(2)
        killed = time.time()
        self.node.kill()
        self.node.wait()
        port = self.start_node(database,
                               self.config(database, self.shape, topic))
        written = total(read_metrics(port) or {}, "millrace_rows_written_total")
        self.wait_rows(port, written + 1)
        time.sleep(.2)
        self.end_watch(watcher)
        return first_after(path, killed * 1e6), port

    def recoveries(self):
        database, rate = "recovery", self.options.rate
        self.sql("postgres", f"CREATE DATABASE {database}")
        producer = self.producer(TOPIC)
        stopped = threading.Event()
        sender = threading.Thread(target=self.send, args=(
            producer, rate, 3600, stopped))
        sender.start()
        try:
            port = self.start_node(database,
                                   self.config(database, self.shape, TOPIC))
            self.wait_rows(port, rate)
            runs = []
            for i in range(self.options.runs):
                seconds, port = self.recovery(database, TOPIC)
                say(f"  run {i + 1}: {seconds:.2f} s")
                runs.append({"seconds": seconds})
        finally:
            stopped.set()
            sender.join()
        return runs


def quantiles_of(found):
    found.sort()
    return {f"p{q}": found[min(len(found) - 1, int(len(found) * q / 100))]
            for q in (50, 90, 99, 99.9)} | {"most": found[-1]}


def seen_by(path):
    """When a transaction was first seen: visibility never goes back."""
    polls = []
    for line in path.read_text().splitlines():
        at, _, snapshot = line.partition("|")
        if not snapshot:
            continue
        low, high, running = snapshot.split(":")
        polls.append((int(at), int(low), int(high),
                      {int(x) for x in running.split(",") if x}))
    times = [x[0] for x in polls]

    def seen(xid):
        i = bisect.bisect_left(
            range(len(polls)), True,
            key=lambda n: xid < polls[n][1] or (
                xid < polls[n][2] and xid not in polls[n][3]))
        if i == len(polls):
            raise CannotMeasure(f"transaction {xid} was never seen")
        return times[i]

    return seen


def first_after(path, killed):
    """Seconds from the kill to the first commit of a term that began later."""
    terms = taken = None
    for line in path.read_text().splitlines():
        fields = line.split("|")
        if len(fields) != 3:
            continue
        at, epochs, offsets = map(int, fields)
        if at < killed:
            terms = epochs
        elif epochs != terms:
            if taken is None:
                taken = offsets
            elif offsets != taken:
                return (at - killed) / 1e6
    raise CannotMeasure("no commit was seen after the kill")


def measure_latency(options):
    with Clocked(options) as bench:
        where = bench.circumstances()
        runs = bench.latencies()

    def show():
        print(f"From due to seen by another session, {options.seconds} s each "
              f"after {WARM_S} s; {where['partitions']} partitions, "
              f"{where['lanes']} lanes\n")
        print(f"{'events/s':>10}{'p50':>9}{'p90':>9}{'p99':>9}{'p99.9':>9}"
              f"{'most':>9} ms{'node':>9}{'idle':>7}{'stolen':>8} cores")
        for x in runs:
            print(f"{x['rate']:>10,}" + "".join(
                f"{v:>9.1f}" for v in x["ms"].values())
                + f"   {x['cpu_share']:>9.2f}{x['cores_idle']:>7.2f}"
                f"{x['cores_stolen']:>8.2f}")
            print(f"{'in the log':>10}" + "".join(
                f"{v:>9.1f}" for v in x["from_log_ms"].values()))

    return {"circumstances": where, "runs": runs}, show, True


def measure_recovery(options):
    with Clocked(options) as bench:
        where = bench.circumstances()
        runs = bench.recoveries()
    middle = statistics.median(x["seconds"] for x in runs)

    def show():
        print(f"From kill -9 under {options.rate:,} events a second to the "
              f"first commit of the next process: {middle:.2f} s, median of "
              f"{options.runs} ("
              + ", ".join(f"{x['seconds']:.2f}" for x in runs) + ")")

    return {"circumstances": where, "runs": runs, "seconds": middle}, show, True
