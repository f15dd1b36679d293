-- description: settle looks rows up by their keys, however old its plans are
--
-- A session plans the statements of these functions when it first runs them and
-- keeps the plans until the tables are analyzed. On a new day's empty tables
-- PostgreSQL chooses to read them whole, which it then goes on doing while they
-- grow: each transaction costs as much as the whole day so far. What is looked
-- up here is always named by key.

-- millrace:up

ALTER FUNCTION settle(bigint[], bigint[]) SET enable_seqscan = off;
ALTER FUNCTION touch_trades() SET enable_seqscan = off;

-- millrace:down

ALTER FUNCTION touch_trades() RESET enable_seqscan;
ALTER FUNCTION settle(bigint[], bigint[]) RESET enable_seqscan;
