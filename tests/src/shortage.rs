//! Shortage: a database that fails as one does that lacks something, for as long as a test likes.

use sqlx::postgres::PgPool;
use sqlx::{ConnectOptions, PgConnection};

use crate::database::{TestDatabase, administrator};

/// `lacks()` fails while there is a shortage; so does the trigger's function `lacks_or_refuses()`, which refuses
/// what is in `refused` besides. Both count how often.
const RULES: &str = "
    create table shortage (errcode text);
    create table refused (stream text);
    create sequence failures;
    grant select on failures to mewayz_run;
    create function lacks() returns boolean language plpgsql security definer set search_path = public as $$
    declare lacking text := (select errcode from shortage);
    begin
        if lacking is not null then
            perform nextval('failures');
            raise exception 'out of it' using errcode = lacking;
        end if;
        return false;
    end $$;
    create function lacks_or_refuses() returns trigger language plpgsql security definer set search_path = public as $$
    begin
        perform lacks();
        if exists (select from refused where new.aggregate_id like '%' || stream) then
            perform nextval('failures');
            raise exception 'refused' using errcode = 'check_violation';
        end if;
        return new;
    end $$;";

/// The rules of a database, in the hands of a superuser.
pub struct Shortage {
    superuser: PgConnection,
    pool: PgPool,
}

impl Shortage {
    /// Makes the rules; nothing heeds them yet.
    ///
    /// # Panics
    /// If the database does not answer.
    pub async fn prepare(database: &TestDatabase) -> Self {
        let superuser = administrator().database(&database.name).connect().await.expect("a superuser");
        let mut shortage = Self { superuser, pool: database.pool.clone() };
        shortage.execute(RULES).await;
        shortage
    }

    /// As a superuser.
    ///
    /// # Panics
    /// If the database does not do it.
    pub async fn execute(&mut self, sql: &str) {
        sqlx::raw_sql(sql).execute(&mut self.superuser).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
    }

    /// From now on, until it ends: an error of this name (`disk_full`).
    pub async fn begin(&mut self, errcode: &str) {
        self.execute(&format!("insert into shortage values ('{errcode}')")).await;
    }

    pub async fn end(&mut self) {
        self.execute("delete from shortage").await;
    }

    /// How often the rules have failed somebody.
    ///
    /// # Panics
    /// If the database does not answer.
    pub async fn failures(&self) -> i64 {
        let sql = "select case when is_called then last_value else 0 end from failures";
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect("a number")
    }

    /// Whether they have so many times.
    pub async fn has_failed(&self, times: i64) -> bool {
        self.failures().await >= times
    }
}
