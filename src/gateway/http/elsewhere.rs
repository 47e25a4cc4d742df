//! Paths that the configuration chooses: hooks, what a page asks for beside its files, and behind them the page. It may
//! choose others while the gateway runs, so they are looked up anew with each request.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::middleware::Next;
use axum::response::Response;

use super::{answer, hooks, page, ui_config};
use crate::config::HttpSettings;
use crate::gateway::Gateway;
use crate::net::Peer;

/// Answers every path that is no route.
pub(super) async fn serve(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let served = gateway.http.served.get();
    let (head, body) = request.into_parts();
    if let Some(settings) = &served.settings.hooks
        && let Some(name) = under(&settings.path, head.uri.path())
    {
        return hooks::serve(&gateway, settings, &peer, name, &head, body).await;
    }
    let ui = &served.settings.control_ui;
    if ui.enabled
        && let Some(path) = under(&ui.base_path, head.uri.path())
        && let Some(data) = ui_config::Data::at(path)
    {
        return data.answer(&gateway, ui, &peer, &head).await;
    }
    page::serve(&served, &head).await
}

/// Answers the paths that are public, and says of all others that they are not there.
pub(super) async fn serve_public(
    State(gateway): State<Arc<Gateway>>,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Response {
    let served = gateway.http.served.get();
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let is_public = gateway.public_paths.iter().any(|public| under(public, path).is_some());
    match &served.settings.hooks {
        Some(settings) if is_public && let Some(name) = under(&settings.path, path) => {
            hooks::serve(&gateway, settings, &peer, name, &head, body).await
        }
        _ => answer::not_found(),
    }
}

/// What of a path lies under `base`: empty, or with the slash before it.
fn under<'a>(base: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether the configuration has something switched on.
pub(super) type Switch = fn(&HttpSettings) -> bool;

/// Before routes that can be switched off: they are not there then.
pub(super) async fn unless_off(
    State((gateway, is_on)): State<(Arc<Gateway>, Switch)>,
    peer: Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if is_on(&gateway.http.served.get().settings) {
        return next.run(request).await;
    }
    serve(State(gateway), peer, request).await
}

#[cfg(test)]
mod tests {
    use super::under;

    #[test]
    fn a_path_lies_under_another_at_a_slash() {
        assert_eq!(under("/hooks", "/hooks/wake"), Some("/wake"));
        assert_eq!(under("/hooks", "/hooks"), Some(""));
        assert_eq!(under("", "/avatar/main"), Some("/avatar/main"));
        for elsewhere in ["/hooksx", "/hook", "/x/hooks"] {
            assert_eq!(under("/hooks", elsewhere), None, "{elsewhere}");
        }
    }
}
