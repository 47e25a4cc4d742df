//! `board.get` and `progressCard.get`.

use super::{Context, Table};
use crate::protocol::ErrorShape;
use crate::protocol::board::{BoardGet, BoardReply, CardReply, GetParams, ProgressCardGet};
use crate::sessions::Sessions;

pub(super) fn register(table: &mut Table, sessions: &Sessions) {
    table.on(BoardGet, sessions, board);
    table.on(ProgressCardGet, sessions, card);
}

async fn board(sessions: Sessions, _: Context, params: GetParams) -> Result<BoardReply, ErrorShape> {
    let session_key = sessions.key(&params.session_key)?.to_string();
    Ok(BoardReply { session_key, revision: 0, tabs: [], widgets: [] })
}

async fn card(sessions: Sessions, _: Context, params: GetParams) -> Result<CardReply, ErrorShape> {
    sessions.key(&params.session_key)?;
    Ok(CardReply { card: None })
}
