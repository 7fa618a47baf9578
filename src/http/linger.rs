//! The end of a connection that we close first.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::transport::Transport;

/// How long a client may take to read our last words and close its side.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// What is read at once, to be thrown away.
const DISCARD_BYTES: usize = 4096;

/// Writes `last_words`, ends our side, and reads what the client still sends until it closes too, at most two seconds.
///
/// A socket that is closed with bytes unread is reset, and a reset may take back what the client has not read yet.
pub(super) async fn close(mut stream: Transport, last_words: &[&[u8]]) {
    let closing = async {
        for words in last_words {
            stream.write_all(words).await?;
        }
        stream.shutdown().await?;
        let mut discarded = vec![0; DISCARD_BYTES];
        while stream.read(&mut discarded).await? > 0 {}
        std::io::Result::Ok(())
    };
    // The client is gone, or in no hurry; either way this is the end.
    match timeout(LINGER_TIMEOUT, closing).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::trace!(%error, "the client closed before it was told why"),
        Err(_) => tracing::trace!("the client did not close in time"),
    }
}
