-- Orders, as the back office and the customer see them.

create table read."order" (
    workspace_id      text             not null,
    id                text             not null,
    customer_id       text             not null,
    reference         text,
    currency          text             not null,
    status            text             not null,
    payment_status    text             not null,
    fulfilment_status text             not null,
    return_status     text             not null,
    settlement        text,
    basis             text,
    cancel_reason     text,
    lines             jsonb            not null,
    discount_code     text,
    shipping_method   text,
    net               read.money_value not null,
    discount          read.money_value not null,
    tax               read.money_value not null,
    shipping          read.money_value not null,
    total             read.money_value not null,
    amount            bigint           not null,
    credited          read.money_value not null,
    authorised        read.money_value not null,
    captured          read.money_value not null,
    refunded          read.money_value not null,
    totals_hash       text,
    payments          jsonb            not null,
    refunds           jsonb            not null,
    fulfilments       jsonb            not null,
    returns           jsonb            not null,
    carrier_facts     jsonb            not null,
    late_observations jsonb            not null,
    draft             jsonb,
    expires_at        timestamptz,
    placed_at         timestamptz,
    confirmed_at      timestamptz,
    closed_at         timestamptz,
    created_at        timestamptz      not null,
    updated_at        timestamptz      not null,
    version           bigint           not null,
    primary key (workspace_id, id)
);
create index order_created on read."order" (workspace_id, created_at, id);
create index order_amount on read."order" (workspace_id, amount, id);
create index order_customer on read."order" (workspace_id, customer_id, created_at);
grant select, insert, update, delete on read."order" to mewayz_run;
