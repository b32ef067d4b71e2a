-- One meaning of times in read models: `created_at` and `updated_at` say when a stream's first and last event were
-- recorded. Since when an order, a payment or a refund holds (what stood in `created_at`) is `effective_at`.
--
-- Both follow from the log, so nothing is folded anew: this leaves the rows as a rebuild would make them. Whoever
-- folds (`mewayz project`, `serve`) must have been stopped: a build from before does not fill the new columns.

alter table read."order" add column effective_at timestamptz;
alter table read.payment add column effective_at timestamptz;
alter table read.refund add column effective_at timestamptz;
alter table read.stock_level add column created_at timestamptz;

update read."order" t
set effective_at = first.effective_at, created_at = first.recorded_at, updated_at = last.recorded_at
from events first, events last
where first.aggregate_type = 'commerce.order' and first.aggregate_id = t.workspace_id || '/' || t.id
  and first.sequence = 1
  and last.aggregate_type = first.aggregate_type and last.aggregate_id = first.aggregate_id
  and last.sequence = t.version;

update read.payment t
set effective_at = first.effective_at, created_at = first.recorded_at, updated_at = last.recorded_at
from events first, events last
where first.aggregate_type = 'finance.payment' and first.aggregate_id = t.workspace_id || '/' || t.id
  and first.sequence = 1
  and last.aggregate_type = first.aggregate_type and last.aggregate_id = first.aggregate_id
  and last.sequence = t.version;

update read.refund t
set effective_at = first.effective_at, created_at = first.recorded_at, updated_at = last.recorded_at
from events first, events last
where first.aggregate_type = 'finance.refund' and first.aggregate_id = t.workspace_id || '/' || t.id
  and first.sequence = 1
  and last.aggregate_type = first.aggregate_type and last.aggregate_id = first.aggregate_id
  and last.sequence = t.version;

update read.stock_level t
set created_at = first.recorded_at
from events first
where first.aggregate_type = 'commerce.stock' and first.aggregate_id = t.workspace_id || '/' || t.id
  and first.sequence = 1;

alter table read."order" alter column effective_at set not null;
alter table read.payment alter column effective_at set not null;
alter table read.refund alter column effective_at set not null;
alter table read.stock_level alter column created_at set not null;

create index order_effective on read."order" (workspace_id, effective_at, id);
create index payment_effective on read.payment (workspace_id, effective_at, id);
create index refund_effective on read.refund (workspace_id, effective_at, id);
-- No list of them is in this order any more.
drop index read.payment_created;
drop index read.refund_created;
