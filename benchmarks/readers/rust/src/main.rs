//! tokio-tungstenite and serde: one task receives and decodes, each sub-session has a channel and a task.
//!
//!     rust-tasks read_slots|drive|read_signatures|read_values WORKERS URL CREATE CONTINUE SUBSCRIBE
//!
//! WORKERS: threads of the runtime, 0 for the main thread alone. CREATE, CONTINUE and SUBSCRIBE: the requests; in the
//! second the session's id is "SESSION". Prints one JSON object.

mod control;
mod cost;
mod drivers;
mod requests;
mod slots;
mod socket;
mod transactions;
mod wire;

use std::error::Error;

use requests::Requests;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

pub type Failure = Box<dyn Error + Send + Sync>;

fn runtime(workers: usize) -> std::io::Result<Runtime> {
    let mut builder = match workers {
        0 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if workers > 0 {
        builder.worker_threads(workers);
    }
    builder.enable_io().build()
}

async fn receive(what: &str, url: &str, requests: &Requests) -> Result<Value, Failure> {
    let session = control::Session::create(url, requests).await?;
    match what {
        "read_slots" => slots::read(session, requests).await,
        "drive" => drivers::drive(session, requests).await,
        "read_signatures" => {
            transactions::read::<transactions::Signed>(session, url, requests).await
        }
        "read_values" => transactions::read::<Value>(session, url, requests).await,
        _ => Err(
            format!("{what} is not one of read_slots, drive, read_signatures, read_values").into(),
        ),
    }
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [what, workers, url, create, proceed, subscribe] = <[String; 6]>::try_from(arguments)
        .map_err(|_| "WHAT WORKERS URL CREATE CONTINUE SUBSCRIBE are needed")?;
    let requests = Requests::new(create, proceed, subscribe);
    let found = runtime(workers.parse()?)?.block_on(receive(&what, &url, &requests))?;
    println!("{found}");
    Ok(())
}
