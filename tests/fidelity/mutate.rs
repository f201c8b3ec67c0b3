//! Generates mutants: seeds with random changes that often break YAML.

use crate::rng::Rng;
use crate::seeds::Seed;

/// Pieces of YAML syntax, and pieces that break readers.
const TOKENS: &[&str] = &[
    " ",
    "  ",
    "\t",
    "\n",
    "\n\n",
    "\r\n",
    ":",
    ": ",
    "-",
    "- ",
    "? ",
    ", ",
    ",",
    "[",
    "]",
    "{",
    "}",
    "[]",
    "{}",
    "#",
    " #",
    " # x",
    "&a ",
    "*a",
    "&a",
    "*a ",
    "!",
    "!!str ",
    "!!binary ",
    "!x ",
    "|",
    ">",
    "|-",
    "|+",
    ">+",
    "|2",
    "|\n",
    "'",
    "\"",
    "''",
    "\"\"",
    "\\",
    "\\\n",
    "%",
    "@",
    "`",
    "~",
    "null",
    "<<: *a",
    "<<",
    "---",
    "---\n",
    "\n---\n",
    "...\n",
    "--- ",
    "env:",
    "env: []",
    "env:\n",
    "name: TOKEN",
    "- name: TOKEN\n",
    "value: x",
    "valueFrom:",
    "$(ADDED_TOKEN)",
    "$$(ADDED_TOKEN)",
    "TOKEN",
    "containers:",
    "kind: Pod",
    "0x1F",
    "yes",
    "1_0",
    ".5",
    "=",
    "é",
    "\u{a0}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\r",
    "\u{1}",
    "x: y",
    "? a\n: b\n",
    "- - ",
    "{a: b}",
    "[a: b]",
    "a b",
    "#\n",
    "  #\n",
    "?",
    "?a",
    ":a",
    "[a?b]",
    "{a: http://b/?c=d}",
    "[:a]",
    "{a: :b}",
    "{\"a\"\n  : b}",
    "{a\n  b: c}",
    "null: a\n",
    "~: a\n",
    "{null: a}",
    "&a [*a]",
    "&a {b: [*a]}",
    "&a [b]\nc: [*a, *a]\n",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\/",
    "\"\\ud83d\\ude00\"",
    "\"a\\/b\"",
    "-\t",
    "- # c\n",
    "-\n  # c\n",
    "\n{}\n",
    "}\n{",
    "{a: b, a: c}",
    "? a\n: {b: c, b: d}\n",
];

/// Comments and blank lines to insert between other lines.
const LINES: &[&str] = &[
    "\n",
    "   \n",
    "# c\n",
    "    # c\n",
    "        # - name: TOKEN\n",
    "\t\n",
    "      #\n",
    "# env: []\n",
    "\r\n",
    " \t # c\n",
];

/// Generates a mutant. Returns its seed and its text.
pub(crate) fn mutant<'s>(seeds: &'s [Seed], rng: &mut Rng) -> (&'s Seed, String) {
    let seed = rng.pick(seeds);
    let mut text = seed.text.clone();
    let count = match rng.below(8) {
        0..=3 => 1,
        4 | 5 => 2,
        6 => 3,
        _ => 5,
    };
    for _ in 0..count {
        text = mutate(text, seeds, rng);
    }
    (seed, text)
}

fn mutate(mut text: String, seeds: &[Seed], rng: &mut Rng) -> String {
    match rng.below(17) {
        0..=2 => {
            let token: &str = rng.pick::<&str>(TOKENS);
            text.insert_str(random_offset(&text, rng), token);
        }
        3 => {
            // Insert after a space, where a node could begin.
            let blanks: Vec<usize> = text.match_indices(' ').map(|(at, _)| at + 1).collect();
            if !blanks.is_empty() {
                let token: &str = rng.pick::<&str>(TOKENS);
                text.insert_str(*rng.pick(&blanks), token);
            }
        }
        4 | 5 => {
            let start = random_offset(&text, rng);
            let longest = if rng.one_in(4) { 12 } else { 3 };
            let length = 1 + rng.below(longest);
            let end = (start..=text.len()).filter(|at| text.is_char_boundary(*at)).nth(length).unwrap_or(text.len());
            text.replace_range(start..end, "");
        }
        6 => {
            return with_lines(&text, |lines| {
                let at = rng.below(lines.len());
                let line = lines[at].clone();
                lines.insert(rng.below(lines.len() + 1), line);
            });
        }
        7 => {
            return with_lines(&text, |lines| {
                let at = rng.below(lines.len());
                lines.insert(at, lines[at].clone());
            });
        }
        8 => {
            return with_lines(&text, |lines| {
                lines.remove(rng.below(lines.len()));
            });
        }
        9 => {
            return with_lines(&text, |lines| {
                let line = lines.remove(rng.below(lines.len()));
                lines.insert(rng.below(lines.len() + 1), line);
            });
        }
        10 | 11 => {
            return with_lines(&text, |lines| {
                let at = rng.below(lines.len());
                reindent(&mut lines[at], rng);
            });
        }
        12 => {
            return with_lines(&text, |lines| {
                // Indent several lines together, because most such mutants are still valid YAML.
                let start = rng.below(lines.len());
                let end = (start + 1 + rng.below(6)).min(lines.len());
                let deeper = rng.one_in(2);
                for line in &mut lines[start..end] {
                    if deeper {
                        line.insert_str(0, "  ");
                    } else if let Some(rest) = line.strip_prefix("  ") {
                        *line = rest.to_owned();
                    }
                }
            });
        }
        13 => {
            return with_lines(&text, |lines| {
                let at = rng.below(lines.len());
                flip_ending(&mut lines[at]);
            });
        }
        14 => {
            return with_lines(&text, |lines| {
                for _ in 0..=rng.below(3) {
                    lines.insert(rng.below(lines.len() + 1), (*rng.pick(LINES)).to_owned());
                }
            });
        }
        15 => {
            // Another document after this one, which begins without `---`.
            let other = &rng.pick(seeds).text;
            if !text.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(if rng.one_in(2) { &other[..] } else { "{\"kind\": \"Pod\"}\n" });
        }
        _ => {
            let other = &rng.pick(seeds).text;
            let cut = random_line_start(&text, rng);
            let from = random_line_start(other, rng);
            text.truncate(cut);
            text.push_str(&other[from..]);
        }
    }
    text
}

fn random_offset(text: &str, rng: &mut Rng) -> usize {
    text.floor_char_boundary(rng.below(text.len() + 1))
}

fn random_line_start(text: &str, rng: &mut Rng) -> usize {
    let starts: Vec<usize> = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
    *rng.pick(&starts)
}

fn with_lines(text: &str, change: impl FnOnce(&mut Vec<String>)) -> String {
    let mut lines: Vec<String> = text.split_inclusive('\n').map(str::to_owned).collect();
    if lines.is_empty() {
        return text.to_owned();
    }
    change(&mut lines);
    lines.concat()
}

fn reindent(line: &mut String, rng: &mut Rng) {
    let rest = line.trim_start_matches(' ').to_owned();
    let old = line.len() - rest.len();
    let new = match rng.below(6) {
        0 => 0,
        1 => old + 1,
        2 => old + 2,
        3 => old.saturating_sub(1),
        4 => old.saturating_sub(2),
        _ => rng.below(14),
    };
    *line = " ".repeat(new) + &rest;
}

fn flip_ending(line: &mut String) {
    if line.ends_with("\r\n") {
        line.truncate(line.len() - 2);
        line.push('\n');
    } else if line.ends_with('\n') {
        line.truncate(line.len() - 1);
        line.push_str("\r\n");
    } else {
        line.push('\n');
    }
}
