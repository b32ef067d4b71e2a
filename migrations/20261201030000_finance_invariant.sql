-- What must hold of the books and of money, watched event by event: what is to be remembered of each thing for that,
-- and the first position at which it held no more.

create table read.invariant (
    workspace_id text    not null collate "C",
    -- <kind>/<id>: account, currency, transaction, payment, posting, order
    id           text    not null collate "C",
    facts        jsonb   not null,
    -- Money that was taken and is not in the books yet.
    waiting      boolean not null,
    broken       text,
    position     bigint,
    detail       text,
    primary key (workspace_id, id)
);
create index invariant_broken on read.invariant (position) where broken is not null;
create index invariant_waiting on read.invariant (workspace_id) where waiting;

grant select, insert, update, delete on read.invariant to mewayz_run;
