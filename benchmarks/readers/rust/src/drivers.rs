//! A closed loop: each sub-session has a task that sends a continue, waits for the ready, and again.

use std::time::Instant;

use serde_json::{json, Value};
use tokio::sync::mpsc::Sender;

use crate::control::{Session, SubSession};
use crate::cost::Stopwatch;
use crate::requests::Requests;
use crate::wire::Event;
use crate::Failure;

pub async fn drive(session: Session, requests: &Requests) -> Result<Value, Failure> {
    let Session {
        sub_sessions,
        continues,
    } = session;
    let watch = Stopwatch::start();
    let mut drivers = Vec::new();
    for sub in sub_sessions {
        let request = requests.proceed(&sub.id);
        drivers.push(tokio::spawn(drive_one(sub, request, continues.clone())));
    }
    let mut trips = Vec::new();
    for driver in drivers {
        trips.push(driver.await??);
    }
    Ok(watch.stop(json!({ "trips": trips })))
}

/// The seconds of each trip.
async fn drive_one(
    mut sub: SubSession,
    request: String,
    continues: Sender<String>,
) -> Result<Vec<f64>, Failure> {
    let mut trips = Vec::new();
    loop {
        let began = Instant::now();
        continues.send(request.clone()).await?;
        let completed = loop {
            match sub.events.recv().await {
                Some(Event::SlotNotification(_)) => {}
                Some(Event::ReadyForContinue) => break false,
                Some(Event::Completed(_)) => break true,
                None => return Ok(trips), // too few, which is noticed
            }
        };
        trips.push(began.elapsed().as_secs_f64());
        if completed {
            return Ok(trips);
        }
    }
}
