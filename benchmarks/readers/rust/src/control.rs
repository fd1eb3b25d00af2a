//! The control connection: a task that owns it, a channel to it for the continues, and one from it per sub-session.

use std::collections::HashMap;

use futures_util::SinkExt;
use tokio::sync::mpsc::{
    channel, unbounded_channel, Receiver, Sender, UnboundedReceiver, UnboundedSender,
};
use tokio_tungstenite::tungstenite::Message;

use crate::requests::Requests;
use crate::socket::{connect, next_text, Socket};
use crate::wire::{Event, Response};
use crate::Failure;

/// Each driver has one continue under way at most.
const CONTINUES: usize = 256;

pub struct SubSession {
    pub id: String,
    pub first_slot: u64,
    pub last_slot: u64,
    pub events: UnboundedReceiver<Event>,
}

pub struct Session {
    pub sub_sessions: Vec<SubSession>,
    pub continues: Sender<String>,
}

impl Session {
    /// Returns when each sub-session is ready for its first continue. From then on a task receives.
    pub async fn create(url: &str, requests: &Requests) -> Result<Session, Failure> {
        let mut socket = connect(url).await?;
        socket.send(Message::text(requests.create.clone())).await?;
        let mut routes = HashMap::new();
        let mut sub_sessions = Vec::new();
        while sub_sessions.is_empty() {
            let message = next_text(&mut socket)
                .await?
                .ok_or("closed while the session was created")?;
            if let Response::SessionsCreatedV2 {
                session_ids,
                start_slots,
                end_slots,
            } = decode(&message)?
            {
                let ranges = start_slots.into_iter().zip(end_slots);
                for (id, (first_slot, last_slot)) in session_ids.into_iter().zip(ranges) {
                    let (sender, events) = unbounded_channel();
                    routes.insert(
                        id.clone(),
                        Route {
                            last_sequence: 0,
                            events: sender,
                        },
                    );
                    sub_sessions.push(SubSession {
                        id,
                        first_slot,
                        last_slot,
                        events,
                    });
                }
            }
        }
        let (continues, requested) = channel(CONTINUES);
        let open = routes.len();
        let connection = Connection {
            socket,
            routes,
            requested,
            open,
        };
        tokio::spawn(async move {
            if let Err(failure) = connection.run().await {
                eprintln!("control connection: {failure}");
            }
        });
        for sub in &mut sub_sessions {
            match sub.events.recv().await {
                Some(Event::ReadyForContinue) => {}
                _ => return Err(format!("{} did not become ready", sub.id).into()),
            }
        }
        Ok(Session {
            sub_sessions,
            continues,
        })
    }
}

fn decode(message: &Message) -> Result<Response<'_>, Failure> {
    Ok(serde_json::from_str(message.to_text()?)?)
}

struct Route {
    last_sequence: u64,
    events: UnboundedSender<Event>,
}

struct Connection {
    socket: Socket,
    routes: HashMap<String, Route>,
    requested: Receiver<String>,
    open: usize,
}

impl Connection {
    /// Until every sub-session has completed. Then, or after a failure, the channels of the events end.
    async fn run(mut self) -> Result<(), Failure> {
        while self.open > 0 {
            tokio::select! {
                biased;
                message = next_text(&mut self.socket) => match message? {
                    Some(message) => self.take(decode(&message)?),
                    None => return Err("closed by the server".into()),
                },
                Some(request) = self.requested.recv() => self.socket.send(Message::text(request)).await?,
            }
        }
        Ok(())
    }

    fn take(&mut self, response: Response<'_>) {
        if let Response::SessionEventV2 {
            session_id,
            seq_id,
            event,
        } = response
        {
            if let Some(route) = self.routes.get_mut(session_id) {
                if seq_id > route.last_sequence {
                    route.last_sequence = seq_id;
                    self.open -= usize::from(matches!(event, Event::Completed(_)));
                    let _ = route.events.send(event); // nobody may be interested any more
                }
            }
        }
    }
}
