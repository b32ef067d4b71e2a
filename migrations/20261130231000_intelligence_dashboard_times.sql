-- The dashboard by quarters of an hour and UTC days, of which days of any time zone are made; and what came back.
--
-- Its tables are made anew and filled from the log: until it has read on to the end, the dashboard is behind.

drop table read.dashboard, read.dashboard_sales, read.dashboard_status, read.dashboard_product, read.dashboard_customer;
delete from parked where subscription = 'dashboard';
delete from subscriptions where name = 'dashboard';

create table read.dashboard (
    workspace_id text             not null,
    id           text             not null,
    customer_id  text             not null,
    currency     text             not null,
    placed_at    timestamptz      not null,
    status       text             not null,
    amount       read.money_value not null,
    lines        jsonb            not null,
    captures     jsonb            not null,
    refunds      jsonb            not null,
    returns      jsonb            not null,
    primary key (workspace_id, id)
);

-- `grain`: how many minutes, from `at` on, a sum is of.
create table read.dashboard_sales (
    workspace_id text        not null,
    grain        smallint    not null,
    at           timestamptz not null,
    currency     text        not null,
    rows         bigint      not null,
    orders       numeric     not null,
    captured     numeric     not null,
    refunded     numeric     not null,
    primary key (workspace_id, grain, at, currency)
);

create table read.dashboard_status (
    workspace_id text        not null,
    grain        smallint    not null,
    at           timestamptz not null,
    currency     text        not null,
    status       text        not null,
    rows         bigint      not null,
    orders       numeric     not null,
    primary key (workspace_id, grain, at, currency, status)
);

create table read.dashboard_product (
    workspace_id    text        not null,
    grain           smallint    not null,
    at              timestamptz not null,
    currency        text        not null,
    sku             text        not null,
    rows            bigint      not null,
    units           numeric     not null,
    amount          numeric     not null,
    returned_units  numeric     not null,
    returned_amount numeric     not null,
    primary key (workspace_id, grain, at, currency, sku)
);

create table read.dashboard_customer (
    workspace_id text        not null,
    grain        smallint    not null,
    at           timestamptz not null,
    currency     text        not null,
    customer_id  text        not null,
    rows         bigint      not null,
    orders       numeric     not null,
    amount       numeric     not null,
    primary key (workspace_id, grain, at, currency, customer_id)
);

grant select, insert, update, delete on read.dashboard, read.dashboard_sales, read.dashboard_status,
    read.dashboard_product, read.dashboard_customer to mewayz_run;
