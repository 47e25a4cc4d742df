//! What a client says it is, as far as pairing goes by it.

use crate::protocol::devices::{DeviceFacts, SetupAccess};
use crate::protocol::handshake::{ClientId, ClientInfo, ClientMode};

/// An app of a phone or a desktop with a window of its own.
pub(super) const fn is_native_app(client: &ClientInfo) -> bool {
    matches!(client.mode, ClientMode::Ui)
        && matches!(
            client.id,
            ClientId::OpenclawMacos | ClientId::OpenclawLinux | ClientId::OpenclawIos | ClientId::OpenclawAndroid
        )
}

/// Whether the platform or the family differs from what the approval was for. A newer version of the same system is
/// no difference.
pub(super) fn has_changed(approved: &DeviceFacts, client: &ClientInfo) -> bool {
    let (was, is) = (normal(&approved.platform), normal(&client.platform));
    let platform = !was.is_empty() && was != is && !is_same_system(client, &was, &is);
    let was = normal(approved.device_family.as_deref().unwrap_or_default());
    let family = !was.is_empty() && was != normal(client.device_family.as_deref().unwrap_or_default());
    platform || family
}

/// Whether a client of this kind may redeem such a code without a further approval.
pub(super) fn may_redeem(access: SetupAccess, client: &ClientInfo) -> bool {
    let platform = normal(&client.platform);
    let family = normal(client.device_family.as_deref().unwrap_or_default());
    let system = first_word(&platform);
    match (access, client.id) {
        (SetupAccess::Node, id) => id == ClientId::NodeHost,
        (_, ClientId::OpenclawAndroid) => system == "android" && family == "android",
        (_, ClientId::OpenclawIos) => {
            matches!(system, "ios" | "ipados") && matches!(family.as_str(), "iphone" | "ipad" | "ios")
        }
        _ => false,
    }
}

fn is_same_system(client: &ClientInfo, was: &str, is: &str) -> bool {
    let system = |platform: &str| match first_word(platform) {
        "ipados" => "ios".to_owned(),
        // What Node.js calls them.
        "darwin" => "macos".to_owned(),
        "win32" => "windows".to_owned(),
        other => other.to_owned(),
    };
    let may_move = match client.id {
        ClientId::OpenclawIos => matches!(first_word(is), "ios" | "ipados"),
        ClientId::OpenclawAndroid => first_word(is) == "android",
        ClientId::OpenclawWatchos => first_word(is) == "watchos",
        ClientId::OpenclawMacos => matches!(first_word(is), "macos" | "darwin"),
        ClientId::NodeHost => client.mode == ClientMode::Node,
        _ => false,
    };
    may_move && system(was) == system(is)
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

fn normal(text: &str) -> String {
    text.trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn client(id: &str, platform: &str, family: &str) -> ClientInfo {
        serde_json::from_value(
            json!({ "id": id, "version": "1", "platform": platform, "mode": "node", "deviceFamily": family }),
        )
        .unwrap()
    }

    fn changed(id: &str, was: &str, is: &str) -> bool {
        let facts = DeviceFacts {
            device_id: String::new(),
            public_key: String::new(),
            display_name: None,
            platform: was.into(),
            device_family: None,
            client_id: id.into(),
            client_mode: "node".into(),
            browser_origin: None,
            remote_ip: None,
        };
        has_changed(&facts, &client(id, is, ""))
    }

    #[test]
    fn a_newer_version_is_no_change_and_another_system_is() {
        assert!(!changed("openclaw-ios", "ios 17.1", "iPadOS 18"));
        assert!(!changed("node-host", "darwin", "macos"));
        assert!(!changed("cli", "Linux", " linux "));
        assert!(!changed("cli", "", "linux"));
        assert!(changed("cli", "linux", "darwin"));
        assert!(changed("cli", "linux 6", "linux 7"));
        assert!(changed("openclaw-ios", "ios 17.1", "android 14"));
    }

    #[test]
    fn a_setup_code_is_for_phones_and_that_of_a_node_for_node_hosts() {
        assert!(may_redeem(SetupAccess::Full, &client("openclaw-ios", "iOS 18.2", "iPhone")));
        assert!(may_redeem(SetupAccess::Limited, &client("openclaw-android", "android 14", "Android")));
        assert!(!may_redeem(SetupAccess::Full, &client("openclaw-ios", "linux", "iPhone")));
        assert!(!may_redeem(SetupAccess::Full, &client("node-host", "linux", "Linux")));
        assert!(may_redeem(SetupAccess::Node, &client("node-host", "linux", "Linux")));
        assert!(!may_redeem(SetupAccess::Node, &client("openclaw-ios", "ios 18", "iphone")));
    }
}
