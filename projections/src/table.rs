//! Table: a view's rows and its totals as JSON, read and written. Nothing here knows a row's type, so it is compiled
//! once and not for each view.

use std::collections::{BTreeMap, HashMap};

use domain::ids::WorkspaceId;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::runtime::{Failure, Schema};
use crate::view::{Contribution, RowKey};

/// The table of a view, and those of its totals.
pub(crate) struct Table {
    pub name: &'static str,
    /// The column of its key.
    pub key: &'static str,
    pub totals: Vec<TotalTable>,
    /// The statements that write rows, by table.
    pub upserts: HashMap<String, String>,
}

/// The table of a total.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TotalTable {
    pub name: &'static str,
    pub group: &'static [&'static str],
    pub amounts: &'static [&'static str],
}

/// What is to be written.
pub(crate) struct Changes<'a> {
    /// The changed rows, as a JSON list; none if there are none.
    pub rows: Option<String>,
    pub gone: Vec<&'a RowKey>,
    /// What changes in each total.
    pub deltas: Vec<Deltas>,
}

/// What changes in the groups of a total, in their order.
#[derive(Debug, Default)]
pub(crate) struct Deltas {
    /// Wider than any amount: what a batch adds up to must not depend on what falls into it.
    groups: BTreeMap<(String, Vec<String>), (i64, Vec<i128>)>,
}

impl Deltas {
    /// A row's contribution is there (`sign` 1) or not any more (-1).
    pub fn add(&mut self, workspace: WorkspaceId, contribution: Contribution, sign: i64) {
        let Contribution { group, amounts: added } = contribution;
        let (rows, amounts) =
            self.groups.entry((workspace.to_string(), group)).or_insert_with(|| (0, vec![0; added.len()]));
        *rows += sign;
        for (amount, added) in amounts.iter_mut().zip(added) {
            *amount += i128::from(sign) * i128::from(added);
        }
    }

    /// As rows of its table.
    fn into_rows(mut self, table: TotalTable) -> Vec<Value> {
        self.groups.retain(|_, (rows, amounts)| *rows != 0 || amounts.iter().any(|&amount| amount != 0));
        let row = |((workspace, group), (rows, amounts)): ((String, Vec<String>), (i64, Vec<i128>))| {
            let mut row = Map::new();
            row.insert("workspace_id".into(), workspace.into());
            row.insert("rows".into(), rows.into());
            row.extend(table.group.iter().map(|&c| c.to_owned()).zip(group.into_iter().map(Value::from)));
            // As text: JSON's numbers end at 64 bits here.
            let amounts = amounts.into_iter().map(|amount| Value::from(amount.to_string()));
            row.extend(table.amounts.iter().map(|&c| c.to_owned()).zip(amounts));
            Value::Object(row)
        };
        self.groups.into_iter().map(row).collect()
    }
}

impl Table {
    /// The rows of these keys, each with the place of its key, from 1 on.
    pub async fn load(
        &self,
        transaction: &mut PgConnection,
        schema: Schema,
        keys: &[&RowKey],
    ) -> Result<Vec<(i64, Box<RawValue>)>, sqlx::Error> {
        let (workspaces, keys) = columns(keys);
        // The lateral limit keeps a plan that was made over an empty table on the primary key.
        let sql = format!(
            "select k.n, to_jsonb(t.*) from unnest($1::text[], $2::text[]) with ordinality as k (workspace, key, n), \
             lateral (select * from {schema}.{table} t \
                      where t.workspace_id = k.workspace and t.{key} = k.key limit 1) t",
            schema = schema.name(),
            table = self.name,
            key = self.key,
        );
        let found: Vec<(i64, Json<Box<RawValue>>)> =
            sqlx::query_as(&sql).bind(&workspaces).bind(&keys).fetch_all(transaction).await?;
        Ok(found.into_iter().map(|(n, row)| (n, row.0)).collect())
    }

    /// Writes what has changed.
    pub async fn write(
        &mut self,
        transaction: &mut PgConnection,
        schema: Schema,
        changes: Changes<'_>,
    ) -> Result<(), Failure> {
        let Changes { rows, gone, deltas } = changes;
        if !gone.is_empty() {
            let (workspaces, keys) = columns(&gone);
            let sql = format!(
                "delete from {}.{} t using unnest($1::text[], $2::text[]) as k (workspace, key) \
                 where t.workspace_id = k.workspace and t.{} = k.key",
                schema.name(),
                self.name,
                self.key
            );
            sqlx::query(&sql).bind(&workspaces).bind(&keys).execute(&mut *transaction).await?;
        }
        if let Some(json) = rows {
            let keys = ["workspace_id", self.key];
            let sql = self.upsert(&mut *transaction, schema, self.name, &keys, false).await?;
            sqlx::query(&sql).bind(json).execute(&mut *transaction).await?;
        }
        for (total, deltas) in self.totals.clone().into_iter().zip(deltas) {
            let deltas = deltas.into_rows(total);
            if deltas.is_empty() {
                continue;
            }
            let json = serde_json::to_string(&deltas)?;
            let keys: Vec<&str> =
                std::iter::once("workspace_id").chain(total.group.iter().copied()).collect();
            let sql = self.upsert(&mut *transaction, schema, total.name, &keys, true).await?;
            sqlx::query(&sql).bind(&json).execute(&mut *transaction).await?;
            if deltas.iter().any(|delta| delta["rows"].as_i64().is_some_and(|rows| rows < 0)) {
                let same: Vec<String> = keys.iter().map(|key| format!("t.{key} = d.{key}")).collect();
                let table = format!("{}.{}", schema.name(), total.name);
                let sql = format!(
                    "delete from {table} t using jsonb_populate_recordset(null::{table}, $1::jsonb) d \
                     where t.rows = 0 and {}",
                    same.join(" and ")
                );
                sqlx::query(&sql).bind(&json).execute(&mut *transaction).await?;
            }
        }
        Ok(())
    }

    /// The statement that writes rows of a table given as JSON: over the old ones, or added to them.
    async fn upsert(
        &mut self,
        transaction: &mut PgConnection,
        schema: Schema,
        table: &str,
        keys: &[&str],
        add: bool,
    ) -> Result<String, sqlx::Error> {
        let name = format!("{}.{table}", schema.name());
        if let Some(sql) = self.upserts.get(&name) {
            return Ok(sql.clone());
        }
        let columns = sqlx::query_scalar!(
            r#"select attname::text as "name!" from pg_attribute
           where attrelid = $1::text::regclass and attnum > 0 and not attisdropped order by attnum"#,
            name
        )
        .fetch_all(transaction)
        .await?;
        let sets: Vec<String> = columns
            .iter()
            .filter(|column| !keys.contains(&column.as_str()))
            .map(|c| if add { format!("{c} = t.{c} + excluded.{c}") } else { format!("{c} = excluded.{c}") })
            .collect();
        let conflict =
            if sets.is_empty() { "nothing".to_owned() } else { format!("update set {}", sets.join(", ")) };
        let sql = format!(
            "insert into {name} as t select * from jsonb_populate_recordset(null::{name}, $1::jsonb) \
             on conflict ({}) do {conflict}",
            keys.join(", ")
        );
        self.upserts.insert(name, sql.clone());
        Ok(sql)
    }
}

/// Keys as the columns of a list.
fn columns<'a>(keys: &[&'a RowKey]) -> (Vec<String>, Vec<&'a str>) {
    keys.iter().map(|key| (key.workspace.to_string(), key.key.as_str())).unzip()
}
