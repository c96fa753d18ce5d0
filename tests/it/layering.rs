//! The layout of the runtime: no import cycles, few modules and files, short functions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};
use syn::{Block, ImplItemFn, Item, ItemFn, Signature, TraitItemFn};

const MAX_MODULES: usize = 22;
const MAX_FILES: usize = 70;
const MAX_FUNCTION_LINES: usize = 40;

/// A file of the runtime without its tests.
struct Source {
    file: PathBuf,
    /// The path of its module, such as `session`, `renewal`. Empty for `lib.rs`.
    module: Vec<String>,
    items: Vec<Item>,
}

/// The imports between top-level modules, and where each occurs.
type Imports = BTreeMap<(String, String), BTreeSet<String>>;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn runtime() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src")
}

fn sources() -> Vec<Source> {
    let sources = files(&runtime()).into_iter().map(|path| {
        let mut items = syn::parse_file(&std::fs::read_to_string(&path).unwrap()).unwrap().items;
        items.retain(|item| !item.to_token_stream().to_string().starts_with("# [cfg (test)]"));
        let file = path.strip_prefix(runtime()).unwrap().to_owned();
        let names = file.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>();
        Source { file, module: names.into_iter().filter(|name| name != "mod" && name != "lib").collect(), items }
    });
    sources.filter(|source| !source.module.iter().any(|name| name.ends_with("tests") || name == "fake")).collect()
}

/// The tokens as text, with `{` for the start of any group.
fn words(tokens: TokenStream) -> Vec<String> {
    let words = tokens.into_iter().flat_map(|token| match token {
        TokenTree::Group(group) => [vec!["{".to_owned()], words(group.stream())].concat(),
        token => vec![token.to_string()],
    });
    words.collect()
}

/// The paths that start with `crate` or `super`: in imports, in code and in macros.
fn paths(item: &Item) -> Vec<Vec<String>> {
    let words = words(item.to_token_stream());
    let starts = (0..words.len()).filter(|at| words[*at] == "crate" || words[*at] == "super");
    let paths = starts.map(|start| {
        let mut path = vec![words[start].clone()];
        let rest = words[start + 1..].chunks_exact(3).take_while(|part| part[..2] == [":", ":"]);
        path.extend(rest.map(|part| part[2].clone()));
        path
    });
    paths.filter(|path| path.len() > 1).collect()
}

/// The top-level module that defines each name at the crate root, such as `client` or `Client`.
fn names_at_the_root(sources: &[Source]) -> BTreeMap<String, String> {
    let modules = sources.iter().filter_map(|source| source.module.first());
    let mut names: BTreeMap<_, _> = modules.map(|module| (module.clone(), module.clone())).collect();
    names.insert("__private".to_owned(), "attribute".to_owned());
    for item in sources.iter().filter(|source| source.module.is_empty()).flat_map(|source| &source.items) {
        if let Item::Use(item) = item {
            let words = words(item.tree.to_token_stream());
            for name in &words {
                names.entry(name.clone()).or_insert_with(|| words[0].clone());
            }
        }
    }
    names
}

fn imports(sources: &[Source]) -> Imports {
    let names = names_at_the_root(sources);
    let mut imports = Imports::new();
    for source in sources.iter().filter(|source| !source.module.is_empty()) {
        for path in source.items.iter().flat_map(paths) {
            let ups = path.iter().take_while(|segment| *segment == "super").count();
            let start = if path[0] == "crate" { 0 } else { source.module.len().saturating_sub(ups) };
            let name = source.module[..start].iter().chain(&path[ups.max(1)..]).next().unwrap();
            let place = format!("{} names {}", source.file.display(), path.join("::").trim_end_matches("::{"));
            let imported = names.get(name).unwrap_or_else(|| panic!("{place}: `{name}` is not at the crate's root"));
            if *imported != source.module[0] {
                imports.entry((source.module[0].clone(), imported.clone())).or_default().insert(place);
            }
        }
    }
    imports
}

fn leads_to(imports: &Imports, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(module) = open.pop() {
        if seen.insert(module) {
            open.extend(
                imports.keys().filter(|(importer, _)| *importer == module).map(|(_, imported)| imported.as_str()),
            );
        }
    }
    seen.contains(to)
}

/// The length and location of each function.
struct Functions<'a>(&'a Path, Vec<(usize, String)>);

impl Functions<'_> {
    fn add(&mut self, signature: &Signature, block: &Block) {
        let (first, last) = (signature.fn_token.span.start().line, block.brace_token.span.close().end().line);
        self.1.push((last - first + 1, format!("`{}` in {}:{first}", signature.ident, self.0.display())));
    }
}

impl Visit<'_> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &TraitItemFn) {
        function.default.iter().for_each(|block| self.add(&function.sig, block));
        visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn the_modules_of_the_runtime_import_each_other_in_one_direction() {
    let imports = imports(&sources());
    assert!(imports.len() > 40, "too few imports were found: {:?}", imports.keys());
    let in_a_cycle = imports.iter().filter(|((importer, imported), _)| leads_to(&imports, imported, importer));
    let text: String = in_a_cycle
        .map(|((importer, imported), places)| {
            let places = places.iter().map(|place| format!("\n    {place}")).collect::<String>();
            format!("\n  {importer} -> {imported}{places}")
        })
        .collect();
    assert!(text.is_empty(), "these imports are part of a cycle:{text}");
}

#[test]
fn the_runtime_has_few_modules_and_files() {
    let modules: BTreeSet<_> = sources().into_iter().filter_map(|source| source.module.into_iter().next()).collect();
    let files = files(&runtime()).len();
    assert!(modules.len() <= MAX_MODULES, "{} top-level modules, at most {MAX_MODULES}: {modules:?}", modules.len());
    assert!(files <= MAX_FILES, "{files} files, at most {MAX_FILES}");
}

#[test]
fn the_functions_of_the_runtime_are_short() {
    let sources = sources();
    let mut functions: Vec<_> = sources
        .iter()
        .flat_map(|source| {
            let mut functions = Functions(&source.file, Vec::new());
            source.items.iter().for_each(|item| functions.visit_item(item));
            functions.1
        })
        .collect();
    assert!(functions.len() > 400, "too few functions were found: {}", functions.len());
    functions.retain(|(lines, _)| *lines > MAX_FUNCTION_LINES);
    let text: String = functions.iter().map(|(lines, place)| format!("\n  {lines} lines: {place}")).collect();
    assert!(text.is_empty(), "longer than {MAX_FUNCTION_LINES} lines:{text}");
}
