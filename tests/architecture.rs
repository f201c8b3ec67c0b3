//! The direction of imports: no room knows those above it.

use std::fs;
use std::path::{Path, PathBuf};

/// Each room of the program with the rooms that it may import; the crates are the compiler's to guard.
const ROOMS: [(&str, &[&str]); 7] = [
    ("diagnostic", &[]),
    ("inject", &[]),
    ("render", &["inject"]),
    ("ui", &["diagnostic", "commands"]),
    ("shared", &["commands", "diagnostic", "inject", "render", "ui"]),
    ("completion", &["commands", "diagnostic", "render", "shared"]),
    ("commands", &["completion", "diagnostic", "inject", "render", "shared", "ui"]),
];

/// The rooms that read the environment and write to streams.
const TALKS: [&str; 5] = ["commands", "completion", "shared", "ui", "ui.rs"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The rooms that a source names: after `crate::`, in braces too.
fn imports(text: &str) -> Vec<String> {
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let group = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or_default(),
            None => rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default(),
        };
        let names = group.split(',').map(|name| name.trim().split("::").next().unwrap_or_default().trim().to_owned());
        rooms.extend(names.filter(|name| !name.is_empty()));
    }
    rooms
}

#[test]
fn rooms_import_in_one_direction() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in &files {
        let inside = file.strip_prefix(&root).unwrap();
        let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
        let own = first.strip_suffix(".rs").unwrap_or(first);
        if matches!(own, "lib" | "main") {
            continue;
        }
        let (_, allowed) =
            ROOMS.iter().find(|(room, _)| *room == own).unwrap_or_else(|| panic!("{own} is in no row of the table"));
        for room in imports(&fs::read_to_string(file).unwrap()) {
            if room != own && !allowed.contains(&room.as_str()) {
                wrong.push(format!("{} imports {room}", inside.display()));
            }
        }
    }
    assert!(files.len() > 20, "the sources were not found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_guard_sees_imports() {
    assert_eq!(
        imports("use crate::cli::args;\n// crate::render\nlet x = crate::{yaml::scan, inject};\n"),
        ["cli", "yaml", "inject"]
    );
}

#[test]
fn only_the_command_line_touches_streams_and_environment() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = top.join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    sources(&top.join("crates"), &mut files);
    for file in files
        .iter()
        .filter(|file| !TALKS.iter().any(|room| file.starts_with(root.join(room))) && !file.ends_with("main.rs"))
    {
        let text = fs::read_to_string(file).unwrap();
        for forbidden in ["io::stdout()", "io::stderr()", "env::var", "println!", "eprintln!"] {
            assert!(!text.contains(forbidden), "{} uses {forbidden}", file.display());
        }
    }
}
