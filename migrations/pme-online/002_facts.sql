-- description: what the events said, a row each, as the pipeline appends it
--
-- The pipeline writes these tables and event_log, and it only appends. A flush
-- writes tables in the order of their names: the number puts parents before
-- children, so that a flush which holds both does not have to wait.
--
-- kafka_time, kafka_partition, kafka_offset say when and where the event was
-- sent; "first" and "newest" mean their order. Every primary key begins with
-- what the facts are about and ends with them: it keeps the facts of one order
-- together and sorted, and a second copy of a record cannot get in.

-- millrace:up

CREATE TABLE fact1_holiday (
  nid             bigint NOT NULL,
  year            integer NOT NULL,
  date            date NOT NULL,
  description     text,
  kafka_time      timestamptz NOT NULL,
  kafka_partition int NOT NULL,
  kafka_offset    bigint NOT NULL,
  PRIMARY KEY (nid, kafka_time, kafka_partition, kafka_offset)
);

CREATE TABLE fact1_instrument (
  code            varchar(20) NOT NULL CHECK (code <> ''),
  nid             bigint NOT NULL,
  name            varchar(200) NOT NULL,
  type            varchar(50),
  status          boolean NOT NULL,
  kafka_time      timestamptz NOT NULL,
  kafka_partition int NOT NULL,
  kafka_offset    bigint NOT NULL,
  PRIMARY KEY (code, kafka_time, kafka_partition, kafka_offset)
);

CREATE TABLE fact1_parameter (
  nid                 bigint NOT NULL,
  description         text,
  flat_fee            numeric NOT NULL,
  lending_fee         numeric NOT NULL,
  borrowing_fee       numeric NOT NULL,
  max_quantity        numeric NOT NULL,
  borrow_max_open_day integer NOT NULL,
  denomination_limit  integer NOT NULL,
  kafka_time          timestamptz NOT NULL,
  kafka_partition     int NOT NULL,
  kafka_offset        bigint NOT NULL,
  PRIMARY KEY (nid, kafka_time, kafka_partition, kafka_offset)
);

CREATE TABLE fact1_participant (
  code             varchar(10) NOT NULL CHECK (code <> ''),
  nid              bigint NOT NULL,
  name             varchar(200) NOT NULL,
  borr_eligibility boolean NOT NULL,
  lend_eligibility boolean NOT NULL,
  kafka_time       timestamptz NOT NULL,
  kafka_partition  int NOT NULL,
  kafka_offset     bigint NOT NULL,
  PRIMARY KEY (code, kafka_time, kafka_partition, kafka_offset)
);

CREATE TABLE fact1_service_start (
  start_id        text NOT NULL CHECK (start_id <> ''),
  id              varchar(100) NOT NULL,
  start_time      timestamptz NOT NULL,
  kafka_time      timestamptz NOT NULL,
  kafka_partition int NOT NULL,
  kafka_offset    bigint NOT NULL,
  PRIMARY KEY (start_id, kafka_time, kafka_partition, kafka_offset)
);

-- Times of day as they were sent: 0000-01-01T09:00:00Z is no timestamp of
-- PostgreSQL's. Only hour, minute and second count.
CREATE TABLE fact1_session_time (
  nid             bigint NOT NULL,
  description     text,
  session1_start  text NOT NULL CHECK (session1_start ~ 'T\d\d:\d\d:\d\d'),
  session1_end    text NOT NULL CHECK (session1_end ~ 'T\d\d:\d\d:\d\d'),
  session2_start  text NOT NULL CHECK (session2_start ~ 'T\d\d:\d\d:\d\d'),
  session2_end    text NOT NULL CHECK (session2_end ~ 'T\d\d:\d\d:\d\d'),
  kafka_time      timestamptz NOT NULL,
  kafka_partition int NOT NULL,
  kafka_offset    bigint NOT NULL,
  PRIMARY KEY (nid, kafka_time, kafka_partition, kafka_offset)
);

CREATE TABLE fact2_account (
  code             varchar(50) NOT NULL CHECK (code <> ''),
  nid              bigint NOT NULL,
  sid              varchar(50) NOT NULL,
  name             varchar(200) NOT NULL,
  address          text,
  participant_code varchar(10) NOT NULL REFERENCES participants (code),
  kafka_time       timestamptz NOT NULL,
  kafka_partition  int NOT NULL,
  kafka_offset     bigint NOT NULL,
  PRIMARY KEY (code, kafka_time, kafka_partition, kafka_offset)
);

CREATE TABLE fact3_account_limit (
  code            varchar(50) NOT NULL REFERENCES accounts (code),
  trade_limit     numeric NOT NULL,
  pool_limit      numeric NOT NULL,
  kafka_time      timestamptz NOT NULL,
  kafka_partition int NOT NULL,
  kafka_offset    bigint NOT NULL,
  PRIMARY KEY (code, kafka_time, kafka_partition, kafka_offset)
);

CREATE TABLE fact3_order (
  nid                bigint NOT NULL,
  prev_nid           bigint,
  reff_request_id    varchar(100),
  account_code       varchar(50) NOT NULL REFERENCES accounts (code),
  participant_code   varchar(10) NOT NULL REFERENCES participants (code),
  instrument_code    varchar(20) NOT NULL REFERENCES instruments (code),
  side               varchar(10) NOT NULL
    CHECK (side IN ('BORR', 'LEND')),
  quantity           numeric NOT NULL,
  settlement_date    timestamptz,
  reimbursement_date timestamptz,
  periode            integer,
  market_price       numeric NOT NULL,
  rate               numeric NOT NULL,
  instruction        text,
  aro                boolean NOT NULL,
  kafka_time         timestamptz NOT NULL,
  kafka_partition    int NOT NULL,
  kafka_offset       bigint NOT NULL,
  PRIMARY KEY (nid, kafka_time, kafka_partition, kafka_offset)
);
-- From an order to those that amend it.
CREATE INDEX fact3_order_prev ON fact3_order (prev_nid) WHERE prev_nid <> 0;

-- No foreign keys to orders and trades from here on: an acknowledgement that
-- comes before its order lies here until the order is there, and then counts.
CREATE TABLE fact4_order_event (
  order_nid       bigint NOT NULL,
  kind            text NOT NULL CHECK (kind IN (
    'OrderAck', 'OrderNak', 'OrderPending', 'OrderWithdraw',
    'OrderWithdrawAck', 'OrderWithdrawNak')),
  reff_request_id text,
  message         text,
  kafka_time      timestamptz NOT NULL,
  kafka_partition int NOT NULL,
  kafka_offset    bigint NOT NULL,
  PRIMARY KEY (order_nid, kafka_time, kafka_partition, kafka_offset)
);

CREATE TABLE fact4_trade (
  nid             bigint NOT NULL,
  kpei_reff       varchar(100) NOT NULL,
  instrument_code varchar(20) NOT NULL REFERENCES instruments (code),
  quantity        numeric NOT NULL,
  periode         integer,
  fee_flat_rate   numeric NOT NULL,
  fee_borr_rate   numeric NOT NULL,
  fee_lend_rate   numeric NOT NULL,
  matched_at      timestamptz NOT NULL,
  reimburse_at    timestamptz,
  kafka_time      timestamptz NOT NULL,
  kafka_partition int NOT NULL,
  kafka_offset    bigint NOT NULL,
  PRIMARY KEY (nid, kafka_time, kafka_partition, kafka_offset)
);

-- One row for every element of a Trade's Borrower and Lender, and for every
-- Contract.
CREATE TABLE fact5_contract (
  trade_nid                bigint NOT NULL,
  nid                      bigint NOT NULL,
  kpei_reff                varchar(100) NOT NULL,
  side                     varchar(10) NOT NULL
    CHECK (side IN ('BORR', 'LEND')),
  account_code             varchar(50) NOT NULL REFERENCES accounts (code),
  account_participant_code varchar(10) NOT NULL REFERENCES participants (code),
  order_nid                bigint NOT NULL,
  instrument_code          varchar(20) NOT NULL REFERENCES instruments (code),
  quantity                 numeric NOT NULL,
  periode                  integer,
  state                    varchar(10) NOT NULL,
  fee_flat_val             numeric NOT NULL,
  fee_val_daily            numeric NOT NULL,
  fee_val_accumulated      numeric NOT NULL,
  matched_at               timestamptz NOT NULL,
  reimburse_at             timestamptz,
  kafka_time               timestamptz NOT NULL,
  kafka_partition          int NOT NULL,
  kafka_offset             bigint NOT NULL,
  PRIMARY KEY (trade_nid, nid, kafka_time, kafka_partition, kafka_offset)
);
CREATE INDEX fact5_contract_order ON fact5_contract (order_nid);

CREATE TABLE fact5_trade_event (
  trade_nid       bigint NOT NULL,
  kind            text NOT NULL CHECK (kind IN (
    'TradeWait', 'TradeAck', 'TradeNak', 'TradeReimburse')),
  message         text,
  kafka_time      timestamptz NOT NULL,
  kafka_partition int NOT NULL,
  kafka_offset    bigint NOT NULL,
  PRIMARY KEY (trade_nid, kafka_time, kafka_partition, kafka_offset)
);

-- millrace:down

DROP TABLE fact5_trade_event;
DROP TABLE fact5_contract;
DROP TABLE fact4_trade;
DROP TABLE fact4_order_event;
DROP TABLE fact3_order;
DROP TABLE fact3_account_limit;
DROP TABLE fact2_account;
DROP TABLE fact1_session_time;
DROP TABLE fact1_service_start;
DROP TABLE fact1_participant;
DROP TABLE fact1_parameter;
DROP TABLE fact1_instrument;
DROP TABLE fact1_holiday;
