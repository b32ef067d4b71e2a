-- Checkpoints that show what the database has forgotten (docs/adr/0006).

-- How often the checkpoint was written since it was claimed: its owner names the last number it knows.
alter table subscriptions add column revision bigint not null default 0;
alter table view_partitions add column revision bigint not null default 0;
