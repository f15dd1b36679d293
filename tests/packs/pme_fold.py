"""What the tables of pme-online must hold after a day: an independent fold,
written from the source's fact sheet (its numbers stand in brackets) and from
nothing else. It shares no line with the pack, its SQL or the other tests.

    pme_fold.py FILE     the rows of a recorded or generated day, as JSON

`expected` gives {table: {key: {column: value}}}; see pme_rows.py.
"""

import base64
import json
import sys
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from pme_rows import COLUMNS, KEYS, UTC

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Allowed moves (2.3).
ORDER_MOVES = {"SO", "SR", "SG", "GO", "GR", "OP", "OM", "PP", "PM", "PO",
               "MP", "MO", "OW", "PW", "OA", "PA"}
TRADE_MOVES = {"SE", "SO", "SR", "EE", "EO", "ER", "OC"}
CONTRACT_MOVES = TRADE_MOVES | {"OT"}

# Whose nid an event must have to be about something (1.3).
SUBJECTS = {
    "Order": "nid", "OrderAck": "order_nid", "OrderNak": "order_nid",
    "OrderPending": "order_nid", "OrderWithdraw": "order_nid",
    "OrderWithdrawAck": "order_nid", "OrderWithdrawNak": "order_nid",
    "Trade": "nid", "Contract": "nid", "TradeWait": "trade_nid",
    "TradeAck": "trade_nid", "TradeNak": "trade_nid",
    "TradeReimburse": "trade_nid",
}
KINDS = {*SUBJECTS, "ServiceStart", "Parameter", "SessionTime", "Holiday",
         "Participant", "Instrument", "Account", "AccountLimit", "Sod", "Eod"}


# -- records ------------------------------------------------------------------


class Record:
    """One record of the topic."""

    def __init__(self, line, offset=None):
        self.line = line
        self.ms = line["timestamp"]
        self.partition = line["partition"]
        self.offset = line["offset"] if offset is None else offset
        self.kind = dict(line["headers"]).get("event-type", "")
        try:
            self.body = json.loads(base64.b64decode(line["value_b64"]),
                                   parse_float=Decimal)
        except ValueError:
            self.body = None

    @property
    def place(self):
        """Events are in the order of this (8.5)."""
        return self.ms, self.partition, self.offset

    @property
    def is_good(self):
        if self.kind not in KINDS or self.body is None:
            return False
        subject = SUBJECTS.get(self.kind)
        return subject is None or isinstance(self.body.get(subject), int)


def records_of(lines):
    """Recorded lines in the order of a log: offsets are counted anew."""
    ends = {}
    result = []
    for line in lines:
        at = ends.get(line["partition"], 0)
        ends[line["partition"]] = at + 1
        result.append(Record(line, at))
    return result


# -- values -------------------------------------------------------------------


def instant(text):
    """RFC 3339 with up to nine digits; nothing for what is not given (1.2)."""
    if text is None or text.startswith("0001-01-01"):
        return None
    zone = "+00:00" if text.endswith("Z") else text[-6:]
    main, _, digits = text[:len(text) - (1 if text.endswith("Z") else 6)
                           ].partition(".")
    base = datetime.fromisoformat(main + zone)
    # PostgreSQL keeps microseconds, and rounds.
    return base.astimezone(UTC) + timedelta(
        microseconds=round(Decimal("0." + (digits or "0")) * 1_000_000))


def at_ms(ms):
    return EPOCH + timedelta(milliseconds=ms)


def sent_at(ms):
    """The log's `timestamp`: Kafka's time (1.6), as Go spells times in UTC."""
    seconds, rest = at_ms(ms).isoformat(timespec="milliseconds")[:23].split(".")
    rest = rest.rstrip("0")
    return seconds + ("." + rest if rest else "") + "Z"


def in_ms(moment):
    return (moment - EPOCH) // timedelta(milliseconds=1)


def days(number):
    """A period that is negative was not given (8.3)."""
    return None if number is None or number < 0 else number


def clock(text):
    """Of a session's times only the time of day counts (1.2)."""
    return time.fromisoformat(text[11:19])


# -- the fold -----------------------------------------------------------------


class Fold:
    def __init__(self, records):
        self.tables = {x: {} for x in KEYS}
        self.limits = {}
        self.matched = set()   # contracts that count in done_quantity
        ordered = sorted(records, key=lambda x: x.place)
        good = [x for x in ordered if x.is_good]
        self.dead = {(x.partition, x.offset, x.ms) for x in ordered
                     if not x.is_good}
        # Held until the parent is there (1.5): so what an event is about is
        # there before it, whatever the clocks say.
        for record in good:
            self.create(record)
        for record in good:
            self.now = record.ms
            getattr(self, "on_" + record.kind)(record.body)
        self.finish()
        for record in ordered:
            self.log(record)

    def create(self, record):
        body = record.body
        if record.kind == "Account":
            self.tables["accounts"].setdefault(body["code"], {
                "nid": body["nid"], "code": body["code"], "sid": body["sid"],
                "participant_code": body["participant_code"],
                "address": None, "trade_limit": Decimal(0),
                "pool_limit": Decimal(0)})
        elif record.kind == "Order":
            self.tables["orders"].setdefault(
                body["nid"], self.new_order(body, record.ms))
        elif record.kind == "Trade":
            self.tables["trades"].setdefault(
                body["nid"], self.new_trade(body, record.ms))
        for contract in self.contracts_in(record.kind, body):
            self.tables["contracts"].setdefault(
                contract["nid"], self.new_contract(contract, record.ms))

    @staticmethod
    def contracts_in(kind, body):
        if kind == "Contract":
            return [body]
        if kind == "Trade":
            return (body.get("Borrower") or []) + (body.get("Lender") or [])
        return []

    @staticmethod
    def new_order(body, ms):
        row = {x: body[x] for x in (
            "nid", "prev_nid", "reff_request_id", "account_code",
            "participant_code", "instrument_code", "side", "instruction",
            "aro")}
        row |= {x: Decimal(body[x]) for x in ("quantity", "market_price",
                                              "rate")}
        row |= {x: None for x in (
            "amend_at", "withdraw_at", "reject_message",
            "withdraw_reff_request_id", "open_at", "reject_at",
            "pending_at")}
        return row | {
            "settlement_date": instant(body["settlement_date"]),
            "reimbursement_date": instant(body["reimbursement_date"]),
            "periode": days(body["periode"]), "done_quantity": Decimal(0),
            "state": "S", "entry_at": at_ms(ms), "last_update": ms}

    @staticmethod
    def new_trade(body, ms):
        row = {x: body[x] for x in ("nid", "kpei_reff", "instrument_code")}
        row |= {x: Decimal(body[x]) for x in (
            "quantity", "fee_flat_rate", "fee_borr_rate", "fee_lend_rate")}
        return row | {
            "periode": days(body["periode"]), "state": "S",
            "matched_at": instant(body["matched_at"]),
            "reimburse_at": instant(body["reimburse_at"]),
            "last_update": ms, "message": None}

    @staticmethod
    def new_contract(body, ms):
        row = {x: body[x] for x in (
            "nid", "trade_nid", "kpei_reff", "side", "account_code",
            "account_participant_code", "order_nid", "instrument_code")}
        return row | {
            "quantity": Decimal(body["quantity"]),
            "periode": days(body["periode"]), "state": "S",
            "matched_at": instant(body["matched_at"]),
            "reimburse_at": instant(body["reimburse_at"]), "last_update": ms}

    def finish(self):
        accounts = self.tables["accounts"]
        for code, limit in self.limits.items():
            accounts[code] |= limit
        # Filled from accounts (1.6, Trade). Without its trade or its order a
        # contract is held.
        contracts = self.tables["contracts"]
        for nid in list(contracts):
            row = contracts[nid]
            if row["trade_nid"] in self.tables["trades"] \
                    and row["order_nid"] in self.tables["orders"]:
                row["account_sid"] = accounts[row["account_code"]]["sid"]
            else:
                del contracts[nid]

    def log(self, record):
        names = {"Sod": "SOD", "Eod": "EOD"}
        body = record.body
        self.tables["event_log"][record.partition, record.offset, record.ms] = {
            "event_type": names.get(record.kind, record.kind),
            "event_data": None if body is None else
            body | {"timestamp": sent_at(record.ms)},
            "timestamp": record.ms, "kafka_partition": record.partition,
            "kafka_offset": record.offset}

    # -- reference data: told apart by code; columns not named stay (1.6) ------

    def on_ServiceStart(self, body):
        self.tables["service_starts"].setdefault(body["start_id"], {
            "start_id": body["start_id"], "service_name": body["id"],
            "started_at": in_ms(instant(body["start_time"]))})

    def version(self, table, row):
        """One row per nid, and one of them is current."""
        for other in self.tables[table].values():
            other["current"] = False
        self.tables[table][row["nid"]] = row | {"updated_at": self.now,
                                                "current": True}

    def on_Parameter(self, body):
        row = {x: body[x] for x in ("nid", "description",
                                    "borrow_max_open_day",
                                    "denomination_limit")}
        self.version("parameters", row | {
            x: Decimal(body[x]) for x in ("flat_fee", "lending_fee",
                                          "borrowing_fee", "max_quantity")})

    def on_SessionTime(self, body):
        self.version("session_times", {
            "nid": body["nid"], "description": body["description"]} | {
                x: clock(body[x]) for x in ("session1_start", "session1_end",
                                            "session2_start",
                                            "session2_end")})

    def on_Holiday(self, body):
        self.tables["holidays"][body["nid"]] = {
            "nid": body["nid"], "year": body["tahun"],
            "date": date.fromisoformat(body["date"][:10]),
            "description": body["description"], "last_update": self.now}

    def merge(self, table, body, *columns):
        row = self.tables[table].setdefault(
            body["code"], {"code": body["code"], "nid": body["nid"]})
        row |= {x: body[x] for x in columns}
        row["last_update"] = self.now

    def on_Participant(self, body):
        self.merge("participants", body, "name", "borr_eligibility",
                   "lend_eligibility")

    def on_Instrument(self, body):
        self.merge("instruments", body, "name", "type", "status")

    def on_Account(self, body):
        row = self.tables["accounts"][body["code"]]
        row["name"] = body["name"]
        # Not in today's events: columns not named stay.
        row["address"] = body.get("address", row["address"])
        row["last_update"] = max(self.now, row.get("last_update", self.now))

    def on_AccountLimit(self, body):
        self.limits[body["code"]] = {
            x: Decimal(body[x]) for x in ("trade_limit", "pool_limit")}
        self.touch(self.tables["accounts"][body["code"]])

    def on_Sod(self, body):
        pass

    on_Eod = on_Sod

    # -- orders --------------------------------------------------------------

    def touch(self, row):
        row["last_update"] = max(self.now, row.get("last_update", self.now))

    def move(self, row, state, moves):
        """Whether it moved. A move that is not allowed leaves the state, and
        nothing is refused (8.7)."""
        self.touch(row)
        if row["state"] + state not in moves:
            return False
        row["state"] = state
        return True

    def order(self, nid, state, column):
        row = self.tables["orders"].get(nid)
        if row is None:
            return None
        # The earliest wins (8.6).
        if row[column] is None:
            row[column] = at_ms(self.now)
        self.move(row, state, ORDER_MOVES)
        return row

    def on_Order(self, body):
        pass  # a repeat changes nothing

    def on_OrderAck(self, body):
        row = self.tables["orders"].get(body["order_nid"])
        # Only from S or G: a part that is matched stays matched.
        self.order(body["order_nid"],
                   "O" if row and row["state"] in "SG" else "-", "open_at")
        if row and row["prev_nid"]:
            self.order(row["prev_nid"], "A", "amend_at")

    def on_OrderNak(self, body):
        row = self.order(body["order_nid"], "R", "reject_at")
        if row and row["reject_message"] is None:
            row["reject_message"] = body["message"]

    def on_OrderPending(self, body):
        self.order(body["order_nid"], "G", "pending_at")

    def on_OrderWithdraw(self, body):
        row = self.tables["orders"].get(body["order_nid"])
        if row:
            self.touch(row)
            row["withdraw_reff_request_id"] = body["reff_request_id"]

    def on_OrderWithdrawNak(self, body):
        row = self.tables["orders"].get(body["order_nid"])
        if row:
            self.touch(row)
            row["withdraw_reff_request_id"] = None

    def on_OrderWithdrawAck(self, body):
        self.order(body["order_nid"], "W", "withdraw_at")

    def match(self, nid, quantity):
        row = self.tables["orders"].get(nid)
        if row is None:
            return
        self.touch(row)
        row["done_quantity"] += quantity
        if row["state"] in "OPM":
            row["state"] = ("O" if row["done_quantity"] <= 0 else
                            "M" if row["done_quantity"] >= row["quantity"]
                            else "P")

    # -- trades and contracts --------------------------------------------------

    def on_Trade(self, body):
        for contract in self.contracts_in("Trade", body):
            self.on_Contract(contract)

    def on_Contract(self, body):
        """Upsert: fees are those of the newest, and it may move the state."""
        row = self.tables["contracts"][body["nid"]]
        row |= {x: Decimal(body[x]) for x in (
            "fee_flat_val", "fee_val_daily", "fee_val_accumulated")}
        # The order's quantity grows by it once.
        if body["nid"] not in self.matched:
            self.matched.add(body["nid"])
            self.match(row["order_nid"], Decimal(0) if row["state"] == "R"
                       else row["quantity"])
        self.move(row, body["state"], CONTRACT_MOVES)

    def trade(self, nid, state):
        """The trade and its contracts. Those that moved; nothing when the trade
        did not."""
        row = self.tables["trades"].get(nid)
        moved = row is not None and self.move(row, state, TRADE_MOVES)
        contracts = [x for x in self.tables["contracts"].values()
                     if x["trade_nid"] == nid]
        followed = [x for x in contracts
                    if self.move(x, state, CONTRACT_MOVES)]
        if state == "C":
            for each in followed + [row] * moved:
                each["reimburse_at"] = at_ms(self.now)
        return contracts if moved else []

    def on_TradeWait(self, body):
        self.trade(body["trade_nid"], "E")

    def on_TradeAck(self, body):
        self.trade(body["trade_nid"], "O")

    def on_TradeNak(self, body):
        for contract in self.trade(body["trade_nid"], "R"):
            if contract["nid"] in self.matched:
                self.match(contract["order_nid"], -contract["quantity"])
        row = self.tables["trades"].get(body["trade_nid"])
        if row and row["message"] is None:
            row["message"] = body["message"]

    def on_TradeReimburse(self, body):
        self.trade(body["trade_nid"], "C")


def expected(records):
    """Rows by table and key, each with all columns, and the keys that records
    which become dead letters have in the log."""
    fold = Fold(records)
    result = {}
    for table, rows in fold.tables.items():
        result[table] = {}
        for row in rows.values():
            assert row.keys() == COLUMNS[table].keys(), (table, row)
            result[table][tuple(row[x] for x in KEYS[table])] = row
    return result, fold.dead


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        rows, dead = expected(records_of(json.loads(x) for x in file))
    shown = {table: list(x.values()) for table, x in rows.items()}
    print(json.dumps(shown | {"dead_letters": sorted(dead)}, default=str,
                     indent=1))


if __name__ == "__main__":
    main()
