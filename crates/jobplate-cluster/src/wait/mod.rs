//! Waits until each Job is complete, has failed, was deleted, or has a pod that cannot start.
//!
//! Jobs and their pods are polled rather than watched, since a failed poll needs no recovery. Secrets are never read:
//! the status of a pod names a missing Secret.

mod job_state;
mod pod_start;
mod poll;

use std::collections::HashSet;
use std::pin::Pin;
use std::time::{Duration, Instant};

use futures::future::{Either, select};
use futures::stream::{FuturesUnordered, StreamExt};
use jobplate_diagnostic::{Error, ErrorKind};

use self::job_state::{JobState, NO_POD, SUSPENDED};
pub(crate) use self::poll::AwaitedJob;
use self::poll::{JobPoll, Poller};
use crate::logs::{ContainerLog, follow_log, started_logs};
use crate::options::WaitOptions;
use crate::pods::POLL_INTERVAL;
use crate::session::Session;

/// The time by which the last poll may exceed the deadline of the wait.
const FINAL_POLL_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limit for reading the rest of the logs after the last Job has ended.
const LOG_DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The result of the wait for a Job.
pub(crate) struct JobEnd {
    /// The index that the caller passed with the Job.
    pub index: usize,
    /// A phrase for the report, such as `complete after 7 s`.
    pub text: String,
    /// The kind of failure. `None` if the Job is complete, or if the user cancelled the wait.
    pub failure: Option<ErrorKind>,
}

/// Waits for all Jobs, at most for `timeout`. Reports the end of each Job, and follows the logs if the options request
/// it. The indexes identify the Jobs in the results.
pub(crate) async fn wait_for_jobs(
    session: &Session<'_>,
    jobs: Vec<(usize, AwaitedJob)>,
    options: &WaitOptions,
    timeout: Duration,
) -> Vec<JobEnd> {
    let Some(poller) = Poller::new(session, options.follow_logs) else { return Vec::new() };
    let mut wait = JobWait {
        poller: &poller,
        deadline: Instant::now() + timeout,
        pending_jobs: jobs,
        job_ends: Vec::new(),
        followed_logs: HashSet::new(),
        log_tasks: FuturesUnordered::new(),
    };
    wait.run().await;
    wait.job_ends
}

type LogTask<'t> = Pin<Box<dyn Future<Output = ()> + 't>>;

struct JobWait<'w> {
    poller: &'w Poller<'w>,
    deadline: Instant,
    /// The Jobs that have not ended, with their indexes.
    pending_jobs: Vec<(usize, AwaitedJob)>,
    job_ends: Vec<JobEnd>,
    /// The logs that are being followed or were followed.
    followed_logs: HashSet<ContainerLog>,
    /// The tasks that follow logs. They make progress only during [`run_with_logs`] and at the end of the wait.
    log_tasks: FuturesUnordered<LogTask<'w>>,
}

impl JobWait<'_> {
    async fn run(&mut self) {
        let session = self.poller.session;
        while !self.pending_jobs.is_empty() {
            let Some(polls) = self.poll_all().await else { break };
            self.pending_jobs.clear();
            let mut progress = Vec::new();
            for poll in polls {
                progress.extend(self.record(poll));
            }
            session.events.on_progress(&progress.join("; "));
            if !self.pending_jobs.is_empty() {
                let pause = run_with_logs(&mut self.log_tasks, tokio::time::sleep(POLL_INTERVAL));
                session.cancellation.run_until_cancelled(pause).await;
            }
        }
        session.events.on_progress("");
        if !session.cancellation.is_cancelled() {
            let drain = async { while self.log_tasks.next().await.is_some() {} };
            let _ = tokio::time::timeout(LOG_DRAIN_TIMEOUT, drain).await;
        }
    }

    /// Polls all pending Jobs. After Ctrl-C, or if the server does not respond in time, records an end for each of them
    /// and returns `None`.
    async fn poll_all(&mut self) -> Option<Vec<JobPoll>> {
        let JobWait { poller, deadline, .. } = *self;
        let session = poller.session;
        let polls = futures::stream::iter(self.pending_jobs.clone())
            .map(|(index, job)| poller.poll(index, job))
            .buffered(session.concurrency)
            .collect::<Vec<_>>();
        // Without this limit, an unresponsive server would extend the wait by the request timeout.
        let remaining = deadline.saturating_duration_since(Instant::now()) + FINAL_POLL_TIMEOUT;
        let polls = tokio::time::timeout(remaining, run_with_logs(&mut self.log_tasks, polls));
        match session.cancellation.run_until_cancelled(polls).await {
            Some(Ok(polls)) => Some(polls),
            Some(Err(_)) => {
                for (index, job) in std::mem::take(&mut self.pending_jobs) {
                    self.record_timeout(index, &job, "the API server does not respond");
                }
                None
            }
            None => {
                session.events.on_note("stopped waiting; the Jobs continue");
                for (index, _) in std::mem::take(&mut self.pending_jobs) {
                    self.job_ends.push(JobEnd {
                        index,
                        text: "stopped waiting before the end".to_owned(),
                        failure: None,
                    });
                }
                None
            }
        }
    }

    /// Records the result of a poll, and starts to follow new logs. Returns the progress of a Job that is still
    /// pending, or `None` if the Job has ended or the deadline has passed.
    fn record(&mut self, poll: JobPoll) -> Option<String> {
        let JobPoll { index, job, state, pods } = poll;
        let Poller { session, follows_logs, .. } = self.poller;
        if *follows_logs {
            for log in pods.iter().flat_map(|pod| started_logs(&job.namespace, pod)) {
                if self.followed_logs.insert(log.clone()) {
                    self.log_tasks.push(Box::pin(follow_log(session, &self.poller.pod_resource, log)));
                }
            }
        }
        match state {
            JobState::Running(text) if Instant::now() < self.deadline => {
                let progress = format!("{}: {text}", job.qualified_name());
                self.pending_jobs.push((index, job));
                return Some(progress);
            }
            JobState::Running(text) => self.record_timeout(index, &job, &text),
            JobState::Ended { text, failure } => {
                let kind = failure.as_ref().map(|(kind, _)| *kind);
                match failure {
                    None => session.events.on_note(&format!("{} is {text}", job.qualified_name())),
                    Some((kind, hint)) => {
                        let error = Error::new(kind, format!("{} {text}", job.qualified_name()));
                        session.events.on_failure(&match hint {
                            Some(hint) => error.hint(hint),
                            None => error,
                        });
                    }
                }
                self.job_ends.push(JobEnd { index, text, failure: kind });
            }
        }
        None
    }

    /// Reports and records that a Job did not end before the deadline. `state` describes its last known state.
    fn record_timeout(&mut self, index: usize, job: &AwaitedJob, state: &str) {
        let message = format!("timed out waiting for {}: {state}", job.qualified_name());
        self.poller.session.events.on_failure(&Error::new(ErrorKind::Timeout, message).hint(match state {
            SUSPENDED => "set its `suspend` to false to run it",
            NO_POD => "`kubectl describe job` shows the reason",
            _ => "it continues; raise --timeout to wait longer",
        }));
        self.job_ends.push(JobEnd { index, text: format!("timed out: {state}"), failure: Some(ErrorKind::Timeout) });
    }
}

/// Runs a future to completion, and the log tasks concurrently until then.
async fn run_with_logs<T>(log_tasks: &mut FuturesUnordered<LogTask<'_>>, future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    loop {
        if log_tasks.is_empty() {
            return future.await;
        }
        match select(future, log_tasks.next()).await {
            Either::Left((output, _)) => return output,
            Either::Right((_, unfinished)) => future = unfinished,
        }
    }
}
