//! What Prefect made of the hand-written cases, as files: `expected/TOPIC.json`, a line for each case.
//!
//! Most of a Job is the same in all of them, which would hide what a case is about. What is as in the Job of the case
//! that has no setting stands there by its name alone (`fold.rs`).

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::answer::Answer;
use crate::case::{Case, PrefectVersion};
use crate::fold::{fold, unfold};
use crate::json::Json;
use crate::reference::Reference;

/// The case that has no setting. It is written out.
pub(crate) const PLAIN: (&str, &str) = ("plain", "nothing-is-set");

/// What is expected of the cases of a topic, by name and version.
#[derive(Default)]
pub(crate) struct Expected {
    /// What answered, by version.
    pub(crate) versions: BTreeMap<String, Value>,
    answers: BTreeMap<(String, String), Answer>,
}

impl Expected {
    pub(crate) fn of(&self, case: &Case) -> Option<&Answer> {
        self.answers.get(&(case.name.clone(), case.version.short().to_owned()))
    }

    pub(crate) fn add(&mut self, case: &Case, answer: Answer) {
        let is_second = self.answers.insert((case.name.clone(), case.version.short().to_owned()), answer).is_some();
        assert!(!is_second, "{} comes twice", case.name);
    }

    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    /// The Job without any setting, of a version.
    fn plain(&self, version: &str) -> Option<&Json> {
        match self.answers.get(&(PLAIN.1.to_owned(), version.to_owned())) {
            Some(Answer::Job(job)) => Some(job),
            _ => None,
        }
    }

    pub(crate) fn read(side: &Reference, topic: &str, plain: Option<&Expected>) -> Result<Self, String> {
        let path = side.folder().join("expected").join(format!("{topic}.json"));
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut expected = Expected::default();
        let root = Json::parse(&text)?;
        for (version, made_by) in pairs(root.get("made by").ok_or("no `made by`")?)? {
            expected.versions.insert(version, serde_json::from_str(&made_by.print()).map_err(|e| e.to_string())?);
        }
        for (version, answers) in pairs(root.get("cases").ok_or("no `cases`")?)? {
            let plain = plain.and_then(|plain| plain.plain(&version));
            for (name, answer) in pairs(answers)? {
                let answer = match (answer.get("job"), answer.get("error").and_then(Json::as_text)) {
                    (Some(job), None) => Answer::Job(match plain {
                        Some(plain) => unfold(job, plain)?,
                        None => job.clone(),
                    }),
                    (None, Some(error)) => Answer::Fails(error),
                    _ => return Err(format!("{name}: neither job nor error")),
                };
                expected.answers.insert((name, version.clone()), answer);
            }
        }
        Ok(expected)
    }

    /// Writes what is expected of a topic, of all these cases.
    pub(crate) fn write(&self, side: &Reference, topic: &str, cases: &[Case], plain: Option<&Expected>) {
        let versions: Vec<PrefectVersion> =
            side.all().filter(|version| self.versions.contains_key(version.short())).collect();
        let made_by =
            |version: &PrefectVersion| format!("\n\"{}\":{}", version.short(), self.versions[version.short()]);
        let mut out = format!("{{\"made by\":{{{}}},\n", versions.iter().map(made_by).collect::<Vec<_>>().join(","));
        let of_version = |version: &PrefectVersion| {
            let line = |case: &Case| {
                let answer = self.of(case).expect("an answer to every case");
                format!(
                    "\n{}:{}",
                    Json::text(&case.name).print(),
                    print(answer, plain.and_then(|p| p.plain(version.short())))
                )
            };
            let lines: Vec<String> = cases.iter().filter(|case| case.version == *version).map(line).collect();
            format!("\n\"{}\":{{{}}}", version.short(), lines.join(","))
        };
        out += &format!("\"cases\":{{{}}}}}\n", versions.iter().map(of_version).collect::<Vec<_>>().join(","));
        let path = side.folder().join("expected").join(format!("{topic}.json"));
        fs::write(&path, out).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

fn print(answer: &Answer, plain: Option<&Json>) -> String {
    match (answer, plain) {
        (Answer::Job(job), Some(plain)) => {
            let folded = fold(job, plain);
            let again = unfold(&folded, plain).expect("what was folded");
            assert_eq!(again.print(), job.print(), "this Job has what folds use");
            format!("{{\"job\":{}}}", folded.print())
        }
        (Answer::Job(job), None) => format!("{{\"job\":{}}}", job.print()),
        (Answer::Fails(why) | Answer::Refused(why) | Answer::Wrong(why), _) => {
            format!("{{\"error\":{}}}", Json::text(why).print())
        }
    }
}

fn pairs(map: &Json) -> Result<Vec<(String, &Json)>, String> {
    match map {
        Json::Map(pairs) => Ok(pairs.iter().map(|(key, value)| (String::from_utf16_lossy(key), value)).collect()),
        _ => Err("no map".to_owned()),
    }
}
