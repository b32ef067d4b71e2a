-- Appends one command of one event: what a log that is not busy gets, for less than a batch of one costs.
--
-- Answers the event's position. Where the id is known or the stream is not at the version expected, nothing is taken
-- and the answer is null: append() says which it is. As there, the head's lock comes before every look.
create function append_one(
    at timestamptz, c_id uuid, c_hash bytea, c_subject text, c_version bigint, w_id uuid,
    s_type text, s_id text, s_expected bigint,
    e_event_id uuid, e_event_type text, e_event_version text, e_payload text, e_metadata text,
    e_effective timestamptz
) returns bigint
language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    reached bigint;
    stamp   timestamptz;
begin
    update head h set position = h.position + 1, recorded_at = greatest(h.recorded_at, at)
    returning h.position, h.recorded_at into reached, stamp;
    -- What is at the expected version is found by the unique index; what is before it must be there.
    if s_expected > 0 and not exists (
        select from events e where e.aggregate_id = s_id and e.aggregate_type = s_type and e.sequence = s_expected
    ) then
        raise unique_violation;
    end if;
    insert into commands values (c_id, c_hash, c_subject, c_version, reached, null);
    insert into events values (
        reached, w_id,
        coalesce((select h.workspace_position from events h where h.workspace_id = w_id
                  order by h.workspace_position desc limit 1), 0) + 1,
        s_type, s_id, s_expected + 1, e_event_id, e_event_type, e_event_version, e_payload::json, e_metadata::json,
        stamp, e_effective
    );
    return reached;
exception when unique_violation then
    -- Of all that is above, nothing was done.
    return null;
end $$;

revoke all on function append_one from public;
grant execute on function append_one to mewayz_run;
