"""A small day on the exchange, made by hand: every type of event."""

import random

from pme_events import Event

ZERO = "0001-01-01T00:00:00Z"
OPENS = 1_764_727_200_000  # 2025-12-03 02:00 UTC


class Day:
    """Collects events; each is later than the one before."""

    def __init__(self, seed=0):
        self.random = random.Random(seed)
        self.events = []
        self.time_ms = OPENS
        self.offsets = [0, 0, 0]
        self.reference = 0

    def add(self, kind, at=None, **body):
        self.time_ms += self.random.choice((0, 1, 7, 1000))
        partition = self.random.randrange(3)
        event = Event(kind, {"timestamp": ZERO, **body},
                      self.time_ms if at is None else at, partition,
                      self.offsets[partition])
        self.offsets[partition] += 1
        self.events.append(event)
        return event

    def open(self):
        """The reference data that everything else needs."""
        for code in ("QX", "ZV"):
            self.add("Participant", nid=len(self.events) + 1, code=code,
                     name=f"{code} Sekuritas", borr_eligibility=True,
                     lend_eligibility=True)
        for code in ("MLRC", "GRND"):
            self.add("Instrument", nid=len(self.events) + 1, code=code,
                     name=f"{code} Tbk", type="STOCK", status=True)
        for code, sid in (("QX-1", "SIDQ1"), ("ZV-1", "SIDZ1")):
            self.add("Account", nid=len(self.events) + 1, code=code, sid=sid,
                     name="Fund", participant_code=code[:2])
        self.reference = len(self.events)
        return self

    def order(self, nid, side="BORR", quantity=150000, prev=0, at=None,
              instrument="MLRC"):
        account = "QX-1" if side == "BORR" else "ZV-1"
        lend = side == "LEND"
        return self.add(
            "Order", at=at, nid=nid, prev_nid=prev, reff_request_id=f"RQ-{nid}",
            account_code=account, participant_code=account[:2],
            instrument_code=instrument, side=side, quantity=quantity,
            settlement_date=ZERO if lend else "2025-12-03T00:00:00+07:00",
            reimbursement_date=ZERO if lend else "2025-12-17T00:00:00+07:00",
            periode=-106751 if lend else 14, state="S", market_price=4120,
            rate=0.18, instruction="", aro=False)

    def contract(self, trade, nid, side, order, quantity, state="S", fee=0):
        account = "QX-1" if side == "BORR" else "ZV-1"
        return {"timestamp": ZERO, "nid": nid, "trade_nid": trade,
                "kpei_reff": f"PME-{trade}-{side}", "side": side,
                "account_nid": 0, "account_code": account, "account_sid": "",
                "account_participant_code": account[:2], "order_nid": order,
                "instrument_code": "MLRC", "quantity": quantity,
                "periode": 14, "state": state, "fee_flat_val": 309000,
                "fee_val_daily": 304767.5, "fee_val_accumulated": fee,
                "matched_at": "2025-12-03T09:15:30.418+07:00",
                "reimburse_at": "2025-12-17T00:00:00+07:00"}

    def trade(self, nid, quantity, borrower=None, lender=None, reff=None,
              at=None):
        return self.add(
            "Trade", at=at, nid=nid, kpei_reff=reff or f"PME-{nid}",
            instrument_code="MLRC", quantity=quantity, periode=14, state="S",
            fee_flat_rate=0.0005, fee_borr_rate=0.18, fee_lend_rate=0.15,
            matched_at="2025-12-03T09:15:30.418+07:00",
            reimburse_at="2025-12-17T00:00:00+07:00",
            Borrower=[self.contract(nid, nid * 10 + 1, "BORR", borrower,
                                    quantity)] if borrower else None,
            Lender=[self.contract(nid, nid * 10 + 2, "LEND", lender,
                                  quantity)] if lender else None)

    def ack(self, order, at=None):
        return self.add("OrderAck", at=at, order_nid=order)

    def of_trade(self, kind, trade, **more):
        return self.add(kind, trade_nid=trade, **more)


def full_day(seed):
    """Orders matched in part and in full, amended, withdrawn, rejected, held
    until their date; trades waited for, dropped, reimbursed; and moves that
    are not allowed."""
    day = Day(seed).open()
    day.add("ServiceStart", id="dbexporter", start_id="dbexporter_1",
            start_time="2025-12-03T08:59:00.120394+07:00")
    day.add("Sod", date="2025-12-03T00:00:00+07:00")
    day.add("Parameter", nid=71, update=ZERO, description="fees",
            flat_fee=0.0005, lending_fee=0.15, borrowing_fee=0.18,
            max_quantity=10000000, borrow_max_open_day=90,
            denomination_limit=100)
    day.add("SessionTime", nid=81, description="regular", update=ZERO,
            session1_start="0000-01-01T09:00:00Z",
            session1_end="0000-01-01T12:00:00Z",
            session2_start="0000-01-01T13:30:00Z",
            session2_end="0000-01-01T15:50:00Z")
    day.add("Holiday", nid=91, tahun=2025, date="2025-12-25T00:00:00Z",
            description="Christmas")
    day.add("AccountLimit", nid=5, code="QX-1", account_nid=5,
            trade_limit=5000000000, pool_limit="1e+21")
    # The worked example of the sheet, 2.3, and then the trades go.
    day.order(101)
    day.order(102, "LEND", 500000)
    day.ack(101)
    day.ack(102)
    day.trade(1, 60000, 101, 102)
    day.trade(2, 90000, 101, 102)
    day.of_trade("TradeWait", 1)
    day.of_trade("TradeNak", 1, message="Trade not approved")
    day.of_trade("TradeAck", 2)
    day.of_trade("TradeAck", 2)
    # Amended; a trade comes on the old one a moment later.
    day.order(103, quantity=1000)
    day.ack(103)
    day.order(104, quantity=2000, prev=103)
    day.ack(104)
    day.trade(3, 400, 103, 102)
    day.of_trade("TradeAck", 3)
    day.of_trade("TradeReimburse", 3)
    day.of_trade("TradeAck", 3)
    # Withdrawn: asked, refused, asked again, and once when all was matched.
    day.add("OrderWithdraw", order_nid=104, reff_request_id="WD-1")
    day.add("OrderWithdrawNak", order_nid=104, message="not now")
    day.add("OrderWithdraw", order_nid=104, reff_request_id="WD-2")
    day.add("OrderWithdrawAck", order_nid=104)
    day.order(105, quantity=100)
    day.ack(105)
    day.trade(4, 250, 105, 102)
    day.add("OrderWithdrawAck", order_nid=105)
    # Rejected, held, held and rejected, acknowledged after the end.
    day.order(106)
    day.add("OrderNak", order_nid=106, message="Quantity: must be in "
            "multiples of 100 shares")
    day.ack(106)
    day.order(107)
    day.add("OrderPending", order_nid=107)
    day.order(108)
    day.add("OrderPending", order_nid=108)
    day.ack(108)
    # A contract by itself, newer than the one in its trade; and repeats.
    day.trade(5, 700, 108, 102)
    day.of_trade("TradeAck", 5)
    day.add("Contract", **day.contract(5, 51, "BORR", 108, 700, "O", fee=12))
    day.add("Contract", **day.contract(5, 52, "LEND", 102, 700, "T", fee=7))
    day.order(108, quantity=999999)
    day.trade(5, 700, 108, 102)
    day.add("Eod", date="2025-12-03T00:00:00+07:00")
    return day
