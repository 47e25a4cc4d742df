//! The end of the node's key: told in time, once a step in the log, and all the time where people look.
//!
//! The control server's clock decides, as it is its word that ends the key. Where that is not known this machine's does.

use std::time::Duration;

use crate::clock::now_ms;
use crate::protocol::system::TailnetHealth;
use crate::tailnet::expiry::{NOTABLE_SKEW_MS, Notice, outlook};

/// A clock may be set meanwhile, here or there. To look costs next to nothing.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// Where the next notice begins.
const STEPS_MS: [i64; 4] = [14 * 86_400_000, 3 * 86_400_000, 86_400_000, 0];

/// What was told of one key.
#[derive(Debug, Default)]
pub(super) struct Expiry {
    key_expiry: Option<String>,
    told: Option<Notice>,
    told_skew: bool,
}

impl Expiry {
    /// Adds to the view what there is to say of the key, logs what is new, and returns when to look again.
    /// `offset_ms`: how far the control server's clock is ahead, where it has told its time.
    pub(super) fn add_to(&mut self, view: &mut TailnetHealth, offset_ms: Option<i64>) -> Duration {
        let skew = offset_ms.filter(|offset| offset.abs() >= NOTABLE_SKEW_MS);
        self.tell_skew(skew, view);
        if view.state == "Running" {
            if self.key_expiry != view.key_expiry {
                // Another key, or another end of the same.
                self.told = None;
            }
            self.key_expiry.clone_from(&view.key_expiry);
        }
        let Some(expiry) = self.key_expiry.clone() else { return LONGEST_PAUSE };
        let now = i64::try_from(now_ms()).unwrap_or(i64::MAX).saturating_add(offset_ms.unwrap_or(0));
        let Some(outlook) = outlook(&expiry, now) else { return LONGEST_PAUSE };
        let is_over = outlook.notice == Some(Notice::Expired);
        if view.state == "Running" || is_over && view.state == "NeedsLogin" {
            view.key_expiry = Some(expiry.clone());
            view.key_expiry_notice = outlook.notice.map(Notice::name);
            if let Some(notice) = outlook.notice {
                let sentence = sentence(&expiry, outlook.remaining_ms, skew.is_some());
                if self.told < Some(notice) {
                    tracing::warn!(notice = notice.name(), "{sentence}");
                    self.told = Some(notice);
                }
                view.warnings.push(sentence);
            }
        }
        until_next_step(outlook.remaining_ms)
    }

    fn tell_skew(&mut self, skew: Option<i64>, view: &mut TailnetHealth) {
        view.clock_offset_ms = skew;
        let Some(offset) = skew else {
            self.told_skew = false;
            return;
        };
        let direction = if offset > 0 { "behind" } else { "ahead of" };
        let sentence = format!(
            "this machine's clock is {} {direction} the control server's: set it right, as with `timedatectl set-ntp true`",
            span(offset.abs())
        );
        if !std::mem::replace(&mut self.told_skew, true) {
            tracing::warn!("{sentence}");
        }
        view.warnings.push(sentence);
    }
}

fn sentence(expiry: &str, remaining_ms: i64, has_skew: bool) -> String {
    let by = if has_skew { ", by the control server's clock" } else { "" };
    let when = if remaining_ms > 0 {
        format!("ends in {} ({expiry}{by})", span(remaining_ms))
    } else {
        format!("has ended ({expiry}{by})")
    };
    format!("the login of the tailnet node {when}: renew it with `tailclaw login`, while the gateway runs")
}

fn until_next_step(remaining_ms: i64) -> Duration {
    let next = STEPS_MS.into_iter().find(|step| *step < remaining_ms).map(|step| remaining_ms.saturating_sub(step));
    let pause = next.and_then(|pause| u64::try_from(pause).ok()).map_or(LONGEST_PAUSE, Duration::from_millis);
    pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
}

/// The unit that tells it best, to the nearest: `13 days`, `47 h`, `12 min`.
fn span(milliseconds: i64) -> String {
    let minutes = (milliseconds + 30_000) / 60_000;
    let hours = (minutes + 30) / 60;
    if hours > 72 {
        format!("{} days", (hours + 12) / 24)
    } else if hours > 2 {
        format!("{hours} h")
    } else {
        format!("{minutes} min")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn running(remaining_ms: i64) -> TailnetHealth {
        let end =
            chrono::DateTime::<chrono::Utc>::from_timestamp_millis(i64::try_from(now_ms()).unwrap() + remaining_ms);
        TailnetHealth { state: "Running", key_expiry: Some(end.unwrap().to_rfc3339()), ..TailnetHealth::default() }
    }

    #[test]
    fn the_view_says_it_each_time_and_the_log_once() {
        let mut expiry = Expiry::default();
        let far = running(20 * DAY);
        let mut view = far.clone();
        expiry.add_to(&mut view, None);
        assert_eq!((view.key_expiry_notice, view.warnings.len(), expiry.told), (None, 0, None));
        let near = running(2 * DAY + 60_000);
        for _ in 0..2 {
            let mut view = near.clone();
            expiry.add_to(&mut view, None);
            assert_eq!(view.key_expiry_notice, Some("3d"));
            assert!(view.warnings[0].contains("ends in 48 h"), "{}", view.warnings[0]);
            assert_eq!(expiry.told, Some(Notice::ThreeDays));
        }
        // Renewed: all steps may come again.
        expiry.add_to(&mut far.clone(), None);
        assert_eq!(expiry.told, None);
    }

    #[test]
    fn the_control_servers_clock_decides() {
        let mut view = running(2 * DAY + 60_000);
        let mut expiry = Expiry::default();
        expiry.add_to(&mut view, Some(DAY));
        assert_eq!(view.key_expiry_notice, Some("3d"));
        assert_eq!(view.clock_offset_ms, Some(DAY));
        assert!(view.warnings[0].contains("24 h behind the control server's"), "{:?}", view.warnings);
        assert!(view.warnings[1].contains("ends in 24 h") && view.warnings[1].contains("control server's clock"));
        let mut view = running(DAY / 2);
        expiry.add_to(&mut view, Some(-20 * DAY));
        assert_eq!(view.key_expiry_notice, None);
        assert!(view.warnings[0].contains("20 days ahead of"), "{:?}", view.warnings);
        // A second's difference is nothing.
        let mut view = running(20 * DAY);
        expiry.add_to(&mut view, Some(900));
        assert_eq!((view.clock_offset_ms, view.warnings.len()), (None, 0));
    }

    #[test]
    fn an_ended_key_is_told_when_the_node_has_gone() {
        let mut expiry = Expiry::default();
        expiry.add_to(&mut running(-1_000), None);
        let mut view = TailnetHealth { state: "NeedsLogin", ..TailnetHealth::default() };
        expiry.add_to(&mut view, None);
        assert_eq!(view.key_expiry_notice, Some("expired"));
        assert!(view.key_expiry.is_some());
    }

    #[test]
    fn the_next_look_is_at_the_next_step() {
        assert_eq!(until_next_step(14 * DAY + 5_000), Duration::from_secs(5));
        assert_eq!(until_next_step(DAY + 20_000), Duration::from_secs(20));
        assert_eq!([span(13 * DAY + 1), span(DAY), span(90_000)], ["13 days", "24 h", "2 min"]);
        assert_eq!(until_next_step(3 * DAY), LONGEST_PAUSE);
        assert_eq!(until_next_step(10), SHORTEST_PAUSE);
        assert_eq!(until_next_step(-5), LONGEST_PAUSE);
    }
}
