"""What stays bounded: memory with any backlog, the cost of tenants who do
nothing, and the rate when PostgreSQL is far away."""

import asyncio
import multiprocessing
import statistics
import time
from urllib.parse import urlsplit, urlunsplit

from machine import peak_bytes, say, stat_of
from shapes import Quotes, Tenants
from throughput import TOPIC, Race


# -- a backlog ---------------------------------------------------------------------


def measure_backlog(options):
    options.runs = 1
    with Race(options, Quotes(options)) as bench:
        where = bench.circumstances()
        say(f"filling the topic with {options.rows:,} records")
        bench.fill_topic()
        run = bench.millrace_run("backlog")

    def show():
        print(f"{options.rows:,} records behind: caught up with "
              f"{run['rows_per_second']:,.0f} rows/s in {run['seconds']:.0f} "
              f"s; peak memory of Millrace "
              f"{run['peak']['millrace'] / 2**20:.0f} MiB; every event exactly "
              f"once: {'yes' if run['exact'] else 'NO'}")

    return {"circumstances": where, "run": run}, show, run["exact"]


# -- tenants that do nothing ---------------------------------------------------------


class Idle(Tenants):
    """many tenants, events of the first"""

    def __init__(self, options, count):
        self.count, self.name = count, f"idle_{count}"
        super().__init__(options)
        self.every_tenant, self.tenants = self.tenants, self.tenants[:1]

    def pipeline(self, topic):
        # The first is configured for every shape.
        return "".join(f'[[tenant]]\nname = "{x}"\n'
                       for x in self.every_tenant[1:]) + super().pipeline(topic)


class Quiet(Race):
    def quiet_share(self, database, shape):
        """Of a core, once everything has been written."""
        port = self.start_node(database, self.config(database, shape, TOPIC))
        self.wait_ready(port)
        time.sleep(5)
        before = stat_of(self.node.pid)[1]
        time.sleep(10)
        share = (stat_of(self.node.pid)[1] - before) / 10
        peak = peak_bytes(self.node.pid)
        self.stop_node()
        return share, peak


def measure_idle(options):
    one = Idle(options, 1)
    with Quiet(options, one) as bench:
        where = bench.circumstances()
        bench.fill_topic()
        runs = {}
        for i in range(options.runs):
            for count in (1, options.tenants):
                shape, database = Idle(options, count), f"idle_{count}_{i}"
                run = bench.millrace_run(database, shape=shape)
                run["quiet_share"], run["quiet_peak"] = bench.quiet_share(
                    database, shape)
                bench.drop(database)
                say(f"  {count} tenants: {run['rows_per_second']:,.0f} rows/s")
                runs.setdefault(count, []).append(run)

    def show():
        print(f"{'tenants':>8}{'rows/s':>10}{'MiB':>6}{'start s':>9}"
              f"{'quiet: of a core':>18}")
        for count, found in runs.items():
            print(f"{count:>8}"
                  f"{middle(found, 'rows_per_second'):>10,.0f}"
                  f"{max(x['peak']['millrace'] for x in found) / 2**20:>6.0f}"
                  f"{middle(found, 'start_seconds'):>9.1f}"
                  f"{middle(found, 'quiet_share'):>18.1%}")

    good = all(x["exact"] for found in runs.values() for x in found)
    return {"circumstances": where, "runs": runs}, show, good


def middle(runs, key):
    return statistics.median(x[key] for x in runs)


# -- a server that is far away ---------------------------------------------------------


class Delay:
    """A way to PostgreSQL on which everything takes half of `rtt` each way, and
    as much may be on its way as one likes. A process of its own."""

    def __init__(self, host, port, rtt):
        said, told = multiprocessing.Pipe()
        self.process = multiprocessing.Process(
            target=lambda: asyncio.run(serve(host, port, rtt / 2, told)),
            daemon=True)
        self.process.start()
        self.port = said.recv()

    def close(self):
        self.process.terminate()
        self.process.join()


async def serve(host, port, delay, told):
    async def carry(reader, writer):
        loop = asyncio.get_running_loop()
        late = asyncio.Queue()

        async def deliver():
            while True:
                due, data = await late.get()
                if (wait := due - loop.time()) > 0:
                    await asyncio.sleep(wait)
                writer.write(data)
                await writer.drain()
                if not data:
                    writer.close()
                    return

        task = loop.create_task(deliver())
        data = True
        while data:
            data = await reader.read(1 << 18)
            late.put_nowait((loop.time() + delay, data))
        await task

    async def accept(reader, writer):
        to, back = None, None
        try:
            back, to = await asyncio.open_connection(host, port)
            await asyncio.gather(carry(reader, to), carry(back, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            for x in (writer, to):
                if x:
                    x.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, limit=1 << 18)
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


class Far(Race):
    delay = None

    def url(self, database):
        url = super().url(database)
        if self.delay is None:
            return url
        parts = urlsplit(url)
        head, _, _ = parts.netloc.rpartition(":")
        return urlunsplit(parts._replace(netloc=f"{head}:{self.delay.port}"))

    def sql(self, database, text):
        kept, self.delay = self.delay, None
        try:
            return super().sql(database, text)
        finally:
            self.delay = kept

    def runs_of(self, lanes):
        """Pairs: at once, and with a way between."""
        parts = urlsplit(super().url("postgres"))
        pairs = []
        for i in range(self.options.runs):
            pair = {}
            for rtt in (0, self.options.rtt):
                # Both have the proxy between them, so that only its delay
                # differs.
                self.delay = Delay(parts.hostname, parts.port, rtt / 1000)
                database = f"far_{lanes}_{rtt}_{i}"
                try:
                    pair[rtt] = self.millrace_run(database)
                finally:
                    self.delay.close()
                    self.delay = None
                self.drop(database)
                say(f"  {lanes} lanes, {rtt} ms: "
                    f"{pair[rtt]['rows_per_second']:,.0f} rows/s")
            pairs.append(pair)
        return pairs


def measure_rtt(options):
    found = {}
    with Far(options, Quotes(options)) as bench:
        where = bench.circumstances()
        bench.fill_topic()
        for lanes in options.lanes_list:
            options.lanes = lanes
            options.sessions = min(lanes, 16)
            # A flush that waits for the network needs no processor.
            options.max_flushes = max(lanes, 8)
            found[lanes] = bench.runs_of(lanes)

    def show():
        print(f"{'lanes':>6}{'0 ms':>12}{options.rtt:>9} ms{'ratio':>8}"
              f"{'':4}rows/s, medians of {options.runs}")
        for lanes, pairs in found.items():
            near, far = (statistics.median(x[rtt]["rows_per_second"]
                                           for x in pairs)
                         for rtt in (0, options.rtt))
            print(f"{lanes:>6}{near:>12,.0f}{far:>12,.0f}{far / near:>8.2f}")

    good = all(run["exact"] for pairs in found.values() for pair in pairs
               for run in pair.values())
    return {"circumstances": where, "runs": found}, show, good
