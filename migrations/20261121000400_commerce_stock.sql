-- Stock levels: how many of a SKU lie at a location, and how many of them can still be had.

create table read.stock_level (
    workspace_id text        not null collate "C",
    -- <sku>@<location>
    id           text        not null collate "C",
    sku          text        not null collate "C",
    location     text        not null collate "C",
    on_hand      bigint      not null,
    reserved     bigint      not null,
    committed    bigint      not null,
    available    bigint      not null,
    version      bigint      not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);
create index stock_level_sku on read.stock_level (workspace_id, sku, id);
create index stock_level_location on read.stock_level (workspace_id, location, id);

grant select, insert, update, delete on read.stock_level to mewayz_run;
