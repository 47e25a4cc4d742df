//! The shape of the sources: layers that import downward only, files of readable size, unsafe code in one place.
//!
//! The table is the one of ARCHITECTURE.md. A module may use modules of lower layers, and itself. Uses within a layer
//! are listed below with their reason; add one only if neither side can sit lower.

use std::fs;
use std::path::Path;

/// Top modules by layer, lowest first.
const LAYERS: [&[&str]; 7] = [
    &["protocol", "secret", "clock", "live"],
    &["shutdown", "logging", "store", "net", "tls", "discovery", "tailnet", "bus"],
    &["auth", "pairing", "sessions", "agent", "channels", "nodes", "automation", "approvals"],
    &["config"],
    &["rpc", "ui", "client", "node_host", "tunnel", "service"],
    &["gateway"],
    &["app", "cli", "main"],
];

/// Uses between two modules of one layer: from, to, why.
const WITHIN_A_LAYER: [(&str, &str, &str); 13] = [
    ("logging", "store", "only store touches files, the log's folder too"),
    ("tailnet", "net", "its listener yields net's stream and peer, like every listener"),
    ("tailnet", "store", "its folder is private and locked like the gateway's own"),
    ("tls", "net", "it wraps net's streams"),
    ("tls", "store", "its files are private like the gateway's own"),
    ("agent", "sessions", "a run reads its history and appends to it"),
    ("automation", "agent", "a heartbeat and a job are turns of the agent"),
    ("automation", "sessions", "those turns belong to a session"),
    ("auth", "pairing", "a device that connects is known there, or has to wait there"),
    ("nodes", "approvals", "a command that claims an approval has to be backed by its record"),
    ("main", "cli", "the program is its command line"),
    ("cli", "app", "`tailclaw gateway` runs what app puts together"),
    ("main", "app", "exit codes are app's"),
];

/// The one file that may call foreign code.
const UNSAFE_FILE: &str = "src/tailnet/sys.rs";
const MOST_LINES: usize = 600;

struct Source {
    /// From the root of the repository, with forward slashes.
    path: String,
    text: String,
}

#[test]
fn sources_keep_to_their_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    collect(root, &root.join("src"), &mut sources);
    assert!(!sources.is_empty(), "no sources found under {}", root.display());
    let architecture = fs::read_to_string(root.join("ARCHITECTURE.md"))
        .unwrap_or_else(|error| panic!("ARCHITECTURE.md: {error}; it is to name every top module"));
    let faults = check(&sources, &architecture);
    assert!(faults.is_empty(), "{} fault(s):\n{}", faults.len(), faults.join("\n"));
}

fn collect(root: &Path, folder: &Path, into: &mut Vec<Source>) {
    let mut entries: Vec<_> = fs::read_dir(folder).expect("src is readable").flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            // The web app and its packages hold no Rust of ours.
            if path.file_name().is_some_and(|name| name != "node_modules" && name != "control") {
                collect(root, &path, into);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative = path.strip_prefix(root).expect("under the root").to_string_lossy().replace('\\', "/");
            into.push(Source { path: relative, text: fs::read_to_string(&path).expect("a source is UTF-8") });
        }
    }
}

fn check(sources: &[Source], architecture: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut named = Vec::new();
    for source in sources {
        let lines = source.text.lines().count();
        if lines > MOST_LINES {
            faults.push(format!(
                "{}: {lines} lines; {MOST_LINES} is the limit: split it by what its parts are about",
                source.path
            ));
        }
        let code = without_tests(&without_comments_and_text(&source.text));
        if source.path != UNSAFE_FILE {
            for offset in words(&code, "unsafe") {
                let line = line_of(&code, offset);
                faults.push(format!("{}:{line}: `unsafe` belongs into {UNSAFE_FILE} alone", source.path));
            }
        }
        let module = top_module(&source.path);
        if module == "lib" {
            continue;
        }
        let Some(layer) = layer_of(&module) else {
            if !named.contains(&module) {
                faults.push(format!(
                    "{}: the module `{module}` has no layer: put it into LAYERS in tests/layering.rs and into \
                     ARCHITECTURE.md",
                    source.path
                ));
                named.push(module);
            }
            continue;
        };
        if !named.contains(&module) {
            if module != "main" && !is_named(architecture, &module) {
                faults.push(format!("ARCHITECTURE.md does not name the module `{module}`: say what it is for"));
            }
            named.push(module.clone());
        }
        for (offset, used) in used_modules(&code, &source.path) {
            if let Some(fault) = judge(&module, layer, &used) {
                faults.push(format!("{}:{}: {fault}", source.path, line_of(&code, offset)));
            }
        }
    }
    faults
}

fn judge(module: &str, layer: usize, used: &str) -> Option<String> {
    let used_layer = layer_of(used)?;
    if used == module || used_layer < layer {
        return None;
    }
    if used_layer == layer {
        let listed = WITHIN_A_LAYER.iter().any(|(from, to, _)| *from == module && *to == used);
        return (!listed).then(|| {
            format!(
                "`{module}` uses `{used}` of its own layer {layer}: move what both need down, or list the pair with \
                 its reason in WITHIN_A_LAYER of tests/layering.rs"
            )
        });
    }
    Some(format!(
        "`{module}` (layer {layer}) uses `{used}` (layer {used_layer}): uses go downward; let the upper module hand \
         over what the lower one needs, or move the shared part down"
    ))
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// `src/auth/device.rs` and `src/auth/mod.rs` belong to `auth`, `src/secret.rs` to `secret`.
fn top_module(path: &str) -> String {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split('/').next().unwrap_or(inner).trim_end_matches(".rs").to_owned()
}

/// How many modules deep a file lies: 1 for `src/secret.rs` and `src/auth/mod.rs`, 2 for `src/auth/device.rs`.
fn depth(path: &str) -> usize {
    let parts: Vec<&str> = path.trim_start_matches("src/").split('/').collect();
    parts.len() - usize::from(parts.last().is_some_and(|last| *last == "mod.rs"))
}

fn is_named(architecture: &str, module: &str) -> bool {
    [format!("`{module}`"), format!("{module}/"), format!("{module}.rs")].iter().any(|name| {
        architecture.match_indices(name.as_str()).any(|(at, _)| !architecture[..at].ends_with(is_word_character))
    })
}

/// Every top module that a path of the code leads to, with the place.
fn used_modules(code: &str, path: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for offset in words(code, "crate") {
        after_root(code, offset + "crate".len(), &mut found);
    }
    // The program's own file sees the library as a crate of that name.
    if path == "src/main.rs" {
        for offset in words(code, "tailclaw") {
            after_root(code, offset + "tailclaw".len(), &mut found);
        }
    }
    // Enough `super::` in a row lead to the root too.
    let mut skip_to = 0;
    for offset in words(code, "super") {
        if offset < skip_to {
            continue;
        }
        let (mut end, mut steps) = (offset + "super".len(), 1);
        while code[end..].starts_with("::super") {
            end += "::super".len();
            steps += 1;
        }
        skip_to = end;
        if steps >= depth(path) {
            after_root(code, end, &mut found);
        }
    }
    found
}

/// Reads `::name` or `::{name, name::…}` at `at`.
fn after_root(code: &str, at: usize, found: &mut Vec<(usize, String)>) {
    let rest = code[at..].trim_start();
    let Some(rest) = rest.strip_prefix("::") else { return };
    let rest = rest.trim_start();
    let Some(group) = rest.strip_prefix('{') else {
        found.push((at, identifier(rest)));
        return;
    };
    let (mut level, mut expects_name) = (0usize, true);
    for (index, character) in group.char_indices() {
        match character {
            '{' => level += 1,
            '}' if level == 0 => break,
            '}' => level -= 1,
            ',' if level == 0 => expects_name = true,
            _ if expects_name && is_word_character(character) => {
                found.push((code.len() - group.len() + index, identifier(&group[index..])));
                expects_name = false;
            }
            _ => {}
        }
    }
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|character| is_word_character(*character)).collect()
}

fn is_word_character(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// The offsets at which `word` stands alone.
fn words(code: &str, word: &str) -> Vec<usize> {
    let whole = |at: &usize| {
        let (before, after) = (&code[..*at], &code[at + word.len()..]);
        !before.ends_with(is_word_character) && !after.starts_with(is_word_character)
    };
    code.match_indices(word).map(|(at, _)| at).filter(whole).collect()
}

fn line_of(code: &str, offset: usize) -> usize {
    code[..offset].matches('\n').count() + 1
}

/// Blanks comments, strings and characters, keeping every line where it is.
fn without_comments_and_text(source: &str) -> String {
    let mut kept = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let after_word = kept.ends_with(is_word_character);
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => quoted(rest, 1),
            'r' | 'b' | 'c' if !after_word => prefixed_text(rest),
            '\'' => character_literal(rest),
            _ => 0,
        };
        if length == 0 {
            kept.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            kept.extend(rest[..length].chars().map(|character| if character == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    kept
}

fn block_comment(text: &str) -> usize {
    let (mut level, mut at) = (0usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            level += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            level -= 1;
            at += 2;
            if level == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a string whose opening quote ends at `start`.
fn quoted(text: &str, start: usize) -> usize {
    let mut escaped = false;
    for (index, character) in text[start..].char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return start + index + 1,
            _ => {}
        }
    }
    text.len()
}

/// `r"…"`, `r#"…"#`, `b"…"`, `br"…"`, `c"…"`; 0 if the letters are no such prefix.
fn prefixed_text(text: &str) -> usize {
    let letters = text.chars().take_while(|letter| matches!(letter, 'r' | 'b' | 'c')).count();
    let hashes = text[letters..].chars().take_while(|sign| *sign == '#').count();
    let open = letters + hashes;
    if letters > 2 || !text[open..].starts_with('"') {
        return 0;
    }
    if !text[..letters].contains('r') {
        return if hashes == 0 { quoted(text, open + 1) } else { 0 };
    }
    let close = format!("\"{}", "#".repeat(hashes));
    text[open + 1..].find(&close).map_or(text.len(), |at| open + 1 + at + close.len())
}

/// `'x'` and `'\n'`; 0 for a lifetime.
fn character_literal(text: &str) -> usize {
    if text.starts_with("'\\") {
        return text[3.min(text.len())..].find('\'').map_or(0, |at| 3 + at + 1);
    }
    let mut characters = text.chars();
    match (characters.next(), characters.next(), characters.next()) {
        (Some(_), Some(inner), Some('\'')) => 2 + inner.len_utf8(),
        _ => 0,
    }
}

/// Blanks `#[cfg(test)] mod … { … }`.
fn without_tests(code: &str) -> String {
    let mut kept = code.to_owned();
    let mut from = 0;
    while let Some(at) = kept[from..].find("#[cfg(test)]").map(|at| from + at) {
        from = at + "#[cfg(test)]".len();
        let item = kept[from..].trim_start();
        let is_module = item.starts_with("mod ") || item.starts_with("pub mod ") || item.starts_with("pub(crate) mod ");
        let Some(open) = kept[from..].find('{').map(|open| from + open) else { break };
        if !is_module || kept[from..open].contains(';') {
            continue;
        }
        let mut level = 0usize;
        let mut end = kept.len();
        for (index, character) in kept[open..].char_indices() {
            match character {
                '{' => level += 1,
                '}' => level -= 1,
                _ => {}
            }
            if level == 0 {
                end = open + index + 1;
                break;
            }
        }
        let blank: String = kept[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        kept.replace_range(at..end, &blank);
    }
    kept
}

/// The checker itself: each rule catches what it is for, and nothing else.
#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod self_test {
    use super::{Source, check};

    const ARCHITECTURE: &str = "`net`, `auth`, auth/, `store`, `gateway`, tailnet/, `secret`, `agent`, `sessions`";

    fn faults(path: &str, text: &str) -> Vec<String> {
        check(&[Source { path: path.into(), text: text.into() }], ARCHITECTURE)
    }

    #[track_caller]
    fn assert_fault(path: &str, text: &str, place: &str, part: &str) {
        let faults = faults(path, text);
        assert_eq!(faults.len(), 1, "{text}: {faults:?}");
        assert!(faults[0].starts_with(place) && faults[0].contains(part), "{}", faults[0]);
    }

    #[test]
    fn downward_uses_pass() {
        let text = "use crate::net::Peer;\nuse crate::{secret::Secret, store};\nuse super::super::net;\n";
        assert_eq!(faults("src/auth/device.rs", text), Vec::<String>::new());
    }

    #[test]
    fn upward_uses_are_caught_in_every_spelling() {
        let (upward, from) = ("`net` (layer 1) uses `auth` (layer 2)", "src/net/peer.rs");
        assert_fault(from, "\nuse crate::auth::Caller;", "src/net/peer.rs:2:", upward);
        assert_fault(from, "fn f(caller: &crate::auth::Caller) {}", "src/net/peer.rs:1:", upward);
        assert_fault(
            from,
            "use crate::{\n    secret::{Secret, x},\n    auth::Caller,\n};",
            "src/net/peer.rs:3:",
            upward,
        );
        assert_fault(from, "use super::super::auth::Caller;", "src/net/peer.rs:1:", upward);
        assert_fault("src/net/mod.rs", "use super::auth;", "src/net/mod.rs:1:", upward);
    }

    #[test]
    fn uses_within_a_layer_need_a_listed_reason() {
        assert_eq!(faults("src/tailnet/listener.rs", "use crate::net::Peer;"), Vec::<String>::new());
        assert_fault("src/net/bind.rs", "use crate::tailnet::Node;", "src/net/bind.rs:1:", "of its own layer 1");
    }

    #[test]
    fn comments_text_and_tests_do_not_count() {
        let text = r##"
            // use crate::auth::Caller; unsafe
            /* crate::gateway /* nested crate::gateway */ unsafe */
            const A: &str = "crate::auth \" unsafe";
            const B: &str = r#"crate::auth " unsafe"#;
            const C: (char, u8) = ('"', b'\'');
            fn f<'a>(x: &'a str) -> &'a str { x }
            #[cfg(test)]
            mod tests {
                use crate::auth::Caller;
                fn g() { unsafe {} }
            }
        "##;
        assert_eq!(faults("src/net/peer.rs", text), Vec::<String>::new());
        let after = format!("{text}\nuse crate::auth::Caller;\n");
        assert_eq!(faults("src/net/peer.rs", &after).len(), 1);
    }

    #[test]
    fn unsafe_code_has_one_file() {
        assert_fault("src/net/peer.rs", "fn f() {\n    unsafe { g() }\n}", "src/net/peer.rs:2:", "src/tailnet/sys.rs");
        assert_eq!(faults("src/tailnet/sys.rs", "unsafe fn f() {}"), Vec::<String>::new());
        assert_eq!(faults("src/net/peer.rs", "#![forbid(unsafe_code)]"), Vec::<String>::new());
    }

    #[test]
    fn modules_without_a_layer_or_a_word_in_the_architecture_are_caught() {
        assert_fault("src/helpers/mod.rs", "", "src/helpers/mod.rs:", "has no layer");
        assert_fault("src/channels/mod.rs", "", "ARCHITECTURE.md", "`channels`");
    }

    #[test]
    fn long_files_are_caught() {
        assert_fault("src/net/peer.rs", &"\n".repeat(601), "src/net/peer.rs:", "601 lines");
        assert_eq!(faults("src/net/peer.rs", &"\n".repeat(600)), Vec::<String>::new());
    }
}
