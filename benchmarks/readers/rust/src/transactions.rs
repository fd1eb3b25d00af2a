//! The transactions of one sub-session: a task receives and decodes them, another one takes them out of a channel.

use futures_util::SinkExt;
use serde::de::DeserializeOwned;
use serde::Deserialize;
use serde_json::{json, Value};
use tokio::sync::mpsc::{unbounded_channel, UnboundedReceiver, UnboundedSender};
use tokio_tungstenite::tungstenite::Message;

use crate::control::Session;
use crate::cost::Stopwatch;
use crate::requests::Requests;
use crate::socket::{connect, next_text, Socket};
use crate::Failure;

/// What a notification is decoded into.
pub trait Transaction: DeserializeOwned + Send + 'static {
    fn is_end(&self) -> bool;
    fn slot(&self) -> Option<u64>;
    fn signature(&self) -> Option<&str>;
}

/// Slot and signatures, and nothing else.
#[derive(Deserialize)]
pub struct Signed {
    #[serde(default)]
    completed: bool,
    slot: Option<u64>,
    transaction: Option<Signatures>,
}

#[derive(Deserialize)]
struct Signatures {
    signatures: Vec<String>,
}

impl Transaction for Signed {
    fn is_end(&self) -> bool {
        self.completed
    }

    fn slot(&self) -> Option<u64> {
        self.slot
    }

    fn signature(&self) -> Option<&str> {
        self.transaction
            .as_ref()?
            .signatures
            .first()
            .map(String::as_str)
    }
}

/// Every field.
impl Transaction for Value {
    fn is_end(&self) -> bool {
        self.get("completed").is_some()
    }

    fn slot(&self) -> Option<u64> {
        self["slot"].as_u64()
    }

    fn signature(&self) -> Option<&str> {
        self["transaction"]["signatures"][0].as_str()
    }
}

#[derive(Deserialize)]
struct Notification<T> {
    params: Params<T>,
}

#[derive(Deserialize)]
struct Params<T> {
    result: T,
}

pub async fn read<T: Transaction>(
    session: Session,
    url: &str,
    requests: &Requests,
) -> Result<Value, Failure> {
    let Session {
        mut sub_sessions,
        continues,
    } = session;
    let mut sub = sub_sessions.pop().ok_or("no sub-sessions")?;
    let request = requests.proceed(&sub.id);
    let mut socket = connect(&format!("{url}/{}", sub.id)).await?;
    socket
        .send(Message::text(requests.subscribe.clone()))
        .await?;
    next_text(&mut socket)
        .await?
        .ok_or("the subscribe was not acknowledged")?;
    let (sender, transactions) = unbounded_channel();
    tokio::spawn(async move {
        if let Err(failure) = receive::<T>(socket, sender).await {
            eprintln!("data connection: {failure}");
        }
    });
    let reader = tokio::spawn(async move {
        let control = async { while sub.events.recv().await.is_some() {} };
        tokio::join!(take(transactions), control).0
    });
    let watch = Stopwatch::start();
    continues.send(request).await?;
    Ok(watch.stop(reader.await?))
}

/// Until the end of the stream.
async fn receive<T: Transaction>(
    mut socket: Socket,
    transactions: UnboundedSender<T>,
) -> Result<(), Failure> {
    while let Some(message) = next_text(&mut socket).await? {
        let notification: Notification<T> = serde_json::from_str(message.to_text()?)?;
        let transaction = notification.params.result;
        if transaction.is_end() {
            return Ok(());
        }
        transactions
            .send(transaction)
            .map_err(|_| "nobody takes the transactions")?;
    }
    Err("closed by the server".into())
}

/// How many there are, how often the slot goes back, and the CRC-32 of their signatures.
async fn take<T: Transaction>(mut transactions: UnboundedReceiver<T>) -> Value {
    let (mut received, mut backwards, mut slot) = (0_u64, 0_u64, 0);
    let mut signatures = crc32fast::Hasher::new();
    while let Some(transaction) = transactions.recv().await {
        let this = transaction.slot().unwrap_or(0);
        backwards += u64::from(this < slot);
        slot = this;
        signatures.update(transaction.signature().unwrap_or("").as_bytes());
        received += 1;
    }
    json!({"received": received, "backwards": backwards, "signatures": signatures.finalize()})
}
