//! A command as it may be shown to somebody who decides about it.

/// Spells out what would hide, reorder or repaint text: control characters, and those that write from right to left
/// or take no room. What is decided about is then what is seen.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_plain(letter) {
            shown.push(letter);
        } else {
            shown.push_str(&format!("\\u{{{:X}}}", u32::from(letter)));
        }
    }
    shown
}

fn is_plain(letter: char) -> bool {
    let is_unseen = matches!(
        letter,
        '\u{AD}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}' | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}'
            | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}'
    );
    !is_unseen && (!letter.is_control() || matches!(letter, '\n' | '\t'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_spelt_out() {
        assert_eq!(shown("ls -la \u{e9} 日本"), "ls -la é 日本");
        assert_eq!(shown("a\u{202e}b\u{1b}[2J\u{200b}\r"), "a\\u{202E}b\\u{1B}[2J\\u{200B}\\u{D}");
    }
}
