//! Measures rendering and its steps (split, scan, plan, edit) with a stream of 200 workloads.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jobplate::inject::{EditPlanner, Injection, PassContext, RequestedVariable, VariableSource};
use jobplate_manifest::env::{EnvValue, KeyRef};
use jobplate_manifest::select::{ContainerChoice, Glob, Target};
use jobplate_yaml::{Document, Documents, Edit, Editor, NodeArena, check_characters, scan};

const JOB: &str = include_str!("../templates/job_template.yaml");
const CRONJOB: &str = include_str!("../templates/cronjob.yaml");

fn injection() -> Injection {
    let reference = KeyRef { name: "bench".to_owned(), key: "token".to_owned(), optional: false };
    let target = |kind: &str| Target {
        kind: Glob::new(kind, true).expect("no pattern"),
        name: None,
        key: None,
        containers: None,
    };
    Injection {
        variables: vec![RequestedVariable {
            name: "BENCH_TOKEN".to_owned(),
            source: VariableSource::Entry(EnvValue::SecretKey(reference)),
        }],
        targets: vec![target("Job"), target("CronJob")],
        containers: ContainerChoice::All,
        ..Injection::default()
    }
}

/// A document with the edits that it needs.
struct Prepared {
    text: &'static str,
    arena: NodeArena,
    edits: Vec<Edit>,
}

fn prepare(text: &'static str) -> Prepared {
    let mut arena = NodeArena::default();
    scan(text, &mut arena).expect("a template that is understood");
    let edits = EditPlanner::new(&injection(), PassContext::default())
        .plan_document(Document::new(text, &arena), &[])
        .expect("a plan")
        .edits;
    Prepared { text, arena, edits }
}

fn bench_rendering(criterion: &mut Criterion) {
    let to_document = |text: &str| format!("---\n{}\n", text.trim_start_matches("---\n"));
    let stream: String = (0..100).map(|_| to_document(JOB) + &to_document(CRONJOB)).collect();
    let documents = [prepare(JOB), prepare(CRONJOB)];
    let bytes: usize = documents.iter().map(|document| document.text.len()).sum();

    let mut group = criterion.benchmark_group("stream");
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("split", |bencher| {
        bencher.iter(|| {
            let mut documents = Documents::new(stream.as_bytes(), usize::MAX);
            let mut count = 0;
            while documents.next().expect("a stream in memory").is_some() {
                count += 1;
            }
            black_box(count)
        });
    });
    group.bench_function("render", |bencher| {
        let injection = injection();
        bencher.iter(|| jobplate::render::to_string(black_box(&stream), &injection).expect("a rendered stream"));
    });
    group.finish();

    let mut group = criterion.benchmark_group("document");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("admit", |bencher| {
        bencher.iter(|| documents.iter().all(|document| check_characters(black_box(document.text)).is_ok()));
    });
    group.bench_function("scan", |bencher| {
        let mut arena = NodeArena::default();
        bencher.iter(|| documents.iter().all(|document| scan(black_box(document.text), &mut arena).is_ok()));
    });
    group.bench_function("plan", |bencher| {
        let injection = injection();
        let mut planner = EditPlanner::new(&injection, PassContext::default());
        bencher.iter(|| {
            documents
                .iter()
                .all(|document| planner.plan_document(Document::new(document.text, &document.arena), &[]).is_ok())
        });
    });
    group.bench_function("edit", |bencher| {
        let mut editor = Editor::default();
        bencher.iter(|| {
            documents
                .iter()
                .all(|document| editor.apply(Document::new(document.text, &document.arena), &document.edits).is_ok())
        });
    });
    group.finish();
}

criterion_group!(benches, bench_rendering);
criterion_main!(benches);
