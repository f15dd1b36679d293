"""Events of the exchange: as facts, and folded straight from its fact sheet.

The two halves share nothing but the events, so that the one can judge the
other: `facts` says which rows the pipeline appends, `Fold` what the tables must
hold in the end.
"""

import base64
import json
import lzma
from datetime import datetime, timedelta, timezone
from decimal import Decimal


class Event:
    def __init__(self, kind, body, time_ms, partition, offset):
        self.kind = kind
        self.body = body
        self.time_ms = time_ms
        self.partition = partition
        self.offset = offset
        self.at = (time_ms, partition, offset)


def load(path):
    """A recording, a record a line."""
    result = []
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            headers = dict(record["headers"])
            body = json.loads(base64.b64decode(record["value_b64"]),
                              parse_float=Decimal)
            result.append(Event(headers["event-type"], body,
                                record["timestamp"], record["partition"],
                                record["offset"]))
    return result


# -- facts --------------------------------------------------------------------

ORDER = ["nid", "prev_nid", "reff_request_id", "account_code",
         "participant_code", "instrument_code", "side", "quantity",
         "settlement_date", "reimbursement_date", "periode", "market_price",
         "rate", "instruction", "aro"]
TRADE = ["nid", "kpei_reff", "instrument_code", "quantity", "periode",
         "fee_flat_rate", "fee_borr_rate", "fee_lend_rate", "matched_at",
         "reimburse_at"]
CONTRACT = ["trade_nid", "nid", "kpei_reff", "side", "account_code",
            "account_participant_code", "order_nid", "instrument_code",
            "quantity", "periode", "state", "fee_flat_val", "fee_val_daily",
            "fee_val_accumulated", "matched_at", "reimburse_at"]
# Table and columns by type; a pair is (column, member of the body).
PLAIN = {
    "Participant": ("fact1_participant", ["code", "nid", "name",
                                          "borr_eligibility",
                                          "lend_eligibility"]),
    "Instrument": ("fact1_instrument", ["code", "nid", "name", "type",
                                        "status"]),
    "Account": ("fact2_account", ["code", "nid", "sid", "name", "address",
                                  "participant_code"]),
    "AccountLimit": ("fact3_account_limit", ["code", "trade_limit",
                                             "pool_limit"]),
    "Holiday": ("fact1_holiday", ["nid", ("year", "tahun"), "date",
                                  "description"]),
    "Parameter": ("fact1_parameter", ["nid", "description", "flat_fee",
                                      "lending_fee", "borrowing_fee",
                                      "max_quantity", "borrow_max_open_day",
                                      "denomination_limit"]),
    "SessionTime": ("fact1_session_time", ["nid", "description",
                                           "session1_start", "session1_end",
                                           "session2_start",
                                           "session2_end"]),
    "ServiceStart": ("fact1_service_start", ["start_id", "id",
                                             "start_time"]),
    "Order": ("fact3_order", ORDER),
    "Trade": ("fact4_trade", TRADE),
    "Contract": ("fact5_contract", CONTRACT),
}
ORDER_EVENTS = {"OrderAck", "OrderNak", "OrderPending", "OrderWithdraw",
                "OrderWithdrawAck", "OrderWithdrawNak"}
TRADE_EVENTS = {"TradeWait", "TradeAck", "TradeNak", "TradeReimburse"}


def row_of(columns, body):
    row = {}
    for column in columns:
        column, member = column if isinstance(column, tuple) else (column,
                                                                   column)
        row[column] = body.get(member)
    return row


def facts(event):
    """(table, row) for each row that the event makes."""
    where = {"kafka_time": moment(event.time_ms),
             "kafka_partition": event.partition,
             "kafka_offset": event.offset}
    body = event.body
    result = []
    if event.kind in PLAIN:
        table, columns = PLAIN[event.kind]
        result.append((table, row_of(columns, body)))
    if event.kind == "Trade":
        for side in ("Borrower", "Lender"):
            for contract in body.get(side) or []:
                result.append(("fact5_contract", row_of(CONTRACT, contract)))
    if event.kind in ORDER_EVENTS:
        result.append(("fact4_order_event",
                       {"order_nid": body["order_nid"], "kind": event.kind,
                        "reff_request_id": body.get("reff_request_id"),
                        "message": body.get("message")}))
    if event.kind in TRADE_EVENTS:
        result.append(("fact5_trade_event",
                       {"trade_nid": body["trade_nid"], "kind": event.kind,
                        "message": body.get("message")}))
    return [(table, {**row, **where}) for table, row in result]


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, (bool, int, Decimal)):
        return str(value).lower()
    return "'" + str(value).replace("'", "''") + "'"


def insert(events):
    """The statements of one flush: a statement per table, by name."""
    tables = {}
    for event in events:
        for table, row in facts(event):
            tables.setdefault(table, []).append(row)
    result = []
    for table in sorted(tables):
        rows = tables[table]
        values = ",\n".join(
            "(" + ",".join(literal(x) for x in row.values()) + ")"
            for row in rows)
        result.append(f"INSERT INTO {table} ({','.join(rows[0])}) "
                      f"VALUES {values};")
    return "\n".join(result)


# -- the fold -----------------------------------------------------------------

ORDER_MOVES = {("S", "O"), ("S", "R"), ("S", "G"), ("G", "O"), ("G", "R"),
               ("O", "P"), ("O", "M"), ("P", "P"), ("P", "M"), ("P", "O"),
               ("M", "P"), ("M", "O"), ("M", "M"), ("O", "W"), ("P", "W"),
               ("O", "A"), ("P", "A"), ("O", "O")}
TRADE_MOVES = {("S", "E"), ("S", "O"), ("S", "R"), ("E", "E"), ("E", "O"),
               ("E", "R"), ("O", "C")}
CONTRACT_MOVES = TRADE_MOVES | {("O", "T")}
UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(ms):
    return (EPOCH + timedelta(milliseconds=ms)).isoformat()


class Fold:
    """What the tables orders, trades and contracts must say: the events one
    after the other, in the order of (time, partition, offset)."""

    def __init__(self, events):
        self.orders, self.trades, self.contracts = {}, {}, {}
        self.sids = {}
        ordered = sorted(events, key=lambda x: x.at)
        # What an event is about is there before it, whatever the clocks say.
        for event in ordered:
            body = event.body
            if event.kind == "Order" and body["nid"] not in self.orders:
                self.orders[body["nid"]] = {
                    "state": "S", "done": Decimal(0), "entry": event.time_ms,
                    "quantity": Decimal(body["quantity"]),
                    "prev": body["prev_nid"], "update": event.time_ms}
            elif event.kind == "Trade" and body["nid"] not in self.trades:
                self.trades[body["nid"]] = {"state": "S",
                                            "update": event.time_ms}
            elif event.kind == "Account":
                self.sids.setdefault(body["code"], body["sid"])
            for contract in ([body] if event.kind == "Contract" else
                             self.contracts_in(body)):
                self.create(contract, event.time_ms)
        for event in ordered:
            self.time = event.time_ms
            getattr(self, "on_" + event.kind, lambda body: None)(event.body)

    def move(self, row, state, moves):
        row["update"] = max(row["update"], self.time)
        if (row["state"], state) not in moves:
            return False
        row["state"] = state
        return True

    def order(self, nid, column, state=None, **more):
        row = self.orders.get(nid)
        if row is None:
            return
        if column:
            row.setdefault(column, self.time)
        for name, value in more.items():
            row.setdefault(name, value)
        row["update"] = max(row["update"], self.time)
        if state:
            self.move(row, state, ORDER_MOVES)

    def on_OrderAck(self, body):
        row = self.orders.get(body["order_nid"])
        if row and row["state"] in "SG":
            self.order(body["order_nid"], "open", "O")
        else:
            self.order(body["order_nid"], "open")
        if row and row["prev"]:
            self.order(row["prev"], "amend", "A")

    def on_OrderNak(self, body):
        self.order(body["order_nid"], "reject", "R", message=body["message"])

    def on_OrderPending(self, body):
        self.order(body["order_nid"], "pending", "G")

    def on_OrderWithdraw(self, body):
        self.order(body["order_nid"], None)
        if body["order_nid"] in self.orders:
            self.orders[body["order_nid"]]["reff"] = body["reff_request_id"]

    def on_OrderWithdrawNak(self, body):
        self.order(body["order_nid"], None)
        if body["order_nid"] in self.orders:
            self.orders[body["order_nid"]].pop("reff", None)

    def on_OrderWithdrawAck(self, body):
        self.order(body["order_nid"], "withdraw", "W")

    def match(self, nid, amount):
        row = self.orders.get(nid)
        if row is None:
            return
        row["done"] += amount
        row["update"] = max(row["update"], self.time)
        if row["state"] in "OPM":
            row["state"] = ("O" if row["done"] <= 0 else
                            "M" if row["done"] >= row["quantity"] else "P")

    @staticmethod
    def contracts_in(trade):
        return [x for side in ("Borrower", "Lender")
                for x in trade.get(side) or []]

    def create(self, body, time_ms):
        self.contracts.setdefault(body["nid"], {
            "state": "S", "trade": body["trade_nid"],
            "order": body["order_nid"], "account": body["account_code"],
            "quantity": Decimal(body["quantity"]), "update": time_ms,
            "matched": False, "dropped": False})

    def contract(self, body):
        row = self.contracts[body["nid"]]
        if not row["matched"]:
            row["matched"] = True
            self.match(row["order"],
                       Decimal(0) if row["dropped"] else row["quantity"])
        row["fee"] = Decimal(body["fee_val_accumulated"])
        self.move(row, body["state"], CONTRACT_MOVES)

    def on_Trade(self, body):
        for contract in self.contracts_in(body):
            self.contract(contract)

    on_Contract = contract

    def of_trade(self, nid):
        return [x for x in self.contracts.values() if x["trade"] == nid]

    def trade(self, nid, state):
        row = self.trades.get(nid)
        moved = row is not None and self.move(row, state, TRADE_MOVES)
        for contract in self.of_trade(nid):
            if self.move(contract, state, CONTRACT_MOVES) and state == "C":
                contract["close"] = self.time
        if moved and state == "C":
            row["close"] = self.time
        return moved

    def on_TradeWait(self, body):
        self.trade(body["trade_nid"], "E")

    def on_TradeAck(self, body):
        self.trade(body["trade_nid"], "O")

    def on_TradeNak(self, body):
        moved = self.trade(body["trade_nid"], "R")
        if body["trade_nid"] in self.trades:
            self.trades[body["trade_nid"]].setdefault("message",
                                                      body["message"])
        for contract in self.of_trade(body["trade_nid"]) if moved else []:
            contract["dropped"] = True
            if contract["matched"]:
                self.match(contract["order"], -contract["quantity"])

    def on_TradeReimburse(self, body):
        self.trade(body["trade_nid"], "C")

    # -- as the queries below give them -----------------------------------

    def order_rows(self):
        return {nid: (x["state"], x["done"], x["entry"], x["update"],
                      x.get("open"), x.get("reject"), x.get("pending"),
                      x.get("withdraw"), x.get("amend"), x.get("message"),
                      x.get("reff"))
                for nid, x in self.orders.items()}

    def trade_rows(self):
        return {nid: (x["state"], x["update"], x.get("close"),
                      x.get("message"))
                for nid, x in self.trades.items()}

    def contract_rows(self):
        return {nid: (x["state"], x["trade"], x["order"], x["quantity"],
                      x["fee"], x["update"], x.get("close"),
                      self.sids[x["account"]])
                for nid, x in self.contracts.items()
                if x["trade"] in self.trades and x["order"] in self.orders}


def orders_of(session):
    rows = session.rows(
        "SELECT nid, state, done_quantity::text AS done, "
        "ms_of(entry_at) AS entry, last_update, ms_of(open_at) AS open, "
        "ms_of(reject_at) AS reject, ms_of(pending_at) AS pending, "
        "ms_of(withdraw_at) AS withdraw, ms_of(amend_at) AS amend, "
        "reject_message, withdraw_reff_request_id FROM orders")
    return {x["nid"]: (x["state"], Decimal(x["done"]), *list(x.values())[3:])
            for x in rows}


def trades_of(session):
    rows = session.rows(
        "SELECT nid, state, last_update, CASE WHEN state = 'C' THEN "
        "ms_of(reimburse_at) END AS close, message FROM trades")
    return {x["nid"]: tuple(list(x.values())[1:]) for x in rows}


def contracts_of(session):
    rows = session.rows(
        "SELECT nid, state, trade_nid, order_nid, quantity::text AS quantity, "
        "fee_val_accumulated::text AS fee, last_update, CASE WHEN state = 'C' "
        "THEN ms_of(reimburse_at) END AS close, account_sid FROM contracts")
    return {x["nid"]: (x["state"], x["trade_nid"], x["order_nid"],
                       Decimal(x["quantity"]), Decimal(x["fee"]),
                       x["last_update"], x["close"], x["account_sid"])
            for x in rows}
