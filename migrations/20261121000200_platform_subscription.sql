-- Subscriptions: everything that reacts to the log, each with its own checkpoint (docs/adr/0006).

create table subscriptions (
    name        text        not null primary key,
    position    bigint      not null default 0,
    -- Who may move the checkpoint: an instance of the platform, and since which claim.
    owner       uuid,
    epoch       bigint      not null default 0,
    lease_until timestamptz not null default '-infinity'
) with (fillfactor = 20);

-- Events that could not be applied, and those that wait behind them.
create table parked (
    subscription text        not null references subscriptions (name),
    position     bigint      not null,
    workspace_id uuid        not null,
    -- A view's row keys, or a stream: what must wait for this event.
    keys         text[]      not null,
    reason       text        not null,
    parked_at    timestamptz not null,
    retry        boolean     not null default false,
    primary key (subscription, position)
);

-- Deadlines: instructions that become due.
create table deadlines (
    workspace_id uuid        not null,
    process      text        not null,
    key          text        not null,
    due_at       timestamptz not null,
    cause        bigint      not null,
    primary key (process, workspace_id, key)
);
create index deadlines_due on deadlines (process, due_at);

create schema read;
create schema read_next;
grant usage on schema read, read_next to mewayz_run;

-- Money in a read model: minor units and a code of ISO 4217.
create type read.money_value as (amount bigint, currency text);

grant select, insert, update, delete on subscriptions, parked, deadlines to mewayz_run;
