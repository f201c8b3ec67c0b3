//! Checks that every code with which a preview reports an error or a warning is the name of a rule. Otherwise `check`
//! would drop the diagnostic, or report it as `preview-failed`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use jobplate::check::rules;
use syn::visit::{self, Visit};
use syn::{Expr, ExprCall, ExprLit, ExprMethodCall, ItemConst, Lit, LitStr, Local, Pat};

/// The sources of what previews report.
const SOURCES: [&str; 3] =
    ["crates/jobplate-prefect/src", "crates/jobplate-manifest/src/sendable.rs", "src/commands/preview"];

/// The part of these sources that only `convert` runs.
const CONVERT: &str = "crates/jobplate-prefect/src/convert";

/// Collects the codes in a file.
#[derive(Default)]
struct Codes {
    found: BTreeSet<String>,
    /// The names of constants and variables that hold codes.
    names: BTreeSet<String>,
    /// The constants and variables, each with the string literals in its value.
    values: BTreeMap<String, BTreeSet<String>>,
}

impl Codes {
    fn add(&mut self, code: &Expr) {
        match code {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => drop(self.found.insert(text.value())),
            Expr::Path(path) => self.names.extend(path.path.segments.last().map(|last| last.ident.to_string())),
            _ => {}
        }
    }
}

impl<'a> Visit<'a> for Codes {
    fn visit_item_const(&mut self, item: &'a ItemConst) {
        self.values.entry(item.ident.to_string()).or_default().extend(literals(&item.expr));
    }

    fn visit_local(&mut self, local: &'a Local) {
        if let (Pat::Ident(name), Some(value)) = (&local.pat, &local.init) {
            self.values.entry(name.ident.to_string()).or_default().extend(literals(&value.expr));
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_call(&mut self, call: &'a ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let path: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
            let is_reported =
                ["error", "warning"].iter().any(|severity| path.ends_with(&["Diagnostic".into(), (*severity).into()]));
            call.args.first().filter(|_| is_reported).into_iter().for_each(|code| self.add(code));
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'a ExprMethodCall) {
        if ["into_diagnostic", "with_code"].iter().any(|name| call.method == name) {
            call.args.first().into_iter().for_each(|code| self.add(code));
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// Returns the string literals in an expression.
fn literals(expression: &Expr) -> BTreeSet<String> {
    #[derive(Default)]
    struct Literals(BTreeSet<String>);
    impl<'a> Visit<'a> for Literals {
        fn visit_lit_str(&mut self, text: &'a LitStr) {
            self.0.insert(text.value());
        }
    }
    let mut found = Literals::default();
    found.visit_expr(expression);
    found.0
}

/// Returns the Rust files of the sources.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pending: Vec<PathBuf> = SOURCES.iter().map(|source| root.join(source)).collect();
    let mut files = Vec::new();
    while let Some(path) = pending.pop() {
        if path.is_dir() && path != root.join(CONVERT) {
            let entries = fs::read_dir(&path).expect("a directory");
            pending.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn every_code_of_a_preview_is_a_rule() {
    let collect = |file: PathBuf| {
        let text = fs::read_to_string(&file).expect("a source file");
        let mut codes = Codes::default();
        codes.visit_file(&syn::parse_file(&text).expect("Rust"));
        codes
    };
    let files: Vec<Codes> = files().into_iter().map(collect).collect();
    let mut found: BTreeSet<&String> = files.iter().flat_map(|file| &file.found).collect();
    for file in &files {
        for name in &file.names {
            let values = file.values.get(name).or_else(|| files.iter().find_map(|other| other.values.get(name)));
            found.extend(values.unwrap_or_else(|| panic!("no value of {name} is found")));
        }
    }
    let missing: Vec<_> = found.iter().filter(|code| rules::find(code).is_none()).collect();
    assert!(missing.is_empty(), "add a rule for each of these codes: {missing:?}");
    assert!(found.len() > 30, "the test finds too few codes: {found:?}");
}
