-- Since when a subscription is where it is, and what its owner has failed on since then: a text without data.
alter table subscriptions
    add column moved_at timestamptz not null default clock_timestamp(),
    add column failure  text;

-- Whoever moves a subscription says so by moving it, and has got over what it failed on.
create function subscription_has_moved() returns trigger language plpgsql as $$
begin
    new.moved_at := clock_timestamp();
    new.failure := null;
    return new;
end $$;

create trigger has_moved before update of position on subscriptions
    for each row when (new.position is distinct from old.position) execute function subscription_has_moved();
