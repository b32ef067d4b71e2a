-- The sales dashboard: one row an order, and its sums by UTC day.

create table read.dashboard (
    workspace_id text             not null,
    id           text             not null,
    customer_id  text             not null,
    currency     text             not null,
    placed_day   date             not null,
    status       text             not null,
    amount       read.money_value not null,
    lines        jsonb            not null,
    captures     jsonb            not null,
    refunds      jsonb            not null,
    primary key (workspace_id, id)
);

create table read.dashboard_sales (
    workspace_id text   not null,
    day          date   not null,
    currency     text   not null,
    rows         bigint not null,
    orders       bigint not null,
    captured     bigint not null,
    refunded     bigint not null,
    primary key (workspace_id, day, currency)
);

create table read.dashboard_status (
    workspace_id text   not null,
    day          date   not null,
    currency     text   not null,
    status       text   not null,
    rows         bigint not null,
    orders       bigint not null,
    primary key (workspace_id, day, currency, status)
);

create table read.dashboard_product (
    workspace_id text   not null,
    day          date   not null,
    currency     text   not null,
    sku          text   not null,
    rows         bigint not null,
    units        bigint not null,
    amount       bigint not null,
    primary key (workspace_id, day, currency, sku)
);

create table read.dashboard_customer (
    workspace_id text   not null,
    day          date   not null,
    currency     text   not null,
    customer_id  text   not null,
    rows         bigint not null,
    orders       bigint not null,
    amount       bigint not null,
    primary key (workspace_id, day, currency, customer_id)
);

grant select, insert, update, delete on read.dashboard, read.dashboard_sales, read.dashboard_status,
    read.dashboard_product, read.dashboard_customer to mewayz_run;
