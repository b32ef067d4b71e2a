//! Text: characters that are refused in every text, control characters and bidirectional overrides.

/// What is wrong with a text, wherever it comes from.
pub fn flaw(text: &str) -> Option<&'static str> {
    if text.chars().any(|c| c.is_ascii_control()) {
        return Some("has a control character");
    }
    let turns = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().any(turns).then_some("has a character that turns the direction of writing")
}
