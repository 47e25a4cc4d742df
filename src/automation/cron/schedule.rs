//! When a job is due.

use std::str::FromStr;

use chrono::{DateTime, Local, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use sha2::{Digest, Sha256};

use crate::automation::Error;
use crate::protocol::cron::Schedule;

/// A time that is over by no more than this still counts: messages take a moment.
const GRACE_MS: i64 = 60_000;
const YEAR_MS: i64 = 31_557_600_000;
const MAX_YEARS: i64 = 10;
/// Longest expression, in bytes.
const MAX_EXPRESSION: usize = 256;
/// The largest time that JavaScript's clients can hold.
const MAX_MS: u64 = 8_640_000_000_000_000;

/// Checks a schedule that was asked for at `now` and writes it the one way: times in UTC, an anchor for intervals.
pub(super) fn normalised(schedule: Schedule, now: u64) -> Result<Schedule, Error> {
    match schedule {
        Schedule::At { at } => {
            let time = parse_time(&at)?;
            check_distance(time, now)?;
            Ok(Schedule::At { at: iso(time) })
        }
        Schedule::Every { every_ms, anchor_ms } => {
            if every_ms == 0 || every_ms > MAX_MS {
                return Err(Error::Invalid("at /schedule/everyMs: must be >= 1".to_owned()));
            }
            Ok(Schedule::Every { every_ms, anchor_ms: Some(anchor_ms.unwrap_or(now)) })
        }
        Schedule::Cron { expr, tz, stagger_ms } => {
            parse_expression(&expr)?;
            let tz = tz.map(|tz| tz.trim().to_owned()).filter(|tz| !tz.is_empty());
            if let Some(tz) = &tz {
                parse_zone(tz)?;
            }
            Ok(Schedule::Cron { expr: expr.trim().to_owned(), tz, stagger_ms })
        }
    }
}

/// The first time after `now`; `None` when there is none.
pub(super) fn next_after(schedule: &Schedule, job_id: &str, now: u64) -> Option<u64> {
    match schedule {
        Schedule::At { at } => {
            let time = u64::try_from(parse_time(at).ok()?.timestamp_millis()).ok()?;
            (time > now).then_some(time)
        }
        Schedule::Every { every_ms, anchor_ms } => {
            let (every, anchor) = ((*every_ms).max(1), anchor_ms.unwrap_or(now));
            if anchor > now {
                return Some(anchor);
            }
            let rounds = (now - anchor) / every + 1;
            rounds.checked_mul(every)?.checked_add(anchor).filter(|time| *time <= MAX_MS)
        }
        Schedule::Cron { expr, tz, stagger_ms } => {
            let offset = stagger(job_id, stagger_ms.unwrap_or(0));
            // The one whose staggered time is still to come may have its own time behind it.
            let from = i64::try_from(now.saturating_sub(offset)).ok()?;
            let next = match tz {
                Some(tz) => next_in(expr, parse_zone(tz).ok()?, from),
                None => next_in(expr, Local, from),
            };
            next?.checked_add(offset)
        }
    }
}

fn next_in<Z: TimeZone>(expression: &str, zone: Z, from: i64) -> Option<u64> {
    // Whole seconds: croner carries a fraction over into what it finds.
    let from = zone.timestamp_opt(from.div_euclid(1_000), 0).single()?;
    let next = parse_expression(expression).ok()?.find_next_occurrence(&from, false).ok()?;
    u64::try_from(next.timestamp_millis()).ok()
}

/// A job's own delay within its window, the same at every run.
fn stagger(job_id: &str, window: u64) -> u64 {
    let digest = Sha256::digest(job_id.as_bytes());
    let number = digest.iter().take(4).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    number.checked_rem(window).unwrap_or(0)
}

fn parse_expression(text: &str) -> Result<croner::Cron, Error> {
    if text.len() > MAX_EXPRESSION {
        return Err(Error::Invalid(format!("at /schedule/expr: longer than {MAX_EXPRESSION} bytes")));
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Optional).build();
    parser.parse(text.trim()).map_err(|error| Error::Invalid(format!("CronPattern: {error}")))
}

fn parse_zone(name: &str) -> Result<Tz, Error> {
    Tz::from_str(name).map_err(|_| Error::Invalid(format!("CronDate: Invalid time zone specified: {name}")))
}

fn parse_time(text: &str) -> Result<DateTime<Utc>, Error> {
    let text = text.trim();
    let naive = || NaiveDateTime::from_str(text).or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S"));
    let midnight = || NaiveDate::from_str(text).ok().and_then(|date| date.and_hms_opt(0, 0, 0));
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Utc))
        .ok()
        .or_else(|| naive().ok().or_else(midnight).map(|time| time.and_utc()))
        .ok_or_else(|| Error::Schedule(format!("Invalid schedule.at: expected ISO-8601 timestamp (got {text})")))
}

fn check_distance(time: DateTime<Utc>, now: u64) -> Result<(), Error> {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let ahead = time.timestamp_millis().saturating_sub(now);
    if ahead < -GRACE_MS {
        let current = DateTime::from_timestamp_millis(now).map(iso).unwrap_or_default();
        return Err(Error::Schedule(format!(
            "schedule.at is in the past: {} ({} minutes ago). Current time: {current}",
            iso(time),
            -ahead / 60_000
        )));
    }
    if ahead > MAX_YEARS * YEAR_MS {
        return Err(Error::Schedule(format!(
            "schedule.at is too far in the future: {} ({} years ahead). Maximum allowed: {MAX_YEARS} years",
            iso(time),
            ahead / YEAR_MS
        )));
    }
    Ok(())
}

fn iso(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21, a Saturday, 07:00 UTC.
    const NOW: u64 = 1_795_244_400_000;

    fn cron(expr: &str, tz: &str, stagger_ms: Option<u64>) -> Schedule {
        Schedule::Cron { expr: expr.to_owned(), tz: Some(tz.to_owned()), stagger_ms }
    }

    #[test]
    fn expressions_follow_their_zone_and_its_summer_time() {
        let next = |schedule: &Schedule, now| next_after(schedule, "job", now);
        // Monday nine o'clock in Berlin is eight in UTC, in winter.
        assert_eq!(next(&cron("0 9 * * 1", "Europe/Berlin", None), NOW + 123), Some(1_795_420_800_000));
        let july = 1_783_000_000_000;
        let nine = next(&cron("0 9 * * *", "Europe/Berlin", None), july).unwrap();
        assert_eq!(nine % 86_400_000, 7 * 3_600_000, "seven in UTC, in summer");
        assert_eq!(next(&cron("*/10 * * * * *", "UTC", None), NOW), Some(NOW + 10_000));
        assert_eq!(next(&cron("0 0 30 2 *", "UTC", None), NOW), None, "there is no such day");
    }

    #[test]
    fn a_staggered_job_keeps_its_own_minute() {
        let schedule = cron("0 * * * *", "UTC", Some(300_000));
        let first = next_after(&schedule, "job", NOW - 1).unwrap();
        assert!((NOW..NOW + 300_000).contains(&first));
        assert_eq!(next_after(&schedule, "job", first - 1), Some(first));
        assert_eq!(next_after(&schedule, "job", first), Some(first + 3_600_000));
    }

    #[test]
    fn intervals_count_from_their_anchor() {
        let schedule = Schedule::Every { every_ms: 1_000, anchor_ms: Some(NOW - 2_500) };
        assert_eq!(next_after(&schedule, "job", NOW), Some(NOW + 500));
        assert_eq!(next_after(&schedule, "job", NOW + 500), Some(NOW + 1_500));
        let later = Schedule::Every { every_ms: u64::MAX, anchor_ms: Some(0) };
        assert_eq!(next_after(&later, "job", NOW), None);
    }

    #[test]
    fn times_are_near_and_to_come() {
        let at = |at: &str| normalised(Schedule::At { at: at.to_owned() }, NOW).map_err(|error| error.to_string());
        assert_eq!(
            at("2026-12-01T00:00:00+01:00").unwrap(),
            Schedule::At { at: "2026-11-30T23:00:00.000Z".to_owned() }
        );
        assert_eq!(at("2026-12-01").unwrap(), Schedule::At { at: "2026-12-01T00:00:00.000Z".to_owned() });
        assert_eq!(at("tomorrow").unwrap_err(), "Invalid schedule.at: expected ISO-8601 timestamp (got tomorrow)");
        assert!(
            at("2020-01-01T00:00:00Z")
                .unwrap_err()
                .starts_with("schedule.at is in the past: 2020-01-01T00:00:00.000Z (")
        );
        assert!(at("2099-01-01T00:00:00Z").unwrap_err().ends_with("Maximum allowed: 10 years"));
    }

    #[test]
    fn nonsense_is_refused() {
        for schedule in [
            cron("bogus", "UTC", None),
            cron("* * * * *", "No/Where", None),
            cron(&"1,".repeat(200), "UTC", None),
            Schedule::Every { every_ms: 0, anchor_ms: None },
        ] {
            assert!(normalised(schedule.clone(), NOW).is_err(), "{schedule:?}");
        }
    }

    /// What was taken has a next time after now, or none; and is taken again as it was written.
    #[test]
    fn fuzz_schedules() {
        let seeds = ["0 9 * * 1-5", "*/5 * * * *", "0 0 29 2 *", "@daily", "15 10 L * ?", "2026-12-01T09:00:00+01:00"];
        crate::fuzz::fuzz_text(&seeds, |text| {
            let zone = text.split(' ').next().map(str::to_owned);
            for schedule in [
                Schedule::Cron { expr: text.to_owned(), tz: None, stagger_ms: Some(1_000) },
                Schedule::Cron { expr: "0 9 * * *".to_owned(), tz: zone, stagger_ms: None },
                Schedule::At { at: text.to_owned() },
                Schedule::Every { every_ms: text.len() as u64, anchor_ms: text.parse().ok() },
            ] {
                let Ok(normal) = normalised(schedule, NOW) else { continue };
                assert!(next_after(&normal, "job", NOW).is_none_or(|next| next > NOW), "{normal:?}");
                assert!(normalised(normal, NOW).is_ok());
            }
        });
    }
}
