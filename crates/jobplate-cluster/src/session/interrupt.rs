//! Ctrl-C: no new request is begun, those under way get a moment to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::sync::Notify;

/// How long requests under way may take to end.
const GRACE: Duration = Duration::from_secs(3);

/// Whether the user wants to stop.
#[derive(Clone, Default)]
pub(crate) struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    asked: AtomicBool,
    notify: Notify,
}

impl Stop {
    /// Listens for Ctrl-C (and SIGTERM) from now on. At the second one it calls `again`.
    pub(crate) fn listen(again: fn()) -> Self {
        let stop = Stop::default();
        let told = stop.clone();
        tokio::spawn(async move {
            for _ in 0..2 {
                if signal().await.is_err() {
                    return;
                }
                if told.0.asked.swap(true, Ordering::Relaxed) {
                    again();
                }
                told.0.notify.notify_waiters();
            }
        });
        stop
    }

    /// Whether it was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// Ends when it is asked for.
    pub(crate) async fn asked(&self) {
        loop {
            let notified = self.0.notify.notified();
            if self.is_asked() {
                return;
            }
            notified.await;
        }
    }

    /// What a future gives, unless it has not ended a moment after the user asked to stop.
    pub(crate) async fn or_grace<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let over = async {
            self.asked().await;
            tokio::time::sleep(GRACE).await;
        };
        match select(Box::pin(future), Box::pin(over)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    /// What a future gives, unless the user asks to stop first.
    pub(crate) async fn or_stop<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        match select(Box::pin(future), Box::pin(self.asked())).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let interrupt = Box::pin(tokio::signal::ctrl_c());
    match select(interrupt, Box::pin(terminate.recv())).await {
        Either::Left((done, _)) => done,
        Either::Right(_) => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
