"""The eleven tables of pme-online as the source's fact sheet has them (its
numbers stand in brackets): columns and their types, a database's rows in the
form of `pme_fold.expected`, and what differs."""

from datetime import date, datetime, time, timezone
from decimal import Decimal

UTC = timezone.utc

# By what a row of each table is told apart.
KEYS = {
    "participants": ("code",), "instruments": ("code",), "accounts": ("code",),
    "holidays": ("nid",), "parameters": ("nid",), "session_times": ("nid",),
    "service_starts": ("start_id",), "orders": ("nid",), "trades": ("nid",),
    "contracts": ("nid",),
    "event_log": ("kafka_partition", "kafka_offset", "timestamp"),
}

# The type of each column (2.1, 2.2). `instant` is a time of the world,
# `json` a whole body.
COLUMNS = {
    "participants": {
        "nid": int, "code": str, "name": str, "borr_eligibility": bool,
        "lend_eligibility": bool, "last_update": int},
    "instruments": {
        "nid": int, "code": str, "name": str, "type": str, "status": bool,
        "last_update": int},
    "accounts": {
        "nid": int, "code": str, "sid": str, "name": str, "address": str,
        "participant_code": str, "trade_limit": Decimal,
        "pool_limit": Decimal, "last_update": int},
    "holidays": {
        "nid": int, "year": int, "date": date, "description": str,
        "last_update": int},
    "parameters": {
        "nid": int, "description": str, "flat_fee": Decimal,
        "lending_fee": Decimal, "borrowing_fee": Decimal,
        "max_quantity": Decimal, "borrow_max_open_day": int,
        "denomination_limit": int, "updated_at": int, "current": bool},
    "session_times": {
        "nid": int, "description": str, "session1_start": time,
        "session1_end": time, "session2_start": time, "session2_end": time,
        "updated_at": int, "current": bool},
    "service_starts": {"start_id": str, "service_name": str,
                       "started_at": int},
    "orders": {
        "nid": int, "prev_nid": int, "reff_request_id": str,
        "account_code": str, "participant_code": str, "instrument_code": str,
        "side": str, "quantity": Decimal, "done_quantity": Decimal,
        "settlement_date": "instant", "reimbursement_date": "instant",
        "periode": int, "state": str, "market_price": Decimal,
        "rate": Decimal, "instruction": str, "aro": bool,
        "entry_at": "instant", "amend_at": "instant",
        "withdraw_at": "instant", "last_update": int, "reject_message": str,
        "withdraw_reff_request_id": str, "open_at": "instant",
        "reject_at": "instant", "pending_at": "instant"},
    "trades": {
        "nid": int, "kpei_reff": str, "instrument_code": str,
        "quantity": Decimal, "periode": int, "state": str,
        "fee_flat_rate": Decimal, "fee_borr_rate": Decimal,
        "fee_lend_rate": Decimal, "matched_at": "instant",
        "reimburse_at": "instant", "last_update": int, "message": str},
    "contracts": {
        "nid": int, "trade_nid": int, "kpei_reff": str, "side": str,
        "account_code": str, "account_sid": str,
        "account_participant_code": str, "order_nid": int,
        "instrument_code": str, "quantity": Decimal, "periode": int,
        "state": str, "fee_flat_val": Decimal, "fee_val_daily": Decimal,
        "fee_val_accumulated": Decimal, "matched_at": "instant",
        "reimburse_at": "instant", "last_update": int},
    "event_log": {
        "event_type": str, "event_data": "json", "timestamp": int,
        "kafka_partition": int, "kafka_offset": int},
}


def cast(kind, value):
    """A value of a database's JSON, by the column's type."""
    if value is None:
        return None
    if kind is Decimal:
        return Decimal(value)
    if kind is date:
        return date.fromisoformat(value)
    if kind is time:
        return time.fromisoformat(value)
    if kind == "instant":
        return datetime.fromisoformat(value).astimezone(UTC)
    if kind == "json":
        return value
    assert isinstance(value, kind), (kind, value)
    return value


def normal(table, rows):
    """A database's rows as `expected` has them."""
    columns = COLUMNS[table]
    result = {}
    for row in rows:
        key = tuple(row[x] for x in KEYS[table])
        assert key not in result, (table, key)
        result[key] = {x: cast(kind, row[x]) for x, kind in columns.items()}
    return result


def differences(found, wanted):
    """Sentences, column by column; none when all is as it should be."""
    result = []
    for table in KEYS:
        for key in sorted(found[table].keys() | wanted[table].keys()):
            ours, theirs = found[table].get(key), wanted[table].get(key)
            if ours is None or theirs is None:
                result.append(f"{table} {key}: "
                              + ("is missing" if ours is None else
                                 "should not be there"))
                continue
            result += [f"{table} {key}: {x} is {ours[x]!r}, expected "
                       f"{theirs[x]!r}"
                       for x in COLUMNS[table] if ours[x] != theirs[x]]
    return result
