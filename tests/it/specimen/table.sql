-- Specimens.

create table read.specimen (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    title        text        not null,
    retired      boolean     not null,
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);

create index on read.specimen (workspace_id, created_at, id);

grant select, insert, update, delete on read.specimen to mewayz_run;
