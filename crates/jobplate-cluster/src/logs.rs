//! Follows the logs of a Job's containers, line by line, during the wait for the Job.
//!
//! A log stream may end early, even with a regular end of the response. The log is then resumed until the container has
//! ended, without reporting a line twice.

use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::Value;

use crate::pods::{RESUME_PAUSE, container_statuses, name_or_placeholder};
use crate::request::{Request, Resource};
use crate::session::Session;

/// The maximum number of consecutive attempts to resume a log that return no new line.
const MAX_RESUMES: usize = 5;

/// The maximum length of a line in memory, in bytes. Longer lines are split.
const MAX_LINE_BYTES: usize = 256 * 1024;

/// The log of one run of a container.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct ContainerLog {
    namespace: String,
    pod: String,
    container: String,
    /// The `restartCount` of the container, which identifies the run.
    restarts: u64,
}

/// Reports the lines of a log until the container has ended, or until the log cannot be resumed.
pub(crate) async fn follow_log(session: &Session<'_>, pod_resource: &Resource, log: ContainerLog) {
    let ContainerLog { namespace, pod, container, .. } = &log;
    let mut cursor = LogCursor::default();
    let mut attempts = 0;
    while attempts < MAX_RESUMES {
        let since = cursor.last_time.map(|time| time.to_string());
        let request = Request::follow_log(pod_resource, namespace, pod, container, since.as_deref());
        let count_before = cursor.reported_count;
        match session.connection().stream(&request).await {
            Ok(Ok(body)) => {
                report_lines(session, &log, body, &mut cursor).await;
                // The server also ends a log if it loses the connection to the node. Only the pod's status shows
                // whether the container is still running.
                if !is_running(session, pod_resource, &log).await {
                    return;
                }
            }
            Ok(Err(status)) if cursor.reported_count == 0 && status.code.is_client_error() && !status.has_code(429) => {
                let reason = match status.has_code(403) {
                    true => format!(
                        "you are not allowed to; bind a Role in {namespace} with this rule: {{apiGroups: [\"\"], resources: [pods/log], verbs: [get]}}"
                    ),
                    false => format!("the API server responded with {}", status.code.as_u16()),
                };
                session.events.on_note(&format!("cannot read the log of container {container} of pod {pod}: {reason}"));
                return;
            }
            Ok(Err(_)) | Err(_) => {}
        }
        attempts = if cursor.reported_count > count_before { 0 } else { attempts + 1 };
        tokio::time::sleep(RESUME_PAUSE).await;
    }
    let note = format!("the log of container {container} of pod {pod} ended early: kubectl logs {pod} -n {namespace}");
    session.events.on_note(&note);
}

/// Returns whether the container is still running and has not been restarted. Returns true if the request for the pod
/// fails, unless the pod does not exist.
async fn is_running(session: &Session<'_>, pod_resource: &Resource, log: &ContainerLog) -> bool {
    let Ok(response) = session.try_send(&Request::get(pod_resource, &log.namespace, &log.pod)).await else {
        return true;
    };
    if let Some(status) = response.refusal() {
        return !status.has_code(404);
    }
    let pod: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let is_same_run = |status: &Value| restart_count(status) == log.restarts && !status["state"]["running"].is_null();
    container_statuses(&pod).any(|status| status["name"] == log.container.as_str() && is_same_run(status))
}

/// Reports the new lines in one response.
async fn report_lines(session: &Session<'_>, log: &ContainerLog, mut body: Body, cursor: &mut LogCursor) {
    cursor.resume();
    let (mut buffer, mut searched_len) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            // Drop the incomplete line, since the resumed log repeats it.
            Err(_) => return,
        }
        while let Some(end) = find_line_end(&buffer, searched_len) {
            let line: Vec<u8> = buffer.drain(..end).collect();
            searched_len = 0;
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            if let Some(text) = cursor.advance(&String::from_utf8_lossy(line)) {
                session.events.on_log_line(&log.pod, &log.container, text);
            }
        }
        searched_len = buffer.len();
    }
    if let Some(text) = cursor.advance(&String::from_utf8_lossy(&buffer)).filter(|text| !text.is_empty()) {
        session.events.on_log_line(&log.pod, &log.container, text);
    }
}

/// Returns the logs of the pod's containers that are running or have ended.
pub(crate) fn started_logs(namespace: &str, pod: &Value) -> Vec<ContainerLog> {
    let has_started =
        |status: &&Value| !status["state"]["running"].is_null() || !status["state"]["terminated"].is_null();
    let log_of = |status: &Value| ContainerLog {
        namespace: namespace.to_owned(),
        pod: name_or_placeholder(&pod["metadata"]["name"]).to_owned(),
        container: name_or_placeholder(&status["name"]).to_owned(),
        restarts: restart_count(status),
    };
    container_statuses(pod).filter(has_started).map(log_of).collect()
}

fn restart_count(status: &Value) -> u64 {
    status["restartCount"].as_u64().unwrap_or(0)
}

/// Returns the end offset of the first line, after its line break. The first `searched_len` bytes have no line break.
/// More than [`MAX_LINE_BYTES`] bytes without a line break count as a line. Returns `None` if the line is incomplete.
fn find_line_end(bytes: &[u8], searched_len: usize) -> Option<usize> {
    let newline = memchr::memchr(b'\n', &bytes[searched_len..]).map(|at| searched_len + at + 1);
    newline.or_else(|| (bytes.len() > MAX_LINE_BYTES).then_some(bytes.len()))
}

/// The position up to which a log was reported.
///
/// The server resumes a log at a whole second (`sinceTime`), so the response may begin with lines that were already
/// reported.
#[derive(Default)]
struct LogCursor {
    /// The time of the last reported line that has a timestamp.
    last_time: Option<Timestamp>,
    /// The number of reported lines with that time.
    count_at_last_time: usize,
    /// The number of all reported lines.
    reported_count: usize,
    /// The lines to skip after a resume: all lines before this time, and this number of lines with this time.
    skip: Option<(Timestamp, usize)>,
}

impl LogCursor {
    /// Prepares for a response that may begin with lines that were already reported.
    fn resume(&mut self) {
        self.skip = self.last_time.map(|time| (time, self.count_at_last_time));
    }

    /// Advances past a line. Returns its text without the timestamp, or `None` if the line was already reported. A line
    /// without a timestamp is always returned.
    fn advance<'l>(&mut self, line: &'l str) -> Option<&'l str> {
        let (time, text) = match line.split_once(' ').map(|(time, text)| (time.parse::<Timestamp>(), text)) {
            Some((Ok(time), text)) => (time, text),
            _ => {
                self.reported_count += 1;
                return Some(line.trim_end_matches('\r'));
            }
        };
        match &mut self.skip {
            Some((last, _)) if time < *last => return None,
            Some((last, remaining)) if time == *last && *remaining > 0 => {
                *remaining -= 1;
                return None;
            }
            _ => self.skip = None,
        }
        self.count_at_last_time = if self.last_time == Some(time) { self.count_at_last_time + 1 } else { 1 };
        self.last_time = Some(time);
        self.reported_count += 1;
        Some(text.trim_end_matches('\r'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_each_line_of_the_same_time_once() {
        let mut cursor = LogCursor::default();
        let mut read = |lines: &[(&str, &str)]| {
            cursor.resume();
            let format_line = |(second, text): &(&str, &str)| format!("2026-01-01T00:00:{second}Z {text}");
            lines.iter().filter_map(|line| cursor.advance(&format_line(line)).map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(read(&[("01", "a"), ("02", "b"), ("02", "c")]), ["a", "b", "c"]);
        // The resumed log repeats three lines. Before the last line, the node's clock was set back.
        let resumed = [("01", "a"), ("02", "b"), ("02", "c"), ("02", "d"), ("03", "e"), ("01", "f")];
        assert_eq!(read(&resumed), ["d", "e", "f"]);
    }
}
