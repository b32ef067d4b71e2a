-- Profiles, as the person has them of whom they are: in the platform's workspace, what is about the person sealed.

create table read.profile (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    name         text,
    phone        text,
    postal_address text,
    locale       text,
    time_zone    text,
    preferences  jsonb       not null,
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);

grant select, insert, update, delete on read.profile to mewayz_run;
