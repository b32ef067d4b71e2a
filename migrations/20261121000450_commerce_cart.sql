-- Carts, as their buyers see them.

create table read.cart (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    customer     text        collate "C",
    currency     text        not null collate "C",
    -- [{sku, quantity}]
    lines        jsonb       not null,
    status       text        not null,
    -- What it became.
    order_id     text        collate "C",
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);

grant select, insert, update, delete on read.cart to mewayz_run;
