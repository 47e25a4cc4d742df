//! `users.self`.

use super::{Context, Table};
use crate::protocol::users::{SelfReply, UsersSelf};
use crate::protocol::{ErrorCode, ErrorShape, NoParams};

pub(super) fn register(table: &mut Table) {
    table.on(UsersSelf, &(), own);
}

async fn own((): (), context: Context, _: NoParams) -> Result<SelfReply, ErrorShape> {
    let nobody = || ErrorShape::new(ErrorCode::Forbidden, "users.self requires an authenticated user");
    context.caller.profile().map(|profile| SelfReply { profile }).ok_or_else(nobody)
}
