-- What money that was taken elsewhere is found by there.
alter table read.payment add column reference text;
