//! What may stand before a session's name.

const NAMES: [&str; 6] = ["braces", "book", "monitor", "bot", "kanban", "coins"];
const MAX_SVG: usize = 16 * 1024;
/// Of one emoji with everything that may be joined to it.
const MAX_EMOJI: usize = 40;

/// A known name, one emoji, or an SVG that loads and runs nothing.
pub(super) fn is_icon(text: &str) -> bool {
    NAMES.contains(&text) || is_emoji(text) || is_svg(text)
}

/// Symbols alone, joined or modified, and few enough of them to be one picture.
fn is_emoji(text: &str) -> bool {
    let is_joint = |sign| matches!(sign, '\u{200d}' | '\u{fe0f}' | '\u{20e3}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}');
    let is_picture = |sign| matches!(sign, '\u{a9}' | '\u{ae}' | '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}');
    let is_flag = |sign| matches!(sign, '\u{1f1e6}'..='\u{1f1ff}');
    if text.is_empty() || text.len() > MAX_EMOJI || !text.chars().all(|sign| is_joint(sign) || is_picture(sign)) {
        return false;
    }
    let mut pictures = 0_usize;
    let mut joined = false;
    let mut flags = 0_usize;
    for sign in text.chars() {
        if is_flag(sign) {
            flags += 1;
        } else if !is_joint(sign) && !joined {
            pictures += 1;
        }
        joined = sign == '\u{200d}';
    }
    (pictures == 1 && flags == 0) || (pictures == 0 && flags == 2)
}

/// Pages show it as an image, where scripts do not run; what looks like one is refused all the same.
fn is_svg(text: &str) -> bool {
    if text.len() > MAX_SVG {
        return false;
    }
    let lower = text.trim_start().to_ascii_lowercase();
    if lower.starts_with("data:image/svg+xml") {
        return true;
    }
    let is_markup = lower.starts_with("<svg") && lower.trim_end().ends_with("</svg>");
    let loads_or_runs = ["<script", "javascript:", "<foreignobject", "http:", "https:", " on"];
    let without_namespace = lower.replace("http://www.w3.org/2000/svg", "");
    is_markup && !loads_or_runs.iter().any(|sign| without_namespace.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_picture_and_nothing_else() {
        for good in
            ["bot", "🦀", "👨‍👩‍👧", "🇩🇪", "❤️", "👍🏽", "<svg xmlns=\"http://www.w3.org/2000/svg\"><path d=\"M0 0\"/></svg>"]
        {
            assert!(is_icon(good), "{good}");
        }
        for bad in
            ["", "star", "🦀🦀", "a🦀", "<svg onload=\"x()\"></svg>", "<svg><script>x</script></svg>", "http://x/y.png"]
        {
            assert!(!is_icon(bad), "{bad}");
        }
        assert!(!is_icon(&format!("<svg>{}</svg>", "x".repeat(MAX_SVG))));
    }
}
