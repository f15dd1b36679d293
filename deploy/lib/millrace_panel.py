"""The live table of the demo: what a node's metrics say, from one look to the
next."""

import math
import shutil
import sys
import time
import urllib.error
import urllib.request


def read_metrics(port):
    """Prometheus text of a node as {name: [(labels, value)]}; None when the
    node does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics",
                                    timeout=1.5) as reply:
            text = reply.read().decode()
    except (urllib.error.URLError, OSError, TimeoutError):
        return None
    found = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        head, _, value = line.rpartition(" ")
        # A time stamp may follow the value; ours have none.
        name, _, rest = head.partition("{")
        labels = {}
        for part in rest.rstrip("}").split('",'):
            key, _, text_value = part.partition('="')
            if key:
                labels[key.strip(", ")] = text_value.rstrip('"')
        try:
            found.setdefault(name, []).append((labels, float(value)))
        except ValueError:
            continue
    return found


def total(metrics, name):
    return sum(value for _, value in metrics.get(name, []))


def highest(metrics, name):
    return max((value for _, value in metrics.get(name, [])), default=0.0)


def buckets(metrics, name):
    """Cumulative counts by upper bound, over all label sets."""
    result = {}
    for labels, value in metrics.get(name + "_bucket", []):
        bound = labels.get("le", "+Inf")
        bound = math.inf if bound == "+Inf" else float(bound)
        result[bound] = result.get(bound, 0.0) + value
    return result


def quantile(now, before, q):
    """The q-quantile of what was observed between two looks, in seconds;
    None when nothing was. Linear within a bucket."""
    bounds = sorted(now)
    counts = [now[b] - before.get(b, 0.0) for b in bounds]
    if not counts or counts[-1] <= 0:
        return None
    wanted = q * counts[-1]
    low, below = 0.0, 0.0
    for bound, count in zip(bounds, counts):
        if count >= wanted:
            if math.isinf(bound):
                return low
            share = (wanted - below) / (count - below) if count > below else 1
            return low + (bound - low) * share
        low, below = bound, count
    return low


def show_count(x):
    return f"{int(x):,}"


def show_seconds(x):
    if x is None:
        return "-"
    return f"{x * 1000:.1f} ms" if x < 1 else f"{x:.1f} s"


class Panel:
    """Redraws itself on a terminal, else prints a line every two seconds."""

    LATENCY = "millrace_commit_latency_seconds"

    def __init__(self, plain):
        self.live = sys.stdout.isatty() and not plain
        self.before = None
        self.before_at = 0.0
        self.drawn = 0
        self.last_line = 0.0
        self.events = []
        self.began = time.monotonic()
        self.peak = 0.0

    def note(self, text):
        """An event of the demo, such as a kill."""
        stamp = f"{time.monotonic() - self.began:6.1f} s  {text}"
        if self.live:
            self.events = (self.events + [stamp])[-6:]
        else:
            print(f"  {stamp}", flush=True)

    def look(self, phase, metrics, counts, details=()):
        now = time.monotonic()
        rate = latency50 = latency99 = None
        if metrics and self.before and now > self.before_at:
            written = total(metrics, "millrace_rows_written_total")
            earlier = total(self.before, "millrace_rows_written_total")
            if written >= earlier:
                rate = (written - earlier) / (now - self.before_at)
                self.peak = max(self.peak, rate)
                after = buckets(metrics, self.LATENCY)
                past = buckets(self.before, self.LATENCY)
                latency50 = quantile(after, past, .50)
                latency99 = quantile(after, past, .99)
        self.before, self.before_at = metrics, now
        rows = [
            ("phase", phase),
            ("rows/s", "node is down" if metrics is None
             else show_count(rate) if rate is not None else "-"),
            ("lag", "-" if metrics is None else
             f"{show_count(total(metrics, 'millrace_lag_messages'))} messages,"
             f" {highest(metrics, 'millrace_lag_seconds'):.1f} s"),
            ("latency p50 / p99",
             f"{show_seconds(latency50)} / {show_seconds(latency99)}"),
            ("flushes, dead letters", "-" if metrics is None else
             show_count(total(metrics, "millrace_flushes_total")) + ", "
             + show_count(total(metrics, "millrace_dead_letters_total"))),
            ("memory of the node", "-" if metrics is None else
             f"{total(metrics, 'process_resident_memory_bytes') / 2**20:.0f}"
             " MiB"),
        ]
        rows += [(f"rows in {table}", show_count(n))
                 for table, n in counts.items()]
        if self.live:
            self.draw(rows, details)
        elif now - self.last_line >= 2:
            self.last_line = now
            print("  " + "   ".join(f"{name}: {value}"
                                     for name, value in rows), flush=True)
            for line in details:
                print(f"    {line}", flush=True)

    def draw(self, rows, details=()):
        width = min(shutil.get_terminal_size().columns, 78)
        elapsed = time.monotonic() - self.began
        lines = [f"── Millrace demo ── {elapsed:5.0f} s "
                 .ljust(width, "─")]
        lines += [f"  {name:<24}{value}"[:width] for name, value in rows]
        if details:
            lines += ["─" * width] + [f"  {x}"[:width] for x in details]
        lines += ["─" * width] + [f"  {x}"[:width] for x in self.events]
        if self.drawn:
            sys.stdout.write(f"\x1b[{self.drawn}F\x1b[J")
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        self.drawn = len(lines)
