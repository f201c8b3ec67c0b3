//! What Prefect made of the hand-written cases, as files: `one/expected/TOPIC.json`, a line for each case.
//!
//! Most of a Job is the same in all of them, which would hide what a case is about: entries of the flow's `env` that
//! are just what an agent without any setting gives stand there by their names alone.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::answer::Answer;
use crate::case::{Case, Version, folder};
use crate::json::Json;

/// The case that has no setting. It is written out.
pub(crate) const PLAIN: (&str, &str) = ("plain", "nothing-is-set");

/// What is expected of the cases of a topic, by name and version.
pub(crate) struct Expected {
    pub(crate) versions: BTreeMap<String, Value>,
    answers: BTreeMap<(String, String), Answer>,
}

impl Expected {
    pub(crate) fn of(&self, case: &Case) -> Option<&Answer> {
        self.answers.get(&(case.name.clone(), case.version.short().to_owned()))
    }

    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    pub(crate) fn read(topic: &str, plain: Option<&Expected>) -> Result<Self, String> {
        let path = folder().join("expected").join(format!("{topic}.json"));
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut expected = Expected { versions: BTreeMap::new(), answers: BTreeMap::new() };
        let root = Json::parse(&text)?;
        for (version, made_by) in pairs(root.get("made by").ok_or("no `made by`")?)? {
            expected.versions.insert(version, serde_json::from_str(&made_by.print()).map_err(|e| e.to_string())?);
        }
        for (version, answers) in pairs(root.get("cases").ok_or("no `cases`")?)? {
            for (name, answer) in pairs(answers)? {
                let answer = match (answer.get("job"), answer.get("error").and_then(Json::as_text)) {
                    (Some(job), None) => Answer::Job(unfold(job.clone(), &version, plain)?),
                    (None, Some(error)) => Answer::Fails(error),
                    _ => return Err(format!("{name}: neither job nor error")),
                };
                expected.answers.insert((name, version.clone()), answer);
            }
        }
        Ok(expected)
    }
}

/// Writes what is expected of a topic.
pub(crate) fn write(
    topic: &str,
    versions: &BTreeMap<Version, Value>,
    answers: &[(&Case, Answer)],
    plain: &dyn Fn(Version) -> Option<Json>,
) {
    let mut out = "{\"made by\":{".to_owned();
    let made_by = versions.iter().map(|(version, made_by)| format!("\n\"{}\":{made_by}", version.short()));
    out += &made_by.collect::<Vec<_>>().join(",");
    out += "},\n\"cases\":{";
    let mut parts = Vec::new();
    for version in Version::ALL {
        let line = |(case, answer): &(&Case, Answer)| {
            let answer = match answer {
                Answer::Job(job) => format!("{{\"job\":{}}}", fold(job.clone(), plain(version).as_ref()).print()),
                Answer::Fails(why) | Answer::Refused(why) | Answer::Wrong(why) => {
                    format!("{{\"error\":{}}}", Json::text(why).print())
                }
            };
            format!("\n{}:{answer}", Json::text(&case.name).print())
        };
        let lines: Vec<String> = answers.iter().filter(|(case, _)| case.version == version).map(line).collect();
        if !lines.is_empty() {
            parts.push(format!("\n\"{}\":{{{}}}", version.short(), lines.join(",")));
        }
    }
    out += &parts.join(",");
    out += "}}\n";
    let path = folder().join("expected").join(format!("{topic}.json"));
    fs::write(&path, out).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn pairs(map: &Json) -> Result<Vec<(String, &Json)>, String> {
    match map {
        Json::Map(pairs) => Ok(pairs.iter().map(|(key, value)| (String::from_utf16_lossy(key), value)).collect()),
        _ => Err("no map".to_owned()),
    }
}

const ENV: [&str; 5] = ["spec", "template", "spec", "containers", "env"];

/// The `env` of a Job's first container.
fn env(job: &mut Json) -> Option<&mut Vec<Json>> {
    let mut at = job;
    for key in ENV {
        at = match at {
            Json::List(items) => items.first_mut()?,
            other => other,
        };
        at = at.get_mut(key)?;
    }
    at.as_list_mut()
}

/// What a run of standard entries is written as: its first and its last name.
const RUN: &str = " .. ";

fn fold(mut job: Json, plain: Option<&Json>) -> Json {
    let standard = plain.cloned().and_then(|mut plain| env(&mut plain).cloned()).unwrap_or_default();
    let Some(entries) = env(&mut job) else { return job };
    let mut folded = Vec::new();
    let mut rest = &entries[..];
    while let [first, ..] = rest {
        let start = standard.iter().position(|own| is_same(own, first));
        let own = start.map_or(&[][..], |start| &standard[start..]);
        let count = own.iter().zip(rest).take_while(|(own, entry)| is_same(own, entry)).count();
        match own[..count].iter().filter_map(|entry| entry.get("name")?.as_text()).collect::<Vec<_>>().as_slice() {
            [] => folded.push(first.clone()),
            [name] => folded.push(Json::text(name)),
            [first, .., last] => folded.push(Json::text(&format!("{first}{RUN}{last}"))),
        }
        rest = &rest[count.max(1)..];
    }
    *entries = folded;
    job
}

fn unfold(mut job: Json, version: &str, plain: Option<&Expected>) -> Result<Json, String> {
    let plain = plain.and_then(|plain| plain.answers.get(&(PLAIN.1.to_owned(), version.to_owned())));
    let standard = match plain {
        Some(Answer::Job(plain)) => env(&mut plain.clone()).cloned().unwrap_or_default(),
        _ => Vec::new(),
    };
    let Some(entries) = env(&mut job) else { return Ok(job) };
    let position = |name: &str| {
        let is_named = |entry: &Json| entry.get("name").and_then(Json::as_text).is_some_and(|own| own == name);
        standard.iter().position(is_named).ok_or_else(|| format!("{} has no {name}", PLAIN.1))
    };
    let mut unfolded = Vec::new();
    for entry in entries.drain(..) {
        let Some(names) = entry.as_text() else {
            unfolded.push(entry);
            continue;
        };
        let (first, last) = names.split_once(RUN).unwrap_or((&names, &names));
        unfolded.extend_from_slice(&standard[position(first)?..=position(last)?]);
    }
    *entries = unfolded;
    Ok(job)
}

fn is_same(own: &Json, other: &Json) -> bool {
    own.difference(other).is_none()
}
