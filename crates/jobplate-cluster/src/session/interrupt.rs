//! Handles Ctrl-C and SIGTERM: new requests are prevented, and requests that were already sent get a grace period.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::{Either, select};
use tokio::sync::Notify;

/// The time in which requests can complete after Ctrl-C.
const GRACE_PERIOD: Duration = Duration::from_secs(3);

/// A token that indicates whether the user has cancelled the run. Clones share the state.
#[derive(Clone, Default)]
pub(crate) struct CancellationToken(Arc<CancellationState>);

#[derive(Default)]
struct CancellationState {
    is_cancelled: AtomicBool,
    notify: Notify,
}

impl CancellationToken {
    /// Creates a token that Ctrl-C or SIGTERM cancels. Calls `on_listening` as soon as these signals no longer end the
    /// process. The second signal calls `on_second_signal`.
    pub(crate) fn listen(on_listening: fn(), on_second_signal: fn()) -> Self {
        let token = CancellationToken::default();
        let listener = token.clone();
        tokio::spawn(async move {
            let Ok(mut signals) = Signals::new() else { return };
            on_listening();
            for _ in 0..2 {
                if signals.recv().await.is_none() {
                    return;
                }
                if listener.0.is_cancelled.swap(true, Ordering::Relaxed) {
                    on_second_signal();
                }
                listener.0.notify.notify_waiters();
            }
        });
        token
    }

    /// Returns whether the user has cancelled the run.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.is_cancelled.load(Ordering::Relaxed)
    }

    /// Completes when the user cancels the run.
    pub(crate) async fn cancelled(&self) {
        loop {
            // Created before the check so that a signal in between is not missed.
            let notification = self.0.notify.notified();
            if self.is_cancelled() {
                return;
            }
            notification.await;
        }
    }

    /// Runs a future. Returns `None` if the future has not completed within the grace period after a cancellation.
    pub(crate) async fn run_with_grace<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let expiry = async {
            self.cancelled().await;
            tokio::time::sleep(GRACE_PERIOD).await;
        };
        match select(Box::pin(future), Box::pin(expiry)).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }

    /// Runs a future. Returns `None` if the user cancels the run before the future completes.
    pub(crate) async fn run_until_cancelled<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        match select(Box::pin(future), Box::pin(self.cancelled())).await {
            Either::Left((output, _)) => Some(output),
            Either::Right(_) => None,
        }
    }
}

/// The signals that cancel a run.
struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn recv(&mut self) -> Option<()> {
        match select(Box::pin(self.interrupt.recv()), Box::pin(self.terminate.recv())).await {
            Either::Left((received, _)) | Either::Right((received, _)) => received,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals {})
    }

    async fn recv(&mut self) -> Option<()> {
        tokio::signal::ctrl_c().await.ok()
    }
}
