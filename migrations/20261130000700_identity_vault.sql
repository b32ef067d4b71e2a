-- The vault: the keys of personal data, each wrapped by an epoch key that no database holds (docs/adr/0017).
--
-- It may lie in a database of its own; then the tables here are empty. Only the role mewayz_vault works with them.

create schema vault;

create table vault.epochs (
    epoch      bigint      not null primary key,
    -- What only the epoch's key makes: tells a key file that is another vault's.
    proof      bytea       not null,
    made_at    timestamptz not null default clock_timestamp(),
    -- From then on nothing is wrapped with it; its key is removed from the key file.
    retired_at timestamptz
);

-- One row for a person and class. Without its key it is a tombstone, and stays.
create table vault.keys (
    workspace_id uuid        not null,
    -- Empty: the workspace's own key, for keyed hashes.
    subject      text        not null collate "C",
    class        text        not null collate "C",
    key_id       uuid        not null unique,
    epoch        bigint      references vault.epochs,
    wrapped      bytea,
    made_at      timestamptz not null default clock_timestamp(),
    destroyed_at timestamptz,
    primary key (workspace_id, subject, class),
    check ((wrapped is null) = (destroyed_at is not null)),
    check ((wrapped is null) = (epoch is null))
) with (fillfactor = 80);
create index keys_epoch on vault.keys (epoch) where epoch is not null;
create index keys_destroyed on vault.keys (destroyed_at) where destroyed_at is not null;

create function vault.stays_destroyed() returns trigger language plpgsql as $$
begin
    raise exception 'a destroyed key stays destroyed' using errcode = 'restrict_violation';
end $$;
create trigger stays_destroyed before update on vault.keys
    for each row when (old.destroyed_at is not null) execute function vault.stays_destroyed();
create trigger append_only before delete or truncate on vault.keys
    for each statement execute function append_only();

grant usage on schema vault to mewayz_vault;
grant select, insert on vault.epochs, vault.keys to mewayz_vault;
grant update (retired_at) on vault.epochs to mewayz_vault;
grant update (epoch, wrapped, destroyed_at) on vault.keys to mewayz_vault;
