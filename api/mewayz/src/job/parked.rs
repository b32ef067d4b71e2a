//! `mewayz parked` and `mewayz unpark`: what could not be applied, and trying again.
//!
//! Where it was not even known which rows of a read model an event touches, trying again means making it anew.

use std::time::Duration;

use anyhow::bail;
use clap::Args;
use infra::config::Config;
use infra::subscription::parked;
use infra::subscription::rebuild::{Report, rebuild};
use projections::Projector;

use super::base::{Base, PATIENCE, connect};
use super::{AskedWrongly, say, table};

/// How often it is looked whether everything was tried.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub struct ListOptions {
    /// As JSON, one object a line
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct UnparkOptions {
    /// The read model, process or effect, as `mewayz parked` names it
    subscription: String,
    /// Wait until all were tried, and fail if some are parked again
    #[arg(long)]
    wait: bool,
    /// How long to wait, in seconds
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    at_most: u64,
}

/// # Errors
/// If the database does not answer.
pub async fn list(config: Config, options: ListOptions) -> anyhow::Result<()> {
    let base = Base::of_job(config).await?;
    let parked = parked::list(&base.pool).await?;
    if options.json {
        for event in parked {
            say(serde_json::to_string(&event)?)?;
        }
        return Ok(());
    }
    if parked.is_empty() {
        say("Nothing is parked.")?;
        return Ok(());
    }
    let mut table = table(&["SUBSCRIPTION", "POSITION", "SINCE", "HOLDS BACK", "WHY"]);
    for event in parked {
        let since = event.parked_at.format("%F %T").to_string();
        table.add_row([
            &event.subscription,
            &event.position.to_string(),
            &since,
            &event.keys.join(", "),
            &event.reason,
        ]);
    }
    say(table)?;
    Ok(())
}

/// # Errors
/// If nothing of that name is parked; with `--wait`, if some are parked again.
pub async fn unpark(config: Config, options: UnparkOptions) -> anyhow::Result<()> {
    let base = Base::of_job(config).await?;
    let name = options.subscription;
    let known = parked::list(&base.pool).await?;
    let unknown = known.iter().any(|event| event.subscription == name && event.rows_are_unknown());
    let mut views = projections::all().into_iter();
    if let Some(view) = views.find(|view| unknown && view.name() == name) {
        return make_anew(&base, view).await;
    }
    let asked = parked::ask_again(&base.pool, &name).await?;
    if asked == 0 {
        let what = format!("nothing is parked for `{name}`; see `mewayz parked`");
        return Err(AskedWrongly(what).into());
    }
    if !options.wait {
        say(format_args!("{asked} events will be tried again; see `mewayz parked`."))?;
        return Ok(());
    }
    let until = tokio::time::Instant::now() + Duration::from_secs(options.at_most);
    loop {
        let left = sqlx::query!(
            r#"select count(*) as "all!", count(*) filter (where retry) as "untried!"
               from parked where subscription = $1"#,
            name
        )
        .fetch_one(&base.pool)
        .await?;
        match (left.all, left.untried) {
            (0, _) => {
                say(format_args!("All {asked} events are applied."))?;
                return Ok(());
            }
            (parked, 0) => bail!("{parked} events are parked again; `mewayz parked` says why"),
            _ if tokio::time::Instant::now() > until => {
                bail!("nobody has tried them yet: does `{name}` run? See `mewayz status`");
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Makes a read model anew, with all that is parked.
async fn make_anew(base: &Base, view: Box<dyn Projector>) -> anyhow::Result<()> {
    let (owner, _) = connect(base.config.database.owner_url(), 2, PATIENCE).await?;
    let report = rebuild(&owner, &base.store, view, true).await?;
    let Report { view, events, parked, .. } = report;
    if !parked.is_empty() {
        bail!("{} events are parked again; `mewayz parked` says why", parked.len());
    }
    say(format_args!(
        "{view} is made anew from {events} events: it was not known which rows the parked ones touch."
    ))?;
    Ok(())
}
