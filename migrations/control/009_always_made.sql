-- description: dead letters know whether their log rows were written

-- millrace:up

-- Whether the rows that are made always were written with the dead letter: a
-- replay leaves them out then. Null where an older node wrote it; what was
-- refused by PostgreSQL, or had waited, had them.
ALTER TABLE millrace.dead_letter ADD COLUMN always_made boolean;

-- millrace:down

ALTER TABLE millrace.dead_letter DROP COLUMN always_made;
