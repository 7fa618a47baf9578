//! What the server says of itself on `/ws/monitoring`.

use std::time::Duration;

use serde_json::Value;

use crate::connect::Request;
use crate::failure::Failure;
use crate::raw::Raw;
use crate::target::Target;

/// Reports that are let go by: what is counted once a second may be in none of them yet.
const STALE_REPORTS: usize = 2;
/// The longest wait for a report.
const WITHIN: Duration = Duration::from_secs(30);

/// The figures of the server, as they are by now; `None` where the tokens are not made here, and none is an
/// administrator's.
pub(crate) async fn figures(target: &Target) -> Result<Option<Value>, Failure> {
    let Some(token) = target.tokens.administrator()? else { return Ok(None) };
    let doing = "reading the server's figures on /ws/monitoring";
    let reading = async {
        let opened = Raw::open(Request::monitoring(&target.endpoint, &token)).await;
        let mut raw = opened.map_err(|error| Failure::run(doing, error))?;
        for _ in 0..STALE_REPORTS {
            next(&mut raw, doing).await?;
        }
        next(&mut raw, doing).await
    };
    let read = tokio::time::timeout(WITHIN, reading).await;
    read.unwrap_or_else(|_elapsed| Err(Failure::run(doing, "no report within 30 s"))).map(Some)
}

async fn next(raw: &mut Raw, doing: &str) -> Result<Value, Failure> {
    let message = raw.reader.message().await.map_err(|end| Failure::run(doing, format!("{end:?}")))?;
    let message: Value = serde_json::from_slice(&message).map_err(|error| Failure::run(doing, error))?;
    if message["type"] == "monitoring.metrics" {
        return Ok(message["payload"].clone());
    }
    Err(Failure::run(doing, message))
}
