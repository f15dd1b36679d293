-- description: the exchange's tables: reference data, orders, trades, contracts
--
-- These are what people query. The pipeline does not write them: it appends to
-- the fact tables of 002, and 003 and 004 derive what stands here.

-- millrace:up

-- Reference rows are told apart by code: ids of the source may collide.
CREATE TABLE participants (
  id               serial PRIMARY KEY,
  nid              bigint NOT NULL,
  code             varchar(10) NOT NULL UNIQUE,
  name             varchar(200) NOT NULL,
  borr_eligibility boolean NOT NULL DEFAULT true,
  lend_eligibility boolean NOT NULL DEFAULT true,
  last_update      bigint NOT NULL,
  created_at       timestamptz DEFAULT now()
);
CREATE INDEX idx_participants_code ON participants (code);

CREATE TABLE instruments (
  id          serial PRIMARY KEY,
  nid         bigint NOT NULL,
  code        varchar(20) NOT NULL UNIQUE,
  name        varchar(200) NOT NULL,
  type        varchar(50),
  status      boolean NOT NULL DEFAULT true,
  last_update bigint NOT NULL,
  created_at  timestamptz DEFAULT now()
);
CREATE INDEX idx_instruments_code ON instruments (code);
CREATE INDEX idx_instruments_status ON instruments (status);

CREATE TABLE accounts (
  id               serial PRIMARY KEY,
  nid              bigint NOT NULL,
  code             varchar(50) NOT NULL UNIQUE,
  sid              varchar(50) NOT NULL UNIQUE,
  name             varchar(200) NOT NULL,
  address          text,
  participant_code varchar(10) NOT NULL REFERENCES participants (code),
  trade_limit      numeric NOT NULL DEFAULT 0,
  pool_limit       numeric NOT NULL DEFAULT 0,
  last_update      bigint NOT NULL,
  created_at       timestamptz DEFAULT now()
);
CREATE INDEX idx_accounts_code ON accounts (code);
CREATE INDEX idx_accounts_sid ON accounts (sid);
CREATE INDEX idx_accounts_participant ON accounts (participant_code);

CREATE TABLE holidays (
  id          serial PRIMARY KEY,
  nid         bigint NOT NULL UNIQUE,
  year        integer NOT NULL,
  date        date NOT NULL,
  description text,
  last_update bigint NOT NULL,
  created_at  timestamptz DEFAULT now()
);
CREATE INDEX idx_holidays_date ON holidays (date);
CREATE INDEX idx_holidays_year ON holidays (year);

-- Older values stay; one row is the current one.
CREATE TABLE parameters (
  id                  serial PRIMARY KEY,
  flat_fee            numeric NOT NULL,
  lending_fee         numeric NOT NULL,
  borrowing_fee       numeric NOT NULL,
  max_quantity        numeric NOT NULL,
  borrow_max_open_day integer NOT NULL,
  denomination_limit  integer NOT NULL,
  updated_at          bigint NOT NULL,
  created_at          timestamptz DEFAULT now(),
  nid                 bigint NOT NULL UNIQUE,
  description         text,
  current             boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX parameters_current ON parameters (current) WHERE current;

CREATE TABLE session_times (
  id             serial PRIMARY KEY,
  session1_start time NOT NULL,
  session1_end   time NOT NULL,
  session2_start time NOT NULL,
  session2_end   time NOT NULL,
  updated_at     bigint NOT NULL,
  created_at     timestamptz DEFAULT now(),
  nid            bigint NOT NULL UNIQUE,
  description    text,
  current        boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX session_times_current ON session_times (current)
  WHERE current;

CREATE TABLE service_starts (
  id           serial PRIMARY KEY,
  service_name varchar(100) NOT NULL,
  started_at   bigint NOT NULL,
  created_at   timestamptz DEFAULT now(),
  start_id     text NOT NULL UNIQUE
);

-- Dates and period are null where the source sends none (year 1, a negative
-- number). done_quantity may exceed quantity: the source overmatches.
CREATE TABLE orders (
  id                       serial PRIMARY KEY,
  nid                      bigint NOT NULL UNIQUE,
  prev_nid                 bigint,
  reff_request_id          varchar(100),
  account_code             varchar(50) NOT NULL REFERENCES accounts (code),
  participant_code         varchar(10) NOT NULL REFERENCES participants (code),
  instrument_code          varchar(20) NOT NULL REFERENCES instruments (code),
  side                     varchar(10) NOT NULL
    CHECK (side IN ('BORR', 'LEND')),
  quantity                 numeric NOT NULL,
  done_quantity            numeric NOT NULL DEFAULT 0,
  settlement_date          timestamptz,
  reimbursement_date       timestamptz,
  periode                  integer,
  state                    varchar(10) NOT NULL CHECK (
    state IN ('S', 'G', 'O', 'R', 'P', 'M', 'A', 'W', 'B')),
  market_price             numeric NOT NULL,
  rate                     numeric NOT NULL,
  instruction              text,
  aro                      boolean NOT NULL DEFAULT false,
  entry_at                 timestamptz NOT NULL,
  amend_at                 timestamptz,
  withdraw_at              timestamptz,
  last_update              bigint NOT NULL,
  created_at               timestamptz DEFAULT now(),
  reject_message           text,
  withdraw_reff_request_id text,
  open_at                  timestamptz,
  reject_at                timestamptz,
  pending_at               timestamptz
);
CREATE INDEX idx_orders_nid ON orders (nid);
CREATE INDEX idx_orders_account ON orders (account_code);
CREATE INDEX idx_orders_participant ON orders (participant_code);
CREATE INDEX idx_orders_instrument ON orders (instrument_code);
CREATE INDEX idx_orders_side ON orders (side);
CREATE INDEX idx_orders_state ON orders (state);
CREATE INDEX idx_orders_entry_at ON orders (entry_at);

CREATE TABLE trades (
  id              serial PRIMARY KEY,
  nid             bigint NOT NULL UNIQUE,
  kpei_reff       varchar(100) NOT NULL UNIQUE,
  instrument_code varchar(20) NOT NULL REFERENCES instruments (code),
  quantity        numeric NOT NULL,
  periode         integer,
  state           varchar(10) NOT NULL CHECK (
    state IN ('S', 'E', 'O', 'R', 'C')),
  fee_flat_rate   numeric NOT NULL,
  fee_borr_rate   numeric NOT NULL,
  fee_lend_rate   numeric NOT NULL,
  matched_at      timestamptz NOT NULL,
  reimburse_at    timestamptz,
  last_update     bigint NOT NULL,
  created_at      timestamptz DEFAULT now(),
  message         text
);
CREATE INDEX idx_trades_nid ON trades (nid);
CREATE INDEX idx_trades_kpei_reff ON trades (kpei_reff);
CREATE INDEX idx_trades_instrument ON trades (instrument_code);
CREATE INDEX idx_trades_state ON trades (state);
CREATE INDEX idx_trades_matched_at ON trades (matched_at);

CREATE TABLE contracts (
  id                       serial PRIMARY KEY,
  nid                      bigint NOT NULL UNIQUE,
  trade_nid                bigint NOT NULL REFERENCES trades (nid),
  kpei_reff                varchar(100) NOT NULL,
  side                     varchar(10) NOT NULL
    CHECK (side IN ('BORR', 'LEND')),
  account_code             varchar(50) NOT NULL REFERENCES accounts (code),
  account_sid              varchar(50) NOT NULL,
  account_participant_code varchar(10) NOT NULL REFERENCES participants (code),
  order_nid                bigint NOT NULL REFERENCES orders (nid),
  instrument_code          varchar(20) NOT NULL REFERENCES instruments (code),
  quantity                 numeric NOT NULL,
  periode                  integer,
  state                    varchar(10) NOT NULL CHECK (
    state IN ('S', 'E', 'O', 'R', 'C', 'T')),
  fee_flat_val             numeric NOT NULL DEFAULT 0,
  fee_val_daily            numeric NOT NULL DEFAULT 0,
  fee_val_accumulated      numeric NOT NULL DEFAULT 0,
  matched_at               timestamptz NOT NULL,
  reimburse_at             timestamptz,
  last_update              bigint NOT NULL,
  created_at               timestamptz DEFAULT now()
);
CREATE INDEX idx_contracts_nid ON contracts (nid);
CREATE INDEX idx_contracts_trade_nid ON contracts (trade_nid);
CREATE INDEX idx_contracts_account ON contracts (account_code);
CREATE INDEX idx_contracts_participant ON contracts (account_participant_code);
CREATE INDEX idx_contracts_order ON contracts (order_nid);
CREATE INDEX idx_contracts_instrument ON contracts (instrument_code);
CREATE INDEX idx_contracts_state ON contracts (state);

-- millrace:down

DROP TABLE contracts;
DROP TABLE trades;
DROP TABLE orders;
DROP TABLE service_starts;
DROP TABLE session_times;
DROP TABLE parameters;
DROP TABLE holidays;
DROP TABLE accounts;
DROP TABLE instruments;
DROP TABLE participants;
