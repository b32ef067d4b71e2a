//! Spreadsheets: figures as CSV (RFC 4180), for who reckons on with them.
//!
//! A text that a spreadsheet would take for a formula gets an apostrophe before it. Amounts are written as numbers, in
//! the unit of their currency.

use axum::response::{IntoResponse, Response};
use domain::money::Money;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use projections::Seen;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::answer::Shown;
use crate::problem::{Problem, Result};

/// How a report is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportFormat {
    #[default]
    Json,
    Csv,
}

/// One cell of a row.
#[derive(Clone)]
pub enum Cell {
    Text(String),
    Amount(Money),
}

impl Cell {
    pub fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    fn written(&self) -> String {
        match self {
            Self::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => {
                format!("'{text}")
            }
            Self::Text(text) => text.clone(),
            Self::Amount(money) => money.decimal(),
        }
    }
}

/// A table that is written row by row.
pub struct Spreadsheet {
    name: &'static str,
    rows: csv::Writer<Vec<u8>>,
}

impl Spreadsheet {
    /// A file of this name, with these columns.
    ///
    /// # Errors
    /// `internal`.
    pub fn new(name: &'static str, columns: &[&str]) -> Result<Self> {
        let mut rows = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        rows.write_record(columns).map_err(|_| Problem::internal())?;
        Ok(Self { name, rows })
    }

    /// # Errors
    /// `internal`, if it has not as many cells as there are columns.
    pub fn row(&mut self, cells: &[Cell]) -> Result<()> {
        self.rows.write_record(cells.iter().map(Cell::written)).map_err(|_| Problem::internal())
    }

    fn text(self) -> Result<Vec<u8>> {
        self.rows.into_inner().map_err(|_| Problem::internal())
    }
}

impl IntoResponse for Spreadsheet {
    fn into_response(self) -> Response {
        let disposition = format!("attachment; filename=\"{}.csv\"", self.name);
        let (Ok(disposition), Ok(text)) = (HeaderValue::try_from(disposition), self.text()) else {
            return Problem::internal().into_response();
        };
        let kind = HeaderValue::from_static("text/csv; charset=utf-8");
        ([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, disposition)], text).into_response()
    }
}

/// A report, as it was asked for.
pub enum Report<T> {
    Json(Shown<T>),
    Csv(Box<Shown<Spreadsheet>>),
}

impl<T> Report<T> {
    /// What was seen, as it is shown or as a spreadsheet.
    ///
    /// # Errors
    /// What the spreadsheet cannot be made for.
    pub fn either<S>(
        format: Option<ReportFormat>,
        seen: Seen<S>,
        sheet: impl FnOnce(&S) -> Result<Spreadsheet>,
        body: impl FnOnce(S) -> T,
    ) -> Result<Self> {
        let Seen { position, value } = seen;
        Ok(match format.unwrap_or_default() {
            ReportFormat::Json => Self::Json(Shown { position, version: None, body: body(value) }),
            ReportFormat::Csv => Self::Csv(Box::new(Shown { position, version: None, body: sheet(&value)? })),
        })
    }
}

impl<T: Serialize> IntoResponse for Report<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Json(shown) => shown.into_response(),
            Self::Csv(shown) => {
                let Shown { position, body, .. } = *shown;
                let mut response = body.into_response();
                let position = HeaderValue::try_from(commands::Position(position).to_string());
                response.headers_mut().extend(position.map(|position| (crate::answer::POSITION, position)));
                response
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::money::Currency;

    fn usd(amount: i64) -> Cell {
        Cell::Amount(Money::new(amount, Currency::USD))
    }

    #[test]
    fn nothing_is_a_formula_and_amounts_are_numbers() {
        let mut sheet = Spreadsheet::new("x", &["what", "amount"]).unwrap();
        for (what, amount) in [
            ("=1+1", -5),
            ("+1", 0),
            ("-1", 5),
            ("@sum", 100),
            ("\tx", 1),
            ("plain", 2),
            ("a \"b\", c", 123_456),
        ] {
            sheet.row(&[Cell::text(what), usd(amount)]).unwrap();
        }
        assert_eq!(
            String::from_utf8(sheet.text().unwrap()).unwrap(),
            "what,amount\r\n'=1+1,-0.05\r\n'+1,0.00\r\n'-1,0.05\r\n'@sum,1.00\r\n'\tx,0.01\r\nplain,0.02\r\n\
             \"a \"\"b\"\", c\",1234.56\r\n"
        );
    }

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let mut sheet = Spreadsheet::new("x", &["what", "amount"]).unwrap();
        assert!(sheet.row(&[usd(1)]).is_err());
    }
}
