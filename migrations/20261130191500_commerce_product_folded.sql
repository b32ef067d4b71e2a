-- Titles as people look for them: their case and accents make no difference.
--
-- The same on every server: the letters of Unicode by ICU, the marks on them taken off, compared byte by byte.
create function read.folded(said text) returns text
    language sql immutable strict parallel safe
    return lower(regexp_replace(normalize(said, NFKD), '[\u0300-\u036f]', '', 'g') collate "und-x-icu") collate "C";

drop index read.product_title;
create index product_title on read.product (workspace_id, read.folded(title), id);
