-- The ledger: accounts with their balances, transactions, and the entries of statements with their sums.

create table read.ledger_account (
    workspace_id    text             not null collate "C",
    -- <path>@<currency>
    id              text             not null collate "C",
    class           text             not null,
    no_overdraft    boolean          not null,
    shared          boolean          not null,
    status          text             not null,
    balance         read.money_value not null,
    pending_debits  read.money_value not null,
    pending_credits read.money_value not null,
    created_at      timestamptz      not null,
    updated_at      timestamptz      not null,
    version         bigint           not null,
    primary key (workspace_id, id)
);

create table read.ledger_transaction (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    status       text        not null,
    legs         jsonb       not null,
    reserved     read.money_value,
    expires_at   timestamptz,
    reference    text,
    description  text,
    source       text,
    reverses     text,
    reversed_by  text,
    effective_at timestamptz not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    version      bigint      not null,
    primary key (workspace_id, id)
);
create index ledger_transaction_effective on read.ledger_transaction (workspace_id, effective_at, id);
create index ledger_transaction_reference on read.ledger_transaction (workspace_id, reference)
    where reference is not null;

create table read.ledger_entry (
    workspace_id   text        not null collate "C",
    -- <position>.<leg>.<side>: in the order in which they were recorded
    id             text        not null collate "C",
    account_id     text        not null collate "C",
    contra_id      text        not null collate "C",
    transaction_id text        not null,
    code           text,
    debit          bigint      not null,
    credit         bigint      not null,
    position       bigint      not null,
    day            date        not null,
    effective_at   timestamptz not null,
    recorded_at    timestamptz not null,
    primary key (workspace_id, id)
);
create index ledger_entry_statement on read.ledger_entry (workspace_id, account_id, effective_at, id);
create index ledger_entry_position on read.ledger_entry (workspace_id, account_id, position);

create table read.ledger_day (
    workspace_id text    not null collate "C",
    account_id   text    not null collate "C",
    day          date    not null,
    rows         bigint  not null,
    debit        numeric not null,
    credit       numeric not null,
    primary key (workspace_id, account_id, day)
);

create table read.ledger_block (
    workspace_id text    not null collate "C",
    account_id   text    not null collate "C",
    block        bigint  not null,
    rows         bigint  not null,
    debit        numeric not null,
    credit       numeric not null,
    primary key (workspace_id, account_id, block)
);

grant select, insert, update, delete
    on read.ledger_account, read.ledger_transaction, read.ledger_entry, read.ledger_day, read.ledger_block
    to mewayz_run;
