-- Products, as the back office and the shop see them.

create table read.product (
    workspace_id text        not null collate "C",
    id           text        not null collate "C",
    title        text        not null,
    description  text,
    -- [{sku, title, prices: [{amount, currency}], attributes: {name: value}}]
    variants     jsonb       not null,
    archived     boolean     not null,
    version      bigint      not null,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (workspace_id, id)
);
create index product_created on read.product (workspace_id, created_at, id);
create index product_title on read.product (workspace_id, title, id);
create index product_variants on read.product using gin (variants jsonb_path_ops);

grant select, insert, update, delete on read.product to mewayz_run;
