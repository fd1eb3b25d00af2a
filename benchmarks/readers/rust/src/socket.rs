//! A WebSocket, and its next text.

use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{connect_async_with_config, MaybeTlsStream, WebSocketStream};

use crate::Failure;

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

pub async fn connect(url: &str) -> Result<Socket, Failure> {
    let without_nagle = true; // as all the other clients do
    let (socket, _response) = connect_async_with_config(url, None, without_nagle).await?;
    Ok(socket)
}

/// None once the server has closed. Tungstenite itself answers pings.
pub async fn next_text(socket: &mut Socket) -> Result<Option<Message>, Failure> {
    while let Some(message) = socket.next().await.transpose()? {
        if message.is_text() {
            return Ok(Some(message));
        }
    }
    Ok(None)
}
