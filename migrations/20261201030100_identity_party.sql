-- Parties: which account sees what is a customer's, for the workspace and for the account itself.

create table read.party (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    account      text        collate "C",
    linked_at    timestamptz,
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);
create index party_created on read.party (workspace_id, created_at, id);

-- In the platform's workspace, by account: all that it is linked to, wherever.
create table read.counterpart (
    workspace_id text  not null collate "C",
    id           text  not null collate "C",
    parties      jsonb not null,
    primary key (workspace_id, id)
);

grant select, insert, update, delete on read.party, read.counterpart to mewayz_run;

-- All of an account's sessions, for who wants all that is known of them.
create index session_of on read.session (workspace_id, account, created_at, id);
