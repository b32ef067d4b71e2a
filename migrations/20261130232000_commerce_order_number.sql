-- What people call orders.
alter table read."order" add column number text;
create index order_number on read."order" (workspace_id, number) where number is not null;
create index order_reference on read."order" (workspace_id, reference) where reference is not null;
