//! Inputs for the parsers of what peers send: almost right, and broken where it may hurt.
//!
//! A target is a unit test called `fuzz_*` beside its parser. It says what has to hold for every input, be it only that
//! nothing panics and nothing takes long. Inputs are grown from seeds with a fixed seed of the dice, so a run can be
//! repeated; one that fails is made smaller first and then printed.
//!
//! `TAILCLAW_FUZZ_CASES` is how many inputs a target is given, `TAILCLAW_FUZZ_SEED` throws other dice.

use std::fmt::{self, Debug};
use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Map, Number, Value};

/// Beside the other unit tests; `tests/run` asks for more.
const USUAL_CASES: u32 = 200;
/// An input that takes longer has found something, also on a busy machine.
const SLOW: Duration = Duration::from_secs(5);

/// What parsers stumble over.
const TOKENS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e309",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"0.1",
    b"\\u0000",
    b"\\ud800",
    b"\\udfff",
    b"\0",
    b"\r\n",
    b"\n",
    b"\t",
    b" ",
    b"%",
    b"%00",
    b"%ff",
    b"..",
    b"/",
    b"//",
    b"*",
    b"?",
    b"#",
    b"@",
    b"=",
    b";",
    b"-",
    b"+",
    b"|",
    b"'",
    b"/*",
    b"$include",
    b"${",
    b"{{",
    b"}}",
    b"__proto__",
    b"\xff",
    b"\xc3",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",
    b"\xf0\x9f\xa6\x80",
    b"[::1]",
    b"127.0.0.1",
    b"0x7f.1",
    b"BEGIN",
    b"data:",
    b";base64,",
    b"==",
    b"\x81\xff",
];

/// Texts that are legal and seldom thought of.
const WORDS: &[&str] = &[
    "",
    " ",
    "\0",
    "..",
    "null",
    "agent:",
    ":",
    "agent:main:main",
    "a\u{301}",
    "\u{202e}",
    "\u{feff}",
    "\u{10ffff}",
    "__proto__",
    "${HOME}",
    "99999999999999999999",
    "-1",
    "1e999",
    "[::1]:0",
    "main",
    "operator.admin",
];

/// Bytes grown from these.
pub(crate) fn fuzz(seeds: &[&[u8]], target: impl Fn(&[u8])) {
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.to_vec()).collect();
    run(mutated(seeds), 1, |input| target(&input.0));
}

/// Texts grown from these.
pub(crate) fn fuzz_text(seeds: &[&str], target: impl Fn(&str)) {
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    run(mutated(seeds), 1, |input| target(&String::from_utf8_lossy(&input.0)));
}

/// JSON values grown from these texts by putting other values into their places.
pub(crate) fn fuzz_json(seeds: &[&str], target: impl Fn(&Value)) {
    let seeds: Vec<Value> = seeds.iter().map(|seed| serde_json::from_str(seed).expect("a seed is JSON")).collect();
    let mut words = Vec::new();
    seeds.iter().for_each(|seed| words_of(seed, &mut words));
    let change = (any::<Index>(), json(&words));
    let grown = (select(seeds), vec(change, 0..5)).prop_map(|(mut value, changes)| {
        for (place, other) in changes {
            let count = places(&mut value, &mut usize::MAX.clone(), &Value::Null);
            places(&mut value, &mut place.index(count), &other);
        }
        value
    });
    run(grown, 1, |value| target(value));
}

/// JSON objects with these keys and texts. `share`: of so many targets that belong together.
pub(crate) fn fuzz_objects(words: &[String], share: u32, target: impl Fn(&Value)) {
    let object = vec((word(words), json(words)), 0..8).prop_map(|entries| Value::Object(entries.into_iter().collect()));
    run(object, share, |value| target(value));
}

fn run<S: Strategy>(inputs: S, share: u32, target: impl Fn(&S::Value)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let cases = number("TAILCLAW_FUZZ_CASES").map_or(USUAL_CASES, |cases: u64| cases.try_into().unwrap_or(u32::MAX));
    let config = Config {
        cases: (cases / share).max(8),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(number("TAILCLAW_FUZZ_SEED").unwrap_or(4)),
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&inputs, |input| {
        let begun = Instant::now();
        target(&input);
        prop_assert!(begun.elapsed() < SLOW, "it took {:?}", begun.elapsed());
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

/// Shown as a byte string of Rust, to be made a seed.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl Debug for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "b\"{}\"", self.0.escape_ascii())
    }
}

#[derive(Debug, Clone)]
enum Mutation {
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    /// A piece, so many times more.
    Repeat(Index, usize, usize),
    Overwrite(Index, u8),
    /// The rest becomes that of another seed.
    Splice(Index, Index, Index),
}

fn mutated(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Bytes> {
    let token = prop_oneof![
        6 => select(TOKENS.iter().map(|token| token.to_vec()).collect::<Vec<_>>()),
        1 => vec(any::<u8>(), 1..9),
    ];
    let mutation = prop_oneof![
        4 => (any::<Index>(), token).prop_map(|(at, token)| Mutation::Insert(at, token)),
        2 => (any::<Index>(), 1..16_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        1 => (any::<Index>(), 1..12_usize, 1..200_usize).prop_map(|(at, length, times)| Mutation::Repeat(at, length, times)),
        2 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Overwrite(at, byte)),
        1 => any::<(Index, Index, Index)>().prop_map(|(at, seed, from)| Mutation::Splice(at, seed, from)),
    ];
    let all = seeds.clone();
    (select(seeds), vec(mutation, 0..7)).prop_map(move |(mut bytes, mutations)| {
        for mutation in &mutations {
            mutation.apply(&mut bytes, &all);
        }
        Bytes(bytes)
    })
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let piece = |at: &Index, length: usize| {
            let start = at.index(bytes.len() + 1);
            start..bytes.len().min(start + length)
        };
        match self {
            Self::Insert(at, token) => {
                let start = piece(at, 0);
                bytes.splice(start, token.iter().copied());
            }
            Self::Remove(at, length) => {
                let range = piece(at, *length);
                bytes.drain(range);
            }
            Self::Repeat(at, length, times) => {
                let range = piece(at, *length);
                let more = bytes[range.clone()].repeat(*times);
                bytes.splice(range.end..range.end, more);
            }
            Self::Overwrite(at, byte) if !bytes.is_empty() => {
                let place = at.index(bytes.len());
                bytes[place] = *byte;
            }
            Self::Overwrite(..) => {}
            Self::Splice(at, seed, from) => {
                let other = &seeds[seed.index(seeds.len())];
                let start = piece(at, 0).start;
                bytes.truncate(start);
                bytes.extend(&other[from.index(other.len() + 1)..]);
            }
        }
    }
}

fn word(words: &[String]) -> BoxedStrategy<String> {
    let usual: Vec<String> = WORDS.iter().map(|word| (*word).to_owned()).collect();
    let known = if words.is_empty() { usual.clone() } else { words.to_vec() };
    prop_oneof![8 => select(known), 2 => select(usual), 1 => any::<String>()].boxed()
}

fn json(words: &[String]) -> BoxedStrategy<Value> {
    let whole = [0, 1, -1, 9_007_199_254_740_993, i64::MAX, i64::MIN, 1_795_244_400_000];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        select(whole.to_vec()).prop_map(Value::from),
        Just(Value::from(u64::MAX)),
        any::<f64>().prop_map(|number| Number::from_f64(number).map_or(Value::Null, Value::Number)),
        word(words).prop_map(Value::String),
        word(words).prop_map(Value::String),
    ];
    let key = word(words);
    leaf.prop_recursive(4, 24, 6, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            vec((key.clone(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
    .boxed()
}

/// The keys and texts of a value.
pub(crate) fn words_of(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::String(text) => words.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| words_of(item, words)),
        Value::Object(entries) => {
            for (key, value) in entries {
                words.push(key.clone());
                words_of(value, words);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Counts the values inside of one, itself too, and puts `other` into the place where `left` comes to nothing.
fn places(value: &mut Value, left: &mut usize, other: &Value) -> usize {
    if *left == 0 {
        *left = usize::MAX;
        *value = other.clone();
        return 1;
    }
    *left = left.saturating_sub(1);
    1 + match value {
        Value::Array(items) => items.iter_mut().map(|item| places(item, left, other)).sum(),
        Value::Object(entries) => entries.values_mut().map(|entry| places(entry, left, other)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}
