//! Figures: medians, the table with ratios, and the file for machines.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::Settings;
use crate::drive::Run;

/// The median of some values.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

/// One thing measured, run by run.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    pub section: String,
    /// The table's line.
    pub case: String,
    /// The table's column.
    pub subject: String,
    pub unit: &'static str,
    pub runs: Vec<f64>,
    pub median: f64,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A wanted ratio of two figures.
#[derive(Debug, Clone, Serialize)]
struct Target {
    what: String,
    ratio: f64,
    wanted: f64,
    reached: bool,
}

/// All that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    about: String,
    runs: usize,
    figures: Vec<Figure>,
    targets: Vec<Target>,
}

impl Report {
    pub fn new(settings: Settings, about: String) -> Self {
        println!("{about}; medians of {} alternating runs of {:?}", settings.runs, settings.run);
        Self { about, runs: settings.runs, figures: Vec::new(), targets: Vec::new() }
    }

    /// Takes the runs of one thing, and answers their median.
    pub fn add(
        &mut self,
        section: &str,
        case: &str,
        subject: &str,
        unit: &'static str,
        runs: Vec<f64>,
    ) -> f64 {
        self.add_noted(section, case, subject, unit, runs, String::new())
    }

    pub fn add_noted(
        &mut self,
        section: &str,
        case: &str,
        subject: &str,
        unit: &'static str,
        runs: Vec<f64>,
        note: String,
    ) -> f64 {
        let median = median(&runs);
        let [section, case, subject] = [section, case, subject].map(str::to_owned);
        self.figures.push(Figure { section, case, subject, unit, runs, median, note });
        median
    }

    /// Takes what runs cost this process and the database, for a table of its own.
    pub fn processor_time(&mut self, section: &str, case: &str, subject: &str, runs: &[Run]) {
        let section = format!("{section}: processor time");
        for (side, cost) in [
            ("client", runs.iter().map(|run| run.client).collect::<Vec<_>>()),
            ("server", runs.iter().map(|run| run.server).collect()),
        ] {
            self.add(&section, &format!("{case}, {side}"), subject, "µs", cost);
        }
    }

    /// Judges a ratio.
    pub fn target(&mut self, what: impl Into<String>, ratio: f64, wanted: f64) {
        let reached = ratio >= wanted;
        self.targets.push(Target { what: what.into(), ratio, wanted, reached });
    }

    /// Prints a section's figures, a line for each case; ratios are to the second and later subjects.
    pub fn print(&self, section: &str) {
        let figures: Vec<&Figure> = self.figures.iter().filter(|figure| figure.section == section).collect();
        let mut cases: Vec<&str> = Vec::new();
        let mut subjects: Vec<&str> = Vec::new();
        for figure in &figures {
            if !cases.contains(&figure.case.as_str()) {
                cases.push(&figure.case);
            }
            if !subjects.contains(&figure.subject.as_str()) {
                subjects.push(&figure.subject);
            }
        }
        let of: BTreeMap<_, _> =
            figures.iter().map(|figure| ((figure.case.as_str(), figure.subject.as_str()), *figure)).collect();
        println!("\n{section}");
        print!("{:>24}", "");
        subjects.iter().for_each(|subject| print!("  {subject:>24}"));
        println!("  ratios");
        for case in cases {
            print!("{case:>24}");
            for subject in &subjects {
                let shown = of.get(&(case, *subject)).map_or(String::new(), |figure| {
                    format!("{} {}{}", number(figure.median), figure.unit, figure.note)
                });
                print!("  {shown:>24}");
            }
            let first = of.get(&(case, subjects[0]));
            for other in &subjects[1..] {
                if let (Some(first), Some(other)) = (first, of.get(&(case, *other))) {
                    print!("  {:.2}x", first.median / other.median);
                }
            }
            println!();
        }
    }

    /// Prints the targets and writes everything to `target/bench.json`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self) -> Result<()> {
        if !self.targets.is_empty() {
            println!("\ntargets");
        }
        for Target { what, ratio, wanted, reached } in &self.targets {
            let verdict = if *reached { "reached" } else { "NOT REACHED" };
            println!("{verdict:>12}  {ratio:>6.2}x of {wanted:>5.2}x  {what}");
        }
        let folder = std::env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
        std::fs::create_dir_all(&folder)?;
        Ok(std::fs::write(folder.join("bench.json"), serde_json::to_vec_pretty(self)?)?)
    }
}

/// A number as people write it.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
