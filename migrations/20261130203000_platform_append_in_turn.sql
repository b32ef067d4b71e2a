-- append() takes several commands on one stream, as they were decided: each on what the one before it came to.
--
-- Appends a batch of commands in one transaction; each is taken or not by itself, but what was decided on what was not
-- taken is not taken either. A command's entries (stream, expected version) are all taken or none. No two commands of a
-- batch may share an id; a command that shares a stream with others has no other stream, follows the one before it
-- without a gap, and expects null: its version follows from theirs. Known ids go before versions, and both are looked
-- at under the head's lock.
-- Arrays: c commands (c_end: how many events of the batch have been sent once the command is done), w workspaces,
-- s streams, e events (e_workspace: which of w; e_ordinal: which of that workspace's events in this batch).
-- `look` says that the versions must be looked up: where every stream has events, these find out by themselves.
--
-- If all are taken, answers one row: no id, 'stored', and the position before the first. Else one row a command:
--   'stored', 'known' (here is the first answer), 'reused' (known, with another request), or
--   'conflict' (a stream is not at its expected version, or a command that this one follows on it was not taken; here is
--   the version it is at).
create or replace function append(
    at timestamptz, look boolean,
    c_id uuid[], c_hash bytea[], c_subject text[], c_version bigint[], c_refusal text[], c_end int[],
    w_id uuid[],
    s_command int[], s_type text[], s_id text[], s_expected bigint[],
    e_command int[], e_workspace int[], e_ordinal int[], e_type text[], e_id text[], e_sequence bigint[],
    e_event_id uuid[], e_event_type text[], e_event_version text[], e_payload text[], e_metadata text[],
    e_effective timestamptz[]
) returns table (command uuid, status text, subject text, version bigint, "position" bigint, refusal text)
language plpgsql volatile security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
    sent    bigint := cardinality(e_command);
    base    bigint;
    stamp   timestamptz;
    fresh   boolean := true;
    added   bigint;
    ends    bigint[];
    failed  int[] := '{}';
    baseless int[];
begin
    update head h set position = h.position + sent, recorded_at = greatest(h.recorded_at, at)
    returning h.position - sent, h.recorded_at into base, stamp;

    if look then
        select not exists (
            select from unnest(s_type, s_id, s_expected) as s (type, id, expected)
            where expected <> coalesce((select e.sequence from events e
                                        where e.aggregate_id = s.id and e.aggregate_type = s.type
                                        order by e.sequence desc limit 1), 0)
        ) into fresh;
    end if;

    -- The common case: nothing is stale and nothing is known; the unique indexes say if that is wrong.
    -- Several unnest() of a select go through their arrays together; in the from clause each would be copied first.
    if fresh then
        begin
            with answered as (
                insert into commands
                select c.id, c.hash, c.subject, c.version, base + c.done, c.refusal
                from (select unnest(c_id) as id, unnest(c_hash) as hash, unnest(c_subject) as subject,
                             unnest(c_version) as version, unnest(c_refusal) as refusal, unnest(c_end) as done) c
            )
            insert into events
            select base + e.n, w_id[e.workspace],
                   (array(select coalesce((select h.workspace_position from events h where h.workspace_id = w.id
                                           order by h.workspace_position desc limit 1), 0)
                          from (select unnest(w_id) as id) w))[e.workspace] + e.ordinal,
                   e.type, e.id, e.sequence, e.event_id, e.event_type, e.event_version,
                   e.payload::json, e.metadata::json, stamp, e.effective
            from (select generate_series(1, sent) as n, unnest(e_workspace) as workspace,
                         unnest(e_ordinal) as ordinal, unnest(e_type) as type, unnest(e_id) as id,
                         unnest(e_sequence) as sequence, unnest(e_event_id) as event_id,
                         unnest(e_event_type) as event_type, unnest(e_event_version) as event_version,
                         unnest(e_payload) as payload, unnest(e_metadata) as metadata,
                         unnest(e_effective) as effective) e;
            get diagnostics added = row_count;
            if added <> sent then
                raise exception '% events were sent and % inserted', sent, added;
            end if;
            status := 'stored';
            "position" := base;
            return next;
            return;
        exception when unique_violation then
            -- Nothing of it was taken; who is to blame is found out below.
        end;
    end if;

    -- Known ids. A scalar subquery with a limit: a plan made while the tables were empty stays right.
    return query
        with known as materialized (
            select c.hash, (select k from commands k where k.command_id = c.id limit 1) as k
            from unnest(c_id, c_hash) as c (id, hash)
        )
        select (k).command_id, case when (k).request_hash = hash then 'known' else 'reused' end,
               (k).subject, (k).version, (k).position, (k).refusal
        from known where (k).command_id is not null;
    if found then
        select array_agg(c.n::int) into failed
        from unnest(c_id) with ordinality as c (id, n)
        where (select k.command_id from commands k where k.command_id = c.id limit 1) is not null;
    end if;

    -- Stale streams.
    return query
        with stale as materialized (
            select s.command, s.expected,
                   coalesce((select e.sequence from events e
                             where e.aggregate_id = s.id and e.aggregate_type = s.type
                             order by e.sequence desc limit 1), 0) as current
            from unnest(s_command, s_type, s_id, s_expected) as s (command, type, id, expected)
        )
        select distinct on (command) c_id[command], 'conflict', null::text, current, null::bigint, null::text
        from stale where current <> expected and not command = any (failed)
        order by command;
    if found then
        select failed || array_agg(distinct s.command) into failed
        from unnest(s_command, s_type, s_id, s_expected) as s (command, type, id, expected)
        where coalesce((select e.sequence from events e
                        where e.aggregate_id = s.id and e.aggregate_type = s.type
                        order by e.sequence desc limit 1), 0) <> s.expected;
    end if;

    -- What follows on a stream after one that was not taken was decided on what never was.
    baseless := array(
        select b.command
        from (select s.command, s.expected,
                     min(s.command) filter (where s.command = any (failed)) over (partition by s.type, s.id) as first
              from unnest(s_command, s_type, s_id, s_expected) as s (command, type, id, expected)) b
        where b.expected is null and b.command > b.first and not b.command = any (failed)
    );
    failed := failed || baseless;

    select count(*) into sent from unnest(e_command) c where not c = any (failed);
    update head h set position = base + sent;
    ends := array(select coalesce((select h.workspace_position from events h where h.workspace_id = w.id
                                   order by h.workspace_position desc limit 1), 0)
                  from unnest(w_id) as w (id));
    insert into events
        select base + row_number() over (order by e.n), w_id[e.workspace],
               ends[e.workspace] + row_number() over (partition by e.workspace order by e.n),
               e.type, e.id, e.sequence, e.event_id, e.event_type, e.event_version,
               e.payload::json, e.metadata::json, stamp, e.effective
        from unnest(e_command, e_workspace, e_type, e_id, e_sequence, e_event_id, e_event_type, e_event_version,
                    e_payload, e_metadata, e_effective)
             with ordinality as e (command, workspace, type, id, sequence, event_id, event_type, event_version,
                                   payload, metadata, effective, n)
        where not e.command = any (failed);
    get diagnostics added = row_count;
    if added <> sent then
        raise exception '% events were to be inserted and % were', sent, added;
    end if;

    return query
        select c_id[s.command], 'conflict', null::text,
               coalesce((select e.sequence from events e
                         where e.aggregate_id = s.id and e.aggregate_type = s.type
                         order by e.sequence desc limit 1), 0), null::bigint, null::text
        from unnest(s_command, s_type, s_id) as s (command, type, id)
        where s.command = any (baseless);

    -- A command's position is that of its last event, or the log's end as its decision saw it.
    return query
        insert into commands
            select c.id, c.hash, c.subject, c.version, base + sum(c.events) over (order by c.n), c.refusal
            from (select c.*, c.done - lag(c.done, 1, 0) over (order by c.n) as events
                  from unnest(c_id, c_hash, c_subject, c_version, c_refusal, c_end)
                       with ordinality as c (id, hash, subject, version, refusal, done, n)) c
            where not c.n = any (failed)
            returning commands.command_id, 'stored',
                      commands.subject, commands.version, commands.position, commands.refusal;
end $$;

