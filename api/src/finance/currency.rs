//! `/api/currencies`: which currencies there are, and at how many decimal places their minor units stand.

use axum::Json;
use domain::currency::{Currency, Entry, Standing, TABLE_VERSION};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(list))
}

/// The table of currencies.
#[derive(Debug, Serialize, ToSchema)]
struct Currencies {
    /// The edition of ISO 4217 that it follows, by the date of its list one.
    table_version: &'static str,
    /// Ordered by code.
    items: Vec<CurrencyEntry>,
}

/// What is known of a currency.
#[derive(Debug, Serialize, ToSchema)]
struct CurrencyEntry {
    code: Currency,
    /// ISO's number for it: three digits.
    #[schema(pattern = "^[0-9]{3}$")]
    numeric: String,
    /// An amount is in units of 10 to the power of minus this: 2 for USD, 0 for JPY, 3 for KWD. Not to be taken from a
    /// library for locales.
    exponent: u8,
    name: &'static str,
    /// Whether something new can be in it. What is not in use stands only in what was written down.
    in_use: bool,
    /// The month in which it was withdrawn, if it was.
    #[schema(pattern = "^[0-9]{4}-[0-9]{2}$", example = "2026-01")]
    until: Option<&'static str>,
    /// What took its place.
    replaced_by: Option<Currency>,
}

impl From<Currency> for CurrencyEntry {
    fn from(currency: Currency) -> Self {
        let Entry { numeric, exponent, name, standing, .. } = *currency.entry();
        let (until, by) = match standing {
            Standing::Withdrawn { since, by } => (Some(since), Some(by)),
            Standing::InUse | Standing::Reckoned => (None, None),
        };
        Self {
            code: currency,
            numeric: format!("{numeric:03}"),
            exponent,
            name,
            in_use: standing == Standing::InUse,
            until,
            replaced_by: by.and_then(|code| code.parse().ok()),
        }
    }
}

/// List the currencies, with the decimal places of each.
#[utoipa::path(get, path = "/api/currencies", tag = "currency", security(()),
    responses((status = 200, body = Currencies)))]
async fn list() -> Json<Currencies> {
    Json(Currencies { table_version: TABLE_VERSION, items: Currency::all().map(Into::into).collect() })
}
