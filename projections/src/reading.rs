//! Reading: rows, and the position they are as of.
//!
//! Both come from one statement, so they are of one snapshot. A page begins after a row, not at a number: rows that
//! come or go meanwhile make no other row appear twice or never. Rows with the same value are in the order of
//! their keys.

use std::marker::PhantomData;

use domain::ids::WorkspaceId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sqlx::types::Json;
use sqlx::{Encode, PgPool, Postgres, QueryBuilder, Type};

use crate::view::View;

/// What a read model says, as of a position of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen<T> {
    pub position: i64,
    pub value: T,
}

/// One row of a read model, by its key in a workspace.
///
/// # Errors
/// If the database does not answer.
pub async fn find<V: View>(
    db: &PgPool,
    workspace: WorkspaceId,
    key: impl ToString,
) -> Result<Seen<Option<V::Row>>, sqlx::Error> {
    let (position, row) = find_row(db, (V::NAME, V::KEY), workspace, key.to_string()).await?;
    Ok(Seen { position, value: row.map(read).transpose()? })
}

/// A row as JSON: what is done for every view alike is compiled once.
async fn find_row(
    db: &PgPool,
    (table, column): (&str, &str),
    workspace: WorkspaceId,
    key: String,
) -> Result<(i64, Option<RawRow>), sqlx::Error> {
    let sql = format!(
        "select s.position, to_jsonb(t) from subscriptions s \
         left join read.{table} t on t.workspace_id = $2 and t.{column} = $3 where s.name = $1"
    );
    let found =
        sqlx::query_as(&sql).bind(table).bind(workspace.to_string()).bind(key).fetch_optional(db).await?;
    // No checkpoint if the view never began.
    Ok(found.unwrap_or_default())
}

type RawRow = Json<Box<RawValue>>;

fn read<R: DeserializeOwned>(row: RawRow) -> Result<R, sqlx::Error> {
    serde_json::from_str(row.0.get()).map_err(|error| sqlx::Error::Decode(error.into()))
}

/// The row a page begins after: its value of the column the list is ordered by, and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    pub value: String,
    pub key: String,
}

/// Some rows, and where the next ones begin, if there are more.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<R> {
    pub rows: Vec<R>,
    pub next: Option<After>,
}

/// What a list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    column: &'static str,
    /// The column's type in SQL, to read [`After::value`] back.
    sql_type: &'static str,
    descending: bool,
    folded: bool,
}

impl Order {
    #[must_use]
    pub const fn by(column: &'static str, sql_type: &'static str) -> Self {
        Self { column, sql_type, descending: false, folded: false }
    }

    #[must_use]
    pub const fn descending(self) -> Self {
        Self { descending: true, ..self }
    }

    /// A text's case and accents make no difference.
    #[must_use]
    pub const fn folded(self) -> Self {
        Self { folded: true, ..self }
    }

    /// What rows are compared by.
    fn place(self) -> String {
        let column = self.column;
        if self.folded { format!("read.folded(t.{column})") } else { format!("t.{column}") }
    }
}

/// Which rows of a read model a list is of, and in which order: what a client may ask for.
pub trait Filter: Send {
    type Of: View;

    fn order(&self) -> Order;

    /// The list of only those rows that are asked for.
    fn narrow(self, list: Listing<Self::Of>) -> Listing<Self::Of>;
}

/// A word of an enumeration, as its column holds it.
pub(crate) fn word(word: impl AsRef<str>) -> String {
    word.as_ref().to_owned()
}

/// Rows of a workspace that a filter lets pass, a page at a time.
///
/// # Errors
/// If the database does not answer, or if `after` is not of this list.
pub async fn page<F: Filter>(
    db: &PgPool,
    workspace: WorkspaceId,
    filter: F,
    (after, limit): (Option<After>, usize),
) -> Result<Seen<Page<<F::Of as View>::Row>>, sqlx::Error> {
    let order = filter.order();
    filter.narrow(Listing::of(workspace, order)).page(db, after, limit).await
}

/// A list of the rows of `V`, as it is being asked for.
pub struct Listing<V> {
    query: QueryBuilder<'static, Postgres>,
    order: Order,
    of: PhantomData<V>,
}

/// The position, a row, and its place.
type Listed = (i64, Option<RawRow>, Option<String>, Option<String>);

impl<V: View> Listing<V> {
    /// All rows of a workspace.
    fn of(workspace: WorkspaceId, order: Order) -> Self {
        let (place, key, table) = (order.place(), V::KEY, V::NAME);
        let mut query = QueryBuilder::new(format!(
            "select s.position, t.row, t.place::text, t.key from subscriptions s left join lateral \
             (select to_jsonb(t) as row, {place} as place, t.{key} as key from read.{table} t \
              where t.workspace_id = "
        ));
        query.push_bind(workspace.to_string());
        Self { query, order, of: PhantomData }
    }

    /// Only those for which `before value after` is true, if there is a value.
    #[must_use]
    pub fn only<T>(mut self, before: &'static str, value: Option<T>, after: &'static str) -> Self
    where
        T: 'static + Encode<'static, Postgres> + Type<Postgres>,
    {
        if let Some(value) = value {
            self.query.push(" and ").push(before).push_bind(value).push(after);
        }
        self
    }

    /// At most `limit` of them, after a row.
    async fn page(
        self,
        db: &PgPool,
        after: Option<After>,
        limit: usize,
    ) -> Result<Seen<Page<V::Row>>, sqlx::Error> {
        let Self { query, order, .. } = self;
        page_of(listed(db, query, order, (V::NAME, V::KEY), (after, limit)).await?, limit)
    }
}

/// Up to one row more than a page has.
async fn listed(
    db: &PgPool,
    mut query: QueryBuilder<'static, Postgres>,
    order: Order,
    (table, key): (&str, &str),
    (after, limit): (Option<After>, usize),
) -> Result<Vec<Listed>, sqlx::Error> {
    let (place, Order { sql_type, descending, .. }) = (order.place(), order);
    let (beyond, direction) = if descending { ("<", "desc") } else { (">", "asc") };
    if let Some(after) = after {
        query.push(format!(" and ({place}, t.{key}) {beyond} (")).push_bind(after.value);
        query.push(format!("::text::{sql_type}, ")).push_bind(after.key).push(")");
    }
    let one_more = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    query
        .push(format!(" order by {place} {direction}, t.{key} {direction} limit "))
        .push_bind(one_more)
        .push(") t on true where s.name = ")
        .push_bind(table.to_owned())
        .push(format!(" order by t.place {direction}, t.key {direction}"));
    query.build_query_as().fetch_all(db).await
}

/// A page out of up to one row more than it has.
fn page_of<R: DeserializeOwned>(listed: Vec<Listed>, limit: usize) -> Result<Seen<Page<R>>, sqlx::Error> {
    let position = listed.first().map_or(0, |(position, ..)| *position);
    let mut rows: Vec<(RawRow, After)> = listed
        .into_iter()
        .filter_map(|(_, row, value, key)| Some((row?, After { value: value?, key: key? })))
        .collect();
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|(_, after)| after.clone());
    let rows = rows.into_iter().map(|(row, _)| read(row)).collect::<Result<_, _>>()?;
    Ok(Seen { position, value: Page { rows, next } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(rows: &[i64]) -> Vec<Listed> {
        let json = |row: &i64| RawValue::from_string(row.to_string()).ok().map(Json);
        rows.iter().map(|row| (7, json(row), Some(format!("at {row}")), Some(row.to_string()))).collect()
    }

    #[test]
    fn a_page_tells_where_the_next_begins_if_there_is_one() {
        let next = Some(After { value: "at 2".into(), key: "2".into() });
        assert_eq!(
            page_of(listed(&[1, 2, 3]), 2).unwrap(),
            Seen { position: 7, value: Page { rows: vec![1, 2], next } }
        );
        assert_eq!(page_of::<i64>(listed(&[1, 2]), 2).unwrap().value, Page { rows: vec![1, 2], next: None });
    }

    #[test]
    fn an_empty_page_is_as_of_a_position_too() {
        let nothing = vec![(7, None, None, None)];
        assert_eq!(
            page_of::<i64>(nothing, 2).unwrap(),
            Seen { position: 7, value: Page { rows: vec![], next: None } }
        );
    }
}
