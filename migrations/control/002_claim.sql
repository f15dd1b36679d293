-- description: the claim that opens every flush

-- millrace:up

-- Copy of offs with offs[slots[i]] = tos[i].
CREATE FUNCTION millrace.moved(offs bigint[], slots int[], tos bigint[])
RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  FOR i IN 1 .. coalesce(array_length(slots, 1), 0) LOOP
    offs[slots[i]] := tos[i];
  END LOOP;
  RETURN offs;
END
$$;

-- Moves a lane on, or raises MR001 and thereby ends the transaction. Returns
-- the first seq that now belongs to it. Per range i, of the partition at
-- slots[i]: the lane stood at olds[i], the flush covers [froms[i], tos[i]),
-- and its first row or reject is at firsts[i] (null when it has none).
--
-- One guarded update: the row lock, the comparison and the change cannot be
-- torn apart. The check is an aggregate so that it stays a subquery and is
-- computed again from the newest version of the row after a lock wait. The
-- floors may then be older than the row; that is harmless, because an event
-- of this lane below a newer floor is below the row's own offset as well.
-- All that is unknown (no such slot, no floor, arrays of unequal length)
-- compares as null, and null refuses.
--
-- For the rest of the transaction millrace.seq, millrace.epoch and
-- millrace.lane tell column defaults of trace tables who writes.
CREATE FUNCTION millrace.claim(
  in_pipeline text, in_tenant text, in_shard int,
  in_epoch bigint, in_owner uuid, in_next_seq bigint, in_seqs bigint,
  in_map_version bigint, in_shape bigint,
  slots int[], olds bigint[], froms bigint[], tos bigint[], firsts bigint[])
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  UPDATE millrace.lane AS l
  SET next_off = millrace.moved(l.next_off, slots, tos),
      next_seq = l.next_seq + in_seqs,
      updated = clock_timestamp()
  WHERE l.pipeline = in_pipeline AND l.tenant = in_tenant
    AND l.shard = in_shard
    AND l.epoch = in_epoch AND l.owner = in_owner
    AND l.next_seq = in_next_seq AND in_seqs > 0
    AND l.state = 'active'
    AND l.map_version = in_map_version AND l.shape = in_shape
    AND (SELECT coalesce(bool_and(coalesce(
             l.next_off[r.slot] = r.old
             AND f.floor IS NOT NULL
             AND r.lo <= greatest(r.old, f.floor)
             AND r.hi > greatest(r.old, f.floor)
             AND (r.first IS NULL OR r.first >= greatest(r.old, f.floor)),
             false)), true)
         FROM unnest(slots, olds, froms, tos, firsts)
           AS r(slot, old, lo, hi, first)
         LEFT JOIN millrace.partition_floor f
           ON f.pipeline = in_pipeline AND f.slot = r.slot);
  IF NOT FOUND THEN
    RAISE EXCEPTION 'claim refused' USING ERRCODE = 'MR001';
  END IF;
  PERFORM set_config('millrace.seq', in_next_seq::text, true),
          set_config('millrace.epoch', in_epoch::text, true),
          set_config('millrace.lane',
                     in_pipeline || '/' || in_tenant || '/' || in_shard, true);
  RETURN in_next_seq;
END
$$;

-- millrace:down

DROP FUNCTION millrace.claim(
  text, text, int, bigint, uuid, bigint, bigint, bigint, bigint,
  int[], bigint[], bigint[], bigint[], bigint[]);
DROP FUNCTION millrace.moved(bigint[], int[], bigint[]);
