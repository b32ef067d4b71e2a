-- Payments and refunds, as the seller's books and support see them.

create table read.payment (
    workspace_id      text             not null,
    id                text             not null,
    order_id          text             not null,
    status            text             not null,
    method            text             not null,
    capture           text,
    amount            read.money_value not null,
    authorised        read.money_value not null,
    captured          read.money_value not null,
    fees              read.money_value not null,
    refunded          read.money_value not null,
    attempts          jsonb            not null,
    captures          jsonb            not null,
    refunds           jsonb            not null,
    late_observations jsonb            not null,
    expires_at        timestamptz,
    created_at        timestamptz      not null,
    updated_at        timestamptz      not null,
    version           bigint           not null,
    primary key (workspace_id, id)
);
create index payment_created on read.payment (workspace_id, created_at, id);
create index payment_order on read.payment (workspace_id, order_id);

create table read.refund (
    workspace_id text             not null,
    id           text             not null,
    payment_id   text             not null,
    order_id     text             not null,
    status       text             not null,
    amount       read.money_value not null,
    reason       text             not null,
    lines        jsonb            not null,
    psp_ref      text,
    code         text,
    created_at   timestamptz      not null,
    updated_at   timestamptz      not null,
    version      bigint           not null,
    primary key (workspace_id, id)
);
create index refund_created on read.refund (workspace_id, created_at, id);
create index refund_order on read.refund (workspace_id, order_id);

grant select, insert, update, delete on read.payment, read.refund to mewayz_run;
