//! Text: characters that are refused in every text, control characters and bidirectional overrides.

/// What is wrong with a text of more than one line, or with columns, where one line is asked for.
pub const BREAKS: &str = "has a line break or a tab, and is to be one line";

/// What is wrong with a text of one line, wherever it comes from. A text that is wrong in two ways [`BREAKS`] last.
pub fn flaw(text: &str) -> Option<&'static str> {
    let breaks = |c| matches!(c, '\n' | '\r' | '\t');
    if text.chars().any(|c| c.is_ascii_control() && !breaks(c)) {
        return Some("has a control character");
    }
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.chars().any(turns) {
        return Some("has a character that turns the direction of writing");
    }
    text.chars().any(breaks).then_some(BREAKS)
}
