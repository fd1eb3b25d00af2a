//! The messages of the control connection.

use serde::de::IgnoredAny;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "camelCase")]
pub enum Response<'a> {
    SessionCreated(IgnoredAny),
    SessionsCreatedV2 {
        session_ids: Vec<String>,
        start_slots: Vec<u64>,
        end_slots: Vec<u64>,
    },
    SessionEventV2 {
        session_id: &'a str,
        seq_id: u64,
        event: Event,
    },
}

#[derive(Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "camelCase")]
pub enum Event {
    SlotNotification(u64),
    ReadyForContinue,
    Completed(IgnoredAny),
}
