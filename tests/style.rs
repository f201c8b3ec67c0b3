//! Checks rules about names, comments and lengths in every Rust file of the project that the compiler and clippy cannot
//! check: type names are unique in a crate, retired words are not used, docs of functions begin with a verb, and long
//! functions and files give a reason for their length.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// The maximum number of lines of a function, from `fn` to its closing brace. A longer function needs a comment that
/// begins with [`LONG_FUNCTION`] and gives the reason.
const MAX_FUNCTION_LINES: usize = 60;
/// The maximum number of lines of a file under `src` and `crates`. A longer file needs a comment that begins with
/// [`LONG_FILE`] and gives the reason.
const MAX_FILE_LINES: usize = 400;
const LONG_FUNCTION: &str = "// Over 60 lines: ";
const LONG_FILE: &str = "// Over 400 lines: ";

/// Retired phrases in comments, each with the phrases to use instead. Help texts do not count as comments.
const RETIRED_PROSE: [(&str, &str); 20] = [
    ("a text", "a string, an embedded document"),
    ("anew", "again"),
    ("are none", "are not ..."),
    ("bad days", "fault injection"),
    ("behind", "after"),
    ("door", "integration"),
    ("doors", "integrations"),
    ("folder", "directory"),
    ("folders", "directories"),
    ("handed on", "passed on"),
    ("hands on", "passes on"),
    ("is none", "is not a ..., is missing"),
    ("is no", "is not a"),
    ("mend", "fix"),
    ("papers", "docs"),
    ("room", "module"),
    ("rooms", "modules"),
    ("stands", "is, appears"),
    ("stood", "was"),
    ("told", "reported"),
];

/// Retired words in identifiers, each with the word to use instead.
const RETIRED_IN_NAMES: [(&str, &str); 19] = [
    ("anew", "again"),
    ("behind", "after"),
    ("brings", "provides"),
    ("brought", "provided"),
    ("desk", "editor"),
    ("doors", "integrations"),
    ("fate", "disposition"),
    ("folder", "directory"),
    ("harmless", "escaped"),
    ("heap", "arena"),
    ("mend", "fix"),
    ("papers", "docs"),
    ("stands", "is"),
    ("stranger", "other manager"),
    ("survey", "inventory"),
    ("tape", "nodes"),
    ("tell", "report"),
    ("told", "reported"),
    ("wish", "setting"),
];

/// One Rust file.
struct Source {
    /// Its path from the top of the project, with slashes.
    path: String,
    text: String,
    syntax: syn::File,
}

impl Source {
    fn parse(path: &str, text: &str) -> Self {
        let syntax = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        Source { path: path.to_owned(), text: text.to_owned(), syntax }
    }

    /// Returns the compilation unit that the file belongs to, in which type names must be unique.
    fn unit(&self) -> String {
        let parts: Vec<&str> = self.path.split('/').collect();
        match parts.as_slice() {
            ["crates", name, ..] => (*name).to_owned(),
            ["src", module, ..] if ["diagnostic", "inject", "render", "lib.rs"].contains(module) => {
                "library".to_owned()
            }
            ["src", ..] => "program".to_owned(),
            [first, second, ..] => format!("{first}/{}", second.trim_end_matches(".rs")),
            _ => self.path.clone(),
        }
    }

    /// Returns the comments and doc comments, each with its line number. Omits doc comments that clap prints as help.
    fn comments(&self) -> Vec<(usize, &str)> {
        let mut help = HelpLines::default();
        help.visit_file(&self.syntax);
        // The text outside all tokens is a comment. A doc comment is parsed into tokens, so `mark_code` skips these
        // tokens.
        let mut is_code = vec![false; self.text.len()];
        mark_code(self.text.parse().expect("tokens"), &self.text, &mut is_code);
        let mut comments = Vec::new();
        let mut start = 0;
        for (index, line) in self.text.split_inclusive('\n').enumerate() {
            let code_end = (start..start + line.len()).rev().find(|byte| is_code[*byte]).map_or(start, |last| last + 1);
            let comment = self.text[code_end..start + line.len()].trim();
            let number = index + 1;
            if !comment.is_empty() && !help.0.iter().any(|lines| lines.contains(&number)) {
                comments.push((number, comment));
            }
            start += line.len();
        }
        comments
    }
}

/// Marks the bytes of every token that is not a doc comment.
fn mark_code(tokens: TokenStream, text: &str, is_code: &mut [bool]) {
    for token in tokens {
        // The tokens of a doc comment have the span of the comment.
        let bytes = token.span().byte_range();
        if text[bytes.clone()].starts_with("//") || text[bytes.clone()].starts_with("/*") {
            continue;
        }
        if let TokenTree::Group(group) = token {
            is_code[group.span_open().byte_range()].fill(true);
            is_code[group.span_close().byte_range()].fill(true);
            mark_code(group.stream(), text, is_code);
        } else {
            is_code[bytes].fill(true);
        }
    }
}

/// The line ranges of the items from which clap derives its help.
#[derive(Default)]
struct HelpLines(Vec<RangeInclusive<usize>>);

impl HelpLines {
    fn add(&mut self, attributes: &[syn::Attribute], item: &dyn Spanned) {
        let derives_help = attributes.iter().any(|attribute| {
            let tokens = attribute.meta.to_token_stream().to_string();
            attribute.path().is_ident("derive")
                && ["Args", "Parser", "Subcommand", "ValueEnum"].iter().any(|derive| tokens.contains(derive))
        });
        if derives_help {
            self.0.push(item.span().start().line..=item.span().end().line);
        }
    }
}

impl<'ast> Visit<'ast> for HelpLines {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.add(&item.attrs, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.add(&item.attrs, item);
    }
}

/// Collects the identifiers in a token stream, each with its line number.
fn identifiers(tokens: TokenStream, found: &mut Vec<(usize, String)>) {
    for token in tokens {
        match token {
            TokenTree::Ident(identifier) => found.push((identifier.span().start().line, identifier.to_string())),
            TokenTree::Group(group) => identifiers(group.stream(), found),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Splits an identifier into lowercase words: `MaxFoo_bar` into `max`, `foo` and `bar`.
fn words_of(identifier: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut previous = '_';
    for letter in identifier.chars() {
        if letter == '_' || letter.is_uppercase() && !previous.is_uppercase() {
            words.push(String::new());
        }
        if letter != '_' {
            words.last_mut().expect("at least one word").extend(letter.to_lowercase());
        }
        previous = letter;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns whether a comment contains a phrase as whole words, ignoring case.
fn contains_phrase(text: &str, phrase: &str) -> bool {
    let text = text.to_lowercase();
    text.match_indices(phrase).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let mut after = text[start + phrase.len()..].chars();
        let is_part = |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || letter == '_');
        // "There is no name" and "is no longer set" are English.
        let is_english =
            phrase.contains(" no") && (text[..start].ends_with("there ") || text[start..].starts_with("is no longer"));
        !is_part(before) && !is_part(after.next()) && !is_english
    })
}

/// The names of the types that a file defines, each with its line number.
#[derive(Default)]
struct TypeNames(Vec<(usize, String)>);

impl TypeNames {
    fn add(&mut self, name: &syn::Ident) {
        self.0.push((name.span().start().line, name.to_string()));
    }
}

impl<'ast> Visit<'ast> for TypeNames {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.add(&item.ident);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.add(&item.ident);
    }

    fn visit_item_type(&mut self, item: &'ast syn::ItemType) {
        self.add(&item.ident);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.add(&item.ident);
        visit::visit_item_trait(self, item);
    }
}

/// A function in a source file, with its lines.
struct Function {
    name: String,
    /// The line of `fn`.
    first_line: usize,
    /// The line of the closing brace, or the signature's last line if there is no body.
    last_line: usize,
    /// The first line of the doc comment. `None` if there is no doc comment.
    doc: Option<String>,
    is_test: bool,
}

/// The functions in a file.
#[derive(Default)]
struct Functions(Vec<Function>);

impl Functions {
    fn add(&mut self, attributes: &[syn::Attribute], signature: &syn::Signature, block: Option<&syn::Block>) {
        let end = block.map_or(signature.span(), Spanned::span);
        let doc = attributes.iter().find_map(|attribute| match &attribute.meta {
            syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
                _ => None,
            },
            _ => None,
        });
        self.0.push(Function {
            name: signature.ident.to_string(),
            first_line: signature.fn_token.span().start().line,
            last_line: end.end().line,
            doc,
            is_test: attributes.iter().any(|attribute| attribute.path().is_ident("test")),
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.attrs, &function.sig, Some(&function.block));
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.attrs, &function.sig, Some(&function.block));
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.add(&function.attrs, &function.sig, function.default.as_ref());
        visit::visit_trait_item_fn(self, function);
    }
}

/// Reads every Rust file of the project.
fn read_sources() -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for directory in ["benches", "crates", "src", "tests", "xtask"] {
        collect_sources(top, &top.join(directory), &mut sources);
    }
    assert!(sources.len() > 300, "only {} files were found", sources.len());
    sources
}

fn collect_sources(top: &Path, directory: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            collect_sources(top, &path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(top).expect("a path below the top").to_string_lossy().replace('\\', "/");
            sources.push(Source::parse(&name, &fs::read_to_string(&path).expect("a source file")));
        }
    }
}

/// Finds type names that are defined more than once in a compilation unit.
fn repeated_type_names(sources: &[Source]) -> Vec<String> {
    let mut places: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let mut names = TypeNames::default();
        names.visit_file(&source.syntax);
        for (line, name) in names.0 {
            places.entry((source.unit(), name)).or_default().insert(format!("{}:{line}", source.path));
        }
    }
    places.retain(|_, places| places.len() > 1);
    let describe = |((unit, name), places): (_, BTreeSet<String>)| {
        format!("{unit}: {name} is defined {} times: {}", places.len(), Vec::from_iter(places).join(", "))
    };
    places.into_iter().map(describe).collect()
}

/// Finds retired words in comments and identifiers. Reports each identifier once in each file.
fn retired_words(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (line, comment) in source.comments() {
        for (retired, use_instead) in RETIRED_PROSE {
            if contains_phrase(comment, retired) {
                faults.push(format!("{}:{line}: {retired:?}; write {use_instead:?}: {comment}", source.path));
            }
        }
    }
    let mut found = Vec::new();
    identifiers(source.syntax.to_token_stream(), &mut found);
    let mut seen = BTreeSet::new();
    found.retain(|(_, identifier)| seen.insert(identifier.clone()));
    for (line, identifier) in found {
        let words = words_of(&identifier);
        for (retired, use_instead) in RETIRED_IN_NAMES {
            if words.iter().any(|word| word == retired) {
                faults.push(format!("{}:{line}: `{identifier}`; write {use_instead:?}", source.path));
            }
        }
    }
    faults
}

/// Finds functions and files that are over the limit and do not give a reason.
fn unexplained_lengths(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut functions = Functions::default();
    functions.visit_file(&source.syntax);
    let mut faults = Vec::new();
    for Function { name, first_line: first, last_line: last, .. } in functions.0 {
        // The reason may be anywhere in the comments and attributes directly above the function.
        let mut above = lines[..first - 1].iter().rev().map(|line| line.trim());
        let explained = above.by_ref().take_while(|line| line.starts_with("//") || line.starts_with("#["));
        if last - first + 1 > MAX_FUNCTION_LINES && !explained.into_iter().any(|line| line.starts_with(LONG_FUNCTION)) {
            faults.push(format!("{}:{first}: `{name}` has {} lines", source.path, last - first + 1));
        }
    }
    if lines.len() > MAX_FILE_LINES && !lines.iter().any(|line| line.starts_with(LONG_FILE)) {
        faults.push(format!("{} has {} lines", source.path, lines.len()));
    }
    faults
}

/// Finds doc comments of functions that do not begin with a third-person verb.
fn docs_without_verb(source: &Source) -> Vec<String> {
    let mut functions = Functions::default();
    functions.visit_file(&source.syntax);
    let lacks_verb = |doc: &str| {
        let word = doc.split_whitespace().next().unwrap_or_default().trim_end_matches(',');
        let is_capitalised = word.starts_with(|first: char| first.is_ascii_uppercase());
        !is_capitalised || !word.ends_with('s') || ["Always", "As", "Its", "This"].contains(&word)
    };
    let faults = functions.0.into_iter().filter(|function| !function.is_test).filter_map(|function| {
        let doc = function.doc.filter(|doc| lacks_verb(doc))?;
        Some(format!("{}:{}: `{}`: {doc}", source.path, function.first_line, function.name))
    });
    faults.collect()
}

#[test]
fn names_comments_and_lengths_follow_the_rules() {
    let sources = read_sources();
    let mut faults = repeated_type_names(&sources);
    for source in &sources {
        faults.extend(docs_without_verb(source));
        // This file lists the retired words.
        if source.path != "tests/style.rs" {
            faults.extend(retired_words(source));
        }
        if source.path.starts_with("src/") || source.path.starts_with("crates/") {
            faults.extend(unexplained_lengths(source));
        }
    }
    assert!(faults.is_empty(), "{} faults; CONTRIBUTING.md has the rules:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn comments_are_distinguished_from_strings_and_help() {
    let source = Source::parse(
        "src/a.rs",
        "//! Module.\n/// Type.\nstruct A; // End.\nconst B: &str = \"// no\";\n\
         #[derive(Args)]\nstruct C {\n    /// Help.\n    d: u8,\n}\n/* Block. */\nfn e() {} // \u{e9}\n",
    );
    let found: Vec<&str> = source.comments().into_iter().map(|(_, comment)| comment).collect();
    assert_eq!(found, ["//! Module.", "/// Type.", "// End.", "/* Block. */", "// \u{e9}"]);
}

#[test]
fn retired_words_are_found() {
    let source = Source::parse(
        "src/a.rs",
        "// It is told.\nfn find_door() { let Tape = is_no_longer; }\n// It is no longer so; it is no error.\n",
    );
    let faults = retired_words(&source);
    assert_eq!(faults.len(), 3, "{faults:#?}");
    for (fault, place) in faults.iter().zip(["src/a.rs:1", "src/a.rs:3", "src/a.rs:2: `Tape`"]) {
        assert!(fault.starts_with(place), "{fault}");
    }
}

#[test]
fn docs_without_a_verb_are_found() {
    let source = Source::parse(
        "src/a.rs",
        "/// Returns it.\nfn a() {}\n/// The name.\nfn b() {}\n/// A case.\n#[test]\nfn c() {}\nfn d() {}\n\
         trait T {\n    /// This is it.\n    fn e();\n}\n",
    );
    assert_eq!(docs_without_verb(&source), ["src/a.rs:4: `b`: The name.", "src/a.rs:11: `e`: This is it."]);
}

#[test]
fn repeated_types_and_lengths_are_found() {
    let files = [Source::parse("src/ui.rs", "struct A;"), Source::parse("src/main.rs", "mod b { enum A {} }")];
    assert_eq!(repeated_type_names(&files), ["program: A is defined 2 times: src/main.rs:1, src/ui.rs:1"]);
    let body = "    f();\n".repeat(60);
    let long = Source::parse("src/a.rs", &format!("fn g() {{\n{body}}}\n"));
    assert_eq!(unexplained_lengths(&long), ["src/a.rs:1: `g` has 62 lines"]);
    let explained =
        Source::parse("src/a.rs", &format!("{LONG_FUNCTION}it is a table.\n#[cold]\nfn g() {{\n{body}}}\n"));
    assert!(unexplained_lengths(&explained).is_empty());
    let file = format!("//! Module.\n{}", "const A: u8 = 1;\n".repeat(400));
    assert_eq!(unexplained_lengths(&Source::parse("src/a.rs", &file)), ["src/a.rs has 401 lines"]);
}
