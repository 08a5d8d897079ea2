//! Waits for what must come, however busy the machine is.

use std::time::{Duration, Instant};

/// Polls until `come`, for at most a minute.
pub(crate) async fn until(what: &str, mut come: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !come().await {
        assert!(start.elapsed() < Duration::from_secs(60), "timed out waiting for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
