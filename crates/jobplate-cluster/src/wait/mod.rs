//! Waits until each Job has the requested state or can no longer get it, or until one of its pods has not started in
//! time.
//!
//! Jobs, their pods, and the events of Jobs that cannot create pods are listed once and then watched: one watch for each
//! kind and namespace. Secrets are never read: the status of a pod names a missing Secret.

mod awaited_job;
mod job_state;
mod messages;
mod pod_start;
mod tracked_job;
mod watch;

use std::collections::HashSet;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use jobplate_diagnostic::{Error, ErrorKind};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub(crate) use self::awaited_job::AwaitedJob;
use self::tracked_job::{JobProgress, TrackedJob};
use self::watch::{Update, WatchedKind, Watches};
use crate::logs::{ContainerLog, follow_log, started_logs};
use crate::options::WaitOptions;
use crate::session::Session;

/// The maximum time between two checks of the time limits.
const TICK: Duration = Duration::from_millis(200);
/// The time limit for reading the rest of the logs after the last Job has ended.
const LOG_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// The time for the rest of the logs if the last Job ends shortly before the deadline.
const MIN_LOG_DRAIN_TIMEOUT: Duration = Duration::from_millis(500);

/// The state of a Job that has sent no update until the deadline.
const NO_RESPONSE: &str = "the API server does not respond";

/// The result of the wait for a Job.
pub(crate) struct JobEnd {
    /// The index that the caller passed with the Job.
    pub index: usize,
    /// A phrase for the report, such as `complete after 7 s`.
    pub text: String,
    /// The failure. `None` if the Job has the requested state, or if the user cancelled the wait.
    pub error: Option<Error>,
}

/// Waits for all Jobs, at most for `timeout`. Reports the states of the Jobs, but not their failures, and follows the
/// logs if the options request it. Calls `on_end` with the result of each Job. The indexes identify the Jobs in the results.
pub(crate) async fn wait_for_jobs(
    session: &Session<'_>,
    jobs: Vec<(usize, AwaitedJob)>,
    options: &WaitOptions,
    timeout: Duration,
    on_end: impl FnMut(JobEnd),
) {
    let Some(watches) = Watches::new(session, jobs.iter().map(|(_, job)| job)) else { return };
    let (sender, receiver) = unbounded_channel();
    let watch_tasks = watches.start(&sender).map(|task| Box::pin(task) as Task<'_>).collect();
    let now = Instant::now();
    let mut wait = JobWait {
        session,
        options,
        watches: &watches,
        sender,
        deadline: now + timeout,
        next_summary: now + options.summary_interval,
        jobs: jobs.into_iter().map(|(index, job)| TrackedJob::new(index, job, options.goal)).collect(),
        on_end,
        watch_tasks,
        followed_logs: HashSet::new(),
        log_tasks: FuturesUnordered::new(),
    };
    wait.run(receiver).await;
}

type Task<'t> = Pin<Box<dyn Future<Output = ()> + 't>>;

struct JobWait<'w, F> {
    session: &'w Session<'w>,
    options: &'w WaitOptions,
    watches: &'w Watches<'w>,
    sender: UnboundedSender<Update>,
    deadline: Instant,
    /// The time of the next summary of all pending Jobs.
    next_summary: Instant,
    /// The Jobs that have not ended.
    jobs: Vec<TrackedJob>,
    on_end: F,
    /// The tasks that watch, and that read the pods of a Job that has ended. Like `log_tasks`, they make progress only
    /// during [`run_with`].
    watch_tasks: FuturesUnordered<Task<'w>>,
    /// The logs that are being followed or were followed.
    followed_logs: HashSet<ContainerLog>,
    log_tasks: FuturesUnordered<Task<'w>>,
}

impl<F: FnMut(JobEnd)> JobWait<'_, F> {
    async fn run(&mut self, mut receiver: UnboundedReceiver<Update>) {
        let session = self.session;
        while !self.jobs.is_empty() {
            let next = tokio::time::timeout(TICK, receiver.recv());
            let next = run_with(&mut self.watch_tasks, run_with(&mut self.log_tasks, next));
            let Some(next) = session.cancellation.run_until_cancelled(next).await else {
                return self.cancel();
            };
            if let Ok(Some(update)) = next {
                self.apply(update);
                while let Ok(update) = receiver.try_recv() {
                    self.apply(update);
                }
            }
            self.check_jobs();
            if Instant::now() >= self.deadline && !self.jobs.is_empty() {
                return std::mem::take(&mut self.jobs).iter().for_each(|job| self.record_timeout(job));
            }
            self.report_summary();
        }
        let remaining = self.deadline.saturating_duration_since(Instant::now());
        let drain_timeout = remaining.clamp(MIN_LOG_DRAIN_TIMEOUT, LOG_DRAIN_TIMEOUT);
        let drain = async { while self.log_tasks.next().await.is_some() {} };
        let _ = session.cancellation.run_until_cancelled(tokio::time::timeout(drain_timeout, drain)).await;
    }

    /// Updates the Jobs, and starts to follow the logs of the containers that have started.
    fn apply(&mut self, update: Update) {
        let mut updated: Vec<&TrackedJob> = Vec::new();
        for job in &mut self.jobs {
            if job.apply(&update) {
                updated.push(job);
            }
        }
        if self.options.follow_logs {
            let pods = updated.into_iter().flat_map(|job| job.pods().iter().map(move |pod| (&job.job.namespace, pod)));
            let logs: Vec<ContainerLog> = pods.flat_map(|(namespace, pod)| started_logs(namespace, pod)).collect();
            for log in logs {
                if self.followed_logs.insert(log.clone()) {
                    let resource = self.watches.resource(WatchedKind::Pod);
                    self.log_tasks.push(Box::pin(follow_log(self.session, resource, log)));
                }
            }
        }
    }

    /// Reports the states that have changed, and records the Jobs that have ended.
    fn check_jobs(&mut self) {
        let WaitOptions { follow_logs, start_timeout, .. } = *self.options;
        for mut job in std::mem::take(&mut self.jobs) {
            match job.progress(follow_logs, start_timeout) {
                JobProgress::Pending => self.jobs.push(job),
                JobProgress::Changed => {
                    self.session.events.on_job_state(&job.job.qualified_name(), Some(job.state_text()));
                    self.jobs.push(job);
                }
                JobProgress::NeedsPods => {
                    let read = self.watches.read_pods(job.job.clone(), self.sender.clone());
                    self.watch_tasks.push(Box::pin(read));
                    self.jobs.push(job);
                }
                JobProgress::Ended { text, failure } => self.record_end(&job, text, failure),
            }
        }
    }

    /// Reports all pending Jobs if the interval since the last summary has passed.
    fn report_summary(&mut self) {
        let now = Instant::now();
        if now >= self.next_summary && !self.jobs.is_empty() {
            self.next_summary = now + self.options.summary_interval;
            let states: Vec<(String, &str)> =
                self.jobs.iter().map(|job| (job.job.qualified_name(), job.state_text())).collect();
            self.session.events.on_waiting(&states);
        }
    }

    fn record_end(&mut self, job: &TrackedJob, text: String, failure: Option<(ErrorKind, Option<String>)>) {
        let name = job.job.qualified_name();
        self.session.events.on_job_state(&name, None);
        let error = failure.map(|(kind, hint)| {
            let error = Error::new(kind, format!("{name} {text}"));
            match hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        });
        (self.on_end)(JobEnd { index: job.index, text, error });
    }

    /// Records that a Job did not end before the deadline.
    fn record_timeout(&mut self, job: &TrackedJob) {
        let name = job.job.qualified_name();
        let state = if job.state_text().is_empty() { NO_RESPONSE } else { job.state_text() };
        self.session.events.on_job_state(&name, None);
        let error = Error::new(ErrorKind::Timeout, format!("timed out waiting for {name}: {state}"));
        let error = Some(error.hint(job.hint().to_owned()));
        (self.on_end)(JobEnd { index: job.index, text: format!("timed out: {state}"), error });
    }

    /// Records that the user cancelled the wait.
    fn cancel(&mut self) {
        for job in std::mem::take(&mut self.jobs) {
            self.session.events.on_job_state(&job.job.qualified_name(), None);
            (self.on_end)(JobEnd { index: job.index, text: "stopped waiting before the end".to_owned(), error: None });
        }
        self.session.events.on_note("stopped waiting; the Jobs continue");
    }
}

/// Runs a future to completion, and the tasks concurrently until then.
async fn run_with<T>(tasks: &mut FuturesUnordered<Task<'_>>, future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    loop {
        if tasks.is_empty() {
            return future.await;
        }
        match select(future, tasks.next()).await {
            Either::Left((output, _)) => return output,
            Either::Right((_, unfinished)) => future = unfinished,
        }
    }
}
