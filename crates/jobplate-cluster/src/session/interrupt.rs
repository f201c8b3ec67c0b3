//! Handles Ctrl-C, SIGTERM and SIGHUP: new requests are prevented, and requests that were already sent get a grace period.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{Either, pending, select};
use tokio::sync::Notify;

/// The time in which requests can complete after Ctrl-C.
const GRACE_PERIOD: Duration = Duration::from_secs(3);

/// A token that indicates whether the user has cancelled the run. Clones share the state.
#[derive(Clone, Default)]
pub(crate) struct CancellationToken(Arc<CancellationState>);

#[derive(Default)]
struct CancellationState {
    is_cancelled: AtomicBool,
    /// The number of [`SecondSignalDelay`]s.
    delays: AtomicUsize,
    notify: Notify,
}

/// As long as this value exists, a second signal does not end the process. The grace period still ends the run.
pub(crate) struct SecondSignalDelay(CancellationToken);

impl Drop for SecondSignalDelay {
    fn drop(&mut self) {
        self.0.0.delays.fetch_sub(1, Ordering::Relaxed);
    }
}

impl CancellationToken {
    /// Creates a token that Ctrl-C or SIGTERM cancels, and SIGHUP if `includes_hangup` is true. Calls `on_listening` as
    /// soon as these signals no longer end the process. The second signal calls `on_second_signal`.
    pub(crate) fn listen(includes_hangup: bool, on_listening: fn(), on_second_signal: fn()) -> Self {
        let token = CancellationToken::default();
        let listener = token.clone();
        tokio::spawn(async move {
            let Ok(mut signals) = Signals::new(includes_hangup) else { return };
            on_listening();
            while signals.recv().await.is_some() {
                let is_second = listener.0.is_cancelled.swap(true, Ordering::Relaxed);
                if is_second && listener.0.delays.load(Ordering::Relaxed) == 0 {
                    on_second_signal();
                }
                listener.0.notify.notify_waiters();
            }
        });
        token
    }

    /// Prevents a second signal from ending the process until the returned value is dropped, for requests that belong
    /// together.
    pub(crate) fn delay_second_signal(&self) -> SecondSignalDelay {
        self.0.delays.fetch_add(1, Ordering::Relaxed);
        SecondSignalDelay(self.clone())
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
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Signals {
    fn new(includes_hangup: bool) -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: includes_hangup.then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    async fn recv(&mut self) -> Option<()> {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        let interrupts = select(Box::pin(self.interrupt.recv()), Box::pin(self.terminate.recv()));
        match select(interrupts, Box::pin(hangup)).await {
            Either::Left((Either::Left((received, _)) | Either::Right((received, _)), _)) => received,
            Either::Right((received, _)) => received,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    fn new(_includes_hangup: bool) -> std::io::Result<Self> {
        Ok(Signals {})
    }

    async fn recv(&mut self) -> Option<()> {
        tokio::signal::ctrl_c().await.ok()
    }
}
