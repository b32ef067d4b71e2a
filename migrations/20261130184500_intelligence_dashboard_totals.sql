-- Sums without a bound: whether an event can be taken in must not depend on those that came before it on its day.
alter table read.dashboard_sales
    alter column orders type numeric, alter column captured type numeric, alter column refunded type numeric;
alter table read.dashboard_status
    alter column orders type numeric;
alter table read.dashboard_product
    alter column units type numeric, alter column amount type numeric;
alter table read.dashboard_customer
    alter column orders type numeric, alter column amount type numeric;
