//! Text: what a reader can see of it.

/// Whether there is nothing to read in a text: no character, or only such as leave no mark.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    text.chars().all(leaves_no_mark)
}

/// White space, controls, and what Unicode renders as nothing: fillers, joiners, marks of direction, variation
/// selectors and tags (its `Default_Ignorable_Code_Point`), and the blank pattern of Braille.
fn leaves_no_mark(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_blank_where_a_reader_sees_nothing() {
        for blank in
            ["", " \t\n", "\u{200b}", "\u{feff}\u{a0}", "\u{3164}", "\u{2800}", "\u{e0041}", "\u{ad}"]
        {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in ["a", "\u{200b}a", "ä", "あ", "🏳️‍🌈", "-", "0"] {
            assert!(!is_blank(seen), "{seen:?}");
        }
    }
}
