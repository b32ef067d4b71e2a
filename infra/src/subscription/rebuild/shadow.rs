//! Shadow: tables like the live ones, in schema `read_next`, and their way into schema `read`.
//!
//! Names, constraints, indexes, storage options and grants are the live ones'. Tables are known at run time only, so
//! this SQL is put together here; their names come from the views' code.

use anyhow::{Context, bail};
use projections::Schema;
use sqlx::{Connection, PgConnection};

/// How many differing rows of a table are told.
const TOLD: i64 = 5;

/// A column of a primary key.
pub(super) struct KeyColumn {
    pub name: String,
    /// As it stands in an `order by` whose order is that of the bytes, whatever the database's collation.
    pub ordered: String,
}

/// Makes the tables, empty, with their keys but without the other indexes.
pub(super) async fn create(connection: &mut PgConnection, tables: &[&str]) -> anyhow::Result<()> {
    let mut transaction = connection.begin().await?;
    for table in tables {
        let exists = sqlx::query_scalar!(r#"select to_regclass($1) is not null as "is!""#, live(table))
            .fetch_one(&mut *transaction)
            .await?;
        if !exists {
            bail!("there is no table read.{table}: run `mewayz migrate` first");
        }
        let sql = format!(
            "drop table if exists read_next.{table};
             create table read_next.{table} (like read.{table} including all excluding indexes)"
        );
        sqlx::raw_sql(&sql).execute(&mut *transaction).await?;
        for change in changes(&mut transaction, table).await? {
            sqlx::raw_sql(&format!("alter table read_next.{table} {change}"))
                .execute(&mut *transaction)
                .await?;
        }
        for (rights, role) in grants(&mut transaction, table).await? {
            let sql = format!("grant {rights} on read_next.{table} to {role}");
            sqlx::raw_sql(&sql).execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// Makes the indexes that only readers need, and lets the planner know the tables.
pub(super) async fn index(connection: &mut PgConnection, tables: &[&str]) -> anyhow::Result<()> {
    for table in tables {
        let indexes = sqlx::query_scalar!(
            r#"select replace(pg_get_indexdef(i.indexrelid),
                              format(' ON %I.%I ', 'read', c.relname), format(' ON %I.%I ', 'read_next', c.relname)) as "sql!"
               from pg_index i join pg_class c on c.oid = i.indrelid
               where i.indrelid = $1::text::regclass
                 and not exists (select from pg_constraint k
                                 where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))
               order by i.indexrelid"#,
            live(table)
        )
        .fetch_all(&mut *connection)
        .await?;
        for index in indexes {
            sqlx::raw_sql(&index).execute(&mut *connection).await?;
        }
        sqlx::raw_sql(&format!("analyze read_next.{table}")).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Puts the new tables in place of the old ones. Waits for readers as long as `lock_timeout` says.
pub(super) async fn swap(transaction: &mut PgConnection, tables: &[&str]) -> anyhow::Result<()> {
    let old: Vec<String> = tables.iter().map(|table| live(table)).collect();
    let old = old.join(", ");
    // All old ones go first: the names of their indexes are needed again.
    let mut sql = format!("lock table {old} in access exclusive mode; drop table {old};");
    for table in tables {
        sql += &format!(" alter table read_next.{table} set schema read;");
    }
    sqlx::raw_sql(&sql).execute(transaction).await.context("the tables could not be swapped")?;
    Ok(())
}

/// Some rows that are not the same in both schemas, by table and key.
pub(super) async fn differing(connection: &mut PgConnection, tables: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut rows = Vec::new();
    for table in tables {
        let key = key(connection, Schema::Live, table).await?;
        let names: Vec<&str> = key.iter().map(|column| column.name.as_str()).collect();
        let names = names.join(", ");
        let sql = format!(
            "select concat_ws(' ', {names}) from read.{table} l full join read_next.{table} n using ({names})
             where to_jsonb(l.*) is distinct from to_jsonb(n.*) order by 1 limit {TOLD}"
        );
        let found: Vec<String> = sqlx::query_scalar(&sql).fetch_all(&mut *connection).await?;
        rows.extend(found.into_iter().map(|key| format!("{table} {key}")));
    }
    Ok(rows)
}

/// The primary key of a table.
pub(super) async fn key(
    connection: &mut PgConnection,
    schema: Schema,
    table: &str,
) -> anyhow::Result<Vec<KeyColumn>> {
    let columns = sqlx::query_as!(
        KeyColumn,
        r#"select quote_ident(a.attname) as "name!",
                  quote_ident(a.attname) || case when a.attcollation <> 0 then ' collate "C"' else '' end as "ordered!"
           from pg_index i
           cross join unnest(i.indkey) with ordinality as k (attnum, place)
           join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
           where i.indrelid = $1::text::regclass and i.indisprimary
           order by k.place"#,
        format!("{}.{table}", schema.name())
    )
    .fetch_all(connection)
    .await?;
    if columns.is_empty() {
        bail!("{}.{table} has no primary key", schema.name());
    }
    Ok(columns)
}

fn live(table: &str) -> String {
    format!("read.{table}")
}

/// What the new table needs to be like the old one: keys and storage options.
async fn changes(connection: &mut PgConnection, table: &str) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select format('add constraint %I %s', conname, pg_get_constraintdef(oid)) as "change!"
           from pg_constraint where conrelid = $1::text::regclass and contype in ('p', 'u', 'x')
           union all
           select format('set (%s)', array_to_string(reloptions, ', '))
           from pg_class where oid = $1::text::regclass and reloptions is not null"#,
        live(table)
    )
    .fetch_all(connection)
    .await
}

/// Who may do what with a live table.
async fn grants(connection: &mut PgConnection, table: &str) -> Result<Vec<(String, String)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select string_agg(a.privilege_type, ', ' order by a.privilege_type) as "rights!",
                  case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as "role!"
           from pg_class c cross join aclexplode(c.relacl) a
           where c.oid = $1::text::regclass and a.grantee <> c.relowner
           group by a.grantee"#,
        live(table)
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.rights, row.role)).collect())
}
