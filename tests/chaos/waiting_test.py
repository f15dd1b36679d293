#!/usr/bin/env python3
"""Black box: trades arrive before their orders, through another topic and
other lanes. They wait, the node is killed with SIGKILL while they are put
aside and while they are released, and in the end each trade is written exactly
once, in the order of its order's trades.

    waiting_test.py --bin FOLDER [NAME_OF_A_TEST…]
"""

import json
import sys

from case import Case, run
from laboratory import BUSY, Laboratory

ORDERS = 24
TRADES = 240

CONFIG = """
[node]
name = "shop"
[node.admin]
port = 0
[postgresql]
url = {{ env = "LAB_PG_URL" }}
[kafka]
bootstrap = "{kafka}"
[waiting]
keep = "{keep}"
retry_max = "2s"
[[tenant]]
name = "demo"
[pipeline.orders]
topics = ["orders"]
tenant = "'demo'"
lanes = 2
[[pipeline.orders.event]]
name = "order"
route = ".id"
[[pipeline.orders.event.write]]
table = "orders"
kind = "upsert"
key = ["id"]
columns = {{ id = ".id", name = ".name" }}
[pipeline.trades]
topics = ["trades"]
tenant = "'demo'"
lanes = 2
[[pipeline.trades.event]]
name = "trade"
route = ".order"
[[pipeline.trades.event.write]]
table = "trades"
columns = {{ id = ".id", order_id = ".order", p = "@partition", o = "@offset" }}
[[pipeline.trades.event.write]]
table = "orders"
kind = "update"
key = ["id"]
columns = {{ id = ".order", last_trade = ".id" }}
[[pipeline.trades.event.write]]
table = "audit"
always = true
columns = {{ trade_id = ".id" }}
"""

TABLES = """
CREATE SCHEMA tenant_demo;
CREATE TABLE tenant_demo.orders (
  id bigint PRIMARY KEY, name text, last_trade bigint);
CREATE TABLE tenant_demo.trades (
  id bigint, order_id bigint NOT NULL REFERENCES tenant_demo.orders,
  p int NOT NULL, o bigint NOT NULL, UNIQUE (p, o));
CREATE TABLE tenant_demo.audit (trade_id bigint);
"""


class Shop(Laboratory):
    def start(self, keep="1h"):
        config = self.directory / "shop.toml"
        config.write_text(CONFIG.format(kafka=self.kafka, keep=keep))
        self.nodes["shop"] = self.spawn("shop", "millrace", "node", config)

    def restart(self):
        self.kill_node("shop")
        self.start()

    def feed(self, topic, records):
        file = self.directory / f"{topic}.ndjson"
        file.write_text("".join(json.dumps(x) + "\n" for x in records))
        done = self.spawn("produce", "millrace", "produce", topic, file,
                          "--bootstrap", self.kafka, "--key", "key",
                          "--partitions", 2)
        assert done.wait(BUSY * 60) == 0, "millrace produce failed"

    def count(self, what):
        try:
            return int(self.query(f"SELECT count(*) FROM {what}")[0])
        except RuntimeError:
            return 0  # no table yet

    def waits(self, least):
        self.wait_until(lambda: self.count("millrace.waiting") >= least, 60,
                        f"{least} waiting events")

    def released(self, most):
        self.wait_until(lambda: self.count("millrace.waiting") <= most, 60,
                        f"at most {most} waiting events")


def order(number):
    return {"key": str(number), "id": number, "name": f"order {number}"}


def trade(number, of):
    return {"key": str(of), "id": number, "order": of}


class Waiting(Case):
    def test_trades_before_their_orders(self):
        lab = self.laboratory(kind=Shop)
        lab.query(TABLES, url=lab.node_url)
        lab.feed("orders", [order(0)])
        lab.feed("trades", [trade(i, i % ORDERS + 1) for i in range(TRADES)])
        lab.start()
        lab.waits(TRADES // 4)
        lab.restart()
        lab.waits(TRADES)
        self.assertEqual(lab.count("tenant_demo.trades"), 0)
        print(f"  {TRADES} trades wait", flush=True)
        self.look(lab)

        lab.feed("orders", [order(i + 1) for i in range(ORDERS // 2)])
        lab.released(TRADES - 1)
        lab.restart()
        lab.released(TRADES // 2)
        # One that no lane writes: nobody is woken, the timer finds it.
        lab.query(f"INSERT INTO tenant_demo.orders VALUES ({ORDERS})",
                  url=lab.node_url)
        lab.released(TRADES // 2 - TRADES // ORDERS)
        print("  half of them were released", flush=True)
        lab.feed("orders", [order(i + 1) for i in range(ORDERS // 2, ORDERS)])
        lab.released(0)

        # One whose order never comes.
        lab.feed("trades", [trade(TRADES, 999)])
        lab.waits(1)
        lab.end_nodes()
        lab.start(keep="1s")
        lab.wait_until(lambda: lab.count("millrace.dead_letter") == 1, 30,
                       "a dead letter")
        lab.end_nodes()
        self.prove_tables(lab)

    def look(self, lab):
        """Who waits and why, as an operator asks for it."""
        def ask(*words):
            return json.loads(lab.tell(
                "millrace", "waiting", *words, "--json", "--config",
                lab.directory / "shop.toml"))

        counted = ask("count", "--pipeline", "trades")
        self.assertEqual(sum(x["count"] for x in counted), TRADES)
        self.assertEqual(ask("list", "--topic", "orders"), [])
        first, = ask("list", "--limit", "1")
        shown = ask("show", first["lane"], str(first["seq"]))
        self.assertEqual(first["stage"], "waiting")
        self.assertIn("order", json.loads(shown["value"]))
        self.assertEqual({**first, **shown}, {**shown, **first})

    def prove_tables(self, lab):
        def expect(what, sql, answer):
            with self.subTest(what):
                self.assertEqual(lab.query(sql), [answer])

        expect("trades", "SELECT count(*), count(DISTINCT id), max(id) FROM "
               "tenant_demo.trades", f"{TRADES}|{TRADES}|{TRADES - 1}")
        expect("audit", "SELECT count(*), count(DISTINCT trade_id) FROM "
               "tenant_demo.audit", f"{TRADES + 1}|{TRADES + 1}")
        expect("orders whose last trade is another one",
               "SELECT count(*) FROM tenant_demo.orders o WHERE id > 0 AND "
               "last_trade <> (SELECT max(id) FROM tenant_demo.trades t WHERE "
               "t.order_id = o.id)", "0")
        expect("orders without a trade", "SELECT count(*) FROM "
               "tenant_demo.orders WHERE last_trade IS NULL", "1")
        expect("waiting events", "SELECT count(*) FROM millrace.waiting", "0")
        expect("dead letters", "SELECT stage, convert_from(value, 'UTF8')::json"
               "->>'order' FROM millrace.dead_letter", "waiting|999")


if __name__ == "__main__":
    sys.exit(run("waiting", Waiting))
