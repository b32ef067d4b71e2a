-- What people are checked by: hashes of passwords, seeds, recovery codes; sealed, and named by events by id alone
-- (docs/adr/0023). Unlike keys they leave no tombstone: what an event replaces is deleted.

create table vault.credentials (
    id         uuid        not null primary key,
    account_id uuid        not null,
    sealed     text        not null,
    made_at    timestamptz not null default clock_timestamp()
);
create index credentials_account on vault.credentials (account_id);

grant select, insert, delete on vault.credentials to mewayz_vault;
