//! What kind of machine a node is, by what it says of itself. Only platform and family together are believed: what a
//! node may have by default depends on it.

use crate::protocol::handshake::{ClientId, ClientInfo, ClientMode};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Platform {
    Ios,
    Watchos,
    Android,
    Macos,
    Windows,
    Linux,
    Unknown,
}

impl Platform {
    pub(super) fn of(client: &ClientInfo) -> Self {
        let platform = normalised(&client.platform);
        let family = normalised(client.device_family.as_deref().unwrap_or_default());
        // The node host names its platform as Node.js does.
        let platform = match (client.id, client.mode, platform.as_str()) {
            (ClientId::NodeHost, ClientMode::Node, "darwin") => "macos".to_owned(),
            (ClientId::NodeHost, ClientMode::Node, "win32") => "windows".to_owned(),
            _ => platform,
        };
        let named = match platform.as_str() {
            "" => return Self::by_family(&family),
            "ios" => Self::Ios,
            "watchos" => Self::Watchos,
            "android" => Self::Android,
            "macos" => Self::Macos,
            "windows" => Self::Windows,
            "linux" => Self::Linux,
            labelled => {
                return Self::by_label(labelled).filter(|named| named.has(&family, false)).unwrap_or(Self::Unknown);
            }
        };
        if named.has(&family, true) { named } else { Self::Unknown }
    }

    /// Apps name themselves with their system's version: `iOS 18.2`, `Android 14 (SDK 34)`.
    fn by_label(label: &str) -> Option<Self> {
        let (name, version) = label.split_once(' ')?;
        let named = match name {
            "ios" | "ipados" => Self::Ios,
            "watchos" => Self::Watchos,
            "macos" => Self::Macos,
            "android" => Self::Android,
            _ => return None,
        };
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_version = if named == Self::Android {
            let (number, sdk) = version.split_once(' ').unwrap_or((version, "(sdk 0)"));
            is_number(number)
                && sdk.strip_prefix("(sdk ").and_then(|rest| rest.strip_suffix(')')).is_some_and(is_number)
        } else {
            version.split('.').all(is_number) && version.split('.').count() <= 3
        };
        is_version.then_some(named)
    }

    fn by_family(family: &str) -> Self {
        let rules: [(Self, &[&str]); 6] = [
            (Self::Ios, &["iphone", "ipad", "ios"]),
            (Self::Watchos, &["apple watch", "watchos"]),
            (Self::Android, &["android"]),
            (Self::Macos, &["mac"]),
            (Self::Windows, &["windows"]),
            (Self::Linux, &["linux"]),
        ];
        let found = rules.into_iter().find(|(_, words)| words.iter().any(|word| family.contains(word)));
        found.map_or(Self::Unknown, |(named, _)| named)
    }

    /// Whether a machine of that family runs it. Phones that name their platform alone may leave the family out.
    fn has(self, family: &str, may_be_absent: bool) -> bool {
        match self {
            Self::Ios => matches!(family, "iphone" | "ipad" | "ios") || (may_be_absent && family.is_empty()),
            Self::Watchos => matches!(family, "apple watch" | "watchos"),
            Self::Android => family == "android" || (may_be_absent && family.is_empty()),
            Self::Macos => family == "mac",
            Self::Windows => family == "windows",
            Self::Linux => family == "linux",
            Self::Unknown => false,
        }
    }
}

fn normalised(text: &str) -> String {
    text.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: &str, platform: &str, family: &str) -> ClientInfo {
        let value = serde_json::json!({
            "id": id, "version": "1", "mode": "node", "platform": platform, "deviceFamily": family,
        });
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn platform_and_family_have_to_go_together() {
        for (id, platform, family, is) in [
            ("node-host", "linux", "Linux", Platform::Linux),
            ("node-host", "linux", "", Platform::Unknown),
            ("node-host", "linux", "Mac", Platform::Unknown),
            ("node-host", "darwin", "Mac", Platform::Macos),
            ("openclaw-macos", "darwin", "Mac", Platform::Unknown),
            ("node-host", "win32", "Windows", Platform::Windows),
            ("openclaw-ios", "iOS 18.2", "iPhone", Platform::Ios),
            ("openclaw-ios", "iOS 18.2", "", Platform::Unknown),
            ("openclaw-ios", "iOS 18.2; linux", "iPhone", Platform::Unknown),
            ("openclaw-ios", "ios", "", Platform::Ios),
            ("openclaw-macos", "macOS 15.1", "Mac", Platform::Macos),
            ("openclaw-android", "Android 14 (SDK 34)", "Android", Platform::Android),
            ("openclaw-android", "Android fourteen", "Android", Platform::Unknown),
            ("openclaw-watchos", "watchOS 11.0", "Apple Watch", Platform::Watchos),
            ("node-host", "", "Linux box", Platform::Linux),
            ("node-host", "plan9", "Linux", Platform::Unknown),
        ] {
            assert_eq!(Platform::of(&client(id, platform, family)), is, "{id} {platform:?} {family:?}");
        }
    }
}
