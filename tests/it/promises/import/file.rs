//! Files of purchases, and what they come to: reckoned here without any of the code that imports them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

const HEADER: &str = "customer_id,date,quantity,amount_usd";

/// A file of purchases.
#[derive(Clone)]
pub struct Purchases {
    lines: Vec<String>,
    file: Arc<NamedTempFile>,
}

/// What a file comes to.
#[derive(Debug, PartialEq)]
pub struct Sums {
    pub orders: i64,
    pub units: i64,
    pub cents: i64,
    /// Cents by month (`1997-01`).
    pub months: BTreeMap<String, i64>,
}

impl Purchases {
    /// The real history; none where it is not at hand.
    pub fn real() -> Option<Self> {
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/purchases.csv");
        let path = std::env::var_os("MEWAYZ_PURCHASES").map_or_else(beside, PathBuf::from);
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: {} is not there; MEWAYZ_PURCHASES names it", path.display());
            return None;
        };
        Some(Self::of(text.lines().skip(1).map(str::to_owned).collect()))
    }

    /// Rows like the real ones: free ones, exact duplicates and amounts that do not divide among them.
    pub fn made_up(rows: usize) -> Self {
        let row = |n: usize| {
            let (customer, day, month) = (1 + n % 97, 1 + n % 28, 1 + n % 7);
            let cents = if n.is_multiple_of(40) { 0 } else { 100 + n * 37 % 9_000 };
            format!("{customer:05},1997-{month:02}-{day:02},{},{}.{:02}", 1 + n % 5, cents / 100, cents % 100)
        };
        Self::of((0..rows).map(|n| row(n / 2)).collect())
    }

    fn of(lines: Vec<String>) -> Self {
        let mut file = NamedTempFile::new().unwrap();
        writeln!(file, "{HEADER}").unwrap();
        lines.iter().for_each(|line| writeln!(file, "{line}").unwrap());
        Self { lines, file: Arc::new(file) }
    }

    /// A copy in which a line is another; the header is line 1.
    pub fn with_line(&self, line: usize, text: &str) -> Self {
        let mut lines = self.lines.clone();
        lines[line - 2] = text.to_owned();
        Self::of(lines)
    }

    /// A copy in which a row stands before this line, and all from it on a line further down.
    pub fn with_row_before(&self, line: usize, text: &str) -> Self {
        let mut lines = self.lines.clone();
        lines.insert(line - 2, text.to_owned());
        Self::of(lines)
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Of all rows that are not blank, which must be sound.
    pub fn sums(&self) -> Sums {
        let mut sums = Sums { orders: 0, units: 0, cents: 0, months: BTreeMap::new() };
        for line in self.lines.iter().filter(|line| !line.is_empty()) {
            let [_, date, quantity, amount] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
            let (dollars, cents) = amount.split_once('.').unwrap();
            let cents = dollars.parse::<i64>().unwrap() * 100 + cents.parse::<i64>().unwrap();
            sums.orders += 1;
            sums.units += quantity.parse::<i64>().unwrap();
            sums.cents += cents;
            *sums.months.entry(date[..7].to_owned()).or_default() += cents;
        }
        sums
    }
}
