//! Every slot event of every sub-session.

use serde_json::{json, Value};

use crate::control::{Session, SubSession};
use crate::cost::Stopwatch;
use crate::requests::Requests;
use crate::wire::Event;
use crate::Failure;

#[derive(Default)]
struct Outcome {
    received: u64,
    /// How many were not the next slot.
    misplaced: u64,
    /// Whether the last one is missing.
    unfinished: bool,
}

/// One continue, of the last sub-session, starts the stream of all.
pub async fn read(session: Session, requests: &Requests) -> Result<Value, Failure> {
    let last = session.sub_sessions.last().ok_or("no sub-sessions")?;
    let request = requests.proceed(&last.id);
    let readers: Vec<_> = session
        .sub_sessions
        .into_iter()
        .map(|sub| tokio::spawn(read_one(sub)))
        .collect();
    let watch = Stopwatch::start();
    session.continues.send(request).await?;
    let mut all = Outcome::default();
    let mut unfinished = 0;
    for reader in readers {
        let outcome = reader.await?;
        all.received += outcome.received;
        all.misplaced += outcome.misplaced;
        unfinished += u64::from(outcome.unfinished);
    }
    Ok(watch.stop(
        json!({"received": all.received, "misplaced": all.misplaced, "unfinished": unfinished}),
    ))
}

async fn read_one(mut sub: SubSession) -> Outcome {
    let mut outcome = Outcome::default();
    let mut last = sub.first_slot - 1;
    while let Some(event) = sub.events.recv().await {
        match event {
            Event::SlotNotification(slot) => {
                outcome.misplaced += u64::from(slot != last + 1);
                outcome.received += 1;
                last = slot;
            }
            Event::ReadyForContinue => {}
            Event::Completed(_) => break,
        }
    }
    outcome.unfinished = last != sub.last_slot;
    outcome
}
