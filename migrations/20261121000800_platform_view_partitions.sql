-- Views fed from Kafka: how far each partition is (docs/adr/0010).

create table view_partitions (
    subscription text   not null references subscriptions (name),
    -- Its events' topic is that of this context.
    context      text   not null,
    partition    int    not null,
    -- Every event of the partition up to this position is in the view's tables, and none after it.
    position     bigint not null,
    -- Where to go on reading, as long as the topics are of this epoch.
    next_offset  bigint not null default 0,
    topic_epoch  uuid,
    -- Who may move it: an instance of the platform, and since which claim.
    owner        uuid,
    epoch        bigint not null default 0,
    primary key (subscription, context, partition)
) with (fillfactor = 20);

grant select, insert, update, delete on view_partitions to mewayz_run;
