//! Prefect's recorded answers to the hand-written cases, in files `expected/TOPIC.json` with one line per case.
//!
//! Most of a Job is the same in all cases and would hide the effect of a case, so the parts that equal the Job of the
//! baseline case are recorded by name only (`fold.rs`).

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::answer::Answer;
use crate::case::{Case, PrefectVersion};
use crate::fold::{fold, unfold};
use crate::json::Json;
use crate::reference::Reference;

/// The topic and the name of the baseline case, in which nothing is set. Its Job is recorded in full.
pub(crate) const BASELINE_CASE: (&str, &str) = ("plain", "nothing-is-set");

/// The recorded answers to the cases of a topic, keyed by name and version.
#[derive(Default)]
pub(crate) struct Expected {
    /// The programs that gave the answers, keyed by the version of Prefect.
    pub(crate) versions: BTreeMap<String, Value>,
    answers: BTreeMap<(String, String), Answer>,
}

impl Expected {
    pub(crate) fn get(&self, case: &Case) -> Option<&Answer> {
        self.answers.get(&(case.name.clone(), case.version.short().to_owned()))
    }

    pub(crate) fn add(&mut self, case: &Case, answer: Answer) {
        let is_second = self.answers.insert((case.name.clone(), case.version.short().to_owned()), answer).is_some();
        assert!(!is_second, "{} comes twice", case.name);
    }

    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// Returns the baseline case's Job for a version, or `None` if no Job is recorded.
    fn baseline_job(&self, version: &str) -> Option<&Json> {
        match self.answers.get(&(BASELINE_CASE.1.to_owned(), version.to_owned())) {
            Some(Answer::Job(job)) => Some(job),
            _ => None,
        }
    }

    pub(crate) fn read(reference: &Reference, topic: &str, baseline: Option<&Expected>) -> Result<Self, String> {
        let path = reference.directory().join("expected").join(format!("{topic}.json"));
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut expected = Expected::default();
        let root = Json::parse(&text)?;
        for (version, recorded_by) in pairs(root.get("made by").ok_or("no `made by`")?)? {
            expected.versions.insert(version, serde_json::from_str(&recorded_by.to_text()).map_err(|e| e.to_string())?);
        }
        for (version, answers) in pairs(root.get("cases").ok_or("no `cases`")?)? {
            let baseline = baseline.and_then(|baseline| baseline.baseline_job(&version));
            for (name, answer) in pairs(answers)? {
                let answer = match (answer.get("job"), answer.get("error").and_then(Json::as_text)) {
                    (Some(job), None) => Answer::Job(match baseline {
                        Some(baseline) => unfold(job, baseline)?,
                        None => job.clone(),
                    }),
                    (None, Some(error)) => Answer::Failure(error),
                    _ => return Err(format!("{name}: neither job nor error")),
                };
                expected.answers.insert((name, version.clone()), answer);
            }
        }
        Ok(expected)
    }

    /// Writes the recorded answers to all cases of a topic.
    pub(crate) fn write(&self, reference: &Reference, topic: &str, cases: &[Case], baseline: Option<&Expected>) {
        let versions: Vec<PrefectVersion> =
            reference.all_versions().filter(|version| self.versions.contains_key(version.short())).collect();
        let recorded_by =
            |version: &PrefectVersion| format!("\n\"{}\":{}", version.short(), self.versions[version.short()]);
        let mut out =
            format!("{{\"made by\":{{{}}},\n", versions.iter().map(recorded_by).collect::<Vec<_>>().join(","));
        let of_version = |version: &PrefectVersion| {
            let line = |case: &Case| {
                let answer = self.get(case).expect("an answer to every case");
                format!(
                    "\n{}:{}",
                    Json::text(&case.name).to_text(),
                    print(answer, baseline.and_then(|baseline| baseline.baseline_job(version.short())))
                )
            };
            let lines: Vec<String> = cases.iter().filter(|case| case.version == *version).map(line).collect();
            format!("\n\"{}\":{{{}}}", version.short(), lines.join(","))
        };
        out += &format!("\"cases\":{{{}}}}}\n", versions.iter().map(of_version).collect::<Vec<_>>().join(","));
        let path = reference.directory().join("expected").join(format!("{topic}.json"));
        fs::write(&path, out).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn print(answer: &Answer, baseline: Option<&Json>) -> String {
    match (answer, baseline) {
        (Answer::Job(job), Some(baseline)) => {
            let folded = fold(job, baseline);
            let unfolded = unfold(&folded, baseline).expect("what was folded");
            assert_eq!(unfolded.to_text(), job.to_text(), "this Job has what folds use");
            format!("{{\"job\":{}}}", folded.to_text())
        }
        (Answer::Job(job), None) => format!("{{\"job\":{}}}", job.to_text()),
        (Answer::Failure(why) | Answer::Refused(why) | Answer::Wrong(why), _) => {
            format!("{{\"error\":{}}}", Json::text(why).to_text())
        }
    }
}

fn pairs(map: &Json) -> Result<Vec<(String, &Json)>, String> {
    match map {
        Json::Map(pairs) => Ok(pairs.iter().map(|(key, value)| (String::from_utf16_lossy(key), value)).collect()),
        _ => Err("no map".to_owned()),
    }
}
