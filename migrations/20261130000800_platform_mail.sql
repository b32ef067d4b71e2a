-- Messages that were handed to the mail server: noted before and after, so that none goes out twice.

create table hand_overs (
    message_id uuid        not null primary key,
    begun_at   timestamptz not null default clock_timestamp(),
    ended_at   timestamptz,
    -- handed_over, rejected or unknown; none: under way, or interrupted.
    came       text
);
grant select, insert, update, delete on hand_overs to mewayz_run;
