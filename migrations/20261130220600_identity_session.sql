-- Sessions, as the person who has them sees them: in the platform's workspace, device and origin sealed.

create table read.session (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    account      text        not null collate "C",
    -- The account's epoch that it began in: the account ends sessions by leaving it.
    epoch        bigint      not null,
    -- The workspace that the person acts in.
    place        text        collate "C",
    device       text,
    origin       text,
    -- How the person has shown who they are, last.
    methods      jsonb       not null,
    authenticated_at timestamptz not null,
    refreshed_at timestamptz not null,
    ends_at      timestamptz not null,
    ended        boolean     not null,
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);
-- An account's own that go on, newest first.
create index session_account on read.session (workspace_id, account, created_at, id) where not ended;

grant select, insert, update, delete on read.session to mewayz_run;
