//! Logs of a Job's containers, followed line by line while the Job is waited for.
//!
//! A log breaks off for many reasons, also where the server says that it has ended: it is taken up again
//! until the container has, and no line is told twice.

use http_body_util::BodyExt;
use jiff::Timestamp;
use kube::client::Body;
use serde_json::Value;

use crate::pods::{LOOK, name_of, statuses};
use crate::request::{Request, Resource};
use crate::session::Session;

/// How often in a row a log is taken up again without a new line.
const LOG_ATTEMPTS: usize = 5;

/// What is kept in memory of a line that does not end.
const LONGEST_LINE: usize = 256 * 1024;

/// The log of one run of a container.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Log {
    namespace: String,
    pod: String,
    container: String,
    /// How often the container was started again before.
    restarts: u64,
}

/// Tells the lines of a log as they come, taken up again where it breaks off, until the container has ended.
pub(crate) async fn follow(session: &Session<'_>, pods: &Resource, log: Log) {
    let Log { namespace, pod, container, .. } = &log;
    let mut told = Told::default();
    let mut attempts = 0;
    while attempts < LOG_ATTEMPTS {
        let since = told.last.map(|time| time.to_string());
        let request = Request::follow_log(pods, namespace, pod, container, since.as_deref());
        let before = told.lines;
        match session.connection().stream(&request).await {
            Ok(Ok(body)) => {
                tell_all(session, &log, body, &mut told).await;
                // The server ends a log also where it has lost the node: only the pod knows.
                if !is_running(session, pods, &log).await {
                    return;
                }
            }
            Ok(Err(status)) if told.lines == 0 && status.code.is_client_error() && !status.is(429) => {
                let code = status.code.as_u16();
                session
                    .events
                    .on_note(&format!("no log of container {container} of pod {pod}: the server answered {code}"));
                return;
            }
            Ok(Err(_)) | Err(_) => {}
        }
        attempts = if told.lines > before { 0 } else { attempts + 1 };
        tokio::time::sleep(LOOK).await;
    }
    session.events.on_note(&format!(
        "the log of container {container} of pod {pod} broke off: kubectl logs {pod} -n {namespace}"
    ));
}

/// Whether a container still runs; if nobody can tell, it may.
async fn is_running(session: &Session<'_>, pods: &Resource, log: &Log) -> bool {
    let Ok(answer) = session.try_send(&Request::get(pods, &log.namespace, &log.pod)).await else { return true };
    if let Some(status) = answer.refusal() {
        return !status.is(404);
    }
    let pod: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let runs = |status: &Value| restarts(status) == log.restarts && !status["state"]["running"].is_null();
    statuses(&pod).any(|status| status["name"] == log.container.as_str() && runs(status))
}

async fn tell_all(session: &Session<'_>, log: &Log, mut body: Body, told: &mut Told) {
    told.begin();
    let (mut pending, mut searched) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => pending.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            // A line that is not whole comes again.
            Err(_) => return,
        }
        while let Some(end) = line_end(&pending, searched) {
            let line: Vec<u8> = pending.drain(..end).collect();
            searched = 0;
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            if let Some(text) = told.text(&String::from_utf8_lossy(line)) {
                session.events.on_log_line(&log.pod, &log.container, text);
            }
        }
        searched = pending.len();
    }
    if let Some(text) = told.text(&String::from_utf8_lossy(&pending)).filter(|text| !text.is_empty()) {
        session.events.on_log_line(&log.pod, &log.container, text);
    }
}

/// The logs of the containers that have one.
pub(crate) fn started_logs(namespace: &str, pod: &Value) -> Vec<Log> {
    let has_log = |status: &&Value| !status["state"]["running"].is_null() || !status["state"]["terminated"].is_null();
    let of = |status: &Value| Log {
        namespace: namespace.to_owned(),
        pod: name_of(&pod["metadata"]["name"]).to_owned(),
        container: name_of(&status["name"]).to_owned(),
        restarts: restarts(status),
    };
    statuses(pod).filter(has_log).map(of).collect()
}

fn restarts(status: &Value) -> u64 {
    status["restartCount"].as_u64().unwrap_or(0)
}

/// The end of the first line, with its break; a line that is too long ends where it is.
fn line_end(bytes: &[u8], searched: usize) -> Option<usize> {
    let newline = memchr::memchr(b'\n', &bytes[searched..]).map(|at| searched + at + 1);
    newline.or_else(|| (bytes.len() > LONGEST_LINE).then_some(bytes.len()))
}

/// How far a log was told. A log that is taken up again begins with lines of the same second.
#[derive(Default)]
struct Told {
    /// The time of the last line.
    last: Option<Timestamp>,
    /// How many lines had that time.
    same: usize,
    /// How many lines were told in all.
    lines: usize,
    /// Lines still to be left out: those before this time, and so many of it.
    skip: Option<(Timestamp, usize)>,
}

impl Told {
    /// The log is taken up again.
    fn begin(&mut self) {
        self.skip = self.last.map(|time| (time, self.same));
    }

    /// The text of a line without its time; none where it was told before.
    fn text<'l>(&mut self, line: &'l str) -> Option<&'l str> {
        let (time, text) = match line.split_once(' ').map(|(time, text)| (time.parse::<Timestamp>(), text)) {
            Some((Ok(time), text)) => (time, text),
            _ => {
                self.lines += 1;
                return Some(line.trim_end_matches('\r'));
            }
        };
        match &mut self.skip {
            Some((last, _)) if time < *last => return None,
            Some((last, left)) if time == *last && *left > 0 => {
                *left -= 1;
                return None;
            }
            _ => self.skip = None,
        }
        self.same = if self.last == Some(time) { self.same + 1 } else { 1 };
        self.last = Some(time);
        self.lines += 1;
        Some(text.trim_end_matches('\r'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_moment_are_told_once_each() {
        let mut told = Told::default();
        let mut stream = |lines: &[(&str, &str)]| {
            told.begin();
            let line = |(time, text): &(&str, &str)| format!("2026-01-01T00:00:{time}Z {text}");
            lines.iter().filter_map(|own| told.text(&line(own)).map(str::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(stream(&[("01", "a"), ("02", "b"), ("02", "c")]), ["a", "b", "c"]);
        // Taken up again, and then the clock is set back.
        let again = [("01", "a"), ("02", "b"), ("02", "c"), ("02", "d"), ("03", "e"), ("01", "f")];
        assert_eq!(stream(&again), ["d", "e", "f"]);
    }
}
