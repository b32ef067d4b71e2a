-- Workspaces, who may act in them, and by what.

-- Each within itself.
create table read.workspace (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    name         text        not null,
    owner        text        collate "C",
    -- Why it takes no commands.
    suspended    text,
    settings     jsonb,
    two_factor   text        not null,
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);

-- Members and who was one; `id` is the account.
create table read.membership (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    roles        jsonb       not null,
    joined_at    timestamptz not null,
    present      boolean     not null,
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);
create index membership_joined on read.membership (workspace_id, joined_at, id) where present;

-- The workspaces of a person, in the platform's workspace.
create table read.place (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    account      text        not null collate "C",
    place        text        not null collate "C",
    roles        jsonb       not null,
    joined_at    timestamptz not null,
    primary key (workspace_id, id)
);
create index place_account on read.place (workspace_id, account, joined_at, id);

-- Whose address it is, is sealed.
create table read.invitation (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    address      text        not null,
    offer        jsonb       not null,
    locale       text        not null,
    expires_at   timestamptz not null,
    status       text        not null,
    -- Who has accepted it.
    account      text        collate "C",
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);
create index invitation_created on read.invitation (workspace_id, created_at, id);

create table read.role (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    name         text        not null,
    scopes       jsonb       not null,
    retired      boolean     not null,
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);
create index role_created on read.role (workspace_id, created_at, id);

create table read.api_key (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    name         text        not null,
    scopes       jsonb       not null,
    expires_at   timestamptz,
    networks     jsonb       not null,
    rotated_at   timestamptz,
    last_secret_until timestamptz,
    revoked      boolean     not null,
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);
create index api_key_created on read.api_key (workspace_id, created_at, id);

grant select, insert, update, delete
    on read.workspace, read.membership, read.place, read.invitation, read.role, read.api_key to mewayz_run;
