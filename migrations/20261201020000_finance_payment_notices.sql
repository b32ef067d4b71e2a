-- What payment providers tell unasked, as it came, and what a payment waits for.

create table payment_notices (
    id          uuid        not null primary key,
    provider    text        not null,
    -- What the provider calls it; none: nobody knows whether it is signed.
    name        text,
    signature   text,
    body        bytea       not null,
    received_at timestamptz not null,
    -- received, refused, copy, waiting, taken, set_aside
    standing    text        not null default 'received',
    why         text        not null default '',
    tries       integer     not null default 0,
    again_at    timestamptz
);
create unique index payment_notices_name on payment_notices (provider, name)
    where name is not null and standing <> 'copy';
create index payment_notices_due on payment_notices (again_at) where standing in ('received', 'waiting');
create index payment_notices_old on payment_notices (standing, received_at);
grant select, insert, update, delete on payment_notices to mewayz_run;

alter table read.payment add column next_step jsonb;
