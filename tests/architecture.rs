//! Checks rules about the code's structure that the compiler cannot check: files do not import each other in a cycle,
//! modules import in one direction, only listed files use the environment, the standard streams and the exit code, and
//! every file has a row in a map.
//!
//! The direction of imports among crates does not need a test, because a crate can import only its dependencies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Item, UseTree, Visibility};

/// The modules in `src/`, each with the modules that it may import.
const LAYERS: [(&str, &[&str]); 8] = [
    ("check", &["render"]),
    ("diagnostic", &[]),
    ("inject", &[]),
    ("render", &["inject"]),
    ("ui", &[]),
    ("shared", &["ui"]),
    ("completion", &["shared", "ui"]),
    ("commands", &["shared", "ui"]),
];

/// The actions that only some files may take: a description, the ends of the paths that perform the action, and the
/// prefixes of the allowed files.
const RESTRICTED: [(&str, &[&str], &[&str]); 3] = [
    (
        "reads the environment",
        &["env::var", "env::var_os", "env::vars", "env::vars_os"],
        &[
            "src/commands/argocd_generate.rs",
            "src/commands/secret/sources.rs",
            "src/completion/",
            "src/shared/cluster_args.rs",
            "src/ui.rs",
            "src/ui/github.rs",
        ],
    ),
    (
        "writes to a standard stream",
        &["io::stdout", "io::stderr", "print!", "println!", "eprint!", "eprintln!"],
        &["src/ui"],
    ),
    (
        "ends the process",
        &["process::exit", "process::abort", "low_level::emulate_default_handler"],
        &["src/main.rs", "src/shared/temp_files.rs", "src/ui.rs"],
    ),
];

/// The path of a module, from the root of its crate. The path of the root is empty.
type Module = Vec<String>;

/// One source file.
struct File {
    /// The path from the top of the project, with slashes.
    path: String,
    module: Module,
    /// The paths in its code outside tests, including `use` declarations, each with the module that contains the path.
    paths: Vec<(Module, Vec<String>)>,
    /// The names that `use` declarations import into its module, each with its full path.
    imports: BTreeMap<String, Vec<String>>,
    /// The rows of the table in its module documentation.
    map_rows: Vec<String>,
}

/// The files of one crate.
struct Crate {
    /// The path of the crate's `src` directory from the top of the project.
    root: String,
    files: Vec<File>,
    /// The index of each module's file.
    module_files: HashMap<Module, usize>,
}

/// Collects the paths in a file.
struct Collector {
    module: Module,
    /// The number of inline modules that enclose the visited item.
    depth: usize,
    file: File,
}

impl Collector {
    fn add_path(&mut self, path: Vec<String>) {
        self.file.paths.push((self.module.clone(), path));
    }

    fn collect_use(&mut self, tree: &UseTree, prefix: &[String]) {
        let join = |name: &dyn ToString| [prefix, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.collect_use(&path.tree, &join(&path.ident)),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.collect_use(tree, prefix)),
            UseTree::Glob(_) => self.add_path(prefix.to_vec()),
            UseTree::Name(name) => self.import(name.ident.to_string(), join(&name.ident)),
            UseTree::Rename(rename) => self.import(rename.rename.to_string(), join(&rename.ident)),
        }
    }

    fn import(&mut self, name: String, mut path: Vec<String>) {
        // `use a::{self}` names `a`.
        let name = if name == "self" && path.len() > 1 {
            path.pop();
            path.last().cloned().unwrap_or_default()
        } else {
            name
        };
        self.add_path(path.clone());
        if self.depth == 0 {
            self.file.imports.insert(name, path);
        }
    }

    /// Collects the paths in a macro's arguments, which the parser does not parse.
    fn collect_tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match &token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.add_path(std::mem::take(&mut path));
                    }
                    path.push(ident.to_string());
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() => {
                    colons += 1;
                    continue;
                }
                _ => self.add_path(std::mem::take(&mut path)),
            }
            if let TokenTree::Group(group) = token {
                self.collect_tokens(group.stream());
            }
            colons = 0;
        }
        self.add_path(path);
    }
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && matches!(&attribute.meta, syn::Meta::List(list) if list.tokens.to_string() == "test")
    })
}

impl<'ast> Visit<'ast> for Collector {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[syn::Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            Item::Const(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            _ => &[],
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.module.push(module.ident.to_string());
        self.depth += 1;
        visit::visit_item_mod(self, module);
        self.depth -= 1;
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.collect_use(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add_path(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast Visibility) {
        // `pub(super)` contains the path of a module, but does not import it.
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if let Some(name) = call.path.segments.last() {
            self.add_path(vec![format!("{}!", name.ident)]);
        }
        visit::visit_macro(self, call);
        self.collect_tokens(call.tokens.clone());
    }
}

impl File {
    /// Parses a file. `root` is the path of the crate's `src` directory, and `path` is relative to `root`.
    fn parse(root: &str, path: &str, text: &str) -> Self {
        let mut module: Module = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
            module.pop();
        }
        let file = File {
            path: format!("{root}{path}"),
            module: module.clone(),
            paths: Vec::new(),
            imports: BTreeMap::new(),
            map_rows: text.lines().filter(|line| line.starts_with("//! |")).map(str::to_owned).collect(),
        };
        let mut collector = Collector { module, depth: 0, file };
        let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{path}: {error}"));
        collector.visit_file(&parsed);
        collector.file.paths.retain(|(_, path)| !path.is_empty());
        collector.file
    }
}

impl Crate {
    /// Parses files, each given by its path relative to `root` and its content.
    fn parse<'t>(root: &str, files: impl IntoIterator<Item = (&'t str, &'t str)>) -> Self {
        let files: Vec<File> = files.into_iter().map(|(path, text)| File::parse(root, path, text)).collect();
        let module_files = files.iter().enumerate().map(|(index, file)| (file.module.clone(), index)).collect();
        Crate { root: root.to_owned(), files, module_files }
    }

    fn position(&self, module: &[String]) -> Option<usize> {
        self.module_files.get(module).copied()
    }

    /// Returns the file that defines the item that a path in module `from` refers to. Follows at most `limit`
    /// re-exports to the definition. Returns `None` if the path leads out of the crate or refers to a local name.
    fn resolve(&self, from: &[String], path: &[String], limit: usize) -> Option<usize> {
        let limit = limit.checked_sub(1)?;
        let mut module: Module;
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                module = Module::new();
                rest = &rest[1..];
            }
            "self" | "super" => {
                module = from.to_vec();
                while let Some(keyword) = rest.first().filter(|keyword| matches!(keyword.as_str(), "self" | "super")) {
                    if keyword == "super" {
                        module.pop()?;
                    }
                    rest = &rest[1..];
                }
            }
            first => {
                // A child module, or a name that a `use` declaration imports.
                module = from.to_vec();
                let child = [from, &[first.to_owned()]].concat();
                if self.position(&child).is_none() {
                    let file = &self.files[self.position(from)?];
                    let import = file.imports.get(first)?;
                    if import == path {
                        return None;
                    }
                    return self.resolve(from, &[import, &path[1..]].concat(), limit);
                }
            }
        }
        while let Some(name) = rest.first() {
            let child = [module.as_slice(), std::slice::from_ref(name)].concat();
            if self.position(&child).is_some() {
                module = child;
                rest = &rest[1..];
                continue;
            }
            // Go up to the file that contains the module.
            while self.position(&module).is_none() {
                module.pop()?;
            }
            let file = &self.files[self.position(&module)?];
            if let Some(import) = file.imports.get(name) {
                let target = self.resolve(&module, &[import, &rest[1..]].concat(), limit);
                return target.or_else(|| self.position(&module));
            }
            break;
        }
        while self.position(&module).is_none() {
            module.pop()?;
        }
        self.position(&module)
    }

    /// Returns the indices of the files that each file imports from.
    fn edges(&self) -> Vec<BTreeSet<usize>> {
        let edges_of = |(index, file): (usize, &File)| {
            let to = file.paths.iter().filter_map(|(module, path)| self.resolve(module, path, 16));
            to.filter(|to| *to != index).collect()
        };
        self.files.iter().enumerate().map(edges_of).collect()
    }

    /// Describes the groups of files that import each other, directly or indirectly.
    fn cycles(&self) -> Vec<String> {
        let edges = self.edges();
        let reachable: Vec<BTreeSet<usize>> = (0..edges.len())
            .map(|start| {
                let mut seen = BTreeSet::new();
                let mut next: Vec<usize> = edges[start].iter().copied().collect();
                while let Some(file) = next.pop() {
                    if seen.insert(file) {
                        next.extend(&edges[file]);
                    }
                }
                seen
            })
            .collect();
        let mut groups = BTreeSet::new();
        for (index, others) in reachable.iter().enumerate() {
            if others.contains(&index) {
                groups.insert(others.iter().copied().filter(|other| reachable[*other].contains(&index)).collect());
            }
        }
        let describe = |group: Vec<usize>| {
            let lines = group.iter().map(|index| {
                let to = edges[*index].iter().filter(|to| group.contains(to));
                let to: Vec<&str> = to.map(|to| self.files[*to].path.as_str()).collect();
                format!("  {} -> {}\n", self.files[*index].path, to.join(", "))
            });
            format!("a cycle of {} files:\n{}", group.len(), lines.collect::<String>())
        };
        groups.into_iter().map(describe).collect()
    }
}

/// Parses the crates of the project on the first call. `src/` contains two crates, the library and the program.
fn crates() -> &'static [Crate] {
    static CRATES: OnceLock<Vec<Crate>> = OnceLock::new();
    CRATES.get_or_init(|| {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut roots = vec![("src/".to_owned(), "lib.rs"), ("src/".to_owned(), "main.rs")];
        for entry in fs::read_dir(top.join("crates")).expect("crates/") {
            let name = entry.expect("an entry of crates/").file_name().into_string().expect("a UTF-8 name");
            roots.push((format!("crates/{name}/src/"), "lib.rs"));
        }
        assert!(roots.len() > 6, "the crates were not found");
        let parse = |(source, root): &(String, &str)| {
            let text = fs::read_to_string(top.join(source).join(root)).expect("the root of a crate");
            let parsed = syn::parse_file(&text).expect("Rust");
            let modules = parsed.items.iter().filter_map(|item| match item {
                Item::Mod(module) if module.content.is_none() => Some(module.ident.to_string()),
                _ => None,
            });
            let modules: BTreeSet<String> = modules.collect();
            let mut files = Vec::new();
            collect_sources(&top.join(source), &top.join(source), &mut files);
            files.retain(|(path, _)| {
                let first = path.split('/').next().unwrap_or_default();
                path == root || modules.contains(first.trim_end_matches(".rs"))
            });
            assert!(files.len() > modules.len(), "{source}{root} has no sources");
            Crate::parse(source, files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
        };
        roots.iter().map(parse).collect()
    })
}

/// Adds the source files below a directory to `found`, each with its path relative to `root`.
fn collect_sources(root: &Path, directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).expect("a directory of sources") {
        let path = entry.expect("an entry of it").path();
        if path.is_dir() {
            collect_sources(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let relative_path = path.strip_prefix(root).expect("a path below the root");
            let text = fs::read_to_string(&path).expect("a source file");
            found.push((relative_path.to_string_lossy().replace('\\', "/"), text));
        }
    }
}

#[test]
fn no_import_cycle_between_files() {
    let cycles: Vec<String> = crates().iter().flat_map(Crate::cycles).collect();
    assert!(cycles.is_empty(), "files that import each other\n{}", cycles.concat());
}

#[test]
fn modules_of_the_program_import_in_one_direction() {
    let program: Vec<&Crate> = crates().iter().filter(|parsed| parsed.root == "src/").collect();
    assert_eq!(program.len(), 2);
    let mut violations = BTreeSet::new();
    for parsed in program {
        for (file, edges) in parsed.files.iter().zip(parsed.edges()) {
            let Some(module) = file.module.first() else { continue };
            let (_, allowed) = LAYERS
                .iter()
                .find(|(name, _)| name == module)
                .unwrap_or_else(|| panic!("{module} is missing from LAYERS"));
            for to in edges.into_iter().map(|to| &parsed.files[to]) {
                if to.module.first().is_none_or(|to| to != module && !allowed.contains(&to.as_str())) {
                    violations.insert(format!("{} imports {}\n", file.path, to.path));
                }
            }
        }
    }
    assert!(violations.is_empty(), "{}", Vec::from_iter(violations).concat());
}

#[test]
fn only_listed_files_use_the_environment_and_the_streams() {
    let mut violations = BTreeSet::new();
    let mut seen = BTreeSet::new();
    for parsed in crates() {
        for file in &parsed.files {
            for (action, ends, allowed) in RESTRICTED {
                let performs_action = file.paths.iter().any(|(_, path)| {
                    // An imported name is restricted like its full path.
                    let path = match file.imports.get(&path[0]) {
                        Some(import) => [import, &path[1..]].concat(),
                        None => path.clone(),
                    };
                    let path = path.join("::");
                    ends.iter().any(|end| path == *end || path.ends_with(&format!("::{end}")))
                });
                match allowed.iter().find(|allowed| file.path.starts_with(**allowed)) {
                    Some(allowed) if performs_action => drop(seen.insert((action, *allowed))),
                    None if performs_action => drop(violations.insert(format!("{} {action}\n", file.path))),
                    _ => {}
                }
            }
        }
    }
    for (action, _, allowed) in RESTRICTED {
        for allowed in allowed.iter().filter(|allowed| !seen.contains(&(action, **allowed))) {
            violations.insert(format!("{allowed} is listed, and no file of it {action}\n"));
        }
    }
    assert!(violations.is_empty(), "{}", Vec::from_iter(violations).concat());
}

#[test]
fn every_file_has_a_row_in_a_map_above_it() {
    let mut missing = BTreeSet::new();
    for parsed in crates() {
        // The rules of `check` are listed in docs/rules/index.md, which is generated from them.
        let is_rule = |file: &&File| file.path.starts_with("src/check/rules/");
        for file in parsed.files.iter().filter(|file| !file.module.is_empty() && !is_rule(file)) {
            let has_row = (0..file.module.len()).any(|above| {
                let Some(position) = parsed.position(&file.module[..above]) else { return false };
                let path = file.module[above..].join("/");
                let names = ["`", ".rs`", "/"].map(|end| format!("`{path}{end}"));
                parsed.files[position].map_rows.iter().any(|row| names.iter().any(|name| row.contains(name)))
            });
            if !has_row {
                missing.insert(format!("no map has a row for {}\n", file.path));
            }
        }
    }
    assert!(missing.is_empty(), "{}", Vec::from_iter(missing).concat());
}

/// Returns the imports among the files of an example crate, each as `from -> to`.
fn list_imports(files: &[(&str, &str)]) -> Vec<String> {
    let parsed = Crate::parse("", files.iter().copied());
    let edges = parsed.edges();
    let lines = parsed.files.iter().zip(edges).flat_map(|(file, edges)| {
        let to: Vec<String> = edges.iter().map(|to| format!("{} -> {}", file.path, parsed.files[*to].path)).collect();
        to
    });
    lines.collect()
}

#[test]
fn imports_are_found_however_they_are_written() {
    let base_files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("b.rs", "pub(crate) fn f() {} pub(crate) struct S;"),
        ("c.rs", ""),
        ("a/mod.rs", "mod inner;"),
    ];
    for code in [
        "use super::super::b::S;",
        "use crate::{b::{S}, c};",
        "fn g() { crate::b::f() }",
        "fn g() { println!(\"{}\", crate::b::f()) }",
        "fn g(_: &[crate::b::S]) {}",
        "use super::super::b; fn g() { b::f() }",
    ] {
        let found = list_imports(&[base_files.as_slice(), &[("a/inner.rs", code)]].concat());
        assert!(found.contains(&"a/inner.rs -> b.rs".to_owned()), "{code}: {found:?}");
    }
    for code in ["#[cfg(test)] mod tests { use crate::b::S; }", "// crate::b::f()", "pub(in crate::a) fn g() {}"] {
        let found = list_imports(&[base_files.as_slice(), &[("a/inner.rs", code)]].concat());
        assert!(found.is_empty(), "{code}: {found:?}");
    }
}

#[test]
fn re_exports_are_followed() {
    let found = list_imports(&[
        ("lib.rs", "mod a; mod b;"),
        ("a/mod.rs", "mod inner; pub(crate) use inner::T; pub(crate) const OWN: u8 = 1;"),
        ("a/inner.rs", "pub(crate) struct T;"),
        ("b.rs", "use crate::a::T; fn f() -> u8 { crate::a::OWN }"),
    ]);
    assert_eq!(found, ["a/mod.rs -> a/inner.rs", "b.rs -> a/mod.rs", "b.rs -> a/inner.rs"]);
}

#[test]
fn a_cycle_is_found() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "use crate::b::B; pub(crate) struct A;"),
        ("b.rs", "pub(crate) struct B; fn f() { crate::c::g() }"),
        ("c.rs", "pub(crate) fn g() { let _ = vec![super::a::A]; }"),
    ];
    let parsed = |files: &[(&str, &str)]| Crate::parse("", files.iter().copied()).cycles();
    assert_eq!(parsed(&files), ["a cycle of 3 files:\n  a.rs -> b.rs\n  b.rs -> c.rs\n  c.rs -> a.rs\n"]);
    assert!(parsed(&files[..3]).is_empty());
}
