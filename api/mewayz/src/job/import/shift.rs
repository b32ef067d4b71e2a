//! Shifts: whether the rows of a file still stand on the lines they were taken from.
//!
//! A line that was taken and says something else now is a correction, and told as such. But where what it said
//! stands on another line now, or what it says was taken from another line, rows were put in or taken out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

type Content = Vec<u8>;

/// What is known of shifts so far in a file.
#[derive(Debug, Default)]
pub struct Shift {
    /// The last line that was looked at.
    last: u64,
    /// What was taken from lines that say something else now, or nothing.
    displaced: BTreeSet<Content>,
    /// The first line that is not where it was.
    from: Option<u64>,
}

/// Some rows of a file.
#[derive(Debug)]
pub struct Rows {
    /// What lines say now.
    pub said: BTreeMap<u64, Content>,
    /// What was taken from lines, of all that [`Shift::asks_for`].
    pub known: BTreeMap<u64, Content>,
}

impl Shift {
    /// The lines of which must be known what was taken from them, to look at such lines.
    pub fn asks_for(&self, lines: impl Iterator<Item = u64>) -> RangeInclusive<u64> {
        self.last + 1..=lines.last().unwrap_or(self.last)
    }

    /// Looks at the next rows of the file; the first line that is not where it was, if there was any so far.
    pub fn look(&mut self, rows: &Rows) -> Option<u64> {
        let last = rows.said.last_key_value().map_or(self.last, |(&line, _)| line);
        for line in self.last + 1..=last {
            if self.from.is_some() {
                break;
            }
            match (rows.said.get(&line), rows.known.get(&line)) {
                (Some(said), Some(known)) if said == known => {}
                (said, known) => {
                    let was_elsewhere = said.is_some_and(|said| {
                        self.displaced.contains(said) || known.is_some() && rows.took_further_down(line, said)
                    });
                    let is_elsewhere = known.is_some_and(|known| rows.says_further_down(line, known));
                    self.from = (was_elsewhere || is_elsewhere).then_some(line);
                    self.displaced.extend(known.cloned());
                }
            }
        }
        self.last = last;
        self.from
    }
}

impl Rows {
    /// Whether a later line, which is not as it was, says this.
    fn says_further_down(&self, line: u64, content: &Content) -> bool {
        let later = self.said.range(line + 1..);
        later.into_iter().any(|(other, said)| said == content && self.known.get(other) != Some(said))
    }

    /// Whether this was taken from a later line, which is not as it was.
    fn took_further_down(&self, line: u64, content: &Content) -> bool {
        let later = self.known.range(line + 1..);
        later.into_iter().any(|(other, known)| known == content && self.said.get(other) != Some(known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows from line 2 on, a letter each; a blank is a blank line.
    fn rows(letters: &str, from: u64) -> BTreeMap<u64, Content> {
        let lines = (from..).zip(letters.bytes());
        lines.filter(|(_, letter)| *letter != b' ').map(|(line, letter)| (line, vec![letter])).collect()
    }

    /// The first line that is not where it was, of a file that was taken, read so many rows at a time.
    fn shifted(taken: &str, file: &str, page: usize) -> Option<u64> {
        let (mut shift, known) = (Shift { last: 1, ..Shift::default() }, rows(taken, 2));
        let said: Vec<_> = rows(file, 2).into_iter().collect();
        let mut from = None;
        for page in said.chunks(page) {
            let asked = shift.asks_for(page.iter().map(|(line, _)| *line));
            let known = known.iter().filter(|(line, _)| asked.contains(line));
            let known = known.map(|(line, content)| (*line, content.clone())).collect();
            from = shift.look(&Rows { said: page.iter().cloned().collect(), known });
        }
        from
    }

    #[test]
    fn what_stands_where_it_stood_is_not_shifted() {
        for page in [1, 2, 100] {
            for (taken, file) in [
                ("", "abc"),
                ("abc", "abc"),
                ("abc", "abcd"),
                ("abc", "ab"),
                // Equal rows are rows of their own.
                ("aab", "aaba"),
                ("a c", "abc"),
                // Corrected, also to what stands elsewhere.
                ("abc", "axc"),
                ("abcd", "axyd"),
                ("abc", "aac"),
                ("abc", "acc"),
            ] {
                assert_eq!(shifted(taken, file, page), None, "{taken} {file} {page}");
            }
        }
    }

    #[test]
    fn a_row_put_in_or_taken_out_shifts_what_is_behind_it() {
        for (taken, file, from) in [
            ("abc", "axbc", 3),
            ("abc", "abxc", 4),
            ("abc", "abxyc", 4),
            ("abc", "xyabc", 2),
            ("abcd", "acd", 3),
            ("abcd", "acdef", 3),
            ("abc", "ab c", 4),
            ("abc", "bac", 2),
        ] {
            assert_eq!(shifted(taken, file, 100), Some(from), "{taken} {file}");
        }
        // Over the end of a page it shows later, and before anything is taken twice.
        for (taken, file, from) in
            [("abc", "axbc", 4), ("abc", "abxc", 5), ("abc", "ab c", 4), ("abc", "xabc", 3)]
        {
            assert_eq!(shifted(taken, file, 1), Some(from), "{taken} {file}");
        }
    }
}
