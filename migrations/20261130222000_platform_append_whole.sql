-- append_whole(): what append() takes, all of it or nothing (docs/adr/0024).
--
-- For commands that were decided one on another across streams: a few of them without the others would be wrong
-- answers. A command's streams are not told apart here; the versions expected are those before the first of them.
-- Answers the position before the first event; raises MW001 if something is known, stale or reused.
create function append_whole(
    at timestamptz, look boolean,
    c_id uuid[], c_hash bytea[], c_subject text[], c_version bigint[], c_refusal text[], c_end int[],
    w_id uuid[],
    s_command int[], s_type text[], s_id text[], s_expected bigint[],
    e_command int[], e_workspace int[], e_ordinal int[], e_type text[], e_id text[], e_sequence bigint[],
    e_event_id uuid[], e_event_type text[], e_event_version text[], e_payload text[], e_metadata text[],
    e_effective timestamptz[]
) returns bigint
language plpgsql volatile security definer set search_path = public, pg_temp as $$
declare
    answer record;
begin
    select a.command, a."position" into answer
    from append(at, look, c_id, c_hash, c_subject, c_version, c_refusal, c_end, w_id,
                s_command, s_type, s_id, s_expected,
                e_command, e_workspace, e_ordinal, e_type, e_id, e_sequence, e_event_id, e_event_type,
                e_event_version, e_payload, e_metadata, e_effective) a
    limit 1;
    if answer.command is not null then
        raise exception 'not all of it can be taken' using errcode = 'MW001';
    end if;
    return answer."position";
end $$;

revoke all on function append_whole from public;
grant execute on function append_whole to mewayz_run;
