-- The refunds that wait for a person, newest first: few among many.
create index refund_attention on read.refund (workspace_id, effective_at)
    where status in ('manual_review', 'reversed') or status = 'failed' and starts_with(coalesce(code, ''), 'payment/');
