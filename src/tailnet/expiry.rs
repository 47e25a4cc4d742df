//! When the node's key ends, and how loudly to say so.

use chrono::{DateTime, TimeDelta, Utc};

/// How near the end is. The later, the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    FourteenDays,
    ThreeDays,
    OneDay,
    Expired,
}

impl Notice {
    /// A word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FourteenDays => "14d",
            Self::ThreeDays => "3d",
            Self::OneDay => "1d",
            Self::Expired => "expired",
        }
    }
}

/// The end of a key, seen from now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outlook {
    /// Below zero once it is over.
    pub remaining_ms: i64,
    pub notice: Option<Notice>,
}

/// `expiry` is RFC 3339, `now_ms` what the clock says that decides. `None` for a text that is no time.
#[must_use]
pub fn outlook(expiry: &str, now_ms: i64) -> Option<Outlook> {
    let expiry: DateTime<Utc> = DateTime::parse_from_rfc3339(expiry).ok()?.into();
    let remaining_ms = expiry.timestamp_millis().saturating_sub(now_ms);
    let within = |days: i64| remaining_ms <= TimeDelta::days(days).num_milliseconds();
    let notice = match () {
        () if remaining_ms <= 0 => Some(Notice::Expired),
        () if within(1) => Some(Notice::OneDay),
        () if within(3) => Some(Notice::ThreeDays),
        () if within(14) => Some(Notice::FourteenDays),
        () => None,
    };
    Some(Outlook { remaining_ms, notice })
}

/// A difference of clocks that changes what a person is told.
pub const NOTABLE_SKEW_MS: i64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn notice(remaining: i64) -> Option<Notice> {
        let now = 1_700_000_000_000;
        let expiry = DateTime::<Utc>::from_timestamp_millis(now + remaining).unwrap();
        let outlook = outlook(&expiry.to_rfc3339(), now).unwrap();
        assert_eq!(outlook.remaining_ms, remaining);
        outlook.notice
    }

    #[test]
    fn each_notice_begins_at_its_time() {
        assert_eq!(notice(15 * DAY), None);
        assert_eq!(notice(14 * DAY + 1), None);
        assert_eq!(notice(14 * DAY), Some(Notice::FourteenDays));
        assert_eq!(notice(3 * DAY + 1), Some(Notice::FourteenDays));
        assert_eq!(notice(3 * DAY), Some(Notice::ThreeDays));
        assert_eq!(notice(DAY + 1), Some(Notice::ThreeDays));
        assert_eq!(notice(DAY), Some(Notice::OneDay));
        assert_eq!(notice(1), Some(Notice::OneDay));
        assert_eq!(notice(0), Some(Notice::Expired));
        assert_eq!(notice(-400 * DAY), Some(Notice::Expired));
        assert!(Notice::FourteenDays < Notice::ThreeDays && Notice::OneDay < Notice::Expired);
    }

    #[test]
    fn what_is_no_time_has_no_end() {
        assert_eq!(outlook("", 0), None);
        assert_eq!(outlook("tomorrow", 0), None);
        assert!(outlook("9999-12-31T23:59:59Z", i64::MIN).is_some());
    }
}
